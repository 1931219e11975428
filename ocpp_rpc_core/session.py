"""The text seam: whole messages in and out, for whoever brings their own WebSocket."""

from __future__ import annotations

from collections.abc import Container
from typing import assert_never, final

from . import _codec, notices
from . import events as e
from ._context import Context, Everything, Out
from ._dialects import SEND
from ._inbound import Inbound
from ._outbound import Outbound
from .actions import CloseSession, RejectCall, SessionAction
from .config import Options
from .errors import NotConnected, RPCFrameworkError
from .router import Router

EVERYTHING = Everything()


@final
class Session:
    """OCPP-J over whole messages: tell it events and the time, do the actions it returns, come back by `deadline`.

    `router` finds handlers, `wanted` holds the notice types that somebody wants to hear.  With `hold`,
    inbound requests wait for `HandlersReady` or for our own first call.  Nothing a peer sends makes it raise.
    """

    def __init__(
        self,
        options: Options,
        router: Router | None = None,
        wanted: Container[type[notices.Notice]] = EVERYTHING,
        *,
        hold: bool = False,
    ) -> None:
        self._context = Context(options, wanted)
        self._outbound = Outbound(self._context)
        self._inbound = Inbound(self._context, Router() if router is None else router, hold=hold)
        self._bad_messages = 0
        self._refusing = False

    @property
    def protocol(self) -> str | None:
        """The subprotocol, once it is known."""
        return self._context.protocol

    @property
    def deadline(self) -> float | None:
        """When to send the next `Tick`, or None."""
        return self._outbound.deadline

    @property
    def idle(self) -> bool:
        """Whether nothing is queued, in flight or being handled."""
        return self._outbound.idle and self._inbound.idle

    def handle(self, event: e.SessionEvent, now: float) -> list[SessionAction]:
        """Take in one event; return, in order, everything that must now be done."""
        out: Out = []
        match event:
            case e.TextReceived(data):
                self._receive(data, now, out)
            case e.HandlerReturned() | e.HandlerRaised() | e.HandlerDeclined() | e.HandlerReplied():
                self._inbound.answer(event, out)
            case e.CallRequested() | e.SendRequested() | e.RawSendRequested():
                self._request(event, now, out)
            case e.CallCancelled(token):
                self._outbound.cancel(token)
            case e.Tick():
                self._outbound.expire(now, out)
            case e.HandlersReady():
                self._inbound.ready(out)
            case e.SessionOpened(protocol):
                self._bad_messages = 0
                self._context.settle(protocol)
                self._outbound.opened(now, out)
            case e.SessionLost(reason, last):
                self._inbound.lost(out)
                self._outbound.lost(reason, final=last, out=out)
                self._refusing = last
            case _:
                assert_never(event)
        return out

    def drain(self) -> list[SessionAction]:
        """Refuse new calls from both sides; the session is `idle` when those under way have ended."""
        out: Out = []
        self._refusing = True
        self._inbound.refuse(out)
        return out

    def reconfigure(self, options: Options, now: float) -> list[SessionAction]:
        """Take new options; they act on what is sent and judged from now on."""
        out: Out = []
        self._context.options = options
        if self._context.settled:
            self._context.settle(self._context.protocol)
        self._outbound.pump(now, out)
        return out

    def _request(
        self, event: e.CallRequested | e.SendRequested | e.RawSendRequested, now: float, out: Out
    ) -> None:
        if self._refusing:
            out.append(
                RejectCall(event.token, NotConnected("the connection is closing and takes no new calls"))
            )
            return
        if isinstance(event, e.CallRequested):
            self._inbound.ready(out)  # an application that calls is ready to be called (features S12)
        if isinstance(event, e.SendRequested) and SEND not in self._context.dialect.message_types:
            error = RPCFrameworkError(
                f"there is no SEND in {self.protocol or 'this subprotocol'}, only in ocpp2.1"
            )
            out.append(RejectCall(event.token, error))
            return
        self._outbound.request(event, now, out)

    def _receive(self, data: str | bytes, now: float, out: Out) -> None:
        if not data:  # some charge points send empty messages (features C29)
            return
        context = self._context
        if notices.MessageEvent in context.wanted:
            context.report(notices.MessageEvent(data, outbound=False), out)
        try:
            message = _codec.decode(data, context.dialect)
            match message:
                case _codec.CallResult() | _codec.CallError():
                    self._receive_response(message, now, out)
                case _codec.Call() | _codec.Send():
                    if notices.CallEvent in context.wanted:
                        call = notices.CallEvent(message.message_id, outbound=False, payload=message.raw)
                        context.report(call, out)
                    self._inbound.receive(message, out)
                case _codec.CallResultError(message_id, error):
                    context.report(notices.ResponseEvent(outbound=False, payload=message.raw), out)
                    context.report(notices.ResultRefused(message_id, error), out)
                case _:
                    assert_never(message)
        except _codec.Undecodable as bad:
            self._receive_bad(data, bad, now, out)
        else:
            self._bad_messages = 0

    def _receive_response(self, message: _codec.CallResult | _codec.CallError, now: float, out: Out) -> None:
        message_id = message.message_id
        if notices.ResponseEvent in self._context.wanted:
            self._context.report(notices.ResponseEvent(outbound=False, payload=message.raw), out)
        if isinstance(message, _codec.CallResult):
            if self._outbound.result(message, now, out):
                return
            answer = "CALLRESULT"
            details = {"message_id": message_id, "result": message.result}
        else:
            error = message.error
            if self._outbound.error(message_id, error, now, out):
                return
            answer = "CALLERROR"
            details = {
                "message_id": message_id,
                "code": error.code,
                "description": error.message,
                "details": error.details,
            }
        text = f"a {answer} answers no call of ours, its message id is {message_id[:36]}"
        raise _codec.Undecodable(RPCFrameworkError(text, details), None)  # features C31

    def _receive_bad(self, data: str | bytes, bad: _codec.Undecodable, now: float, out: Out) -> None:
        context, error = self._context, bad.error
        self._bad_messages += 1
        closing = self._bad_messages > context.options.max_bad_messages
        response = None
        if bad.answer_id is not None and not closing:
            response = _codec.call_error(bad.answer_id, error, context.dialect)
        context.report(notices.BadMessage(data, error, response), out)
        if bad.settles is not None:  # better an error than a time-out
            self._outbound.error(bad.settles, error, now, out)
        if closing:
            out.append(CloseSession(1002, error.message))
        elif response is not None:
            context.send(_codec.encode(response), out)
