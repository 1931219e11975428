"""permessage-deflate: servers agree to it, nobody has to, and messages are the same with and without."""

import pytest
from support.env import gathered

from ocpp_rpc_core import Opened

BIG = {"text": "OCPP " * 5000}


@pytest.mark.feature("B14")
@pytest.mark.feature("S11")
@pytest.mark.rule(43)
@pytest.mark.parametrize(
    ("server", "client", "agreed"),
    [({}, True, True), ({}, False, False), ({"compression": False}, True, False)],
    ids=["wanted", "not wanted", "switched off"],
)
async def test_servers_agree_to_compression(env, server, client, agreed):
    """By default, if the client offers it; in either case the same is said in both directions."""
    async with env.RPCServer(**server) as serving:
        serving.handle("Echo", lambda call: call.params)
        line = env.line(serving)
        station = line.client(compression=client)
        opened = gathered(station, Opened)
        async with station:
            assert (opened[0].response.header("sec-websocket-extensions") is not None) is agreed
            assert await station.call("Echo", BIG) == BIG
            station.handle("Echo", lambda call: call.params)
            (side,) = serving.clients
            assert await side.call("Echo", BIG) == BIG
