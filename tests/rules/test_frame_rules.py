"""Rules 1-14: what frames and message ids look like on the wire."""

import json

import pytest
from hypothesis import given, strategies as st
from support.desk import Desk, options, seen, sent, strict, text

from ocpp_rpc_core import events as e, notices as n
from ocpp_rpc_core.actions import RejectCall, Report, ResolveCall, SendText, StartHandler
from ocpp_rpc_core.config import Options
from ocpp_rpc_core.errors import RPCProtocolError, RPCSecurityError

VERSIONS = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]
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
    """What is sent has them exactly: CALL 4, CALLRESULT 3, CALLERROR and CALLRESULTERROR 5, SEND 4."""
    desk = Desk("ocpp2.1", opts=strict("ocpp2.1"))
    assert desk.call(9, "Count", {"n": 1}) == [seen(sent(2, "1", "Count", {"n": 1}))]
    (refusal,) = written(desk.session.handle(e.TextReceived(text(3, "1", {})), 0))
    assert [type(element) for element in refusal] == [int, str, str, str, dict]
    assert refusal[:2] == [5, "1"]
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


@pytest.mark.rule(4)
def test_the_names_of_methods():
    """Where names are checked, a call has the bare name of its message, and a SEND the whole of its own."""
    desk = Desk("ocpp2.1", opts=options("ocpp2.1", strict_mode=True))
    stream = {"id": 1, "pending": 0, "basetime": "2025-01-01T00:00:00Z", "data": [{"t": 0.5, "v": "1"}]}
    name = "NotifyPeriodicEventStream"
    assert [frame[2] for frame in written(desk.session.handle(e.CallRequested(1, "Heartbeat", {}), 0))] == ["Heartbeat"]
    assert [frame[2] for frame in written(desk.session.handle(e.SendRequested(2, name, stream), 0))] == [name]
    for request in (
        e.CallRequested(3, "HeartbeatRequest", {}),
        e.CallRequested(3, "Heartbeat.req", {}),
        e.CallRequested(3, name, stream),
        e.SendRequested(3, f"{name}Request", stream),
        e.SendRequested(3, "Heartbeat", {}),
    ):
        (refused,) = desk.session.handle(request, 0)
        assert isinstance(refused.error, RPCProtocolError)


@pytest.mark.rule(5)
@every_version
def test_an_empty_payload(protocol):
    """`{}` is sent, never null; null is read as `{}`."""
    desk = Desk(protocol)
    assert desk.tell(e.CallRequested(1, "Reset", None)) == [seen(sent(2, "1", "Reset", {}))]
    assert desk.hear(3, "1", None) == [seen(ResolveCall(1, {}))]
    assert desk.hear(2, "a", "Count", None) == [seen(StartHandler(1, "a", "Count", {}, "handler of Count"))]
    assert desk.tell(e.HandlerReturned(1, None)) == [seen(sent(3, "a", {}))]


@pytest.mark.rule(5)
@every_version
@pytest.mark.parametrize("policy", ["accept", "refuse"])
def test_a_payload_that_is_null(protocol, policy):
    """It is read as `{}`, or refused: a call under its id, a result by failing its call, a SEND as a bad message."""
    desk = Desk(protocol, wanted={n.BadMessage}, null_payload=policy)
    desk.call(1)
    kinds = (2, 3, 6) if protocol == "ocpp2.1" else (2, 3)
    for kind in kinds:
        frame = [3, "1", None] if kind == 3 else [kind, f"a{kind}", "Count", None]
        actions = desk.session.handle(e.TextReceived(text(*frame)), 0)
        bad = [a.notice.error.code for a in actions if isinstance(a, Report)]
        rejected = [a.error.code for a in actions if isinstance(a, RejectCall)]
        started = [a.params for a in actions if isinstance(a, StartHandler)]
        if policy == "accept":
            assert (bad, rejected, written(actions)) == ([], [], [])
            assert started == ([] if kind == 3 else [{}])
        else:
            code = "FormationViolation" if protocol == "ocpp1.6" else "ProtocolError"
            answer = {2: [4, "a2", code], 3: [5, "1", code] if protocol == "ocpp2.1" else None, 6: None}[kind]
            assert (bad, rejected, started) == ([code], [code] if kind == 3 else [], [])
            assert [frame[:3] for frame in written(actions)] == ([answer] if answer else [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)


@pytest.mark.rule(6)
@every_version
@given(payload=st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_payloads_pass_as_they_are(protocol, payload):
    """Sent and received, of calls and results: a list of one stays a list, and nothing is filled in or left out."""
    desk = Desk(protocol)
    assert written(desk.session.handle(e.CallRequested(1, "Reset", payload), 0)) == [[2, "1", "Reset", payload]]
    (result,) = desk.session.handle(e.TextReceived(text(3, "1", payload)), 0)
    assert result.result == payload
    (start,) = desk.session.handle(e.TextReceived(text(2, "a", "Count", payload)), 0)
    assert start.params == payload
    assert written(desk.session.handle(e.HandlerReturned(1, payload), 0)) == [[3, "a", payload]]


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


@pytest.mark.rule(10)
@pytest.mark.rule(14)
@pytest.mark.parametrize("kinds", [(2, 6), (6, 2), (6, 6), (2, 2)])
def test_calls_and_sends_share_one_space_of_ids(kinds):
    """While one is being handled, its id is good for neither; only a call is told so."""
    desk = Desk("ocpp2.1")
    first, second = kinds
    assert len(desk.hear(first, "a", "Count", {})) == 1
    frames = written(desk.session.handle(e.TextReceived(text(second, "a", "Count", {})), 0))
    assert [frame[:3] for frame in frames] == ([[4, "a", "RpcFrameworkError"]] if second == 2 else [])


@pytest.mark.rule(11)
@every_version
@pytest.mark.parametrize("policy", ["accept", "refuse"])
def test_a_retry_may_reuse_its_id(protocol, policy):
    """An id that was answered before is no error, or is one, on any connection; that of a lost call never is."""
    desk = Desk(protocol, repeated_ids=policy)
    code = "GenericError" if protocol == "ocpp1.6" else "RpcFrameworkError"
    (start,) = desk.session.handle(e.TextReceived(text(2, "a", "Heartbeat", {})), 0)
    desk.tell(e.SessionLost(final=False), e.SessionOpened(protocol))
    answers = []
    for _ in range(4):
        for action in desk.session.handle(e.TextReceived(text(2, "a", "Heartbeat", {})), 0):
            if isinstance(action, StartHandler):
                assert action.request_id > start.request_id
                answers += written(desk.session.handle(e.HandlerReturned(action.request_id, {}), 0))
            else:
                answers += written([action])
        if len(answers) == 2:
            desk.tell(e.SessionLost(final=False), e.SessionOpened(protocol))
    kinds = [(frame[0], frame[2]) for frame in answers]
    assert kinds == [(3, {})] + [(3, {}) if policy == "accept" else (4, code)] * 3


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
