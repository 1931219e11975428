"""One outcome for each call, answers that come late, and the ids that tell messages apart."""

import anyio
import pytest
from support.env import gathered

from ocpp_rpc_core import (
    BadMessage,
    CallErrorEvent,
    CallEvent,
    CallResultEvent,
    CallTimeout,
    ConnectionLost,
    ExponentialBackoff,
    LateReply,
    NotConnected,
    Opened,
    ResponseEvent,
    RPCFrameworkError,
    RPCSecurityError,
    State,
)

QUICK = ExponentialBackoff(initial=1, jitter=0)


class Caller:
    """Makes calls beside the test, and remembers how each ended."""

    def __init__(self, tasks, client):
        self._tasks = tasks
        self._client = client
        self.ended = []

    async def _call(self, name, scope, options):
        with scope:
            try:
                self.ended.append((name, await self._client.call("X", {"name": name}, **options)))
            except Exception as error:  # noqa: BLE001 - that is what is looked at
                self.ended.append((name, type(error), error.message_id))
        if scope.cancelled_caught:
            self.ended.append((name, "cancelled"))

    def begin(self, name, **options):
        """A call; cancel what is returned to give it up."""
        scope = anyio.CancelScope()
        self._tasks.start_soon(self._call, name, scope, options)
        return scope


# --- One outcome ----------------------------------------------------------------------------------


@pytest.mark.feature("B2")
async def test_every_call_has_one_of_six_outcomes(env):
    """Result, error, timeout, cancelled, lost, never sent: one each, and what failed knows if it was written."""
    line = env.line()
    options = {"reconnect": False, "auto_connect": False, "call_concurrency": 5}
    async with anyio.create_task_group() as tasks, line.client(**options) as client:
        tasks.start_soon(client.connect)
        raw = await line.accept()
        caller, ids, scopes = Caller(tasks, client), {}, {}
        for name in ("result", "error", "timeout", "cancelled", "lost"):
            scopes[name] = caller.begin(name, timeout=1 if name == "timeout" else 100)
            _, ids[name], _, _ = await raw.frame()
        client.reconfigure(call_concurrency=1)
        caller.begin("never sent")
        scopes["cancelled"].cancel()
        await raw.tell(3, ids["result"], {"n": 1})
        await raw.tell(4, ids["error"], "SecurityError", "no", {})
        await env.until(lambda: len(caller.ended) == 4)
        line.cut()
        await env.until(lambda: len(caller.ended) == 6)
        await anyio.sleep(1000)
    assert sorted(caller.ended) == sorted(
        [
            ("result", {"n": 1}),
            ("error", RPCSecurityError, ids["error"]),
            ("timeout", CallTimeout, ids["timeout"]),
            ("cancelled", "cancelled"),
            ("lost", ConnectionLost, ids["lost"]),
            ("never sent", NotConnected, None),
        ]
    )


@pytest.mark.feature("B2")
async def test_what_was_never_written_may_be_repeated(env):
    """Calls that wait when the connection is closed raise `NotConnected`; on a lost one they wait for the next."""
    async with env.joined(backoff=QUICK) as it:
        seen = []

        @it.server.handle("X")
        async def wait(call):
            seen.append(call.params["name"])
            await anyio.sleep(3)
            return {}

        async with anyio.create_task_group() as tasks:
            caller = Caller(tasks, it.client)
            for name in ("lost", "kept"):
                caller.begin(name)
                await anyio.sleep(0.1)
            it.line.cut()
            await env.until(lambda: len(caller.ended) == 2, limit=100)
            caller.begin("in flight")
            await anyio.sleep(0.1)
            caller.begin("queued")
            await anyio.sleep(0.1)
            await it.client.close()
        ends = {name: rest for name, *rest in caller.ended}
        assert ends["kept"] == [{}]
        assert [ends[name][0] for name in ("lost", "in flight", "queued")] == [
            ConnectionLost,
            ConnectionLost,
            NotConnected,
        ]
        assert ends["queued"][1] is None
        assert seen == ["lost", "kept", "in flight"]


# --- Late answers ---------------------------------------------------------------------------------


@pytest.mark.feature("B2")
@pytest.mark.parametrize("answer", [(3, {"n": 1}), (4, "SecurityError", "no", {})])
async def test_an_answer_after_the_timeout(env, answer):
    """It is a `LateReply` and nothing else: no bad message, no end of a call, and the call in flight goes on."""
    line = env.line()
    async with anyio.create_task_group() as tasks, line.client(auto_connect=False) as client:
        client.reconfigure(max_bad_messages=0)
        tasks.start_soon(client.connect)
        raw = await line.accept()
        heard = gathered(client, LateReply, BadMessage, CallResultEvent, CallErrorEvent)
        with pytest.raises(CallTimeout) as raised:
            await client.call("X", timeout=1)
        _, late_id, _, _ = await raw.frame()
        assert raised.value.message_id == late_id
        caller = Caller(tasks, client)
        caller.begin("next")
        _, message_id, _, _ = await raw.frame()
        frame = [answer[0], late_id, *answer[1:]]
        await raw.tell(*frame)
        await raw.tell(3, message_id, {"n": 2})
        await env.until(lambda: caller.ended)
        assert heard[0] == LateReply(late_id, "X", frame, "timeout")
        assert [type(event) for event in heard[1:]] == [CallResultEvent]
        assert caller.ended == [("next", {"n": 2})]
        assert client.state is State.OPEN
        tasks.start_soon(raw.ended)
        await client.close()


@pytest.mark.feature("B2")
@pytest.mark.feature("C14")
async def test_an_answer_after_cancelling(env):
    """The task is free at once, the place in the window only with the answer, which is a `LateReply`."""
    line = env.line()
    async with anyio.create_task_group() as tasks, line.client(auto_connect=False) as client:
        tasks.start_soon(client.connect)
        raw = await line.accept()
        heard = gathered(client, LateReply, BadMessage, CallResultEvent, CallErrorEvent)
        begun = env.now
        with anyio.move_on_after(1):
            await client.call("X")
        assert env.now - begun == pytest.approx(1, abs=0.1)
        _, message_id, _, _ = await raw.frame()
        caller, sent = Caller(tasks, client), gathered(client, CallEvent)
        caller.begin("next")
        await anyio.sleep(5)
        assert sent == []
        await raw.tell(3, message_id, {})
        _, next_id, _, params = await raw.frame()
        assert params == {"name": "next"}
        await raw.tell(3, next_id, {})
        await env.until(lambda: caller.ended)
        assert heard[0] == LateReply(message_id, "X", [3, message_id, {}], "cancelled")
        assert [type(event) for event in heard[1:]] == [CallResultEvent]
        tasks.start_soon(raw.ended)
        await client.close()


@pytest.mark.feature("B2")
async def test_an_answer_on_the_next_connection(env):
    """It settles nothing (I2), not even a call that is made there: it answers no call of that connection."""
    line = env.line()
    async with anyio.create_task_group() as tasks, line.client(auto_connect=False, backoff=QUICK) as client:
        tasks.start_soon(client.connect)
        raw = await line.accept()
        heard = gathered(client, LateReply, BadMessage)
        caller = Caller(tasks, client)
        caller.begin("lost")
        _, lost_id, _, _ = await raw.frame()
        raw.stream.cut()
        raw = await line.accept()
        caller.begin("next")
        _, message_id, _, _ = await raw.frame()
        await raw.tell(3, lost_id, {"n": 1})
        await env.until(lambda: heard)
        assert caller.ended == [("lost", ConnectionLost, lost_id)]
        await raw.tell(3, message_id, {"n": 2})
        await env.until(lambda: len(caller.ended) == 2)
        assert caller.ended[1] == ("next", {"n": 2})
        (bad,) = heard
        assert type(bad) is BadMessage
        assert bad.error.details == {"message_id": lost_id, "result": {"n": 1}}
        tasks.start_soon(raw.ended)
        await client.close()


# --- Message ids ----------------------------------------------------------------------------------


@pytest.mark.feature("B18")
async def test_the_id_of_a_message_can_be_chosen_and_seen(env):
    """On the wire, by the handler, by observers of both sides, and in the error."""
    options = {"protocols": ["ocpp2.1"]}
    async with env.joined(server=options, **options) as it:
        seen = []

        @it.side.handle("X")
        def answer(call):
            seen.append(call.message_id)
            raise RPCSecurityError("no")

        it.side.handle("Tell", lambda call: seen.append(call.message_id))
        called = [gathered(peer, CallEvent) for peer in (it.client, it.side)]
        answered = gathered(it.client, ResponseEvent)
        with pytest.raises(RPCSecurityError) as raised:
            await it.client.call("X", message_id="mine")
        await it.client.send("Tell", {}, message_id="also mine")
        await env.until(lambda: len(seen) == 2)
        assert seen == ["mine", "also mine"]
        assert raised.value.message_id == "mine"
        for events in called:
            assert [event.message_id for event in events] == ["mine", "also mine"]
        assert [event.payload[1] for event in answered] == ["mine"]


@pytest.mark.feature("B18")
async def test_ids_that_cannot_be_given(env):
    """Nothing is sent, and the error says what is wrong: too long, empty, no string, in use by a call under way."""
    options = {"protocols": ["ocpp2.1"]}
    async with env.joined(server=options, **options) as it:
        it.side.handle("X", lambda call: anyio.sleep_forever())
        sent = gathered(it.client, CallEvent)
        for bad in ("", "x" * 37):
            with pytest.raises(ValueError, match="1 to 36 characters"):
                await it.client.call("X", message_id=bad)
            with pytest.raises(ValueError, match="1 to 36 characters"):
                await it.client.send("Tell", message_id=bad)
        with pytest.raises(TypeError):
            await it.client.call("X", message_id=5)
        async with anyio.create_task_group() as tasks:
            caller = Caller(tasks, it.client)
            scope = caller.begin("first", message_id="mine")
            await env.until(lambda: sent)
            with pytest.raises(ValueError, match="under way"):
                await it.client.call("X", message_id="mine")
            with pytest.raises(ValueError, match="under way"):
                await it.client.send("Tell", message_id="mine")
            scope.cancel()
        assert [event.message_id for event in sent] == ["mine"]


@pytest.mark.feature("B18")
async def test_the_option_for_message_ids(env):
    """`new_message_id` makes them, for calls and SENDs alike."""
    options = {"protocols": ["ocpp2.1"]}
    ids = iter(f"id {number}" for number in range(9))
    async with env.joined(server=options, **options, new_message_id=ids.__next__) as it:
        seen = []
        it.side.handle(lambda call: seen.append(call.message_id))
        await it.client.call("X")
        await it.client.send("Y")
        await it.client.call("X")
        assert seen == ["id 0", "id 1", "id 2"]


@pytest.mark.feature("B18")
@pytest.mark.rule(10)
@pytest.mark.parametrize("by_hand", [False, True])
async def test_ids_are_unique_over_reconnects(env, by_hand):
    """For calls and SENDs together, whether the client reconnects by itself or is closed and connected again."""
    options = {"protocols": ["ocpp2.1"]}
    async with env.joined(server=options, **options, backoff=QUICK) as it:
        seen = []
        it.server.handle(lambda call: seen.append(call.message_id))
        for number in range(1, 6):
            await it.client.call("X")
            await it.client.send("Y")
            await env.until(lambda number=number: len(seen) == 2 * number)
            opened = gathered(it.client, Opened)
            if by_hand:
                await it.client.close()
                await it.client.connect()
            else:
                it.line.cut()
            await env.until(lambda opened=opened: opened, limit=100)
        assert len(set(seen)) == len(seen) == 10
        assert all(0 < len(message_id) <= 36 for message_id in seen)


@pytest.mark.feature("B18")
@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
async def test_ids_of_the_peer_are_checked(env, protocol):
    """36 characters are fine; one more, no string, and one whose call is being handled get a CALLERROR."""
    code = "GenericError" if protocol == "ocpp1.6" else "RpcFrameworkError"
    async with env.RPCServer(protocols=[protocol]) as server:
        server.handle("X", lambda call: {"id": call.message_id})
        server.handle("Wait", lambda call: anyio.sleep(1))
        raw = await env.line(server).raw(protocols=[protocol])
        fits, too_long = "é" * 36, "x" * 37
        await raw.tell(2, fits, "X", {})
        assert await raw.frame() == [3, fits, {"id": fits}]
        for bad, answered in ((too_long, too_long), (5, "-1"), (None, "-1")):
            await raw.tell(2, bad, "X", {})
            assert (await raw.frame())[:3] == [4, answered, code]
        await raw.tell(2, "a", "Wait", {})
        await raw.tell(2, "a", "X", {})
        assert (await raw.frame())[:3] == [4, "a", code]
        assert await raw.frame() == [3, "a", {}]
        await raw.close()


@pytest.mark.feature("B18")
async def test_a_maker_of_ids_that_fails(env):
    """The call it was asked for raises; nothing else is harmed."""
    ids = iter(["x" * 37, "fine"])
    async with env.joined(server={"protocols": ["ocpp1.6"]}, protocols=["ocpp1.6"], new_message_id=ids.__next__) as it:
        it.side.handle("X", lambda call: {})
        with pytest.raises(ValueError, match="36"):
            await it.client.call("X")
        assert await it.client.call("X") == {}
        with pytest.raises(RPCFrameworkError):
            await it.client.send("X", message_id="on 1.6 there is no SEND")
