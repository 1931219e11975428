"""Where the sources of OCPP-J conflict: both readings, as options."""

import anyio
import pytest
from support.env import gathered
from support.raw import Raw
from wsproto import ConnectionType
from wsproto.events import AcceptConnection, CloseConnection, RejectConnection, Request

from ocpp_rpc_core import (
    Accept,
    BadMessage,
    ClientConnected,
    RPCFormationViolationError,
    RPCProtocolError,
    SubprotocolMismatch,
    UnexpectedHTTPResponse,
    UpgradeAborted,
)

PROBLEM = "no common subprotocol; this server speaks ocpp1.6"


async def answer_to(stream, protocols, identity="CP1"):
    """A client's end, and what the server answers to its request."""
    raw = Raw(stream, ConnectionType.CLIENT)
    await raw.say(Request(host="localhost", target=f"/{identity}", subprotocols=protocols))
    return raw, await raw.hear()


# --- Subprotocols (rule 24) -----------------------------------------------------------------------


@pytest.mark.feature("B17")
@pytest.mark.rule(24)
@pytest.mark.parametrize("policy", ["refuse", "close"])
@pytest.mark.parametrize("protocols", [["ocpp2.1"], []])
async def test_no_common_subprotocol(env, policy, protocols):
    """400, or 101 without a subprotocol and 1002 at once; the application is asked, but never sees the client."""
    async with env.RPCServer(protocols=["ocpp1.6"], subprotocol_mismatch=policy) as server:
        asked, welcomed = [], []

        @server.auth
        async def decide(handshake):
            asked.append(handshake)
            await anyio.sleep(1)
            return Accept(session="let in")

        server.on_client(welcomed.append)
        heard = gathered(server, UpgradeAborted, ClientConnected)
        raw, answer = await answer_to(await env.line(server).stream(), protocols)
        if policy == "refuse":
            assert isinstance(answer, RejectConnection)
            assert answer.status_code == 400
            await raw.stream.aclose()
        else:
            assert isinstance(answer, AcceptConnection)
            assert (answer.subprotocol, answer.extensions) == (None, [])
            goodbye = await raw.hear()
            assert isinstance(goodbye, CloseConnection)
            assert (goodbye.code, goodbye.reason) == (1002, PROBLEM)
            await raw.say(goodbye.response())
            await raw.stream.aclose()
        assert [handshake.protocols for handshake in asked] == [tuple(protocols)]
        assert (welcomed, server.clients) == ([], ())
        (aborted,) = heard
        assert (aborted.status, aborted.identity) == (400 if policy == "refuse" else 101, "CP1")
        assert (aborted.error.message, aborted.handshake) == (PROBLEM, asked[0])
        async with env.line(server).client(protocols=["ocpp1.6"]) as client:
            assert client.protocol == "ocpp1.6"
            assert len(welcomed) == 1


@pytest.mark.feature("B17")
@pytest.mark.rule(24)
@pytest.mark.parametrize(("policy", "error"), [("refuse", UnexpectedHTTPResponse), ("close", SubprotocolMismatch)])
async def test_what_our_client_makes_of_it(net, policy, error):
    """Over a real socket: `connect` fails with what tells that no subprotocol was agreed on."""
    async with net.RPCServer(protocols=["ocpp1.6"], subprotocol_mismatch=policy) as server:
        listener = await server.listen(host="127.0.0.1")
        client = net.RPCClient(f"ws://127.0.0.1:{listener.port}", "CP1", protocols=["ocpp2.1"])
        with pytest.raises(error) as raised:
            async with client:
                pass
        assert raised.value.permanent is (policy == "close")
        assert server.clients == ()


@pytest.mark.feature("B17")
@pytest.mark.rule(24)
async def test_the_goodbye_arrives_over_a_socket(net):
    """Whole, and followed by the end of the byte stream, even if the client says no goodbye of its own."""
    async with net.RPCServer(protocols=["ocpp1.6"], subprotocol_mismatch="close", close_timeout=0.5) as server:
        listener = await server.listen(host="127.0.0.1")
        async with await anyio.connect_tcp("127.0.0.1", listener.port) as stream:
            raw, answer = await answer_to(stream, ["ocpp0.1"])
            assert isinstance(answer, AcceptConnection)
            assert (await raw.hear()).code == 1002
            assert await raw.hear() is None


# --- Messages (rules 5, 11, 20) -------------------------------------------------------------------


@pytest.mark.rule(20)
@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
@pytest.mark.parametrize("policy", ["ignore", "answer"])
async def test_unknown_message_types(env, protocol, policy):
    """Nothing, or a CALLERROR under the id if it can be read; reported in either case."""
    async with env.RPCServer(protocols=[protocol], unknown_message_type=policy) as server:
        server.handle("Heartbeat", lambda call: {})
        raw = await env.line(server).raw(protocols=[protocol])
        bad = gathered(server.clients[0], BadMessage)
        await raw.tell(9, "x", {"n": 1})
        await raw.tell(9)
        if policy == "answer":
            code = "GenericError" if protocol == "ocpp1.6" else "MessageTypeNotSupported"
            for message_id in ("x", "-1"):
                assert await raw.frame() == [4, message_id, code, "message type 9 is not supported", {}]
        await raw.tell(2, "h", "Heartbeat", {})
        assert await raw.frame() == [3, "h", {}]
        assert [event.error.code for event in bad] == ["MessageTypeNotSupported"] * 2
        assert [event.response is None for event in bad] == [policy == "ignore"] * 2
        await raw.close()


@pytest.mark.rule(5)
@pytest.mark.parametrize(
    ("protocol", "kind"),
    [
        ("ocpp1.6", RPCFormationViolationError),
        ("ocpp2.0.1", RPCProtocolError),
        ("ocpp2.1", RPCProtocolError),
    ],
)
async def test_null_payloads_can_be_refused(env, protocol, kind):
    """A call with one is answered with an error, a result that is one fails the call; `{}` is what is sent."""
    options = {"protocols": [protocol], "null_payload": "refuse"}
    async with env.RPCServer(**options) as server:
        server.handle("Heartbeat", lambda call: None)
        raw = await env.line(server).raw(protocols=[protocol])
        (side,) = server.clients
        await raw.tell(2, "a", "Heartbeat", None)
        problem = "the payload is null, not an object"
        assert await raw.frame() == [4, "a", kind.default_code, problem, {}]
        await raw.tell(2, "b", "Heartbeat", {})
        assert await raw.frame() == [3, "b", {}]
        async with anyio.create_task_group() as tasks:

            async def answer():
                _, message_id, _, params = await raw.frame()
                assert params == {}
                await raw.tell(3, message_id, None)
                if protocol == "ocpp2.1":
                    assert await raw.frame() == [5, message_id, kind.default_code, problem, {}]

            tasks.start_soon(answer)
            with pytest.raises(kind, match=problem):
                await side.call("X", None)
        await raw.close()


@pytest.mark.rule(11)
@pytest.mark.parametrize("policy", ["accept", "refuse"])
async def test_ids_that_come_again(env, policy):
    """A retry under the same id is served, or refused, on the next connection of the client, too."""
    line = env.line()
    served = []
    async with anyio.create_task_group() as tasks, line.client(auto_connect=False, repeated_ids=policy) as client:
        client.handle("Reset", lambda call: served.append(call.message_id))
        tasks.start_soon(client.connect)
        raw = await line.accept()
        answers = []
        for attempt in range(3):
            await raw.tell(2, "a", "Reset", {})
            answers.append((await raw.frame())[0])
            if attempt == 1:
                raw.stream.cut()
                raw = await line.accept()
        assert answers == ([3, 3, 3] if policy == "accept" else [3, 4, 4])
        assert served == ["a"] * (3 if policy == "accept" else 1)
        tasks.start_soon(raw.ended)
        await client.close()


# --- Identities (rule 31) -------------------------------------------------------------------------


@pytest.mark.rule(31)
@pytest.mark.parametrize("identity", ["CP:1", "x" * 49, "CP 1"])
async def test_identities_that_ocpp_2_does_not_know(env, identity):
    """A server refuses them with 400 and says why, on 2.x only; a client cannot be made with one."""
    async with env.RPCServer(protocols=["ocpp2.1", "ocpp1.6"], identity_format="ocpp2") as server:
        line = env.line(server)
        with pytest.raises(UnexpectedHTTPResponse) as refused:
            async with line.client(identity, protocols=["ocpp2.1"]):
                pass
        assert refused.value.status == 400
        assert b"the identity must" in refused.value.body
        async with line.client(identity, protocols=["ocpp1.6"]):
            assert server.clients[0].identity == identity
    with pytest.raises(ValueError, match="the identity must"):
        env.RPCClient("ws://host", identity, protocols=["ocpp2.1"], identity_format="ocpp2")
    with pytest.raises(ValueError, match="unknown_message_type must be 'ignore' or 'answer'"):
        env.RPCServer(unknown_message_type="refuse")
