"""How long to wait before each attempt to reconnect, to the number."""

from itertools import islice
from math import inf, nan

import pytest
from hypothesis import given, strategies as st

from ocpp_rpc_core.backoff import ExponentialBackoff, OCPPBackoff


def first(count, strategy, *chances):
    """The first delays, with these chances one after the other, then 0."""
    rest = iter(chances)
    return list(islice(strategy.delays(lambda: next(rest, 0.0)), count))


@pytest.mark.feature("C8")
def test_exponential():
    """One second, doubling, at most ten with the spread of 25 %."""
    assert first(6, ExponentialBackoff()) == [1, 2, 4, 8, 8, 8]
    assert first(5, ExponentialBackoff(), *[0.5] * 5) == [1.125, 2.25, 4.5, 9, 9]
    assert first(3, ExponentialBackoff(), 0.0, 0.5, 0.25) == [1, 2.25, 4.25]


@pytest.mark.feature("C8")
def test_exponential_own_numbers():
    """Without spread the delays grow by the factor up to the maximum itself."""
    strategy = ExponentialBackoff(initial=2, maximum=20, factor=3, jitter=0)
    assert first(5, strategy, 0.9, 0.9) == [2, 6, 18, 20, 20]
    assert first(3, ExponentialBackoff(initial=5, maximum=5, factor=1, jitter=0)) == [5, 5, 5]


@pytest.mark.feature("C8")
@given(
    initial=st.floats(0.001, 100),
    spare=st.floats(0, 1000),
    factor=st.floats(1, 10),
    jitter=st.floats(0, 3),
    chances=st.lists(st.floats(0, 1, exclude_max=True), max_size=20),
)
def test_exponential_bounds(initial, spare, factor, jitter, chances):
    """No delay is above the maximum, none is nothing, and none shrinks but for its random part."""
    strategy = ExponentialBackoff(initial=initial, maximum=initial + spare, factor=factor, jitter=jitter)
    delays = first(20, strategy, *chances)
    assert all(0 < delay <= (initial + spare) * (1 + 1e-9) for delay in delays)
    bases = first(20, strategy)
    assert bases == sorted(bases)
    for base, delay in zip(bases, delays, strict=True):
        assert base <= delay <= base * (1 + jitter)


@pytest.mark.rule(45)
@pytest.mark.feature("C8")
@pytest.mark.parametrize("double_random", [True, False])
def test_ocpp_deterministic(double_random):
    """Without a random part both readings agree: the minimum, doubled `repeat_times` times, then kept."""
    strategy = OCPPBackoff(wait_minimum=10, random_range=0, repeat_times=3, double_random=double_random)
    assert first(7, strategy, *[0.9] * 7) == [10, 20, 40, 80, 80, 80, 80]


@pytest.mark.rule(45)
@pytest.mark.feature("C8")
def test_ocpp_doubles_the_random_part():
    """First reading: what is doubled is the whole previous delay, and a fresh random part is added."""
    strategy = OCPPBackoff(wait_minimum=10, random_range=4, repeat_times=3)
    assert first(6, strategy, 0.25, 0.5, 0.75, 0.0, 0.9) == [11, 24, 51, 102, 102, 102]
    assert first(5, strategy, *[0.5] * 5) == [12, 26, 54, 110, 110]


@pytest.mark.rule(45)
@pytest.mark.feature("C8")
def test_ocpp_doubles_the_minimum_only():
    """Second reading: what is doubled is the minimum, and a fresh random part is added."""
    strategy = OCPPBackoff(wait_minimum=10, random_range=4, repeat_times=3, double_random=False)
    assert first(6, strategy, 0.25, 0.5, 0.75, 0.0, 0.9) == [11, 22, 43, 80, 80, 80]
    assert first(5, strategy, *[0.5] * 5) == [12, 22, 42, 82, 82]


@pytest.mark.rule(45)
def test_ocpp_no_repeats():
    """With no doublings the first delay is kept."""
    strategy = OCPPBackoff(wait_minimum=10, random_range=4, repeat_times=0)
    assert first(3, strategy, 0.5, 0.9) == [12, 12, 12]


@pytest.mark.rule(45)
@pytest.mark.parametrize(
    "strategy", [ExponentialBackoff(), OCPPBackoff(wait_minimum=10, random_range=4, repeat_times=3)]
)
def test_begun_anew(strategy):
    """After a success the delays begin with the first again: a strategy keeps no state."""
    assert first(5, strategy) == first(5, strategy)
    assert strategy == strategy.__class__(**{name: getattr(strategy, name) for name in strategy.__slots__})


IMPOSSIBLE = [
    *({"initial": bad} for bad in (0, -1, nan, inf)),
    {"initial": inf, "maximum": inf},
    *({"maximum": bad} for bad in (0.5, nan)),
    *({"factor": bad} for bad in (0.9, nan)),
    *({"jitter": bad} for bad in (-0.1, nan, inf)),
]


@pytest.mark.feature("S27")
@pytest.mark.parametrize("options", IMPOSSIBLE, ids=str)
def test_impossible_exponential(options):
    """Numbers that give no delays are refused when given."""
    with pytest.raises(ValueError, match="must be"):
        ExponentialBackoff(**options)


@pytest.mark.feature("S27")
@pytest.mark.parametrize("name", ["wait_minimum", "random_range", "repeat_times"])
@pytest.mark.parametrize("bad", [-1, nan, inf])
def test_impossible_ocpp(name, bad):
    """Numbers that give no delays are refused when given."""
    good = {"wait_minimum": 10, "random_range": 4, "repeat_times": 3}
    with pytest.raises(ValueError, match="negative"):
        OCPPBackoff(**{**good, name: bad})


@pytest.mark.feature("S27")
def test_half_a_doubling_is_impossible():
    """Whole numbers only, of whatever type."""
    with pytest.raises(ValueError, match="whole number"):
        OCPPBackoff(wait_minimum=10, random_range=4, repeat_times=2.5)
    assert first(4, OCPPBackoff(wait_minimum=1, random_range=0, repeat_times=2.0)) == [1, 2, 4, 4]
