"""When to ping the peer, and when a silent peer counts as gone."""

from enum import Enum, auto


class Verdict(Enum):
    """What is due now."""

    NOTHING = auto()
    PING = auto()
    GONE = auto()


class KeepAlive:
    """Pings every `interval` seconds; a ping unanswered when the next is due means that the peer is gone.

    With `defer`, anything heard from the peer puts the next ping off (features S4, S5).
    An interval of 0 or infinity means no pings (rule 44).
    """

    __slots__ = ("_awaited_since", "_defer", "_interval", "deadline")

    def __init__(self, interval: float, *, defer: bool) -> None:
        self._interval = interval
        self._defer = defer
        self.deadline: float | None = None
        """When to ask `due` again, or None while there is nothing to do."""
        self._awaited_since: float | None = None

    def start(self, now: float) -> None:
        """The connection is open."""
        self._awaited_since = None
        self.deadline = now + self._interval if 0 < self._interval < float("inf") else None

    def stop(self) -> None:
        """The connection is closing or gone."""
        self.deadline = None
        self._awaited_since = None

    def reconfigure(self, interval: float, *, defer: bool, now: float, running: bool) -> None:
        """Take new options; a changed interval counts from now, and a ping under way stays awaited."""
        self._defer = defer
        if interval == self._interval:
            return
        self._interval = interval
        if running:
            awaited = self._awaited_since
            self.start(now)
            self._awaited_since = awaited

    def heard(self, now: float) -> None:
        """The peer sent something."""
        if self._defer and self.deadline is not None:
            self.deadline = now + self._interval

    def pong(self, now: float) -> float | None:
        """A pong arrived: the seconds since our ping, or None if we sent none."""
        if self._awaited_since is None:
            return None
        rtt = now - self._awaited_since
        self._awaited_since = None
        return rtt

    def due(self, now: float) -> Verdict:
        """What must happen now; after `PING` the ping counts as sent."""
        if self.deadline is None or now < self.deadline:
            return Verdict.NOTHING
        if self._awaited_since is not None:
            return Verdict.GONE
        self._awaited_since = now
        self.deadline = now + self._interval
        return Verdict.PING
