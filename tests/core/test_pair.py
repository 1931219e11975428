"""Two connections over a simulated link: whatever the schedule, the faults and the timing, the books balance."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ocpp_rpc_core import events as e, notices as n
from ocpp_rpc_core._answers import NOREPLY, Accept, Reject
from ocpp_rpc_core._lifecycle import Phase, State
from ocpp_rpc_core.backoff import ExponentialBackoff
from ocpp_rpc_core.config import ClientOptions, ServerOptions
from ocpp_rpc_core.errors import NotConnected, RPCGenericError
from ocpp_rpc_core.testing import PENDING, Pair, counting_entropy

QUIET = settings(max_examples=400, stateful_step_count=50, deadline=None, suppress_health_check=[*HealthCheck])
WHO = st.sampled_from(["client", "server"])
SELDOM = st.sampled_from([False, False, False, True])


class Life(RuleBasedStateMachine):
    """One client that comes and goes, and the connections its server gets."""

    @initialize(
        window=st.integers(1, 3),
        max_reconnects=st.sampled_from([0, 1, 3]),
        defer=st.booleans(),
        decides=SELDOM,
        hold=SELDOM,
    )
    def begin(self, window, max_reconnects, defer, decides, hold):
        common = {
            "protocols": ("ocpp2.1",),
            "call_concurrency": window,
            "call_timeout": 20,
            "ping_interval": 15,
            "defer_pings_on_activity": defer,
        }
        self.pair = Pair(
            ClientOptions(
                entropy=counting_entropy(1),
                identity="CP1",
                max_reconnects=max_reconnects,
                backoff=ExponentialBackoff(jitter=0),
                **common,
            ),
            ServerOptions(entropy=counting_entropy(2), hold_calls=hold, authenticate=decides, **common),
        )
        self.window = dict.fromkeys(("client", "server"), window)
        for router in (self.pair.at_client, self.pair.at_server):
            router.add("Echo", lambda call: call.params)
            router.add("Slow", lambda call: PENDING)
        self.calls = []  # (end, token)
        self.cancelled = set()
        self.numbers = {}  # what an Echo must bring back, by token
        self.count = itertools.count(1)
        self.pair.connect()

    def end(self, who):
        return self.pair.client if who == "client" or not self.pair.servers else self.pair.server

    # --- The application ------------------------------------------------------

    @rule(
        who=WHO,
        methods=st.lists(st.sampled_from(["Echo", "Slow", "Nobody"]), min_size=1, max_size=4),
        timeout=st.sampled_from([None, 3]),
        deliver=st.booleans(),
    )
    def call(self, who, methods, timeout, deliver):
        for method in methods:
            end, number = self.end(who), next(self.count)
            token = end.call(method, {"n": number}, timeout=timeout)
            self.calls.append((end, token))
            if method == "Echo":
                self.numbers[token] = number
        if deliver:
            self.pair.deliver()

    @rule(who=WHO, no_reply=st.booleans())
    def send(self, who, no_reply):
        end = self.end(who)
        if no_reply:
            self.calls.append((end, end.call("Echo", {"n": next(self.count)}, no_reply=True)))
        else:
            token = self.pair.token()
            self.calls.append((end, token))
            end.tell(e.SendRequested(token, "Echo", {}))

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def cancel(self, data):
        end, token = data.draw(st.sampled_from(self.calls))
        if token not in end.outcomes:
            self.cancelled.add(token)
        end.tell(e.CallCancelled(token))

    @rule(who=WHO, answer=st.sampled_from([{}, RPCGenericError("no"), ZeroDivisionError(), NOREPLY]))
    def answer(self, who, answer):
        end = self.end(who)
        for request_id in [*end.running][:1]:
            end.answer(request_id, answer)

    @rule(who=WHO, request_id=st.integers(1, 4))
    def answer_late(self, who, request_id):
        end = self.end(who)
        if request_id not in end.running and end.connection.phase is not Phase.IDLE:
            end.answer(request_id, {"late": True})

    @rule(who=WHO, request_id=st.integers(1, 4))
    def answer_early(self, who, request_id):
        end = self.end(who)
        if end.connection.phase is not Phase.IDLE:
            end.tell(e.HandlerReplied(e.HandlerReturned(request_id, {"early": True})))

    @rule(verdict=st.sampled_from([Accept(), Accept(protocol="x"), Reject(401), ZeroDivisionError()]))
    def decide(self, verdict):
        for end in self.pair.servers:
            if end.asked is not None:
                end.decide(verdict)

    @rule(who=WHO)
    def ready(self, who):
        if self.end(who).connection.phase is not Phase.IDLE:
            self.end(who).tell(e.HandlersReady())

    @rule()
    def connect(self):
        token = self.pair.token()
        self.calls.append((self.pair.client, token))
        self.pair.client.tell(e.ConnectRequested(token))

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def cancel_connect(self, data):
        _, token = data.draw(st.sampled_from(self.calls))
        if token not in self.pair.client.outcomes:
            self.cancelled.add(token)
        self.pair.client.tell(e.ConnectCancelled(token))
        self.pair.client.tell(e.CallCancelled(token))

    @rule(who=WHO, window=st.integers(1, 3), interval=st.sampled_from([0, 5, 15]), reconnect=st.booleans())
    def reconfigure(self, who, window, interval, reconnect):
        end = self.end(who)
        changes = {"call_concurrency": window, "ping_interval": interval}
        if end is self.pair.client:
            changes["reconnect"] = reconnect
        self.window[who if end is not self.pair.client else "client"] = 3  # what is in flight stays so
        end.tell(e.Reconfigured(replace(end.connection._options, **changes)))

    @precondition(lambda self: len(self.calls) > 4)  # a life should be worth ending
    @rule(who=WHO, drain=st.booleans(), code=st.sampled_from([1000, 1005, 4000]))
    def close(self, who, drain, code):
        self.end(who).close(code, "enough", drain=drain)

    @precondition(lambda self: len(self.calls) > 4)
    @rule(who=WHO)
    def abort(self, who):
        self.end(who).tell(e.AbortRequested())

    # --- The link -------------------------------------------------------------

    @rule(who=WHO, limit=st.integers(1, 500))
    def receive(self, who, limit):
        self.end(who).receive(limit)

    @rule()
    def dial(self):
        self.pair.dial()

    @rule()
    def deliver(self):
        self.pair.deliver()

    @rule(error=st.sampled_from([None, ConnectionResetError()]))
    def cut(self, error):
        self.pair.cut(error)

    @rule(who=WHO)
    def half_open(self, who):
        self.end(who).lose()

    @rule(
        who=WHO,
        delay=st.sampled_from([0.0, 0.5, 7.0]),
        piece=st.sampled_from([1, 7, 10**6]),
        lost=SELDOM,
        stuck=SELDOM,
    )
    def weather(self, who, delay, piece, lost, stuck):
        way = self.pair.to_client if who == "client" else self.pair.to_server
        way.delay, way.piece, way.lost, way.stuck = delay, piece, lost, stuck

    @rule(listening=st.sampled_from([True, False, None]))
    def listen(self, listening):
        self.pair.listening = listening

    # --- Time -----------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.0, 0.25, 1.0, 6.0, 31.0]))
    def advance(self, seconds):
        self.pair.advance(seconds)

    @rule(who=WHO, seconds=st.sampled_from([0.0, 1.0]))
    def tick_whenever(self, who, seconds):
        self.pair.now += seconds
        self.end(who).tell(e.Tick())

    # --- What always holds ----------------------------------------------------

    @invariant()
    def the_books_balance(self):
        """Submitted = settled (`End` counts no outcome twice), cancelled, or still with the connection (I1, I5)."""
        for end, token in self.calls:
            if token in end.outcomes or token in self.cancelled:
                continue
            outbound = end.connection._session._outbound
            dialling = end.connection._dialling
            held = {*outbound._queue, *outbound._unwritten, *outbound._ids}
            assert token in held | {*(dialling.waiting if dialling else ())}

    @invariant()
    def the_window_is_kept(self):
        """No more calls are unanswered than allowed (I4, rule 15)."""
        for end in self.pair.ends:
            window = self.window["client" if end is self.pair.client else "server"]
            assert len(end.connection._session._outbound._pending) <= window

    @invariant()
    def what_is_closed_is_empty(self):
        """Closed leaves no deadline, no call, no handler and nobody who is asked to decide (I6)."""
        for end in self.pair.ends:
            if end.connection.state is State.CLOSED:
                assert end.connection.deadline is None
                assert end.connection._session.idle
                assert end.running == {}
                assert end.asked is None
                assert not any(isinstance(notice, n.Closed) for notice in end.notices[:-1])

    @invariant()
    def handlers_are_known_on_both_sides(self):
        """What the connection thinks runs is what the adapter runs (I7)."""
        for end in self.pair.ends:
            assert {*end.connection._session._inbound._running} == {*end.running}

    @invariant()
    def there_is_one_byte_stream(self):
        """The client never asks for a second one (I15)."""
        assert not (self.pair.dialling and self.pair.client.connected)

    def teardown(self):
        """Closed on both sides over an honest link, everything ends: one outcome for each call, and quiet (I9)."""
        if not hasattr(self, "pair"):
            return
        pair = self.pair
        for way in (pair.to_client, pair.to_server):
            way.delay, way.piece, way.lost, way.stuck = 0.0, float("inf"), False, False
        for end in pair.ends:
            end.close()
        pair.advance(60)
        for end in pair.ends:
            assert end.connection.state is State.CLOSED, end.connection.phase
            assert isinstance(end.notices[-1], n.Closed)
            assert not end.connected
            self.everything_was_said_in_order_and_once(end)
        for end, token in self.calls:
            assert token in end.outcomes or token in self.cancelled
            outcome = end.outcomes.get(token)
            if isinstance(outcome, dict) and token in self.numbers:
                assert outcome == {"n": self.numbers[token]}  # the answer to this very call (I2)
        self.what_is_closed_is_empty()

    def everything_was_said_in_order_and_once(self, end):
        """Calls left in the order in which they were made (I3), and each of the peer's got one answer at most (I7)."""
        calls = [notice.payload for notice in end.notices if isinstance(notice, n.CallEvent) and notice.outbound]
        numbers = [params["n"] for kind, _, _, params in calls if kind == 2]
        assert numbers == sorted({*numbers})
        answered = [notice.payload[1] for notice in end.notices if isinstance(notice, n.ResponseEvent)]
        assert len(answered) == len({*answered})


TestLife = Life.TestCase
TestLife.settings = QUIET


@pytest.mark.feature("C30")
def test_honest_peers_settle_everything():
    """Without faults every call gets its result, in both directions at once, and then all is quiet (I14)."""
    pair = Pair()
    for router in (pair.at_client, pair.at_server):
        router.add("Echo", lambda call: call.params)
    pair.connect()
    calls = [(end, end.call("Echo", {"n": number}), number) for number in range(5) for end in pair.ends]
    pair.deliver()
    assert [end.outcomes[token] for end, token, _ in calls] == [{"n": number} for *_, number in calls]
    pair.client.close()
    pair.advance(10)
    assert [end.connection.deadline for end in pair.ends] == [None, None]
    token = pair.client.call("Echo")
    assert isinstance(pair.client.outcomes[token], NotConnected)
