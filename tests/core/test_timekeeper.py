"""One task keeps the time for many: each alarm rings once, when it is due, unless it was dropped."""

from math import inf

from hypothesis import given, strategies as st
from support.stepping import Bell, Task

from ocpp_rpc_core._timekeeper import NEVER, Timekeeper


def set_(keeper, at, rung, name=None):
    """An alarm that notes that it rang."""
    return keeper.move(NEVER, at, lambda: rung.append(at if name is None else name))


def test_they_ring_when_they_are_due():
    """The earliest first, each once; until then there is nothing to do."""
    keeper, rung = Timekeeper(Bell), []
    assert keeper.next == inf
    for at in (3.0, 1.0, 2.0):
        set_(keeper, at, rung)
    assert keeper.next == 1.0
    keeper.ring(0.5)
    assert rung == []
    keeper.ring(2.0)
    assert (rung, keeper.next) == ([1.0, 2.0], 3.0)
    keeper.ring(9.0)
    assert (rung, keeper.next) == ([1.0, 2.0, 3.0], inf)


def test_who_waits_is_hurried():
    """By an alarm that is earlier than all others, and by no other."""
    keeper, rung = Timekeeper(Bell), []
    set_(keeper, 5.0, rung)  # nobody waits yet
    waiting = Task(keeper.hurried())
    set_(keeper, 6.0, rung)
    assert not waiting.step()
    set_(keeper, 4.0, rung)
    assert waiting.step()
    assert not Task(keeper.hurried()).step()


def test_moved_and_dropped():
    """A moved alarm rings at its new time only, a dropped one never, and neither keeps what it would have called."""
    keeper, rung = Timekeeper(Bell), []
    first = set_(keeper, 5.0, rung, "first")
    second = keeper.move(first, 4.0, lambda: rung.append("second"))
    third = set_(keeper, 6.0, rung, "third")
    keeper.drop(third)
    keeper.drop(third)
    keeper.drop(NEVER)
    assert first.ring is third.ring is None
    keeper.ring(9.0)
    assert rung == ["second"]
    assert second.ring is None
    keeper.drop(second)  # too late
    assert (keeper.next, keeper._dropped) == (inf, 0)


def test_what_rings_may_set_and_drop():
    """An alarm for the past, set meanwhile, rings the next time; so nobody can keep the others from their turn."""
    keeper, rung = Timekeeper(Bell), []

    def again():
        rung.append("again")
        keeper.move(NEVER, 0.0, again)

    keeper.move(NEVER, 1.0, again)
    keeper.ring(1.0)
    assert (rung, keeper.next) == (["again"], 0.0)
    keeper.ring(1.0)
    assert rung == ["again", "again"]


def test_dropped_ones_do_not_pile_up():
    """However often an alarm is moved, as for a call of an hour that is answered at once."""
    keeper, rung = Timekeeper(Bell), []
    kept = [set_(keeper, 7000.0 + number, rung) for number in range(10)]
    alarm = NEVER
    for number in range(1000):
        alarm = keeper.move(alarm, 3600.0 + number, lambda: rung.append("moved"))
    assert len(keeper._alarms) < 100
    keeper.ring(1e9)
    assert rung == ["moved", *(alarm.at for alarm in kept)]


@given(st.lists(st.tuples(st.sampled_from(["set", "move", "drop", "ring"]), st.integers(0, 9))))
def test_as_one_timer_for_each(steps):
    """It rings what timers of their own would ring, in whatever order they are set, moved and dropped."""
    keeper, rung, alarms, model, expected, now = Timekeeper(Bell), [], {}, {}, [], 0
    for kind, number in steps:
        if kind == "drop":
            keeper.drop(alarms.get(number, NEVER))
            model.pop(number, None)
        elif kind == "ring":
            now += number
            keeper.ring(now)
            due = sorted((at, name) for name, at in model.items() if at <= now)
            expected += sorted(due)
            for _, name in due:
                del model[name]
            assert sorted(rung) == sorted(expected)
        else:
            at = now + number
            alarms[number] = keeper.move(
                alarms.get(number, NEVER), at, lambda at=at, number=number: rung.append((at, number))
            )
            model[number] = at
        assert keeper.next <= min(model.values(), default=inf)
