"""Calls per second over sockets: each contestant in turn, in each cell, round after round."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from .contestants import Contestant
from .payloads import MESSAGES
from .processes import Ends, ends
from .stats import significant

FIGURES = ("rate", "server_us", "client_us", "p50_us", "p99_us")
"""Calls per second; microseconds of processor per call on each side; microseconds until the answer is there."""


@dataclass(frozen=True)
class Shape:
    """How many connections, and how many calls at once on each."""

    name: str
    label: str
    connections: int
    in_flight: int


SHAPES = {
    "c1": Shape("c1", "1 connection × 1 in flight", 1, 1),
    "c32": Shape("c32", "1 connection × 32 in flight", 1, 32),
    "n32": Shape("n32", "32 connections × 1 in flight", 32, 1),
}

WARM_UP = 0.6
"""Seconds of calls with each message before the first round: Node compiles while it runs."""

Say = Callable[[str], None]


def measure(
    contestants: Sequence[Contestant],
    kinds: Sequence[str],
    shapes: Sequence[str],
    *,
    rounds: int,
    seconds: float,
    say: Say,
) -> list[dict[str, Any]]:
    """One row for each contestant, message and shape, with the figures of every round."""
    rows = {
        (kind, shape, contestant.name): {
            "message": kind,
            "shape": shape,
            "who": contestant.name,
            **{figure: [] for figure in FIGURES},
        }
        for kind in kinds
        for shape in shapes
        for contestant in contestants
    }
    with ExitStack() as stack:
        pairs = {contestant.name: stack.enter_context(ends(contestant, in_flight=32)) for contestant in contestants}
        for kind in kinds:
            for contestant in contestants:
                say(f"warming up: {kind} {contestant.name}")
                _cell(pairs[contestant.name], kind, SHAPES["c32"], min(WARM_UP, 2 * seconds))
        for number in range(rounds):
            for kind in kinds:
                for shape in shapes:
                    order = [*contestants[number % len(contestants) :], *contestants[: number % len(contestants)]]
                    for contestant in order:
                        figures = _cell(pairs[contestant.name], kind, SHAPES[shape], seconds)
                        for figure, value in zip(FIGURES, figures, strict=True):
                            rows[kind, shape, contestant.name][figure].append(significant(value))
                        say(f"round {number + 1}: {kind} {shape} {contestant.name} {figures[0]:,.0f}/s")
    return list(rows.values())


def _cell(pair: Ends, kind: str, shape: Shape, seconds: float) -> tuple[float, ...]:
    protocol = MESSAGES[kind].protocol
    workers = shape.connections * shape.in_flight
    client, server = pair.client, pair.server
    client.ask("open", port=pair.port, protocol=protocol, connections=shape.connections, in_flight=shape.in_flight)
    client.ask("run", kind=kind, workers=workers, seconds=min(0.12, seconds / 3))  # warm up
    before = server.ask("cpu")["cpu"]
    told = client.ask("run", kind=kind, workers=workers, seconds=seconds)
    used = server.ask("cpu")["cpu"] - before
    client.ask("close")
    count = told["calls"]
    return count / told["seconds"], used / count, told["cpu"] / count, told["p50"], told["p99"]
