"""Handlers where it is easily got wrong: replaced while they run, huge errors, odd results, calls from inside."""

import enum
import math

import anyio
import pytest

from ocpp_rpc_core import NOREPLY, RPCGenericError, RPCInternalError

LOOP = []
LOOP.append(LOOP)
DEEP = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.feature("C18")
@pytest.mark.parametrize("removed", [False, True])
async def test_replaced_while_it_runs(env, removed):
    """What runs goes on and answers; the next call meets the new handler, or none."""
    async with env.joined(call_concurrency=2) as it:
        go_on = anyio.Event()

        @it.side.handle("X")
        async def old(call):
            await go_on.wait()
            return {"by": "old"}

        results = []

        async def call():
            results.append(await it.client.call("X"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await anyio.sleep(1)
            if removed:
                it.side.remove_handler("X")
                it.side.handle(lambda call: {"by": "wildcard"})
            else:
                it.side.handle("X", lambda call: {"by": "new"})
            assert await it.client.call("X") == {"by": "wildcard" if removed else "new"}
            assert results == []
            go_on.set()
        assert results == [{"by": "old"}]


@pytest.mark.feature("C22")
@pytest.mark.rule(7)
@pytest.mark.threat("T19")
@pytest.mark.parametrize("kind", ["RPCError", "detailed", "plain"])
async def test_an_error_of_a_megabyte(env, kind):
    """Its text is cut to what OCPP-J allows, it arrives as an error, and the connection lives on."""
    options = {"protocols": ["ocpp1.6"]}
    text = "é" * 1_000_000
    async with env.joined(server={**options, "respond_with_detailed_errors": kind == "detailed"}, **options) as it:

        @it.side.handle("Bad")
        async def fail(call):
            raise RPCGenericError(text) if kind == "RPCError" else ValueError(text)

        it.side.handle("Good", lambda call: {})
        with pytest.raises((RPCGenericError, RPCInternalError)) as raised:
            await it.client.call("Bad")
        assert type(raised.value) is (RPCGenericError if kind == "RPCError" else RPCInternalError)
        if kind == "RPCError":
            assert raised.value.message == text[:255]
        else:
            assert len(raised.value.message) <= 255
        assert await it.client.call("Good") == {}


@pytest.mark.feature("C22")
@pytest.mark.threat("T19")
@pytest.mark.parametrize(
    "result",
    [object(), {1, 2}, b"bytes", math.nan, {"n": math.inf}, {(1, 2): 3}, {"x": LOOP}, DEEP, enum, NotImplemented],
    ids=["object", "set", "bytes", "nan", "inf", "key", "circular", "deep", "module", "NotImplemented"],
)
@pytest.mark.parametrize("early", [False, True])
async def test_results_without_json(env, result, early):
    """Returned or as an early reply, they become an `InternalError`, and the next call is served."""
    async with env.joined() as it:

        @it.side.handle("Odd")
        async def answer(call):
            if early:
                call.reply(result)
                await anyio.sleep(1)
                return {}
            return result

        it.side.handle("Good", lambda call: {"n": 1})
        with pytest.raises(RPCInternalError):
            await it.client.call("Odd")
        assert await it.client.call("Good") == {"n": 1}


@pytest.mark.feature("C22")
@pytest.mark.threat("T19")
async def test_details_without_json(env):
    """An error whose details cannot be sent is still answered with an error."""
    async with env.joined() as it:

        @it.side.handle("Odd")
        async def fail(call):
            raise RPCGenericError("why", {"what": object()})

        it.side.handle("Good", lambda call: {"n": 1})
        with pytest.raises((RPCGenericError, RPCInternalError)):
            await it.client.call("Odd", timeout=5)
        assert await it.client.call("Good") == {"n": 1}


@pytest.mark.feature("C21")
@pytest.mark.parametrize("depth", [1, 20])
async def test_calls_from_inside(env, depth):
    """Handlers of both ends call each other in turn, as deep as there are calls allowed; answers come back out."""
    async with env.joined(server={"call_concurrency": depth}, call_concurrency=depth) as it:

        async def bounce(call):
            left = call.params["left"]
            if not left:
                return {"path": [call.client.identity]}
            inner = await call.client.call("Bounce", {"left": left - 1})
            return {"path": [*inner["path"], left]}

        it.client.handle("Bounce", bounce)
        it.side.handle("Bounce", bounce)
        with anyio.fail_after(20):
            result = await it.client.call("Bounce", {"left": 2 * depth - 1})
        assert result == {"path": ["CP1", *range(1, 2 * depth)]}


@pytest.mark.feature("C20")
@pytest.mark.feature("C18")
async def test_registering_from_inside(env):
    """A handler may replace itself and remove all others while it runs."""
    async with env.joined(call_timeout=5) as it:

        @it.side.handle("X")
        async def first(call):
            it.side.remove_all_handlers()
            it.side.handle("X", lambda call: {"by": "second"})
            return {"by": "first"}

        it.side.handle("Y", lambda call: NOREPLY)
        assert await it.client.call("X") == {"by": "first"}
        assert await it.client.call("X") == {"by": "second"}
