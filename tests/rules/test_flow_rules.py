"""Rules 15-21: who may send what, when, and what is answered."""

import json

import pytest
from hypothesis import given, strategies as st
from support.desk import Desk, seen, sent, strict, text

from ocpp_rpc_core import events as e, notices as n
from ocpp_rpc_core.actions import RejectCall, Report, ResolveCall, SendText, StartHandler
from ocpp_rpc_core.errors import (
    CallTimeout,
    RPCFrameworkError,
    RPCMessageTypeNotSupportedError,
    RPCNotSupportedError,
)

VERSIONS = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]
every_version = pytest.mark.parametrize("protocol", VERSIONS)


def written(actions):
    """The frames in these actions."""
    return [json.loads(action.text) for action in actions if isinstance(action, SendText)]


@pytest.mark.rule(15)
@every_version
@pytest.mark.parametrize("answer", ["result", "error", "timeout"])
def test_one_call_at_a_time(protocol, answer):
    """The second call goes out only when the first got a result, an error, or timed out."""
    desk = Desk(protocol, call_timeout=5)
    desk.call(1)
    assert desk.call(2) == []
    following = sent(2, "2", "Heartbeat", {})
    if answer == "result":
        assert desk.hear(3, "1", {}) == seen([ResolveCall(1, {}), following])
    elif answer == "error":
        failed = RejectCall(1, RPCNotSupportedError("no"))
        assert desk.hear(4, "1", "NotSupported", "no", {}) == seen([failed, following])
    else:
        failed = RejectCall(1, CallTimeout("Heartbeat was not answered within 5 s"))
        assert desk.tell(e.Tick(), now=5) == seen([failed, following])


@pytest.mark.rule(15)
@every_version
def test_calls_may_cross(protocol):
    """The peer's call is served while ours is outstanding, and ours while the peer's is."""
    desk = Desk(protocol)
    desk.call(1)
    start = StartHandler(1, "1", "Count", {}, "handler of Count")
    assert desk.hear(2, "1", "Count", {}) == [seen(start)]
    assert desk.hear(3, "1", {}) == [seen(ResolveCall(1, {}))]
    assert desk.call(2) == [seen(sent(2, "2", "Heartbeat", {}))]
    assert desk.tell(e.HandlerReturned(1, {})) == [seen(sent(3, "1", {}))]


@pytest.mark.rule(16)
def test_a_send_waits_for_nothing():
    """It goes out while a call is outstanding, before calls that wait, and takes no slot."""
    desk = Desk("ocpp2.1")
    desk.call(1)
    desk.call(2)
    assert desk.tell(e.SendRequested(3, "Count", {})) == seen([sent(6, "3", "Count", {}), ResolveCall(3, None)])
    assert desk.hear(3, "1", {}) == seen([ResolveCall(1, {}), sent(2, "2", "Heartbeat", {})])


@pytest.mark.rule(16)
@given(st.sampled_from(["Count", "Nope"]), st.sampled_from(["return", "raise", "decline"]), st.booleans())
def test_a_send_is_never_answered(method, end, valid):
    """Neither when it is served, nor when it fails, is unknown, or invalid."""
    desk = Desk("ocpp2.1", opts=strict("ocpp2.1"))
    params = {"n": 1} if valid else {}
    actions = desk.session.handle(e.TextReceived(text(6, "a", method, params)), 0)
    assert [type(action) for action in actions] == [StartHandler] * (valid and method == "Count")
    ended = {
        "return": e.HandlerReturned(1, {}),
        "raise": e.HandlerRaised(1, RPCNotSupportedError()),
        "decline": e.HandlerDeclined(1),
    }
    assert desk.tell(ended[end]) == []


@pytest.mark.rule(12)
@pytest.mark.rule(17)
@every_version
def test_an_invalid_result(protocol):
    """On 2.1 it is answered with CALLRESULTERROR under its id; before, nothing may be sent."""
    desk = Desk(protocol, opts=strict(protocol))
    desk.call(1, "Count", {"n": 1})
    frames = written(desk.session.handle(e.TextReceived(text(3, "1", {})), 0))
    answered = [[5, "1", "OccurrenceConstraintViolation"]] if protocol == "ocpp2.1" else []
    assert [frame[:3] for frame in frames] == answered


@pytest.mark.rule(17)
@every_version
@pytest.mark.parametrize(
    "frame",
    [
        (3, "9", {}),
        (3, "1"),
        (3, 1, {}),
        (3,),
        (3, "x" * 37, {}),
        (4, "9", "GenericError", "", {}),
        (4, "1"),
        (4,),
        (5, "9", "GenericError", "", {}),
        (5, "9"),
        (5,),
    ],
)
def test_answers_are_never_answered_with_an_error(protocol, frame):
    """However broken they are: no CALLERROR about 3, 4 or 5; on 2.1 a broken result gets a CALLRESULTERROR."""
    desk = Desk(protocol)
    desk.call(1)
    answers = written(desk.session.handle(e.TextReceived(text(*frame)), 0))
    refusable = protocol == "ocpp2.1" and frame == (3, "1")
    assert [answer[:2] for answer in answers] == ([[5, "1"]] if refusable else [])


@pytest.mark.rule(18)
def test_calls_time_out():
    """After 30 s unless told otherwise, from when the call was written."""
    desk = Desk()
    desk.call(1, now=100)
    assert desk.session.deadline == 130
    failed = RejectCall(1, CallTimeout("Heartbeat was not answered within 30 s"))
    assert desk.tell(e.Tick(), now=130) == [seen(failed)]


@pytest.mark.rule(12)
@pytest.mark.rule(18)
@every_version
@pytest.mark.parametrize("reason", ["timeout", "cancelled"])
def test_an_answer_that_comes_too_late(protocol, reason):
    """It belongs to its own call alone: it is reported, and the call in flight has its answer still to come."""
    desk = Desk(protocol, wanted={n.BadMessage, n.LateReply}, call_timeout=5)
    desk.call(1)
    if reason == "cancelled":
        desk.tell(e.CallCancelled(1))
    desk.call(2)
    desk.tell(e.Tick(), now=5)
    late = Report(n.LateReply("1", "Heartbeat", [3, "1", {}], reason))
    assert desk.hear(3, "1", {}, now=6) == [seen(late)]
    assert desk.hear(3, "2", {}, now=6) == [seen(ResolveCall(2, {}))]


@pytest.mark.rule(19)
@every_version
@pytest.mark.parametrize(
    "frame", [(2, "a"), (2, "a", "Count"), (2, "a", 5, {}), (2, "a", "Count", {}, 1), (2, "a", "Count", {})]
)
def test_an_invalid_call_is_answered(protocol, frame):
    """With one CALLERROR under its id, and no handler runs."""
    desk = Desk(protocol, opts=strict(protocol))
    actions = desk.session.handle(e.TextReceived(text(*frame)), 0)
    assert [(type(action), written([action])[0][:2]) for action in actions] == [(SendText, [4, "a"])]


@pytest.mark.rule(20)
@every_version
@pytest.mark.parametrize("kind", [0, 1, 7, -1, 10**20])
def test_an_unknown_message_type_is_ignored(protocol, kind):
    """Whatever its payload: nothing is sent, but it is reported."""
    desk = Desk(protocol, wanted={n.BadMessage})
    error = RPCMessageTypeNotSupportedError(f"message type {kind} is not supported")
    for rest in ((), ("a",), (5,), ("a", "Count", {}), ("a", {"x": [1]})):
        report = Report(n.BadMessage(text(kind, *rest), error, None))
        assert desk.hear(kind, *rest) == [seen(report)]


@pytest.mark.rule(20)
@every_version
@pytest.mark.parametrize("kind", [0, 1, 7, -1, 10**20])
def test_an_unknown_message_type_may_be_answered(protocol, kind):
    """The other reading, by option: one CALLERROR, under its id or -1, in the spelling of the version."""
    desk = Desk(protocol, unknown_message_type="answer")
    code = "GenericError" if protocol == "ocpp1.6" else "MessageTypeNotSupported"
    for rest, answer_id in (
        ((), "-1"),
        (("a",), "a"),
        ((5,), "-1"),
        (("a", "Count", {}), "a"),
        (("x" * 37,), "x" * 37),
    ):
        answer = sent(4, answer_id, code, f"message type {kind} is not supported", {})
        assert desk.hear(kind, *rest) == [seen(answer)]


@pytest.mark.rule(2)
@pytest.mark.rule(20)
@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1"])
@pytest.mark.parametrize("frame", [(5, "a", "GenericError", "", {}), (6, "a", "Count", {})])
def test_what_21_brought_is_unknown_before(protocol, frame):
    """SEND and CALLRESULTERROR start and settle nothing, and cannot be sent."""
    desk = Desk(protocol, wanted={n.BadMessage, n.ResultRefused, n.CallErrorEvent})
    error = RPCMessageTypeNotSupportedError(f"message type {frame[0]} is not supported")
    assert desk.hear(*frame) == [seen(Report(n.BadMessage(text(*frame), error, None)))]
    refused = RPCFrameworkError(f"there is no SEND in {protocol}, only in ocpp2.1")
    assert desk.tell(e.SendRequested(1, "Count", {})) == [seen(RejectCall(1, refused))]


@pytest.mark.rule(12)
@pytest.mark.rule(17)
def test_a_callresulterror_is_about_a_result_of_ours():
    """Under its id, once; then the method is known.  Whatever else it says it is about, nothing happens."""
    desk = Desk("ocpp2.1", wanted={n.BadMessage, n.ResultRefused})
    desk.hear(2, "a", "Count", {})
    desk.tell(e.HandlerReturned(1, {}))
    desk.call(1)
    heard = []
    for message_id in ("a", "a", "1", "b"):
        data = text(5, message_id, "TypeConstraintViolation", "no", {})
        heard += [action.notice for action in desk.session.handle(e.TextReceived(data), 0)]
    assert [type(notice) for notice in heard] == [n.ResultRefused, *[n.BadMessage] * 3]
    assert (heard[0].message_id, heard[0].method) == ("a", "Count")
    assert desk.hear(3, "1", {}) == [seen(ResolveCall(1, {}))]


@pytest.mark.rule(20)
def test_a_message_type_that_is_no_number():
    """It cannot be told what it is, so it is answered as unreadable."""
    error = RPCFrameworkError("the message type must be a number")
    answer = sent(4, "-1", "RpcFrameworkError", error.message, {})
    for kind in ("2", True, None, 2.0, [2]):
        assert Desk("ocpp2.0.1").hear(kind, "a", "Count", {}) == [seen(answer)]


@pytest.mark.rule(21)
@every_version
def test_failing_to_process_is_a_callerror(protocol):
    """A handler that fails; a negative outcome that the response knows is an ordinary result."""
    desk = Desk(protocol)
    desk.hear(2, "a", "Heartbeat", {})
    failed = sent(4, "a", "InternalError", "the handler failed", {})
    assert desk.tell(e.HandlerRaised(1, OSError("disk"))) == [seen(failed)]
    desk.hear(2, "b", "Heartbeat", {})
    rejected = {"status": "Rejected"}
    assert desk.tell(e.HandlerReturned(2, rejected)) == [seen(sent(3, "b", rejected))]
