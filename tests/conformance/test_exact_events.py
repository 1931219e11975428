"""What is reported about each message, field by field and in order, whoever sent it and whatever is wrong with it."""

import anyio
import pytest
from support.env import gathered
from wsproto.events import BytesMessage

from ocpp_rpc_core import (
    BadMessage,
    CallErrorEvent,
    CallEvent,
    CallResultEvent,
    MessageEvent,
    ResponseEvent,
    RPCError,
    RPCNotSupportedError,
    StrictValidationFailure,
    create_validator,
)

NUMBER = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
SCHEMAS = [{"$id": f"urn:Count.{kind}", **NUMBER} for kind in ("req", "conf")]
OF_MESSAGES = (MessageEvent, CallEvent, ResponseEvent, CallResultEvent, CallErrorEvent, BadMessage)


def told(error):
    """What an error says."""
    return type(error).__name__, error.code, error.message, error.details


async def outcome(peer, *call):
    """The result of a call, or what its error says."""
    try:
        return await peer.call(*call)
    except RPCError as error:
        return told(error)


@pytest.mark.feature("C26")
@pytest.mark.feature("C28")
@pytest.mark.parametrize("of_server", [False, True])
async def test_a_result_and_an_error(env, of_server):
    """The caller hears of call, text, text, response, outcome; the callee the same as it happens there."""
    settings = {"new_message_id": iter("12").__next__}
    async with env.joined(**({"server": settings} if of_server else settings)) as it:
        caller, callee = (it.side, it.client) if of_server else (it.client, it.side)
        near, far = gathered(caller, *OF_MESSAGES), gathered(callee, *OF_MESSAGES)
        problem = RPCNotSupportedError("no", {"a": 1})

        @callee.handle("Bad")
        async def refuse(call):
            raise problem

        callee.handle("Good", lambda call: {"n": 1})
        assert await outcome(caller, "Good", {"p": 0}) == {"n": 1}
        assert await outcome(caller, "Bad") == told(problem)
        for heard, is_ours in ((near, True), (far, False)):
            *others, last = heard
            call = MessageEvent('[2,"1","Good",{"p":0}]', outbound=is_ours)
            answer = MessageEvent('[3,"1",{"n":1}]', outbound=not is_ours)
            called = CallEvent("1", outbound=is_ours, payload=[2, "1", "Good", {"p": 0}])
            responded = ResponseEvent(outbound=not is_ours, payload=[3, "1", {"n": 1}])
            second_call = MessageEvent('[2,"2","Bad",{}]', outbound=is_ours)
            second = MessageEvent('[4,"2","NotSupported","no",{"a":1}]', outbound=not is_ours)
            called_again = CallEvent("2", outbound=is_ours, payload=[2, "2", "Bad", {}])
            refused = ResponseEvent(outbound=not is_ours, payload=[4, "2", "NotSupported", "no", {"a": 1}])
            ended = CallResultEvent("1", outbound=is_ours, method="Good", params={"p": 0}, result={"n": 1})
            if is_ours:  # what is sent is reported before its text, what is received after
                expected = [called, call, answer, responded, ended, called_again, second_call, second, refused]
            else:
                expected = [call, called, responded, answer, ended, second_call, called_again, refused, second]
            assert others == expected
            assert last == CallErrorEvent("2", outbound=is_ours, method="Bad", params={}, error=last.error)
            assert told(last.error) == told(problem)


BROKEN = [
    ("nonsense", "-1"),
    ('{"a":1}', "-1"),
    ("[]", "-1"),
    ('[2,1,"Method",{}]', "-1"),
    ('[2,"a"]', "a"),
    ('[2,"b",5,{}]', "b"),
    (b"\x00\xff", "-1"),
]


@pytest.mark.feature("C26")
@pytest.mark.rule(13)
@pytest.mark.rule(23)
@pytest.mark.parametrize("of_server", [False, True])
@pytest.mark.parametrize(("protocol", "code"), [("ocpp1.6", "GenericError"), ("ocpp2.0.1", "RpcFrameworkError")])
async def test_bad_messages_that_are_answered(env, of_server, protocol, code):
    """Each has the message as it came, the error, and the CALLERROR that the peer gets indeed."""
    line = env.line()
    if of_server:
        async with env.RPCServer(protocols=[protocol]) as server:
            line = env.line(server)
            raw = await line.raw(protocols=[protocol])
            await bad_and_answered(env, server.clients[0], raw, code)
            await raw.close()
    else:
        sockets = []

        async def accept():
            sockets.append(await line.accept(protocol))

        env.spawn(accept)
        async with line.client(protocols=[protocol], reconnect=False) as client:
            await env.until(lambda: sockets)
            await bad_and_answered(env, client, sockets[0], code)
            await sockets[0].close()


async def bad_and_answered(env, peer, raw, code):
    """Send what is broken, compare what comes back with what is reported."""
    bad = gathered(peer, BadMessage)
    for message, message_id in BROKEN:
        await (raw.text(message) if isinstance(message, str) else raw.say(BytesMessage(message)))
        answer = await raw.frame()
        (event,) = bad
        bad.clear()
        assert event == BadMessage(message, event.error, answer)
        assert told(event.error) == ("RPCFrameworkError", "RpcFrameworkError", answer[3], {})
        assert answer == [4, message_id, code, event.error.message, {}]
        assert event.error.message


@pytest.mark.feature("C26")
@pytest.mark.feature("C31")
@pytest.mark.rule(17)
@pytest.mark.rule(20)
async def test_bad_messages_that_are_not_answered(env):
    """An answer to no call, and an unknown type, are reported with `response` None, and nothing is sent."""
    async with env.RPCServer(protocols=["ocpp2.0.1"]) as server:
        server.handle("Heartbeat", lambda call: {})
        raw = await env.line(server).raw(protocols=["ocpp2.0.1"])
        bad = gathered(server.clients[0], BadMessage)
        messages = ['[3,"x",{"n":1}]', '[4,"x","GenericError","why",{}]', '[9,"x",{}]', "[3]"]
        for message in messages:
            await raw.text(message)
        await raw.tell(2, "h", "Heartbeat", {})
        assert await raw.frame() == [3, "h", {}]
        assert [(event.message, event.response) for event in bad] == [(message, None) for message in messages]
        assert [event.error.code for event in bad] == [
            "RpcFrameworkError",
            "RpcFrameworkError",
            "MessageTypeNotSupported",
            "RpcFrameworkError",
        ]
        assert bad[0].error.details == {"message_id": "x", "result": {"n": 1}}
        await raw.close()


@pytest.mark.feature("E6")
@pytest.mark.parametrize("of_server", [False, True])
@pytest.mark.parametrize("is_call", [False, True])
@pytest.mark.parametrize("is_callers", [False, True])
async def test_each_failed_validation(env, of_server, is_call, is_callers):
    """A call or a result, refused where it was made or where it arrived, at a client or a server: all fields."""
    lax = {"protocols": ["counting"]}
    strict = {**lax, "strict_mode": True, "strict_mode_validators": [create_validator("counting", SCHEMAS)]}
    ids = {"new_message_id": iter("1").__next__}
    server_calls = of_server == is_callers
    client, server = (lax, strict) if of_server else (strict, lax)
    client, server = (client, {**server, **ids}) if server_calls else ({**client, **ids}, server)
    async with env.joined(server=server, **client) as it:
        judge = it.side if of_server else it.client
        caller, callee = (it.side, it.client) if server_calls else (it.client, it.side)
        failures = {peer: gathered(peer, StrictValidationFailure) for peer in (caller, callee)}
        arrived = gathered(callee, CallEvent)
        ran = []

        @callee.handle("Count")
        def count(call):
            ran.append(call.params)
            return {} if is_call else {"n": None}

        params = {"n": "one"} if is_call else {"n": 1}
        raised = await outcome(caller, "Count", params)
        other = callee if judge is caller else caller
        assert failures[other] == []
        (failure,) = failures[judge]
        assert told(failure.error)[:2] == ("RPCTypeConstraintViolationError", "TypeConstraintViolation")
        assert failure == StrictValidationFailure(
            failure.error,
            failure.message_id,
            "Count",
            params,
            None if is_call else {"n": None},
            outbound=is_call == is_callers,
            is_call=is_call,
        )
        assert failure.message_id == "1"
        own_result = not is_call and not is_callers  # the callee does not tell what was wrong with its own
        assert raised[0] == ("RPCInternalError" if own_result else "RPCTypeConstraintViolationError")
        assert len(ran) == (not is_call)
        assert len(arrived) == (not is_call or not is_callers)


@pytest.mark.feature("S11")
@pytest.mark.rule(47)
@pytest.mark.parametrize("size", [18 * 1024, 1024 * 1024 - 64])
async def test_large_messages(env, size):
    """By default 18 kB pass both ways, and so does almost 1 MiB."""
    async with env.joined(server={"protocols": ["ocpp2.1"]}, protocols=["ocpp2.1"]) as it:
        for callee in it[:2]:
            callee.handle("Echo", lambda call: call.params)
        params = {"x": "x" * size}
        with anyio.fail_after(10):
            assert await it.client.call("Echo", params) == params
            assert await it.side.call("Echo", params) == params
