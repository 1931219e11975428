"""Tests without a network on anyio: byte streams in memory, fakes on their other end, and a clock that jumps."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar, final

import anyio
from anyio.abc import ByteStream
from anyio.lowlevel import checkpoint

from ocpp_rpc_core._observers import Bell
from ocpp_rpc_core.actions import OpenTransport
from ocpp_rpc_core.events import TransportOpened
from ocpp_rpc_core.testing import FakeCSMS, FakeStation
from ocpp_rpc_core.testing._line import Line, TaskLine, line_pair

from .client import RPCClient

T = TypeVar("T")
WEEK = 7 * 24 * 3600.0
"""Seconds."""


def run(main: Callable[..., Awaitable[T]], *args: object, limit: float = WEEK, backend: str = "asyncio") -> T:
    """Run `main(*args)` on a clock that jumps to the next timer whenever every task waits.

    Hours take milliseconds.  Not for real sockets, whose bytes would come too late.

    Raises:
        TimeoutError: it has not ended after `limit` seconds of that clock.
    """

    async def limited() -> T:
        with anyio.fail_after(limit):
            return await main(*args)

    if backend == "trio":
        from trio.testing import MockClock  # noqa: PLC0415 - it need not be there

        options: dict[str, Any] = {"clock": MockClock(autojump_threshold=0)}
    else:
        options = {"loop_factory": _JumpingLoop}
    return anyio.run(limited, backend=backend, backend_options=options)


async def until(condition: Callable[[], object], limit: float = 60.0) -> None:
    """Wait until something is so; `TimeoutError` after `limit` seconds."""
    with anyio.fail_after(limit):
        while not condition():  # noqa: ASYNC110 - it may be about anything
            await anyio.sleep(0.01)


@contextmanager
def plugged(csms: FakeCSMS) -> Generator[None]:
    """Meanwhile, every `RPCClient` that connects reaches `csms` and not the network."""

    async def dial(_client: RPCClient, _target: OpenTransport) -> tuple[ByteStream, TransportOpened]:
        if csms.listening is None:
            await anyio.sleep_forever()
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
    fake.clock = anyio.current_time
    return MemoryStream(fake.open())


def memory_streams() -> tuple[MemoryStream, MemoryStream]:
    """Both ends of a byte stream in memory."""
    one, other = line_pair(anyio.current_time)
    return MemoryStream(one), MemoryStream(other)


@final
class MemoryStream(ByteStream):
    """One end of a byte stream in memory, which can be cut."""

    def __init__(self, line: Line) -> None:
        self._line = TaskLine(line, _Loop())

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Bytes that have come, at least one; raises what any stream of anyio's raises."""
        await self._check()
        try:
            data = await self._line.read(max_bytes)
        except OSError as error:
            raise anyio.BrokenResourceError from error
        if not data:
            raise anyio.ClosedResourceError if self._line.line.closed else anyio.EndOfStream
        return data

    async def send(self, item: bytes) -> None:
        """Send bytes; waits while too many are unread."""
        await self._check()
        try:
            await self._line.write(bytes(item))
        except OSError as error:
            raise anyio.BrokenResourceError from error

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
            raise anyio.ClosedResourceError


class _Loop:
    """What a line needs of anyio."""

    def now(self) -> float:
        return anyio.current_time()

    def new_bell(self) -> Bell:
        return anyio.Event()

    async def wait(self, bell: Bell, until: float) -> None:
        with anyio.CancelScope(deadline=until):
            await bell.wait()


class _JumpingSelector(selectors.SelectSelector):
    loop: _JumpingLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("every task waits, and no timer is set")
            self.loop.jumped += timeout
        return ready


class _JumpingLoop(asyncio.SelectorEventLoop):
    """Its clock stands still while something runs, and jumps to the next timer when nothing can."""

    def __init__(self) -> None:
        self.jumped = 0.0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """Seconds; it costs nothing to wait for them."""
        return self.jumped
