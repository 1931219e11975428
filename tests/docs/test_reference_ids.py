"""The rules and features that code and tests cite are those that the reference pages describe."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PACKAGES = [path for path in sorted(ROOT.glob("ocpp_rpc_*")) if path.is_dir()]

ROW = re.compile(r"^\| ([A-Z]?\d+) \|(.*)\|$", re.MULTILINE)
RULES = re.compile(r"\brules?\s+(\d+(?:(?:\s*-\s*|,\s*|\s+and\s+|\s+to\s+)\d+)*)", re.IGNORECASE)
ID = r"[SCEPB]\d+"
FEATURES = re.compile(rf"\bfeatures?\s+({ID}(?:(?:\s*-\s*|,\s*|\s+and\s+|\s+to\s+){ID})*)", re.IGNORECASE)
SPAN = re.compile(r"([A-Z]?)(\d+)(?:\s*(?:-|to)\s*\1(\d+))?")
MARKED = {kind: re.compile(rf"\b{kind}\(\"?(\w+)\"?\)") for kind in ("rule", "feature", "threat")}
OTHERS = re.compile(r"\b[TWJI]\d{1,2}\b")  # in docstrings of tests: "(I1, I5)", "W3, T1: ..."
STATES = ("enforced", "policy: ", "application", "not yet")


def rows(name):
    """Id -> cells of a page's tables, the id aside."""
    found = ROW.findall((REFERENCE / name).read_text(encoding="utf-8"))
    assert len(found) == len(dict(found)), "a number is given twice"
    return {number: [cell.strip() for cell in cells.split(" |")] for number, cells in found}


def sources(*folders):
    """Path -> text of the modules in these folders, generated ones aside."""
    paths = [path for folder in folders for path in folder.rglob("*.py") if not path.match("_schemas/ocpp*.py")]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def spelled_out(text):
    """The ids in "9-11" or "S14-S16, S20"."""
    for letter, first, last in SPAN.findall(text):
        for number in range(int(first), int(last or first) + 1):
            yield f"{letter}{number}"


RULE_ROWS = rows("rules.md")
CONFORMANCE_ROWS = rows("conformance.md")
FEATURE_ROWS = rows("features.md")
THREAT_ROWS = rows("threats.md")
CODE = sources(ROOT / "tests", *PACKAGES)
TESTS = {path: text for path, text in CODE.items() if path.startswith("tests/")}


def marked(kind):
    """The ids that a test is marked with."""
    return {number for text in TESTS.values() for number in MARKED[kind].findall(text)}


def test_the_pages_are_complete():
    """Every number has a row, and no cell is empty but for the name of a feature that has none."""
    assert list(RULE_ROWS) == list(CONFORMANCE_ROWS) == [str(number) for number in range(1, 57)]
    expected = {*spelled_out("S1-S29, C1-C31, E1-E9, P1-P4, B1-B20")}
    assert expected == {number for number in FEATURE_ROWS if re.fullmatch(ID, number)}
    for number, cells in RULE_ROWS.items():
        assert len(cells) == 3, number
        assert all(cells), number
    for number, (tests, state) in CONFORMANCE_ROWS.items():
        assert re.fullmatch(r"`\w+`(, `\w+`)*|none: .+", tests), number
        assert state.startswith(STATES), number
    for number, cells in FEATURE_ROWS.items():
        has_state = number in expected
        assert len(cells) == (3 if has_state else {"I": 1}[number[0]]), number
        assert cells[0], number
        assert cells[-1], number
        assert not has_state or re.fullmatch("works|(partly: |not yet).*", cells[-1]), number


@pytest.mark.parametrize(
    ("cited", "found"),
    [
        ("rule 7, and", "7"),
        ("(rules 7, 22-24)", "7 22 23 24"),
        ("Rules 1-2, 7 and 9:", "1 2 7 9"),
        ("rules 34\n    to 36", "34 35 36"),
        ("(features S14-S16, E3)", "S14 S15 S16 E3"),
    ],
)
def test_how_they_are_cited(cited, found):
    """Lists and spans are read, over the end of a line too."""
    matches = RULES.findall(cited) or FEATURES.findall(cited)
    assert [number for text in matches for number in spelled_out(text)] == found.split()


@pytest.mark.parametrize("path", CODE)
def test_what_is_cited_exists(path):
    """Each rule and feature that a docstring or a comment names has a row."""
    text = CODE[path]
    for cited in RULES.findall(text):
        assert set(spelled_out(cited)) <= set(RULE_ROWS), cited
    for cited in FEATURES.findall(text):
        assert set(spelled_out(cited)) <= set(FEATURE_ROWS), cited
    if path in TESTS:
        for docstring in re.findall(r'"""(.*?)"""', text, re.DOTALL):
            assert set(OTHERS.findall(docstring)) <= {*FEATURE_ROWS, *THREAT_ROWS}, docstring


def test_what_is_marked_exists():
    """Each id that a test is marked with has a row."""
    assert marked("rule") <= set(RULE_ROWS)
    assert marked("feature") <= {number for number in FEATURE_ROWS if re.fullmatch(ID, number)}
    assert marked("threat") <= set(THREAT_ROWS)


def test_the_page_of_threats_is_true():
    """Every number has a row, and each file that is said to prove one holds a test with its mark."""
    assert list(THREAT_ROWS) == [*spelled_out("T1-T24, W1-W12, J1-J3")]
    for number, cells in THREAT_ROWS.items():
        assert len(cells) == 3, number
        assert all(cells), number
        state, _, where = cells[-1].partition(": ")
        assert state in ("proven", "outside", "not yet"), number
        for name in where.split(", ") if state == "proven" else ():
            assert number in MARKED["threat"].findall(TESTS[f"tests/{name}.py"]), (number, name)


def test_what_works_is_proven():
    """A feature that works and a rule that is enforced have a test; what has a test is more than a plan."""
    for kind, found, proven in (("feature", FEATURE_ROWS, "works"), ("rule", CONFORMANCE_ROWS, ("enforced", "policy"))):
        states = {number: cells[-1] for number, cells in found.items()}
        assert {number for number, state in states.items() if state.startswith(proven)} <= marked(kind)
        assert not {number for number, state in states.items() if state.startswith("not yet")} & marked(kind)


def marks_of_tests():
    """Name of a test -> the rules it is marked with, in any file."""
    found = {}
    for text in TESTS.values():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                decorators = " ".join(map(ast.unparse, node.decorator_list))
                found.setdefault(node.name, set()).update(re.findall(r"mark\.rule\((\d+)\)", decorators))
    return found


def test_the_tests_of_each_rule():
    """Those that are named for a rule exist and are marked with it; a rule has none exactly if no test is marked."""
    marks = marks_of_tests()
    for number, (tests, _) in CONFORMANCE_ROWS.items():
        named = re.findall(r"`(\w+)`", tests)
        assert [name for name in named if number not in marks.get(name, ())] == [], number
        assert bool(named) is (number in marked("rule")), number


def test_the_markers_name_the_pages():
    """The descriptions of the markers lead to pages that exist."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    pages = {text.partition("(")[0]: re.findall(r"docs/\S+\.md", text) for text in options["markers"]}
    assert pages["rule"] == ["docs/reference/rules.md"]
    for named in pages.values():
        assert all((ROOT / page).is_file() for page in named)
