"""The pages agree with the code and with each other: what is generated is fresh, links lead somewhere."""

import dataclasses
import importlib.util
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from ocpp_rpc_core import _settings, actions, events, notices
from ocpp_rpc_core._door import Door
from ocpp_rpc_core._lifecycle import MOVES, Phase, Trigger
from ocpp_rpc_core.config import ClientOptions, ServerOptions

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")])
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")

SPEC = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
generate = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(generate)

sys.path.append(str(ROOT))  # behind whatever is installed
bench = importlib.import_module("benchmarks.page")


def text(path):
    return path.read_text(encoding="utf-8")


def prose(path):
    return FENCE.sub("", text(path))


def anchors(path):
    """The names by which the headings of a page are linked to."""
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# --- Links -----------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    """Each relative link names a file of the repository, and a heading in it if it names one."""
    for link in LINK.findall(prose(page)):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_file(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_can_be_found():
    """The index leads to each page, directly."""
    index = DOCS / "README.md"
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in LINK.findall(text(index))}
    assert set(DOCS.rglob("*.md")) - {index} <= linked
    assert index in {(ROOT / link).resolve() for link in LINK.findall(text(ROOT / "README.md"))}


# --- Generated pages ---------------------------------------------------------------


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_pages_are_fresh(name):
    """A page made from the code is what `docs/generate.py` makes now."""
    assert text(DOCS / "reference" / name) == generate.BANNER + generate.PAGES[name](), "run docs/generate.py"


def test_the_generator_says_what_is_out_of_date(tmp_path, monkeypatch):
    """`--check` fails with the page's name and writes nothing; without it, the page is written."""
    monkeypatch.setattr(generate, "REFERENCE", tmp_path)
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    with pytest.raises(SystemExit, match=r"events\.md, options\.md, lifecycle\.md"):
        generate.main()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(sys, "argv", ["generate.py"])
    generate.main()
    assert {path.name for path in tmp_path.iterdir()} == set(generate.PAGES)
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    generate.main()


def test_the_page_of_events_is_complete():
    """Every event and every field of it is there."""
    page = text(DOCS / "reference" / "events.md")
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)$", page, re.MULTILINE))
    assert set(rows) == {kind.__name__ for kind in get_args(notices.Notice)}
    for kind in get_args(notices.Notice):
        for field in dataclasses.fields(kind):
            assert f"`{field.name}: " in rows[kind.__name__]


def test_the_page_of_options_is_complete():
    """Every option that an adapter takes is there, and no other."""
    page = text(DOCS / "reference" / "options.md")
    door = page[page.index("### Door") : page.index("## Client only")]
    assert re.findall(r"^\| `(\w+)` \|", door, re.MULTILINE) == [field.name for field in dataclasses.fields(Door)]
    page = page.replace(door, "")
    rows = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    taken = {
        name
        for settings in (_settings.PeerSettings, _settings.ServerSettings, _settings.ClientSettings)
        for name in inspect.get_annotations(settings)
    }
    assert rows == taken - {"duplicates"} | {"endpoint", "identity"}
    assert "`duplicates`" in page
    fields = {field.name for kind in (ClientOptions, ServerOptions) for field in dataclasses.fields(kind) if field.init}
    assert rows == fields - set(generate.MADE_BY_US)


def test_the_page_of_the_lifecycle_is_complete():
    """Every phase has a row, and every move that is not an end an arrow."""
    page = text(DOCS / "reference" / "lifecycle.md")
    for phase in Phase:
        assert len(re.findall(rf"^\| `{phase.name}` \|", page, re.MULTILINE)) == 2
    arrows = set(re.findall(r"^    (\w+) --> (\w+): (\w+)$", page, re.MULTILINE))
    moves = {(start.name, end.name, trigger.name) for (start, trigger), end in MOVES.items()}
    ends = {(phase.name, "CLOSED", Trigger.END.name) for phase in Phase}
    assert arrows == moves - ends | {("PARTING", "CLOSED", "END")}


# --- Performance -------------------------------------------------------------------


RESULTS = json.loads(text(bench.RESULTS))


def test_the_page_of_performance_shows_what_was_measured():
    """Its tables are those that the results give, all of them, and no other."""
    page = text(bench.PAGE)
    assert sorted(bench.names(page)) == sorted(bench.made(RESULTS)) == sorted(bench.TABLES)
    assert bench.filled(page, RESULTS) == page, "run `nox -s bench -- --plot`"


@pytest.mark.parametrize("name", bench.PLOTS)
def test_the_plots_show_what_was_measured(name):
    """They say of which results they were made, and are no burden to the repository."""
    plot = text(bench.DOCS / name)
    assert bench.digest(RESULTS) in plot, "run `nox -s bench -- --plot`"
    assert len(plot) < 100_000


def test_the_results_tell_nothing_of_the_machine_but_its_class():
    """No path and no name of a host or user."""
    kept = text(bench.RESULTS)
    assert "/" not in kept
    assert re.fullmatch(r"\w+ \w+, \d+ cores(, \d+ GB)?", RESULTS["about"]["machine"])
    assert set(RESULTS) == {part for part, _ in bench.TABLES.values()} | {"core_speed"}
    assert not any("@" in row["who"] for row in RESULTS["calls"] + RESULTS["idle"])


# --- What else the pages say ----------------------------------------------------------


def test_the_guide_for_adapters_names_every_event():
    """Whoever writes an adapter learns of everything there is to tell."""
    page = text(DOCS / "how-to" / "write-an-adapter.md")
    for kind in get_args(events.Event):
        assert f"`{kind.__name__}`" in page


def test_the_example_driver_does_every_action():
    """Its `match` names each, although a type checker would say so, too."""
    source = text(DOCS / "how-to" / "asyncio_driver.py")
    assert set(re.findall(r"\ba\.(\w+)", source)) - {"Action"} == {kind.__name__ for kind in get_args(actions.Action)}


def test_the_modules_on_the_floors_exist():
    """The list of floors names modules of the core only."""
    page = text(DOCS / "explanation" / "architecture.md")
    floors = page.partition("## Floors")[2].partition("\n## ")[0]
    for name in re.findall(r"`(\w+)`", floors):
        assert importlib.util.find_spec(f"ocpp_rpc_core.{name}") is not None, name


def test_the_commands_of_the_readme_are_those_that_are_checked():
    """The README and CONTRIBUTING say what `.ci/run` runs, and the sessions they name exist."""
    commands = re.findall(r"^```sh\n(.*?)^```$", text(ROOT / "README.md"), re.MULTILINE | re.DOTALL)
    assert [command.rstrip("\n") for command in commands] == [
        "python3 -m venv .venv && .venv/bin/pip install -q '.[all]' && .venv/bin/ocpp-rpc demo",
        "python3 -m venv .venv && .venv/bin/pip install -q nox && .venv/bin/nox -s tests",
    ]
    assert commands[1] in text(ROOT / ".ci" / "run")
    assert commands[1] in text(ROOT / "CONTRIBUTING.md")
    noxfile = text(ROOT / "noxfile.py")
    assert "def tests(session" in noxfile
    assert '"demo"' in noxfile  # the session `wheel` runs it from an installed wheel


def test_the_demo_exists():
    """`ocpp-rpc` has the commands that the README names."""
    pytest.importorskip("cyclopts")
    listed = re.search(r"^\| Command line \| (.*) \|$", text(ROOT / "README.md"), re.MULTILINE)[1]
    names = re.findall(r"`(?:ocpp-rpc )?(\w+)`", listed)
    run = subprocess.run(
        [sys.executable, "-m", "ocpp_rpc_anyio.cli", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(names) <= set(run.stdout.split())
