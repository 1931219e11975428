"""The pages about the test kit: their tests pass, their reference is fresh and complete."""

import ast
import re
from pathlib import Path

import pytest
from support.generators import generator

import ocpp_rpc_anyio.testing
import ocpp_rpc_trio.testing
from ocpp_rpc_core import testing

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (DOCS / "tutorials" / "test-your-station.md", DOCS / "how-to" / "test-without-a-network.md")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WITH_TESTS = [
    (page, block)
    for page in PAGES
    for block in BLOCK.findall(page.read_text(encoding="utf-8"))
    if re.search(r"^def test_", block, re.MULTILINE)
]


@pytest.mark.parametrize("adapter", ["anyio", "trio"])
@pytest.mark.parametrize(("page", "block"), WITH_TESTS, ids=lambda value: getattr(value, "stem", "block"))
def test_the_tests_on_a_page_pass(page, block, adapter):
    """Each test in a block, with new fixtures; the other blocks are run with all examples."""
    fixtures = {"ocpp_csms": testing.FakeCSMS, "ocpp_pair": testing.Pair}
    names = {"__name__": "page"}
    exec(compile(block.replace("anyio", adapter), str(page), "exec"), names)
    tests = [node for node in ast.parse(block).body if isinstance(node, ast.FunctionDef) and node.name[:5] == "test_"]
    assert tests
    for test in tests:
        names[test.name](*(fixtures[argument.arg]() for argument in test.args.args))


def test_there_are_tests():
    """On both pages."""
    assert {page for page, _ in WITH_TESTS} == {*PAGES}


def test_the_reference_is_fresh(monkeypatch):
    """It is what `docs/generate_testing.py` makes now."""
    generate = generator("generate_testing")
    monkeypatch.setattr(generate.main.__globals__["sys"], "argv", ["generate_testing.py", "--check"])
    generate.main(generate.PAGES, generate.SCRIPT)


def test_the_reference_is_complete():
    """Every public name of the kit has a heading, every public member of its classes is on the page."""
    page = (DOCS / "reference" / "testing.md").read_text(encoding="utf-8")
    for name in testing.__all__:
        assert re.search(rf"^##+ .*\b{name}\b", page, re.MULTILINE), name
        thing = getattr(testing, name)
        if isinstance(thing, type):
            for member in vars(thing):
                assert member.startswith("_") or f".{member}" in page or f"`{member}`" in page, f"{name}.{member}"
    for module in (ocpp_rpc_anyio.testing, ocpp_rpc_trio.testing):
        for name in ("run", "until", "plugged", "stream_to", "memory_streams", "MemoryStream"):
            assert hasattr(module, name)
            assert name in page


@pytest.mark.parametrize("page", [*PAGES, DOCS / "reference" / "testing.md"])
def test_fixtures_that_are_named_exist(page):
    """And those that exist are named on the page about them."""
    plugin = (ROOT / "ocpp_rpc_core" / "testing" / "pytest_plugin.py").read_text(encoding="utf-8")
    fixtures = {*re.findall(r"^def (ocpp_\w+)\(", plugin, re.MULTILINE)}
    text = page.read_text(encoding="utf-8")
    assert {*re.findall(r"`(ocpp_(?!rpc)\w+)`", text)} <= fixtures
    if page is PAGES[1]:
        assert {*re.findall(r"^\| `(ocpp_\w+)` \|", text, re.MULTILINE)} == fixtures
