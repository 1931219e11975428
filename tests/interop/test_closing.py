"""How connections between our ends and foreign ones are kept alive, closed and lost."""

import anyio
import pytest
from interop.ends import Heard, serving, station
from interop.hosts import node_host
from interop.payloads import SYSTEM_ANSWERS

pytestmark = [pytest.mark.interop, pytest.mark.anyio]

ANSWERS = SYSTEM_ANSWERS["ocpp1.6"]
HEARTBEAT = ANSWERS["Heartbeat"]["result"]
REASON = "tschüß ⚡"


# --- Close codes and reasons --------------------------------------------------


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "shutdown"), (4001, REASON), (3000, "x" * 123)])
async def test_their_station_closes(ours, theirs, code, reason):
    """Our server hears the code and the reason that their client closes with, and they hear them back."""
    host, kind = theirs
    async with serving(ours, protocols=["ocpp1.6"]) as (server, url, clients):
        peer = await host.make(f"{kind}_client", url=url, identity="CP1", protocols=["ocpp1.6"])
        closed = Heard((await clients.next()).client, ours.Closed)
        echoed = await peer.do("close", code=code, reason=reason)
        assert await closed.next() == ours.Closed(code, reason)
        assert echoed["code"] == code
        assert server.clients == ()


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (4001, REASON)])
async def test_their_server_closes(ours, theirs, code, reason):
    """Our client hears the code and the reason that their server closes with."""
    host, kind = theirs
    server = await host.make(f"{kind}_server", protocols=["ocpp1.6"])
    client = station(ours, server.url, ["ocpp1.6"])
    closed = Heard(client, ours.Closed)
    async with client:
        await (await server.client()).do("close", code=code, reason=reason)
        assert await closed.next() == ours.Closed(code, reason)
        assert client.state is ours.State.CLOSED
        with pytest.raises(ours.NotConnected):
            await client.call("Heartbeat")


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "shutdown"), (4001, REASON), (3000, "x" * 123)])
async def test_our_station_closes(ours, theirs, code, reason):
    """Their server hears the code and the reason that our client closes with, and we hear them back."""
    host, kind = theirs
    server = await host.make(f"{kind}_server", protocols=["ocpp1.6"])
    async with station(ours, server.url, ["ocpp1.6"]) as client:
        peer = await server.client()
        assert (await client.close(code, reason)).code == code
        assert await peer.heard("closed") == {"code": code, "reason": reason}


async def test_our_server_closes(ours, theirs):
    """Their client hears the code and the reason that our server closes with."""
    host, kind = theirs
    async with serving(ours, protocols=["ocpp1.6"]) as (server, url, _):
        peer = await host.make(f"{kind}_client", url=url, identity="CP1", protocols=["ocpp1.6"])
        await server.close(1012, REASON)
        assert await peer.heard("closed") == {"code": 1012, "reason": REASON}


@pytest.mark.feature("B6")
async def test_the_newest_of_an_identity_stays(ours, theirs):
    """When their client comes again under the same identity, the former connection is closed with 1008."""
    host, kind = theirs
    async with serving(ours, ANSWERS, protocols=["ocpp1.6"]) as (server, url, _):
        first, second = [
            await host.make(f"{kind}_client", url=url, identity="CP1", protocols=["ocpp1.6"]) for _ in "12"
        ]
        assert (await first.heard("closed"))["code"] == 1008
        assert await second.call("Heartbeat", {}) == HEARTBEAT
        assert len(server.clients) == 1


@pytest.mark.feature("C16")
async def test_calls_in_flight_when_their_process_dies(ours):
    """When their process is killed, our call in flight is ConnectionLost at once, and the connection 1006."""
    mortal = node_host()
    try:
        server = await mortal.make("rpc_server", protocols=["ocpp1.6"], answers={"Slow": {"no_reply": True}})
        client = station(ours, server.url, ["ocpp1.6"])
        closed = Heard(client, ours.Closed)

        async def call():
            with pytest.raises(ours.ConnectionLost):
                await client.call("Slow", timeout=None)

        async with client, anyio.create_task_group() as group:
            peer = await server.client()
            group.start_soon(call)
            await peer.heard("call")
            mortal.kill()
            assert (await closed.next()).code == 1006
    finally:
        mortal.kill()


# --- Bad messages -------------------------------------------------------------

BAD = "this is no JSON"


@pytest.mark.feature("S10")
async def test_we_close_after_their_bad_messages(ours, theirs):
    """One bad message is answered, the second in a row closes with 1002; a good one between them is forgiven."""
    host, kind = theirs
    async with serving(ours, ANSWERS, protocols=["ocpp1.6"], max_bad_messages=1) as (_, url, clients):
        peer = await host.make(f"{kind}_client", url=url, identity="CP1", protocols=["ocpp1.6"])
        client = (await clients.next()).client
        bad, closed = Heard(client, ours.BadMessage), Heard(client, ours.Closed)
        await peer.do("send", text=BAD)
        assert await peer.call("Heartbeat", {}) == HEARTBEAT
        await peer.do("send", text=BAD)
        await peer.do("send", text=BAD)
        assert (await peer.heard("closed"))["code"] == 1002
        assert (await closed.next()).code == 1002
        assert [(await bad.next()).message for _ in range(3)] == [BAD] * 3


@pytest.mark.feature("C6")
async def test_our_station_closes_after_their_bad_messages(ours, theirs):
    """Our client closes with 1002 after more bad messages in a row than it tolerates."""
    host, kind = theirs
    server = await host.make(f"{kind}_server", protocols=["ocpp1.6"])
    async with station(ours, server.url, ["ocpp1.6"], max_bad_messages=0):
        peer = await server.client()
        await peer.do("send", text=BAD)
        assert (await peer.heard("closed"))["code"] == 1002


async def test_they_close_after_our_bad_messages(ours, node):
    """ocpp-rpc closes with 1002 after our bad message, server and client alike, and that is what we hear."""
    options = {"maxBadMessages": 0}
    server = await node.make("rpc_server", protocols=["ocpp1.6"], options=options)
    client = station(ours, server.url, ["ocpp1.6"])
    closed = Heard(client, ours.Closed)
    async with client:
        await client.send_raw(BAD)
        assert (await closed.next()).code == 1002
    async with serving(ours, protocols=["ocpp1.6"]) as (_, url, clients):
        await node.make("rpc_client", url=url, identity="CP1", protocols=["ocpp1.6"], options=options)
        client = (await clients.next()).client
        closed = Heard(client, ours.Closed)
        await client.send_raw(BAD)
        assert (await closed.next()).code == 1002


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (BAD, "RpcFrameworkError"),
        ("{}", "RpcFrameworkError"),
        ('["2","a","Heartbeat",{}]', "RpcFrameworkError"),
        ('[2,5,"Heartbeat",{}]', "RpcFrameworkError"),
        ('[3,"unknown",{}]', None),
        ('[4,"unknown","GenericError","",{}]', None),
    ],
)
async def test_bad_messages_are_judged_alike(ours, node, text, code):
    """The same bad message gets the same error code from ocpp-rpc and from us, or no answer from both."""
    server = await node.make("rpc_server", protocols=["ocpp2.0.1"], answers=ANSWERS)
    client = station(ours, server.url, ["ocpp2.0.1"])
    async with client:
        peer = await server.client()
        await client.send_raw(text)
        theirs = (await peer.heard("bad_message"))["response"]
    async with serving(ours, ANSWERS, protocols=["ocpp2.0.1"]) as (_, url, clients):
        peer = await node.make("rpc_client", url=url, identity="CP1", protocols=["ocpp2.0.1"])
        client = (await clients.next()).client
        bad = Heard(client, ours.BadMessage)
        await peer.do("send", text=text)
        response = (await bad.next()).response
        assert (response and response[2]) == (theirs and theirs[2]) == code
        assert await peer.call("Heartbeat", {}) == HEARTBEAT


@pytest.mark.rule(20)
async def test_unknown_message_types(ours, node):
    """We ignore a message of an unknown type; ocpp-rpc answers ours, and its answer harms nothing."""
    text = '[9,"a","Heartbeat",{}]'
    server = await node.make("rpc_server", protocols=["ocpp2.0.1"], answers=ANSWERS)
    async with station(ours, server.url, ["ocpp2.0.1"]) as client:
        peer = await server.client()
        await client.send_raw(text)
        assert (await peer.heard("bad_message"))["response"][2] == "MessageTypeNotSupported"
        assert await client.call("Heartbeat") == HEARTBEAT
    async with serving(ours, ANSWERS, protocols=["ocpp2.0.1"]) as (_, url, clients):
        peer = await node.make("rpc_client", url=url, identity="CP1", protocols=["ocpp2.0.1"])
        bad = Heard((await clients.next()).client, ours.BadMessage)
        await peer.do("send", text=text)
        notice = await bad.next()
        assert (notice.error.code, notice.response) == ("MessageTypeNotSupported", None)
        assert await peer.call("Heartbeat", {}) == HEARTBEAT
        assert peer.heard_nothing("bad_message")


async def test_empty_messages_are_ignored(ours, theirs):
    """An empty message changes nothing."""
    host, kind = theirs
    async with serving(ours, ANSWERS, protocols=["ocpp1.6"], max_bad_messages=0) as (_, url, _):
        peer = await host.make(f"{kind}_client", url=url, identity="CP1", protocols=["ocpp1.6"])
        await peer.do("send", text="")
        assert await peer.call("Heartbeat", {}) == HEARTBEAT


# --- Keep-alive ---------------------------------------------------------------


@pytest.mark.feature("S4")
async def test_pings_are_answered_between_their_station_and_our_server(ours, theirs):
    """Each side's pings get their pongs, over and over."""
    host, kind = theirs
    async with serving(ours, protocols=["ocpp1.6"], ping_interval=0.02) as (_, url, clients):
        peer = await host.make(f"{kind}_client", url=url, identity="CP1", protocols=["ocpp1.6"])
        pings = Heard((await clients.next()).client, ours.PingEvent)
        assert await peer.do("ping") >= 0
        for _ in range(3):
            assert 0 <= (await pings.next()).rtt < 5


@pytest.mark.feature("C6")
async def test_pings_are_answered_between_our_station_and_their_server(ours, theirs):
    """Each side's pings get their pongs, over and over."""
    host, kind = theirs
    server = await host.make(f"{kind}_server", protocols=["ocpp1.6"])
    client = station(ours, server.url, ["ocpp1.6"], ping_interval=0.02)
    pings = Heard(client, ours.PingEvent)
    async with client:
        peer = await server.client()
        assert await peer.do("ping") >= 0
        for _ in range(3):
            assert 0 <= (await pings.next()).rtt < 5
