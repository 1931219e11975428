"""Measure how fast the library is, beside others in the same run."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from . import calls, idle, page
from .about import about
from .contestants import BY_NAME, Contestant, chosen
from .payloads import MESSAGES
from .undone import TECHNIQUES

PARTS = ("core", "cold", "growth", "calls", "undone", "idle")
WITH_IDLE = ("trio", "anyio", "anyio-uvloop", "anyio-trio", "node", "ocpp-tuned")
"""Who takes part with many connections: none that compresses, or differs from another only in JSON."""


def arguments(given: list[str]) -> argparse.Namespace:
    """What the command line says, lists taken apart and checked."""
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("quick", nargs="?", choices=["quick"], help="two short rounds: a look, not a measurement")
    for name, known, text in (
        ("parts", PARTS, "what to measure"),
        ("only", tuple(MESSAGES), "messages"),
        ("shape", tuple(calls.SHAPES), "connections and calls at once"),
    ):
        parser.add_argument(f"--{name}", default=list(known), type=_listed(known), help=f"{text}: {','.join(known)}")
    parser.add_argument("--who", type=_contestants, help=f"contestants: {','.join(BY_NAME)}", default=chosen(None))
    parser.add_argument("--rounds", type=int, help="of which the median is taken (5)")
    parser.add_argument("--seconds", type=float, help="of measuring, per round and cell (0.5)")
    parser.add_argument("--json", type=Path, help="a file to write the results to")
    parser.add_argument("--save", action="store_true", help="keep the results of a whole run, and make page and plots")
    parser.add_argument("--plot", action="store_true", help="measure nothing: make page and plots from what is kept")
    asked = parser.parse_args(given)
    asked.rounds = asked.rounds or (2 if asked.quick else 5)
    asked.seconds = asked.seconds or (0.12 if asked.quick else 0.5)
    whole = (list(PARTS), list(MESSAGES), list(calls.SHAPES), chosen(None))
    if asked.save and (asked.quick or (asked.parts, asked.only, asked.shape, asked.who) != whole):
        parser.error("what is kept is one whole run; use --json for others")
    asked.sizes = (1, 100, 1000) if asked.quick else idle.SIZES
    return asked


def _listed(known: tuple[str, ...]) -> Any:
    def names(text: str) -> list[str]:
        if unknown := sorted(set(text.split(",")) - set(known)):
            raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; there are {', '.join(known)}")
        return [name for name in known if name in text.split(",")]

    return names


def _contestants(text: str) -> list[Contestant]:
    try:
        return chosen(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def say(line: str) -> None:
    """How far it is, on standard error."""
    print(line, file=sys.stderr, flush=True)


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    """All results that were asked for."""
    results: dict[str, Any] = {"about": about(asked.rounds, asked.seconds)}
    rounds, quick = str(asked.rounds), "quick" if asked.quick else "full"
    if "core" in asked.parts:
        for name in ("plain", "speed"):
            say(f"the core alone, {name}")
            results[f"core_{name}"] = _child("core_alone", rounds, str(asked.seconds / 4), name)
    if "cold" in asked.parts:
        say("the first time")
        results["cold"] = _cold(asked.rounds)
    if "growth" in asked.parts:
        say("growth in the core")
        results["growth"] = _child("growth", rounds, quick)
    if "undone" in asked.parts:
        without = chosen(",".join(["anyio", *(f"anyio!{technique}" for technique in TECHNIQUES)]))
        every = {"rounds": asked.rounds, "seconds": asked.seconds, "say": say}
        results["undone"] = calls.measure(_there(without), ("sn", "te"), ("c1", "c32"), **every)
    if {"calls", "idle"} & set(asked.parts):
        there = _there(asked.who)
        every = {"rounds": asked.rounds, "seconds": asked.seconds, "say": say}
        if "calls" in asked.parts:
            results["calls"] = calls.measure(there, asked.only, asked.shape, **every)
        if "idle" in asked.parts:
            some = [contestant for contestant in there if contestant.name.partition("@")[0] in WITH_IDLE]
            every["rounds"] = min(asked.rounds, 1 if asked.quick else 3)
            results["idle"] = idle.measure(some, idle.allowed(asked.sizes, say), **every)
    return results


def _child(module: str, *arguments: str, **environment: str) -> Any:
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    return json.loads(subprocess.check_output(command, env={**os.environ, **environment}))


def _cold(rounds: int) -> dict[str, list[float]]:
    """New processes, with byte code that was made before the first that counts."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": folder}
        _child("cold", **settings)
        runs = [_child("cold", **settings) for _ in range(rounds)]
    return {name: [run[name] for run in runs] for name in runs[0]}


def _there(contestants: list[Contestant]) -> list[Contestant]:
    for contestant in contestants:
        if contestant.missing:
            say(f"without {contestant.name}: {contestant.missing} is not there")
    return [contestant for contestant in contestants if not contestant.missing]


def made(results: dict[str, Any]) -> None:
    """Make the page, and its plots."""
    from . import plots  # noqa: PLC0415 - matplotlib is not needed for the rest

    page.PAGE.write_text(page.filled(page.PAGE.read_text("utf-8"), results), "utf-8")
    for path in (page.PAGE, *plots.draw(results, page.DOCS)):
        say(f"made {path.name}")


def main(given: list[str]) -> None:
    """Measure, show, keep."""
    asked = arguments(given)
    if asked.plot:
        made(json.loads(page.RESULTS.read_text("utf-8")))
        return
    if asked.save and (missing := [contestant.missing for contestant in asked.who if contestant.missing]):
        sys.exit(f"what is kept is one whole run, and these are not there: {', '.join(missing)}")
    results = measured(asked)
    for name, text in page.made(results).items():
        print(f"\n{name}\n\n{text}")
    if asked.json:
        asked.json.write_text(json.dumps(results), "utf-8")
    if asked.save:
        page.RESULTS.write_text(page.written(results), "utf-8")
        made(results)


if __name__ == "__main__":
    main(sys.argv[1:])
