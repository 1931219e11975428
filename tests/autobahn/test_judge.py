"""The judgement of Autobahn's report: nothing less than every case in order passes."""

import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("autobahn_suite", Path(__file__).with_name("suite.py"))
suite = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(suite)


def case(behavior="OK", close="OK"):
    """A case as the suite reports it."""
    return {"behavior": behavior, "behaviorClose": close, "duration": 1}


def test_all_in_order():
    """Three cases have no right or wrong, every other one must be OK."""
    report = {"1.1.1": case(), "7.1.6": case("INFORMATIONAL", "INFORMATIONAL")}
    assert suite.judge(report, 2) == ({"OK": 1, "INFORMATIONAL": 1}, [])


@pytest.mark.parametrize(
    "found",
    [case("FAILED"), case("NON-STRICT"), case("UNIMPLEMENTED"), case("INFORMATIONAL"), case(close="FAILED")],
)
def test_a_case_not_in_order(found):
    """A case that is merely not strict, or whose closing is wrong, is a problem."""
    counts, problems = suite.judge({"1.1.1": case(), "2.1": found}, 2)
    assert sum(counts.values()) == 2
    assert problems == [f"2.1: {found['behavior']}, close: {found['behaviorClose']}"]


def test_a_truncated_report():
    """Cases that did not run are a problem."""
    assert suite.judge({"1.1.1": case()}, 247) == ({"OK": 1}, ["1 cases ran, not 247"])
