"""Bytes to signals and back, in both roles (RFC 6455 5-7)."""

import tracemalloc
import zlib

import pytest
from hypothesis import example, given, settings, strategies as st
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from ocpp_rpc_core._deflate import Deflate
from ocpp_rpc_core._websocket import (
    CloseReceived,
    Failed,
    PingReceived,
    PongReceived,
    WebSocket,
)

KEY = b"\x37\xfa\x21\x3d"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def websocket(client=False, **options):
    return WebSocket(client=client, random_bytes=lambda size: KEY[:size], **options)


def frame(opcode, payload=b"", *, masked=True, fin=True, rsv=0, length=None, announced=None):
    """A frame, right or wrong: `length` forces 2 or 8 bytes of length, `announced` a false payload size."""
    size = len(payload) if announced is None else announced
    length = length or (1 if size < 126 else 2 if size < 65536 else 8)
    code = {1: size, 2: 126, 8: 127}[length]
    head = bytes([fin << 7 | rsv << 4 | opcode, masked << 7 | code])
    if length > 1:
        head += size.to_bytes(length, "big")
    if not masked:
        return head + payload
    return head + KEY + bytes(byte ^ KEY[i % 4] for i, byte in enumerate(payload))


def feed(ws, *pieces):
    return [signal for piece in pieces for signal in ws.receive(piece)]


def cut(stream, sizes):
    """The stream in pieces of these sizes, over and over."""
    pieces, position, turn = [], 0, 0
    while position < len(stream):
        size = sizes[turn % len(sizes)]
        pieces.append(stream[position : position + size])
        position, turn = position + size, turn + 1
    return pieces


def close_frame(code, reason="", *, masked=False):
    return frame(CLOSE, code.to_bytes(2, "big") + reason.encode(), masked=masked)


# --- What frames mean -----------------------------------------------------------------------------

PROTOCOL = 1002
DECODING = 1007

GOOD = {
    "text": ([frame(TEXT, b"Hello")], ["Hello"]),
    "empty text": ([frame(TEXT)], [""]),
    "text of two length bytes": ([frame(TEXT, b"x" * 126)], ["x" * 126]),
    "text of eight length bytes": ([frame(TEXT, b"x" * 65536)], ["x" * 65536]),
    "binary": ([frame(BINARY, b"\xff")], [b"\xff"]),
    "newlines are kept": (
        [frame(TEXT, b"a\r\n\r", fin=False), frame(CONTINUATION, b"\nb")],
        ["a\r\n\r\nb"],
    ),
    "fragments": (
        [frame(TEXT, b"\xe2\x82", fin=False), frame(CONTINUATION, fin=False), frame(CONTINUATION, b"\xac")],
        ["€"],
    ),
    "binary fragments": ([frame(BINARY, b"a", fin=False), frame(CONTINUATION, b"b")], [b"ab"]),
    "empty fragments": ([frame(TEXT, fin=False), frame(CONTINUATION)], [""]),
    "ping": ([frame(PING, b"p" * 125)], [PingReceived(frame(PONG, b"p" * 125, masked=False))]),
    "pong": ([frame(PONG, b"p")], [PongReceived(b"p")]),
    "control frames between fragments": (
        [
            frame(TEXT, b"a", fin=False),
            frame(PING),
            frame(PONG),
            frame(CONTINUATION, b"b"),
            frame(TEXT, b"c"),
        ],
        [PingReceived(frame(PONG, masked=False)), PongReceived(b""), "ab", "c"],
    ),
    "close": (
        [close_frame(1000, "bye", masked=True)],
        [CloseReceived(1000, "bye", close_frame(1000, "bye"))],
    ),
    "close without code": ([frame(CLOSE)], [CloseReceived(1005, "", frame(CLOSE, masked=False))]),
    "close of the application's": (
        [close_frame(4999, masked=True)],
        [CloseReceived(4999, "", close_frame(4999))],
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_frames_mean(name):
    """Every kind of frame is understood, whole or byte by byte."""
    frames, signals = GOOD[name]
    assert feed(websocket(), b"".join(frames)) == signals
    assert feed(websocket(), *cut(b"".join(frames), [1])) == signals


BAD = {
    "not masked": (frame(TEXT, b"a", masked=False), PROTOCOL),
    "two length bytes for 125": (frame(TEXT, b"x" * 125, length=2), PROTOCOL),
    "eight length bytes for 65535": (frame(TEXT, b"x" * 65535, length=8), PROTOCOL),
    "length of 64 bits": (frame(TEXT, b"", length=8, announced=2**63), PROTOCOL),
    "RSV1 without compression": (frame(TEXT, b"a", rsv=4), PROTOCOL),
    "RSV2": (frame(TEXT, b"a", rsv=2), PROTOCOL),
    "RSV3 of a ping": (frame(PING, b"a", rsv=1), PROTOCOL),
    "reserved data opcode": (frame(3, b"a"), PROTOCOL),
    "reserved control opcode": (frame(11, b"a"), PROTOCOL),
    "continuation of nothing": (frame(CONTINUATION, b"a"), PROTOCOL),
    "text within a message": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), PROTOCOL),
    "fragmented ping": (frame(PING, b"a", fin=False), PROTOCOL),
    "ping of 126 bytes": (frame(PING, b"p" * 126), PROTOCOL),
    "close of one byte": (frame(CLOSE, b"\x03"), PROTOCOL),
    "close code for local use": (close_frame(1006, masked=True), PROTOCOL),
    "close code out of range": (close_frame(999, masked=True), PROTOCOL),
    "close reason not UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), DECODING),
    "text not UTF-8": (frame(TEXT, b"\xff"), DECODING),
    "half a character": (frame(TEXT, b"a\xc3"), DECODING),
    "surrogate": (frame(TEXT, b"\xed\xa0\x80"), DECODING),
    "fragment not UTF-8": (frame(TEXT, b"a\xff", fin=False), DECODING),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("chunk", [1, 2**20])
def test_wrong_frames_fail(name, chunk):
    """What RFC 6455 forbids fails with its close code, told to the peer, and nothing after it is read."""
    wire, code = BAD[name]
    good = frame(TEXT, b"good")
    ws = websocket()
    message, failed = feed(ws, *cut(good + wire + good, [chunk]))
    assert message == "good"
    assert failed == Failed(code, failed.reason, close_frame(code, failed.reason))
    assert failed.reason
    assert feed(ws, good, wire) == []


def test_a_client_reads_unmasked_frames_only():
    """The mask is the client's: it fails on a masked frame, and masks its own answers (RFC 6455 5.1)."""
    ws = websocket(client=True)
    [text, binary, ping] = feed(
        ws,
        frame(TEXT, b"a", masked=False),
        frame(BINARY, b"b", masked=False),
        frame(PING, b"c", masked=False),
    )
    assert (text, binary, ping) == ("a", b"b", PingReceived(frame(PONG, b"c")))
    [failed] = feed(ws, frame(TEXT, b"a"))
    assert failed == Failed(1002, failed.reason, close_frame(1002, failed.reason, masked=True))


@pytest.mark.parametrize("chunk", [1, 2**20])
def test_invalid_text_fails_before_its_frame_ends(chunk):
    """A byte that no UTF-8 text can have fails at once, though the frame is not whole (RFC 6455 8.1)."""
    [failed] = feed(websocket(), *cut(frame(TEXT, b"ab\xff", announced=1000), [chunk]))
    assert failed.code == DECODING


def test_found_lazily():
    """Signals are found one by one, so that a reader may rest between two."""
    ws = websocket()
    signals = ws.receive(frame(PING) * 3)
    assert next(signals) == PingReceived(frame(PONG, masked=False))
    assert ws.close(1000) == close_frame(1000)
    assert len(list(signals)) == 2


# --- The closing handshake ------------------------------------------------------------------------


def test_close_is_sent_once():
    """We send one close frame: a second one, an echo or a failure adds none; messages still come in."""
    ws = websocket()
    assert ws.close(1001, "bye") == close_frame(1001, "bye")
    assert ws.close(1000) == b""
    assert feed(ws, frame(TEXT, b"a") + close_frame(1001, masked=True)) == [
        "a",
        CloseReceived(1001, "", b""),
    ]
    assert ws.close(1000) == b""

    ws = websocket()
    ws.close(1000)
    [failed] = feed(ws, frame(3))
    assert (failed.code, failed.reply) == (1002, b"")


def test_nothing_follows_a_close():
    """After the peer's close frame nothing is read, in the same bytes or later (RFC 6455 5.5.1)."""
    ws = websocket()
    assert len(feed(ws, frame(CLOSE) + frame(TEXT, b"a"), frame(CLOSE), b"\xff")) == 1


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_unsendable_codes_are_refused(code):
    """A code that may not stand in a frame is the caller's mistake, and nothing changes."""
    ws = websocket()
    with pytest.raises(ValueError, match=str(code)):
        ws.close(code)
    assert ws.close(1000)


@pytest.mark.feature("C12")
def test_replies_repeat_what_was_said():
    """A pong repeats the payload; a close frame repeats code and reason, so both sides agree on them."""
    ws = websocket(client=True)
    [pong, closed] = feed(ws, frame(PING, b"p" * 125, masked=False) + close_frame(3000, "r" * 123, masked=False))
    assert pong.reply == frame(PONG, b"p" * 125)
    assert closed == CloseReceived(3000, "r" * 123, close_frame(3000, "r" * 123, masked=True))


# --- What we send ---------------------------------------------------------------------------------


def test_frames_made():
    """Each frame we make is right to the byte, and masked if we are the client."""
    for client in (False, True):
        ws = websocket(client=client)
        assert ws.text("é") == frame(TEXT, "é".encode(), masked=client)
        assert ws.binary(b"\xff") == frame(BINARY, b"\xff", masked=client)
        assert ws.ping() == frame(PING, masked=client)
        assert ws.ping(b"p" * 125) == frame(PING, b"p" * 125, masked=client)
        assert ws.close(1000, "é" * 100) == close_frame(1000, "é" * 60 + "é", masked=client)


def test_each_frame_has_its_own_key():
    """The masking key is drawn anew for every frame (RFC 6455 5.3), and never by a server."""
    keys = iter([b"abcd", b"efgh"])
    ws = WebSocket(client=True, random_bytes=lambda _size: next(keys))
    assert [ws.text("")[2:], ws.ping()[2:]] == [b"abcd", b"efgh"]
    server = WebSocket(client=False, random_bytes=lambda _size: next(keys))
    assert server.text("") == b"\x81\x00"


def test_a_text_that_is_no_unicode_changes_nothing():
    """A lone surrogate raises before a key is drawn, and the next text goes out as ever."""
    drawn = []
    ws = WebSocket(client=True, random_bytes=lambda size: drawn.append(size) or KEY)
    with pytest.raises(UnicodeEncodeError):
        ws.text("a\ud800")
    assert drawn == []
    assert ws.text("a") == frame(TEXT, b"a")


def test_a_ping_too_long_is_refused():
    """A control frame holds 125 bytes (RFC 6455 5.5)."""
    with pytest.raises(ValueError, match="125"):
        websocket().ping(b"p" * 126)


SIZES = [0, 1, 125, 126, 127, 511, 512, 65535, 65536, 65537]


@given(
    text=st.text(max_size=40),
    size=st.sampled_from(SIZES),
    client=st.booleans(),
    compress=st.booleans(),
    sizes=st.lists(st.sampled_from([1, 2, 5, 100, 5000, 70000]), min_size=1, max_size=4),
)
@settings(deadline=None, max_examples=60)
def test_round_trip(text, size, client, compress, sizes):
    """What one side sends the other reads, in either direction, however it is cut."""
    if max(sizes) < 100:
        size = min(size, 1000)  # not ten thousands of pieces
    sender = websocket(client=client, deflate=Deflate() if compress else None)
    reader = websocket(client=not client, deflate=Deflate() if compress else None)
    text = text + "x" * (size - len(text.encode()))
    data = text.encode()
    stream = sender.text(text) + sender.binary(data) + sender.ping(b"p") + sender.text(text)
    assert feed(reader, *cut(stream, sizes)) == [
        text,
        data,
        PingReceived(frame(PONG, b"p", masked=not client)),
        text,
    ]


# --- The same as wsproto --------------------------------------------------------------------------


def plain_wsproto(client, stream):
    """What a wsproto connection alone makes of the whole stream, joined to messages."""
    connection = Connection(ConnectionType.CLIENT if client else ConnectionType.SERVER)
    connection.receive_data(stream)
    parts = []
    for event in connection.events():
        match event:
            case TextMessage() | BytesMessage():
                parts.append(event.data)
                if event.message_finished:
                    yield "message", parts[0][:0].join(parts)
                    parts = []
            case Ping():
                yield "ping", event.payload
            case Pong():
                yield "pong", event.payload
            case CloseConnection() if connection.state is ConnectionState.OPEN:
                yield "failed", int(event.code)
            case CloseConnection():
                yield "close", int(event.code), event.reason


def plain(signal, client):
    """A signal in the terms of `plain_wsproto`, its reply as the peer reads it."""
    match signal:
        case str() | bytes():
            return "message", signal
        case PongReceived():
            return "pong", signal.payload
        case PingReceived():
            [(kind, payload)] = plain_wsproto(not client, signal.reply)
            assert kind == "pong"
            return "ping", payload
        case CloseReceived():
            assert list(plain_wsproto(not client, signal.reply)) == [("close", signal.code, signal.reason)]
            return "close", signal.code, signal.reason
        case Failed():
            assert list(plain_wsproto(not client, signal.reply)) == [("close", signal.code, signal.reason)]
            return "failed", signal.code


payloads = st.one_of(
    st.text(max_size=20).map(str.encode),
    st.binary(max_size=20),
    st.sampled_from([b"", b"\x03", b"\x03\xe8", b"\x03\xe8ok", b"\xc3", b"\xa9", b"x" * 125, b"x" * 126, b"x" * 600]),
    st.integers(0, 70000).map(bytes),
)


@st.composite
def streams(draw):
    """A role and the frames that its peer might send: mostly right, so that errors come late."""
    client = draw(st.booleans())
    usual = st.integers(0, 9).map(lambda n: n < 9)
    frames = []
    for _ in range(draw(st.integers(1, 8))):
        opcode = draw(st.sampled_from([TEXT, TEXT, TEXT, CONTINUATION, CONTINUATION, BINARY, PING, PONG, CLOSE, 3, 15]))
        payload = draw(payloads)
        fin = draw(st.booleans()) if opcode <= BINARY else draw(usual)
        masked = draw(usual) is not client
        rsv = 0 if draw(usual) else draw(st.integers(0, 7))
        length = None
        if not draw(usual):
            length = draw(st.sampled_from([2, 8])) if len(payload) < 65536 else 8
        frames.append(frame(opcode, payload, masked=masked, fin=fin, rsv=rsv, length=length))
    return client, b"".join(frames)


chunks = st.lists(st.sampled_from([1, 2, 3, 7, 100, 1000, 10**6]), min_size=1, max_size=5)


@given(stream=streams(), sizes=chunks, lost=st.sampled_from([0, 0, 1, 5, 100]))
@settings(deadline=None, max_examples=300)
@example(stream=(False, frame(TEXT, b"a", fin=False) + frame(TEXT, b"b")), sizes=[1], lost=0)
def test_as_wsproto_alone(stream, sizes, lost):
    """Any frames, right or wrong, cut anywhere and cut off at the end, mean what wsproto says."""
    client, wire = stream
    wire = wire[: max(0, len(wire) - lost)]
    expected = list(plain_wsproto(client, wire))
    if len(wire) > 2000:
        sizes = [size * 100 for size in sizes]
    got = [plain(signal, client) for signal in feed(websocket(client), *cut(wire, sizes))]
    if lost and expected[len(got) :] == [("failed", 1002)]:
        # The stream ends within a header: wsproto sees what is wrong with it before it is whole, we wait.
        assert got == expected[:-1]
    else:
        assert got == expected


@given(data=st.binary(max_size=300), client=st.booleans(), sizes=chunks, compress=st.booleans())
@settings(deadline=None, max_examples=300)
def test_no_bytes_raise(data, client, sizes, compress):
    """Whatever the bytes: no exception, the same signals however they are cut, and the end comes last."""

    def signals(pieces):
        deflate = Deflate() if compress else None
        return feed(websocket(client, max_message_size=100, max_fragments=3, deflate=deflate), *pieces)

    whole = signals([data])
    assert signals(cut(data, sizes)) == whole
    assert not any(isinstance(signal, (Failed, CloseReceived)) for signal in whole[:-1])


# --- Limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("announced", [1001, 2**16, 2**62])
def test_a_frame_too_big_fails_at_its_header(opcode, fin, announced):
    """W3: the declared length alone is enough, before any payload comes and is kept."""
    ws = websocket(max_message_size=1000)
    header = frame(opcode, fin=fin, announced=announced)
    assert feed(ws, header[:-1]) == []
    [failed] = feed(ws, header[-1:])
    assert failed == Failed(1009, "message too big", close_frame(1009, "message too big"))


def test_the_limit_itself_is_allowed():
    """A message of exactly the limit passes, whole, cut or in fragments; control frames do not count."""
    for wire in (
        frame(TEXT, b"x" * 1000),
        frame(TEXT, b"x" * 400, fin=False) + frame(PONG, b"p" * 125) + frame(CONTINUATION, b"x" * 600),
    ):
        for sizes in ([len(wire)], [7]):
            signals = feed(websocket(max_message_size=1000), *cut(wire, sizes))
            assert signals[-1] == "x" * 1000
    assert feed(websocket(max_message_size=float("inf")), frame(TEXT, b"x" * 2**21)) == ["x" * 2**21]
    small = websocket(max_message_size=10)
    assert feed(small, frame(PONG, b"p" * 125), frame(TEXT, b"x" * 10)) == [
        PongReceived(b"p" * 125),
        "x" * 10,
    ]


@given(fragments=st.lists(st.integers(0, 60), min_size=1, max_size=8), sizes=chunks)
@settings(deadline=None)
def test_fragments_within_limits(fragments, sizes):
    """A message passes if neither its frames nor its bytes are too many; the first excess decides."""
    last = len(fragments) - 1
    wire = b"".join(frame(CONTINUATION if i else TEXT, b"x" * size, fin=i == last) for i, size in enumerate(fragments))
    verdicts = [
        code
        for i in range(len(fragments))
        for code, over in ((1009, sum(fragments[: i + 1]) > 100), (1008, i + 1 > 5))
        if over
    ]
    ws = websocket(max_message_size=100, max_fragments=5)
    signals = feed(ws, *cut(wire * 2, sizes))
    if verdicts:
        assert [signal.code for signal in signals] == verdicts[:1]
    else:
        assert signals == ["x" * sum(fragments)] * 2


@pytest.mark.threat("T3")
@pytest.mark.parametrize("payload", [b"", b"x"])
def test_fragment_flood(payload):
    """W7, W8, T3: endless fragments, empty or tiny, end at the count limit, and memory stays flat."""
    ws = websocket()
    flood = cut(frame(TEXT, fin=False) + frame(CONTINUATION, payload, fin=False) * 1_000_000, [4096])
    tracemalloc.start()
    try:
        [failed] = feed(ws, *flood)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (failed.code, failed.reason) == (1008, "too many fragments in a message")
    assert peak < 2**17


def test_fragments_are_joined_not_kept():
    """W8: a message of 10,000 fragments of a byte costs about its length, not an object for each."""
    ws = websocket(max_fragments=20_000)
    fragment = frame(CONTINUATION, b"x", fin=False)
    feed(ws, frame(TEXT, fin=False))
    tracemalloc.start()
    try:
        for _ in range(100):
            assert feed(ws, fragment * 100) == []
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert used < 30_000
    assert feed(ws, frame(CONTINUATION)) == ["x" * 10_000]


@pytest.mark.parametrize("last", [frame(3), frame(CLOSE)])
def test_nothing_is_kept_after_the_end(last):
    """W6: bytes after a failure or a close are dropped, not collected."""
    ws = websocket()
    feed(ws, frame(TEXT, b"x" * 1000, fin=False) + last)
    junk = b"\x01" * 65536
    tracemalloc.start()
    try:
        for _ in range(20):
            assert feed(ws, junk) == []
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert used < 10_000


@pytest.mark.threat("T7")
@pytest.mark.parametrize(
    ("wire", "unfinished", "within"),
    [
        (b"", False, False),
        (frame(TEXT, b"a"), False, False),
        (frame(TEXT, b"a")[:1], True, False),
        (frame(TEXT, b"a")[:-1], True, False),
        (frame(TEXT, b"a", fin=False), True, True),
        (frame(TEXT, b"a", fin=False) + frame(PING), True, True),
        (frame(TEXT, b"a", fin=False) + frame(CONTINUATION), False, False),
        (frame(TEXT, b"a", fin=False) + frame(CONTINUATION) + frame(PING)[:3], True, False),
    ],
)
def test_what_is_unfinished(wire, unfinished, within):
    """A message or frame that has begun, however it is cut."""
    for size in (1, 1000):
        ws = websocket()
        feed(ws, *cut(wire, [size]))
        assert (ws.unfinished, ws.within_message) == (unfinished, within)


# --- Compression ----------------------------------------------------------------------------------


def test_compression_is_used_where_agreed():
    """A text that shrinks goes compressed, with RSV1; a small one as it is; both are read (RFC 7692 7.2)."""
    sender, reader = (websocket(client, deflate=Deflate()) for client in (True, False))
    long = sender.text("hello " * 100)
    assert long[0] == 0xC1
    assert len(long) < 60
    assert sender.binary(b"hello " * 100)[0] == 0xC2
    assert sender.text("hello") == frame(TEXT, b"hello")
    assert feed(reader, long, sender.text("hello")) == ["hello " * 100, "hello"]
    [failed] = feed(websocket(), long)
    assert failed.code == PROTOCOL


def test_a_compressed_frame_announced_too_big():
    """A compressed frame may be a little longer than the message it holds, and no more."""
    limit = 1000
    [failed] = feed(websocket(max_message_size=limit, deflate=Deflate()), frame(TEXT, rsv=4, announced=limit * 2 + 65))
    assert failed.code == 1009
    header = frame(TEXT, rsv=4, announced=limit * 2 + 64)
    assert feed(websocket(max_message_size=limit, deflate=Deflate()), header) == []


@pytest.mark.feature("B14")
@given(texts=st.lists(st.text(max_size=300), min_size=1, max_size=5), sizes=chunks, client=st.booleans())
@settings(deadline=None)
def test_frames_that_tcp_cuts_once_need_no_wsproto(texts, sizes, client):
    """A frame that comes in two pieces waits as it is; the next one may again."""
    wires = [frame(TEXT, text.encode(), masked=not client) for text in texts]
    ws = websocket(client=client)
    signals = []
    pending = b""
    for wire in wires:
        cut_at = min(len(wire) - 1, sizes[0])
        signals += feed(ws, pending + wire[:cut_at])
        assert ws._wsproto is None
        pending = wire[cut_at:]
    assert [*signals, *feed(ws, pending)] == texts
    assert not ws.unfinished


@pytest.mark.threat("T4")
def test_a_frame_that_dribbles_waits_only_once():
    """What came twice is not joined a third time: the cost would grow with the square of the pieces."""
    wire = frame(TEXT, b"x" * 1000)
    ws = websocket(max_message_size=2000)
    assert feed(ws, wire[:400]) == []
    assert (len(ws._head), ws.unfinished) == (400, True)
    assert feed(ws, wire[400:500]) == []
    assert (ws._head, ws.unfinished) == (b"", True)
    assert feed(ws, *cut(wire[500:], [7])) == ["x" * 1000]


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.rule(1)
def test_wrong_text_fails_before_its_frame_is_whole(masked):
    """What came of a frame that TCP cut is judged, and not only when the rest is here."""
    wire = frame(TEXT, b"good \xff" + b"x" * 200, masked=masked)
    [failed] = feed(websocket(client=not masked), wire[:100])
    assert (failed.code, failed.reason) == (1007, "the payload cannot be decoded")
    whole = frame(TEXT, ("x" * 50 + "€" * 50).encode(), masked=masked)
    for cut_at in range(50, 80):
        assert feed(websocket(client=not masked), whole[:cut_at], whole[cut_at:]) == ["x" * 50 + "€" * 50]


# --- What is kept ---------------------------------------------------------------------------------


@pytest.mark.feature("B13")
@pytest.mark.threat("T24")
def test_what_is_kept_of_an_unfinished_message():
    """The bytes that came, not those that were announced; nothing once it has ended."""
    whole = frame(TEXT, b"x" * 1000)
    ws = websocket()
    for piece, held in [(whole[:1], 1), (whole[1:400], 400), (whole[400:500], 492), (whole[500:], 0)]:
        feed(ws, piece)
        assert ws.held == held
    for piece, held in [
        (frame(TEXT, b"x" * 300, fin=False), 300),
        (frame(PING, b"x" * 100), 300),
        (frame(CONTINUATION, b"x" * 60_000, fin=False)[:508], 800),
    ]:
        feed(ws, piece)
        assert ws.held == held


@pytest.mark.feature("B13")
@pytest.mark.threat("T24")
def test_what_is_kept_of_a_compressed_message():
    """What it inflates to: that is how much it takes."""
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(b"x" * 5000) + packer.flush(zlib.Z_SYNC_FLUSH)
    ws = websocket(deflate=Deflate())
    assert feed(ws, frame(TEXT, packed, fin=False, rsv=4)) == []
    assert ws.held == 5000
    assert feed(ws, frame(CONTINUATION, packed[:-4])) == ["x" * 10_000]
    assert (ws.held, ws._inflater) == (0, None)


@pytest.mark.feature("B13")
@pytest.mark.threat("T24")
@pytest.mark.parametrize(
    "begun", [frame(TEXT, b"Hello")[:9], frame(TEXT, b"Hel", fin=False), frame(BINARY, b"x" * 300)[:200]]
)
def test_dropping_what_is_kept(begun):
    """Nothing is left of what was begun, nothing more is read, and no close frame follows."""
    ws = websocket(deflate=Deflate())
    feed(ws, begun)
    assert ws.unfinished
    ws.drop()
    assert (ws.held, ws.unfinished, ws.within_message) == (0, False, False)
    assert (feed(ws, frame(TEXT, b"Hello")), ws.held, ws.close(1000)) == ([], 0, b"")


@pytest.mark.feature("B13")
@pytest.mark.threat("T24")
def test_nothing_is_kept_after_a_failure():
    """Whatever had come before it."""
    ws = websocket()
    feed(ws, frame(TEXT, b"x" * 300, fin=False))
    [failed] = feed(ws, frame(TEXT, b"x" * 300)[:200])
    assert (failed.code, ws.held, ws.unfinished) == (1002, 0, False)
