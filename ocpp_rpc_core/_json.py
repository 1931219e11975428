"""JSON text: how it is read within bounds, and how it is written."""

from __future__ import annotations

from typing import Any, final

from ._json_engine import TooLong, reader, written
from .limits import Limits

_CONTAINERS = frozenset({dict, list})


@final
class BeyondLimit(ValueError):
    """The text goes beyond a limit, whose name is `limit`."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


def read(text: str, limits: Limits) -> object:
    """The value; of a key that is there twice the last counts, and lone surrogates are kept.

    Raises:
        BeyondLimit: a number is too long, or the nesting too deep.
        ValueError: it is not JSON.
    """
    try:
        value: object = reader(limits.json_digits)(text)
    except TooLong:
        raise BeyondLimit("json_digits") from None
    except RecursionError:
        raise BeyondLimit("json_depth") from None
    depth = limits.json_depth  # each level takes two characters
    if len(text) <= 2 * depth or text.count("{") + text.count("[") <= depth:  # nearly always
        return value
    if _may_be_deeper(text, depth) and _is_deeper(value, depth):
        raise BeyondLimit("json_depth")
    return value


def _may_be_deeper(text: str, depth: float) -> bool:
    """Whether nesting deeper than `depth` cannot be ruled out at a glance.

    Where it is deepest, more than `depth` brackets were opened before and as many are closed after.
    """
    middle = len(text) // 2
    opened = text.count("{", 0, middle) + text.count("[", 0, middle)
    return opened > depth or text.count("}", middle) + text.count("]", middle) > depth


def _is_deeper(value: object, depth: float) -> bool:
    """Whether arrays and objects are nested deeper than `depth`, the outermost included; linear in its size."""
    level: list[Any] = [value] if type(value) in _CONTAINERS else []
    while level and depth > 0:
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) in _CONTAINERS
        ]
        depth -= 1
    return bool(level)


def write(value: object) -> str:
    """The text.

    Raises:
        TypeError: something in it has no JSON form.
        ValueError: a number is not finite, or the nesting is endless or too deep.
    """
    try:
        return written(value)
    except RecursionError:
        raise ValueError("the payload refers to itself, or is nested too deeply") from None
