"""The byte seam: opening, talking, keeping alive, and what it says of itself, one whole list of actions at a time."""

from dataclasses import replace

import pytest
from support import wire
from support.wire import MASKED_PING, PONG, client, dialling, message, opened, server, upgrading

from ocpp_rpc_core import actions as a, errors, events as e, notices as n
from ocpp_rpc_core._http import HTTPResponse
from ocpp_rpc_core._lifecycle import Phase, State
from ocpp_rpc_core.backoff import ExponentialBackoff
from ocpp_rpc_core.limits import Limits
from ocpp_rpc_core.router import Router
from ocpp_rpc_core.testing import Script

CALL_ID = "0000000000000000-1"


def reports(*notices):
    """Each as an action."""
    return [a.Report(notice) for notice in notices]


def accepted(protocol=None):
    """The 101 as applications see it."""
    headers = [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-accept", wire.ACCEPT)]
    headers += [("sec-websocket-protocol", protocol)] if protocol else []
    return HTTPResponse(status=101, headers=tuple(headers), body=b"")


def call_sent(number, masked=True):
    """What sending our call of the method M with params {} leads to."""
    message_id = f"0000000000000000-{number}"
    text = f'[2,"{message_id}","M",{{}}]'
    return [
        a.Report(n.CallEvent(message_id, outbound=True, payload=[2, message_id, "M", {}])),
        a.SendBytes(wire.frame(0x81, text.encode(), masked=masked)),
        a.Report(n.MessageEvent(text, outbound=True)),
    ]


# --- Opening: the client --------------------------------------------------------------------------


@pytest.mark.feature("C11")
@pytest.mark.feature("C26")
@pytest.mark.rule(26)
@pytest.mark.rule(30)
def test_a_client_connects():
    """It asks for a byte stream, upgrades it, and tells everybody, first of all whoever waits."""
    script = Script(client(protocols=["ocpp2.1", "ocpp1.6"], identity="CP 1"))
    connection = script._machine
    assert (connection.state, connection.protocol, connection.deadline) == (State.CLOSED, None, None)
    script.tell(e.ConnectRequested(1)).expect(
        a.Report(n.Connecting(("ocpp2.1", "ocpp1.6"))), a.OpenTransport("localhost", 80, secure=False)
    )
    assert (connection.state, connection.deadline) == (State.CONNECTING, 10)
    assert connection.now == 0
    script.tell(e.ConnectRequested(2)).expect()
    expected = wire.request("/CP%201", "ocpp2.1, ocpp1.6", "User-Agent: ocpp-rpc-python\r\n")
    script.tell(e.TransportOpened()).expect(a.SendBytes(expected))
    script.tell(e.BytesReceived(wire.response("ocpp1.6"))).expect(
        *reports(n.ProtocolChosen("ocpp1.6"), n.Opened(accepted("ocpp1.6"))),
        a.ResolveConnect(1, accepted("ocpp1.6")),
        a.ResolveConnect(2, accepted("ocpp1.6")),
    )
    assert (connection.state, connection.protocol, connection.deadline) == (State.OPEN, "ocpp1.6", None)
    assert connection.handshake is None
    script.tell(e.ConnectRequested(3)).expect(a.ResolveConnect(3, accepted("ocpp1.6")))


@pytest.mark.feature("C2")
@pytest.mark.feature("C10")
def test_a_client_with_tls():
    """The scheme of the endpoint decides, and the port is its own unless given."""
    for endpoint, expected in [
        ("wss://csms.example", a.OpenTransport("csms.example", 443, secure=True)),
        ("wss://csms.example:8443/ocpp", a.OpenTransport("csms.example", 8443, secure=True)),
        ("ws://[::1]:9000", a.OpenTransport("::1", 9000, secure=False)),
    ]:
        Script(client(endpoint=endpoint)).tell(e.ConnectRequested(1)).expect(a.Report(n.Connecting(())), expected)


@pytest.mark.feature("C11")
@pytest.mark.parametrize("bytewise", [False, True])
def test_a_client_whose_first_connect_fails_is_closed(bytewise):
    """The upgrade is refused: status, headers and body reach the caller once the byte stream is gone."""
    script = upgrading(client())
    reply = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\nX-Why: key\r\n\r\nnope"
    for piece in [reply] if not bytewise else [reply[i : i + 1] for i in range(len(reply))]:
        script.skip().tell(e.BytesReceived(piece))
    script.expect(a.CloseTransport())
    assert script._machine.state is State.CLOSING
    script.tell(e.TransportClosed()).expect(
        a.RejectConnect(1, errors.UnexpectedHTTPResponse(401, [], b"")), *reports(n.Closing(), n.Closed(1006, ""))
    )
    error = script.actions[0].error
    assert (error.status, error.body) == (401, b"nope")
    assert ("x-why", "key") in error.headers


@pytest.mark.feature("C11")
def test_a_client_that_gets_no_byte_stream_is_closed():
    """The network's own error reaches the caller, and calls that waited are refused as never sent."""
    script = dialling(client())
    script.tell(e.CallRequested(2, "M")).expect()
    refused = ConnectionRefusedError("nobody there")
    script.tell(e.TransportFailed(refused)).expect(
        a.Report(n.SocketError(refused)),
        a.RejectCall(2, errors.NotConnected("the message was never sent: nobody there")),
        a.RejectConnect(1, refused),
        *reports(n.Closing(), n.Closed(1006, "")),
    )


@pytest.mark.feature("C11")
def test_connecting_while_it_ends_is_refused():
    """Closing and closed connections do not connect."""
    script = opened(client())
    script.tell(e.CloseRequested()).skip().tell(e.ConnectRequested(2)).expect(
        a.RejectConnect(2, errors.NotConnected("cannot connect while CLOSING"))
    )
    script.tell(e.AbortRequested()).skip().tell(e.ConnectRequested(3)).expect(
        a.RejectConnect(3, errors.NotConnected("cannot connect while CLOSED"))
    )


@pytest.mark.feature("C11")
def test_connecting_after_giving_up_is_refused():
    """A client that has given up is closed like any other."""
    script = opened(client(max_reconnects=0)).tell(e.TransportClosed()).skip()
    script.tell(e.ConnectRequested(2)).expect(a.RejectConnect(2, errors.NotConnected("cannot connect while CLOSED")))


def test_connecting_between_two_connections_waits():
    """While the old byte stream ends, and in back-off, a connect waits for the next connection."""
    script = opened(client()).tell(e.BytesReceived(wire.goodbye(1012))).skip()
    assert (script._machine.phase, script._machine.state) == (Phase.PARTING, State.CONNECTING)
    script.tell(e.ConnectRequested(2)).expect()
    script.tell(e.TransportClosed()).expect(a.Report(n.Disconnected(1012, "")))
    script.tell(e.ConnectRequested(3)).expect()
    script.until_deadline(1).tell(e.Tick()).skip().tell(e.TransportOpened()).skip()
    script.tell(e.BytesReceived(wire.response())).expect(
        a.Report(n.Opened(accepted())), a.ResolveConnect(2, accepted()), a.ResolveConnect(3, accepted())
    )
    script.tell(e.TransportClosed()).expect(a.Report(n.Disconnected(1006, "")))  # no word of the former goodbye


@pytest.mark.feature("C11")
def test_nobody_waits_any_more():
    """A first connect that nobody waits for is given up; one of several, or a stranger's, is not."""
    script = dialling(client())
    script.tell(e.ConnectRequested(2)).expect()
    script.tell(e.ConnectCancelled(9)).expect()
    script.tell(e.ConnectCancelled(1)).expect()
    script.tell(e.ConnectCancelled(2)).expect(
        a.Report(n.Closing()), a.AbortTransport(), a.Report(n.Closed(1001, "Connection aborted"))
    )
    script.tell(e.TransportFailed(OSError())).expect()
    reconnecting = opened(client()).tell(e.TransportClosed()).skip()
    reconnecting.tell(e.ConnectRequested(5)).expect().tell(e.ConnectCancelled(5)).expect()
    assert reconnecting._machine.state is State.CONNECTING


@pytest.mark.feature("C15")
@pytest.mark.feature("C30")
def test_calls_made_while_connecting_go_out_first():
    """What waited goes out at the moment of opening, in order and within the window."""
    script = dialling(client())
    for token in (2, 3):
        script.tell(e.CallRequested(token, "M")).expect()
    script.tell(e.TransportOpened()).skip().tell(e.BytesReceived(wire.response())).expect(
        *reports(n.ProtocolChosen(None), n.Opened(accepted())),
        a.ResolveConnect(1, accepted()),
        *call_sent(1),
    )
    answer = message(3, CALL_ID, {})
    script.tell(e.BytesReceived(answer))
    assert script.actions[-3:] == call_sent(2)


@pytest.mark.feature("C15")
@pytest.mark.parametrize("request_", [e.CallRequested(5, "M"), e.SendRequested(5, "M", {}), e.RawSendRequested(5, "")])
def test_nothing_is_sent_before_and_after(request_):
    """Neither calls nor anything else, before it began, while it ends, and after."""
    script = Script(client())
    refused = "nothing can be sent while the connection is {}"
    script.tell(request_).expect(a.RejectCall(5, errors.NotConnected(refused.format("CLOSED"))))
    script = opened(client()).tell(e.CloseRequested()).skip()
    script.tell(request_).expect(a.RejectCall(5, errors.NotConnected(refused.format("CLOSING"))))
    script.tell(e.AbortRequested()).skip()
    script.tell(request_).expect(a.RejectCall(5, errors.NotConnected(refused.format("CLOSED"))))


def test_bytes_behind_the_101_are_not_lost():
    """A server may talk at once: its first frames, even half of one, may come with the response."""
    first = message(2, "7", "Nobody", {})
    script = upgrading(client()).tell(e.BytesReceived(wire.response() + first[:9]))
    assert script.skip().actions[-1] == a.ResolveConnect(1, accepted())
    script.tell(e.BytesReceived(first[9:]))
    assert a.Report(n.CallEvent("7", outbound=False, payload=[2, "7", "Nobody", {}])) in script.actions


@pytest.mark.feature("C9")
@pytest.mark.parametrize("reply", [wire.response(accept="wrong"), b"what?\r\n\r\n"])
def test_an_answer_that_is_no_handshake(reply):
    """A wrong accept key, or no HTTP at all, is an `InvalidHandshake`."""
    script = upgrading(client()).tell(e.BytesReceived(reply)).expect(a.CloseTransport())
    script.tell(e.BytesReceived(b"more")).expect()
    script.tell(e.TransportClosed())
    assert isinstance(script.actions[0].error, errors.InvalidHandshake)


TOO_SLOW = a.Report(n.LimitExceeded("handshake_timeout", 10.0))


@pytest.mark.threat("T7")
def test_a_server_that_does_not_answer():
    """The handshake is given up after its time, dialling included."""
    script = upgrading(client()).until_deadline(10).tell(e.Tick()).expect(TOO_SLOW, a.AbortTransport())
    script.tell(e.BytesReceived(wire.response())).expect()
    slow = errors.HandshakeTimeout("the opening handshake took too long")
    script.tell(e.TransportClosed(OSError("aborted"))).expect(
        a.Report(n.SocketError(OSError("aborted"))),
        a.RejectConnect(1, slow),
        *reports(n.Closing(), n.Closed(1006, "")),
    )


def test_a_byte_stream_that_comes_too_late():
    """Dialling was given up, but the news crossed: the byte stream is dropped again."""
    script = dialling(client()).until_deadline(10).tell(e.Tick()).expect(TOO_SLOW, a.AbortTransport())
    script.tell(e.TransportOpened()).expect(a.AbortTransport())
    assert script._machine.deadline is None
    script.tell(e.TransportClosed())
    assert isinstance(script.actions[0].error, errors.HandshakeTimeout)


def test_a_closed_connection_wants_no_byte_stream():
    """One that comes up after the end is dropped."""
    script = dialling(client()).tell(e.AbortRequested()).skip()
    script.tell(e.TransportOpened()).expect(a.AbortTransport())
    script.tell(e.TransportClosed()).expect()


# --- Opening: the server --------------------------------------------------------------------------


@pytest.mark.feature("S13")
@pytest.mark.feature("S17")
@pytest.mark.rule(25)
@pytest.mark.rule(27)
def test_a_server_lets_a_client_in():
    """Without authentication at once, with its own first subprotocol among those offered."""
    script = Script(server(protocols=["ocpp2.0.1", "ocpp1.6"]))
    connection = script._machine
    assert connection.handshake is None
    script.tell(e.TransportOpened("10.0.0.1")).expect()
    assert (connection.state, connection.deadline) == (State.CONNECTING, 10)
    script.tell(e.BytesReceived(wire.request("/ocpp1.6/CP1", "ocpp0.1, ocpp1.6, ocpp2.0.1"))).expect(
        a.SendBytes(wire.response("ocpp2.0.1", extra="Server: ocpp-rpc\r\n")),
        *reports(n.ProtocolChosen("ocpp2.0.1"), n.Opened(None)),
    )
    assert (connection.state, connection.protocol, connection.deadline) == (State.OPEN, "ocpp2.0.1", None)
    handshake = connection.handshake
    assert (handshake.identity, handshake.endpoint) == ("CP1", "/ocpp1.6")
    assert (handshake.protocols, handshake.remote_address) == (("ocpp0.1", "ocpp1.6", "ocpp2.0.1"), "10.0.0.1")


@pytest.mark.feature("S14")
def test_a_server_asks_the_application():
    """It decides, in its own time; meanwhile the handshake can be seen, and early calls wait."""
    script = upgrading(server(authenticate=True))
    early = message(2, "7", "Nobody", {}, masked=True)
    script.tell(e.BytesReceived(wire.request() + early))
    connection = script._machine
    [ask] = script.actions
    assert ask == a.DecideUpgrade(connection.handshake)
    script.skip().tell(e.BytesReceived(early[:3])).expect()
    script.tell(e.UpgradeAccepted())
    assert script.skip().actions[:3] == [
        a.SendBytes(wire.response(extra="Server: ocpp-rpc\r\n")),
        *reports(n.ProtocolChosen(None), n.Opened(None)),
    ]
    served = a.Report(n.CallEvent("7", outbound=False, payload=[2, "7", "Nobody", {}]))
    assert script.actions.count(served) == 1
    script.tell(e.UpgradeRejected()).expect()  # too late
    script.tell(e.BytesReceived(early[3:]))
    assert served in script.actions


def test_a_server_only_accepts():
    """It cannot be asked to connect, nor a client be handed a byte stream it did not ask for."""
    with pytest.raises(errors.LocalProtocolError, match="server"):
        Script(server()).tell(e.ConnectRequested(1))
    with pytest.raises(errors.LocalProtocolError, match="asked"):
        Script(client()).tell(e.TransportOpened())


def test_a_second_byte_stream_is_a_mistake():
    """What no adapter can honestly say is refused, and changes nothing."""
    script = opened(client())
    with pytest.raises(errors.LocalProtocolError, match=r"TransportOpened cannot happen while .* OPEN"):
        script.tell(e.TransportOpened())
    script.tell(e.CallRequested(2, "M")).expect(*call_sent(1))


# --- Talking --------------------------------------------------------------------------------------


def test_calls_both_ways():
    """A call goes out, its answer settles it; a request comes in, its answer goes out."""
    router = Router()
    router.add("Echo", "the handler")
    script = opened(server(router)).tell(e.CallRequested(5, "M")).expect(*call_sent(1, masked=False))
    assert script._machine.deadline == 30
    script.tell(e.BytesReceived(message(3, CALL_ID, {"a": 1}, masked=True)))
    assert script.skip().actions[-1] == a.ResolveCall(5, {"a": 1})
    assert script._machine.deadline is None
    script.tell(e.BytesReceived(message(2, "7", "Echo", {"b": 2}, masked=True)))
    assert script.skip().actions[-1] == a.StartHandler(1, "7", "Echo", {"b": 2}, "the handler")
    script.tell(e.HandlerReturned(1, {})).expect(
        a.Report(n.ResponseEvent(outbound=True, payload=[3, "7", {}])),
        a.SendBytes(message(3, "7", {})),
        a.Report(n.MessageEvent('[3,"7",{}]', outbound=True)),
        a.Report(n.CallResultEvent("7", outbound=False, method="Echo", params={"b": 2}, result={})),
    )


@pytest.mark.feature("C16")
def test_an_overdue_call():
    """A tick at the deadline fails it; one before does nothing."""
    script = opened(client(call_timeout=3)).tell(e.CallRequested(2, "M")).skip()
    script.until(2.5).tell(e.Tick()).expect()
    script.until_deadline(3).tell(e.Tick()).expect(a.RejectCall(2, errors.CallTimeout("M was not answered within 3 s")))


def test_a_call_is_cancelled():
    """Its answer comes, but only observers are told."""
    script = opened(client()).tell(e.CallRequested(2, "M")).skip()
    script.tell(e.CallCancelled(2)).expect()
    script.tell(e.BytesReceived(message(3, CALL_ID, {}))).expect(
        *reports(
            n.MessageEvent(f'[3,"{CALL_ID}",{{}}]', outbound=False),
            n.ResponseEvent(outbound=False, payload=[3, CALL_ID, {}]),
            n.LateReply(CALL_ID, "M", [3, CALL_ID, {}], "cancelled"),
        )
    )


@pytest.mark.feature("C23")
@pytest.mark.parametrize(("raw", "first"), [("text", 0x81), (b"bytes", 0x82)])
def test_a_raw_message(raw, first):
    """Text goes as text, bytes as a binary message, as they are."""
    payload = raw.encode() if isinstance(raw, str) else raw
    opened(client()).tell(e.RawSendRequested(2, raw)).expect(
        a.SendBytes(wire.frame(first, payload, masked=True)),
        a.Report(n.MessageEvent(raw, outbound=True)),
        a.ResolveCall(2, None),
    )


@pytest.mark.feature("S12")
def test_calls_wait_until_the_handlers_are_ready():
    """Inbound calls of a new client are held back until the application has registered its handlers."""
    router = Router()
    script = opened(server(router, hold_calls=True))
    script.tell(e.BytesReceived(message(2, "7", "Echo", {}, masked=True))).skip()
    assert not any(isinstance(action, a.StartHandler) for action in script.actions)
    router.add("Echo", "late")
    script.tell(e.HandlersReady()).expect(a.StartHandler(1, "7", "Echo", {}, "late"))


def test_a_ping_is_answered():
    """With its payload, in every phase in which bytes are read."""
    script = opened(server())
    ping, pong = wire.frame(0x89, b"abc", masked=True), a.SendBytes(wire.frame(0x8A, b"abc"))
    script.tell(e.BytesReceived(ping)).expect(pong)
    script.tell(e.CloseRequested()).skip().tell(e.BytesReceived(ping + wire.MASKED_PONG)).expect(pong)


@pytest.mark.feature("S10")
def test_too_many_bad_messages():
    """The message that breaks the camel's back closes with 1002, and what follows is not heard."""
    script = opened(server(max_bad_messages=0))
    script.tell(e.BytesReceived(wire.frame(0x81, b"junk", masked=True) + message(2, "7", "M", {}, masked=True)))
    [told, bad, exceeded, closing, goodbye] = script.skip().actions
    assert exceeded == a.Report(n.LimitExceeded("max_bad_messages", 0))
    assert told == a.Report(n.MessageEvent("junk", outbound=False))
    assert isinstance(bad.notice, n.BadMessage)
    assert closing == a.Report(n.Closing())
    assert goodbye.data[2:4] == (1002).to_bytes(2, "big")


def test_a_peer_that_breaks_the_protocol():
    """It is told so, and the byte stream is closed; a client connects again."""
    script = opened(client()).tell(e.BytesReceived(b"\xff\x00"))
    [goodbye, close] = script.skip().actions
    assert goodbye.data[6:8] == (1002).to_bytes(2, "big")
    assert close == a.CloseTransport()
    script.tell(e.TransportClosed())
    assert (script.actions[0].notice.code, script._machine.state) == (1002, State.CONNECTING)


# --- Keep-alive -----------------------------------------------------------------------------------


@pytest.mark.feature("S4")
@pytest.mark.feature("C26")
def test_pings_and_their_round_trip():
    """A ping every interval, and the time until its pong; a pong nobody asked for means nothing."""
    script = opened(server(ping_interval=30)).until_deadline(30).tell(e.Tick())
    script.expect(a.SendBytes(wire.PING))
    script.until(30.5).tell(e.BytesReceived(wire.MASKED_PONG)).expect(a.Report(n.PingEvent(0.5)))
    script.tell(e.BytesReceived(wire.MASKED_PONG)).expect()
    script.until_deadline(60).tell(e.Tick()).expect(a.SendBytes(wire.PING))


@pytest.mark.feature("S4")
@pytest.mark.rule(18)
def test_a_peer_that_answers_no_ping_is_gone():
    """Its byte stream is aborted when the next ping is due, calls fail at once, and a client connects again."""
    script = opened(client(ping_interval=30, call_timeout=99)).tell(e.CallRequested(2, "M")).skip()
    script.until_deadline(30).tell(e.Tick()).expect(a.SendBytes(wire.MASKED_PING))
    lost = "the connection ended before the answer came: the peer did not answer a ping"
    script.until_deadline(60).tell(e.Tick()).expect(a.RejectCall(2, errors.ConnectionLost(lost)), a.AbortTransport())
    assert (script._machine.state, script._machine.deadline) == (State.CONNECTING, None)
    script.tell(e.CallRequested(3, "M")).expect()  # for the next connection, not into the void
    script.tell(e.TransportClosed()).expect(a.Report(n.Disconnected(1006, "")))
    script.until_deadline(61).tell(e.Tick())
    assert script.actions == [a.Report(n.Connecting(())), a.OpenTransport("localhost", 80, secure=False)]


@pytest.mark.feature("S5")
def test_activity_puts_pings_off():
    """Whatever is heard counts, if the option says so."""
    script = opened(server(ping_interval=30, defer_pings_on_activity=True))
    script.until(20).tell(e.BytesReceived(wire.MASKED_PONG)).expect()
    script.until_deadline(50).tell(e.Tick()).expect(a.SendBytes(wire.PING))


@pytest.mark.rule(44)
@pytest.mark.parametrize("interval", [0, float("inf")])
def test_no_pings(interval):
    """0 and infinity mean none."""
    assert opened(server(ping_interval=interval))._machine.deadline is None


# --- Keeping pace ---------------------------------------------------------------------------------


def exceeded(limit, bound):
    """Observers hear of it."""
    return a.Report(n.LimitExceeded(limit, bound))


@pytest.mark.feature("B13")
@pytest.mark.threat("T9")
def test_a_peer_that_does_not_read():
    """It is dropped when nothing of what waits was written for so long; progress puts that off."""
    script = opened(server(limits=Limits(write_time=3)))
    script.tell(e.BytesUnwritten(70_000)).expect()
    script.now = 2.0
    script.tell(e.BytesUnwritten(40_000)).expect()
    script.until_deadline(5).tell(e.Tick()).expect(exceeded("write_time", 3), a.AbortTransport())
    script.tell(e.BytesUnwritten(0)).expect()
    script.tell(e.TransportClosed()).expect(*reports(n.Disconnected(1006, ""), n.Closing(), n.Closed(1006, "")))


def test_a_peer_that_reads_in_time():
    """Nothing comes of it."""
    script = opened(server())
    script.tell(e.BytesUnwritten(70_000)).expect()
    assert script._machine.deadline == 10
    script.tell(e.BytesUnwritten(0)).expect()
    assert script._machine.deadline is None


@pytest.mark.threat("T9")
def test_pings_of_a_peer_that_does_not_read():
    """The latest is answered once it reads."""
    script = opened(server()).tell(e.BytesUnwritten(5000)).expect()
    for payload in (b"1", b"2", b"3"):
        script.tell(e.BytesReceived(wire.frame(0x89, payload, masked=True))).expect()
    script.tell(e.BytesUnwritten(0)).expect(a.SendBytes(wire.frame(0x8A, b"3")))
    script.tell(e.BytesReceived(MASKED_PING)).expect(a.SendBytes(PONG))


BEGUN = wire.frame(0x01, b"[2,", masked=True)
REST = wire.frame(0x80, b'"1","Nobody",{}]', masked=True)


@pytest.mark.feature("B13")
@pytest.mark.threat("T7")
@pytest.mark.parametrize("beginning", [BEGUN, BEGUN[:3], BEGUN[:-1], MASKED_PING[:1]])
def test_a_message_that_does_not_end(beginning):
    """It ends the connection with 1008, whatever trickles in meanwhile."""
    script = opened(server(limits=Limits(message_time=20))).tell(e.BytesReceived(beginning)).expect()
    assert script._machine.deadline == 20
    if beginning is BEGUN:
        for script.now in (5.0, 10.0, 15.0):
            script.tell(e.BytesReceived(MASKED_PING)).expect(a.SendBytes(PONG))
            script.tell(e.BytesReceived(wire.frame(0x00, b" ", masked=True))).expect()
    reason = "a message took too long"
    script.until_deadline(20).tell(e.Tick()).expect(
        exceeded("message_time", 20), a.SendBytes(wire.goodbye(1008, reason)), a.CloseTransport()
    )
    script.tell(e.TransportClosed()).expect(*reports(n.Disconnected(1008, reason), n.Closing(), n.Closed(1008, reason)))


@pytest.mark.threat("T7")
def test_each_message_has_its_own_time():
    """A peer that always has begun the next one is no trickle, with messages nor with pings."""
    script = opened(server(limits=Limits(message_time=20)))
    for script.now in (0.0, 15.0, 30.0):
        script.tell(e.BytesReceived(BEGUN)).expect()
        assert script._machine.deadline == script.now + 20
        script.tell(e.BytesReceived(REST)).skip()
        assert script._machine.deadline is None
    script.tell(e.BytesReceived(BEGUN)).expect()
    script.now = 40.0
    script.tell(e.BytesReceived(REST + MASKED_PING[:3])).skip()
    assert script._machine.deadline == 60
    script.now = 50.0
    script.tell(e.BytesReceived(MASKED_PING[3:] + BEGUN)).expect(a.SendBytes(PONG))
    assert script._machine.deadline == 70


def choosy(**options):
    """A server whose one handler is busy, and that lets nothing wait."""
    router = Router()
    router.add("Echo", "handler")
    settings = Limits(running_handlers=1, waiting_bytes=0, **options)
    script = opened(server(router, ping_interval=5, limits=settings))
    return script.tell(e.BytesReceived(message(2, "1", "Echo", {}, masked=True))).skip()


SECOND = message(2, "2", "Echo", {}, masked=True)


@pytest.mark.feature("B13")
@pytest.mark.threat("T20")
def test_a_peer_that_is_not_read_is_not_judged():
    """While reading pauses no ping is sent and no message is late; afterwards time begins anew."""
    script = choosy()
    told = a.Report(n.MessageEvent('["2"]', outbound=False))
    script.tell(e.BytesReceived(SECOND + BEGUN)).skip()
    assert script.actions[-2:] == [exceeded("waiting_bytes", 0), a.PauseReading()]
    assert script._machine.deadline is None
    script.tell(e.BytesReceived(BEGUN[:1])).skip()
    assert script._machine.deadline is None
    changed = replace(script._machine._options, ping_interval=7)
    script.tell(e.Reconfigured(changed)).expect()
    assert script._machine.deadline is None
    script.now = 100.0
    script.tell(e.HandlerDeclined(1)).skip()
    assert [type(action) for action in script.actions] == [a.StartHandler, a.ResumeReading]
    assert script._machine.deadline == 107
    script.tell(e.BytesReceived(BEGUN[1:])).skip()
    assert told not in script.actions


def test_a_message_under_way_while_reading_paused():
    """Its time begins anew."""
    script = choosy(message_time=3)
    script.tell(e.BytesReceived(SECOND + BEGUN)).skip()
    script.now = 100.0
    script.tell(e.HandlerDeclined(1)).skip()
    assert script._machine.deadline == 103


def test_a_goodbye_ends_the_pause():
    """The peer's own goodbye is to be read."""
    script = choosy().tell(e.BytesReceived(SECOND)).skip()
    script.tell(e.CloseRequested()).skip()
    assert a.ResumeReading() in script.actions
    script.tell(e.BytesReceived(wire.goodbye(1000, masked=True))).expect(a.CloseTransport())


@pytest.mark.feature("B13")
@pytest.mark.parametrize(
    ("data", "limit", "bound"),
    [
        (wire.frame(0x81, bytes(101), masked=True), "max_message_size", 100),
        (wire.frame(0x01, masked=True) + wire.frame(0x00, masked=True) * 2, "fragments", 2),
    ],
)
def test_limits_of_the_websocket_are_reported(data, limit, bound):
    """Before the goodbye that says the same."""
    script = opened(server(max_message_size=100, limits=Limits(fragments=2))).tell(e.BytesReceived(data))
    assert script.skip().actions[1:] == [exceeded(limit, bound), a.CloseTransport()]


@pytest.mark.feature("B13")
@pytest.mark.threat("T4")
def test_limits_of_the_handshake_are_reported():
    """In either role, besides what comes of it."""
    script = upgrading(server()).tell(e.BytesReceived(wire.request("/" + "x" * 9000))).skip()
    assert exceeded("request_line", 8192) in script.actions
    assert script.actions[0].data.startswith(b"HTTP/1.1 414 ")
    script = upgrading(client(limits=Limits(head=300))).tell(e.BytesReceived(wire.response(extra="X: " + "y" * 300)))
    assert script.skip().actions == [exceeded("head", 300), a.CloseTransport()]


def test_the_limits_are_known_to_drivers():
    """Those of the options as they are now."""
    script = opened(server())
    assert script._machine.limits == Limits()
    changed = Limits(write_time=1)
    script.tell(e.Reconfigured(replace(script._machine._options, limits=changed))).expect()
    assert script._machine.limits == changed
    script.tell(e.BytesUnwritten(1)).expect()
    assert script._machine.deadline == 1


def test_the_earliest_deadline_counts():
    """A call, a ping or an alarm, whichever comes first; infinity is no deadline."""
    script = opened(server(ping_interval=30)).tell(e.CallRequested(2, "M", timeout=40)).skip()
    assert script._machine.deadline == 30
    script.tell(e.Reconfigured(replace(script._machine._options, call_concurrency=2))).expect()
    script.tell(e.CallRequested(3, "M", timeout=20)).skip()
    assert script._machine.deadline == 20
    assert upgrading(client(handshake_timeout=float("inf")))._machine.deadline is None


# --- Closing (more of it in test_course.py) -------------------------------------------------------


@pytest.mark.feature("C12")
def test_both_say_goodbye():
    """We send a close frame, the peer its own; the client leaves the byte stream to the server for a second."""
    script = (
        opened(client())
        .tell(e.CloseRequested(1000, "bye"))
        .expect(a.Report(n.Closing()), a.SendBytes(wire.goodbye(1000, "bye", masked=True)))
    )
    script.tell(e.BytesReceived(wire.goodbye(1000, "bye"))).expect()
    script.until_deadline(1).tell(e.Tick()).expect(a.AbortTransport())
    script.tell(e.TransportClosed()).expect(*reports(n.Disconnected(1000, "bye"), n.Closed(1000, "bye")))


@pytest.mark.feature("C13")
def test_draining_ends_when_all_is_settled():
    """The goodbye is said as soon as the last call has its answer."""
    script = opened(server()).tell(e.CallRequested(2, "M")).skip()
    script.tell(e.CloseRequested(drain=True)).expect(a.Report(n.Closing()))
    script.tell(e.BytesReceived(message(3, CALL_ID, {}, masked=True)))
    assert script.actions[-2:] == [a.ResolveCall(2, {}), a.SendBytes(wire.goodbye(1000))]


# --- The clock ------------------------------------------------------------------------------------


def test_time_does_not_go_back():
    """The caller's mistake, which changes nothing."""
    script = opened(client()).until(5).tell(e.Tick()).expect().until(4)
    with pytest.raises(errors.LocalProtocolError, match="back from 5 to 4"):
        script.tell(e.CloseRequested())
    script.until(5).tell(e.CallRequested(2, "M")).expect(*call_sent(1))


@pytest.mark.feature("C8")
def test_it_dials_again_when_the_time_has_come():
    """A tick at the end of the back-off opens the next byte stream."""
    script = opened(client(backoff=ExponentialBackoff(initial=2, jitter=0))).until(7)
    script.tell(e.TransportClosed()).expect(a.Report(n.Disconnected(1006, "")))
    script.until_deadline(9).tell(e.Tick()).expect(
        a.Report(n.Connecting(())), a.OpenTransport("localhost", 80, secure=False)
    )
