"""The management system's side on trio: listens, accepts, and offers each client to the application."""

from __future__ import annotations

import os
import ssl
from typing import Unpack

import trio

from ocpp_rpc_core import State, notices as n
from ocpp_rpc_core._settings import ServerSettings
from ocpp_rpc_core.serving import Listener, ServedClient, Serving

from .driver import Driver, Scoped, logged, logger, tell
from .streams import BROKEN, Paced, Stream, secured, tcp_listeners, transport_opened, unix_listener


class RPCServerClient(ServedClient[Driver]):
    """The server's side of one client's connection; `handshake` and `session` tell who it is."""

    new_bell = trio.Event

    def __init__(self, server: RPCServer) -> None:
        ServedClient.__init__(self, server)
        self._attached = Driver(self, server._entered())


class RPCServer(Serving[RPCServerClient], Scoped):
    """A management system: `async with RPCServer(protocols=["ocpp1.6"]) as server: await server.listen(9000)`.

    Leaving the block closes the server and everything it started.
    """

    new_bell = trio.Event

    def __init__(self, **options: Unpack[ServerSettings]) -> None:
        Serving.__init__(self, os.urandom, options, os.sysconf("SC_OPEN_MAX") if hasattr(os, "sysconf") else None)

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
        address = sockets[0].socket.getsockname()
        listener = self._listening(address, host, trio.CancelScope(), secure=tls is not None)
        self._nursery.start_soon(self._accept, listener, sockets, tls)
        return listener

    async def _accept(self, listener: Listener, sockets: list[trio.SocketListener], tls: ssl.SSLContext | None) -> None:
        async def serve(stream: trio.SocketStream) -> None:
            try:
                await self._attend(stream, tls, b"", ours=True)
            except (*BROKEN, trio.TooSlowError):
                logger.debug("a client went away, or failed, in its TLS handshake", exc_info=True)
            except Exception as error:  # noqa: BLE001 - the others are to be served
                logged(error)
                self._tell(n.ServerError(error))

        try:
            with listener.scope:
                paced = [Paced(listening, self._room) for listening in sockets]
                await trio.serve_listeners(serve, paced, handler_nursery=self._nursery)
        finally:  # the server's scope may be cancelled, too
            self._stopped(listener)

    async def handle_stream(self, stream: Stream, initial: bytes = b"") -> None:
        """Serve one client on a byte stream of your own, until it is closed.

        `initial` is what was read from it already, from the first byte of the request on.
        """
        await self._attend(stream, None, initial, ours=False)

    async def _attend(self, stream: Stream, tls: ssl.SSLContext | None, early: bytes, *, ours: bool) -> None:
        with self._visit(transport_opened(stream).remote_address, accepted=ours) as visit:
            if visit is None:
                await trio.aclose_forcefully(stream)
                return
            if tls is not None:
                with trio.fail_after(self._options.handshake_timeout):
                    stream = await secured(stream, tls, server_side=True)
            client, opened = RPCServerClient(self), transport_opened(stream)
            self._serving(client, visit)
        await client._driver.serve(stream, opened, early)
