"""What every driver needs and no driver needs I/O for: feeding one event at a time, asking and waiting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, final

from ._answers import CloseInfo
from ._lifecycle import Phase
from ._observers import Bell
from ._outgoing import Outgoing
from ._timekeeper import NEVER, Timekeeper
from .actions import Action, RejectCall, RejectConnect, ResolveCall, ResolveConnect
from .connection import Connection
from .events import (
    AbortRequested,
    CallCancelled,
    CloseRequested,
    ConnectCancelled,
    ConnectRequested,
    Event,
    Question,
    Tick,
)
from .peer import DEFAULT, Peer, Timeout

Outcome = ResolveCall | RejectCall | ResolveConnect | RejectConnect


@final
@dataclass(slots=True)
class Waiter:
    """Somebody waits here for the outcome of a question, until the `bell` of their event loop rings."""

    bell: Bell
    outcome: Outcome | None = None


@final
class LazyBell:
    """A bell that rings rarely, and need not be made until somebody waits for it; most connections only have it."""

    __slots__ = ("_bell", "_has_rung", "_new_bell")

    def __init__(self, new_bell: Callable[[], Bell]) -> None:
        self._new_bell = new_bell
        self._bell: Bell | None = None
        self._has_rung = False

    def is_set(self) -> bool:
        """Whether it has rung."""
        return self._has_rung

    def set(self) -> None:
        """Ring."""
        self._has_rung = True
        if self._bell is not None:
            self._bell.set()

    async def wait(self) -> None:
        """Wait until it rings."""
        if self._bell is None:
            self._bell = self._new_bell()
            if self._has_rung:
                self._bell.set()
        await self._bell.wait()


@final
class Questions:
    """Asks a connection what it answers later, and brings each answer to whoever waits for it."""

    __slots__ = ("_feed", "_new_bell", "_waiters")

    def __init__(self, feed: Callable[[Event], None], new_bell: Callable[[], Bell]) -> None:
        self._feed = feed
        self._new_bell = new_bell
        self._waiters: dict[int, Waiter] = {}

    async def ask(self, question: Question) -> Any:
        """Feed an event with a token and wait for its outcome; an error is raised, and giving up is told."""
        waiter = self._waiters[question.token] = Waiter(self._new_bell())
        try:
            self._feed(question)
            await waiter.bell.wait()
        finally:
            del self._waiters[question.token]
            if waiter.outcome is None:
                given_up = ConnectCancelled if isinstance(question, ConnectRequested) else CallCancelled
                self._feed(given_up(question.token))
        outcome = waiter.outcome
        assert outcome is not None  # the bell rang
        if isinstance(outcome, ResolveCall):
            return outcome.result
        if isinstance(outcome, ResolveConnect):
            return outcome.response
        raise outcome.error

    def settle(self, outcome: Outcome) -> None:
        """Tell whoever waits for this; if it is nobody any more, it is too late."""
        if (waiter := self._waiters.get(outcome.token)) is not None:
            waiter.outcome = outcome
            waiter.bell.set()


@final
class Inbox:
    """Feeds a connection one event at a time, to the end.

    Doing an action may feed further events (a handler that answers at once); they wait until all actions of
    the present event are done, so that everything happens in the order it was decided.
    """

    __slots__ = ("_clock", "_connection", "_events", "_perform")

    def __init__(self, connection: Connection, clock: Callable[[], float], perform: Callable[[Action], None]) -> None:
        self._connection = connection
        self._clock = clock
        self._perform = perform
        self._events: list[Event] = []

    def feed(self, event: Event) -> None:
        """Tell the connection, and perform what it asks for."""
        events = self._events
        events.append(event)
        if len(events) > 1:
            return
        try:
            for fed in events:  # those included that come meanwhile
                for action in self._connection.handle(fed, self._clock()):
                    self._perform(action)
        finally:
            events.clear()


class Cancellable(Protocol):
    """What can be given up."""

    def cancel(self) -> object:
        """Give it up."""


class Driving:
    """One connection with what drives it, as far as that needs no I/O; an adapter does the actions."""

    def __init__(
        self, peer: Peer, timekeeper: Timekeeper, clock: Callable[[], float], new_bell: Callable[[], Bell]
    ) -> None:
        self.closed = LazyBell(new_bell)
        """Set once the connection is closed and its byte stream is gone."""
        self._peer = peer
        peer.feed = feed = self.feed
        self._connection = peer.connection
        self._inbox = Inbox(peer.connection, clock, self._perform)
        self._questions = Questions(feed, new_bell)
        self._outgoing = Outgoing(new_bell)
        self._timekeeper = timekeeper
        self._alarm = NEVER
        self._transport: Cancellable | None = None
        """Its byte stream, or the attempt to open one."""
        self._asking: Cancellable | None = None
        """A question to the application: whether to let a client in, then to welcome it."""

    def feed(self, event: Event) -> None:
        """Tell the connection, and do what it asks for; what is fed meanwhile waits its turn."""
        self._inbox.feed(event)
        self._outgoing.flush()
        deadline = self._connection.deadline
        if deadline is not None and deadline < self._alarm.at:  # one that rings too early does no harm
            self._alarm = self._timekeeper.move(self._alarm, deadline, self._tick)

    async def ask(self, question: Question) -> Any:
        """Feed an event with a token and wait for its outcome; an error is raised."""
        answer = await self._questions.ask(question)
        if answer is None:  # it was only sent, no faster than the peer reads
            await self._outgoing.drained()
        return answer

    def _perform(self, action: Action) -> None:
        raise NotImplementedError

    def _log(self, error: Exception) -> None:
        raise NotImplementedError

    def _feed_alone(self, event: Event) -> None:
        """Feed it from where a failure, which can only be a mistake of ours, would end other connections, too."""
        try:
            self.feed(event)
        except Exception as error:  # noqa: BLE001 - it ends this one only
            self._log(error)
            self._abort()

    def _tick(self) -> None:
        self._alarm = NEVER
        self._feed_alone(Tick())

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.cancel()

    def _stop_asking(self) -> None:
        if self._asking is not None:
            self._asking.cancel()

    def _transport_gone(self, event: Event) -> None:
        """Tell the connection that its byte stream is gone, or could not be opened; and whoever waits for that."""
        self._transport = None
        self._outgoing.broken()
        self._feed_alone(event)
        self._stop_asking()
        if self._connection.phase is Phase.CLOSED:
            self.closed.set()
        self._peer.gone()

    def _closed(self) -> None:
        """The connection is closed, though its byte stream may have yet to end."""
        self._timekeeper.drop(self._alarm)
        if self._transport is None:
            self.closed.set()


class Drives(Protocol):
    """What a connection's driver does for those who hold its peer."""

    @property
    def closed(self) -> Bell:
        """Rings once the connection is closed and its byte stream is gone."""
        ...

    def feed(self, event: Event) -> None:
        """Tell the connection."""

    async def ask(self, question: Question) -> Any:
        """Tell the connection, and wait for its answer; an error is raised."""


D = TypeVar("D", bound=Drives)


class Calling(Peer, Generic[D]):
    """What either end can do while it is connected, whatever event loop its driver `D` is for."""

    _attached: D | None = None

    @property
    def _driver(self) -> D:
        if self._attached is None:
            raise RuntimeError(f"enter it first: async with {type(self).__name__}(...) as client")
        return self._attached

    async def call(
        self,
        method: str,
        params: Any = None,
        *,
        timeout: Timeout = DEFAULT,
        no_reply: bool = False,
        message_id: str | None = None,
    ) -> Any:
        """Call a method of the peer and wait for the result; cancelling the task cancels the call.

        `timeout` counts seconds from when the call is written.  With `no_reply` it ends as soon as it is written.
        `message_id` is for a call that must have a known id, for example a retry (rule 11); else a new one is made.
        An error has the `message_id` of the call, or None if that was never written.

        Raises:
            RPCError: the peer answered with an error, or strict mode refuses the call or its result.
            CallTimeout: no answer in time.
            ConnectionLost: the connection ended before the answer came, so its fate is unknown.
            NotConnected: the call was never written, so it is safe to repeat: no connection, or it is closing.
            QueueFull: the call was never written, so it is safe to repeat: too many wait already.
            TypeError, ValueError: the params have no JSON form, or the message id is no good, or in use.
        """
        question = self._call(method, params, timeout, no_reply=no_reply, message_id=message_id)
        return await self._driver.ask(question)

    async def send(self, method: str, params: Any = None, *, message_id: str | None = None) -> None:
        """Send a message that has no answer (OCPP 2.1 SEND, rule 16); raises what `call` raises."""
        await self._driver.ask(self._send(method, params, message_id))

    async def send_raw(self, message: str | bytes) -> None:
        """Send one WebSocket message as it is; for tests of the peer."""
        await self._driver.ask(self._raw(message))

    async def close(
        self, code: int = 1000, reason: str = "", *, await_pending: bool = False, force: bool = False
    ) -> CloseInfo:
        """Close, and return how the connection was closed in the end.

        Calls in flight are rejected and handlers cancelled, unless `await_pending` lets them finish first.
        `force` drops the connection without a goodbye (1006).  A code that may not be sent becomes 1000;
        of several calls the first decides.
        """
        driver = self._driver
        driver.feed(AbortRequested() if force else CloseRequested(code, reason, await_pending))
        await driver.closed.wait()
        return self._close_info
