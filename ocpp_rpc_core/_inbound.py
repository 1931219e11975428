"""The peer's requests: which handler serves which, what is held back, and what is answered."""

from __future__ import annotations

import traceback
from collections import deque
from typing import Any, final

from . import _codec
from ._context import Context
from ._dialects import CALL, CALLRESULT, SEND
from ._recent import Recent
from .actions import CancelHandler, Out, StartHandler
from .errors import RPCError, RPCFrameworkError, RPCGenericError, RPCInternalError, RPCNotImplementedError
from .events import HandlerAnswer, HandlerRaised, HandlerReplied, HandlerReturned
from .notices import CallErrorEvent, CallResultEvent, ResponseEvent
from .router import Router

MAX_TEXT, MAX_STACK = 1000, 10_000
"""Characters of a failed handler's exception and of its stack trace that a peer is told, if it is told."""


Request = _codec.Call | _codec.Send
"""To a SEND nothing is ever sent back (rule 16)."""


@final
class Inbound:
    """Requests are served side by side up to a limit, whatever we are waiting for ourselves; further ones wait."""

    __slots__ = (
        *("_answered", "_context", "_last_id", "_message_ids", "_replied", "_router", "_running", "_waiting"),
        "holding",
    )

    def __init__(self, context: Context, router: Router, *, hold: bool) -> None:
        self._context = context
        self._router = router
        self.holding = hold
        """Whether no request is served until the application is ready."""
        self._waiting: deque[tuple[Request, int]] | None = None  # with their sizes; it is large even when it is empty
        self._running: dict[int, Request] = {}  # by request id
        # Dictionaries, because a set is large even when it is empty.
        self._message_ids: dict[str, None] = {}  # of what runs
        self._replied: dict[int, None] = {}  # of what runs, but was answered already
        self._answered: Recent[str | None] = Recent()  # the method if it was a result that may yet be refused
        self._last_id = 0

    @property
    def idle(self) -> bool:
        """Whether no handler runs and no request waits."""
        return not (self._running or self._waiting)

    def receive(self, request: Request, size: int, out: Out) -> None:
        """Serve a request, or let it wait; `size` is that of its text."""
        if self._waiting is None and self._has_room:
            self._serve(request, out)
            return
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append((request, size))
        self._context.waiting += size

    @property
    def _has_room(self) -> bool:
        """Whether one more handler may run; there is always room to refuse.

        Behind each call of ours that is in flight a handler may be waiting: it does not count, or handlers of
        both ends that call each other in turn could wait for ever.
        """
        running, limit = len(self._running), self._context.options.limits.running_handlers
        if running >= limit and running >= limit + len(self._context.unanswered) and not self._context.refusing:
            return False
        return not self.holding

    def ready(self, out: Out) -> None:
        """The application has registered its handlers: serve what was held back (features S12)."""
        self.holding = False
        self.pump(out)

    def pump(self, out: Out) -> None:
        """Serve what waits while there is room."""
        while self._waiting and self._has_room:
            request, size = self._waiting.popleft()
            self._context.waiting -= size
            self._serve(request, out)
        if not self._waiting:
            self._waiting = None

    def lost(self, out: Out) -> None:
        """Nobody will hear the answers: cancel every handler."""
        out.extend(CancelHandler(request_id) for request_id in self._running)
        self._running.clear()
        self._replied.clear()
        self._message_ids.clear()
        self._answered.overwrite(None)  # a result can be refused only where it was received
        self._waiting = None
        self._context.waiting = 0

    # --- A request ------------------------------------------------------------

    def _serve(self, request: Request, out: Out) -> None:
        try:
            handler = self._admit(request, out)
        except RPCError as error:
            self._fail(request, error, out, served=False)
            return
        self._last_id = request_id = self._last_id + 1
        self._running[request_id] = request
        self._message_ids[request.message_id] = None
        out.append(StartHandler(request_id, request.message_id, request.method, request.params, handler))

    def _admit(self, request: Request, out: Out) -> object:
        """The handler of a request that may be served; raises the `RPCError` that says why it may not."""
        context, message_id, method = self._context, request.message_id, request.method
        if context.refusing:
            raise RPCGenericError("the connection is closing and takes no new calls")
        if message_id in self._message_ids:  # rule 14
            raise RPCFrameworkError(f"a call with the message id {message_id} is already being handled")
        if context.refuses_repeats and message_id in self._answered:  # rule 11
            raise RPCFrameworkError(f"a call with the message id {message_id} was answered before")
        handler = self._router.find(method)
        if handler is None:
            raise RPCNotImplementedError(f"the method {method} is not known here")
        kind = CALL if isinstance(request, _codec.Call) else SEND
        context.validate(kind, message_id, method, request.params, outbound=False, out=out)
        return handler

    # --- Its answer -----------------------------------------------------------

    def answer(self, event: HandlerAnswer | HandlerReplied, out: Out) -> None:
        """A handler ended, or answered; what comes too late is dropped (features C19, C30)."""
        answer = event.answer if isinstance(event, HandlerReplied) else event
        request_id = answer.request_id
        request = self._running.get(request_id)
        if request is None:
            return
        is_call = isinstance(request, _codec.Call)
        if request_id not in self._replied:
            if isinstance(answer, HandlerRaised):
                self._fail(request, self._as_rpc_error(answer.error), out)
            elif is_call and isinstance(answer, HandlerReturned):
                self._succeed(request, answer.result, out)
        if answer is not event:  # it goes on
            self._replied[request_id] = None
            return
        self._replied.pop(request_id, None)
        del self._running[request_id]
        del self._message_ids[request.message_id]
        if not is_call and self._context.refuses_repeats:
            self._use_up(request.message_id)

    def refused(self, message_id: str) -> str | None:
        """The method whose result the peer refuses; None if there is no such result, or it was refused before."""
        method = self._answered.get(message_id)
        if method is not None:
            self._answered.put(message_id, None)
        return method

    def _succeed(self, request: Request, result: Any, out: Out) -> None:
        """Send the result of a call, unless it cannot be sent (features E5)."""
        context, message_id, method = self._context, request.message_id, request.method
        if result is None and context.dialect.empty_for_null:
            result = {}
        payload = _codec.call_result(message_id, result)
        try:
            context.validate(CALLRESULT, message_id, method, request.params, result, outbound=True, out=out)
            text = _codec.encode(payload)
        except Exception as problem:  # noqa: BLE001 - to read the application's objects may run its code
            error = RPCInternalError("the result of the handler is not valid")
            error.__cause__ = problem
            self._fail(request, error, out)
            return
        wanted = context.wanted
        if ResponseEvent in wanted:
            context.report(ResponseEvent(outbound=True, payload=payload), out)
        context.send(text, out)
        if context.remembers:
            self._answered.put(message_id, method)
        if CallResultEvent in wanted:
            notice = CallResultEvent(message_id, outbound=False, method=method, params=request.params, result=result)
            context.report(notice, out)

    def _fail(self, request: Request, error: RPCError, out: Out, *, served: bool = True) -> None:
        """Answer a call with an error; that of a SEND is for our observers only (rule 16)."""
        context, message_id = self._context, request.message_id
        if isinstance(request, _codec.Call):
            payload, text = self._encode(message_id, error)
            context.report(ResponseEvent(outbound=True, payload=payload), out)
            context.send(text, out)
            # The id of what was not served may be that of another request, which has yet to be answered.
            if context.refuses_repeats and (served or message_id not in self._message_ids):
                self._use_up(message_id)
        notice = CallErrorEvent(message_id, outbound=False, method=request.method, params=request.params, error=error)
        context.report(notice, out)

    def _use_up(self, message_id: str) -> None:
        """It shall not come again."""
        if message_id not in self._answered:
            self._answered.put(message_id, None)

    def _encode(self, message_id: str, error: RPCError) -> tuple[list[Any], str]:
        """A CALLERROR and its text, without what the application put into `error` and cannot be sent."""
        dialect = self._context.dialect
        try:
            payload = _codec.call_error(message_id, error, dialect)
            try:
                return payload, _codec.encode(payload)
            except Exception:  # noqa: BLE001 - the details have no JSON form
                payload[-1] = {}
                return payload, _codec.encode(payload)
        except Exception:  # noqa: BLE001 - an attribute is missing, or of another type
            payload = _codec.call_error(message_id, RPCInternalError("the handler failed"), dialect)
            return payload, _codec.encode(payload)

    def _as_rpc_error(self, error: BaseException) -> RPCError:
        """What the peer is told of an exception: only that it happened, unless asked (features S6, C22)."""
        if isinstance(error, RPCError):
            return error
        internal = RPCInternalError("the handler failed")
        internal.__cause__ = error
        if self._context.options.respond_with_detailed_errors:
            internal.message = describe(error)[:MAX_TEXT]
            stack = "".join(traceback.format_tb(error.__traceback__))[-MAX_STACK:]
            internal.details = {"name": type(error).__name__, "message": internal.message, "stack": stack}
        return internal


def describe(error: BaseException) -> str:
    """The exception's text, even if its own `__str__` raises."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - it is somebody else's code
        return f"<{type(error).__name__}>"
