"""JSON text: read and written alike, whichever library does it."""

import importlib
import json
import math
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from unittest.mock import patch

import pytest
from hypothesis import example, given, strategies as st

from ocpp_rpc_core import _json_engine

try:
    import orjson
except ImportError:
    orjson = None


def fresh(**modules):
    """The module as it is where these modules are (None: are not) installed."""
    with patch.dict(sys.modules, modules):
        spec = importlib.util.spec_from_file_location("fresh_json", _json_engine.__file__)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


STANDARD = fresh(orjson=None)
BOTH = [pytest.param(STANDARD, id="standard"), pytest.param(_json_engine, id="installed")]
needs_orjson = pytest.mark.skipif(orjson is None, reason="orjson is not installed")


def outcome(function, *arguments):
    """What a call returns, told apart by type too, or the type of what it raises."""
    try:
        value = function(*arguments)
    except Exception as error:  # noqa: BLE001 - which one is the question
        return type(error).__name__
    return repr(value)


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1,2.5,-0,1e2]", [1, 2.5, 0, 100.0]),
        (" [true] \n", [True]),
        ('{"a":null,"a":1}', {"a": 1}),
        (f"[{2**63 - 1},{2**64},-{2**64}]", [2**63 - 1, 2**64, -(2**64)]),
        ('["\\ud800"]', ["\ud800"]),
        ('["é\u2028"]', ["é\u2028"]),
    ],
)
def test_reading(module, text, value):
    """Values are what the standard library makes of them."""
    found = module.reader(32)(text)
    assert (found, repr(found)) == (value, repr(value))


@pytest.mark.feature("E9")
@pytest.mark.threat("J1")
@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize(
    "text", ["", "[", "[1]]", "[1] x", "NaN", "[NaN]", "[-Infinity]", "[1e999]", "[01]", '["\t"]', "\ufeff[1]", "[1,]"]
)
def test_what_is_no_json(module, text):
    """It is a `ValueError`, and no number is infinite."""
    with pytest.raises(ValueError) as caught:
        module.reader(32)(text)
    assert not type(caught.value).__name__.startswith("TooLong")


@pytest.mark.feature("E9")
@pytest.mark.threat("J1")
@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("number", ["1" * 33, "-" + "1" * 32, "0." + "1" * 31, "1" * 10_000, "1e" + "0" * 40])
def test_long_numbers(module, number):
    """More characters than the limit are too many, one fewer is not."""
    with pytest.raises(module.TooLong):
        module.reader(32)(f"[{number}]")
    assert module.reader(33)(f"[{'1' * 33}]") == [int("1" * 33)]


@pytest.mark.parametrize("module", BOTH)
def test_a_low_limit(module):
    """It is kept where orjson would not notice."""
    with pytest.raises(module.TooLong):
        module.reader(3)("[1234]")
    assert module.reader(3)("[123]") == [123]


@pytest.mark.threat("J1")
@pytest.mark.parametrize("module", BOTH)
def test_deep_nesting(module):
    """It is an error, not a crash."""
    with pytest.raises(RecursionError):
        module.reader(32)("[" * 100_000 + "]" * 100_000)


class Kind(StrEnum):
    A = "a"


class Number(IntEnum):
    ONE = 1


class Name(str):
    __slots__ = ()


@dataclass
class Record:
    a: int = 1


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([2, "a", {"b": [1, 2.5, True, None]}], '[2,"a",{"b":[1,2.5,true,null]}]'),
        ("é\u2028\ud800", '"\\u00e9\\u2028\\ud800"'),
        ("\x7f", '"\\u007f"'),
        ((1, 2), "[1,2]"),
        ({1: 2**70}, '{"1":1180591620717411303424}'),
        ([Kind.A, Number.ONE, Name("x")], '["a",1,"x"]'),
    ],
)
def test_writing(module, value, text):
    """ASCII, as short as can be."""
    assert module.written(value) == text


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (math.nan, ValueError),
        ([math.inf], ValueError),
        ({"a": [None, math.nan]}, ValueError),
        (object(), TypeError),
        (datetime.now(UTC), TypeError),
        (Record(), TypeError),
        ({(): 1}, TypeError),
    ],
)
def test_what_cannot_be_written(module, value, error):
    """No number that JSON has not, and nothing that the standard library would refuse."""
    with pytest.raises(error):
        module.written(value)


@pytest.mark.parametrize("module", BOTH)
def test_what_refers_to_itself(module):
    """It is an error, not a crash."""
    value = []
    value.append(value)
    with pytest.raises(RecursionError):
        module.written(value)


def test_without_the_c_extension():
    """Other Pythons have none; what is written is the same."""
    with patch.object(json.encoder, "c_make_encoder", None):
        slow = fresh(orjson=None)
    value = [2, "a", {"b": [1.5, "é"]}]
    assert slow.written(value) == STANDARD.written(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
DIGITS = st.text("0123456789.eE+-", min_size=1, max_size=40)


@needs_orjson
@pytest.mark.feature("B16")
@given(JSON)
def test_both_write_alike(value):
    """With orjson or without: the same text, but for how the exponent of a float is spelled, or the same error."""
    fast, slow = outcome(_json_engine.written, value), outcome(STANDARD.written, value)
    if fast != slow:
        assert json.loads(_json_engine.written(value)) == json.loads(STANDARD.written(value))


@needs_orjson
@pytest.mark.feature("B16")
@given(
    st.one_of(JSON.map(json.dumps), DIGITS, DIGITS.map(lambda number: f'[2,"{number}",{{"a":{number}}}]'), st.text())
)
@example("[18446744073709551615]")
@example("[-9223372036854775809]")
@example("[123456789012345678.123456789012345678]")
def test_both_read_alike(text):
    """With orjson or without, a text means the same, down to the types of its numbers, or is refused alike."""
    assert outcome(_json_engine.reader(32), text) == outcome(STANDARD.reader(32), text)


@needs_orjson
@pytest.mark.feature("B16")
def test_orjson_is_used():
    """Where it is installed, it reads and writes the usual message."""
    with patch.object(orjson, "loads", side_effect=ZeroDivisionError), pytest.raises(ZeroDivisionError):
        fresh().reader(32)('[2,"1","Heartbeat",{}]')
    with patch.object(orjson, "dumps", side_effect=ZeroDivisionError), pytest.raises(ZeroDivisionError):
        fresh().written([2, "1", "Heartbeat", {}])


def test_without_orjson():
    """The core loads none, and needs none."""
    code = "import sys; sys.modules['orjson'] = None; from ocpp_rpc_core._json_engine import reader, written; "
    code += "print(written(reader(32)('[1]')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[1]\n"


LONG_TEXT = "x" * 500


@pytest.mark.threat("J1")
@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("limit", [1, 2, 3, 10, 32, 64, 1000, math.inf])
def test_numbers_around_the_limit_in_a_long_text(module, limit):
    """Where C reads the numbers, none is let through that is a character too long, and none refused that fits."""
    longest = int(min(limit, 100))
    for head, tail in (("", ""), ("-", ""), ("1.", ""), ("", "e5"), ("", "E-9"), ("", "e+99"), ("", "e-300")):
        for size in range(max(1, longest - 3), longest + 4):
            digits = size - len(head) - len(tail)
            if digits < 1:
                continue
            number = head + "1" * digits + tail
            read = module.reader(limit)
            text = f'["{LONG_TEXT}",{number}]'
            if len(number) > limit:
                with pytest.raises(ValueError) as caught:
                    read(text)
                assert type(caught.value).__name__ == "TooLong"
            else:
                assert repr(read(text)[1]) == repr(json.loads(number))


@pytest.mark.threat("J1")
@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("number", ["1e999", "-1e999", "1E+309", "1" * 25 + "e300", "NaN", "-Infinity"])
def test_no_number_of_a_long_text_is_infinite(module, number):
    """A glance at the text finds what C would make infinity of."""
    for text in (f'["{LONG_TEXT}",{number}]', f'[{number},"{LONG_TEXT}"]'):
        with pytest.raises(ValueError):
            module.reader(32)(text)


@pytest.mark.parametrize("module", BOTH)
@given(
    value=st.recursive(st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists),
    surrogate=st.booleans(),
)
def test_long_texts_are_read_as_short_ones(module, value, surrogate):
    """Which way is taken depends on the length; what comes out does not."""
    text = json.dumps([value], ensure_ascii=surrogate)
    filler = f'"{LONG_TEXT}\ud800"' if surrogate else f'"{LONG_TEXT}"'
    read = module.reader(5000)
    assert outcome(read, text[:-1] + f",{filler}]")[:-20].startswith(outcome(read, text)[:-1])
