"""The generated validators: the same verdict as plain fastjsonschema and as `_compile_explain`."""

import copy
import json
import math
import os
import random

import fastjsonschema
import pytest
from hypothesis import given, settings, strategies as st

from ocpp_rpc_core import validation
from ocpp_rpc_core._compile import generate
from ocpp_rpc_core._compile_explain import Explainer
from ocpp_rpc_core._compile_rules import Invalid, is_date_time, is_uri

CASES = int(os.environ.get("VALIDATION_CASES", "3"))  # per message; more for a longer search
DRAFT = "http://json-schema.org/draft-07/schema#"


class Compiled:
    """One schema, compiled."""

    def __init__(self, schema):
        self.source = generate({"M": {"request": schema}})
        self.namespace = {}
        exec(compile(self.source, "<generated>", "exec"), self.namespace)
        self.check = self.namespace["REQUESTS"]["M"]
        texts = self.namespace["SCHEMAS"]
        self.explainer = Explainer(lambda name: json.loads(texts[name]), self.namespace["FORMATS"])

    def accepts(self, value):
        """The verdict, after making sure that the explanation agrees."""
        verdict = accepts(self.check, value)
        violation = self.explainer.first({"$ref": self.check.__name__}, value)
        assert (violation is None) is verdict, violation
        return verdict


def accepts(check, value):
    """Whether a generated function accepts a value."""
    try:
        check(value)
    except Invalid:
        return False
    return True


def plain(schema):
    """The verdict of fastjsonschema, left as it is but for the formats of our own."""
    schema = {**copy.deepcopy(schema), "$schema": DRAFT}
    formats = {"date-time": is_date_time, "uri": is_uri}
    check = fastjsonschema.compile(schema, use_default=False, formats=formats)

    def verdict(value):
        try:
            check(value)
        except fastjsonschema.JsonSchemaException:
            return False
        return True

    return verdict


# Known pitfalls of fastjsonschema.


@pytest.mark.feature("E9")
@pytest.mark.parametrize(
    ("step", "good", "bad"),
    [
        (0.1, [0.3, 21.4, 0.1 + 0.2, 21.399999999999995, 5, -0.7, 1e22, 0], [4.11, 0.05, 21.3999]),
        (0.01, [19.01, 4.11], [0.001, 19.015]),
        (1, [5, 5.0, 10**300], [0.5]),
        (2, [4, -2], [3, 3.5]),
        (0.5, [1.5, 1e300], [1.25]),
    ],
)
def test_multiple_of(step, good, bad):
    """What floats do to decimals is tolerated, up to a millionth of a step; with a type and without."""
    hostile = [math.inf, -math.inf, math.nan, 10**400, -(10**400), int("7" * 400)]
    for schema in (
        {"multipleOf": step},
        {"type": "number", "multipleOf": step},
        {"anyOf": [{"type": "number", "multipleOf": step}, False]},
    ):
        compiled = Compiled(schema)
        assert [value for value in good if not compiled.accepts(value)] == []
        assert [value for value in bad + hostile if compiled.accepts(value)] == []


@pytest.mark.feature("E9")
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number"},
        {"type": "integer"},
        {"type": ["number", "null"]},
        {"minimum": 0},
        {"maximum": 0},
        {"exclusiveMinimum": 0, "exclusiveMaximum": 9},
        {"type": "number", "minimum": 0},
        {"type": "integer", "maximum": 5},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 9},
        {"type": "number", "multipleOf": 0.1, "minimum": 0, "maximum": 5},
        {"not": {"type": ["string", "boolean"], "const": 1}, "type": "number"},
    ],
)
def test_hostile_numbers(schema):
    """Infinite, not a number, hundreds of digits: refused wherever a number is judged, never an exception."""
    compiled = Compiled({"items": schema})
    hostile = [math.inf, -math.inf, math.nan, 10**400, -(10**400)]
    assert not any(compiled.accepts([value]) for value in hostile)
    assert compiled.accepts([1.0]) is (schema.get("maximum") != 0)


def test_integers_and_booleans():
    """1.0 is an integer whatever `$schema` says; a boolean is no number."""
    for draft in ("draft-04", "draft-06", "draft-07"):
        schema = Compiled({"$schema": f"http://json-schema.org/{draft}/schema#", "type": "integer"})
        assert [schema.accepts(value) for value in (1, 1.0, 1.5, True, "1")] == [
            True,
            True,
            False,
            False,
            False,
        ]


def test_nothing_is_written_into_payload_or_schema():
    """Defaults are not filled in, and neither `$ref` nor `$id` is resolved in place."""
    schema = {
        "$id": "http://x/y.json",
        "definitions": {"x": {"default": 1}},
        "properties": {"a": {"default": 5}, "b": {"$ref": "#/definitions/x"}},
        "type": "object",
    }
    before = copy.deepcopy(schema)
    payload = {}
    assert Compiled(schema).accepts(payload)
    assert (payload, schema) == ({}, before)


def test_nothing_is_fetched(monkeypatch):
    """A remote `$ref` is refused without a look at the network."""
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("fetched"))
    with pytest.raises(ValueError, match="nothing is fetched"):
        Compiled({"$ref": "http://127.0.0.1:9/none.json"})


def test_definitions_that_differ_in_case():
    """They are not mistaken for each other."""
    compiled = Compiled(
        {
            "definitions": {"A_B": {"type": "array"}, "a_b": {"type": "object"}, "A-B": {"type": "null"}},
            "properties": {
                "p": {"$ref": "#/definitions/A_B"},
                "q": {"$ref": "#/definitions/a_b"},
                "r": {"$ref": "#/definitions/A-B"},
            },
        }
    )
    assert compiled.accepts({"p": [], "q": {}, "r": None})
    assert not compiled.accepts({"p": {}})
    assert not compiled.accepts({"q": []})
    assert not compiled.accepts({"r": []})


def test_siblings_of_refs_apply():
    """What stands beside a `$ref` is judged as well."""
    compiled = Compiled(
        {"definitions": {"x": {"type": "string"}}, "items": {"$ref": "#/definitions/x", "maxLength": 1}}
    )
    assert [compiled.accepts([value]) for value in ("a", "ab", 1)] == [True, False, False]


def test_equal_schemas_share_a_function():
    """Nothing is generated twice."""
    part = {"type": "object", "properties": {"a": {"type": "string"}}}
    schemas = {f"M{i}": {"request": {"$id": f"{i}", "items": copy.deepcopy(part)}} for i in range(9)}
    assert generate(schemas).count("def ") == 1


def test_strange_names():
    """Keys with quotes, braces, newlines, dots or no ASCII are keys like any other."""
    for key in ("it's", 'a"b', "{x}", "{", "a\nb", "a.b", "a\\", "é\ud800", "", "%s", "data", "#"):
        for schema in (
            {"type": "object", "properties": {key: {"type": "null"}}, "required": [key]},
            {"properties": {key: {"type": "null"}}, "required": [key], "minProperties": 0},
        ):
            compiled = Compiled({**schema, "additionalProperties": False})
            assert compiled.accepts({key: None})
            assert not compiled.accepts({key: 1})
            assert not compiled.accepts({key + "x": None})


def test_the_end_of_a_pattern():
    """`$` is the end, not the place before a last newline; in a set it is a character."""
    compiled = Compiled({"type": "string", "pattern": "^[a$]+$"})
    assert [compiled.accepts(value) for value in ("a$", "a\n", "b")] == [True, False, False]
    compiled = Compiled({"patternProperties": {"^a$": False}})
    assert [compiled.accepts({value: 1}) for value in ("a", "a\n")] == [False, True]


def test_formats():
    """Formats are judged in strings only, with digits of ASCII; unknown ones are annotations."""
    for schema in ({"format": "date-time"}, {"type": "string", "format": "date-time"}):
        compiled = Compiled(schema)
        assert compiled.accepts("2024-05-17T10:21:33Z")
        assert not compiled.accepts("2024-05-17T10:21:33")
        assert not compiled.accepts("\uff12024-05-17T10:21:33Z")
    assert Compiled({"format": "date-time"}).accepts(5)
    assert Compiled({"format": "uri"}).accepts("git+ssh://x/y")
    assert Compiled({"type": "string", "format": "email"}).accepts("a@b.c")
    assert not Compiled({"format": "email"}).accepts("a")
    assert not Compiled({"format": "date"}).accepts("\uff12024-05-17")
    assert not Compiled({"format": "regex"}).accepts("(")
    assert Compiled({"format": "unheard-of"}).accepts("x")


def test_required_without_a_schema():
    """A required property need not be described."""
    compiled = Compiled({"type": "object", "required": ["a", "b"], "properties": {"b": {"type": "null"}}})
    assert compiled.accepts({"a": 1, "b": None})
    assert not compiled.accepts({"b": None})


def test_recursion_and_depth():
    """A schema may refer to itself, and be nested deeper than Python nests blocks."""
    tree = Compiled({"type": "object", "properties": {"a": {"$ref": "#"}}, "additionalProperties": False})
    assert tree.accepts({"a": {"a": {"a": {}}}})
    assert not tree.accepts({"a": {"a": {"b": {}}}})
    schema, good, bad = {"type": "integer"}, 1, "x"
    for _ in range(60):
        schema, good, bad = {"type": "array", "items": schema}, [good], [bad]
    assert Compiled(schema).accepts(good)
    assert not Compiled(schema).accepts(bad)


def test_schemas_that_judge_nothing():
    """They make valid code too."""
    for schema in (
        True,
        {},
        {"allOf": [{}, True]},
        {"type": "array", "items": {"allOf": [{}]}},
        {"additionalProperties": {"not": False}},
        {"properties": {"a": {}}},
        {"type": "object", "properties": {"a": {"allOf": [{}]}}},
    ):
        assert Compiled(schema).accepts({} if "type" not in str(schema) or "object" in str(schema) else [1])
    assert not Compiled(False).accepts({})
    assert not Compiled({"type": "object", "properties": {"a": False}}).accepts({"a": 1})


# The same verdict as fastjsonschema's.

SCALARS = st.none() | st.booleans() | st.integers(-3, 12) | st.sampled_from([1.0, 1.5, 0.25, "", "a", "b", "ab"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


def _optional(**parts):
    return st.fixed_dictionaries({}, optional=parts)


def _schemas(inner):
    names = st.lists(st.sampled_from("abc"), max_size=2, unique=True)
    named = st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    few = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        _optional(type=st.just("object"), properties=named, required=names, additionalProperties=st.booleans()),
        _optional(properties=named, additionalProperties=inner, patternProperties=named, propertyNames=inner),
        _optional(minProperties=st.integers(0, 2), maxProperties=st.integers(0, 2), dependencies=named),
        _optional(type=st.just("array"), items=inner, minItems=st.integers(0, 2), maxItems=st.integers(0, 2)),
        _optional(items=few, additionalItems=inner, contains=inner, uniqueItems=st.booleans()),
        _optional(allOf=few, anyOf=few, oneOf=few),
        _optional(**{"not": inner, "if": inner, "then": inner, "else": inner}),
    )


NUMBERS = st.integers(-2, 9)
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
SCHEMAS = st.recursive(
    st.booleans()
    | _optional(type=TYPES, enum=st.lists(VALUES, max_size=3), const=VALUES)
    | _optional(
        type=st.lists(TYPES, min_size=1, max_size=3, unique=True),
        minimum=NUMBERS,
        maxLength=st.integers(0, 2),
    )
    | _optional(
        type=st.sampled_from(["integer", "number"]),
        minimum=NUMBERS,
        maximum=NUMBERS,
        exclusiveMinimum=NUMBERS,
        exclusiveMaximum=NUMBERS,
        multipleOf=st.sampled_from([1, 2, 0.5]),
    )
    | _optional(
        type=st.just("string"),
        minLength=st.integers(0, 2),
        maxLength=st.integers(0, 2),
        pattern=st.just("^a"),
        enum=st.lists(st.sampled_from(["a", "b", ""]), max_size=3),
    ),
    _schemas,
    max_leaves=5,
)


def _contradicts(schema):
    """Whether fastjsonschema refuses to compile it: a key both required and not allowed."""
    if isinstance(schema, list):
        return any(map(_contradicts, schema))
    if not isinstance(schema, dict):
        return False
    required, named = schema.get("required", []), schema.get("properties", {})
    return bool(set(required) - set(named)) or any(map(_contradicts, schema.values()))


@settings(max_examples=150 * CASES)
@given(SCHEMAS, st.lists(VALUES, min_size=1, max_size=5))
def test_any_schema_has_the_verdict_of_fastjsonschema(schema, values):
    """Whatever the keywords, code of our own and the explanation agree with plain fastjsonschema."""
    if not isinstance(schema, dict) or _contradicts(schema):
        return
    compiled, expected = Compiled(schema), plain(schema)
    for value in values:
        assert compiled.accepts(value) is expected(value)


class Sample:
    """Payloads made from a schema, and spoiled."""

    def __init__(self, document, seed):
        self.definitions = document["definitions"]
        self.random = random.Random(seed)

    def value(self, schema, depth=0):
        """A value that follows the schema of a message."""
        chance = self.random
        while "$ref" in schema:
            schema = self.definitions[schema["$ref"].rpartition("/")[2]]
        if "enum" in schema:
            return chance.choice(schema["enum"])
        match schema.get("type"):
            case "object":
                required = schema.get("required", ())
                return {
                    key: self.value(part, depth + 1)
                    for key, part in schema.get("properties", {}).items()
                    if key in required or (depth < 4 and chance.random() < 0.5)
                }
            case "array":
                low = schema.get("minItems", 0)
                count = chance.randint(low, min(schema.get("maxItems", 2), low + 1))
                return [self.value(schema["items"], depth + 1) for _ in range(count)]
            case "string":
                known = {"date-time": "2024-05-17T10:21:33.123Z", "uri": "http://example.com/x"}
                if "format" in schema:
                    return known[schema["format"]]
                return "x" * chance.randint(0, min(schema.get("maxLength", 9), 9))
            case "integer" | "number" as kind:
                low = schema.get("minimum", 0)
                high = schema.get("maximum", low + 9)
                return chance.randint(math.ceil(low), math.floor(high)) if kind == "integer" else low
            case "boolean":
                return chance.random() < 0.5
        return {}

    def spoil(self, value):
        """Change one place, perhaps for the worse."""
        places = []

        def walk(node):
            for key, item in node.items() if isinstance(node, dict) else enumerate(node):
                places.append((node, key))
                if isinstance(item, (dict, list)):
                    walk(item)

        walk(value)
        if not places or self.random.random() < 0.1:
            value["zzExtra"] = 1
            return
        node, key = self.random.choice(places)
        if isinstance(node, dict) and self.random.random() < 0.3:
            del node[key]
        else:
            odd = [None, True, "", "Z" * 3000, "2024-05-17T10:21:33", "2024-05-17T10:21:33+01:00", [], {}]
            odd += [0, -1, 1.0, 1.5, 4.11, 10**15, [None] * 2000, {"zz": 1}, copy.deepcopy(node)]
            node[key] = self.random.choice(odd)


@pytest.mark.feature("E7")
@pytest.mark.parametrize("subprotocol", validation.STANDARD)
def test_every_message_has_the_verdict_of_fastjsonschema(subprotocol):
    """Built-in validators and plain fastjsonschema agree on payloads that are right, and on spoiled ones."""
    document = validation.schemas(subprotocol)
    sample = Sample(document, seed=7)
    validator = validation.standard_validator(subprotocol)
    good = bad = 0
    for method, kinds in document["messages"].items():
        for kind, schema in kinds.items():
            expected = plain({**schema, "definitions": _reachable(schema, document["definitions"])})
            judge = getattr(validator, f"validate_{kind}")
            for count in range(3 * CASES):
                value = sample.value(schema)
                for _ in range(count % 3):
                    sample.spoil(value)
                verdict = expected(value)
                if verdict:
                    judge(method, value)
                    good += 1
                else:
                    with pytest.raises(validation.RPCError) as caught:
                        judge(method, value)
                    # The explanation agrees: it found a keyword.
                    assert caught.value.details["keyword"]
                    bad += 1
                assert verdict or count % 3
    assert good > 100 < bad


def _reachable(schema, definitions):
    """The definitions a message needs, as it takes fastjsonschema long to walk through all of them."""
    found = {}
    texts = [json.dumps(schema)]
    while texts:
        for piece in texts.pop().split('"#/definitions/')[1:]:
            name = piece.partition('"')[0]
            if name not in found:
                found[name] = definitions[name]
                texts.append(json.dumps(definitions[name]))
    return found
