"""Who wants to hear which notice."""

from typing import get_args

import pytest
from hypothesis import given, strategies as st

from ocpp_rpc_core._observers import Observers
from ocpp_rpc_core.notices import Closed, Closing, Connecting, Notice, PingEvent

CLOSED, PING = Closed(1000, ""), PingEvent(0.5)


@pytest.mark.feature("C27")
def test_tell():
    """Everyone who wants to hear a notice does, in the order of asking, and nobody else."""
    observers, heard = Observers(), []
    observers.add(Closed, lambda notice: heard.append(("first", notice)))
    observers.add(PingEvent, lambda notice: heard.append(("ping", notice)))
    observers.add(Closed, lambda notice: heard.append(("second", notice)))
    assert observers.tell(CLOSED) == []
    assert observers.tell(Closing()) == []
    assert heard == [("first", CLOSED), ("second", CLOSED)]


@pytest.mark.feature("C27")
def test_contains():
    """Somebody wants to hear a type from the first who asks until the last who leaves."""
    observers = Observers()
    assert Closed not in observers
    observers.add(Closed, print)
    observers.add(Closed, repr)
    assert Closed in observers
    assert PingEvent not in observers
    observers.remove(Closed, print)
    assert Closed in observers
    observers.remove(Closed, repr)
    assert Closed not in observers


def test_remove():
    """One removal undoes one addition; what was never added is ignored."""
    observers, heard = Observers(), []
    observers.remove(Closed, heard.append)
    observers.add(Closed, heard.append)
    observers.add(Closed, heard.append)
    observers.remove(Closed, print)
    observers.remove(PingEvent, heard.append)
    observers.remove(Closed, heard.append)
    observers.tell(CLOSED)
    assert heard == [CLOSED]


@pytest.mark.feature("S21")
def test_failing_observer():
    """What an observer raises is returned, and the others hear the notice all the same."""
    observers, heard, oops = Observers(), [], ValueError("oops")

    def fail(notice):
        raise oops

    observers.add(Closed, fail)
    observers.add(Closed, heard.append)
    assert observers.tell(CLOSED) == [oops]
    assert heard == [CLOSED]


def test_change_while_telling():
    """An observer may add and remove observers; that counts from the next notice."""
    observers, heard = Observers(), []

    def once(notice):
        heard.append("once")
        observers.remove(Closed, once)
        observers.add(Closed, heard.append)

    observers.add(Closed, once)
    observers.add(Closed, lambda notice: heard.append("other"))
    observers.tell(CLOSED)
    assert heard == ["once", "other"]
    observers.tell(CLOSED)
    assert heard == ["once", "other", "other", CLOSED]


@pytest.mark.parametrize("kind", [int, "Closed", None, CLOSED, Notice])
def test_no_notice(kind):
    """Only notice types can be heard; the error names them."""
    with pytest.raises(TypeError, match=r"these are: MessageEvent, .*ServerClosed"):
        Observers().add(kind, print)


async def async_callback(notice):
    """Cannot be called from where notices come from."""


@pytest.mark.parametrize("callback", [None, "print", async_callback])
def test_no_function(callback):
    """A callback is a plain function: nobody would await another."""
    observers = Observers()
    with pytest.raises(TypeError, match="must be a plain function"):
        observers.add(Closed, callback)
    assert Closed not in observers


@pytest.mark.feature("C27")
@pytest.mark.parametrize("kinds", [(Closed,), (Closed, PingEvent), ()])
def test_subscribed(kinds):
    """Within the block the callback hears the types it names, or all; after it nothing, even on an error."""
    observers, heard = Observers(), []
    with pytest.raises(ZeroDivisionError), observers.subscribed(heard.append, kinds):
        assert {kind for kind in get_args(Notice) if kind in observers} == set(kinds or get_args(Notice))
        observers.tell(CLOSED)
        observers.tell(PING)
        raise ZeroDivisionError
    observers.tell(CLOSED)
    assert heard == [notice for notice in (CLOSED, PING) if type(notice) in (kinds or get_args(Notice))]
    assert not any(kind in observers for kind in get_args(Notice))


def test_subscribed_to_nonsense():
    """A type that is no notice leaves nothing behind, and takes away nothing that was there."""
    observers = Observers()
    observers.add(PingEvent, print)
    with pytest.raises(TypeError), observers.subscribed(print, (Closed, int, PingEvent)):
        pytest.fail("the block must not be entered")
    assert Closed not in observers
    assert PingEvent in observers


@given(steps=st.lists(st.tuples(st.booleans(), st.sampled_from([Closed, Closing, Connecting]), st.integers(0, 2))))
def test_any_order(steps):
    """Whoever comes and goes when: heard by those who asked and did not leave, in the order of asking."""
    observers, heard = Observers(), []
    callbacks = [lambda notice, who=who: heard.append(who) for who in range(3)]
    model: dict[type, list[int]] = {Closed: [], Closing: [], Connecting: []}
    for adding, kind, who in steps:
        if adding:
            observers.add(kind, callbacks[who])
            model[kind].append(who)
        else:
            observers.remove(kind, callbacks[who])
            if who in model[kind]:
                model[kind].remove(who)
    for notice in (CLOSED, Closing(), Connecting(())):
        heard.clear()
        observers.tell(notice)
        assert heard == model[type(notice)]
        assert (type(notice) in observers) == bool(heard)
