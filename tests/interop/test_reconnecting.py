"""How connections between our ends and foreign ones are made again after the server was lost."""

import math

import pytest
from interop.ends import Heard, serving, station
from interop.hosts import node_host, python_host
from interop.payloads import SYSTEM_ANSWERS

pytestmark = [pytest.mark.interop, pytest.mark.anyio]

ANSWERS = SYSTEM_ANSWERS["ocpp1.6"]
HEARTBEAT = ANSWERS["Heartbeat"]["result"]


@pytest.mark.feature("C7")
@pytest.mark.parametrize(("start", "kind"), [(node_host, "rpc"), (python_host, "ocpp")], ids=["ocpp-rpc", "ocpp"])
async def test_we_come_back_to_their_server(ours, start, kind):
    """After their process is killed, our client connects to the one that takes its place on the same port.

    A call made meanwhile waits for the new connection; identity and subprotocol stay, whatever else is on offer.
    """
    first = start()
    try:
        server = await first.make(f"{kind}_server", protocols=["ocpp1.6"], answers=ANSWERS)
        client = station(
            ours,
            server.url,
            ["ocpp2.0.1", "ocpp1.6"],
            identity="CP 1",
            password=b"x",
            reconnect=True,
            max_reconnects=math.inf,
            backoff=ours.ExponentialBackoff(initial=0.05, maximum=0.1),
        )
        lost, opened = Heard(client, ours.Disconnected), Heard(client, ours.Opened)
        async with client:
            await opened.next()
            assert await client.call("Heartbeat") == HEARTBEAT
            first.kill()
            assert (await lost.next()).code == 1006
            second = start()
            try:
                again = await second.make(
                    f"{kind}_server",
                    protocols=["ocpp2.0.1", "ocpp1.6"],
                    answers=ANSWERS,
                    port=server.facts["port"],
                )
                assert await client.call("Heartbeat", timeout=None) == HEARTBEAT
                await opened.next()
                assert (await again.client()).facts["identity"] == "CP 1"
                assert client.protocol == "ocpp1.6"
            finally:
                second.kill()
    finally:
        first.kill()


async def test_they_come_back_to_our_server(ours, node):
    """When our server is closed and another takes its place on the same port, their client connects to it."""
    options = {"reconnect": True, "backoff": {"initialDelay": 50, "maxDelay": 100, "factor": 2}}
    async with serving(ours, ANSWERS, protocols=["ocpp1.6"]) as (server, url, _):
        peer = await node.make("rpc_client", url=url, identity="CP1", protocols=["ocpp1.6"], options=options)
        await peer.heard("open")
        await server.close()
        assert (await peer.heard("disconnected"))["code"] == 1001
    port = int(url.rpartition(":")[2])
    async with serving(ours, ANSWERS, port, protocols=["ocpp1.6"]) as (_, _, clients):
        client = (await clients.next()).client
        assert client.identity == "CP1"
        await peer.heard("open")
        assert await peer.call("Heartbeat", {}) == HEARTBEAT
        await peer.do("close")
