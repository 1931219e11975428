"""The door of a server: how many may stand there, who is asked no more, web pages, and identities with tricks."""

import base64
import ssl
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import pytest
import trustme
from support.env import gathered
from support.raw import Raw

from ocpp_rpc_core import (
    Accept,
    ClientConnected,
    ConnectionRefused,
    Door,
    LimitExceeded,
    Reject,
    ServerError,
    State,
    UnexpectedHTTPResponse,
    UpgradeAborted,
    check_password,
)

STRANGERS = "too many connections that are not let in yet"
ENDED = (anyio.EndOfStream, anyio.BrokenResourceError)


async def status_of(line, identity="CP1", **options):
    """The HTTP status that a client gets, 101 included."""
    try:
        async with line.client(identity, reconnect=False, **options):
            return 101
    except UnexpectedHTTPResponse as refusal:
        return refusal.status


async def ended(stream):
    """Whether the stream is over now, with nothing said."""
    with anyio.move_on_after(0.1):
        try:
            assert await stream.receive() is None
        except ENDED:
            return True
    return False


# --- Rejected too often ---------------------------------------------------------------


@pytest.mark.feature("B13")
@pytest.mark.threat("T11")
async def test_guessing_passwords(env):
    """The eleventh rejection within a minute is a 429, for which `auth` is not asked; then others may still come in,
    and whoever is in stays; a minute later the station with the right password is let in."""
    async with env.RPCServer() as server:
        asked, heard = [], gathered(server, UpgradeAborted)

        @server.auth
        async def decide(handshake):
            asked.append(handshake.identity)
            return Accept() if check_password(handshake.password, "right") else Reject(401)

        server.handle("Echo", lambda call: call.params)
        line = env.line(server)
        async with line.client("CP1", password="right") as canary:
            begun = env.now
            statuses = [await status_of(line, password=f"guess {n}") for n in range(15)]
            assert statuses == [401] * 10 + [429] * 5
            assert asked == ["CP1"] * 11
            assert [event.status for event in heard] == statuses
            assert {(event.identity, event.handshake.identity) for event in heard} == {("CP1", "CP1")}
            assert await status_of(line, password="right") == 429
            assert await status_of(line, "CP2", password="right") == 101
            assert canary.state is State.OPEN
            assert await canary.call("Echo", {"n": 1}) == {"n": 1}
            await anyio.sleep(begun + 60 - env.now)
            assert await status_of(line, password="right") == 101


@pytest.mark.feature("B13")
@pytest.mark.threat("T11")
async def test_success_is_not_counted(env):
    """However often a station connects with the right password."""
    async with env.RPCServer() as server:
        server.auth(lambda handshake: Accept())
        line = env.line(server)
        assert {await status_of(line) for _ in range(30)} == {101}


@pytest.mark.feature("B13")
@pytest.mark.threat("T11")
async def test_many_guesses_at_once(env):
    """All at the same moment, while `auth` thinks: it is asked ten times."""
    async with env.RPCServer() as server:
        asked, statuses = [], []

        @server.auth
        async def decide(handshake):
            asked.append(handshake.password)
            await anyio.sleep(1)
            return Reject(401)

        line = env.line(server)

        async def guess(number):
            statuses.append(await status_of(line, password=f"guess {number}"))

        async with anyio.create_task_group() as tasks:
            for number in range(30):
                tasks.start_soon(guess, number)
        assert sorted(statuses) == [401] * 10 + [429] * 20
        assert len(asked) == 10


# --- Too many -------------------------------------------------------------------------


@pytest.mark.feature("B13")
@pytest.mark.threat("T8")
async def test_strangers(env):
    """Who says nothing takes up room until the handshake's time is over; a byte stream that is brought too late is cut
    off and reported; who was let in takes up none."""
    async with env.RPCServer(door=Door(max_unauthenticated=2), handshake_timeout=10) as server:
        heard, line = gathered(server, ConnectionRefused, ServerError), env.line(server)
        server.handle("Echo", lambda call: call.params)
        async with line.client("canary") as canary, AsyncExitStack() as stack:
            silent = [await line.stream() for _ in range(2)]
            for stream in silent:
                stack.push_async_callback(stream.aclose)
            await env.until(lambda: len(server.guard._outside) == 2)
            third = await line.stream()
            assert await ended(third)
            await third.aclose()
            assert heard == [ConnectionRefused(None, STRANGERS)]
            assert await canary.call("Echo", {"n": 1}) == {"n": 1}
            await silent[0].aclose()
            await anyio.sleep(1)
            assert await status_of(line) == 101
            await anyio.sleep(15)  # for the request, and for the end after the refusal
            assert not server.guard._outside
            assert {len(server.clients), len(server.guard._visits)} == {1}
        await env.until(lambda: not server.guard._visits)


@asynccontextmanager
async def strangers(net, server, port, count):
    """So many who say nothing, at the door by now."""
    async with AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", port)) for _ in range(count)]
        await net.until(lambda: len(server.guard._outside) == count)
        yield silent


@pytest.mark.feature("B13")
@pytest.mark.threat("T8")
async def test_everybody(env):
    """Clients count until they are gone; a limit that is changed counts for whoever comes next."""
    async with env.RPCServer(door=Door(max_connections=1)) as server:
        line = env.line(server)
        async with line.client("A"):
            stream = await line.stream()
            assert await ended(stream)
            await stream.aclose()
            server.reconfigure(door=Door(max_connections=2))
            assert await status_of(line, "B") == 101
        await env.until(lambda: not server.guard._visits)
        assert await status_of(line, "C") == 101


@pytest.mark.feature("B13")
@pytest.mark.threat("T8")
async def test_of_one_address(env, monkeypatch):
    """Sixteen strangers from one address do not keep out who comes from another."""
    address = "192.0.2.1"
    async with env.RPCServer() as server:
        visit = server._visit
        monkeypatch.setattr(server, "_visit", lambda unknown, **options: visit(address, **options))
        heard, line = gathered(server, ConnectionRefused), env.line(server)
        silent = [await line.stream() for _ in range(16)]
        await env.until(lambda: len(server.guard._outside) == 16)
        silent.append(await line.stream())
        await env.until(lambda: heard)
        assert [event.remote_address for event in heard] == ["192.0.2.1"]
        assert await ended(silent[16])
        address = "192.0.2.2"
        assert await status_of(line) == 101
        for stream in silent:
            await stream.aclose()
        await env.until(lambda: not server.guard._visits)
        assert not server.guard._sources


@pytest.mark.feature("B13")
@pytest.mark.threat("T8")
async def test_whoever_comes_to_a_full_door_waits(net):
    """A station is not accepted while two strangers stand at the door, and let in when one of them goes; nobody is
    refused, who is in is served meanwhile, and that the door is full is reported once."""
    async with net.RPCServer(door=Door(max_unauthenticated=2)) as server:
        heard = gathered(server, ConnectionRefused, ServerError, UpgradeAborted, LimitExceeded)
        server.handle("Echo", lambda call: call.params)
        listener = await server.listen(host="127.0.0.1")
        async with (
            net.RPCClient(listener.url, "canary") as canary,
            strangers(net, server, listener.port, 2) as silent,
            net.RPCClient(listener.url, "CP1", auto_connect=False) as station,
        ):
            net.spawn(station.connect)
            await net.until(lambda: heard)
            for n in range(20):
                assert await canary.call("Echo", {"n": n}) == {"n": n}
            assert (station.state, len(server.guard._visits)) == (State.CONNECTING, 3)
            await silent[0].aclose()
            await net.until(lambda: station.state is State.OPEN)
            assert await station.call("Echo", {"n": 1}) == {"n": 1}
            assert heard == [LimitExceeded("max_unauthenticated", 2)]
        await net.until(lambda: not server.guard._visits)
        assert server.guard._waiting == []


@pytest.mark.feature("B13")
@pytest.mark.threat("T7")
@pytest.mark.threat("T8")
async def test_a_full_door_does_not_stand_still(net):
    """Strangers who stay and say nothing are sent away in time, and so are those who come after them: each who waits
    has their turn, also behind more strangers than may stand there."""
    async with net.RPCServer(door=Door(max_unauthenticated=2), handshake_timeout=0.1, close_timeout=0.1) as server:
        refused = gathered(server, ConnectionRefused)
        listener = await server.listen(host="127.0.0.1")
        async with AsyncExitStack() as stack:
            for _ in range(5):
                await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", listener.port))
            async with net.RPCClient(listener.url, "CP1") as station:
                assert station.state is State.OPEN
        await net.until(lambda: not server.guard._visits)
        assert refused == []


@pytest.mark.feature("B13")
@pytest.mark.threat("T8")
async def test_all_at_once(net):
    """Many more stations than may stand at the door, at the same moment on two listeners: each is let in at its first
    attempt, and there are never more at the door than may be."""
    async with net.RPCServer(door=Door(max_unauthenticated=3)) as server:
        heard, outside = gathered(server, ConnectionRefused, ServerError, UpgradeAborted), []

        @server.auth
        async def decide(handshake):
            outside.append(len(server.guard._outside))
            await anyio.sleep(0.01)
            return Accept()

        urls = [(await server.listen(host="127.0.0.1")).url for _ in range(2)]
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(
                    net.RPCClient(urls[n % 2], f"CP{n}", reconnect=False, auto_connect=False)
                )
                for n in range(40)
            ]
            async with anyio.create_task_group() as tasks:
                for client in clients:
                    tasks.start_soon(client.connect)
            await net.until(lambda: len(server.clients) == 40)
        assert heard == []
        assert max(outside) == 3


@pytest.mark.feature("B13")
@pytest.mark.feature("S22")
@pytest.mark.feature("S25")
async def test_closing_at_a_full_door(net, socket_path):
    """A listener that waits for room, and then the server, are closed at once, and whoever waits is cut off."""
    async with net.RPCServer(door=Door(max_unauthenticated=1)) as server:
        full = gathered(server, LimitExceeded)
        tcp = await server.listen(host="127.0.0.1")
        await server.listen(path=socket_path)
        async with (
            strangers(net, server, tcp.port, 1),
            await anyio.connect_tcp("127.0.0.1", tcp.port) as one,
            await anyio.connect_unix(socket_path) as other,
        ):
            await net.until(lambda: len(server.guard._waiting) == 2)
            with anyio.fail_after(1):
                await tcp.close()
            with anyio.fail_after(1), pytest.raises(ENDED):
                await one.receive()
            assert len(server.guard._waiting) == 1
            with anyio.fail_after(1):
                await server.close(force=True)
            with anyio.fail_after(1), pytest.raises(ENDED):
                await other.receive()
        assert full == [LimitExceeded("max_unauthenticated", 1)]
        assert server.guard._waiting == []


@pytest.mark.feature("B13")
@pytest.mark.feature("S24")
async def test_a_door_that_is_made_larger(net):
    """Whoever waits is accepted at once."""
    async with net.RPCServer(door=Door(max_unauthenticated=1)) as server:
        listener = await server.listen(host="127.0.0.1")
        async with (
            strangers(net, server, listener.port, 1),
            net.RPCClient(listener.url, "CP1", auto_connect=False) as c,
        ):
            net.spawn(c.connect)
            await net.until(lambda: server.guard._waiting)
            server.reconfigure(door=Door(max_unauthenticated=2))
            await net.until(lambda: c.state is State.OPEN)


@pytest.mark.feature("B13")
@pytest.mark.threat("T8")
async def test_a_unix_socket_is_no_address(net, socket_path):
    """Whoever comes over one, or from this machine, does not count by address."""
    async with net.RPCServer(door=Door(max_unauthenticated_per_address=1)) as server:
        await server.listen(path=socket_path)
        tcp = await server.listen(host="127.0.0.1")
        heard = gathered(server, ConnectionRefused)
        async with AsyncExitStack() as stack:
            for _ in range(5):
                for connecting in (anyio.connect_unix(socket_path), anyio.connect_tcp("127.0.0.1", tcp.port)):
                    await stack.enter_async_context(await connecting)
            await net.until(lambda: len(server.guard._outside) == 10)
        assert heard == []
        await net.until(lambda: not server.guard._visits)


@pytest.mark.feature("B13")
@pytest.mark.feature("P2")
@pytest.mark.threat("T7")
@pytest.mark.threat("T8")
async def test_before_tls(net):
    """Who is in the midst of the TLS handshake takes up room; who finds none is cut off before theirs; the slot of one
    who says nothing, or no TLS, is free again."""
    authority = trustme.CA()
    context, trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(trust)
    async with net.RPCServer(door=Door(max_connections=1), handshake_timeout=0.5) as server:
        heard = gathered(server, ConnectionRefused, ServerError)
        listener = await server.listen(host="localhost", tls=context)
        async with await anyio.connect_tcp("localhost", listener.port) as silent:
            await net.until(lambda: server.guard._outside)
            async with await anyio.connect_tcp("localhost", listener.port) as second:
                with anyio.fail_after(5), pytest.raises(anyio.EndOfStream):
                    await second.receive()
            assert [event.reason for event in heard] == ["too many connections"]
            with anyio.fail_after(5), pytest.raises(ENDED):
                await silent.receive()
        await net.until(lambda: not server.guard._visits)
        async with await anyio.connect_tcp("localhost", listener.port) as plain:
            await plain.send(b"GET / HTTP/1.1\r\n\r\n")
            await net.until(lambda: not server.guard._visits)
        async with net.RPCClient(listener.url, "CP1", tls=trust):
            await net.until(lambda: server.clients)
        await net.until(lambda: not server.guard._visits)
        assert len(heard) == 1


# --- Web pages ------------------------------------------------------------------------


@pytest.mark.threat("T23")
@pytest.mark.parametrize(
    ("allowed", "statuses"),
    [([], [403, 403]), (["https://csms.example"], [101, 403]), (["*"], [101, 101])],
)
async def test_web_pages(env, allowed, statuses):
    """A page in a browser may connect only if its origin is allowed; stations name none."""
    async with env.RPCServer(allowed_origins=allowed) as server:
        asked, heard = [], gathered(server, UpgradeAborted)
        server.auth(lambda handshake: asked.append(handshake) or Accept())
        line = env.line(server)
        origins = ("https://csms.example", "https://evil.example")
        assert [await status_of(line, headers={"Origin": origin}) for origin in origins] == statuses
        assert await status_of(line) == 101
        assert len(asked) == statuses.count(101) + 1
        assert [event.status for event in heard] == [status for status in statuses if status == 403]


# --- Identities -----------------------------------------------------------------------


@pytest.mark.threat("T12")
@pytest.mark.parametrize(
    ("segment", "identity"),
    [
        ("CP%2F1", "CP/1"),
        ("..%2Fadmin", "../admin"),
        ("CP%3A1", "CP:1"),
        ("a:b", "a:b"),
        ("%252e%252e", "%2e%2e"),
        ("CP%25001", "CP%001"),
        ("CP%2500", "CP%00"),
        ("x" * 49, "x" * 49),
        ("x" * 8000, "x" * 8000),
        ("%C3%BC%20%27%22%3Cb%3E", "ü '\"<b>"),
        ("CP1%00", None),
        ("CP%0D%0ASet-Cookie:%20a", None),
        ("CP%0A2026-01-01%20CP2%20let%20in", None),
        ("CP%C2%85x", None),
        ("CP%E2%80%A8x", None),
        ("CP%7F", None),
        ("CP%1b%5B2J", None),
        ("CP%FF", None),
        ("CP%ED%A0%80", None),
        ("CP%C0%AF", None),
        ("CP%2", None),
        ("CP%zz", None),
    ],
)
async def test_identities_with_tricks(env, caplog, segment, identity):
    """Each is decoded once and is then the text that `auth` sees, or refused with 400 before `auth` is asked.

    None can begin a line of its own in a log, and none is repeated in an answer.
    """
    async with env.RPCServer() as server:
        asked, heard = [], gathered(server, UpgradeAborted, ClientConnected)
        server.auth(lambda handshake: asked.append(handshake.identity) or Accept())
        stream = await env.line(server).stream()
        head = f"GET /ocpp/{segment} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        await stream.send(head.encode())
        answer = await stream.receive()
        await env.until(lambda: heard)
        (event,) = heard
        if identity is None:
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert (asked, event.status, event.identity) == ([], 400, None)
            assert len(str(event.error).splitlines()) == 1
        else:
            assert answer.startswith(b"HTTP/1.1 101 ")
            assert asked == [identity] == [event.client.identity]
            assert server.get(identity) is event.client
            assert len(identity.splitlines()) == 1
        assert segment.encode() not in answer
        assert caplog.records == []
        await stream.aclose()


@pytest.mark.threat("T12")
@pytest.mark.parametrize(
    ("username", "status"), [("CP1", 101), ("CP2", 401), ("CP1 ", 401), ("cp1", 401), ("CP1:x", 401), ("", 401)]
)
async def test_somebody_elses_name(env, username, status):
    """A password counts for the identity of the URL alone: with another username it is none."""
    async with env.RPCServer() as server:

        @server.auth
        def decide(handshake):
            return Accept() if check_password(handshake.password, "right") else Reject(401)

        credentials = base64.b64encode(f"{username}:right".encode()).decode()
        line = env.line(server)
        assert await status_of(line, headers={"Authorization": f"Basic {credentials}"}) == status


@pytest.mark.threat("T12")
@pytest.mark.feature("S13")
async def test_without_auth_everybody_comes_in(env):
    """A server that was not told whom to let in lets in anybody: whoever needs authentication registers `auth`."""
    async with env.RPCServer() as server:
        raw = await Raw.connect(await env.line(server).stream(), "anybody")
        assert [client.identity for client in server.clients] == ["anybody"]
        await raw.close()
