"""What a peer without a mind of its own answers: the least that the schema of a response allows."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from ocpp_rpc_core.validation import schemas

FAVOURITE = "Accepted"
"""Taken wherever an enumeration has it; else its first value is."""
NUMBERS = {"interval": 300}
"""Numbers that mean something: seconds between heartbeats.  All others are 1, or what is nearest to it."""
TEXT = "sample"


@cache
def document(subprotocol: str) -> Mapping[str, Any]:
    """The schemas of a standard subprotocol, read once; `ValueError` for another one."""
    return schemas(subprotocol)


def minimal_response(subprotocol: str, method: str, now: datetime) -> Any:
    """A valid result of `method` with its required fields only; `{}` for a SEND, which has none.

    `now` is an aware time.  Raises `KeyError` for a method that the subprotocol does not have.
    """
    known = document(subprotocol)
    schema = known["messages"][method].get("response", {"type": "object"})
    return sample(schema, known["definitions"], now)


def sample(schema: Mapping[str, Any], definitions: Mapping[str, Any], now: datetime, name: str = "") -> Any:
    """The least value that a schema allows; `name` is that of the field it is for."""
    while "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/definitions/")]
    if "enum" in schema:
        return FAVOURITE if FAVOURITE in schema["enum"] else schema["enum"][0]
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            return {key: sample(fields[key], definitions, now, key) for key in schema.get("required", ())}
        case "array":
            return [sample(schema["items"], definitions, now, name)] * schema.get("minItems", 0)
        case "string":
            return _text(schema, now)
        case "integer" | "number":
            number = max(NUMBERS.get(name, 1), schema.get("minimum", 1))
            return min(number, schema.get("maximum", number))
        case "boolean":
            return False
        case _:
            return None


def _text(schema: Mapping[str, Any], now: datetime) -> str:
    match schema.get("format"):
        case "date-time":
            return timestamp(now)
        case "uri":
            return "https://example.com/"
        case _:
            return TEXT[: schema.get("maxLength")]


def timestamp(now: datetime) -> str:
    """An aware time as OCPP writes it, in UTC with milliseconds (RFC 3339)."""
    return now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
