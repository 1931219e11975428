"""What of a JSON Schema decides validity: only that is kept, in one canonical form without references."""

from typing import Any

Schema = dict[str, Any]
"""A JSON Schema object as parsed from JSON."""

KEPT = (
    "type",
    "format",
    "enum",
    "const",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "additionalProperties",
    "required",
    "properties",
    "minItems",
    "maxItems",
    "uniqueItems",
    "items",
)
"""The keywords that decide validity, in the order in which they are written."""

# `default` decides nothing; worse, some validators write it into the payload they judge.
# `additionalItems` has a meaning only beside an `items` list, which is refused below.
DROPPED = frozenset(
    {
        "$schema",
        "$id",
        "id",
        "$comment",
        "comment",
        "description",
        "title",
        "javaType",
        "examples",
        "default",
        "definitions",
        "additionalItems",
    }
)
"""The keywords that decide nothing: prose, names and hints for code generators."""

NAME = "$name"
"""Key under which an expanded node remembers the name of the definition it came from."""


class Unusable(Exception):
    """A source schema uses something this tool has no rule for."""


def expand(schema: Schema, definitions: Schema | None = None, inside: tuple[str, ...] = ()) -> Schema:
    """Return the facts of `schema` with every reference replaced by its target, marked with `NAME`.

    `definitions` are those of the document (default: of `schema` itself); `inside` names the
    definitions being expanded, to refuse one that contains itself. Raises `Unusable`.
    """
    known: Schema = schema.get("definitions", {}) if definitions is None else definitions
    if "$ref" in schema:
        # Draft-07 and older ignore all that stands beside a `$ref`.
        name = str(schema["$ref"]).removeprefix("#/definitions/")
        if name in inside or name not in known:
            raise Unusable(f"reference to {name!r}: recursive or unknown")
        return expand(known[name], known, (*inside, name)) | {NAME: name}
    unknown = schema.keys() - DROPPED - set(KEPT)
    if unknown:
        raise Unusable(f"keywords without a rule: {sorted(unknown)}")
    if isinstance(schema.get("items"), list) or isinstance(schema.get("additionalProperties"), dict):
        raise Unusable("`items` as a list and `additionalProperties` as a schema have no rule")
    node = _draft07(schema)
    if "properties" in node:
        node["properties"] = {key: expand(child, known, inside) for key, child in sorted(node["properties"].items())}
    if "items" in node:
        node["items"] = expand(node["items"], known, inside)
    return node


def _draft07(schema: Schema) -> Schema:
    """Return the kept keywords of one node in their draft-07 form and canonical order, without idle ones."""
    node = {keyword: _canonical(keyword, schema[keyword]) for keyword in KEPT if keyword in schema}
    # Draft-04 spells an exclusive limit as a flag beside the limit.
    for limit, flag in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        exclusive = node.get(flag)
        if isinstance(exclusive, bool):
            del node[flag]
            if exclusive:
                node[flag] = node.pop(limit)
    if node.get("type") != "object" or node.get("additionalProperties"):
        node.pop("additionalProperties", None)  # judges only objects, and `true` forbids nothing
    for keyword in ("required", "properties"):
        if not node.get(keyword, True):
            del node[keyword]
    return ordered(node)


def _canonical(keyword: str, value: Any) -> Any:
    """Return `value` in a form in which equal facts are equal: sets sorted, whole numbers as integers."""
    if keyword in ("enum", "required"):
        return sorted(set(value))
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def ordered(node: Schema) -> Schema:
    """Return `node` with its keywords in the order of `KEPT`, the name mark last."""
    return {keyword: node[keyword] for keyword in (*KEPT, NAME) if keyword in node}


def unnamed(node: Schema) -> Schema:
    """Return `node` without name marks at any depth: what two schemas are compared by."""
    bare = {keyword: value for keyword, value in node.items() if keyword != NAME}
    if "properties" in bare:
        bare["properties"] = {key: unnamed(child) for key, child in bare["properties"].items()}
    if "items" in bare:
        bare["items"] = unnamed(bare["items"])
    return bare
