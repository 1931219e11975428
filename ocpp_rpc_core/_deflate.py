"""permessage-deflate (RFC 7692): what client and server agree on, and how much a message may inflate to."""

import zlib
from collections.abc import Sequence
from typing import Final, final

from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, RsvBits

_NAME: Final = "permessage-deflate"
# Each message on its own: no window of up to 32 kB, twice, waits in memory for the next one (RFC 7692 7.1.1).
_ALONE: Final = "server_no_context_takeover; client_no_context_takeover"
_WINDOW_BITS: Final = {str(bits): bits for bits in range(8, 16)}  # RFC 7692 7.1.2
_OUR_WINDOW_BITS: Final = 12  # OCPP-J messages are small: a larger window costs memory and gains little
_SMALLEST_WINDOW_BITS: Final = 9  # that zlib can write; for a peer that demands 8 nothing is compressed
_WORTHWHILE: Final = 64  # bytes; a shorter message hardly shrinks
_TAIL: Final = b"\x00\x00\xff\xff"  # RFC 7692 7.2.1

# After a final block zlib reads no more, and only the padding that RFC 7692 7.2.3.4 asks for may follow.  It
# allows more blocks too; nobody sends them, and to begin anew after each costs the square of their number.
_AFTER_FINAL_BLOCK: Final = frozenset({b"", b"\x00", b"\x00" + _TAIL})

_ANY_BITS: Final[frozenset[str | None]] = frozenset(_WINDOW_BITS)
_ALLOWED: Final[dict[str, frozenset[str | None]]] = {
    "server_no_context_takeover": frozenset({None}),
    "client_no_context_takeover": frozenset({None}),
    "server_max_window_bits": _ANY_BITS,
    "client_max_window_bits": _ANY_BITS | {None},
}
"""The parameters of an offer and their values (RFC 7692 7.1)."""


@final
class Inflater(Extension):
    """Inflates one message, and knows its control frames from its fragments."""

    def __init__(self, max_size: float) -> None:
        self._max_size = max_size
        self._begun = False
        self._compressed = False
        self._control = False  # the frame being read is a control frame, never compressed (RFC 7692 6.1)
        self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)
        self._inflated = bytearray()

    @property
    def held(self) -> int:
        """Bytes that it keeps until the message is whole."""
        return len(self._inflated)

    def enabled(self) -> bool:
        return True

    def offer(self) -> bool:
        return False  # pragma: no cover - abstract in wsproto, which calls it in its opening handshake only

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        begins = opcode in (Opcode.TEXT, Opcode.BINARY)
        self._control = opcode.iscontrol()
        if begins:
            # A second beginning is an error that wsproto finds by itself, if the payload is let through.
            self._compressed = rsv.rsv1 and not self._begun
            self._begun = True
        return RsvBits(begins, False, False)  # RSV1 is for the first frame of a message (RFC 7692 6.2)

    def frame_inbound_payload_data(self, proto: FrameDecoder | FrameProtocol, data: bytes) -> bytes | CloseReason:
        return self._inflate(data) if self._compressed and not self._control else data

    def frame_inbound_complete(self, proto: FrameDecoder | FrameProtocol, fin: bool) -> bytes | CloseReason | None:
        if self._control or not self._compressed or not fin:
            return None
        return self._inflate(_TAIL) or bytes(self._inflated)

    def _inflate(self, data: bytes) -> bytes | CloseReason:
        """Keep what `data` inflates to; it comes out when whole, so that no cut of TCP changes a verdict."""
        bounded = self._max_size != float("inf")
        left = int(self._max_size) + 1 - len(self._inflated) if bounded else 0  # zlib: 0 is no bound
        try:
            self._inflated += self._zlib.decompress(data, left)
        except zlib.error:
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        if len(self._inflated) > self._max_size:
            return CloseReason.MESSAGE_TOO_BIG
        if self._zlib.eof and self._zlib.unused_data not in _AFTER_FINAL_BLOCK:
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        return b""


@final
class Deflate:
    """What was agreed on for one connection; each message is compressed on its own."""

    def __init__(self, window_bits: int = _OUR_WINDOW_BITS) -> None:
        """`window_bits`: the largest window, 8 to 15, that the peer can inflate."""
        self._window_bits = min(window_bits, _OUR_WINDOW_BITS)

    def compress(self, payload: bytes) -> bytes | None:
        """The compressed payload of a message; None if it is better sent as it is."""
        if len(payload) < _WORTHWHILE or self._window_bits < _SMALLEST_WINDOW_BITS:
            return None
        packer = zlib.compressobj(wbits=-self._window_bits, memLevel=5)
        packed = packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH)
        packed = packed.removesuffix(_TAIL)
        return packed if len(packed) < len(payload) else None

    @staticmethod
    def inflater(max_size: float) -> Inflater:
        """A wsproto extension that reads one message of at most `max_size` bytes, inflated."""
        return Inflater(max_size)


def offer() -> str:
    """The `Sec-WebSocket-Extensions` of a client (RFC 7692 7.1)."""
    return f"{_NAME}; {_ALONE}; client_max_window_bits"


def negotiate(offers: Sequence[str]) -> tuple[str, Deflate] | None:
    """A server's choice from the client's `Sec-WebSocket-Extensions` headers: the first offer it can accept.

    Gives the header of the answer, and what was agreed on.
    """
    for header in offers:
        for element in header.split(","):
            parameters = _parameters(element)
            if parameters is not None:
                bits = parameters.get("server_max_window_bits")
                if bits is None:
                    return f"{_NAME}; {_ALONE}", Deflate()
                return f"{_NAME}; {_ALONE}; server_max_window_bits={bits}", Deflate(_WINDOW_BITS[bits])
    return None


def accept(answer: str) -> Deflate:
    """What a client agreed on by its `offer`, given the answer; `ValueError` if that breaks RFC 7692 7.1."""
    parameters = _parameters(answer)
    if parameters is None or "server_no_context_takeover" not in parameters:
        raise ValueError(f"the server's answer {answer!r} is not what was offered")
    bits = parameters.get("client_max_window_bits", str(_OUR_WINDOW_BITS))
    if bits is None:
        raise ValueError(f"the server's answer {answer!r} has no value for client_max_window_bits")
    return Deflate(_WINDOW_BITS[bits])


def _parameters(element: str) -> dict[str, str | None] | None:
    """The parameters of one extension; None if it is another one, or breaks RFC 7692 7.1.

    Quoted values, which nobody sends, are unknown values here.
    """
    name, *rest = element.split(";")
    if name.strip(" \t") != _NAME:
        return None
    parameters: dict[str, str | None] = {}
    for item in rest:
        key, equals, value = (part.strip(" \t") for part in item.partition("="))
        if key in parameters or (value if equals else None) not in _ALLOWED.get(key, ()):
            return None
        parameters[key] = value if equals else None
    return parameters
