"""What a connection holds while it does nothing: a server has thousands of them."""

import gc
import socket
import tracemalloc

import anyio
import pytest
from anyio.lowlevel import checkpoint
from support.wire import frame

REQUEST = (
    b"GET /CP%d HTTP/1.1\r\nHost: localhost:9000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)
MANY = 60
MOST = {
    ("ocpp_rpc_trio", "trio"): (15_000, 1),
    ("ocpp_rpc_anyio", "asyncio"): (11_000, 0),
    ("ocpp_rpc_anyio", "trio"): (26_000, 2),
}
"""Bytes and tasks of a connection: some more than there are, and far less than with a task too many."""


async def station(listener, number):
    """A socket that has called once."""
    raw = socket.socket()
    raw.setblocking(False)
    raw.connect_ex(("127.0.0.1", listener.port))
    await anyio.wait_writable(raw)
    for said in (REQUEST % number, frame(0x81, b'[2,"%d","Quick",{}]' % number, masked=True)):
        raw.send(said)
        await anyio.wait_readable(raw)
        heard = raw.recv(1000)
    assert heard[2:].startswith(b"[3")
    return raw


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_idle_connection(net, is_async):
    """After a call it holds few bytes, and no task but the one that reads, if there must be one."""
    most_bytes, most_tasks = MOST[net.adapter.__name__, net._backend]

    async def slow(call):
        await checkpoint()
        return {}

    async with net.RPCServer(protocols=["ocpp1.6"]) as server:
        server.handle("Quick", slow if is_async else lambda call: {})
        listener = await server.listen(host="127.0.0.1")
        stations = [await station(listener, 0)]
        gc.collect()
        tasks = len(anyio.get_running_tasks())
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        stations += [await station(listener, number) for number in range(1, MANY + 1)]
        gc.collect()
        used = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert len(server.clients) == MANY + 1
        assert len(anyio.get_running_tasks()) - tasks <= MANY * most_tasks + 8  # who wait for work are few for all
        assert used / MANY < most_bytes
        for raw in stations:
            raw.close()
