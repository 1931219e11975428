"""Our WebSockets against `ws`, which knows nothing of OCPP: compression, fragments, control frames."""

import json

import pytest
from interop.ends import Heard, serving, station

pytestmark = [pytest.mark.interop, pytest.mark.anyio]

COMPRESSIONS = {
    "off": False,
    "on": {},
    "forgetful": {"clientNoContextTakeover": True, "serverNoContextTakeover": True},
    "small": {"clientMaxWindowBits": 9, "serverMaxWindowBits": 9},
}
TEXTS = ["", "x", "ä⚡" * 50_000, "repeat " * 300, "repeat " * 300]


def frame(*parts):
    """A message as text."""
    return json.dumps(parts, separators=(",", ":"), ensure_ascii=False)


def echoing(peer):
    """Have this end of ours return what it is told."""
    peer.handle("DataTransfer", lambda call: call.params)


@pytest.mark.feature("S11")
@pytest.mark.parametrize("compression", [True, False], ids=["we-compress", "we-do-not"])
@pytest.mark.parametrize("their_compression", COMPRESSIONS)
async def test_their_client_and_our_server(ours, node, their_compression, compression):
    """Messages of every size arrive whole in both directions, compressed exactly if both sides want it."""
    async with serving(ours, protocols=["ocpp1.6"], compression=compression) as (server, url, _):
        echoing(server)
        raw = await node.make(
            "ws_client", url=f"{url}/CP1", protocols=["ocpp1.6"], compression=COMPRESSIONS[their_compression]
        )
        assert raw.facts["protocol"] == "ocpp1.6"
        assert ("permessage-deflate" in raw.facts["extensions"]) == (compression and their_compression != "off")
        for text in TEXTS:
            await raw.do("send", parts=[frame(2, "1", "DataTransfer", {"data": text})])
            assert json.loads((await raw.heard("message"))["text"]) == [3, "1", {"data": text}]


@pytest.mark.feature("S11")
@pytest.mark.parametrize("compression", [True, False], ids=["we-compress", "we-do-not"])
@pytest.mark.parametrize("their_compression", COMPRESSIONS)
async def test_our_client_and_their_server(ours, node, their_compression, compression):
    """Messages of every size arrive whole in both directions, compressed exactly if both sides want it."""
    server = await node.make("ws_server", compression=COMPRESSIONS[their_compression])
    client = station(ours, server.url, ["ocpp1.6"], compression=compression)
    echoing(client)
    async with client:
        raw = await server.client()
        assert ("permessage-deflate" in raw.facts["extensions"]) == (compression and their_compression != "off")
        for text in TEXTS:
            await raw.do("send", parts=[frame(2, "1", "DataTransfer", {"data": text})])
            assert json.loads((await raw.heard("message"))["text"]) == [3, "1", {"data": text}]


@pytest.mark.parametrize("compression", [True, False], ids=["compressed", "plain"])
async def test_fragments(ours, node, compression):
    """A message in many frames, some of them empty, with a ping between two messages, is one message."""
    async with serving(ours, protocols=["ocpp1.6"], compression=compression) as (server, url, _):
        echoing(server)
        raw = await node.make(
            "ws_client", url=f"{url}/CP1", protocols=["ocpp1.6"], compression={} if compression else False
        )
        text = frame(2, "1", "DataTransfer", {"data": "abc"})
        await raw.do("send", parts=["", *text, ""])
        assert json.loads((await raw.heard("message"))["text"]) == [3, "1", {"data": "abc"}]
        assert await raw.do("ping", data="payload") == "payload"


@pytest.mark.parametrize("compression", [{}, False], ids=["compressed", "plain"])
async def test_a_message_too_big(ours, node, compression):
    """More than the permitted bytes, after inflation, close the connection with 1009."""
    async with serving(ours, protocols=["ocpp1.6"], compression=True, max_message_size=1000) as (
        _,
        url,
        clients,
    ):
        raw = await node.make("ws_client", url=f"{url}/CP1", protocols=["ocpp1.6"], compression=compression)
        closed = Heard((await clients.next()).client, ours.Closed)
        await raw.do("send", parts=["x" * 1001])
        assert (await raw.heard("closed"))["code"] == 1009
        assert (await closed.next()).code == 1009


async def test_a_close_without_a_code(ours, node):
    """A close frame without a code is 1005 to our server."""
    async with serving(ours, protocols=["ocpp1.6"]) as (_, url, clients):
        raw = await node.make("ws_client", url=f"{url}/CP1", protocols=["ocpp1.6"], compression=False)
        closed = Heard((await clients.next()).client, ours.Closed)
        await raw.do("close")
        assert await closed.next() == ours.Closed(1005, "")
        assert (await raw.heard("closed"))["code"] == 1005


async def test_a_connection_cut_off(ours, node):
    """A connection that ends without a close frame is 1006 to our server."""
    async with serving(ours, protocols=["ocpp1.6"]) as (_, url, clients):
        raw = await node.make("ws_client", url=f"{url}/CP1", protocols=["ocpp1.6"], compression=False)
        closed = Heard((await clients.next()).client, ours.Closed)
        await raw.do("terminate")
        assert (await closed.next()).code == 1006
