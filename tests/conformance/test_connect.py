"""How connections begin: entering, connecting once or again, giving up; and the states on the way."""

import anyio
import pytest

from ocpp_rpc_core import (
    Accept,
    Closed,
    Closing,
    NotConnected,
    State,
)


@pytest.mark.feature("C24")
async def test_the_states(env):
    """Closed, connecting, open, closing, closed."""
    async with env.RPCServer(protocols=["a"]) as server:

        async def decide(handshake):
            states.append(client.state)
            return Accept()

        server.auth(decide)
        client = env.line(server).client("CP 9", auto_connect=False, protocols=["a"])
        client.on(Closing, lambda event: states.append(client.state))
        client.on(Closed, lambda event: states.append(client.state))
        states = []
        async with client:
            states.append(client.state)
            await client.connect()
            states.append(client.state)
            assert (client.identity, client.protocol) == ("CP 9", "a")
        closed, connecting, opened, *rest = states
        assert (closed, connecting, opened) == (State.CLOSED, State.CONNECTING, State.OPEN)
        assert rest[-1] is State.CLOSED


@pytest.mark.feature("C11")
async def test_connect(env):
    """Callers at once share one attempt, a connected client has nothing to do, a closing one refuses."""
    async with env.RPCServer() as server:
        line = env.line(server)
        async with line.client(auto_connect=False) as client:
            responses = []

            async def connect():
                responses.append(await client.connect())

            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(connect)
            assert [response.status for response in responses] == [101] * 3
            assert (await client.connect()).status == 101
            assert len(line.dials) == 1
            client.handle("Wait", lambda call: anyio.sleep(5))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.clients[0].call, "Wait")
                await anyio.sleep(1)
                tasks.start_soon(lambda: client.close(await_pending=True))
                await anyio.sleep(1)
                with pytest.raises(NotConnected):
                    await client.connect()


@pytest.mark.feature("C11")
async def test_connecting_again(env):
    """A closed client can connect anew."""
    async with env.joined() as it:
        await it.client.close()
        await it.client.connect()
        assert it.client.state is State.OPEN
        it.server.handle("X", lambda call: {"n": 1})
        assert await it.client.call("X") == {"n": 1}


@pytest.mark.feature("C1")
async def test_entering_twice(env):
    """One client is entered once at a time."""
    async with env.joined() as it:
        with pytest.raises(RuntimeError):
            await it.client.__aenter__()
        assert it.client.state is State.OPEN


@pytest.mark.feature("C1")
async def test_not_entered(env):
    """A client that was not entered says so."""
    client = env.line().client()
    for what in (client.connect, client.close, lambda: client.call("X")):
        with pytest.raises(RuntimeError):
            await what()


@pytest.mark.feature("C1")
@pytest.mark.feature("C11")
async def test_giving_up_waiting(env):
    """Whoever cancels the first connect leaves nothing behind, whatever it waits for."""
    async with env.RPCServer() as server:
        server.auth(lambda handshake: anyio.sleep_forever())
        for line in (env.line(server), env.line(None)):
            for dead in (True, False):
                line.dead = dead
                with anyio.move_on_after(1) as scope:
                    async with line.client():
                        raise AssertionError("it was not let in")
                assert scope.cancelled_caught
        with anyio.CancelScope() as scope:
            scope.cancel()
            async with env.line(server).client():
                raise AssertionError("it was not let in")


@pytest.mark.feature("C11")
async def test_connecting_while_reconnecting(env):
    """`connect` while the client is between two attempts waits for the next that succeeds."""
    async with env.joined() as it:
        it.line.refusal = OSError("refused")
        it.line.cut()
        await anyio.sleep(1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(it.client.connect)
            await anyio.sleep(10)
            assert it.client.state is State.CONNECTING
            it.line.refusal = None
        assert it.client.state is State.OPEN
