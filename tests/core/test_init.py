"""The front door: what the package exports, and that nothing in it is missing or misspelt."""

from typing import get_args

import pytest

import ocpp_rpc_core
from ocpp_rpc_core import actions, errors, events, notices, testing


def test_everything_exported_is_there():
    """Every name of `__all__` exists, once."""
    assert len({*ocpp_rpc_core.__all__}) == len(ocpp_rpc_core.__all__)
    assert all(hasattr(ocpp_rpc_core, name) for name in ocpp_rpc_core.__all__)
    assert all(hasattr(testing, name) for name in testing.__all__)


@pytest.mark.feature("C26")
def test_every_notice_is_exported():
    """Whoever observes can import what there is to observe."""
    assert {notice.__name__ for notice in get_args(notices.Notice)} <= {*ocpp_rpc_core.__all__}


@pytest.mark.feature("E1")
def test_every_error_is_exported():
    """Whoever catches can import what there is to catch."""
    raised = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == errors.__name__
    }
    assert raised <= {*ocpp_rpc_core.__all__}
    codes = [name for name in raised if name.startswith("RPC") and name != "RPCError"]
    assert len(codes) == 14


def test_events_and_actions_are_values():
    """Cheap to make, final, comparable, and documented field by field or as a whole."""
    for kind in {*get_args(events.Event), *get_args(events.SessionEvent), *get_args(actions.Action)}:
        assert kind.__final__
        assert kind.__slots__ == tuple(kind.__dataclass_fields__)
        assert kind.__doc__
        assert not kind.__doc__.startswith(kind.__name__ + "(")


def test_everything_exported_is_documented():
    """Every exported class and function has a docstring of its own."""
    for name in ocpp_rpc_core.__all__:
        value = getattr(ocpp_rpc_core, name)
        if isinstance(value, type) or callable(value):
            assert value.__doc__, name
