"""Strict mode: which schema judges which message, and which error code a violated keyword stands for."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, final

from . import _schemas
from ._compile_explain import Explainer, Path, brief
from ._compile_rules import Invalid
from .errors import ERRORS, RPCError, RPCProtocolError, create_rpc_error

STANDARD = tuple(_schemas.MODULES)
"""The subprotocols with a built-in validator."""

_OCCURRENCE = ("required", "minItems", "maxItems", "minProperties", "maxProperties")
_PROPERTY = (
    *("additionalProperties", "propertyNames", "dependencies", "enum", "const", "pattern"),
    *("minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
)
KEYWORD_CODES: Mapping[str, str] = {
    "type": "TypeConstraintViolation",
    **dict.fromkeys(_OCCURRENCE, "OccurrenceConstraintViolation"),
    **dict.fromkeys(_PROPERTY, "PropertyConstraintViolation"),
}
"""The keyword of JSON Schema that refused → the error code; it is FormatViolation for all others."""

_LONGEST_MESSAGE = 255  # an errorDescription may have no more characters (rule 7)
_ID = re.compile(r"(?:urn:(?:.*:)?)?(?P<method>[^:]+?)(?P<kind>\.req|\.conf|\.send|Request|Response)")
_KINDS = {
    ".req": "request",
    "Request": "request",
    ".conf": "response",
    "Response": "response",
    ".send": "send",
}

_Check = Callable[[Any], object]


@final
@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Validator:
    """Judges the payloads of one subprotocol; made by `create_validator` or `standard_validator`.

    Never changes and keeps no state, so any number of clients and servers may share one.
    """

    subprotocol: str
    """The WebSocket subprotocol it is for, such as `ocpp1.6`."""
    methods: frozenset[str]
    """The methods it has any schema for."""
    _requests: Mapping[str, _Check] = field(repr=False)
    _responses: Mapping[str, _Check] = field(repr=False)
    _sends: Mapping[str, _Check] = field(repr=False)
    _codes: Mapping[str, str] = field(repr=False)
    _explainer: Explainer = field(repr=False)

    def knows(self, method: str) -> bool:
        """Whether it has a schema for the request, the response or the SEND of `method`."""
        return method in self.methods

    def validate_request(self, method: str, payload: Any) -> None:
        """Raise the `RPCError` that says why `payload` is no request of `method`, spelled as in OCPP 2.x.

        Without a schema for it: `RPCProtocolError`.  The payload is not changed.
        """
        # A failed look-up is told apart afterwards: in the usual case there is nothing but a call.
        try:
            self._requests[method](payload)
        except (Invalid, KeyError, RecursionError):
            raise self._error(self._requests, "params", method, payload) from None

    def validate_response(self, method: str, payload: Any) -> None:
        """Judge the result of a call, as `validate_request` does its parameters."""
        try:
            self._responses[method](payload)
        except (Invalid, KeyError, RecursionError):
            raise self._error(self._responses, "result", method, payload) from None

    def validate_send(self, method: str, payload: Any) -> None:
        """Judge the parameters of a SEND (OCPP 2.1), as `validate_request` does those of a call."""
        try:
            self._sends[method](payload)
        except (Invalid, KeyError, RecursionError):
            raise self._error(self._sends, "params", method, payload) from None

    def _error(self, checks: Mapping[str, _Check], root: str, method: str, payload: Any) -> RPCError:
        if method not in checks:
            return RPCProtocolError(f"{root}: there is no schema for {brief(method)} in {self.subprotocol}")
        try:
            found = self._explainer.first({"$ref": checks[method].__name__}, payload)
        except RecursionError:
            found = None
        if found is None:
            return create_rpc_error("FormatViolation", f"{root}: does not follow the schema, or is too deep")
        message = f"{root}{_place(found.path)}: {found.text}"
        if len(message) > _LONGEST_MESSAGE:
            message = message[: _LONGEST_MESSAGE - 1] + "…"
        details = {"keyword": found.keyword, "path": list(found.path), **found.details}
        return create_rpc_error(self._codes.get(found.keyword, "FormatViolation"), message, details)


def _place(path: Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part[:40]}" for part in path)


def _validator(subprotocol: str, module: Mapping[str, Any], codes: Mapping[str, str]) -> Validator:
    """The validator made of the contents of a generated module, described at `_compile.generate`."""
    texts: Mapping[str, str] = module["SCHEMAS"]

    # One by one, when a payload fails it: to parse all of them at once would take milliseconds.
    @cache
    def schema(name: str) -> Any:
        return json.loads(texts[name])

    return Validator(
        subprotocol=subprotocol,
        methods=frozenset((*module["REQUESTS"], *module["RESPONSES"], *module["SENDS"])),
        _requests=module["REQUESTS"],
        _responses=module["RESPONSES"],
        _sends=module["SENDS"],
        _codes=codes,
        _explainer=Explainer(schema, module["FORMATS"]),
    )


def create_validator(
    subprotocol: str, schemas: Sequence[Any], *, error_codes: Mapping[str, str] | None = None
) -> Validator:
    """A validator of one's own, from JSON Schemas (draft-07) named by their `$id`.

    `urn:Method.req` or `urn:MethodRequest` is the request of a method, `urn:Method.conf` or
    `urn:MethodResponse` its response, `urn:Method.send` its SEND; all also without `urn:`.  `error_codes` has
    the error codes of keywords that shall differ from `KEYWORD_CODES`.  This takes milliseconds per schema.
    Raises `ValueError` for a bad schema, `$id` or code, and for a `$ref` to elsewhere: nothing is fetched.
    """
    codes = {**KEYWORD_CODES, **(error_codes or {})}
    for keyword, code in codes.items():
        if code not in ERRORS:
            raise ValueError(f"error_codes: {keyword} has the unknown error code {code!r}")
    messages: dict[str, dict[str, Any]] = {}
    for schema in schemas:
        name = schema.get("$id") if isinstance(schema, dict) else None
        match = _ID.fullmatch(name) if isinstance(name, str) else None
        if match is None:
            raise ValueError(f"$id {name!r} does not look like urn:Method.req or urn:Method.conf")
        kinds = messages.setdefault(match["method"], {})
        kind = _KINDS[match["kind"]]
        if kind in kinds:
            raise ValueError(f"$id {name!r}: there is another {kind} of {match['method']}")
        kinds[kind] = schema
    return _validator(subprotocol, _compiled(subprotocol, messages), codes)


def _compiled(subprotocol: str, messages: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    from ._compile import generate  # noqa: PLC0415 - slow to import, and few have schemas of their own

    namespace: dict[str, Any] = {}
    try:
        source = generate(messages)
        exec(compile(source, f"<validators of {subprotocol}>", "exec"), namespace)  # noqa: S102
    except RecursionError:
        raise ValueError("the schemas are nested too deeply") from None
    return namespace


@cache
def standard_validator(subprotocol: str) -> Validator | None:
    """The built-in validator of one of `STANDARD`, always the same one; None for another subprotocol.

    Raises `RuntimeError` in a source tree where it was not generated yet.
    """
    if subprotocol not in STANDARD:
        return None
    return _validator(subprotocol, vars(_schemas.module(subprotocol)), KEYWORD_CODES)


def schemas(subprotocol: str) -> dict[str, Any]:
    """The schemas of one of `STANDARD`, as a new JSON document.

    It has `subprotocol`, `definitions` (name → schema) and `messages` (method → `request` and `response`, or
    `send` → schema); a `$ref` is `#/definitions/` and a name.  Raises `ValueError` for another subprotocol.
    """
    if subprotocol not in STANDARD:
        raise ValueError(f"there are no schemas for {subprotocol!r}, only for {', '.join(STANDARD)}")
    return _schemas.document(subprotocol)
