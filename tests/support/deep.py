"""The state machine of test_pair.py for longer than CI has time: `[EXAMPLES] [--minutes N]`; or `planted`."""

import argparse
import contextlib
import io
import multiprocessing
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from support.life import STEPS, Life
from support.planted import BUGS, find

BATCH = 500
"""Examples that are drawn together."""


def batch(number):
    """Run one batch with chances of its own: how often each rule ran, and the failure's text, if any."""
    Life.ran.clear()
    chosen = settings(STEPS, max_examples=BATCH, derandomize=False, database=None, print_blob=True)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            run_state_machine_as_test(Life, settings=chosen)
    except Exception:  # noqa: BLE001 - whatever it is, it is the failure
        return dict(Life.ran), f"batch {number}\n{traceback.format_exc()}{printed.getvalue()}"
    return dict(Life.ran), None


def search(examples, minutes):
    """Run batches on all cores until there are enough examples, a failure, or no time left."""
    start, ran, failure = time.monotonic(), Counter(), None
    with multiprocessing.get_context("spawn").Pool() as pool:
        for counts, text in pool.imap_unordered(batch, range(-(-examples // BATCH))):
            ran.update(counts)
            failure = text
            print(f"\r{ran['begin']} examples", end="", file=sys.stderr, flush=True)
            if failure or ran["begin"] >= examples or time.monotonic() - start > minutes * 60:
                break
        pool.terminate()
    print(file=sys.stderr)
    seconds = time.monotonic() - start
    done = ran.pop("begin", 0)
    print(f"{done} examples, {ran.total()} steps, {seconds:.0f} s")
    for name, count in ran.most_common():
        print(f"{count:>10}  {name}")
    if failure:
        print(failure)
    elif done < examples:
        print(f"the time was up before all {examples} examples had run")
    return 1 if failure else 0


def planted():
    """Plant each bug, and say how long it lived."""
    print(f"{'bug':<32} {'examples':>8} {'steps':>6} {'seconds':>7}  found by")
    alive = 0
    for name in BUGS:
        with contextlib.redirect_stdout(io.StringIO()):
            failure, examples, steps, seconds = find(name, derandomize=True)
        alive += failure is None
        print(f"{name:<32} {examples:>8} {steps:>6} {seconds:>7.2f}  {failure or 'NOTHING'}")
    return 1 if alive else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", default="50000", help="how many examples, or `planted`")
    parser.add_argument("--minutes", type=float, default=60, help="when to stop in any case")
    chosen = parser.parse_args()
    return planted() if chosen.what == "planted" else search(int(chosen.what), chosen.minutes)


if __name__ == "__main__":
    sys.exit(main())
