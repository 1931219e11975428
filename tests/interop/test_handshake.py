"""Opening handshakes between our ends and foreign ones: Basic auth, identities, subprotocols."""

import base64

import pytest
from interop.ends import Heard, serving, station
from interop.hosts import PeerError
from interop.payloads import IDENTITY, PASSWORD

pytestmark = [pytest.mark.interop, pytest.mark.anyio]

HEARTBEAT = {"Heartbeat": {"result": {"currentTime": "2026-01-02T03:04:05Z"}}}


@pytest.mark.feature("S19")
async def test_their_credentials_and_our_server(ours, theirs):
    """Our server sees the identity and each byte of the password as their client was given them."""
    host, kind = theirs
    seen = []
    async with serving(ours, HEARTBEAT, protocols=["ocpp1.6"]) as (server, url, clients):

        @server.auth
        async def judge(handshake):
            seen.append((handshake.identity, handshake.password, handshake.endpoint, handshake.protocols))
            return ours.Accept(session="known")

        peer = await host.make(
            f"{kind}_client",
            url=f"{url}/ocpp//x",
            identity=IDENTITY,
            password=PASSWORD,
            protocols=["ocpp1.6", "ocpp9"],
        )
        assert seen == [(IDENTITY, PASSWORD, "/ocpp//x", ("ocpp1.6", "ocpp9"))]
        client = (await clients.next()).client
        assert (client.identity, client.session) == (IDENTITY, "known")
        assert await peer.call("Heartbeat", {}) == HEARTBEAT["Heartbeat"]["result"]


@pytest.mark.feature("C4")
async def test_our_credentials_and_their_server(ours, theirs):
    """Their server sees the identity and each byte of the password as our client was given them."""
    host, kind = theirs
    server = await host.make(f"{kind}_server", protocols=["ocpp1.6"], password=PASSWORD, answers=HEARTBEAT)
    url = f"{server.url}/ocpp//x"
    async with station(ours, url, ["ocpp9", "ocpp1.6"], identity=IDENTITY, password=PASSWORD) as client:
        facts = (await server.client()).facts
        assert facts["identity"] == IDENTITY
        assert facts["endpoint"] == "/ocpp//x"
        assert base64.b64decode(facts["password"]) == PASSWORD
        assert await client.call("Heartbeat") == HEARTBEAT["Heartbeat"]["result"]


@pytest.mark.feature("S19")
@pytest.mark.parametrize("password", [b"", b":", "pässwörd".encode()], ids=["empty", "colon", "utf-8"])
async def test_odd_passwords(ours, theirs, password):
    """An empty password, a colon and UTF-8 arrive as they are, in both directions."""
    host, kind = theirs
    seen = []
    async with serving(ours, protocols=["ocpp1.6"]) as (server, url, _):

        @server.auth
        def judge(handshake):
            seen.append(handshake.password)
            return ours.Accept()

        await host.make(f"{kind}_client", url=url, identity="CP:1", password=password, protocols=["ocpp1.6"])
    assert seen == [password]
    server = await host.make(f"{kind}_server", protocols=["ocpp1.6"], password=password)
    async with station(ours, server.url, ["ocpp1.6"], identity="CP:1", password=password):
        assert base64.b64decode((await server.client()).facts["password"]) == password


@pytest.mark.feature("S14")
async def test_they_are_turned_away(ours, theirs):
    """Their client hears the status that our server refuses it with."""
    host, kind = theirs
    async with serving(ours, protocols=["ocpp1.6"]) as (server, url, _):

        @server.auth
        def judge(handshake):
            return ours.Reject(401, "no")

        with pytest.raises(PeerError) as caught:
            await host.make(f"{kind}_client", url=url, identity="CP1", password=b"x", protocols=["ocpp1.6"])
        assert caught.value.code == 401


@pytest.mark.feature("C11")
async def test_we_are_turned_away(ours, theirs):
    """Our client hears the status and body that their server refuses it with."""
    host, kind = theirs
    server = await host.make(f"{kind}_server", protocols=["ocpp1.6"], password=PASSWORD)
    with pytest.raises(ours.UnexpectedHTTPResponse) as caught:
        async with station(ours, server.url, ["ocpp1.6"], password=b"wrong"):
            pass
    assert (caught.value.status, caught.value.body) == (401, b"who are you?")


@pytest.mark.feature("S2")
async def test_our_server_chooses_its_favourite(ours, theirs):
    """Of the subprotocols that both know, our server chooses the one that it lists first."""
    host, kind = theirs
    async with serving(ours, protocols=["ocpp2.0.1", "ocpp1.6"]) as (_, url, clients):
        offer = ["ocpp1.6", "ocpp9", "ocpp2.0.1"]
        peer = await host.make(f"{kind}_client", url=url, identity="CP1", protocols=offer)
        assert peer.facts["protocol"] == (await clients.next()).client.protocol == "ocpp2.0.1"


@pytest.mark.feature("C3")
async def test_their_server_chooses_its_favourite(ours, theirs):
    """Our client speaks what their server chose."""
    host, kind = theirs
    server = await host.make(f"{kind}_server", protocols=["ocpp2.0.1", "ocpp1.6"])
    async with station(ours, server.url, ["ocpp1.6", "ocpp9", "ocpp2.0.1"]) as client:
        assert client.protocol == (await server.client()).facts["protocol"] == "ocpp2.0.1"


@pytest.mark.feature("S13")
async def test_they_have_nothing_in_common_with_our_server(ours, theirs):
    """Without a common subprotocol our server answers their client with 400, and says so."""
    host, kind = theirs
    async with serving(ours, protocols=["ocpp2.0.1"]) as (server, url, clients):
        aborted = Heard(server, ours.UpgradeAborted)
        with pytest.raises(PeerError) as caught:
            await host.make(f"{kind}_client", url=url, identity="CP1", protocols=["ocpp1.6"])
        assert caught.value.code == 400
        notice = await aborted.next()
        assert (notice.status, notice.identity) == (400, "CP1")
        assert not clients


@pytest.mark.feature("C9")
async def test_we_have_nothing_in_common_with_ocpp_rpc(ours, node):
    """ocpp-rpc lets us in without a subprotocol, which our client does not accept."""
    server = await node.make("rpc_server", protocols=["ocpp2.0.1"])
    with pytest.raises(ours.SubprotocolMismatch):
        async with station(ours, server.url, ["ocpp1.6"], reconnect=True):
            pass
    assert (await (await server.client()).heard("closed"))["code"] == 1006


async def test_we_have_nothing_in_common_with_websockets(ours, python):
    """websockets refuses us with 400."""
    server = await python.make("ocpp_server", protocols=["ocpp2.0.1"])
    with pytest.raises(ours.UnexpectedHTTPResponse) as caught:
        async with station(ours, server.url, ["ocpp1.6"]):
            pass
    assert caught.value.status == 400


async def test_their_client_offers_nothing(ours, theirs):
    """Our server, which names subprotocols, refuses with 400 a client that offers none."""
    host, kind = theirs
    async with serving(ours, protocols=["ocpp1.6"]) as (_, url, _):
        with pytest.raises(PeerError) as caught:
            await host.make(f"{kind}_client", url=url, identity="CP1", protocols=[])
        assert caught.value.code == 400


async def test_our_server_names_nothing(ours, node):
    """Our server, which names no subprotocol, accepts a client that offers some; ocpp-rpc does not want that."""
    async with serving(ours) as (_, url, clients):
        with pytest.raises(PeerError, match="Server sent no subprotocol"):
            await node.make("rpc_client", url=url, identity="CP1", protocols=["ocpp1.6"])
        assert (await clients.next()).client.protocol is None


async def test_no_subprotocol_at_all(ours, node):
    """Where neither side names a subprotocol, ocpp-rpc and our ends talk without one."""
    async with serving(ours, HEARTBEAT) as (_, url, clients):
        peer = await node.make("rpc_client", url=url, identity="CP1", protocols=[])
        assert await peer.call("Heartbeat", {}) == HEARTBEAT["Heartbeat"]["result"]
        assert (await clients.next()).client.protocol is None
    server = await node.make("rpc_server", protocols=[], answers=HEARTBEAT)
    async with station(ours, server.url, []) as client:
        assert client.protocol is None
        assert await client.call("Heartbeat") == HEARTBEAT["Heartbeat"]["result"]


@pytest.mark.feature("S12")
async def test_the_welcome_misses_nothing(ours, node):
    """A handler registered while `on_client` runs serves the call their client makes the moment it is open."""
    async with serving(ours, protocols=["ocpp1.6"]) as (server, url, _):
        calls = []

        @server.on_client
        async def welcome(client):
            assert await client.call("Reset", {"type": "Soft"}) == {"status": "Accepted"}
            client.handle("Heartbeat", lambda call: calls.append(call.client.identity))

        peer = await node.make(
            "rpc_client",
            url=url,
            identity="CP1",
            protocols=["ocpp1.6"],
            answers={"Reset": {"result": {"status": "Accepted"}}},
        )
        assert (await peer.heard("call"))["method"] == "Reset"
        # The welcome has gone on to registering once its call has been answered, which this ping is behind.
        await peer.do("ping")
        assert await peer.call("Heartbeat", {}) == {}
        assert calls == ["CP1"]
