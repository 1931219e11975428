"""Who is let in: authentication, subprotocols, identities, passwords, and what is refused with which status."""

import base64

import anyio
import pytest
from support.env import gathered
from support.raw import Raw
from wsproto import ConnectionType
from wsproto.events import RejectConnection, RejectData, Request

from ocpp_rpc_core import (
    Accept,
    ClientConnected,
    Reject,
    ServerError,
    UnexpectedHTTPResponse,
    UpgradeAborted,
)


async def refusal(line, **options):
    """The answer that a client is turned away with."""
    with pytest.raises(UnexpectedHTTPResponse) as refused:
        async with line.client(**options):
            pass
    return refused.value


@pytest.mark.feature("S14")
@pytest.mark.feature("S17")
@pytest.mark.feature("C5")
@pytest.mark.feature("C28")
async def test_accepted_with_a_session_and_a_protocol(env):
    """`auth` sees the whole handshake; its session and its choice of subprotocol reach both ends."""
    async with env.RPCServer(protocols=["a", "b"]) as server:
        seen = []

        @server.auth
        async def decide(handshake):
            seen.append(handshake)
            await anyio.sleep(1)
            return Accept(session={"n": 1}, protocol="b")

        line = env.line(server)
        options = {
            "identity": "CP/1: ü",
            "endpoint": "ws://host/ocpp//x",
            "protocols": ["a", "b", "c"],
            "password": "s3cret",
            "query": {"k": "v w"},
            "headers": {"X-Extra": "yes"},
        }
        async with line.client(**options) as client:
            assert client.protocol == "b"
            (side,) = server.clients
            assert (side.session, side.protocol, side.identity) == ({"n": 1}, "b", "CP/1: ü")
            assert seen == [side.handshake]
        (asked,) = seen
        assert asked.protocols == ("a", "b", "c")
        assert asked.identity == "CP/1: ü"
        assert asked.password == b"s3cret"
        assert asked.endpoint == "/ocpp//x"
        assert asked.query == {"k": "v w"}
        assert asked.headers["x-extra"] == "yes"
        assert asked.peer_certificate is None
        assert asked.tls is None


@pytest.mark.feature("S17")
async def test_the_remote_address(net):
    """Over TCP the handshake tells where the client is."""
    async with net.RPCServer() as server:
        listener = await server.listen(host="127.0.0.1")
        async with net.RPCClient(listener.url, "CP1"):
            await net.until(lambda: server.clients)
            assert server.clients[0].handshake.remote_address == "127.0.0.1"


@pytest.mark.feature("S14")
async def test_a_plain_function_may_decide(env):
    """`auth` need not be async."""
    async with env.RPCServer() as server:
        server.auth(lambda handshake: Accept("s"))
        async with env.line(server).client():
            assert server.clients[0].session == "s"


@pytest.mark.feature("S14")
@pytest.mark.parametrize("raised", [False, True])
async def test_rejected(env, raised):
    """A returned or raised `Reject` is the HTTP answer; observers hear it; nothing was connected."""
    async with env.RPCServer() as server:
        heard = gathered(server, UpgradeAborted, ClientConnected, ServerError)

        @server.auth
        async def decide(handshake):
            if raised:
                raise Reject(403, "not you")
            return Reject(403, "not you")

        answer = await refusal(env.line(server))
        assert (answer.status, answer.body) == (403, b"not you")
        (aborted,) = heard
        assert (aborted.status, aborted.identity) == (403, "CP1")
        assert aborted.handshake.identity == "CP1"
        assert server.clients == ()


@pytest.mark.feature("S14")
async def test_rejected_with_the_default_status(env):
    """`Reject()` is 400."""
    async with env.RPCServer() as server:
        server.auth(lambda handshake: Reject())
        assert (await refusal(env.line(server))).status == 400


@pytest.mark.feature("S15")
async def test_a_protocol_that_was_not_offered(env):
    """The callback cannot choose what the client does not speak."""
    async with env.RPCServer(protocols=["a", "b"]) as server:
        server.auth(lambda handshake: Accept(protocol="b"))
        assert (await refusal(env.line(server), protocols=["a"])).status == 400


@pytest.mark.feature("S16")
@pytest.mark.parametrize("verdict", [ValueError("broken"), "nonsense", None])
async def test_a_broken_callback(env, verdict):
    """A callback that raises, or returns nonsense, is 500 and reported; the server lives on."""
    async with env.RPCServer() as server:
        heard = gathered(server, UpgradeAborted)

        @server.auth
        async def decide(handshake):
            if handshake.identity == "good":
                return Accept()
            if isinstance(verdict, Exception):
                raise verdict
            return verdict

        line = env.line(server)
        assert (await refusal(line)).status == 500
        assert [aborted.status for aborted in heard] == [500]
        if isinstance(verdict, Exception):
            assert heard[0].error is verdict
        async with line.client("good"):
            pass


@pytest.mark.feature("S18")
async def test_the_client_goes_away_meanwhile(env):
    """The callback is cancelled, and observers hear of it."""
    async with env.RPCServer() as server:
        heard = gathered(server, UpgradeAborted)
        fate = []

        @server.auth
        async def decide(handshake):
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                fate.append("cancelled")
                raise

        line = env.line(server)
        with anyio.move_on_after(1):
            async with line.client():
                raise AssertionError("it was not let in")
        await env.until(lambda: fate and heard)
        assert heard[0].identity == "CP1"
        assert server.clients == ()


@pytest.mark.feature("S18")
async def test_the_server_closes_meanwhile(env):
    """A client at the door of a closing server is turned away."""
    async with env.RPCServer() as server:
        server.auth(lambda handshake: anyio.sleep_forever())
        line = env.line(server)
        answers = []

        async def visit():
            answers.append(await refusal(line))

        env.spawn(visit)
        await anyio.sleep(1)
        await server.close()
        await env.until(lambda: answers)
        assert answers[0].status == 503


@pytest.mark.feature("S14")
async def test_a_callback_that_takes_too_long(env):
    """The handshake is bounded in time, the callback included."""
    async with env.RPCServer(handshake_timeout=3) as server:
        server.auth(lambda handshake: anyio.sleep_forever())
        begun = env.now
        answer = await refusal(env.line(server), reconnect=False)
        assert answer.status == 503
        assert env.now - begun == pytest.approx(3, abs=0.1)


@pytest.mark.feature("S13")
@pytest.mark.parametrize(
    ("ours", "theirs", "chosen"),
    [([], [], None), (["a", "b"], ["b", "a"], "a"), (["a"], ["x", "a"], "a")],
)
async def test_without_a_callback(env, ours, theirs, chosen):
    """A client with a common subprotocol is let in, or any if the server names none."""
    async with env.RPCServer(protocols=ours) as server, env.line(server).client(protocols=theirs) as client:
        assert client.protocol == chosen
        assert server.clients[0].session is None


@pytest.mark.feature("S13")
@pytest.mark.parametrize("theirs", [[], ["x"]])
async def test_without_a_common_protocol(env, theirs):
    """A client that shares no subprotocol is refused."""
    async with env.RPCServer(protocols=["a"]) as server:
        heard = gathered(server, UpgradeAborted)
        assert (await refusal(env.line(server), protocols=theirs)).status == 400
        assert [aborted.status for aborted in heard] == [400]


@pytest.mark.feature("S19")
@pytest.mark.feature("C4")
@pytest.mark.parametrize(
    ("identity", "password", "seen"),
    [
        ("CP1", bytes(range(256)), bytes(range(256))),
        ("CP1", "pässword", "pässword".encode()),
        ("CP:1", "a:b:c", b"a:b:c"),
        ("CP:1", b":", b":"),
        ("CP1", "", b""),
        ("CP1", None, None),
    ],
)
async def test_passwords(env, identity, password, seen):
    """Any bytes are a password, colons are allowed in it and in the identity, none is None."""
    async with env.RPCServer() as server, env.line(server).client(identity, password=password):
        assert server.clients[0].handshake.password == seen


@pytest.mark.feature("S19")
@pytest.mark.parametrize(
    "header",
    [
        b"Basic " + base64.b64encode(b"other:secret"),
        b"Basic " + base64.b64encode(b"CP1"),
        b"Basic " + base64.b64encode(b"CP:1:secret"),
        b"Basic !!!!",
        b"Basic",
        b"Bearer abc",
    ],
)
async def test_passwords_that_do_not_count(env, header):
    """A mismatched or malformed header gives no password."""
    async with env.RPCServer() as server:
        line = env.line(server)
        raw = await line.raw("CP1", headers=[(b"Authorization", header)])
        assert server.clients[0].handshake.password is None
        await raw.close()


@pytest.mark.feature("S20")
@pytest.mark.parametrize(
    ("target", "endpoint", "identity"),
    [
        ("/CP1", "/", "CP1"),
        ("/ocpp/CP1", "/ocpp", "CP1"),
        ("/ocpp//x/CP1", "/ocpp//x", "CP1"),
        ("/ocpp/../CP%201", "/", "CP 1"),
        ("/ocpp/RDAM%7C123", "/ocpp", "RDAM|123"),
        ("/ocpp/a%2Fb", "/ocpp", "a/b"),
    ],
)
async def test_identity_and_endpoint(env, target, endpoint, identity):
    """The last path segment, decoded, is the identity; the rest is the endpoint."""
    async with env.RPCServer() as server:
        raw = await env.line(server).raw(target[1:])
        (side,) = server.clients
        assert (side.handshake.endpoint, side.identity) == (endpoint, identity)
        await raw.close()


@pytest.mark.feature("S22")
@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        ("POST /CP1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404),
        ("GET /CP1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 400),
    ],
)
async def test_not_a_websocket(net, request_head, status):
    """Plain HTTP gets 404, an upgrade to something else 400, and the connection ends."""
    async with net.RPCServer() as server:
        listener = await server.listen(host="127.0.0.1")
        async with await anyio.connect_tcp("127.0.0.1", listener.port) as stream:
            await stream.send(request_head.encode())
            answer = b""
            with anyio.fail_after(5):
                try:
                    while True:
                        answer += await stream.receive()
                except anyio.EndOfStream:
                    pass
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.feature("S22")
async def test_a_websocket_of_an_unknown_version(env):
    """RFC 6455 4.4: the versions that are spoken are named."""
    async with env.RPCServer() as server:
        stream = await env.line(server).stream()
        await stream.send(
            b"GET /CP1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 12\r\n\r\n"
        )
        answer = await stream.receive()
        assert answer.split()[1] in (b"400", b"426")
        assert b"sec-websocket-version: 13" in answer.lower()
        await stream.aclose()


@pytest.mark.feature("C11")
async def test_a_refusal_tells_all(env):
    """`UnexpectedHTTPResponse` has status, headers and body of whatever the server said."""
    line = env.line()

    async def turn_away():
        raw = await line.arrival()
        await raw.receive()
        await raw.send(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nnope")
        await raw.aclose()

    env.spawn(turn_away)
    answer = await refusal(line)
    assert (answer.status, answer.body) == (401, b"nope")
    assert ("www-authenticate", "Basic") in [(name.lower(), value) for name, value in answer.headers]


@pytest.mark.feature("S14")
async def test_a_raw_client_sees_the_rejection(env):
    """Another implementation of WebSocket understands the refusal."""
    async with env.RPCServer() as server:
        server.auth(lambda handshake: Reject(401, "who?"))
        line = env.line(server)
        stream = await line.stream()
        raw = Raw(stream, ConnectionType.CLIENT)
        await raw.say(Request(host="x", target="/CP1"))
        answer = await raw.hear()
        assert isinstance(answer, RejectConnection)
        assert answer.status_code == 401
        body = await raw.hear()
        assert isinstance(body, RejectData)
        assert bytes(body.data) == b"who?"
        await stream.aclose()


@pytest.mark.feature("S14")
@pytest.mark.feature("S18")
async def test_a_decision_that_nobody_needs(env):
    """A callback is cancelled once it is too late, although the client stays and reads nothing."""
    async with env.RPCServer(handshake_timeout=3, close_timeout=100) as server:
        fate = []

        @server.auth
        async def decide(handshake):
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                fate.append(env.now)
                raise

        begun = env.now
        stream = await env.line(server).stream()
        await Raw(stream, ConnectionType.CLIENT).say(Request(host="x", target="/CP1"))
        await env.until(lambda: fate)
        assert fate == pytest.approx([begun + 3], abs=0.1)
        await stream.aclose()
