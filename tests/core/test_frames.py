"""How frames are written and measured (RFC 6455 5)."""

import pytest
from hypothesis import given, strategies as st
from wsproto.frame_protocol import FrameProtocol

from ocpp_rpc_core import _frames

KEY = b"\x37\xfa\x21\x3d"

WRITTEN = [
    (_frames.TEXT, b"Hello", None, "810548656c6c6f"),
    (_frames.TEXT, b"Hello", KEY, "818537fa213d7f9f4d5158"),
    (_frames.PING, b"Hello", None, "890548656c6c6f"),
    (_frames.PONG, b"Hello", KEY, "8a8537fa213d7f9f4d5158"),
    (_frames.CLOSE, b"", None, "8800"),
    (_frames.TEXT | _frames.COMPRESSED, b"", None, "c100"),
]


@pytest.mark.parametrize(("first", "payload", "key", "wire"), WRITTEN)
def test_written(first, payload, key, wire):
    """The examples of RFC 6455 5.7 come out to the byte."""
    assert _frames.encode(first, payload, key).hex() == wire


@pytest.mark.parametrize(
    ("size", "header"),
    [(125, "827d"), (126, "827e007e"), (65535, "827effff"), (65536, "827f0000000000010000")],
)
def test_lengths_are_minimal(size, header):
    """A length takes the fewest bytes that hold it (RFC 6455 5.2)."""
    assert _frames.encode(_frames.BINARY, bytes(size)) == bytes.fromhex(header) + bytes(size)


@given(payload=st.binary(max_size=700), repeat=st.integers(0, 3), key=st.binary(min_size=4, max_size=4))
def test_mask(payload, repeat, key):
    """Byte `i` is combined with byte `i % 4` of the key, at any length; to mask twice changes nothing."""
    payload *= repeat
    masked = _frames.mask(payload, key)
    assert masked == bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))
    assert _frames.mask(bytes(masked), key) == payload


@given(
    before=st.binary(max_size=3),
    size=st.sampled_from([0, 1, 125, 126, 65535, 65536]),
    key=st.none() | st.just(KEY),
    cut=st.integers(0, 14),
)
def test_extent(before, size, key, cut):
    """A frame's extent is known as soon as its header is whole, mask included, and not before."""
    frame = _frames.encode(_frames.TEXT, bytes(size), key)
    header = len(frame) - size
    known = _frames.extent(before + frame[:cut], len(before))
    if min(cut, len(frame)) < header:
        assert known is None
    else:
        assert known == (len(before) + header, len(before) + len(frame))


@pytest.mark.parametrize("masked", [False, True])
def test_extent_takes_the_length_as_it_stands(masked):
    """A length that is not minimal is measured as written, up to 64 bits; others judge it."""
    bit, key = (0x80, KEY) if masked else (0, b"")
    assert _frames.extent(bytes([0x81, bit | 126, 0, 3]) + key, 0) == (4 + len(key), 7 + len(key))
    assert _frames.extent(bytes([0x81, bit | 127]) + b"\xff" * 8 + key, 0) == (
        10 + len(key),
        10 + len(key) + 2**64 - 1,
    )


@pytest.mark.parametrize("client", [False, True])
@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_wsproto_reads_what_is_written(client, size):
    """An independent reader finds the same frame."""
    reader = FrameProtocol(not client, [])
    reader.receive_bytes(_frames.encode(_frames.BINARY, b"x" * size, KEY if client else None))
    [frame] = reader.received_frames()
    assert frame.payload == b"x" * size
    assert frame.message_finished


def test_sendable_codes():
    """1004-1006, 1015 and what nobody defined are not for sending (RFC 6455 7.4)."""
    sendable = [code for code in range(-1, 70000) if _frames.is_sendable(code)]
    assert sendable == [*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)]


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("", b""),
        ("a" * 123, b"a" * 123),
        ("a" * 124, b"a" * 123),
        ("é" * 62, "é".encode() * 61),
        ("a" * 120 + "😀", b"a" * 120),
        ("\ud800", b"?"),
    ],
)
def test_close_payload(reason, sent):
    """A reason is cut to 123 bytes at a whole character, and what is not Unicode is replaced."""
    assert _frames.close_payload(1000, reason) == b"\x03\xe8" + sent
