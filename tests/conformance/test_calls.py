"""Calls out: results, errors, timeouts, cancelling, order, concurrency, and what is never sent."""

from math import inf

import anyio
import pytest
from support.env import gathered

from ocpp_rpc_core import (
    Accept,
    BadMessage,
    CallTimeout,
    ConnectionLost,
    NotConnected,
    RPCError,
    RPCFormationViolationError,
    RPCFormatViolationError,
    RPCGenericError,
    RPCSecurityError,
    State,
)


@pytest.mark.feature("C14")
async def test_a_result(env):
    """The peer's result is returned; params default to an empty object."""
    async with env.joined() as it:
        it.side.handle("Echo", lambda call: {"got": call.params})
        assert await it.client.call("Echo", {"a": [1, None, "ü"]}) == {"got": {"a": [1, None, "ü"]}}
        assert await it.client.call("Echo") == {"got": {}}


@pytest.mark.feature("C14")
async def test_what_cannot_be_called(env):
    """A method that is no string, and params without a JSON form, are the caller's mistakes."""
    async with env.joined() as it:
        it.side.handle("Echo", lambda call: {})
        with pytest.raises(TypeError):
            await it.client.call(5)
        with pytest.raises((TypeError, ValueError)):
            await it.client.call("Echo", {"x": object()})
        with pytest.raises(ValueError):
            await it.client.call("Echo", timeout=0)
        assert await it.client.call("Echo") == {}


@pytest.mark.feature("C17")
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("SecurityError", RPCSecurityError),
        ("FormationViolation", RPCFormationViolationError),
        ("FormatViolation", RPCFormatViolationError),
        ("GenericError", RPCGenericError),
        ("Invented", RPCGenericError),
    ],
)
async def test_an_error(env, code, kind):
    """A CALLERROR raises the class of its code, as spelled, with description and details."""
    line = env.line()
    async with anyio.create_task_group() as tasks:

        async def answer():
            raw = await line.accept()
            _, message_id, _, _ = await raw.frame()
            await raw.tell(4, message_id, code, "why", {"more": 1})
            await raw.ended()

        tasks.start_soon(answer)
        async with line.client() as client:
            with pytest.raises(RPCError) as raised:
                await client.call("X")
    assert type(raised.value) is kind
    assert (raised.value.code, raised.value.message, raised.value.details) == (code, "why", {"more": 1})


@pytest.mark.feature("C16")
@pytest.mark.feature("S3")
@pytest.mark.feature("C6")
@pytest.mark.parametrize(
    ("option", "argument", "seconds"),
    [({}, {}, 60), ({"call_timeout": 5}, {}, 5), ({"call_timeout": 5}, {"timeout": 7}, 7)],
)
async def test_a_timeout(env, option, argument, seconds):
    """A call that nobody answers raises in time: the argument's, else the option's, else the default."""
    async with env.joined(**option) as it:
        it.side.handle("Wait", lambda call: anyio.sleep_forever())
        begun = env.now
        with pytest.raises(CallTimeout):
            await it.client.call("Wait", **argument)
        assert env.now - begun == pytest.approx(seconds, abs=0.1)
        assert it.client.state is State.OPEN


@pytest.mark.feature("S3")
async def test_the_servers_timeout(env):
    """A server gives up after 30 s."""
    async with env.joined() as it:
        it.client.handle("Wait", lambda call: anyio.sleep_forever())
        begun = env.now
        with pytest.raises(CallTimeout):
            await it.side.call("Wait")
        assert env.now - begun == pytest.approx(30, abs=0.1)


@pytest.mark.feature("C16")
@pytest.mark.parametrize("never", [None, inf])
async def test_no_timeout(env, never):
    """None and infinity mean to wait as long as it takes."""
    async with env.joined() as it:

        @it.side.handle("Wait")
        async def wait(call):
            await anyio.sleep(3000)
            return {"n": 1}

        assert await it.client.call("Wait", timeout=never) == {"n": 1}


@pytest.mark.feature("C16")
async def test_a_lost_connection(env):
    """Calls in flight fail at once, with what tells that their fate is unknown."""
    async with env.joined(call_concurrency=2, reconnect=False) as it:
        it.side.handle("Wait", lambda call: anyio.sleep_forever())
        outcomes = []

        async def call():
            with pytest.raises(ConnectionLost):
                await it.client.call("Wait")
            outcomes.append(env.now)

        begun = env.now
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            tasks.start_soon(call)
            await anyio.sleep(1)
            it.line.cut()
        assert outcomes == pytest.approx([begun + 1] * 2, abs=0.1)


@pytest.mark.feature("C14")
async def test_cancelling(env):
    """A cancelled call raises nothing else, its late answer harms nobody, and the next goes on."""
    async with env.joined() as it:
        release = anyio.Event()

        @it.side.handle("Wait")
        async def wait(call):
            await release.wait()
            return {"late": True}

        it.side.handle("Echo", lambda call: {"n": 1})
        bad = gathered(it.client, BadMessage)
        with anyio.move_on_after(1) as scope:
            await it.client.call("Wait")
        assert scope.cancelled_caught
        release.set()
        assert await it.client.call("Echo") == {"n": 1}
        assert bad == []


@pytest.mark.feature("C14")
async def test_cancelling_what_waits(env):
    """A call that is cancelled before its turn is never sent."""
    async with env.joined() as it:
        heard = []

        @it.side.handle
        async def serve(call):
            heard.append(call.method)
            await anyio.sleep(10)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(it.client.call, "First")
            await anyio.sleep(1)
            with anyio.move_on_after(1):
                await it.client.call("Second")
            await it.client.call("Third")
        assert heard == ["First", "Third"]


@pytest.mark.feature("C14")
@pytest.mark.feature("C31")
async def test_no_reply(env):
    """A call with `no_reply` ends once it is written; a response to it answers no call."""
    async with env.joined() as it:
        it.side.handle("Tell", lambda call: {"n": 1})
        bad = gathered(it.client, BadMessage)
        begun = env.now
        assert await it.client.call("Tell", no_reply=True) is None
        assert env.now - begun < 1
        await env.until(lambda: bad)
        assert bad[0].error.details["result"] == {"n": 1}
        assert bad[0].error.details["message_id"]


@pytest.mark.feature("S7")
@pytest.mark.parametrize(("options", "most"), [({}, 1), ({"call_concurrency": 3}, 3)])
async def test_concurrency(env, options, most):
    """At most so many calls are unanswered at once, and the rest go in order."""
    async with env.joined(**options) as it:
        running, peak, order = 0, 0, []

        @it.side.handle("Work")
        async def work(call):
            nonlocal running, peak
            order.append(call.params["n"])
            running += 1
            peak = max(peak, running)
            await anyio.sleep(1)
            running -= 1

        async with anyio.create_task_group() as tasks:
            for n in range(9):
                tasks.start_soon(it.client.call, "Work", {"n": n})
                await anyio.sleep(0.01)
        assert (peak, order) == (most, list(range(9)))


@pytest.mark.feature("S7")
async def test_calls_in_do_not_wait_for_calls_out(env):
    """While our call waits for its answer, the peer's is served."""
    async with env.joined() as it:
        it.client.handle("In", lambda call: {"served": True})

        @it.side.handle("Out")
        async def out(call):
            return await it.side.call("In")

        assert await it.client.call("Out") == {"served": True}


@pytest.mark.feature("C15")
@pytest.mark.feature("C30")
async def test_calls_before_the_connection(env):
    """Calls made while connecting wait, and go first, in their order."""
    async with env.RPCServer() as server:
        heard = []
        server.handle(lambda call: heard.append(call.method))
        gate = anyio.Event()

        @server.auth
        async def decide(handshake):
            await gate.wait()
            return Accept()

        async with env.line(server).client(auto_connect=False) as client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.connect)
                await anyio.sleep(1)
                assert client.state is State.CONNECTING
                for method in ("A", "B", "C"):
                    tasks.start_soon(client.call, method)
                    await anyio.sleep(0.1)
                assert heard == []
                gate.set()
            await client.call("D")
        assert heard == ["A", "B", "C", "D"]


@pytest.mark.feature("C15")
async def test_calls_without_a_connection(env):
    """Before connecting, and after closing, a call is refused and can safely be repeated."""
    async with env.RPCServer() as server, env.line(server).client(auto_connect=False) as client:
        assert client.state is State.CLOSED
        with pytest.raises(NotConnected):
            await client.call("X")
        await client.connect()
        await client.close()
        with pytest.raises(NotConnected):
            await client.call("X")
        with pytest.raises(NotConnected):
            await client.send_raw("[]")


@pytest.mark.feature("C23")
async def test_send_raw(env):
    """A message goes out as it is, as text or as bytes."""
    line = env.line()
    heard = []

    async def listen():
        raw = await line.accept()
        heard.append((await raw.hear()).data)
        heard.append(bytes((await raw.hear()).data))
        await raw.ended()

    env.spawn(listen)
    async with line.client() as client:
        await client.send_raw("nonsense")
        await client.send_raw(b"\x00\xff")
    await env.until(lambda: len(heard) == 2)
    assert heard == ["nonsense", b"\x00\xff"]


@pytest.mark.feature("C29")
@pytest.mark.feature("C31")
async def test_bad_messages(env):
    """Empty messages are nothing; what is not OCPP-J, and an answer to no call, are reported."""
    async with env.RPCServer() as server:
        line = env.line(server)
        raw = await line.raw()
        (side,) = server.clients
        bad = gathered(side, BadMessage)
        await raw.text("")
        await raw.text("nonsense")
        await raw.tell(3, "nobody", {"n": 1})
        await raw.tell(4, "nobody", "GenericError", "why", {})
        await env.until(lambda: len(bad) == 3)
        assert bad[0].message == "nonsense"
        assert bad[1].error.details == {"message_id": "nobody", "result": {"n": 1}}
        details = bad[2].error.details
        assert details["message_id"] == "nobody"
        assert "GenericError" in details.values()
        assert side.state is State.OPEN
        stream_ends = await raw.close()
        assert stream_ends.code == 1000


@pytest.mark.feature("S10")
async def test_too_many_bad_messages(env):
    """More than the tolerated number in a row closes with 1002; a good one resets the count."""
    async with env.RPCServer(max_bad_messages=2) as server:
        server.handle(lambda call: {})
        raw = await env.line(server).raw()
        for _ in range(3):
            await raw.text("bad")
            await raw.text("bad")
            await raw.tell(2, f"id{_}", "Heartbeat", {})
        for _ in range(3):
            await raw.text("bad")
        assert (await raw.ended()).code == 1002


@pytest.mark.feature("S11")
@pytest.mark.parametrize("options", [{"compression": True}, {}])
async def test_message_size(env, options):
    """A message of the maximum size passes, one that is larger closes with 1009."""
    async with env.joined(server={"max_message_size": 1000, **options}, reconnect=False, **options) as it:
        it.side.handle(lambda call: {})
        frame = len('[2,"","X",{"x":""}]') + 1
        message_id = "i" * 36
        await it.client.send_raw(f'[2,"{message_id}","X",{{"x":"{"x" * (1000 - frame - 35)}"}}]')
        assert await it.client.call("X") == {}
        await it.client.send_raw("x" * 1001)
        await env.until(lambda: it.client.state is State.CLOSED)
        assert (await it.client.close()).code == 1009


@pytest.mark.rule(16)
async def test_send(env):
    """OCPP 2.1: a SEND reaches its handler, and nothing comes back, whatever the handler does."""
    options = {"protocols": ["ocpp2.1"]}
    async with env.joined(server=options, **options) as it:
        heard = []

        @it.side.handle("Tell")
        def listen(call):
            heard.append(call.params)
            raise LookupError("nobody hears this")

        bad = gathered(it.client, BadMessage)
        assert await it.client.send("Tell", {"n": 1}) is None
        await it.client.send("Tell")
        await env.until(lambda: len(heard) == 2)
        assert (heard, bad) == ([{"n": 1}, {}], [])


@pytest.mark.rule(16)
async def test_send_elsewhere(env):
    """There is no SEND in older versions."""
    options = {"protocols": ["ocpp1.6"]}
    async with env.joined(server=options, **options) as it:
        with pytest.raises(RPCError):
            await it.client.send("Tell", {})
