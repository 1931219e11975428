"""Byte streams and listeners on trio: what TLS, sockets and the end of a stream need."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, cast

import trio

from ocpp_rpc_core import TLSInfo
from ocpp_rpc_core._http import peer_ip
from ocpp_rpc_core._outgoing import READ_SIZE
from ocpp_rpc_core.events import TransportOpened

Stream = trio.abc.Stream
BROKEN = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


def network_error(error: Exception) -> OSError:
    """What the network or TLS said, without trio's words around it."""
    said = error.__cause__ if isinstance(error.__cause__, OSError) else error
    return said if isinstance(said, OSError) else ConnectionError(repr(error))


async def secured(stream: Stream, context: ssl.SSLContext, **options: Any) -> Stream:
    """TLS over a stream, its handshake done; a stream that fails is closed."""
    secure = trio.SSLStream(stream, context, https_compatible=True, **options)
    try:
        await secure.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(secure)
        raise
    return secure


async def half_close(stream: Stream) -> None:
    """Send the end, and leave it to the reader to wait for the peer's."""
    if isinstance(stream, trio.abc.HalfCloseableStream):
        await stream.send_eof()  # closing with something unread would lose the last bytes
    else:
        await stream.aclose()


async def receive(stream: Stream) -> bytes:
    """What can be read, as soon as there is something; nothing at the end.

    Of a plain socket without trio's layers, each of which would keep a frame while the connection is idle.
    """
    while isinstance(stream, trio.SocketStream):
        await trio.lowlevel.wait_readable(stream.socket)
        with suppress(BlockingIOError):  # somebody thought so
            return os.read(stream.socket.fileno(), READ_SIZE)
    return bytes(await stream.receive_some(READ_SIZE))


def write_now(stream: Stream) -> Callable[[bytes], int] | None:
    """How to write to a plain socket without waiting, of which trio has only the waiting kind."""
    if not isinstance(stream, trio.SocketStream):
        return None
    socket = stream.socket

    def write(data: bytes) -> int:
        try:
            return os.write(socket.fileno(), data)  # -1 once it is closed
        except OSError:  # it is full, or broken, as whoever waits for it will hear
            return 0

    return write


def transport_opened(stream: Stream) -> TransportOpened:
    """What is known of a connected stream."""
    tls = certificate = None
    if isinstance(stream, trio.SSLStream):
        secure = cast("trio.SSLStream[trio.SocketStream]", stream)
        certificate = secure.getpeercert()
        tls = TLSInfo(version=secure.version() or "", cipher=secure.cipher()[0])
        stream = secure.transport_stream
    address: object = None
    with suppress(OSError):  # the peer may be gone already
        address = stream.socket.getpeername() if isinstance(stream, trio.SocketStream) else None
    return TransportOpened(peer_ip(address), certificate, tls)


class Paced(trio.abc.Listener[trio.SocketStream]):
    """A listener that accepts only when there is room."""

    def __init__(self, listening: trio.SocketListener, room: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        self._listening = listening
        self._room = room

    async def accept(self) -> trio.SocketStream:
        """Whoever comes next, once there is room for them."""
        await trio.lowlevel.wait_readable(self._listening.socket)
        async with self._room():
            return await self._listening.accept()

    async def aclose(self) -> None:
        """Nobody can connect any more."""
        await self._listening.aclose()


async def tcp_listeners(port: int, host: str | None) -> list[trio.SocketListener]:
    """Listeners on every address of `host`, with the same port on all."""
    listeners = await trio.open_tcp_listeners(port, host=host)
    if port == 0 and len(listeners) > 1:  # each got a port of its own
        number = int(listeners[0].socket.getsockname()[1])
        for listener in listeners:
            await listener.aclose()
        listeners = await trio.open_tcp_listeners(number, host=host)
    return listeners


async def unix_listener(path: str) -> trio.SocketListener:
    """A listener on a Unix socket."""
    if await trio.Path(path).is_socket():  # left behind by somebody who is gone
        await trio.Path(path).unlink()
    listening = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    try:
        await listening.bind(path)
        listening.listen(0xFFFF)  # as many as the system allows, as trio does for TCP
    except BaseException:
        listening.close()
        raise
    return trio.SocketListener(listening)
