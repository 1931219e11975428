"""What is made of results: tables, the page, verdicts."""

import json

import pytest

from benchmarks import page, tables
from benchmarks.goals import Goal, goals


def row(who, rate, message="sn", shape="c32", **figures):
    """A row of calls, measured in two rounds."""
    others = {"server_us": [10, 10], "client_us": [20, 20], "p50_us": [500, 500], "p99_us": [2500, 2500]}
    return {"message": message, "shape": shape, "who": who, "rate": rate, **others, **figures}


@pytest.mark.parametrize(("value", "text"), [(12345.6, "12,346"), (99.96, "100.0"), (12.34, "12.3"), (0.126, "0.13")])
def test_numbers_have_three_digits(value, text):
    """Or all of those before the point."""
    assert tables.number(value) == text


def test_rates_have_a_ratio_to_the_reference():
    """In the same round; whoever was not measured in a cell has a dash."""
    results = {"calls": [row("trio", [300, 100]), row("node", [150, 50]), row("node", [80, 80], shape="c1")]}
    assert tables.rates(results).splitlines() == [
        "|  | ours, trio | npm ocpp-rpc |",
        "| --- | --: | --: |",
        "| StatusNotification, 1 connection × 32 in flight | 200 ±50 % (2.00 ×) | 100 ±50 % (1.00 ×) |",
        "| StatusNotification, 1 connection × 1 in flight | – | 80.0 ±0 % (1.00 ×) |",
    ]


def test_there_is_no_ratio_without_the_reference():
    """Then a number stands alone; who has one call in flight at most is marked."""
    assert "| PyPI ocpp † |" in tables.rates({"calls": [row("ocpp", [100, 100])]})
    assert tables.rates({"calls": [row("ocpp", [100, 100])]}).endswith("| 100 ±0 % |")


def test_costs_and_latencies():
    """Processor time of both sides and the ratio of its sum; times in milliseconds."""
    results = {"calls": [row("trio", [1, 1]), row("node", [1, 1], client_us=[50, 50])]}
    assert tables.costs(results).endswith("| 10.0 + 20.0 (0.50 ×) | 10.0 + 50.0 (1.00 ×) |")
    assert tables.latencies(results).endswith("| 0.50 / 2.50 | 0.50 / 2.50 |")


def test_idle_connections_are_shown_from_a_thousand_on():
    """With one, memory per connection is noise."""
    figures = ("kb", "kb_called", "connects", "first_p50_us", "first_p99_us", "server_us")
    rows = [{"connections": size, "who": "trio", **{name: [20.0] for name in figures}} for size in (1, 1000)]
    assert tables.idle({"idle": rows}).splitlines()[2:] == [
        "| 1,000 × ours, trio | 20.0 | 20.0 | 20.0 | 0.02 / 0.02 | 20.0 |"
    ]


def test_growth_is_told_by_its_worst_size():
    """Every series has a line, with all of its sizes."""
    results = {"growth": {name: {"1": [2.0], "10": [3.0], "100": [2.5]} for name in tables.SERIES}}
    lines = tables.grown(results).splitlines()[2:]
    assert len(lines) == len(tables.SERIES)
    assert all(line.endswith("| 1: 2.00, 10: 3.00, 100: 2.50 | 1.50 × |") for line in lines)


@pytest.mark.parametrize(
    ("measured", "at_most", "verdict"),
    [
        (2.0, False, "goal"),
        (1.5, False, "floor"),
        (0.9, False, "below the floor"),
        (None, False, "not measured"),
        (0.9, True, "goal"),
        (1.0, True, "floor"),
        (1.1, True, "below the floor"),
    ],
)
def test_verdicts(measured, at_most, verdict):
    """A bound that is met exactly is met."""
    floor, wanted = (1.0, 0.9) if at_most else (1.0, 2.0)
    assert Goal("", floor, wanted, measured, at_most=at_most).verdict == verdict


def test_a_goal_without_a_floor_is_reached_or_not_yet():
    """Nothing is below a floor that is not there, and the table has a dash for it."""
    assert [Goal("", None, 2.0, measured).verdict for measured in (1.9, 2.0)] == ["not yet", "goal"]


def test_goals_are_judged_by_what_was_measured():
    """Only what the results have is shown, with its bounds."""
    results = {"calls": [row("trio", [170, 170]), row("node", [100, 100])]}
    assert tables.reached(results).splitlines()[2:] == ["| sn c32, trio : Node | ≥ 1.5 × | ≥ 2 × | 1.70 × | floor |"]
    assert all(goal.verdict == "not measured" for goal in goals({}))


def test_the_file_of_results_has_a_line_for_all_rounds():
    """It is read by people, too, who compare two of them."""
    results = {"calls": [{"who": "trio", "rate": [1.5, 2]}]}
    assert '   "rate": [1.5, 2]\n' in page.written(results)
    assert json.loads(page.written(results)) == results


def test_the_page_is_filled_with_what_there_is():
    """Tables without results stay as they are, and filling twice changes nothing."""
    text = "a\n<!-- table: machine -->\nstale\n<!-- end -->\nb\n<!-- table: cold -->\nkept\n<!-- end -->\n"
    filled = page.filled(text, {"about": {"date": "today"}})
    assert "stale" not in filled
    assert "| date | today |" in filled
    assert "\nkept\n" in filled
    assert page.filled(filled, {"about": {"date": "today"}}) == filled
    assert page.names(text) == ["machine", "cold"]
