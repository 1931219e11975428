"""What users may write as options is what there is, under the same names and types."""

import dataclasses
from typing import get_args, get_type_hints

import pytest

from ocpp_rpc_core import config
from ocpp_rpc_core._settings import ClientChanges, ClientSettings, PeerSettings, ServerSettings
from ocpp_rpc_core.config import ClientOptions, Options, ServerOptions
from ocpp_rpc_core.registry import Duplicates

OURS = {"entropy", "authenticate", "hold_calls"}
"""Options that the library sets: users have no say in them."""
ARGUMENTS = {"endpoint", "identity"}
"""Options of a client that are arguments of their own at first."""


def settable(options):
    """The options that users may set."""
    return {field.name for field in dataclasses.fields(options) if field.init} - OURS


@pytest.mark.feature("S24")
@pytest.mark.feature("C25")
@pytest.mark.parametrize(
    ("settings", "options", "more", "less"),
    [
        (PeerSettings, Options, set(), set()),
        (ServerSettings, ServerOptions, {"duplicates"}, set()),
        (ClientSettings, ClientOptions, set(), ARGUMENTS),
        (ClientChanges, ClientOptions, set(), set()),
    ],
)
def test_same_names(settings, options, more, less):
    """Every option that users may set has its name in the settings, and no name is without an option."""
    assert set(get_type_hints(settings)) == (settable(options) | more) - less
    assert settings.__required_keys__ == frozenset()


@pytest.mark.parametrize(
    ("settings", "options"),
    [(PeerSettings, Options), (ServerSettings, ServerOptions), (ClientChanges, ClientOptions)],
)
def test_same_types(settings, options):
    """A setting has the type of its option, but that a limit may also be None."""
    written, meant = get_type_hints(settings), get_type_hints(options)
    for name in set(written) & set(meant):
        limit = name in config._LIMITS
        assert written[name] == (meant[name] | None if limit else meant[name]), name


def test_none_is_no_limit():
    """Exactly where a number may be None, None means infinity."""
    hints = {**get_type_hints(ServerSettings), **get_type_hints(ClientChanges)}
    assert {name for name, hint in hints.items() if set(get_args(hint)) == {float, type(None)}} == config._LIMITS


@pytest.mark.feature("B6")
def test_policies():
    """The policies for duplicates are those of the registry."""
    assert get_type_hints(ServerSettings)["duplicates"] == Duplicates
