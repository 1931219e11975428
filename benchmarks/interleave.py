"""How two ways to do one thing are timed beside each other: by turns, round after round."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import process_time
from typing import Any

from .stats import significant

Work = Callable[[], object]


@dataclass(frozen=True)
class Pairing:
    """Our way, and the other one."""

    name: str
    ours: Work
    theirs: Work


def timed(pairings: Sequence[Pairing], rounds: int, seconds: float) -> list[dict[str, Any]]:
    """For each its name, and the microseconds per run of either way, one figure per round."""
    rows: list[dict[str, Any]] = [{"name": pairing.name, "ours": [], "theirs": []} for pairing in pairings]
    for _ in range(rounds):
        for row, pairing in zip(rows, pairings, strict=True):
            row["ours"].append(significant(per_run(pairing.ours, seconds)))
            row["theirs"].append(significant(per_run(pairing.theirs, seconds)))
    return rows


def per_run(work: Work, seconds: float) -> float:
    """Microseconds of one run of `work`, after some runs to warm up, over about so many seconds.

    Processor time: what else runs on the machine does not count.
    """
    count, begun = 0, process_time()
    while (used := process_time() - begun) < seconds / 20:
        work()
        count += 1
    count = max(1, int(count * seconds / max(used, 1e-9)))
    gc.collect()
    start = process_time()
    for _ in range(count):
        work()
    return (process_time() - start) / count * 1e6
