"""Drives one connection on trio: feeds it events, does its actions, moves its bytes, keeps its time."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from inspect import isawaitable
from typing import Any, assert_never

import trio

from ocpp_rpc_core import actions as a, events, notices as n
from ocpp_rpc_core._answers import answer_event, is_failure
from ocpp_rpc_core._crew import Apart, Crew
from ocpp_rpc_core._outgoing import Outgoing
from ocpp_rpc_core._timekeeper import Timekeeper
from ocpp_rpc_core.driving import Driving, LazyBell
from ocpp_rpc_core.peer import Peer
from ocpp_rpc_core.server_peer import ServerPeer

from .streams import BROKEN, Stream, half_close, network_error, receive, write_now

logger = logging.getLogger("ocpp_rpc")

Dial = Callable[[a.OpenTransport], Awaitable[tuple[Stream, events.TransportOpened]]]


async def outcome(awaitable: object) -> object:
    """What the application's code gives, awaited if need be, or the exception that it raises."""
    try:
        return logged(await awaitable if isawaitable(awaitable) else awaitable)
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

    def __init__(self, nursery: trio.Nursery) -> None:
        self.start = nursery.start_soon
        self.timekeeper = Timekeeper(trio.Event)
        self.crew = Crew(lambda: nursery.start_soon(self.crew.work), trio.Event)
        nursery.start_soon(self._keep_time)

    async def _keep_time(self) -> None:
        while True:
            with trio.move_on_at(self.timekeeper.next):
                await self.timekeeper.hurried()
            self.timekeeper.ring(trio.current_time())


class Scoped:
    """Owns the tasks that begin between entering and leaving."""

    _nursery: trio.Nursery | None = None
    _staff: Staff | None = None

    async def _enter(self, close: Callable[..., Awaitable[object]]) -> None:
        if self._nursery is not None:
            raise RuntimeError(f"this {type(self).__name__} has been entered already")
        self._close, self._manager = close, trio.open_nursery()
        self._nursery = await self._manager.__aenter__()
        self._staff = Staff(self._nursery)

    def _entered(self) -> Staff:
        if self._staff is None:
            raise RuntimeError(f"enter it first: async with {type(self).__name__}(...)")
        return self._staff

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        assert self._nursery is not None
        try:
            with trio.CancelScope(shield=True):  # the core bounds how long a goodbye may take
                await self._close(force=isinstance(error, trio.Cancelled))
        finally:
            self._nursery.cancel_scope.cancel()
            self._nursery = None
            # The nursery does not hear of the application's exception: it would put it into a group.
            await self._manager.__aexit__(None, None, None)


class Driver(Driving):
    """One connection, from its first event until it is closed; its tasks are among those of `staff`."""

    def __init__(self, peer: Peer, staff: Staff, dial: Dial | None = None) -> None:
        super().__init__(peer, staff.timekeeper, trio.current_time, trio.Event)
        self._staff = staff
        self._dial = dial
        self._handlers: dict[int, trio.CancelScope] = {}

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
                self._transport = trio.CancelScope()
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
            self._handlers[action.request_id] = trio.CancelScope()
            self._staff.crew.add(Apart(self._answer(action.request_id, answer), copy_context()))
        else:
            self.feed(answer_event(action.request_id, logged(answer)))

    async def _answer(self, request_id: int, answer: object) -> None:
        with self._handlers[request_id]:
            self._feed_alone(answer_event(request_id, await outcome(answer)))
        del self._handlers[request_id]

    def _consult(self, ask: Callable[[], object], answered: Callable[[object], events.Event]) -> None:
        """Ask the application in a task, until it answers or `_stop_asking`."""

        async def consult(scope: trio.CancelScope) -> None:
            with scope:
                answer = await outcome(ask())
                self._asking = None
                self._feed_alone(answered(answer))

        self._asking = trio.CancelScope()
        self._staff.start(consult, self._asking)

    # --- Bytes ----------------------------------------------------------------

    async def _open(self, target: a.OpenTransport, scope: trio.CancelScope) -> None:
        assert self._dial is not None
        error: Exception = TimeoutError("the attempt to connect was given up")
        try:
            with scope:
                await self._carry(*await self._dial(target))
        except Exception as failure:
            if self._transport is not scope:
                raise
            error = network_error(failure)
        finally:
            if self._transport is scope:  # else it was carried
                self._transport_gone(events.TransportFailed(error))

    async def serve(self, stream: Stream, opened: events.TransportOpened, initial: bytes) -> None:
        """Carry an accepted byte stream until it ends."""
        self._transport = trio.CancelScope()
        with self._transport:
            await self._carry(stream, opened, initial)

    async def _carry(self, stream: Stream, opened: events.TransportOpened, initial: bytes = b"") -> None:
        writing, written = trio.CancelScope(), LazyBell(trio.Event)
        self._outgoing = Outgoing(
            trio.Event, write_now(stream), lambda: self._staff.start(self._write, stream, writing, written)
        )
        self._outgoing.serve(self._connection, self.feed)
        error: Exception | None = None
        try:
            self.feed(opened)
            if initial:
                self.feed(events.BytesReceived(initial))
            error = await self._read(stream)
            if self._outgoing.finishing:  # the core bounds how long the last bytes may take
                await written.wait()
        finally:
            writing.cancel()
            self._outgoing.broken()
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)
            self._transport_gone(events.TransportClosed(error))

    async def _read(self, stream: Stream) -> Exception | None:
        """Read until the end; what broke the stream, if anything."""
        try:
            await self._outgoing.readable()
            while self._outgoing.received(await receive(stream)):  # kept in no variable meanwhile
                await self._outgoing.readable()
        except BROKEN as error:
            return None if isinstance(error, trio.ClosedResourceError) else network_error(error)
        return None

    async def _write(self, stream: Stream, scope: trio.CancelScope, written: LazyBell) -> None:
        """The only one who waits for the peer to read; what gathers meanwhile goes out together."""
        try:
            with scope:
                while (data := await self._outgoing.next()) is not None:
                    await stream.send_all(data)
                await half_close(stream)
        except BROKEN:
            self._outgoing.broken()  # the reader finds out, too, and need not wait for us
        finally:
            written.set()
