"""Calls and their answers between our ends and those of ocpp-rpc (npm) and ocpp (PyPI)."""

import anyio
import pytest
from interop.ends import serving, station
from interop.hosts import PeerError
from interop.payloads import (
    BOOT,
    PROTOCOLS,
    RESET,
    RESET_RESULT,
    STATION_ANSWERS,
    STATION_CALLS,
    SYSTEM_ANSWERS,
)

pytestmark = [pytest.mark.interop, pytest.mark.anyio]


def strict_on_their_side(kind, protocol):
    """Options of a peer as strict as it can be: ocpp-rpc cannot be strict about 2.1, ocpp always is."""
    return {"strict": protocol != "ocpp2.1"} if kind == "rpc" else {}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_their_station_and_our_server(ours, theirs, protocol):
    """Boot, heartbeat, status and a call to the station succeed, strictly validated at both ends."""
    host, kind = theirs
    async with serving(ours, SYSTEM_ANSWERS[protocol], protocols=[protocol], strict_mode=True) as (
        _,
        url,
        clients,
    ):
        peer = await host.make(
            f"{kind}_client",
            url=url,
            identity="CP1",
            protocols=[protocol],
            answers=STATION_ANSWERS,
            **strict_on_their_side(kind, protocol),
        )
        assert peer.facts["protocol"] == protocol
        for method, params, result in STATION_CALLS[protocol]:
            assert await peer.call(method, params) == result
        client = (await clients.next()).client
        assert client.protocol == protocol
        assert await client.call("Reset", RESET[protocol]) == RESET_RESULT
        assert await peer.heard("call") == {"method": "Reset", "params": RESET[protocol]}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_our_station_and_their_server(ours, theirs, protocol):
    """Boot, heartbeat, status and a call to the station succeed, strictly validated at both ends."""
    host, kind = theirs
    server = await host.make(
        f"{kind}_server",
        protocols=[protocol],
        answers=SYSTEM_ANSWERS[protocol],
        **strict_on_their_side(kind, protocol),
    )
    async with station(ours, server.url, [protocol], answers=STATION_ANSWERS, strict_mode=True) as client:
        peer = await server.client()
        assert client.protocol == peer.facts["protocol"] == protocol
        for method, params, result in STATION_CALLS[protocol]:
            assert await client.call(method, params) == result
            assert await peer.heard("call") == {"method": method, "params": params}
        assert await peer.call("Reset", RESET[protocol]) == RESET_RESULT


# --- Errors -------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_they_hear_our_not_implemented(ours, theirs, protocol):
    """A method without a handler is NotImplemented, and an error raised by a handler is heard whole."""
    host, kind = theirs
    answers = {"Heartbeat": {"error": ["SecurityError", "who are you?", {"hint": [1, "ä"]}]}}
    async with serving(ours, answers, protocols=[protocol]) as (_, url, _):
        peer = await host.make(f"{kind}_client", url=url, identity="CP1", protocols=[protocol])
        with pytest.raises(PeerError) as caught:
            await peer.call("BootNotification", BOOT[protocol])
        assert caught.value.code == "NotImplemented"
        with pytest.raises(PeerError) as caught:
            await peer.call("Heartbeat", {})
        error = caught.value
        assert (error.code, error.message, error.details) == (
            "SecurityError",
            "who are you?",
            {"hint": [1, "ä"]},
        )


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1"])
async def test_we_hear_their_not_implemented(ours, theirs, protocol):
    """A method they have no handler for is NotImplemented, and an error their handler raises is heard whole."""
    host, kind = theirs
    answers = {"Heartbeat": {"error": ["SecurityError", "who are you?", {"hint": [1, "ä"]}]}}
    server = await host.make(f"{kind}_server", protocols=[protocol], answers=answers)
    async with station(ours, server.url, [protocol]) as client:
        with pytest.raises(ours.RPCNotImplementedError):
            await client.call("BootNotification", BOOT[protocol])
        with pytest.raises(ours.RPCSecurityError) as caught:
            await client.call("Heartbeat")
        error = caught.value
        assert (error.code, error.message, error.details) == (
            "SecurityError",
            "who are you?",
            {"hint": [1, "ä"]},
        )


async def test_who_is_never_answered_times_out(ours, python):
    """The PyPI package leaves unknown methods of 2.1 unanswered: our call times out, and the next one works."""
    answers = SYSTEM_ANSWERS["ocpp2.1"]
    server = await python.make("ocpp_server", protocols=["ocpp2.1"], answers=answers)
    async with station(ours, server.url, ["ocpp2.1"]) as client:
        with pytest.raises(ours.CallTimeout):
            await client.call("Mystery", timeout=0.1)
        assert await client.call("Heartbeat") == answers["Heartbeat"]["result"]


async def test_they_hear_our_crash(ours, theirs):
    """A handler of ours that crashes is an InternalError to them, without what happened inside."""
    host, kind = theirs
    async with serving(ours, {"Heartbeat": {"crash": "secret"}}, protocols=["ocpp1.6"]) as (_, url, _):
        peer = await host.make(f"{kind}_client", url=url, identity="CP1", protocols=["ocpp1.6"])
        with pytest.raises(PeerError) as caught:
            await peer.call("Heartbeat", {})
        assert (caught.value.code, caught.value.details) == ("InternalError", {})
        assert "secret" not in caught.value.message


async def test_we_hear_their_crash(ours, theirs):
    """A handler of theirs that crashes is an error to us: GenericError from ocpp-rpc, InternalError from ocpp."""
    host, kind = theirs
    server = await host.make(f"{kind}_server", protocols=["ocpp1.6"], answers={"Heartbeat": {"crash": "secret"}})
    expected = ours.RPCGenericError if kind == "rpc" else ours.RPCInternalError
    async with station(ours, server.url, ["ocpp1.6"]) as client:
        with pytest.raises(expected):
            await client.call("Heartbeat")


# --- No reply -----------------------------------------------------------------


@pytest.mark.feature("C20")
@pytest.mark.parametrize("no_reply", [True, False])
async def test_their_call_without_reply(ours, node, no_reply):
    """Their noReply call is served; our reply to it is a bad message to them, and NOREPLY sends none."""
    answers = {"Heartbeat": {"no_reply": True} if no_reply else {"result": {}}, "Next": {"result": 1}}
    async with serving(ours, answers, protocols=["ocpp1.6"]) as (_, url, _):
        peer = await node.make("rpc_client", url=url, identity="CP1", protocols=["ocpp1.6"])
        assert await peer.call("Heartbeat", {}, no_reply=True) is None
        assert await peer.call("Next", {}) == 1
        if no_reply:
            assert peer.heard_nothing("bad_message")
        else:
            assert (await peer.heard("bad_message"))["code"] == "RpcFrameworkError"


@pytest.mark.feature("C14")
@pytest.mark.parametrize("no_reply", [True, False])
async def test_our_call_without_reply(ours, node, no_reply):
    """Our no_reply call ends at once; a reply to it is a bad message to us, and their NOREPLY sends none."""
    answers = {"Heartbeat": {"no_reply": True} if no_reply else {"result": {}}, "Next": {"result": 1}}
    server = await node.make("rpc_server", protocols=["ocpp1.6"], answers=answers)
    client = station(ours, server.url, ["ocpp1.6"])
    bad = []
    client.on(ours.BadMessage, bad.append)
    async with client:
        peer = await server.client()
        assert await client.call("Heartbeat", no_reply=True) is None
        assert await client.call("Next") == 1
        assert (await peer.heard("call"))["method"] == "Heartbeat"
        assert len(bad) == (0 if no_reply else 1)


async def test_many_calls_at_once(ours, node):
    """With concurrency on both sides, calls cross each other and each gets its own answer."""
    answers = {f"M{number}": {"result": number} for number in range(50)}
    server = await node.make("rpc_server", protocols=["ocpp1.6"], answers=answers, options={"callConcurrency": 10})
    async with station(ours, server.url, ["ocpp1.6"], answers=answers, call_concurrency=10) as client:
        peer = await server.client()
        got = {}

        async def call(end, name, number):
            got[name, number] = await end.call(f"M{number}", {})

        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(call, client, "ours", number)
                group.start_soon(call, peer, "theirs", number)
        assert got == {(name, number): number for name in ("ours", "theirs") for number in range(50)}
