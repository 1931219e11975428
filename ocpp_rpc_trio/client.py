"""The charging station's side on trio: dials, and offers the connection to the application."""

from __future__ import annotations

import os
import ssl
from typing import Any, Unpack, cast

import trio

from ocpp_rpc_core import DEFAULT, CloseInfo, HTTPResponse, actions as a, events
from ocpp_rpc_core._settings import ClientSettings
from ocpp_rpc_core.peer import ClientPeer, Peer, Timeout

from .driver import Driver, Scoped
from .streams import Stream, secured, transport_opened


class Calling(Peer):
    """What either end can do while it is connected."""

    new_bell = trio.Event

    _attached: Driver | None = None

    @property
    def _driver(self) -> Driver:
        if self._attached is None:
            raise RuntimeError(f"enter it first: async with {type(self).__name__}(...) as client")
        return self._attached

    async def call(self, method: str, params: Any = None, *, timeout: Timeout = DEFAULT, no_reply: bool = False) -> Any:
        """Call a method of the peer and wait for the result; cancelling the task cancels the call.

        `timeout` counts seconds from when the call is written.  With `no_reply` it ends as soon as it is written.

        Raises:
            RPCError: the peer answered with an error, or strict mode refuses the call or its result.
            CallTimeout: no answer in time.
            ConnectionLost: the connection ended before the answer came.
            NotConnected: the call was never written: there is no connection, or it is closing.
            TypeError, ValueError: the params have no JSON form.
        """
        return await self._driver.ask(self._call(method, params, timeout, no_reply=no_reply))

    async def send(self, method: str, params: Any = None) -> None:
        """Send a message that has no answer (OCPP 2.1 SEND, rule 16); raises what `call` raises."""
        await self._driver.ask(self._send(method, params))

    async def send_raw(self, message: str | bytes) -> None:
        """Send one WebSocket message as it is; for tests of the peer."""
        await self._driver.ask(self._raw(message))

    async def close(
        self, code: int = 1000, reason: str = "", *, await_pending: bool = False, force: bool = False
    ) -> CloseInfo:
        """Close, and return how the connection was closed in the end.

        Calls in flight are rejected and handlers cancelled, unless `await_pending` lets them finish first.
        `force` drops the connection without a goodbye (1006).  A code that may not be sent becomes 1000;
        of several calls the first decides.
        """
        driver = self._driver
        driver.feed(events.AbortRequested() if force else events.CloseRequested(code, reason, await_pending))
        await driver.closed.wait()
        return self._close_info


class RPCClient(Calling, ClientPeer, Scoped):
    """A charging station: `async with RPCClient("ws://host:9000", "CP1", protocols=["ocpp1.6"]) as client`.

    Entering connects (unless `auto_connect` is False), leaving closes and leaves no task behind.
    """

    def __init__(
        self, endpoint: str, identity: str, *, auto_connect: bool = True, **options: Unpack[ClientSettings]
    ) -> None:
        ClientPeer.__init__(self, endpoint, identity, os.urandom, options)
        self._auto_connect = auto_connect

    async def __aenter__(self) -> RPCClient:
        nursery = await self._enter(self.close)
        self._renew()
        self._attached = Driver(self, nursery, self._dial)
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
            self._attached = Driver(self, self._driver.nursery, self._dial)
        return cast("HTTPResponse", await self._driver.ask(events.ConnectRequested(next(self._tokens))))

    async def _dial(self, target: a.OpenTransport) -> tuple[Stream, events.TransportOpened]:
        stream = await trio.open_tcp_stream(target.host, target.port)
        if target.secure:
            context = cast("ssl.SSLContext | None", self._options.tls) or ssl.create_default_context()
            secure = await secured(stream, context, server_hostname=target.host)
            return secure, transport_opened(secure)
        return stream, transport_opened(stream)
