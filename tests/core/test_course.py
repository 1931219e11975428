"""How a connection ends, in every phase and by every cause, and when a client tries again."""

from dataclasses import replace

import pytest
from support import wire
from support.wire import client, dialling, goodbye, message, opened, server, upgrading

from ocpp_rpc_core import actions as a, errors, events as e, notices as n
from ocpp_rpc_core._budget import Budget
from ocpp_rpc_core._lifecycle import Phase, State
from ocpp_rpc_core.backoff import ExponentialBackoff, OCPPBackoff
from ocpp_rpc_core.connection import Connection
from ocpp_rpc_core.errors import ConnectionLost, NotConnected
from ocpp_rpc_core.limits import Limits
from ocpp_rpc_core.router import Router
from ocpp_rpc_core.testing import Script

CLOSING = a.Report(n.Closing())
CALL_ID = "0000000000000000-1"


def gone(code, reason=""):
    """The WebSocket is gone, and so is the connection."""
    return [a.Report(n.Disconnected(code, reason)), *closed(code, reason)]


def closed(code, reason=""):
    """The end."""
    return [a.Report(n.Closed(code, reason))]


def busy(role):
    """An open connection with a call in flight (2), one queued (3) and a handler running (1)."""
    router = Router()
    router.add("Echo", "handler")
    script = opened(role(router))
    script.tell(e.CallRequested(2, "M")).skip().tell(e.CallRequested(3, "M")).expect()
    request = message(2, "7", "Echo", {}, masked=role is server)
    return script.tell(e.BytesReceived(request)).skip()


def given_up(reason):
    """What becomes of all that when it is given up."""
    return [
        a.CancelHandler(1),
        a.RejectCall(2, ConnectionLost(f"the connection ended before the answer came: {reason}")),
        a.RejectCall(3, NotConnected(f"the message was never sent: {reason}")),
    ]


def waiting(**options):
    """A client in back-off since 0 s."""
    return opened(client(**{"backoff": ExponentialBackoff(jitter=0), **options})).tell(e.TransportClosed()).skip()


def deciding(**options):
    """A server whose application makes up its mind."""
    return opened(server(authenticate=True, **options))


# --- Closing, phase by phase ----------------------------------------------------------------------


@pytest.mark.feature("C12")
def test_closing_before_anything_happened():
    """The code given is the code of the end."""
    Script(client()).tell(e.CloseRequested(4000, "never mind")).expect(CLOSING, *closed(4000, "never mind"))


@pytest.mark.feature("C12")
@pytest.mark.parametrize("at", [dialling, upgrading])
def test_closing_during_the_first_connect(at):
    """It is 1001 "Connection aborted", whatever code was given, and whoever waits hears of it."""
    script = at(client()).tell(e.CloseRequested(4000, "x"))
    script.expect(
        CLOSING,
        a.AbortTransport(),
        a.RejectConnect(1, NotConnected("Connection aborted")),
        *closed(1001, "Connection aborted"),
    )
    assert (script._machine.state, script._machine.deadline) == (State.CLOSED, None)


@pytest.mark.feature("C12")
def test_closing_after_the_first_connect_was_refused():
    """While the byte stream of a refused connect ends, closing ends it at once; the refusal is still the reason."""
    script = upgrading(client()).tell(e.BytesReceived(wire.response(accept="wrong"))).skip()
    script.tell(e.CloseRequested(4000)).expect(
        CLOSING,
        a.AbortTransport(),
        a.RejectConnect(1, errors.InvalidHandshake("the server's Sec-WebSocket-Accept is wrong")),
        *closed(1001, "Connection aborted"),
    )


@pytest.mark.feature("C12")
def test_closing_in_back_off_and_while_dialling_again():
    """It ends at once with the code given; calls that waited for the next connection were never sent."""
    script = waiting().tell(e.CallRequested(2, "M")).expect()
    script.tell(e.CloseRequested(4000, "home")).expect(
        CLOSING, a.RejectCall(2, NotConnected("the message was never sent: home")), *closed(4000, "home")
    )
    script = waiting().until(1).tell(e.Tick()).skip()
    script.tell(e.CloseRequested(4000, "home")).expect(CLOSING, a.AbortTransport(), *closed(4000, "home"))


@pytest.mark.feature("C12")
@pytest.mark.feature("C13")
@pytest.mark.parametrize(("role", "masked"), [(client, True), (server, False)])
def test_closing_an_open_connection(role, masked):
    """What is under way is given up before the goodbye is said; the peer has its time to answer it."""
    script = busy(role).tell(e.CloseRequested(1000, "bye"))
    script.expect(CLOSING, *given_up("closed by us bye"), a.SendBytes(goodbye(1000, "bye", masked=masked)))
    connection = script._machine
    assert (connection.state, connection.deadline) == (State.CLOSING, 5)
    script.tell(e.BytesReceived(message(3, CALL_ID, {}, masked=not masked))).expect()  # too late
    script.tell(e.HandlerReturned(1, {})).expect()
    script.tell(e.CloseRequested(4000, "again")).expect()
    script.tell(e.BytesReceived(goodbye(1000, "bye", masked=not masked))).skip()
    script.tell(e.CloseRequested(4000, "again")).expect()
    script.tell(e.TransportClosed()).expect(*gone(1000, "bye"))
    assert (connection.state, connection.deadline) == (State.CLOSED, None)
    script.tell(e.CloseRequested()).expect()


@pytest.mark.feature("C12")
@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 70000])
def test_an_impossible_close_code_becomes_1000(code):
    """Codes that may not be sent, or that do not exist."""
    opened(server()).tell(e.CloseRequested(code, "x")).expect(CLOSING, a.SendBytes(goodbye(1000, "x")))


@pytest.mark.feature("C12")
def test_a_peer_that_never_says_goodbye():
    """The byte stream is dropped in the end, and the code is 1006."""
    script = opened(client(close_timeout=3)).tell(e.CloseRequested()).skip()
    script.until_deadline(3).tell(e.Tick()).expect(a.AbortTransport())
    script.tell(e.BytesReceived(goodbye(1000))).expect()
    script.tell(e.TransportClosed()).expect(*gone(1006))


@pytest.mark.threat("T9")
def test_a_peer_that_never_reads():
    """Our last bytes cannot be written: the byte stream is dropped in the end, but the goodbyes were said."""
    script = opened(server(close_timeout=3)).tell(e.BytesReceived(goodbye(1001, "off", masked=True)))
    script.expect(a.SendBytes(goodbye(1001, "off")), a.CloseTransport())
    script.until_deadline(3).tell(e.Tick()).expect(a.AbortTransport())
    assert script._machine.deadline is None
    script.tell(e.TransportClosed()).expect(a.Report(n.Disconnected(1001, "off")), CLOSING, *closed(1001, "off"))


def test_a_server_ends_the_byte_stream_first():
    """After the goodbyes the server closes at once, the client waits for it (RFC 6455 7.1.1)."""
    script = opened(server()).tell(e.CloseRequested()).skip()
    script.tell(e.BytesReceived(goodbye(1000, masked=True))).expect(a.CloseTransport())
    script = opened(client(close_timeout=0.5)).tell(e.CloseRequested()).skip()
    script.tell(e.BytesReceived(goodbye(1000))).expect()
    assert script._machine.deadline == 0.5


def test_without_limit_a_peer_is_waited_for():
    """An infinite close time-out is no deadline."""
    script = opened(server(close_timeout=float("inf"))).tell(e.CloseRequested()).skip()
    assert script._machine.deadline is None


@pytest.mark.feature("C13")
def test_draining():
    """Calls in flight, queued calls and handlers finish; new ones are refused on both sides; then the goodbye."""
    script = busy(server).tell(e.CloseRequested(1001, "later", drain=True)).expect(CLOSING)
    assert script._machine.state is State.CLOSING
    script.tell(e.CloseRequested(4000, drain=True)).expect()
    refused = NotConnected("nothing can be sent while the connection is CLOSING")
    script.tell(e.CallRequested(4, "M")).expect(a.RejectCall(4, refused))
    script.tell(e.BytesReceived(message(2, "8", "Echo", {}, masked=True))).skip()
    refusal = message(4, "8", "GenericError", "the connection is closing and takes no new calls", {})
    assert a.SendBytes(refusal) in script.actions
    script.tell(e.BytesReceived(message(3, CALL_ID, {}, masked=True))).skip()
    assert a.ResolveCall(2, {}) in script.actions
    script.tell(e.BytesReceived(message(3, "0000000000000000-2", {}, masked=True))).skip()
    assert script.actions[-1] == a.ResolveCall(3, {})
    script.tell(e.HandlerReturned(1, {})).skip()
    assert script.actions[-1] == a.SendBytes(goodbye(1001, "later"))


@pytest.mark.feature("C13")
def test_draining_nothing_closes_at_once():
    """There is nothing to wait for."""
    opened(server()).tell(e.CloseRequested(drain=True)).expect(CLOSING, a.SendBytes(goodbye(1000)))


@pytest.mark.feature("C12")
@pytest.mark.feature("C13")
def test_draining_can_be_cut_short():
    """A plain close does not wait any longer; the first code wins."""
    script = busy(server).tell(e.CloseRequested(1001, "a", drain=True)).expect(CLOSING)
    script.tell(e.CloseRequested(4000, "b")).expect(*given_up("closed by us a"), a.SendBytes(goodbye(1001, "a")))


@pytest.mark.feature("C13")
def test_draining_a_lost_connection_is_over():
    """There is no reconnect for what was under way."""
    script = busy(client).tell(e.CloseRequested(drain=True)).skip()
    script.tell(e.TransportClosed()).expect(*given_up("the byte stream ended"), *gone(1006))


@pytest.mark.feature("C12")
@pytest.mark.parametrize("role", [client, server])
def test_force(role):
    """Everything is dropped at once, without a goodbye: 1006."""
    script = (
        busy(role)
        .tell(e.AbortRequested())
        .expect(
            a.AbortTransport(),
            *given_up("the connection is closed"),
            a.Report(n.Disconnected(1006, "")),
            CLOSING,
            *closed(1006),
        )
    )
    script.tell(e.AbortRequested()).expect()
    script.tell(e.TransportClosed()).expect()
    Script(role()).tell(e.AbortRequested()).expect(CLOSING, *closed(1006))


@pytest.mark.feature("C12")
def test_force_while_connecting():
    """Whoever waits is told; in back-off there is no byte stream to drop."""
    dialling(client()).tell(e.AbortRequested()).expect(
        a.AbortTransport(), a.RejectConnect(1, NotConnected("the connection is closed")), CLOSING, *closed(1006)
    )
    waiting().tell(e.AbortRequested()).expect(CLOSING, *closed(1006))


@pytest.mark.feature("S10")
def test_too_many_bad_messages():
    """The session wants to close with 1002, and that is final."""
    script = opened(client(max_bad_messages=0)).tell(e.BytesReceived(wire.frame(0x81, b"junk"))).skip()
    [_, bad, *rest] = script.actions
    code, reason = 1002, bad.notice.error.message
    exceeded = a.Report(n.LimitExceeded("max_bad_messages", 0))
    assert rest == [exceeded, CLOSING, a.SendBytes(goodbye(code, reason, masked=True))]
    script.tell(e.BytesReceived(goodbye(code, reason))).expect()
    script.tell(e.TransportClosed()).expect(*gone(code, reason))


@pytest.mark.feature("S4")
def test_pings_end_with_the_talking():
    """Nobody is pinged who has been said goodbye to, or is gone."""

    def pinging():
        return opened(client(ping_interval=0.5, backoff=ExponentialBackoff(jitter=0)))

    for event, deadline in [
        (e.CloseRequested(), 5),
        (e.BytesReceived(goodbye(1000)), 1),
        (e.TransportClosed(), 1),
        (e.AbortRequested(), None),
    ]:
        assert pinging().tell(event).skip()._machine.deadline == deadline


# --- The server's door ----------------------------------------------------------------------------


def turned_away(script, status, text):
    """The bytes of a refusal, taken apart."""
    [sent] = [action for action in script.actions if isinstance(action, a.SendBytes)]
    head, _, body = sent.data.partition(b"\r\n\r\n")
    assert (int(head.split()[1]), body.decode()) == (status, text)
    return sent


@pytest.mark.feature("S25")
def test_the_server_closes_while_it_decides():
    """The client is turned away with 503, and the application's verdict is not needed any more."""
    script = deciding().tell(e.CloseRequested(1001)).skip()
    handshake, error = script._machine.handshake, NotConnected("the server is closing")
    sent = turned_away(script, 503, "the server is closing")
    script.expect(
        CLOSING,
        a.CancelUpgrade(),
        sent,
        a.Report(n.UpgradeAborted(error, 503, "CP1", handshake)),
        a.CloseTransport(),
    )
    script.tell(e.UpgradeAccepted()).expect()
    script.tell(e.CloseRequested()).expect()
    script.tell(e.TransportClosed()).expect(*closed(1006))


@pytest.mark.feature("S25")
def test_the_server_closes_before_the_request_is_read():
    """The same, but nobody decides, and nobody knows who it was."""
    script = upgrading(server()).tell(e.CloseRequested()).skip()
    sent = turned_away(script, 503, "the server is closing")
    aborted = n.UpgradeAborted(NotConnected("the server is closing"), 503, None, None)
    script.expect(CLOSING, sent, a.Report(aborted), a.CloseTransport())


@pytest.mark.feature("S18")
@pytest.mark.parametrize("error", [None, ConnectionResetError("reset")])
def test_the_client_leaves_while_the_application_decides(error):
    """Deciding is cancelled, and the attempt reported."""
    script = deciding()
    left = ConnectionLost("the client went away before it was let in")
    aborted = n.UpgradeAborted(left, 400, "CP1", script._machine.handshake)
    script.tell(e.TransportClosed(error)).expect(
        *[a.Report(n.SocketError(error))] * (error is not None),
        a.CancelUpgrade(),
        a.Report(aborted),
        CLOSING,
        *closed(1006),
    )
    script.tell(e.UpgradeAccepted()).expect()


@pytest.mark.feature("S16")
def test_force_while_the_application_decides():
    """Deciding is cancelled, and the attempt reported."""
    script = deciding()
    aborted = n.UpgradeAborted(NotConnected("the server is closing"), 503, "CP1", script._machine.handshake)
    script.tell(e.AbortRequested()).expect(
        a.CancelUpgrade(), a.Report(aborted), a.AbortTransport(), CLOSING, *closed(1006)
    )


@pytest.mark.threat("T7")
@pytest.mark.parametrize(("at", "status"), [(lambda: upgrading(server()), 408), (deciding, 503)])
def test_a_handshake_that_takes_too_long(at, status):
    """A client that trickles its request gets 408, one that the application cannot decide on 503."""
    script = at().until_deadline(10).tell(e.Tick()).skip()
    sent = turned_away(script, status, "the opening handshake took too long")
    handshake = script._machine.handshake
    slow = errors.HandshakeTimeout("the opening handshake took too long")
    script.expect(
        a.Report(n.LimitExceeded("handshake_timeout", 10.0)),
        *[a.CancelUpgrade()] * (status == 503),
        sent,
        a.Report(n.UpgradeAborted(slow, status, handshake and "CP1", handshake)),
        a.CloseTransport(),
    )
    script.tell(e.BytesReceived(wire.request())).expect()
    script.until_deadline(15).tell(e.Tick()).expect(a.AbortTransport())


@pytest.mark.threat("T4")
def test_a_client_that_talks_too_much_before_it_is_let_in():
    """It is turned away; deciding is cancelled; nothing more of it is heard."""
    script = deciding().tell(e.BytesReceived(bytes(65536))).expect()
    script.tell(e.BytesReceived(b"!")).skip()
    text = "too many bytes before the upgrade was answered"
    sent = turned_away(script, 400, text)
    aborted = n.UpgradeAborted(errors.UpgradeRefused(400, text), 400, "CP1", script._machine.handshake)
    exceeded = a.Report(n.LimitExceeded("early_bytes", 65536))
    script.expect(a.CancelUpgrade(), sent, exceeded, a.Report(aborted), a.CloseTransport())
    script.tell(e.BytesReceived(bytes(70000))).expect()


def test_a_rejected_client_goes_on_talking():
    """Nobody listens, however much it says."""
    script = deciding().tell(e.UpgradeRejected(401, "who?")).skip()
    assert isinstance(script.actions[-1], a.CloseTransport)
    assert a.CancelUpgrade() not in script.actions
    script.tell(e.BytesReceived(bytes(70000))).expect()
    script.until_deadline(5).tell(e.Tick()).expect(a.AbortTransport())
    assert script._machine.deadline is None


# --- Losing and trying again ----------------------------------------------------------------------


@pytest.mark.feature("C7")
@pytest.mark.feature("C16")
@pytest.mark.feature("C21")
@pytest.mark.rule(33)
def test_a_lost_connection():
    """Calls in flight and handlers end at once; what was queued goes out on the next connection."""
    script = (
        busy(client)
        .tell(e.TransportClosed(OSError("unplugged")))
        .expect(
            a.Report(n.SocketError(OSError("unplugged"))),
            *given_up("the byte stream ended")[:2],
            a.Report(n.Disconnected(1006, "")),
        )
    )
    assert script._machine.state is State.CONNECTING
    script.until_deadline(1).tell(e.Tick()).skip().tell(e.TransportOpened()).skip()
    script.tell(e.BytesReceived(wire.response())).skip()
    assert a.Report(n.ProtocolChosen(None)) not in script.actions
    assert message(2, "0000000000000000-2", "M", {}, masked=True) == script.actions[-2].data
    script.tell(e.HandlerReturned(1, {})).expect()  # of the former connection


@pytest.mark.feature("C7")
@pytest.mark.feature("C12")
def test_the_server_says_goodbye():
    """A client answers, waits for the end of the byte stream, and connects again."""
    script = opened(client()).tell(e.CallRequested(2, "M")).skip()
    lost = "the connection ended before the answer came: closed by the peer with 1012 restart"
    script.tell(e.BytesReceived(goodbye(1012, "restart"))).expect(
        a.SendBytes(goodbye(1012, "restart", masked=True)), a.RejectCall(2, ConnectionLost(lost))
    )
    script.tell(e.TransportClosed()).expect(a.Report(n.Disconnected(1012, "restart")))
    assert script._machine.phase is Phase.WAITING


@pytest.mark.feature("C12")
def test_closing_while_the_server_says_goodbye():
    """There is no next connection; the code is the one that went over the wire."""
    script = opened(client()).tell(e.BytesReceived(goodbye(1012, "restart"))).skip()
    script.tell(e.CloseRequested(4000)).expect(CLOSING)
    script.tell(e.TransportClosed()).expect(*gone(1012, "restart"))


def attempts(script, until):
    """When the client dials, if each attempt fails after 0.25 s."""
    times = []
    while (at := script._machine.deadline) is not None and at <= until:
        script.until(at).tell(e.Tick()).skip()
        times.append(at)
        script.until(at + 0.25).tell(e.TransportFailed(OSError("no route"))).skip()
    return times


@pytest.mark.feature("C8")
@pytest.mark.rule(28)
@pytest.mark.rule(45)
@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        (ExponentialBackoff(jitter=0), [1, 2, 4, 8, 10, 10]),
        (OCPPBackoff(wait_minimum=10, random_range=0, repeat_times=2), [10, 20, 40, 40, 40]),
    ],
)
def test_the_back_off_is_kept_to_the_second(backoff, delays):
    """Attempt after attempt, counted from the failure before."""
    expected, now = [], 0.0
    for delay in delays:
        now += delay
        expected.append(now)
        now += 0.25
    script = waiting(backoff=backoff)
    assert attempts(script, until=expected[-1]) == expected
    success = script._machine.deadline
    script.until(success).tell(e.Tick()).skip().tell(e.TransportOpened()).skip()
    script.tell(e.BytesReceived(wire.response())).skip().tell(e.TransportClosed()).skip()
    assert script._machine.deadline == success + delays[0]  # begun anew


@pytest.mark.feature("C7")
@pytest.mark.parametrize("number", [0, 1, 3])
def test_it_gives_up(number):
    """After that many attempts in a row it is closed with 1001; whoever waits hears of the last failure."""
    script = opened(client(max_reconnects=number, backoff=ExponentialBackoff(jitter=0)))
    script.tell(e.CallRequested(2, "M")).skip().tell(e.CallRequested(3, "M")).expect()
    script.tell(e.TransportClosed()).skip()
    never_sent = a.RejectCall(3, NotConnected("the message was never sent: Giving up"))
    if number:
        script.tell(e.ConnectRequested(4)).expect()
        assert len(attempts(script, until=99)) == number
        script.expect(
            a.Report(n.SocketError(OSError("no route"))),
            never_sent,
            a.RejectConnect(4, OSError("no route")),
            CLOSING,
            *closed(1001, "Giving up"),
        )
    else:
        assert script.actions[-3:] == [script.actions[-3], CLOSING, *closed(1001, "Giving up")]
        assert script.actions[-3].token == 3
    assert (script._machine.state, script._machine.deadline) == (State.CLOSED, None)


@pytest.mark.feature("C7")
def test_no_reconnecting():
    """If the option says so, a lost connection is closed, with the code it was lost with."""
    opened(client(reconnect=False)).tell(e.TransportClosed()).expect(
        a.Report(n.Disconnected(1006, "")), CLOSING, *closed(1006)
    )
    script = opened(client(reconnect=False)).tell(e.BytesReceived(goodbye(4000, "out"))).skip()
    assert script._machine.state is State.CLOSING
    script.tell(e.TransportClosed()).expect(a.Report(n.Disconnected(4000, "out")), CLOSING, *closed(4000, "out"))


def reconnecting(protocol=None):
    """A client whose second byte stream is up."""
    script = opened(client(protocols=[protocol] if protocol else []), protocol)
    script.tell(e.TransportClosed()).skip().until(script._machine.deadline)
    return script.tell(e.Tick()).skip().tell(e.TransportOpened()).skip()


@pytest.mark.feature("C9")
@pytest.mark.feature("C24")
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (wire.response(), errors.SubprotocolMismatch),
        (wire.response("ocpp2.1"), errors.SubprotocolMismatch),
        (wire.response("ocpp1.6", accept="wrong"), errors.InvalidHandshake),
        (b"nonsense\r\n\r\n", errors.InvalidHandshake),
    ],
)
def test_what_no_retry_can_mend(reply, error):
    """A subprotocol mismatch or a broken handshake ends reconnecting."""
    script = reconnecting("ocpp1.6").tell(e.ConnectRequested(2)).expect()
    script.tell(e.BytesReceived(reply)).expect(a.CloseTransport())
    assert script._machine.state is State.CLOSING
    script.tell(e.TransportClosed()).skip()
    [rejected, *end] = script.actions
    assert isinstance(rejected.error, error)
    assert end == [CLOSING, *closed(1001, str(rejected.error))]


@pytest.mark.feature("C24")
def test_the_first_subprotocol_stays():
    """It is known between two connections, and the only one offered again."""
    script = opened(client(protocols=["ocpp2.1", "ocpp1.6"]), "ocpp1.6").tell(e.TransportClosed()).skip()
    assert script._machine.protocol == "ocpp1.6"
    script.until(9).tell(e.Tick()).expect(a.Report(n.Connecting(("ocpp1.6",))), a.OpenTransport)
    script.tell(e.TransportOpened()).skip()
    assert b"\r\nSec-WebSocket-Protocol: ocpp1.6\r\n" in script.actions[0].data


@pytest.mark.feature("C7")
@pytest.mark.rule(28)
@pytest.mark.parametrize(
    "events",
    [
        [e.BytesReceived(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), e.TransportClosed()],
        [e.TransportClosed()],
        [e.TransportClosed(OSError())],
    ],
)
def test_what_a_retry_may_mend(events):
    """A refusal, or a byte stream that ends early, only leads to the next attempt."""
    script = reconnecting()
    for event in events:
        assert script._machine.state is State.CONNECTING
        script.tell(event).skip()
    assert script._machine.phase is Phase.WAITING
    assert script._machine.deadline == script.now + 2


@pytest.mark.feature("C11")
@pytest.mark.parametrize(
    ("answer", "end", "error"),
    [
        (b"", None, errors.HandshakeError("the connection was closed before the handshake was complete")),
        (b"HTTP/1.1 503 Busy\r\n\r\n", None, errors.UnexpectedHTTPResponse(503, [], b"")),
        (b"", ConnectionResetError("reset"), ConnectionResetError("reset")),
    ],
)
def test_a_byte_stream_that_ends_within_the_handshake(answer, end, error):
    """What the answer was so far decides what the caller hears, or what broke the byte stream."""
    script = upgrading(client()).tell(e.BytesReceived(answer)).expect()
    script.tell(e.TransportClosed(end)).expect(
        *[a.Report(n.SocketError(end))] * (end is not None), a.RejectConnect(1, error), CLOSING, *closed(1006)
    )


@pytest.mark.feature("C7")
def test_an_attempt_that_takes_too_long():
    """It is dropped, and followed by the next."""
    script = reconnecting()
    exceeded = a.Report(n.LimitExceeded("handshake_timeout", 10.0))
    script.until_deadline(11).tell(e.Tick()).expect(exceeded, a.AbortTransport())
    script.tell(e.ConnectRequested(2)).expect()
    script.tell(e.TransportClosed(OSError("aborted"))).expect(a.Report(n.SocketError(OSError("aborted"))))
    assert script._machine.phase is Phase.WAITING
    slow = errors.HandshakeTimeout("the opening handshake took too long")
    script.tell(e.CloseRequested()).expect(CLOSING, a.RejectConnect(2, slow), *closed(1000))


# --- Changing the options -------------------------------------------------------------------------


def changed(script, **changes):
    """Reconfigure."""
    return script.tell(e.Reconfigured(replace(script._machine._options, **changes)))


@pytest.mark.feature("C25")
def test_options_act_at_once():
    """A wider window sends what waits; another ping interval counts from now."""
    script = opened(client()).tell(e.CallRequested(2, "M")).skip().tell(e.CallRequested(3, "M")).expect()
    changed(script.until(3), call_concurrency=2, ping_interval=20).skip()
    assert script.actions[1] == a.SendBytes(message(2, "0000000000000000-2", "M", {}, masked=True))
    assert script._machine.deadline == 23


@pytest.mark.feature("C25")
def test_a_connection_keeps_its_identity():
    """A new identity, endpoint or query is for the next `connect`; a new password is for the next attempt."""
    script = opened(client())
    changed(script, identity="CP2", endpoint="wss://elsewhere:1/x", query={"a": "b"}, password="sesame").expect()
    script.tell(e.TransportClosed()).skip().until(1).tell(e.Tick()).expect(
        a.Report(n.Connecting(())), a.OpenTransport("localhost", 80, secure=False)
    )
    script.tell(e.TransportOpened()).skip()
    [sent] = script.actions
    assert sent.data.startswith(b"GET /CP1 HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Basic Q1AxOnNlc2FtZQ==\r\n" in sent.data  # CP1:sesame


@pytest.mark.feature("C25")
@pytest.mark.feature("C7")
def test_reconnecting_may_be_switched():
    """Off while the old byte stream ends: no new one; and what was queued for it is refused."""
    script = opened(client()).tell(e.BytesReceived(goodbye(1012))).skip()
    script.tell(e.CallRequested(2, "M")).expect()
    changed(script, reconnect=False).expect()
    script.tell(e.TransportClosed()).expect(
        a.RejectCall(2, NotConnected("the message was never sent: the byte stream ended")),
        a.Report(n.Disconnected(1012, "")),
        CLOSING,
        *closed(1012),
    )
    script = changed(waiting(), reconnect=False).expect().until(1).tell(e.Tick()).skip()
    script.tell(e.TransportFailed(OSError("no route"))).skip()
    assert script.actions[-1:] == closed(1001, "no route")


def test_the_roles_do_not_mix():
    """A client's options are nothing to a server."""
    with pytest.raises(errors.LocalProtocolError, match="other role"):
        opened(server()).tell(e.Reconfigured(wire.client_options()))
    changed(opened(server()), ping_interval=7).expect()


# --- Turned away over a WebSocket ------------------------------------------------------------------


@pytest.mark.feature("B17")
@pytest.mark.rule(24)
@pytest.mark.parametrize("asks", [True, False])
def test_a_client_without_a_common_subprotocol_may_be_told_over_a_websocket(asks):
    """The application is asked first; then come 101, the goodbye and the report, and the connection was never open."""
    script = upgrading(server(authenticate=asks, protocols=["ocpp1.6"], subprotocol_mismatch="close"))
    connection = script._machine
    script.tell(e.BytesReceived(wire.request(protocols="ocpp2.1")))
    if asks:
        assert connection.phase is Phase.DECIDING
        script.expect(a.DecideUpgrade(connection.handshake)).tell(e.UpgradeAccepted())
    problem = "no common subprotocol; this server speaks ocpp1.6"
    reply = wire.response(extra="Server: ocpp-rpc\r\n") + goodbye(1002, problem)
    aborted = n.UpgradeAborted(errors.UpgradeRefused(101, problem), 101, "CP1", connection.handshake)
    script.expect(a.SendBytes(reply), a.Report(aborted), a.CloseTransport())
    assert (connection.phase, connection.state, connection.protocol) == (Phase.PARTING, State.CLOSING, None)
    late = (e.BytesReceived(goodbye(1002, masked=True)), e.HandlersReady(), e.HandlerReturned(1, {}))
    script.tell(*late[:1]).expect().tell(late[1]).expect().tell(late[2]).expect()
    script.tell(e.CallRequested(7, "M")).expect(
        a.RejectCall(7, NotConnected("nothing can be sent while the connection is CLOSING"))
    )
    assert connection.deadline == 5
    script.tell(e.TransportClosed()).expect(CLOSING, *closed(1006))
    assert (connection.phase, connection.deadline) == (Phase.CLOSED, None)


@pytest.mark.feature("B17")
@pytest.mark.threat("T9")
def test_a_client_that_is_told_so_and_stays_is_dropped():
    """It has the time that any goodbye has."""
    script = upgrading(server(protocols=["ocpp1.6"], subprotocol_mismatch="close", close_timeout=2))
    script.tell(e.BytesReceived(wire.request())).skip()
    script.until_deadline(2).tell(e.Tick()).expect(a.AbortTransport())
    script.tell(e.TransportClosed()).expect(CLOSING, *closed(1006))


# --- Not reading ----------------------------------------------------------------------------------


@pytest.mark.threat("T20")
@pytest.mark.parametrize("end", [e.HandlerDeclined(1), e.CloseRequested(), e.TransportClosed()])
def test_what_a_peer_that_is_not_read_owes(end):
    """Neither a pong nor the rest of a message, until it is read again; afterwards both have their time."""
    router = Router()
    router.add("Echo", "handler")
    limits = Limits(running_handlers=1, waiting_bytes=0, message_time=3)
    script = opened(server(router, ping_interval=5, limits=limits))
    for message_id in "12":
        script.tell(e.BytesReceived(message(2, message_id, "Echo", {}, masked=True))).skip()
    assert a.PauseReading() in script.actions
    script.tell(e.BytesReceived(b"\x81")).expect()
    assert script._machine.deadline is None
    script.until(100).tell(end).skip()
    assert a.ResumeReading() in script.actions
    going_on = isinstance(end, e.HandlerDeclined)
    assert script._machine.deadline == (103 if going_on else 105 if isinstance(end, e.CloseRequested) else None)
    if going_on:
        script.tell(e.BytesReceived(b"\x80" + bytes(4))).expect()
        assert script._machine.deadline == 105


# --- No room for what is not whole ----------------------------------------------------------------


def sharing(budget):
    """A server's open connection that shares a budget for unfinished messages."""
    return opened(Connection(wire.server_options(), budget=budget))


HALF, MORE = (wire.frame(first, b"x" * 600, masked=True) for first in (0x01, 0x00))


@pytest.mark.feature("B13")
@pytest.mark.threat("T24")
def test_no_room_for_an_unfinished_message():
    """It is closed with 1013, whatever was under way is given up, and nothing of the message is kept."""
    budget, reason = Budget(1000), "the server is overloaded"
    script = sharing(budget).tell(e.CallRequested(2, "M")).skip().tell(e.BytesReceived(HALF)).expect()
    assert (budget.held, script._machine._held) == (600, 600)
    script.tell(e.BytesReceived(MORE)).expect(
        a.Report(n.LimitExceeded("partial_bytes", 1000)),
        a.SendBytes(goodbye(1013, reason)),
        a.RejectCall(
            2, ConnectionLost(f"the connection ended before the answer came: closed by the peer with 1013 {reason}")
        ),
        a.CloseTransport(),
    )
    assert (budget.held, script._machine._websocket.held, script._machine.deadline) == (0, 0, 5)
    script.tell(e.TransportClosed()).expect(a.Report(n.Disconnected(1013, reason)), CLOSING, *closed(1013, reason))


@pytest.mark.feature("B13")
@pytest.mark.threat("T24")
def test_no_room_after_our_goodbye():
    """No second goodbye is said."""
    script = sharing(Budget(1000)).tell(e.BytesReceived(HALF)).expect().tell(e.CloseRequested()).skip()
    exceeded = a.Report(n.LimitExceeded("partial_bytes", 1000))
    script.tell(e.BytesReceived(MORE)).expect(exceeded, a.CloseTransport())


@pytest.mark.feature("B13")
def test_room_without_a_budget():
    """Nothing is counted."""
    script = opened(server()).tell(e.BytesReceived(HALF)).expect().tell(e.BytesReceived(MORE)).expect()
    assert script._machine._held == 0
