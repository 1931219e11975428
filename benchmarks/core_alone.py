"""The core without sockets: one call through both sides, beside the textbook's way; prints JSON.

`python -m benchmarks.core_alone ROUNDS SECONDS [speed]`: a process of its own, so that extras can be hidden.
"""

import gc
import json
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

from .extras import hide

Work = Callable[[], object]


def per_run(work: Work, seconds: float) -> float:
    """Microseconds of one run of `work`, over about so many seconds."""
    count, begun = 1, perf_counter()
    work()
    while perf_counter() - begun < seconds / 20:
        work()
        count += 1
    count = max(1, int(count * 19))
    gc.collect()
    start = perf_counter()
    for _ in range(count):
        work()
    return (perf_counter() - start) / count * 1e6


def interleaved(works: dict[str, Work], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Microseconds per run of each, measured by turns: in every round, each once."""
    figures: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            figures[name].append(round(per_run(work, seconds), 3))
    return figures


def calls() -> dict[str, Work]:
    """A call of each message through the core, and through the textbook's way."""
    from .joined import Joined  # noqa: PLC0415 - after `hide`
    from .payloads import MESSAGES  # noqa: PLC0415
    from .textbook import Textbook  # noqa: PLC0415

    book = Textbook()
    works: dict[str, Work] = {}
    for name, message in MESSAGES.items():
        pair = Joined(message.protocol)
        assert pair.call(message.method, message.params) == message.result
        assert book.call(message) == message.result
        works[f"{name} core"] = lambda p=pair, m=message: p.call(m.method, m.params)
        works[f"{name} textbook"] = lambda m=message: book.call(m)
    return works


def main(rounds: int, seconds: float, *, speed: bool) -> dict[str, Any]:
    """All figures of this process, in microseconds."""
    if not speed:
        hide()
    return interleaved(calls(), rounds, seconds)


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), float(sys.argv[2]), speed=sys.argv[3:] == ["speed"])))
