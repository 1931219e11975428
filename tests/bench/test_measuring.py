"""The instrument works: what is measured is what it says, and its processes do what they are told."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import calls, core_alone, growth, idle, interleave, micro
from benchmarks.__main__ import arguments
from benchmarks.contestants import BY_NAME, chosen, named
from benchmarks.joined import Joined
from benchmarks.payloads import MESSAGES, charging_profile
from benchmarks.processes import EndError, Process
from benchmarks.undone import TECHNIQUES, UNDO
from ocpp_rpc_core.errors import RPCError
from ocpp_rpc_core.validation import standard_validator

ROOT = Path(__file__).parents[2]
SIZES = {"hb": 2, "sn": 150, "te": 2200, "scp": 1600}
"""Bytes, as the page says."""


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_are_valid(name):
    """By our own validators, both ways, and as large as the page says."""
    message = MESSAGES[name]
    judge = standard_validator(message.protocol)
    judge.validate_request(message.method, message.params)
    judge.validate_response(message.method, message.result)
    assert len(json.dumps(message.params, separators=(",", ":"))) == pytest.approx(SIZES[name], rel=0.05)


def test_a_long_charging_profile_is_valid():
    """With any number of periods."""
    standard_validator("ocpp1.6").validate_request("SetChargingProfile", charging_profile(1000))


def test_both_ways_of_a_call_give_its_result():
    """The core's and the textbook's; `calls` asserts it, and both can be timed."""
    rows = interleave.timed(core_alone.calls(), rounds=2, seconds=0.001)
    assert [row["name"] for row in rows] == [message.name for message in MESSAGES.values()]
    assert all(len(row[side]) == 2 and min(row[side]) > 0 for row in rows for side in ("ours", "theirs"))


def test_both_ways_of_a_part_do_the_same():
    """Frames are as long on either side, what is read is the same, and what is valid is so for both."""
    for pairing in micro.pairings():
        ours, theirs = pairing.ours(), pairing.theirs()
        if pairing.name.startswith("send"):
            assert len(ours) == len(theirs)
        elif pairing.name.startswith("receive"):
            assert list(ours) == [event.data for event in theirs]
        elif pairing.name.startswith("write"):
            assert json.loads(ours) == json.loads(theirs)
        elif pairing.name.startswith("read"):
            assert ours.raw == theirs
        else:
            assert ours is None


def test_two_connections_in_memory_are_strict():
    """What is measured includes validation."""
    pair = Joined("ocpp1.6")
    assert pair.call("StatusNotification", MESSAGES["sn"].params) == {}
    with pytest.raises(RPCError) as caught:
        pair.call("StatusNotification", {})
    assert caught.value.code == "OccurenceConstraintViolation"  # sic, in 1.6


@pytest.mark.parametrize(
    ("measure", "names"),
    [
        (growth.connections, {"call"}),
        (growth.queued, {"queue", "cancel", "turn"}),
        (growth.in_flight, {"settle"}),
        (growth.payloads, {"validate"}),
    ],
)
def test_growth_is_measured_at_every_size(measure, names):
    """A figure for each series and size."""
    found = measure((4, 8))
    assert set(found) == names
    assert all(list(figures) == [4, 8] and min(figures.values()) > 0 for figures in found.values())


def test_the_first_time_is_measured_in_a_new_process():
    """Imports come first, and nothing of ours is there before."""
    command = [sys.executable, "-m", "benchmarks.cold"]
    figures = json.loads(subprocess.check_output(command, cwd=ROOT))
    assert next(iter(figures)) == "import ocpp_rpc_core"
    assert {"validators of ocpp2.1", "first call of TransactionEvent"} <= set(figures)


@pytest.mark.parametrize("name", ["trio", "anyio"])
def test_calls_are_measured_over_sockets(name):
    """Every round gives every figure; 32 calls on one connection keep 32 waiting."""
    heard = []
    rows = calls.measure([BY_NAME[name]], ["sn"], ["c1", "c32"], rounds=1, seconds=0.05, say=heard.append)
    assert [(row["who"], row["shape"]) for row in rows] == [(name, "c1"), (name, "c32")]
    assert all(len(row[figure]) == 1 and row[figure][0] > 0 for row in rows for figure in calls.FIGURES)
    assert heard[-1].startswith(f"round 1: sn c32 {name}")


def test_idle_connections_are_measured():
    """Every figure is there; processor time may be too short to be seen, memory to have grown."""
    rows = idle.measure([BY_NAME["trio"]], [5], rounds=1, seconds=0.05, say=print)
    assert [(row["who"], row["connections"]) for row in rows] == [("trio", 5)]
    assert all(len(rows[0][figure]) == 1 for figure in idle.FIGURES)
    assert rows[0]["connects"][0] > 0


def test_sizes_beyond_the_limit_of_descriptors_are_left_out():
    """And said to be."""
    heard = []
    assert idle.allowed([1, 10**12], heard.append) == [1]
    assert heard[0].startswith("without 1000000000000 connections")


def test_an_end_that_stops_is_noticed():
    """With its name and what it was told."""
    with Process(BY_NAME["trio"]) as process, pytest.raises(EndError, match=r"trio stopped.*'nonsense'"):
        process.ask("nonsense")


# --- The command line --------------------------------------------------------------


def test_a_run_is_whole_unless_something_is_chosen():
    """Five rounds of everything; a look has two short ones."""
    asked = arguments([])
    assert (asked.rounds, asked.only, asked.shape) == (5, ["hb", "sn", "te", "scp"], ["c1", "c32", "n32"])
    assert "node" in [contestant.name for contestant in asked.who]
    assert asked.sizes == idle.SIZES
    look = arguments(["quick", "--only", "te,sn", "--who", "trio,node"])
    assert (look.rounds, look.only, [contestant.name for contestant in look.who]) == (2, ["sn", "te"], ["trio", "node"])


@pytest.mark.parametrize("wrong", [["--only", "xx"], ["--who", "nobody"], ["--who", "trio@/nowhere"], ["--parts", "x"]])
def test_what_is_not_known_is_refused(wrong, capsys):
    """With what there is."""
    with pytest.raises(SystemExit):
        arguments(wrong)
    assert "there are" in capsys.readouterr().err


def test_another_checkout_can_take_part_but_only_a_whole_run_is_kept():
    """It runs in its own folder, and neither its path nor a mixture of runs gets into what is published."""
    other = named(f"trio@{ROOT}")
    assert other.tree == ROOT
    assert other.command[-1] == "trio"
    for part in (["--who", f"trio@{ROOT}"], ["--only", "sn"], ["--parts", "core"], ["quick"]):
        with pytest.raises(SystemExit):
            arguments(["--save", *part])
    assert arguments(["--save"]).save


def test_the_reference_takes_part_by_default():
    """Ratios are to it."""
    assert [contestant.name for contestant in chosen(None)] == [c.name for c in BY_NAME.values() if c.usual]


@pytest.mark.parametrize("technique", UNDO)
def test_without_a_technique_everything_works(technique):
    """It is slower, or larger, and nothing else; in a process of its own, for there is no way back."""
    script = f"""
from benchmarks.undone import undo
undo("{technique}")
from benchmarks.joined import Joined
from benchmarks.payloads import MESSAGES
for message in MESSAGES.values():
    assert Joined(message.protocol).call(message.method, message.params) == message.result
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_techniques_have_names_and_words():
    """A contestant is named after the one that is undone; each has a line in the table."""
    assert set(UNDO) == set(TECHNIQUES)
    assert named("anyio!ids").label == "ours, anyio on asyncio, without ids"
    for wrong in ("anyio!nothing", "node!ids"):
        with pytest.raises(ValueError, match="techniques are"):
            named(wrong)
