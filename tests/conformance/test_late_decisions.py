"""Who is let in when it is easily got wrong: decisions that come too late, odd identities, odd credentials."""

import base64

import anyio
import pytest
from support.env import gathered
from support.raw import Raw
from wsproto import ConnectionType
from wsproto.events import RejectConnection, Request

from ocpp_rpc_core import (
    Accept,
    ClientConnected,
    Opened,
    Reject,
    ServerClosed,
    ServerError,
    UnexpectedHTTPResponse,
    UpgradeAborted,
)

IDENTITIES = ["a/b", "/", "100%", "%2F", "a b", " ", "a:b", ":", "CP-ü", "充電站", "a?b#c", "a+b&c=d", "...", "~"]


@pytest.mark.feature("S18")
@pytest.mark.parametrize("leaving", ["peer", "server"])
async def test_accepted_too_late(env, leaving):
    """A callback that will not be cancelled may accept whom it likes: nobody is connected any more."""
    async with env.RPCServer() as server:
        heard = gathered(server, ClientConnected, UpgradeAborted, ServerError)
        welcomed, decided = [], []

        @server.auth
        async def decide(handshake):
            with anyio.CancelScope(shield=True):
                await anyio.sleep(30)
            decided.append(handshake.identity)
            return Accept(session="late")

        server.on_client(welcomed.append)
        line = env.line(server)
        stream = await line.stream()
        await Raw(stream, ConnectionType.CLIENT).say(Request(host="x", target="/CP1"))
        await anyio.sleep(1)
        if leaving == "peer":
            await stream.aclose()
        else:
            closed = gathered(server, ServerClosed)
            await server.close()
            assert closed == [ServerClosed()]
        await env.until(lambda: decided, limit=60)
        await anyio.sleep(1)
        assert [type(event) for event in heard] == [UpgradeAborted]
        assert heard[0].identity == "CP1"
        assert welcomed == []
        assert server.clients == ()
        await stream.aclose()


@pytest.mark.feature("C2")
@pytest.mark.feature("S20")
@pytest.mark.rule(30)
@pytest.mark.parametrize("identity", IDENTITIES)
@pytest.mark.parametrize("endpoint", ["ws://host", "ws://host/", "ws://host/a%20b//c?x=1"])
async def test_odd_identities(env, identity, endpoint):
    """Whatever an identity is made of, it arrives as it was; with a password too, and without changing the path."""
    async with (
        env.RPCServer() as server,
        env.line(server).client(identity, endpoint=endpoint, password="p:w") as client,
    ):
        (side,) = server.clients
        assert (side.identity, client.identity) == (identity, identity)
        assert side.handshake.endpoint == ("/a%20b//c" if "?" in endpoint else "/")
        assert side.handshake.password == b"p:w"
        assert side.handshake.query == ({"x": "1"} if "?" in endpoint else {})


@pytest.mark.feature("S19")
@pytest.mark.rule(34)
@pytest.mark.parametrize(
    ("header", "password"),
    [
        (b"Basic " + base64.b64encode(b"CP1:secret"), b"secret"),
        (b"basic " + base64.b64encode(b"CP1:secret"), b"secret"),
        (b"Basic " + base64.b64encode(b"cp1:secret"), None),
        (b"Basic " + base64.b64encode(b"CP1 :secret"), None),
        (b"Basic " + base64.b64encode(b":secret"), None),
        (b"Basic " + base64.b64encode(b"\xff\xfe:secret"), None),
        (b"Basic " + base64.b64encode(b"CP1:\x00\xff"), b"\x00\xff"),
        (b"Basic " + base64.b64encode(b"CP1:secret")[:-3], None),
        (b"Basic \xc3\xa9", None),
        (b"Basic", None),
        (b"Digest username=CP1", None),
        (b"", None),
    ],
)
async def test_odd_credentials(env, header, password):
    """Only the right user name gives a password; nothing in the header makes the server fail."""
    async with env.RPCServer() as server:
        heard = gathered(server, UpgradeAborted, ServerError)
        raw = await env.line(server).raw("CP1", headers=[(b"Authorization", header)])
        assert server.clients[0].handshake.password == password
        assert heard == []
        await raw.close()


@pytest.mark.feature("S19")
async def test_two_credentials(env):
    """With two headers that contradict each other, nobody is let in by either."""
    async with env.RPCServer() as server:
        server.auth(lambda handshake: Accept() if handshake.password == b"secret" else Reject(401))
        stream = await env.line(server).stream()
        raw = Raw(stream, ConnectionType.CLIENT)
        pairs = [(b"Authorization", b"Basic " + base64.b64encode(b"CP1:" + word)) for word in (b"secret", b"other")]
        await raw.say(Request(host="x", target="/CP1", extra_headers=pairs))
        assert isinstance(await raw.hear(), RejectConnection)
        assert server.clients == ()
        await stream.aclose()


@pytest.mark.feature("P1")
@pytest.mark.rule(29)
async def test_security_profile_1(env):
    """Basic auth: the right password opens, none or a wrong one is 401 before the upgrade; it can be changed."""
    async with env.RPCServer(protocols=["ocpp1.6"]) as server:
        passwords = {"CP1": b"0123456789abcdef"}
        connected = gathered(server, ClientConnected)

        @server.auth
        async def decide(handshake):
            right = handshake.password is not None and handshake.password == passwords.get(handshake.identity)
            return Accept() if right else Reject(401)

        line = env.line(server)
        for identity, password in (("CP1", None), ("CP1", "wrong"), ("CP2", "0123456789abcdef")):
            with pytest.raises(UnexpectedHTTPResponse) as refused:
                async with line.client(identity, password=password, protocols=["ocpp1.6"]):
                    pass
            assert refused.value.status == 401
        assert connected == []
        async with line.client(password="0123456789abcdef", protocols=["ocpp1.6"]) as client:
            opened = gathered(client, Opened)
            passwords["CP1"] = bytes(range(20))
            client.reconfigure(password=bytes(range(20)))
            line.cut()
            await env.until(lambda: opened, limit=60)
            assert server.clients[0].handshake.password == bytes(range(20))


@pytest.mark.feature("P4")
async def test_behind_a_proxy(env):
    """What a proxy that ended TLS forwards, addresses and certificate, is there for the callback to judge."""
    forwarded = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "X-SSL-Client-S-DN": "CN=CP1"}
    async with env.RPCServer() as server:

        @server.auth
        async def decide(handshake):
            told = {name: handshake.headers.get(name.lower()) for name in forwarded}
            return Accept(session=told) if told["X-SSL-Client-S-DN"] == f"CN={handshake.identity}" else Reject(403)

        line = env.line(server)
        async with line.client(headers=forwarded):
            assert server.clients[0].session == forwarded
        with pytest.raises(UnexpectedHTTPResponse):
            async with line.client("CP2", headers=forwarded):
                pass
