"""What only servers have: welcoming clients, many of them, streams of one's own, options for who comes next."""

import anyio
import pytest
from support.env import carry, gathered
from support.raw import Raw, cut_short

from ocpp_rpc_core import (
    CallTimeout,
    ClientConnected,
    Closed,
    ConnectionLost,
    RPCNotImplementedError,
    ServerClosed,
    ServerError,
    State,
    UnexpectedHTTPResponse,
)


@pytest.mark.feature("S12")
async def test_calls_are_held_back(env):
    """A client's calls wait until an async `on_client` returns, so its handlers miss nothing."""
    async with env.RPCServer() as server:
        events = []

        @server.on_client
        async def welcome(client):
            await anyio.sleep(10)
            client.handle("Hello", lambda call: events.append("served"))
            events.append("registered")

        async with env.line(server).client() as client:
            await client.call("Hello")
        assert events == ["registered", "served"]


@pytest.mark.feature("S12")
async def test_a_plain_on_client(env):
    """The callback need not be async; without one nothing is held."""
    async with env.RPCServer() as server:

        @server.on_client
        def welcome(client):
            client.handle("Hello", lambda call: {"to": client.identity})

        async with env.line(server).client("A") as client:
            assert await client.call("Hello") == {"to": "A"}


@pytest.mark.feature("S12")
async def test_a_call_out_lets_calls_in(env):
    """The callback may talk to the client, which releases the client's calls."""
    async with env.RPCServer() as server:
        got = []

        @server.on_client
        async def welcome(client):
            client.handle("In", lambda call: {"served": True})
            got.append(await client.call("Out"))
            await anyio.sleep_forever()

        client = env.line(server).client()

        @client.handle("Out")
        async def answer(call):
            return await client.call("In")

        async with client:
            await env.until(lambda: got)
            assert got == [{"served": True}]
            assert await client.call("In") == {"served": True}


@pytest.mark.feature("S12")
async def test_a_long_on_client(env):
    """A callback may live as long as the connection, and is cancelled with it."""
    async with env.RPCServer() as server:
        fates = []

        @server.on_client
        async def attend(client):
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                fates.append(client.identity)
                raise

        line = env.line(server)
        async with line.client("A"):
            await anyio.sleep(100)
            async with line.client("B"):
                await anyio.sleep(100)
                assert fates == []
            await env.until(lambda: fates)
            assert fates == ["B"]
        await env.until(lambda: len(fates) == 2)


@pytest.mark.feature("S12")
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_failing_on_client(env, is_async):
    """The cause is reported, the client is sent away with 1011, and the server lives on."""
    async with env.RPCServer() as server:
        problem = LookupError("mine")
        heard = gathered(server, ServerError)

        async def fail_later(client):
            await anyio.sleep(1)
            fail(client)

        def fail(client):
            if client.identity == "bad":
                raise problem

        server.on_client(fail_later if is_async else fail)
        server.handle("X", lambda call: {"n": 1})
        line = env.line(server)
        async with line.client("bad", reconnect=False) as client:
            closed = gathered(client, Closed)
            await env.until(lambda: closed)
            assert closed[0].code == 1011
        assert [event.error for event in heard] == [problem]
        async with line.client("good") as client:
            assert await client.call("X") == {"n": 1}


@pytest.mark.feature("S21")
@pytest.mark.feature("S26")
async def test_who_is_connected(env):
    """`clients` has everybody who was let in, and `ClientConnected` tells of each."""
    async with env.RPCServer() as server:
        heard = gathered(server, ClientConnected)
        line = env.line(server)
        assert server.clients == ()
        async with line.client("A"), line.client("B"):
            await env.until(lambda: len(server.clients) == 2)
            assert tuple(event.client for event in heard) == server.clients
            assert [client.identity for client in server.clients] == ["A", "B"]
            assert all(client.state is State.OPEN for client in server.clients)
        await env.until(lambda: not server.clients)


@pytest.mark.feature("S26")
async def test_the_same_identity_again(env):
    """The newest connection of an identity replaces the older, which is told so."""
    async with env.RPCServer() as server:
        server.handle("X", lambda call: {"n": 1})
        line = env.line(server)
        async with line.client("A", reconnect=False) as old:
            closed = gathered(old, Closed)
            async with line.client("A") as new:
                await env.until(lambda: closed)
                assert closed[0].code == 1008
                assert len(server.clients) == 1
                assert await new.call("X") == {"n": 1}
            await env.until(lambda: not server.clients)


@pytest.mark.feature("S23")
@pytest.mark.parametrize("cut", [0, 1, 20, None])
async def test_a_stream_with_bytes_already_read(env, cut):
    """What was read from the stream before it was handed over counts, however much of it."""
    async with env.RPCServer() as server:
        server.handle("X", lambda call: {"n": 1})
        near, there = env.pair()
        client = env.RPCClient("ws://host", "CP1")
        client._dial = env.dial_to(near)

        async def serve():
            asked = await there.receive()
            stream, back = env.pair()
            size = len(asked) if cut is None else cut
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.handle_stream, stream, asked[:size])
                if asked[size:]:
                    await back.send(asked[size:])
                tasks.start_soon(carry, there, back)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            async with client:
                assert await client.call("X") == {"n": 1}


@pytest.mark.feature("S23")
async def test_handle_stream_returns_when_it_is_over(env):
    """The call serves one client, and ends with its connection."""
    async with env.RPCServer() as server:
        over = []
        near, there = env.pair()

        async def serve():
            await server.handle_stream(near)
            over.append(env.now)

        env.spawn(serve)
        raw = await Raw.connect(there)
        await anyio.sleep(10)
        assert over == []
        await raw.close()
        await env.until(lambda: over)
        assert server.clients == ()


@pytest.mark.feature("S23")
async def test_cancelling_handle_stream(env):
    """Whoever serves a stream may stop, and nothing is left behind."""
    async with env.RPCServer() as server:
        async with cut_short(env, server) as raw:
            assert len(server.clients) == 1
        assert server.clients == ()
        await raw.stream.aclose()


@pytest.mark.feature("S24")
async def test_reconfigure(env):
    """New options count for clients that connect from now on; impossible ones change nothing."""
    async with env.RPCServer(protocols=["a"], call_timeout=5) as server:
        line = env.line(server)

        async def patience(side):
            begun = env.now
            with pytest.raises(CallTimeout):
                await side.call("Wait")
            return round(env.now - begun)

        async def wait(call):
            await anyio.sleep_forever()

        async with line.client("A", protocols=["a", "b"]) as old:
            old.handle("Wait", wait)
            with pytest.raises(ValueError):
                server.reconfigure(call_timeout=-1)
            with pytest.raises(TypeError):
                server.reconfigure(nonsense=1)
            server.reconfigure(protocols=["b"], call_timeout=50)
            async with line.client("B", protocols=["a", "b"]) as new:
                new.handle("Wait", wait)
                assert (old.protocol, new.protocol) == ("a", "b")
                await env.until(lambda: len(server.clients) == 2)
                assert [await patience(side) for side in server.clients] == [5, 50]
            with pytest.raises(UnexpectedHTTPResponse):
                async with line.client("C", protocols=["a"]):
                    pass
            assert old.state is State.OPEN


@pytest.mark.feature("S27")
@pytest.mark.parametrize(
    "options",
    [
        {"strict_mode": True},
        {"strict_mode": ["ocpp1.6"]},
        {"strict_mode": True, "protocols": ["unheard-of"]},
        {"strict_mode": ["unheard-of"], "protocols": ["unheard-of"]},
        {"call_timeout": -1},
        {"call_concurrency": 0},
    ],
)
def test_impossible_options(env, options):
    """What cannot work is refused when it is given, client and server."""
    with pytest.raises(ValueError):
        env.RPCServer(**options)
    with pytest.raises(ValueError):
        env.RPCClient("ws://host", "CP1", **options)


@pytest.mark.feature("S27")
@pytest.mark.feature("C2")
@pytest.mark.parametrize(
    ("endpoint", "identity"), [("ws://host", ""), ("http://host", "CP1"), ("nonsense", "CP1"), ("", "CP1")]
)
def test_impossible_clients(env, endpoint, identity):
    """A client needs an identity and a ws or wss URL."""
    with pytest.raises(ValueError):
        env.RPCClient(endpoint, identity)


@pytest.mark.feature("S27")
def test_options_that_do_not_exist(env):
    """A misspelt option is a `TypeError`."""
    with pytest.raises(TypeError):
        env.RPCServer(call_time_out=1)
    with pytest.raises(TypeError):
        env.RPCClient("ws://host", "CP1", call_time_out=1)


@pytest.mark.feature("S1")
async def test_not_entered(env):
    """A server that was not entered, or was left, does not listen."""
    server = env.RPCServer()
    with pytest.raises(RuntimeError):
        await server.listen()
    async with server:
        with pytest.raises(RuntimeError):
            await server.__aenter__()
    with pytest.raises(RuntimeError):
        await server.listen()


@pytest.mark.feature("S28")
async def test_nobody_serves(env):
    """Without a handler, the server's or the client's own, a call is `NotImplemented`."""
    async with env.joined() as it:
        with pytest.raises(RPCNotImplementedError):
            await it.client.call("X")
        with pytest.raises(RPCNotImplementedError):
            await it.side.call("X")


@pytest.mark.feature("S25")
@pytest.mark.feature("S29")
async def test_closing_at_once(env):
    """However many close the server at once, all of them hear when it is over."""
    async with env.RPCServer() as server:
        line = env.line(server)
        async with line.client("A", reconnect=False), line.client("B", reconnect=False):
            closed = gathered(server, ServerClosed)
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(server.close)
                tasks.start_soon(server.wait_closed)
        await server.close()
        assert closed == [ServerClosed()]


@pytest.mark.feature("S25")
@pytest.mark.feature("S29")
async def test_closing_from_inside(env):
    """A handler, or `on_client`, may close the server, although it is cancelled by that itself."""
    for method in ("handler", "on_client"):
        async with env.RPCServer() as server:

            async def stop(cause, server=server):
                await server.close(4000, "stop")
                raise AssertionError("it was cancelled")

            if method == "handler":
                server.handle("Stop", stop)
            else:
                server.on_client(stop)
            async with env.line(server).client(reconnect=False) as client:
                if method == "handler":
                    with pytest.raises(ConnectionLost):
                        await client.call("Stop")
                await server.wait_closed()
                assert (await client.close()) == (4000, "stop")


@pytest.mark.feature("S25")
async def test_giving_up_on_closing(env):
    """Whoever cancels `close` does not stop it."""
    async with env.RPCServer() as server:
        line = env.line(server)
        raw = await line.raw()
        with anyio.move_on_after(1) as scope:
            await server.close()
        assert scope.cancelled_caught
        await server.wait_closed()
        await raw.stream.aclose()


@pytest.mark.feature("S22")
async def test_nobody_is_served_before_it_is_entered(env):
    """There is nobody yet to run handlers and keep the time; the error says what to do, and nothing is left behind."""
    server, stream = env.RPCServer(), env.native_pair()[0]
    with pytest.raises(RuntimeError, match="async with RPCServer"):
        await server.handle_stream(stream)
    assert server.guard._visits == set()
    await stream.aclose()
