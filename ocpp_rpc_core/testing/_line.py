"""A byte stream in memory, as what is under test sees it: bytes by hand, or for an event loop's tasks."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Protocol, final

from ocpp_rpc_core._observers import Bell
from ocpp_rpc_core.events import BytesReceived, TransportClosed

from ._link import Conditions, Way

CAPACITY = 65536
"""Bytes that may be under way before a task that sends more has to wait."""


class Far(Protocol):
    """Who plays the other end, if it is played at all."""

    @property
    def now(self) -> float:
        """Seconds."""
        ...

    @property
    def next(self) -> float | None:
        """When something falls due there."""
        ...

    def act(self) -> None:
        """Do everything that is due or has arrived."""


class Loop(Protocol):
    """What an event loop must have for its tasks to use a line."""

    def now(self) -> float:
        """Seconds."""
        ...

    def new_bell(self) -> Bell:
        """What a task can wait for, once."""
        ...

    async def wait(self, bell: Bell, until: float) -> None:
        """Wait until the bell rings, or that time comes."""


class Clock:
    """The other end of a line that nobody plays: both ends are under test."""

    next = None

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    @property
    def now(self) -> float:
        """Seconds."""
        return self._now()

    def act(self) -> None:
        """There is nothing to do."""


class Line:
    """One end of a byte stream; the other is `far`'s."""

    def __init__(self, incoming: Way, outgoing: Way, far: Far) -> None:
        self._incoming, self._outgoing, self._far = incoming, outgoing, far
        self._ended: TransportClosed | None = None
        self._closed = False
        self.changed: Callable[[], None] = lambda: None
        """Called whenever it may be worth to look again."""
        for way in (incoming, outgoing):
            way.changed = self._both(way.changed)

    def _both(self, other: Callable[[], None] | None) -> Callable[[], None]:
        def tell() -> None:
            self.changed()
            if other is not None:
                other()

        return tell

    @property
    def closed(self) -> bool:
        """Whether this end was closed."""
        return self._closed

    @property
    def next(self) -> float | None:
        """When to read again at the latest, or None: there may be news, or the other end has something to do."""
        return min((at for at in (self._incoming.next, self._far.next) if at is not None), default=None)

    @property
    def room(self) -> int:
        """Bytes that can be written before the other end must read."""
        return CAPACITY - self._outgoing.size

    def write(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            OSError: the stream is broken, or closed.
        """
        if self._closed or self._outgoing.broken:
            raise ConnectionResetError("the byte stream is broken")
        self._outgoing.send(BytesReceived(data), self._far.now)
        self._far.act()

    def read(self, most: float = inf) -> bytes | None:
        """Bytes that have come, None if there are none yet, b"" if the other end will send no more.

        Raises:
            OSError: the stream broke.
        """
        self._far.act()
        if self._ended is None:
            event = self._incoming.take(self._far.now, most)
            if not isinstance(event, TransportClosed):
                self._far.act()  # it may have waited for us to read
                return event if event is None else event.data
            self._ended = event
        if self._ended.error is not None:
            raise self._ended.error
        return b""

    def end(self) -> None:
        """Send no more, but go on reading."""
        self._outgoing.send(TransportClosed(), self._far.now)
        self._far.act()

    def close(self) -> None:
        """Neither send nor read any more."""
        if not self._closed:
            self._closed = True
            self._incoming.break_off(BrokenPipeError("the other end is closed"), self._far.now)
            self.end()

    def cut(self, error: Exception | None = None) -> None:
        """Break it; what is under way is lost, and both ends find out."""
        for way in (self._incoming, self._outgoing):
            way.break_off(error or ConnectionResetError("the connection was cut"), self._far.now)


@final
class TaskLine:
    """A line for the tasks of an event loop, which wait until it has bytes, or room."""

    def __init__(self, line: Line, loop: Loop) -> None:
        self.line = line
        self._loop = loop
        self._bell = loop.new_bell()
        line.changed = self._ring

    def _ring(self) -> None:
        self._bell.set()
        self._bell = self._loop.new_bell()

    async def read(self, most: float) -> bytes:
        """Bytes, or b"" at the end, or once it is closed; raises `OSError` if it broke."""
        while not self.line.closed:
            if (data := self.line.read(most)) is not None:
                return data
            until = self.line.next
            await self._loop.wait(self._bell, inf if until is None else until)
        return b""

    async def write(self, data: bytes) -> None:
        """Send bytes as fast as they are read; raises `OSError` if it is broken or closed."""
        while data:
            if (room := self.line.room) > 0:
                self.line.write(data[:room])
                data = data[room:]
            else:
                await self._loop.wait(self._bell, inf)


def line_pair(now: Callable[[], float]) -> tuple[Line, Line]:
    """Both ends of a byte stream that works, each to be used by something under test."""
    there, back, clock = Way(Conditions()), Way(Conditions()), Clock(now)
    return Line(back, there, clock), Line(there, back, clock)
