"""The byte seam: routes every event to the part that owns it, and moves the connection through its life."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, assert_never, cast, final

from . import _opening as o, _websocket as ws, actions as a, events as e, notices as n
from ._course import Course
from ._http import Handshake
from ._lifecycle import HEARD, MISTAKES, STATES, TAKES_CALLS, TALKING, Alarm, Phase, State, Trigger
from ._makeup import ABNORMAL, Reaction
from ._pace import Due
from .config import ServerOptions
from .errors import LocalProtocolError, NotConnected


def _by_phase(reactions: Mapping[type, Reaction]) -> Mapping[Phase, Mapping[type, Reaction]]:
    return MappingProxyType({phase: {kind: reactions[kind] for kind in kinds} for phase, kinds in HEARD.items()})


_OPEN, _DRAINING = TALKING  # a member of an Enum is slow to look up
_LIMITS = {1008: "fragments", 1009: "max_message_size"}
"""The limit that a failure of the WebSocket with this code is about."""


@final
class Connection(Course):
    """Feed it events and the time; do the actions it returns, in order; come back by `deadline`.

    One object lives through all reconnects of a client, and through one connection of a server.
    `router` finds handlers; `wanted` holds the notice types of single messages that somebody wants to hear; `budget`
    is what all connections of a server share.

    1. Do the returned actions in order; there is nothing else to call.
    2. Send `Tick` by `deadline`; a spurious one is harmless.
    3. `now` never goes back.  Ids and randomness come in through the options.
    4. Nothing that the peer sends makes `handle` raise; `LocalProtocolError` is the caller's own mistake.
    5. Every call gets exactly one outcome.
    6. Closed leaves nothing pending.
    """

    @property
    def phase(self) -> Phase:
        """Where it is in its life, in detail."""
        return self._phase

    @property
    def state(self) -> State:
        """Where it is in its life, as an application sees it."""
        parting = self._phase is Phase.PARTING and self._may_retry
        return State.CONNECTING if parting else STATES[self._phase]

    @property
    def protocol(self) -> str | None:
        """The subprotocol, once it is settled."""
        return self._session.protocol

    @property
    def now(self) -> float:
        """The time of the latest event."""
        return self._now

    @property
    def handshake(self) -> Handshake | None:
        """What the client asked for, on the server's side, once it is known."""
        return self._opening.asked if isinstance(self._opening, o.ServerOpening) else self._handshake

    @property
    def deadline(self) -> float | None:
        """When to send the next `Tick`, or None to wait for something else."""
        earliest = self._session.deadlines.next
        pace, alarm = self._pace.deadline, self._alarms.next
        if pace is not None and (earliest is None or pace < earliest):
            earliest = pace
        if alarm is not None and (earliest is None or alarm < earliest):
            earliest = alarm
        return earliest

    def handle(self, event: e.Event, now: float) -> list[a.Action]:
        """Take in one event at the time `now` (seconds, any origin); return everything that must now be done.

        Raises:
            LocalProtocolError: the adapter said something that cannot be, or `now` went back.
        """
        if now < self._now:
            raise LocalProtocolError(f"the time went back from {self._now} to {now}")
        self._now = now
        out: list[Any] = []
        self._out = out
        kind = type(event)
        if (react := self._heard.get(kind)) is not None:
            react(self, event, now)
            if self._session.paused is not self._was_paused:
                self._pause(now)
            if self._phase is _DRAINING and self._session.idle:
                self._say_goodbye(now)
        elif kind in MISTAKES[self._phase]:
            raise LocalProtocolError(f"{kind.__name__} cannot happen while the connection is {self._phase.name}")
        elif kind is e.TransportOpened:  # nobody wants it any more
            out.append(a.AbortTransport())
        return out

    # --- What each event leads to ---------------------------------------------

    def _request(self, event: e.CallRequested | e.SendRequested | e.RawSendRequested, now: float) -> None:
        if self._phase is _OPEN or self.state in TAKES_CALLS:
            self._session.request(event, now, self._out)
        else:
            error = NotConnected(f"nothing can be sent while the connection is {self.state.name}")
            self._out.append(a.RejectCall(event.token, error))

    def _decided(self, event: e.UpgradeAccepted | e.UpgradeRejected | e.UpgradeCrashed, now: float) -> None:
        assert isinstance(self._opening, o.ServerOpening)
        self._move(Trigger.DECIDED)
        self._follow(self._opening.decide(event), now)

    # --- Opening --------------------------------------------------------------

    def _connect(self, event: e.ConnectRequested | e.ConnectCancelled, now: float) -> None:
        dialling = self._dialling
        if dialling is None:
            raise LocalProtocolError("a server does not connect")
        if isinstance(event, e.ConnectCancelled):
            if event.token in dialling.waiting:
                dialling.waiting.remove(event.token)
                if not dialling.waiting and not dialling.established:  # nobody wants it any more
                    self._close(e.CloseRequested(), now)
            return
        match self._phase:
            case Phase.OPEN:
                assert dialling.response is not None
                self._out.append(a.ResolveConnect(event.token, dialling.response))
            case Phase.IDLE | Phase.DIALLING | Phase.UPGRADING | Phase.WAITING:
                dialling.waiting.append(event.token)
                if self._phase is Phase.IDLE:
                    self._dial(now)
            case Phase.PARTING if self._may_retry:
                dialling.waiting.append(event.token)
            case _:
                error = NotConnected(f"cannot connect while {self._phase.name}")
                self._out.append(a.RejectConnect(event.token, error))

    def _dial(self, now: float) -> None:
        assert self._dialling is not None
        self._failure = None
        self._move(Trigger.DIAL)
        self._report(n.Connecting(self._dialling.protocols))
        url = self._dialling.url
        self._out.append(a.OpenTransport(url.host, url.port, url.secure))
        self._set(Alarm.HANDSHAKE, self._options.handshake_timeout, now)

    def _transport_opened(self, event: e.TransportOpened, now: float) -> None:
        if self._dialling is not None and self._phase is Phase.IDLE:
            raise LocalProtocolError("a client opens its byte stream when asked to")
        self._move(Trigger.CONNECTED)
        if self._failure is not None:  # we gave it up already, and the news crossed
            self._drop(str(self._failure), now)
        elif self._dialling is not None:
            self._opening = o.ClientOpening(self._dialling.options, self._dialling.protocols)
            self._out.append(a.SendBytes(self._opening.request()))
        else:
            assert isinstance(self._options, ServerOptions)
            self._opening = o.ServerOpening(self._options, event)
            self._set(Alarm.HANDSHAKE, self._options.handshake_timeout, now)

    def _opened(self, found: o.Established, now: float) -> None:
        self._move(Trigger.UPGRADED)
        self._alarms.clear(Alarm.HANDSHAKE)
        self._handshake = self.handshake
        self._opening, self._websocket = None, found.websocket
        self._ended_with = ABNORMAL, ""
        self._pace.start(now)
        if self._dialling is None or self._dialling.succeeded(found.protocol, found.response):
            self._report(n.ProtocolChosen(found.protocol))
        self._report(n.Opened(found.response))
        if self._dialling is not None and found.response is not None:
            for token in self._dialling.answered():
                self._out.append(a.ResolveConnect(token, found.response))
        self._tell_session(e.SessionOpened(found.protocol), now)

    def _follow(self, outcome: o.Outcome | None, now: float) -> None:
        """Go on from what the opening handshake came to."""
        match outcome:
            case None:
                pass
            case o.Asked(handshake):
                self._move(Trigger.ASKED)
                self._out.append(a.DecideUpgrade(handshake))
            case o.Refused():
                self._refused(outcome, now)
            case o.Established():
                if outcome.reply:
                    self._out.append(a.SendBytes(outcome.reply))
                self._opened(outcome, now)
                self._receive_frames(outcome.websocket, outcome.early, now)
            case _:
                assert_never(outcome)

    # --- Bytes ----------------------------------------------------------------

    def _receive(self, event: e.BytesReceived, now: float) -> None:
        if self._websocket is not None:
            if self._pace.defers:
                self._pace.heard(now)
            self._receive_frames(self._websocket, event.data, now)
        else:
            assert self._opening is not None
            self._follow(self._opening.receive(event.data), now)

    def _receive_frames(self, websocket: ws.WebSocket, data: bytes, now: float) -> None:
        out = self._out
        for signal in websocket.receive(data):
            if self._pace.is_watching and not websocket.within_message:
                self._pace.ended()  # what is left over may be the beginning of another
            match signal:
                case str() | bytes():
                    if self._phase in TALKING:  # else it comes too late
                        self._session.receive(signal, now, out)
                        if out and type(wish := out[-1]) is a.CloseSession:  # the last thing it says
                            del out[-1]
                            self._close(e.CloseRequested(wish.code, wish.reason), now)
                case ws.PingReceived(reply):
                    if pong := self._pace.ping(reply):
                        out.append(a.SendBytes(pong))
                case ws.PongReceived():
                    if (rtt := self._pace.pong(now)) is not None:
                        self._report(n.PingEvent(rtt))
                case ws.CloseReceived(code, reason, reply) | ws.Failed(code, reason, reply):
                    if reply:
                        out.append(a.SendBytes(reply))
                    broken = isinstance(signal, ws.Failed)
                    self._exceeded(_LIMITS.get(code, "") if broken else "")
                    self._finished(code, reason, now, linger=self._dialling is not None and not broken)
                case _:
                    assert_never(signal)
        if websocket.unfinished or self._held:
            self._watch(websocket, now)
            self._keep(websocket, now)

    # --- Time -----------------------------------------------------------------

    def _tick(self, event: e.Tick, now: float) -> None:
        for alarm in self._alarms.pop_due(now):
            match alarm:
                case Alarm.RETRY:
                    self._dial(now)
                case Alarm.CLOSE:
                    self._drop("the peer did not say goodbye", now)
                case Alarm.HANDSHAKE:
                    self._too_slow(now)
                case _:
                    assert_never(alarm)
        while (due := self._pace.due(now)) is not Due.NOTHING:
            self._fell_due(due, now)
        self._session.react(event, now, self._out)

    def _fell_due(self, due: Due, now: float) -> None:
        if due is Due.UNREAD:
            self._exceeded("write_time")
            self._drop("the peer does not read", now)
        elif due is Due.SILENT:
            self._drop("the peer did not answer a ping", now)
        else:
            websocket = cast("ws.WebSocket", self._websocket)  # or nobody would be waited for
            if due is Due.PING:
                self._out.append(a.SendBytes(websocket.ping()))
                return
            self._exceeded("message_time")
            self._out.append(a.SendBytes(websocket.close(1008, "a message took too long")))
            self._finished(1008, "a message took too long", now, linger=False)

    _reactions = _by_phase(  # a ladder of comparisons would cost more than most reactions
        {
            **dict.fromkeys(
                (e.HandlerReturned, e.HandlerRaised, e.HandlerDeclined, e.HandlerReplied),
                lambda self, event, _: self._session.answer(event, self._out),
            ),
            e.HandlersReady: lambda self, event, now: self._tell_session(event, now),
            **dict.fromkeys((e.CallRequested, e.SendRequested, e.RawSendRequested), _request),
            **dict.fromkeys((e.ConnectRequested, e.ConnectCancelled), _connect),
            **dict.fromkeys((e.UpgradeAccepted, e.UpgradeRejected, e.UpgradeCrashed), _decided),
            **dict.fromkeys(
                (e.TransportFailed, e.TransportClosed),
                lambda self, event, now: self._transport_lost(event.error, now),
            ),
            e.BytesReceived: _receive,
            e.BytesUnwritten: lambda self, event, now: self._unwritten(event, now),
            e.CallCancelled: lambda self, event, now: self._tell_session(event, now),
            e.Tick: _tick,
            e.TransportOpened: _transport_opened,
            e.Reconfigured: lambda self, event, now: self._reconfigure(event.options, now),
            e.CloseRequested: lambda self, event, now: self._close(event, now),
            e.AbortRequested: lambda self, _, now: self._abort(now),
        }
    )
