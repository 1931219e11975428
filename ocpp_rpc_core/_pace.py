"""Whether the peer keeps pace: it answers pings, reads what we write, and ends what it begins."""

from __future__ import annotations

from enum import Enum, auto
from math import inf
from typing import final

from ._keepalive import KeepAlive, Verdict
from .limits import Limits

_ROOM_FOR_PONGS = 1024
"""Bytes that wait to be written beyond which only the latest pong is kept (RFC 6455 5.5.3)."""


@final
class Due(Enum):
    """What is due now."""

    NOTHING = auto()
    PING = auto()
    SILENT = auto()
    """The peer did not answer a ping."""
    UNREAD = auto()
    """It does not read what waits to be written."""
    UNENDED = auto()
    """It did not end a message that it began."""


_PINGS = {Verdict.PING: Due.PING, Verdict.GONE: Due.SILENT}


@final
class Pace:
    """The deadlines of one open connection, and the pong for a peer that pings but does not read."""

    __slots__ = (
        *("_begun_by", "_keepalive", "_limits", "_pong", "_unwritten", "_written_by"),
        *("deadline", "defers", "is_watching"),
    )

    def __init__(self, limits: Limits, ping_interval: float, *, defer: bool) -> None:
        self._limits = limits
        self._keepalive = KeepAlive(ping_interval, defer=defer)
        self.defers = defer
        """Whether it matters that something is heard."""
        self.is_watching = False
        """Whether a message that has begun must end in time."""
        self._written_by = self._begun_by = inf
        self._unwritten = 0
        self._pong = b""
        self.deadline: float | None = None
        """When to ask `due` again, or None while there is nothing to do."""

    # --- Its life -------------------------------------------------------------

    def start(self, now: float) -> None:
        """The connection is open, or read again."""
        self._keepalive.start(now)
        self._update()

    def pause(self) -> None:
        """Nothing is read: a peer whom we do not hear cannot be judged by what we do not hear."""
        self._keepalive.stop()
        self.ended()

    def stop(self) -> None:
        """The connection is closing or gone."""
        self._written_by, self._unwritten, self._pong = inf, 0, b""
        self.pause()

    def reconfigure(self, limits: Limits, ping_interval: float, *, defer: bool, now: float, running: bool) -> None:
        """Take new options; a changed interval counts from now, limits from the next deadline on."""
        self._limits, self.defers = limits, defer
        self._keepalive.reconfigure(ping_interval, defer=defer, now=now, running=running)
        self._update()

    # --- What the peer does ---------------------------------------------------

    def heard(self, now: float) -> None:
        """It sent something."""
        if self.defers:
            self._keepalive.heard(now)
            self._update()

    def pong(self, now: float) -> float | None:
        """It answered a ping: the seconds since then, or None if there was none."""
        return self._keepalive.pong(now)

    def ping(self, pong: bytes) -> bytes:
        """It wants this answer: what to send now, which is nothing while too much waits already."""
        if self._unwritten > _ROOM_FOR_PONGS:
            self._pong = pong
            return b""
        if self._unwritten:
            self._unwritten += len(pong)
        return pong

    def begun(self, now: float) -> None:
        """It began a message, which must end in time."""
        self._begun_by = now + self._limits.message_time
        self.is_watching = True
        self._update()

    def ended(self) -> None:
        """It ended the message, or is not heard."""
        self._begun_by = inf
        self.is_watching = False
        self._update()

    def unwritten(self, size: int, now: float) -> bytes:
        """So many bytes wait to be written, and just began to, or some were written: what to send now."""
        self._unwritten = size
        self._written_by = now + self._limits.write_time if size else inf
        self._update()
        pong = b""
        if not size:
            pong, self._pong = self._pong, b""
        return pong

    # --- Time -----------------------------------------------------------------

    def due(self, now: float) -> Due:
        """What must happen now; ask again until it is nothing, after `stop` where the peer has failed."""
        if self._written_by <= now:
            return Due.UNREAD
        if self._begun_by <= now:
            return Due.UNENDED
        verdict = self._keepalive.due(now)
        self._update()
        return _PINGS.get(verdict, Due.NOTHING)

    def _update(self) -> None:
        earliest, ping = min(self._written_by, self._begun_by), self._keepalive.deadline
        if ping is not None and ping < earliest:
            earliest = ping
        self.deadline = earliest if earliest < inf else None
