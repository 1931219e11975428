"""The driver for plain asyncio is as good as the page about it says, and talks to the adapters."""

import ast
import asyncio
import contextlib
import gc
import importlib.util
import os
import ssl
import sys
import threading
from pathlib import Path

import pytest
import trio

import ocpp_rpc_anyio
import ocpp_rpc_trio
from ocpp_rpc_core import (
    CallTimeout,
    ClientOptions,
    Closed,
    ConnectionLost,
    Disconnected,
    ExponentialBackoff,
    HandshakeTimeout,
    NotConnected,
    Opened,
    Reject,
    Router,
    RPCError,
    RPCInternalError,
    RPCNotImplementedError,
    ServerOptions,
    State,
    UnexpectedHTTPResponse,
    UpgradeAborted,
    events,
)

PATH = Path(__file__).parents[2] / "docs" / "how-to" / "asyncio_driver.py"
SPEC = importlib.util.spec_from_file_location("asyncio_driver", PATH)
driver = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(driver)

NOW = "2030-01-01T00:00:00Z"
STRICT = {"entropy": os.urandom, "protocols": ["ocpp1.6"], "strict_mode": True}
FREE = {"entropy": os.urandom}


class Peer(driver.Peer):
    """Remembers what it observed."""

    def __init__(self, *args):
        super().__init__(*args)
        self.heard = []

        self.awaited = {}

    def observe(self, notice):
        self.heard.append(notice)
        if type(notice) in self.awaited:
            self.awaited.pop(type(notice)).set_result(notice)

    def until(self, kind):
        """A future of the next notice of this type."""
        return self.awaited.setdefault(kind, self.loop.create_future())

    def notices(self, kind):
        return [notice for notice in self.heard if isinstance(notice, kind)]


def run(main, seconds=10):
    """Run a story; nothing may be left behind, and nothing may have failed unseen."""
    failures = []

    async def whole():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
        async with asyncio.timeout(seconds):
            await main()
        for _ in range(3):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(whole(), debug=True)
    gc.collect()
    assert failures == []


@contextlib.asynccontextmanager
async def serving(router=None, *, kind=Peer, tls=None, **options):
    """A server; gives its URL and its side of each connection."""
    peers = []

    def accept():
        peers.append(kind(ServerOptions(**{**FREE, **options}), router or Router()))
        return peers[-1]

    server = await asyncio.get_running_loop().create_server(accept, "127.0.0.1", ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"{'ws' if tls is None else 'wss'}://127.0.0.1:{port}", peers
    finally:
        server.close()
        for peer in peers:
            await peer.close(1001)
        for peer in peers:
            assert peer.closed.done()
            assert peer.connection.deadline is None
            assert peer._timer is None


def station(url, router=None, **options):
    return Peer(ClientOptions(**{**FREE, **options}, endpoint=url, identity="CP1"), router or Router())


def routes(**handlers):
    router = Router()
    for method, handler in handlers.items():
        router.add(method, handler)
    return router


async def heartbeat(peer, params):
    return {"currentTime": NOW}


async def never(peer, params):
    await asyncio.Event().wait()


# --- The example itself ------------------------------------------------------------


def test_it_is_short_and_needs_only_the_core():
    """Under 160 lines, with imports from the standard library and the core only."""
    source = PATH.read_text(encoding="utf-8")
    assert len(source.splitlines()) < 160
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.partition(".")[0])
    assert imported - sys.stdlib_module_names == {"ocpp_rpc_core"}


# --- Calls ---------------------------------------------------------------------------


def test_both_call_each_other_in_strict_mode():
    """Calls go both ways, one inside the other; an invalid one is refused by its own side."""

    async def boot(peer, params):
        assert (await peer.call("Reset", {"type": "Soft"})) == {"status": "Accepted"}
        return {"status": "Accepted", "currentTime": NOW, "interval": 300}

    async def reset(peer, params):
        return {"status": "Accepted"}

    async def main():
        async with serving(routes(BootNotification=boot), **STRICT) as (url, peers):
            client = station(url, routes(Reset=reset), **STRICT)
            await client.connect()
            assert client.connection.protocol == "ocpp1.6"
            params = {"chargePointVendor": "Example", "chargePointModel": "One"}
            assert (await client.call("BootNotification", params))["interval"] == 300
            with pytest.raises(RPCNotImplementedError):
                await client.call("Heartbeat", {})
            with pytest.raises(RPCError) as refusal:
                await peers[0].call("Reset", {"type": "Gentle"})
            assert refusal.value.code == "PropertyConstraintViolation"
            assert await client.close(1000, "bye") == Closed(1000, "bye")
            assert await peers[0].closed == Closed(1000, "bye")

    run(main)


def test_a_call_that_is_not_answered_times_out():
    """And the connection goes on."""

    async def main():
        async with serving(routes(Slow=never, Heartbeat=heartbeat)) as (url, _):
            client = station(url)
            await client.connect()
            with pytest.raises(CallTimeout):
                await client.call("Slow", timeout=0.01)
            assert await client.call("Heartbeat") == {"currentTime": NOW}
            await client.close()

    run(main)


def test_a_cancelled_call_is_cancelled_in_the_core_too():
    """The queued call behind it is sent only once it is settled; a queued one that is cancelled is never sent."""

    async def main():
        async with serving(routes(Slow=never, Heartbeat=heartbeat)) as (url, peers):
            client = station(url)
            await client.connect()
            slow = asyncio.create_task(client.call("Slow", timeout=0.05))
            queued = asyncio.create_task(client.call("Slow"))
            await asyncio.sleep(0)
            for task in (slow, queued):
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert await client.call("Heartbeat") == {"currentTime": NOW}
            assert client._waiters == {}
            assert len(peers[0]._tasks) == 1  # only the first came across
            await client.close()

    run(main)


def test_a_handler_that_fails_is_an_internal_error():
    """Observers on its side have the cause; a handler that cancels itself is answered, too."""

    async def fail(peer, params):
        return 1 / 0

    async def give_up(peer, params):
        raise asyncio.CancelledError

    async def main():
        async with serving(routes(Fail=fail, GiveUp=give_up)) as (url, _):
            client = station(url)
            await client.connect()
            for method in ("Fail", "GiveUp"):
                with pytest.raises(RPCInternalError):
                    await client.call(method)
            await client.close()

    run(main)


# --- Opening -------------------------------------------------------------------------


def test_the_server_decides_who_comes_in():
    """Accepted, refused with a status, or 500 when deciding fails."""

    class Doorman(Peer):
        async def decide(self, handshake):
            if handshake.password == b"right":
                return events.UpgradeAccepted()
            if handshake.password is None:
                raise Reject(401)
            return events.UpgradeRejected(403, "no")

    async def main():
        async with serving(kind=Doorman, authenticate=True) as (url, peers):
            for password, status in (("wrong", 403), (None, 500)):
                client = station(url, password=password)
                with pytest.raises(UnexpectedHTTPResponse) as refusal:
                    await client.connect()
                assert refusal.value.status == status
                await client.closed
                await peers[-1].closed
                assert [aborted.status for aborted in peers[-1].notices(UpgradeAborted)] == [status]
            client = station(url, password="right")
            await client.connect()
            assert peers[-1].connection.handshake.identity == "CP1"
            await client.close()

    run(main)


def test_a_client_that_leaves_is_not_decided_on():
    """The decision is cancelled."""
    deciding, asked = [], asyncio.Event()

    class Ponderer(Peer):
        async def decide(self, handshake):
            deciding.append(asyncio.current_task())
            asked.set()
            await asyncio.Event().wait()

    async def main():
        async with serving(kind=Ponderer, authenticate=True) as (url, peers):
            client = station(url)
            connecting = asyncio.create_task(client.connect())
            await asked.wait()
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
            assert (await client.closed).code == 1001
            await peers[0].closed
            await asyncio.wait(deciding)
            assert len(peers[0].notices(UpgradeAborted)) == 1

    run(main)


def test_nobody_listens():
    """The network's error is raised."""

    async def main():
        async with serving() as (url, _):
            pass
        client = station(url)
        with pytest.raises(ConnectionRefusedError):
            await client.connect()
        assert client.connection.state is State.CLOSED

    run(main)


def test_a_server_that_says_nothing():
    """The opening handshake times out, and its stream is dropped."""

    class Silent(asyncio.Protocol):
        def connection_made(self, transport):
            accepted.set()

    accepted = asyncio.Event()

    async def main():
        server = await asyncio.get_running_loop().create_server(Silent, "127.0.0.1")
        client = station(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", handshake_timeout=0.01)
        with pytest.raises(HandshakeTimeout):
            await client.connect()
        await accepted.wait()  # asyncio complains of who comes while the server closes
        server.close()
        await server.wait_closed()

    run(main)


def test_an_attempt_is_given_up(monkeypatch):
    """Closing while a stream is being opened cancels that."""

    async def main():
        client = station("ws://127.0.0.1:1")
        monkeypatch.setattr(client.loop, "create_connection", lambda *args, **options: asyncio.Event().wait())
        connecting = asyncio.create_task(client.connect())
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(NotConnected):
            await connecting

    run(main)


def test_an_attempt_is_given_up_too_late(monkeypatch):
    """The stream is there before the cancellation is: its loss is told, and not that there was none."""

    async def main():
        client = station("ws://127.0.0.1:1", handshake_timeout=0.01)

        class Transport(asyncio.Transport):
            def abort(self):
                client.loop.call_soon(client.connection_lost, None)

        async def opens_late(*args, **options):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                client.connection_made(Transport())
                raise

        monkeypatch.setattr(client.loop, "create_connection", opens_late)
        with pytest.raises(HandshakeTimeout):
            await client.connect()

    run(main)


def test_tls():
    """A station connects to a wss endpoint with a context of its own."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    at_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(at_server)
    at_client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(at_client)

    async def main():
        async with serving(routes(Heartbeat=heartbeat), tls=at_server) as (url, _):
            client = station(url, tls=at_client)
            await client.connect()
            assert await client.call("Heartbeat") == {"currentTime": NOW}
            assert await client.close() == Closed(1000, "")

    run(main)


# --- Closing and losing ----------------------------------------------------------------


@pytest.mark.parametrize("drain", [True, False])
def test_close_with_a_call_under_way(drain):
    """Draining lets it finish; otherwise it is given up and the handler cancelled."""

    async def main():
        entered, leave, cancelled = asyncio.Event(), asyncio.Event(), []

        async def wait(peer, params):
            entered.set()
            try:
                await leave.wait()
            except asyncio.CancelledError:
                cancelled.append(True)
                raise
            return {"done": True}

        async with serving(routes(Wait=wait)) as (url, peers):
            client = station(url)
            await client.connect()
            call = asyncio.create_task(client.call("Wait"))
            await entered.wait()
            closing = asyncio.create_task(client.close(drain=drain))
            if drain:
                await asyncio.sleep(0)
                with pytest.raises(NotConnected):
                    await client.call("Wait")
                leave.set()
                assert await call == {"done": True}
            else:
                with pytest.raises(ConnectionLost):
                    await call
            assert await closing == Closed(1000, "")
            await peers[0].closed
            await asyncio.sleep(0)
            assert cancelled == ([] if drain else [True])

    run(main)


def test_it_reconnects():
    """A lost connection is dialled again, and a call made meanwhile waits for it."""

    async def main():
        async with serving(routes(Heartbeat=heartbeat)) as (url, peers):
            client = station(url, backoff=ExponentialBackoff(initial=0.01, maximum=0.02))
            await client.connect()
            lost = client.until(Disconnected)
            peers[0]._transport.abort()
            await lost
            assert await client.call("Heartbeat") == {"currentTime": NOW}
            assert len(client.notices(Opened)) == 2
            await client.close()

    run(main)


def test_callers_wait_and_nothing_is_read_while_the_peer_does_not_read():
    """Until the transport may be written to again."""

    async def main():
        async with serving(routes(Heartbeat=heartbeat)) as (url, peers):
            client = station(url)
            await client.connect()
            client.pause_writing()
            assert not client._transport.is_reading()
            call = asyncio.create_task(client.call("Heartbeat"))
            await asyncio.sleep(0)
            assert client.connection.deadline is not None
            assert client._waiters == {}
            client.resume_writing()
            assert await call == {"currentTime": NOW}
            client.pause_writing()
            call = asyncio.create_task(client.call("Heartbeat"))
            closing = asyncio.create_task(client.close())
            peers[0]._transport.abort()
            client._transport.abort()
            await closing
            with pytest.raises(NotConnected):
                await call

    run(main)


# --- With the adapters ---------------------------------------------------------------------


async def story_of_a_client(rpc, url):
    """What a client of an adapter does; the same on both."""
    async with rpc.RPCClient(url, "CP1", protocols=["ocpp1.6"], strict_mode=True) as client:

        @client.handle("Reset")
        async def reset(call):
            return {"status": "Accepted"}

        params = {"chargePointVendor": "Example", "chargePointModel": "One"}
        assert (await client.call("BootNotification", params))["status"] == "Accepted"
        with pytest.raises(CallTimeout):
            await client.call("Heartbeat", timeout=0.01)
        return await client.close(1000, "bye")


async def boot_and_call_back(peer, params):
    assert (await peer.call("Reset", {"type": "Soft"})) == {"status": "Accepted"}
    return {"status": "Accepted", "currentTime": NOW, "interval": 300}


def in_a_thread(function):
    """Something to await while another event loop runs in a thread."""
    return asyncio.get_running_loop().run_in_executor(None, function)


@pytest.mark.parametrize("adapter", ["anyio", "trio"])
def test_a_client_of_an_adapter_and_our_server(adapter):
    """They call both ways, time out and close."""

    async def main():
        router = routes(BootNotification=boot_and_call_back, Heartbeat=never)
        async with serving(router, **STRICT) as (url, peers):
            if adapter == "anyio":
                info = await story_of_a_client(ocpp_rpc_anyio, url)
            else:
                info = await in_a_thread(lambda: trio.run(story_of_a_client, ocpp_rpc_trio, url))
            assert info == (1000, "bye")
            assert await peers[0].closed == Closed(1000, "bye")

    run(main)


@pytest.mark.parametrize("adapter", ["anyio", "trio"])
def test_our_client_and_a_server_of_an_adapter(adapter):
    """They call both ways, time out and close."""
    rpc = {"anyio": ocpp_rpc_anyio, "trio": ocpp_rpc_trio}[adapter]

    async def serve(started, stop):
        async with rpc.RPCServer(protocols=["ocpp1.6"], strict_mode=True) as server:

            @server.handle("BootNotification")
            async def boot(call):
                return await boot_and_call_back(call.client, call.params)

            server.handle("Heartbeat", lambda call: rpc.NOREPLY)
            listener = await server.listen(host="127.0.0.1")
            await started(listener.url)
            await stop()

    async def reset(peer, params):
        return {"status": "Accepted"}

    async def story(url):
        client = station(url, routes(Reset=reset), **STRICT)
        await client.connect()
        params = {"chargePointVendor": "Example", "chargePointModel": "One"}
        assert (await client.call("BootNotification", params))["status"] == "Accepted"
        with pytest.raises(CallTimeout):
            await client.call("Heartbeat", {}, timeout=0.01)
        assert await client.close(1000, "bye") == Closed(1000, "bye")

    async def on_asyncio():
        await serve(story, lambda: asyncio.sleep(0))

    async def on_trio():
        found, done = asyncio.get_running_loop().create_future(), threading.Event()
        loop = asyncio.get_running_loop()

        async def started(url):
            loop.call_soon_threadsafe(found.set_result, url)

        serving = in_a_thread(lambda: trio.run(serve, started, lambda: trio.to_thread.run_sync(done.wait)))
        try:
            await story(await found)
        finally:
            done.set()
            await serving

    run(on_asyncio if adapter == "anyio" else on_trio)
