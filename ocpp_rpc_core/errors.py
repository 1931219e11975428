"""What can go wrong, split by whose fault it is: the remote application, the connection, or the local caller."""

from typing import Any, ClassVar, final


class RPCError(Exception):
    """An error that OCPP-J carries between peers in a CALLERROR (rules 22, 23).

    Raise one in a handler to send it; a call raises the one its peer sent.
    `code` is the error code as spelled on the wire, `message` the description,
    `details` a JSON object.
    """

    default_code: ClassVar[str] = "GenericError"
    message_id: str | None = None
    """Of the call that raised it, once that was written; None for one that never left, and in a handler."""

    def __init__(self, message: str = "", details: dict[str, Any] | None = None, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = self.default_code if code is None else code
        self.message = message
        self.details: dict[str, Any] = {} if details is None else details

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, {self.details!r}, code={self.code!r})"


class RPCGenericError(RPCError):
    """No more specific code fits; also stands for every code not in the specification."""


class RPCNotImplementedError(RPCError):
    """The method is not known."""

    default_code = "NotImplemented"


class RPCNotSupportedError(RPCError):
    """The method is known but not supported."""

    default_code = "NotSupported"


class RPCInternalError(RPCError):
    """The receiver failed while it processed the request."""

    default_code = "InternalError"


class RPCProtocolError(RPCError):
    """The payload is incomplete (1.6), or does not follow the structure of the message (2.x)."""

    default_code = "ProtocolError"


class RPCSecurityError(RPCError):
    """A security issue kept the receiver from completing the request."""

    default_code = "SecurityError"


class RPCFormatViolationError(RPCError):
    """The payload is syntactically incorrect (2.x spelling)."""

    default_code = "FormatViolation"


class RPCFormationViolationError(RPCFormatViolationError):
    """The payload is syntactically incorrect (1.6 spelling); catching the 2.x class catches it, too."""

    default_code = "FormationViolation"


class RPCPropertyConstraintViolationError(RPCError):
    """A field has a value that is not allowed."""

    default_code = "PropertyConstraintViolation"


class RPCOccurrenceConstraintViolationError(RPCError):
    """A field is missing, or there are too few or too many of it (2.x spelling)."""

    default_code = "OccurrenceConstraintViolation"


class RPCOccurenceConstraintViolationError(RPCOccurrenceConstraintViolationError):
    """A field is missing, or there are too few or too many of it (1.6 spelling); as above."""

    default_code = "OccurenceConstraintViolation"


class RPCTypeConstraintViolationError(RPCError):
    """A field has the wrong JSON type."""

    default_code = "TypeConstraintViolation"


class RPCMessageTypeNotSupportedError(RPCError):
    """The message type number is not supported."""

    default_code = "MessageTypeNotSupported"


class RPCFrameworkError(RPCError):
    """The content is not a valid RPC message, for example its id cannot be read."""

    default_code = "RpcFrameworkError"


ERRORS: dict[str, type[RPCError]] = {
    cls.default_code: cls
    for cls in (
        RPCGenericError,
        RPCNotImplementedError,
        RPCNotSupportedError,
        RPCInternalError,
        RPCProtocolError,
        RPCSecurityError,
        RPCFormatViolationError,
        RPCFormationViolationError,
        RPCPropertyConstraintViolationError,
        RPCOccurrenceConstraintViolationError,
        RPCOccurenceConstraintViolationError,
        RPCTypeConstraintViolationError,
        RPCMessageTypeNotSupportedError,
        RPCFrameworkError,
    )
}
"""Every code of the specifications, in every spelling, with its class."""


def create_rpc_error(code: str, message: str = "", details: dict[str, Any] | None = None) -> RPCError:
    """The error class of `code`; a code the specifications do not know gives an `RPCGenericError` that keeps it."""
    return ERRORS.get(code, RPCGenericError)(message, details, code=code)


class CallFailed(Exception):
    """A call ended without an answer from the peer.

    `message_id` is the id it was written with, or None if it was never written.
    """

    def __init__(self, text: str = "", *, message_id: str | None = None) -> None:
        super().__init__(text)
        self.message_id = message_id


@final
class CallTimeout(CallFailed, TimeoutError):
    """The peer did not answer in time."""


@final
class NotConnected(CallFailed, ConnectionError):
    """The message was never written, so it is safe to try again: there is no connection, or it is closing."""


@final
class ConnectionLost(CallFailed, ConnectionError):
    """The connection ended after the call was written and before its answer came: its fate is unknown."""


@final
class QueueFull(CallFailed):
    """Too many calls wait already (`Limits.queued_calls`); it was never written, so it is safe to try again."""


class HandshakeError(ConnectionError):
    """The opening handshake failed.  `permanent` means that no retry can mend it."""

    permanent: ClassVar[bool] = False
    limit: str = ""
    """The limit that the server went beyond, if that is why."""


@final
class UnexpectedHTTPResponse(HandshakeError):
    """The server answered the upgrade with an HTTP status other than 101."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        super().__init__(f"the server answered the WebSocket upgrade with HTTP status {status}, not 101")
        self.status = status
        self.headers = headers
        self.body = body


@final
class InvalidHandshake(HandshakeError):
    """The server's answer is not a WebSocket handshake (RFC 6455 4.1), for example a wrong accept key."""

    permanent = True


@final
class SubprotocolMismatch(HandshakeError):
    """The server chose no subprotocol, or one that was not offered."""

    permanent = True


@final
class HandshakeTimeout(HandshakeError, TimeoutError):
    """The opening handshake took too long."""


@final
class UpgradeRefused(Exception):
    """Why a server did not let a client in, with the HTTP status it answered.

    `limit` names the limit that the client went beyond, if that is why.
    """

    def __init__(self, status: int, message: str, limit: str = "") -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message
        self.limit = limit


@final
class LocalProtocolError(Exception):
    """The adapter sent an event that no connection in this state can lead to."""
