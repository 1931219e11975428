"""The vocabulary of what an observer can hear."""

import dataclasses
import inspect
from typing import get_args

import pytest

import ocpp_rpc_core
from ocpp_rpc_core import notices as n

CLASSES = [cls for _, cls in inspect.getmembers(n, inspect.isclass) if cls.__module__ == n.__name__]

CLIENT = {
    n.BadMessage: ("message", "error", "response"),
    n.StrictValidationFailure: ("error", "message_id", "method", "params", "result", "outbound", "is_call"),
    n.MessageEvent: ("message", "outbound"),
    n.CallEvent: ("message_id", "outbound", "payload"),
    n.CallResultEvent: ("message_id", "outbound", "method", "params", "result"),
    n.CallErrorEvent: ("message_id", "outbound", "method", "params", "error"),
    n.ResponseEvent: ("outbound", "payload"),
    n.Opened: ("response",),
    n.Connecting: ("protocols",),
    n.Disconnected: ("code", "reason"),
    n.Closing: (),
    n.Closed: ("code", "reason"),
    n.ProtocolChosen: ("protocol",),
    n.PingEvent: ("rtt",),
    n.SocketError: ("error",),
    n.ResultRefused: ("message_id", "method", "error"),
    n.LateReply: ("message_id", "method", "payload", "reason"),
}
SERVER = {
    n.ClientConnected: ("client",),
    n.ServerError: ("error",),
    n.ServerClosing: (),
    n.ServerClosed: (),
    n.UpgradeAborted: ("error", "status", "identity", "handshake"),
}


def fields_of(cls):
    """The names of the fields, in order."""
    return tuple(field.name for field in dataclasses.fields(cls))


@pytest.mark.feature("C26")
@pytest.mark.feature("E6")
@pytest.mark.parametrize(("cls", "names"), CLIENT.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_client(cls, names):
    """Each event of a connection has its typed fields."""
    assert set(fields_of(cls)) == set(names)


@pytest.mark.feature("S21")
@pytest.mark.parametrize(("cls", "names"), SERVER.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_server(cls, names):
    """Each event of a server has its typed fields."""
    assert fields_of(cls) == names


def test_union_is_complete():
    """Every notice is in the union, and can be imported from the package."""
    assert set(CLASSES) == set(get_args(n.Notice))
    assert all(getattr(ocpp_rpc_core, cls.__name__) is cls for cls in CLASSES)


@pytest.mark.parametrize("cls", CLASSES)
def test_house_style(cls):
    """A notice is a final, slotted dataclass with a docstring of its own that no observer can change."""
    assert dataclasses.is_dataclass(cls)
    assert cls.__final__
    assert cls.__dictoffset__ == 0
    assert cls.__doc__
    assert not cls.__doc__.startswith(f"{cls.__name__}(")
    names = fields_of(cls)
    notice = cls(*names)
    for name in names:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(notice, name, None)
