"""The client's half of the opening handshake."""

import base64
import itertools

import pytest
from hypothesis import given, strategies as st

from ocpp_rpc_core._handshake_client import ClientHandshake
from ocpp_rpc_core._http import HTTPResponse
from ocpp_rpc_core.errors import HandshakeError, InvalidHandshake, SubprotocolMismatch, UnexpectedHTTPResponse

NONCE = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
HEADERS = (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", ACCEPT))


def make(**changes):
    """A client handshake, valid but for the changes."""
    options = {
        "host_header": "h:1",
        "target": "/CP%7C1?a=b",
        "protocols": (),
        "headers": (),
        "key": base64.b64decode(NONCE),
    }
    return ClientHandshake(**{**options, **changes})


def answer(*extra, without=(), line="HTTP/1.1 101 Switching Protocols"):
    """A response head: a valid one, but for what the arguments change."""
    fields = [field for field in HEADERS if field[0] not in without] + list(extra)
    return "".join([line, "\r\n", *(f"{name}: {value}\r\n" for name, value in fields), "\r\n"]).encode("latin-1")


def outcome(chunks, *, close=True, **options):
    """What a client makes of these bytes and the end of the stream, comparable."""
    client = make(**options)
    result = None
    for chunk in chunks:
        try:
            found = client.receive(chunk)
        except HandshakeError as error:
            assert result is None, "a second outcome"
            result = described(error)
        else:
            assert found is None or result is None, "a second outcome"
            result = result or found
    if close:
        try:
            client.close()
        except HandshakeError as error:
            assert result is None, "a second outcome"
            result = described(error)
    if isinstance(result, HTTPResponse):
        return result, client.protocol, client.extensions, client.trailing
    return result


def described(error):
    """A handshake error, comparable."""
    if isinstance(error, UnexpectedHTTPResponse):
        return type(error), error.status, error.headers, error.body
    return type(error), str(error)


def kind(data, **options):
    """The class of the error these bytes cause, or `None` when the connection is open."""
    result = outcome([data], **options)
    assert outcome([data[i : i + 1] for i in range(len(data))], **options) == result
    return None if isinstance(result[0], HTTPResponse) else result[0]


@pytest.mark.rule(26)
@pytest.mark.feature("C3")
@pytest.mark.feature("C5")
def test_the_request():
    """The request has the handshake's own headers, then the user's, in order."""
    client = make(
        protocols=["ocpp2.0.1", "ocpp1.6"],
        headers=[("Authorization", "Basic eA=="), ("X-A", "1"), ("X-A", "\xe9")],
        extensions="permessage-deflate",
    )
    expected = (
        b"GET /CP%7C1?a=b HTTP/1.1\r\n"
        b"Host: h:1\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: ocpp2.0.1, ocpp1.6\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
        b"User-Agent: ocpp-rpc-python\r\n"
        b"Authorization: Basic eA==\r\n"
        b"X-A: 1\r\n"
        b"X-A: \xe9\r\n"
        b"\r\n"
    )
    assert client.request() == expected
    assert client.request() == expected


@pytest.mark.feature("C5")
def test_the_user_agent_can_be_changed():
    """The user's one replaces ours; nothing is said of what is not offered."""
    request = make(headers=[("user-agent", "x")]).request()
    assert b"user-agent: x\r\n" in request
    assert b"ocpp-rpc-python" not in request
    assert b"Protocol" not in request
    assert b"Extensions" not in request


@pytest.mark.feature("C5")
@pytest.mark.parametrize(
    "changes",
    [
        {"key": b"short"},
        {"target": "CP1"},
        {"target": "*"},
        {"target": "/a b"},
        {"target": "/\r\nX: y"},
        {"target": "/é"},
        {"host_header": "h\r\nX: y"},
        {"protocols": ["ocpp1.6", "ocpp1.6"]},
        {"protocols": ["a,b"]},
        {"protocols": [""]},
        {"extensions": "a\r\nX: y"},
        {"headers": [("X", "a\r\nY: z")]},
        {"headers": [("X\r\nY", "z")]},
        {"headers": [("X", "a\0b")]},
        {"headers": [("Host", "x")]},
        {"headers": [("upgrade", "x")]},
        {"headers": [("Connection", "x")]},
        {"headers": [("Content-Length", "1")]},
        {"headers": [("Transfer-Encoding", "chunked")]},
        {"headers": [("Sec-WebSocket-Protocol", "x")]},
    ],
)
def test_requests_that_cannot_be_sent(changes):
    """What would break the request is refused when given."""
    with pytest.raises(ValueError):
        make(**changes)


@pytest.mark.feature("C11")
def test_a_handshake():
    """The response comes back whole, once, with what the server chose and the frames that follow it."""
    client = make(protocols=["a", "b"], extensions='x, permessage-deflate; y="z"')
    data = answer(
        ("Sec-WebSocket-Protocol", "b"),
        ("Sec-WebSocket-Extensions", "Permessage-Deflate ; q=1, x"),
        ("X", "\xe9"),
    )
    assert (client.protocol, client.extensions, client.trailing) == (None, None, b"")
    assert client.receive(data[:20]) is None
    assert client.receive(data[20:] + b"fra") == HTTPResponse(
        status=101,
        headers=(
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-accept", ACCEPT),
            ("sec-websocket-protocol", "b"),
            ("sec-websocket-extensions", "Permessage-Deflate ; q=1, x"),
            ("x", "\xe9"),
        ),
        body=b"",
    )
    assert client.receive(b"mes") is None
    client.close()
    assert (client.protocol, client.extensions) == ("b", "Permessage-Deflate ; q=1, x")
    assert client.trailing == b"frames"


@pytest.mark.feature("C9")
@pytest.mark.parametrize(
    ("expected", "data"),
    [
        (None, answer()),
        (None, answer(("Connection", "keep-alive"))),
        (None, answer(line="HTTP/1.1 101")),
        (
            None,
            answer(("Upgrade", "WebSocket"), ("Connection", "x, upgrade"), without=["Upgrade", "Connection"]),
        ),
        (None, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + answer()),
        (None, answer(("Sec-WebSocket-Extensions", ""))),
        (InvalidHandshake, answer(without=["Upgrade"])),
        (InvalidHandshake, answer(("Upgrade", "h2c"), without=["Upgrade"])),
        (InvalidHandshake, answer(without=["Connection"])),
        (InvalidHandshake, answer(("Connection", "close"), without=["Connection"])),
        (InvalidHandshake, answer(without=["Sec-WebSocket-Accept"])),
        (InvalidHandshake, answer(("Sec-WebSocket-Accept", ACCEPT))),
        (
            InvalidHandshake,
            answer(("Sec-WebSocket-Accept", ACCEPT.lower()), without=["Sec-WebSocket-Accept"]),
        ),
        (InvalidHandshake, answer(("Sec-WebSocket-Accept", "\xe9"), without=["Sec-WebSocket-Accept"])),
        (InvalidHandshake, answer(("Sec-WebSocket-Extensions", "permessage-deflate"))),
        (InvalidHandshake, answer(line="HTTP/1.0 101 Switching Protocols")),
        (InvalidHandshake, answer(line="HTTP/2.0 101 Switching Protocols")),
        (InvalidHandshake, answer(line="HTTP/1.1 099 What")),
        (InvalidHandshake, b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        (InvalidHandshake, b"\x15\x03\x01\x00\x02"),
        (InvalidHandshake, b"\r\n\r\n"),
        (SubprotocolMismatch, answer(("Sec-WebSocket-Protocol", "ocpp1.6"))),
        (HandshakeError, b""),
        (HandshakeError, b"HTTP/1.1 101"),
        (HandshakeError, answer()[:-1]),
        (HandshakeError, b"HTTP/1.1 100 Continue\r\n\r\n"),
        (UnexpectedHTTPResponse, answer(line="HTTP/1.1 200 OK")),
    ],
)
def test_answers(expected, data):
    """Each answer opens the connection or is the error that fits, however its bytes are cut."""
    assert kind(data) is expected


@pytest.mark.feature("C9")
@pytest.mark.threat("T17")
@pytest.mark.parametrize(
    ("expected", "headers"),
    [
        (None, [("Sec-WebSocket-Protocol", "a")]),
        (None, [("Sec-WebSocket-Protocol", "b")]),
        (SubprotocolMismatch, []),
        (SubprotocolMismatch, [("Sec-WebSocket-Protocol", "")]),
        (SubprotocolMismatch, [("Sec-WebSocket-Protocol", "c")]),
        (SubprotocolMismatch, [("Sec-WebSocket-Protocol", "A")]),
        (SubprotocolMismatch, [("Sec-WebSocket-Protocol", "a, b")]),
        (SubprotocolMismatch, [("Sec-WebSocket-Protocol", "a"), ("Sec-WebSocket-Protocol", "b")]),
    ],
)
def test_chosen_subprotocols(expected, headers):
    """The server must choose exactly one of those offered."""
    assert kind(answer(*headers), protocols=["a", "b"]) is expected


@pytest.mark.feature("C9")
def test_which_errors_no_retry_mends():
    """What a server is and speaks stays so; a lost connection and another status may pass."""
    assert (InvalidHandshake.permanent, SubprotocolMismatch.permanent) == (True, True)
    assert (HandshakeError.permanent, UnexpectedHTTPResponse.permanent) == (False, False)


@pytest.mark.rule(28)
@pytest.mark.feature("C11")
@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"Content-Length: 5\r\n\r\nhello", b"hello"),
        (b"Content-Length: 5\r\n\r\nhello, and more", b"hello"),
        (b"Content-Length: 0\r\n\r\n", b""),
        (b"Content-Length: 5\r\n\r\nhel", b"hel"),
        (b"Connection: close\r\n\r\nhello", b"hello"),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", b"hello"),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\nnonsense\r\n", b"he"),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nl", b"hel"),
        (b"Content-Length: 80\r\n\r\n" + b"a" * 80, b"a" * 64),
        (b"Content-Length: 80\r\n\r\n" + b"a" * 64, b"a" * 64),
        (b"Connection: close\r\n\r\n" + b"a" * 1000, b"a" * 64),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n2;" + b"x" * 1000 + b"\r\nll\r\n0\r\n\r\n", b"he"),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n0\r\n" + b"X: y\r\n" * 1000 + b"\r\n", b"he"),
    ],
)
def test_another_status(data, body):
    """It is raised with headers and body: the whole one, `max_body` of it, or what came before the end."""
    data = b"HTTP/1.1 404 Not Found\r\nX-A: \xe9\r\n" + data
    for size in (1, 3, 100, len(data)):
        chunks = [data[i : i + size] for i in range(0, len(data), size)]
        error, status, headers, found = outcome(chunks, max_body=64, max_head=200)
        assert (error, status, found) == (UnexpectedHTTPResponse, 404, body)
        assert headers[0] == ("x-a", "\xe9")


def test_another_status_does_not_wait():
    """A complete response is raised at once, not only when the server closes; also one without a body."""
    for line, rest in [
        ("HTTP/1.1 401 No", b"Content-Length: 2\r\n\r\nno"),
        ("HTTP/1.1 204 No Content", b"\r\n"),
    ]:
        result = outcome([line.encode() + b"\r\n" + rest], close=False)
        assert result[:2] == (UnexpectedHTTPResponse, int(line.split()[1]))


@pytest.mark.threat("T4")
def test_a_body_without_content_has_a_limit():
    """Bytes of the chunked coding count too: a server cannot keep us reading what never becomes a body."""
    head = b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n"
    for sent, expected in [(999, None), (1000, (UnexpectedHTTPResponse, 503))]:
        data = head + b"2;" + b"x" * (sent - len(head) - 2)
        result = outcome([data], close=False, max_head=400, max_body=600)
        assert (result and result[:2]) == expected


@pytest.mark.threat("T4")
def test_the_head_has_a_limit():
    """It counts the bytes of all heads: exactly the limit passes, one more does not, however they are cut."""
    hint = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    size = len(hint + answer(("X", "")))
    for filler, expected in [(500 - size, None), (501 - size, InvalidHandshake), (10**5, InvalidHandshake)]:
        data = hint + answer(("X", "a" * filler))
        for step in (1, 499, 500, 501, len(data)):
            result = outcome([data[i : i + step] for i in range(0, len(data), step)], max_head=500)
            assert (None if isinstance(result[0], HTTPResponse) else result[0]) is expected
    assert outcome([hint * 10_000], max_head=500)[0] is InvalidHandshake


def test_after_an_error_nothing_follows():
    """Bytes and the end of the stream after the error cause no second one."""
    client = make()
    with pytest.raises(InvalidHandshake):
        client.receive(b"\0")
    assert client.receive(answer()) is None
    client.close()


def cut(data, positions):
    """`data` cut at the positions."""
    edges = [0, *sorted(position % (len(data) + 1) for position in positions), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


cuts = st.lists(st.integers(0, 2**16), max_size=20)
mutations = st.lists(
    st.tuples(
        st.integers(0, 2**16),
        st.integers(0, 3),
        st.binary(max_size=4) | st.sampled_from([b"\r\n", b"0", b": "]),
    ),
    max_size=6,
)
bases = st.sampled_from(
    [
        answer(("Sec-WebSocket-Protocol", "a"), ("Sec-WebSocket-Extensions", "x; y=z")) + b"\x81\x00",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n\r\nhello, world",
        b"HTTP/1.1 503 \r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5;x\r\nworld\r\n0\r\nX: y\r\n\r\n",
        b"HTTP/1.0 400 No\r\n\r\nhello, world",
    ]
)
limits = st.sampled_from([{}, {"max_head": 120, "max_body": 8}, {"max_head": 60, "max_body": 30}])


@given(st.binary(), cuts)
def test_any_bytes(data, positions):
    """Arbitrary bytes cause only the documented errors, and how they are cut makes no difference."""
    assert outcome(cut(data, positions)) == outcome([data])


@given(bases, mutations, cuts, limits)
def test_mutated_answers(base, changes, positions, options):
    """So do answers that are almost right."""
    data = base
    for position, length, piece in changes:
        start = position % (len(data) + 1)
        data = data[:start] + piece + data[start + length :]
    options = {"protocols": ["a", "b"], "extensions": "x", **options}
    assert outcome(cut(data, positions), **options) == outcome([data], **options)


@given(st.sampled_from([name for name, _ in HEADERS]), st.binary())
def test_any_header_value(name, value):
    """No value of any header of the handshake causes another error."""
    data = answer(without=[name]).removesuffix(b"\r\n") + name.encode() + b": " + value + b"\r\n\r\n"
    assert outcome([data]) is not None
