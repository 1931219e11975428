"""Calls in: who serves them, how they are answered, and what becomes of slow, failing and orphaned handlers."""

import anyio
import pytest
from support.env import gathered

from ocpp_rpc_core import (
    NOREPLY,
    CallErrorEvent,
    CallTimeout,
    ConnectionLost,
    RPCError,
    RPCInternalError,
    RPCNotImplementedError,
    RPCSecurityError,
)


class Unprintable(Exception):
    """Its text cannot be had."""

    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.feature("C18")
async def test_registering(env):
    """By name, as a decorator, as a wildcard; the later replaces the former; all can be removed."""
    async with env.joined() as it:
        side, call = it.side, it.client.call
        assert side.handle("A", lambda call: {"by": 1})
        assert await call("A") == {"by": 1}

        @side.handle("A")
        async def later(call):
            return {"by": 2}

        assert await call("A") == {"by": 2}

        @side.handle
        def wildcard(call):
            return {"any": call.method}

        assert await call("B") == {"any": "B"}
        assert await call("A") == {"by": 2}
        side.remove_handler("A")
        assert await call("A") == {"any": "A"}
        side.remove_handler()
        with pytest.raises(RPCNotImplementedError):
            await call("A")
        side.handle(wildcard)
        side.handle("A", later)
        side.remove_all_handlers()
        for method in ("A", "B"):
            with pytest.raises(RPCNotImplementedError):
                await call(method)


@pytest.mark.feature("C18")
async def test_registering_before_entering(env):
    """A client's handlers may be there before its connection is."""
    async with env.RPCServer() as server:
        client = env.line(server).client()
        client.handle("Hello", lambda call: {"n": 1})

        @server.on_client
        async def greet(side):
            answers.append(await side.call("Hello"))

        answers = []
        async with client:
            await env.until(lambda: answers)
        assert answers == [{"n": 1}]


@pytest.mark.feature("C19")
async def test_what_a_handler_gets(env):
    """Method, params, message id and the connection it came on."""
    async with env.joined(new_message_id=iter(["id-1"]).__next__) as it:
        seen = []
        it.side.handle("X", seen.append)
        assert await it.client.call("X", {"a": 1}) is None
        (call,) = seen
        assert (call.method, call.params, call.message_id) == ("X", {"a": 1}, "id-1")
        assert call.client is it.side


@pytest.mark.feature("C19")
@pytest.mark.parametrize("early", [{"early": True}, RPCSecurityError("early")])
async def test_an_early_reply(env, early):
    """`reply` answers at once, while the handler goes on; what it returns then, or replies again, is dropped."""
    async with env.joined() as it:
        ended = []

        @it.side.handle("X")
        async def serve(call):
            call.reply(early)
            call.reply({"second": True})
            await anyio.sleep(100)
            ended.append(env.now)
            return {"late": True}

        begun = env.now
        if isinstance(early, Exception):
            with pytest.raises(RPCSecurityError, match="early"):
                await it.client.call("X")
        else:
            assert await it.client.call("X") == early
        assert env.now - begun < 1
        await env.until(lambda: ended, limit=200)
        assert ended == pytest.approx([begun + 100], abs=0.1)
        it.side.handle("Y", lambda call: {"n": 1})
        assert await it.client.call("Y") == {"n": 1}


@pytest.mark.feature("C20")
@pytest.mark.parametrize("early", [False, True])
async def test_no_reply(env, early):
    """`NOREPLY`, returned or as a reply, answers nothing."""
    async with env.joined(call_timeout=5) as it:

        @it.side.handle("X")
        async def serve(call):
            if early:
                call.reply(NOREPLY)
                return {"dropped": True}
            return NOREPLY

        with pytest.raises(CallTimeout):
            await it.client.call("X")


@pytest.mark.feature("C22")
@pytest.mark.parametrize("is_async", [False, True])
async def test_raising(env, is_async):
    """An `RPCError` is sent as it is, any other exception as `InternalError` that tells nothing."""
    async with env.joined() as it:

        def fail(call):
            raise call_for[call.method]

        async def fail_later(call):
            await anyio.sleep(1)
            raise call_for[call.method]

        call_for = {
            "Own": RPCError("mine", {"a": 1}, code="Custom"),
            "Other": LookupError("secret"),
            "Unprintable": Unprintable(),
        }
        heard = gathered(it.side, CallErrorEvent)
        it.side.handle(fail_later if is_async else fail)
        with pytest.raises(RPCError) as own:
            await it.client.call("Own")
        assert (own.value.code, own.value.message, own.value.details) == ("Custom", "mine", {"a": 1})
        for method in ("Other", "Unprintable"):
            with pytest.raises(RPCInternalError) as other:
                await it.client.call(method)
            assert "secret" not in f"{other.value!r} {other.value.details}"
            assert other.value.details == {}
        assert [event.method for event in heard] == ["Own", "Other", "Unprintable"]
        assert heard[1].error.__cause__ is call_for["Other"]


@pytest.mark.feature("S6")
async def test_details_on_request(env):
    """With `respond_with_detailed_errors` the peer sees what failed, and where."""
    async with env.joined(server={"respond_with_detailed_errors": True}) as it:

        def fail_here(call):
            if call.method == "Unprintable":
                raise Unprintable
            raise LookupError("lost it")

        it.side.handle(fail_here)
        with pytest.raises(RPCInternalError) as raised:
            await it.client.call("X")
        assert "lost it" in raised.value.message
        assert raised.value.details["name"] == "LookupError"
        assert "fail_here" in raised.value.details["stack"]
        with pytest.raises(RPCInternalError):
            await it.client.call("Unprintable")


@pytest.mark.feature("C22")
async def test_a_result_without_json(env):
    """A result that cannot be sent is an `InternalError`."""
    async with env.joined() as it:
        it.side.handle("X", lambda call: {"x": object()})
        with pytest.raises(RPCInternalError):
            await it.client.call("X")


@pytest.mark.feature("C19")
async def test_slow_handlers_delay_nobody(env):
    """Handlers run side by side."""
    async with env.joined(call_concurrency=10) as it:

        @it.side.handle("Slow")
        async def slow(call):
            await anyio.sleep(20)

        it.side.handle("Fast", lambda call: {})
        begun = env.now
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(it.client.call, "Slow")
            await anyio.sleep(1)
            assert await it.client.call("Fast") == {}
            assert env.now - begun < 2
        assert env.now - begun == pytest.approx(20, abs=0.1)


@pytest.mark.feature("C21")
async def test_calling_back(env):
    """A handler may call the peer while it runs, and that handler back again."""
    async with env.joined() as it:

        async def count_down(call):
            n = call.params["n"]
            return await call.client.call("Down", {"n": n - 1}) if n else {"reached": 0}

        it.side.handle("Down", count_down)
        it.client.handle("Down", count_down)
        # one of each side's calls is under way at a time, so only one level is possible with concurrency 1
        assert await it.client.call("Down", {"n": 1}) == {"reached": 0}
        it.client.reconfigure(call_concurrency=5)
        it.side.reconfigure(call_concurrency=5)
        assert await it.client.call("Down", {"n": 6}) == {"reached": 0}


@pytest.mark.feature("C21")
@pytest.mark.feature("C30")
async def test_cancelled_with_the_connection(env):
    """A handler ends when the connection drops, and its answer goes nowhere."""
    async with env.joined(max_reconnects=5) as it:
        fate = []

        @it.side.handle("Wait")
        async def wait(call):
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                fate.append("cancelled")
                raise

        async def call():
            with pytest.raises(ConnectionLost):
                await it.client.call("Wait")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await anyio.sleep(1)
            it.line.cut()
        await env.until(lambda: fate)
        assert fate == ["cancelled"]


@pytest.mark.feature("C30")
async def test_a_handler_that_will_not_go(env):
    """An answer that outlives its connection reaches nobody, neither then nor on the next one."""
    async with env.joined() as it:
        done = []

        @it.client.handle("Wait")
        async def wait(call):
            with anyio.CancelScope(shield=True):
                await anyio.sleep(30)
            done.append(call.message_id)
            return {"late": True}

        bad = []

        async def call():
            with pytest.raises(ConnectionLost):
                await it.side.call("Wait")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await anyio.sleep(1)
            it.line.cut()
        await env.until(lambda: it.server.clients, limit=60)
        (side,) = it.server.clients
        assert side is not it.side
        side.on(CallErrorEvent, bad.append)
        await env.until(lambda: done, limit=60)
        it.client.handle("Echo", lambda call: {"n": 1})
        assert await side.call("Echo") == {"n": 1}
        assert bad == []


@pytest.mark.feature("S28")
async def test_handlers_for_every_client(env):
    """The server's handlers serve all, a client's own wins, and `call.client` tells who asks."""
    async with env.RPCServer() as server:
        server.handle("Who", lambda call: {"who": call.client.identity})
        line = env.line(server)

        @server.handle
        def wildcard(call):
            return {"any": True}

        async with line.client("A") as a, line.client("B") as b:
            assert await a.call("Who") == {"who": "A"}
            assert await b.call("Who") == {"who": "B"}
            (own,) = [client for client in server.clients if client.identity == "A"]
            own.handle("Who", lambda call: {"who": "myself"})
            assert await a.call("Who") == {"who": "myself"}
            assert await b.call("Who") == {"who": "B"}
            assert await b.call("Else") == {"any": True}
            own.handle(lambda call: {"own": call.method})
            assert await a.call("Else") == {"own": "Else"}


@pytest.mark.feature("C21")
async def test_closing_from_inside(env):
    """A handler may close the connection it serves, and is cancelled by it."""
    async with env.joined(reconnect=False) as it:

        @it.side.handle("Bye")
        async def leave(call):
            await call.client.close(4000, "you asked for it")
            raise AssertionError("it was cancelled")

        with pytest.raises(ConnectionLost):
            await it.client.call("Bye")
        await env.until(lambda: not it.server.clients)
        assert (await it.client.close()) == (4000, "you asked for it")


@pytest.mark.feature("C22")
async def test_raising_a_group(env):
    """A handler's own task group fails like any other exception, and the connection lives on."""
    async with env.joined() as it:

        async def fail():
            raise LookupError("inside")

        @it.side.handle("X")
        async def work(call):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(fail)

        for _ in range(2):
            with pytest.raises(RPCInternalError):
                await it.client.call("X")
