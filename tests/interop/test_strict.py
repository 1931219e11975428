"""Strict mode against foreign ends: who refuses what, with which error code."""

import pytest
from interop.ends import serving, station
from interop.hosts import PeerError
from interop.payloads import STATION_CALLS, SYSTEM_ANSWERS

pytestmark = [pytest.mark.interop, pytest.mark.anyio]


def violation(protocol, keyword):
    """A call that violates the schema in one place: by its `required`, `type`, `enum` or `format`."""
    old = protocol == "ocpp1.6"
    method, good = "StatusNotification", STATION_CALLS[protocol][2][1]
    match keyword:
        case "required":
            return method, {name: value for name, value in good.items() if name != "connectorId"}
        case "type":
            return method, {**good, "connectorId": "one"}
        case "enum":
            return method, {**good, ("status" if old else "connectorStatus"): "Lost"}
    return method, {**good, "timestamp": "yesterday"}


@pytest.mark.feature("E2")
@pytest.mark.parametrize(
    ("protocol", "keyword", "code"),
    [
        ("ocpp1.6", "required", "OccurenceConstraintViolation"),
        ("ocpp1.6", "type", "TypeConstraintViolation"),
        ("ocpp1.6", "enum", "PropertyConstraintViolation"),
        ("ocpp1.6", "format", "FormationViolation"),
        ("ocpp2.0.1", "required", "OccurrenceConstraintViolation"),
        ("ocpp2.0.1", "enum", "PropertyConstraintViolation"),
        ("ocpp2.0.1", "format", "FormatViolation"),
        ("ocpp2.1", "required", "OccurrenceConstraintViolation"),
        ("ocpp2.1", "type", "TypeConstraintViolation"),
        ("ocpp2.1", "format", "FormatViolation"),
    ],
)
async def test_we_refuse_their_violation(ours, node, protocol, keyword, code):
    """Strict, our server refuses their bad call with the code of the schema's keyword, as the version spells it."""
    answers = SYSTEM_ANSWERS[protocol]
    async with serving(ours, answers, protocols=[protocol], strict_mode=True) as (_, url, _):
        peer = await node.make("rpc_client", url=url, identity="CP1", protocols=[protocol])
        with pytest.raises(PeerError) as caught:
            await peer.call(*violation(protocol, keyword))
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("protocol", "code"),
    [("ocpp1.6", "OccurenceConstraintViolation"), ("ocpp2.0.1", "OccurrenceConstraintViolation")],
)
async def test_we_refuse_an_unchecked_call_of_ocpp(ours, python, protocol, code):
    """A bad call that ocpp sends unchecked is refused with a code that ocpp knows, as the version spells it."""
    answers = SYSTEM_ANSWERS[protocol]
    async with serving(ours, answers, protocols=[protocol], strict_mode=True) as (_, url, _):
        peer = await python.make("ocpp_client", url=url, identity="CP1", protocols=[protocol])
        method, params = violation(protocol, "required")
        params = {"connectorId": None, **params}  # its classes insist on it; it leaves out what is null
        with pytest.raises(PeerError) as caught:
            await peer.call(method, params, skip_schema_validation=True)
        assert caught.value.code == code


@pytest.mark.feature("E2")
@pytest.mark.parametrize(
    ("protocol", "keyword", "code"),
    [
        ("ocpp1.6", "required", "OccurrenceConstraintViolation"),
        ("ocpp1.6", "type", "TypeConstraintViolation"),
        ("ocpp1.6", "enum", "FormationViolation"),
        ("ocpp1.6", "format", "FormationViolation"),
        ("ocpp2.0.1", "required", "OccurenceConstraintViolation"),
        ("ocpp2.0.1", "enum", "FormatViolation"),
        ("ocpp2.0.1", "format", "FormatViolation"),
    ],
)
async def test_ocpp_rpc_refuses_our_violation(ours, node, protocol, keyword, code):
    """ocpp-rpc refuses our bad call; its codes, also where it swaps the spellings, are the right class to us."""
    server = await node.make("rpc_server", protocols=[protocol], strict=True, answers=SYSTEM_ANSWERS[protocol])
    async with station(ours, server.url, [protocol]) as client:
        with pytest.raises(ours.RPCError) as caught:
            await client.call(*violation(protocol, keyword))
        assert caught.value.code == code
        assert type(caught.value) is type(ours.create_rpc_error(code))


@pytest.mark.parametrize(("keyword", "code"), [("required", "ProtocolError"), ("enum", "FormatViolation")])
async def test_ocpp_refuses_our_violation(ours, python, keyword, code):
    """ocpp refuses our bad call with codes of its own choice."""
    server = await python.make("ocpp_server", protocols=["ocpp1.6"], answers=SYSTEM_ANSWERS["ocpp1.6"])
    async with station(ours, server.url, ["ocpp1.6"]) as client:
        with pytest.raises(ours.RPCError) as caught:
            await client.call(*violation("ocpp1.6", keyword))
        assert caught.value.code == code


@pytest.mark.feature("E5")
async def test_our_bad_result_does_not_leave(ours, node):
    """Strict, a result of ours that violates the schema becomes an InternalError."""
    answers = {"Heartbeat": {"result": {"currentTime": 5}}}
    async with serving(ours, answers, protocols=["ocpp1.6"], strict_mode=True) as (_, url, _):
        peer = await node.make("rpc_client", url=url, identity="CP1", protocols=["ocpp1.6"])
        with pytest.raises(PeerError) as caught:
            await peer.call("Heartbeat", {})
        assert caught.value.code == "InternalError"


@pytest.mark.feature("E4")
async def test_their_bad_result_is_refused(ours, node):
    """Strict, a result of theirs that violates the schema fails our call."""
    answers = {"Heartbeat": {"result": {"currentTime": 5}}}
    server = await node.make("rpc_server", protocols=["ocpp1.6"], answers=answers)
    async with station(ours, server.url, ["ocpp1.6"], strict_mode=True) as client:
        with pytest.raises(ours.RPCTypeConstraintViolationError):
            await client.call("Heartbeat")
