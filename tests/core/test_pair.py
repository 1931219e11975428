"""Two connections over a simulated link: whatever the schedule, the faults and the timing, the books balance."""

from collections import deque

import pytest
from hypothesis import given, settings, strategies as st
from support import wire
from support.desk import seen
from support.life import STEPS, Life

from ocpp_rpc_core import _frames, actions as a, events as e
from ocpp_rpc_core.errors import NotConnected
from ocpp_rpc_core.testing import Pair

TestLife = Life.TestCase
TestLife.settings = settings(STEPS, max_examples=500)


def talk(calls=5):
    """An honest pair that has called both ways."""
    pair = Pair()
    for router in (pair.at_client, pair.at_server):
        router.add("Echo", lambda call: call.params)
    pair.connect()
    asked = [(end, end.call("Echo", {"n": number}), number) for number in range(calls) for end in pair.ends]
    pair.deliver()
    return pair, asked


@pytest.mark.feature("C30")
@settings(max_examples=50)
@given(calls=st.integers(0, 30), piece=st.sampled_from([1, 2, 1000]))
def test_honest_peers_settle_everything(calls, piece):
    """Without faults every call gets its result, in both directions at once, and then all is quiet (I14)."""
    pair, asked = talk(0)
    pair.split(piece)
    asked = [(end, end.call("Echo", {"n": number}), number) for number in range(calls) for end in pair.ends]
    pair.deliver()
    assert [end.outcomes[token] for end, token, _ in asked] == [{"n": number} for *_, number in asked]
    assert pair.next == 30  # nothing but the next ping
    pair.client.close()
    pair.advance(10)
    assert (pair.next, [end.connection.deadline for end in pair.ends]) == (None, [None, None])
    token = pair.client.call("Echo")
    assert isinstance(pair.client.outcomes[token], NotConnected)


def test_the_same_again():
    """With the same chances, the same happens (I13)."""
    runs = [[list(map(seen, end.notices)) for end in talk()[0].ends] for _ in range(2)]
    assert runs[0] == runs[1]


SAID = (
    wire.message(2, "1", "Echo", {"text": "é" * 50}, masked=True),
    wire.message(2, "2", "Nobody", {}, masked=True),
    wire.message(3, "nobody", {}, masked=True),
    wire.frame(_frames.TEXT, b'{"no":"array"}', masked=True),
    wire.frame(_frames.TEXT & ~0x80, b'[2,"3",', masked=True) + wire.frame(0x80, b'"Echo",{}]', masked=True),
    wire.MASKED_PING,
    wire.MASKED_PONG,
    wire.goodbye(4000, "enough", masked=True),
    wire.frame(_frames.TEXT, b"no mask"),
    b"\xff\xff",
)
"""What a client may say after its handshake, in whole and broken messages."""


def heard(chunks):
    """All that a server does about these bytes: what it sends, joined, and everything else in order."""
    connection = wire.server()
    connection._session._inbound._router.add("Echo", "handler")
    sent, done = b"", []
    for event in (e.TransportOpened("10.0.0.1"), *map(e.BytesReceived, chunks)):
        for action in connection.handle(event, 0.0):
            if isinstance(action, a.SendBytes):
                sent += action.data
            else:
                done.append(seen(action))
    return sent, done, connection.phase


@given(said=st.lists(st.sampled_from(SAID), max_size=12), cuts=st.lists(st.integers(1, 40), max_size=60))
def test_chunks_change_nothing(said, cuts):
    """The same bytes lead to the same actions, however they are cut (I13)."""
    data = wire.request() + b"".join(said)
    rest, chunks = data, []
    for size in cuts:
        chunks.append(rest[:size])
        rest = rest[size:]
    whole = heard([data])
    assert heard([chunk for chunk in (*chunks, rest) if chunk]) == whole
    assert heard([data[i : i + 1] for i in range(len(data))]) == whole


def kept(connection):
    """How many things a connection keeps, in all containers and buffers of ours and of the libraries'."""
    total, todo, known = 0, deque([connection]), {id(connection._options), id(connection._session._inbound._router)}
    while todo:
        thing = todo.popleft()
        if id(thing) in known:
            continue
        known.add(id(thing))
        if isinstance(thing, str | bytes | bytearray):
            total += isinstance(thing, bytearray) and len(thing)
        elif isinstance(thing, dict):
            total += len(thing)
            todo.extend([*thing.keys(), *thing.values()])
        elif isinstance(thing, list | tuple | set | frozenset | deque):
            total += len(thing)
            todo.extend(thing)
        elif type(thing).__module__.partition(".")[0] in ("ocpp_rpc_core", "wsproto", "h11"):
            slots = (name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ()))
            todo.extend(getattr(thing, name) for name in slots if hasattr(thing, name))
            todo.extend(getattr(thing, "__dict__", {}).values())
    return total


def test_nothing_piles_up():
    """After a hundred connections, calls, losses and time-outs, a client keeps what it kept after ten (I8)."""
    pair = Pair()
    for router in (pair.at_client, pair.at_server):
        router.add("Echo", lambda call: call.params)
    pair.connect()
    sizes = []
    for _ in range(100):
        for _ in range(10):  # after a few rounds, what is remembered for a while is at its bound
            pair.client.ask("Echo", {"n": 1})
            pair.server.ask("Echo", {"n": 1})
        pair.black_hole()
        pair.client.call("Echo", timeout=1)
        pair.server.call("Nobody")
        pair.client.tell(e.CallCancelled(pair.client.call("Echo")))
        pair.advance(2)
        pair.heal()
        pair.cut()
        pair.advance(2)
        sizes.append(kept(pair.client.connection))
    assert sizes[9] > 0
    assert sizes[9:] == [sizes[9]] * 91
