"""How JSON Schemas become the Python source of one module of validators.

The functions are for the case that matters, a valid payload: they raise a bare `Invalid` and say no more.
What was wrong is found afterwards, by `_compile_explain`, in the schemas kept as JSON text beside them.
The keywords that OCPP uses get code of our own, any other schema that of fastjsonschema's generator.

What differs from draft-07, all on purpose: keywords beside a `$ref` apply; a number must fit a double, so it
is neither infinite nor NaN nor hundreds of digits long; `multipleOf` tolerates a millionth of a step, since
0.1 + 0.2 has to be a multiple of 0.1; contents of strings (`contentEncoding`) are not looked into.

The build hook runs this without the rest of the package, so it may import nothing of it but `_compile_flat`.
"""

# fastjsonschema's generator has no annotations:
# mypy: allow-untyped-calls

import json
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fastjsonschema.draft07 import CodeGeneratorDraft07

from ._compile_flat import BOUNDS, Flat, Schema

_FORMATS: dict[str, str] = {
    **{
        # Only the formats for other scripts may have digits other than 0-9.
        name: f"re.compile({regex!r}{'' if name.startswith(('idn', 'iri')) else ', re.ASCII'}).match"
        for name, regex in CodeGeneratorDraft07.FORMAT_REGEXS.items()
    },
    "date-time": "is_date_time",
    "uri": "is_uri",
    "regex": "is_regex",
}
"""Format → source of the function that tells whether a string has it."""

_KINDS = ("request", "response", "send")
_SCALARS = {
    "string": {"type", "enum", "minLength", "maxLength", "pattern", "format"},
    "integer": {"type", *BOUNDS},
    "number": {"type", *BOUNDS},
    "boolean": {"type"},
}
_OBJECT = {"type", "properties", "required", "additionalProperties"}
_ARRAY = {"type", "items", "minItems", "maxItems"}

_HEAD = """
import re
from ocpp_rpc_core._compile_rules import Invalid, is_date_time, is_integer, is_number, is_regex, is_uri
JsonSchemaValueException = JsonSchemaValuesException = Invalid
NoneType = type(None)
"""


def generate(messages: Mapping[str, Mapping[str, Any]], document: Any = None) -> str:
    """The source of a module with the validators of `messages`: method → kind → schema.

    Kinds are `request`, `response` and `send`.  `$ref`s point into `document`, or without one into the schema
    that has them.  The input is not changed.  Raises `ValueError` for what is not a schema of draft-07.

    The module has `REQUESTS`, `RESPONSES` and `SENDS` (method → function that raises `Invalid`), `SCHEMAS`
    (name of a function → JSON text of its schema, in which a `$ref` is such a name) and `FORMATS` (name →
    function that tells whether a string has the format).
    """
    flat = Flat(_FORMATS)
    roots = {
        kind: {
            method: flat.name(schemas[kind], schemas[kind] if document is None else document, method)
            for method, schemas in messages.items()
            if kind in schemas
        }
        for kind in _KINDS
    }
    return _Generator(flat.schemas, roots).module()


def _type_test(name: str, value: str) -> str:
    """The expression that is true when the variable `value` is not of the JSON type `name`."""
    return {
        "array": f"{value}.__class__ is not list and not isinstance({value}, (list, tuple))",
        "boolean": f"{value} is not True and {value} is not False",
        "integer": f"not is_integer({value})",
        "null": f"{value} is not None",
        "number": f"not is_number({value})",
        "object": f"{value}.__class__ is not dict and not isinstance({value}, dict)",
        "string": f"{value}.__class__ is not str and not isinstance({value}, str)",
    }[name]


def _bounds_test(schema: Mapping[str, Any], value: str) -> str:
    """The expression that is true when the number `value` breaks one of the bounds, or is not finite."""
    high = sys.float_info.max
    step = schema.get("multipleOf")
    if step is not None and step < 1:
        high *= step  # so that the quotient is finite too
    low = max(-high, schema.get("minimum", -high))
    tests = [f"{low} <= {value} <= {min(high, schema.get('maximum', high))}"]
    if "exclusiveMinimum" in schema:
        tests.append(f"{schema['exclusiveMinimum']} < {value}")
    if "exclusiveMaximum" in schema:
        tests.append(f"{value} < {schema['exclusiveMaximum']}")
    if step is not None:
        tests.append(f"abs((step := {value} / {step}) - round(step)) < 1e-6")
    return f"not ({' and '.join(tests)})"


def _table(name: str, entries: Mapping[str, str]) -> str:
    """The source of a dict: `entries` is key → source of the value."""
    return f"{name} = {{\n" + "".join(f"    {key!r}: {value},\n" for key, value in entries.items()) + "}"


class _Generator(CodeGeneratorDraft07):
    """Writes the functions.  Their argument is `data`, and so begin the names of all variables in them."""

    _definition: Any  # the schema that is being written, and the variable it judges
    _variable: Any

    def __init__(self, schemas: Mapping[str, Schema], roots: Mapping[str, Mapping[str, str]]) -> None:
        super().__init__({}, use_default=False, detailed_exceptions=False)
        self._schemas = schemas
        self._roots = roots
        self._sets: dict[tuple[str, ...], str] = {}
        self._formats: dict[str, str] = {}
        self._count = 0

    def module(self) -> str:
        """The whole source."""
        self.generate_func_code()
        regexes = {pattern: f"re.compile({pattern!r})" for pattern in self._compile_regexps}
        return "\n".join(
            [
                _HEAD,
                _table("REGEX_PATTERNS", regexes),
                _table("FORMATS", self._formats),
                *(f"{name} = frozenset({keys!r})" for keys, name in self._sets.items()),
                *self._code,
                *(_table(f"{kind}s".upper(), names) for kind, names in self._roots.items()),
                _table("SCHEMAS", {name: repr(json.dumps(part)) for name, part in self._schemas.items()}),
                "",
            ]
        )

    def generate_func_code(self) -> None:
        """Write a function for each schema that is called from somewhere."""
        roots = {name for names in self._roots.values() for name in names.values()}
        for name, schema in self._schemas.items():
            if name in roots or not self._is_scalar(schema):
                with self.l("def {}(data):", name):
                    self._value(schema, "data")

    @contextmanager
    def _block(self) -> Generator[None, None, None]:
        """What is written into a block; nothing becomes `pass`."""
        before = len(self._code)
        yield
        if len(self._code) == before:
            self.l("pass")

    def _value(self, schema: Schema, variable: str) -> None:
        """Write what judges `variable`."""
        self.generate_func_code_block(schema, variable, "data", clear_variables=True)

    def _is_scalar(self, schema: Schema) -> bool:
        """Whether one expression can judge it: `_scalar_test`."""
        if not isinstance(schema, dict) or not isinstance(schema.get("type"), str):
            return False
        return schema.keys() <= _SCALARS.get(schema["type"], set()) and all(
            isinstance(value, str) for value in schema.get("enum", ())
        )

    def _scalar_test(self, schema: Mapping[str, Any], value: str) -> str:
        """The expression that is true when the variable `value` does not follow a scalar schema."""
        kind = schema["type"]
        test = _type_test(kind, value)
        if kind == "string":
            return " or ".join([test, *self._string_tests(schema, value)])
        if kind == "boolean":
            return test
        classes = ("int",) if kind == "integer" else ("float", "int")
        unusual = " and ".join(f"{value}.__class__ is not {name}" for name in classes)
        return f"{unusual} and {test} or {_bounds_test(schema, value)}"

    def _string_tests(self, schema: Mapping[str, Any], value: str) -> Iterator[str]:
        if "enum" in schema:
            yield f"{value} not in {self._set(schema['enum'])}"
        if "maxLength" in schema:
            yield f"len({value}) > {schema['maxLength']}"
        if "minLength" in schema:
            yield f"len({value}) < {schema['minLength']}"
        if "pattern" in schema:
            self._compile_regexps[schema["pattern"]] = schema["pattern"]
            yield f"not REGEX_PATTERNS[{schema['pattern']!r}].search({value})"
        if "format" in schema:
            source = self._formats.setdefault(schema["format"], _FORMATS[schema["format"]])
            function = source if source.isidentifier() else f"FORMATS[{schema['format']!r}]"
            yield f"not {function}({value})"

    def _set(self, keys: list[str]) -> str:
        return self._sets.setdefault(tuple(keys), f"S{len(self._sets)}")

    def _object(self, schema: Mapping[str, Any], value: str) -> None:
        required = schema.get("required", [])
        missing = "".join(f" or {key!r} not in {value}" for key in required)
        self.l("if {}{}: raise Invalid", _type_test("object", value), missing)
        allowed = schema.get("properties", {})
        properties = {key: part for key, part in allowed.items() if part not in (True, {})}
        for key in required:
            if key in properties:
                self._property(key, properties.pop(key), value)
        # All required keys are there: if the count is theirs there are no others, as is often so.
        with self.l("if len({}) != {}:", value, len(required)), self._block():
            if "additionalProperties" in schema:
                self.l("if not {}.issuperset({}): raise Invalid", self._set(list(allowed)), value)
            for key, part in properties.items():
                with self.l("if {!r} in {}:", key, value):
                    self._property(key, part, value)

    def _property(self, key: str, schema: Schema, value: str) -> None:
        self._count += 1
        self.l("data_{} = {}[{!r}]", self._count, value, key)
        self._value(schema, f"data_{self._count}")

    def _array(self, schema: Mapping[str, Any], value: str) -> None:
        tests = [_type_test("array", value)]
        if "minItems" in schema:
            tests.append(f"len({value}) < {schema['minItems']}")
        if "maxItems" in schema:
            tests.append(f"len({value}) > {schema['maxItems']}")
        self.l("if {}: raise Invalid", " or ".join(tests))
        if "items" in schema:
            self._count += 1
            item = f"data_{self._count}"
            with self.l("for {} in {}:", item, value):
                self._value(schema["items"], item)

    # What follows replaces methods of fastjsonschema's generator.

    def generate_func_code_block(
        self, definition: Schema, variable: str, variable_name: str, clear_variables: bool = False
    ) -> None:
        """Write what judges `variable`, at least `pass`."""
        with self._block():
            super().generate_func_code_block(definition, variable, variable_name, clear_variables)

    def run_generate_functions(self, definition: dict[str, Any]) -> int:
        """Write what judges the current variable by `definition`, which is no `$ref` and no boolean."""
        keywords = definition.keys()
        if self._is_scalar(definition):
            self.l("if {}: raise Invalid", self._scalar_test(definition, self._variable))
        elif (
            definition.get("type") == "object"
            and keywords <= _OBJECT
            and not isinstance(definition.get("additionalProperties"), dict)
        ):
            self._object(definition, self._variable)
        elif definition.get("type") == "array" and keywords <= _ARRAY and not isinstance(definition.get("items"), list):
            self._array(definition, self._variable)
        else:
            super().run_generate_functions(definition)
        return 1

    def generate_ref(self) -> None:
        """Judge by another schema: in place if it is simple, else by calling its function."""
        name = self._definition["$ref"]
        if self._is_scalar(self._schemas[name]):
            self._value(self._schemas[name], self._variable)
        else:
            self.l("{}({variable})", name)

    def exc(self, msg: str, *_: object, append_to_msg: object = None, rule: object = None) -> None:
        """Refuse the value, without a reason."""
        self.l("raise Invalid")

    def generate_type(self) -> None:
        """Write the test of `type`, which may be a list."""
        types = self._definition["type"]
        tests = [_type_test(name, self._variable) for name in (types if isinstance(types, list) else [types])]
        self.l("if {}: raise Invalid", " and ".join(f"({test})" for test in tests))

    def _number(self) -> None:
        """Write the tests of all bounds at once: the same line written again is dropped."""
        number = "isinstance({variable}, (int, float)) and not isinstance({variable}, bool)"
        self.l(f"if {number} and {{}}: raise Invalid", _bounds_test(self._definition, self._variable))

    generate_minimum = generate_maximum = _number
    generate_exclusive_minimum = generate_exclusive_maximum = generate_multiple_of = _number

    def _string(self) -> None:
        """Write the tests of all that only a string can break, as in `_number`."""
        schema = {keyword: value for keyword, value in self._definition.items() if keyword != "enum"}
        tests = " or ".join(self._string_tests(schema, self._variable))
        self.l("if isinstance({variable}, str) and ({}): raise Invalid", tests)

    generate_min_length = generate_max_length = generate_pattern = generate_format = _string
