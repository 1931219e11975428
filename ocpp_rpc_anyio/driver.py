"""Drives one connection on anyio: feeds it events, does its actions, moves its bytes, keeps its time."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from inspect import isawaitable
from math import inf
from typing import Any, assert_never

import anyio
from anyio.abc import TaskGroup

from ocpp_rpc_core import actions as a, events, notices as n
from ocpp_rpc_core._answers import answer_event, is_failure
from ocpp_rpc_core._crew import Apart, Crew
from ocpp_rpc_core._outgoing import READ_SIZE, Outgoing
from ocpp_rpc_core._timekeeper import Timekeeper
from ocpp_rpc_core.driving import Driving
from ocpp_rpc_core.peer import Peer
from ocpp_rpc_core.server_peer import ServerPeer

from .push import Pushed, clock_and_bells
from .streams import BROKEN, Stream, half_close, network_error

logger = logging.getLogger("ocpp_rpc")

Dial = Callable[[a.OpenTransport], Awaitable[tuple[Stream | Pushed, events.TransportOpened]]]


async def outcome(awaitable: object) -> object:
    """What the application's code gives, awaited if need be, or the exception that it raises."""
    try:
        return logged(await awaitable if isawaitable(awaitable) else awaitable)
    except anyio.get_cancelled_exc_class() as error:
        if anyio.current_effective_deadline() == -inf:
            raise
        # On asyncio, awaiting a task that was cancelled raises this, and it would end our tasks, too.
        return logged(RuntimeError(f"what the application awaited was cancelled: {error!r}"))
    except Exception as error:  # noqa: BLE001 - the core decides what it means
        return logged(error)


def logged(answer: object) -> object:
    """The answer; if it is an exception that was not meant as one, the log has seen it."""
    if isinstance(answer, Exception) and is_failure(answer):
        logger.error("the application failed: %s", type(answer).__name__, exc_info=answer)
    return answer


def tell(peer: Peer | ServerPeer[Any], notice: n.Notice) -> None:
    """Tell the observers; the log sees what they raise."""
    for failure in peer.notify(notice):
        logged(failure)


class Staff:
    """The tasks that all connections of a server share, or that of a client has: to keep the time, to run handlers.

    What a task raises would end all others.
    """

    def __init__(self, tasks: TaskGroup) -> None:
        self.clock, self.new_bell = clock_and_bells()
        self.start = tasks.start_soon
        self.timekeeper = Timekeeper(self.new_bell)
        self.crew = Crew(lambda: tasks.start_soon(self.crew.work), self.new_bell)
        tasks.start_soon(self._keep_time)

    async def _keep_time(self) -> None:
        while True:
            with anyio.CancelScope(deadline=self.timekeeper.next):
                await self.timekeeper.hurried()
            self.timekeeper.ring(self.clock())


class Scoped:
    """Owns the tasks that begin between entering and leaving."""

    _tasks: TaskGroup | None = None
    _staff: Staff | None = None

    async def _enter(self, close: Callable[..., Awaitable[object]]) -> None:
        if self._tasks is not None:
            raise RuntimeError(f"this {type(self).__name__} has been entered already")
        self._close, self._tasks = close, anyio.create_task_group()
        self._staff = Staff(await self._tasks.__aenter__())

    def _entered(self) -> Staff:
        if self._staff is None:
            raise RuntimeError(f"enter it first: async with {type(self).__name__}(...)")
        return self._staff

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        assert self._tasks is not None
        tasks = self._tasks
        try:
            with anyio.CancelScope(shield=True):  # the core bounds how long a goodbye may take
                await self._close(force=isinstance(error, anyio.get_cancelled_exc_class()))
        finally:
            self._tasks = None
            tasks.cancel_scope.cancel()
            # The group does not hear of the application's exception: it would put it into one of its own.
            await tasks.__aexit__(None, None, None)


class Driver(Driving):
    """One connection, from its first event until it is closed; its tasks are among those of `staff`."""

    def __init__(self, peer: Peer, staff: Staff, dial: Dial | None = None) -> None:
        super().__init__(peer, staff.timekeeper, staff.clock, staff.new_bell)
        self._staff = staff
        self._dial = dial
        self._handlers: dict[int, anyio.CancelScope] = {}

    def _perform(self, action: a.Action) -> None:
        match action:
            case a.SendBytes(data):
                self._outgoing.put(data)
            case a.PauseReading() | a.ResumeReading():
                self._outgoing.pause(reading=isinstance(action, a.ResumeReading))
            case a.StartHandler():
                self._start_handler(action)
            case a.ResolveCall() | a.ResolveConnect() | a.RejectCall() | a.RejectConnect():
                self._questions.settle(action)
            case a.Report(notice):
                self._report(notice)
            case a.CancelHandler(request_id):
                if (scope := self._handlers.get(request_id)) is not None:
                    scope.cancel()
            case a.CloseTransport():
                self._outgoing.finish()
            case a.AbortTransport():
                self._abort()
            case a.OpenTransport():
                self._transport = anyio.CancelScope()
                self._staff.start(self._open, action, self._transport)
            case a.DecideUpgrade(handshake):
                self._consult(partial(self._peer.decide, handshake), self._peer.decided)
            case a.CancelUpgrade():
                self._stop_asking()
            case _:
                assert_never(action)

    def _report(self, notice: n.Notice) -> None:
        tell(self._peer, notice)
        if isinstance(notice, n.Opened) and self._peer.is_welcomed:
            self._consult(self._peer.welcome, self._peer.welcomed)
        elif isinstance(notice, n.Closed):
            self._closed()

    def _log(self, error: Exception) -> None:
        logged(error)

    def _start_handler(self, action: a.StartHandler) -> None:
        answer = self._peer.serve(action)
        if isawaitable(answer):
            self._handlers[action.request_id] = anyio.CancelScope()
            self._staff.crew.add(Apart(self._answer(action.request_id, answer), copy_context()))
        else:
            self.feed(answer_event(action.request_id, logged(answer)))

    async def _answer(self, request_id: int, answer: object) -> None:
        with self._handlers[request_id]:
            self._feed_alone(answer_event(request_id, await outcome(answer)))
        del self._handlers[request_id]

    def _consult(self, ask: Callable[[], object], answered: Callable[[object], events.Event]) -> None:
        """Ask the application in a task, until it answers or `_stop_asking`."""

        async def consult(scope: anyio.CancelScope) -> None:
            with scope:
                answer = await outcome(ask())
                self._asking = None
                self._feed_alone(answered(answer))

        self._asking = anyio.CancelScope()
        self._staff.start(consult, self._asking)

    # --- Bytes ----------------------------------------------------------------

    async def _open(self, target: a.OpenTransport, scope: anyio.CancelScope) -> None:
        assert self._dial is not None
        error: Exception = TimeoutError("the attempt to connect was given up")
        try:
            with scope:
                stream, opened = await self._dial(target)
                if isinstance(stream, Pushed):
                    self.attach(stream, opened)
                else:
                    await self._carry(stream, opened)
        except Exception as failure:
            if self._transport is not scope:
                raise
            error = network_error(failure)
        finally:
            if self._transport is scope:  # else it was, or is, carried
                self._transport_gone(events.TransportFailed(error))

    def attach(self, stream: Pushed, opened: events.TransportOpened) -> None:
        """Have a byte stream carried that needs no task, until it ends."""
        self._transport = stream
        self._outgoing = stream.outgoing
        self._outgoing.serve(self._connection, self.feed)
        self._feed_alone(opened)
        stream.carry(self._transport_gone)

    async def serve(self, stream: Stream, opened: events.TransportOpened, initial: bytes) -> None:
        """Carry an accepted byte stream until it ends."""
        self._transport = anyio.CancelScope()
        with self._transport:
            await self._carry(stream, opened, initial)

    async def _carry(self, stream: Stream, opened: events.TransportOpened, initial: bytes = b"") -> None:
        self._outgoing = Outgoing(self._staff.new_bell)
        self._outgoing.serve(self._connection, self.feed)
        error: Exception | None = None
        try:
            self.feed(opened)
            if initial:
                self.feed(events.BytesReceived(initial))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write, stream)
                error = await self._read(stream)
                if not self._outgoing.finishing:  # the core bounds how long the last bytes may take
                    tasks.cancel_scope.cancel()
        finally:
            self._outgoing.broken()
            with anyio.CancelScope(shield=True):
                await anyio.aclose_forcefully(stream)
            self._transport_gone(events.TransportClosed(error))

    async def _read(self, stream: Stream) -> Exception | None:
        """Read until the end; what broke the stream, if anything."""
        try:
            while True:
                await self._outgoing.readable()
                self._outgoing.received(await stream.receive(READ_SIZE))
        except BROKEN as error:
            return None if isinstance(error, anyio.EndOfStream | anyio.ClosedResourceError) else network_error(error)

    async def _write(self, stream: Stream) -> None:
        """The only one who waits for the peer to read; what gathers meanwhile goes out together."""
        try:
            while (data := await self._outgoing.next()) is not None:
                await stream.send(data)
            await half_close(stream)
        except BROKEN:
            self._outgoing.broken()  # the reader finds out, too, and need not wait for us
