"""Everything an observer can hear about; notices change nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final

if TYPE_CHECKING:
    from ._http import Handshake, HTTPResponse
    from .errors import RPCError

# --- Messages ----------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class MessageEvent:
    """A whole WebSocket message was sent or received."""

    message: str | bytes
    outbound: bool


@final
@dataclass(frozen=True, slots=True)
class CallEvent:
    """A call is about to be sent, or was received and is about to be processed."""

    message_id: str
    outbound: bool
    """True when the call is ours."""
    payload: list[Any]
    """The whole message: `[2, id, method, params]`."""


@final
@dataclass(frozen=True, slots=True)
class ResponseEvent:
    """A response is about to be sent, or was received and is about to be processed."""

    outbound: bool
    """True when the response is ours."""
    payload: list[Any]
    """The whole message: `[3, id, result]` or `[4, id, code, description, details]`."""


@final
@dataclass(frozen=True, slots=True)
class CallResultEvent:
    """A call ended with a result, received or just sent."""

    message_id: str
    outbound: bool
    """True when the call was ours."""
    method: str
    params: Any
    result: Any


@final
@dataclass(frozen=True, slots=True)
class CallErrorEvent:
    """A call ended with an error, received or just sent."""

    message_id: str
    outbound: bool
    """True when the call was ours."""
    method: str
    params: Any
    error: Exception


@final
@dataclass(frozen=True, slots=True)
class BadMessage:
    """A message is not OCPP-J, or answers no call that we made."""

    message: str | bytes
    error: RPCError
    response: list[Any] | None
    """The CALLERROR (or CALLRESULTERROR) sent back, if any."""


@final
@dataclass(frozen=True, slots=True)
class StrictValidationFailure:
    """Strict mode refused a call or a result, ours (`outbound`) or the peer's."""

    error: RPCError
    message_id: str
    method: str
    params: Any
    result: Any
    """The refused result, or None when the call itself was refused."""
    outbound: bool
    is_call: bool


@final
@dataclass(frozen=True, slots=True)
class ResultRefused:
    """The peer found our result invalid and said so with CALLRESULTERROR (OCPP 2.1, rule 17)."""

    message_id: str
    method: str
    """The method whose result it was."""
    error: RPCError


@final
@dataclass(frozen=True, slots=True)
class LateReply:
    """The peer answered a call of ours that had ended already; the answer is not judged, and changes nothing."""

    message_id: str
    method: str
    payload: list[Any]
    """The whole message, as in `ResponseEvent`."""
    reason: Literal["timeout", "cancelled"]
    """How the call had ended."""


# --- The connection ----------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class Connecting:
    """The client tries to connect, offering these subprotocols."""

    protocols: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True)
class ProtocolChosen:
    """The subprotocol is settled, for this connection and its reconnects."""

    protocol: str | None


@final
@dataclass(frozen=True, slots=True)
class Opened:
    """The connection is open; `response` is the server's 101 (None on the server's side)."""

    response: HTTPResponse | None


@final
@dataclass(frozen=True, slots=True)
class PingEvent:
    """A pong came back `rtt` seconds after our ping."""

    rtt: float


@final
@dataclass(frozen=True, slots=True)
class SocketError:
    """The byte stream broke, or could not be opened."""

    error: Exception


@final
@dataclass(frozen=True, slots=True)
class Disconnected:
    """The WebSocket is gone, with the close code (RFC 6455 7.1.5; 1006 without a close frame) and reason."""

    code: int
    reason: str


@final
@dataclass(frozen=True, slots=True)
class Closing:
    """The connection is closing, and will not be opened again by itself."""


@final
@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is closed for good."""

    code: int
    reason: str


@final
@dataclass(frozen=True, slots=True)
class LimitExceeded:
    """The peer, or for queued calls our own application, went beyond a limit; servers hear it of all clients.

    Servers also hear that their door is full.
    """

    limit: str
    """The name of the field of `Limits` or `Door`, or of the option; what happens next is said there."""
    bound: float
    """Its value."""


# --- The server --------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class ClientConnected:
    """A client was accepted."""

    client: object
    """The adapter's `RPCServerClient`."""


@final
@dataclass(frozen=True, slots=True)
class ConnectionRefused:
    """Somebody connected for whom there is no room, and was cut off before a word was said; see `Door`."""

    remote_address: str | None
    """The address they came from, as the transport spells it."""
    reason: str
    """Which limit there is."""


@final
@dataclass(frozen=True, slots=True)
class UpgradeAborted:
    """A client did not get in: refused, gone, or its authentication failed."""

    error: Exception
    status: int
    """The HTTP status sent, or that would have been sent had the client stayed; 101 if we upgraded only to close."""
    identity: str | None
    """None when the request could not be read."""
    handshake: Handshake | None


@final
@dataclass(frozen=True, slots=True)
class ServerError:
    """Something of the application's, or a listener, failed; the server lives on."""

    error: BaseException


@final
@dataclass(frozen=True, slots=True)
class ServerClosing:
    """The server accepts nobody any more."""


@final
@dataclass(frozen=True, slots=True)
class ServerClosed:
    """The server and all its clients are closed."""


Notice = (
    MessageEvent
    | CallEvent
    | ResponseEvent
    | CallResultEvent
    | CallErrorEvent
    | BadMessage
    | StrictValidationFailure
    | ResultRefused
    | LateReply
    | Connecting
    | ProtocolChosen
    | Opened
    | PingEvent
    | SocketError
    | Disconnected
    | Closing
    | Closed
    | LimitExceeded
    | ClientConnected
    | ConnectionRefused
    | UpgradeAborted
    | ServerError
    | ServerClosing
    | ServerClosed
)
"""What an observer can hear about."""
