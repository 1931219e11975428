"""Which violation comes first, and how it is told."""

import math

import pytest

from ocpp_rpc_core._compile_explain import Explainer, brief
from ocpp_rpc_core._compile_rules import is_date_time

SCHEMAS = {
    "tree": {"type": "object", "properties": {"next": {"$ref": "tree"}}, "additionalProperties": False},
    "text": {"type": "string"},
}
explainer = Explainer(SCHEMAS.__getitem__, {"date-time": is_date_time})


def found(schema, value):
    """Keyword and path of the first violation."""
    violation = explainer.first(schema, value)
    return violation and (violation.keyword, violation.path)


@pytest.mark.parametrize(
    ("schema", "good", "bad", "keyword"),
    [
        ({"type": "null"}, [None], [0, False, "", [], {}], "type"),
        ({"type": "boolean"}, [True, False], [0, 1, None], "type"),
        ({"type": "integer"}, [0, 1.0], [True, 1.5, math.inf, math.nan, 10**400], "type"),
        ({"type": "number"}, [0, 1.5], [False, "1", math.inf, math.nan, 10**400], "type"),
        ({"type": "string"}, ["", "x"], [1, None], "type"),
        ({"type": "array"}, [[], (1,)], [{}, "x"], "type"),
        ({"type": "object"}, [{}], [[], None], "type"),
        ({"type": ["object", "null"]}, [{}, None], [0, []], "type"),
        ({"minProperties": 1}, [{"a": 1}, 5], [{}], "minProperties"),
        ({"maxProperties": 0}, [{}, 5], [{"a": 1}], "maxProperties"),
        ({"minItems": 1}, [[1], 5], [[], ()], "minItems"),
        ({"maxItems": 1}, [[1], 5], [[1, 2]], "maxItems"),
        (
            {"uniqueItems": True},
            [[1, True, "1", [1]], 5],
            [[1, 1.0], [{"a": [1]}, {"a": [1]}]],
            "uniqueItems",
        ),
        (
            {"enum": [1, None, "a", {"a": [0]}]},
            [1.0, None, "a", {"a": [0]}],
            [True, "b", {"a": [False]}],
            "enum",
        ),
        ({"const": False}, [False], [0, None], "const"),
        ({"minLength": 2}, ["ab", "\N{GRINNING FACE}" * 2, 1], ["a"], "minLength"),
        ({"maxLength": 2}, ["ab", "\N{GRINNING FACE}" * 2, [1, 2, 3]], ["abc"], "maxLength"),
        ({"pattern": r"^a\Z"}, ["a", 1], ["b", "a\n"], "pattern"),
        ({"minimum": 1}, [1, "0", True], [0, math.nan, math.inf, 10**400], "minimum"),
        ({"maximum": 1}, [1, "2", True], [2, math.nan, -math.inf, -(10**400)], "maximum"),
        ({"exclusiveMinimum": 1}, [2, True], [1, 0, math.nan], "exclusiveMinimum"),
        ({"exclusiveMaximum": 1}, [0, True], [1, 2, math.nan], "exclusiveMaximum"),
        (
            {"multipleOf": 0.1},
            [0.3, 21.4, 0.1 + 0.2, 21.399999999999995, -0.7, 0, 5, 1e22, "x", True],
            [4.11, 0.05, math.nan, math.inf, 1e308, 10**400],
            "multipleOf",
        ),
        ({"multipleOf": 2}, [4, -2, 2.0], [3, 4.5, math.inf], "multipleOf"),
        ({"format": "date-time"}, ["2024-05-17T10:21:33Z", 1], ["2024-05-17"], "format"),
        ({"required": ["a"]}, [{"a": 1, "b": 2}, []], [{}, {"b": 1}], "required"),
        (
            {"additionalProperties": False, "properties": {"a": True}, "patternProperties": {"^x": True}},
            [{"a": 1, "xy": 2}, []],
            [{"b": 1}],
            "additionalProperties",
        ),
        ({"propertyNames": {"maxLength": 2}}, [{"ab": 1}, []], [{"abc": 1}], "propertyNames"),
        (
            {"dependencies": {"a": ["b", "c"]}},
            [{"a": 1, "b": 1, "c": 1}, {"b": 1}],
            [{"a": 1, "b": 1}, {"a": 1}],
            "dependencies",
        ),
        ({"dependencies": {"a": {"required": ["b"]}}}, [{"a": 1, "b": 1}, {}], [{"a": 1}], "required"),
        ({"allOf": [True, {"minimum": 1}]}, [1], [0], "minimum"),
        ({"anyOf": [{"type": "null"}, {"minimum": 1}]}, [None, 1, ""], [0], "anyOf"),
        ({"oneOf": [{"minimum": 1}, {"maximum": 5}]}, [0, 6], [3], "oneOf"),
        ({"oneOf": [False, False]}, [], [3], "oneOf"),
        ({"not": {"type": "null"}}, [1], [None], "not"),
        ({"if": {"minimum": 5}, "then": {"maximum": 9}}, [4, 7], [10], "maximum"),
        ({"if": {"minimum": 5}, "else": {"maximum": 3}}, [3, 10], [4], "maximum"),
        ({"contains": {"type": "null"}}, [[1, None], 5], [[], [1]], "contains"),
        (False, [], [1, None], "false"),
        (True, [1, None], [], ""),
    ],
)
def test_keywords(schema, good, bad, keyword):
    """Each keyword judges the types it is for, and is named when it refuses."""
    assert [found(schema, value) for value in good] == [None] * len(good)
    assert [found(schema, value) for value in bad] == [(keyword, ())] * len(bad)


@pytest.mark.parametrize(
    ("schema", "value", "path"),
    [
        ({"properties": {"z": False, "a.b": {"items": {"type": "null"}}}}, {"a.b": [None, 1]}, ("a.b", 1)),
        ({"additionalProperties": {"type": "null"}, "properties": {"a": True}}, {"a": 1, "b": 1}, ("b",)),
        ({"patternProperties": {"^x": {"type": "null"}}}, {"a": 1, "x": 1}, ("x",)),
        ({"items": [True, {"type": "null"}]}, [1, 1], (1,)),
        ({"items": [True], "additionalItems": {"type": "null"}}, [1, None, 1], (2,)),
        ({"items": {"$ref": "text"}}, ["", 1], (1,)),
        ({"$ref": "tree"}, {"next": {"next": {"next": 1}}}, ("next", "next", "next")),
        ({"allOf": [{"properties": {"a": {"type": "null"}}}]}, {"a": 1}, ("a",)),
    ],
)
def test_paths(schema, value, path):
    """A path has whole keys and indices, so a dot in a key is no step."""
    assert found(schema, value) == ("type", path)


@pytest.mark.feature("E3")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], ("type", ())),
        ({"x": 1}, ("additionalProperties", ())),  # `a` is missing as well
        ({"b": 1, "c": ["x"]}, ("required", ())),  # `b` and the items of `c` are wrong as well
        ({"a": "too long", "b": 1, "c": ["x"]}, ("maxLength", ("a",))),
        ({"a": "", "b": 1, "c": ["x"]}, ("type", ("b",))),
        ({"a": "", "b": "y", "c": ["x", 1]}, ("enum", ("c", 0))),
        ({"a": "", "b": "y", "c": ["z", "y", 1]}, ("minItems", ("c",))),  # before the items
        ({"a": "", "b": "y", "c": ["z", 1, 1, 1]}, ("type", ("c", 1))),
    ],
)
def test_order(value, expected):
    """Type, additional properties, required ones, then values; outer before inner; in the schema's order."""
    schema = {
        "properties": {
            "a": {"maxLength": 3, "type": "string"},
            "b": {"enum": ["y"], "type": "string"},
            "c": {"items": {"enum": ["z"], "type": "string"}, "minItems": 4, "type": "array"},
        },
        "additionalProperties": False,
        "required": ["a"],
        "type": "object",
    }
    if expected[0] == "enum":
        schema["properties"]["c"]["minItems"] = 0
    assert found(schema, value) == expected


@pytest.mark.parametrize(
    ("schema", "value", "text", "details"),
    [
        ({"type": "integer"}, "x", "'x' is not of type integer", {"limit": "integer"}),
        ({"type": ["null", "string"]}, 1, "1 is not of type null or string", {"limit": ["null", "string"]}),
        ({"required": ["a"]}, {}, "'a' is required", {"property": "a"}),
        ({"additionalProperties": False}, {"b": 1}, "'b' is not allowed", {"property": "b"}),
        ({"enum": list(range(30))}, "x", "'x' is not an allowed value", {"allowed": list(range(20))}),
        ({"maxLength": 3}, "x" * 50, f"'{'x' * 40}'… is longer than 3 characters", {"limit": 3}),
        ({"minItems": 1}, [], "an array has fewer than 1 items", {"limit": 1}),
        ({"multipleOf": 0.1}, 4.11, "4.11 is not a multiple of 0.1", {"limit": 0.1}),
        ({"format": "date-time"}, "x", "'x' is not a valid date-time", {"limit": "date-time"}),
        ({"anyOf": [False, False]}, "x", "'x' follows 0 of 2 schemas", {}),
    ],
)
def test_words(schema, value, text, details):
    """The text says what is wrong; details help to mend it."""
    violation = explainer.first(schema, value)
    assert (violation.text, violation.details) == (text, details)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (1.5, "1.5"),
        (math.nan, "nan"),
        pytest.param(10**5000, "a huge number", id="huge"),
        ({"a": 1}, "an object"),
        ([1] * 1000, "an array"),
        ("it's", '"it\'s"'),
        ("x" * 10**6, f"'{'x' * 40}'…"),
        (b"x", "a bytes"),
    ],
)
def test_brief(value, text):
    """A value is told in a few words, however large it is."""
    assert brief(value) == text
