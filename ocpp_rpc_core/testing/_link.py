"""A simulated byte stream: what is on its way in one direction, and when, how and whether it arrives."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import final

from ocpp_rpc_core.events import BytesReceived, TransportClosed


@final
@dataclass(slots=True)
class Conditions:
    """What one direction of a link is like; may be changed at any time, and counts from the next `deliver`."""

    delay: float = 0.0
    """Seconds that whatever is sent from now on is under way."""
    piece: float = inf
    """The most bytes that arrive at once; 1 makes the receiver see single bytes."""
    lost: bool = False
    """Whether everything sent from now on vanishes, the end of the stream too."""
    stuck: bool = False
    """Whether the receiver does not read: bytes wait for it, and the sender cannot finish writing."""

    def heal(self) -> None:
        """Be as at first."""
        self.delay, self.piece, self.lost, self.stuck = 0.0, inf, False, False


@final
class Way:
    """One direction of one byte stream: bytes come out in the order in which they went in."""

    __slots__ = ("_conditions", "_dead", "_sent", "broken", "changed", "size")

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._sent: deque[tuple[float, BytesReceived | TransportClosed]] = deque()
        self._dead = False
        self.broken = False
        """Whether a sender can know that nothing gets through any more."""
        self.size = 0
        """Bytes under way."""
        self.changed: Callable[[], None] | None = None
        """Called when something was sent, taken or lost."""

    @property
    def empty(self) -> bool:
        """Whether nothing is under way."""
        return not self._sent

    @property
    def stuck(self) -> int:
        """How many bytes cannot be written because the receiver does not read."""
        if not self._conditions.stuck:
            return 0
        return sum(len(event.data) for _, event in self._sent if isinstance(event, BytesReceived))

    @property
    def next(self) -> float | None:
        """When the next thing arrives, or None."""
        return self._sent[0][0] if self._sent and not self._conditions.stuck else None

    def send(self, event: BytesReceived | TransportClosed, now: float) -> None:
        """Send bytes, or the end of the stream."""
        if not (self._dead or self._conditions.lost):
            earliest = self._sent[-1][0] if self._sent else now  # nothing overtakes
            self._append(event, max(earliest, now + self._conditions.delay))

    def cut(self) -> None:
        """Lose what is under way, and all that is sent later."""
        self._lose()
        self._dead = True

    def cut_short(self, end: TransportClosed, now: float) -> None:
        """Lose what is under way; the receiver hears only that the stream has ended."""
        self._lose()
        self.send(end, now)

    def break_off(self, error: Exception, now: float) -> None:
        """Lose what is under way, and all that is sent later; both the sender and the receiver find out."""
        self._lose()
        self._dead = self.broken = True
        self._append(TransportClosed(error), now)

    def take(self, now: float, limit: float = inf) -> BytesReceived | TransportClosed | None:
        """What has arrived by now: bytes (joined, at most `limit`), the end of the stream, or None."""
        room = min(limit, self._conditions.piece)
        data = b""
        while len(data) < room and (at := self.next) is not None and at <= now:
            event = self._sent[0][1]
            if isinstance(event, TransportClosed):
                if data:
                    break
                self._lose()
                return event
            taken = event.data[: int(min(room - len(data), len(event.data)))]
            data += taken
            self._sent.popleft()
            if len(taken) < len(event.data):
                self._sent.appendleft((at, BytesReceived(event.data[len(taken) :])))
        if not data:
            return None
        self.size -= len(data)
        self._tell()
        return BytesReceived(data)

    def _append(self, event: BytesReceived | TransportClosed, at: float) -> None:
        self._sent.append((at, event))
        if isinstance(event, BytesReceived):
            self.size += len(event.data)
        self._tell()

    def _lose(self) -> None:
        self._sent.clear()
        self.size = 0
        self._tell()

    def _tell(self) -> None:
        if self.changed is not None:
            self.changed()
