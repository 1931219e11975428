"""Runs the Autobahn suite against our ends, and judges what it found.

    python suite.py WSTEST FOLDER [all] [server] [client] [trio] [anyio-asyncio] [anyio-trio]

`WSTEST` is the suite's program; reports and a summary go to `FOLDER`.  Without `all` only the core cases run;
without a role both do, and without an adapter trio and anyio on asyncio.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path

HERE = Path(__file__).parent
ROLES = ("server", "client")
ADAPTERS = ("trio", "anyio-asyncio", "anyio-trio")
GROUPS = {
    "core": (["*"], ["9.*", "12.*", "13.*"], 247),
    "large messages": (["9.*"], [], 54),
    "compression": (["12.*", "13.*"], [], 216),
}
"""Name: the cases, without these, how many there are.  Split, because the suite reports only at the end."""
INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}
"""Cases in which whatever a testee does is right."""
TESTEE = "ocpp-rpc"
LIMIT = 3600
"""Seconds that a group may take."""


@dataclass
class Verdict:
    """What became of one group of cases."""

    role: str
    adapter: str
    group: str
    seconds: float
    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def judge(report, expected):
    """The number of cases by behaviour, and what is wrong: a case that failed, is not strict, or did not run."""
    counts = Counter(case["behavior"] for case in report.values())
    problems = [
        f"{name}: {case['behavior']}, close: {case['behaviorClose']}"
        for name, case in report.items()
        if case["behavior"] != ("INFORMATIONAL" if name in INFORMATIONAL else "OK")
        or case["behaviorClose"] not in ("OK", "INFORMATIONAL")
    ]
    if len(report) != expected:
        problems.append(f"{len(report)} cases ran, not {expected}")
    return dict(counts), problems


def run(wstest, folder, role, adapter, group):
    """Run one group of cases, and judge it."""
    place = folder / f"{role}-{adapter}-{group.replace(' ', '-')}"
    place.mkdir(parents=True, exist_ok=True)
    (place / "index.json").unlink(missing_ok=True)
    cases, excluded, expected = GROUPS[group]
    wish = {"outdir": str(place), "cases": cases, "exclude-cases": excluded, "exclude-agent-cases": {}}
    began = time.monotonic()
    try:
        (fuzz_server if role == "server" else fuzz_client)(wstest, place, wish, adapter)
        report = json.loads((place / "index.json").read_text(encoding="utf-8"))
        counts, problems = judge(report[TESTEE], expected)
    except (OSError, RuntimeError, KeyError, subprocess.SubprocessError) as error:
        counts, problems = {}, [f"{type(error).__name__}: {error}; see {place}"]
    return Verdict(role, adapter, group, round(time.monotonic() - began, 1), counts, problems)


def fuzz_server(wstest, place, wish, adapter):
    """The suite is the client, and our server the testee."""
    with process([sys.executable, str(HERE / "testee.py"), "server", adapter], place / "testee.log") as testee:
        port = int(testee.stdout.readline() or 0)
        wish["servers"] = [{"agent": TESTEE, "url": f"ws://127.0.0.1:{port}/testee"}]
        with process([wstest, "-m", "fuzzingclient", "-s", spec(place, wish)], place / "wstest.log") as suite:
            suite.communicate(timeout=LIMIT)


def fuzz_client(wstest, place, wish, adapter):
    """The suite is the server, and our client the testee."""
    port = free_port()
    wish["url"] = f"ws://127.0.0.1:{port}"
    command = [wstest, "-u", "0", "-m", "fuzzingserver", "-s", spec(place, wish)]  # no port for web pages
    with process(command, place / "wstest.log") as suite:
        wait_for(port, suite)
        command = [sys.executable, str(HERE / "testee.py"), "client", adapter, str(port)]
        with process(command, place / "testee.log") as testee:
            testee.communicate(timeout=LIMIT)
        if testee.returncode:
            raise RuntimeError(f"the client ended with {testee.returncode}")


def spec(place, wish):
    """The suite's configuration, in a file."""
    path = place / "spec.json"
    path.write_text(json.dumps(wish), encoding="utf-8")
    return str(path)


@contextmanager
def process(command, log):
    """A process that does not outlive the block; what it complains of goes to a file."""
    env = os.environ | {"PYTHONPATH": str(HERE.parent)}
    with log.open("wb") as complaints:
        out = subprocess.PIPE if "testee.py" in command[1] else complaints
        child = subprocess.Popen(command, stdout=out, stderr=complaints, text=True, env=env)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, suite):
    """Wait until somebody listens there."""
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if suite.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError("the suite does not listen")


def main(wstest, folder, *words):
    """Run what the words ask for; the exit status is 1 if anything is wrong."""
    unknown = set(words) - {"all", *ROLES, *ADAPTERS}
    if unknown:
        raise SystemExit(f"what is {', '.join(sorted(unknown))}? See {__file__}")
    groups = list(GROUPS) if "all" in words else ["core"]
    roles = [role for role in ROLES if role in words] or ROLES
    adapters = [adapter for adapter in ADAPTERS if adapter in words] or ADAPTERS[:2]
    folder = Path(folder).resolve()
    jobs = [(wstest, folder, *job) for job in product(roles, adapters, groups)]
    with ThreadPoolExecutor(1 if "all" in words else 2) as pool:
        verdicts = list(pool.map(lambda job: shown(run(*job)), jobs))
    (folder / "summary.json").write_text(json.dumps([asdict(verdict) for verdict in verdicts], indent=1))
    return any(verdict.problems for verdict in verdicts)


def shown(verdict):
    """Print a verdict as soon as it is there."""
    counts = ", ".join(f"{number} {name}" for name, number in sorted(verdict.counts.items(), reverse=True))
    told = "\n    ".join([f"FAILED ({len(verdict.problems)})", *verdict.problems]) if verdict.problems else "passed"
    print(
        f"{verdict.role:<8}{verdict.adapter:<15}{verdict.group:<16}{verdict.seconds:>7.1f} s  {counts}  {told}",
        flush=True,
    )
    return verdict


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
