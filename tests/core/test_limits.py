"""The bounds of a connection: safe by default, checked when given, each documented with what happens beyond."""

import dataclasses
from math import inf, nan

import pytest

from ocpp_rpc_core.limits import Limits

NAMES = [field.name for field in dataclasses.fields(Limits)]
MAY_BE_ZERO = {"queued_calls", "early_bytes", "waiting_bytes"}


@pytest.mark.feature("B13")
def test_defaults():
    """Without a word there is a bound on everything."""
    assert dataclasses.asdict(Limits()) == {
        "request_line": 8192,
        "header_line": 8192,
        "headers": 100,
        "head": 16384,
        "early_bytes": 65536,
        "fragments": 1024,
        "message_time": 60,
        "json_depth": 32,
        "json_digits": 32,
        "method_length": 64,
        "running_handlers": 8,
        "waiting_bytes": 65536,
        "queued_calls": 100,
        "unwritten_bytes": 65536,
        "write_time": 10,
    }


@pytest.mark.parametrize("name", NAMES)
def test_impossible_values(name):
    """A bound is a number that leaves something; the error names it and the value."""
    least = 0 if name in MAY_BE_ZERO else 1
    for bad in (least - 1, -inf, nan, "8", None):
        with pytest.raises(ValueError, match=f"limits: {name} must be a .*number.*, not {bad!r}"):
            Limits(**{name: bad})
    assert getattr(Limits(**{name: least}), name) == least


@pytest.mark.parametrize("name", sorted({*NAMES} - {"head"}))
def test_infinity_is_no_bound(name):
    """Every bound can be lifted but that of a head, which is kept until it is whole."""
    assert getattr(Limits(**{name: inf}), name) == inf


@pytest.mark.parametrize("bad", [inf, 8.5])
def test_a_head_is_finite(bad):
    """It is a number of bytes to keep."""
    with pytest.raises(ValueError, match="limits: head must be a whole number"):
        Limits(head=bad)


def test_times_may_be_short():
    """A time is a number of seconds, and need not be whole."""
    assert Limits(write_time=0.1, message_time=0.5).write_time == 0.1


def test_frozen():
    """Nobody changes what a connection goes by."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Limits().head = 1
