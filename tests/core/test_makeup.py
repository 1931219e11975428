"""What a connection's parts are told: phases, options, and a pause of reading."""

from dataclasses import replace

import pytest
from support import wire
from support.wire import client, message, opened, server

from ocpp_rpc_core import actions as a, errors, events as e, notices as n
from ocpp_rpc_core._budget import Budget
from ocpp_rpc_core._lifecycle import Phase
from ocpp_rpc_core.connection import Connection
from ocpp_rpc_core.limits import Limits
from ocpp_rpc_core.router import Router

SECOND = message(2, "2", "Echo", {}, masked=True)
BEGUN = wire.frame(0x01, b"[2,", masked=True)


def choosy(**options):
    """A server whose one handler is busy, and that lets nothing wait."""
    router = Router()
    router.add("Echo", "handler")
    limits = Limits(running_handlers=1, waiting_bytes=0, message_time=3)
    script = opened(server(router, ping_interval=5, limits=limits, **options))
    return script.tell(e.BytesReceived(message(2, "1", "Echo", {}, masked=True))).skip()


@pytest.mark.threat("T20")
def test_a_peer_that_is_not_read():
    """No ping is sent and no message is late; afterwards time begins anew for both."""
    script = choosy().tell(e.BytesReceived(SECOND + BEGUN)).skip()
    assert script.actions[-1] == a.PauseReading()
    assert script._machine.deadline is None
    script.tell(e.Reconfigured(replace(script._machine._options, ping_interval=7))).expect()
    assert script._machine.deadline is None
    script.until(100).tell(e.HandlerDeclined(1)).skip()
    assert [type(action) for action in script.actions] == [a.StartHandler, a.ResumeReading]
    assert script._machine.deadline == 103
    script.tell(e.BytesReceived(wire.frame(0x80, b"]", masked=True))).skip()
    assert script._machine.deadline == 107


@pytest.mark.parametrize("end", [e.CloseRequested(), e.TransportClosed()])
def test_the_end_of_a_pause(end):
    """When nobody talks any more, nobody is judged by it."""
    script = choosy(close_timeout=9).tell(e.BytesReceived(SECOND + BEGUN)).skip().tell(end).skip()
    assert a.ResumeReading() in script.actions
    assert script._machine.deadline == (9 if isinstance(end, e.CloseRequested) else None)


def test_messages_leave_as_frames():
    """Text and binary, masked by a client."""
    script = opened(client()).tell(e.RawSendRequested(2, "x")).skip()
    assert script.actions[0] == a.SendBytes(wire.frame(0x81, b"x", masked=True))
    script.tell(e.RawSendRequested(3, b"x")).skip()
    assert script.actions[0] == a.SendBytes(wire.frame(0x82, b"x", masked=True))


@pytest.mark.threat("T9")
def test_what_waits_is_told_to_the_pace():
    """And a pong that waited goes out when nothing waits any more."""
    script = opened(server()).tell(e.BytesUnwritten(5000)).expect()
    assert script._machine.deadline == 10
    script.tell(e.BytesReceived(wire.MASKED_PING)).expect()
    script.tell(e.BytesUnwritten(0)).expect(a.SendBytes(wire.PONG))
    assert script._machine.deadline is None


def test_limits_are_reported_with_their_bound():
    """Those of the options as they are."""
    connection = server(max_message_size=5, limits=Limits(headers=3))
    assert connection.limits == Limits(headers=3)
    connection._exceeded("max_message_size")
    connection._exceeded("")
    assert connection._out == [a.Report(n.LimitExceeded("max_message_size", 5))]


def test_a_connection_keeps_its_identity():
    """New options of a client count for the rest; those of the other role are a mistake."""
    script = opened(client())
    changed = replace(script._machine._options, identity="CP2", call_timeout=1)
    script.tell(e.Reconfigured(changed)).expect()
    assert (script._machine._options.identity, script._machine._options.call_timeout) == ("CP1", 1)
    script.tell(e.TransportClosed()).skip()
    assert (script._machine.phase, script._machine._still_dialling, script._machine._may_retry) == (
        Phase.WAITING,
        True,
        True,
    )
    with pytest.raises(errors.LocalProtocolError):
        script.tell(e.Reconfigured(wire.server_options()))


def test_an_infinite_delay_is_no_alarm():
    """There is nothing to come back for."""
    script = wire.upgrading(server(handshake_timeout=float("inf")))
    assert script._machine.deadline is None


@pytest.mark.feature("B13")
@pytest.mark.threat("T24")
def test_what_is_not_heard_any_more_takes_nothing():
    """What had come of a message is given back to the budget of the server, if there is one."""
    budget = Budget(1000)
    for script in (opened(server()), opened(Connection(wire.server_options(), budget=budget))):
        script.tell(e.BytesReceived(BEGUN)).expect()
        assert script._machine._websocket.held == 3
        script._machine._deafen()
        assert (script._machine._websocket.held, script._machine._held, script._machine.deadline) == (0, 0, None)
    assert budget.held == 0
