"""Our calls: queue, window, deadlines, cancelling, loss, and what settles them."""

from math import inf

import pytest
from hypothesis import given, strategies as st
from support.desk import Desk, options, seen, sent, strict, text

from ocpp_rpc_core import events as e, notices as n
from ocpp_rpc_core._context import Everything
from ocpp_rpc_core.actions import RejectCall, Report, ResolveCall, SendText
from ocpp_rpc_core.errors import (
    CallTimeout,
    ConnectionLost,
    NotConnected,
    QueueFull,
    RPCError,
    RPCFrameworkError,
    RPCGenericError,
    RPCNotSupportedError,
    RPCOccurrenceConstraintViolationError,
    RPCProtocolError,
    create_rpc_error,
)
from ocpp_rpc_core.limits import Limits


def calls(*numbers):
    """The actions that send the calls with these message ids, comparable."""
    return [seen(sent(2, str(number), "Heartbeat", {})) for number in numbers]


def resolved(token, result=None):
    """The action that ends a call well, comparable."""
    return seen(ResolveCall(token, {} if result is None else result))


def done(token):
    """The action that says that something without answer was written, comparable."""
    return seen(ResolveCall(token, None))


def rejected(token, error):
    """The action that ends a call badly, comparable."""
    return seen(RejectCall(token, error))


def timed_out(token, seconds):
    """The action that ends a call that was not answered, comparable."""
    return rejected(token, CallTimeout(f"Heartbeat was not answered within {seconds} s"))


def lost(token, reason="cut"):
    """The action that ends a call in flight when the connection is lost, comparable."""
    return rejected(token, ConnectionLost(f"the connection ended before the answer came: {reason}"))


def unsent(token, reason="cut"):
    """The action that ends a call that was never sent, comparable."""
    return rejected(token, NotConnected(f"the message was never sent: {reason}"))


# --- Queue and window --------------------------------------------------------


@pytest.mark.feature("S7")
@pytest.mark.rule(15)
@pytest.mark.parametrize("window", [1, 3, inf])
def test_as_many_unanswered_calls_as_the_window_allows(window):
    """The rest waits in order; every answer, good or bad, lets the next out."""
    desk = Desk(call_concurrency=window)
    total, first = 6, int(min(window, 6))
    written = [desk.call(token) for token in range(1, total + 1)]
    assert written == [calls(token) if token <= first else [] for token in range(1, total + 1)]
    for token in range(1, total + 1):
        following = calls(token + first) if token + first <= total else []
        if token % 2:
            assert desk.hear(3, str(token), {}) == [resolved(token), *following]
        else:
            failed = rejected(token, RPCNotSupportedError("no"))
            assert desk.hear(4, str(token), "NotSupported", "no", {}) == [failed, *following]
    assert desk.session.idle
    assert desk.session.deadline is None


@pytest.mark.feature("C26")
def test_what_observers_hear_of_a_call_that_succeeds():
    """Call, message; then message, response, call result, in this order around what is done."""
    desk = Desk(wanted={n.MessageEvent, n.CallEvent, n.ResponseEvent, n.CallResultEvent})
    call, answer = [2, "1", "Count", {"n": 1}], [3, "1", {"n": 2}]
    assert desk.call(9, "Count", {"n": 1}) == seen(
        [
            Report(n.CallEvent("1", outbound=True, payload=call)),
            sent(*call),
            Report(n.MessageEvent(text(*call), outbound=True)),
        ]
    )
    ended = n.CallResultEvent("1", outbound=True, method="Count", params={"n": 1}, result={"n": 2})
    assert desk.hear(*answer) == seen(
        [
            Report(n.MessageEvent(text(*answer), outbound=False)),
            Report(n.ResponseEvent(outbound=False, payload=answer)),
            Report(ended),
            ResolveCall(9, {"n": 2}),
        ]
    )


@pytest.mark.feature("C17")
@pytest.mark.feature("C26")
@pytest.mark.parametrize("code", ["NotSupported", "FormationViolation", "FormatViolation", "Invented"])
def test_the_peers_error(code):
    """A CALLERROR rejects with the class of its code, which is kept as it was spelled, and is reported."""
    desk = Desk(wanted={n.CallErrorEvent})
    desk.call(9)
    actions = desk.session.handle(e.TextReceived(text(4, "1", code, "no", {"x": 1})), 0)
    error = actions[1].error
    assert (error.code, error.message, error.details) == (code, "no", {"x": 1})
    assert isinstance(error, RPCGenericError) is (code == "Invented")
    ended = n.CallErrorEvent("1", outbound=True, method="Heartbeat", params={}, error=error)
    assert seen(actions) == seen([Report(ended), RejectCall(9, error)])


def test_null_is_an_empty_object_in_ocpp():
    """Params None are sent as `{}`, a null result is read as `{}` (rule 5); elsewhere null stays null."""
    for protocol, value in (("ocpp1.6", {}), (None, None)):
        desk = Desk(protocol)
        assert desk.tell(e.CallRequested(1, "Reset", None)) == [seen(sent(2, "1", "Reset", value))]
        assert desk.hear(3, "1", None) == [seen(ResolveCall(1, value))]


# --- Deadlines ---------------------------------------------------------------


@pytest.mark.feature("S3")
@pytest.mark.feature("C16")
@pytest.mark.rule(18)
def test_the_deadline_counts_from_when_a_call_is_written():
    """Waiting in the queue costs nothing; a timeout lets the next call out; spurious ticks are harmless."""
    desk = Desk(call_timeout=10)
    assert desk.session.deadline is None
    desk.call(1, now=0)
    desk.call(2, now=1)
    desk.call(3, now=2)
    assert desk.session.deadline == 10
    assert desk.tell(e.Tick(), now=9.9) == []
    assert desk.tell(e.Tick(), now=10) == [timed_out(1, 10), *calls(2)]
    assert desk.session.deadline == 20
    assert desk.hear(3, "2", {}, now=15) == [resolved(2), *calls(3)]
    assert desk.session.deadline == 25
    assert desk.tell(e.Tick(), now=99) == [timed_out(3, 10)]
    assert desk.session.deadline is None
    assert desk.session.idle


@pytest.mark.feature("C14")
def test_each_call_may_have_its_own_timeout():
    """`timeout` goes before the option; infinity means for ever; the earliest deadline counts."""
    desk = Desk(call_concurrency=inf, call_timeout=10)
    desk.call(1, timeout=inf)
    assert desk.session.deadline is None
    desk.call(2)
    desk.call(3, timeout=0.5)
    desk.call(4, timeout=2)
    assert desk.session.deadline == 0.5
    due = [timed_out(3, 0.5), timed_out(4, 2), timed_out(2, 10)]
    assert desk.tell(e.Tick(), now=10**9) == due
    assert desk.session.deadline is None
    assert desk.hear(3, "1", {}) == [resolved(1)]


def late(message_id, reason, *frame):
    """The action that reports an answer which nobody waits for any more, comparable."""
    return seen(Report(n.LateReply(message_id, "Heartbeat", [*frame], reason)))


ANSWERS = pytest.mark.parametrize("answer", [(3, "1", {}), (3, "1", {"n": "x"}), (4, "1", "NotSupported", "no", {})])


@pytest.mark.threat("T14")
@pytest.mark.feature("B2")
@ANSWERS
def test_an_answer_after_the_timeout_touches_nothing(answer):
    """It is reported, once, and not judged; the call in flight meanwhile goes on; a second answer is bad."""
    wanted = {n.BadMessage, n.LateReply, n.CallResultEvent, n.CallErrorEvent, n.StrictValidationFailure}
    desk = Desk("ocpp2.1", wanted=wanted, opts=options("ocpp2.1", strict_mode=True))
    desk.call(1, timeout=1)
    desk.call(2)
    desk.tell(e.Tick(), now=1)
    before = desk.session.deadline
    assert desk.hear(*answer, now=2) == [late("1", "timeout", *answer)]
    assert desk.session.deadline == before
    (again,) = desk.session.handle(e.TextReceived(text(*answer)), 2)
    assert type(again.notice) is n.BadMessage
    assert desk.hear(4, "2", "NotSupported", "", {})[-1] == rejected(2, RPCNotSupportedError())


@pytest.mark.feature("B2")
def test_a_broken_answer_after_the_timeout():
    """It is a bad message, and the right one may still come."""
    desk = Desk(wanted={n.BadMessage, n.LateReply})
    desk.call(1, timeout=1)
    desk.tell(e.Tick(), now=1)
    (report,) = desk.session.handle(e.TextReceived(text(3, "1")), 1)
    assert type(report.notice) is n.BadMessage
    assert desk.hear(3, "1", {}) == [late("1", "timeout", 3, "1", {})]


@pytest.mark.feature("B2")
def test_only_so_many_overdue_calls_are_remembered():
    """The last 64; the answer to an older one is a bad message."""
    desk = Desk(wanted={n.BadMessage, n.LateReply}, call_concurrency=inf)
    for token in range(1, 66):
        desk.call(token, timeout=1)
    desk.tell(e.Tick(), now=1)
    (report,) = desk.session.handle(e.TextReceived(text(3, "1", {})), 1)
    assert type(report.notice) is n.BadMessage
    assert desk.hear(3, "2", {}) == [late("2", "timeout", 3, "2", {})]


@pytest.mark.feature("B2")
def test_a_late_answer_of_the_former_connection():
    """On the next connection nobody asked for it: it settles nothing, and is a bad message (I2)."""
    desk = Desk(wanted={n.BadMessage, n.LateReply}, call_concurrency=3)
    desk.call(1, timeout=1)
    desk.tell(e.Tick(), now=1)
    desk.call(2)
    desk.call(3)
    desk.tell(e.CallCancelled(3))
    desk.tell(e.SessionLost("cut", final=False), e.SessionOpened("ocpp1.6"))
    desk.call(4)
    for message_id in ("1", "2", "3"):
        (report,) = desk.session.handle(e.TextReceived(text(3, message_id, {})), 1)
        assert type(report.notice) is n.BadMessage
    assert desk.hear(3, "4", {}) == [resolved(4)]


@pytest.mark.feature("B2")
@pytest.mark.feature("B18")
def test_errors_know_their_message():
    """Every error of a call that was written has its message id; of one that was not, none."""
    desk = Desk("ocpp2.1", opts=strict("ocpp2.1", call_concurrency=9))
    for token in range(1, 6):
        desk.call(token, "Count", {"n": 1}, timeout=1 if token == 4 else 9)
    found = {}

    def ended(event, now=0):
        for action in desk.session.handle(event, now):
            if isinstance(action, RejectCall):
                found[action.token] = type(action.error).__name__, action.error.message_id

    ended(e.TextReceived(text(4, "1", "NotSupported", "", {})))
    ended(e.TextReceived(text(3, "2", {})))
    ended(e.TextReceived(text(3, "3")))
    ended(e.Tick(), 1)
    ended(e.CallRequested(6, "Count", {}), 1)
    ended(e.SessionLost("cut"), 1)
    desk.tell(e.SessionOpened("ocpp2.1"))
    for token in range(7, 17):
        desk.call(token, "Count", {"n": 1})
    ended(e.SessionLost("cut"), 1)
    assert {token: found[token] for token in (1, 2, 3, 4, 5, 6, 15, 16)} == {
        1: ("RPCNotSupportedError", "1"),
        2: ("RPCOccurrenceConstraintViolationError", "2"),
        3: ("RPCFrameworkError", "3"),
        4: ("CallTimeout", "4"),
        5: ("ConnectionLost", "5"),
        6: ("RPCOccurrenceConstraintViolationError", None),
        15: ("ConnectionLost", "15"),
        16: ("NotConnected", None),
    }


# --- How many may wait -------------------------------------------------------


def full(token, limit):
    """What becomes of a call that has no place in the queue."""
    text = f"the queue of {limit} calls is full; this one was never sent"
    return [seen(Report(n.LimitExceeded("queued_calls", limit))), rejected(token, QueueFull(text))]


@pytest.mark.feature("B13")
def test_the_queue_has_an_end():
    """A call too many is refused, unsent; an answer or a cancelled call makes room."""
    desk = Desk(limits=Limits(queued_calls=2))
    assert desk.call(1) == calls(1)
    assert desk.call(2) == desk.call(3) == []
    assert desk.call(4) == full(4, 2)
    assert desk.tell(e.CallCancelled(2)) == desk.call(5) == []
    assert desk.call(6) == full(6, 2)
    assert desk.hear(3, "1", {}) == [resolved(1), *calls(3)]
    assert desk.call(7) == []
    assert desk.tell(e.RawSendRequested(8, "raw")) == seen([SendText("raw"), ResolveCall(8, None)])


def test_what_can_go_out_needs_no_place():
    """Without any queue calls go as far as the window allows."""
    desk = Desk(limits=Limits(queued_calls=0), call_concurrency=2)
    assert [desk.call(token) for token in (1, 2, 3)] == [calls(1), calls(2), full(3, 0)]


@pytest.mark.feature("C15")
def test_the_queue_has_an_end_without_a_connection():
    """Whatever waits for the first, or the next, connection counts."""
    desk = Desk(..., limits=Limits(queued_calls=2))
    assert desk.tell(e.RawSendRequested(1, "raw"), e.CallRequested(2, "Heartbeat")) == []
    assert desk.call(3) == full(3, 2)
    sent_now = desk.tell(e.SessionOpened("ocpp1.6"))
    assert sent_now == [*seen([SendText("raw"), ResolveCall(1, None)]), *calls(1)]
    desk.tell(e.SessionLost("cut", final=False))
    assert desk.call(4) == desk.tell(e.RawSendRequested(5, "raw")) == []
    assert desk.tell(e.RawSendRequested(6, "raw")) == full(6, 2)


# --- Cancelling --------------------------------------------------------------


@pytest.mark.feature("C14")
def test_cancelling_a_queued_call_takes_it_out():
    """It is never sent and never settled; its neighbours keep their order.  Unknown tokens are ignored."""
    desk = Desk()
    for token in (1, 2, 3):
        desk.call(token)
    assert desk.tell(e.CallCancelled(2), e.CallCancelled(77)) == []
    assert desk.hear(3, "1", {}) == [resolved(1), *calls(3)]


def test_cancelling_before_the_first_connection():
    """A call that waits for the subprotocol is taken out as well."""
    desk = Desk(...)
    desk.call(1)
    desk.call(2)
    desk.tell(e.CallCancelled(1))
    assert desk.tell(e.SessionOpened("ocpp1.6")) == calls(1)
    assert desk.hear(3, "1", {}) == [resolved(2)]


@pytest.mark.feature("C14")
@pytest.mark.feature("B2")
@pytest.mark.parametrize("end", ["result", "error", "broken", "tick", "loss"])
def test_cancelling_a_call_in_flight_keeps_its_place(end):
    """The slot is free only when the call is settled, as rule 15 wants; only observers hear of its answer."""
    desk = Desk(call_timeout=10, wanted={n.LateReply, n.CallResultEvent})
    desk.call(1)
    desk.call(2)
    assert desk.tell(e.CallCancelled(1)) == []
    assert not desk.session.idle
    assert desk.session.deadline == 10
    match end:
        case "result":
            assert desk.hear(3, "1", {}) == [late("1", "cancelled", 3, "1", {}), *calls(2)]
        case "error":
            frame = (4, "1", "NotSupported", "", {})
            assert desk.hear(*frame) == [late("1", "cancelled", *frame), *calls(2)]
        case "broken":
            assert desk.hear(3, "1") == calls(2)
        case "tick":
            assert desk.tell(e.Tick(), now=10) == calls(2)
            assert desk.hear(3, "1", {}) == [late("1", "cancelled", 3, "1", {})]
        case _:
            assert desk.tell(e.SessionLost("cut", final=False)) == []
            assert desk.tell(e.SessionOpened("ocpp1.6")) == calls(2)
    assert desk.tell(e.CallCancelled(1)) == []


# --- Without an answer -------------------------------------------------------


@pytest.mark.feature("C14")
def test_no_reply_is_done_when_written():
    """It keeps its place in the order but takes no slot; an answer to it is a bad message."""
    desk = Desk(wanted={n.BadMessage})
    assert desk.call(1, no_reply=True) == [*calls(1), done(1)]
    assert desk.session.idle
    (report,) = desk.session.handle(e.TextReceived(text(3, "1", {})), 0)
    assert report.notice.error.details == {"message_id": "1", "result": {}}
    assert desk.call(2) == calls(2)
    assert desk.call(3, no_reply=True) == []
    assert desk.call(4) == []
    assert desk.hear(3, "2", {}) == [resolved(2), *calls(3), done(3), *calls(4)]


@pytest.mark.feature("C23")
def test_raw_messages_go_at_once_as_they_are():
    """Text or bytes, whatever is in flight; no call event, and nothing is judged."""
    desk = Desk(wanted={n.MessageEvent, n.CallEvent}, opts=strict())
    desk.call(1, "Count", {"n": 1})
    for message in ("not JSON", b"\xff"):
        report = Report(n.MessageEvent(message, outbound=True))
        expected = seen([SendText(message), report, ResolveCall(2, None)])
        assert desk.tell(e.RawSendRequested(2, message)) == expected


def test_raw_text_that_is_no_unicode():
    """A lone surrogate has no UTF-8 form: it is refused here, not in the WebSocket."""
    desk = Desk()
    (action,) = desk.session.handle(e.RawSendRequested(1, "\ud800"), 0)
    assert action.token == 1
    assert isinstance(action.error, UnicodeEncodeError)


@pytest.mark.feature("B1")
@pytest.mark.rule(16)
def test_send_goes_at_once():
    """Also while a call is outstanding; it is done when written and reported like a call."""
    desk = Desk("ocpp2.1", wanted={n.CallEvent})
    desk.call(1)
    frame = [6, "2", "Count", {"n": 1}]
    report = Report(n.CallEvent("2", outbound=True, payload=frame))
    expected = seen([report, sent(*frame), ResolveCall(2, None)])
    assert desk.tell(e.SendRequested(2, "Count", {"n": 1})) == expected


@pytest.mark.rule(2)
@pytest.mark.parametrize(
    ("protocol", "name"), [("ocpp1.6", "ocpp1.6"), ("ocpp2.0.1", "ocpp2.0.1"), (None, "this subprotocol")]
)
def test_send_exists_on_ocpp_21_only(protocol, name):
    """Elsewhere it is refused and not sent, also when it waited for the subprotocol."""
    error = RPCFrameworkError(f"there is no SEND in {name}, only in ocpp2.1")
    desk = Desk(protocol)
    assert desk.tell(e.SendRequested(1, "Count", {})) == [rejected(1, error)]
    desk = Desk(...)
    assert desk.tell(e.SendRequested(1, "Count", {})) == []
    assert desk.tell(e.SessionOpened(protocol)) == [rejected(1, error)]


# --- Connections -------------------------------------------------------------


@pytest.mark.feature("C15")
@pytest.mark.feature("C30")
def test_calls_before_the_subprotocol_is_known():
    """They wait and are then written in its dialect: what needs no answer first, calls in their order."""
    desk = Desk(...)
    waiting = (
        e.CallRequested(1, "Reset", None),
        e.CallRequested(2, "Reset", {"n": 2}),
        e.SendRequested(3, "Count", {}),
        e.RawSendRequested(4, "raw"),
        e.CallRequested(5, "Reset", {"x": object()}),
    )
    assert desk.tell(*waiting) == []
    assert not desk.session.idle
    assert desk.session.deadline is None
    not_json, *rest = desk.tell(e.SessionOpened("ocpp2.1"))
    assert not_json[1:] == (
        ("token", 5),
        ("error", (TypeError, "Object of type object is not JSON serializable")),
    )
    written = [sent(6, "3", "Count", {}), ResolveCall(3, None), SendText("raw"), ResolveCall(4, None)]
    assert rest == seen([*written, sent(2, "1", "Reset", {})])
    assert desk.hear(3, "1", {}) == [resolved(1), seen(sent(2, "2", "Reset", {"n": 2}))]


@pytest.mark.feature("C16")
@pytest.mark.feature("C30")
def test_loss_settles_what_is_in_flight_and_keeps_the_queue():
    """Once, and each with its own error; what waits goes out first on the next connection, in order."""
    desk = Desk(call_concurrency=2)
    for token in (1, 2, 3, 4):
        desk.call(token)
    actions = desk.session.handle(e.SessionLost("cut", final=False), 5)
    assert seen(actions) == [lost(1), lost(2)]
    assert actions[0].error is not actions[1].error  # they are raised in different tasks
    assert desk.session.deadline is None
    assert desk.tell(e.SessionLost("cut", final=False), e.Tick()) == []
    assert desk.call(5) == []
    assert desk.tell(e.RawSendRequested(6, "raw")) == []
    raw = seen([SendText("raw"), ResolveCall(6, None)])
    assert desk.tell(e.SessionOpened("ocpp1.6"), now=7) == [*raw, *calls(3, 4)]
    assert desk.session.deadline == 37
    # Answers to the former connection's calls change nothing.
    assert desk.hear(3, "1", {}) == desk.hear(4, "2", "GenericError", "", {}) == []
    assert desk.hear(3, "3", {}) == [resolved(3), *calls(5)]


def test_the_last_loss_settles_everything():
    """What was in flight is lost, what never left may be tried again; nothing is left."""
    desk = Desk()
    desk.call(1)
    desk.call(2)
    desk.call(3)
    desk.tell(e.CallCancelled(1))
    assert desk.tell(e.SessionLost("cut")) == [unsent(2), unsent(3)]
    assert (desk.session.idle, desk.session.deadline) == (True, None)
    desk = Desk(...)
    desk.call(1)
    assert desk.tell(e.SessionLost("cut")) == [unsent(1)]
    assert desk.tell(e.SessionLost("cut")) == []


# --- Strict mode and encoding ------------------------------------------------


def lacking(root, code="OccurenceConstraintViolation"):
    """The error about the missing `n`, from the validator itself."""
    judge = strict().validators["ocpp1.6"]
    with pytest.raises(RPCOccurrenceConstraintViolationError) as caught:
        (judge.validate_request if root == "params" else judge.validate_response)("Count", {})
    return create_rpc_error(code, caught.value.message, caught.value.details)


@pytest.mark.feature("E4")
@pytest.mark.feature("E6")
@pytest.mark.parametrize("kind", ["call", "send"])
def test_invalid_params_never_leave(kind):
    """They reject at once and are reported; no slot is taken."""
    desk = Desk("ocpp2.1", opts=strict("ocpp2.1"), wanted={n.StrictValidationFailure})
    request = e.CallRequested if kind == "call" else e.SendRequested
    error = lacking("params", "OccurrenceConstraintViolation")
    failure = n.StrictValidationFailure(error, "1", "Count", {}, None, outbound=True, is_call=True)
    assert desk.tell(request(5, "Count", {})) == seen([Report(failure), RejectCall(5, error)])
    assert desk.session.idle


@pytest.mark.feature("E3")
@pytest.mark.feature("E4")
def test_a_method_without_schema():
    """Calling it in strict mode is a ProtocolError."""
    desk = Desk(opts=strict(), wanted={n.StrictValidationFailure})
    report, action = desk.session.handle(e.CallRequested(5, "Nope", {}), 0)
    assert isinstance(action.error, RPCProtocolError)
    failure = n.StrictValidationFailure(action.error, "1", "Nope", {}, None, outbound=True, is_call=True)
    assert seen(report) == seen(Report(failure))


@pytest.mark.feature("E4")
@pytest.mark.feature("E6")
@pytest.mark.rule(17)
@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
def test_an_invalid_result_rejects(protocol):
    """It is reported; only on 2.1 the peer is told, with CALLRESULTERROR; then the next call goes."""
    wanted = {n.StrictValidationFailure, n.CallErrorEvent}
    desk = Desk(protocol, opts=strict(protocol), wanted=wanted)
    desk.call(5, "Count", {"n": 1})
    desk.call(6, "Count", {"n": 2})
    code = "OccurenceConstraintViolation" if protocol == "ocpp1.6" else "OccurrenceConstraintViolation"
    error = lacking("result", code)
    failure = n.StrictValidationFailure(error, "1", "Count", {"n": 1}, {}, outbound=False, is_call=False)
    ended = n.CallErrorEvent("1", outbound=True, method="Count", params={"n": 1}, error=error)
    told = [sent(5, "1", code, error.message, error.details)] if protocol == "ocpp2.1" else []
    following = sent(2, "2", "Count", {"n": 2})
    assert desk.hear(3, "1", {}) == seen([Report(failure), *told, Report(ended), RejectCall(5, error), following])
    assert desk.hear(3, "2", {"n": 3}) == [resolved(6, {"n": 3})]


@pytest.mark.feature("C26")
def test_observers_hear_of_our_callresulterror():
    """It is a response of ours, and a message."""
    desk = Desk("ocpp2.1", opts=strict("ocpp2.1"), wanted={n.ResponseEvent})
    desk.call(5, "Count", {"n": 1})
    received, refused, message, _ = desk.session.handle(e.TextReceived(text(3, "1", {})), 0)
    assert received == Report(n.ResponseEvent(outbound=False, payload=[3, "1", {}]))
    assert refused.notice.outbound
    assert message == sent(*refused.notice.payload)
    assert refused.notice.payload[:2] == [5, "1"]


class Explosive(dict):
    """Its contents cannot be had."""

    def items(self):
        raise LookupError("gone")


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"x": object()}, TypeError),
        ({"x": float("nan")}, ValueError),
        ({(1, 2): 3}, TypeError),
        (Explosive(x=1), LookupError),
    ],
)
def test_params_without_json_form(params, error):
    """They reject at once, unsent, and take no slot."""
    desk = Desk()
    (action,) = desk.session.handle(e.CallRequested(5, "Reset", params), 0)
    assert action.token == 5
    assert isinstance(action.error, error)
    assert desk.session.idle


@pytest.mark.feature("B18")
@pytest.mark.rule(9)
def test_message_ids_of_the_application():
    """An id that is too long for the subprotocol rejects its call, and so does a maker of ids that fails."""
    desk = Desk(new_message_id=lambda: "x" * 37)
    error = ValueError(f"the message id {'x' * 37!r} is no string of 1 to 36 characters")
    assert desk.call(1) == [rejected(1, error)]
    for bad in ("", 5, ["a"]):
        error = ValueError(f"the message id {bad!r} is no string of 1 to 36 characters")
        assert Desk(new_message_id=lambda bad=bad: bad).call(1) == [rejected(1, error)]
    error = ValueError("the message id 5 is no string")
    assert Desk(None, new_message_id=lambda: 5).call(1) == [rejected(1, error)]
    assert Desk(None, new_message_id=lambda: "x" * 37).call(1) == [seen(sent(2, "x" * 37, "Heartbeat", {}))]
    assert Desk(new_message_id=lambda: "x" * 36).call(1) == [seen(sent(2, "x" * 36, "Heartbeat", {}))]
    assert Desk(new_message_id=[].pop).call(1) == [rejected(1, IndexError("pop from empty list"))]


@pytest.mark.rule(10)
def test_a_message_id_that_is_in_use():
    """A call with the id of one in flight is not sent: their answers could not be told apart."""
    desk = Desk(new_message_id=lambda: "same", call_concurrency=2)
    desk.call(1)
    error = ValueError("a call with the message id same is under way")
    assert desk.call(2) == [rejected(2, error)]
    assert desk.hear(3, "same", {}) == [resolved(1)]
    assert desk.call(3) == [seen(sent(2, "same", "Heartbeat", {}))]


@pytest.mark.feature("B18")
@pytest.mark.rule(9)
@pytest.mark.parametrize("message_id", ["a", "x" * 36, "mine", "é" * 36])
def test_a_message_id_for_one_message(message_id):
    """It is written as given, on a call as on a SEND, and the next gets a new one again."""
    desk = Desk("ocpp2.1")
    assert desk.call(1, message_id=message_id) == [seen(sent(2, message_id, "Heartbeat", {}))]
    assert desk.hear(3, message_id, {}) == [resolved(1)]
    frame = sent(6, message_id, "Count", {})
    assert desk.tell(e.SendRequested(2, "Count", {}, message_id)) == seen([frame, ResolveCall(2, None)])
    assert desk.call(3) == calls(1)


@pytest.mark.feature("B18")
@pytest.mark.rule(9)
@pytest.mark.parametrize("message_id", ["", "x" * 37])
@pytest.mark.parametrize("request_", [e.CallRequested, e.SendRequested])
def test_a_message_id_that_cannot_be_written(message_id, request_):
    """It rejects its message, and nothing is sent; without an OCPP subprotocol any text will do."""
    error = ValueError(f"the message id {message_id!r} is no string of 1 to 36 characters")
    assert Desk("ocpp2.1").tell(request_(1, "Count", {}, message_id=message_id)) == [rejected(1, error)]
    assert Desk(None).call(1, message_id=message_id) == [seen(sent(2, message_id, "Heartbeat", {}))]


@pytest.mark.feature("B18")
@pytest.mark.rule(10)
@pytest.mark.rule(11)
def test_a_message_id_is_given_to_one_message_at_a_time():
    """While a call has it, neither a call nor a SEND may; afterwards a retry may, to which the answer then belongs."""
    desk = Desk("ocpp2.1", call_concurrency=1, wanted={n.LateReply})
    error = ValueError("a call with the message id mine is under way")
    desk.call(1, message_id="mine", timeout=1)
    assert desk.call(2, message_id="mine") == [rejected(2, error)]
    assert desk.tell(e.SendRequested(3, "Count", {}, "mine")) == [rejected(3, error)]
    desk.tell(e.Tick(), now=1)
    assert desk.call(4, message_id="mine", now=1) == [seen(sent(2, "mine", "Heartbeat", {}))]
    assert desk.hear(3, "mine", {}) == [resolved(4)]
    assert desk.hear(3, "mine", {}) == [late("mine", "timeout", 3, "mine", {})]  # the answer to the other of the two


@pytest.mark.feature("C25")
def test_a_wider_window_acts_at_once():
    """New options let waiting calls out, and judge what comes from now on."""
    desk = Desk()
    for token in (1, 2, 3):
        desk.call(token)
    assert seen(desk.session.reconfigure(options(call_concurrency=3, call_timeout=5), 1)) == calls(2, 3)
    assert desk.session.deadline == 6
    assert seen(desk.session.reconfigure(strict(), 1)) == []
    (action,) = desk.session.handle(e.CallRequested(4, "Count", {}), 1)
    assert isinstance(action.error, RPCError)


def test_new_options_before_the_first_connection():
    """They decide how it will talk."""
    desk = Desk(..., wanted=Everything())
    desk.call(1, "Count")
    assert desk.session.reconfigure(strict(), 0) == []
    report, action = desk.session.handle(e.SessionOpened("ocpp1.6"), 0)
    assert type(report.notice) is n.StrictValidationFailure
    assert isinstance(action.error, RPCOccurrenceConstraintViolationError)


# --- Any order ---------------------------------------------------------------


@given(
    st.sampled_from([1, 2, 3, inf]),
    st.lists(st.sampled_from(["call", "cancel", "answer", "tick", "cut"]), max_size=40),
)
def test_first_transmissions_keep_the_order_of_the_queue(window, steps):
    """In any order of calls, cancels, answers, timeouts and reconnects, within the window."""
    desk = Desk(call_concurrency=window, call_timeout=10)
    now, token, order, flying = 0.0, 0, [], []
    for step in steps:
        now += 1
        match step:
            case "call":
                token += 1
                actions = desk.session.handle(e.CallRequested(token, "Heartbeat", {"t": token}), now)
            case "cancel":
                actions = desk.session.handle(e.CallCancelled(token), now)
            case "answer" if flying:
                actions = desk.session.handle(e.TextReceived(text(3, flying.pop(), {})), now)
            case "tick":
                now += 10
                flying.clear()
                actions = desk.session.handle(e.Tick(), now)
            case "cut":
                flying.clear()
                actions = desk.session.handle(e.SessionLost(final=False), now)
                actions += desk.session.handle(e.SessionOpened("ocpp1.6"), now)
            case _:
                actions = []
        written = [int(action.text.split('"')[1]) for action in actions if type(action) is SendText]
        order += written
        flying += [str(message_id) for message_id in written]
        assert len(flying) <= window
    assert order == sorted(set(order))


@pytest.mark.rule(9)
@pytest.mark.parametrize("message_id", [[], {}, 1, b"x", ""])
def test_a_message_id_of_the_wrong_kind(message_id):
    """Whatever it is, the error says that it is no string that fits, and the next call goes on."""
    desk = Desk("ocpp1.6")
    error = ValueError(f"the message id {message_id!r} is no string of 1 to 36 characters")
    assert desk.call(1, message_id=message_id) == [rejected(1, error)]
    assert desk.session.idle
