"""What we want to reach, in ratios within one run, and how far a result is from it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .contestants import REFERENCE
from .payloads import MESSAGES
from .stats import growth, middle, ratio

Results = dict[str, Any]
PLAIN = ("trio", "anyio")
SPEED = "anyio-uvloop"
"""The one with the whole extra `speed`; uvloop is no loop for trio."""


class Goal:
    """One line: the least that will do, if there is such, what we want, what was measured; `at_most`: no more."""

    def __init__(
        self,
        text: str,
        floor: float | None,
        goal: float,
        measured: float | None,
        unit: str = "×",
        *,
        at_most: bool = False,
    ) -> None:
        self.text, self.floor, self.goal, self.measured = text, floor, goal, measured
        self.unit = unit
        self.at_most = at_most

    @property
    def verdict(self) -> str:
        """Which of both is reached."""
        if self.measured is None:
            return "not measured"
        for name, bound in (("goal", self.goal), ("floor", self.floor)):
            if bound is not None and (self.measured <= bound if self.at_most else self.measured >= bound):
                return name
        return "not yet" if self.floor is None else "below the floor"


def goals(results: Results) -> list[Goal]:
    """All of them, as far as the results go."""
    return [*_calls(results.get("calls", [])), *_idle(results.get("idle", [])), *_core(results)]


def _calls(rows: Sequence[dict[str, Any]]) -> Iterator[Goal]:
    found = {(row["message"], row["shape"], row["who"]): row for row in rows}

    def against(other: str, who: str, message: str, shape: str, figure: str = "rate") -> float | None:
        ours, theirs = found.get((message, shape, who)), found.get((message, shape, other))
        return ratio(ours[figure], theirs[figure]) if ours and theirs else None

    def line(
        text: str, floor: float | None, goal: float, who: str, message: str, shape: str, other: str = REFERENCE
    ) -> Goal:
        return Goal(text, floor, goal, against(other, who, message, shape))

    yield line("sn c32, anyio : Node", 1.7, 2.3, "anyio", "sn", "c32")
    yield line("sn c32, trio : Node", 1.5, 2.0, "trio", "sn", "c32")
    for who in PLAIN:
        yield line(f"sn c1, {who} : Node", 0.8, 1.0, who, "sn", "c1")
        for message in ("te", "scp"):
            yield line(f"{message} c32, {who} : Node", 0.5, 0.8, who, message, "c32")
    for message, shape, floor in (("sn", "c1", 1.2), ("sn", "c32", 2.3), ("te", "c32", 0.75)):
        yield line(f"{message} {shape}, {SPEED} : Node", floor, max(floor, 1.0), SPEED, message, shape)
    every = [against(REFERENCE, SPEED, message, shape) for message, shape, name in found if name == SPEED]
    known = [value for value in every if value is not None]
    yield Goal(f"the least of all rows, {SPEED} : Node", None, 1.0, min(known, default=None))
    for who in PLAIN:
        yield line(f"sn c1, {who} : PyPI ocpp", 4, 5, who, "sn", "c1", "ocpp")
        yield line(f"te c1, {who} : PyPI ocpp", 15, 20, who, "te", "c1", "ocpp")
        yield line(f"sn c32, {who} : PyPI ocpp, tuned", None, 20, who, "sn", "c32", "ocpp-tuned")
        yield line(f"te c32, {who} : PyPI ocpp, tuned", None, 40, who, "te", "c32", "ocpp-tuned")
        measured = against(REFERENCE, who, "sn", "n32", "server_us")
        yield Goal(f"server CPU per call, sn n32, {who} : Node", 2.6, 1.0, measured, at_most=True)


def _idle(rows: Sequence[dict[str, Any]]) -> Iterator[Goal]:
    found = {(row["connections"], row["who"]): row for row in rows}
    for who, floor in (("anyio", 19.0), ("trio", 14.0)):
        row = found.get((max((size for size, _ in found), default=0), who))
        measured = middle(row["kb_called"]) if row else None
        yield Goal(f"an idle connection after one call, {who}", floor, 8.0, measured, "KB", at_most=True)
    for who in PLAIN:
        sizes = sorted(size for size, name in found if name == who)
        costs = [middle(found[size, who]["server_us"]) for size in sizes]
        text = f"server CPU per call, 1 → {max(sizes, default=0):,} connections, {who}"
        yield Goal(text, 1.5, 1.3, growth(costs) if costs else None, at_most=True)


def _core(results: Results) -> Iterator[Goal]:
    name = MESSAGES["sn"].name
    for kind, goal in (("plain", 16.0), ("speed", 10.0)):
        rows = {row["name"]: row for row in results.get(f"core_{kind}", {}).get("calls", [])}
        row = rows.get(name)
        if kind == "plain":
            yield Goal("the core alone, sn : textbook", 3, 3, ratio(row["theirs"], row["ours"]) if row else None)
        measured = middle(row["ours"]) if row else None
        yield Goal(f"the core alone, sn, {kind}", None, goal, measured, "µs", at_most=True)
    cold = {name: middle(values) for name, values in results.get("cold", {}).items()}
    stalls = _some(cold, lambda name: name.startswith(("first call", "slowest")))
    yield Goal("the first strict call of any method", 5.0, 5.0, stalls, "ms", at_most=True)
    imports = _some(cold, lambda name: name.startswith("validators"))
    yield Goal("import of the validators of one version", 6.0, 6.0, imports, "ms", at_most=True)
    series = results.get("growth", {}).get("call")
    measured = growth([middle(values) for values in series.values()]) if series else None
    yield Goal(
        f"cost per call in the core, 1 → {int(max(series or [0], key=int)):,} connections",
        1.5,
        1.3,
        measured,
        at_most=True,
    )


def _some(figures: dict[str, float], wanted: Callable[[str], bool]) -> float | None:
    """The greatest of those wanted."""
    return max((value for name, value in figures.items() if wanted(name)), default=None)
