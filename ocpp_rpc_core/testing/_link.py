"""A simulated byte stream: what is on its way in one direction, and when, how and whether it arrives."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf
from typing import final

from ocpp_rpc_core.events import BytesReceived, TransportClosed


@final
@dataclass(slots=True)
class Conditions:
    """What one direction of a link is like; may be changed at any time."""

    delay: float = 0.0
    """Seconds that whatever is sent from now on is under way."""
    piece: float = inf
    """The most bytes that arrive at once; 1 makes the receiver see single bytes."""
    lost: bool = False
    """Whether everything sent from now on vanishes, the end of the stream too."""
    stuck: bool = False
    """Whether the receiver does not read: bytes wait for it, and the sender cannot finish writing."""


@final
class Way:
    """One direction of one byte stream: bytes come out in the order in which they went in."""

    __slots__ = ("_conditions", "_dead", "_sent")

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._sent: deque[tuple[float, BytesReceived | TransportClosed]] = deque()
        self._dead = False

    @property
    def empty(self) -> bool:
        """Whether nothing is under way."""
        return not self._sent

    @property
    def next(self) -> float | None:
        """When the next thing arrives, or None."""
        return self._sent[0][0] if self._sent and not self._conditions.stuck else None

    def send(self, event: BytesReceived | TransportClosed, now: float) -> None:
        """Send bytes, or the end of the stream."""
        if not (self._dead or self._conditions.lost):
            earliest = self._sent[-1][0] if self._sent else now  # nothing overtakes
            self._sent.append((max(earliest, now + self._conditions.delay), event))

    def cut(self) -> None:
        """Lose what is under way, and all that is sent later."""
        self._sent.clear()
        self._dead = True

    def take(self, now: float, limit: float = inf) -> BytesReceived | TransportClosed | None:
        """What has arrived by now: bytes (joined, at most `limit`), the end of the stream, or None."""
        room = min(limit, self._conditions.piece)
        data = b""
        while len(data) < room and (at := self.next) is not None and at <= now:
            event = self._sent[0][1]
            if isinstance(event, TransportClosed):
                if data:
                    break
                self._sent.clear()
                return event
            taken = event.data[: int(min(room - len(data), len(event.data)))]
            data += taken
            self._sent.popleft()
            if len(taken) < len(event.data):
                self._sent.appendleft((at, BytesReceived(event.data[len(taken) :])))
        return BytesReceived(data) if data else None

    def cut_short(self, end: TransportClosed, now: float) -> None:
        """Lose what is under way; the receiver hears only that the stream has ended."""
        self._sent.clear()
        self.send(end, now)
