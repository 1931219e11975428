"""The management system's side on trio: listens, accepts, and offers each client to the application."""

from __future__ import annotations

import os
import ssl
from typing import Unpack

import trio

from ocpp_rpc_core import State, events, notices as n
from ocpp_rpc_core._settings import ServerSettings
from ocpp_rpc_core.driving import Calling, Serving
from ocpp_rpc_core.server_peer import ServerSidePeer, listening_url

from .driver import Driver, Scoped, logged, logger, tell
from .streams import BROKEN, Stream, secured, tcp_listeners, transport_opened, unix_listener


class RPCServerClient(Calling[Driver], ServerSidePeer):
    """The server's side of one client's connection; `handshake` and `session` tell who it is."""

    new_bell = trio.Event

    def __init__(self, server: RPCServer, nursery: trio.Nursery) -> None:
        ServerSidePeer.__init__(self, server)
        self._attached = Driver(self, nursery)


class Listener:
    """A socket, or several with the same port, that clients connect to."""

    def __init__(self, url: str, port: int | None) -> None:
        self.url = url
        """What clients connect to, without the identity."""
        self.port = port
        """The TCP port; None for a Unix socket."""
        self.scope = trio.CancelScope()
        self.done = trio.Event()

    async def close(self) -> None:
        """Accept nobody any more; who is connected stays."""
        self.scope.cancel()
        await self.done.wait()


class RPCServer(Serving[RPCServerClient], Scoped):
    """A management system: `async with RPCServer(protocols=["ocpp1.6"]) as server: await server.listen(9000)`.

    Leaving the block closes the server and everything it started.
    """

    new_bell = trio.Event

    def __init__(self, **options: Unpack[ServerSettings]) -> None:
        Serving.__init__(self, os.urandom, options)

    async def __aenter__(self) -> RPCServer:
        await self._enter(self.close)
        return self

    def _tell(self, notice: n.Notice) -> None:
        tell(self, notice)

    async def listen(
        self,
        port: int = 0,
        host: str | None = None,
        *,
        path: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> Listener:
        """Accept clients on a TCP port (0: any free one) of `host` (None: all), or on a Unix socket at `path`.

        Raises:
            OSError: the address cannot be used.
            RuntimeError: the server is not entered, or closed.
        """
        if self._nursery is None or self._state is not State.OPEN:
            raise RuntimeError("the server must be entered (async with) and not closed to listen")
        sockets = await tcp_listeners(port, host) if path is None else [await unix_listener(path)]
        listener = Listener(*listening_url(sockets[0].socket.getsockname(), host, secure=tls is not None))
        self._accepting.add(listener.scope)
        self._nursery.start_soon(self._accept, listener, sockets, tls)
        return listener

    async def _accept(self, listener: Listener, sockets: list[trio.SocketListener], tls: ssl.SSLContext | None) -> None:
        async def serve(stream: trio.SocketStream) -> None:
            try:
                with trio.fail_after(self._options.handshake_timeout):
                    secure = stream if tls is None else await secured(stream, tls, server_side=True)
                await self.handle_stream(secure)
            except (*BROKEN, trio.TooSlowError):
                logger.debug("a client went away, or failed, in its TLS handshake", exc_info=True)
            except Exception as error:  # noqa: BLE001 - the others are to be served
                logged(error)
                self._tell(n.ServerError(error))

        try:
            with listener.scope:
                await trio.serve_listeners(serve, sockets, handler_nursery=self._nursery)
        finally:  # the server's scope may be cancelled, too
            listener.done.set()
            self._accepting.discard(listener.scope)
            self._gone()

    async def handle_stream(self, stream: Stream, initial: bytes = b"") -> None:
        """Serve one client on a byte stream of your own, until it is closed.

        `initial` is what was read from it already, from the first byte of the request on.
        """
        async with trio.open_nursery() as nursery:
            client = RPCServerClient(self, nursery)
            self._connections.add(client)
            if self._state is not State.OPEN:
                client.feed(events.CloseRequested())
            try:
                await client._driver.serve(stream, transport_opened(stream), initial)
            finally:
                self._connections.discard(client)
                self._gone()
                nursery.cancel_scope.cancel()
