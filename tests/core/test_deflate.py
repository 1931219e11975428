"""permessage-deflate: negotiation and bounded inflation (RFC 7692)."""

import itertools
import random
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings, strategies as st

from ocpp_rpc_core import _deflate
from ocpp_rpc_core._deflate import Deflate, accept, negotiate, offer
from ocpp_rpc_core._frames import encode
from ocpp_rpc_core._websocket import Failed, PingReceived, PongReceived, WebSocket

KEY = b"\x37\xfa\x21\x3d"
CONTINUATION, TEXT, BINARY, PING, PONG = 0, 1, 2, 9, 10
FIN, RSV1 = 0x80, 0x40
ANSWER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


def server(**options):
    return WebSocket(client=False, random_bytes=bytes, deflate=Deflate(), **options)


def client(**options):
    return WebSocket(client=True, random_bytes=lambda _size: KEY, deflate=Deflate(), **options)


def pack(data, bits=15, level=6):
    """The payload of a compressed message, as RFC 7692 7.2.1 makes it."""
    packer = zlib.compressobj(level, wbits=-bits)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def feed(ws, *pieces):
    return [signal for piece in pieces for signal in ws.receive(piece)]


def bytewise(wire):
    return [wire[i : i + 1] for i in range(len(wire))]


def masked(first, payload=b""):
    return encode(first, payload, KEY)


# --- Negotiation ----------------------------------------------------------------------------------


def test_what_we_offer_we_accept():
    """Our client's offer and our server's answer to it fit together."""
    answer, _ = negotiate([offer()])
    assert answer == ANSWER
    assert isinstance(accept(answer), Deflate)


ACCEPTED = {
    "permessage-deflate": "",
    " permessage-deflate ; client_max_window_bits": "",
    "permessage-deflate; client_max_window_bits=8; server_no_context_takeover": "",
    "permessage-deflate;client_no_context_takeover;server_max_window_bits=10": "; server_max_window_bits=10",
    "permessage-deflate; server_max_window_bits = 15": "; server_max_window_bits=15",
    "permessage-deflate; server_max_window_bits=8": "; server_max_window_bits=8",
    "x-other; a=b, permessage-deflate": "",
    "permessage-deflate; unknown, permessage-deflate; server_max_window_bits=9": "; server_max_window_bits=9",
}


@pytest.mark.parametrize("value", ACCEPTED)
def test_offers_accepted(value):
    """The first offer that is right is taken, and the answer names what it asks for (RFC 7692 7.1)."""
    answer, deflate = negotiate(["x-first", value])
    assert answer == ANSWER + ACCEPTED[value]
    assert isinstance(deflate, Deflate)


DECLINED = [
    "",
    "x-webkit-deflate-frame",
    "PERMESSAGE-DEFLATE",
    "permessage-deflate;",
    "permessage-deflate; unknown",
    "permessage-deflate; server_no_context_takeover=1",
    "permessage-deflate; server_no_context_takeover=",
    "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
    "permessage-deflate; server_max_window_bits",
    "permessage-deflate; server_max_window_bits=",
    "permessage-deflate; server_max_window_bits=7",
    "permessage-deflate; server_max_window_bits=16",
    "permessage-deflate; server_max_window_bits=010",
    "permessage-deflate; server_max_window_bits=1_0",
    "permessage-deflate; server_max_window_bits=+9",
    "permessage-deflate; server_max_window_bits=\u0661\u0660",
    "permessage-deflate; client_max_window_bits=abc",
    'permessage-deflate; client_max_window_bits="15"',
    "permessage-deflate; client_max_window_bits=" + "9" * 5000,
    'x-other; a="b, permessage-deflate"',
]


@pytest.mark.parametrize("value", DECLINED)
def test_offers_declined(value):
    """W1, W2: an unknown, repeated or badly valued parameter declines its offer, and never raises."""
    assert negotiate([value]) is None


def test_no_offers():
    """A client that offers nothing gets no compression."""
    assert negotiate([]) is None


@pytest.mark.parametrize(
    "value",
    [
        ANSWER,
        ANSWER + "; client_max_window_bits=8",
        ANSWER + "; server_max_window_bits=15",
        "permessage-deflate; server_no_context_takeover",
    ],
)
def test_answers_accepted(value):
    """A server may narrow the windows, and need not repeat the client's promise (RFC 7692 7.1.1.2)."""
    assert isinstance(accept(value), Deflate)


@pytest.mark.parametrize(
    "value",
    [
        *DECLINED,
        "permessage-deflate",
        "permessage-deflate; client_no_context_takeover",
        ANSWER + "; client_max_window_bits",
        ANSWER + ", " + ANSWER,
    ],
)
def test_answers_refused(value):
    """An answer that does not fit our offer raises `ValueError`: the client must fail (RFC 7692 7.1)."""
    with pytest.raises(ValueError, match="the server's answer"):
        accept(value)


@given(
    st.lists(
        st.text()
        | st.lists(
            st.sampled_from(
                [
                    "permessage-deflate",
                    ";",
                    "=",
                    ",",
                    '"',
                    " ",
                    "\t",
                    "\r",
                    "client_max_window_bits",
                    "8",
                    "15",
                    "é",
                ]
            )
        ).map("".join)
    )
)
def test_negotiation_never_raises(values):
    """No header makes the server raise, and the client nothing but `ValueError`."""
    agreed = negotiate(values)
    assert agreed is None or agreed[0].startswith(ANSWER)
    for value in values:
        try:
            accept(value)
        except UnicodeError:
            raise  # a ValueError too, but a mistake of ours
        except ValueError:
            pass


def remembering(bits, packed):
    """Inflate, fed byte by byte, so that nothing but the window is left to refer back to."""
    reader = zlib.decompressobj(-bits)
    return b"".join(reader.decompress(byte) for byte in bytewise(packed))


@pytest.mark.parametrize(("demanded", "used"), [(9, 9), (12, 12), (15, 12)])
def test_the_window_is_what_was_agreed(demanded, used):
    """Neither side refers back farther than the other can remember (RFC 7692 7.1.2)."""
    sender = Deflate(demanded)
    # It repeats itself beyond the window: a larger one would be used, and the narrow reader fail.
    data = random.Random(1).randbytes(2**used + 100) * 4 + bytes(2**used * 4)
    with pytest.raises(zlib.error):
        remembering(used, pack(data, bits=used + 1))
    packed = sender.compress(data)
    assert remembering(used, packed) == data
    answer, deflate = negotiate([f"permessage-deflate; server_max_window_bits={demanded}"])
    assert answer.endswith(f"={demanded}")
    assert deflate.compress(data) == packed
    assert accept(f"{ANSWER}; client_max_window_bits={demanded}").compress(data) == packed


def test_no_compression_at_all_for_a_window_of_8():
    """zlib cannot write for the smallest window, so nothing is compressed for a peer that asks for it."""
    assert Deflate(8).compress(b"x" * 1000) is None
    assert accept(f"{ANSWER}; client_max_window_bits=8").compress(b"x" * 1000) is None


def test_compressed_only_if_it_is_worth_it():
    """Short messages, and those that do not shrink, go as they are."""
    assert Deflate().compress(b"x" * 63) is None
    assert len(Deflate().compress(b"x" * 64)) < 10
    noise = zlib.compress(bytes(i * i * i % 251 for i in range(5000)), 9)
    assert Deflate().compress(noise) is None


# --- Messages -------------------------------------------------------------------------------------

HELLO = bytes.fromhex("f248cdc9c90700")
MESSAGES = {
    "RFC 7692 7.2.3.1": [masked(FIN | RSV1 | TEXT, HELLO)],
    "RFC 7692 7.2.3.1, in fragments": [masked(RSV1 | TEXT, HELLO[:3]), masked(FIN, HELLO[3:])],
    "RFC 7692 7.2.3.3, without compression": [masked(FIN | RSV1 | TEXT, bytes.fromhex("000500faff48656c6c6f00"))],
    "RFC 7692 7.2.3.5, two blocks": [masked(FIN | RSV1 | TEXT, bytes.fromhex("f248050000 00ffffcac9c90700"))],
    "RFC 7692 7.2.3.4, final block": [masked(FIN | RSV1 | TEXT, bytes.fromhex("f348cdc9c9070000"))],
    "final block, padding apart": [masked(RSV1 | TEXT, bytes.fromhex("f348cdc9c90700")), masked(FIN, b"\0")],
    "empty last fragment": [masked(RSV1 | TEXT, HELLO), masked(FIN)],
    "not compressed": [masked(FIN | TEXT, b"Hello")],
    "not compressed, in fragments": [masked(TEXT, b"He"), masked(FIN, b"llo")],
    "smallest window": [masked(FIN | RSV1 | TEXT, pack(b"Hello", bits=9))],
}


@pytest.mark.parametrize("name", MESSAGES)
def test_messages(name):
    """Compressed or not, whole or in fragments, a message is read, and the next one too."""
    wire = b"".join(MESSAGES[name]) * 2
    assert feed(server(), wire) == ["Hello"] * 2
    assert feed(server(), *bytewise(wire)) == ["Hello"] * 2


@pytest.mark.parametrize("payload", [b"", b"\x00"])
def test_empty_messages(payload):
    """An empty message is one byte (RFC 7692 7.2.3.6), or none."""
    assert feed(server(), masked(FIN | RSV1 | BINARY, payload)) == [b""]


@pytest.mark.threat("T2")
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_control_frames_within_a_compressed_message(opcode):
    """W4: pings and pongs between compressed fragments leave the message alone."""
    text = "OCPP " * 50
    packed = pack(text.encode())
    wire = (
        masked(RSV1 | opcode, packed[:5])
        + masked(FIN | PING, b"\xff\x01")
        + masked(CONTINUATION, packed[5:9])
        + masked(FIN | PONG, b"raw")
        + masked(FIN, packed[9:])
    )
    expected = [
        PingReceived(encode(FIN | PONG, b"\xff\x01")),
        PongReceived(b"raw"),
        text if opcode == TEXT else text.encode(),
    ]
    assert feed(server(), wire) == expected
    assert feed(server(), *bytewise(wire)) == expected


FAILURES = {
    "RSV1 on a continuation": (masked(RSV1 | TEXT, HELLO[:3]) + masked(FIN | RSV1, HELLO[3:]), 1002),
    "RSV1 on a ping": (masked(FIN | RSV1 | PING), 1002),
    "RSV2": (masked(FIN | RSV1 | 0x20 | TEXT, HELLO), 1002),
    "RSV1 on a continuation of nothing": (masked(FIN | RSV1, HELLO), 1002),
    "continuation of nothing": (masked(FIN, HELLO), 1002),
    "message within a compressed message": (masked(RSV1 | TEXT, HELLO[:3]) + masked(FIN | TEXT, b"x"), 1002),
    "compressed message within a message": (masked(TEXT, b"x") + masked(FIN | RSV1 | TEXT, b"\xff"), 1002),
    "not deflated": (masked(FIN | RSV1 | TEXT, b"\xff\xff"), 1007),
    "text not UTF-8": (masked(FIN | RSV1 | TEXT, pack(b"\xff")), 1007),
    "fragments not UTF-8": (masked(RSV1 | TEXT, pack(b"\xff")) + masked(FIN), 1007),
    "final block, no padding": (masked(FIN | RSV1 | TEXT, bytes.fromhex("f348cdc9c90700")), 1007),
    "final block, long padding": (masked(FIN | RSV1 | TEXT, bytes.fromhex("f348cdc9c907000000")), 1007),
    "final block, junk": (masked(RSV1 | TEXT, bytes.fromhex("f348cdc9c9070000") + b"x" * 1000), 1007),
    "two final blocks": (masked(FIN | RSV1 | TEXT, bytes.fromhex("f348cdc9c90700") * 2), 1007),
    "final block, then an empty fragment": (
        masked(RSV1 | TEXT, bytes.fromhex("f348cdc9c90700")) + masked(FIN),
        1007,
    ),
}


@pytest.mark.threat("T2")
@pytest.mark.parametrize("name", FAILURES)
def test_failures(name):
    """W5 and what RFC 7692 6.2 forbids: the right close code, whole or byte by byte, and the end."""
    wire, code = FAILURES[name]
    for pieces in ([wire], bytewise(wire)):
        ws = server()
        [failed] = feed(ws, *pieces)
        assert isinstance(failed, Failed)
        assert failed.code == code
        assert feed(ws, masked(FIN | TEXT, b"a")) == []


@given(
    data=st.binary(max_size=50) | st.text(max_size=50).map(str.encode),
    level=st.sampled_from([0, 1, 9]),
    noise=st.binary(max_size=3),
    at=st.integers(0, 40),
    cuts=st.lists(st.integers(0, 60), max_size=4),
    sizes=st.lists(st.sampled_from([1, 2, 5, 100]), min_size=1, max_size=3),
)
@settings(deadline=None, max_examples=300)
def test_no_payload_raises(*, data, level, noise, at, cuts, sizes):
    """A compressed message, whole or damaged, in any fragments, cut anywhere, gives the same signals."""
    packed = pack(data * 5, level=level)
    packed = packed[:at] + noise + packed[at:]
    bounds = [0, *sorted(min(cut, len(packed)) for cut in cuts), len(packed)]
    wire = b""
    for i, (start, end) in enumerate(itertools.pairwise(bounds)):
        first = (CONTINUATION if i else RSV1 | TEXT) | (FIN if i == len(bounds) - 2 else 0)
        wire += masked(first, packed[start:end]) + masked(FIN | PONG, noise)
    pieces, position = [], 0
    while position < len(wire):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(wire[position : position + size])
        position += size
    whole = feed(server(max_message_size=200), wire)
    assert feed(server(max_message_size=200), *pieces) == whole
    if not noise and len(data) * 5 <= 200:
        try:
            assert (data * 5).decode() in whole
        except UnicodeDecodeError:
            assert whole[-1].code == 1007


# --- Limits ---------------------------------------------------------------------------------------

LIMIT = 2**20


@pytest.mark.parametrize("noise", [b"x", bytes(range(256))])
@pytest.mark.parametrize("over", [0, 1])
def test_the_limit_counts_inflated_bytes(noise, over):
    """A message that inflates to the limit passes, one byte more does not, whatever its size on the wire."""
    limit = 5120
    data = noise * (limit // len(noise)) + b"x" * over
    for level in (0, 9):
        [signal] = feed(server(max_message_size=limit), masked(FIN | RSV1 | BINARY, pack(data, level=level)))
        if over:
            assert signal.code == 1009
        else:
            assert signal == data


def test_without_a_limit():
    """An endless limit is no limit."""
    wire = masked(FIN | RSV1 | BINARY, pack(bytes(3 * LIMIT)))
    assert feed(server(max_message_size=float("inf")), wire) == [bytes(3 * LIMIT)]


def bombs(encode_frame):
    """Zeros, 200 MB of them: in one frame, in a thousand fragments, in a hundred messages."""
    bomb = pack(bytes(200_000_000), level=1)
    yield encode_frame(FIN | RSV1 | BINARY, bomb)
    step = len(bomb) // 1000
    wire = encode_frame(RSV1 | BINARY, bomb[:step])
    for i in range(1, 1000):
        wire += encode_frame(CONTINUATION, bomb[i * step : (i + 1) * step])
    yield wire
    yield encode_frame(FIN | RSV1 | BINARY, pack(bytes(2_000_000))) * 100


@pytest.mark.threat("T1")
@pytest.mark.parametrize(("make", "key"), [(server, KEY), (client, None)])
def test_bombs(make, key):
    """W3, T1: what would inflate to 200 MB fails with 1009, and takes less than four times the limit."""
    for wire in bombs(lambda first, payload: encode(first, payload, key)):
        ws = make(max_message_size=LIMIT)
        pieces = [wire[i : i + 16384] for i in range(0, len(wire), 16384)]
        tracemalloc.start()
        try:
            [failed] = feed(ws, *pieces)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert failed.code == 1009
        assert peak < 4 * LIMIT


def test_nothing_is_kept_between_messages():
    """No context takeover, in either direction: the next message starts from nothing."""
    sender, reader = client(), server()
    first, second = sender.text("hello " * 50), sender.text("hello " * 50)
    assert first == second
    assert feed(server(), second) == ["hello " * 50]
    assert feed(reader, first, second) == ["hello " * 50] * 2
    assert reader._wsproto is None


def test_default_window():
    """An agreement that says nothing of windows uses the one that suits small messages."""
    assert Deflate()._window_bits == _deflate._OUR_WINDOW_BITS


@pytest.mark.feature("B13")
@pytest.mark.threat("T24")
def test_what_an_inflater_keeps_is_known():
    """Bytes as they inflated, until the message is whole."""
    inflater, ws = Deflate.inflater(2**20), server()
    assert inflater.held == 0
    packer = zlib.compressobj(wbits=-15)
    feed(ws, masked(0x41, packer.compress(b"x" * 5000) + packer.flush(zlib.Z_SYNC_FLUSH)))
    assert ws.held == 5000
