"""How a client asks a server for a WebSocket and judges the answer (RFC 6455 4.1)."""

import base64
from collections.abc import Sequence
from typing import final

import h11

from . import _headers
from ._headers import Fields, decode, elements, lists, values
from ._http import HTTPResponse
from .errors import HandshakeError, InvalidHandshake, SubprotocolMismatch, UnexpectedHTTPResponse


@final
class ClientHandshake:
    """The client's side: writes one upgrade request, then reads the answer to it."""

    def __init__(
        self,
        *,
        host_header: str,
        target: str,
        protocols: Sequence[str],
        headers: Fields,
        key: bytes,
        extensions: str | None = None,
        max_head: int = 16384,
        max_body: int = 65536,
    ) -> None:
        """`key` is 16 random bytes.  Raises `ValueError` for what cannot be sent."""
        if len(key) != 16:
            raise ValueError("the key is not 16 bytes long")
        if not target.startswith("/") or not all("!" <= char <= "~" for char in target):
            raise ValueError("the request target is not a percent-encoded path")
        if not all(map(_headers.is_token, protocols)) or len(set(protocols)) < len(protocols):
            raise ValueError("the subprotocols are not tokens, or one is named twice")
        self._protocols = tuple(protocols)
        self._extensions = {_extension(offer) for offer in _headers.split_list(extensions or "")}
        nonce = base64.b64encode(key).decode()
        self._accept = _headers.accept_key(nonce)
        own = [("Host", host_header), ("Upgrade", "websocket"), ("Connection", "Upgrade")]
        own += [("Sec-WebSocket-Key", nonce), ("Sec-WebSocket-Version", "13")]
        own += [("Sec-WebSocket-Protocol", ", ".join(protocols))] if protocols else []
        own += [("Sec-WebSocket-Extensions", extensions)] if extensions else []
        own += _headers.without([("User-Agent", "ocpp-rpc-python")], headers)
        request = h11.Request(method="GET", target=target, headers=_headers.encode(own, headers))
        # All the bytes h11 ever gets, so that how they were cut cannot make it give up earlier.
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=max_head + max_body)
        self._request = self._http.send(request) + self._http.send(h11.EndOfMessage())
        self._room = max_head
        self._max_body = max_body
        self._unread = bytearray()
        self._response: h11.Response | None = None
        self._body = bytearray()
        self._over = False
        self._chosen: str | None = None
        self._accepted: str | None = None

    @property
    def protocol(self) -> str | None:
        """The subprotocol the server chose."""
        return self._chosen

    @property
    def extensions(self) -> str | None:
        """The extensions the server accepted, with their parameters, as sent."""
        return self._accepted

    @property
    def trailing(self) -> bytes:
        """What came after the response: the first frames of the server."""
        return self._http.trailing_data[0] + bytes(self._unread)

    def request(self) -> bytes:
        """The upgrade request."""
        return self._request

    def receive(self, data: bytes) -> HTTPResponse | None:
        """Read on; the 101 response once it is complete and right, `None` before and after that.

        Bytes that follow it are kept in `trailing` without a limit.  Raises `UnexpectedHTTPResponse` once the
        body is complete or `max_body` bytes of it are there, `InvalidHandshake` or `SubprotocolMismatch`.
        """
        self._unread += data
        if self._over:
            return None
        try:
            response = self._read()
        except HandshakeError:
            self._over = True
            raise
        self._over = response is not None
        return response

    def close(self) -> None:
        """The stream has ended: raise what that means, unless the handshake is over.

        `UnexpectedHTTPResponse` with the body so far when the status is known, else a plain `HandshakeError`.
        """
        if self._over:
            return
        self._over = True
        if self._response is not None:
            raise self._unexpected(self._response)
        raise HandshakeError("the connection was closed before the handshake was complete")

    def _read(self) -> HTTPResponse | None:
        """Let h11 read as far as it can."""
        while (event := self._next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.InformationalResponse) and event.status_code == 101:
                return self._check(event)
            if isinstance(event, h11.Response):
                self._response = event
                self._room += self._max_body
            elif isinstance(event, h11.Data):
                self._body += event.data
            if self._response and (isinstance(event, h11.EndOfMessage) or len(self._body) >= self._max_body):
                raise self._unexpected(self._response)
        if self._room > 0:
            return None
        if self._response is not None:
            raise self._unexpected(self._response)
        error = InvalidHandshake("the head of the server's answer is too large")
        error.limit = "head"
        raise error

    def _next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """What h11 makes of the bytes it may have; all the heads share `max_head`, then comes the body."""
        data = bytes(self._unread[: self._room])
        del self._unread[: self._room]
        self._room -= len(data)
        if data:  # to h11 an empty string is the end of the stream
            self._http.receive_data(data)
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            if self._response is not None:
                raise self._unexpected(self._response) from error
            raise InvalidHandshake("the server's answer is not HTTP") from error

    def _unexpected(self, response: h11.Response) -> UnexpectedHTTPResponse:
        """The error that carries a response other than 101."""
        body = bytes(self._body[: self._max_body])
        return UnexpectedHTTPResponse(response.status_code, decode(response.headers), body)

    def _check(self, response: h11.InformationalResponse) -> HTTPResponse:
        """Judge the 101 response (RFC 6455 4.1)."""
        fields = decode(response.headers)
        if response.http_version != b"1.1":
            raise InvalidHandshake("the server's HTTP version is not 1.1")
        if not lists(fields, "upgrade", "websocket") or not lists(fields, "connection", "upgrade"):
            raise InvalidHandshake("the server did not upgrade to WebSocket")
        if values(fields, "sec-websocket-accept") != [self._accept]:
            raise InvalidHandshake("the server's Sec-WebSocket-Accept is wrong")
        accepted = elements(fields, "sec-websocket-extensions")
        if not self._extensions.issuperset(map(_extension, accepted)):
            raise InvalidHandshake("the server accepted an extension that was not offered")
        self._accepted = ", ".join(accepted) or None
        self._chosen = ", ".join(values(fields, "sec-websocket-protocol")) or None
        if self._chosen is None and self._protocols:
            raise SubprotocolMismatch("the server chose none of the offered subprotocols")
        if self._chosen is not None and self._chosen not in self._protocols:
            raise SubprotocolMismatch("the server chose a subprotocol that was not offered")
        return HTTPResponse(status=101, headers=tuple(fields), body=b"")


def _extension(offer: str) -> str:
    """The name in an extension with parameters."""
    return offer.partition(";")[0].strip(" \t").lower()
