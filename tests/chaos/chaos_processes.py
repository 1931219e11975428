"""Peers that are killed, stopped and go on: our other end notices, cleans up, and is back."""

import signal
from contextlib import asynccontextmanager

import anyio
import pytest
from chaos.processes import process, server

from ocpp_rpc_core import ConnectionLost, ExponentialBackoff, State

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be stopped here")

OTHER = {"trio": "anyio-asyncio", "anyio-asyncio": "trio"}
"""The adapter of the process, so that each meets the other."""
AT_ONCE = ExponentialBackoff(initial=0.1, maximum=0.5)
COUNT = 20
PING = 0.5
"""Seconds between pings: who is silent is dropped after two of them."""
NOTICED = 2 * PING + 3
"""Seconds in which a silent peer is dropped, on a busy machine."""


@asynccontextmanager
async def stations(ours, port):
    """Stations in this process, connected."""
    async with anyio.create_task_group() as tasks:
        fleet = [
            ours.RPCClient(
                f"ws://127.0.0.1:{port}", f"CP{number}", protocols=["ocpp1.6"], ping_interval=PING, backoff=AT_ONCE
            )
            for number in range(COUNT)
        ]
        leave = anyio.Event()

        async def live(station):
            async with station:
                await leave.wait()

        for station in fleet:
            tasks.start_soon(live, station)
        await ours.until(lambda: all(station.state is State.OPEN for station in fleet))
        yield fleet
        leave.set()


async def all_answer(fleet, pid=None):
    """Every station is served, by this process."""
    for station in fleet:
        answer = await station.call("Echo", {"n": 1})
        assert pid in (None, answer["pid"])


async def test_a_server_that_is_killed(ours):
    """kill -9: calls in flight are lost, at once; all stations are served by the one that is started in its place."""
    with server(OTHER[ours.name], ping=PING) as first:
        port = first.facts["port"]
        async with stations(ours, port) as fleet:
            first.stop()  # so that the calls stay unanswered
            lost = 0

            async def call(station):
                nonlocal lost
                with pytest.raises(ConnectionLost):
                    await station.call("Echo", {"n": 1})
                lost += 1

            async with anyio.create_task_group() as tasks:
                for station in fleet:
                    tasks.start_soon(call, station)
                await anyio.sleep(0.1)
                first.kill()
                await ours.until(lambda: lost == COUNT, limit=2)
            with server(OTHER[ours.name], port, ping=PING) as second:
                await all_answer(fleet, second._process.pid)
                assert (await fleet[0].call("Clients"))["count"] == COUNT


async def test_a_server_that_stands_still(ours):
    """SIGSTOP: TCP lives on, only pings tell; all stations drop it, and are back once it goes on."""
    with server(OTHER[ours.name], ping=PING) as stopped:
        async with stations(ours, stopped.facts["port"]) as fleet:
            stopped.stop()
            await ours.until(lambda: all(station.state is not State.OPEN for station in fleet), NOTICED)
            stopped.go_on()
            await ours.until(lambda: all(station.state is State.OPEN for station in fleet))
            await all_answer(fleet)
            with anyio.fail_after(5):  # those that it had before it stood still, it drops only now
                while (await fleet[0].call("Clients"))["count"] != COUNT:  # noqa: ASYNC110 - it is elsewhere
                    await anyio.sleep(0.05)


@asynccontextmanager
async def serving(ours):
    """A server in this process, and stations in another one, all connected and served once."""
    async with ours.RPCServer(protocols=["ocpp1.6"], ping_interval=PING) as management:
        management.handle("Echo", lambda call: call.params)
        listener = await management.listen(0, "127.0.0.1")
        with process("stations", OTHER[ours.name], listener.port, 10, COUNT) as fleet:
            await ours.until(lambda: len(management.clients) == COUNT, 30)
            await ours.until(lambda: fleet.facts.get("calls") == COUNT, 30)
            yield management, fleet


async def test_stations_that_are_killed(ours):
    """kill -9: the server forgets all of them at once."""
    async with serving(ours) as (management, fleet):
        fleet.kill()
        await ours.until(lambda: not management.clients, 2)


async def test_stations_that_stand_still(ours):
    """SIGSTOP: the server drops all of them, and they come back when they go on."""
    async with serving(ours) as (management, fleet):
        fleet.stop()
        await ours.until(lambda: not management.clients, NOTICED)
        fleet.go_on()
        await ours.until(lambda: len(management.clients) == COUNT)
        await ours.until(lambda: fleet.facts["calls"] == 2 * COUNT)
        assert fleet.facts["closed"] == 0
