"""What the anyio adapter does differently on asyncio: streams that push, under loops that anyio did not start."""

import asyncio
import socket
import struct
from unittest.mock import patch

import anyio
import pytest
from support.wire import frame

from ocpp_rpc_anyio import MessageEvent, RPCClient, RPCServer
from ocpp_rpc_anyio.push import Pushed
from ocpp_rpc_core._outgoing import READ_SIZE

try:
    import uvloop
except ImportError:
    uvloop = None

REQUEST = (
    b"GET /CP1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
ANSWER = 10_000
"""Bytes of each answer, about."""


def call(number):
    """A call of about a kilobyte, as a client sends it."""
    return frame(0x81, b'[2,"%d","Big",{"a":"%s"}]' % (number, b"a" * 1000), masked=True)


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine on a loop that anyio knows nothing of."""
    factory = None
    if request.param == "uvloop":
        if uvloop is None:
            pytest.skip("uvloop is not installed")
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        yield runner.run


@pytest.mark.feature("S12")
def test_under_a_loop_of_the_applications(run):
    """Handlers of both kinds may use anyio and asyncio, wherever they were called from."""

    async def patient(call):
        async with asyncio.timeout(5), anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.lowlevel.checkpoint)
        return {"asked back": await call.client.call("Back")}

    def quick(call):
        anyio.Event().set()
        return call.params

    async def main():
        async with RPCServer() as server:
            server.handle("Patient", patient)
            server.handle("Quick", quick)
            listener = await server.listen(host="127.0.0.1")
            async with RPCClient(listener.url, "CP1") as client:
                client.handle("Back", lambda call: {"yes": True})
                assert await client.call("Patient") == {"asked back": {"yes": True}}
                assert await client.call("Quick", {"a": 1}) == {"a": 1}

    run(main())


@pytest.mark.threat("T9")
def test_a_peer_that_does_not_read(run):
    """It is not read either, while more than enough is unwritten; once it reads, all is answered."""

    async def main():
        loop = asyncio.get_running_loop()
        async with RPCServer(ping_interval=0) as server:
            server.handle("Big", lambda call: {"x": "x" * ANSWER})
            listener = await server.listen(host="127.0.0.1")
            with socket.socket() as raw:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
                raw.setblocking(False)
                await loop.sock_connect(raw, ("127.0.0.1", listener.port))
                await loop.sock_sendall(raw, REQUEST)
                got = b""
                while b"\r\n\r\n" not in got:
                    got += await loop.sock_recv(raw, 4096)
                calls = 0
                try:
                    while calls < 20_000:
                        async with asyncio.timeout(0.3):
                            await loop.sock_sendall(raw, call(calls))
                        calls += 1
                except TimeoutError:  # perhaps in the midst of a call
                    pass
                assert calls < 20_000
                (client,) = server.clients
                assert client._driver._outgoing.size < 65536 + READ_SIZE / 1000 * (ANSWER + 100)
                inbound = client.connection._session._inbound
                assert inbound._last_id < calls
                got = 0
                async with asyncio.timeout(20):
                    while got < calls * ANSWER:
                        got += len(await loop.sock_recv(raw, 2**20))
                assert inbound._last_id >= calls

    run(main())


def test_a_peer_that_resets_while_we_end_the_stream(run):
    """Its reset comes between our last bytes and our end of the stream: nothing fails, and it is gone."""

    async def main():
        loop, failures = asyncio.get_running_loop(), []
        loop.set_exception_handler(lambda _, context: failures.append(context))
        async with RPCServer(ping_interval=0) as server:
            listener = await server.listen(host="127.0.0.1")
            with socket.socket() as raw:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raw.setblocking(False)
                await loop.sock_connect(raw, ("127.0.0.1", listener.port))
                await loop.sock_sendall(raw, REQUEST)
                await loop.sock_recv(raw, 4096)
                (client,) = server.clients
                client.on(MessageEvent, lambda _: loop.call_soon(raw.close))  # before what the goodbye leads to
                await loop.sock_sendall(raw, call(1) + frame(0x88, masked=True))
                async with asyncio.timeout(5):
                    await client._driver.closed.wait()
            assert server.clients == ()
        assert failures == []

    run(main())


@pytest.mark.feature("S4")
def test_small_frames_are_not_held_back(run):
    """Nagle's algorithm is off on both ends: a ping must not wait for an acknowledgement that comes 40 ms later."""

    def is_undelayed(peer):
        return peer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    async def main():
        made = []
        former = Pushed.connection_made
        with patch.object(Pushed, "connection_made", lambda self, peer: (made.append(peer), former(self, peer))):
            async with RPCServer() as server:
                listener = await server.listen(host="127.0.0.1")
                async with RPCClient(listener.url, "CP1"):
                    assert len(made) == 2
                    assert all(map(is_undelayed, made))

    run(main())
