"""Attacks by WebSocket frames: bombs, forbidden compression, fragments; and what stock wsproto makes of them."""

import gc
import tracemalloc
import zlib
from contextlib import contextmanager

import pytest
from support import wire
from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection as Stock, ConnectionState
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Request
from wsproto.extensions import PerMessageDeflate

from ocpp_rpc_core import actions as a, events as e, notices as n
from ocpp_rpc_core._deflate import Deflate
from ocpp_rpc_core._outgoing import READ_SIZE
from ocpp_rpc_core._websocket import Failed, PingReceived, WebSocket

LIMIT = 2**20
TAIL = b"\x00\x00\xff\xff"
BOTH = pytest.mark.parametrize("client", [False, True], ids=["server", "client"])


def deflated(size, *, final=False):
    """So many zeros, compressed as permessage-deflate wants them (RFC 7692 7.2.1)."""
    packer = zlib.compressobj(9, wbits=-15)
    piece = bytes(2**20)
    packed = b"".join(packer.compress(piece[: min(2**20, size - done)]) for done in range(0, size, 2**20))
    return packed + packer.flush() if final else (packed + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def framed(first, payload, client):
    """A frame for our client, unmasked, or for our server."""
    return wire.frame(first, payload, masked=not client)


def websocket(client, **options):
    """Our side."""
    return WebSocket(client=client, random_bytes=bytes, deflate=Deflate(), **options)


def stock(client=False):
    """What stock wsproto would read with, permessage-deflate agreed on."""
    deflate = PerMessageDeflate()
    deflate._enabled = True
    return Stock(ConnectionType.CLIENT if client else ConnectionType.SERVER, [deflate])


def read(ws, *chunks):
    """Every signal of ours, or event of wsproto's."""
    if isinstance(ws, WebSocket):
        return [signal for chunk in chunks for signal in ws.receive(chunk)]
    found = []
    for chunk in chunks:
        ws.receive_data(chunk)
        found += ws.events()
    return found


def cut(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]


@contextmanager
def at_most(peak):
    """The body may have that much more memory in use at any moment."""
    gc.collect()
    tracemalloc.start()
    try:
        yield
        used = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert used < peak, f"{used:,} bytes"


# --- T1: bombs ------------------------------------------------------------------------------------

BOMB = deflated(200 * 2**20)


def bombs(client):
    """200 MB of zeros as one frame, as 1000 fragments, as 100 messages, each all of them."""
    pieces = cut(BOMB, len(BOMB) // 999)
    middle = b"".join(framed(0x00, piece, client) for piece in pieces[1:-1])
    return {
        "a frame": framed(0xC1, BOMB, client),
        "fragments": framed(0x41, pieces[0], client) + middle + framed(0x80, pieces[-1], client),
        "messages": framed(0xC2, deflated(2 * 2**20), client) * 100,
    }


@pytest.mark.threat("T1")
@pytest.mark.threat("W3")
@pytest.mark.parametrize("kind", bombs(client=False))
@BOTH
def test_a_bomb(client, kind):
    """200 MB of zeros end at the limit with 1009, in far less memory; stock wsproto gives them out whole."""
    chunks = cut(bombs(client)[kind], 16384)
    with at_most(4 * LIMIT):
        [failed] = read(websocket(client), *chunks)
    assert (failed.code, failed.reason) == (1009, "message too big")


@pytest.mark.threat("W3")
def test_stock_wsproto_has_no_bound():
    """This is what would happen without ours: 20 MB from 20 kB in one event, if 20 MB were the bomb."""
    [event] = read(stock(), framed(0xC2, deflated(20 * 2**20), client=False))
    assert len(event.data) == 20 * 2**20


@pytest.mark.threat("T1")
@pytest.mark.parametrize("chunk", [1, 7, 10**6])
@BOTH
def test_the_limit_is_exact(client, chunk):
    """A message that inflates to the limit is read, one byte more is not."""
    for size, over in ((1000, False), (1001, True)):
        packed = framed(0xC2, deflated(size), client)
        [signal] = read(websocket(client, max_message_size=1000), *cut(packed, chunk))
        assert isinstance(signal, Failed) if over else signal == bytes(1000)


@pytest.mark.threat("T1")
@pytest.mark.threat("W3")
@BOTH
def test_a_huge_length(client):
    """The declared length alone is refused, before there is any payload."""
    header = framed(0x82, b"", client)[:1] + bytes([127 | 0x80 * (not client)]) + (2**62).to_bytes(8, "big")
    [failed] = read(websocket(client), header + bytes(4))
    assert failed.code == 1009


# --- T2: compression where there is none, or not so -----------------------------------------------

PACKED = deflated(100)
HALVES = PACKED[:3], PACKED[3:]


@pytest.mark.threat("T2")
@pytest.mark.parametrize(
    ("name", "frames", "code"),
    [
        ("a compressed ping", [(0xC9, PACKED)], 1002),
        ("a compressed close", [(0xC8, b"\x03\xe8")], 1002),
        ("a compressed continuation", [(0x42, HALVES[0]), (0xC0, HALVES[1])], 1002),
        ("a second bit", [(0xE2, PACKED)], 1002),
        ("not deflate", [(0xC2, b"\xff" * 20)], 1007),
        ("text that is no UTF-8", [(0xC1, deflated(3)[:1] + b"\xff" * 9)], 1007),
    ],
)
@BOTH
def test_forbidden_compression(client, name, frames, code):
    """It ends with the code that fits, whole or byte by byte."""
    data = b"".join(framed(first, payload, client) for first, payload in frames)
    for size in (1, len(data)):
        [failed] = read(websocket(client), *cut(data, size))
        assert (type(failed), failed.code) == (Failed, code)


@pytest.mark.threat("T2")
@BOTH
def test_compression_nobody_agreed_on(client):
    """A reserved bit is a breach of protocol."""
    ws = WebSocket(client=client, random_bytes=bytes)
    [failed] = read(ws, framed(0xC2, PACKED, client))
    assert failed.code == 1002


@pytest.mark.threat("T2")
@pytest.mark.threat("W4")
@BOTH
def test_a_ping_inside_a_compressed_message(client):
    """It is answered and spoils nothing; stock wsproto loses the message."""
    frames = (0x42, HALVES[0]), (0x89, b"?"), (0x80, HALVES[1])
    data = b"".join(framed(first, payload, client) for first, payload in frames)
    ping, message = read(websocket(client), data)
    assert isinstance(ping, PingReceived)
    assert message == bytes(100)
    theirs = [event.data for event in read(stock(client), data) if isinstance(event, BytesMessage)]
    assert b"".join(theirs) != bytes(100)


@pytest.mark.threat("T2")
@pytest.mark.threat("W5")
@BOTH
def test_a_final_block(client):
    """It ends the message and not the connection; stock wsproto reads nothing compressed any more."""
    last, later = framed(0xC2, deflated(10, final=True) + b"\x00", client), framed(0xC2, PACKED, client)
    assert read(websocket(client), last, later) == [bytes(10), bytes(100)]
    theirs = [event.data for event in read(stock(client), last, later) if isinstance(event, BytesMessage)]
    assert bytes(100) not in theirs


@pytest.mark.threat("T2")
@pytest.mark.threat("W5")
def test_what_follows_a_final_block_is_not_kept():
    """Bytes that zlib would pile up unread end the connection."""
    chunks = cut(framed(0xC2, deflated(10, final=True) + bytes(500_000), False), 4096)
    with at_most(LIMIT // 4):
        [failed] = read(websocket(False), *chunks)
    assert failed.code == 1007


# --- T3: fragments --------------------------------------------------------------------------------


@pytest.mark.threat("T3")
@pytest.mark.threat("W8")
@pytest.mark.parametrize("payload", [b"", b"x"], ids=["empty", "tiny"])
@BOTH
def test_fragments_without_end(client, payload):
    """A million of them end at the 1024th with 1008, and are not kept."""
    endless = framed(0x01, b"", client) + framed(0x00, payload, client) * 2**20
    chunks = cut(endless, 16384)
    with at_most(2**17):
        [failed] = read(websocket(client), *chunks)
    assert (failed.code, failed.reason) == (1008, "too many fragments in a message")
    exact = framed(0x01, b"", client) + framed(0x00, payload, client) * 1022 + framed(0x80, payload, client)
    assert read(websocket(client), exact) == [(payload * 1023).decode()]


@pytest.mark.threat("W8")
def test_stock_events_are_kept_as_bytes():
    """Whoever kept the events of wsproto would keep ten times what we keep."""
    tiny = framed(0x02, b"x", False) + framed(0x00, b"x", False) * 1999
    with at_most(2**21):
        events = read(stock(), tiny)
        kept = tracemalloc.get_traced_memory()[0]
    assert len(events) == 2000
    ws = websocket(False, max_fragments=2001)
    with at_most(2**21):
        assert read(ws, tiny) == []
        assert tracemalloc.get_traced_memory()[0] * 10 < kept
    assert isinstance(events[0], BytesMessage)


# --- W6: after the end ----------------------------------------------------------------------------


@pytest.mark.threat("W6")
def test_nothing_is_kept_after_a_failure():
    """What comes then is dropped; stock wsproto is open still, and keeps it."""
    junk = b"\x01" * 65536
    ours, theirs = websocket(False), stock()
    wrong = framed(0x8F, b"", False)
    [failed] = read(ours, wrong)
    assert isinstance(failed, Failed)
    with at_most(2**14):
        assert read(ours, *[junk] * 20) == []
    [close] = read(theirs, wrong)
    assert (type(close), theirs.state) == (CloseConnection, ConnectionState.OPEN)


# --- W7: tiny frames ------------------------------------------------------------------------------


@pytest.mark.threat("W7")
def test_frames_are_bounded_by_the_read():
    """One read of the smallest frames is far less work than one of 64 KiB would be; see `READ_SIZE`."""
    frames = READ_SIZE // len(framed(0x89, b"", False))
    assert frames < 3000
    script = wire.opened(wire.server())
    script.tell(e.BytesReceived(framed(0x89, b"", False) * frames))
    assert script.skip().actions == [a.SendBytes(wire.PONG)] * frames


# --- What observers hear ---------------------------------------------------------------------------


@pytest.mark.threat("T1")
@pytest.mark.threat("T3")
@pytest.mark.parametrize(
    ("data", "limit", "bound"),
    [(framed(0x82, bytes(2**20 + 1), False), "max_message_size", 2**20), (None, "fragments", 1024)],
)
def test_the_breach_is_reported(data, limit, bound):
    """An event for each, with its limit, besides the close code."""
    data = data or framed(0x01, b"", False) + framed(0x00, b"", False) * 1024
    script = wire.opened(wire.server()).tell(e.BytesReceived(data))
    assert script.skip().actions[1:] == [a.Report(n.LimitExceeded(limit, bound)), a.CloseTransport()]


# --- W2: two offers of compression -----------------------------------------------------------------


@pytest.mark.threat("W2")
def test_the_window_of_another_offer():
    """The peer may use the largest window unless told otherwise; stock wsproto keeps the window of another offer."""
    offers = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=9, permessage-deflate\r\n"
    packer = zlib.compressobj(9, wbits=-15)
    text = b'["' + b"".join(b"%x" % (n * n % 65521) for n in range(1000)) + b'"]'
    first, again = ((packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL) for _ in range(2))
    script = wire.upgrading(wire.server())
    script.tell(e.BytesReceived(wire.request(extra=offers))).skip()
    assert b"; client_no_context_takeover\r\n" in script.actions[0].data
    for _ in range(2):
        script.tell(e.BytesReceived(framed(0xC1, first, False))).skip()
        assert a.Report(n.MessageEvent(text.decode(), outbound=False)) in script.actions

    theirs = WSConnection(ConnectionType.SERVER)
    theirs.receive_data(wire.request(extra=offers))
    [asked] = theirs.events()
    assert isinstance(asked, Request)
    answer = theirs.send(AcceptConnection(extensions=[PerMessageDeflate()]))
    assert b"window_bits" not in answer
    theirs.receive_data(framed(0xC1, first, False) + framed(0xC1, again, False))
    message, failed = theirs.events()
    assert (message.data, failed.code) == (text.decode(), 1007)
