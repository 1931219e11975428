"""Which tests prove which row of the reference pages: recorded by pytest (`--proof FILE`), then judged as a script."""

import json
import re
import sys
from pathlib import Path

BACKENDS = ("trio", "anyio-asyncio", "anyio-trio")
"""Where a test of the adapters must pass; any other test runs on "core" alone."""
REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
ROW = re.compile(r"^\| ([SCEPBTWJ]?\d+) \|.*\| (.+?) \|$", re.MULTILINE)
ADAPTED = ("S", "C", "P")
"""How the ids of features begin that users meet in the adapters, so that the core alone cannot prove them."""
UNTESTED = ("application", "not yet", "partly", "outside")
"""How the state of a row begins that needs no test: it is somebody else's, or a plan, or not whole so far."""
PAGES = {"feature": "features.md", "rule": "conformance.md", "threat": "threats.md"}
"""Where the rows of each marker are."""
LINE = "{:<5} {:>5}  {:<30} {:<64} {}"


class Recorder:
    """A pytest plugin that writes what became of each marked test: `{kind, id, test, backend, outcome}`."""

    def __init__(self, path):
        self._path = Path(path)
        self._seen = {}

    def pytest_collection_modifyitems(self, items):
        """Have every report say what its test proves, and where; that also reaches another process."""
        for item in items:
            backend = backend_of(item)
            for marker in item.iter_markers():
                if marker.name in PAGES:
                    item.user_properties.append(("proves", [marker.name, str(marker.args[0]), backend]))

    def pytest_runtest_logreport(self, report):
        """A test has passed if its call has, and neither what came before nor what came after failed."""
        if report.when == "call" or not report.passed:
            outcome = "failed" if self._seen.get(report.nodeid, (0, ""))[1] == "failed" else report.outcome
            self._seen[report.nodeid] = report.user_properties, outcome

    def pytest_sessionfinish(self, session):
        """Write it, unless this process runs only a part of the tests."""
        if not hasattr(session.config, "workerinput"):
            self._path.write_text(json.dumps(list(self._records()), indent=1), encoding="utf-8")

    def _records(self):
        for test, (properties, outcome) in self._seen.items():
            for kind, number, backend in (value for name, value in properties if name == "proves"):
                yield {"kind": kind, "id": number, "test": test, "backend": backend, "outcome": outcome}


def backend_of(item):
    """The combination that a test of the adapters runs on, or "core"."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    return params.get("env") or params.get("net") or "core"


def rows(kind):
    """Id -> state of each row of the page that must be proven or told."""
    page = PAGES[kind]
    found = dict(ROW.findall((REFERENCE / page).read_text(encoding="utf-8")))
    assert found, f"{page} has no rows"
    return found


def judge(number, state, records):
    """The cells of a row, and what it lacks ("" for nothing); `records` are those of its id."""
    tests = sorted({record["test"].partition("[")[0] for record in records})
    passed = {record["backend"] for record in records if record["outcome"] == "passed"}
    failed = sorted({record["test"] for record in records if record["outcome"] == "failed"})
    of_adapters = number.startswith(ADAPTED) or {record["backend"] for record in records} & set(BACKENDS)
    missing = [name for name in BACKENDS if of_adapters and name not in passed]
    lack = ""
    if failed:
        lack = f"failed: {failed[0]} and {len(failed) - 1} more" if failed[1:] else f"failed: {failed[0]}"
    elif not passed and not state.startswith(UNTESTED):
        lack = "no test"
    elif missing:
        lack = f"not passed on {', '.join(missing)}"
    where = "all" if passed > set(BACKENDS) else ", ".join(name for name in (*BACKENDS, "core") if name in passed)
    name = tests[0].rpartition("/")[2].replace("::", " ") if tests else "-"
    return len(tests), where or "-", name, lack


def main(kind, path):
    """Print the table of all features, rules or threats; the exit status is 1 if a row lacks something."""
    records = json.loads(Path(path).read_text(encoding="utf-8"))
    print(LINE.format("id", "tests", "passed on", "for example", "result"))
    lacking = 0
    for number, state in rows(kind).items():
        mine = [record for record in records if (record["kind"], record["id"]) == (kind, number)]
        count, where, name, lack = judge(number, state, mine)
        told = "passed" if count else re.split("[:,;]", state)[0]
        print(LINE.format(number, count, where, name, f"LACKING: {lack}" if lack else told))
        lacking += bool(lack)
    print(f"{lacking} lacking" if lacking else "complete")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
