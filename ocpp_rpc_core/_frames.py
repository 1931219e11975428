"""How a WebSocket frame is written: header, mask, close code (RFC 6455 5)."""

from functools import cache
from itertools import accumulate
from struct import Struct
from typing import Final

# The first byte of a frame that is whole: FIN and the opcode (RFC 6455 5.2).
TEXT: Final = 0x81
BINARY: Final = 0x82
CLOSE: Final = 0x88
PING: Final = 0x89
PONG: Final = 0x8A
COMPRESSED: Final = 0x40
"""RSV1, to be added (RFC 7692 7.2)."""

SHORT: Final = 125
"""The longest payload of a control frame, and of a header without a length field (RFC 6455 5.2, 5.5)."""

_short = Struct("!BB").pack
_medium = Struct("!BBH").pack
_long = Struct("!BBQ").pack


def encode(first: int, payload: bytes, key: bytes | None = None) -> bytes:
    """One frame, masked by a `key` of four bytes, as a client must, or not at all (RFC 6455 5.2, 5.3)."""
    size = len(payload)
    mask_bit = 0 if key is None else 0x80
    if size <= SHORT:
        header = _short(first, mask_bit | size)
    elif size < 2**16:
        header = _medium(first, mask_bit | 126, size)
    else:
        header = _long(first, mask_bit | 127, size)
    return header + payload if key is None else header + key + mask(payload, key)


def extent(data: bytes, start: int) -> tuple[int, int] | None:
    """Where payload and frame end up that begin at `start`; None if the header has not come whole.

    Gives the positions of the payload's first byte and of the frame's end.
    """
    payload = start + 2
    if len(data) < payload:
        return None
    second = data[start + 1]
    size = second & 0x7F
    if size > SHORT:
        field = payload
        payload += 2 if size == 126 else 8
        size = int.from_bytes(data[field:payload], "big")
    if second & 0x80:
        payload += 4
    return None if len(data) < payload else (payload, payload + size)


_ONES = list(accumulate(range(127), lambda ones, _: ones << 32 | 1, initial=0))
"""A 1 in each of so many words of four bytes; for longer data the second way of `mask` is the faster one."""


@cache
def _xor(key: int) -> bytes:
    return bytes(byte ^ key for byte in range(256))


def mask(data: bytes, key: bytes) -> bytes | bytearray:
    """Mask or unmask with a key of four bytes (RFC 6455 5.3)."""
    size = len(data)
    words = (size + 3) // 4
    if words < len(_ONES):
        long_key = int.from_bytes(key, "little") * _ONES[words]
        return (int.from_bytes(data, "little") ^ long_key).to_bytes(4 * words, "little")[:size]
    masked = bytearray(data)
    for offset in range(4):
        masked[offset::4] = masked[offset::4].translate(_xor(key[offset]))
    return masked


def is_sendable(code: int) -> bool:
    """Whether an endpoint may send this close code (RFC 6455 7.4, and the registry it founded)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def close_payload(code: int, reason: str) -> bytes:
    """What a close frame carries; the reason is cut at a whole character (RFC 6455 5.5.1)."""
    text = reason.encode(errors="replace")[: SHORT - 2].decode(errors="ignore")
    return code.to_bytes(2, "big") + text.encode()
