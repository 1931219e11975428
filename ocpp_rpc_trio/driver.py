"""Drives one connection on trio: feeds it events, does its actions, moves its bytes, keeps its time."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from inspect import isawaitable
from math import inf
from typing import Any, assert_never

import trio

from ocpp_rpc_core import Phase, actions as a, events, notices as n
from ocpp_rpc_core._answers import answer_event, is_failure
from ocpp_rpc_core._crew import Apart, Crew
from ocpp_rpc_core._outgoing import READ_SIZE, Outgoing
from ocpp_rpc_core.driving import Inbox, Questions
from ocpp_rpc_core.peer import Peer
from ocpp_rpc_core.server_peer import ServerPeer

from .streams import BROKEN, Stream, half_close, network_error, write_now

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


class Scoped:
    """Owns the tasks that begin between entering and leaving."""

    _nursery: trio.Nursery | None = None

    async def _enter(self, close: Callable[..., Awaitable[object]]) -> trio.Nursery:
        if self._nursery is not None:
            raise RuntimeError(f"this {type(self).__name__} has been entered already")
        self._close, self._manager = close, trio.open_nursery()
        self._nursery = await self._manager.__aenter__()
        return self._nursery

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


class Driver:
    """One connection, from its first event until it is closed; its tasks run in `nursery`."""

    def __init__(self, peer: Peer, nursery: trio.Nursery, dial: Dial | None = None) -> None:
        self.nursery = nursery
        self.closed = trio.Event()
        """Set once the connection is closed and its byte stream is gone."""
        self._peer = peer
        peer.feed = self.feed
        self._connection = peer.connection
        self._dial = dial
        self._inbox = Inbox(peer.connection, trio.current_time, self._perform)
        self._questions = Questions(self.feed, trio.Event)
        self._handlers: dict[int, trio.CancelScope] = {}
        self._crew: Crew[tuple[int, Apart]] = Crew(lambda: nursery.start_soon(self._work), trio.Event)
        self._deciding = trio.CancelScope()
        self._transport: trio.CancelScope | None = None
        self._outgoing = Outgoing(trio.Event)
        self._armed = inf
        self._rearm = trio.Event()
        nursery.start_soon(self._keep_time)

    # --- Events in ------------------------------------------------------------

    def feed(self, event: events.Event) -> None:
        """Tell the connection, and do what it asks for; what is fed meanwhile waits its turn."""
        self._inbox.feed(event)
        self._outgoing.flush()
        deadline = self._connection.deadline
        if deadline is not None and deadline < self._armed:
            self._rearm.set()

    async def ask(self, question: events.Question) -> Any:
        """Feed an event with a token and wait for its outcome; an error is raised."""
        answer = await self._questions.ask(question)
        if answer is None:  # it was only sent, no faster than the peer reads
            await self._outgoing.drained()
        return answer

    async def _keep_time(self) -> None:
        while self._connection.phase is not Phase.CLOSED:
            self._rearm = trio.Event()
            self._armed = inf if (deadline := self._connection.deadline) is None else deadline
            with trio.move_on_at(self._armed):
                await self._rearm.wait()
            self.feed(events.Tick())

    # --- Actions out ----------------------------------------------------------

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
                if self._transport is not None:
                    self._transport.cancel()
            case a.OpenTransport():
                self._transport = trio.CancelScope()
                self.nursery.start_soon(self._open, action, self._transport)
            case a.DecideUpgrade(handshake):
                self.nursery.start_soon(self._decide, handshake)
            case a.CancelUpgrade():
                self._deciding.cancel()
            case _:
                assert_never(action)

    def _report(self, notice: n.Notice) -> None:
        tell(self._peer, notice)
        if isinstance(notice, n.Opened) and self._peer.is_welcomed:
            self.nursery.start_soon(self._welcome)
        elif isinstance(notice, n.Closed):
            self._rearm.set()
            self._crew.dismiss()
            if self._transport is None:
                self.closed.set()

    def _transport_gone(self, event: events.Event) -> None:
        self._transport = None
        self.feed(event)
        if self._connection.phase is Phase.CLOSED:
            self.closed.set()

    def _start_handler(self, action: a.StartHandler) -> None:
        answer = self._peer.serve(action)
        if isawaitable(answer):
            self._handlers[action.request_id] = trio.CancelScope()
            self._crew.add((action.request_id, Apart(answer, copy_context())))
        else:
            self.feed(answer_event(action.request_id, logged(answer)))

    async def _work(self) -> None:
        job = await self._crew.next(hired=True)
        while job is not None:
            request_id, answer = job
            with self._handlers[request_id]:
                self.feed(answer_event(request_id, await outcome(answer)))
            del self._handlers[request_id]
            job = await self._crew.next()

    async def _decide(self, handshake: Any) -> None:
        with self._deciding:
            self.feed(self._peer.decided(await outcome(self._peer.decide(handshake))))

    async def _welcome(self) -> None:
        self.feed(self._peer.welcomed(await outcome(self._peer.welcome())))

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
        self._outgoing = Outgoing(trio.Event, write_now(stream))
        self._outgoing.serve(self._connection, self.feed)
        error: Exception | None = None
        try:
            self.feed(opened)
            if initial:
                self.feed(events.BytesReceived(initial))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, stream)
                error = await self._read(stream)
                if not self._outgoing.finishing:  # the core bounds how long the last bytes may take
                    nursery.cancel_scope.cancel()
        finally:
            self._outgoing.broken()
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)
            self._transport_gone(events.TransportClosed(error))

    async def _read(self, stream: Stream) -> Exception | None:
        """Read until the end; what broke the stream, if anything."""
        try:
            while True:
                await self._outgoing.readable()
                data = await stream.receive_some(READ_SIZE)
                if not data:
                    return None
                self._outgoing.received(bytes(data))
        except BROKEN as error:
            return None if isinstance(error, trio.ClosedResourceError) else network_error(error)

    async def _write(self, stream: Stream) -> None:
        """The only one who waits for the peer to read; what gathers meanwhile goes out together."""
        try:
            while (data := await self._outgoing.next()) is not None:
                await stream.send_all(data)
            await half_close(stream)
        except BROKEN:
            self._outgoing.broken()  # the reader finds out, too, and need not wait for us
