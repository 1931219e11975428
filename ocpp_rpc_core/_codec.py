"""The text of OCPP-J messages: what is read from the wire, and what is written to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast, final

from . import _json
from ._dialects import CALL, CALLERROR, CALLRESULT, CALLRESULTERROR, SEND, Dialect
from .errors import RPCError, RPCFrameworkError, RPCMessageTypeNotSupportedError, create_rpc_error
from .limits import Limits

UNREADABLE_ID = "-1"
"""Answers a message whose id cannot be read (rule 13)."""
DEFAULT_LIMITS = Limits()


@final
@dataclass(slots=True)
class Call:
    """`[2, message_id, method, params]`."""

    message_id: str
    method: str
    params: Any
    raw: list[Any]


@final
@dataclass(slots=True)
class CallResult:
    """`[3, message_id, result]`."""

    message_id: str
    result: Any
    raw: list[Any]


@final
@dataclass(slots=True)
class CallError:
    """`[4, message_id, code, description, details]`."""

    message_id: str
    error: RPCError
    raw: list[Any]


@final
@dataclass(slots=True)
class CallResultError:
    """`[5, message_id, code, description, details]` (2.1)."""

    message_id: str
    error: RPCError
    raw: list[Any]


@final
@dataclass(slots=True)
class Send:
    """`[6, message_id, method, params]` (2.1)."""

    message_id: str
    method: str
    params: Any
    raw: list[Any]


Message = Call | CallResult | CallError | CallResultError | Send


@final
class Undecodable(Exception):
    """The text is not a message of the dialect.

    `answer_id` is the id to answer with `answer_type`, or None where no answer may be sent (rules 16, 17, 20).
    `settles` is the id of our call that this was a broken answer to, if that much could be read.
    `limit` names the limit that it goes beyond, if that is why.
    """

    def __init__(
        self,
        error: RPCError,
        answer_id: str | None,
        settles: str | None = None,
        answer_type: int = CALLERROR,
        limit: str = "",
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.answer_id = answer_id
        self.answer_type = answer_type
        self.settles = settles
        self.limit = limit

    def response(self, dialect: Dialect) -> list[Any] | None:
        """What to answer, if anything."""
        return None if self.answer_id is None else _error(self.answer_type, self.answer_id, self.error, dialect)


encode = _json.write
"""The JSON text of a message; raises `TypeError` or `ValueError` if it has none."""
_PROBLEMS = {"json_digits": "a number in the message is too long", "json_depth": "the message is nested too deeply"}


def decode(data: str | bytes, dialect: Dialect, limits: Limits = DEFAULT_LIMITS) -> Message:
    """Read one message.

    Raises:
        Undecodable: it is not one.
    """
    try:
        frame = _json.read(data if isinstance(data, str) else data.decode(), limits)
    except _json.BeyondLimit as beyond:
        raise Undecodable(RPCFrameworkError(_PROBLEMS[beyond.limit]), UNREADABLE_ID, limit=beyond.limit) from None
    except ValueError:
        raise Undecodable(RPCFrameworkError("the message is not valid JSON"), UNREADABLE_ID) from None
    if not isinstance(frame, list):
        raise Undecodable(RPCFrameworkError("the message must be a JSON array"), UNREADABLE_ID)
    size = len(frame)
    if size > 2 and type(frame[1]) is str and len(frame[1]) <= dialect.max_message_id:  # the usual, at once
        kind = frame[0]
        if size == 3 and kind == CALLRESULT and type(kind) is int and frame[2] is not None:
            return CallResult(frame[1], frame[2], frame)
        if size == 4 and kind == CALL and type(kind) is int and frame[3] is not None:
            method = frame[2]
            if type(method) is str and len(method) <= limits.method_length:
                return Call(frame[1], method, frame[3], frame)
    return _decode(frame, dialect, limits)


def _decode(frame: list[Any], dialect: Dialect, limits: Limits) -> Message:
    """Whatever it is, by all the rules in their order."""
    kind = frame[0] if frame else None
    if type(kind) is not int:  # JSON true is 1 to Python
        raise Undecodable(RPCFrameworkError("the message type must be a number"), UNREADABLE_ID)
    message_id = frame[1] if len(frame) > 1 else None
    if kind not in dialect.message_types:  # whatever its payload (rule 20)
        answer_id = message_id if isinstance(message_id, str) else UNREADABLE_ID
        unknown = RPCMessageTypeNotSupportedError(f"message type {kind} is not supported")
        raise Undecodable(unknown, answer_id if dialect.answers_unknown else None)
    may_answer = kind == CALL
    if not isinstance(message_id, str):
        error = RPCFrameworkError("the message id must be a string")
        raise Undecodable(error, UNREADABLE_ID if may_answer else None)
    if len(message_id) > dialect.max_message_id:
        error = RPCFrameworkError(f"the message id is longer than {dialect.max_message_id} characters")
        raise Undecodable(error, message_id if may_answer else None)
    if kind in (CALL, SEND):
        return _decode_request(kind, message_id, frame, dialect, limits)
    return _decode_response(kind, message_id, frame, dialect)


def _decode_request(kind: int, message_id: str, frame: list[Any], dialect: Dialect, limits: Limits) -> Call | Send:
    limit = ""
    match frame:
        case [_, _, str(method), _] if len(method) > limits.method_length:
            problem, limit = f"the method is longer than {limits.method_length} characters", "method_length"
        case [_, _, str(method), params]:
            if params is None:
                params = _for_null(dialect, message_id if kind == CALL else None)
            if kind == CALL:
                return Call(message_id, method, params, frame)
            return Send(message_id, method, params, frame)
        case [_, _, str(), *_]:
            problem = f"the message must have 4 elements, not {len(frame)}"
        case _:
            problem = "the method must be a string"
    raise Undecodable(RPCFrameworkError(problem), message_id if kind == CALL else None, limit=limit)


def _decode_response(
    kind: int, message_id: str, frame: list[Any], dialect: Dialect
) -> CallResult | CallError | CallResultError:
    if kind == CALLRESULT:
        answer_id = message_id if CALLRESULTERROR in dialect.message_types else None  # rule 17
        if len(frame) == 3:  # else it would have been read at once
            return CallResult(message_id, _for_null(dialect, answer_id, message_id, CALLRESULTERROR), frame)
        problem = f"a CALLRESULT must have 3 elements, not {len(frame)}"
        raise Undecodable(RPCFrameworkError(problem), answer_id, message_id, CALLRESULTERROR)
    # Peers are known to leave out description and details: the code is enough to settle a call.
    match frame:
        case [_, _, str(code), *rest] if len(rest) <= 2:
            description = rest[0] if rest and isinstance(rest[0], str) else ""
            details = cast("dict[str, Any]", rest[1]) if len(rest) > 1 and isinstance(rest[1], dict) else {}
            error = create_rpc_error(code, description, details)
            if kind == CALLERROR:
                return CallError(message_id, error, frame)
            return CallResultError(message_id, error, frame)
        case _:
            broken = RPCFrameworkError("an error must be [type, id, code, description, details]")
            raise Undecodable(broken, None, message_id if kind == CALLERROR else None)


def _for_null(
    dialect: Dialect, answer_id: str | None, settles: str | None = None, answer_type: int = CALLERROR
) -> dict[str, Any] | None:
    """What a payload that is null is read as, if it may be one (rule 5)."""
    if dialect.refuses_null:
        error = create_rpc_error(dialect.no_object, "the payload is null, not an object")
        raise Undecodable(error, answer_id, settles, answer_type)
    return {} if dialect.empty_for_null else None


def call(message_id: str, method: str, params: Any) -> list[Any]:
    """A CALL."""
    return [CALL, message_id, method, params]


def call_result(message_id: str, result: Any) -> list[Any]:
    """A CALLRESULT."""
    return [CALLRESULT, message_id, result]


def send(message_id: str, method: str, params: Any) -> list[Any]:
    """A SEND (2.1)."""
    return [SEND, message_id, method, params]


def call_error(message_id: str, error: RPCError, dialect: Dialect) -> list[Any]:
    """A CALLERROR, spelled and cut as the dialect asks (rules 7, 22, 23)."""
    return _error(CALLERROR, message_id, error, dialect)


def call_result_error(message_id: str, error: RPCError, dialect: Dialect) -> list[Any]:
    """A CALLRESULTERROR (2.1)."""
    return _error(CALLRESULTERROR, message_id, error, dialect)


def _error(kind: int, message_id: str, error: RPCError, dialect: Dialect) -> list[Any]:
    description = str(error.message)[: dialect.max_description]
    details: object = error.details  # applications may have put anything there
    return [
        kind,
        message_id,
        dialect.spell(error.code),
        description,
        details if isinstance(details, dict) else {},
    ]
