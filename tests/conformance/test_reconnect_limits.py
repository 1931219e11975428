"""Reconnecting where it is easily got wrong: what is counted, what stays the same, what ends it, and silence."""

from itertools import pairwise

import anyio
import pytest
from support.env import gathered
from support.raw import Raw
from wsproto import ConnectionType
from wsproto.events import AcceptConnection, Ping, Request

from ocpp_rpc_core import (
    Closed,
    Connecting,
    Disconnected,
    ExponentialBackoff,
    InvalidHandshake,
    OCPPBackoff,
    Opened,
    PingEvent,
    ProtocolChosen,
    State,
    UnexpectedHTTPResponse,
)

STEADY = ExponentialBackoff(initial=2, maximum=1000, jitter=0)
WRONG_KEY = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
)
REDIRECT = b"HTTP/1.1 301 Gone\r\nLocation: ws://elsewhere/CP1\r\nContent-Length: 0\r\n\r\n"


async def answer(line, response):
    """Answer the next request with these bytes, and listen until the client has gone."""
    stream = await line.arrival()
    head = b""
    while b"\r\n\r\n" not in head:
        head += await stream.receive()
    await stream.send(response)
    with anyio.move_on_after(10):
        try:
            while True:
                await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            pass
    await stream.aclose()


@pytest.mark.feature("C7")
@pytest.mark.parametrize("limit", [1, 3])
async def test_failures_are_counted_anew(env, limit):
    """`max_reconnects` counts failures in a row: a success in between gives all attempts back, and no more."""
    async with env.joined(backoff=STEADY, max_reconnects=limit) as it:
        opened, closed = gathered(it.client, Opened), gathered(it.client, Closed)
        for n in range(2):
            it.line.dials.clear()
            it.line.refusal = OSError("refused") if limit > 1 else None
            it.line.cut()
            await env.until(lambda: len(it.line.dials) == limit - 1, limit=1000)
            it.line.refusal = None
            await env.until(lambda n=n: len(opened) == n + 1, limit=1000)
        it.line.dials.clear()
        it.line.refusal = OSError("refused")
        it.line.cut()
        await env.until(lambda: closed, limit=1000)
        await anyio.sleep(1000)
        assert len(it.line.dials) == limit
        assert [event.code for event in closed] == [1001]


@pytest.mark.feature("C24")
@pytest.mark.feature("C3")
async def test_the_subprotocol_stays(env):
    """A reconnect offers only what was chosen, whatever the options say by now; close and connect offers all."""
    line = env.line()
    offered = []

    async def serve():
        for protocol in ("b", "b", "c"):
            stream = await line.arrival()
            raw = await accepted(stream, protocol, offered)
            await anyio.sleep(5)
            await raw.stream.aclose()

    env.spawn(serve)
    async with line.client(protocols=["a", "b"], backoff=STEADY) as client:
        chosen, connecting = gathered(client, ProtocolChosen), gathered(client, Connecting)
        client.reconfigure(protocols=["c", "b"])
        opened = gathered(client, Opened)
        await env.until(lambda: opened, limit=60)
        assert client.protocol == "b"
        await client.close()
        await client.connect()
        assert client.protocol == "c"
        assert offered == [["a", "b"], ["b"], ["c", "b"]]
        assert [event.protocols for event in connecting] == [("b",), ("c", "b")]
        assert chosen[-1] == ProtocolChosen("c")
        await client.close(force=True)


async def accepted(stream, protocol, offered):
    """A WebSocket on this stream, whose offer is noted."""
    raw = Raw(stream, ConnectionType.SERVER)
    request = await raw.hear()
    assert isinstance(request, Request)
    offered.append(list(request.subprotocols))
    await raw.say(AcceptConnection(subprotocol=protocol))
    return raw


@pytest.mark.feature("C25")
@pytest.mark.feature("C24")
async def test_the_identity_stays(env):
    """A new identity does not slip in with a reconnect; it counts after close and connect."""
    async with env.joined(identity="A", backoff=STEADY) as it:
        opened = gathered(it.client, Opened)
        it.client.reconfigure(identity="B")
        it.line.cut()
        await env.until(lambda: opened, limit=60)
        await env.until(lambda: [side.identity for side in it.server.clients] == ["A"])
        assert it.client.identity == "A"
        await it.client.close()
        await it.client.connect()
        await env.until(lambda: [side.identity for side in it.server.clients] == ["B"])
        assert it.client.identity == "B"


@pytest.mark.feature("C9")
@pytest.mark.feature("C11")
@pytest.mark.parametrize(
    ("response", "kind", "is_permanent"),
    [(WRONG_KEY, InvalidHandshake, True), (REDIRECT, UnexpectedHTTPResponse, False)],
    ids=["wrong key", "redirect"],
)
async def test_strange_answers(env, response, kind, is_permanent):
    """At first they raise; at a reconnect what no retry can mend closes with 1001, anything else is tried again."""
    line = env.line()
    env.spawn(answer, line, response)
    with pytest.raises(kind) as raised:
        async with line.client():
            pass
    assert raised.value.permanent is is_permanent
    if kind is UnexpectedHTTPResponse:
        assert raised.value.status == 301
        assert ("location", "ws://elsewhere/CP1") in [(name.lower(), value) for name, value in raised.value.headers]
    line.dials.clear()

    async def serve():
        raw = await line.accept()
        await raw.stream.aclose()
        for _ in range(1 if is_permanent else 3):
            await answer(line, response)

    env.spawn(serve)
    async with line.client(backoff=STEADY, max_reconnects=3) as client:
        closed = gathered(client, Closed)
        await env.until(lambda: closed, limit=1000)
        await anyio.sleep(1000)
        assert len(line.dials) == (2 if is_permanent else 4)
        assert [event.code for event in closed] == [1001]
        assert client.state is State.CLOSED


@pytest.mark.feature("C8")
@pytest.mark.rule(45)
async def test_the_ocpp_back_off_with_chance(env):
    """Each wait is twice the one before and a fresh random part, then the last is kept; a success begins anew."""
    backoff = OCPPBackoff(wait_minimum=10, random_range=4, repeat_times=2)
    async with env.joined(backoff=backoff) as it:
        for _ in range(2):
            opened = gathered(it.client, Opened)
            it.line.refusal = OSError("refused")
            it.line.dials.clear()
            begun = env.now
            it.line.cut()
            await env.until(lambda: len(it.line.dials) == 4, limit=1000)
            it.line.refusal = None
            first, second, third, kept = (later - earlier for earlier, later in pairwise([begun, *it.line.dials]))
            for gap, least in ((first, 10), (second, 2 * first), (third, 2 * second)):
                assert least - 0.1 <= gap <= least + 4.1
            assert kept == pytest.approx(third, abs=0.1)
            await env.until(lambda opened=opened: opened, limit=1000)


@pytest.mark.feature("S4")
@pytest.mark.feature("C7")
@pytest.mark.rule(18)
async def test_a_missing_pong(env):
    """A client whose server falls silent finds out with the second ping, 1006, and connects again."""
    line = env.line()
    pings = []

    async def serve():
        raw = await line.accept()
        pings.append(await raw.hear())
        await env.until(lambda: len(line.dials) == 2, limit=100)
        raw.stream.cut()
        raw = await line.accept()
        await raw.ended()

    env.spawn(serve)
    async with line.client(ping_interval=10, backoff=STEADY) as client:
        begun = env.now
        heard = gathered(client, Disconnected, Opened)
        await env.until(lambda: len(heard) == 2, limit=100)
        assert isinstance(pings[0], Ping)
        assert (type(heard[0]), heard[0].code, type(heard[1])) == (Disconnected, 1006, Opened)
        assert line.dials[1] - begun == pytest.approx(20 + 2, abs=0.2)


@pytest.mark.feature("S5")
async def test_deferred_pings_go_on(env):
    """Pings put off by activity come an interval after the last sign of life, and their absence still counts."""
    async with env.RPCServer(ping_interval=10, defer_pings_on_activity=True) as server:
        raw = await env.line(server).raw()
        closed = gathered(server.clients[0], Closed)
        for n in range(5):
            await anyio.sleep(7)
            await raw.tell(2, str(n), "X", {})
            assert (await raw.frame())[:2] == [4, str(n)]
        last = env.now
        assert isinstance(await raw.hear(), Ping)
        assert env.now - last == pytest.approx(10, abs=0.1)
        await env.until(lambda: closed, limit=100)
        assert env.now - last == pytest.approx(20, abs=0.1)
        assert closed[0].code == 1006
        await raw.stream.aclose()


@pytest.mark.feature("S4")
@pytest.mark.feature("C25")
async def test_the_ping_interval_changes(env):
    """On a connection that is open: shorter, off and on again, each from then on."""
    async with env.joined(ping_interval=100, server={"ping_interval": 0}) as it:
        pings = gathered(it.client, PingEvent)
        for interval, seconds, count in ((5, 21, 4), (0, 1000, 0), (50, 101, 2), (None, 1000, 0)):
            it.client.reconfigure(ping_interval=interval)
            pings.clear()
            await anyio.sleep(seconds)
            assert (interval, len(pings)) == (interval, count)
        assert it.client.state is State.OPEN
