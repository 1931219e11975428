"""One end in a process of its own, in Python: told in JSON lines what to do, and answers in JSON lines.

`python -m benchmarks.end CONTESTANT`; `node/end.js` hears the same commands.
"""

import gc
import json
import os
import resource
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from time import perf_counter
from typing import Any

import anyio
import anyio.to_thread

from .extras import hide
from .payloads import MESSAGES, Message
from .undone import undo

OPENING_AT_ONCE = 64
"""How many connections are opened side by side."""


class End:
    """What a process can be told; it is a server after `listen`, a client after `open`."""

    def __init__(self, side: Any, tasks: anyio.abc.TaskGroup, held: AsyncExitStack) -> None:
        self._side, self._tasks, self._held = side, tasks, held
        self._calls: list[Callable[[Message], Awaitable[Any]]] = []
        self._release = anyio.Event()
        self._closed = anyio.Semaphore(0)

    async def listen(self, in_flight: int) -> dict[str, Any]:
        """Serve, and tell the port."""
        return {"port": await self._held.enter_async_context(self._side.serve(in_flight))}

    async def cpu(self, collect: bool = False) -> dict[str, Any]:
        """Microseconds of processor time so far, and this process; `collect` empties the garbage first."""
        if collect:
            gc.collect()
        return {"cpu": cpu(), "pid": os.getpid()}

    async def open(self, port: int, protocol: str, connections: int, in_flight: int) -> dict[str, Any]:
        """Connect so many clients, which stay connected until `close`; tell how long it took."""
        opening, opened = anyio.Semaphore(OPENING_AT_ONCE), anyio.Semaphore(0)

        async def hold(number: int) -> None:
            await opening.acquire()
            async with self._side.connect(port, f"CP{number}", protocol, in_flight) as call:
                opening.release()
                self._calls.append(call)
                opened.release()
                await self._release.wait()
            self._closed.release()

        first, start = len(self._calls), perf_counter()
        for number in range(first, first + connections):
            self._tasks.start_soon(hold, number)
        for _ in range(connections):
            await opened.acquire()
        return {"seconds": perf_counter() - start}

    async def run(self, kind: str, workers: int, seconds: float) -> dict[str, Any]:
        """Call on all connections by turns, `workers` calls at once; tell how many, at what cost and how late."""
        message, calls = MESSAGES[kind], self._calls
        latencies: list[float] = []
        done, clock = latencies.append, perf_counter

        async def work(first: int) -> None:
            at, count = first % len(calls), len(calls)
            now = clock()
            while True:  # each at least once, however late its turn comes
                begun = now
                await calls[at](message)
                done((now := clock()) - begun)
                if now >= end:
                    return
                at = (at + workers) % count

        before, start = cpu(), clock()
        end = start + seconds
        async with anyio.create_task_group() as tasks:
            for worker in range(workers):
                tasks.start_soon(work, worker)
        return told(latencies, clock() - start, cpu() - before)

    async def each(self, kind: str) -> dict[str, Any]:
        """Call once on each connection, one after the other."""
        latencies, before, start = [], cpu(), perf_counter()
        for call in self._calls:
            begun = perf_counter()
            await call(MESSAGES[kind])
            latencies.append(perf_counter() - begun)
        return told(latencies, perf_counter() - start, cpu() - before)

    async def close(self) -> dict[str, Any]:
        """Close all clients."""
        self._release.set()
        for _ in self._calls:
            await self._closed.acquire()
        self._calls, self._release = [], anyio.Event()
        return {}


def cpu() -> float:
    """Microseconds of processor time that this process has used, in all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1e6


def told(latencies: list[float], seconds: float, used: float) -> dict[str, Any]:
    """What a client tells of its calls: times in microseconds but `seconds`."""
    latencies.sort()
    count = len(latencies)
    p50, p99 = (latencies[min(count - 1, int(count * part))] * 1e6 for part in (0.5, 0.99))
    return {"calls": count, "seconds": seconds, "cpu": used, "p50": p50, "p99": p99}


async def obey(side: Any) -> None:
    """Do what the lines of standard input say, until they end."""
    async with AsyncExitStack() as held, anyio.create_task_group() as tasks:
        end = End(side, tasks, held)
        while line := await anyio.to_thread.run_sync(sys.stdin.readline):
            command = json.loads(line)
            answer = await getattr(end, command.pop("do"))(**command)
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
        os._exit(0)  # nobody measures how it ends


def main(name: str) -> None:
    """Be the end of this name (contestants.py)."""
    name, _, technique = name.partition("!")
    options: dict[str, Any] = {"use_uvloop": True} if name == "anyio-uvloop" else {}
    backend = "trio" if "trio" in name else "asyncio"
    if name.startswith("ocpp"):
        from .side_pypi import Side as PyPISide  # noqa: PLC0415 - not everybody has it

        side: Any = PyPISide(tuned="tuned" in name, compression=name == "ocpp")
    else:
        if not name.endswith(("-speed", "-uvloop")):
            hide()
        from .side_ours import Side  # noqa: PLC0415 - after `hide`

        if technique:
            undo(technique)
        side = Side("ocpp_rpc_trio" if name.startswith("trio") else "ocpp_rpc_anyio")
    anyio.run(obey, side, backend=backend, backend_options=options)


if __name__ == "__main__":
    main(sys.argv[1])
