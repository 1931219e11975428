"""One end of a simulated link: what an adapter does for a connection, and what its application sees."""

from __future__ import annotations

from collections import deque
from enum import Enum
from math import inf
from typing import TYPE_CHECKING, Any, assert_never, final

from ocpp_rpc_core import actions as a, events as e
from ocpp_rpc_core._answers import Verdict, answer_event, attempt, verdict_event
from ocpp_rpc_core._http import Handshake
from ocpp_rpc_core.connection import Connection
from ocpp_rpc_core.notices import Notice

from ._link import Way

if TYPE_CHECKING:
    from ._world import World


class Pending(Enum):
    PENDING = "PENDING"


PENDING = Pending.PENDING
"""What a handler, or `auth`, returns to answer later: `End.answer`, `End.decide`."""


@final
class End:
    """One connection, and whatever its adapter would know of it."""

    def __init__(self, connection: Connection, world: World) -> None:
        self.connection = connection
        self.outcomes: dict[int, object] = {}
        """What became of each call, send and connect, by token: the result, or the exception."""
        self.notices: list[Notice] = []
        """Everything it reported, in order."""
        self.running: dict[int, a.StartHandler] = {}
        """The handlers that have not answered, by request id."""
        self.cancelled: list[a.StartHandler] = []
        """The handlers that were cancelled."""
        self.asked: Handshake | None = None
        """Who waits for the verdict of `auth`."""
        self._world = world
        self._inbox: deque[e.Event] = deque()
        self._busy = False
        self._ways: tuple[Way, Way] | None = None  # in and out
        self._closing = False
        self._reading = True
        self._blocked = False  # whether what it wrote waits because the other end does not read
        self._news: deque[e.Event] = deque()  # of the transport, not yet told

    @property
    def connected(self) -> bool:
        """Whether it has a byte stream."""
        return self._ways is not None

    @property
    def next(self) -> float | None:
        """When something arrives or falls due here, or None."""
        times = (self.connection.deadline, self._ways[0].next if self._ways and self._reading else None)
        return min((at for at in times if at is not None), default=None)

    # --- What an application says ---------------------------------------------

    def call(self, method: str, params: Any = None, *, timeout: float | None = None, no_reply: bool = False) -> int:
        """Call the peer; the outcome will be in `outcomes` under the token returned."""
        token = self._world.token()
        self.tell(e.CallRequested(token, method, {} if params is None else params, timeout, no_reply))
        return token

    def ask(self, method: str, params: Any = None) -> Any:
        """Call the peer, deliver everything, and return the result or raise the error.

        Raises:
            AssertionError: there is no outcome yet; `call` and look at `outcomes` later.
        """
        token = self.call(method, params)
        self._world.deliver()
        assert token in self.outcomes, f"{method} has no outcome yet"
        outcome = self.outcomes[token]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def answer(self, request_id: int, answer: object) -> None:
        """End a handler with a result, an exception or `NOREPLY`."""
        self.running.pop(request_id, None)
        self.tell(answer_event(request_id, answer))

    def decide(self, verdict: Verdict) -> None:
        """Let the client in or turn it away."""
        self.asked = None
        self.tell(verdict_event(verdict))

    def close(self, code: int = 1000, reason: str = "", *, drain: bool = False) -> None:
        """Close the connection."""
        self.tell(e.CloseRequested(code, reason, drain))

    def tell(self, event: e.Event) -> None:
        """Feed one event to the connection and do what it asks for."""
        self._inbox.append(event)
        if self._busy:
            return
        self._busy = True
        try:
            while self._inbox:
                for action in self.connection.handle(self._inbox.popleft(), self._world.now):
                    self._perform(action)
        finally:
            self._busy = False

    # --- What the link says ---------------------------------------------------

    def receive(self, limit: float = inf) -> bool:
        """Let the next thing that has arrived happen, of bytes at most `limit`; False if there is nothing."""
        event: e.Event | None = None
        if self._news:
            event = self._news.popleft()
        elif self._ways is not None:
            incoming, outgoing = self._ways
            if self._blocked is not (outgoing.stuck > 0):
                self._blocked = not self._blocked
                event = e.BytesUnwritten(outgoing.stuck)
            elif not self._reading:
                return False
            elif self._closing and outgoing.empty:
                outgoing.send(e.TransportClosed(), self._world.now)
                event = e.TransportClosed()
            else:
                event = incoming.take(self._world.now, limit)
                if isinstance(event, e.TransportClosed):
                    outgoing.send(e.TransportClosed(), self._world.now)  # who hears the end ends, too
            if isinstance(event, e.TransportClosed):
                self._ways = None
        if event is None:
            return False
        self.tell(event)
        return True

    def join(self, incoming: Way, outgoing: Way) -> None:
        """The byte stream is up."""
        self._ways, self._closing, self._blocked = (incoming, outgoing), False, False
        self._news.append(e.TransportOpened())

    def lose(self, error: Exception | None = None) -> None:
        """The byte stream breaks here, and nothing more gets through; the other end does not notice."""
        if self._ways is not None:
            for way in self._ways:
                way.cut()
            self._ways = None
            self._news.append(e.TransportClosed(error))

    def fail(self, error: Exception) -> None:
        """The byte stream could not be opened."""
        self._news.append(e.TransportFailed(error))

    # --- What the connection asks for -----------------------------------------

    def _perform(self, action: a.Action) -> None:
        match action:
            case a.SendBytes(data):
                if self._ways is not None and not self._closing:
                    self._ways[1].send(e.BytesReceived(data), self._world.now)
            case a.PauseReading() | a.ResumeReading():
                self._reading = isinstance(action, a.ResumeReading)
            case a.OpenTransport():
                self._world.dialling = True
            case a.CloseTransport():
                self._closing = True
            case a.AbortTransport():
                self._abort()
            case a.DecideUpgrade(handshake):
                self.asked = handshake
                verdict = self._world.verdict(handshake)
                if verdict is not PENDING:
                    self.decide(verdict)
            case a.CancelUpgrade():
                self.asked = None
            case a.StartHandler():
                self._start(action)
            case a.CancelHandler(request_id):
                if (call := self.running.pop(request_id, None)) is not None:  # else it has just answered
                    self.cancelled.append(call)
            case a.ResolveConnect(token, outcome) | a.ResolveCall(token, outcome):
                self._settle(token, outcome)
            case a.RejectConnect(token, error) | a.RejectCall(token, error):
                self._settle(token, error)
            case a.Report(notice):
                self.notices.append(notice)
            case _:
                assert_never(action)

    def _abort(self) -> None:
        if self._ways is not None:
            incoming, outgoing = self._ways
            incoming.cut()
            outgoing.cut_short(e.TransportClosed(ConnectionResetError("aborted")), self._world.now)
            self._ways = None
            self._news.append(e.TransportClosed())
        elif self._world.dialling:
            self._world.dialling = False
            self.fail(ConnectionAbortedError("aborted"))

    def _start(self, call: a.StartHandler) -> None:
        self.running[call.request_id] = call
        answer = attempt(call.handler, call) if callable(call.handler) else call.handler
        if answer is not PENDING:
            self.answer(call.request_id, answer)

    def _settle(self, token: int, outcome: object) -> None:
        assert token not in self.outcomes, f"token {token} has two outcomes"
        self.outcomes[token] = outcome
