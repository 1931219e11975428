"""How a server reads the request for a WebSocket and answers it (RFC 6455 4.2)."""

import base64
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, final

import h11

from ._handshake_client import ClientHandshake
from ._headers import Fields, HeadMeter, accept_key, decode, elements, encode, is_token, lists, values, without
from ._http import Handshake, TLSInfo
from ._url import basic_password, split_target
from .errors import UpgradeRefused
from .limits import Limits

__all__ = ["ClientHandshake", "ServerHandshake"]

_DEFAULT_LIMITS = Limits()
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_STATUS_HEADERS: dict[int, tuple[tuple[str, str], ...]] = {
    401: (("WWW-Authenticate", 'Basic realm="OCPP"'),),
    405: (("Allow", "GET"),),
    426: (("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")),
}
"""What must be said along with a status (RFC 9110 15.5, RFC 6455 4.4)."""


def _checked_key(keys: list[str]) -> str:
    """The one key of a request: 16 bytes in Base64 (RFC 6455 4.2.1)."""
    try:
        (key,) = keys
        valid = len(key) == 24 and len(base64.b64decode(key, validate=True)) == 16
    except ValueError:
        valid = False
    if not valid:
        raise UpgradeRefused(400, "Sec-WebSocket-Key is malformed")
    return keys[0]


@final
class ServerHandshake:
    """The server's side: reads one upgrade request, then writes one answer to it.

    `receive` until it returns a `Handshake` or raises, then either `accept` or `refuse`, once.
    """

    def __init__(
        self,
        *,
        remote_address: str | None = None,
        peer_certificate: Mapping[str, Any] | None = None,
        tls: TLSInfo | None = None,
        server_header: str = "ocpp-rpc",
        limits: Limits = _DEFAULT_LIMITS,
    ) -> None:
        self._remote_address = remote_address
        self._peer_certificate = peer_certificate
        self._tls = tls
        self._server = [("Server", server_header)] if server_header else []
        self._room = limits.head
        self._meter = HeadMeter(limits)
        # h11's own limit depends on how the bytes were cut, so ours comes first.
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head)
        self._request: h11.Request | None = None
        self._handshake: Handshake | None = None
        self._key = ""
        self._extensions: tuple[str, ...] = ()
        self._refused = False
        self._early = bytearray()

    @property
    def extensions_offered(self) -> tuple[str, ...]:
        """The offered extensions with their parameters, as sent, in the client's order of preference."""
        return self._extensions

    @property
    def early(self) -> int:
        """How many bytes came after the request."""
        return len(self._early)

    @property
    def trailing(self) -> bytes:
        """What came after the request: frames of a client that did not wait for the answer."""
        return bytes(self._early)

    def receive(self, data: bytes) -> Handshake | None:
        """Read on; the handshake once it is complete, `None` before and after that.

        Bytes that follow it are kept in `trailing` without a limit.  Raises `UpgradeRefused` once, with the
        status and text to `refuse` with, whatever is wrong; later bytes are dropped.
        """
        if self._handshake is not None:
            self._early += data
            return None
        if self._refused or not data:
            return None
        try:
            return self._read(data)
        except UpgradeRefused:
            self._refused = True
            raise

    def _read(self, data: bytes) -> Handshake | None:
        """Hand `data` to h11, never more than the limit for a head in all, and look what came of it."""
        self._meter.measure(data[: self._room])
        self._http.receive_data(data[: self._room])
        rest = data[self._room :]
        self._room -= len(data) - len(rest)
        try:
            event = self._http.next_event()
            if not isinstance(event, h11.Request):  # it needs more data
                if self._room == 0:
                    raise UpgradeRefused(431, "the head of the request is too large", "head")
                return None
            self._request = event
            handshake = self._check(event, decode(event.headers))
            self._http.next_event()  # the end of a message without a body; now h11 may switch protocols
        except h11.RemoteProtocolError:
            # The text of h11 quotes the request, with its password.
            raise UpgradeRefused(400, "malformed HTTP request") from None
        self._early += self._http.trailing_data[0] + rest
        self._handshake = handshake
        return handshake

    def _check(self, request: h11.Request, fields: Fields) -> Handshake:
        """Judge the request (RFC 6455 4.2.1), and say what it asks for."""
        if not elements(fields, "upgrade"):
            raise UpgradeRefused(404, "there is nothing here but WebSocket")
        if request.http_version != b"1.1":
            raise UpgradeRefused(400, "the HTTP version is not 1.1")
        if request.method != b"GET":
            raise UpgradeRefused(405, "the method is not GET")
        if not lists(fields, "upgrade", "websocket") or not lists(fields, "connection", "upgrade"):
            raise UpgradeRefused(400, "this is not an upgrade to WebSocket")
        if values(fields, "transfer-encoding") or any(int(size) for size in values(fields, "content-length")):
            raise UpgradeRefused(400, "the request has a body")
        if values(fields, "sec-websocket-version") != ["13"]:
            raise UpgradeRefused(426, "the WebSocket version is not 13")
        self._key = _checked_key(values(fields, "sec-websocket-key"))
        protocols = tuple(dict.fromkeys(elements(fields, "sec-websocket-protocol")))
        if not all(map(is_token, protocols)):
            raise UpgradeRefused(400, "Sec-WebSocket-Protocol is malformed")
        if not request.target.startswith(b"/"):
            raise UpgradeRefused(400, "the request target is not a path")
        endpoint, identity, query = split_target(request.target.decode())
        self._extensions = tuple(elements(fields, "sec-websocket-extensions"))
        headers = {name: ", ".join(values(fields, name)) for name in dict(fields)}
        return Handshake(
            protocols=protocols,
            identity=identity,
            password=basic_password(headers.get("authorization"), identity),
            endpoint=endpoint,
            query=query,
            remote_address=self._remote_address,
            headers=headers,
            peer_certificate=self._peer_certificate,
            tls=self._tls,
        )

    def accept(self, protocol: str | None, extensions: str | None = None, headers: Fields = ()) -> bytes:
        """The response that makes this a WebSocket connection; `extensions` as in `Sec-WebSocket-Extensions`.

        Raises `ValueError` for a subprotocol the client did not offer, and for headers that cannot be sent.
        """
        if self._handshake is None:
            raise ValueError("there is no request to accept")
        if protocol is not None and protocol not in self._handshake.protocols:
            raise ValueError(f"the client did not offer subprotocol {protocol!r}")
        own = [("Upgrade", "websocket"), ("Connection", "Upgrade")]
        own += [("Sec-WebSocket-Accept", accept_key(self._key))]
        own += [("Sec-WebSocket-Protocol", protocol)] if protocol is not None else []
        own += [("Sec-WebSocket-Extensions", extensions)] if extensions is not None else []
        own += without(self._server, headers)
        return self._http.send(
            h11.InformationalResponse(status_code=101, reason="Switching Protocols", headers=encode(own, headers))
        )

    def refuse(self, status: int, body: str | bytes = "", headers: Fields = ()) -> bytes:
        """A whole HTTP response that ends the connection, at any time before `accept`.

        Text is sent as UTF-8.  What 401, 405 and 426 must carry is added.  Raises `ValueError` for a status
        outside 300 to 599 and for headers that cannot be sent, and may then be called again.
        """
        if not 300 <= status <= 599:
            raise ValueError(f"HTTP status {status} does not refuse anything")
        content = body.encode(errors="replace") if isinstance(body, str) else body
        connection = "close, upgrade" if status == HTTPStatus.UPGRADE_REQUIRED else "close"
        own = [("Connection", connection), ("Content-Length", str(len(content)))]
        own += [("Content-Type", "text/plain; charset=utf-8"), *self._server]
        own += _STATUS_HEADERS.get(status, ())
        fields = encode(without(own, headers), headers)
        response = h11.Response(status_code=status, reason=_PHRASES.get(status, ""), headers=fields)
        sent = self._http.send(response)
        bodiless = status == HTTPStatus.NOT_MODIFIED or (self._request and self._request.method == b"HEAD")
        if content and not bodiless:
            sent += self._http.send(h11.Data(data=content))
        return sent + self._http.send(h11.EndOfMessage())
