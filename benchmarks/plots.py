"""The pictures of the page, made from its results: calls per second by contestant, and what grows."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from .calls import SHAPES
from .contestants import named
from .page import PLOTS, digest
from .payloads import MESSAGES
from .stats import middle
from .tables import SERIES

Results = dict[str, Any]
COLORS = {
    "trio": "#1b6ca8",
    "trio-speed": "#0b3c5d",
    "anyio": "#3fa34d",
    "anyio-uvloop": "#1d6b2c",
    "anyio-trio": "#8a6fb0",
    "node": "#d1802c",
    "ocpp": "#b9b9b9",
    "ocpp-tuned": "#7d7d7d",
}

mpl.rcParams.update(
    {"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 8, "axes.spines.top": False}
    | {"axes.spines.right": False, "axes.axisbelow": True}
)


def draw(results: Results, folder: Path) -> list[Path]:
    """Write the pictures that these results give."""
    written = []
    for name, part, make in zip(PLOTS, ("calls", "growth"), (_calls, _growth), strict=True):
        if part in results:
            figure = make(results)
            path = folder / name
            about = {"Date": None, "Creator": None, "Description": digest(results)}
            figure.savefig(path, metadata=about, bbox_inches="tight")
            plt.close(figure)
            # As `git diff --check` and editors like it.
            path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
            written.append(path)
    return written


def _calls(results: Results) -> Any:
    rows = {(row["message"], row["shape"], row["who"]): middle(row["rate"]) for row in results["calls"]}
    shapes = [shape for shape in SHAPES if any(key[1] == shape for key in rows)]
    messages = [message for message in MESSAGES if any(key[0] == message for key in rows)]
    names = list(dict.fromkeys(key[2] for key in rows))
    figure, axes = plt.subplots(1, len(shapes), figsize=(9, 3), sharey=True, squeeze=False)
    width = 0.8 / len(names)
    for shape, ax in zip(shapes, axes[0], strict=True):
        for number, name in enumerate(names):
            heights = [rows.get((message, shape, name), 0.0) for message in messages]
            places = [at + (number - (len(names) - 1) / 2) * width for at in range(len(messages))]
            ax.bar(places, heights, width, color=COLORS[name], label=named(name).label)
        ax.set_yscale("log")
        ax.set_title(SHAPES[shape].label)
        ax.set_xticks(range(len(messages)), messages)
        ax.grid(axis="y", linewidth=0.3)
    axes[0][0].set_ylabel("calls per second")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="upper center", ncols=4, bbox_to_anchor=(0.5, 0.02))
    return figure


def _growth(results: Results) -> Any:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
    for name, (text, _) in SERIES.items():
        series = results["growth"][name]
        sizes = [int(size) for size in series]
        costs = [middle(values) for values in series.values()]
        left.plot(sizes, [cost / costs[0] for cost in costs], marker=".", label=text)
    left.set_title("in the core: cost, relative to the smallest size")
    _flat(left, 3)
    left.legend(fontsize=6, frameon=False)
    rows = results.get("idle", [])
    for name in dict.fromkeys(row["who"] for row in rows):
        mine = [row for row in rows if row["who"] == name]
        costs = [middle(row["server_us"]) for row in mine]
        sizes = [row["connections"] for row in mine]
        right.plot(sizes, costs, marker=".", color=COLORS[name], label=named(name).label)
    right.set_title("over sockets: server µs per call, by connections")
    right.set_xscale("log")
    right.set_ylim(bottom=0)
    right.grid(linewidth=0.3)
    if rows:
        right.legend(fontsize=6, frameon=False)
    return figure


def _flat(ax: Axes, top: float) -> None:
    ax.set_xscale("log")
    ax.set_ylim(0, top)
    ax.axhline(1.3, color="#999999", linewidth=0.6, linestyle="--")
    ax.grid(linewidth=0.3)
