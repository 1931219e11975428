"""Peers that mean no good: whatever one of them does, the others are served, and memory stays bounded."""

import json
import random
from contextlib import suppress
from math import inf

import anyio
import pytest
from support import wire
from support.env import gathered, open_files
from support.raw import Raw, cut_short
from wsproto.events import CloseConnection

from ocpp_rpc_core import BadMessage, CallTimeout, Closed, Door, LimitExceeded, Limits, State, UpgradeAborted

HEAD = (
    b"GET /bad HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PATIENT = Limits(write_time=inf)
CHANCE = random.Random(7)  # the same garbage each time
GARBAGE = {
    "nothing": b"",
    "noise": CHANCE.randbytes(3000),
    "half a request": HEAD[:60],
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + CHANCE.randbytes(200),
    "an endless header": b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000,
    "many headers": b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 5000,
    "noise after the upgrade": HEAD + CHANCE.randbytes(3000),
    "an unmasked frame": HEAD + b"\x81\x02[]",
    "a reserved bit": HEAD + b"\xc1\x82\0\0\0\0[]",
    "a reserved opcode": HEAD + b"\x83\x80\0\0\0\0",
    "a huge frame": HEAD + b"\x81\xff" + b"\x7f" + b"\xff" * 7 + bytes(4),
    "text that is no UTF-8": HEAD + b"\x81\x82\0\0\0\0\xff\xff",
    "a fragmented ping": HEAD + b"\x09\x80\0\0\0\0",
    "a long ping": HEAD + b"\x89\xfe\x00\x80\0\0\0\0" + bytes(128),
    "a goodbye with one byte": HEAD + b"\x88\x81\0\0\0\0\x01",
    "a body": HEAD.replace(b"Host: x", b"Host: x\r\nContent-Length: 5") + b"hello",
}


async def throw(port, data):
    """Send it, in pieces, read what comes, and go without a goodbye."""
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        try:
            for start in range(0, len(data), 40_000):
                await stream.send(data[start : start + 40_000])
            with anyio.move_on_after(0.05):
                await stream.receive()
        except (anyio.BrokenResourceError, anyio.EndOfStream):
            pass


@pytest.mark.threat("T6")
@pytest.mark.parametrize("kind", GARBAGE)
async def test_garbage(net, kind):
    """Garbage on one socket does not hurt the client on another, and is forgotten."""
    async with net.RPCServer(handshake_timeout=1) as server:
        server.handle("Echo", lambda call: call.params)
        listener = await server.listen(host="127.0.0.1")
        async with net.RPCClient(listener.url, "canary") as canary:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(throw, listener.port, GARBAGE[kind])
                for n in range(5):
                    assert await canary.call("Echo", {"n": n}) == {"n": n}
            await net.until(lambda: [client.identity for client in server.clients] == ["canary"])
            assert await canary.call("Echo", {"n": 9}) == {"n": 9}
            assert canary.state is State.OPEN


@pytest.mark.threat("T6")
@pytest.mark.parametrize("kind", [kind for kind in GARBAGE if kind != "nothing"])
async def test_garbage_is_dropped_in_time(env, kind):
    """Whoever sends garbage, and then nothing, is gone once the times have run out, and so is its memory."""
    async with env.RPCServer(handshake_timeout=5, close_timeout=5, ping_interval=5) as server:
        near, there = env.pair()

        async def read():
            try:
                while True:
                    await there.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                await there.aclose()

        async def send():
            with suppress(anyio.BrokenResourceError):
                await there.send(GARBAGE[kind])

        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(send)
                tasks.start_soon(read)
                await server.handle_stream(near)
        assert server.clients == ()


@pytest.mark.threat("T7")
async def test_a_trickle(env):
    """A request that comes byte by byte, for ever, ends at the deadline."""
    async with env.RPCServer(handshake_timeout=10) as server:
        heard = gathered(server, UpgradeAborted)
        stream = await env.line(server).stream()
        begun = env.now
        with pytest.raises(anyio.BrokenResourceError):
            for byte in HEAD * 10:
                await stream.send(bytes([byte]))
                await anyio.sleep(1)
        assert env.now - begun < 20
        assert [event.status for event in heard] == [408]
        await stream.aclose()


@pytest.mark.feature("B13")
@pytest.mark.threat("T24")
async def test_many_messages_that_do_not_end(env):
    """Peers that begin messages and do not end them: whose goes beyond what all may keep is closed with 1013, and
    kept of it is nothing; the others are served meanwhile, and who began in time may end."""
    bound, size = 100_000, 60_000
    text = json.dumps([2, "1", "Echo", {"x": "x" * size}]).encode()
    begun, rest = wire.frame(0x01, text[:size], masked=True), wire.frame(0x80, text[size:], masked=True)
    async with env.RPCServer(ping_interval=0, door=Door(partial_bytes=bound)) as server:
        server.handle("Echo", lambda call: call.params)
        heard = gathered(server, LimitExceeded)
        line = env.line(server)
        async with line.client("canary", ping_interval=0) as canary:
            first = await line.raw("first")
            await first.stream.send(begun)
            await env.until(lambda: server.budget.held == size)
            for n in range(3):
                raw = await line.raw(f"CP{n}")
                await raw.stream.send(begun)
                while not isinstance(event := await raw.hear(), CloseConnection):
                    assert event is not None, "the stream ended without a goodbye"
                assert (event.code, event.reason) == (1013, "the server is overloaded")
                await raw.stream.aclose()
                await env.until(lambda n=n: server.get(f"CP{n}") is None)
                assert server.budget.held == size
                assert await canary.call("Echo", {"n": n}) == {"n": n}
            assert heard == [LimitExceeded("partial_bytes", bound)] * 3
            await first.stream.send(rest)
            assert await first.frame() == [3, "1", {"x": "x" * size}]
            assert server.budget.held == 0
            await first.stream.send(begun)
            await env.until(lambda: server.budget.held == size)
            await first.stream.aclose()
            await env.until(lambda: [client.identity for client in server.clients] == ["canary"])
            assert server.budget.held == 0


@pytest.mark.feature("B13")
@pytest.mark.threat("T24")
async def test_an_unfinished_message_of_a_stream_that_is_cancelled(env):
    """Whoever stops serving a stream gives back what was kept for it."""
    async with env.RPCServer() as server:
        async with cut_short(env, server) as raw:
            await raw.stream.send(wire.frame(0x01, b"x" * 1000, masked=True))
            await env.until(lambda: server.budget.held == 1000)
        assert server.budget.held == 0
        await raw.stream.aclose()


@pytest.mark.feature("B13")
@pytest.mark.threat("T24")
async def test_unfinished_messages_over_sockets(net):
    """Peers that reset the connection in the midst of a message leave nothing behind, and others are served."""
    async with net.RPCServer(door=Door(partial_bytes=100_000)) as server:
        server.handle("Echo", lambda call: call.params)
        listener = await server.listen(host="127.0.0.1")
        async with net.RPCClient(listener.url, "canary") as canary:
            for n in range(3):
                async with await anyio.connect_tcp("127.0.0.1", listener.port) as stream:
                    await stream.send(HEAD + wire.frame(0x02, b"x" * 60_000, masked=True))
                    await net.until(lambda: server.budget.held == 60_000)
                    assert await canary.call("Echo", {"n": n}) == {"n": n}
                    await anyio.aclose_forcefully(stream)
                await net.until(lambda: server.budget.held == 0)


@pytest.mark.feature("C30")
@pytest.mark.threat("T9")
async def test_a_peer_that_does_not_read(env):
    """What waits to be written is bounded: senders wait, and the peer's further calls are not read."""
    async with env.RPCServer(ping_interval=0, limits=PATIENT) as server:
        server.handle("Big", lambda call: {"x": "x" * 10_000})
        raw = await env.line(server).raw()
        (side,) = server.clients
        sent = 0

        async def ask():
            nonlocal sent
            while True:
                await raw.tell(2, f"{sent}", "Big", {})
                sent += 1

        async def tell():
            while True:
                await side.send_raw("y" * 10_000)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            tasks.start_soon(tell)
            await anyio.sleep(100)
            unwritten = side._driver._outgoing.size
            assert 0 < unwritten < 5_000_000
            before = sent
            await anyio.sleep(100)
            assert (side._driver._outgoing.size, sent) == (unwritten, before)
            tasks.cancel_scope.cancel()
        await raw.stream.aclose()
        await env.until(lambda: not server.clients)


@pytest.mark.threat("T9")
async def test_a_peer_that_reads_again(env):
    """Once it reads, everything arrives, in order."""
    async with env.RPCServer(ping_interval=0, limits=PATIENT) as server:
        raw = await env.line(server).raw()
        (side,) = server.clients

        async def tell():
            for n in range(50):
                await side.send_raw(f'[{n},"{"y" * 10_000}"]')

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tell)
            await anyio.sleep(100)
            numbers = [(await raw.frame())[0] for _ in range(50)]
        assert numbers == list(range(50))
        await raw.close()


@pytest.mark.feature("C16")
@pytest.mark.threat("T9")
async def test_a_timeout_while_nothing_can_be_written(env):
    """A call's timeout holds although the peer does not read, and so does that of the next connection's call."""
    line = env.line()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(line.accept)
        async with line.client(ping_interval=0, max_reconnects=5, limits=PATIENT) as client:
            for _ in range(2):
                with anyio.move_on_after(10):
                    while True:
                        await client.send_raw("y" * 50_000)
                begun = env.now
                with pytest.raises(CallTimeout):
                    await client.call("X", timeout=5)
                assert env.now - begun == pytest.approx(5, abs=0.1)
                line.cut()
                await env.until(lambda: client.state is State.CONNECTING, limit=60)
                tasks.start_soon(line.accept)
                await env.until(lambda: client.state is State.OPEN, limit=60)
            await client.close(force=True)


@pytest.mark.feature("S22")
async def test_a_client_that_only_listens_after_its_request(net):
    """Who ends its own direction right after the request still gets the whole answer."""
    async with net.RPCServer() as server:
        listener = await server.listen(host="127.0.0.1")
        async with await anyio.connect_tcp("127.0.0.1", listener.port) as stream:
            await stream.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await stream.send_eof()
            with anyio.fail_after(5):
                assert (await stream.receive()).startswith(b"HTTP/1.1 404 ")


@pytest.mark.threat("T9")
async def test_a_peer_that_never_reads_cannot_keep_us(env):
    """Closing ends in time although nothing can be written."""
    async with env.RPCServer(ping_interval=0, close_timeout=5, limits=PATIENT) as server:
        raw = await env.line(server).raw()
        (side,) = server.clients
        with anyio.move_on_after(10):
            while True:
                await side.send_raw("y" * 50_000)
        begun = env.now
        await server.close()
        assert env.now - begun == pytest.approx(5, abs=0.5)
        await raw.stream.aclose()


@pytest.mark.threat("T20")
async def test_a_flood_of_calls(env):
    """Calls that nobody serves are answered one by one, and others are served meanwhile."""
    async with env.RPCServer() as server:
        line = env.line(server)
        server.handle("Echo", lambda call: call.params)
        raw = await line.raw("flooder")

        async def flood():
            for n in range(300):
                await raw.tell(2, f"{n}", "Unknown", {})

        async with line.client("canary") as canary, anyio.create_task_group() as tasks:
            tasks.start_soon(flood)
            begun = env.now
            assert await canary.call("Echo", {"n": 1}) == {"n": 1}
            assert env.now - begun < 1
            codes = {(await raw.frame())[2] for _ in range(300)}
            assert codes == {"NotImplemented"}
        await raw.close()


@pytest.mark.threat("T22")
async def test_bad_messages_for_ever(env):
    """They are reported and change nothing, unless a limit was set."""
    async with env.RPCServer() as server:
        raw = await env.line(server).raw()
        (side,) = server.clients
        bad = gathered(side, BadMessage)
        for text in ("{}", "[]", "[2]", '[2,"1","X"]', "null", "[" * 5000, '[9,"1","X",{}]', '[2,1,"X",{}]'):
            await raw.text(text)
        await env.until(lambda: len(bad) >= 7)
        assert side.state is State.OPEN
        closed = gathered(side, Closed)
        await raw.stream.aclose()
        await env.until(lambda: closed)


@pytest.mark.feature("C1")
@pytest.mark.threat("T8")
async def test_nothing_is_left_behind(net):
    """After many clients came and went, in every way, no task, socket or client is left."""

    def left():
        return sorted(task.name for task in anyio.get_running_tasks()), open_files()

    async with net.RPCServer() as server:
        listener = await server.listen(host="127.0.0.1")
        await anyio.wait_all_tasks_blocked()
        before = left()
        for n in range(30):
            if n % 3 == 0:
                async with net.RPCClient(listener.url, f"CP{n}") as client:
                    await client.close(force=n % 2 == 0)
            elif n % 3 == 1:
                stream = await anyio.connect_tcp("127.0.0.1", listener.port)
                await Raw.connect(stream, f"CP{n}")
                await stream.aclose()
            else:
                with anyio.CancelScope() as scope:
                    async with net.RPCClient(listener.url, f"CP{n}"):
                        scope.cancel()
                        await anyio.sleep_forever()
        await net.until(lambda: not server.clients)
        with anyio.move_on_after(5):
            await net.until(lambda: left() == before, limit=10)
        assert left() == before
