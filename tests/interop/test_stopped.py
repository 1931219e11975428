"""How our ends notice peers that stand still: their process is stopped, so TCP lives on and nothing is answered."""

import os
import signal
import time
from contextlib import contextmanager

import anyio
import pytest
from interop.ends import Heard, serving, station
from interop.hosts import node_host, python_host
from interop.payloads import SYSTEM_ANSWERS

pytestmark = [
    pytest.mark.interop,
    pytest.mark.anyio,
    pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be stopped here"),
]

ANSWERS = SYSTEM_ANSWERS["ocpp1.6"]
HEARTBEAT = ANSWERS["Heartbeat"]["result"]
INTERVAL = 0.3
"""Seconds between pings: whoever stands still is dropped after two of them."""
HOSTS = pytest.mark.parametrize(
    ("start", "kind"), [(node_host, "rpc"), (python_host, "ocpp")], ids=["ocpp-rpc", "ocpp"]
)


@contextmanager
def stopped(host):
    """The process of these peers stands still meanwhile."""
    os.kill(host._process.pid, signal.SIGSTOP)
    try:
        yield time.monotonic()
    finally:
        os.kill(host._process.pid, signal.SIGCONT)


@contextmanager
def started(start):
    """A process of peers of its own."""
    host = start()
    try:
        yield host
    finally:
        host.kill()


@pytest.mark.feature("S4")
@pytest.mark.feature("C7")
@HOSTS
async def test_we_leave_their_server_and_come_back(ours, start, kind):
    """Our client drops a server that stands still, tries again in vain, and is back once the server goes on.

    A call made meanwhile waits for that.
    """
    with started(start) as host:
        server = await host.make(f"{kind}_server", protocols=["ocpp1.6"], answers=ANSWERS)
        client = station(
            ours,
            server.url,
            ["ocpp1.6"],
            reconnect=True,
            ping_interval=INTERVAL,
            handshake_timeout=0.5,
            backoff=ours.ExponentialBackoff(initial=0.05, maximum=0.1),
        )
        lost, opened, tried = (Heard(client, event) for event in (ours.Disconnected, ours.Opened, ours.Connecting))
        async with client:
            await opened.next()
            await tried.next()
            assert await client.call("Heartbeat") == HEARTBEAT
            results = []

            async def call():
                results.append(await client.call("Heartbeat", timeout=None))

            async with anyio.create_task_group() as tasks:
                with stopped(host) as since:
                    assert (await lost.next()).code == 1006
                    assert INTERVAL * 0.9 <= time.monotonic() - since < INTERVAL * 6
                    tasks.start_soon(call)
                    await tried.next()
                    await tried.next()
                    assert len(opened) == 0
                    assert results == []
                await opened.next()
            assert results == [HEARTBEAT]


@pytest.mark.feature("S4")
@HOSTS
async def test_our_server_drops_their_client(ours, start, kind):
    """Our server drops a client that stands still, and serves the others; a client that reconnects is let in again."""
    with started(start) as host:
        async with serving(ours, ANSWERS, protocols=["ocpp1.6"], ping_interval=INTERVAL) as (server, url, clients):
            options = {"options": {"reconnect": True, "backoff": {"initialDelay": 50, "maxDelay": 100, "factor": 2}}}
            peer = await host.make(
                f"{kind}_client", url=url, identity="CP1", protocols=["ocpp1.6"], **(options if kind == "rpc" else {})
            )
            side = (await clients.next()).client
            closed = Heard(side, ours.Closed)
            async with station(ours, url, ["ocpp1.6"], identity="CP2") as other:
                await clients.next()
                with stopped(host) as since:
                    assert (await closed.next()).code == 1006
                    assert INTERVAL * 0.9 <= time.monotonic() - since < INTERVAL * 6
                    assert [client.identity for client in server.clients] == ["CP2"]
                    assert await other.call("Heartbeat") == HEARTBEAT
                if kind == "rpc":
                    assert (await clients.next()).client.identity == "CP1"
                    assert await peer.call("Heartbeat", {}) == HEARTBEAT
                    await peer.do("close")
                else:
                    assert (await peer.heard("closed"))["code"] == 1006
