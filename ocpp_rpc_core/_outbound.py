"""Our calls: which wait, which are in flight, when they are overdue, and which answer settles which."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import inf
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
Written = tuple[str | bytes, str, list[Any] | None]
"""A request as it looks on the wire, its message id, and its elements or None when the application gave the text."""


@final
@dataclass(slots=True)
class _Letter:
    """A request that waits, written down already."""

    request: Request
    written: Written


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

    __slots__ = ("_context", "_ids", "_overdue", "_pending", "_queue", "_unwritten", "deadlines")

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
            if written := self._write_down(request, out):
                self._queue[request.token] = _Letter(request, written)
        for token, letter in list(self._queue.items()):
            if not isinstance(letter.request, CallRequested):
                del self._queue[token]
                self._post(letter.request, letter.written, out)
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
        context = self._context
        if not context.settled:
            self._unwritten[request.token] = request
            self._check_room(self._unwritten, request, out)
        elif written := self._write_down(request, out):
            is_call = isinstance(request, CallRequested)
            if not context.talking or (is_call and (self._queue or not self._has_room)):
                self._queue[request.token] = _Letter(request, written)
                self._check_room(self._queue, request, out)
            elif isinstance(request, CallRequested):
                self._call(request, written, now, out)
            else:
                self._post(request, written, out)

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

    @property
    def _has_room(self) -> bool:
        """Whether one more call may be unanswered."""
        return len(self._pending) < self._context.options.call_concurrency

    def pump(self, now: float, out: Out) -> None:
        """Send queued calls while there is room in the window."""
        while self._queue and self._context.talking and self._has_room:
            _, letter = self._queue.popitem(last=False)
            assert isinstance(letter.request, CallRequested)  # the others do not wait while we talk
            self._call(letter.request, letter.written, now, out)

    def _call(self, call: CallRequested, written: Written, now: float, out: Out) -> None:
        """Send what has an answer, unless that is not wanted."""
        if call.no_reply:
            self._post(call, written, out)
            return
        token, (_, message_id, _) = call.token, written
        if message_id in self._pending:
            out.append(RejectCall(token, _in_use(message_id)))
            return
        timeout = self._context.options.call_timeout if call.timeout is None else call.timeout
        self._pending[message_id] = _InFlight(call, message_id, timeout)
        self._ids[token] = message_id
        self.deadlines.set(message_id, timeout, now)
        self._send(written, out)

    def _post(self, request: Request, written: Written, out: Out) -> None:
        """Send what has no answer."""
        self._send(written, out)
        out.append(ResolveCall(request.token, None))

    def _send(self, written: Written, out: Out) -> None:
        text, message_id, payload = written
        if payload is not None and CallEvent in self._context.wanted:
            self._context.report(CallEvent(message_id, outbound=True, payload=payload), out)
        self._context.send(text, out)

    def _write_down(self, request: Request, out: Out) -> Written | None:
        """Validate and encode; what fails never leaves (features E4)."""
        try:
            return self._written(request, out)
        except Exception as error:  # noqa: BLE001 - to read the application's objects may run its code
            out.append(RejectCall(request.token, error))
            return None

    def _written(self, request: Request, out: Out) -> Written:
        if isinstance(request, RawSendRequested):
            if isinstance(request.message, str):
                request.message.encode()  # a lone surrogate would fail in the WebSocket
            return request.message, "", None
        context, dialect, method = self._context, self._context.dialect, request.method
        params = {} if request.params is None and dialect.empty_for_null else request.params
        is_call, given = isinstance(request, CallRequested), request.message_id
        message_id: object = context.options.message_id() if given is None else given
        limit = dialect.max_message_id
        if not isinstance(message_id, str) or not (0 < len(message_id) <= limit or limit == inf):  # rule 9
            size = "" if limit == inf else f" of 1 to {limit} characters"
            raise ValueError(f"the message id {message_id!r} is no string{size}")
        # Two messages under way cannot have the same id (rules 10, 11); that of a call that waits may be free by then.
        if message_id in self._pending and not (is_call and given is None):
            raise _in_use(message_id)
        if is_call:
            kind, payload = CALL, _codec.call(message_id, method, params)
        elif SEND in dialect.message_types:
            kind, payload = SEND, _codec.send(message_id, method, params)
        else:
            raise RPCFrameworkError(f"there is no SEND in {context.protocol or 'this subprotocol'}, only in ocpp2.1")
        context.validate(kind, message_id, method, params, outbound=True, out=out)
        return _codec.encode(payload), message_id, payload

    # --- The peer and the clock -----------------------------------------------

    def result(self, message: _codec.CallResult, now: float, out: Out) -> bool:
        """Settle the call that this answers; False if there is none."""
        flight = self._settle(message.message_id)
        if flight is None or not flight.wanted:
            return self._late(message, flight, now, out)
        context, call, result = self._context, flight.call, message.result
        try:
            context.validate(CALLRESULT, flight.message_id, call.method, call.params, result, outbound=False, out=out)
        except RPCError as error:
            self._refuse(flight, error, out)
        else:
            if CallResultEvent in context.wanted:
                notice = CallResultEvent(
                    flight.message_id, outbound=True, method=call.method, params=call.params, result=result
                )
                context.report(notice, out)
            out.append(ResolveCall(call.token, result))
        if self._queue:
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

    def _refuse(self, flight: _InFlight, error: RPCError, out: Out) -> None:
        """Strict mode refuses the result; on 2.1 the peer is told (rule 17)."""
        context = self._context
        if CALLRESULTERROR in context.dialect.message_types:
            refusal = _codec.call_result_error(flight.message_id, error, context.dialect)
            context.report(ResponseEvent(outbound=True, payload=refusal), out)
            context.send(_codec.encode(refusal), out)
        self._fail(flight, error, out)

    def _fail(self, flight: _InFlight, error: RPCError, out: Out) -> None:
        call, error.message_id = flight.call, flight.message_id
        notice = CallErrorEvent(flight.message_id, outbound=True, method=call.method, params=call.params, error=error)
        self._context.report(notice, out)
        if flight.wanted:
            out.append(RejectCall(call.token, error))


def _in_use(message_id: object) -> ValueError:
    return ValueError(f"a call with the message id {message_id} is under way")
