"""Attacks by pace: peers that trickle, flood or do not read; on each adapter, on a virtual clock where possible."""

import json
import ssl
import tracemalloc
from contextlib import suppress
from math import inf

import anyio
import anyio.lowlevel
import pytest
import trustme
from support import wire
from support.env import gathered

from ocpp_rpc_core import Closed, LimitExceeded, Limits, QueueFull, State

PING = wire.frame(0x89, b"?" * 100, masked=True)


# --- T7: a message that trickles ------------------------------------------------------------------


@pytest.mark.threat("T7")
@pytest.mark.parametrize("kind", ["a frame", "fragments"])
async def test_a_message_that_trickles(env, kind):
    """One byte, or one fragment, every five seconds: closed with 1008 at the deadline, slot and memory returned."""
    async with env.RPCServer(ping_interval=20 if kind == "fragments" else 0) as server:
        raw = await env.line(server).raw()
        (side,) = server.clients
        heard = gathered(side, LimitExceeded, Closed)
        begun = env.now
        piece = wire.frame(0x00, b" ", masked=True) if kind == "fragments" else b" "
        await raw.stream.send(wire.frame(0x01, b"[", masked=True) if kind == "fragments" else b"\x81\xfe\xff\xff1234")
        trickled = anyio.Event()

        async def trickle():
            try:
                while True:
                    await anyio.sleep(5)
                    await raw.stream.send(piece)
            except anyio.BrokenResourceError:
                trickled.set()

        async def listen():
            while not raw_ended(heard):
                await raw.stream.receive()
                if kind == "fragments":  # our ping may well be answered in between
                    await raw.stream.send(wire.frame(0x8A, masked=True))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(trickle)
            tasks.start_soon(ignored, listen)
            await env.until(lambda: raw_ended(heard), limit=100)
            assert heard == [LimitExceeded("message_time", 60), Closed(1008, "a message took too long")]
            assert env.now - begun <= 66
            await trickled.wait()
        assert server.clients == ()
        await raw.stream.aclose()


def raw_ended(heard):
    return any(isinstance(notice, Closed) for notice in heard)


async def ignored(function):
    """Run it until its stream ends."""
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
        await function()


# --- T9: a peer that does not read ------------------------------------------------------------------


@pytest.mark.threat("T9")
async def test_pings_of_a_peer_that_does_not_read(env):
    """What waits is bounded, of the pongs only one is kept, and the write deadline ends it; it answers our pings."""
    async with env.RPCServer(ping_interval=3) as server:
        raw = await env.line(server).raw()
        (side,) = server.clients
        heard = gathered(side, LimitExceeded, Closed)
        outgoing = side._driver._outgoing
        most = 0

        async def flood():
            nonlocal most
            while True:
                await raw.stream.send((PING * 20 + wire.frame(0x8A, masked=True)) * 5)
                most = max(most, outgoing.size)
                await anyio.sleep(0.1)

        begun = env.now
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ignored, flood)
            await env.until(lambda: raw_ended(heard), limit=100)
            tasks.cancel_scope.cancel()
        assert heard == [LimitExceeded("write_time", 10), Closed(1006, "")]
        assert 0 < most <= 32768 + 16384 + 2048, most
        assert env.now - begun < 15
        assert server.clients == ()
        assert outgoing.size <= 0
        await raw.stream.aclose()


@pytest.mark.threat("T9")
async def test_a_peer_that_asks_and_does_not_read(env):
    """Answers that cannot be written stop the reading of further calls, until the write deadline ends it."""
    async with env.RPCServer(ping_interval=0) as server:
        server.handle("Big", lambda call: {"x": "x" * 10_000})
        raw = await env.line(server).raw()
        (side,) = server.clients
        heard = gathered(side, LimitExceeded, Closed)
        outgoing = side._driver._outgoing
        most = asked = 0

        async def flood():
            nonlocal most, asked
            while True:
                await raw.tell(2, f"{asked}", "Big", {})
                asked += 1
                most = max(most, outgoing.size)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ignored, flood)
            await env.until(lambda: raw_ended(heard), limit=100)
            tasks.cancel_scope.cancel()
        assert heard == [LimitExceeded("write_time", 10), Closed(1006, "")]
        one_read = 16384 // len(json.dumps([2, "1", "Big", {}])) * 10_020
        assert most <= 65536 + one_read, most
        await raw.stream.aclose()


@pytest.mark.threat("T9")
async def test_a_slow_line_is_no_dead_one(env):
    """A peer that reads 8 kB a second of two large messages gets them whole, though that takes a minute."""
    async with env.RPCServer(ping_interval=0) as server:
        raw = await env.line(server).raw()
        (side,) = server.clients
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(side.send_raw, "x" * 250_000)
            await anyio.sleep(0.1)  # or both would be written as one
            tasks.start_soon(side.send_raw, "x" * 250_000)
            got = 0
            while got < 500_000:
                got += len(await raw.stream.receive(8192))
                await anyio.sleep(1)
        assert side.state is State.OPEN
        await raw.stream.aclose()


# --- T20: a flood of calls --------------------------------------------------------------------------


@pytest.mark.threat("T20")
async def test_a_flood_of_calls_while_handlers_sleep(env):
    """Of 10,000 calls eight run at once, the rest is not even read; others are served meanwhile, all are answered."""
    async with env.RPCServer() as server:
        running = most = waiting = 0

        @server.handle("Slow")
        async def slow(call):
            nonlocal running, most, waiting
            running += 1
            most = max(most, running)
            waiting = max(waiting, call.client.connection._session._context.waiting)
            await anyio.sleep(0.01)
            running -= 1
            return {}

        server.handle("Heartbeat", lambda call: {})
        raw = await env.line(server).raw("flooder")
        data = b"".join(
            wire.frame(0x81, f'[2,"{n}","Slow",{{"x":"{"x" * 20}"}}]'.encode(), masked=True) for n in range(10_000)
        )
        heard = gathered(server, LimitExceeded)
        sent = anyio.Event()

        async def flood():
            await raw.stream.send(data)
            sent.set()

        async def listen():
            answers = 0
            while answers < 10_000:
                answers += (await raw.stream.receive(65536)).count(b"[3,")

        async with env.line(server).client("canary") as canary, anyio.create_task_group() as tasks:
            tasks.start_soon(flood)
            tasks.start_soon(listen)
            await anyio.sleep(0.5)
            assert not sent.is_set(), "reading did not pause"
            for _ in range(20):
                begun = env.now
                await canary.call("Heartbeat")
                assert env.now - begun < 0.2
                await anyio.sleep(0.1)
        assert most == 8
        assert 65536 - 100 < waiting <= 65536 + 16384
        assert set(heard) == {LimitExceeded("waiting_bytes", 65536)}
        await raw.stream.aclose()


@pytest.mark.threat("T20")
async def test_handlers_that_call_back_in_a_flood(env):
    """Eight handlers wait for the peer, whose answers come behind a flood of its calls: nobody waits for ever."""
    async with env.RPCServer(call_timeout=5, call_concurrency=8) as server:
        raw = await env.line(server).raw()

        @server.handle("Back")
        async def back(call):
            return await call.client.call("Forth", {"n": call.params["n"]})

        says, said = anyio.create_memory_object_stream(inf)
        for n in range(1000):
            says.send_nowait((2, f"{n}", "Back", {"n": n, "x": "x" * 200}))

        async def speak():
            async with said:
                async for frame in said:
                    await raw.tell(*frame)

        begun = env.now
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(speak)
            answered = 0
            while answered < 1000:
                frame = await raw.frame()
                if frame[0] == 2:
                    says.send_nowait((3, frame[1], frame[3]))
                else:
                    assert frame == [3, frame[1], {"n": int(frame[1])}]
                    answered += 1
            says.close()
        assert env.now - begun < 5
        await raw.stream.aclose()


@pytest.mark.threat("T20")
async def test_our_own_flood(env):
    """A hundred calls may wait; the next is refused, unsent, and a cancelled one makes room."""
    async with env.RPCServer() as server:
        raw = await env.line(server).raw()
        (side,) = server.clients
        async with anyio.create_task_group() as tasks:
            for _ in range(101):
                tasks.start_soon(side.call, "X")
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(QueueFull, match="the queue of 100 calls is full"):
                await side.call("X")
            tasks.cancel_scope.cancel()
        with anyio.move_on_after(1):
            await side.call("X")
        await raw.stream.aclose()


# --- W11: half a frame ------------------------------------------------------------------------------


@pytest.mark.threat("W11")
async def test_a_sender_that_is_cancelled(env):
    """Its frame is on the wire whole, and what comes next follows it."""
    async with env.RPCServer(ping_interval=0, limits=Limits(write_time=inf)) as server:
        raw = await env.line(server).raw()
        (side,) = server.clients
        with anyio.move_on_after(1) as scope:
            await side.send_raw(json.dumps(["x" * 300_000]))
        assert scope.cancelled_caught
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(side.send_raw, '["next"]')
            assert await raw.frame() == ["x" * 300_000]
            assert await raw.frame() == ["next"]
        await raw.stream.aclose()


# --- W12: a TLS peer that does not say goodbye ------------------------------------------------------


@pytest.mark.threat("W12")
async def test_a_tls_peer_that_never_closes(net):
    """Closing ends in time although its close_notify does not come."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with net.RPCServer(close_timeout=0.3) as server:
        listener = await server.listen(host="127.0.0.1", tls=context)
        stream = await anyio.connect_tcp(
            "127.0.0.1", listener.port, ssl_context=trusting, tls_standard_compatible=False
        )
        await stream.send(wire.request())
        await stream.receive()
        await net.until(lambda: server.clients)
        with anyio.fail_after(5):
            await server.close()
        await anyio.aclose_forcefully(stream)


# --- Memory -----------------------------------------------------------------------------------------


@pytest.mark.threat("T9")
@pytest.mark.threat("T20")
async def test_floods_leave_nothing(env):
    """Ten peers that flood and go leave no memory behind."""
    async with env.RPCServer() as server:
        server.handle("Echo", lambda call: call.params)
        flood = wire.frame(0x81, b'[2,"1","Echo",{"x":"' + b"x" * 1000 + b'"}]', masked=True) * 200

        async def one(number):
            raw = await env.line(server).raw(f"CP{number}")
            with anyio.move_on_after(5):
                await raw.stream.send(flood)
            await raw.stream.aclose()
            await env.until(lambda: not server.clients)

        await one(0)
        tracemalloc.start()
        try:
            for number in range(10):
                await one(number)
            kept = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert kept < 300_000, kept


# --- The same on real sockets -----------------------------------------------------------------------


def contexts():
    """TLS for both ends."""
    authority = trustme.CA()
    at_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(at_server)
    at_client = ssl.create_default_context()
    authority.configure_trust(at_client)
    return at_server, at_client


@pytest.mark.threat("T9")
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_a_real_peer_that_does_not_read(net, secure):
    """It is dropped in time, with whatever the system's own buffers hold."""
    at_server, at_client = contexts() if secure else (None, None)
    limits = Limits(write_time=0.5)
    async with net.RPCServer(ping_interval=0, limits=limits) as server:
        server.handle("Big", lambda call: {"x": "x" * 100_000})
        listener = await server.listen(host="127.0.0.1", tls=at_server)
        heard = gathered(server, LimitExceeded)
        stream = await anyio.connect_tcp("127.0.0.1", listener.port, ssl_context=at_client)
        try:
            await stream.send(wire.request())
            await stream.receive()
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream):
                for number in range(300):
                    await stream.send(wire.message(2, str(number), "Big", {}, masked=True))
            await net.until(lambda: heard and not server.clients, limit=9)
            assert heard == [LimitExceeded("write_time", 0.5)]
        finally:
            await anyio.aclose_forcefully(stream)


@pytest.mark.threat("T20")
@pytest.mark.threat("W7")
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_a_real_flood_of_calls(net, secure):
    """Reading pauses and goes on until all are answered; a neighbour's turn comes all the while."""
    at_server, at_client = contexts() if secure else (None, None)
    async with net.RPCServer() as server:

        @server.handle("Slow")
        async def slow(call):
            await anyio.lowlevel.checkpoint()
            return {}

        server.handle("Heartbeat", lambda call: {})
        listener = await server.listen(host="127.0.0.1", tls=at_server)
        heard = gathered(server, LimitExceeded)
        stream = await anyio.connect_tcp("127.0.0.1", listener.port, ssl_context=at_client)
        await stream.send(wire.request())
        await stream.receive()
        calls = b"".join(wire.message(2, str(n), "Slow", {"x": "x" * 100}, masked=True) for n in range(3000))
        pings = wire.frame(0x89, masked=True) * 20_000
        done = anyio.Event()
        latest = 0.0

        async def canary():
            nonlocal latest
            async with net.RPCClient(listener.url, "canary", tls=at_client) as client:
                while not done.is_set():
                    begun = net.now
                    await client.call("Heartbeat")
                    latest = max(latest, net.now - begun)
                    await anyio.sleep(0.01)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(canary)
            tasks.start_soon(stream.send, pings + calls)
            got = b""
            with anyio.fail_after(14):
                while got.count(b'[3,"') < 3000:
                    got += await stream.receive(2**18)
            done.set()
        await anyio.aclose_forcefully(stream)
        answered = [int(part.partition(b'"')[0]) for part in got.split(b'[3,"')[1:]]
        assert sorted(answered) == list(range(3000))
        assert wire.PONG in got
        assert {notice.limit for notice in heard} == {"waiting_bytes"}
        assert latest < 1
