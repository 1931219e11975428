"""Which violation of a schema counts as the first one, and how it is told.

Runs only after a generated validator has refused a payload.  The error code of a CALLERROR depends on the
order, so it is fixed.  Outer goes before inner.  At one place structure goes before values: `type`,
`additionalProperties`, `required`, then the keywords in the order of `_TESTS`, `format`, and the schemas that
combine others.  Then come the properties in the order of the schema, and the items in theirs.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ._compile_rules import FINITE, is_integer, is_number

Path = tuple[str | int, ...]
"""Where in a payload: keys of objects and indices of arrays."""

_LONGEST = 40  # characters of a value or a key that a message quotes
_MOST = 20  # of the allowed values that details list


class Violation(NamedTuple):
    """What is wrong: the keyword that refuses, where, in words, and what else could help to mend it."""

    keyword: str
    path: Path
    text: str
    details: dict[str, Any]


def brief(value: object) -> str:
    """`value` in a few words, however large it is."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _LONGEST else f"{value[:_LONGEST]!r}…"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "an array"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if not isinstance(value, (int, float)):
        return f"a {type(value).__name__}"  # nothing that JSON has
    # Python refuses to print integers of more than 4300 digits.
    return repr(value) if isinstance(value, float) or abs(value) < 10**20 else "a huge number"


def _key(value: Any) -> Any:
    """Something hashable that is equal for equal JSON values; true is not 1, but 1.0 is."""
    if isinstance(value, dict):
        return frozenset((key, _key(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(_key(item) for item in value)
    return (bool, value) if isinstance(value, bool) else value


def _is_multiple(value: float, step: float) -> bool:
    high = FINITE * min(step, 1)  # so that the quotient is finite too
    if not -high <= value <= high:
        return False
    return abs(value / step - round(value / step)) < 1e-6


def _is_type(value: Any, types: str | list[str]) -> bool:
    return any(_TYPES[name](value) for name in ([types] if isinstance(types, str) else types))


_TYPES: dict[str, Callable[[Any], bool]] = {
    "array": lambda value: isinstance(value, (list, tuple)),
    "boolean": lambda value: isinstance(value, bool),
    "integer": is_integer,
    "null": lambda value: value is None,
    "number": is_number,
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}

_ARRAY = (list, tuple)
_NUMBER = (int, float)
_TESTS: dict[str, tuple[type | tuple[type, ...], Callable[[Any, Any], bool], str]] = {
    "minProperties": (dict, lambda value, limit: len(value) >= limit, "has fewer than {} properties"),
    "maxProperties": (dict, lambda value, limit: len(value) <= limit, "has more than {} properties"),
    "minItems": (_ARRAY, lambda value, limit: len(value) >= limit, "has fewer than {} items"),
    "maxItems": (_ARRAY, lambda value, limit: len(value) <= limit, "has more than {} items"),
    "uniqueItems": (_ARRAY, lambda value, _: len(set(map(_key, value))) == len(value), "has equal items"),
    "enum": (object, lambda value, limit: _key(value) in map(_key, limit), "is not an allowed value"),
    "const": (object, lambda value, limit: _key(value) == _key(limit), "is not {}"),
    "minLength": (str, lambda value, limit: len(value) >= limit, "is shorter than {} characters"),
    "maxLength": (str, lambda value, limit: len(value) <= limit, "is longer than {} characters"),
    "pattern": (str, lambda value, limit: re.search(limit, value) is not None, "does not match {}"),
    "minimum": (_NUMBER, lambda value, limit: is_number(value) and value >= limit, "is less than {}"),
    "maximum": (_NUMBER, lambda value, limit: is_number(value) and value <= limit, "is more than {}"),
    "exclusiveMinimum": (_NUMBER, lambda value, limit: is_number(value) and value > limit, "is not above {}"),
    "exclusiveMaximum": (_NUMBER, lambda value, limit: is_number(value) and value < limit, "is not below {}"),
    "multipleOf": (_NUMBER, _is_multiple, "is not a multiple of {}"),
}
"""Keyword → the types it judges, whether a value follows it, and what to say if not."""


class Explainer:
    """Finds violations.  `resolve` gives the schema a `$ref` names, `formats` the tests of formats."""

    def __init__(self, resolve: Callable[[str], Any], formats: Mapping[str, Callable[[str], object]]) -> None:
        self._resolve = resolve
        self._formats = formats

    def first(self, schema: Any, value: Any, path: Path = ()) -> Violation | None:
        """The first violation of `schema` by `value`, or None if there is none."""
        if schema is True:
            return None
        if schema is False:
            return Violation("false", path, f"{brief(value)} is never allowed", {})
        if "$ref" in schema:
            return self.first(self._resolve(schema["$ref"]), value, path)
        parts = (self._structure, self._values, self._combined, self._properties, self._items)
        return next((found for part in parts for found in part(schema, value, path)), None)

    def _follows(self, schema: Any, value: Any) -> bool:
        return self.first(schema, value) is None

    def _inside(self, schema: Any, value: Any, path: Path) -> Iterator[Violation]:
        """The violation in a part of the payload, if any."""
        found = self.first(schema, value, path)
        if found is not None:
            yield found

    def _structure(self, schema: Any, value: Any, path: Path) -> Iterator[Violation]:
        if "type" in schema and not _is_type(value, schema["type"]):
            limit = schema["type"]
            types = limit if isinstance(limit, str) else " or ".join(limit)
            yield Violation("type", path, f"{brief(value)} is not of type {types}", {"limit": limit})
        if not isinstance(value, dict):
            return
        if schema.get("additionalProperties") is False:
            for key in value:
                if not self._is_named(schema, key):
                    details = {"property": str(key)[:_LONGEST]}
                    yield Violation("additionalProperties", path, f"{brief(key)} is not allowed", details)
        for key in schema.get("required", ()):
            if key not in value:
                yield Violation("required", path, f"{brief(key)} is required", {"property": key})

    def _values(self, schema: Any, value: Any, path: Path) -> Iterator[Violation]:
        for keyword, (types, follows, text) in _TESTS.items():
            if keyword not in schema or not isinstance(value, types):
                continue
            if types is _NUMBER and isinstance(value, bool):
                continue
            limit = schema[keyword]
            if not follows(value, limit):
                details = {"allowed": limit[:_MOST]} if keyword == "enum" else {"limit": limit}
                yield Violation(keyword, path, f"{brief(value)} {text.format(brief(limit))}", details)
        name = schema.get("format")
        if name is not None and isinstance(value, str) and not self._formats[name](value):
            yield Violation("format", path, f"{brief(value)} is not a valid {name}", {"limit": name})

    def _combined(self, schema: Any, value: Any, path: Path) -> Iterator[Violation]:
        for part in schema.get("allOf", ()):
            yield from self._inside(part, value, path)
        for keyword in ("anyOf", "oneOf"):
            count = sum(self._follows(part, value) for part in schema.get(keyword, ()))
            if keyword in schema and (count == 0 or (keyword == "oneOf" and count > 1)):
                text = f"{brief(value)} follows {count} of {len(schema[keyword])} schemas"
                yield Violation(keyword, path, text, {})
        if "not" in schema and self._follows(schema["not"], value):
            yield Violation("not", path, f"{brief(value)} follows a schema that it must not follow", {})
        if "if" in schema:
            branch = "then" if self._follows(schema["if"], value) else "else"
            yield from self._inside(schema.get(branch, True), value, path)

    def _properties(self, schema: Any, value: Any, path: Path) -> Iterator[Violation]:
        if not isinstance(value, dict):
            return
        if "propertyNames" in schema:
            for key in value:
                if not self._follows(schema["propertyNames"], key):
                    details = {"property": str(key)[:_LONGEST]}
                    yield Violation("propertyNames", path, f"{brief(key)} is no allowed name", details)
        for key, needed in schema.get("dependencies", {}).items():
            if key in value and isinstance(needed, list):
                for other in needed:
                    if other not in value:
                        text = f"{brief(key)} requires {brief(other)}"
                        yield Violation("dependencies", path, text, {"property": other})
            elif key in value:
                yield from self._inside(needed, value, path)
        for key, part in schema.get("properties", {}).items():
            if key in value:
                yield from self._inside(part, value[key], (*path, key))
        rest = schema.get("additionalProperties", True)
        for key, item in value.items():
            for pattern, part in schema.get("patternProperties", {}).items():
                if re.search(pattern, key):
                    yield from self._inside(part, item, (*path, key))
            if rest is not False and not self._is_named(schema, key):
                yield from self._inside(rest, item, (*path, key))

    def _is_named(self, schema: Any, key: str) -> bool:
        """Whether it is not among the additional properties."""
        return key in schema.get("properties", ()) or any(
            re.search(pattern, key) for pattern in schema.get("patternProperties", ())
        )

    def _items(self, schema: Any, value: Any, path: Path) -> Iterator[Violation]:
        if not isinstance(value, _ARRAY):
            return
        if "contains" in schema and not any(self._follows(schema["contains"], item) for item in value):
            yield Violation("contains", path, f"{brief(value)} has no item of the kind it must contain", {})
        items = schema.get("items", True)
        for index, item in enumerate(value):
            part = items
            if isinstance(items, list):
                part = items[index] if index < len(items) else schema.get("additionalItems", True)
            yield from self._inside(part, item, (*path, index))
