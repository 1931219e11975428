"""Stations that connect, call, suffer and come back, for minutes: nothing of it may stay behind.

`--soak 600` makes it ten minutes for each adapter.
"""

import gc
import os
import random
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression, median

import anyio
from chaos.proxy import CHUNK, Proxy
from support.env import open_files

from ocpp_rpc_core import ConnectionLost, ExponentialBackoff, HandshakeError, NotConnected, State
from ocpp_rpc_core._crew import SPARE

STATIONS, CALLS = 25, 20
PROTOCOLS = ["ocpp1.6"]
PING = 2.0
WARM = 2
"""Rounds until caches have what they need."""
LEAK, ROUGH_LEAK, MANY = 0.02, 0.1, 50
"""Of the objects, and of the allocated blocks, that there may be more after so many rounds, and before: noise.
One thing that stays behind after each connection passes the first within 50 rounds, a connection the second in five."""
MAX_SLOPE = 0.01
"""Of the memory, per minute; judged when the soak takes at least five minutes, by its second half."""


@dataclass
class Sample:
    """What there is between two rounds, when every station has closed."""

    at: float
    tasks: int
    files: int
    objects: int
    """That the garbage collector knows."""
    blocks: int
    """Of memory that Python has allocated, for objects of any kind."""
    memory: float
    """Resident, in megabytes."""


def sample():
    """What there is now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    tasks, objects = len(anyio.get_running_tasks()), len(gc.get_objects())
    return Sample(time.monotonic(), tasks, open_files(), objects, sys.getallocatedblocks(), memory)


async def call_often(station, tally):
    """So many calls that are answered; what is lost on the way is called again."""
    answered = 0
    while answered < CALLS:
        try:
            params = {"n": answered, "text": "x" * random.randrange(300)}
            assert await station.call("Echo", params) == params
            answered += 1
            tally["answered"] += 1
        except ConnectionLost:
            tally["lost"] += 1


async def suffer(ours, proxy, server, station, tally):
    """One random fault."""
    fault = random.choice(["reset", "server closes", "call given up", "slow handler cut", "close in the middle"])
    tally[fault] += 1
    match fault:
        case "reset" if lines := proxy.lines:
            proxy.reset(random.choice(lines))
        case "server closes" if clients := server.clients:
            await random.choice(clients).close(1001, "soak")
        case "call given up":
            with anyio.move_on_after(0.01):
                await call_in_vain(station)
        case "slow handler cut":
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call_in_vain, station)
                await anyio.sleep(0.02)
                proxy.reset(*proxy.lines)
        case "close in the middle":
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call_in_vain, station)
                await anyio.sleep(0.01)
                await station.close()
            await connect(station, tally)
        case _:
            pass


async def call_in_vain(station):
    """A call that may be under way when the connection ends."""
    with suppress(ConnectionLost, NotConnected):
        await station.call("Sleep")


async def connect(station, tally):
    """Connect, and try again when the line is cut right then."""
    while station.state is not State.OPEN:
        try:
            await station.connect()
        except (OSError, HandshakeError):
            tally["cut while connecting"] += 1


async def life(ours, proxy, server, number, tally):
    """One station, from its first connection to its end."""
    station = ours.RPCClient(
        f"ws://127.0.0.1:{proxy.port}",
        f"CP{number}",
        protocols=PROTOCOLS,
        ping_interval=PING,
        compression=number % 2 == 0,
        backoff=ExponentialBackoff(initial=0.02, maximum=0.3),
        auto_connect=False,
    )
    async with station:
        await connect(station, tally)
        await call_often(station, tally)
        await suffer(ours, proxy, server, station, tally)
        await call_often(station, tally)


async def employ_all(ours, port):
    """So many slow handlers at once that the server's crew has all the spare tasks that it ever keeps."""
    async with (
        ours.RPCClient(f"ws://127.0.0.1:{port}", "first", protocols=PROTOCOLS, call_concurrency=SPARE) as station,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(SPARE):
            tasks.start_soon(call_in_vain, station)


async def stutter(proxy):
    """The line is whole, or slices, or stands still for a moment."""
    while True:
        proxy.up.piece, proxy.down.piece = (random.choice([1, 50, CHUNK, CHUNK]) for _ in range(2))
        way = random.choice([proxy.up, proxy.down])
        way.frozen = random.random() < 0.2
        await anyio.sleep(random.uniform(0.01, 0.1))
        way.frozen = False
        await anyio.sleep(random.uniform(0.1, 0.5))


async def test_nothing_stays_behind(ours, soak_seconds):
    """Memory, tasks and descriptors are after many rounds what they were after the first few."""
    random.seed(1)
    tally, samples = Counter(), []
    async with ours.RPCServer(protocols=PROTOCOLS, ping_interval=PING) as server:
        server.handle("Echo", lambda call: call.params)
        server.handle("Sleep", lambda call: anyio.sleep(0.5))
        listener = await server.listen(0, "127.0.0.1")
        await employ_all(ours, listener.port)
        with Proxy(listener.port) as proxy:
            until = time.monotonic() + soak_seconds
            while time.monotonic() < until or len(samples) < WARM + 4:
                async with anyio.create_task_group() as trouble:
                    trouble.start_soon(stutter, proxy)
                    async with anyio.create_task_group() as stations:
                        for number in range(STATIONS):
                            stations.start_soon(life, ours, proxy, server, number, tally)
                    trouble.cancel_scope.cancel()
                proxy.up.frozen = proxy.down.frozen = False
                await ours.until(lambda: not server.clients and not server._connections and proxy.idle)
                await anyio.sleep(0.05)
                samples.append(sample())
    judge(ours.name, samples, tally)


def judge(name, samples, tally):
    """Compare the rounds after the first few with one another, and say what was measured."""
    warm = samples[WARM:]
    part = max(1, len(warm) // 10)
    objects, blocks = (
        [median(getattr(one, what) for one in some) for some in (warm[:part], warm[-part:])]
        for what in ("objects", "blocks")
    )
    late = warm[len(warm) // 2 :]
    slope, _ = linear_regression([one.at / 60 for one in late], [one.memory for one in late])
    curve = ", ".join(f"{warm[len(warm) * tenth // 10].memory:.1f}" for tenth in range(10))
    print(
        f"\n{name}: {len(samples)} rounds of {STATIONS} stations in {samples[-1].at - samples[0].at:.0f} s; "
        f"{dict(sorted(tally.items()))}\n"
        f"tasks {warm[-1].tasks}, descriptors {warm[-1].files}; objects {objects[0]:.0f}, then {objects[1]:.0f}; "
        f"blocks {blocks[0]:.0f}, then {blocks[1]:.0f}\n"
        f"memory (MB) {curve}, {warm[-1].memory:.1f}; {slope:+.3f} a minute in the second half"
    )
    assert {one.tasks for one in warm} == {warm[0].tasks}
    assert {one.files for one in warm} == {warm[0].files}
    leak = LEAK if len(warm) >= MANY else ROUGH_LEAK
    assert objects[1] <= objects[0] * (1 + leak)
    assert blocks[1] <= blocks[0] * (1 + leak)
    if samples[-1].at - samples[0].at >= 300:
        assert slope < MAX_SLOPE * warm[0].memory
