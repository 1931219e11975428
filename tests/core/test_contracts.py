"""The six contracts between a connection and its adapter, as the docstring of `Connection` states them."""

from dataclasses import fields, is_dataclass

import pytest
from hypothesis import given, strategies as st
from support import wire

from ocpp_rpc_core import actions as a, events as e
from ocpp_rpc_core._lifecycle import State
from ocpp_rpc_core.config import ClientOptions, ServerOptions
from ocpp_rpc_core.connection import Connection
from ocpp_rpc_core.errors import LocalProtocolError
from ocpp_rpc_core.testing import PENDING, Pair, Script, counting_entropy


def busy_pair(**options):
    """A pair with a call in flight, one queued and a handler running, on each side."""
    pair = Pair(
        ClientOptions(entropy=counting_entropy(1), identity="CP1", **options),
        ServerOptions(entropy=counting_entropy(2), **options),
    )
    for router in (pair.at_client, pair.at_server):
        router.add("Slow", lambda call: PENDING)
    pair.connect()
    for end in pair.ends:
        end.call("Slow")
        end.call("Slow")
    pair.deliver()
    assert [len(end.running) for end in pair.ends] == [1, 1]
    return pair


def test_1_the_actions_are_all_there_is():
    """`handle` returns a list of actions, new each time; a connection offers nothing else to call."""
    connection = wire.client()
    methods = [name for name in dir(Connection) if not name.startswith("_") and callable(getattr(Connection, name))]
    assert methods == ["handle"]
    first = connection.handle(e.ConnectRequested(1), 0)
    second = connection.handle(e.Tick(), 0)
    assert (len(first), second) == (2, [])
    assert all(is_dataclass(action) and hasattr(action, "__slots__") for action in first)
    assert not any(callable(getattr(action, field.name)) for action in first for field in fields(action))


@given(ticks=st.lists(st.floats(0, 40), max_size=8))
def test_2_a_tick_by_the_deadline_and_a_spurious_one_is_harmless(ticks):
    """Ticks that come before anything is due change nothing; the one at the deadline does, and moves it."""
    script = wire.opened(wire.client(ping_interval=30, call_timeout=45)).tell(e.CallRequested(2, "M")).skip()
    connection = script._machine
    for now in sorted(ticks):
        deadline = connection.deadline
        script.until(now).tell(e.Tick())
        if now < deadline:
            script.expect()
            assert connection.deadline == deadline
        script.skip()
        assert connection.deadline > now
    script.until(max(45.0, script.now)).tell(e.Tick()).skip()
    assert any(isinstance(action, a.RejectCall) for action in script.actions)


def test_3_time_goes_forward_and_chance_comes_in():
    """A step back is the caller's mistake; the same entropy and the same events give the same bytes."""
    script = Script(wire.client(), now=5.0).tell(e.ConnectRequested(1)).skip()
    with pytest.raises(LocalProtocolError):
        script.until(4.9).tell(e.Tick())

    def bytes_sent(seed):
        pair = Pair(ClientOptions(entropy=counting_entropy(seed), identity="CP1"))
        sent = []
        take = pair.client.connection.handle
        pair.client.connection = type(
            "Spy", (), {"handle": lambda self, event, now: sent.extend(found := take(event, now)) or found}
        )()
        pair.client.tell(e.ConnectRequested(1))
        pair.dial()
        pair.client.receive()
        return [action for action in sent if isinstance(action, a.SendBytes)]

    assert bytes_sent(7) == bytes_sent(7) != bytes_sent(8)


@given(data=st.binary(max_size=200), server=st.booleans(), connected=st.booleans())
def test_4_no_peer_makes_it_raise(data, server, connected):
    """Bytes never raise; only the adapter's own mistakes do (see also test_table.py and test_hostile.py)."""
    connection = wire.server() if server else wire.client()
    script = wire.opened(connection) if connected else wire.upgrading(connection)
    script.tell(e.BytesReceived(data)).skip()
    if connection.state is not State.CLOSED:
        with pytest.raises(LocalProtocolError):
            script.tell(e.TransportOpened())


@pytest.mark.feature("C16")
@pytest.mark.parametrize(
    "end_it",
    [
        lambda pair: pair.client.close(),
        lambda pair: pair.client.tell(e.AbortRequested()),
        lambda pair: pair.cut(),
        lambda pair: pair.advance(100),
        lambda pair: [end.answer(1, {}) for end in pair.ends] * 2,
        lambda pair: [end.tell(e.CloseRequested(drain=True)) for end in pair.ends],
    ],
)
def test_5_every_call_gets_exactly_one_outcome(end_it):
    """However it ends; a handler that answers late is not heard (`End` refuses a second outcome)."""
    pair = busy_pair(call_timeout=20, ping_interval=0)
    end_it(pair)
    pair.deliver()
    for end in pair.ends:
        for request_id in (1, 2):
            end.answer(request_id, {"late": True})
    pair.deliver()
    for end in pair.ends:
        end.close()
    pair.advance(100)
    assert [{*end.outcomes} for end in pair.ends] == [{1, 2, 3}, {4, 5}]


@pytest.mark.parametrize("end_it", [e.CloseRequested(), e.CloseRequested(drain=True), e.AbortRequested()])
def test_6_closed_leaves_nothing_pending(end_it):
    """No deadline, no call, no handler, no byte stream."""
    pair = busy_pair()
    pair.client.tell(end_it)
    while any(end.running for end in pair.ends):
        for end in pair.ends:
            for request_id in [*end.running]:
                end.answer(request_id, {})
        pair.deliver()
    pair.advance(100)
    for end in pair.ends:
        assert (end.connection.state, end.connection.deadline) == (State.CLOSED, None)
        assert end.connection._session.idle
        assert (end.running, end.connected) == ({}, False)
