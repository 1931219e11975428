"""Our calls: which wait, which are in flight, when they are overdue, and which answer settles which."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal, final

from . import _codec
from ._context import Context
from ._dialects import CALL, CALLRESULT, CALLRESULTERROR, SEND
from ._recent import Recent
from ._timers import Lanes
from .actions import Out, RejectCall, ResolveCall
from .errors import CallTimeout, ConnectionLost, NotConnected, QueueFull, RPCError, RPCFrameworkError
from .events import CallRequested, RawSendRequested, SendRequested
from .notices import CallErrorEvent, CallEvent, CallResultEvent, LateReply, ResponseEvent

Request = CallRequested | SendRequested | RawSendRequested
Ending = Literal["timeout", "cancelled"]


@final
@dataclass(slots=True)
class _Letter:
    """A request as it looks on the wire."""

    request: Request
    text: str | bytes
    message_id: str = ""
    payload: list[Any] | None = None
    """The message, or None when the application gave the text itself."""


@final
@dataclass(slots=True)
class _InFlight:
    """A call that waits for its answer."""

    call: CallRequested
    message_id: str
    timeout: float
    wanted: bool = True
    """Whether the application still waits for the outcome."""

    @property
    def ending(self) -> Ending:
        """How it ended, if it did so before its answer came."""
        return "timeout" if self.wanted else "cancelled"


@final
class Outbound:
    """Calls go out in order, at most `call_concurrency` unanswered at once (rule 15); the rest at once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._unwritten: OrderedDict[int, Request] = OrderedDict()  # until the subprotocol is known, by token
        self._queue: OrderedDict[int, _Letter] = OrderedDict()  # by token
        self._pending: dict[str, _InFlight] = {}  # by message id
        context.unanswered = self._pending.keys()
        self._ids: dict[int, str] = {}  # of what is pending, by token
        self.deadlines: Lanes[str] = Lanes()
        """When calls in flight are overdue, by message id."""
        self._overdue: Recent[tuple[str, Ending]] = Recent()  # method and end of calls whose answer may still come

    @property
    def idle(self) -> bool:
        """Whether nothing waits or is in flight."""
        return not (self._queue or self._pending or self._unwritten)

    # --- The connection -------------------------------------------------------

    def opened(self, now: float, out: Out) -> None:
        """Send what was queued: what needs no answer first, then calls as far as the window allows."""
        unwritten, self._unwritten = self._unwritten, OrderedDict()
        for request in unwritten.values():
            if letter := self._write_down(request, out):
                self._queue[request.token] = letter
        for token, letter in list(self._queue.items()):
            if not isinstance(letter.request, CallRequested):
                del self._queue[token]
                self._post(letter, out)
        self.pump(now, out)

    def lost(self, reason: str, *, final: bool, out: Out) -> None:
        """Settle what was in flight; what was never sent waits for the next connection, unless `final`."""
        for flight in self._pending.values():
            if flight.wanted:
                text = f"the connection ended before the answer came: {reason}"
                out.append(RejectCall(flight.call.token, ConnectionLost(text, message_id=flight.message_id)))
        self._pending.clear()
        self._overdue.clear()  # an answer on the next connection belongs to no call made there
        self._ids.clear()
        self.deadlines.clear_all()
        if final:
            for token in (*self._queue, *self._unwritten):
                out.append(RejectCall(token, NotConnected(f"the message was never sent: {reason}")))
            self._queue.clear()
            self._unwritten.clear()

    # --- The application ------------------------------------------------------

    def request(self, request: Request, now: float, out: Out) -> None:
        """Take on a call, a SEND or a raw message."""
        if not self._context.settled:
            self._unwritten[request.token] = request
            self._check_room(self._unwritten, request, out)
        elif letter := self._write_down(request, out):
            if self._context.talking and not isinstance(request, CallRequested):
                self._post(letter, out)
            else:
                self._queue[request.token] = letter
                self.pump(now, out)
                if self._queue:
                    self._check_room(self._queue, request, out)

    def _check_room(self, queue: OrderedDict[int, Any], request: Request, out: Out) -> None:
        """Refuse a request for which there is no room in the queue."""
        limit = self._context.options.limits.queued_calls
        if len(queue) > limit and queue.pop(request.token, None) is not None:
            self._context.exceeded("queued_calls", out)
            full = QueueFull(f"the queue of {limit} calls is full; this one was never sent")
            out.append(RejectCall(request.token, full))

    def cancel(self, token: int) -> None:
        """Nobody waits for the outcome any more.  A call in flight keeps its place until it is settled."""
        self._unwritten.pop(token, None)
        self._queue.pop(token, None)
        if (message_id := self._ids.get(token)) is not None:
            self._pending[message_id].wanted = False

    def pump(self, now: float, out: Out) -> None:
        """Send queued calls while there is room in the window."""
        context = self._context
        while context.talking and self._queue and len(self._pending) < context.options.call_concurrency:
            token, letter = self._queue.popitem(last=False)
            call, message_id = letter.request, letter.message_id
            if message_id in self._pending:
                out.append(RejectCall(token, ValueError(f"a call with the message id {message_id} is under way")))
            elif isinstance(call, CallRequested) and not call.no_reply:
                timeout = context.options.call_timeout if call.timeout is None else call.timeout
                self._pending[message_id] = _InFlight(call, message_id, timeout)
                self._ids[token] = message_id
                self.deadlines.set(message_id, timeout, now)
                self._announce(letter, out)
                context.send(letter.text, out)
            else:
                self._post(letter, out)

    def _post(self, letter: _Letter, out: Out) -> None:
        """Send what has no answer."""
        self._announce(letter, out)
        self._context.send(letter.text, out)
        out.append(ResolveCall(letter.request.token, None))

    def _announce(self, letter: _Letter, out: Out) -> None:
        if letter.payload is not None and CallEvent in self._context.wanted:
            self._context.report(CallEvent(letter.message_id, outbound=True, payload=letter.payload), out)

    def _write_down(self, request: Request, out: Out) -> _Letter | None:
        """Validate and encode; what fails never leaves (features E4)."""
        try:
            return self._letter(request, out)
        except Exception as error:  # noqa: BLE001 - to read the application's objects may run its code
            out.append(RejectCall(request.token, error))
            return None

    def _letter(self, request: Request, out: Out) -> _Letter:
        if isinstance(request, RawSendRequested):
            if isinstance(request.message, str):
                request.message.encode()  # a lone surrogate would fail in the WebSocket
            return _Letter(request, request.message)
        context, method = self._context, request.method
        params = {} if request.params is None and context.dialect.empty_for_null else request.params
        message_id: object = context.options.message_id() if request.message_id is None else request.message_id
        limit = context.dialect.max_message_id
        if not isinstance(message_id, str) or (limit is not None and not 0 < len(message_id) <= limit):  # rule 9
            size = "" if limit is None else f" of 1 to {limit} characters"
            raise ValueError(f"the message id {message_id!r} is no string{size}")
        if isinstance(request, CallRequested):
            if request.message_id is not None:
                self._check_unused(message_id)
            kind, payload = CALL, _codec.call(message_id, method, params)
        elif SEND in context.dialect.message_types:
            self._check_unused(message_id)
            kind, payload = SEND, _codec.send(message_id, method, params)
        else:
            raise RPCFrameworkError(f"there is no SEND in {context.protocol or 'this subprotocol'}, only in ocpp2.1")
        context.validate(kind, message_id, method, params, outbound=True, out=out)
        return _Letter(request, _codec.encode(payload), message_id, payload)

    def _check_unused(self, message_id: str) -> None:
        """Two messages under way cannot have the same id (rules 10, 11)."""
        if message_id in self._pending:
            raise ValueError(f"a call with the message id {message_id} is under way")

    # --- The peer and the clock -----------------------------------------------

    def result(self, message: _codec.CallResult, now: float, out: Out) -> bool:
        """Settle the call that this answers; False if there is none."""
        flight = self._settle(message.message_id)
        if flight is None or not flight.wanted:
            return self._late(message, flight, now, out)
        context, call, result = self._context, flight.call, message.result
        if (error := self._judge(flight, result, out)) is not None:
            self._fail(flight, error, out)
        else:
            if CallResultEvent in context.wanted:
                notice = CallResultEvent(
                    flight.message_id, outbound=True, method=call.method, params=call.params, result=result
                )
                context.report(notice, out)
            out.append(ResolveCall(call.token, result))
        self.pump(now, out)
        return True

    def error(self, message: _codec.CallError, now: float, out: Out) -> bool:
        """Settle the call that this answers; False if there is none."""
        flight = self._settle(message.message_id)
        if flight is None or not flight.wanted:
            return self._late(message, flight, now, out)
        self._fail(flight, message.error, out)
        self.pump(now, out)
        return True

    def broken(self, message_id: str, error: RPCError, now: float, out: Out) -> None:
        """Settle the call, if there is one, whose answer cannot be read: better an error than a time-out."""
        if (flight := self._settle(message_id)) is not None:
            self._fail(flight, error, out)
            self.pump(now, out)

    def _late(
        self, message: _codec.CallResult | _codec.CallError, flight: _InFlight | None, now: float, out: Out
    ) -> bool:
        """The answer to a call that nobody waits for any more: given up, or overdue; False if there is none."""
        ended = (flight.call.method, flight.ending) if flight else self._overdue.pop(message.message_id)
        if ended is None:
            return False
        method, reason = ended
        self._context.report(LateReply(message.message_id, method, message.raw, reason), out)
        if flight is not None:  # its place is free now
            self.pump(now, out)
        return True

    def expire(self, now: float, out: Out) -> None:
        """Give up on calls that are overdue."""
        for message_id in self.deadlines.pop_due(now):
            flight = self._pending.pop(message_id)
            del self._ids[flight.call.token]
            if flight.wanted:
                text = f"{flight.call.method} was not answered within {flight.timeout:g} s"
                out.append(RejectCall(flight.call.token, CallTimeout(text, message_id=message_id)))
            self._overdue.put(message_id, (flight.call.method, flight.ending))
        self.pump(now, out)

    def _settle(self, message_id: str) -> _InFlight | None:
        flight = self._pending.pop(message_id, None)
        if flight is not None:
            del self._ids[flight.call.token]
            self.deadlines.clear(message_id, flight.timeout)
        return flight

    def _judge(self, flight: _InFlight, result: Any, out: Out) -> RPCError | None:
        """What strict mode says about a result; on 2.1 the peer is told (rule 17)."""
        context, call, message_id = self._context, flight.call, flight.message_id
        try:
            context.validate(CALLRESULT, message_id, call.method, call.params, result, outbound=False, out=out)
        except RPCError as error:
            if CALLRESULTERROR in context.dialect.message_types:
                refusal = _codec.call_result_error(message_id, error, context.dialect)
                context.report(ResponseEvent(outbound=True, payload=refusal), out)
                context.send(_codec.encode(refusal), out)
            return error
        return None

    def _fail(self, flight: _InFlight, error: RPCError, out: Out) -> None:
        call, error.message_id = flight.call, flight.message_id
        notice = CallErrorEvent(flight.message_id, outbound=True, method=call.method, params=call.params, error=error)
        self._context.report(notice, out)
        if flight.wanted:
            out.append(RejectCall(call.token, error))
