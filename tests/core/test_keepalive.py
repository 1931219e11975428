"""When to ping, and when a silent peer counts as gone."""

from math import inf

import pytest
from hypothesis import given, strategies as st

from ocpp_rpc_core._keepalive import KeepAlive, Verdict


def running(interval=10.0, *, defer=False):
    """A keep-alive that was started at 0."""
    keepalive = KeepAlive(interval, defer=defer)
    keepalive.start(0.0)
    return keepalive


@pytest.mark.feature("S4")
def test_silent_peer():
    """A ping goes out after one interval; a peer that has not answered after another is gone."""
    keepalive = running()
    assert keepalive.deadline == 10.0
    assert keepalive.due(9.9) is Verdict.NOTHING
    assert keepalive.due(10.0) is Verdict.PING
    assert keepalive.deadline == 20.0
    assert keepalive.due(19.9) is Verdict.NOTHING
    assert keepalive.due(20.0) is Verdict.GONE


@pytest.mark.feature("S4")
def test_answering_peer():
    """A pong says how long it took, and the next ping is due an interval after the last."""
    keepalive = running()
    assert keepalive.due(10.0) is Verdict.PING
    assert keepalive.pong(12.5) == 2.5
    assert keepalive.pong(13.0) is None
    assert keepalive.due(20.0) is Verdict.PING
    assert keepalive.pong(20.0) == 0.0


@pytest.mark.feature("S5")
def test_defer():
    """With defer, anything heard puts the next ping off; without, it does not."""
    lazy, eager = running(defer=True), running(defer=False)
    for keepalive in (lazy, eager):
        keepalive.heard(4.0)
    assert (lazy.deadline, eager.deadline) == (14.0, 10.0)


@pytest.mark.feature("S5")
def test_defer_does_not_forget_a_ping():
    """A peer that falls silent after its last message, with a ping unanswered, is gone an interval later."""
    keepalive = running(defer=True)
    assert keepalive.due(10.0) is Verdict.PING
    keepalive.heard(15.0)
    assert keepalive.due(24.9) is Verdict.NOTHING
    assert keepalive.due(25.0) is Verdict.GONE


@pytest.mark.rule(44)
@pytest.mark.parametrize("interval", [0.0, inf])
def test_none(interval):
    """An interval of 0 or infinity means no pings."""
    keepalive = running(interval, defer=True)
    keepalive.heard(1.0)
    assert keepalive.deadline is None
    assert keepalive.due(1e9) is Verdict.NOTHING
    assert keepalive.pong(2.0) is None


def test_not_running():
    """Before it is started and after it is stopped nothing is due, heard or answered."""
    keepalive = KeepAlive(10.0, defer=True)
    keepalive.heard(1.0)
    assert keepalive.deadline is None
    keepalive.start(2.0)
    assert keepalive.due(12.0) is Verdict.PING
    keepalive.stop()
    keepalive.heard(13.0)
    assert keepalive.deadline is None
    assert keepalive.due(99.0) is Verdict.NOTHING
    assert keepalive.pong(99.0) is None


def test_started_anew():
    """A new connection does not answer for the ping of the last."""
    keepalive = running()
    assert keepalive.due(10.0) is Verdict.PING
    keepalive.start(15.0)
    assert keepalive.due(25.0) is Verdict.PING


@pytest.mark.feature("C25")
def test_reconfigure():
    """A changed interval counts from now; a ping under way stays awaited."""
    keepalive = running()
    assert keepalive.due(10.0) is Verdict.PING
    keepalive.reconfigure(3.0, defer=False, now=12.0, running=True)
    assert keepalive.deadline == 15.0
    assert keepalive.pong(13.0) == 3.0
    assert keepalive.due(15.0) is Verdict.PING
    keepalive.reconfigure(5.0, defer=False, now=16.0, running=True)
    assert keepalive.due(21.0) is Verdict.GONE


@pytest.mark.feature("C25")
def test_reconfigure_same_interval():
    """The same interval again moves nothing, but `defer` counts at once."""
    keepalive = running()
    keepalive.reconfigure(10.0, defer=True, now=4.0, running=True)
    assert keepalive.deadline == 10.0
    keepalive.heard(5.0)
    assert keepalive.deadline == 15.0


@pytest.mark.feature("C25")
def test_reconfigure_off_and_on():
    """Pings can be switched off and on while the connection is open."""
    keepalive = running()
    keepalive.reconfigure(0.0, defer=False, now=4.0, running=True)
    assert keepalive.deadline is None
    keepalive.reconfigure(10.0, defer=False, now=50.0, running=True)
    assert keepalive.deadline == 60.0


@pytest.mark.feature("C25")
def test_reconfigure_while_not_running():
    """An interval changed before the connection is open counts from when it is."""
    keepalive = KeepAlive(10.0, defer=False)
    keepalive.reconfigure(3.0, defer=False, now=1.0, running=False)
    assert keepalive.deadline is None
    keepalive.start(5.0)
    assert keepalive.deadline == 8.0


STEPS = st.tuples(st.sampled_from(["heard", "pong", "tick", "wait"]), st.integers(0, 25).map(float))


@pytest.mark.feature("S4")
@pytest.mark.feature("S5")
@given(steps=st.lists(STEPS, max_size=40), defer=st.booleans())
def test_any_order(steps, defer):
    """Whatever happens when: pings keep their distance, and only an unanswered one makes a peer gone."""
    interval = 10.0
    keepalive, now = running(interval, defer=defer), 0.0
    pinged: float | None = None  # the ping that is unanswered
    quiet_since = 0.0  # the last ping, or with defer the last word of the peer
    for step, delay in steps:
        now += delay
        if step == "heard":
            keepalive.heard(now)
            quiet_since = now if defer else quiet_since
        elif step == "pong":
            assert keepalive.pong(now) == (None if pinged is None else now - pinged)
            pinged = None
        elif step == "tick":
            verdict = keepalive.due(now)
            if now < quiet_since + interval:
                assert verdict is Verdict.NOTHING
            elif pinged is None:
                assert verdict is Verdict.PING
                pinged = quiet_since = now
            else:
                assert verdict is Verdict.GONE
                return
        assert keepalive.deadline == quiet_since + interval
