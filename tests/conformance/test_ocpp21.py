"""What OCPP 2.1 adds: SEND, which nobody answers, and CALLRESULTERROR, which refuses a result."""

import anyio
import pytest
from support.env import gathered

from ocpp_rpc_core import (
    NOREPLY,
    BadMessage,
    CallErrorEvent,
    MessageEvent,
    ResultRefused,
    RPCError,
    RPCFrameworkError,
    RPCOccurrenceConstraintViolationError,
    RPCSecurityError,
    StrictValidationFailure,
    create_validator,
)

V21 = {"protocols": ["ocpp2.1"]}
STRICT = {**V21, "strict_mode": True}
OLDER = pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1"])
STREAM = "NotifyPeriodicEventStream"
POINTS = {"id": 1, "pending": 0, "basetime": "2025-01-01T00:00:00Z", "data": [{"t": 0.5, "v": "230.1"}]}


# --- SEND -----------------------------------------------------------------------------------------


@pytest.mark.feature("B1")
@pytest.mark.parametrize("by_server", [False, True])
async def test_a_send_goes_at_any_time(env, by_server):
    """From either side; also while a call is unanswered, before calls that wait, and it ends when it is written."""
    async with env.joined(server=V21, **V21) as it:
        sender, receiver = (it.side, it.client) if by_server else (it.client, it.side)
        heard = []

        @receiver.handle("Wait")
        async def wait(call):
            heard.append(call.params["n"])
            await anyio.sleep(10)
            return {}

        receiver.handle("Tell", lambda call: heard.append((call.method, call.params)))
        async with anyio.create_task_group() as tasks:
            for number in (1, 2):
                tasks.start_soon(sender.call, "Wait", {"n": number})
                await anyio.sleep(1)
            begun = env.now
            assert await sender.send("Tell", {"n": 3}) is None
            assert await sender.send("Tell") is None
            assert env.now - begun == pytest.approx(0, abs=0.1)
            await anyio.sleep(1)
            assert heard == [1, ("Tell", {"n": 3}), ("Tell", {})]
        assert heard[3:] == [2]


def returns(call):
    """A result."""
    return {"n": 1}


def unserializable(call):
    """A result that has no JSON form."""
    return object()


def declines(call):
    """Nothing."""
    return NOREPLY


def replies(call):
    """An early answer, and then a failure."""
    call.reply({"n": 1})
    raise LookupError("late")


def fails(call):
    """An exception of its own."""
    raise LookupError("secret")


def refuses(call):
    """An error for the peer."""
    raise RPCSecurityError("no")


async def slow(call):
    """An exception, later."""
    await anyio.sleep(1)
    raise LookupError("secret")


@pytest.mark.feature("B1")
@pytest.mark.parametrize(
    ("handler", "code"),
    [
        *((handler, None) for handler in (returns, unserializable, declines, replies)),
        (fails, "InternalError"),
        (refuses, "SecurityError"),
        (slow, "InternalError"),
        (None, "NotImplemented"),
    ],
)
async def test_a_send_is_never_answered(env, handler, code):
    """Whatever its handler returns or raises, or if there is none: not a byte comes back; observers hear errors."""
    async with env.RPCServer(**V21) as server:
        server.handle("Heartbeat", lambda call: {})
        if handler is not None:
            server.handle("Tell", handler)
        raw = await env.line(server).raw(protocols=["ocpp2.1"])
        failed = gathered(server.clients[0], CallErrorEvent)
        await raw.tell(6, "s", "Tell", {"n": 1})
        await anyio.sleep(5)
        await raw.tell(2, "h", "Heartbeat", {})
        assert await raw.frame() == [3, "h", {}]
        assert [(event.message_id, event.outbound, event.method, event.error.code) for event in failed] == (
            [] if code is None else [("s", False, "Tell", code)]
        )
        await raw.close()


@pytest.mark.feature("B1")
async def test_broken_sends_are_not_answered_either(env):
    """They are bad messages; one under the id of a call that is being handled is dropped."""
    async with env.RPCServer(**V21) as server:
        server.handle("Wait", lambda call: anyio.sleep(5))
        server.handle("Tell", lambda call: {})
        raw = await env.line(server).raw(protocols=["ocpp2.1"])
        bad, failed = gathered(server.clients[0], BadMessage), gathered(server.clients[0], CallErrorEvent)
        for frame in (
            [6],
            [6, 5, "Tell", {}],
            [6, "x" * 37, "Tell", {}],
            [6, "s"],
            [6, "s", 5, {}],
            [6, "s", "T", {}, 1],
        ):
            await raw.tell(*frame)
        await raw.tell(2, "w", "Wait", {})
        await raw.tell(6, "w", "Tell", {})
        assert await raw.frame() == [3, "w", {}]
        assert [event.response for event in bad] == [None] * 6
        assert [(event.message_id, event.method) for event in failed] == [("w", "Tell")]
        await raw.close()


@pytest.mark.feature("B1")
@OLDER
async def test_there_is_no_send_before(env, protocol):
    """The sender gets an error that says so and nothing leaves; a peer that sends one is told nothing."""
    options = {"protocols": [protocol]}
    async with env.joined(server=options, **options) as it:
        sent = gathered(it.client, MessageEvent)
        with pytest.raises(RPCFrameworkError, match=f"no SEND in {protocol}, only in ocpp2.1") as raised:
            await it.client.send("Tell", {})
        assert (sent, raised.value.message_id) == ([], None)
    async with env.RPCServer(**options) as server:
        server.handle(lambda call: {})
        raw = await env.line(server).raw(protocols=[protocol])
        bad = gathered(server.clients[0], BadMessage)
        await raw.tell(6, "s", "Tell", {})
        await raw.tell(5, "a", "GenericError", "", {})
        await raw.tell(2, "h", "Heartbeat", {})
        assert await raw.frame() == [3, "h", {}]
        assert [(event.error.code, event.response) for event in bad] == [("MessageTypeNotSupported", None)] * 2
        await raw.close()


@pytest.mark.feature("B1")
async def test_the_stream_of_events_is_validated(env):
    """`NotifyPeriodicEventStream`, with its own schema: ours before it leaves, the peer's before a handler runs."""
    async with env.joined(server=STRICT, **STRICT) as it:
        heard, sent = [], gathered(it.client, MessageEvent)
        failures = {peer: gathered(peer, StrictValidationFailure) for peer in (it.client, it.side)}
        it.side.handle(STREAM, lambda call: heard.append(call.params))
        await it.client.send(STREAM, POINTS)
        with pytest.raises(RPCOccurrenceConstraintViolationError):
            await it.client.send(STREAM, {**POINTS, "data": []})
        with pytest.raises(RPCError):
            await it.client.send("Heartbeat", {})  # it is a call
        with pytest.raises(RPCError):
            await it.client.call(STREAM, POINTS)  # it is none
        await it.client.send_raw('[6,"s","NotifyPeriodicEventStream",{"id":1}]')
        await env.until(lambda: failures[it.side])
        assert heard == [POINTS]
        assert len([event for event in sent if event.outbound]) == 2
        assert [event for event in sent if not event.outbound] == []
        assert [(event.method, event.outbound) for event in failures[it.client]] == [
            (STREAM, True),
            ("Heartbeat", True),
            (STREAM, True),
        ]
        (failure,) = failures[it.side]
        assert (failure.message_id, failure.method, failure.outbound, failure.is_call) == ("s", STREAM, False, True)


# --- CALLRESULTERROR ------------------------------------------------------------------------------


def counting(protocol):
    """Options that are strict about the result of `Count`."""
    number = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    schemas = [{"$id": "urn:Count.req", "type": "object"}, {"$id": "urn:Count.conf", **number}]
    validators = [create_validator(protocol, schemas)]
    return {"protocols": [protocol], "strict_mode": True, "strict_mode_validators": validators}


@pytest.mark.feature("B1")
@pytest.mark.parametrize("by_server", [False, True])
async def test_an_invalid_result_is_refused(env, by_server):
    """The call fails, and whoever gave the result hears which it was, of which method, and why."""
    lax, strict = V21, counting("ocpp2.1")
    options = {"server": strict, **lax} if by_server else {"server": lax, **strict}
    async with env.joined(**options) as it:
        caller, callee = (it.side, it.client) if by_server else (it.client, it.side)
        results = iter([{"n": 1}, {}, {"n": 3}])
        callee.handle("Count", lambda call: next(results))
        refused, bad = gathered(callee, ResultRefused), gathered(callee, BadMessage)
        assert await caller.call("Count") == {"n": 1}
        with pytest.raises(RPCOccurrenceConstraintViolationError) as raised:
            await caller.call("Count", message_id="mine")
        assert await caller.call("Count") == {"n": 3}
        (event,) = refused
        assert (event.message_id, event.method, raised.value.message_id) == ("mine", "Count", "mine")
        assert type(event.error) is RPCOccurrenceConstraintViolationError
        assert (event.error.message, event.error.details) == (raised.value.message, raised.value.details)
        assert bad == []


@pytest.mark.feature("B1")
@OLDER
async def test_an_invalid_result_is_not_refused_before(env, protocol):
    """The call fails, and nothing is sent about it."""
    async with env.joined(server={"protocols": [protocol]}, **counting(protocol)) as it:
        it.side.handle("Count", lambda call: {})
        refused, sent = gathered(it.side, ResultRefused, BadMessage), gathered(it.client, MessageEvent)
        with pytest.raises(RPCError):
            await it.client.call("Count")
        await anyio.sleep(1)
        assert (refused, [event.outbound for event in sent]) == ([], [True, False])


@pytest.mark.feature("B1")
async def test_a_callresulterror_about_nothing_of_ours(env):
    """It is a bad message, also the second time, and is not answered."""
    async with env.RPCServer(**V21) as server:
        server.handle("Count", lambda call: {})
        raw = await env.line(server).raw(protocols=["ocpp2.1"])
        refused, bad = gathered(server.clients[0], ResultRefused), gathered(server.clients[0], BadMessage)
        await raw.tell(2, "a", "Count", {})
        assert await raw.frame() == [3, "a", {}]
        for message_id in ("a", "a", "b"):
            await raw.tell(5, message_id, "TypeConstraintViolation", "n", {"x": 1})
        await raw.tell(2, "h", "Count", {})
        assert await raw.frame() == [3, "h", {}]
        assert [(event.message_id, event.method, event.error.code) for event in refused] == [
            ("a", "Count", "TypeConstraintViolation")
        ]
        details = {"code": "TypeConstraintViolation", "description": "n", "details": {"x": 1}}
        assert [(event.error.details, event.response) for event in bad] == [
            ({"message_id": message_id, **details}, None) for message_id in ("a", "b")
        ]
        await raw.close()
