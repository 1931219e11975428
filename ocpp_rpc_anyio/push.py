"""Byte streams of asyncio that hand over what they read at once: no task waits for it, and none writes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar, copy_context
from socket import IPPROTO_TCP, TCP_NODELAY, socket
from typing import cast

import anyio

from ocpp_rpc_core import TLSInfo
from ocpp_rpc_core._http import peer_ip
from ocpp_rpc_core._outgoing import PIECE, READ_SIZE, Outgoing
from ocpp_rpc_core.events import TransportClosed, TransportOpened

library: ContextVar[str | None] | None
try:
    from sniffio import current_async_library_cvar as library
except ImportError:  # without it, anyio takes whatever runs for asyncio
    library = None


def asyncio_loop() -> asyncio.AbstractEventLoop | None:
    """The running loop, if it is one of asyncio's."""
    on_asyncio = anyio.get_cancelled_exc_class() is asyncio.CancelledError
    return asyncio.get_running_loop() if on_asyncio else None


def undelayed(accepted: socket) -> socket:
    """Small frames are to go out at once; asyncio sees to that only for sockets that say they are TCP's."""
    with suppress(OSError):  # those of Unix have no delay
        accepted.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    return accepted


def clock_and_bells() -> tuple[Callable[[], float], Callable[[], anyio.Event | asyncio.Event]]:
    """The clock of the running loop, and its events, without a detour over anyio where there is a shorter way."""
    loop = asyncio_loop()
    return (anyio.current_time, anyio.Event) if loop is None else (loop.time, asyncio.Event)


class Pushed(asyncio.Protocol):
    """One byte stream, with or without TLS, as made by `create_connection` and `connect_accepted_socket`."""

    __slots__ = (
        *("_blocked", "_context", "_error", "_is_lost", "_loop", "_on_lost", "_reads_on", "_transport", "_unread"),
        "outgoing",
    )

    def __init__(self) -> None:
        self._context = copy_context()
        if library is not None:
            self._context.run(library.set, "asyncio")  # where there is no task, nobody could tell
        self._on_lost: Callable[[TransportClosed], None] | None = None
        self._is_lost = False
        self._unread = b""
        self._blocked = self._reads_on = False
        self._error: Exception | None = None
        self._loop = asyncio.get_running_loop()
        self.outgoing = Outgoing(asyncio.Event, self._write, self._write_later)
        """What is still to be written."""

    def carry(self, on_lost: Callable[[TransportClosed], None]) -> None:
        """Hand over what is read, until the end; then say so."""
        self._on_lost = on_lost
        self.data_received(b"")  # what came already
        if self._is_lost:
            self._end()

    def cancel(self) -> None:
        """Drop it, and what is not written."""
        self._transport.abort()

    def opened(self) -> TransportOpened:
        """What is known of it."""
        find = self._transport.get_extra_info
        secure, address = cast("ssl.SSLObject | None", find("ssl_object")), find("peername")
        tls = None if secure is None else TLSInfo(version=secure.version() or "", cipher=(secure.cipher() or [""])[0])
        return TransportOpened(peer_ip(address), find("peercert") or None, tls)

    # --- What asyncio tells (asyncio.Protocol) ----------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The stream is up."""
        self._transport = cast("asyncio.Transport", transport)
        if transport.get_extra_info("ssl_object") is None:
            self._transport.set_write_buffer_limits(0)  # so that we hear of whatever cannot be sent at once

    def data_received(self, data: bytes) -> None:
        """Something was read."""
        self._unread = self._unread + data if self._unread else data
        if self._unread and self._on_lost is not None and self.outgoing.may_read:
            piece, self._unread = self._unread[:READ_SIZE], self._unread[READ_SIZE:]
            self._context.run(self.outgoing.received, piece)
            if self._unread and not self._reads_on:  # when the others have had their turn
                self._reads_on = True
                self._loop.call_soon(self._read_on)
        self._regulate()

    def _read_on(self) -> None:
        self._reads_on = False
        self.data_received(b"")

    def eof_received(self) -> None:
        """The peer writes no more, and does not care to read either, unless this is the end (RFC 6455 7.1.1)."""
        if not self.outgoing.finishing:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The stream is gone; it ended, or `exc` broke it."""
        self._error, self._is_lost = exc, True
        self._end()

    def _end(self) -> None:
        if self._on_lost is not None:
            on_lost, self._on_lost = self._on_lost, None
            self._context.run(on_lost, TransportClosed(self._error))

    def pause_writing(self) -> None:
        """The peer reads too slowly."""
        self._blocked = True
        self.outgoing.held(self._transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """It has caught up."""
        self._blocked = False
        self.outgoing.held(0)
        self._write_rest()

    # --- Writing --------------------------------------------------------------

    def _write(self, data: bytes) -> int:
        written = 0
        while written < len(data) and not (self._blocked or self._transport.is_closing()):
            self._transport.write(data[written : written + PIECE])
            written = min(written + PIECE, len(data))
        return written

    def _write_later(self) -> None:
        self._loop.call_soon(self._write_rest)

    def _write_rest(self) -> None:
        self.outgoing.write()
        if self.outgoing.finishing and not self.outgoing.size and not self._transport.is_closing():
            try:
                (self._transport.write_eof if self._transport.can_write_eof() else self._transport.close)()
            except OSError:  # the peer's reset came first
                self._transport.abort()
        self.data_received(b"")  # what had to wait

    def _regulate(self) -> None:
        """Read no faster than the peer does, and than what was read is used."""
        if self._unread or not self.outgoing.may_read:
            self._transport.pause_reading()
        elif not self._transport.is_reading() and not self._transport.is_closing():
            self._transport.resume_reading()
