"""What a connection is made of, and the words by which its parts are told of phases, options and the peer's pace."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from math import inf
from typing import Any, ClassVar

from . import _opening as o, _websocket as ws, actions as a, events as e, notices as n
from ._budget import Budget
from ._dialling import Dialling
from ._http import Handshake
from ._lifecycle import MOVES, TALKING, Alarm, Phase, Trigger
from ._pace import Pace
from ._timers import Alarms
from .config import ClientOptions, ServerOptions
from .errors import HandshakeError, LocalProtocolError
from .limits import Limits
from .router import Router
from .session import EVERYTHING, Session

ABNORMAL = 1006
"""The close code of a connection that ended without a close frame (RFC 6455 7.1.5)."""

Reaction = Callable[[Any, Any, float], None]
"""A method of `Connection` that takes in an event at a time."""


class Makeup:
    """State of one connection, and how its parts are told; `Course` and `Connection` decide what to tell them."""

    _reactions: ClassVar[Mapping[Phase, Mapping[type, Reaction]]]
    """What is heard in each phase, and what it leads to."""

    def __init__(
        self,
        options: ClientOptions | ServerOptions,
        router: Router | None = None,
        wanted: Container[type[n.Notice]] = EVERYTHING,
        budget: Budget | None = None,
    ) -> None:
        self._options = options
        self._dialling = Dialling(options) if isinstance(options, ClientOptions) else None
        hold = isinstance(options, ServerOptions) and options.hold_calls
        self._session = Session(options, router, wanted, hold=hold, write=self._frame)
        self._pace = Pace(options.limits, options.ping_interval, defer=options.defer_pings_on_activity)
        self._budget = budget
        self._held = 0  # bytes of an unfinished message, as the budget was told
        self._was_paused = False  # when the pace was last told
        self._alarms: Alarms[Alarm] = Alarms()
        self._phase = Phase.IDLE
        self._heard = self._reactions[Phase.IDLE]
        self._opening: o.ClientOpening | o.ServerOpening | None = None
        self._websocket: ws.WebSocket | None = None
        self._farewell: e.CloseRequested | None = None  # what the application wants to close with
        self._ended_with = ABNORMAL, ""  # the close code and reason of the WebSocket
        self._failure: Exception | None = None  # why there is no WebSocket
        self._handshake: Handshake | None = None  # what the client asked for
        self._now = float("-inf")
        self._out: a.Out = []

    @property
    def limits(self) -> Limits:
        """The bounds that it keeps."""
        return self._options.limits

    @property
    def _may_retry(self) -> bool:
        """Whether the loss of this connection would be followed by another attempt (features C7, C9)."""
        dialling = self._dialling
        permanent = isinstance(self._failure, HandshakeError) and self._failure.permanent
        return (
            dialling is not None
            and dialling.established
            and dialling.options.reconnect
            and self._farewell is None
            and not permanent
        )

    @property
    def _still_dialling(self) -> bool:
        """Whether this is a client in the midst of an attempt to connect."""
        return self._dialling is not None and self._websocket is None

    # --- Words to others ------------------------------------------------------

    def _move(self, trigger: Trigger) -> None:
        self._phase = MOVES[self._phase, trigger]
        self._heard = self._reactions[self._phase]

    def _set(self, alarm: Alarm, delay: float, now: float) -> None:
        if delay < inf:
            self._alarms.set(alarm, now + delay)

    def _report(self, notice: n.Notice) -> None:
        self._out.append(a.Report(notice))

    def _exceeded(self, limit: str) -> None:
        """Somebody went beyond a limit; "" is none."""
        if limit:
            self._report(n.LimitExceeded(limit, self._options.bound(limit)))

    def _tell_session(self, event: e.SessionEvent, now: float) -> None:
        self._session.react(event, now, self._out)

    def _frame(self, message: str | bytes) -> a.SendBytes:
        """How the session's messages leave: making a frame moves the WebSocket's own state, so it is made at once."""
        assert self._websocket is not None
        return a.SendBytes(
            self._websocket.text(message) if isinstance(message, str) else self._websocket.binary(message)
        )

    def _reconfigure(self, options: ClientOptions | ServerOptions, now: float) -> None:
        """Take new options; they act from now on, on what is still to come."""
        if type(options) is not type(self._options):
            raise LocalProtocolError("the options are those of the other role")
        if isinstance(options, ClientOptions) and isinstance(self._options, ClientOptions):
            former = self._options  # this connection stays what it is called, and where (features C25)
            options = replace(options, endpoint=former.endpoint, identity=former.identity, query=former.query)
            assert self._dialling is not None
            self._dialling.reconfigure(options)
        self._options = options
        defer, running = options.defer_pings_on_activity, self._phase in TALKING and not self._session.paused
        self._pace.reconfigure(options.limits, options.ping_interval, defer=defer, now=now, running=running)
        self._out += self._session.reconfigure(options, now)

    def _deafen(self) -> None:
        """Nothing more is heard on this byte stream, nor waited for."""
        self._alarms.clear(*Alarm)
        self._pace.stop()
        if self._websocket is not None:
            self._websocket.drop()
        if self._budget is not None:
            self._budget.hold(self._held, 0)
            self._held = 0

    # --- The peer's pace ------------------------------------------------------

    def _watch(self, websocket: ws.WebSocket, now: float) -> None:
        """A message that has begun must end in time, as long as it is read."""
        reads = self._phase in TALKING and not self._session.paused
        if reads and websocket.unfinished and not self._pace.is_watching:
            self._pace.begun(now)

    def _pause(self, now: float) -> None:
        """Reading has stopped, or goes on."""
        self._was_paused = self._session.paused
        if self._was_paused:
            self._pace.pause()
        elif self._phase in TALKING:
            assert self._websocket is not None
            self._pace.start(now)
            self._watch(self._websocket, now)

    def _unwritten(self, event: e.BytesUnwritten, now: float) -> None:
        if pong := self._pace.unwritten(event.size, now):
            self._out.append(a.SendBytes(pong))
