"""Which library reads and writes JSON text: the standard one, or orjson where that makes no difference."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

orjson: Any
try:
    import orjson
except ImportError:
    orjson = None

# C reads numbers many times as fast as it calls us for each.  So a text is read without us if a glance shows that no
# number in it can be too long, or too large for a float: digits become 0, and e what may begin an exponent.
_GLANCE = bytes(48 if chr(byte) in "0123456789.+-" else 101 if chr(byte) in "eE" else 32 for byte in range(256))
_LARGE = b"0e000"
"""An exponent of at least two digits and a sign, or three: what is without is below 1e100 times its digits."""
_EXPONENT = 3
"""Characters of an exponent that is not large."""
_SHORT = 400
"""Characters that are read before they are looked at."""
# orjson makes floats of integers beyond 64 bits, and has no limit on digits; what is infinite it refuses.
_RUN = 19
_ALIKE = bytes(48 if chr(byte) in "0123456789.+-eE" else 32 for byte in range(256))


class TooLong(ValueError):
    """A number has more characters than the limit: no field of OCPP comes near, and conversion is quadratic."""


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON number")


def _standard_reader(max_digits: float) -> Callable[[str], Any]:
    def integer(digits: str) -> int:
        if len(digits) > max_digits:
            raise TooLong
        return int(digits)

    def real(digits: str) -> float:
        if len(digits) > max_digits:
            raise TooLong
        number = float(digits)
        return _refuse(digits) if number - number else number  # infinity less infinity is no number, and true

    careful: Any = json.JSONDecoder(parse_int=integer, parse_float=real, parse_constant=_refuse)
    quick: Any = json.JSONDecoder(parse_constant=_refuse)
    scan_carefully, scan_quickly = careful.scan_once, quick.scan_once  # what `decode` calls in the end
    too_long = _too_long(max_digits)

    def read(text: str) -> Any:
        scan = scan_carefully
        if len(text) > _SHORT:
            glance = text.encode(errors="replace").translate(_GLANCE)
            if too_long not in glance and _LARGE not in glance:
                scan = scan_quickly
        if text.startswith("["):  # nearly always; `decode` looks for white space around it
            try:
                value, end = scan(text, 0)
            except StopIteration:  # it is wrong, and `decode` says where
                value, end = None, -1
            if end == len(text):
                return value
        return careful.decode(text)

    return read


def _too_long(max_digits: float) -> bytes:
    """What is in the glance at a text in which a number may have more than `max_digits` characters."""
    return b"0" * int(max(1, min(max_digits, 64) - _EXPONENT + 1))


def _orjson_reader(max_digits: float) -> Callable[[str], Any]:
    standard, too_long = _standard_reader(max_digits), b"0" * int(max(1, min(max_digits + 1, _RUN)))

    def read(text: str) -> Any:
        try:
            data = text.encode()
            if too_long not in data.translate(_ALIKE):
                return orjson.loads(data)
        except ValueError:  # lone surrogates, for example; or it is wrong, and shall be refused in the same words
            pass
        return standard(text)

    return read


def _standard_writer() -> Callable[[Any], str]:
    """`JSONEncoder.encode` makes C's encoder anew for every message; here it is made once."""
    # ASCII on the wire: lone surrogates stay escaped, so every text can be sent.
    encoder = json.JSONEncoder(separators=(",", ":"), check_circular=False, allow_nan=False)
    make: Any = json.encoder.c_make_encoder  # type: ignore[attr-defined] # None without the C extension
    if make is None:
        return encoder.encode
    text = json.encoder.encode_basestring_ascii
    pieces = make(None, encoder.default, text, None, ":", ",", False, False, False)
    return lambda value: "".join(pieces(value, 0))


def _orjson_writer() -> Callable[[Any], str]:
    standard, dumps = _standard_writer(), orjson.dumps
    option = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS

    def write(value: Any) -> str:
        try:
            data = dumps(value, None, option)
        except TypeError:  # the standard library can write it, or says better why it cannot
            return standard(value)
        # It writes null for infinity, and all letters as they are; the standard library's are printable ASCII.
        differs = b"null" in data or b"\x7f" in data or not data.isascii()
        return standard(value) if differs else data.decode()

    return write


reader: Callable[[float], Callable[[str], Any]] = lru_cache(_standard_reader if orjson is None else _orjson_reader)
"""Gives what reads JSON text in which numbers have at most so many characters.

That raises `ValueError` (`TooLong` for such a number) or `RecursionError`.  Of a key that is there twice the last
value counts.
"""
written: Callable[[Any], str] = _standard_writer() if orjson is None else _orjson_writer()
"""Gives the JSON text of a value: ASCII without spaces.

Raises `TypeError` for what has no JSON form, `ValueError` for numbers that are not finite, and `RecursionError`.
"""
