"""What an application answers: to a client at the door, and to a call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar, cast, final

from . import events as e
from ._http import Handshake
from .errors import ConnectionLost, NotConnected, RPCError

C = TypeVar("C")


class _NoReply(Enum):
    NOREPLY = "NOREPLY"

    def __repr__(self) -> str:
        return "NOREPLY"


NOREPLY = _NoReply.NOREPLY
"""What a handler returns, or passes to `reply`, to send no answer at all (features C20)."""


class CloseInfo(NamedTuple):
    """How a connection was closed (RFC 6455 7.1.5, 7.1.6)."""

    code: int
    reason: str


@final
@dataclass(frozen=True, slots=True)
class Accept:
    """Lets a client in; `session` becomes its `session`, `protocol` must be one it offered."""

    session: Any = None
    protocol: str | None = None


@final
class Reject(Exception):
    """Turns a client away with an HTTP status and body; return or raise it."""

    def __init__(self, status: int = 400, body: str = "") -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


Verdict = Accept | Reject
Auth = Callable[[Handshake], Verdict | Awaitable[Verdict]]


def verdict_event(verdict: object) -> e.UpgradeAccepted | e.UpgradeRejected | e.UpgradeCrashed:
    """What an authentication callback returned or raised, as an event."""
    match verdict:
        case Accept(_, protocol):
            return e.UpgradeAccepted(protocol)
        case Reject():
            return e.UpgradeRejected(verdict.status, verdict.body)
        case Exception():
            return e.UpgradeCrashed(verdict)
        case _:
            return e.UpgradeCrashed(TypeError(f"auth must return Accept or Reject, not {verdict!r}"))


def answer_event(request_id: int, answer: object) -> e.HandlerAnswer:
    """What a handler returned or raised, as an event."""
    if isinstance(answer, BaseException):
        return e.HandlerRaised(request_id, answer)
    if answer is NOREPLY:
        return e.HandlerDeclined(request_id)
    return e.HandlerReturned(request_id, answer)


@final
class InboundCall(Generic[C]):
    """A request of the peer, as its handler sees it (features C19)."""

    __slots__ = ("_feed", "_request_id", "client", "message_id", "method", "params")

    def __init__(
        self,
        request_id: int,
        message_id: str,
        method: str,
        params: Any,
        client: C,
        feed: Callable[[e.Event], None],
    ) -> None:
        self.method = method
        self.params = params
        self.message_id = message_id
        self.client = client
        """The connection it came on; call it back if you like."""
        self._request_id = request_id
        self._feed = feed

    def reply(self, answer: Any) -> None:
        """Answer now, with a result, an exception or `NOREPLY`; only the first answer counts."""
        self._feed(e.HandlerReplied(answer_event(self._request_id, answer)))


def is_failure(error: Exception) -> bool:
    """Whether an exception of the application's was no deliberate answer, and so belongs into a log."""
    return not isinstance(error, RPCError | Reject | ConnectionLost | NotConnected)


def attempt(callback: object, argument: object) -> object:
    """What the application's callback returns, which may be awaitable, or the exception that it raises."""
    try:
        return cast("Callable[[object], object]", callback)(argument)
    except Exception as error:  # noqa: BLE001 - it becomes an answer
        return error
