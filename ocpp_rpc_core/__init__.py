"""OCPP-J as a pure state machine: what happened goes in with the time, what must be done comes out.

The map of the package, from the top:

* `connection.Connection` speaks bytes: handshake, WebSocket, keep-alive, reconnecting, closing.
* `session.Session` speaks whole messages, for whoever brings their own WebSocket.
* `peer` is what users of an adapter touch: options, handlers, observers; `registry` knows who is connected.
* `events` go in, `actions` come out, `notices` tell observers; `errors` say whose fault it was.
* `config`, `backoff`, `validation` and `router` are the parts a user may bring values for.
* `testing` tests all of it without a network.

No I/O, no clock, no chance, no event loop: see `docs/explanation/architecture.md`.
"""

from ._answers import NOREPLY, Accept, CloseInfo, InboundCall, Reject, Verdict
from ._door import Door, check_password
from ._http import Handshake, HTTPResponse, TLSInfo
from ._lifecycle import Phase, State
from .backoff import Backoff, ExponentialBackoff, OCPPBackoff
from .config import ClientOptions, ServerOptions
from .connection import Connection
from .errors import (
    CallFailed,
    CallTimeout,
    ConnectionLost,
    HandshakeError,
    HandshakeTimeout,
    InvalidHandshake,
    LocalProtocolError,
    NotConnected,
    QueueFull,
    RPCError,
    RPCFormationViolationError,
    RPCFormatViolationError,
    RPCFrameworkError,
    RPCGenericError,
    RPCInternalError,
    RPCMessageTypeNotSupportedError,
    RPCNotImplementedError,
    RPCNotSupportedError,
    RPCOccurenceConstraintViolationError,
    RPCOccurrenceConstraintViolationError,
    RPCPropertyConstraintViolationError,
    RPCProtocolError,
    RPCSecurityError,
    RPCTypeConstraintViolationError,
    SubprotocolMismatch,
    UnexpectedHTTPResponse,
    UpgradeRefused,
    create_rpc_error,
)
from .limits import Limits
from .notices import (
    BadMessage,
    CallErrorEvent,
    CallEvent,
    CallResultEvent,
    ClientConnected,
    Closed,
    Closing,
    Connecting,
    ConnectionRefused,
    Disconnected,
    LateReply,
    LimitExceeded,
    MessageEvent,
    Notice,
    Opened,
    PingEvent,
    ProtocolChosen,
    ResponseEvent,
    ResultRefused,
    ServerClosed,
    ServerClosing,
    ServerError,
    SocketError,
    StrictValidationFailure,
    UpgradeAborted,
)
from .peer import DEFAULT
from .registry import Registry
from .router import Router
from .session import Session
from .validation import Validator, create_validator

__all__ = [
    "DEFAULT",
    "NOREPLY",
    "Accept",
    "Backoff",
    "BadMessage",
    "CallErrorEvent",
    "CallEvent",
    "CallFailed",
    "CallResultEvent",
    "CallTimeout",
    "ClientConnected",
    "ClientOptions",
    "CloseInfo",
    "Closed",
    "Closing",
    "Connecting",
    "Connection",
    "ConnectionLost",
    "ConnectionRefused",
    "Disconnected",
    "Door",
    "ExponentialBackoff",
    "HTTPResponse",
    "Handshake",
    "HandshakeError",
    "HandshakeTimeout",
    "InboundCall",
    "InvalidHandshake",
    "LateReply",
    "LimitExceeded",
    "Limits",
    "LocalProtocolError",
    "MessageEvent",
    "NotConnected",
    "Notice",
    "OCPPBackoff",
    "Opened",
    "Phase",
    "PingEvent",
    "ProtocolChosen",
    "QueueFull",
    "RPCError",
    "RPCFormatViolationError",
    "RPCFormationViolationError",
    "RPCFrameworkError",
    "RPCGenericError",
    "RPCInternalError",
    "RPCMessageTypeNotSupportedError",
    "RPCNotImplementedError",
    "RPCNotSupportedError",
    "RPCOccurenceConstraintViolationError",
    "RPCOccurrenceConstraintViolationError",
    "RPCPropertyConstraintViolationError",
    "RPCProtocolError",
    "RPCSecurityError",
    "RPCTypeConstraintViolationError",
    "Registry",
    "Reject",
    "ResponseEvent",
    "ResultRefused",
    "Router",
    "ServerClosed",
    "ServerClosing",
    "ServerError",
    "ServerOptions",
    "Session",
    "SocketError",
    "State",
    "StrictValidationFailure",
    "SubprotocolMismatch",
    "TLSInfo",
    "UnexpectedHTTPResponse",
    "UpgradeAborted",
    "UpgradeRefused",
    "Validator",
    "Verdict",
    "check_password",
    "create_rpc_error",
    "create_validator",
]
