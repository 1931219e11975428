"""Attacks on the opening handshake: floods, slow parsing, crashes, downgrades; and what stock libraries do."""

import tracemalloc
from itertools import pairwise
from math import inf
from time import process_time

import anyio
import h11
import pytest
from hypothesis import example, given, settings, strategies as st
from support import wire
from support.env import gathered
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import RemoteProtocolError

from ocpp_rpc_core import (
    InvalidHandshake,
    LimitExceeded,
    Limits,
    State,
    SubprotocolMismatch,
    UnexpectedHTTPResponse,
    UpgradeAborted,
    actions as a,
    events as e,
    notices as n,
)
from ocpp_rpc_core._lifecycle import Phase

LINE = "GET /CP1 HTTP/1.1\r\n"
FIELDS = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": wire.KEY,
    "Sec-WebSocket-Version": "13",
}


def head(line=LINE, more="", **changes):
    """A request with these fields changed, or with None left out (underscores are hyphens)."""
    fields = FIELDS | {name.replace("_", "-"): value for name, value in changes.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
    return f"{line}{lines}{more}\r\n".encode("latin-1")


def told(*chunks, **options):
    """A server's connection that heard this, and all it asked for."""
    script = wire.upgrading(wire.server(**options))
    asked = []
    for chunk in chunks:
        asked += script.tell(e.BytesReceived(chunk)).skip().actions
    return script._machine, asked


def status(*chunks, **options):
    """What a server answers, 0 for nothing yet."""
    sent = [action.data for action in told(*chunks, **options)[1] if isinstance(action, a.SendBytes)]
    return int(sent[0].split(b" ")[1]) if sent else 0


def cut(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]


def stock(data):
    """The first event that stock wsproto makes of a request."""
    connection = WSConnection(ConnectionType.SERVER)
    connection.receive_data(data)
    return next(connection.events()), connection


# --- T4: floods of headers ------------------------------------------------------------------------

NAMES = "".join(f"X-{number}: y\r\n" for number in range(5000))
FLOODS = {
    "101 headers": (head(more="x: y\r\n" * 96), 431, "headers"),
    "5000 headers": (head(more=NAMES), 431, "headers"),
    "a header of 1 MB": (head(X="y" * 10**6), 431, "header_line"),
    "a name of 1 MB": (head(more="y" * 10**6 + ": x\r\n"), 431, "header_line"),
    "an identity of 1 MB": (head(line="GET /" + "y" * 10**6 + " HTTP/1.1\r\n"), 414, "request_line"),
    "no end of line": (b"GET /" + b"y" * 10**6, 414, "request_line"),
    "no end of the head": (LINE.encode() + (b"x: " + b"y" * 8000 + b"\r\n") * 3, 431, "head"),
    "folded lines": (head(more="x: y\r\n" + " y\r\n" * 200), 431, "headers"),
    "early frames": (head() + wire.frame(0x82, bytes(70_000), masked=True), 400, "early_bytes"),
}


@pytest.mark.threat("T4")
@pytest.mark.threat("W9")
@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_of_headers(kind):
    """It is refused at the limit with the status that says so, however it is cut, and takes little memory."""
    data, expected, limit = FLOODS[kind]
    for size in (1, 7, 4096, len(data)):
        chunks = cut(data[:80_000] if size < 10 else data, size)
        tracemalloc.start()
        try:
            script, asked = wire.upgrading(wire.server(authenticate=True)), []
            for chunk in chunks:
                asked += script.tell(e.BytesReceived(chunk)).skip().actions
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        answers = [action.data for action in asked if isinstance(action, a.SendBytes)]
        assert [answer.split(b" ")[1] for answer in answers] == [b"%d" % expected]
        bound = getattr(Limits(), limit)
        assert a.Report(n.LimitExceeded(limit, bound)) in asked
        assert script._machine.phase is Phase.PARTING
        assert peak < 2**16 + 2**18 * (kind == "early frames"), (size, peak)


@pytest.mark.threat("T4")
@pytest.mark.parametrize("split", range(0, 200, 7))
def test_what_is_just_within_the_limits(split):
    """Ninety-five headers more are fine, and a path of almost 8 KiB, wherever they are cut."""
    data = head(line="GET /" + "y" * 8170 + " HTTP/1.1\r\n", more="x: y\r\n" * 95)
    assert status(data[:split] or b"G", data[split:] if split else data[1:]) == 101


@pytest.mark.threat("T4")
def test_limits_of_ones_own():
    """Whoever needs more takes more."""
    data = head(more=NAMES)
    assert status(data, limits=Limits(head=10**6, headers=inf)) == 101


@pytest.mark.threat("W9")
def test_h11_reads_a_huge_head_if_it_comes_at_once():
    """Its limit is for heads that are not whole yet."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=16384)
    connection.receive_data(head(X="y" * 10**6))
    assert isinstance(connection.next_event(), h11.Request)


# --- T5: slow parsing -----------------------------------------------------------------------------

GROWING = {
    "spaces": lambda size: "b" + " " * size + "x",
    "commas": lambda size: "," * size,
    "semicolons": lambda size: ";" * size,
    "quotes": lambda size: '"' * size,
    "backslashes": lambda size: 'a; b="' + "\\" * size,
    "offers": lambda size: "permessage-deflate, " * (size // 20),
    "parameters": lambda size: "permessage-deflate" + "; server_max_window_bits" * (size // 25),
}
WIDE = Limits(head=10**7, header_line=inf)


@pytest.mark.threat("T5")
@pytest.mark.parametrize("kind", GROWING)
@pytest.mark.parametrize("name", ["Connection", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Authorization"])
def test_time_grows_as_the_value_does(name, kind):
    """Twice the header takes about twice the time, far beyond the limit even; there is no regular expression."""

    def seconds(size):
        data = head(**{name: GROWING[kind](size)})
        start = process_time()
        told(data, limits=WIDE)
        return process_time() - start

    times = [min(seconds(size) for _ in range(3)) for size in (20_000, 40_000, 80_000)]
    assert all(later < 3 * sooner + 0.005 for sooner, later in pairwise(times)), times


# --- T6: crashes ----------------------------------------------------------------------------------

NASTY = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=30),
    st.sampled_from(
        [
            *(
                "xn--zzzzzzzz9999999a",
                "é",
                "\xff",
                "\x00",
                "a\r\nX: y",
                "permessage-deflate; client_max_window_bits=abc",
            ),
            *('permessage-deflate; client_max_window_bits="15"', "permessage-deflate; client_max_window_bits="),
            *("permessage-deflate; client_max_window_bits=" + "9" * 5000, "Basic \xff", "Basic " + "=" * 50, "13, 13"),
            *("permessage-deflate; server_max_window_bits=7", "websocket, \xe9", "keep-alive, Upgrade", "", " ", ","),
        ]
    ),
)
HEADERS = [*FIELDS, "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Authorization", "Content-Length", "X"]
TARGETS = st.sampled_from(
    ["/", "/%", "/%ff", "/%00", "/a%2Fb", "/a%2525", "//", "/../..", "/?" + "a=%zz&" * 20, "*", "http://x/CP1", "/\xe9"]
)


@pytest.mark.threat("T6")
@pytest.mark.threat("W1")
@settings(max_examples=400, deadline=None)
@given(
    changes=st.dictionaries(st.sampled_from(HEADERS), NASTY | st.none(), max_size=3),
    target=TARGETS | st.just("/CP1"),
    size=st.sampled_from([1, 13, 10**6]),
)
@example(changes={"Host": "xn--zzzzzzzz9999999a"}, target="/CP1", size=10**6)
@example(changes={"Sec-WebSocket-Protocol": "\xff"}, target="/CP1", size=10**6)
def test_no_header_crashes_a_server(changes, target, size):
    """Whatever stands in any header or target: an answer, or waiting for more; never an exception.

    A canary that was let in before by the same options is answered after each.
    """
    canary = CANARY.tell(e.BytesReceived(wire.message(2, "1", "Nobody", {}, masked=True))).skip()
    assert any(isinstance(action, a.SendBytes) for action in canary.actions)
    data = head(line=f"GET {target} HTTP/1.1\r\n", **changes)
    machine, _ = told(*cut(data, size))
    assert machine.phase in (Phase.OPEN, Phase.PARTING, Phase.UPGRADING)


CANARY = wire.opened(wire.server())


@pytest.mark.threat("W1")
@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("Host", "\xe9", UnicodeDecodeError),
        ("Connection", "Upgrade\xe9", UnicodeDecodeError),
        ("Sec-WebSocket-Protocol", "\xe9", UnicodeDecodeError),
        ("Sec-WebSocket-Extensions", "\xe9", UnicodeDecodeError),
        ("Host", "xn--zzzzzzzz9999999a", UnicodeError),
    ],
)
def test_what_stock_wsproto_raises(name, value, error):
    """Exceptions of kinds that nobody expects, on one packet of a stranger; ours answers."""
    with pytest.raises(error) as caught:
        stock(head(**{name: value}))
    assert not isinstance(caught.value, RemoteProtocolError)
    assert status(head(**{name: value})) in (101, 400)


@pytest.mark.threat("W1")
@pytest.mark.parametrize("bits", ["abc", '"15"', "", "9" * 5000])
def test_what_stock_wsproto_raises_for_an_offer(bits):
    """An offer that RFC 7692 says to decline ends in an exception when it is accepted; ours declines it."""
    offer = f"permessage-deflate; client_max_window_bits={bits}"
    request, connection = stock(head(Sec_WebSocket_Extensions=offer))
    assert isinstance(request, Request)
    with pytest.raises(ValueError, match=r"int\(\)|Exceeds"):
        connection.send(AcceptConnection(extensions=[PerMessageDeflate()]))
    machine, asked = told(head(Sec_WebSocket_Extensions=offer))
    assert machine.phase is Phase.OPEN
    assert b"Extensions" not in asked[0].data


@pytest.mark.threat("T6")
async def test_a_canary_among_crashing_handshakes(net):
    """A station that is connected stays so, and is answered, while others send what crashed servers."""
    nasty = [head(Host="\xe9"), head(Host="xn--zzzzzzzz9999999a"), head(Sec_WebSocket_Protocol="\xff")]
    nasty += [head(Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits=abc"), b"\x16\x03\x01" * 50]
    async with net.RPCServer() as server:
        server.handle("Echo", lambda call: call.params)
        exceeded = gathered(server, LimitExceeded)
        listener = await server.listen(host="127.0.0.1")
        async with net.RPCClient(listener.url, "canary") as canary:
            for number, data in enumerate([*nasty, head(X="y" * 9000)]):
                async with await anyio.connect_tcp("127.0.0.1", listener.port) as stream:
                    await stream.send(data)
                    await stream.receive()
                assert await canary.call("Echo", {"n": number}) == {"n": number}
            assert canary.state is State.OPEN
        assert exceeded == [LimitExceeded("header_line", 8192)]


# --- W2, T18: what RFC 6455 forbids -----------------------------------------------------------------

LAX = {
    "HTTP/1.0": (head(line="GET /CP1 HTTP/1.0\r\n"), 400),
    "HTTP/2.0": (head(line="GET /CP1 HTTP/2.0\r\n"), 400),
    "an empty key": (head(Sec_WebSocket_Key=""), 400),
    "a short key": (head(Sec_WebSocket_Key="AAAA"), 400),
    "two keys": (head(more=f"Sec-WebSocket-Key: {wire.KEY}\r\n"), 400),
    "an absolute target": (head(line="GET http://x/CP1 HTTP/1.1\r\n"), 400),
    "no target": (head(line="GET * HTTP/1.1\r\n"), 400),
}


@pytest.mark.threat("W2")
@pytest.mark.parametrize("kind", LAX)
def test_what_stock_wsproto_lets_in(kind):
    """It takes it for a handshake; ours says what is wrong."""
    data, expected = LAX[kind]
    request, connection = stock(data)
    assert isinstance(request, Request)
    assert connection.send(AcceptConnection()).startswith(b"HTTP/1.1 101")
    assert status(data) == expected


@pytest.mark.threat("W2")
def test_what_stock_wsproto_turns_away():
    """A `Connection` in two lines is the same as in one (RFC 9110 5.3)."""
    data = head(more="Connection: keep-alive\r\n")
    with pytest.raises(RemoteProtocolError):
        stock(data)
    assert status(data) == 101


@pytest.mark.threat("T18")
@pytest.mark.threat("W2")
@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({"Content-Length": "5"}, b"hello"),
        ({"Transfer-Encoding": "chunked"}, b"5\r\nhello\r\n0\r\n\r\n"),
        ({"Transfer-Encoding": "chunked"}, b"5\r\nhelloXX0\r\n\r\n"),
        ({"Transfer-Encoding": "gzip"}, b""),
        ({"Content-Length": "0", "Transfer-Encoding": "chunked"}, b"0\r\n\r\n"),
    ],
)
def test_a_body(fields, body):
    """No request with a body is let in, nor is its body read (CVE-2025-43859)."""
    more = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    expected = 501 if fields.get("Transfer-Encoding") == "gzip" else 400
    assert status(head(more=more) + body) in (expected, 400)
    assert status(head(Content_Length="0")) == 101


@pytest.mark.threat("T18")
def test_h11_is_the_mended_one():
    """0.16 reads the ends of chunks."""
    assert tuple(map(int, h11.__version__.split(".")[:2])) >= (0, 16)


@pytest.mark.threat("T18")
@pytest.mark.threat("W2")
def test_early_bytes_are_frames_and_nothing_else():
    """A frame behind the request is heard, another request is a broken frame; stock wsproto loses either."""
    script = wire.upgrading(wire.server()).tell(e.BytesReceived(head() + wire.message(9, masked=True))).skip()
    assert a.Report(n.MessageEvent("[9]", outbound=False)) in script.actions
    machine, asked = told(head() + head())
    assert machine.phase is Phase.PARTING
    assert asked[-2].data[2:4] == (1002).to_bytes(2, "big")

    _, theirs = stock(head() + wire.message(9, masked=True))
    theirs.send(AcceptConnection())
    assert list(theirs.events()) == []


# --- T16, T17: downgrades ---------------------------------------------------------------------------


@pytest.mark.threat("T17")
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("ocpp1.6, ocpp2.0.1", "ocpp2.0.1"),
        ("ocpp1.6", "ocpp1.6"),
        ("ocpp9, ocpp1.6", "ocpp1.6"),
        ("OCPP2.0.1, ocpp1.6", "ocpp1.6"),
    ],
)
def test_the_servers_order_decides(offered, chosen):
    """It answers what it was set up with, in its own order, and never what it was merely asked for."""
    machine, _ = told(head(Sec_WebSocket_Protocol=offered), protocols=["ocpp2.0.1", "ocpp1.6"])
    assert (machine.phase, machine.protocol) == (Phase.OPEN, chosen)


@pytest.mark.threat("T17")
@pytest.mark.parametrize("offered", ["ocpp9", "OCPP1.6", None])
def test_no_common_subprotocol(offered):
    """It does not echo one; what it does instead is a policy."""
    machine, asked = told(head(Sec_WebSocket_Protocol=offered), protocols=["ocpp1.6"])
    assert machine.protocol is None
    assert all(b"Sec-WebSocket-Protocol" not in action.data for action in asked if isinstance(action, a.SendBytes))


@pytest.mark.threat("T17")
@pytest.mark.parametrize("chosen", [None, "ocpp1.5", "ocpp1.6, ocpp1.6", "OCPP1.6"])
def test_a_server_that_chooses_what_was_not_offered(chosen):
    """The client fails for good."""
    script = wire.upgrading(wire.client(protocols=["ocpp1.6"]))
    script.tell(e.BytesReceived(wire.response(chosen))).skip().tell(e.TransportClosed()).skip()
    [rejected] = [action for action in script.actions if isinstance(action, a.RejectConnect)]
    assert type(rejected.error) is SubprotocolMismatch
    assert script._machine.phase is Phase.CLOSED


@pytest.mark.threat("T17")
def test_a_subprotocol_stays_what_it_was():
    """A reconnect offers only that, so nobody can talk the client into another one."""
    script = wire.opened(wire.client(protocols=["ocpp2.0.1", "ocpp1.6"]), "ocpp2.0.1").tell(e.TransportClosed()).skip()
    script.until(script._machine.deadline).tell(e.Tick()).skip().tell(e.TransportOpened()).skip()
    assert b"\r\nSec-WebSocket-Protocol: ocpp2.0.1\r\n" in script.actions[0].data


@pytest.mark.threat("T16")
@pytest.mark.parametrize("code", [301, 302, 307, 308])
@pytest.mark.parametrize("location", ["ws://evil/", "http://localhost/CP1"])
def test_no_redirect_is_followed(code, location):
    """It is an answer like any other: nothing is dialled, no password is sent elsewhere."""
    script = wire.upgrading(wire.client(endpoint="wss://host", password="secret"))
    answer = f"HTTP/1.1 {code} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    script.tell(e.BytesReceived(answer)).skip().tell(e.TransportClosed()).skip()
    assert not any(isinstance(action, a.OpenTransport | a.SendBytes) for action in script.actions)
    [rejected] = [action for action in script.actions if isinstance(action, a.RejectConnect)]
    assert (type(rejected.error), rejected.error.status) == (UnexpectedHTTPResponse, code)


@pytest.mark.threat("T16")
def test_a_secure_endpoint_stays_secure():
    """Every attempt of a wss client wants TLS, whatever went wrong before; a ws one was asked for as such."""
    for endpoint, secure in (("wss://host", True), ("ws://host", False)):
        script = wire.opened(wire.client(endpoint=endpoint)).tell(e.TransportClosed()).skip()
        for _ in range(3):
            script.until(script._machine.deadline).tell(e.Tick()).skip()
            [dial] = [action for action in script.actions if isinstance(action, a.OpenTransport)]
            assert dial.secure is secure
            script.tell(e.TransportFailed(OSError("TLS alert"))).skip()


@pytest.mark.threat("T16")
def test_a_password_is_sent_only_where_one_was_given():
    """And only to the endpoint that it was given for, in the request."""
    [sent] = wire.upgrading(wire.client()).actions
    assert b"Authorization" not in sent.data
    [sent] = wire.upgrading(wire.client(password="secret")).actions
    assert b"\r\nAuthorization: Basic " in sent.data
    assert "secret" not in repr(wire.client_options(password="secret"))


# --- T7: a handshake that does not end ----------------------------------------------------------------


@pytest.mark.threat("T7")
async def test_a_head_that_trickles(env):
    """One byte every five seconds: turned away at the deadline, slot and memory returned."""
    async with env.RPCServer(handshake_timeout=10) as server:
        heard = gathered(server, UpgradeAborted, LimitExceeded)
        stream = await env.line(server).stream()
        begun = env.now
        for byte in head():
            try:
                await stream.send(bytes([byte]))
            except anyio.BrokenResourceError:
                break
            await anyio.sleep(5)
        assert env.now - begun <= 25
        assert [type(notice) for notice in heard] == [LimitExceeded, UpgradeAborted]
        assert heard[0] == LimitExceeded("handshake_timeout", 10)
        await env.until(lambda: not server._connections)
        await stream.aclose()


@pytest.mark.threat("T4")
def test_a_server_that_floods_its_client():
    """The client is no better victim: a head too large ends the attempt for good."""
    script = wire.upgrading(wire.client())
    for chunk in cut(wire.response(extra="X: y\r\n" * 10_000), 4096):
        script.tell(e.BytesReceived(chunk)).skip()
    assert script._machine.phase is Phase.PARTING
    script.tell(e.TransportClosed()).skip()
    [rejected] = [action for action in script.actions if isinstance(action, a.RejectConnect)]
    assert (type(rejected.error), rejected.error.limit) == (InvalidHandshake, "head")
