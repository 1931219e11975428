"""One end of a pair: it does for its connection what an adapter does, at once and in order."""

import pytest

from ocpp_rpc_core import events as e, notices as n
from ocpp_rpc_core._answers import NOREPLY, Accept, Reject
from ocpp_rpc_core._lifecycle import State
from ocpp_rpc_core.config import ClientOptions, ServerOptions
from ocpp_rpc_core.errors import CallTimeout, ConnectionLost, RPCGenericError, RPCInternalError, UnexpectedHTTPResponse
from ocpp_rpc_core.limits import Limits
from ocpp_rpc_core.testing import PENDING, Pair, counting_entropy


def connected():
    """A pair whose server knows some methods."""
    pair = Pair()
    pair.at_server.add("Echo", lambda call: call.params)
    pair.at_server.add("Slow", lambda call: PENDING)
    pair.at_server.add("Boom", lambda call: 1 / 0)
    pair.at_server.add("Mute", lambda call: NOREPLY)
    pair.connect()
    return pair


def test_handlers_are_plain_functions():
    """They return the result, raise, answer later, or never."""
    pair = connected()
    assert pair.client.ask("Echo", {"a": 1}) == {"a": 1}
    with pytest.raises(RPCInternalError):
        pair.client.ask("Boom")
    token = pair.client.call("Slow")
    pair.deliver()
    [request_id] = pair.server.running
    pair.server.answer(request_id, RPCGenericError("at last"))
    pair.deliver()
    assert isinstance(pair.client.outcomes[token], RPCGenericError)
    assert pair.server.running == {}
    token = pair.client.call("Mute", timeout=3)
    pair.advance(2.9)
    assert token not in pair.client.outcomes
    pair.advance(0.1)
    assert isinstance(pair.client.outcomes[token], CallTimeout)
    assert pair.client.outcomes[pair.client.call("Echo", no_reply=True)] is None


def test_cancelled_handlers_are_known():
    """A handler that runs when the connection is lost is cancelled; its call is lost."""
    pair = connected()
    token = pair.client.call("Slow")
    pair.deliver()
    pair.cut()
    pair.deliver()
    assert [call.method for call in pair.server.cancelled] == ["Slow"]
    assert isinstance(pair.client.outcomes[token], ConnectionLost)


def test_a_handler_that_answered_is_not_cancelled():
    """A call and a goodbye in the same bytes: the answer comes too late, and there is nothing to cancel."""
    pair = connected()
    pair.client.call("Echo")
    pair.client.close()
    pair.deliver()
    assert (pair.server.running, pair.server.cancelled) == ({}, [])


def test_a_second_outcome_is_a_failure():
    """The kit itself watches over "exactly one outcome"."""
    pair = connected()
    token = pair.client.call("Echo")
    pair.client.outcomes[token] = "already"
    with pytest.raises(AssertionError, match="two outcomes"):
        pair.deliver()


def test_a_deadline_that_does_not_move_is_a_failure():
    """The kit itself watches over the deadlines."""
    pair = Pair()
    pair.client.connection = type("Stuck", (), {"deadline": 1.0, "handle": lambda *_: []})()
    with pytest.raises(AssertionError, match=r"a tick at 1.0 left the deadline at 1.0"):
        pair.advance(2)


def test_deciding():
    """With `auth` at once, without it when the test decides."""
    pair = Pair(auth=lambda handshake: Reject(403) if handshake.identity == "CP1" else Accept())
    token = pair.connect()
    assert isinstance(pair.client.outcomes[token], UnexpectedHTTPResponse)
    assert (pair.server.asked, pair.server.notices[0].status) == (None, 403)
    pair = Pair(auth=lambda handshake: PENDING)
    token = pair.connect()
    assert pair.server.asked.identity == "CP1"
    pair.server.decide(Accept())
    pair.deliver()
    assert (pair.server.asked, pair.client.outcomes[token].status) == (None, 101)


def test_nobody_decides_any_more():
    """The client leaves first."""
    pair = Pair(auth=lambda handshake: PENDING)
    pair.connect()
    pair.client.tell(e.AbortRequested())
    pair.deliver()
    assert pair.server.asked is None
    assert isinstance(pair.server.notices[-1], n.Closed)


def test_aborting():
    """An attempt to connect fails at once; a byte stream is reset, and what was under way is lost."""
    pair = Pair()
    pair.listening = None
    pair.connect()
    pair.client.tell(e.AbortRequested())
    assert pair.client.receive()
    assert not pair.client.receive()
    assert not pair.dialling
    pair = connected()
    pair.client.call("Echo")
    pair.client.tell(e.AbortRequested())
    pair.deliver()
    assert (pair.client.connected, pair.server.connected) == (False, False)
    assert any(isinstance(notice, n.SocketError) for notice in pair.server.notices)
    assert not any(isinstance(notice, n.CallEvent) for notice in pair.server.notices)
    pair.client._abort()  # nothing is left to abort
    assert not pair.client.receive()


def test_closing_waits_until_all_is_written():
    """A receiver that does not read keeps the sender from closing, until it is aborted."""
    pair = connected()
    pair.to_client.stuck = True
    pair.client.close()
    pair.advance(4)
    assert (pair.server.connected, pair.client.connected) == (True, True)
    pair.advance(10)
    assert (pair.server.connected, pair.client.connected) == (False, False)
    assert [end.connection.state for end in pair.ends] == [State.CLOSED, State.CLOSED]


def test_a_closed_end_writes_nothing():
    """What is sent after `CloseTransport`, or without a byte stream, goes nowhere."""
    pair = connected()
    pair.client.lose()
    pair.client.lose()  # there is no more to lose
    pair.client.call("Echo")
    pair.advance(0.5)
    assert not any(isinstance(notice, n.CallEvent) for notice in pair.server.notices)


@pytest.mark.feature("B13")
@pytest.mark.threat("T9")
def test_an_end_that_cannot_write_says_so():
    """Its connection hears of it, and gives up a peer that does not read; one that reads in time goes on."""
    pair = connected()
    pair.to_client.stuck = True
    pair.client.call("Echo")
    pair.advance(9)
    pair.to_client.stuck = False
    pair.advance(9)
    pair.to_client.stuck = True
    token = pair.client.call("Echo")
    pair.advance(10)
    assert pair.server.notices[-4:] == [
        n.LimitExceeded("write_time", 10),
        n.Disconnected(1006, ""),
        n.Closing(),
        n.Closed(1006, ""),
    ]
    pair.to_client.stuck = False
    pair.advance(0)
    assert isinstance(pair.client.outcomes[token], ConnectionLost)


@pytest.mark.feature("B13")
@pytest.mark.threat("T20")
def test_an_end_that_is_to_wait_does_not_read():
    """What has arrived stays on the link until the connection wants it."""
    limits = Limits(running_handlers=1, waiting_bytes=0)
    client = ClientOptions(entropy=counting_entropy(1), identity="CP1", call_concurrency=9)
    pair = Pair(client, ServerOptions(entropy=counting_entropy(2), limits=limits))
    pair.at_server.add("Slow", lambda call: PENDING)
    pair.connect()
    tokens = []
    for number in range(4):
        tokens.append(pair.client.call("Slow", {"n": number}))
        pair.deliver()
    assert not pair.server.connection._session._inbound.idle
    assert len(pair.server.connection._session._inbound._waiting) == 1
    pair.advance(1)
    for number in range(4):
        [request_id] = pair.server.running
        assert pair.server.running[request_id].params == {"n": number}
        pair.server.answer(request_id, {"n": number})
        pair.deliver()
    assert [pair.client.outcomes[token] for token in tokens] == [{"n": number} for number in range(4)]
