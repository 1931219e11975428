"""The sums that the results are made of."""

import pytest

from benchmarks import stats


def test_the_middle_is_the_median():
    """One wild round changes nothing."""
    assert stats.middle([10, 1000, 11]) == 11


def test_the_spread_is_half_of_the_range():
    """As a part of the median; nothing spreads around zero."""
    assert stats.spread([90, 100, 110]) == 0.1
    assert stats.spread([0, 0]) == 0.0


def test_a_ratio_pairs_the_rounds():
    """When the machine is half as fast in one round, both suffer, and the ratio does not."""
    assert stats.ratio([200, 100, 200], [100, 50, 100]) == 2
    assert stats.ratio([10, 80, 30], [1, 20, 10]) == 4  # the medians have 3


def test_a_ratio_wants_as_many_rounds_on_either_side():
    """Otherwise they are not of one run."""
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        stats.ratio([1, 2], [1])


def test_growth_looks_at_the_worst_size():
    """Not at the last one."""
    assert stats.growth([2, 3, 2.5]) == 1.5


@pytest.mark.parametrize(("value", "kept"), [(12345.678, 12350), (0.000123456, 0.0001235), (7, 7), (0, 0)])
def test_figures_are_kept_with_four_digits(value, kept):
    """More of them mean nothing."""
    assert stats.significant(value) == kept
