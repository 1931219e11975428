"""The vocabulary of what a connection can be told."""

import dataclasses
import inspect
from typing import get_args

import pytest

from ocpp_rpc_core import events as e

CLASSES = [cls for _, cls in inspect.getmembers(e, inspect.isclass) if cls.__module__ == e.__name__]
TEXT_SEAM = {e.SessionOpened, e.TextReceived, e.SessionLost}


def test_unions_are_complete():
    """Every event can be told to a connection or a session; only the text seam is not for connections."""
    assert set(CLASSES) == set(get_args(e.Event)) | set(get_args(e.SessionEvent))
    assert set(get_args(e.SessionEvent)) - set(get_args(e.Event)) == TEXT_SEAM
    assert set(get_args(e.HandlerAnswer)) < set(get_args(e.Event)) & set(get_args(e.SessionEvent))


@pytest.mark.parametrize("cls", CLASSES)
def test_house_style(cls):
    """An event is a final, slotted dataclass with a docstring of its own, cheap to make."""
    assert dataclasses.is_dataclass(cls)
    assert cls.__final__
    assert cls.__dictoffset__ == 0
    assert cls.__doc__
    assert not cls.__doc__.startswith(f"{cls.__name__}(")  # what dataclass writes when there is none


def test_defaults():
    """What is left out has the meaning that the feature list gives it."""
    assert e.TransportOpened() == e.TransportOpened(None, None, None)
    assert e.TransportClosed() == e.TransportClosed(error=None)
    assert e.UpgradeAccepted() == e.UpgradeAccepted(protocol=None)
    assert e.SessionLost() == e.SessionLost(reason="", final=True)
    assert e.CallRequested(1, "A") == e.CallRequested(1, "A", {}, timeout=None, no_reply=False)


@pytest.mark.feature("C12")
def test_close_defaults():
    """A close that says no more is a normal one, at once."""
    assert e.CloseRequested() == e.CloseRequested(code=1000, reason="", drain=False)


@pytest.mark.feature("S14")
def test_rejection_defaults():
    """A rejection that says no more is a 400 without a body."""
    assert e.UpgradeRejected() == e.UpgradeRejected(status=400, body="")


def test_params_are_not_shared():
    """Two calls without parameters have an object each."""
    assert e.CallRequested(1, "A").params is not e.CallRequested(2, "A").params
