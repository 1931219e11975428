"""WebSocket messages (RFC 6455 5-7): the bytes of a peer become signals, within limits, in both roles."""

import enum
from codecs import utf_8_decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, final

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason

from ocpp_rpc_core import _frames
from ocpp_rpc_core._deflate import Deflate, Inflater
from ocpp_rpc_core._frame_limits import FrameLimits
from ocpp_rpc_core._frames import encode, mask


@final
@dataclass(frozen=True, slots=True)
class PingReceived:
    """A ping; `reply` is the pong to send, encoded (RFC 6455 5.5.3)."""

    reply: bytes


@final
@dataclass(frozen=True, slots=True)
class PongReceived:
    """A pong, asked for or not, with what it carries (RFC 6455 5.5.3)."""

    payload: bytes


@final
@dataclass(frozen=True, slots=True)
class CloseReceived:
    """The peer's close frame (RFC 6455 5.5.1).

    `code` is 1005 if the frame names none; `reply` is the close frame to send, encoded, or empty if ours went
    first.  It repeats code and reason, so that both sides tell the same story.
    """

    code: int
    reason: str
    reply: bytes


@final
@dataclass(frozen=True, slots=True)
class Failed:
    """The peer broke the protocol (1002), sent what cannot be decoded (1007), or passed a limit (1008, 1009).

    `reason` says what is wrong; `reply` is the close frame to send before the connection is dropped, encoded,
    or empty if we sent one already (RFC 6455 7.1.7).
    """

    code: int
    reason: str
    reply: bytes


Signal = str | bytes | PingReceived | PongReceived | CloseReceived | Failed
"""What the bytes of a peer can mean.

`str` or `bytes` is one whole message, text or binary, its fragments joined and inflated.
"""


class _State(enum.Enum):
    """Which close frames there were (RFC 6455 7.1)."""

    OPEN = enum.auto()
    """None."""
    CLOSING = enum.auto()
    """We sent ours, and wait for the peer's."""
    CLOSED = enum.auto()
    """The peer's came, or it failed: nothing more is read."""


_CLOSED: Final = _State.CLOSED  # a member of an Enum is slow to look up
# Our words where wsproto's depend on how TCP cut the bytes, or say little.
_REASONS: Final[dict[int, str]] = {
    1007: "the payload cannot be decoded",
    1008: "too many fragments in a message",
    1009: "message too big",
}


@final
class WebSocket:
    """One side of an open WebSocket: no I/O, no clock, no chance of its own.

    Two paths lead in.  A text frame, neither compressed nor a fragment, whole or cut once by TCP, is nearly all that
    OCPP-J sends, and is decoded here.  Every other frame, and whatever is wrong with this one, wsproto judges.

    `max_message_size` counts bytes, after inflation; `max_fragments` counts the frames of one message, empty
    ones too.  `random_bytes(4)` makes the masking keys of a client's frames (RFC 6455 5.3).
    """

    __slots__ = (
        *("_client", "_deflate", "_head", "_inflater", "_max_fragments", "_max_size", "_message", "_missing"),
        *("_random_bytes", "_state", "_waited", "_wsproto"),
    )

    def __init__(
        self,
        *,
        client: bool,
        random_bytes: Callable[[int], bytes],
        max_message_size: float = 2**20,
        max_fragments: float = 1024,
        deflate: Deflate | None = None,
    ) -> None:
        self._client = client
        self._random_bytes = random_bytes
        self._max_size = max_message_size
        self._max_fragments = max_fragments
        self._deflate = deflate
        self._state = _State.OPEN
        self._head = b""  # the beginning of a frame that waits for its rest, often only that of its header
        self._waited = False  # whether it has waited with more than its header
        self._missing = 0  # bytes that have yet to come of the frame that wsproto is reading
        self._message: bytearray | None = None  # what came of a message, UTF-8 or binary, that is not whole
        self._wsproto: Connection | None = None  # for one message with its control frames, then dropped
        self._inflater: Inflater | None = None  # its, if there is compression

    @property
    def within_message(self) -> bool:
        """Whether a message has begun whose last frame has not."""
        return self._message is not None

    @property
    def unfinished(self) -> bool:
        """Whether a message or frame has begun that has not ended."""
        return bool(self._head or self._missing or self._message is not None)

    @property
    def held(self) -> int:
        """Bytes that are kept of it, as they came or inflated; not what its frames announce."""
        size = len(self._head) + len(self._message or b"")
        return size if self._inflater is None else size + self._inflater.held

    def drop(self) -> None:
        """Read nothing more, and keep nothing of what has not ended."""
        self._state, self._head, self._missing = _CLOSED, b"", 0
        self._wsproto = self._inflater = self._message = None

    def receive(self, data: bytes) -> Iterator[Signal]:
        """What `data` means, found lazily: iterate to the end before the next call.

        Never raises, whatever the bytes.  Nothing follows a `CloseReceived` or a `Failed`, now or later.
        """
        if self._head:
            data, self._head = self._head + data, b""
        waited, self._waited = self._waited, False
        position, size = 0, len(data)
        while position < size and self._state is not _CLOSED:
            if self._missing:
                end = position + self._missing
            elif (plain := self._plain_text(data, position)) is not None:
                text, position = plain
                yield text
                continue
            else:
                extent = _frames.extent(data, position)
                if extent is None or (not (waited and position == 0) and self._may_wait(data, position, *extent)):
                    self._head = data[position:]
                    return
                _, end = extent
            piece = data[position:end]
            self._missing = end - position - len(piece)
            position = end
            yield from self._judge(piece)

    def _plain_text(self, data: bytes, start: int) -> tuple[str, int] | None:
        """The text of a frame that is whole and a message of its own, and where it ends; None if it is special."""
        if data[start] != _frames.TEXT or len(data) < start + 4 or self._message is not None:
            return None
        size, payload = data[start + 1], start + 2
        if not self._client:
            size -= 0x80  # the mask bit, or what is left is no size
            payload += 4
        if size == 126:
            size = data[start + 2] << 8 | data[start + 3]
            payload += 2
            if size < 126:  # not the shortest form
                return None
        elif not 0 <= size < 126:
            return None
        end = payload + size
        if end > len(data) or size > self._max_size:
            return None
        try:
            if self._client:
                return data[payload:end].decode(), end
            return mask(data[payload:end], data[payload - 4 : payload]).decode(), end
        except UnicodeDecodeError:
            return None

    def _may_wait(self, data: bytes, start: int, payload: int, end: int) -> bool:
        """Whether a plain text frame that has not come whole may wait until more comes: once, or that would add up."""
        size, is_masked = end - payload, data[start + 1] & 0x80 != 0
        is_shortest = payload - start == (2 if size < 126 else 4) + 4 * is_masked
        if end <= len(data) or size > self._max_size or not is_shortest or is_masked is self._client:
            return False
        if data[start] != _frames.TEXT or self._message is not None:
            return False
        part = mask(data[payload:], data[payload - 4 : payload]) if is_masked else data[payload:]
        try:
            utf_8_decode(part, "strict", False)
        except UnicodeDecodeError:
            return False
        self._waited = True
        return True

    def _judge(self, piece: bytes) -> Iterator[Signal]:
        """What wsproto makes of a piece of one frame: it gets a header whole, a payload as it comes."""
        self._wsproto = self._wsproto or self._new_wsproto()
        self._wsproto.receive_data(piece)
        for event in self._wsproto.events():
            match event:
                case TextMessage() | BytesMessage():
                    yield from self._gather(event)
                case Ping():
                    yield PingReceived(self._frame(_frames.PONG, bytes(event.payload)))
                case Pong():
                    yield PongReceived(bytes(event.payload))
                case CloseConnection():
                    yield self._end(event, failed=self._wsproto.state is ConnectionState.OPEN)
                    return
                case _:  # pragma: no cover - frames give no other event
                    pass
        if not self._missing and self._message is None:
            self._wsproto = self._inflater = None  # cheap to make, and 2 kB less for an idle connection

    def _new_wsproto(self) -> Connection:
        self._inflater = None if self._deflate is None else self._deflate.inflater(self._max_size)
        limits = FrameLimits(self._max_size, self._max_fragments)
        kind = ConnectionType.CLIENT if self._client else ConnectionType.SERVER
        return Connection(kind, [limits] if self._inflater is None else [limits, self._inflater])

    def _gather(self, event: TextMessage | BytesMessage) -> Iterator[str | bytes]:
        """The message, once its last piece is here."""
        if self._message is None:
            self._message = bytearray()
        # Not a list of pieces: a sender of tiny ones would make it many times as large as the message.
        self._message += event.data.encode() if isinstance(event, TextMessage) else event.data
        if event.message_finished:
            message, self._message = self._message, None
            yield message.decode() if isinstance(event, TextMessage) else bytes(message)

    def _end(self, event: CloseConnection, *, failed: bool) -> CloseReceived | Failed:
        """The last signal.  wsproto tells of a failure in the words of a close frame, and then stays open."""
        code, reason = int(event.code), event.reason or ""
        if failed:
            reason = _REASONS.get(code, reason)
        kind: type[CloseReceived | Failed] = Failed if failed else CloseReceived
        signal = kind(code, reason, self._close_frame(code, reason))
        self.drop()
        return signal

    def text(self, text: str) -> bytes:
        """The frame of a text message.  Raises `UnicodeEncodeError` if `text` has lone surrogates."""
        return self._data_frame(_frames.TEXT, text.encode())

    def binary(self, data: bytes) -> bytes:
        """The frame of a binary message."""
        return self._data_frame(_frames.BINARY, data)

    def ping(self, payload: bytes = b"") -> bytes:
        """A ping frame.  Raises `ValueError` if the payload has more than 125 bytes (RFC 6455 5.5)."""
        if len(payload) > _frames.SHORT:
            raise ValueError(f"a ping carries at most {_frames.SHORT} bytes")
        return self._frame(_frames.PING, payload)

    def close(self, code: int, reason: str = "") -> bytes:
        """Our close frame, or nothing if one was sent; `reason` is cut to 123 bytes of UTF-8.

        Raises `ValueError` if `code` may not be sent (RFC 6455 7.4).
        """
        if not _frames.is_sendable(code):
            raise ValueError(f"the close code {code} may not be sent")
        return self._close_frame(code, reason)

    def _close_frame(self, code: int, reason: str) -> bytes:
        if self._state is not _State.OPEN:
            return b""
        self._state = _State.CLOSING
        no_code = code == CloseReason.NO_STATUS_RCVD  # the reply to a close frame without one
        return self._frame(_frames.CLOSE, b"" if no_code else _frames.close_payload(code, reason))

    def _data_frame(self, first: int, payload: bytes) -> bytes:
        if self._deflate is not None and (packed := self._deflate.compress(payload)) is not None:
            first, payload = first | _frames.COMPRESSED, packed
        return self._frame(first, payload)

    def _frame(self, first: int, payload: bytes) -> bytes:
        return encode(first, payload, self._random_bytes(4) if self._client else None)
