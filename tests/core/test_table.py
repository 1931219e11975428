"""Every phase x every event, in both roles: heard, too late, or the adapter's mistake."""

from typing import get_args

import pytest
from support import wire

from ocpp_rpc_core import actions as a, events as e
from ocpp_rpc_core._lifecycle import HEARD, MISTAKES, MOVES, STATES, TAKES_CALLS, TALKING, Phase, State, Trigger
from ocpp_rpc_core.errors import LocalProtocolError

EVENTS = {
    e.TransportOpened: e.TransportOpened(),
    e.TransportFailed: e.TransportFailed(OSError("no route")),
    e.BytesReceived: e.BytesReceived(b"\x00"),
    e.BytesUnwritten: e.BytesUnwritten(100),
    e.TransportClosed: e.TransportClosed(),
    e.Tick: e.Tick(),
    e.ConnectRequested: e.ConnectRequested(7),
    e.ConnectCancelled: e.ConnectCancelled(1),
    e.UpgradeAccepted: e.UpgradeAccepted(),
    e.UpgradeRejected: e.UpgradeRejected(403),
    e.UpgradeCrashed: e.UpgradeCrashed(ZeroDivisionError()),
    e.HandlersReady: e.HandlersReady(),
    e.CloseRequested: e.CloseRequested(),
    e.AbortRequested: e.AbortRequested(),
    e.CallRequested: e.CallRequested(8, "M"),
    e.CallCancelled: e.CallCancelled(2),
    e.SendRequested: e.SendRequested(9, "M", {}),
    e.RawSendRequested: e.RawSendRequested(10, "x"),
    e.HandlerReturned: e.HandlerReturned(1, {}),
    e.HandlerRaised: e.HandlerRaised(1, ZeroDivisionError()),
    e.HandlerDeclined: e.HandlerDeclined(1),
    e.HandlerReplied: e.HandlerReplied(e.HandlerReturned(1, {})),
}
"""One of each; `Reconfigured` carries options of the role, see `event_for`."""


def with_call(script):
    """An open connection with one call in flight, so that draining takes its time."""
    return script.tell(e.CallRequested(2, "M")).skip()


def waiting(script):
    """A client in back-off."""
    return script.tell(e.TransportClosed()).skip()


def parting(script, masked):
    """The peer has said goodbye."""
    return script.tell(e.BytesReceived(wire.goodbye(1000, masked=masked))).skip()


COMMON = {
    Phase.OPEN: lambda new: with_call(wire.opened(new())),
    Phase.DRAINING: lambda new: with_call(wire.opened(new())).tell(e.CloseRequested(drain=True)).skip(),
    Phase.CLOSING: lambda new: wire.opened(new()).tell(e.CloseRequested()).skip(),
    Phase.UPGRADING: lambda new: wire.upgrading(new()),
}
WAYS = {
    "client": {
        Phase.IDLE: lambda new: wire.Script(new()),
        Phase.DIALLING: lambda new: wire.dialling(new()),
        Phase.WAITING: lambda new: waiting(wire.opened(new())),
        Phase.PARTING: lambda new: parting(wire.opened(new()), masked=False),
        Phase.CLOSED: lambda new: wire.opened(new()).tell(e.AbortRequested()).skip(),
        **COMMON,
    },
    "server": {
        Phase.IDLE: lambda new: wire.Script(new()),
        Phase.DECIDING: lambda new: wire.opened(new(authenticate=True)),
        Phase.PARTING: lambda new: parting(wire.opened(new()), masked=True),
        Phase.CLOSED: lambda new: wire.opened(new()).tell(e.AbortRequested()).skip(),
        **COMMON,
    },
}
NEW = {"client": wire.client, "server": wire.server}
CELLS = [
    pytest.param(role, phase, event, id=f"{role}-{phase.name}-{event.__name__}")
    for role, ways in WAYS.items()
    for phase in ways
    for event in get_args(e.Event)
]


def event_for(role, kind):
    """One event of this type."""
    if kind is e.Reconfigured:
        return kind(wire.client_options() if role == "client" else wire.server_options())
    return EVENTS[kind]


def is_mistake(role, phase, kind):
    """Whether only a broken adapter says this."""
    if role == "server" and kind in (e.ConnectRequested, e.ConnectCancelled):
        return True
    if role == "client" and phase is Phase.IDLE and kind is e.TransportOpened:
        return True
    return kind in MISTAKES[phase]


@pytest.mark.parametrize(("role", "phase", "kind"), CELLS)
def test_every_cell(role, phase, kind):
    """Heard, late (nothing happens), or `LocalProtocolError` (and nothing happens); afterwards it can be closed."""
    script = WAYS[role][phase](NEW[role])
    connection = script._machine
    assert connection.phase is phase
    before = (phase, connection.state, connection.deadline)
    if is_mistake(role, phase, kind):
        with pytest.raises(LocalProtocolError):
            script.tell(event_for(role, kind))
        assert (connection.phase, connection.state, connection.deadline) == before
    else:
        script.tell(event_for(role, kind))
        if kind not in HEARD[phase]:
            script.expect(*[a.AbortTransport()] * (kind is e.TransportOpened))
            assert (connection.phase, connection.state, connection.deadline) == before
    script.skip().tell(e.AbortRequested())
    assert (connection.phase, connection.deadline) == (Phase.CLOSED, None)


def test_every_phase_is_reached():
    """The table above leaves no phase out, and no phase that a role can never be in stands in it."""
    assert {*WAYS["client"]} == {*Phase} - {Phase.DECIDING}
    assert {*WAYS["server"]} == {*Phase} - {Phase.DIALLING, Phase.WAITING}


def test_the_tables_are_whole():
    """Every phase has its events and its state, and no event is both heard and a mistake."""
    assert {*HEARD} == {*MISTAKES} == {*STATES} == {*Phase}
    known = {*get_args(e.Event)}
    for phase in Phase:
        assert HEARD[phase] | MISTAKES[phase] <= known
        assert not HEARD[phase] & MISTAKES[phase]
    assert {State.CONNECTING, State.OPEN} == TAKES_CALLS
    assert all(e.HandlerReturned in HEARD[phase] for phase in TALKING)


def test_every_life_ends():
    """From every phase but the last there is a way to it, and none leads out of it."""
    assert {phase for phase, trigger in MOVES if trigger is Trigger.END} == {*Phase} - {Phase.CLOSED}
    assert Phase.CLOSED not in {phase for phase, _ in MOVES}
    assert {*MOVES.values()} | {Phase.IDLE} == {*Phase}
    assert {trigger for _, trigger in MOVES} == {*Trigger}
