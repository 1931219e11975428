"""JSON text: read within bounds, written as ASCII."""

import json
from math import inf, nan

import pytest
from hypothesis import given, strategies as st

from ocpp_rpc_core import _json
from ocpp_rpc_core.limits import Limits

DEFAULT = Limits()


def beyond(text, **limits):
    """The limit that a text goes beyond; "" if it is read, None if it is no JSON."""
    try:
        _json.read(text, Limits(**limits))
    except _json.BeyondLimit as error:
        return error.limit
    except ValueError:
        return None
    return ""


def nested(depth, opening, closing):
    return opening * depth + "1" + closing * depth


@pytest.mark.feature("B13")
@pytest.mark.threat("T21")
@pytest.mark.threat("J1")
@pytest.mark.parametrize(("opening", "closing"), [('{"a":', "}"), ("[", "]")])
def test_the_depth_has_a_limit(opening, closing):
    """32 deep is read, 33 is not, nor is what the scanner itself gives up."""
    assert beyond(nested(32, opening, closing)) == ""
    assert [beyond(nested(depth, opening, closing)) for depth in (33, 500, 100_000)] == ["json_depth"] * 3
    assert beyond(nested(500, opening, closing), json_depth=inf) == ""
    assert beyond(nested(100_000, opening, closing), json_depth=inf) == "json_depth"


def test_brackets_are_not_depth():
    """Neither those in strings nor those side by side."""
    assert beyond(f'[{{"x":[{",".join(["[{}]"] * 100)}],"y":"{"[" * 100}"}}]') == ""
    assert beyond('"' + "[" * 100 + "]" * 100 + '"') == ""


JSON = st.recursive(
    st.integers(-9, 9) | st.sampled_from(["", "[", "}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab{"), inner, max_size=3),
    max_leaves=30,
)


@given(value=JSON, limit=st.integers(1, 6))
@pytest.mark.threat("T21")
def test_depth_is_measured(value, limit):
    """As a plain recursion would."""

    def depth(node):
        children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else None
        return 0 if children is None else 1 + max(map(depth, children), default=0)

    assert beyond(json.dumps(value), json_depth=limit) == ("json_depth" if depth(value) > limit else "")


@pytest.mark.feature("B13")
@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("1" * 32, ""),
        ("1" * 33, "json_digits"),
        ("[1." + "1" * 30 + "]", ""),
        ("[1." + "1" * 31 + "]", "json_digits"),
        ("[NaN]", None),
        ("[-Infinity]", None),
        ("[1e999]", None),
        ("[1]x", None),
        ("", None),
    ],
)
def test_numbers(text, limit):
    """The longest has 32 characters, and all are finite."""
    assert beyond(text) == limit
    assert beyond("[" + "1" * 99 + "]", json_digits=inf) == ""
    assert beyond("[" + "1" * 5000 + "]", json_digits=inf) is None  # Python's own limit


def test_white_space():
    """It may be anywhere."""
    assert _json.read(' [ 1 ,{"a": null} ]\n', DEFAULT) == [1, {"a": None}]


@pytest.mark.threat("J1")
def test_what_is_kept():
    """The last of equal keys counts; a cut emoji is kept, and can be sent back."""
    assert _json.read('{"x":1,"x":2}', DEFAULT) == {"x": 2}
    assert _json.read('["\\ud83d"]', DEFAULT) == ["\ud83d"]
    assert _json.write(["\ud83d"]) == '["\\ud83d"]'


@given(JSON)
def test_round_trip(value):
    """What is written is read."""
    text = _json.write(value)
    assert text.isascii()
    assert _json.read(text, Limits(json_depth=inf)) == value


def test_what_cannot_be_written():
    """It raises what `encode` of the standard library raises, but for endless nesting."""
    endless = []
    endless.append(endless)
    for value, error in ((nan, ValueError), (inf, ValueError), (endless, ValueError), (object(), TypeError)):
        with pytest.raises(error):
            _json.write([value])
