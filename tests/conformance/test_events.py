"""What observers hear, by callback and by iterating; and that they cannot harm what they observe."""

import anyio
import pytest
from support.env import gathered

from ocpp_rpc_core import (
    CallErrorEvent,
    CallEvent,
    CallResultEvent,
    ClientConnected,
    Closed,
    Closing,
    Connecting,
    Disconnected,
    MessageEvent,
    Opened,
    ProtocolChosen,
    ResponseEvent,
    RPCNotSupportedError,
    ServerClosed,
    ServerClosing,
    ServerError,
    SocketError,
)


@pytest.mark.feature("C26")
async def test_a_life_in_events(env):
    """Connecting, the subprotocol, open, closing, gone and closed, once each and in this order."""
    async with env.RPCServer(protocols=["a"]) as server:
        client = env.line(server).client(protocols=["b", "a"])
        heard = gathered(client, Connecting, ProtocolChosen, Opened, Closing, Disconnected, Closed, SocketError)
        async with client:
            assert [type(event) for event in heard] == [Connecting, ProtocolChosen, Opened]
            assert heard[0] == Connecting(("b", "a"))
            assert heard[1] == ProtocolChosen("a")
            assert heard[2].response.status == 101
            del heard[:]
            await client.close(4000, "bye")
            assert heard == [Closing(), Disconnected(4000, "bye"), Closed(4000, "bye")]


@pytest.mark.feature("C26")
@pytest.mark.feature("C28")
async def test_messages_in_both_directions(env):
    """Each message is seen as text and as what it means, by the sender as outbound, by the receiver as not."""
    kinds = (MessageEvent, CallEvent, ResponseEvent, CallResultEvent, CallErrorEvent)
    async with env.joined(new_message_id=iter("12").__next__) as it:
        ours, theirs = gathered(it.client, *kinds), gathered(it.side, *kinds)
        it.side.handle("Good", lambda call: {"n": 1})

        @it.side.handle("Bad")
        async def refuse(call):
            raise RPCNotSupportedError("no", {"a": 1})

        await it.client.call("Good", {"p": 0})
        with pytest.raises(RPCNotSupportedError):
            await it.client.call("Bad")
        result = CallResultEvent("1", outbound=True, method="Good", params={"p": 0}, result={"n": 1})
        assert [e for e in ours if isinstance(e, CallResultEvent)] == [result]
        (other,) = [e for e in theirs if isinstance(e, CallResultEvent)]
        assert (other.outbound, other.message_id, other.result) == (False, "1", {"n": 1})
        for heard, calls_out in ((ours, True), (theirs, False)):
            calls = [e for e in heard if isinstance(e, CallEvent)]
            assert [(e.message_id, e.outbound, e.payload) for e in calls] == [
                ("1", calls_out, [2, "1", "Good", {"p": 0}]),
                ("2", calls_out, [2, "2", "Bad", {}]),
            ]
            answers = [e for e in heard if isinstance(e, ResponseEvent)]
            assert [(e.outbound, e.payload[:2]) for e in answers] == [
                (not calls_out, [3, "1"]),
                (not calls_out, [4, "2"]),
            ]
            (error,) = [e for e in heard if isinstance(e, CallErrorEvent)]
            assert (error.message_id, error.outbound, error.method) == ("2", calls_out, "Bad")
            assert (error.error.code, error.error.details) == ("NotSupported", {"a": 1})
            messages = [e for e in heard if isinstance(e, MessageEvent)]
            assert [e.outbound for e in messages] == [calls_out, not calls_out] * 2
            assert '"Good"' in messages[0].message


@pytest.mark.feature("C27")
async def test_callbacks(env):
    """`on` as a call and as a decorator, `off` undoes it, a failing observer harms nobody."""
    async with env.joined() as it:
        heard = []

        def broken(event):
            raise LookupError("observer")

        it.side.on(CallEvent, broken)
        it.side.on(CallEvent, heard.append)

        @it.side.on(CallEvent)
        def count(event):
            heard.append("decorated")

        it.side.handle("X", lambda call: {"n": 1})
        assert await it.client.call("X") == {"n": 1}
        assert len(heard) == 2
        it.side.off(CallEvent, count)
        it.side.off(CallEvent, heard.append)
        assert await it.client.call("X") == {"n": 1}
        assert len(heard) == 2


@pytest.mark.feature("C27")
async def test_iterating(env):
    """Events of the wanted types come in order, what came between two looks included."""
    async with env.joined() as it:
        it.side.handle(lambda call: {})
        async with it.side.events(CallEvent, Closed) as stream:
            for method in ("A", "B"):
                await it.client.call(method)
            assert [(await anext(stream)).payload[2] for _ in "AB"] == ["A", "B"]
            later = []

            async def look():
                later.append(await anext(stream))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(look)
                await anyio.sleep(10)
                assert later == []
                await it.client.call("C")
            assert later[0].payload[2] == "C"
            await it.client.close(4000, "bye")
            assert await anext(stream) == Closed(4000, "bye")


@pytest.mark.feature("C27")
async def test_iterating_over_everything(env):
    """Without types, every event comes."""
    async with env.joined() as it:
        async with it.client.events() as stream:
            await it.client.close()
            kinds = [type(await anext(stream)) for _ in range(3)]
        assert kinds == [Closing, Disconnected, Closed]


@pytest.mark.feature("C27")
async def test_two_who_iterate(env):
    """Each gets every event."""
    async with env.joined() as it:
        it.side.handle(lambda call: {})
        async with it.side.events(CallEvent) as one, it.side.events(CallEvent) as two:
            await it.client.call("A")
            assert (await anext(one)) is (await anext(two))


@pytest.mark.feature("C27")
async def test_too_slow(env):
    """Who lets more than `buffer` events wait gets those, then a `BufferError`; the connection does not care."""
    async with env.joined() as it:
        it.side.handle(lambda call: {"n": 1})
        async with it.side.events(CallEvent, buffer=2) as stream:
            for method in ("A", "B", "C", "D"):
                await it.client.call(method)
            assert [(await anext(stream)).payload[2] for _ in "AB"] == ["A", "B"]
            with pytest.raises(BufferError):
                await anext(stream)
        assert await it.client.call("E") == {"n": 1}


@pytest.mark.feature("C27")
async def test_stopping_to_look(env):
    """Cancelling, or leaving the block, ends the iteration and nothing else."""
    async with env.joined() as it:
        async with it.client.events(Closed) as stream:
            with anyio.move_on_after(1) as scope:
                await anext(stream)
            assert scope.cancelled_caught
        it.side.handle(lambda call: {"n": 1})
        assert await it.client.call("X") == {"n": 1}


@pytest.mark.feature("S21")
async def test_a_servers_events(env):
    """A server's are iterated over like a client's."""
    server = env.RPCServer()
    async with server.events(ClientConnected, ServerClosing, ServerClosed, ServerError) as stream:
        async with server, env.line(server).client("A"):
            event = await anext(stream)
            assert event.client.identity == "A"
        assert await anext(stream) == ServerClosing()
        assert await anext(stream) == ServerClosed()
