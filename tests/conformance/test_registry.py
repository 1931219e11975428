"""Clients by name: called, waited for, and connected twice under one identity."""

import anyio
import pytest
from support.env import gathered

from ocpp_rpc_core import (
    Accept,
    CallTimeout,
    ClientConnected,
    Closed,
    ConnectionLost,
    NotConnected,
    Reject,
    RPCNotSupportedError,
    ServerError,
    State,
    UnexpectedHTTPResponse,
)

REPLACED = "replaced by a newer connection of this identity"
REFUSED = "this identity is connected already"


def named(client, name):
    """A client that says its name when it is called."""
    client.handle("Name", lambda call: {"name": name, **call.params})
    return client


@pytest.mark.feature("B6")
async def test_called_by_name(env):
    """A call reaches the client of that identity, with all that a call can be told; its outcome is the caller's."""
    async with env.RPCServer(call_timeout=50) as server:
        line = env.line(server)
        async with named(line.client("A"), "a") as a, named(line.client("B"), "b"):
            await env.until(lambda: len(server.clients) == 2)
            assert server.get("A") is server.clients[0]
            assert await server.call("A", "Name", {"x": 1}) == {"name": "a", "x": 1}
            assert await server.call("B", "Name") == {"name": "b"}
            assert await server.call("B", "Name", no_reply=True) is None

            @a.handle("No")
            def refuse(call):
                raise RPCNotSupportedError("not here")

            @a.handle("Never")
            async def wait(call):
                await anyio.sleep_forever()

            with pytest.raises(RPCNotSupportedError, match="not here"):
                await server.call("A", "No")
            for timeout in ({"timeout": 7}, {}):
                begun = env.now
                with pytest.raises(CallTimeout):
                    await server.call("A", "Never", **timeout)
                assert env.now - begun == pytest.approx(timeout.get("timeout", 50), abs=0.5)
            with anyio.move_on_after(1) as scope:
                await server.call("A", "Never")
            assert scope.cancelled_caught
            with pytest.raises(TypeError):
                await server.call("A", 3)


@pytest.mark.feature("B6")
@pytest.mark.feature("B2")
async def test_nobody_of_that_name(env):
    """The error names who is missing, before, after, and while the client leaves."""
    async with env.RPCServer(close_timeout=5) as server:

        async def missing():
            assert server.get("CP\n1") is None
            with pytest.raises(NotConnected) as failed:
                await server.call("CP\n1", "X")
            assert str(failed.value) == r"'CP\n1' is not connected"

        await missing()
        assert server.get("A") is None
        raw = await env.line(server).raw("A")
        side = server.get("A")
        env.spawn(side.close)
        await anyio.sleep(1)
        assert (side.state, server.clients) == (State.CLOSING, (side,))
        assert server.get("A") is None
        with pytest.raises(NotConnected, match="'A' is not connected"):
            await server.call("A", "X")
        await raw.stream.aclose()
        await env.until(lambda: not server.clients)


@pytest.mark.feature("B6")
async def test_waited_for(env):
    """At once if connected, else when it arrives; all who wait get it, and it can be called."""
    async with env.RPCServer() as server:
        line, found = env.line(server), []

        async def wait():
            client = await server.wait_for("A")
            found.append((client, await client.call("Name")))

        for _ in range(3):
            env.spawn(wait)
        async with line.client("B"):
            await anyio.sleep(100)
            assert found == []
            async with named(line.client("A"), "a"):
                await env.until(lambda: len(found) == 3)
                (side,) = {client for client, _ in found}
                assert side is server.get("A") is await server.wait_for("A")
                assert [answer for _, answer in found] == [{"name": "a"}] * 3


@pytest.mark.feature("B6")
async def test_waiting_in_vain(env):
    """Whoever gives up leaves nothing behind; whoever is left when the server closes is told so."""
    async with env.RPCServer() as server:
        with anyio.move_on_after(10) as scope:
            await server.wait_for("A")
        assert scope.cancelled_caught
        assert server._registry._waiting == {}
        failed = []

        async def wait():
            try:
                await server.wait_for("A")
            except NotConnected as error:
                failed.append(str(error))

        env.spawn(wait)
        await anyio.sleep(1)
        await server.close()
        await wait()
        await env.until(lambda: len(failed) == 2)
        assert failed == ["'A' is not connected, and the server is closing"] * 2


@pytest.mark.feature("B6")
@pytest.mark.threat("T13")
async def test_replaced(env):
    """The old one is closed with 1008 and a reason, its call under way is lost for that reason, and the one that was
    never written is safe to repeat; from then on calls by name reach the successor."""
    async with env.RPCServer() as server:
        line, outcomes = env.line(server), []
        old = line.client("A", reconnect=False)

        @old.handle("Never")
        async def wait(call):
            await anyio.sleep_forever()

        async def call():
            try:
                await server.call("A", "Never")
            except (ConnectionLost, NotConnected) as error:
                outcomes.append(error)

        async with old:
            closed = gathered(old, Closed)
            for _ in range(2):  # the second waits for its turn
                env.spawn(call)
                await anyio.sleep(1)
            first = server.get("A")
            seen = gathered(server, ClientConnected)
            answers = []

            @server.on(ClientConnected)
            def called_at_once(event):
                answers.append((server.get("A") is event.client, list(server.clients)))

            async with named(line.client("A"), "new"):
                await env.until(lambda: closed and len(outcomes) == 2 and answers)
                second = server.get("A")
                assert [event.client for event in seen] == [second]
                assert second is not first
                assert answers == [(True, [second])]
                assert closed == [Closed(1008, REPLACED)]
                by_kind = {type(error): str(error) for error in outcomes}
                assert set(by_kind) == {ConnectionLost, NotConnected}
                assert REPLACED in by_kind[ConnectionLost]
                assert await server.call("A", "Name") == {"name": "new"}


@pytest.mark.feature("B6")
@pytest.mark.threat("T13")
@pytest.mark.parametrize("is_refused", [True, False])
async def test_who_is_not_let_in_touches_nobody(env, is_refused):
    """A second connection that is not authenticated, or not yet, leaves the first as it is: found, called, alive."""
    async with env.RPCServer() as server:
        hold = anyio.Event()

        @server.auth
        async def decide(handshake):
            if handshake.password != b"right":
                await hold.wait()
                return Reject(401)
            return Accept()

        line = env.line(server)
        async with named(line.client("A", password="right", reconnect=False), "a") as client:
            first = server.get("A")

            async def knock():
                with pytest.raises(UnexpectedHTTPResponse) as refused:
                    async with line.client("A", password="wrong"):
                        pass
                assert refused.value.status == 401

            if is_refused:
                hold.set()
                await knock()
            else:
                env.spawn(knock)
                await anyio.sleep(1)
            assert server.get("A") is first
            assert await server.call("A", "Name") == {"name": "a"}
            assert client.state is State.OPEN
            hold.set()


@pytest.mark.feature("B6")
@pytest.mark.threat("T13")
@pytest.mark.parametrize("end", ["goodbye", "cut", "silence"])
@pytest.mark.parametrize("policy", ["replace", "allow"])
async def test_barrier(env, policy, end):
    """A's clean-up is held back, B is installed, A is released: B is untouched, found and callable.

    Held is what runs beside A's connection and does not end when it is cancelled.  A leaves as it likes.
    """
    async with env.RPCServer(duplicates=policy, ping_interval=0, close_timeout=5) as server:
        release, ended = anyio.Event(), []

        @server.on_client
        async def attend(client):
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.move_on_after(100, shield=True):
                    await release.wait()
                ended.append(client)

        line = env.line(server)
        raw = await line.raw("X")
        a = server.get("X")
        if end == "cut" and policy == "allow":
            raw.stream.cut()
        async with named(line.client("X", reconnect=False), "b") as client:
            await env.until(lambda: server.get("X") not in (None, a))
            b = server.get("X")
            closed = gathered(b, Closed)
            if end == "goodbye":
                await raw.close() if policy == "allow" else await raw.ended()
            elif end == "cut":
                raw.stream.cut()
            await anyio.sleep(10)  # longer than a goodbye may take
            assert ended == []
            assert await server.call("X", "Name") == {"name": "b"}
            release.set()
            if policy == "replace" or end != "silence":
                await env.until(lambda: ended == [a])
                assert a.state is State.CLOSED
                assert server.clients == (b,)
            assert server.get("X") is b
            assert await server.call("X", "Name") == {"name": "b"}
            assert (closed, client.state) == ([], State.OPEN)
        await raw.stream.aclose()
        await env.until(lambda: not server.clients)
        assert server.get("X") is None


@pytest.mark.feature("B6")
async def test_the_oldest_wins(env):
    """With "refuse" the newcomer is let in only to be told, and is neither announced nor found."""
    async with env.RPCServer(duplicates="refuse") as server:
        line, heard = env.line(server), gathered(server, ClientConnected)
        async with named(line.client("A", reconnect=False), "old") as old:
            async with line.client("A", reconnect=False) as new:
                closed = gathered(new, Closed)
                await env.until(lambda: closed)
                assert (await new.close()) == (1008, REFUSED)
            assert await server.call("A", "Name") == {"name": "old"}
            assert [event.client for event in heard] == list(server.clients)
            assert old.state is State.OPEN
        await env.until(lambda: not server.clients)
        async with named(line.client("A"), "next"):
            await env.until(lambda: server.get("A"))
            assert await server.call("A", "Name") == {"name": "next"}


@pytest.mark.feature("B6")
async def test_all_stay(env):
    """With "allow" the newest is found by name, and when it goes, the one before it."""
    async with env.RPCServer(duplicates="allow") as server:
        line = env.line(server)
        async with named(line.client("A"), "one"):
            async with named(line.client("A"), "two"):
                await env.until(lambda: len(server.clients) == 2)
                assert await server.call("A", "Name") == {"name": "two"}
            await env.until(lambda: len(server.clients) == 1)
            assert await server.call("A", "Name") == {"name": "one"}


@pytest.mark.feature("B6")
@pytest.mark.feature("S24")
async def test_asked_each_time(env):
    """A callback decides by what is known of both; one that fails refuses the newcomer, and is reported."""

    def by_rank(newcomer, clients):
        if newcomer.session is None:
            raise LookupError("no rank")
        return "replace" if newcomer.session > max(client.session for client in clients) else "refuse"

    async with env.RPCServer() as server:
        server.reconfigure(duplicates=by_rank)
        server.auth(lambda handshake: Accept(int(handshake.password) if handshake.password else None))
        line, failures = env.line(server), gathered(server, ServerError)

        async def fate(password):
            async with line.client("A", password=password, reconnect=False) as client:
                await anyio.sleep(1)
                return await client.close() if client.state is not State.OPEN else "stays"

        async with line.client("A", password="5", reconnect=False) as client:
            assert [await fate("3"), await fate(None)] == [(1008, REFUSED)] * 2
            assert [str(event.error) for event in failures] == ["no rank"]
            assert (client.state, server.get("A").session) == (State.OPEN, 5)
            assert await fate("7") == "stays"
            assert (await client.close()) == (1008, REPLACED)
