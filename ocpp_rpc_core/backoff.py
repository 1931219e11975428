"""How long to wait before each attempt to reconnect."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf
from typing import Protocol, final

Chance = Callable[[], float]
"""Gives a number from 0 (included) to 1 (excluded)."""


class Backoff(Protocol):
    """A strategy: endless delays in seconds, begun anew after each success."""

    def delays(self, chance: Chance) -> Iterator[float]:
        """The delays before the first, second, ... attempt, in seconds; randomness comes from `chance`."""
        ...


@final
@dataclass(frozen=True, slots=True)
class ExponentialBackoff:
    """Delays that grow by `factor` from `initial` to `maximum` seconds, spread by `jitter` of themselves.

    The spread stays below `maximum`, so stations that lost the same server do not return in step.
    """

    initial: float = 1.0
    maximum: float = 10.0
    factor: float = 2.0
    jitter: float = 0.25

    def __post_init__(self) -> None:
        if not (inf > self.initial > 0 and self.maximum >= self.initial):
            raise ValueError(f"{self}: must be 0 < initial <= maximum (seconds)")
        if not (self.factor >= 1 and inf > self.jitter >= 0):
            raise ValueError(f"{self}: must be factor >= 1 and jitter >= 0 (ratios)")

    def delays(self, chance: Chance) -> Iterator[float]:
        """The delays in seconds."""
        delay, ceiling = self.initial, self.maximum / (1 + self.jitter)
        while True:
            yield min(delay, ceiling) * (1 + self.jitter * chance())
            delay = min(delay * self.factor, self.maximum)


@final
@dataclass(frozen=True, slots=True)
class OCPPBackoff:
    """The algorithm of OCPP 2.x (rule 45), with the names of its configuration variables.

    The first delay is `wait_minimum` plus up to `random_range` seconds.  Each later one doubles the
    previous and adds a fresh random part, `repeat_times` times; then the last is kept.
    """

    wait_minimum: float
    random_range: float
    repeat_times: int
    double_random: bool = True
    """The specification does not say whether the doubled delay includes its random part; False means not."""

    def __post_init__(self) -> None:
        if not all(inf > value >= 0 for value in (self.wait_minimum, self.random_range, self.repeat_times)):
            raise ValueError(f"{self}: nothing may be negative or infinite (seconds, seconds, times)")
        if self.repeat_times != int(self.repeat_times):
            raise ValueError(f"{self}: repeat_times must be a whole number")

    def delays(self, chance: Chance) -> Iterator[float]:
        """The delays in seconds."""
        base = self.wait_minimum
        delay = base + self.random_range * chance()
        yield delay
        for _ in range(int(self.repeat_times)):
            base = 2 * (delay if self.double_random else base)
            delay = base + self.random_range * chance()
            yield delay
        while True:
            yield delay
