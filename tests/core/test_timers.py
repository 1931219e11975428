"""Alarms and lanes, compared with models that look at everything each time."""

from math import inf

from hypothesis import given, strategies as st

from ocpp_rpc_core._timers import Alarms, Lanes

TIMES = st.integers(0, 8).map(float)
TIMEOUTS = st.sampled_from([1.0, 2.0, 2.5, 30.0, inf])


@given(
    steps=st.lists(
        st.tuples(st.just("set"), st.sampled_from("abc"), TIMES)
        | st.tuples(st.just("clear"), st.sampled_from("abc"), TIMES)
        | st.tuples(st.just("pop"), st.none(), TIMES)
    )
)
def test_alarms(steps):
    """Setting a name again moves it, clearing an unknown one does nothing, due ones come once, in order."""
    alarms, model = Alarms(), {}
    for step, name, at in steps:
        if step == "set":
            alarms.set(name, at)
            model[name] = at
        elif step == "clear":
            alarms.clear(name)
            model.pop(name, None)
        else:
            due = alarms.pop_due(at)
            assert sorted(due) == sorted(key for key, when in model.items() if when <= at)
            assert [model[key] for key in due] == sorted(model[key] for key in due)
            model = {key: when for key, when in model.items() if key not in due}
        assert alarms.next == min(model.values(), default=None)


def test_alarms_clear_several():
    """Any number of names are cleared at once."""
    alarms = Alarms()
    for name in "abc":
        alarms.set(name, 1.0)
    alarms.clear(*"ab")
    alarms.clear()
    assert alarms.pop_due(1.0) == ["c"]


@given(
    steps=st.lists(
        st.tuples(st.just("set"), TIMEOUTS)
        | st.tuples(st.just("clear"), st.integers(0, 20))
        | st.tuples(st.just("pop"), TIMES)
        | st.tuples(st.just("clear_all"), st.none()),
        max_size=40,
    )
)
def test_lanes(steps):
    """Due keys come once, the earliest first, those of one timeout in the order they were set."""
    lanes, now = Lanes(), 0.0
    model: dict[int, tuple[float, float]] = {}  # key -> timeout, deadline
    for key, (step, value) in enumerate(steps):
        if step == "set":
            lanes.set(key, value, now)
            model[key] = value, now + value
        elif step == "clear" and model:
            some = list(model)[value % len(model)]
            lanes.clear(some, model.pop(some)[0])
        elif step == "clear_all":
            lanes.clear_all()
            model.clear()
        elif step == "pop":
            now += value
            due = lanes.pop_due(now)
            assert sorted(due) == sorted(key for key, (_, at) in model.items() if at <= now)
            assert [model[key][1] for key in due] == sorted(model[key][1] for key in due)
            for timeout in {model[key][0] for key in due}:
                of_this = [key for key in due if model[key][0] == timeout]
                assert of_this == sorted(of_this)
            model = {some: kept for some, kept in model.items() if some not in due}
        assert lanes.next == min((at for _, at in model.values() if at < inf), default=None)


def test_lanes_exact_moment():
    """A key is due at its deadline, not before."""
    lanes = Lanes()
    lanes.set("a", 5.0, 10.0)
    assert lanes.next == 15.0
    assert lanes.pop_due(14.999) == []
    assert lanes.pop_due(15.0) == ["a"]
    assert lanes.next is None


def test_lanes_infinite():
    """A key with an infinite timeout has no deadline, and can still be cleared."""
    lanes = Lanes()
    lanes.set("a", inf, 0.0)
    assert lanes.next is None
    assert lanes.pop_due(1e300) == []
    lanes.clear("a", inf)
    lanes.set("a", 1.0, 0.0)
    assert lanes.pop_due(1.0) == ["a"]
