"""When something is due: named alarms, and deadlines of calls that are never scanned."""

from collections import OrderedDict
from collections.abc import Hashable
from math import inf
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Alarms(Generic[K]):
    """A handful of named moments; setting a name again moves it."""

    __slots__ = ("_at",)

    def __init__(self) -> None:
        self._at: dict[K, float] = {}

    def set(self, name: K, at: float) -> None:
        self._at[name] = at

    def clear(self, *names: K) -> None:
        for name in names:
            self._at.pop(name, None)
        if not self._at:
            self._at.clear()  # else it keeps the room

    @property
    def next(self) -> float | None:
        """The earliest moment, or None."""
        return min(self._at.values()) if self._at else None

    def pop_due(self, now: float) -> list[K]:
        """The names that are due, earliest first; they are cleared."""
        due = sorted((name for name, at in self._at.items() if at <= now), key=self._at.__getitem__)
        self.clear(*due)
        return due


class Lanes(Generic[K]):
    """Deadlines grouped by how long each may take.

    Calls with the same timeout fall due in the order they were set, so the first of
    each lane is its earliest: set, clear and next cost the same however many there are.
    """

    __slots__ = ("_lanes", "next")

    def __init__(self) -> None:
        # Ordered, because a plain dict scans what was deleted at its front.
        self._lanes: dict[float, OrderedDict[K, float]] = {}
        self.next: float | None = None
        """The earliest deadline, or None when there is none."""

    def set(self, key: K, timeout: float, now: float) -> None:
        """With an infinite `timeout` it is never due."""
        if timeout == inf:
            return
        lane = self._lanes.get(timeout)
        if lane is None:
            lane = self._lanes[timeout] = OrderedDict()
        lane[key] = at = now + timeout
        if self.next is None or at < self.next:
            self.next = at

    def clear(self, key: K, timeout: float) -> None:
        if timeout == inf:
            return
        lane = self._lanes[timeout]
        at = lane.pop(key)
        if not lane:
            if len(self._lanes) == 1:  # kept: the next call will have the same timeout, as nearly all have
                self.next = None
                return
            del self._lanes[timeout]
        if at == self.next:
            self.next = self._earliest()

    def clear_all(self) -> None:
        self._lanes.clear()
        self.next = None

    def _earliest(self) -> float | None:
        return min((next(iter(lane.values())) for lane in self._lanes.values() if lane), default=None)

    def pop_due(self, now: float) -> list[K]:
        """The keys whose deadline has come, earliest first; they are cleared."""
        due: list[tuple[float, K, float]] = []
        for timeout, lane in self._lanes.items():
            for key, at in lane.items():
                if at > now:
                    break
                due.append((at, key, timeout))
        due.sort(key=lambda entry: entry[0])
        for _, key, timeout in due:
            self.clear(key, timeout)
        return [key for _, key, _ in due]
