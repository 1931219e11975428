"""How costs grow in the core: with connections, queued calls, calls in flight, payloads; prints JSON.

`python -m benchmarks.growth ROUNDS plain|quick`: microseconds, each size in every round, extras hidden.
"""

import gc
import json
import random
import sys
from collections.abc import Callable, Iterable
from math import inf
from time import process_time
from typing import Any

from .extras import hide
from .payloads import MESSAGES, charging_profile
from .stats import significant

CONNECTIONS = (1, 10, 100, 1000, 5000)
QUEUED = (100, 1000, 10_000, 100_000)
PERIODS = (10, 100, 1000, 10_000)
SAMPLE = 200
"""How many steps are timed at each size."""

Series = dict[str, dict[int, float]]
STATUS = MESSAGES["sn"]


def per_item(step: Callable[[Any], object], items: Iterable[Any]) -> float:
    """Microseconds of processor time per item."""
    listed = list(items)
    gc.collect()
    start = process_time()
    for item in listed:
        step(item)
    return (process_time() - start) / len(listed) * 1e6


def connections(sizes: tuple[int, ...]) -> Series:
    """A call, with so many connections that have theirs by turns."""
    from .joined import Joined  # noqa: PLC0415 - after `hide`

    pairs: list[Joined] = []
    figures = {}
    for size in sizes:
        while len(pairs) < size:
            pairs.append(Joined(STATUS.protocol))
        count = max(size, 10 * SAMPLE)
        turns = [pairs[number % size] for number in range(count)]
        for pair in turns[:size]:
            pair.call(STATUS.method, STATUS.params)
        figures[size] = per_item(lambda pair: pair.call(STATUS.method, STATUS.params), turns)
    return {"call": figures}


def queued(sizes: tuple[int, ...]) -> Series:
    """What is done to a call while so many wait for their turn."""
    from ocpp_rpc_core import events as e  # noqa: PLC0415 - after `hide`

    from .joined import Joined  # noqa: PLC0415

    found: Series = {"queue": {}, "cancel": {}, "turn": {}}
    for size in sizes:
        pair = Joined(STATUS.protocol)
        pair.held = []

        def call(token: int, pair: Joined = pair) -> None:
            pair.tell(pair.client, e.CallRequested(token, STATUS.method, STATUS.params))

        def cancel(token: int, pair: Joined = pair) -> None:
            pair.tell(pair.client, e.CallCancelled(token))

        def turn(_: int, pair: Joined = pair) -> None:
            pair.step()  # the request
            pair.step()  # its answer, upon which the next request goes out

        waiting = [next(pair.tokens) for _ in range(size + 1)]
        for token in waiting:
            call(token)
        new = [next(pair.tokens) for _ in range(SAMPLE)]
        found["queue"][size] = per_item(call, new)
        for token in new:
            cancel(token)
        some = random.Random(size).sample(waiting[1:], min(SAMPLE, size // 2))  # noqa: S311 - which ones is no secret
        found["cancel"][size] = per_item(cancel, some)
        for _ in some:
            call(next(pair.tokens))
        found["turn"][size] = per_item(turn, range(min(SAMPLE, size)))
    return found


def in_flight(sizes: tuple[int, ...]) -> Series:
    """An answer to a call, newest first, while so many are under way."""
    from ocpp_rpc_core import events as e  # noqa: PLC0415 - after `hide`

    from .joined import Joined  # noqa: PLC0415

    figures = {}
    for size in sizes:
        pair = Joined(STATUS.protocol, in_flight=inf)
        pair.held = []
        for _ in range(size + SAMPLE):
            pair.tell(pair.client, e.CallRequested(next(pair.tokens), STATUS.method, STATUS.params))
        pair.step()
        answers = pair.held[::-1][:SAMPLE]
        figures[size] = per_item(lambda answer, pair=pair: pair.tell(*answer), answers)
    return {"settle": figures}


def payloads(sizes: tuple[int, ...]) -> Series:
    """The verdict on a SetChargingProfile with so many periods, per period."""
    from ocpp_rpc_core.validation import standard_validator  # noqa: PLC0415 - after `hide`

    judge = standard_validator("ocpp1.6")
    assert judge is not None
    figures = {}
    for size in sizes:
        params = charging_profile(size)
        count = max(3, 20_000 // size)
        figures[size] = (
            per_item(lambda _, p=params: judge.validate_request("SetChargingProfile", p), range(count)) / size
        )
    return {"validate": figures}


def main(rounds: int, *, quick: bool) -> dict[str, dict[str, list[float]]]:
    """Series → size → a figure per round."""
    hide()
    found: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        for measure, sizes in ((connections, CONNECTIONS), (queued, QUEUED), (in_flight, QUEUED), (payloads, PERIODS)):
            for name, figures in measure(sizes[:-1] if quick else sizes).items():
                for size, value in figures.items():
                    found.setdefault(name, {}).setdefault(str(size), []).append(significant(value))
    return found


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), quick=sys.argv[2] == "quick")))
