"""Servers where it is easily got wrong: behind a listener of one's own, and when the system has no sockets left."""

import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from functools import partial

import anyio
import pytest
import trio

from ocpp_rpc_core import Accept, State, UnexpectedHTTPResponse

HEALTHY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
STARVING = """
import resource, sys
import {adapter} as adapter
import {library} as library
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

async def main():
    async with adapter.RPCServer(door=adapter.Door({door})) as server:
        server.handle("Canary", lambda call: call.params)
        print((await server.listen(host="127.0.0.1")).url, flush=True)
        await server.wait_closed()

library.run(main{backend})
"""
"""A server in a process that may open 64 files; it runs until it is killed."""


@asynccontextmanager
async def http_listener(net, server):
    """A listener by hand: it reads the request's head, says that it is healthy itself, and hands over the rest."""
    is_trio = net.adapter.__name__ == "ocpp_rpc_trio"

    async def serve(stream):
        receive, send = (stream.receive_some, stream.send_all) if is_trio else (stream.receive, stream.send)
        head = b""
        while b"\r\n\r\n" not in head:
            head += await receive(7)
        if head.startswith(b"GET /health "):
            await send(HEALTHY)
        else:
            await server.handle_stream(stream, head)
        await stream.aclose()

    if is_trio:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port, accept = listener.socket.getsockname()[1], partial(trio.serve_listeners, serve, [listener])
    else:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port, accept = listener.extra(anyio.abc.SocketAttribute.local_port), partial(listener.serve, serve)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(accept)
            yield port
            tasks.cancel_scope.cancel()
    finally:
        await listener.aclose()


@pytest.mark.feature("S23")
@pytest.mark.feature("S17")
async def test_behind_an_http_listener(net):
    """Health checks are answered beside it; clients are served, refused and closed as if we had accepted them."""
    async with net.RPCServer(protocols=["ocpp1.6"]) as server, http_listener(net, server) as port:
        server.handle("Echo", lambda call: call.params)
        server.auth(lambda handshake: Accept() if handshake.password == b"secret" else None)
        options = {"protocols": ["ocpp1.6"], "reconnect": False}
        url = f"ws://127.0.0.1:{port}/ocpp"
        async with net.RPCClient(url, "CP 1", password="secret", **options) as client:
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                assert await stream.receive() == HEALTHY
            assert await client.call("Echo", {"x": "y" * 100_000}) == {"x": "y" * 100_000}
            (side,) = server.clients
            assert (side.identity, side.handshake.endpoint) == ("CP 1", "/ocpp")
            assert side.handshake.remote_address == "127.0.0.1"
            with pytest.raises(UnexpectedHTTPResponse):
                async with net.RPCClient(url, "CP2", **options):
                    pass
            assert await client.call("Echo") == {}
        await net.until(lambda: not server.clients)


@pytest.mark.feature("S22")
@pytest.mark.feature("B13")
@pytest.mark.threat("T8")
@pytest.mark.threat("W10")
@pytest.mark.parametrize("door", ["", "max_connections=None"])
async def test_no_sockets_left(net, door):
    """A server that cannot accept any more, or will not, serves whom it has, and new ones once there is room.

    By default it lets in half as many as it may open files; without a limit the system has no more files for it.
    """
    adapter = net.adapter.__name__
    library = "trio" if adapter == "ocpp_rpc_trio" else "anyio"
    backend = "" if library == "trio" else f", backend={net._backend!r}"
    script = STARVING.format(adapter=adapter, library=library, backend=backend, door=door)
    with process_of(script) as process:
        try:
            url = (await anyio.to_thread.run_sync(process.stdout.readline)).decode().strip()
            with anyio.fail_after(10):
                await starve(net, url, refuses=not door)
        finally:
            process.kill()


def process_of(script):
    """A Python process that can be read from."""
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


async def starve(net, url, *, refuses):
    """Call while 120 others connect, and once they have gone."""
    port = int(url.rpartition(":")[2])
    async with net.RPCClient(url, "canary", reconnect=False) as canary:
        others = []
        try:
            for n in range(120):
                others.append(await anyio.connect_tcp("127.0.0.1", port))
                if n % 10 == 0:
                    assert await canary.call("Canary", {"n": n}, timeout=1) == {"n": n}
            for n in range(10):
                await anyio.sleep(0.02)
                assert await canary.call("Canary", {"n": n}, timeout=1) == {"n": n}
            if refuses:  # those for whom there was no room know it by now
                with pytest.raises(anyio.EndOfStream):
                    await others[-1].receive()
        finally:
            for stream in others:
                await stream.aclose()
        late = net.RPCClient(url, "late", reconnect=False, handshake_timeout=5, auto_connect=False)
        async with late:
            while late.state is not State.OPEN:  # until those who went have been missed
                with suppress(ConnectionError):
                    await late.connect()
            assert await late.call("Canary", {"n": 0}, timeout=1) == {"n": 0}
        assert await canary.call("Canary", {"n": -1}, timeout=1) == {"n": -1}
