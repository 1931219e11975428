"""How much all connections of a server may keep of messages that have not ended: who may, and that the sum is right."""

import zlib
from math import inf

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support import wire

from ocpp_rpc_core import actions as a, events as e, notices as n
from ocpp_rpc_core._budget import Budget
from ocpp_rpc_core.connection import Connection

OVERLOADED = "the server is overloaded"


@pytest.mark.feature("B13")
@pytest.mark.threat("T24")
class TestBudget:
    def test_the_sum_has_a_bound(self):
        """What goes beyond it is refused and changes nothing; exactly the bound is not beyond."""
        budget = Budget(1000)
        assert budget.hold(0, 600)
        assert not budget.hold(0, 401)
        assert budget.held == 600
        assert budget.hold(0, 400)
        assert not budget.hold(600, 601)
        assert budget.hold(600, 0)
        assert budget.held == 400

    def test_a_lower_bound_takes_nothing_away(self):
        """Who keeps much may keep as much or less, but not more; and whoever keeps nothing may go on so."""
        budget = Budget(1000)
        budget.hold(0, 600)
        budget.bound = 100
        assert not budget.hold(600, 601)
        assert budget.hold(600, 600)
        assert budget.hold(600, 599)
        assert budget.hold(0, 0)
        assert not budget.hold(0, 1)

    def test_there_may_be_none(self):
        """Infinity is no bound."""
        assert Budget().bound == inf
        assert Budget().hold(0, 2**60)


def opened(budget, **options):
    """A server's connection that shares the budget, with a client that may compress."""
    script = wire.upgrading(Connection(wire.server_options(**options), budget=budget))
    offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
    return script.tell(e.BytesReceived(wire.request(extra=offer))).skip()


def fragment(size, *, first, last=False):
    """That many bytes of a binary message, which no session answers."""
    return wire.frame((0x02 if first else 0x00) | (0x80 if last else 0), b"x" * size, masked=True)


def packed(size):
    """As many as the first fragment of a compressed message."""
    packer = zlib.compressobj(wbits=-15)
    payload = packer.compress(b"x" * size) + packer.flush(zlib.Z_SYNC_FLUSH)
    return wire.frame(0x42, payload, masked=True)


def too_much(bound):
    """What becomes of whoever goes beyond."""
    return (
        a.Report(n.LimitExceeded("partial_bytes", bound)),
        a.SendBytes(wire.goodbye(1013, OVERLOADED)),
        a.CloseTransport(),
    )


@pytest.mark.feature("B13")
@pytest.mark.threat("T24")
class TestConnections:
    def test_two_share_it(self):
        """Whose fragment goes beyond is closed with 1013 and has nothing left; the other goes on, and ends."""
        budget = Budget(1000)
        one, two = opened(budget), opened(budget)
        one.tell(e.BytesReceived(fragment(600, first=True))).expect()
        two.tell(e.BytesReceived(fragment(300, first=True))).expect()
        two.tell(e.BytesReceived(fragment(300, first=False))).expect(*too_much(1000))
        assert (budget.held, two._machine._websocket.held) == (600, 0)
        two.tell(e.TransportClosed()).expect(
            *(a.Report(it) for it in (n.Disconnected(1013, OVERLOADED), n.Closing(), n.Closed(1013, OVERLOADED)))
        )
        one.tell(e.BytesReceived(fragment(400, first=False))).expect()
        assert budget.held == 1000
        one.tell(e.BytesReceived(fragment(1, first=False, last=True))).skip()
        heard = [type(action.notice) for action in one.actions if isinstance(action, a.Report)]
        assert n.BadMessage in heard  # it is no OCPP-J, but it came whole
        assert budget.held == 0

    def test_compressed_messages_count_as_inflated(self):
        """However few bytes came."""
        budget = Budget(1000)
        one, two = opened(budget), opened(budget)
        one.tell(e.BytesReceived(packed(600))).expect()
        assert budget.held == 600
        two.tell(e.BytesReceived(packed(401))).expect(*too_much(1000))
        assert (budget.held, two._machine._websocket.held) == (600, 0)

    def test_what_is_announced_does_not_count(self):
        """Only what came does, of a frame that TCP cut as of one that trickles."""
        budget = Budget(1000)
        script, wide = opened(budget), wire.frame(0x81, b"x" * 60_000, masked=True)
        script.tell(e.BytesReceived(wide[:500])).expect()
        assert budget.held == 500
        script.tell(e.BytesReceived(wide[500:600])).expect()
        assert budget.held == 592  # a header is read once it is whole
        script.tell(e.BytesReceived(wide[600:1009])).expect(*too_much(1000))

    @pytest.mark.parametrize(
        "end",
        [
            e.TransportClosed(),
            e.TransportClosed(OSError()),
            e.AbortRequested(),
            e.BytesReceived(b"\xff\x80" + bytes(4)),
        ],
    )
    def test_whoever_is_gone_keeps_nothing(self, end):
        """Lost, dropped, or wrong in what they sent."""
        budget = Budget(1000)
        script = opened(budget).tell(e.BytesReceived(fragment(600, first=True))).expect()
        websocket = script._machine._websocket
        script.tell(end).skip()
        assert (budget.held, websocket.held) == (0, 0)

    def test_a_message_that_takes_too_long(self):
        """What it kept is free at once, not when the byte stream has ended."""
        budget = Budget(1000)
        script = opened(budget).tell(e.BytesReceived(fragment(600, first=True))).expect()
        script.until_deadline(60).tell(e.Tick()).skip()
        assert (budget.held, script._machine._websocket.held) == (0, 0)

    def test_after_our_goodbye(self):
        """What still comes counts as well; no second close frame is sent."""
        budget = Budget(1000)
        script = opened(budget).tell(e.BytesReceived(fragment(600, first=True))).expect()
        script.tell(e.CloseRequested()).skip()
        assert budget.held == 600
        exceeded, _, close = too_much(1000)
        script.tell(e.BytesReceived(fragment(600, first=False))).expect(exceeded, close)
        assert budget.held == 0

    def test_what_comes_with_the_request_counts(self):
        """A message may begin before its sender is let in; it counts from when it is read as one."""
        budget = Budget(1000)
        script = wire.upgrading(Connection(wire.server_options(), budget=budget))
        script.tell(e.BytesReceived(wire.request() + fragment(1001, first=True))).skip()
        assert script.actions[-3:] == list(too_much(1000))
        assert budget.held == 0

    def test_without_a_budget(self):
        """Nothing is counted, and nobody closed."""
        script = opened(None)
        for first in (True, False):
            script.tell(e.BytesReceived(fragment(600_000, first=first)[:500_000])).skip()
        assert script._machine._held == 0


class Crowd(RuleBasedStateMachine):
    """Some connections that begin, go on with, end and lose messages, cut anywhere."""

    WHO = st.integers(0, 3)

    def __init__(self):
        super().__init__()
        self.budget = Budget(1500)
        self.scripts = [opened(self.budget) for _ in range(4)]
        self.gone = []

    def hear(self, who, data, cut):
        """It sends that, in two reads, as far as it is heard."""
        for piece in (data[:cut], data[cut:]):
            self.scripts[who].tell(e.BytesReceived(piece)).skip()

    @rule(who=WHO, size=st.integers(0, 500), last=st.booleans(), cut=st.integers(0, 520))
    def plain(self, who, size, last, cut):
        """A fragment, or the last one."""
        websocket = self.scripts[who]._machine._websocket
        self.hear(who, fragment(size, first=not websocket.within_message, last=last), cut)

    @rule(who=WHO, size=st.integers(0, 500), cut=st.integers(0, 30))
    def compressed(self, who, size, cut):
        """The beginning of a compressed message; a mistake if there is one already."""
        self.hear(who, packed(size), cut)

    @rule(who=WHO, cut=st.integers(0, 6))
    def ping(self, who, cut):
        """In between."""
        self.hear(who, wire.MASKED_PING, cut)

    @rule(who=WHO, end=st.sampled_from([e.TransportClosed(), e.AbortRequested(), e.CloseRequested()]))
    def leave(self, who, end):
        """It is lost, dropped, or asked to go; after the first two another comes in its place."""
        script = self.scripts[who].tell(end).skip()
        if not isinstance(end, e.CloseRequested):
            self.gone.append(script)
            self.scripts[who] = opened(self.budget)

    @rule(bound=st.sampled_from([0.5, 700, 1500, inf]))
    def reconfigure(self, bound):
        """The bound changes."""
        self.budget.bound = bound

    @invariant()
    def the_sum_is_right(self):
        """It is what all keep, and no more than the bound, unless that was lowered."""
        kept = [script._machine._websocket.held for script in self.scripts]
        assert self.budget.held == sum(kept)
        assert kept == [script._machine._held for script in self.scripts]
        assert all((it._machine._held, it._machine._websocket) == (0, None) for it in self.gone)

    def teardown(self):
        """When all are gone nothing is kept."""
        for script in self.scripts:
            script.tell(e.TransportClosed()).skip()
        assert self.budget.held == 0


Crowd.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestCrowd = pytest.mark.feature("B13")(pytest.mark.threat("T24")(Crowd.TestCase))
