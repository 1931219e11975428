"""Checking a schema and bringing it to its barest form."""

import copy

import pytest

from ocpp_rpc_core._compile_flat import Flat


def flat(schema, document=None):
    """The name of the schema and all flat schemas."""
    table = Flat({"date-time"})
    before = copy.deepcopy(schema)
    name = table.name(schema, schema if document is None else document, "S")
    assert schema == before
    return name, table.schemas


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (True, True),
        (False, False),
        ({}, {}),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "$id": "urn:A.req", "title": "t"}, {}),
        ({"description": "d", "default": 1, "examples": [1], "javaType": "X", "definitions": {"a": 1}}, {}),
        ({"contentEncoding": "base64", "contentMediaType": "application/json"}, {}),
        ({"additionalProperties": True}, {}),
        ({"additionalProperties": {}}, {}),
        ({"additionalProperties": False}, {"additionalProperties": False}),
        ({"items": {"type": "null"}, "additionalItems": False}, {"items": {"type": "null"}}),
        ({"items": {}, "additionalItems": False}, {}),
        ({"items": [True], "additionalItems": False}, {"items": [True], "additionalItems": False}),
        ({"items": [True], "additionalItems": True}, {"items": [True]}),
        ({"not": {}}, {"not": {}}),
        ({"uniqueItems": False}, {}),
        ({"uniqueItems": True}, {"uniqueItems": True}),
        ({"format": "unheard-of"}, {}),
        ({"format": "date-time"}, {"format": "date-time"}),
        ({"maxLength": 20.0}, {"maxLength": 20}),
        ({"required": ["a", "b", "a"]}, {"required": ["a", "b"]}),
        ({"required": []}, {}),
        ({"properties": {}, "patternProperties": {}, "dependencies": {}}, {}),
        ({"dependencies": {"a": ["b"], "c": True}}, {"dependencies": {"a": ["b"], "c": True}}),
        ({"const": None}, {"const": None}),
        ({"const": {"$ref": "http://a/b", "title": "x"}}, {"const": {"$ref": "http://a/b", "title": "x"}}),
        ({"enum": [{"$id": "x"}]}, {"enum": [{"$id": "x"}]}),
        ({"pattern": r"^a$|\$|[$]|\\$"}, {"pattern": r"^a\Z|\$|[$]|\\" + r"\Z"}),
        ({"patternProperties": {"^x$": False}}, {"patternProperties": {r"^x\Z": False}}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"multipleOf": 0.1, "minimum": -5}, {"multipleOf": 0.1, "minimum": -5}),
        ({"properties": {"$id": {"title": "x"}}}, {"properties": {"$id": {}}}),
        ({"if": {}, "then": False}, {"if": {}, "then": False}),
        ({"anyOf": [{"title": "x"}, False]}, {"anyOf": [{}, False]}),
    ],
)
def test_the_barest_form(schema, expected):
    """What can refuse something stays, everything else goes; no data is taken for a schema."""
    name, schemas = flat(schema)
    assert schemas == {name: expected}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ([], "S: must be an object or a boolean"),
        ({"properties": {"a": 1}}, "S/properties/a: must be an object or a boolean"),
        ({"properties": []}, "S/properties: must be an object of schemas"),
        ({"items": 5}, "S/items: must be an object or a boolean"),
        ({"items": []}, "S/items: must be a list of schemas"),
        ({"anyOf": {}}, "S/anyOf: must be a list of schemas"),
        ({"allOf": [1]}, "S/allOf/0: must be"),
        ({"type": "strin"}, "S/type: must be of array, boolean"),
        ({"type": []}, "S/type: must be"),
        ({"maxLength": -1}, "S/maxLength: must be a count"),
        ({"maxLength": 1.5}, "S/maxLength: must be a count"),
        ({"maxLength": True}, "S/maxLength: must be a count"),
        ({"maxLength": "3"}, "S/maxLength: must be a count"),
        ({"minimum": "0"}, "S/minimum: must be a number"),
        ({"minimum": float("nan")}, "S/minimum: must be a number"),
        ({"maximum": 10**400}, "S/maximum: must be a number"),
        ({"exclusiveMinimum": True}, "S/exclusiveMinimum: must be a number"),
        ({"multipleOf": 0}, "S/multipleOf: must be a number"),
        ({"required": True}, "S/required: must be a list of strings"),
        ({"required": [1]}, "S/required: must be a list of strings"),
        ({"enum": "a"}, "S/enum: must be a list"),
        ({"pattern": "("}, "S/pattern: missing"),
        ({"pattern": 1}, "S/pattern: must be a regular expression"),
        ({"patternProperties": {"[": True}}, "S/patternProperties: unterminated"),
        ({"$ref": 1}, "does not point into its own schema"),
        ({"$ref": "http://127.0.0.1:9/x.json"}, "nothing is fetched"),
        ({"$ref": "other.json#/definitions/a"}, "nothing is fetched"),
        ({"$ref": "#anchor"}, "does not point into its own schema"),
        ({"$ref": "#/definitions/a"}, "points to nothing"),
        ({"$ref": "#/allOf/1", "allOf": [True]}, "points to nothing"),
        ({"$ref": "#/allOf/x", "allOf": [True]}, "points to nothing"),
        ({"$ref": "#/title/x", "title": "a"}, "points to nothing"),
        ({"$ref": "#/minimum", "minimum": 1}, "must be an object or a boolean"),
    ],
)
def test_what_is_no_schema(schema, message):
    """A mistake is a `ValueError` that tells where."""
    with pytest.raises(ValueError, match=r".+") as caught:
        flat(schema)
    assert message in str(caught.value)


def test_refs():
    """A `$ref` becomes the name of what it points to; pointers are unescaped; equal schemas share a name."""
    schema = {
        "definitions": {"a/b~c d": {"type": "null", "title": "1"}, "x": [{"type": "null", "title": "2"}]},
        "properties": {
            "p": {"$ref": "#/definitions/a~1b~0c%20d"},
            "q": {"$ref": "#/definitions/x/0"},
            "r": {"$ref": "#/definitions/a~1b~0c%20d", "description": "d"},
        },
    }
    name, schemas = flat(schema)
    ref = schemas[name]["properties"]["p"]
    assert schemas == {name: {"properties": {"p": ref, "q": ref, "r": ref}}, ref["$ref"]: {"type": "null"}}


def test_names_differ_where_definitions_differ_in_case_only():
    """`A_B` and `a_b` are two schemas."""
    schema = {
        "definitions": {"A_B": {"type": "string"}, "a_b": {"type": "integer"}},
        "properties": {"p": {"$ref": "#/definitions/A_B"}, "q": {"$ref": "#/definitions/a_b"}},
    }
    name, schemas = flat(schema)
    p, q = (schemas[name]["properties"][key]["$ref"] for key in "pq")
    assert (schemas[p], schemas[q]) == ({"type": "string"}, {"type": "integer"})


def test_what_stands_beside_a_ref_applies():
    """It is not ignored without a word."""
    name, schemas = flat({"definitions": {"x": {"type": "string"}}, "$ref": "#/definitions/x", "maxLength": 1})
    ref, beside = schemas[name]["allOf"]
    assert schemas[ref["$ref"]] == {"type": "string"}
    assert beside == {"maxLength": 1}


def test_recursion():
    """A schema may refer to itself."""
    name, schemas = flat({"items": {"$ref": "#"}})
    assert schemas == {name: {"items": {"$ref": name}}}


def test_one_object_in_two_documents():
    """The same Python object means what its document says."""
    part = {"$ref": "#/definitions/x"}
    table = Flat(())
    names = [table.name(part, {"definitions": {"x": {"type": kind}}}, "S") for kind in ("null", "string", "null")]
    kinds = [table.schemas[table.schemas[name]["$ref"]]["type"] for name in names]
    assert kinds == ["null", "string", "null"]


def test_what_is_deep_gets_a_name():
    """Python has a limit on nested blocks."""
    schema = {"type": "integer"}
    for _ in range(20):
        schema = {"items": schema}
    name, schemas = flat(schema)
    assert len(schemas) == 3
    assert "$ref" in str(schemas[name])
