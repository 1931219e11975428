"""A peer that answers no ping, does not read, or does not end what it begins."""

from math import inf

import pytest

from ocpp_rpc_core._pace import Due, Pace
from ocpp_rpc_core.limits import Limits


def pace(interval=0, *, defer=False, **limits):
    """One that pings every `interval` seconds."""
    return Pace(Limits(**limits), interval, defer=defer)


@pytest.mark.threat("T9")
def test_a_peer_that_does_not_read():
    """What waits must be written in time; each time some of it is, the time begins anew."""
    it = pace(write_time=10)
    assert it.deadline is None
    assert it.unwritten(100, 1.0) == b""
    assert (it.deadline, it.due(10.9)) == (11.0, Due.NOTHING)
    it.unwritten(50, 5.0)
    assert (it.deadline, it.due(14.9)) == (15.0, Due.NOTHING)
    it.unwritten(0, 6.0)
    assert (it.deadline, it.due(100.0)) == (None, Due.NOTHING)
    it.unwritten(1, 200.0)
    assert it.due(210.0) is Due.UNREAD
    it.stop()
    assert (it.deadline, it.due(211.0)) == (None, Due.NOTHING)


@pytest.mark.threat("T7")
def test_a_message_that_does_not_end():
    """Its time counts from when it began, until it ends or is not read."""
    it = pace(message_time=60)
    it.begun(1.0)
    assert (it.is_watching, it.deadline, it.due(60.9)) == (True, 61.0, Due.NOTHING)
    it.ended()
    assert (it.is_watching, it.deadline) == (False, None)
    it.begun(10.0)
    it.pause()
    assert (it.is_watching, it.deadline) == (False, None)
    it.begun(100.0)
    assert it.due(160.0) is Due.UNENDED


def test_the_earliest_counts():
    """Of pings, what is unwritten and what is unended."""
    it = pace(interval=5, message_time=7, write_time=6)
    it.start(0.0)
    assert it.deadline == 5.0
    it.begun(0.0)
    it.unwritten(1, 0.0)
    assert [it.due(5.0), it.due(5.0)] == [Due.PING, Due.NOTHING]
    assert it.deadline == 6.0
    it.unwritten(0, 5.5)
    assert it.deadline == 7.0
    it.ended()
    assert it.deadline == 10.0
    assert it.due(10.0) is Due.SILENT


def test_pings():
    """A pong has a round trip; what is heard may put the next ping off; nothing is due while nothing is read."""
    it = pace(interval=5, defer=True)
    it.start(0.0)
    it.heard(3.0)
    assert it.deadline == 8.0
    assert it.due(8.0) is Due.PING
    assert (it.pong(9.0), it.pong(9.0)) == (1.0, None)
    it.pause()
    assert it.deadline is None
    it.start(20.0)
    assert it.deadline == 25.0
    it.reconfigure(Limits(message_time=1), 7, defer=False, now=21.0, running=True)
    assert it.deadline == 28.0
    it.heard(22.0)
    assert it.deadline == 28.0
    it.begun(21.0)
    assert it.deadline == 22.0
    it.stop()
    it.reconfigure(Limits(), 9, defer=False, now=30.0, running=False)
    assert it.deadline is None


def test_stopped():
    """At the end of a connection nothing is due, and nothing waits."""
    it = pace(interval=1)
    it.start(0.0)
    it.begun(0.0)
    it.unwritten(5000, 0.0)
    it.ping(b"pong")
    it.stop()
    assert (it.deadline, it.due(1000.0), it.unwritten(0, 1000.0)) == (None, Due.NOTHING, b"")


def test_no_limit():
    """Infinite times are never due."""
    it = pace(message_time=inf, write_time=inf)
    it.begun(0.0)
    it.unwritten(1, 0.0)
    assert it.deadline is None


@pytest.mark.threat("T9")
def test_one_pong_is_kept():
    """Pongs go out at once, while little waits, too; of those that cannot only the latest is kept."""
    it = pace()
    assert it.ping(b"a") == b"a"
    it.unwritten(1000, 0.0)
    assert [it.ping(bytes(10)) for _ in range(5)] == [bytes(10), bytes(10), bytes(10), b"", b""]
    assert it.ping(b"latest") == b""
    assert it.unwritten(500, 1.0) == b""
    assert it.unwritten(0, 2.0) == b"latest"
    assert it.unwritten(0, 3.0) == b""
