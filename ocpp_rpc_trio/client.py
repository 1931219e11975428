"""The charging station's side on trio: dials, and offers the connection to the application."""

from __future__ import annotations

import os
import ssl
from typing import Unpack, cast

import trio

from ocpp_rpc_core import HTTPResponse, actions as a, events
from ocpp_rpc_core._settings import ClientSettings
from ocpp_rpc_core.driving import Calling
from ocpp_rpc_core.peer import ClientPeer

from .driver import Driver, Scoped
from .streams import Stream, secured, transport_opened


class RPCClient(Calling[Driver], ClientPeer, Scoped):
    """A charging station: `async with RPCClient("ws://host:9000", "CP1", protocols=["ocpp1.6"]) as client`.

    Entering connects (unless `auto_connect` is False), leaving closes and leaves no task behind.
    """

    new_bell = trio.Event

    def __init__(
        self, endpoint: str, identity: str, *, auto_connect: bool = True, **options: Unpack[ClientSettings]
    ) -> None:
        ClientPeer.__init__(self, endpoint, identity, os.urandom, options)
        self._auto_connect = auto_connect

    async def __aenter__(self) -> RPCClient:
        await self._enter(self.close)
        self._renew()
        self._attached = Driver(self, self._entered(), self._dial)
        if self._auto_connect:
            try:
                await self.connect()
            except BaseException as error:
                await self.__aexit__(type(error), error, None)
                raise
        return self

    async def connect(self) -> HTTPResponse:
        """Connect, if it is not connected; return the server's 101.

        Raises:
            UnexpectedHTTPResponse: the server refused, with this status, headers and body.
            HandshakeError: its answer was something else.
            OSError: the network's error.
            NotConnected: the client is closing.
        """
        if self._driver.closed.is_set():
            self._renew()
            self._attached = Driver(self, self._entered(), self._dial)
        return cast("HTTPResponse", await self._driver.ask(events.ConnectRequested(next(self._tokens))))

    async def _dial(self, target: a.OpenTransport) -> tuple[Stream, events.TransportOpened]:
        stream = await trio.open_tcp_stream(target.host, target.port)
        if target.secure:
            context = cast("ssl.SSLContext | None", self._options.tls) or ssl.create_default_context()
            secure = await secured(stream, context, server_hostname=target.host)
            return secure, transport_opened(secure)
        return stream, transport_opened(stream)
