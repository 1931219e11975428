"""How a JSON Schema (draft-07) is checked and brought to its barest form, each `$ref` resolved to a name.

Nothing is fetched: a `$ref` points into its own document or is refused.  Keywords beside a `$ref` apply, as
in later drafts, instead of being ignored without a word.  Annotations are dropped, so schemas that differ in
their descriptions alone are one; so are `contentEncoding` and `contentMediaType`, which one may ignore.
"""

import json
import re
import sys
from collections.abc import Collection
from typing import Any
from urllib.parse import unquote

Schema = dict[str, Any] | bool
"""A JSON Schema: `True` is the one that everything follows, `False` the one that nothing follows."""

BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
"""The keywords that judge numbers."""

_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_ONE = ("additionalProperties", "additionalItems", "contains", "propertyNames", "not", "if", "then", "else")
_MANY = ("allOf", "anyOf", "oneOf")
_NAMED = ("properties", "patternProperties", "dependencies")
_NOTHING: Any = object()
_INLINE_DEPTH = 8  # Python allows 20 nested blocks: what is deeper becomes a function of its own


class Flat:
    """Schemas in their barest form, each under a name; equal ones share it.

    Known formats are passed in; `schemas` is name → schema, in which a `$ref` is such a name.
    """

    def __init__(self, formats: Collection[str]) -> None:
        self.schemas: dict[str, Schema] = {}
        self._formats = formats
        self._names: dict[tuple[int, int], str] = {}
        self._same: dict[str, str] = {}

    def name(self, schema: Any, document: Any, where: str) -> str:
        """The name of `schema`, whose `$ref`s point into `document`.  Raises `ValueError` if it is none."""
        key = id(schema), id(document)
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = f"f{len(self._names)}"  # known first: it may refer to itself
            flat = self._flatten(schema, document, where, 0)
            name = self._names[key] = self._same.setdefault(json.dumps(flat), name)
            self.schemas.setdefault(name, flat)
        return name

    def _flatten(self, schema: Any, document: Any, where: str, depth: int) -> Schema:
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            raise ValueError(f"{where}: must be an object or a boolean")
        if depth == _INLINE_DEPTH:
            return {"$ref": self.name(schema, document, where)}
        flat: dict[str, Any] = {}
        for keyword, value in schema.items():
            part = self._keyword(keyword, value, document, f"{where}/{keyword}", depth + 1)
            if part is not _NOTHING:
                flat[keyword] = part
        if not isinstance(flat.get("items"), list):
            flat.pop("additionalItems", None)  # stands in most arrays of OCPP 2.x, and means nothing there
        if "$ref" not in schema:
            return flat
        target = _target(schema["$ref"], document, where)
        ref = {"$ref": self.name(target, document, schema["$ref"])}
        return {"allOf": [ref, flat]} if flat else ref

    def _keyword(self, keyword: str, value: Any, document: Any, where: str, depth: int) -> Any:
        """The value of a keyword in its barest form, or `_NOTHING` if it can refuse nothing."""

        def sub(schema: Any, key: object) -> Schema:
            return self._flatten(schema, document, f"{where}/{key}", depth)

        if keyword in _MANY or (keyword == "items" and isinstance(value, list)):
            _require(isinstance(value, list) and value, where, "a list of schemas")
            return [sub(schema, index) for index, schema in enumerate(value)]
        if keyword in _ONE or keyword == "items":
            flat = self._flatten(value, document, where, depth)
            # Elsewhere an empty schema matters: an empty `if` decides for `then`, an empty `not` refuses all.
            return _NOTHING if keyword.startswith(("additional", "items")) and flat in (True, {}) else flat
        if keyword in _NAMED:
            _require(isinstance(value, dict), where, "an object of schemas")
            return {
                _pattern(key, where) if keyword == "patternProperties" else key: (
                    _strings(part, where) if keyword == "dependencies" and isinstance(part, list) else sub(part, key)
                )
                for key, part in value.items()
            } or _NOTHING
        if keyword == "format":
            return value if value in self._formats else _NOTHING
        return _plain(keyword, value, where)


def _plain(keyword: str, value: Any, where: str) -> Any:
    """The checked value of a keyword that holds no schema, or `_NOTHING` for an annotation."""
    if keyword == "type":
        types = value if isinstance(value, list) else [value]
        _require(types and all(name in _TYPES for name in types), where, f"of {', '.join(_TYPES)}")
    elif keyword in _COUNTS:
        _require(_is_number(value) and value >= 0 and value == int(value), where, "a count")
        return int(value)
    elif keyword in BOUNDS:
        _require(_is_number(value) and (keyword != "multipleOf" or value > 0), where, "a number it can be")
    elif keyword == "required":
        return _strings(value, where) or _NOTHING
    elif keyword == "enum":
        _require(isinstance(value, list), where, "a list")
    elif keyword == "pattern":
        return _pattern(value, where)
    elif keyword != "const" and not (keyword == "uniqueItems" and value is True):
        return _NOTHING
    return value


def _require(condition: object, where: str, what: str) -> None:
    if not condition:
        raise ValueError(f"{where}: must be {what}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _strings(value: Any, where: str) -> list[str]:
    fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
    _require(fits, where, "a list of strings")
    return list(dict.fromkeys(value))


def _pattern(value: Any, where: str) -> str:
    """`value` with `$` meaning the very end: Python's also stands before a last newline."""
    _require(isinstance(value, str), where, "a regular expression")
    # Escaped characters and sets are matched first, so that the `$` in them stays as it is.
    pattern = re.sub(r"(\\.|\[(?:\\.|[^]\\])*])|\$", lambda match: match[1] or r"\Z", value, flags=re.DOTALL)
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{where}: {error}") from None
    return pattern


def _target(ref: Any, document: Any, where: str) -> Any:
    """What the JSON Pointer in `ref` (RFC 6901) points to."""
    if not isinstance(ref, str) or not (ref == "#" or ref.startswith("#/")):
        raise ValueError(f"{where}: $ref {ref!r} does not point into its own schema, and nothing is fetched")
    target = document
    for part in unquote(ref).split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            target = target[int(key) if isinstance(target, list) else key]
        except (LookupError, ValueError, TypeError):
            raise ValueError(f"{where}: $ref {ref!r} points to nothing") from None
    return target
