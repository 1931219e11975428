"""When each of many connections is to be told the time, so that one task can do it for all of them."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import inf
from typing import final

from ._observers import Bell

_FEW = 64
"""Dropped alarms that may lie about, however few others there are."""


@final
class Alarm:
    """One moment, and what is to be called then, unless it was dropped or has rung."""

    __slots__ = ("at", "ring")

    def __init__(self, at: float, ring: Callable[[], object] | None) -> None:
        self.at = at
        self.ring = ring

    def __lt__(self, other: Alarm) -> bool:
        return self.at < other.at


NEVER = Alarm(inf, None)
"""The alarm of whoever has none."""


@final
class Timekeeper:
    """Alarms of many connections.  A task waits until `next`, or until it is `hurried`, then calls `ring`; and again.

    To set, drop or ring one costs hardly more with more of them.
    """

    def __init__(self, new_bell: Callable[[], Bell]) -> None:
        self._new_bell = new_bell
        self._hurry: Bell | None = None
        self._alarms: list[Alarm] = []  # a heap, with those that were dropped
        self._dropped = 0

    @property
    def next(self) -> float:
        """When to `ring`; infinity while there is nothing to wait for."""
        return self._alarms[0].at if self._alarms else inf

    async def hurried(self) -> None:
        """Wait until `next` comes earlier than now."""
        self._hurry = self._new_bell()
        await self._hurry.wait()

    def move(self, alarm: Alarm, at: float, ring: Callable[[], object]) -> Alarm:
        """A new alarm instead of `alarm`, which may be `NEVER`."""
        self.drop(alarm)
        alarm = Alarm(at, ring)
        heappush(self._alarms, alarm)
        if self._alarms[0] is alarm and self._hurry is not None:
            self._hurry.set()
        return alarm

    def drop(self, alarm: Alarm) -> None:
        """It shall not ring; one that cannot is ignored."""
        if alarm.ring is None:
            return
        alarm.ring = None  # and with it goes all that it holds
        self._dropped += 1
        if self._dropped > max(_FEW, len(self._alarms) // 2):
            self._alarms = [alarm for alarm in self._alarms if alarm.ring is not None]
            heapify(self._alarms)
            self._dropped = 0

    def ring(self, now: float) -> None:
        """Call whoever is due; who sets an alarm for the past meanwhile has to wait for the next time."""
        due: list[Callable[[], object]] = []
        while self._alarms and self._alarms[0].at <= now:
            alarm = heappop(self._alarms)
            if alarm.ring is None:
                self._dropped -= 1
            else:
                due.append(alarm.ring)
                alarm.ring = None
        for ring in due:
            ring()
