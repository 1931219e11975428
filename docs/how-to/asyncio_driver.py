"""A driver of `ocpp_rpc_core` for plain asyncio: both roles, calls, handlers, timers, back-pressure, closing."""

import asyncio
import itertools
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, assert_never, cast

from ocpp_rpc_core import Closed, Connection, Handshake, Notice, Router, actions as a, events as e
from ocpp_rpc_core.config import ClientOptions, ServerOptions
from ocpp_rpc_core.driving import Inbox

Work = Callable[[], Awaitable[Any]]
Ending = Callable[[Any], e.Event]


class Peer(asyncio.Protocol):
    """Either end of one connection; the router holds `async def handler(peer, params) -> result`."""

    def __init__(self, options: ClientOptions | ServerOptions, router: Router) -> None:
        self.loop = asyncio.get_running_loop()
        self.connection = Connection(options, router)
        self.closed: asyncio.Future[Closed] = self.loop.create_future()
        self._tls = getattr(options, "tls", None)
        self._inbox = Inbox(self.connection, self.loop.time, self._perform)
        self._timer: asyncio.TimerHandle | None = None
        self._tokens = itertools.count(1)
        self._waiters: dict[int, asyncio.Future[tuple[Any, Exception | None]]] = {}
        self._tasks: dict[object, asyncio.Task[None]] = {}  # handlers by request id, the others by name
        self._transport: Any = None
        self._may_read = True
        self._may_write = asyncio.Event()
        self._may_write.set()

    def observe(self, notice: Notice) -> None:
        """Hears everything; override it."""

    async def decide(self, handshake: Handshake) -> e.UpgradeAccepted | e.UpgradeRejected:
        """Asked about each client if the option `authenticate` is set; override it."""
        return e.UpgradeAccepted()

    async def connect(self) -> None:
        await self._ask(e.ConnectRequested(next(self._tokens)))

    async def call(self, method: str, params: Any = None, timeout: float | None = None) -> Any:
        return await self._ask(e.CallRequested(next(self._tokens), method, params, timeout))

    async def close(self, code: int = 1000, reason: str = "", *, drain: bool = False) -> Closed:
        self._feed(e.CloseRequested(code, reason, drain))
        return await asyncio.shield(self.closed)

    async def _ask(self, question: e.Question) -> Any:
        await self._may_write.wait()
        waiter = self._waiters[question.token] = self.loop.create_future()
        try:
            self._feed(question)
            result, error = await waiter
        finally:
            del self._waiters[question.token]
            if waiter.cancelled():
                connecting = isinstance(question, e.ConnectRequested)
                self._feed((e.ConnectCancelled if connecting else e.CallCancelled)(question.token))
        if error is not None:
            raise error
        return result

    def _feed(self, event: e.Event) -> None:
        self._inbox.feed(event)
        if self._timer is not None:
            self._timer.cancel()
        deadline = self.connection.deadline
        self._timer = None if deadline is None else self.loop.call_at(deadline, self._feed, e.Tick())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        address = transport.get_extra_info("peername")
        self._feed(e.TransportOpened(address[0] if isinstance(address, tuple) else None))

    def data_received(self, data: bytes) -> None:
        self._feed(e.BytesReceived(data))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._may_write.set()
        self._feed(e.TransportClosed(exc))

    def pause_writing(self) -> None:  # the peer does not read, so we do not either, and callers wait
        self._may_write.clear()
        # asyncio speaks up late, and tells of no progress; the limits are coarser for it.
        self._feed(e.BytesUnwritten(self._transport.get_write_buffer_size()))
        self._pause_or_read()

    def resume_writing(self) -> None:
        self._may_write.set()
        self._feed(e.BytesUnwritten(0))
        self._pause_or_read()

    def _pause_or_read(self) -> None:
        if self._transport is not None:
            wanted = self._may_read and self._may_write.is_set()
            (self._transport.resume_reading if wanted else self._transport.pause_reading)()

    def _perform(self, action: a.Action) -> None:
        match action:
            case a.SendBytes(data):
                self._transport.write(data)
            case a.PauseReading() | a.ResumeReading():
                self._may_read = isinstance(action, a.ResumeReading)
                self._pause_or_read()
            case a.OpenTransport(host, port, secure):
                tls = (self._tls or ssl.create_default_context()) if secure else None
                dial = partial(self.loop.create_connection, lambda: self, host, port, ssl=tls)
                gone = lambda error: e.Tick() if self._transport else e.TransportFailed(error)  # noqa: E731 - in a match
                self._start("dial", dial, lambda _: e.Tick(), gone)  # cancelled too late, it tells of its loss
            case a.CloseTransport():  # only our half: closing with something unread loses the last bytes
                self._transport.write_eof() if self._transport.can_write_eof() else self._transport.close()
            case a.AbortTransport():
                self._cancel("dial") if self._transport is None else self._transport.abort()
            case a.StartHandler(number, _, _, params, handler):
                work = partial(cast("Callable[..., Awaitable[Any]]", handler), self, params)
                self._start(number, work, partial(e.HandlerReturned, number), partial(e.HandlerRaised, number))
            case a.CancelHandler(number):
                self._cancel(number)
            case a.DecideUpgrade(handshake):
                self._start("decide", partial(self.decide, handshake), lambda verdict: verdict, e.UpgradeCrashed)
            case a.CancelUpgrade():
                self._cancel("decide")
            case a.ResolveCall(token, result) | a.ResolveConnect(token, result):
                self._settle(token, result, None)
            case a.RejectCall(token, error) | a.RejectConnect(token, error):
                self._settle(token, None, error)
            case a.Report(notice):
                self.observe(notice)
                if isinstance(notice, Closed):
                    self.closed.set_result(notice)
            case _:
                assert_never(action)

    def _settle(self, token: int, result: Any, error: Exception | None) -> None:
        if token in self._waiters and not self._waiters[token].done():
            self._waiters[token].set_result((result, error))

    def _start(self, key: object, work: Work, returned: Ending, raised: Ending) -> None:
        async def run() -> None:
            try:
                event = returned(await work())
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the core decides
                event = raised(error if isinstance(error, Exception) else TimeoutError("cancelled"))
            self._feed(event)

        self._tasks[key] = self.loop.create_task(run())
        self._tasks[key].add_done_callback(lambda _: self._tasks.pop(key))

    def _cancel(self, key: object) -> None:
        if key in self._tasks:
            self._tasks[key].cancel()
