"""The world of a test: its clock, and each fault in one line."""

import pytest

from ocpp_rpc_core import notices as n
from ocpp_rpc_core._answers import Reject
from ocpp_rpc_core._lifecycle import State
from ocpp_rpc_core.testing import PENDING, FakeCSMS, Pair, counting_entropy
from ocpp_rpc_core.testing._world import World

pytestmark = pytest.mark.feature("B3")


def connected():
    """A pair that is."""
    pair = Pair()
    pair.at_server.add("Echo", lambda call: call.params)
    pair.connect()
    return pair


def states(pair):
    return [end.connection.state.name for end in (pair.client, pair.server)]


def test_entropy_counts():
    """Never twice the same, and the same again for the same seed."""
    first, second = counting_entropy(255), counting_entropy(255)
    assert [first(2), first(2), first(1)] == [b"\x00\xff", b"\x01\x00", b"\x01"]
    assert [second(2), second(2)] == [b"\x00\xff", b"\x01\x00"]


def test_a_world_is_for_somebody():
    """What has no ends is no world."""
    with pytest.raises(NotImplementedError):
        World().ends  # noqa: B018


def test_who_decides():
    """`auth`, or nobody so far."""
    pair = Pair(auth=lambda asked: Reject(401))
    assert pair.verdict(None).status == 401
    assert Pair().verdict(None) is PENDING


def test_delay():
    """Both ways, from now on."""
    pair = connected()
    pair.delay(2)
    token = pair.client.call("Echo")
    pair.advance(3.9)
    assert token not in pair.client.outcomes
    pair.advance(0.1)
    assert pair.client.outcomes[token] == {}


def test_split():
    """Single bytes, or pieces of any size."""
    pair = connected()
    pair.split()
    assert (pair.to_client.piece, pair.to_server.piece) == (1, 1)
    assert pair.client.ask("Echo", {"a": "long" * 99}) == {"a": "long" * 99}
    pair.split(7)
    assert pair.client.ask("Echo", {"a": "long" * 99}) == {"a": "long" * 99}


def test_black_hole():
    """Nobody notices before a ping stays unanswered; whoever comes back after it has healed is let in."""
    pair = connected()
    pair.black_hole()
    pair.advance(59)
    assert states(pair) == ["OPEN", "OPEN"]
    pair.advance(1)
    assert states(pair) == ["CONNECTING", "CLOSED"]
    pair.heal()
    pair.advance(60)
    assert states(pair) == ["OPEN", "OPEN"]


def test_stall():
    """Nobody reads; what was sent meanwhile arrives when the link has healed, without waiting."""
    pair = connected()
    pair.stall()
    token = pair.client.call("Echo")
    pair.advance(9)  # after ten seconds without reading it would be given up
    assert token not in pair.client.outcomes
    pair.heal()
    assert pair.client.outcomes[token] == {}


def test_healing_takes_all_back():
    """The link is as at first."""
    pair = connected()
    before = repr((pair.to_client, pair.to_server))
    pair.delay(1)
    pair.split(1)
    pair.black_hole()
    pair.stall()
    pair.heal()
    assert repr((pair.to_client, pair.to_server)) == before


def test_a_tick_at_each_deadline():
    """The clock stops wherever something falls due, and ends where it was told to."""
    pair = connected()
    pair.advance(100)
    assert (pair.now, pair.next) == (100, 120)
    assert len([notice for notice in pair.client.notices if isinstance(notice, n.PingEvent)]) == 3
    assert pair.client.connection.state is State.OPEN


def test_the_clock_can_be_set():
    """By hand, too."""
    pair = Pair()
    pair.now += 5
    assert pair.now == 5


def test_a_clock_of_somebody_else():
    """It gives the time, and cannot be moved."""
    csms = FakeCSMS()
    csms.clock = lambda: 5.0
    assert csms.now == 5.0
    with pytest.raises(AssertionError, match="sleep instead"):
        csms.advance(1)


def test_a_cut_breaks_lines_too():
    """Who has the other end of a fake's byte stream notices."""
    csms = FakeCSMS()
    line = csms.open()
    csms.cut(OSError("storm"))
    with pytest.raises(OSError, match="storm"):
        line.read()
    assert not csms.connected


def test_delivering_wakes_whoever_reads():
    """The link may have changed, and what waited can be read now."""
    csms, woken = FakeCSMS(), []
    line = csms.open()
    line.changed = lambda: woken.append(csms.now)
    csms.to_client.stuck = False
    csms.deliver()
    assert woken == [0.0]
