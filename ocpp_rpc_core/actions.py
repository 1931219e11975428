"""Everything a connection can ask for; actions are imperative, and the adapter does them in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from ._http import Handshake, HTTPResponse
    from .notices import Notice

# --- The transport -----------------------------------------------------------


@final
@dataclass(slots=True)
class OpenTransport:
    """Open a byte stream, with TLS if `secure`, then say `TransportOpened` or `TransportFailed`."""

    host: str
    port: int
    secure: bool


@final
@dataclass(slots=True)
class SendBytes:
    """Write these bytes, after all earlier ones."""

    data: bytes


@final
@dataclass(slots=True)
class PauseReading:
    """Read nothing more until `ResumeReading`; what is read already, or just then, is taken still."""


@final
@dataclass(slots=True)
class ResumeReading:
    """Read on."""


@final
@dataclass(slots=True)
class CloseTransport:
    """Close the byte stream once earlier bytes are written, then say `TransportClosed`."""


@final
@dataclass(slots=True)
class AbortTransport:
    """Drop the byte stream, or the attempt to open it, now; then say `TransportClosed` or `TransportFailed`."""


# --- The application, about the connection -----------------------------------


@final
@dataclass(slots=True)
class DecideUpgrade:
    """Ask the application whether to let this client in; it answers with an `Upgrade…` event."""

    handshake: Handshake


@final
@dataclass(slots=True)
class CancelUpgrade:
    """Stop asking: the client is gone, or the server is closing."""


@final
@dataclass(slots=True)
class ResolveConnect:
    """Tell the application that it is connected; `response` is the server's 101."""

    token: int
    response: HTTPResponse


@final
@dataclass(slots=True)
class RejectConnect:
    """Tell the application that the connection could not be made."""

    token: int
    error: Exception


# --- The application, about calls --------------------------------------------


@final
@dataclass(slots=True)
class StartHandler:
    """Run the handler of an inbound request, and say how it ended with its `request_id`."""

    request_id: int
    """Made by the connection, never used twice, so a late answer cannot meet another request."""
    message_id: str
    method: str
    params: Any
    handler: object
    """What was registered for the method; the core never calls it."""


@final
@dataclass(slots=True)
class CancelHandler:
    """Cancel a running handler: nobody will hear its answer."""

    request_id: int


@final
@dataclass(slots=True)
class ResolveCall:
    """Give the application the result of its call."""

    token: int
    result: Any


@final
@dataclass(slots=True)
class RejectCall:
    """Give the application the error its call ended with."""

    token: int
    error: Exception


@final
@dataclass(slots=True)
class Report:
    """Tell whoever observes."""

    notice: Notice


# --- The text seam, for whoever brings their own WebSocket --------------------


@final
@dataclass(slots=True)
class SendText:
    """Send this as one WebSocket message."""

    text: str | bytes


@final
@dataclass(slots=True)
class CloseSession:
    """Close the WebSocket with this code and reason."""

    code: int
    reason: str


SessionAction = (
    SendText
    | CloseSession
    | StartHandler
    | CancelHandler
    | ResolveCall
    | RejectCall
    | Report
    | PauseReading
    | ResumeReading
)
"""What a `Session` can ask for."""
Action = (
    OpenTransport
    | SendBytes
    | PauseReading
    | ResumeReading
    | CloseTransport
    | AbortTransport
    | DecideUpgrade
    | CancelUpgrade
    | ResolveConnect
    | RejectConnect
    | StartHandler
    | CancelHandler
    | ResolveCall
    | RejectCall
    | Report
)
"""What a `Connection` can ask for."""
Out = list[Action | SendText | CloseSession]
"""Where the parts of a connection, or of a session, put what they ask for, in order."""
