"""The simulated byte stream: order, delay, pieces, loss and the end."""

from hypothesis import given, strategies as st

from ocpp_rpc_core.events import BytesReceived, TransportClosed
from ocpp_rpc_core.testing import Conditions
from ocpp_rpc_core.testing._link import Way

END = TransportClosed()


def way_with(*sent, now=0.0, **conditions):
    """A way on which this was sent."""
    way = Way(Conditions(**conditions))
    for item in sent:
        way.send(BytesReceived(item) if isinstance(item, bytes) else item, now)
    return way


@given(
    sent=st.lists(st.binary(min_size=1, max_size=9), max_size=9),
    limits=st.lists(st.integers(1, 9), max_size=40),
    piece=st.integers(1, 9),
)
def test_bytes_come_out_in_order(sent, limits, piece):
    """However they are cut or joined, none is lost, doubled or overtaken; then comes the end, once."""
    way = way_with(*sent, END, piece=piece)
    out = b""
    while (event := way.take(0.0, limits.pop() if limits else 99)) != END:
        assert 1 <= len(event.data) <= piece
        out += event.data
    assert out == b"".join(sent)
    assert (way.take(0.0), way.empty, way.next) == (None, True, None)


def test_delay():
    """It counts from when something is sent; a shorter one later lets nothing overtake."""
    way = way_with(b"a", now=1.0, delay=5.0)
    way._conditions.delay = 0.0
    way.send(BytesReceived(b"b"), 2.0)
    assert (way.take(5.9), way.next) == (None, 6.0)
    assert way.take(6.0) == BytesReceived(b"ab")


def test_the_end_is_no_part_of_the_bytes():
    """It comes after them, as an event of its own."""
    way = way_with(b"a", b"b", END)
    assert [way.take(0.0), way.take(0.0)] == [BytesReceived(b"ab"), END]


def test_loss():
    """What is sent meanwhile vanishes; what is under way arrives."""
    way = way_with(b"a")
    way._conditions.lost = True
    way.send(BytesReceived(b"b"), 0.0)
    way.send(END, 0.0)
    assert [way.take(0.0), way.take(0.0)] == [BytesReceived(b"a"), None]


def test_a_receiver_that_does_not_read():
    """Bytes wait, and are no reason to wake up."""
    way = way_with(b"a", stuck=True)
    assert (way.take(0.0), way.next, way.empty) == (None, None, False)
    way._conditions.stuck = False
    assert way.take(0.0) == BytesReceived(b"a")


def test_a_cut():
    """What is under way is lost, and so is what comes later."""
    way = way_with(b"a")
    way.cut()
    way.send(BytesReceived(b"b"), 0.0)
    assert (way.take(0.0), way.empty) == (None, True)


def test_a_reset():
    """What is under way is lost, but the receiver hears of the end."""
    way = way_with(b"a")
    reset = TransportClosed(ConnectionResetError())
    way.cut_short(reset, 0.0)
    assert way.take(0.0) is reset


def test_a_break():
    """Both ends find out, whatever the weather; nothing comes after it."""
    way = way_with(b"a", lost=True)
    storm = OSError("storm")
    way.break_off(storm, 1.0)
    way.send(BytesReceived(b"b"), 1.0)
    assert (way.broken, way.size) == (True, 0)
    assert way.take(1.0) == TransportClosed(storm)
    assert way.take(1.0) is None


def test_news_and_sizes():
    """Whoever watches is told of each change; the size is that of what was not taken."""
    sizes = []
    way = Way(Conditions())
    way.changed = lambda: sizes.append(way.size)
    way.send(BytesReceived(b"abc"), 0.0)
    way.take(0.0, 2)
    way.cut()
    assert sizes == [3, 1, 0]


def test_conditions_heal():
    """They are as at first."""
    conditions = Conditions(delay=1, piece=1, lost=True, stuck=True)
    conditions.heal()
    assert conditions == Conditions()


def test_what_a_receiver_does_not_read_is_counted():
    """Only bytes, and only while it does not read."""
    way = way_with(b"abc", b"d", END, stuck=True)
    assert way.stuck == 4
    way._conditions.stuck = False
    assert way.stuck == 0
