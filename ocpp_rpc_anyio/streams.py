"""Byte streams on anyio: what TLS, sockets and the end of a stream need."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from socket import socket
from typing import Any, cast

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketListener
from anyio.streams.tls import TLSAttribute, TLSStream

from ocpp_rpc_core import TLSInfo
from ocpp_rpc_core._http import peer_ip
from ocpp_rpc_core.events import TransportOpened

from .push import Pushed, asyncio_loop, undelayed

Stream = ByteStream
BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.BusyResourceError, anyio.EndOfStream, OSError)


async def dialled(host: str, port: int, tls: ssl.SSLContext | None) -> Stream | Pushed:
    """A byte stream to `host`."""
    loop = asyncio_loop()
    if loop is None:
        stream = await anyio.connect_tcp(host, port)
        return stream if tls is None else await secured(stream, tls, hostname=host)
    # uvloop tries one address after the other
    haste = {"happy_eyeballs_delay": 0.25} if isinstance(loop, asyncio.BaseEventLoop) else {}
    options: Any = {"ssl": tls, "server_hostname": host if tls else None, **haste}
    return (await loop.create_connection(Pushed, host, port, **options))[1]


async def accept(listening: SocketListener, room: Callable[[], AbstractAsyncContextManager[None]]) -> Stream | socket:
    """Whoever comes next, once there is room for them."""
    arrivals = listening.extra(SocketAttribute.raw_socket)
    while True:
        await anyio.wait_readable(arrivals)  # asyncio loses who comes while `accept` is cancelled
        with suppress(BlockingIOError):  # gone again
            async with room():
                return await listening.accept() if asyncio_loop() is None else undelayed(arrivals.accept()[0])


def caller(arrival: Stream | socket) -> str | None:
    """The IP address of whoever was accepted, before anything was said."""
    with suppress(OSError):  # the peer may be gone already
        return (
            peer_ip(arrival.getpeername()) if isinstance(arrival, socket) else transport_opened(arrival).remote_address
        )
    return None


async def accepted(arrival: Stream | socket, tls: ssl.SSLContext | None) -> Stream | Pushed:
    """The byte stream of somebody who was accepted, after the TLS handshake."""
    if isinstance(arrival, socket):
        return (await asyncio.get_running_loop().connect_accepted_socket(Pushed, arrival, ssl=tls))[1]
    return arrival if tls is None else await secured(arrival, tls, server_side=True)


async def secured(stream: Stream, context: ssl.SSLContext, **options: Any) -> Stream:
    """TLS over a stream, its handshake done; a stream that fails is closed."""
    try:
        return await TLSStream.wrap(stream, ssl_context=context, standard_compatible=False, **options)
    except BaseException:
        await anyio.aclose_forcefully(stream)
        raise


async def half_close(stream: Stream) -> None:
    """Send the end, and leave it to the reader to wait for the peer's."""
    if isinstance(stream, TLSStream):
        with suppress(anyio.BusyResourceError):  # our goodbye is out, the peer's is the reader's
            await stream.unwrap()
        stream = cast("Stream", stream.transport_stream)
    try:
        await stream.send_eof()  # closing with something unread would lose the last bytes
    except NotImplementedError:
        await anyio.aclose_forcefully(stream)


def network_error(error: Exception) -> OSError:
    """What the network said, without anyio's words around it."""
    said = error.__cause__ if isinstance(error.__cause__, OSError) else error
    return said if isinstance(said, OSError) else ConnectionError(repr(error))


def transport_opened(stream: Stream | Pushed) -> TransportOpened:
    """What is known of a connected stream."""
    if isinstance(stream, Pushed):
        return stream.opened()
    find = stream.extra
    version = find(TLSAttribute.tls_version, None)
    tls = None if version is None else TLSInfo(version=version, cipher=find(TLSAttribute.cipher)[0])
    host = peer_ip(find(SocketAttribute.remote_address, None))
    return TransportOpened(host, find(TLSAttribute.peer_certificate, None), tls)
