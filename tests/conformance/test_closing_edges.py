"""Closing where it is easily got wrong: odd codes, many clients, silent ones, while waiting to reconnect."""

import anyio
import pytest
from support.env import gathered
from wsproto.events import CloseConnection

from ocpp_rpc_core import (
    Closed,
    CloseInfo,
    Closing,
    Connecting,
    Disconnected,
    ExponentialBackoff,
    NotConnected,
    State,
)

STEADY = ExponentialBackoff(initial=20, maximum=1000, jitter=0)
CODES = [
    *((code, code) for code in (1000, 1001, 1011, 3000, 4000, 4999)),
    *((code, 1000) for code in (-1, 0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65536)),
]


@pytest.mark.feature("C12")
@pytest.mark.feature("S25")
@pytest.mark.parametrize(("code", "sent"), CODES)
async def test_codes(env, code, sent):
    """RFC 6455 7.4: what may not be sent becomes 1000, whether the client closes, one side or the whole server."""
    async with env.RPCServer() as server:
        line = env.line(server)
        for closer in ("client", "side", "server"):
            async with line.client(closer, reconnect=False) as client:
                await env.until(lambda: server.clients)
                (side,) = server.clients
                closed = gathered(client, Closed), gathered(side, Closed)
                await {"client": client, "side": side, "server": server}[closer].close(code, "why")
                await env.until(lambda closed=closed: all(closed))
                assert closed == ([Closed(sent, "why")],) * 2


@pytest.mark.feature("C12")
@pytest.mark.parametrize("of_server", [False, True])
@pytest.mark.parametrize("crossing", [False, True])
async def test_the_first_code_wins(env, of_server, crossing):
    """Later calls change nothing, events included; only a goodbye of the peer's own does (RFC 6455 7.1.5)."""
    line = env.line()
    expected = (4003, "peer") if crossing else (4001, "first")
    heard_by_peer = []

    async def converse(raw):
        await anyio.sleep(1)
        heard_by_peer.append(event := await raw.hear())
        await raw.say(CloseConnection(4003, "peer") if crossing else event.response())
        await raw.stream.aclose()

    async def serve():
        await converse(await line.accept())

    async with env.RPCServer() as server:
        if of_server:
            env.spawn(converse, await env.line(server).raw())
            await close_twice(server.clients[0], expected)
        else:
            env.spawn(serve)
            async with line.client() as client:
                await close_twice(client, expected)
    assert [(event.code, event.reason) for event in heard_by_peer] == [(4001, "first")]


async def close_twice(peer, expected):
    """The second call, made while the first waits for the peer, changes nothing."""
    heard = gathered(peer, Closing, Disconnected, Closed)
    infos = []

    async def close(*how):
        infos.append(await peer.close(*how))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(close, 4001, "first")
        await anyio.sleep(0.5)
        assert peer.state is State.CLOSING
        tasks.start_soon(close, 4002, "second")
    assert infos == [CloseInfo(*expected)] * 2
    assert heard == [Closing(), Disconnected(*expected), Closed(*expected)]


@pytest.mark.feature("C12")
@pytest.mark.feature("C15")
@pytest.mark.parametrize("force", [False, True])
async def test_while_waiting_to_reconnect(env, force):
    """Nothing is dialled any more, calls that waited were never sent, and the events tell it once."""
    async with env.joined(backoff=STEADY) as it:
        it.line.cut()
        await env.until(lambda: it.client.state is State.CONNECTING)
        await anyio.sleep(10)
        heard = gathered(it.client, Closing, Connecting, Disconnected, Closed)
        it.line.dials.clear()
        refused = []

        async def call():
            with pytest.raises(NotConnected):
                await it.client.call("X")
            refused.append(env.now)

        begun = env.now
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(call)
            await anyio.lowlevel.checkpoint()
            info = await it.client.close(4000, "bye", force=force)
            assert await it.client.close(4001) == info
        assert refused == pytest.approx([begun] * 3)
        assert heard == [Closing(), Closed(*info)]
        await anyio.sleep(100)
        assert it.line.dials == []
        assert len(heard) == 2


@pytest.mark.feature("S25")
@pytest.mark.threat("T8")
async def test_hundreds_of_clients(env):
    """All are told at once; those that never answer cost `close_timeout` once, not each; nobody is left."""
    async with env.RPCServer(close_timeout=5, ping_interval=0) as server:
        line = env.line(server)
        silent = [await line.raw(f"silent{n}") for n in range(100)]
        clients = [line.client(f"CP{n}", reconnect=False, ping_interval=0) for n in range(200)]
        leave = anyio.Event()

        async def live(client):
            async with client:
                await leave.wait()

        async with anyio.create_task_group() as tasks:
            for client in clients:
                tasks.start_soon(live, client)
            await env.until(lambda: len(server.clients) == 300)
            closed = [gathered(client, Closed) for client in clients]
            begun = env.now
            with anyio.fail_after(20):
                await server.close(1012, "restart")
            assert env.now - begun == pytest.approx(5, abs=1)
            assert server.clients == ()
            await env.until(lambda: all(closed))
            assert closed == [[Closed(1012, "restart")]] * 200
            leave.set()
        for raw in silent:
            await raw.stream.aclose()
