"""Everything a connection can be told; events are in the past tense, for they have already happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from ._http import TLSInfo
    from .config import ClientOptions, ServerOptions

# --- The transport -----------------------------------------------------------


@final
@dataclass(slots=True)
class TransportOpened:
    """The byte stream asked for by `OpenTransport`, or accepted by a server, is up."""

    remote_address: str | None = None
    """The peer's IP address, or None where there is none."""
    peer_certificate: Mapping[str, Any] | None = None
    """The peer's certificate in the form of `ssl.SSLSocket.getpeercert`."""
    tls: TLSInfo | None = None
    """TLS version and cipher suite, or None on a plain stream."""


@final
@dataclass(slots=True)
class TransportFailed:
    """The byte stream asked for by `OpenTransport` could not be opened."""

    error: Exception


@final
@dataclass(slots=True)
class BytesReceived:
    """The peer sent some bytes; they need not line up with any message boundary."""

    data: bytes


@final
@dataclass(slots=True)
class BytesUnwritten:
    """So many bytes wait that the byte stream does not take at once: when that begins, when it has taken some, at 0."""

    size: int


@final
@dataclass(slots=True)
class TransportClosed:
    """The byte stream is gone: end of file, reset, or our own close; `error` says what broke it, if anything."""

    error: Exception | None = None


# --- The clock ---------------------------------------------------------------


@final
@dataclass(slots=True)
class Tick:
    """The deadline may have been reached.  A spurious tick changes nothing."""


# --- The application, about the connection -----------------------------------


@final
@dataclass(slots=True)
class ConnectRequested:
    """The application wants this client connected; answered by `ResolveConnect` or `RejectConnect`."""

    token: int


@final
@dataclass(slots=True)
class ConnectCancelled:
    """The application no longer waits for the connection asked for with this token."""

    token: int


@final
@dataclass(slots=True)
class UpgradeAccepted:
    """The application lets the client in; `protocol` None means: the first that both sides know."""

    protocol: str | None = None


@final
@dataclass(slots=True)
class UpgradeRejected:
    """The application turns the client away with an HTTP status and body."""

    status: int = 400
    body: str = ""


@final
@dataclass(slots=True)
class UpgradeCrashed:
    """The application's authentication raised instead of deciding."""

    error: Exception


@final
@dataclass(slots=True)
class HandlersReady:
    """The application has registered its handlers: inbound calls held back so far may be served."""


@final
@dataclass(slots=True)
class Reconfigured:
    """The application changed the options."""

    options: ClientOptions | ServerOptions


@final
@dataclass(slots=True)
class CloseRequested:
    """The application wants to close; with `drain`, once everything in flight has ended."""

    code: int = 1000
    reason: str = ""
    drain: bool = False


@final
@dataclass(slots=True)
class AbortRequested:
    """The application wants the connection dropped at once, without a goodbye."""


# --- The application, about calls --------------------------------------------


@final
@dataclass(slots=True)
class CallRequested:
    """The application calls the peer; answered by `ResolveCall` or `RejectCall` with the same token."""

    token: int
    method: str
    params: Any = field(default_factory=dict[str, Any])
    timeout: float | None = None
    """Seconds to wait for the answer once the call is written; None means the option `call_timeout`."""
    no_reply: bool = False
    """Done as soon as it is written; an answer to it is a bad message."""
    message_id: str | None = None
    """The id to write it with; None for a new one from the options."""


@final
@dataclass(slots=True)
class CallCancelled:
    """The application no longer wants the outcome of the call (or send) with this token."""

    token: int


@final
@dataclass(slots=True)
class SendRequested:
    """The application wants to SEND a message that has no answer (OCPP 2.1, rule 16)."""

    token: int
    method: str
    params: Any
    message_id: str | None = None
    """As in `CallRequested`; calls and SENDs share one space of ids (rule 10)."""


@final
@dataclass(slots=True)
class RawSendRequested:
    """The application wants these characters (or bytes) sent as one message, as they are."""

    token: int
    message: str | bytes


@final
@dataclass(slots=True)
class HandlerReturned:
    """A handler ended with a result."""

    request_id: int
    result: Any


@final
@dataclass(slots=True)
class HandlerRaised:
    """A handler ended with an exception."""

    request_id: int
    error: BaseException


@final
@dataclass(slots=True)
class HandlerDeclined:
    """A handler ended and wants no answer sent."""

    request_id: int


@final
@dataclass(slots=True)
class HandlerReplied:
    """A handler gave its answer but goes on running; how it ends no longer matters to the peer."""

    answer: HandlerReturned | HandlerRaised | HandlerDeclined


# --- The text seam, for whoever brings their own WebSocket --------------------


@final
@dataclass(slots=True)
class SessionOpened:
    """A WebSocket is open and speaks this subprotocol."""

    protocol: str | None


@final
@dataclass(slots=True)
class TextReceived:
    """One whole WebSocket message arrived."""

    data: str | bytes


@final
@dataclass(slots=True)
class SessionLost:
    """The WebSocket is gone; with `final`, there will be no other."""

    reason: str = ""
    final: bool = True


HandlerAnswer = HandlerReturned | HandlerRaised | HandlerDeclined
Question = ConnectRequested | CallRequested | SendRequested | RawSendRequested
"""What is answered with an action that carries the same token."""
SessionEvent = (
    SessionOpened
    | TextReceived
    | SessionLost
    | Tick
    | HandlersReady
    | CallRequested
    | CallCancelled
    | SendRequested
    | RawSendRequested
    | HandlerReturned
    | HandlerRaised
    | HandlerDeclined
    | HandlerReplied
)
"""What a `Session` can be told."""
Event = (
    TransportOpened
    | TransportFailed
    | BytesReceived
    | BytesUnwritten
    | TransportClosed
    | Tick
    | ConnectRequested
    | ConnectCancelled
    | UpgradeAccepted
    | UpgradeRejected
    | UpgradeCrashed
    | HandlersReady
    | Reconfigured
    | CloseRequested
    | AbortRequested
    | CallRequested
    | CallCancelled
    | SendRequested
    | RawSendRequested
    | HandlerReturned
    | HandlerRaised
    | HandlerDeclined
    | HandlerReplied
)
"""What a `Connection` can be told."""
