"""How results are shown: Markdown tables, the same on a terminal and on the page."""

from collections.abc import Iterable, Sequence
from typing import Any

from .calls import SHAPES
from .contestants import BY_NAME, REFERENCE
from .payloads import MESSAGES
from .stats import middle, ratio, spread

Row = dict[str, Any]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose first column is text and whose others are numbers."""
    rule = ["---", *["--:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def number(value: float) -> str:
    """A number with three digits that mean something, or all of those before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def with_spread(values: Sequence[float]) -> str:
    """The median, and how far the rounds spread."""
    return f"{number(middle(values))} ±{spread(values) * 100:.0f} %"


def label(name: str) -> str:
    """What a contestant is called, with a mark if a connection of it has one call in flight at most."""
    contestant = BY_NAME[name]
    return contestant.label + (" †" if contestant.one_at_a_time else "")


def rates(rows: Sequence[Row]) -> str:
    """Calls per second, and in brackets the ratio to the reference in the same round."""

    def cell(row: Row, cells: dict[str, Row]) -> str:
        text = with_spread(row["rate"])
        if REFERENCE in cells:
            text += f" ({ratio(row['rate'], cells[REFERENCE]['rate']):.2f} ×)"
        return text

    return _by_contestant(rows, cell)


def costs(rows: Sequence[Row]) -> str:
    """Microseconds of processor per call: server + client."""
    return _by_contestant(
        rows, lambda row, _: f"{number(middle(row['server_us']))} + {number(middle(row['client_us']))}"
    )


def latencies(rows: Sequence[Row]) -> str:
    """Milliseconds until the answer is there: p50 / p99."""

    def cell(row: Row, _: object) -> str:
        return " / ".join(number(middle(row[name]) / 1000) for name in ("p50_us", "p99_us"))

    return _by_contestant(rows, cell)


def _by_contestant(rows: Sequence[Row], cell: Any) -> str:
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


def core(figures: dict[str, list[float]]) -> str:
    """The core alone beside the textbook's way: microseconds per call through both sides."""
    lines = []
    for name, message in MESSAGES.items():
        ours, book = figures[f"{name} core"], figures[f"{name} textbook"]
        lines.append([message.name, with_spread(ours), with_spread(book), f"{ratio(book, ours):.2f} ×"])
    return table(["", "core, µs", "textbook, µs", "faster by"], lines)
