"""The management system's side on anyio: listens, accepts, and offers each client to the application."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from socket import socket
from typing import Unpack, cast

import anyio
from anyio.abc import SocketAttribute, SocketListener

from ocpp_rpc_core import State, notices as n
from ocpp_rpc_core._settings import ServerSettings
from ocpp_rpc_core.serving import Listener, ServedClient, Serving

from .driver import Driver, Scoped, logged, logger, tell
from .push import Pushed
from .streams import BROKEN, Stream, accept, accepted, caller, network_error, transport_opened

PAUSE = 0.1
"""Seconds without accepting anybody when the system has no more sockets."""


class RPCServerClient(ServedClient[Driver]):
    """The server's side of one client's connection; `handshake` and `session` tell who it is."""

    new_bell = anyio.Event

    def __init__(self, server: RPCServer) -> None:
        ServedClient.__init__(self, server)
        self._attached = Driver(self, server._entered())


class RPCServer(Serving[RPCServerClient], Scoped):
    """A management system: `async with RPCServer(protocols=["ocpp1.6"]) as server: await server.listen(9000)`.

    Leaving the block closes the server and everything it started.
    """

    new_bell = anyio.Event

    def __init__(self, **options: Unpack[ServerSettings]) -> None:
        Serving.__init__(self, os.urandom, options, os.sysconf("SC_OPEN_MAX") if hasattr(os, "sysconf") else None)

    async def __aenter__(self) -> RPCServer:
        await self._enter(self.close)
        return self

    def _tell(self, notice: n.Notice) -> None:
        tell(self, notice)

    async def listen(
        self, port: int = 0, host: str | None = None, *, path: str | None = None, tls: ssl.SSLContext | None = None
    ) -> Listener:
        """Accept clients on a TCP port (0: any free one) of `host` (None: all), or on a Unix socket at `path`.

        Raises:
            OSError: the address cannot be used.
            RuntimeError: the server is not entered, or closed.
        """
        if self._tasks is None or self._state is not State.OPEN:
            raise RuntimeError("the server must be entered (async with) and not closed to listen")
        tcp = None if path else await anyio.create_tcp_listener(local_host=host, local_port=port)
        found = tcp.listeners if tcp else [await anyio.create_unix_listener(str(path))]
        sockets = cast("Sequence[SocketListener]", found)
        address: object = sockets[0].extra(SocketAttribute.local_address)
        listener = self._listening(address, host, anyio.CancelScope(), secure=tls is not None)
        self._tasks.start_soon(self._accept, listener, sockets, tls)
        return listener

    async def _accept(self, listener: Listener, sockets: Sequence[SocketListener], tls: ssl.SSLContext | None) -> None:
        try:
            with listener.scope:
                async with anyio.create_task_group() as tasks:
                    for listening in sockets:
                        tasks.start_soon(self._accept_at, listening, tls)
        finally:
            self._stopped(listener)

    async def _accept_at(self, listening: SocketListener, tls: ssl.SSLContext | None) -> None:
        assert self._tasks is not None
        async with listening:
            while True:
                try:
                    arrival = await accept(listening, self._room)
                except (anyio.BrokenResourceError, OSError) as error:
                    logger.warning("nobody can be accepted at present: %s", network_error(error))
                    await anyio.sleep(PAUSE)
                else:
                    self._tasks.start_soon(self._serve, arrival, tls)

    async def _serve(self, arrival: Stream | socket, tls: ssl.SSLContext | None) -> None:
        try:
            await self._attend(arrival, tls, b"", ours=True)
        except BROKEN:
            logger.debug("a client went away, or failed, in its TLS handshake", exc_info=True)
        except Exception as error:  # noqa: BLE001 - the others are to be served
            logged(error)
            self._tell(n.ServerError(error))

    async def handle_stream(self, stream: Stream, initial: bytes = b"") -> None:
        """Serve one client on a byte stream of your own, until it is closed.

        `initial` is what was read from it already, from the first byte of the request on.
        """
        await self._attend(stream, None, initial, ours=False)

    async def _attend(self, arrival: Stream | socket, tls: ssl.SSLContext | None, early: bytes, *, ours: bool) -> None:
        with self._visit(caller(arrival), accepted=ours) as visit:
            if visit is None:
                arrival.close() if isinstance(arrival, socket) else await anyio.aclose_forcefully(arrival)
                return
            with anyio.fail_after(self._options.handshake_timeout):
                stream = await accepted(arrival, tls)
            client, opened = RPCServerClient(self), transport_opened(stream)
            self._serving(client, visit)
        if isinstance(stream, Pushed):
            client._driver.attach(stream, opened)
        else:
            await client._driver.serve(stream, opened, early)
