"""Strict mode and spellings between real peers: what is refused where, what is sent, and what is reported."""

import pytest
from support.env import gathered

from ocpp_rpc_core import (
    CallEvent,
    RPCError,
    RPCFormationViolationError,
    RPCFormatViolationError,
    RPCInternalError,
    RPCOccurrenceConstraintViolationError,
    RPCTypeConstraintViolationError,
    StrictValidationFailure,
    create_validator,
)

NUMBER = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
SCHEMAS = [{"$id": f"urn:Count.{kind}", **NUMBER} for kind in ("req", "conf")]
PROTOCOL = "counting"


def strict():
    """Options of a strict peer."""
    validators = [create_validator(PROTOCOL, SCHEMAS)]
    return {"protocols": [PROTOCOL], "strict_mode": True, "strict_mode_validators": validators}


LAX = {"protocols": [PROTOCOL]}


@pytest.mark.feature("S9")
@pytest.mark.feature("E4")
@pytest.mark.feature("E6")
async def test_our_invalid_call(env):
    """It rejects at once and is never sent."""
    async with env.joined(server=LAX, **strict()) as it:
        failures, arrived = gathered(it.client, StrictValidationFailure), gathered(it.side, CallEvent)
        it.side.handle("Count", lambda call: {"n": call.params["n"] + 1})
        with pytest.raises(RPCTypeConstraintViolationError):
            await it.client.call("Count", {"n": "one"})
        assert await it.client.call("Count", {"n": 1}) == {"n": 2}
        assert len(arrived) == 1
        (failure,) = failures
        assert (failure.method, failure.params, failure.result) == ("Count", {"n": "one"}, None)
        assert (failure.outbound, failure.is_call) == (True, True)
        assert isinstance(failure.error, RPCTypeConstraintViolationError)


@pytest.mark.feature("E4")
@pytest.mark.feature("E6")
async def test_the_peers_invalid_result(env):
    """It rejects the call."""
    async with env.joined(server=LAX, **strict()) as it:
        failures = gathered(it.client, StrictValidationFailure)
        it.side.handle("Count", lambda call: {})
        with pytest.raises(RPCOccurrenceConstraintViolationError):
            await it.client.call("Count", {"n": 1})
        (failure,) = failures
        assert (failure.result, failure.outbound, failure.is_call) == ({}, False, False)


@pytest.mark.feature("E5")
@pytest.mark.feature("E6")
async def test_the_peers_invalid_call(env):
    """It is answered with the error, and no handler runs."""
    async with env.joined(server=strict(), **LAX) as it:
        failures, ran = gathered(it.side, StrictValidationFailure), []
        it.side.handle("Count", ran.append)
        with pytest.raises(RPCTypeConstraintViolationError):
            await it.client.call("Count", {"n": "one"})
        assert ran == []
        (failure,) = failures
        assert (failure.params, failure.outbound, failure.is_call) == ({"n": "one"}, False, True)
        assert failure.message_id


@pytest.mark.feature("E5")
@pytest.mark.feature("E6")
async def test_our_invalid_result(env):
    """It is replaced by `InternalError`."""
    async with env.joined(server=strict(), **LAX) as it:
        failures = gathered(it.side, StrictValidationFailure)
        it.side.handle("Count", lambda call: {"n": None})
        with pytest.raises(RPCInternalError):
            await it.client.call("Count", {"n": 1})
        (failure,) = failures
        assert (failure.result, failure.outbound, failure.is_call) == ({"n": None}, True, False)


@pytest.mark.feature("S8")
@pytest.mark.parametrize(("protocol", "refused"), [("ocpp1.6", True), ("ocpp2.0.1", False)])
async def test_strict_for_some(env, protocol, refused):
    """Only the listed subprotocols are strict."""
    server = {"protocols": ["ocpp1.6", "ocpp2.0.1"], "strict_mode": ["ocpp1.6"]}
    async with env.joined(server=server, protocols=[protocol]) as it:
        it.side.handle("Heartbeat", lambda call: {"nonsense": 1})
        if refused:
            with pytest.raises(RPCInternalError):
                await it.client.call("Heartbeat")
        else:
            assert await it.client.call("Heartbeat") == {"nonsense": 1}


@pytest.mark.feature("E2")
@pytest.mark.parametrize(
    ("protocol", "code", "arrives"),
    [
        ("ocpp1.6", "FormatViolation", "FormationViolation"),
        ("ocpp2.0.1", "FormationViolation", "FormatViolation"),
        ("ocpp1.6", "OccurrenceConstraintViolation", "OccurenceConstraintViolation"),
        ("ocpp2.1", "OccurenceConstraintViolation", "OccurrenceConstraintViolation"),
        (None, "FormatViolation", "FormatViolation"),
    ],
)
async def test_spellings(env, protocol, code, arrives):
    """An error code is written as its subprotocol spells it."""
    protocols = [protocol] if protocol else []
    async with env.joined(server={"protocols": protocols}, protocols=protocols) as it:

        @it.side.handle("X")
        def fail(call):
            raise RPCError("why", code=code)

        with pytest.raises(RPCError) as raised:
            await it.client.call("X")
        assert raised.value.code == arrives


@pytest.mark.feature("E2")
async def test_both_spellings_are_understood(env):
    """A peer that spells otherwise is understood."""
    line = env.line()

    async def serve():
        raw = await line.accept("ocpp1.6")
        for code in ("FormatViolation", "FormationViolation"):
            _, message_id, *_ = await raw.frame()
            await raw.tell(4, message_id, code, "", {})
        await raw.ended()

    env.spawn(serve)
    async with line.client(protocols=["ocpp1.6"]) as client:
        for kind in (RPCFormatViolationError, RPCFormationViolationError):
            with pytest.raises(kind):
                await client.call("X")
