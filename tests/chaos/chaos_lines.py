"""Bad lines between our ends: slices, delays, one direction frozen, both, resets."""

import time
import tracemalloc
from collections import Counter
from contextlib import asynccontextmanager

import anyio
import pytest
from chaos.proxy import Proxy

from ocpp_rpc_core import Closed, ConnectionLost, Disconnected, ExponentialBackoff, PingEvent, State

PROTOCOLS = ["ocpp1.6"]
PING = 0.3
"""Seconds between pings: who is silent is dropped after two of them."""
AT_ONCE = ExponentialBackoff(initial=0.05, maximum=0.5)


@asynccontextmanager
async def joined(ours, *, station_pings=None, server_pings=None, **options):
    """A server that echoes, a bad line to it, and a station that comes back."""
    async with ours.RPCServer(protocols=PROTOCOLS, ping_interval=server_pings) as server:
        server.handle("Echo", lambda call: call.params)
        listener = await server.listen(0, "127.0.0.1")
        with Proxy(listener.port) as proxy:
            station = ours.RPCClient(
                f"ws://127.0.0.1:{proxy.port}",
                "CP1",
                protocols=PROTOCOLS,
                ping_interval=station_pings,
                **{"backoff": AT_ONCE, **options},
            )
            station.handle("Echo", lambda call: call.params)
            async with station:
                await ours.until(lambda: server.clients)
                yield server, proxy, station
                proxy.up.frozen = proxy.down.frozen = False


async def test_single_bytes_and_delays(ours):
    """Whatever the line does to the pieces, both directions' calls are answered, in order and whole."""
    async with joined(ours) as (server, proxy, station):
        proxy.up.piece, proxy.down.piece = 1, 1
        proxy.up.delay = 0.0005
        (side,) = server.clients

        async def calls(end, what):
            for number in range(5):
                params = {"n": number, "text": what * 20}
                assert await end.call("Echo", params) == params

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(calls, station, "⚡")
            tasks.start_soon(calls, side, "é")


async def test_a_frozen_answer_path(ours):
    """The station hears nothing any more: it drops the line, comes back, and a call made meanwhile is answered."""
    async with joined(ours, station_pings=PING) as (server, proxy, station):
        gone = []
        station.on(Disconnected, gone.append)
        proxy.down.frozen = True
        took = await ours.until(lambda: gone)
        assert PING <= took < 4 * PING + 1
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(station.call, "Echo", {"n": 1})
            await anyio.sleep(0.1)
            proxy.down.frozen = False
        assert station.state is State.OPEN
        assert len(server.clients) == 1


async def test_a_frozen_request_path(ours):
    """The server hears nothing any more: it drops the station, which comes back once it can."""
    async with joined(ours, server_pings=PING, station_pings=PING * 2) as (server, proxy, station):
        (side,) = server.clients
        proxy.up.frozen = True
        await ours.until(lambda: side.state is State.CLOSED)
        assert side not in server.clients
        proxy.up.frozen = False
        await ours.until(lambda: server.clients and station.state is State.OPEN)
        assert await station.call("Echo", {"n": 2}) == {"n": 2}


async def test_a_pause_shorter_than_the_deadline(ours):
    """A line that only stutters loses nothing, and nobody reconnects."""
    async with joined(ours, station_pings=PING, server_pings=PING) as (_, proxy, station):
        for number in range(5):
            proxy.up.frozen = proxy.down.frozen = number % 2 == 0
            await anyio.sleep(PING / 4)
        proxy.up.frozen = proxy.down.frozen = False
        assert await station.call("Echo", {"n": 3}) == {"n": 3}
        pings = []
        station.on(PingEvent, pings.append)
        await ours.until(lambda: pings)
        assert proxy.accepted == 1


async def test_resets_while_calls_fly(ours):
    """Fifty resets: each call is answered or lost, exactly once, and the station is back each time."""
    async with joined(ours) as (server, proxy, station):
        outcomes = Counter()

        async def chatter():
            while True:
                try:
                    assert await station.call("Echo", {"n": 4}) == {"n": 4}
                    outcomes["answered"] += 1
                except ConnectionLost:
                    outcomes["lost"] += 1

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chatter)
            for number in range(1, 51):
                await ours.until(lambda n=number: proxy.accepted == n and proxy.lines and station.state is State.OPEN)
                proxy.reset()
                await ours.until(lambda: not proxy.lines or station.state is not State.OPEN)
            tasks.cancel_scope.cancel()
        assert outcomes["answered"]
        assert outcomes["lost"] <= 50
        await ours.until(lambda: proxy.accepted == 51)  # back from the last reset, too
        assert await station.call("Echo", {"n": 5}) == {"n": 5}
        assert len(server.clients) == 1


@pytest.mark.parametrize("way", ["up", "down", "both"])
async def test_closing_into_silence(ours, way):
    """`close` ends within its time, whatever no longer comes through, and a second one does nothing."""
    async with joined(ours, close_timeout=0.4) as (_, proxy, station):
        proxy.up.frozen, proxy.down.frozen = way in ("up", "both"), way in ("down", "both")
        closed = []
        station.on(Closed, closed.append)
        began = time.monotonic()
        await station.close()
        assert time.monotonic() - began < 2
        await station.close()
        assert len(closed) == 1


async def test_a_reader_that_stands_still(ours):
    """Messages to a station that reads nothing wait for it in bounded memory: the sender waits, too."""
    async with joined(ours) as (server, proxy, station):
        (side,) = server.clients
        proxy.down.frozen = True
        sent = 0
        tracemalloc.start()

        async def flood():
            nonlocal sent
            while True:
                await side.send_raw('["' + "x" * 100_000 + '"]')
                sent += 1

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(flood)
            before = -1
            while before < sent:  # until the buffers of the kernel are full
                before = sent
                await anyio.sleep(0.3)
            held, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            tasks.cancel_scope.cancel()
        assert held < 1_500_000, "bytes; some messages, and what the proxy read before it froze"
        assert await station.close(force=True) == (1006, "")
