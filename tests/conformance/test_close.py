"""How connections end: by either side, politely or not, with calls pending, during connect, with a dead peer."""

import anyio
import pytest
from support.env import gathered
from wsproto.events import CloseConnection

from ocpp_rpc_core import (
    ClientConnected,
    Closed,
    CloseInfo,
    ConnectionLost,
    Disconnected,
    NotConnected,
    RPCError,
    State,
)


@pytest.mark.feature("C12")
@pytest.mark.parametrize(
    ("code", "sent"), [(1000, 1000), (4321, 4321), (1001, 1001), (1005, 1000), (5, 1000), (1006, 1000)]
)
async def test_the_code(env, code, sent):
    """The code and reason reach the peer, and come back; a code that cannot be sent becomes 1000."""
    async with env.joined() as it:
        closed = gathered(it.side, Closed)
        assert await it.client.close(code, "why") == CloseInfo(sent, "why")
        await env.until(lambda: closed)
        assert closed == [Closed(sent, "why")]


@pytest.mark.feature("C12")
async def test_the_default(env):
    """A client closes with 1000 and no reason."""
    async with env.joined() as it:
        assert await it.client.close() == CloseInfo(1000, "")


@pytest.mark.feature("C12")
async def test_closing_twice(env):
    """The first call decides; every call gets the same answer, also when all is over."""
    async with env.joined() as it:
        answers = []

        async def close(code):
            answers.append(await it.client.close(code))

        async with anyio.create_task_group() as tasks:
            for code in (4001, 4002, 4003):
                tasks.start_soon(close, code)
                await anyio.lowlevel.checkpoint()
        first = answers[0]
        assert first.code in (4001, 4002, 4003)
        assert answers == [first] * 3
        assert await it.client.close(4004) == first
        assert await it.client.close(force=True) == first


@pytest.mark.feature("C12")
async def test_never_connected(env):
    """Closing a client that never connected ends at once."""
    async with env.line().client(auto_connect=False) as client:
        assert (await client.close()).code in (1000, 1001)
        assert client.state is State.CLOSED


@pytest.mark.feature("C12")
@pytest.mark.parametrize("phase", ["dialling", "upgrading", "deciding"])
async def test_during_the_first_connect(env, phase):
    """The close is 1001 "Connection aborted", and who waits to be connected hears so."""
    async with env.RPCServer() as server:
        server.auth(lambda handshake: anyio.sleep_forever())
        line = env.line(server if phase == "deciding" else None)
        line.dead = phase == "dialling"
        failures = []

        async def connect(client):
            try:
                await client.connect()
            except Exception as error:  # noqa: BLE001 - whichever it is
                failures.append(error)

        async with line.client(auto_connect=False) as client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(connect, client)
                await anyio.sleep(1)
                assert client.state is State.CONNECTING
                assert await client.close() == CloseInfo(1001, "Connection aborted")
            assert len(failures) == 1
            assert isinstance(failures[0], ConnectionError)


@pytest.mark.feature("C12")
async def test_force(env):
    """`force` drops the connection at once: 1006 at both ends, without a goodbye."""
    async with env.joined() as it:
        closed = gathered(it.side, Closed)
        begun = env.now
        assert await it.client.close(4000, "ignored", force=True) == CloseInfo(1006, "")
        await env.until(lambda: closed)
        assert env.now - begun < 1
        assert closed[0].code == 1006


@pytest.mark.feature("C12")
async def test_force_after_a_polite_try(env):
    """Who waits for a goodbye that does not come may lose patience."""
    line = env.line()
    env.spawn(line.accept)
    async with line.client(close_timeout=1000) as client:
        answers = []

        async def close():
            answers.append(await client.close(4000))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(close)
            await anyio.sleep(1)
            await client.close(force=True)
        assert len(answers) == 1


@pytest.mark.feature("C13")
async def test_what_is_in_flight(env):
    """Without `await_pending` our calls fail, our handlers are cancelled, queued calls were never sent."""
    async with env.joined() as it:
        fates = []

        @it.client.handle("Work")
        async def work(call):
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                fates.append("handler cancelled")
                raise

        it.side.handle("Wait", lambda call: anyio.sleep_forever())

        async def fail(peer, method):
            try:
                await peer.call(method)
            except Exception as error:  # noqa: BLE001 - compared below
                fates.append((method, type(error)))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail, it.client, "Wait")
            await anyio.sleep(0.1)
            tasks.start_soon(fail, it.client, "Queued")
            tasks.start_soon(fail, it.side, "Work")
            await anyio.sleep(1)
            begun = env.now
            assert await it.client.close() == CloseInfo(1000, "")
            assert env.now - begun < 2
        assert sorted(fates, key=str) == sorted(
            [
                "handler cancelled",
                ("Wait", ConnectionLost),
                ("Queued", NotConnected),
                ("Work", ConnectionLost),
            ],
            key=str,
        )


@pytest.mark.feature("C13")
async def test_await_pending(env):
    """With it, calls and handlers under way finish, both ways; new ones are refused meanwhile."""
    async with env.joined() as it:

        async def work(call):
            await anyio.sleep(10)
            return {"done": True}

        it.client.handle("Work", work)
        it.side.handle("Work", work)
        results = []

        async def call(peer):
            results.append(await peer.call("Work"))

        async def close():
            results.append(await it.client.close(4000, "later", await_pending=True))

        begun = env.now
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, it.client)
            tasks.start_soon(call, it.side)
            await anyio.sleep(1)
            tasks.start_soon(close)
            await anyio.sleep(1)
            assert it.client.state is State.CLOSING
            with pytest.raises(NotConnected):
                await it.client.call("Work")
        assert env.now - begun == pytest.approx(10, abs=1)
        assert results.count({"done": True}) == 2
        assert results[-1] == CloseInfo(4000, "later")


@pytest.mark.feature("C13")
async def test_the_peer_calls_meanwhile(env):
    """A call that comes in while we only finish what we have is answered with an error, not served."""
    async with env.joined(server={"call_concurrency": 2}) as it:

        async def work(call):
            await anyio.sleep(10)
            return {"done": True}

        it.client.handle("Work", work)
        results = []

        async def call():
            results.append(await it.side.call("Work"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await anyio.sleep(1)
            tasks.start_soon(lambda: it.client.close(await_pending=True))
            await anyio.sleep(1)
            with pytest.raises(RPCError):
                await it.side.call("Work")
        assert results == [{"done": True}]


@pytest.mark.feature("C12")
async def test_a_peer_that_never_answers(env):
    """A goodbye without an answer ends after `close_timeout`."""
    line = env.line()
    env.spawn(line.accept)
    async with line.client(close_timeout=7) as client:
        begun = env.now
        info = await client.close(4000, "bye")
        assert env.now - begun == pytest.approx(7, abs=0.1)
        assert info.code in (1006, 4000)
        assert client.state is State.CLOSED


@pytest.mark.feature("C12")
async def test_a_peer_that_does_not_end_the_stream(env):
    """After both goodbyes a client does not wait long for the server to end the byte stream."""
    line = env.line()

    async def answer():
        raw = await line.accept()
        event = await raw.hear()
        await raw.say(event.response())

    env.spawn(answer)
    async with line.client(close_timeout=2) as client:
        begun = env.now
        assert await client.close(4000, "bye") == CloseInfo(4000, "bye")
        assert env.now - begun < 4


@pytest.mark.feature("C12")
async def test_the_peer_closes(env):
    """A goodbye of the server's is answered; a client that does not reconnect is closed with its code."""
    line = env.line()
    goodbyes = []

    async def serve():
        raw = await line.accept()
        await raw.say(CloseConnection(4242, "go"))
        goodbyes.append(await raw.hear())
        await raw.stream.aclose()

    env.spawn(serve)
    async with line.client(reconnect=False) as client:
        heard = gathered(client, Disconnected, Closed)
        await env.until(lambda: len(heard) == 2)
        assert heard == [Disconnected(4242, "go"), Closed(4242, "go")]
        assert client.state is State.CLOSED
    assert isinstance(goodbyes[0], CloseConnection)
    assert goodbyes[0].code == 4242


@pytest.mark.feature("S25")
@pytest.mark.parametrize("arguments", [{}, {"code": 4010, "reason": "maintenance"}])
async def test_the_server_closes(env, arguments):
    """Every client gets the code and reason, 1001 by default; nobody is left, nobody new comes in."""
    async with env.RPCServer() as server:
        line = env.line(server)
        async with line.client("A", reconnect=False) as a, line.client("B", reconnect=False) as b:
            closed = gathered(a, Closed), gathered(b, Closed)
            await env.until(lambda: len(server.clients) == 2)
            await server.close(**arguments)
            assert server.clients == ()
            code, reason = arguments.get("code", 1001), arguments.get("reason", "")
            await env.until(lambda: all(closed))
            assert closed == ([Closed(code, reason)],) * 2
            await server.close()  # once more is no error
            with pytest.raises(RuntimeError):
                await server.listen()
        connected = gathered(server, ClientConnected)
        with pytest.raises(OSError):
            async with line.client("C", reconnect=False):
                pass
        assert connected == []


@pytest.mark.feature("S25")
async def test_the_server_waits_for_what_is_pending(env):
    """With `await_pending` calls in flight end first, in both directions."""
    async with env.joined(reconnect=False) as it:

        async def work(call):
            await anyio.sleep(10)
            return {"done": True}

        it.client.handle("Work", work)
        it.side.handle("Work", work)
        results = []

        async def call(peer):
            results.append(await peer.call("Work"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, it.client)
            tasks.start_soon(call, it.side)
            await anyio.sleep(1)
            await it.server.close(await_pending=True)
        assert results == [{"done": True}] * 2


@pytest.mark.feature("S25")
async def test_the_server_drops_everything(env):
    """With `force` nobody hears a goodbye, however deaf."""
    async with env.RPCServer(close_timeout=1000) as server:
        line = env.line(server)
        raw = await line.raw("deaf")
        async with line.client(reconnect=False) as client:
            closed = gathered(client, Closed)
            begun = env.now
            await server.close(force=True)
            assert env.now - begun < 1
            await env.until(lambda: closed)
            assert closed[0].code == 1006
        await raw.stream.aclose()


@pytest.mark.feature("S25")
async def test_one_side_of_the_server_closes(env):
    """A server may close one client, and the others stay."""
    async with env.RPCServer() as server:
        line = env.line(server)
        async with line.client("A", reconnect=False) as a, line.client("B") as b:
            await env.until(lambda: len(server.clients) == 2)
            assert await server.clients[0].close(4009, "you") == CloseInfo(4009, "you")
            await env.until(lambda: a.state is State.CLOSED)
            assert b.state is State.OPEN
            assert [side.identity for side in server.clients] == ["B"]


@pytest.mark.feature("C12")
async def test_the_last_bytes(env):
    """What was sent before the peer's goodbye still arrives, and our goodbye, although the peer sends no more."""
    async with env.RPCServer() as server:
        raw = await env.line(server).raw()
        (side,) = server.clients
        for _ in range(2):  # more than the line takes
            await side.send_raw("y" * 60_000)
            await anyio.sleep(1)
        await raw.say(CloseConnection(4000, "bye"))
        await raw.stream.send_eof()
        size = 0
        while not isinstance(event := await raw.hear(), CloseConnection):
            assert event is not None, "something is missing"
            size += len(event.data)
            await anyio.sleep(0.1)
        assert (size, event.code) == (120_000, 4000)
        await raw.stream.aclose()
