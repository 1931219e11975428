"""Who wants to hear which notice."""

import types
from typing import get_args

import pytest
from hypothesis import given, strategies as st

from ocpp_rpc_core import notices as n
from ocpp_rpc_core._observers import EventStream, Observers
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
    assert Closed not in observers.wanted
    observers.add(Closed, print)
    observers.add(Closed, repr)
    assert Closed in observers.wanted
    assert PingEvent not in observers.wanted
    observers.remove(Closed, print)
    assert Closed in observers.wanted
    observers.remove(Closed, repr)
    assert Closed not in observers.wanted


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
    assert Closed not in observers.wanted


@pytest.mark.feature("C27")
@pytest.mark.parametrize("kinds", [(Closed,), (Closed, PingEvent), ()])
def test_subscribed(kinds):
    """Within the block the callback hears the types it names, or all; after it nothing, even on an error."""
    observers, heard = Observers(), []
    with pytest.raises(ZeroDivisionError), observers.subscribed(heard.append, kinds):
        assert {kind for kind in get_args(Notice) if kind in observers.wanted} == set(kinds or get_args(Notice))
        observers.tell(CLOSED)
        observers.tell(PING)
        raise ZeroDivisionError
    observers.tell(CLOSED)
    assert heard == [notice for notice in (CLOSED, PING) if type(notice) in (kinds or get_args(Notice))]
    assert not any(kind in observers.wanted for kind in get_args(Notice))


def test_subscribed_to_nonsense():
    """A type that is no notice leaves nothing behind, and takes away nothing that was there."""
    observers = Observers()
    observers.add(PingEvent, print)
    with pytest.raises(TypeError), observers.subscribed(print, (Closed, int, PingEvent)):
        pytest.fail("the block must not be entered")
    assert Closed not in observers.wanted
    assert PingEvent in observers.wanted


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
        assert (type(notice) in observers.wanted) == bool(heard)


class Bell:
    """A bell that needs no event loop: who waits is suspended until somebody looks again."""

    def __init__(self):
        self.rings = 0

    def set(self):
        self.rings += 1

    @types.coroutine
    def wait(self):
        while not self.rings:
            yield


SUSPENDED = object()


def step(coroutine):
    """What a coroutine returns, or `SUSPENDED` if it waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    return SUSPENDED


@pytest.mark.feature("C27")
class TestEventStream:
    def test_it_gathers_only_inside_the_block_and_only_what_was_asked_for(self):
        """Notices come in order, of the given types, while the block lasts."""
        observers = Observers()
        stream = EventStream(observers, (n.Closing, n.Closed), 10, Bell)
        observers.tell(n.Closing())
        assert step(stream.__aenter__()) is stream
        assert stream.__aiter__() is stream
        observers.tell(n.Closed(1000, ""))
        observers.tell(n.SocketError(OSError()))
        observers.tell(n.Closing())
        assert step(stream.__anext__()) == n.Closed(1000, "")
        assert step(stream.__anext__()) == n.Closing()
        assert step(stream.__aexit__(None, None, None)) is None
        assert n.Closing not in observers.wanted
        assert n.Closed not in observers.wanted

    def test_who_comes_too_early_waits_for_the_bell(self):
        """An empty stream suspends its reader, and the next notice wakes it."""
        observers = Observers()
        stream = EventStream(observers, (n.PingEvent,), 10, Bell)
        step(stream.__aenter__())
        reading = stream.__anext__()
        assert step(reading) is SUSPENDED
        observers.tell(n.PingEvent(1.0))
        assert step(reading) == n.PingEvent(1.0)

    @given(st.integers(0, 20), st.integers(0, 40))
    def test_what_overflows_is_not_passed_over_in_silence(self, limit, count):
        """Up to the limit nothing is lost; beyond it, what came first is read, then there is an error."""
        observers = Observers()
        stream = EventStream(observers, (n.PingEvent,), limit, Bell)
        step(stream.__aenter__())
        for rtt in range(count):
            observers.tell(n.PingEvent(float(rtt)))
        for rtt in range(min(limit, count)):
            assert step(stream.__anext__()) == n.PingEvent(float(rtt))
        if count <= limit:
            assert step(stream.__anext__()) is SUSPENDED
            return
        for _ in range(2):
            with pytest.raises(BufferError, match=f"more than {limit} events"):
                step(stream.__anext__())
            observers.tell(n.PingEvent(0.0))
