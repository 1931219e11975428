"""Byte streams on anyio: what TLS, sockets and the end of a stream need."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from socket import SocketType
from typing import Any, cast

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSAttribute, TLSStream

from ocpp_rpc_core import TLSInfo
from ocpp_rpc_core.events import TransportOpened

Stream = ByteStream
BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.BusyResourceError, anyio.EndOfStream, OSError)


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


def write_now(stream: Stream) -> Callable[[bytes], int] | None:
    """How to write to a plain socket of trio's without waiting; asyncio has a buffer of its own in between."""
    socket = stream.extra(SocketAttribute.raw_socket, None)
    if isinstance(stream, TLSStream) or not isinstance(socket, SocketType):
        return None

    def write(data: bytes) -> int:
        try:
            return socket.send(data)
        except OSError:  # it is full, or broken, as whoever waits for it will hear
            return 0

    return write


def network_error(error: Exception) -> OSError:
    """What the network said, without anyio's words around it."""
    said = error.__cause__ if isinstance(error.__cause__, OSError) else error
    return said if isinstance(said, OSError) else ConnectionError(repr(error))


def transport_opened(stream: Stream) -> TransportOpened:
    """What is known of a connected stream."""
    find = stream.extra
    version = find(TLSAttribute.tls_version, None)
    tls = None if version is None else TLSInfo(version=version, cipher=find(TLSAttribute.cipher)[0])
    address: object = find(SocketAttribute.remote_address, None)
    # A socket that takes both gives IPv4 addresses this prefix.
    host = str(address[0]).removeprefix("::ffff:") if isinstance(address, tuple) else None
    return TransportOpened(host, find(TLSAttribute.peer_certificate, None), tls)
