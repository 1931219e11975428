"""The command: which parts are measured, in which order, and where the results go."""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import calls, tables
from .contestants import CONTESTANTS, chosen
from .payloads import MESSAGES

PARTS = ("calls", "core")


def arguments(given: list[str]) -> argparse.Namespace:
    """What the command line says."""
    names = ",".join(contestant.name for contestant in CONTESTANTS)
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("quick", nargs="?", choices=["quick"], help="two short rounds: a look, not a measurement")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"which of {','.join(PARTS)}")
    parser.add_argument("--only", default=",".join(MESSAGES), help=f"which messages of {','.join(MESSAGES)}")
    parser.add_argument("--shape", default=",".join(calls.SHAPES), help=f"which of {','.join(calls.SHAPES)}")
    parser.add_argument("--who", help=f"which of {names}")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median is taken")
    parser.add_argument("--seconds", type=float, default=0.6, help="of measuring, per round and cell")
    parser.add_argument("--json", help="a file to write the results to")
    asked = parser.parse_args(given)
    if asked.quick:
        asked.rounds, asked.seconds = min(asked.rounds, 2), min(asked.seconds, 0.15)
    return asked


def say(line: str) -> None:
    """How far it is, on standard error."""
    print(line, file=sys.stderr, flush=True)


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    """All results that were asked for."""
    parts = asked.parts.split(",")
    results: dict[str, Any] = {}
    if "core" in parts:
        for name in ("plain", "speed"):
            say(f"the core alone, {name}")
            command = [sys.executable, "-m", "benchmarks.core_alone", str(asked.rounds), str(asked.seconds), name]
            results[f"core_{name}"] = json.loads(subprocess.check_output(command))
    if "calls" in parts:
        contestants = []
        for contestant in chosen(asked.who):
            if contestant.missing:
                say(f"without {contestant.name}: {contestant.missing} is not there")
            else:
                contestants.append(contestant)
        results["calls"] = calls.measure(
            contestants,
            asked.only.split(","),
            asked.shape.split(","),
            rounds=asked.rounds,
            seconds=asked.seconds,
            say=say,
        )
    return results


def main(given: list[str]) -> None:
    """Measure, show, keep."""
    asked = arguments(given)
    results = measured(asked)
    for name in ("plain", "speed"):
        if f"core_{name}" in results:
            print(f"\nThe core alone, both sides ({name})\n\n{tables.core(results[f'core_{name}'])}")
    if "calls" in results:
        print(f"\nCalls per second\n\n{tables.rates(results['calls'])}")
        print(f"\nProcessor time per call, µs, server + client\n\n{tables.costs(results['calls'])}")
        print(f"\nLatency, ms, p50 / p99\n\n{tables.latencies(results['calls'])}")
    if asked.json:
        Path(asked.json).write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
