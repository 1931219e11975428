"""A hostile peer: whatever it sends, cut however it likes, `handle` never raises and nobody else suffers."""

import json

import pytest
from hypothesis import given, settings, strategies as st
from support import wire

from ocpp_rpc_core import actions as a, events as e
from ocpp_rpc_core._lifecycle import Phase
from ocpp_rpc_core.config import ClientOptions, ServerOptions
from ocpp_rpc_core.connection import Connection
from ocpp_rpc_core.router import Router

COUNT = settings(max_examples=150, deadline=None)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
IDS = st.sampled_from(["1", "0000000000000000-1", "0000000000000000-2", "", "x" * 40]) | JSON
METHODS = st.sampled_from(["Echo", "Slow", "Nobody", "constructor"]) | JSON
CODES = st.sampled_from(["GenericError", "FormationViolation", "what?"]) | JSON
NEARLY = st.one_of(  # almost a message, or quite
    st.tuples(st.just(2), IDS, METHODS, JSON),
    st.tuples(st.just(3), IDS, JSON),
    st.tuples(st.just(4), IDS, CODES, JSON, JSON),
    st.tuples(st.sampled_from([0, 1, 5, 6, 7, 2.0, True, None, "2"]), IDS, METHODS, JSON, JSON),
    JSON,
)
TEXTS = st.one_of(
    NEARLY.map(json.dumps),
    st.text(max_size=60),
    st.sampled_from(["[" * 100_000, "[2,1e999,NaN]", "9" * 5000, '["\\ud800"]', '[2,"\\ud800","Echo",{}]', "{}"]),
).map(str.encode)
OPCODES = st.sampled_from([0x80, 0x81, 0x82, 0x88, 0x89, 0x8A, 0x01, 0x00, 0xC1, 0x83, 0xFF])


@st.composite
def frames(draw):
    """A frame that may be fit for either side, or for none."""
    payload = draw(TEXTS | st.binary(max_size=130) | st.just(b"\x03\xe8bye"))
    return wire.frame(draw(OPCODES), payload, masked=draw(st.booleans()))


HEADS = st.sampled_from(
    [
        wire.request(),
        wire.request(protocols="ocpp1.6"),
        wire.request(extra="Authorization: Basic !!!\r\n"),
        wire.response(),
        wire.response("ocpp1.6"),
        wire.response(accept="wrong"),
        b"HTTP/1.1 503 Busy\r\nContent-Length: 3\r\n\r\nno!",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"\x16\x03\x01" + bytes(50),
    ]
)
PIECES = st.lists(st.one_of(frames(), HEADS, st.binary(max_size=40)), min_size=1, max_size=6)


@st.composite
def mutated(draw, pieces):
    """Some bytes of a stream changed, left out or doubled."""
    data = bytearray(b"".join(draw(pieces)))
    for _ in range(draw(st.integers(0, 3))):
        if data:
            at = draw(st.integers(0, len(data) - 1))
            data[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(data)


@st.composite
def chunks(draw, data):
    """The stream, cut anywhere."""
    stream = draw(data)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


STREAMS = chunks(mutated(PIECES))


def handlers():
    """A router that knows one method."""
    router = Router()
    router.add("Echo", object())
    return router


def options(role, **changes):
    """The options of a role, with whatever makes its life eventful."""
    make = wire.client_options if role == "client" else wire.server_options
    return make(protocols=("ocpp2.1", "ocpp1.6"), compression=True, ping_interval=3, **changes)


def new(role, **changes):
    """A connection."""
    return Connection(options(role, **changes), handlers())


def opened(role):
    """An open connection with calls in flight and queued, and a handler running."""
    script = wire.opened(new(role), "ocpp2.1")
    for token in (2, 3, 4):
        script.tell(e.CallRequested(token, "M")).skip()
    call = wire.message(2, "1", "Echo", {}, masked=role == "server")
    return script.tell(e.BytesReceived(call)).skip()


PHASES = {
    ("client", Phase.UPGRADING): lambda: wire.upgrading(new("client")),
    ("server", Phase.UPGRADING): lambda: wire.upgrading(new("server")),
    ("server", Phase.DECIDING): lambda: wire.opened(new("server", authenticate=True), "ocpp2.1"),
}
for role in ("client", "server"):
    PHASES |= {
        (role, Phase.OPEN): lambda role=role: opened(role),
        (role, Phase.DRAINING): lambda role=role: opened(role).tell(e.CloseRequested(drain=True)).skip(),
        (role, Phase.CLOSING): lambda role=role: opened(role).tell(e.CloseRequested()).skip(),
        (role, Phase.PARTING): lambda role=role: (
            opened(role).tell(e.BytesReceived(wire.goodbye(1000, masked=role == "server"))).skip()
        ),
    }


def survive(script, stream, verdict=None):
    """Feed it all, with some time in between, then the end; answer what is asked."""
    connection = script._machine
    for chunk in stream:
        if connection.phase in (Phase.CLOSED, Phase.WAITING):
            break
        script.tell(e.BytesReceived(chunk)).skip()
        for action in script.actions:
            assert not isinstance(action, a.SendBytes) or action.data
            if isinstance(action, a.StartHandler):
                script.tell(e.HandlerReturned(action.request_id, action.params)).skip()
        if verdict is not None and connection.phase is Phase.DECIDING:
            script.tell(verdict).skip()
        if connection.deadline is not None:
            script.until(connection.deadline).tell(e.Tick()).skip()
    script.tell(e.AbortRequested()).skip()
    assert (connection.phase, connection.deadline) == (Phase.CLOSED, None)
    assert connection._session.idle


@pytest.mark.threat("T21")
@pytest.mark.parametrize(("role", "phase"), PHASES, ids=lambda part: getattr(part, "name", part))
@COUNT
@given(stream=STREAMS)
def test_nothing_it_sends_makes_handle_raise(role, phase, stream):
    """Garbage, nearly right frames and messages, closes at any time, in every phase of both roles."""
    script = PHASES[role, phase]()
    assert script._machine.phase is phase
    survive(script, stream)


VERDICTS = st.sampled_from(
    [
        e.UpgradeAccepted(),
        e.UpgradeAccepted("ocpp9"),
        e.UpgradeRejected(200, "\ud800"),
        e.UpgradeRejected(304, "x"),
        e.UpgradeCrashed(ZeroDivisionError("\ud800")),
    ]
)


@pytest.mark.threat("T6")
@COUNT
@given(head=chunks(mutated(st.lists(HEADS | frames(), min_size=1, max_size=3))), verdict=VERDICTS)
def test_no_request_brings_a_server_down(head, verdict):
    """Requests that are nearly right, with frames behind them, whatever the application decides."""
    survive(wire.upgrading(new("server", authenticate=True)), head, verdict)


TALK = chunks(mutated(st.lists(frames(), min_size=1, max_size=8)))


@COUNT
@given(stream=TALK)
def test_its_neighbours_are_served(stream):
    """A server that shares options and handlers with the attacked connection goes on serving another."""
    shared, router = options("server"), handlers()
    victim = wire.opened(Connection(shared, router), "ocpp2.1")
    neighbour = wire.opened(Connection(shared, router), "ocpp2.1")
    survive(victim, stream)
    neighbour.tell(e.BytesReceived(wire.message(2, "7", "Echo", {"a": 1}, masked=True)))
    [handler] = [action for action in neighbour.skip().actions if isinstance(action, a.StartHandler)]
    assert (handler.message_id, handler.params) == ("7", {"a": 1})
    neighbour.tell(e.HandlerReturned(handler.request_id, {"b": 2})).skip()
    assert neighbour.actions[1] == a.SendBytes(wire.message(3, "7", {"b": 2}))


@pytest.mark.threat("T22")
@given(count=st.integers(1, 5), texts=st.lists(st.text(min_size=1, max_size=9), min_size=8, max_size=8))
@COUNT
def test_too_many_bad_messages_end_it(count, texts):
    """One bad message more than tolerated, and the connection closes with 1002."""
    script = wire.opened(new("server", max_bad_messages=count), "ocpp1.6")
    sent = [wire.frame(0x81, f"<{text}".encode(), masked=True) for text in texts]
    for number, frame in enumerate(sent, 1):
        script.tell(e.BytesReceived(frame)).skip()
        assert script._machine.phase is (Phase.OPEN if number <= count else Phase.CLOSING)


def test_both_roles_are_attacked():
    """The table of phases has every one in which a connection reads bytes."""
    reads = {Phase.UPGRADING, Phase.OPEN, Phase.DRAINING, Phase.CLOSING, Phase.PARTING}
    assert {phase for role, phase in PHASES if role == "client"} == reads
    assert {phase for role, phase in PHASES if role == "server"} == reads | {Phase.DECIDING}
    assert (ClientOptions, ServerOptions) == (type(options("client")), type(options("server")))
