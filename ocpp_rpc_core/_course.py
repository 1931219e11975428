"""How a connection ends: closed by us or by the peer, refused, lost; and when that is not the end."""

from __future__ import annotations

from . import _opening as o, _websocket as ws, actions as a, events as e, notices as n
from ._frames import is_sendable
from ._lifecycle import TALKING, Alarm, Phase, Trigger
from ._makeup import ABNORMAL, Makeup
from .errors import ConnectionLost, HandshakeTimeout, NotConnected

LINGER = 1.0
"""Seconds a client waits for the server to end the byte stream after the goodbyes (RFC 6455 7.1.1)."""
GOING_AWAY = 1001
NORMAL = 1000
TRY_AGAIN_LATER = 1013
"""It is we who have too little room; a registered code, newer than the RFC's."""


class Course(Makeup):
    """Transitions of one connection; `Connection` decides when to take which."""

    # --- Closing --------------------------------------------------------------

    def _close(self, wish: e.CloseRequested, now: float) -> None:
        """Close, when and how the phase allows; the first wish decides code and reason (features C12)."""
        if self._phase is Phase.CLOSED:
            return
        if self._farewell is None:
            code = wish.code if is_sendable(wish.code) else NORMAL
            self._farewell = e.CloseRequested(code, wish.reason, wish.drain)
            first_connect = self._dialling is not None and not self._dialling.established
            if first_connect and self._phase is not Phase.IDLE:
                self._farewell = e.CloseRequested(GOING_AWAY, "Connection aborted")
            self._report(n.Closing())
        match self._phase:
            case Phase.IDLE | Phase.WAITING:
                self._end(self._farewell.code, self._farewell.reason, now)
            case Phase.DIALLING | Phase.UPGRADING | Phase.PARTING if self._still_dialling:
                self._out.append(a.AbortTransport())
                self._end(self._farewell.code, self._farewell.reason, now)
            case Phase.UPGRADING | Phase.DECIDING:
                self._turn_away(503, NotConnected("the server is closing"), now)
            case Phase.OPEN if wish.drain:
                self._move(Trigger.DRAIN)
                self._out += self._session.drain()
            case Phase.OPEN | Phase.DRAINING if not wish.drain:
                self._say_goodbye(now)
            case _:
                pass  # it is closing already, or closed

    def _turn_away(self, status: int, error: Exception, now: float) -> None:
        """The server wants no more of a client at the door."""
        assert isinstance(self._opening, o.ServerOpening)
        self._refused(self._opening.refuse(status, str(error), error), now)

    def _refused(self, outcome: o.Refused, now: float) -> None:
        """The opening handshake failed."""
        if self._phase is Phase.DECIDING:  # not by the verdict, which nobody needs any more
            self._out.append(a.CancelUpgrade())
        if outcome.reply:
            self._out.append(a.SendBytes(outcome.reply))
        self._exceeded(getattr(outcome.error, "limit", ""))
        if outcome.notice is not None:
            self._report(outcome.notice)
        self._failure = outcome.error
        self._part(str(outcome.error), now)
        self._close_transport(now)

    def _too_slow(self, now: float) -> None:
        """The opening handshake, dialling included, takes too long."""
        error = HandshakeTimeout("the opening handshake took too long")
        self._exceeded("handshake_timeout")
        if self._dialling is None:
            self._turn_away(408 if self._phase is Phase.UPGRADING else 503, error, now)
            return
        self._failure = error
        self._drop(str(error), now)

    def _say_goodbye(self, now: float) -> None:
        """Send our close frame; what is still under way is given up."""
        assert self._websocket is not None
        assert self._farewell is not None
        self._move(Trigger.CLOSE)
        self._pace.stop()
        reason = self._farewell.reason
        self._tell_session(e.SessionLost(f"closed by us {reason}".rstrip(), final=True), now)
        self._out.append(a.SendBytes(self._websocket.close(self._farewell.code, reason)))
        self._set(Alarm.CLOSE, self._options.close_timeout, now)

    def _finished(self, code: int, reason: str, now: float, *, linger: bool) -> None:
        """The closing handshake is complete, or the peer broke the protocol: there is no more to say."""
        self._ended_with = code, reason
        self._part(f"closed by the peer with {code} {reason}".rstrip(), now)
        if linger:  # the server ends the byte stream first (RFC 6455 7.1.1)
            self._set(Alarm.CLOSE, min(LINGER, self._options.close_timeout), now)
        else:
            self._close_transport(now)

    def _keep(self, websocket: ws.WebSocket, now: float) -> None:
        """What is kept of an unfinished message counts for all connections; if that is too much, this one must go."""
        if self._budget is None:
            return
        held = websocket.held
        if self._budget.hold(self._held, held):
            self._held = held
            return
        self._report(n.LimitExceeded("partial_bytes", self._budget.bound))
        reason = "the server is overloaded"
        if goodbye := websocket.close(TRY_AGAIN_LATER, reason):
            self._out.append(a.SendBytes(goodbye))
        self._finished(TRY_AGAIN_LATER, reason, now, linger=False)

    def _part(self, why: str, now: float) -> None:
        """Nothing more is said or heard on this byte stream; it has yet to end."""
        if self._phase in TALKING:
            self._tell_session(e.SessionLost(why, final=not self._may_retry), now)
        self._deafen()
        self._move(Trigger.PART)

    def _close_transport(self, now: float) -> None:
        self._set(Alarm.CLOSE, self._options.close_timeout, now)
        self._out.append(a.CloseTransport())

    def _drop(self, why: str, now: float) -> None:
        """Abort the byte stream, or the attempt to open it, and wait to hear that it is gone."""
        if self._phase not in (Phase.DIALLING, Phase.PARTING):
            self._part(why, now)
        self._out.append(a.AbortTransport())

    def _abort(self, now: float) -> None:
        """Drop everything at once (features C12)."""
        self._stop_asking(503, NotConnected("the server is closing"))
        if self._phase not in (Phase.IDLE, Phase.WAITING, Phase.CLOSED):
            self._out.append(a.AbortTransport())
        if self._phase is not Phase.CLOSED:
            self._end(ABNORMAL, "", now)

    def _stop_asking(self, status: int, error: Exception) -> None:
        """The client is gone while the application decides."""
        if self._phase is Phase.DECIDING:
            assert isinstance(self._opening, o.ServerOpening)
            self._out.append(a.CancelUpgrade())
            self._report(self._opening.aborted(status, error))

    # --- Losing and trying again ----------------------------------------------

    def _transport_lost(self, error: Exception | None, now: float) -> None:
        """The byte stream is gone, or could not be opened."""
        if error is not None:
            self._report(n.SocketError(error))
        if self._failure is None:
            self._failure = self._why_not_open(error)
        self._deafen()
        retry = self._may_retry
        code, reason = self._ended_with
        why = str(self._failure or reason) or "the byte stream ended"
        self._tell_session(e.SessionLost(why, final=not retry), now)
        if self._websocket is not None:
            self._report(n.Disconnected(code, reason))
        self._stop_asking(400, ConnectionLost("the client went away before it was let in"))
        self._websocket = self._opening = None
        if retry:
            self._move(Trigger.LOST)
            self._wait(now)
        elif self._dialling is not None and self._dialling.established and self._failure is not None:
            self._end(GOING_AWAY, str(self._failure), now)
        else:
            self._end(code, reason, now)

    def _why_not_open(self, error: Exception | None) -> Exception | None:
        """What kept the handshake from completing, when the byte stream itself was what failed."""
        if self._websocket is not None:
            return None
        if isinstance(self._opening, o.ClientOpening):
            return self._opening.ended() if error is None else error
        return error

    def _wait(self, now: float) -> None:
        assert self._dialling is not None
        delay = self._dialling.next_delay()
        if delay is None:
            self._end(GOING_AWAY, "Giving up", now)
        else:
            self._set(Alarm.RETRY, delay, now)

    def _end(self, code: int, reason: str, now: float) -> None:
        """Closed, for good: nothing is left behind."""
        self._deafen()
        self._tell_session(e.SessionLost(reason or "the connection is closed", final=True), now)
        if self._websocket is not None:
            self._report(n.Disconnected(code, reason))
        self._websocket = self._opening = None
        if self._dialling is not None:
            failure = self._failure or NotConnected(reason or "the connection is closed")
            self._out.extend(a.RejectConnect(token, failure) for token in self._dialling.answered())
        if self._farewell is None:
            self._report(n.Closing())
        self._report(n.Closed(code, reason))
        self._move(Trigger.END)
