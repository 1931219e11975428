"""The server's half of the opening handshake, and both halves together."""

import base64
import contextlib
import itertools
import time
from math import inf

import h11
import pytest
from hypothesis import given, strategies as st

from ocpp_rpc_core._handshake import ClientHandshake, ServerHandshake
from ocpp_rpc_core._http import Handshake, TLSInfo
from ocpp_rpc_core._url import basic_header, parse_endpoint
from ocpp_rpc_core.errors import UpgradeRefused
from ocpp_rpc_core.limits import Limits

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
HEADERS = (
    ("Host", "h"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", KEY),
    ("Sec-WebSocket-Version", "13"),
)


def head(*extra, without=(), line="GET /ocpp/CP1 HTTP/1.1"):
    """A request head: a valid one, but for what the arguments change."""
    fields = [field for field in HEADERS if field[0] not in without] + list(extra)
    return "".join([line, "\r\n", *(f"{name}: {value}\r\n" for name, value in fields), "\r\n"]).encode("latin-1")


def outcome(chunks, **options):
    """What a server makes of these bytes: a handshake, a refusal, or nothing yet; and what it kept."""
    server = ServerHandshake(**options)
    result = None
    for chunk in chunks:
        try:
            found = server.receive(chunk)
        except UpgradeRefused as error:
            assert result is None, "refused twice, or after a handshake"
            result = (error.status, error.message)
        else:
            assert found is None or result is None, "a second outcome"
            result = result or found
    return result, server.trailing, server.extensions_offered


def status(*chunks, **options):
    """The status the request is refused with, 101 for a handshake, `None` while it is not complete."""
    result, _, _ = outcome(chunks, **options)
    if isinstance(result, Handshake):
        return 101
    return result and result[0]


def parsed(data, method="GET"):
    """A response as an independent parser reads it: status, headers, body."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "h"), ("Upgrade", "websocket")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    response = client.next_event()
    headers = {name.decode(): value.decode() for name, value in response.headers}
    assert len(headers) == len(response.headers)
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    return response.status_code, response.reason.decode(), headers, body


@pytest.mark.feature("S17")
def test_a_whole_handshake():
    """Everything a client says, and what the transport knows of it, is there."""
    server = ServerHandshake(
        remote_address="192.0.2.1",
        peer_certificate={"subject": ()},
        tls=TLSInfo(version="TLSv1.3", cipher="TLS_AES_128_GCM_SHA256"),
    )
    handshake = server.receive(
        head(
            ("Sec-WebSocket-Protocol", "ocpp2.0.1, ocpp1.6"),
            ("Sec-WebSocket-Protocol", "ocpp1.6,ocpp1.5,"),
            ("Sec-WebSocket-Extensions", 'a; b="1,2", permessage-deflate'),
            ("sec-websocket-extensions", "x"),
            ("Authorization", basic_header("CP|1", b"\xff:")),
            ("X-Name", "\xe9"),
            line="GET /v1/CP%7C1?a=b HTTP/1.1",
        )
    )
    assert handshake == Handshake(
        protocols=("ocpp2.0.1", "ocpp1.6", "ocpp1.5"),
        identity="CP|1",
        password=b"\xff:",
        endpoint="/v1",
        query={"a": "b"},
        remote_address="192.0.2.1",
        headers={
            "host": "h",
            "upgrade": "websocket",
            "connection": "Upgrade",
            "sec-websocket-key": KEY,
            "sec-websocket-version": "13",
            "sec-websocket-protocol": "ocpp2.0.1, ocpp1.6, ocpp1.6,ocpp1.5,",
            "sec-websocket-extensions": 'a; b="1,2", permessage-deflate, x',
            "authorization": basic_header("CP|1", b"\xff:"),
            "x-name": "\xe9",
        },
        peer_certificate={"subject": ()},
        tls=TLSInfo(version="TLSv1.3", cipher="TLS_AES_128_GCM_SHA256"),
    )
    assert server.extensions_offered == ('a; b="1,2"', "permessage-deflate", "x")
    assert server.trailing == b""


@pytest.mark.feature("P4")
def test_forwarded_facts_are_headers():
    """What a proxy that ended TLS adds reaches the application, repetitions joined in order."""
    handshake, _, _ = outcome([head(("X-Forwarded-For", "192.0.2.1"), ("x-forwarded-for", "198.51.100.2"))])
    assert handshake.headers["x-forwarded-for"] == "192.0.2.1, 198.51.100.2"


@pytest.mark.feature("S22")
@pytest.mark.threat("T6")
@pytest.mark.parametrize(
    ("expected", "request_head"),
    [
        (101, head()),
        # Plain HTTP.
        (404, head(without=["Upgrade"])),
        (404, head(without=["Upgrade", "Connection"])),
        (404, b"GET / HTTP/1.0\r\n\r\n"),
        (404, b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"),
        (404, head(("Upgrade", ""), without=["Upgrade"])),
        # Not an upgrade to WebSocket.
        (400, head(("Upgrade", "h2c"), without=["Upgrade"])),
        (400, head(("Upgrade", "websocket2"), without=["Upgrade"])),
        (101, head(("Upgrade", "h2c, WebSocket"), without=["Upgrade"])),
        (400, head(without=["Connection"])),
        (400, head(("Connection", "keep-alive"), without=["Connection"])),
        (101, head(("Connection", "keep-alive, UPGRADE"), without=["Connection"])),
        (101, head(("Connection", "keep-alive"))),
        (101, head(("Connection", "close"))),
        # Method and HTTP version.
        (405, head(line="POST /CP1 HTTP/1.1")),
        (405, head(line="get /CP1 HTTP/1.1")),
        (405, head(line="CONNECT h:80 HTTP/1.1")),
        (400, head(line="GET /CP1 HTTP/1.0")),
        (400, head(line="GET /CP1 HTTP/1.2")),
        (400, head(line="GET /CP1 HTTP/2.0")),
        (400, head(line="GET /CP1 HTTP/9")),
        (400, head(line="GET /CP1 ICE/1.1")),
        (400, head(line="GET /CP1")),
        # WebSocket version.
        (426, head(without=["Sec-WebSocket-Version"])),
        (426, head(("Sec-WebSocket-Version", "8"), without=["Sec-WebSocket-Version"])),
        (426, head(("Sec-WebSocket-Version", "013"), without=["Sec-WebSocket-Version"])),
        (426, head(("Sec-WebSocket-Version", "13"))),
        # Key.
        (400, head(without=["Sec-WebSocket-Key"])),
        (400, head(("Sec-WebSocket-Key", KEY))),
        *(
            (400, head(("Sec-WebSocket-Key", key), without=["Sec-WebSocket-Key"]))
            for key in [
                "",
                "x",
                KEY[:-4],
                KEY[:-2],
                KEY + "AAAA",
                "A" * 24,
                "\xe9" * 24,
                "!" + KEY[1:],
                " " * 24,
            ]
        ),
        # A body.
        (400, head(("Content-Length", "1"))),
        (400, head(("Content-Length", "-1"))),
        (400, head(("Content-Length", "9" * 30))),
        (400, head(("Content-Length", "0"), ("Content-Length", "1"))),
        (101, head(("Content-Length", "0"))),
        (400, head(("Transfer-Encoding", "chunked"))),
        (400, head(("Transfer-Encoding", "gzip"))),
        # Request target.
        (400, head(line="GET http://h/CP1 HTTP/1.1")),
        (400, head(line="GET * HTTP/1.1")),
        (400, head(line="GET CP1 HTTP/1.1")),
        (400, head(line="GET /CP1#x HTTP/1.1")),
        (400, head(line="GET /%FF HTTP/1.1")),
        (400, head(line="GET /\xe9 HTTP/1.1")),
        # Subprotocols.
        (400, head(("Sec-WebSocket-Protocol", "ocpp1.6 ocpp2.0.1"))),
        (400, head(("Sec-WebSocket-Protocol", '"ocpp1.6"'))),
        (400, head(("Sec-WebSocket-Protocol", "ocpp\xe9"))),
        (101, head(("Sec-WebSocket-Protocol", ""))),
        # Bytes that once stopped servers.
        (101, head(("X-Name", "\xff\xfe"), ("Sec-WebSocket-Extensions", "\xe9; \xe9=\xe9"))),
        (101, head(("Host", "xn--zzzzzzzz9999999a"), without=["Host"])),
        (101, head(("Host", "\xe9"), without=["Host"])),
        (101, head(("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits=" + "9" * 5000))),
        (400, head(("Connection", "\xe9"), without=["Connection"])),
        # Malformed HTTP.
        (400, head(without=["Host"])),
        (400, head(("Host", "h"))),
        (400, head(("Bad Name", "x"))),
        (400, head(("X", "a\0b"))),
        (400, b"\r\n"),
        (400, b"\n"),
        (400, b"\x16\x03\x01\x02\x00\x01\x00"),
        (400, b"nonsense\r\n\r\n"),
        (400, b" GET / HTTP/1.1\r\n\r\n"),
        # Not all there.
        (None, b""),
        (None, b"GET /CP1 HTTP/1.1\r\nHost: h\r\n"),
        (None, head()[:-1]),
    ],
)
def test_requests(expected, request_head):
    """Each request is let through or refused with the status that fits, however its bytes are cut."""
    assert status(request_head) == expected
    assert status(*(request_head[i : i + 1] for i in range(len(request_head)))) == expected


@pytest.mark.threat("T4")
def test_the_head_has_a_limit():
    """It counts the bytes, not the reads: a head of exactly the limit passes, one more byte does not."""
    size = len(head(("X", "")))
    for max_head, filler, expected in [(600, 600 - size, 101), (600, 601 - size, 431), (600, 10**6, 431)]:
        data = head(("X", "a" * filler))
        for step in (1, 7, 599, 600, 601, len(data)):
            assert (
                status(*(data[i : i + step] for i in range(0, len(data), step)), limits=Limits(head=max_head))
                == expected
            )


@pytest.mark.threat("T4")
def test_the_head_is_given_up_when_it_is_full():
    """A peer that never ends its head is refused as soon as the limit is reached, then ignored."""
    server = ServerHandshake(limits=Limits(header_line=inf))
    assert server.receive(b"GET / HTTP/1.1\r\nX: " + b"a" * 16364) is None
    with pytest.raises(UpgradeRefused) as caught:
        server.receive(b"a")
    assert (caught.value.status, caught.value.limit) == (431, "head")
    assert server.receive(b"a" * 10**6) is None
    assert server.trailing == b""


@pytest.mark.threat("T4")
@pytest.mark.parametrize(("count", "expected"), [(95, 101), (96, 431), (1000, 431), (5000, 431)])
def test_the_header_fields_have_a_limit(count, expected):
    """A hundred header fields pass, more do not."""
    assert status(head(*[("X", "")] * count)) == expected


@pytest.mark.threat("T4")
def test_a_large_head_costs_little():
    """A megabyte of header fields in one read is not looked at beyond the limit."""
    data = head(*[("X", "a")] * 170_000)
    start = time.process_time()
    assert status(data) == 431
    assert time.process_time() - start < 0.1


@pytest.mark.threat("T18")
def test_early_bytes_are_kept():
    """Frames that follow the request at once are not lost, in that read or in later ones."""
    server = ServerHandshake(limits=Limits(head=len(head()) + 2))
    assert server.receive(head() + b"early") is not None
    assert server.receive(b" frames") is None
    assert server.trailing == b"early frames"
    assert server.early == 12
    server.accept(None)
    assert server.trailing == b"early frames"


@pytest.mark.threat("T12")
def test_a_refusal_does_not_repeat_what_was_sent():
    """Neither the text nor the chain of the error quotes the request, which may hold a password."""
    with pytest.raises(UpgradeRefused) as caught:
        ServerHandshake().receive(head(("Authorization", "secret\0")))
    assert "secret" not in caught.value.message
    assert caught.value.__suppress_context__


@pytest.mark.rule(25)
def test_accept():
    """The answer has the accept key, the chosen subprotocol and extensions, and the user's headers."""
    server = ServerHandshake()
    server.receive(head(("Sec-WebSocket-Protocol", "ocpp0.1, ocpp1.6")))
    assert server.accept("ocpp1.6", "permessage-deflate", [("X-A", "b"), ("X-A", "c")]) == (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + ACCEPT.encode() + b"\r\n"
        b"Sec-WebSocket-Protocol: ocpp1.6\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
        b"Server: ocpp-rpc\r\n"
        b"X-A: b\r\n"
        b"X-A: c\r\n"
        b"\r\n"
    )


@pytest.mark.rule(24)
def test_accept_without_subprotocol():
    """The handshake can be completed without any; the server's name can be changed and left out."""
    for options, headers, expected in [
        ({}, [], b"Server: ocpp-rpc\r\n"),
        ({"server_header": "x"}, [], b"Server: x\r\n"),
        ({}, [("server", "y")], b"server: y\r\n"),
        ({"server_header": ""}, [], b""),
    ]:
        server = ServerHandshake(**options)
        server.receive(head(("Sec-WebSocket-Protocol", "ocpp1.6")))
        assert server.accept(None, headers=headers) == (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + ACCEPT.encode() + b"\r\n" + expected + b"\r\n"
        )


@pytest.mark.threat("T17")
@pytest.mark.feature("S15")
def test_accept_says_nothing_wrong():
    """A subprotocol not offered and broken headers are the caller's errors; it can still refuse."""
    server = ServerHandshake()
    with pytest.raises(ValueError, match="no request"):
        server.accept(None)
    server.receive(head(("Sec-WebSocket-Protocol", "ocpp1.6")))
    for protocol, headers in [("ocpp2.0.1", ()), (None, [("X", "a\r\nb")]), (None, [("Upgrade", "h2c")])]:
        with pytest.raises(ValueError, match=r"offer|header"):
            server.accept(protocol, headers=headers)
    assert server.refuse(400).startswith(b"HTTP/1.1 400 Bad Request\r\n")


COMMON = {"connection": "close", "content-type": "text/plain; charset=utf-8", "server": "ocpp-rpc"}


@pytest.mark.feature("S14")
@pytest.mark.parametrize(
    ("number", "reason", "body", "given_headers", "extra", "content"),
    [
        (400, "Bad Request", "", [], {}, b""),
        (404, "Not Found", "unknown café", [], {}, "unknown café".encode()),
        (400, "Bad Request", "\ud800", [], {}, b"?"),
        (500, "Internal Server Error", b"\0\xff", [], {}, b"\0\xff"),
        (599, "", "x", [], {}, b"x"),
        (401, "Unauthorized", "", [], {"www-authenticate": 'Basic realm="OCPP"'}, b""),
        (401, "Unauthorized", "", [("WWW-Authenticate", "Basic")], {"www-authenticate": "Basic"}, b""),
        (405, "Method Not Allowed", "", [], {"allow": "GET"}, b""),
        (
            426,
            "Upgrade Required",
            "",
            [],
            {"connection": "close, upgrade", "upgrade": "websocket", "sec-websocket-version": "13"},
            b"",
        ),
        (429, "Too Many Requests", "", [("Retry-After", "5")], {"retry-after": "5"}, b""),
        (
            400,
            "Bad Request",
            "{}",
            [("content-type", "application/json")],
            {"content-type": "application/json"},
            b"{}",
        ),
        (503, "Service Unavailable", "", [("SERVER", "x")], {"server": "x"}, b""),
    ],
)
def test_refuse(*, number, reason, body, given_headers, extra, content):
    """A refusal is a whole response, with what its status and the user ask for."""
    server = ServerHandshake()
    server.receive(head())
    expected = {**COMMON, "content-length": str(len(content)), **extra}
    assert parsed(server.refuse(number, body, given_headers)) == (number, reason, expected, content)


@pytest.mark.feature("S22")
@pytest.mark.parametrize(
    "received",
    [
        b"",
        b"GET / HT",
        b"\x16\x03\x01",
        b"GET / HTTP/1.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 20_000,
        head(without=["Upgrade"]),
        head(),
        head() + b"frames",
        head(("Content-Length", "5")) + b"body",
        head(("Transfer-Encoding", "chunked")) + b"5\r\n",
        head(("Expect", "100-continue")),
        head(line="POST /CP1 HTTP/1.1"),
        head(line="CONNECT h:80 HTTP/1.1"),
    ],
)
def test_refuse_at_any_time(received):
    """Whatever came before, or nothing, a refusal can be written."""
    server = ServerHandshake()
    with contextlib.suppress(UpgradeRefused):
        server.receive(received)
    assert parsed(server.refuse(408, "late"))[0::3] == (408, b"late")


@pytest.mark.parametrize(("line", "number"), [("HEAD / HTTP/1.1", 404), ("GET / HTTP/1.1", 304)])
def test_responses_without_body(line, number):
    """HEAD and 304 get the headers alone, as their clients would take a body for the next response."""
    server = ServerHandshake()
    with pytest.raises(UpgradeRefused):
        server.receive(head(line=line, without=["Upgrade"]))
    data = server.refuse(number, "text")
    assert data.endswith(b"\r\n\r\n")
    assert parsed(data, line.split()[0])[2]["content-length"] == "4"


@pytest.mark.parametrize(("number", "headers"), [(101, ()), (200, ()), (999, ()), (400, [("X", "\n")])])
def test_refuse_says_nothing_wrong(number, headers):
    """What cannot be sent is the caller's error, who may then refuse with something else."""
    server = ServerHandshake()
    with pytest.raises(ValueError, match=r"status|header"):
        server.refuse(number, "", headers)
    assert server.refuse(500).startswith(b"HTTP/1.1 500 ")


def cut(data, positions):
    """`data` cut at the positions."""
    edges = [0, *sorted(position % (len(data) + 1) for position in positions), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


cuts = st.lists(st.integers(0, 2**16), max_size=20)
mutations = st.lists(
    st.tuples(
        st.integers(0, 2**16),
        st.integers(0, 3),
        st.binary(max_size=4) | st.sampled_from([b"\r\n", b"%", b": "]),
    ),
    max_size=6,
)


def mutate(data, changes):
    """`data` with pieces of it replaced."""
    for position, length, piece in changes:
        start = position % (len(data) + 1)
        data = data[:start] + piece + data[start + length :]
    return data


@pytest.mark.threat("T6")
@given(st.binary(), cuts)
def test_any_bytes(data, positions):
    """Arbitrary bytes are refused or waited on, and how they are cut makes no difference."""
    assert outcome(cut(data, positions)) == outcome([data])


@pytest.mark.threat("T6")
@given(mutations, cuts, st.sampled_from([16384, 300, 250]))
def test_mutated_requests(changes, positions, max_head):
    """So are requests that are almost right, and a refusal can always be written."""
    data = mutate(
        head(
            ("Sec-WebSocket-Protocol", "ocpp2.0.1, ocpp1.6"),
            ("Sec-WebSocket-Extensions", 'permessage-deflate; a="b"'),
            ("Authorization", "Basic Q1AxOm1vbmtleTE="),
        )
        + b"\x81\x80",
        changes,
    )
    assert outcome(cut(data, positions), limits=Limits(head=max_head)) == outcome([data], limits=Limits(head=max_head))
    server = ServerHandshake(limits=Limits(head=max_head))
    try:
        server.receive(data)
    except UpgradeRefused as error:
        refusal = server.refuse(error.status, error.message)
    else:
        refusal = server.refuse(400)
    assert refusal.startswith(b"HTTP/1.1 4")


@pytest.mark.threat("T6")
@given(st.sampled_from([name for name, _ in HEADERS]), st.binary())
def test_any_header_value(name, value):
    """No value of any header of the handshake causes another error."""
    data = head(without=[name]).removesuffix(b"\r\n") + name.encode() + b": " + value + b"\r\n\r\n"
    assert status(data) in (101, 400, 404, 426)


protocols = st.lists(st.text("abco-.126", min_size=1), max_size=3, unique=True)
identities = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=48).filter(
    lambda text: text not in (".", "..")
)
queries = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)


@pytest.mark.rule(34)
@pytest.mark.feature("S17")
@pytest.mark.feature("S19")
@given(
    identities,
    st.none() | st.binary(max_size=64),
    queries,
    protocols,
    cuts,
    cuts,
    st.binary(),
    st.binary(),
    st.data(),
)
def test_client_and_server_understand_each_other(
    identity, password, query, offered, cuts_up, cuts_down, early, first, data
):
    """Identity, password, query and subprotocols arrive, the choice comes back, and no byte is lost."""
    endpoint = parse_endpoint("ws://h/ocpp", identity, query)
    client = ClientHandshake(
        host_header=endpoint.host_header,
        target=endpoint.target,
        protocols=offered,
        headers=[] if password is None else [("Authorization", basic_header(identity, password))],
        key=base64.b64decode(KEY),
        extensions="permessage-deflate; client_max_window_bits",
    )
    server = ServerHandshake()
    heard = [server.receive(chunk) for chunk in cut(client.request() + early, cuts_up)]
    (handshake,) = [found for found in heard if found is not None]
    assert handshake.identity == identity
    assert handshake.password == password
    assert handshake.query == query
    assert handshake.endpoint == "/ocpp"
    assert handshake.protocols == tuple(offered)
    assert handshake.headers["user-agent"] == "ocpp-rpc-python"
    assert server.trailing == early
    assert server.extensions_offered == ("permessage-deflate; client_max_window_bits",)
    chosen = data.draw(st.sampled_from(offered)) if offered else None
    extensions = data.draw(st.none() | st.just("permessage-deflate; x=y"))
    answer = server.accept(chosen, extensions)
    (response,) = [found for chunk in cut(answer + first, cuts_down) if (found := client.receive(chunk)) is not None]
    assert response.header("Sec-WebSocket-Protocol") == chosen
    assert (client.protocol, client.extensions, client.trailing) == (chosen, extensions, first)
