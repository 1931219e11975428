"""What a test of the adapters stands on: one adapter on one event loop, a clock, and lines in memory.

Test bodies use anyio for tasks and time, which runs on asyncio and on trio alike, whichever adapter is tested.
"""

import gc
import importlib
import os
from collections import deque
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio
import trio
from anyio.lowlevel import checkpoint

from ocpp_rpc_anyio import testing as anyio_testing
from ocpp_rpc_core.events import TransportOpened
from ocpp_rpc_core.testing._line import line_pair
from ocpp_rpc_trio import testing as trio_testing

from .raw import Raw

ADAPTERS = {
    "trio": ("ocpp_rpc_trio", "trio"),
    "anyio-asyncio": ("ocpp_rpc_anyio", "asyncio"),
    "anyio-trio": ("ocpp_rpc_anyio", "trio"),
}
"""Name of the combination: adapter, event loop."""
REAL_LIMIT, VIRTUAL_LIMIT = 15.0, 20_000.0
"""Seconds that a test may take by its clock."""


class Env:
    """One adapter on one event loop; on a virtual clock unless `real`."""

    def __init__(self, name, *, real):
        module, self._backend = ADAPTERS[name]
        self.adapter = importlib.import_module(module)
        self.RPCClient, self.RPCServer = self.adapter.RPCClient, self.adapter.RPCServer
        self.testing = trio_testing if module == "ocpp_rpc_trio" else anyio_testing
        self._real = real

    def run(self, body):
        """Run a test's body to its end, and check that it leaves nothing behind."""
        (anyio if self._real else anyio_testing).run(self._run, body, backend=self._backend)
        if self._real:
            gc.collect()  # what was not closed warns now, in the test whose fault it is

    async def _run(self, body):
        tasks, sockets = len(anyio.get_running_tasks()), open_files()
        with anyio.fail_after(REAL_LIMIT if self._real else VIRTUAL_LIMIT):
            async with anyio.create_task_group() as self._tasks:
                await body()
            for _ in range(5):  # asyncio closes sockets a turn later
                await checkpoint()
        assert len(anyio.get_running_tasks()) == tasks, "tasks are left behind"
        assert open_files() == sockets, "sockets are left open"

    def dial_to(self, stream):
        """A way to dial that leads to this stream."""

        async def dial(target):
            return stream, TransportOpened()

        return dial

    def unix_dial(self, path):
        """A way to dial that leads to a Unix socket."""
        is_trio = self.testing is trio_testing

        async def dial(target):
            connect = trio.open_unix_socket if is_trio else anyio.connect_unix
            return await connect(path), TransportOpened()

        return dial

    def spawn(self, function, *args):
        """Run it beside the test; the test ends when it has ended."""
        self._tasks.start_soon(function, *args)

    @property
    def now(self):
        """Seconds."""
        return anyio.current_time()

    async def until(self, condition, limit=5.0):
        """Wait until something is so."""
        with anyio.fail_after(limit):
            while not condition():  # noqa: ASYNC110 - it may be about anything
                await anyio.sleep(0.001 if self._real else 0.01)

    def line(self, server=None):
        """A way in memory to a server, or to the test itself."""
        return Line(self, server)

    @asynccontextmanager
    async def joined(self, *, server=None, **options):
        """A client and a server, connected in memory, each with these options."""
        async with self.RPCServer(**(server or {})) as serving:
            line = self.line(serving)
            async with line.client(**options) as client:
                await self.until(lambda: serving.clients)
                yield Joined(client, serving.clients[0], serving, line)

    def pair(self):
        """Two ends of a stream: the adapter's and the test's."""
        near, far = line_pair(anyio.current_time)
        return self.testing.MemoryStream(near), anyio_testing.MemoryStream(far)

    def native_pair(self):
        """Two ends of a stream, both for the adapter."""
        return self.testing.memory_streams()


class Joined(NamedTuple):
    """A connection with both its ends."""

    client: Any
    side: Any
    """The server's end of it."""
    server: Any
    line: "Line"


class Line:
    """Where clients dial to: `server`, or the test, which takes what arrives with `accept`."""

    def __init__(self, env, server):
        self._env = env
        self._server = server
        self.dials = []
        """When each attempt to connect was made."""
        self.refusal = None
        """What attempts to connect raise."""
        self.dead = False
        """Whether attempts to connect hang."""
        self._streams = []
        self._arrived = deque()
        self._arrival = anyio.Event()

    def client(self, identity="CP1", *, endpoint="ws://host", **options):
        """A client that dials here."""
        client = self._env.RPCClient(endpoint, identity, **options)
        client._dial = self._dial
        return client

    async def _dial(self, target):
        self.dials.append(self._env.now)
        if self.refusal is not None:
            raise self.refusal
        if self.dead:
            await anyio.sleep_forever()
        if self._server is None:
            near, there = self._env.pair()
            self._arrived.append(there)
            self._arrival.set()
        else:
            near, there = self._env.native_pair()
            self._env.spawn(self._server.handle_stream, there)
        self._streams.append(near)
        return near, TransportOpened()

    def cut(self):
        """Break every stream that was made."""
        for stream in self._streams:
            stream.cut()
        self._streams.clear()

    async def arrival(self):
        """The test's end of the next stream that a client opens."""
        while not self._arrived:
            self._arrival = anyio.Event()
            await self._arrival.wait()
        return self._arrived.popleft()

    async def accept(self, protocol=None):
        """The next client's WebSocket, with the test as the server."""
        return await Raw.accept(await self.arrival(), protocol)

    async def stream(self, initial=b""):
        """The test's end of a new stream to the server."""
        far, near = self._env.pair()
        self._env.spawn(self._server.handle_stream, far, initial)
        await checkpoint()
        return near

    async def raw(self, identity="CP1", protocols=(), headers=()):
        """A WebSocket to the server, with the test as the client."""
        return await Raw.connect(await self.stream(), identity, protocols, headers)


async def carry(one, other):
    """Carry bytes between two streams of anyio's, until both have ended."""

    async def copy(source, sink):
        async for data in source:
            await sink.send(data)
        await sink.send_eof()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(copy, one, other)
        tasks.start_soon(copy, other, one)


def open_files():
    """How many files and sockets this process has open."""
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - one call, no iterator that is open itself


def gathered(peer, *kinds):
    """A list that grows with each event of these types."""
    heard = []
    for kind in kinds:
        peer.on(kind, heard.append)
    return heard
