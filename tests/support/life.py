"""The state machine of test_pair.py: hypothesis chooses what two applications, their link and time do to a pair."""

import functools
import itertools
import json
import sys
from collections import Counter
from dataclasses import replace
from math import inf
from typing import ClassVar

from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ocpp_rpc_core import events as e, notices as n
from ocpp_rpc_core._answers import NOREPLY, Accept, Reject
from ocpp_rpc_core._lifecycle import Phase, State
from ocpp_rpc_core.backoff import ExponentialBackoff
from ocpp_rpc_core.config import ClientOptions, ServerOptions
from ocpp_rpc_core.errors import RPCGenericError
from ocpp_rpc_core.testing import PENDING, Pair, counting_entropy

from .books import Books, connecting, queued

STEPS = settings(stateful_step_count=40, deadline=None, suppress_health_check=[*HealthCheck])
WHO = st.sampled_from(["client", "server"])
SELDOM = st.sampled_from([False, False, False, True])
NONSENSE = (
    '[3,"nobody",{}]',
    '[4,"nobody","GenericError","",{}]',
    '[5,"nobody","GenericError","",{}]',
    '[2,"twice","Slow",{"n":0}]',
    '[2,"twice","Slow",{"n":0}]',
    '[6,"s","Echo",{}]',
    '[9,"x"]',
    '[2,"x"',
    "{}",
    "[]",
)
"""What a peer can say that answers nothing, is said twice, or means nothing."""
GARBAGE = (b"\x81\x02hi", b"\xff" * 9, b"\x00", b"\x88\x00", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x81\x7e\xff")
"""Bytes that no honest peer sends there."""


def counted(**strategies):
    """A rule, and how often it ran."""

    def decorate(function):
        @functools.wraps(function)
        def counting(self, **drawn):
            Life.ran[function.__name__] += 1
            return function(self, **drawn)

        return rule(**strategies)(counting)

    return decorate


class Life(RuleBasedStateMachine):
    """One client that comes and goes, and the connections its server gets."""

    ran: ClassVar[Counter[str]] = Counter()
    """How often each rule ran in this process; "begin" counts the examples."""

    @initialize(
        window=st.integers(1, 3),
        max_reconnects=st.sampled_from([0, 1, 3]),
        bad=st.sampled_from([inf, 2]),
        defer=st.booleans(),
        decides=SELDOM,
        hold=SELDOM,
        compression=SELDOM,
        heals=st.booleans(),
    )
    def begin(self, window, max_reconnects, bad, defer, decides, hold, compression, heals):
        Life.ran["begin"] += 1
        common = {
            "protocols": ("ocpp2.1",),
            "call_concurrency": window,
            "call_timeout": 20,
            "ping_interval": 15,
            "defer_pings_on_activity": defer,
            "max_bad_messages": bad,
            "compression": compression,
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
        for router in (self.pair.at_client, self.pair.at_server):
            router.add("Echo", lambda call: call.params)
            router.add("Slow", lambda call: PENDING)
        self.heals = heals
        self.books = {}
        self.calls = []  # (end, token)
        self.connects = []  # tokens
        self.given_up = set()
        self.count = itertools.count(1)
        self.watch()
        self.connect()
        self.deliver()

    def watch(self):
        """Keep books on every end."""
        for end in self.pair.ends[len(self.books) :]:
            self.books[end] = Books(end, self.pair)

    def end(self, who):
        return self.pair.client if who == "client" or not self.pair.servers else self.pair.server

    def deliver(self):
        """Let everything happen, with an eye on each new end from its first byte."""
        while self.pair.dial() or any(end.receive() for end in self.pair.ends):
            self.watch()

    def pass_time(self, seconds):
        """As `Pair.advance`, with an eye on each new end from its first byte."""
        until = self.pair.now + seconds
        self.deliver()
        while (at := self.pair.next) is not None and at <= until:
            self.pair.now = max(self.pair.now, at)
            for end in self.pair.ends:
                self.pair._tick(end)
            self.deliver()
        self.pair.now = until

    # --- The application ------------------------------------------------------

    @counted(
        who=WHO,
        methods=st.lists(st.sampled_from(["Echo", "Slow", "Nobody"]), min_size=1, max_size=4),
        timeout=st.sampled_from([None, 3]),
        deliver=st.booleans(),
    )
    def call(self, who, methods, timeout, deliver):
        for method in methods:
            end = self.end(who)
            self.calls.append((end, end.call(method, {"n": next(self.count)}, timeout=timeout)))
        if deliver:
            self.deliver()

    @precondition(lambda self: self.pair.client.connection.state is State.OPEN)
    @counted(methods=st.lists(st.sampled_from(["Echo", "Slow"]), min_size=1, max_size=3))
    def work(self, methods):
        """Both call each other, and everything arrives."""
        for end in (self.end("server"), self.end("client")):
            for method in methods:
                self.calls.append((end, end.call(method, {"n": next(self.count)})))
        self.deliver()

    @counted(who=WHO, no_reply=st.booleans())
    def send(self, who, no_reply):
        end = self.end(who)
        if no_reply:
            self.calls.append((end, end.call("Echo", {"n": next(self.count)}, no_reply=True)))
        else:
            self.ask(end, e.SendRequested, "Echo", {})

    @counted(who=WHO, text=st.sampled_from(NONSENSE))
    def say_nonsense(self, who, text):
        self.ask(self.end(who), e.RawSendRequested, text)

    @precondition(lambda self: self.calls)
    @counted(who=WHO)
    def answer_again(self, who):
        end = self.end(who)
        answers = (notice for notice in reversed(end.notices) if isinstance(notice, n.ResponseEvent))
        last = next((notice.payload for notice in answers if notice.outbound), None)
        if last is not None:
            self.ask(end, e.RawSendRequested, json.dumps(last))

    def ask(self, end, question, *what):
        token = self.pair.token()
        self.calls.append((end, token))
        end.tell(question(token, *what))

    @precondition(lambda self: self.calls)
    @counted(data=st.data())
    def cancel(self, data):
        end, token = data.draw(st.sampled_from(self.calls))
        end.tell(e.CallCancelled(token))

    @precondition(lambda self: any(end.running for end in self.pair.ends))
    @counted(answer=st.sampled_from([{}, RPCGenericError("no"), ZeroDivisionError(), NOREPLY]))
    def answer(self, answer):
        for end in self.pair.ends:
            for request_id in [*end.running][:1]:
                end.answer(request_id, answer)

    @precondition(lambda self: self.calls)
    @counted(who=WHO, request_id=st.integers(1, 4))
    def answer_late(self, who, request_id):
        end = self.end(who)
        if request_id not in end.running and end.connection.phase is not Phase.IDLE:
            end.answer(request_id, {"late": True})

    @precondition(lambda self: any(end.running for end in self.pair.ends))
    @counted(answers=st.integers(1, 2))
    def answer_early(self, answers):
        """A handler replies, perhaps twice, and goes on running."""
        for end in self.pair.ends:
            for request_id in [*end.running][:1]:
                for _ in range(answers):
                    end.tell(e.HandlerReplied(e.HandlerReturned(request_id, {"early": True})))

    @precondition(lambda self: any(end.asked for end in self.pair.servers))
    @counted(verdict=st.sampled_from([Accept(), Accept(protocol="x"), Reject(401), ZeroDivisionError()]))
    def decide(self, verdict):
        for end in self.pair.servers:
            if end.asked is not None:
                end.decide(verdict)

    @precondition(lambda self: self.pair.server_options.hold_calls)
    @counted(who=WHO)
    def ready(self, who):
        if self.end(who).connection.phase is not Phase.IDLE:
            self.end(who).tell(e.HandlersReady())

    @precondition(lambda self: self.pair.client.connection.state is not State.OPEN)
    @counted()
    def connect_again(self):
        self.connect()

    def connect(self):
        self.connects.append(self.pair.token())
        self.pair.client.tell(e.ConnectRequested(self.connects[-1]))

    @precondition(lambda self: self.pair.client.connection.state is not State.OPEN)
    @counted(data=st.data())
    def cancel_connect(self, data):
        token = data.draw(st.sampled_from(self.connects))
        if token not in self.pair.client.outcomes:
            self.given_up.add(token)
        self.pair.client.tell(e.ConnectCancelled(token))

    @counted(who=WHO, window=st.integers(1, 3), interval=st.sampled_from([0, 5, 15]), reconnect=st.booleans())
    def reconfigure(self, who, window, interval, reconnect):
        end = self.end(who)
        changes = {"call_concurrency": window, "ping_interval": interval}
        if end is self.pair.client:
            changes["reconnect"] = reconnect
        end.tell(e.Reconfigured(replace(end.connection._options, **changes)))

    @precondition(lambda self: len(self.calls) > 4)  # a life should be worth ending
    @counted(who=WHO, drain=st.booleans(), code=st.sampled_from([1000, 1005, 4000]))
    def close(self, who, drain, code):
        self.end(who).close(code, "enough", drain=drain)

    @precondition(lambda self: len(self.calls) > 4)
    @counted(who=WHO)
    def abort(self, who):
        self.end(who).tell(e.AbortRequested())

    # --- The link -------------------------------------------------------------

    @counted(who=WHO, limit=st.integers(1, 500))
    def receive(self, who, limit):
        self.end(who).receive(limit)

    @precondition(lambda self: self.pair.dialling)
    @counted()
    def dial(self):
        self.pair.dial()
        self.watch()

    @counted()
    def let_it_happen(self):
        self.deliver()

    @counted(error=st.sampled_from([None, ConnectionResetError()]))
    def cut(self, error):
        self.pair.cut(error)

    @counted(who=WHO)
    def half_open(self, who):
        self.end(who).lose()

    @counted(
        who=WHO,
        delay=st.sampled_from([0.0, 0.5, 7.0]),
        piece=st.sampled_from([1, 7, 10**6]),
        lost=SELDOM,
        stuck=SELDOM,
    )
    def weather(self, who, delay, piece, lost, stuck):
        way = self.pair.to_client if who == "client" else self.pair.to_server
        way.delay, way.piece, way.lost, way.stuck = delay, piece, lost, stuck

    @counted(listening=st.sampled_from([True, False, None]))
    def listen(self, listening):
        self.pair.listening = listening

    @precondition(lambda self: len(self.calls) > 4)
    @counted(who=WHO, data=st.sampled_from(GARBAGE))
    def garble(self, who, data):
        end = self.end(who)
        if end.connected and end.connection.phase not in (Phase.IDLE, Phase.DIALLING):
            end.tell(e.BytesReceived(data))

    # --- Time -----------------------------------------------------------------

    @counted(seconds=st.sampled_from([0.0, 0.25, 1.0, 6.0, 31.0]))
    def advance(self, seconds):
        self.pass_time(seconds)

    @counted(who=WHO, seconds=st.sampled_from([0.0, 1.0, 500.0]))
    def tick_late(self, who, seconds):
        """The clock jumps over whatever was due, and only one end gets a tick."""
        self.pair.now += seconds
        for books in self.books.values():
            books.slack += seconds
        self.end(who).tell(e.Tick())

    # --- What always holds, beside what `Books` checks after each event -------

    @invariant()
    def everybody_who_waits_is_known(self):
        """I1, I5: each call and each wish to connect has its outcome, was given up, or is with the connection."""
        for end, token in self.calls:
            assert token in end.outcomes or token in self.books[end].submitted, "I5: a call that nobody knows"
        client = self.pair.client
        waiting = {*self.connects} - self.given_up - {*client.outcomes}
        assert waiting <= {*connecting(client.connection)}, "I1: somebody waits in vain to be connected"

    @invariant()
    def the_world_agrees(self):
        """I6, I7: what a connection thinks runs is what its adapter runs, and closed is the last word."""
        for end in self.pair.ends:
            assert {*end.connection._session._inbound._running} == {*end.running}, "I7: handlers nobody knows of"
            if end.connection.state is State.CLOSED:
                assert end.asked is None, "I6: closed, and somebody is still asked to decide"
                assert not any(isinstance(notice, n.Closed) for notice in end.notices[:-1]), "I6: closed twice"

    @invariant()
    def closing_ends(self):
        """I9, under whatever weather there is."""
        for books in self.books.values():
            books.it_has_ended()

    def teardown(self):
        """I9, I1: closed on both sides, over whatever link, everything ends, with an outcome for each call."""
        if not hasattr(self, "pair") or sys.exception() is not None:  # what failed first is the failure
            return
        pair = self.pair
        if self.heals:
            pair.heal()
        for end in pair.ends:
            end.close()
        self.pass_time(60)
        for end in pair.ends:
            assert end.connection.state is State.CLOSED, f"I9: still {end.connection.phase}"
            assert isinstance(end.notices[-1], n.Closed), "I9: and nobody is told"
            assert not end.connected, "I9: the byte stream is left open"
            assert queued(end.connection) == [], "I9: calls are left"
            count = len(end.notices)
            end.close()
            assert len(end.notices) == count, "I9: to close twice does something"
        for end, token in self.calls:
            assert token in end.outcomes or token in self.books[end].cancelled, "I1: a call without outcome"
