"""The main job over loopback TCP and Unix sockets: connect, boot, call both ways, be refused, close."""

import gc

import anyio
import pytest
from support.env import gathered

from ocpp_rpc_core import (
    Closed,
    CloseInfo,
    RPCNotImplementedError,
    RPCNotSupportedError,
    ServerClosed,
    ServerClosing,
    State,
)

NOW = "2024-05-01T12:00:00Z"
BOOT = {"currentTime": NOW, "interval": 300, "status": "Accepted"}
STORIES = {
    "ocpp1.6": {
        "boot": {"chargePointVendor": "V", "chargePointModel": "M"},
        "status": {"connectorId": 1, "errorCode": "NoError", "status": "Available"},
        "command": ("RemoteStartTransaction", {"idTag": "A1"}, {"status": "Accepted"}),
        "refused": ("Reset", {"type": "Hard"}),
    },
    "ocpp2.0.1": {
        "boot": {"chargingStation": {"vendorName": "V", "model": "M"}, "reason": "PowerUp"},
        "status": {"timestamp": NOW, "connectorStatus": "Available", "evseId": 1, "connectorId": 1},
        "command": ("ChangeAvailability", {"operationalStatus": "Operative"}, {"status": "Accepted"}),
        "refused": ("Reset", {"type": "Immediate"}),
    },
}
STORIES["ocpp2.1"] = STORIES["ocpp2.0.1"]


def management_system(net, protocol, **options):
    """A server that answers what a station says."""
    server = net.RPCServer(protocols=[protocol], strict_mode=True, **options)
    server.handle("BootNotification", lambda call: BOOT)
    server.handle("Heartbeat", lambda call: {"currentTime": NOW})
    server.handle("StatusNotification", lambda call: {})
    return server


async def whole_story(server, client, protocol):
    """All that a station and its management system say to each other on a quiet day."""
    story = STORIES[protocol]
    method, params, result = story["command"]
    client.handle(method, lambda call: result)

    @client.handle(story["refused"][0])
    async def refuse(call):
        raise RPCNotSupportedError("not today", {"why": "busy"})

    assert await client.call("BootNotification", story["boot"]) == BOOT
    assert await client.call("Heartbeat") == {"currentTime": NOW}
    assert await client.call("StatusNotification", story["status"]) == {}
    (side,) = server.clients
    assert side.protocol == client.protocol == protocol
    assert await side.call(method, params) == result
    with pytest.raises(RPCNotSupportedError) as refused:
        await side.call(*story["refused"])
    assert (refused.value.message, refused.value.details) == ("not today", {"why": "busy"})
    with pytest.raises(RPCNotImplementedError):
        await side.call("ClearCache")


@pytest.mark.feature("S1")
@pytest.mark.feature("S2")
@pytest.mark.feature("S8")
@pytest.mark.feature("C1")
@pytest.mark.feature("C3")
@pytest.mark.parametrize("protocol", STORIES)
async def test_the_main_job(net, protocol):
    """A station boots, beats, reports, obeys and refuses in strict mode, and goes gracefully."""
    async with management_system(net, protocol) as server:
        listener = await server.listen(host="127.0.0.1")
        client = net.RPCClient(listener.url, "CP1", protocols=[protocol], strict_mode=True)
        closed = gathered(client, Closed)
        async with client:
            assert client.state is State.OPEN
            await whole_story(server, client, protocol)
            assert await client.close(reason="bye") == CloseInfo(1000, "bye")
            assert client.state is State.CLOSED
        await net.until(lambda: not server.clients)
        assert closed == [Closed(1000, "bye")]


@pytest.mark.feature("S22")
@pytest.mark.parametrize("compression", [False, True])
async def test_a_unix_socket_carries_it_too(net, socket_path, compression):
    """The same over a Unix socket, with the byte stream of the client's own making."""
    async with management_system(net, "ocpp1.6", compression=compression) as server:
        listener = await server.listen(path=socket_path)
        assert listener.port is None
        assert socket_path in listener.url
        client = net.RPCClient("ws://station", "CP1", protocols=["ocpp1.6"], compression=compression)
        client._dial = net.unix_dial(socket_path)
        async with client:
            await whole_story(server, client, "ocpp1.6")


@pytest.mark.feature("S22")
async def test_a_unix_socket_can_be_used_again(net, socket_path):
    """A server that comes back listens where it listened before."""
    for _ in range(2):
        async with net.RPCServer() as server:
            await server.listen(path=socket_path)
            client = net.RPCClient("ws://station", "CP1")
            client._dial = net.unix_dial(socket_path)
            async with client:
                assert client.state is State.OPEN


@pytest.mark.feature("S22")
async def test_a_place_where_nobody_can_listen(net, socket_path):
    """It is an `OSError` that leaves nothing behind, and the server listens elsewhere."""
    async with net.RPCServer() as server:
        for path in (f"{socket_path}/below-a-file-that-is-not-there", "/tmp/" + "x" * 200):
            with pytest.raises(OSError):
                await server.listen(path=path)
        listener = await server.listen(path=socket_path)
        assert socket_path in listener.url
        gc.collect()  # a socket left behind would warn here


@pytest.mark.feature("S22")
@pytest.mark.feature("S26")
async def test_two_listeners(net):
    """One server listens in two places; to close one leaves the other, and who is connected, alone."""
    async with net.RPCServer() as server:
        one, two = await server.listen(host="127.0.0.1"), await server.listen(host="127.0.0.1")
        assert one.port != two.port
        async with net.RPCClient(one.url, "A") as first, net.RPCClient(two.url, "B"):
            await net.until(lambda: len(server.clients) == 2)
            await one.close()
            with pytest.raises(OSError):
                async with net.RPCClient(one.url, "C"):
                    pass
            async with net.RPCClient(two.url, "D"):
                await net.until(lambda: len(server.clients) == 3)
                assert [client.identity for client in server.clients] == ["A", "B", "D"]
            assert first.state is State.OPEN


@pytest.mark.feature("S22")
async def test_the_default_host_is_every_address(net):
    """Without a host `localhost` is reached, by whichever address family."""
    async with net.RPCServer() as server:
        listener = await server.listen()
        assert listener.url == f"ws://localhost:{listener.port}"
        async with net.RPCClient(listener.url, "CP1"):
            pass


@pytest.mark.feature("S22")
async def test_a_port_in_use(net):
    """Listening where somebody listens is an `OSError`, and the server lives on."""
    async with net.RPCServer() as server:
        listener = await server.listen(host="127.0.0.1")
        with pytest.raises(OSError):
            await server.listen(listener.port, host="127.0.0.1")
        async with net.RPCClient(listener.url, "CP1"):
            pass


@pytest.mark.feature("S1")
@pytest.mark.feature("S21")
@pytest.mark.feature("S25")
@pytest.mark.feature("S29")
async def test_leaving_the_server_closes_everybody(net):
    """Leaving the block says goodbye with 1001 to every client, and tells whoever waits or observes."""
    server = net.RPCServer()
    heard = gathered(server, ServerClosing, ServerClosed)
    told = []

    async def wait():
        await server.wait_closed()
        told.append("closed")

    async def visit(url):
        async with net.RPCClient(url, "CP1", reconnect=False) as client, client.events(Closed) as stream:
            told.append(await anext(stream))

    async with anyio.create_task_group() as tasks:
        async with server:
            tasks.start_soon(wait)
            listener = await server.listen(host="127.0.0.1")
            tasks.start_soon(visit, listener.url)
            await net.until(lambda: server.clients)
            assert (heard, told) == ([], [])
        assert server.clients == ()
        assert heard == [ServerClosing(), ServerClosed()]
    assert sorted(told, key=str) == [Closed(1001, ""), "closed"]


@pytest.mark.feature("C1")
async def test_nobody_listens(net):
    """A first connection that fails raises the network's error, and leaves nothing behind."""
    async with net.RPCServer() as server:
        listener = await server.listen(host="127.0.0.1")
        await listener.close()
        client = net.RPCClient(listener.url, "CP1")
        for _ in range(2):  # it can be tried again
            with pytest.raises(OSError):
                await client.__aenter__()


@pytest.mark.feature("C1")
async def test_the_applications_exception_goes_through(net):
    """What the application raises inside the blocks comes out as it was, not in a group."""
    with pytest.raises(LookupError, match="mine"):
        async with net.RPCServer() as server:
            listener = await server.listen(host="127.0.0.1")
            async with net.RPCClient(listener.url, "CP1"):
                raise LookupError("mine")


@pytest.mark.feature("C1")
async def test_cancelling_the_application(net):
    """A cancelled application drops its connections, and leaves nothing behind."""
    with anyio.CancelScope() as scope:
        async with net.RPCServer() as server:
            listener = await server.listen(host="127.0.0.1")
            async with net.RPCClient(listener.url, "CP1"):
                scope.cancel()
                await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert server.clients == ()
