"""The peer's requests: which handler serves which, what is held back, and what is answered."""

from __future__ import annotations

import traceback
from collections import deque
from dataclasses import dataclass
from typing import Any, final

from . import _codec
from ._context import Context, Out
from .actions import CancelHandler, StartHandler
from .errors import RPCError, RPCFrameworkError, RPCGenericError, RPCInternalError, RPCNotImplementedError
from .events import HandlerDeclined, HandlerRaised, HandlerReplied, HandlerReturned
from .notices import CallErrorEvent, CallResultEvent, ResponseEvent, StrictValidationFailure
from .router import Router


@final
@dataclass(slots=True)
class _Request:
    """A request whose handler runs."""

    message_id: str
    method: str
    params: Any
    answerable: bool
    """False once it is answered, and always for a SEND."""


@final
class Inbound:
    """Requests are served at once and side by side, whatever we are waiting for ourselves."""

    def __init__(self, context: Context, router: Router, *, hold: bool) -> None:
        self._context = context
        self._router = router
        self._held: deque[_codec.Call | _codec.Send] | None = deque() if hold else None
        self._running: dict[int, _Request] = {}  # by request id
        self._message_ids: set[str] = set()  # of the calls that run
        self._last_id = 0
        self._refusing = False

    @property
    def idle(self) -> bool:
        """Whether no handler runs and no request is held back."""
        return not (self._running or self._held)

    def receive(self, request: _codec.Call | _codec.Send, out: Out) -> None:
        """Serve a request, or hold it back."""
        if self._held is not None:
            self._held.append(request)
        else:
            self._serve(request, out)

    def ready(self, out: Out) -> None:
        """The application has registered its handlers: serve what was held back (features S12)."""
        held, self._held = self._held, None
        for request in held or ():
            self._serve(request, out)

    def refuse(self, out: Out) -> None:
        """Refuse all further requests: the connection is draining."""
        self._refusing = True
        self.ready(out)

    def lost(self, out: Out) -> None:
        """Nobody will hear the answers: cancel every handler."""
        out.extend(CancelHandler(request_id) for request_id in self._running)
        self._running.clear()
        self._message_ids.clear()
        if self._held is not None:
            self._held.clear()

    # --- A request ------------------------------------------------------------

    def _serve(self, request: _codec.Call | _codec.Send, out: Out) -> None:
        try:
            handler = self._admit(request, out)
        except RPCError as error:
            if isinstance(request, _codec.Call):
                self._refuse(request, error, out)
            return
        self._last_id += 1
        answerable = isinstance(request, _codec.Call)
        self._running[self._last_id] = _Request(
            request.message_id, request.method, request.params, answerable
        )
        if answerable:
            self._message_ids.add(request.message_id)
        out.append(StartHandler(self._last_id, request.message_id, request.method, request.params, handler))

    def _admit(self, request: _codec.Call | _codec.Send, out: Out) -> object:
        """The handler of a request that may be served."""
        method, validator = request.method, self._context.validator
        if self._refusing:
            raise RPCGenericError("the connection is closing and takes no new calls")
        if request.message_id in self._message_ids:  # rule 14
            raise RPCFrameworkError(
                f"a call with the message id {request.message_id} is already being handled"
            )
        handler = self._router.find(method)
        if handler is None or (validator is not None and not validator.knows(method)):
            raise RPCNotImplementedError(f"the method {method} is not known here")
        if validator is not None:
            try:
                if isinstance(request, _codec.Call):
                    validator.validate_request(method, request.params)
                else:
                    validator.validate_send(method, request.params)
            except RPCError as error:
                error.code = self._context.dialect.spell(error.code)
                failure = StrictValidationFailure(
                    error, request.message_id, method, request.params, None, outbound=False, is_call=True
                )
                self._context.report(failure, out)
                raise
        return handler

    def _refuse(self, request: _codec.Call, error: RPCError, out: Out) -> None:
        served = _Request(request.message_id, request.method, request.params, answerable=True)
        self._send_error(served, error, out)

    # --- Its answer -----------------------------------------------------------

    def answer(
        self, event: HandlerReturned | HandlerRaised | HandlerDeclined | HandlerReplied, out: Out
    ) -> None:
        """A handler ended, or answered; what comes too late is dropped (features C19, C30)."""
        answer = event.answer if isinstance(event, HandlerReplied) else event
        request = self._running.get(answer.request_id)
        if request is None:
            return
        if request.answerable:
            request.answerable = False
            match answer:
                case HandlerReturned(_, result):
                    self._send_result(request, result, out)
                case HandlerRaised(_, error):
                    self._send_error(request, self._as_rpc_error(error), out)
                case HandlerDeclined():
                    pass
        if answer is event:  # it ended
            del self._running[answer.request_id]
            self._message_ids.discard(request.message_id)

    def _send_result(self, request: _Request, result: Any, out: Out) -> None:
        context = self._context
        if result is None and context.dialect.empty_for_null:
            result = {}
        payload = _codec.call_result(request.message_id, result)
        try:
            text = _codec.encode(payload)
            if context.validator is not None:
                context.validator.validate_response(request.method, result)
        except (TypeError, ValueError, RPCError) as problem:
            error = problem if isinstance(problem, RPCError) else RPCInternalError(f"no JSON form: {problem}")
            error.code = context.dialect.spell(error.code)
            failure = StrictValidationFailure(
                error,
                request.message_id,
                request.method,
                request.params,
                result,
                outbound=True,
                is_call=False,
            )
            context.report(failure, out)
            self._send_error(request, RPCInternalError("the result of the handler is not valid"), out)  # E5
            return
        if ResponseEvent in context.wanted:
            context.report(ResponseEvent(outbound=True, payload=payload), out)
        context.send(text, out)
        if CallResultEvent in context.wanted:
            notice = CallResultEvent(
                request.message_id,
                outbound=False,
                method=request.method,
                params=request.params,
                result=result,
            )
            context.report(notice, out)

    def _send_error(self, request: _Request, error: RPCError, out: Out) -> None:
        context = self._context
        payload = _codec.call_error(request.message_id, error, context.dialect)
        try:
            text = _codec.encode(payload)
        except (TypeError, ValueError):  # the application's details have no JSON form
            payload[-1] = {}
            text = _codec.encode(payload)
        context.report(ResponseEvent(outbound=True, payload=payload), out)
        context.send(text, out)
        notice = CallErrorEvent(
            request.message_id, outbound=False, method=request.method, params=request.params, error=error
        )
        context.report(notice, out)

    def _as_rpc_error(self, error: BaseException) -> RPCError:
        """What the peer is told of an exception: nothing but that it happened, unless asked (features S6, C22)."""
        if isinstance(error, RPCError):
            return error
        internal = RPCInternalError("the handler failed")
        internal.__cause__ = error
        if self._context.options.respond_with_detailed_errors:
            internal.message = describe(error)
            internal.details = {
                "name": type(error).__name__,
                "message": describe(error),
                "stack": "".join(traceback.format_exception(error)),
            }
        return internal


def describe(error: BaseException) -> str:
    """The exception's text, even if its own `__str__` raises."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - it is somebody else's code
        return f"<{type(error).__name__}>"
