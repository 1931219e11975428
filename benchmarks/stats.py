"""What is said of several measurements of one thing: the middle, how far they spread, ratios within a round."""

from collections.abc import Sequence
from statistics import median


def middle(values: Sequence[float]) -> float:
    """The median."""
    return median(values)


def spread(values: Sequence[float]) -> float:
    """Half of the distance between the least and the greatest, as a part of the median."""
    return (max(values) - min(values)) / 2 / median(values) if median(values) else 0.0


def ratio(values: Sequence[float], reference: Sequence[float]) -> float:
    """The median of the ratios of what was measured in the same round: a slow moment of the machine hits both."""
    return median(value / other for value, other in zip(values, reference, strict=True))


def growth(values: Sequence[float]) -> float:
    """How many times the first value the greatest one is."""
    return max(values) / values[0]


def significant(value: float, digits: int = 4) -> float:
    """The value with so many digits that mean something, to be kept in a file."""
    return float(f"{value:.{digits}g}")
