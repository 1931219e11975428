"""JSON text: how it is read within bounds, and how it is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, final

from .limits import Limits

_CONTAINERS = frozenset({dict, list})


@final
class BeyondLimit(ValueError):
    """The text goes beyond a limit, whose name is `limit`."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON number")


@lru_cache
def _decoder(max_digits: float) -> json.JSONDecoder:
    """Longer numbers are refused: no field of OCPP comes near, and their conversion is quadratic."""

    def integer(digits: str) -> int:
        if len(digits) > max_digits:
            raise BeyondLimit("json_digits")
        return int(digits)

    def real(digits: str) -> float:
        if len(digits) > max_digits:
            raise BeyondLimit("json_digits")
        number = float(digits)
        return _refuse(digits) if number - number else number  # infinity less infinity is no number, and true

    return json.JSONDecoder(parse_int=integer, parse_float=real, parse_constant=_refuse)


def read(text: str, limits: Limits) -> object:
    """The value; of a key that is there twice the last counts, and lone surrogates are kept.

    Raises:
        BeyondLimit: a number is too long, or the nesting too deep.
        ValueError: it is not JSON.
    """
    decoder = _decoder(limits.json_digits)
    try:
        value: object
        value, end = decoder.raw_decode(text) if text.startswith("[") else (None, -1)
        if end != len(text):
            value = decoder.decode(text)  # there is white space around it, or something is wrong
    except RecursionError:
        raise BeyondLimit("json_depth") from None
    if _may_be_deeper(text, limits.json_depth) and _is_deeper(value, limits.json_depth):
        raise BeyondLimit("json_depth")
    return value


def _may_be_deeper(text: str, depth: float) -> bool:
    """Whether nesting deeper than `depth` cannot be ruled out at a glance, as it can for nearly every message.

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


# ASCII on the wire: lone surrogates stay escaped, so every text can be sent.
_encoder = json.JSONEncoder(separators=(",", ":"), check_circular=False, allow_nan=False)


def _writer() -> Callable[[Any], str]:
    """JSON's encoder, which `JSONEncoder.encode` makes anew for every message, made once where C has one."""
    make: Any = json.encoder.c_make_encoder  # type: ignore[attr-defined] # None without the C extension
    if make is None:  # pragma: no cover - other Pythons
        return _encoder.encode
    text = json.encoder.encode_basestring_ascii
    pieces = make(None, _encoder.default, text, None, ":", ",", False, False, False)
    return lambda message: "".join(pieces(message, 0))


_write = _writer()


def write(value: object) -> str:
    """The text.

    Raises:
        TypeError: something in it has no JSON form.
        ValueError: a number is not finite, or the nesting is endless or too deep.
    """
    try:
        return _write(value)
    except RecursionError:
        raise ValueError("the payload refers to itself, or is nested too deeply") from None
