"""Tests without a network on trio: byte streams in memory, fakes on their other end, and a clock that jumps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TypeVar, final

import trio
from trio.abc import HalfCloseableStream
from trio.lowlevel import checkpoint
from trio.testing import MockClock

from ocpp_rpc_core._observers import Bell
from ocpp_rpc_core.actions import OpenTransport
from ocpp_rpc_core.events import TransportOpened
from ocpp_rpc_core.testing import FakeCSMS, FakeStation
from ocpp_rpc_core.testing._line import CAPACITY, Line, TaskLine, line_pair

from .client import RPCClient

T = TypeVar("T")
WEEK = 7 * 24 * 3600.0
"""Seconds."""


def run(main: Callable[..., Awaitable[T]], *args: object, limit: float = WEEK) -> T:
    """Run `main(*args)` on a clock that jumps to the next timer whenever every task waits.

    Hours take milliseconds.  Not for real sockets, whose bytes would come too late.

    Raises:
        TimeoutError: it has not ended after `limit` seconds of that clock.
    """

    async def limited() -> T:
        with trio.move_on_after(limit):
            return await main(*args)
        raise TimeoutError(f"it has not ended within {limit:g} s")

    return trio.run(limited, clock=MockClock(autojump_threshold=0))


async def until(condition: Callable[[], object], limit: float = 60.0) -> None:
    """Wait until something is so; `TimeoutError` after `limit` seconds."""
    with trio.move_on_after(limit):
        while not condition():  # noqa: ASYNC110 - it may be about anything
            await trio.sleep(0.01)
        return
    raise TimeoutError(f"it was not so within {limit:g} s")


@contextmanager
def plugged(csms: FakeCSMS) -> Generator[None]:
    """Meanwhile, every `RPCClient` that connects reaches `csms` and not the network."""

    async def dial(_client: RPCClient, _target: OpenTransport) -> tuple[trio.abc.Stream, TransportOpened]:
        if csms.listening is None:
            await trio.sleep_forever()
        await checkpoint()
        return stream_to(csms), TransportOpened()

    former, RPCClient._dial = RPCClient._dial, dial  # type: ignore[assignment]
    try:
        yield
    finally:
        RPCClient._dial = former  # type: ignore[method-assign]


def stream_to(fake: FakeCSMS | FakeStation) -> MemoryStream:
    """A new byte stream to a fake: for `RPCServer.handle_stream`, or for a client of your own.

    Raises:
        ConnectionRefusedError: the fake does not listen.
    """
    fake.clock = trio.current_time
    return MemoryStream(fake.open())


def memory_streams() -> tuple[MemoryStream, MemoryStream]:
    """Both ends of a byte stream in memory."""
    one, other = line_pair(trio.current_time)
    return MemoryStream(one), MemoryStream(other)


@final
class MemoryStream(HalfCloseableStream):
    """One end of a byte stream in memory, which can be cut."""

    def __init__(self, line: Line) -> None:
        self._line = TaskLine(line, _Loop())

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Bytes that have come, b"" at the end; raises what any stream of trio's raises."""
        await self._check()
        try:
            data = await self._line.read(CAPACITY if max_bytes is None else max_bytes)
        except OSError as error:
            raise trio.BrokenResourceError from error
        if not data and self._line.line.closed:
            raise trio.ClosedResourceError
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes; waits while too many are unread."""
        await self._check()
        try:
            await self._line.write(bytes(data))
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def wait_send_all_might_not_block(self) -> None:
        """As no task needs to know, this does not wait."""
        await self._check()

    async def send_eof(self) -> None:
        """Send the end, and go on receiving."""
        self._line.line.end()
        await checkpoint()

    async def aclose(self) -> None:
        """Close both directions."""
        self._line.line.close()
        await checkpoint()

    def cut(self, error: Exception | None = None) -> None:
        """Break it: both ends notice, and what is under way is lost."""
        self._line.line.cut(error)

    async def _check(self) -> None:
        await checkpoint()
        if self._line.line.closed:
            raise trio.ClosedResourceError


class _Loop:
    """What a line needs of trio."""

    def now(self) -> float:
        return trio.current_time()

    def new_bell(self) -> Bell:
        return trio.Event()

    async def wait(self, bell: Bell, until: float) -> None:
        with trio.CancelScope(deadline=until):
            await bell.wait()
