"""Rules 1-14, 22 and 23: what frames, message ids and error codes look like on the wire."""

import json

import pytest
from hypothesis import given, strategies as st
from support.desk import Desk, options, seen, sent, text

from ocpp_rpc_core import events as e, notices as n
from ocpp_rpc_core.actions import RejectCall, Report, ResolveCall, SendText, StartHandler
from ocpp_rpc_core.config import Options
from ocpp_rpc_core.errors import (
    ERRORS,
    RPCError,
    RPCFormationViolationError,
    RPCFormatViolationError,
    RPCOccurenceConstraintViolationError,
    RPCOccurrenceConstraintViolationError,
    RPCSecurityError,
    create_rpc_error,
)

VERSIONS = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]
CODES_16 = {
    *("NotImplemented", "NotSupported", "InternalError", "ProtocolError", "SecurityError"),
    *("FormationViolation", "PropertyConstraintViolation", "OccurenceConstraintViolation"),
    *("TypeConstraintViolation", "GenericError"),
}
CODES_2X = {
    *("FormatViolation", "GenericError", "InternalError", "MessageTypeNotSupported", "NotImplemented"),
    *("NotSupported", "OccurrenceConstraintViolation", "PropertyConstraintViolation", "ProtocolError"),
    *("RpcFrameworkError", "SecurityError", "TypeConstraintViolation"),
}
every_version = pytest.mark.parametrize("protocol", VERSIONS)


def written(actions):
    """The frames in these actions."""
    return [json.loads(action.text) for action in actions if isinstance(action, SendText)]


def raising(protocol, error):
    """The frame sent when a handler raises `error`."""
    desk = Desk(protocol)
    desk.hear(2, "a", "Heartbeat", {})
    (frame,) = written(desk.session.handle(e.HandlerRaised(1, error), 0))
    return frame


@pytest.mark.rule(1)
@every_version
def test_a_message_is_one_json_array_in_utf_8(protocol):
    """What we send has a UTF-8 form, whatever is in it; text and UTF-8 bytes are both read."""
    desk = Desk(protocol)
    (action,) = desk.session.handle(e.CallRequested(1, "Reset", {"name": "Zürich \ud800 🔌"}), 0)
    assert json.loads(action.text.encode()) == [2, "1", "Reset", {"name": "Zürich \ud800 🔌"}]
    frame = json.dumps([2, "a", "Count", {"name": "Zürich 🔌"}], ensure_ascii=False)
    for number, data in enumerate((frame, frame.replace('"a"', '"b"').encode()), 1):
        (start,) = desk.session.handle(e.TextReceived(data), 0)
        assert (start.request_id, start.params) == (number, {"name": "Zürich 🔌"})


@pytest.mark.rule(1)
@pytest.mark.parametrize("data", ["{}", '"2"', "2", "null", "[2", b"[2,\xff]"])
def test_anything_else_is_no_message(data):
    """It is answered with an error under the id -1 and starts nothing."""
    (frame,) = written(Desk("ocpp2.0.1").session.handle(e.TextReceived(data), 0))
    assert frame[:3] == [4, "-1", "RpcFrameworkError"]


@pytest.mark.rule(2)
@every_version
def test_which_message_types_exist(protocol):
    """CALL, CALLRESULT and CALLERROR everywhere; CALLRESULTERROR and SEND on 2.1 alone."""
    desk = Desk(protocol, wanted={n.BadMessage, n.ResultRefused})
    known = []
    for frame in ([5, "a", "GenericError", "", {}], [6, "b", "Count", {}], [7, "c"], [1, "d"]):
        actions = desk.session.handle(e.TextReceived(text(*frame)), 0)
        bad = [a.notice.error.code for a in actions if isinstance(a, Report) and type(a.notice) is n.BadMessage]
        known += [] if bad == ["MessageTypeNotSupported"] else [frame[0]]
    assert known == ([5, 6] if protocol == "ocpp2.1" else [])


@pytest.mark.rule(3)
def test_how_many_elements_each_type_has():
    """What is sent has them exactly: CALL 4, CALLRESULT 3, CALLERROR 5, SEND 4."""
    desk = Desk("ocpp2.1")
    assert desk.call(1, "Reset", {"x": 1}) == [seen(sent(2, "1", "Reset", {"x": 1}))]
    assert desk.tell(e.SendRequested(2, "Count", {"x": 1}))[0] == seen(sent(6, "2", "Count", {"x": 1}))
    desk.hear(2, "a", "Heartbeat", {})
    assert desk.tell(e.HandlerReturned(1, {"x": 1})) == [seen(sent(3, "a", {"x": 1}))]
    desk.hear(2, "a", "Heartbeat", {})
    assert desk.tell(e.HandlerRaised(2, RPCSecurityError())) == [seen(sent(4, "a", "SecurityError", "", {}))]


@pytest.mark.rule(3)
@pytest.mark.parametrize(
    "frame", [[2, "a", "Count"], [2, "a", "Count", {}, {}], [3, "1"], [3, "1", {}, {}], [6, "a", "Count"]]
)
def test_another_number_of_elements_is_bad(frame):
    """It is reported as a bad message and starts nothing."""
    desk = Desk("ocpp2.1", wanted={n.BadMessage})
    desk.call(1)
    report, *rest = desk.session.handle(e.TextReceived(text(*frame)), 0)
    assert type(report.notice) is n.BadMessage
    assert not any(isinstance(action, StartHandler | ResolveCall) for action in rest)


@pytest.mark.rule(4)
@every_version
def test_method_names_are_case_sensitive(protocol):
    """`heartbeat` is not `Heartbeat`."""
    (frame,) = written(Desk(protocol).session.handle(e.TextReceived(text(2, "a", "heartbeat", {})), 0))
    assert frame[:3] == [4, "a", "NotImplemented"]


@pytest.mark.rule(5)
@every_version
def test_an_empty_payload(protocol):
    """`{}` is sent, never null; null is read as `{}`."""
    desk = Desk(protocol)
    assert desk.tell(e.CallRequested(1, "Reset", None)) == [seen(sent(2, "1", "Reset", {}))]
    assert desk.hear(3, "1", None) == [seen(ResolveCall(1, {}))]
    assert desk.hear(2, "a", "Count", None) == [seen(StartHandler(1, "a", "Count", {}, "handler of Count"))]
    assert desk.tell(e.HandlerReturned(1, None)) == [seen(sent(3, "a", {}))]


@pytest.mark.rule(6)
@every_version
def test_payloads_are_sent_as_they_are(protocol):
    """A list of one stays a list, and nothing absent is filled in."""
    assert Desk(protocol).call(1, "Reset", {"x": [1]}) == [seen(sent(2, "1", "Reset", {"x": [1]}))]


@pytest.mark.rule(7)
@every_version
@pytest.mark.parametrize("details", [None, {}, [], "text", 5])
def test_error_details_are_always_an_object(protocol, details):
    """`{}` when there are none, or when they are something else; the description is "" when empty."""
    error = RPCSecurityError()
    error.details = details
    assert raising(protocol, error) == [4, "a", "SecurityError", "", {}]


@pytest.mark.rule(7)
@every_version
@given(message=st.text(max_size=600))
def test_descriptions_are_short(protocol, message):
    """At most 255 characters, the beginning of what was said."""
    assert raising(protocol, RPCSecurityError(message)) == [4, "a", "SecurityError", message[:255], {}]


@pytest.mark.rule(8)
@pytest.mark.parametrize("data", ['[2,"a","Reset",{"x":]', "\x00\ud800[", b"\xff\xfe"])
def test_corrupt_input_is_not_repeated(data):
    """The CALLERROR says what is wrong in our own words."""
    (frame,) = written(Desk("ocpp2.1").session.handle(e.TextReceived(data), 0))
    assert frame == [4, "-1", "RpcFrameworkError", "the message is not valid JSON", {}]


@pytest.mark.rule(9)
@pytest.mark.rule(14)
@every_version
def test_a_message_id_has_at_most_36_characters(protocol):
    """36 are fine, 37 are refused under the id itself; something else than a string is refused."""
    desk = Desk(protocol)
    assert isinstance(desk.session.handle(e.TextReceived(text(2, "x" * 36, "Count", {})), 0)[0], StartHandler)
    (long,) = written(desk.session.handle(e.TextReceived(text(2, "x" * 37, "Count", {})), 0))
    (number,) = written(desk.session.handle(e.TextReceived(text(2, 12, "Count", {})), 0))
    assert (long[1], number[1]) == ("x" * 37, "-1")
    assert long[2] == number[2] == ("GenericError" if protocol == "ocpp1.6" else "RpcFrameworkError")


@pytest.mark.rule(9)
@pytest.mark.rule(10)
def test_our_message_ids():
    """They are strings of at most 36 characters and never repeat, over reconnects and for CALL and SEND together."""
    desk = Desk("ocpp2.1", opts=Options(entropy=bytes, call_concurrency=1000))
    ids = []
    for token in range(0, 400, 2):
        call = desk.session.handle(e.CallRequested(token, "Reset"), 0)
        send = desk.session.handle(e.SendRequested(token + 1, "Count", {}), 0)
        ids += [frame[1] for frame in written(call + send)]
        if token % 100 == 0:
            desk.tell(e.SessionLost(final=False), e.SessionOpened("ocpp2.1"))
    assert len(set(ids)) == len(ids) == 400
    assert all(isinstance(message_id, str) and len(message_id) <= 36 for message_id in ids)


@pytest.mark.rule(11)
def test_a_retry_may_reuse_its_id():
    """An id that was answered before is no error."""
    desk = Desk("ocpp2.1")
    for request_id in (1, 2):
        (start,) = desk.hear(2, "a", "Heartbeat", {})
        assert start[1] == ("request_id", request_id)
        assert desk.tell(e.HandlerReturned(request_id, {})) == [seen(sent(3, "a", {}))]


@pytest.mark.rule(12)
@every_version
@given(message_id=st.text(min_size=1, max_size=36))
def test_answers_have_the_id_of_the_call(protocol, message_id):
    """A result, an error and a refusal."""
    desk = Desk(protocol)
    desk.hear(2, message_id, "Heartbeat", {})
    assert desk.tell(e.HandlerReturned(1, {})) == [seen(sent(3, message_id, {}))]
    desk.hear(2, message_id, "Heartbeat", {})
    error = desk.session.handle(e.HandlerRaised(2, RPCSecurityError()), 0)
    unknown = desk.session.handle(e.TextReceived(text(2, message_id, "Nope", {})), 0)
    assert [frame[1] for frame in written(error + unknown)] == [message_id, message_id]


@pytest.mark.rule(12)
def test_an_answer_settles_only_the_call_with_its_id():
    """In any order."""
    desk = Desk(call_concurrency=3)
    for token in (7, 8, 9):
        desk.call(token)
    assert desk.hear(3, "3", {}) == [seen(ResolveCall(9, {}))]
    assert desk.hear(3, "1", {}) == [seen(ResolveCall(7, {}))]
    assert desk.hear(4, "2", "SecurityError", "", {}) == [seen(RejectCall(8, RPCSecurityError()))]


@pytest.mark.rule(13)
@pytest.mark.parametrize("data", ["junk", "[2]", text(2, None, "Reset", {}), text(2, ["a"], "Reset", {})])
@pytest.mark.parametrize("protocol", ["ocpp2.0.1", "ocpp2.1"])
def test_an_unreadable_id_is_answered_with_minus_one(protocol, data):
    """There is no other id to use."""
    (frame,) = written(Desk(protocol).session.handle(e.TextReceived(data), 0))
    assert frame[:3] == [4, "-1", "RpcFrameworkError"]


@pytest.mark.rule(14)
@every_version
def test_a_call_that_is_already_being_handled(protocol):
    """Its second coming is refused; the first is answered as usual."""
    desk = Desk(protocol)
    desk.hear(2, "a", "Heartbeat", {})
    (frame,) = written(desk.session.handle(e.TextReceived(text(2, "a", "Heartbeat", {})), 0))
    assert frame[:2] == [4, "a"]
    assert "already being handled" in frame[3]
    assert desk.tell(e.HandlerReturned(1, {})) == [seen(sent(3, "a", {}))]


@pytest.mark.rule(22)
@pytest.mark.rule(23)
@every_version
@pytest.mark.parametrize("code", sorted(ERRORS))
def test_codes_on_the_wire(protocol, code):
    """Whatever is raised, only codes of the version are written, in its spelling; the odd ones of 1.6 stay."""
    sent_code = raising(protocol, create_rpc_error(code))[2]
    assert sent_code in (CODES_16 if protocol == "ocpp1.6" else CODES_2X)
    if code in (CODES_16 if protocol == "ocpp1.6" else CODES_2X):
        assert sent_code == code


@pytest.mark.rule(23)
@every_version
@pytest.mark.parametrize(
    "kind",
    [
        RPCFormationViolationError,
        RPCFormatViolationError,
        RPCOccurenceConstraintViolationError,
        RPCOccurrenceConstraintViolationError,
    ],
)
def test_both_spellings_are_understood(protocol, kind):
    """In every version, and kept as they came."""
    desk = Desk(protocol)
    desk.call(1)
    (action,) = desk.session.handle(e.TextReceived(text(4, "1", kind.default_code, "", {})), 0)
    assert type(action.error) is kind
    assert action.error.code == kind.default_code


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
    """An invalid enum value, a wrong type, a missing field."""
    desk = Desk(protocol, opts=options(protocol, strict_mode=True))
    (action,) = desk.session.handle(e.CallRequested(1, "Reset", params), 0)
    assert isinstance(action.error, RPCError)
    assert action.error.code == code
