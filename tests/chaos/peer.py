"""A process of ours that can be killed and stopped: a server, or many stations that stay connected.

    python peer.py server ADAPTER PORT PING           prints its port once it listens, and how many it refused
    python peer.py stations ADAPTER PORT PING COUNT   prints how many are open, and how many calls they made

`PING` is the seconds between pings.  Each station makes a call as soon as it is connected, and again each time
that it is connected anew.
"""

import importlib
import itertools
import json
import os
import resource
import sys

import anyio
from support.env import ADAPTERS

from ocpp_rpc_core import ConnectionLost, ConnectionRefused, ExponentialBackoff, Opened, State


def say(**facts):
    """Tell the parent."""
    print(json.dumps(facts), flush=True)


async def serve(adapter, port, ping):
    """Answer `Echo` with its params and `Clients` with their number, and the process id with both."""
    async with adapter.RPCServer(protocols=["ocpp1.6"], ping_interval=ping) as server:
        server.handle("Echo", lambda call: {**call.params, "pid": os.getpid()})
        server.handle("Clients", lambda call: {"count": len(server.clients), "pid": os.getpid()})
        listener = await server.listen(port, "127.0.0.1")
        refused = itertools.count(1)
        server.on(ConnectionRefused, lambda _: say(port=listener.port, refused=next(refused)))
        say(port=listener.port, refused=0)
        await anyio.sleep_forever()


class Fleet:
    """Stations, and what became of them."""

    def __init__(self, adapter, port, ping, count):
        self._stations = [
            adapter.RPCClient(
                f"ws://127.0.0.1:{port}",
                f"CP{number}",
                protocols=["ocpp1.6"],
                ping_interval=ping,
                backoff=ExponentialBackoff(initial=0.5, maximum=5.0, jitter=1.0),
                auto_connect=False,
            )
            for number in range(count)
        ]
        self._calls = 0
        self._lost = 0

    async def run(self):
        """Connect them all at the same moment, and stay."""
        async with anyio.create_task_group() as tasks:
            for station in self._stations:
                tasks.start_soon(self._live, station)
            told = None
            while True:
                facts = {
                    "open": sum(station.state is State.OPEN for station in self._stations),
                    "closed": sum(station.state is State.CLOSED for station in self._stations),
                    "calls": self._calls,
                    "lost": self._lost,
                }
                if facts != told:
                    say(**facts)
                    told = facts
                await anyio.sleep(0.1)

    async def _live(self, station):
        """Call once for each time that it is connected."""
        opened = anyio.Event()

        def again(_):
            opened.set()

        station.on(Opened, again)
        async with station:
            await station.connect()
            while True:
                await opened.wait()
                opened = anyio.Event()
                try:
                    await station.call("Echo", {"n": 1})
                    self._calls += 1
                except ConnectionLost:
                    self._lost += 1


def main(role, name, port, ping, count="0"):
    """Be it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    module, backend = ADAPTERS[name]
    adapter = importlib.import_module(module)
    if role == "server":
        anyio.run(serve, adapter, int(port), float(ping), backend=backend)
    else:
        anyio.run(Fleet(adapter, int(port), float(ping), int(count)).run, backend=backend)


if __name__ == "__main__":
    main(*sys.argv[1:])
