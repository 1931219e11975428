"""The text seam: whole messages in and out, for whoever brings their own WebSocket."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, ClassVar, cast, final

from . import _codec, events as e, notices
from ._context import Context, Everything, Line
from ._inbound import Inbound
from ._outbound import Outbound
from .actions import CloseSession, Out, PauseReading, RejectCall, ResumeReading, SendBytes, SendText, SessionAction
from .config import Options
from .errors import LocalProtocolError, NotConnected, RPCError, RPCFrameworkError
from .router import Router

EVERYTHING = Everything()


@final
class Session:
    """OCPP-J over whole messages: tell it events and the time, do the actions it returns.

    Come back by `deadline`.  `router` finds handlers, `wanted` holds the notice types that somebody wants
    to hear.  With `hold`, inbound requests wait for `HandlersReady` or for our own first call.  Nothing a
    peer sends makes it raise.
    """

    __slots__ = ("_bad_messages", "_context", "_inbound", "_outbound", "deadlines", "paused")

    def __init__(
        self,
        options: Options,
        router: Router | None = None,
        wanted: Container[type[notices.Notice]] = EVERYTHING,
        *,
        hold: bool = False,
        write: Callable[[str | bytes], SendText | SendBytes] = SendText,
    ) -> None:
        self._context = Context(options, wanted, write)
        self._outbound = Outbound(self._context)
        self._inbound = Inbound(self._context, Router() if router is None else router, hold=hold)
        self._bad_messages = 0
        self.deadlines = self._outbound.deadlines
        self.paused = False
        """Whether nothing more is to be read at present."""

    @property
    def protocol(self) -> str | None:
        """The subprotocol, once it is known."""
        return self._context.protocol

    @property
    def deadline(self) -> float | None:
        """When to send the next `Tick`, or None."""
        return self.deadlines.next

    @property
    def idle(self) -> bool:
        """Whether nothing is queued, in flight or being handled."""
        return self._outbound.idle and self._inbound.idle

    def handle(self, event: e.SessionEvent, now: float) -> list[SessionAction]:
        """Take in one event; return, in order, everything that must now be done.

        After a `CloseSession` nothing more is sent or heard until the next `SessionOpened`.

        Raises:
            LocalProtocolError: a `SessionOpened` without a `SessionLost` for the one before.
        """
        out: Out = []
        self.react(event, now, out)
        return cast("list[SessionAction]", out)

    def react(self, event: e.SessionEvent, now: float, out: Out) -> None:
        """As `handle`, for whoever collects actions in a list of its own."""
        self._reactions[type(event)](self, event, now, out)
        if self._context.waiting or self.paused:
            self._regulate(out)

    def receive(self, data: str | bytes, now: float, out: Out) -> None:
        """As `TextReceived`: one whole message."""
        context = self._context
        if not (data and context.talking):  # some charge points send empty messages (features C29)
            return
        wanted = context.wanted
        if notices.MessageEvent in wanted:
            context.report(notices.MessageEvent(data, outbound=False), out)
        try:
            message = _codec.decode(data, context.dialect, context.options.limits)
            if type(message) is _codec.Call or type(message) is _codec.Send:  # no union: that is slow
                if notices.CallEvent in wanted:
                    call = notices.CallEvent(message.message_id, outbound=False, payload=message.raw)
                    context.report(call, out)
                self._inbound.receive(message, len(data), out)
            else:
                if notices.ResponseEvent in wanted:
                    context.report(notices.ResponseEvent(outbound=False, payload=message.raw), out)
                self._receive_response(message, now, out)
        except _codec.Undecodable as bad:
            self._receive_bad(data, bad, now, out)
        else:
            self._bad_messages = 0
        if context.waiting or self.paused:
            self._regulate(out)

    def request(self, event: e.CallRequested | e.SendRequested | e.RawSendRequested, now: float, out: Out) -> None:
        """As `react`, of what the application wants to send."""
        context, inbound = self._context, self._inbound
        if context.refusing:
            error = NotConnected("the connection is closing and takes no new calls")
            out.append(RejectCall(event.token, error))
            return
        if inbound.holding and isinstance(event, e.CallRequested):
            inbound.ready(out)  # an application that calls is ready to be called (features S12)
        self._outbound.request(event, now, out)
        if context.waiting or self.paused:
            self._regulate(out)

    def answer(self, event: e.HandlerAnswer | e.HandlerReplied, out: Out) -> None:
        """As `react`, of how a handler ended."""
        self._inbound.answer(event, out)
        if self._context.waiting or self.paused:
            self._regulate(out)

    def drain(self) -> list[SessionAction]:
        """Refuse new calls from both sides; the session is `idle` when those under way have ended.

        Without a connection there is nothing to wait for: calls that wait for one are given up.
        """
        out: Out = []
        if self._context.talking:
            self._context.turn(Line.DRAINING)
            self._inbound.ready(out)
        else:
            self._lose("the session is closing", final=True, out=out)
        self._regulate(out)
        return cast("list[SessionAction]", out)

    def reconfigure(self, options: Options, now: float) -> list[SessionAction]:
        """Take new options; they act on what is sent and judged from now on."""
        out: Out = []
        self._context.options = options
        if self._context.settled:
            self._context.settle(self._context.protocol)
        self._outbound.pump(now, out)
        self._regulate(out)
        return cast("list[SessionAction]", out)

    def _regulate(self, out: Out) -> None:
        """Serve requests that wait as far as there is room now; while too many are left, stop reading.

        A handler that calls the peer back waits for an answer that may come behind them: meanwhile more may wait.
        """
        context = self._context
        self._inbound.pump(out)
        bound = context.options.limits.waiting_bytes
        if context.unanswered:
            bound = max(bound, context.options.max_message_size)
        if self.paused is not (context.waiting > bound):
            self.paused = not self.paused
            if self.paused:
                context.exceeded("waiting_bytes", out)
            out.append(PauseReading() if self.paused else ResumeReading())

    def _lose(self, reason: str, *, final: bool, out: Out) -> None:
        self._context.turn(Line.ENDED if final else Line.WAITING)
        self._inbound.lost(out)
        self._outbound.lost(reason, final=final, out=out)
        if self.paused:
            self._regulate(out)  # nothing waits any more

    def _open(self, event: e.SessionOpened, now: float, out: Out) -> None:
        if self._context.talking:
            raise LocalProtocolError("the session is open already")
        self._bad_messages = 0
        self._context.turn(Line.OPEN)
        self._context.settle(event.protocol)
        self._outbound.opened(now, out)

    def _receive_response(
        self, message: _codec.CallResult | _codec.CallError | _codec.CallResultError, now: float, out: Out
    ) -> None:
        message_id = message.message_id
        if isinstance(message, _codec.CallResult):
            if not self._outbound.result(message, now, out):
                details = {"message_id": message_id, "result": message.result}
                error = RPCFrameworkError("the CALLRESULT answers no call of ours", details)
                raise _codec.Undecodable(error, None)  # features C31
        elif isinstance(message, _codec.CallError):
            if not self._outbound.error(message, now, out):
                raise _unasked("the CALLERROR answers no call of ours", message_id, message.error)
        else:
            method = self._inbound.refused(message_id)
            if method is None:
                raise _unasked("the CALLRESULTERROR refuses no result of ours", message_id, message.error)
            self._context.report(notices.ResultRefused(message_id, method, message.error), out)

    def _receive_bad(self, data: str | bytes, bad: _codec.Undecodable, now: float, out: Out) -> None:
        context, error = self._context, bad.error
        self._bad_messages += 1
        closing = self._bad_messages > context.options.max_bad_messages
        response = None if closing else bad.response(context.dialect)
        context.report(notices.BadMessage(data, error, response), out)
        for limit in filter(None, (bad.limit, "max_bad_messages" if closing else "")):
            context.exceeded(limit, out)
        if closing:
            context.turn(Line.ENDED)  # so that the next call is not sent in vain
        if bad.settles is not None:
            self._outbound.broken(bad.settles, error, now, out)
        if closing:
            self._lose(error.message, final=True, out=out)
            out.append(CloseSession(1002, error.message))
        elif response is not None:
            context.send(_codec.encode(response), out)

    _reactions: ClassVar[dict[type, Callable[[Any, Any, float, Out], None]]] = {
        e.TextReceived: lambda self, event, now, out: self.receive(event.data, now, out),
        **dict.fromkeys(
            (e.HandlerReturned, e.HandlerRaised, e.HandlerDeclined, e.HandlerReplied),
            lambda self, event, _, out: self.answer(event, out),
        ),
        **dict.fromkeys((e.CallRequested, e.SendRequested, e.RawSendRequested), request),
        e.CallCancelled: lambda self, event, _now, _out: self._outbound.cancel(event.token),
        e.Tick: lambda self, _, now, out: self._outbound.expire(now, out),
        e.HandlersReady: lambda self, _event, _now, out: self._inbound.ready(out),
        e.SessionOpened: _open,
        e.SessionLost: lambda self, event, _, out: self._lose(event.reason, final=event.final, out=out),
    }
    """What each event leads to: a table, because a session hears little else all day."""


def _unasked(problem: str, message_id: str, error: RPCError) -> _codec.Undecodable:
    """An error that is about nothing of ours.  What the peer wrote is not in the text, which may be a close reason."""
    details = {
        "message_id": message_id,
        "code": error.code,
        "description": error.message,
        "details": error.details,
    }
    return _codec.Undecodable(RPCFrameworkError(problem, details), None)
