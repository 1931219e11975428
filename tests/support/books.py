"""What must hold of a connection after each single event: the invariants I1 to I15 of docs/explanation/proof.md."""

from collections import Counter

from ocpp_rpc_core import actions as a, events as e, notices as n
from ocpp_rpc_core._lifecycle import TALKING, Phase, State
from ocpp_rpc_core._recent import REMEMBERED

OUTSIDE = frozenset({Phase.IDLE, Phase.DIALLING, Phase.WAITING, Phase.CLOSED})
"""When there is no byte stream, so that nothing of one may be left."""


def in_flight(connection):
    """Tokens of the calls that wait for an answer, by message id."""
    return {message_id: flight.call.token for message_id, flight in connection._session._outbound._pending.items()}


def queued(connection):
    """Tokens of what was not sent yet, in order."""
    outbound = connection._session._outbound
    return [*outbound._queue, *outbound._unwritten]


def queued_calls(connection):
    """The calls that wait for their turn, in order."""
    requests = (letter.request for letter in connection._session._outbound._queue.values())
    return [request for request in requests if isinstance(request, e.CallRequested)]


def connecting(connection):
    """Tokens of those who wait to be connected."""
    return connection._dialling.waiting if connection._dialling is not None else []


class Books:
    """Stands between an end and its connection, and checks each event and what it led to."""

    def __init__(self, end, world):
        self.end, self.connection, self.world = end, end.connection, world
        self._handle = self.connection.handle
        self.connection.handle = self.handle
        self.options = self.connection._options
        self.allowed = self.options.call_concurrency
        self.submitted, self.settled, self.cancelled = set(), set(), set()
        self.echoes = {}  # what an answer must bring back, by token
        self.last = 0  # the number of the last call that left
        self.heard, self.answered = Counter(), Counter()  # of the peer's calls on this connection, by message id
        self.delays = iter(())
        self.attempts = 0
        self.retry_at = None
        self.closing_since = None  # and by when it must have ended
        self.slack = 0.0

    @property
    def is_client(self):
        """Its role."""
        return self.connection._dialling is not None

    def handle(self, event, now):
        """Check what the connection makes of an event; whatever it raises is a failure, too (I12)."""
        connection = self.connection
        flying, waiting, phase = in_flight(connection), queued(connection), connection.phase
        self.note_event(event, now)
        actions = self._handle(event, now)
        settled = [action for action in actions if isinstance(action, a.ResolveCall | a.RejectCall)]
        self.each_settles_once(settled)
        self.answers_belong(settled, flying)
        self.conservation(flying, waiting, settled)
        self.cancelling(event, flying, waiting)
        self.order(actions)
        self.window(len(flying))
        self.nothing_outlives_its_stream(waiting, settled)
        self.answers_of_ours(actions)
        self.backoff(event, actions, phase, now)
        self.deadline_is_exact(now)
        self.containers()
        return actions

    def note_event(self, event, now):
        match event:
            case e.CallRequested() | e.SendRequested() | e.RawSendRequested():
                self.submitted.add(event.token)
                if isinstance(event, e.CallRequested) and event.method == "Echo" and not event.no_reply:
                    self.echoes[event.token] = event.params
            case e.CallCancelled(token) if token in self.submitted - self.settled:
                self.cancelled.add(token)
            case e.Reconfigured(options):
                self.options = options
            case e.CloseRequested(drain=False) | e.AbortRequested() if self.closing_since is None:
                self.closing_since, self.slack = now, 0.0
            case _:
                pass

    def each_settles_once(self, settled):
        """I1: no call has a second outcome, and whoever is closed owes nobody one."""
        for action in settled:
            assert action.token in self.submitted, "I1: an outcome of nothing"
            assert action.token not in self.settled, "I1: a second outcome"
            self.settled.add(action.token)
        if self.connection.phase is Phase.CLOSED:
            assert self.submitted - self.settled - self.cancelled == set(), "I1: closed, and no outcome"
            assert not connecting(self.connection), "I1: closed, and somebody still waits to be connected"

    def answers_belong(self, settled, flying):
        """I2: a result is that of a call in flight on this very connection, and is the answer to it."""
        for action in settled:
            if isinstance(action, a.ResolveCall) and action.result is not None:
                assert action.token in flying.values(), "I2: an answer to a call that was not in flight"
                if action.token in self.echoes:
                    assert action.result == self.echoes[action.token], "I2: the answer to another call"

    def conservation(self, flying, waiting, settled):
        """I5: queued + in flight + settled = submitted; a call leaves only with its outcome, or given up."""
        after = {*in_flight(self.connection).values(), *queued(self.connection)}
        gone = {*flying.values(), *waiting} - after
        assert gone <= {action.token for action in settled} | self.cancelled, "I5: a call vanished"
        assert not after & self.settled, "I5: a settled call is still there"
        assert self.submitted - self.settled - self.cancelled <= after, "I5: a call is nowhere"

    def cancelling(self, event, flying, waiting):
        """I11: to cancel a call frees no place in the window, and touches no other call."""
        if isinstance(event, e.CallCancelled):
            assert in_flight(self.connection) == flying, "I11: cancelling changed what is in flight"
            assert queued(self.connection) == [token for token in waiting if token != event.token], "I11: the queue"

    def order(self, actions):
        """I3: calls leave in the order in which they were made, and none while an earlier one waits."""
        for action in actions:
            if isinstance(action, a.Report) and isinstance(action.notice, n.CallEvent) and action.notice.outbound:
                kind, _, _, params = action.notice.payload
                if kind == 2:
                    assert params["n"] > self.last, "I3: a call overtook another"
                    self.last = params["n"]
        numbers = [self.last, *(call.params["n"] for call in queued_calls(self.connection))]
        assert numbers == sorted({*numbers}), "I3: the queue is out of order"

    def window(self, before):
        """I4: no more calls are unanswered than allowed, and no place stays empty while a call waits for it."""
        now, window = len(in_flight(self.connection)), self.options.call_concurrency
        self.allowed = max(window, min(self.allowed, before))  # a narrower window lets go of nothing
        assert now <= self.allowed, "I4: too many calls in flight"
        if self.connection._session._context.talking and queued_calls(self.connection):
            assert now >= window, "I4: a free place is not used"

    def nothing_outlives_its_stream(self, waiting, settled):
        """I6: without a connection nothing is in flight, handled or timed; what was not sent stays for the next."""
        connection, session = self.connection, self.connection._session
        if connection.phase not in TALKING:
            assert in_flight(connection) == {}, "I6: in flight on nothing"
            assert not session._inbound._running, "I6: a handler runs for nobody"
            assert session.deadline is None, "I6: a call is timed that is not in flight"
            assert connection._pace._keepalive.deadline is None, "I6: pings without a connection"
        if connection.phase in OUTSIDE:
            assert connection._websocket is None, "I6: a WebSocket without a byte stream"
        if connection.phase is Phase.WAITING:
            lost = {action.token for action in settled if isinstance(action, a.RejectCall)}
            assert not lost & {*waiting}, "I6: a call that was never sent was given up"
        if connection.state is State.CLOSED and connection.phase is Phase.CLOSED:
            assert connection.deadline is None, "I6: closed, and a timer is set"
            assert session.idle, "I6: closed, and not idle"

    def answers_of_ours(self, actions):
        """I7: each of the peer's calls gets at most one answer, on the connection on which it came."""
        for action in actions:
            notice = action.notice if isinstance(action, a.Report) else None
            match notice:
                case n.CallEvent(message_id, outbound=False, payload=[2, *_]):
                    self.heard[message_id] += 1
                case n.ResponseEvent(outbound=True, payload=[3 | 4, message_id, *_]):
                    self.answered[message_id] += 1
                    assert self.answered[message_id] <= self.heard[message_id], "I7: an answer to nothing"
                case n.Opened() | n.Disconnected():
                    self.heard.clear()
                    self.answered.clear()
                case _:
                    pass

    def backoff(self, event, actions, phase, now):
        """I15: attempts follow the back-off to the second, and there is never more than one."""
        connection = self.connection
        for action in actions:
            if isinstance(action, a.OpenTransport):
                assert not self.end.connected, "I15: a second byte stream"
                assert not self.world.dialling, "I15: a second attempt"
                assert isinstance(event, e.ConnectRequested if self.retry_at is None else e.Tick), "I15: out of turn"
                assert self.retry_at is None or now >= self.retry_at, "I15: too early"
                self.retry_at = None
            elif isinstance(action, a.Report) and isinstance(action.notice, n.Opened) and self.is_client:
                self.attempts, self.delays = 0, self.options.backoff.delays(lambda: 0.0)
        if connection.phase is Phase.WAITING and phase is not Phase.WAITING:
            self.attempts += 1
            self.retry_at = now + next(self.delays)
            assert self.attempts <= self.options.max_reconnects, "I15: one attempt too many"
            assert connection.deadline == self.retry_at, "I15: not when the back-off says"

    def deadline_is_exact(self, now):
        """I10: before the deadline there is nothing to do, and to look does no harm."""
        deadline = self.connection.deadline
        if deadline is None or deadline > now:
            assert self._handle(e.Tick(), now) == [], "I10: work before the deadline"
            assert self.connection.deadline == deadline, "I10: the deadline moved by itself"

    def containers(self):
        """I8: whatever is kept is kept for something that is still open."""
        session = self.connection._session
        outbound, inbound = session._outbound, session._inbound
        pending = len(outbound._pending)
        assert len(outbound._ids) == pending, "I8: ids of calls that are not in flight"
        assert sum(map(len, outbound.deadlines._lanes.values())) == pending, "I8: deadlines of nothing"
        assert len(inbound._message_ids) <= len(inbound._running), "I8: ids of calls that are not handled"
        for recent in (outbound._overdue, inbound._answered):
            assert len(recent._entries or ()) <= REMEMBERED, "I8: what happened long ago is remembered"

    def it_has_ended(self):
        """I9: closing ends within `close_timeout` for the goodbye and as much for the byte stream, whatever happens."""
        if self.closing_since is not None:
            late = self.world.now > self.closing_since + 2 * self.options.close_timeout + self.slack
            assert not late or self.connection.phase is Phase.CLOSED, "I9: it does not end"
