"""Rules 22 and 23: how error codes are written and read, in each version and both directions."""

import json

import pytest
from support.desk import Desk, options, text

from ocpp_rpc_core import _codec, events as e, notices as n
from ocpp_rpc_core._dialects import OCPP_21
from ocpp_rpc_core.actions import RejectCall, Report
from ocpp_rpc_core.errors import ERRORS, RPCError, create_rpc_error

WIRE = {
    "GenericError": ("GenericError", "GenericError"),
    "NotImplemented": ("NotImplemented", "NotImplemented"),
    "NotSupported": ("NotSupported", "NotSupported"),
    "InternalError": ("InternalError", "InternalError"),
    "ProtocolError": ("ProtocolError", "ProtocolError"),
    "SecurityError": ("SecurityError", "SecurityError"),
    "FormatViolation": ("FormationViolation", "FormatViolation"),
    "FormationViolation": ("FormationViolation", "FormatViolation"),
    "PropertyConstraintViolation": ("PropertyConstraintViolation", "PropertyConstraintViolation"),
    "OccurrenceConstraintViolation": ("OccurenceConstraintViolation", "OccurrenceConstraintViolation"),
    "OccurenceConstraintViolation": ("OccurenceConstraintViolation", "OccurrenceConstraintViolation"),
    "TypeConstraintViolation": ("TypeConstraintViolation", "TypeConstraintViolation"),
    "MessageTypeNotSupported": ("GenericError", "MessageTypeNotSupported"),
    "RpcFrameworkError": ("GenericError", "RpcFrameworkError"),
}
"""The code of each of the fourteen errors: as 1.6 writes it, and as 2.x does."""
every_version = pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
every_code = pytest.mark.parametrize("code", WIRE)


def test_the_table_is_whole():
    """It has every error, and writes ten codes on 1.6 and twelve on 2.x."""
    assert set(WIRE) == set(ERRORS)
    assert [len({written[column] for written in WIRE.values()}) for column in (0, 1)] == [10, 12]


@pytest.mark.rule(22)
@pytest.mark.rule(23)
@every_version
@every_code
@pytest.mark.parametrize("by_class", [True, False])
def test_what_is_written(protocol, code, by_class):
    """A handler's error, made by its class or by its code, has the code and the spelling of the version."""
    desk = Desk(protocol)
    desk.hear(2, "a", "Heartbeat", {})
    error = ERRORS[code]("why", {"n": 1}) if by_class else create_rpc_error(code, "why", {"n": 1})
    (action,) = desk.session.handle(e.HandlerRaised(1, error), 0)
    assert json.loads(action.text) == [4, "a", WIRE[code][protocol != "ocpp1.6"], "why", {"n": 1}]


@pytest.mark.rule(23)
@every_code
def test_what_is_written_about_results(code):
    """A CALLRESULTERROR is spelled as a CALLERROR is."""
    frame = _codec.call_result_error("a", create_rpc_error(code, "why"), OCPP_21)
    assert frame == [5, "a", WIRE[code][1], "why", {}]


@pytest.mark.rule(22)
@pytest.mark.rule(23)
@every_version
@every_code
def test_what_is_read(protocol, code):
    """Each code is understood in each version, in either spelling, and kept as it came."""
    desk = Desk(protocol)
    desk.call(1)
    (action,) = desk.session.handle(e.TextReceived(text(4, "1", code, "why", {"n": 1})), 0)
    assert isinstance(action, RejectCall)
    error = action.error
    assert (type(error), error.code, error.message, error.details) == (ERRORS[code], code, "why", {"n": 1})
    proper = {"FormationViolation": "FormatViolation", "OccurenceConstraintViolation": "OccurrenceConstraintViolation"}
    assert isinstance(error, ERRORS[proper.get(code, code)])


@pytest.mark.rule(23)
@every_code
def test_what_is_read_about_results(code):
    """And so is that of a CALLRESULTERROR."""
    desk = Desk("ocpp2.1", wanted={n.ResultRefused})
    desk.hear(2, "a", "Heartbeat", {})
    desk.tell(e.HandlerReturned(1, {}))
    (report,) = desk.session.handle(e.TextReceived(text(5, "a", code, "why", {})), 0)
    assert isinstance(report, Report)
    assert (type(report.notice.error), report.notice.error.code) == (ERRORS[code], code)


@pytest.mark.rule(22)
@pytest.mark.rule(23)
@every_version
@pytest.mark.parametrize("code", ["VendorError", "formatviolation", ""])
def test_codes_of_nobody(protocol, code):
    """What no specification knows passes as it is, both ways: it is not ours to judge."""
    desk = Desk(protocol)
    desk.hear(2, "a", "Heartbeat", {})
    (answer,) = desk.session.handle(e.HandlerRaised(1, RPCError("why", code=code)), 0)
    assert json.loads(answer.text)[2] == code
    desk.call(1)
    (action,) = desk.session.handle(e.TextReceived(text(4, "1", code, "", {})), 0)
    assert (type(action.error), action.error.code) == (ERRORS["GenericError"], code)


@pytest.mark.rule(23)
@pytest.mark.parametrize(
    ("protocol", "params", "code"),
    [
        ("ocpp1.6", {"type": "Warm"}, "PropertyConstraintViolation"),
        ("ocpp1.6", {"type": 12}, "TypeConstraintViolation"),
        ("ocpp1.6", {}, "OccurenceConstraintViolation"),
        ("ocpp2.0.1", {"type": "Warm"}, "PropertyConstraintViolation"),
        ("ocpp2.0.1", {"type": 12}, "TypeConstraintViolation"),
        ("ocpp2.1", {}, "OccurrenceConstraintViolation"),
    ],
)
def test_what_is_wrong_decides_the_code(protocol, params, code):
    """An invalid enum value, a wrong type, a missing field: in what we send, and on the wire in what we answer."""
    desk = Desk(protocol, opts=options(protocol, strict_mode=True))
    desk.router.add("Reset", "handler")
    (refused,) = desk.session.handle(e.CallRequested(1, "Reset", params), 0)
    assert isinstance(refused.error, RPCError)
    assert refused.error.code == code
    (answer,) = desk.session.handle(e.TextReceived(text(2, "a", "Reset", params)), 0)
    assert json.loads(answer.text)[:3] == [4, "a", code]


@pytest.mark.rule(23)
@every_version
def test_unknown_methods(protocol):
    """Not known is NotImplemented, with and without strict mode; NotSupported is for handlers to say."""
    (answer,) = Desk(protocol).session.handle(e.TextReceived(text(2, "a", "Reset", {})), 0)
    assert json.loads(answer.text)[:3] == [4, "a", "NotImplemented"]
    desk = Desk(protocol, opts=options(protocol, strict_mode=True))
    desk.router.add(None, "wildcard")
    (answer,) = desk.session.handle(e.TextReceived(text(2, "a", "Invented", {})), 0)
    assert json.loads(answer.text)[:3] == [4, "a", "NotImplemented"]
