"""The page of results: which of its tables are made from which part of the results, and how they get there."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import tables

DOCS = Path(__file__).parents[1] / "docs" / "explanation"
PAGE = DOCS / "performance.md"
RESULTS = DOCS / "bench.json"
PLOTS = ("performance-calls.svg", "performance-growth.svg")

Results = dict[str, Any]
TABLES: dict[str, tuple[str, Callable[[Results], str]]] = {
    "machine": ("about", tables.machine),
    "rates": ("calls", tables.rates),
    "costs": ("calls", tables.costs),
    "latencies": ("calls", tables.latencies),
    "idle": ("idle", tables.idle),
    "core": ("core_plain", tables.core),
    "parts": ("core_plain", tables.parts),
    "cold": ("cold", tables.cold),
    "growth": ("growth", tables.grown),
    "undone": ("undone", tables.undone),
    "goals": ("about", tables.reached),
}
"""By the name in the page's comments: the part of the results without which there is no table, and its maker."""

_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def made(results: Results) -> dict[str, str]:
    """The tables that these results give."""
    return {name: make(results) for name, (part, make) in TABLES.items() if part in results}


def filled(page: str, results: Results) -> str:
    """The page with the tables of these results in place of its own; the others stay."""
    found = made(results)

    def fill(block: re.Match[str]) -> str:
        opening, name, closing = block.groups()
        return f"{opening}\n{found[name]}\n\n{closing}" if name in found else block[0]

    return _BLOCK.sub(fill, page)


def written(results: Results) -> str:
    """The text of a file of results, with the figures of all rounds on one line."""
    text = json.dumps(results, indent=1)
    return re.sub(r"\[([^][{}]*)\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def digest(results: Results) -> str:
    """Stands for these results in what is made of them."""
    text = json.dumps(results, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def names(page: str) -> list[str]:
    """The tables that the page has, in order."""
    return [name for _, name, _ in _BLOCK.findall(page)]
