"""How a byte stream becomes a WebSocket: what each role offers, chooses and refuses in the handshake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never, final

from . import _deflate, _frames
from ._deflate import Deflate
from ._handshake import ServerHandshake
from ._http import Handshake, HTTPResponse
from ._websocket import WebSocket
from .config import ClientOptions, Options, ServerOptions
from .errors import HandshakeError, InvalidHandshake, UpgradeRefused
from .events import TransportOpened, UpgradeAccepted, UpgradeCrashed, UpgradeRejected
from .notices import UpgradeAborted

SWITCHING = 101
PROTOCOL_ERROR = 1002
"""The close code (RFC 6455 7.4.1)."""


@final
@dataclass(slots=True)
class Asked:
    """A client wants in, and the application must decide."""

    handshake: Handshake


@final
@dataclass(slots=True)
class Established:
    """There is a WebSocket."""

    websocket: WebSocket
    protocol: str | None
    early: bytes
    """What of it came with the handshake."""
    response: HTTPResponse | None = None
    """The server's 101, on the client's side."""
    reply: bytes = b""
    """Our 101, on the server's side."""


@final
@dataclass(slots=True)
class Refused:
    """There will be no connection; send `reply`, which may be a WebSocket's hello and goodbye, then end the stream."""

    error: Exception
    reply: bytes = b""
    notice: UpgradeAborted | None = None


Outcome = Asked | Established | Refused


def _websocket(options: Options, *, client: bool, deflate: Deflate | None) -> WebSocket:
    return WebSocket(
        client=client,
        random_bytes=options.entropy,
        max_message_size=options.max_message_size,
        max_fragments=options.limits.fragments,
        deflate=deflate,
    )


@final
class ClientOpening:
    """The client's half of one opening handshake."""

    def __init__(self, options: ClientOptions, protocols: tuple[str, ...]) -> None:
        self._options = options
        self._handshake = options.handshake(protocols, _deflate.offer() if options.compression else None)

    def request(self) -> bytes:
        """The upgrade request."""
        return self._handshake.request()

    def receive(self, data: bytes) -> Established | Refused | None:
        """What the server's answer means, once it is whole."""
        try:
            response = self._handshake.receive(data)
            return None if response is None else self._establish(response)
        except HandshakeError as error:
            return Refused(error)

    def ended(self) -> Exception | None:
        """The byte stream ended: what that means for the handshake."""
        try:
            self._handshake.close()
        except HandshakeError as error:
            return error
        return None

    def _establish(self, response: HTTPResponse) -> Established:
        answer = self._handshake.extensions
        try:
            deflate = None if answer is None else _deflate.accept(answer)
        except ValueError as error:
            raise InvalidHandshake(str(error)) from None
        websocket = _websocket(self._options, client=True, deflate=deflate)
        return Established(websocket, self._handshake.protocol, self._handshake.trailing, response=response)


@final
class ServerOpening:
    """The server's half of one opening handshake."""

    def __init__(self, options: ServerOptions, transport: TransportOpened) -> None:
        self._options = options
        self._handshake = ServerHandshake(
            remote_address=transport.remote_address,
            peer_certificate=transport.peer_certificate,
            tls=transport.tls,
            limits=options.limits,
        )
        self.asked: Handshake | None = None
        """What the client asks for, once it is known."""

    def receive(self, data: bytes) -> Outcome | None:
        """What the client's request means, once it is whole."""
        try:
            asked = self._handshake.receive(data)
            if self._handshake.early > self._options.limits.early_bytes:
                raise UpgradeRefused(400, "too many bytes before the upgrade was answered", "early_bytes")
        except UpgradeRefused as refused:
            return self.refuse(refused.status, refused.message, refused)
        if asked is None:
            return None
        self.asked = asked
        if not self._may_ask_from(asked.headers.get("origin")):
            error = UpgradeRefused(403, "web pages of this origin may not connect")
            return self.refuse(error.status, error.message, error)
        return Asked(asked) if self._options.authenticate else self.decide(UpgradeAccepted())

    def _may_ask_from(self, origin: str | None) -> bool:
        """Whether a web page may connect (RFC 6455 10.2); who names no origin is none."""
        return origin is None or not {origin, "*"}.isdisjoint(self._options.allowed_origins)

    def decide(self, verdict: UpgradeAccepted | UpgradeRejected | UpgradeCrashed) -> Established | Refused:
        """What the application's verdict means (features S14-S16)."""
        match verdict:
            case UpgradeRejected(status, body):
                return self.refuse(status, body, UpgradeRefused(status, body))
            case UpgradeCrashed(error):
                return self.refuse(500, "", error)
            case UpgradeAccepted(wish):
                try:
                    return self._establish(self._choose(wish))
                except UpgradeRefused as refused:
                    if refused.status == SWITCHING:
                        return self._greet_and_close(refused)
                    return self.refuse(refused.status, refused.message, refused)
            case _:
                assert_never(verdict)

    def refuse(self, status: int, body: str, error: Exception) -> Refused:
        """Turn the client away; a status that refuses nothing becomes 500."""
        try:
            reply = self._handshake.refuse(status, body)
        except ValueError:
            status = 500
            reply = self._handshake.refuse(status, body)
        return Refused(error, reply, self.aborted(status, error))

    def aborted(self, status: int, error: Exception) -> UpgradeAborted:
        """What observers hear of a client that did not get in."""
        return UpgradeAborted(error, status, None if self.asked is None else self.asked.identity, self.asked)

    def _choose(self, wish: str | None) -> str | None:
        """The subprotocol to speak: the wished one, or our first that the client offered."""
        assert self.asked is not None  # or there would be nothing to decide
        offered, ours = self.asked.protocols, self._options.protocols
        if wish is not None and wish not in offered:
            raise UpgradeRefused(400, f"the client did not offer the subprotocol {wish!r}")
        protocol = wish if wish is not None else next((name for name in ours if name in offered), None)
        if protocol is None and ours:  # rule 24
            status = SWITCHING if self._options.subprotocol_mismatch == "close" else 400
            raise UpgradeRefused(status, f"no common subprotocol; this server speaks {', '.join(ours)}")
        if problem := self._options.identity_problem(self.asked.identity, protocol):
            raise UpgradeRefused(400, problem)
        return protocol

    def _greet_and_close(self, refused: UpgradeRefused) -> Refused:
        """Complete the handshake without a subprotocol, and close at once: what OCPP-J's text asks for (rule 24).

        1002, because to go on without a subprotocol would break the protocol, and no other code is about what
        was negotiated: 1003 is about data, 1008 about messages, and 1010 is for clients (RFC 6455 7.4.1).
        """
        goodbye = _frames.encode(_frames.CLOSE, _frames.close_payload(PROTOCOL_ERROR, refused.message))
        return Refused(refused, self._handshake.accept(None) + goodbye, self.aborted(refused.status, refused))

    def _establish(self, protocol: str | None) -> Established:
        offers = self._handshake.extensions_offered
        agreed = _deflate.negotiate(offers) if self._options.compression else None
        answer, deflate = agreed or (None, None)
        reply = self._handshake.accept(protocol, answer)
        websocket = _websocket(self._options, client=False, deflate=deflate)
        return Established(websocket, protocol, self._handshake.trailing, reply=reply)
