"""How results are shown: Markdown tables, the same on a terminal and on the page."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .calls import SHAPES
from .contestants import REFERENCE, named
from .goals import goals
from .idle import SHOWN_FROM
from .payloads import MESSAGES
from .stats import growth, middle, ratio, spread
from .undone import TECHNIQUES

Row = dict[str, Any]
Results = dict[str, Any]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose first column is text and whose others are numbers."""
    rule = ["---", *["--:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def number(value: float) -> str:
    """A number with three digits that mean something, or all of those before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def with_spread(values: Sequence[float]) -> str:
    """The median, and how far the rounds spread."""
    return f"{number(middle(values))} ±{spread(values) * 100:.0f} %"


def label(name: str) -> str:
    """What a contestant is called, with a mark if a connection of it has one call in flight at most."""
    contestant = named(name)
    return contestant.label + (" †" if contestant.one_at_a_time else "")


def rates(results: Results) -> str:
    """Calls per second, and in brackets the ratio to the reference in the same round."""

    def cell(row: Row, cells: dict[str, Row]) -> str:
        text = with_spread(row["rate"])
        if REFERENCE in cells:
            text += f" ({ratio(row['rate'], cells[REFERENCE]['rate']):.2f} ×)"
        return text

    return _by_contestant(results["calls"], cell)


def costs(results: Results) -> str:
    """Microseconds of processor per call, server + client, and in brackets the ratio of the sums."""

    def total(row: Row) -> list[float]:
        return [sum(both) for both in zip(row["server_us"], row["client_us"], strict=True)]

    def cell(row: Row, cells: dict[str, Row]) -> str:
        text = " + ".join(number(middle(row[name])) for name in ("server_us", "client_us"))
        if REFERENCE in cells:
            text += f" ({ratio(total(row), total(cells[REFERENCE])):.2f} ×)"
        return text

    return _by_contestant(results["calls"], cell)


def latencies(results: Results) -> str:
    """Milliseconds until the answer is there: p50 / p99."""

    def cell(row: Row, _: object) -> str:
        return " / ".join(number(middle(row[name]) / 1000) for name in ("p50_us", "p99_us"))

    return _by_contestant(results["calls"], cell)


def _by_contestant(rows: Sequence[Row], cell: Callable[[Row, dict[str, Row]], str]) -> str:
    names = list(dict.fromkeys(row["who"] for row in rows))
    cells: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        cells.setdefault((row["message"], row["shape"]), {})[row["who"]] = row
    lines = [
        [
            f"{MESSAGES[message].name}, {SHAPES[shape].label}",
            *(cell(found[name], found) if name in found else "–" for name in names),
        ]
        for (message, shape), found in cells.items()
    ]
    return table(["", *(label(name) for name in names)], lines)


def idle(results: Results) -> str:
    """What connections cost that do nothing."""
    head = ["", "KB each", "after one call", "connects/s", "first call, ms, p50 / p99", "server µs per call"]
    lines = []
    for row in results["idle"]:
        if row["connections"] >= SHOWN_FROM:
            first = " / ".join(number(middle(row[name]) / 1000) for name in ("first_p50_us", "first_p99_us"))
            shown = [number(middle(row[name])) for name in ("kb", "kb_called", "connects", "server_us")]
            lines.append([f"{row['connections']:,} × {named(row['who']).label}", *shown[:3], first, shown[3]])
    return table(head, lines)


def core(results: Results) -> str:
    """The core alone beside the textbook's way: microseconds per call through both sides."""
    return _beside(
        ["", "core, µs", "textbook, µs", "faster by", "core with the extra `speed`, µs", "faster by"], results, "calls"
    )


def parts(results: Results) -> str:
    """The parts of the core beside the libraries that do the same."""
    return _beside(["", "ours, µs", "theirs, µs", "faster by", "ours with `speed`, µs", "faster by"], results, "parts")


def _beside(head: Sequence[str], results: Results, key: str) -> str:
    lines = []
    for plain, speed in zip(results["core_plain"][key], results["core_speed"][key], strict=True):
        lines.append(
            [
                plain["name"],
                with_spread(plain["ours"]),
                with_spread(plain["theirs"]),
                f"{ratio(plain['theirs'], plain['ours']):.2f} ×",
                with_spread(speed["ours"]),
                f"{ratio(speed['theirs'], speed['ours']):.2f} ×",
            ]
        )
    return table(head, lines)


def cold(results: Results) -> str:
    """Milliseconds of what is done for the first time."""
    return table(["", "ms"], [[name, with_spread(values)] for name, values in results["cold"].items()])


SERIES = {
    "call": ("a call, by connections that have theirs by turns", "µs"),
    "queue": ("queueing a call, by calls that wait", "µs"),
    "turn": ("a queued call's turn, there and back, by calls that wait", "µs"),
    "cancel": ("cancelling a waiting call, by calls that wait", "µs"),
    "settle": ("settling a call, by calls in flight", "µs"),
    "validate": ("validating a charging profile, per period, by periods", "µs"),
}
"""What grows, or should not."""


def grown(results: Results) -> str:
    """Cost at each size, and how many times the first the greatest is."""
    lines = []
    for name, (text, unit) in SERIES.items():
        figures = {int(size): middle(values) for size, values in results["growth"][name].items()}
        shown = ", ".join(f"{size:,}: {number(value)}" for size, value in figures.items())
        lines.append([f"{text}, {unit}", shown, f"{growth(list(figures.values())):.2f} ×"])
    return table(["", "size: cost", "greatest : first"], lines)


def reached(results: Results) -> str:
    """Every goal for which there is a measurement, and how far we are."""
    lines = []
    for goal in goals(results):
        if goal.measured is None:
            continue
        sign = "≤ " if goal.at_most else "≥ "
        bounds = ["–" if bound is None else f"{sign}{bound:g} {goal.unit}" for bound in (goal.floor, goal.goal)]
        lines.append([goal.text, *bounds, f"{number(goal.measured)} {goal.unit}", goal.verdict])
    return table(["", "floor", "goal", "measured", "reached"], lines)


def undone(results: Results) -> str:
    """What each technique bought: microseconds of both sides without it, and the ratio to the usual."""
    totals: dict[str, dict[tuple[str, str], list[float]]] = {}
    for row in results["undone"]:
        both = [server + client for server, client in zip(row["server_us"], row["client_us"], strict=True)]
        totals.setdefault(row["who"].partition("!")[2], {})[row["message"], row["shape"]] = both
    usual = totals.pop("")
    lines = [["as it is", *(number(middle(values)) for values in usual.values())]]
    for technique, cells in totals.items():
        shown = [f"{number(middle(found))} ({ratio(found, usual[cell]):.2f} ×)" for cell, found in cells.items()]
        lines.append([f"without: {TECHNIQUES[technique]}", *shown])
    return table(["", *(f"{MESSAGES[message].name}, {shape}" for message, shape in usual)], lines)


def machine(results: Results) -> str:
    """When it was measured, and on what."""
    about = results["about"]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in about.items())])
