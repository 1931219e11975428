"""The peer's requests: served, held back, refused, answered once."""

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st
from support.desk import Desk, seen, sent, strict, text

from ocpp_rpc_core import events as e, notices as n
from ocpp_rpc_core._context import Everything
from ocpp_rpc_core._inbound import describe
from ocpp_rpc_core.actions import CancelHandler, Report, ResolveCall, StartHandler
from ocpp_rpc_core.errors import (
    RPCError,
    RPCFormatViolationError,
    RPCFrameworkError,
    RPCGenericError,
    RPCInternalError,
    RPCNotImplementedError,
    RPCOccurrenceConstraintViolationError,
    RPCSecurityError,
    create_rpc_error,
)
from ocpp_rpc_core.limits import Limits

FAILED = [4, "a", "InternalError", "the handler failed", {}]


def start(request_id, message_id, method="Heartbeat", params=None):
    """The action that starts a handler, comparable."""
    return seen(StartHandler(request_id, message_id, method, params or {}, f"handler of {method}"))


def said(*frames):
    """The actions that send these frames, comparable."""
    return [seen(sent(*frame)) for frame in frames]


class Unprintable(Exception):
    """Its text cannot be had."""

    def __str__(self):
        raise ZeroDivisionError


class Explosive(dict):
    """Its contents cannot be had."""

    def items(self):
        raise LookupError("gone")


# --- Serving -----------------------------------------------------------------


@pytest.mark.feature("S7")
@pytest.mark.rule(15)
def test_requests_are_served_side_by_side_whatever_we_wait_for():
    """A full window of ours holds back none of the peer's calls, and these not each other."""
    desk = Desk()
    assert desk.call(1) == said((2, "1", "Heartbeat", {}))
    assert desk.call(2) == []
    assert desk.hear(2, "a", "Heartbeat", {}) == [start(1, "a")]
    assert desk.hear(2, "b", "Count", {"n": 1}) == [start(2, "b", "Count", {"n": 1})]
    assert desk.tell(e.HandlerReturned(2, {"n": 2})) == said((3, "b", {"n": 2}))
    assert desk.tell(e.HandlerReturned(1, {})) == said((3, "a", {}))


@pytest.mark.feature("C26")
def test_what_observers_hear_of_a_call_that_succeeds():
    """Message, call, response, message, call result: in this order, around what is done."""
    desk = Desk(wanted=Everything())
    frame = [2, "a", "Count", {"n": 1}]
    assert desk.hear(*frame) == seen(
        [
            Report(n.MessageEvent(text(*frame), outbound=False)),
            Report(n.CallEvent("a", outbound=False, payload=frame)),
            StartHandler(1, "a", "Count", {"n": 1}, "handler of Count"),
        ]
    )
    answer = [3, "a", {"n": 2}]
    assert desk.tell(e.HandlerReturned(1, {"n": 2})) == seen(
        [
            Report(n.ResponseEvent(outbound=True, payload=answer)),
            sent(*answer),
            Report(n.MessageEvent(text(*answer), outbound=True)),
            Report(n.CallResultEvent("a", outbound=False, method="Count", params={"n": 1}, result={"n": 2})),
        ]
    )


@pytest.mark.feature("C26")
def test_what_observers_hear_of_a_call_that_fails():
    """Response, message, call error: in this order."""
    desk = Desk(wanted=Everything())
    desk.hear(2, "a", "Heartbeat", {})
    error, answer = RPCSecurityError("no", {"why": 1}), [4, "a", "SecurityError", "no", {"why": 1}]
    assert desk.tell(e.HandlerRaised(1, error)) == seen(
        [
            Report(n.ResponseEvent(outbound=True, payload=answer)),
            sent(*answer),
            Report(n.MessageEvent(text(*answer), outbound=True)),
            Report(n.CallErrorEvent("a", outbound=False, method="Heartbeat", params={}, error=error)),
        ]
    )


@pytest.mark.feature("C22")
def test_no_handler():
    """A method without handler is NotImplemented; the wildcard takes the rest."""
    desk = Desk()
    answer = (4, "a", "NotImplemented", "the method Reset is not known here", {})
    assert desk.hear(2, "a", "Reset", {}) == said(answer)
    desk.router.add(None, "wildcard")
    assert desk.hear(2, "a", "Reset", {}) == [seen(StartHandler(1, "a", "Reset", {}, "wildcard"))]


@pytest.mark.threat("T14")
@pytest.mark.rule(14)
def test_the_same_message_id_twice():
    """A second call with an id that is being handled is refused and disturbs nothing; later the id is free."""
    desk = Desk("ocpp2.0.1")
    desk.hear(2, "a", "Heartbeat", {})
    text_ = "a call with the message id a is already being handled"
    assert desk.hear(2, "a", "Count", {}) == said((4, "a", "RpcFrameworkError", text_, {}))
    assert desk.tell(e.HandlerReturned(1, {})) == said((3, "a", {}))
    assert desk.hear(2, "a", "Count", {}) == [start(2, "a", "Count")]


ANSWERED = (4, "a", "RpcFrameworkError", "a call with the message id a was answered before", {})


@pytest.mark.threat("T14")
@pytest.mark.rule(11)
@pytest.mark.rule(10)
@pytest.mark.parametrize("how", ["result", "error", "unknown", "invalid result"])
def test_an_id_that_was_answered_is_refused_on_request(how):
    """However it was answered, and on the next connection, too."""
    desk = Desk("ocpp2.0.1", repeated_ids="refuse")
    assert len(desk.hear(2, "a", "Nope" if how == "unknown" else "Count", {})) == 1
    ended = {
        "result": e.HandlerReturned(1, {}),
        "error": e.HandlerRaised(1, RPCSecurityError()),
        "invalid result": e.HandlerReturned(1, object()),
    }
    if how in ended:
        assert len(desk.tell(ended[how])) == 1
    assert desk.hear(2, "a", "Count", {}) == said(ANSWERED)
    assert desk.hear(2, "a", "Count", {}) == said(ANSWERED)
    desk.tell(e.SessionLost("cut", final=False), e.SessionOpened("ocpp2.0.1"))
    assert desk.hear(2, "a", "Count", {}) == said(ANSWERED)
    assert len(desk.hear(2, "b", "Count", {})) == 1


@pytest.mark.rule(11)
@pytest.mark.parametrize("how", ["lost", "declined"])
def test_an_id_without_an_answer_may_come_again(how):
    """The peer has every reason to repeat a call that was lost, or never answered, even if a copy was refused."""
    desk = Desk("ocpp2.0.1", repeated_ids="refuse")
    desk.hear(2, "a", "Count", {})
    assert len(desk.hear(2, "a", "Count", {})) == 1  # refused: the first is being handled
    if how == "lost":
        desk.tell(e.SessionLost("cut", final=False), e.SessionOpened("ocpp2.0.1"))
    else:
        assert desk.tell(e.HandlerDeclined(1)) == []
    assert desk.hear(2, "a", "Count", {}) == [start(2, "a", "Count")]


@pytest.mark.rule(11)
@pytest.mark.feature("B1")
def test_a_repeated_send_is_dropped_on_request():
    """Once it was handled; a call cannot have its id either."""
    desk = Desk("ocpp2.1", repeated_ids="refuse")
    assert desk.hear(6, "a", "Count", {}) == [start(1, "a", "Count")]
    assert desk.tell(e.HandlerReturned(1, {})) == []
    assert desk.hear(6, "a", "Count", {}) == []
    assert desk.hear(2, "a", "Count", {}) == said(ANSWERED)


@pytest.mark.rule(11)
def test_only_the_last_ids_are_remembered():
    """64 of them, so that memory is bounded."""
    desk = Desk("ocpp2.0.1", repeated_ids="refuse")
    for number in range(65):
        desk.hear(2, str(number), "Nope", {})
    assert desk.hear(2, "0", "Count", {}) == [start(1, "0", "Count")]
    assert "answered before" in desk.hear(2, "2", "Count", {})[0][1][1]


@pytest.mark.rule(17)
@pytest.mark.feature("B1")
def test_which_result_the_peer_refuses():
    """The method of a result that was sent on this connection, once; nothing else that was answered has one."""
    desk = Desk("ocpp2.1", repeated_ids="refuse")
    refused = desk.session._inbound.refused
    for request_id, method, event in (
        (1, "Count", e.HandlerReturned(1, {})),
        (2, "Heartbeat", e.HandlerReturned(2, {})),
        (3, "Count", e.HandlerRaised(3, RPCSecurityError())),
        (4, "Count", e.HandlerReturned(4, {})),
    ):
        desk.hear(2, str(request_id), method, {})
        desk.tell(event)
    desk.hear(2, "1", "Heartbeat", {})  # refused as a repetition, which makes it no other result
    assert [refused(message_id) for message_id in ("1", "1", "2", "3", "x")] == ["Count", None, "Heartbeat", None, None]
    desk.tell(e.SessionLost("cut", final=False), e.SessionOpened("ocpp2.1"))
    assert refused("4") is None


@pytest.mark.threat("T15")
def test_the_peer_may_use_our_ids():
    """Ids of both directions have nothing to do with each other."""
    desk = Desk()
    desk.call(7)
    assert desk.hear(2, "1", "Heartbeat", {}) == [start(1, "1")]
    assert desk.tell(e.HandlerReturned(1, {})) == said((3, "1", {}))
    assert desk.hear(3, "1", {"t": 1}) == [seen(ResolveCall(7, {"t": 1}))]


# --- Answers -----------------------------------------------------------------


@pytest.mark.feature("C19")
def test_an_early_reply_is_the_answer():
    """The first `reply` counts; later ones and the handler's end send nothing, but until then the id is taken."""
    desk = Desk()
    desk.hear(2, "a", "Heartbeat", {})
    assert desk.tell(e.HandlerReplied(e.HandlerReturned(1, {"x": 1}))) == said((3, "a", {"x": 1}))
    assert desk.tell(e.HandlerReplied(e.HandlerRaised(1, ValueError()))) == []
    assert not desk.session.idle
    assert desk.hear(2, "a", "Heartbeat", {})[0][1][1].startswith('[4,"a","GenericError"')
    assert desk.tell(e.HandlerReturned(1, {"x": 2})) == []
    assert desk.session.idle
    assert desk.hear(2, "a", "Heartbeat", {}) == [start(2, "a")]


@pytest.mark.feature("C19")
def test_an_early_reply_may_be_an_error():
    """`reply(error)` sends the error."""
    desk = Desk()
    desk.hear(2, "a", "Heartbeat", {})
    early = e.HandlerReplied(e.HandlerRaised(1, RPCSecurityError("no")))
    assert desk.tell(early, e.HandlerReturned(1, {})) == said((4, "a", "SecurityError", "no", {}))


@pytest.mark.feature("C20")
@pytest.mark.parametrize("early", [True, False])
def test_no_reply(early):
    """NOREPLY sends nothing, returned or passed to `reply`, and is final."""
    desk = Desk()
    desk.hear(2, "a", "Heartbeat", {})
    if early:
        assert desk.tell(e.HandlerReplied(e.HandlerDeclined(1)), e.HandlerReturned(1, {})) == []
    else:
        assert desk.tell(e.HandlerDeclined(1)) == []
    assert desk.session.idle


@pytest.mark.feature("C30")
@pytest.mark.feature("C21")
def test_a_handler_that_outlives_its_connection_answers_nobody():
    """Loss cancels every handler; its answer is dropped, on the next connection too, where ids start anew."""
    desk = Desk()
    desk.hear(2, "a", "Heartbeat", {})
    desk.hear(2, "b", "Heartbeat", {})
    lost = desk.tell(e.SessionLost("cut", final=False))
    assert lost == seen([CancelHandler(1), CancelHandler(2)])
    assert desk.session.idle
    assert desk.tell(e.HandlerReturned(1, {})) == []
    desk.tell(e.SessionOpened("ocpp1.6"))
    assert desk.hear(2, "a", "Heartbeat", {}) == [start(3, "a")]
    late = (e.HandlerReturned(2, {}), e.HandlerReplied(e.HandlerReturned(2, {})), e.HandlerRaised(1, OSError()))
    assert desk.tell(*late) == []
    assert desk.tell(e.HandlerReturned(3, {})) == said((3, "a", {}))


def test_none_is_an_empty_object_in_ocpp():
    """A handler that returns nothing answers `{}`; without a known subprotocol null stays null."""
    for protocol, result in (("ocpp1.6", {}), (None, None)):
        desk = Desk(protocol)
        desk.hear(2, "a", "Heartbeat", {})
        assert desk.tell(e.HandlerReturned(1, None)) == said((3, "a", result))


# --- Errors of handlers ------------------------------------------------------


@pytest.mark.feature("C22")
@pytest.mark.feature("S6")
@pytest.mark.threat("T19")
@pytest.mark.parametrize("error", [ValueError("secret"), Unprintable(), KeyboardInterrupt("secret")])
def test_an_exception_tells_the_peer_nothing(error):
    """Any exception but an RPCError is an InternalError without detail; observers get the cause."""
    desk = Desk(wanted={n.CallErrorEvent})
    desk.hear(2, "a", "Heartbeat", {})
    answer, report = desk.session.handle(e.HandlerRaised(1, error), 0)
    assert answer == sent(*FAILED)
    assert report.notice.error.__cause__ is error


@pytest.mark.feature("S6")
def test_details_on_request():
    """With detailed errors the peer gets name, text and stack trace."""
    desk = Desk(respond_with_detailed_errors=True, wanted={n.ResponseEvent})
    desk.hear(2, "a", "Heartbeat", {})
    try:
        raise LookupError("no such socket")
    except LookupError as error:
        report, _ = desk.session.handle(e.HandlerRaised(1, error), 0)
    kind, message_id, code, description, details = report.notice.payload
    assert (kind, message_id, code, description) == (4, "a", "InternalError", "no such socket")
    assert {**details, "stack": ""} == {"name": "LookupError", "message": "no such socket", "stack": ""}
    assert "test_details_on_request" in details["stack"]


@pytest.mark.threat("T19")
def test_details_of_an_exception_without_text():
    """An exception whose `__str__` raises is named instead."""
    desk = Desk(respond_with_detailed_errors=True, wanted={n.ResponseEvent})
    desk.hear(2, "a", "Heartbeat", {})
    report, _ = desk.session.handle(e.HandlerRaised(1, Unprintable()), 0)
    assert report.notice.payload[3] == report.notice.payload[4]["message"] == "<Unprintable>"
    assert describe(Unprintable()) == "<Unprintable>"


@pytest.mark.threat("T19")
@pytest.mark.rule(7)
def test_a_long_error_is_cut_in_ocpp():
    """A description of 1 MB is cut to 255 characters; without a known subprotocol it is not ours to cut."""
    for protocol, length in (("ocpp1.6", 255), ("ocpp2.0.1", 255), ("ocpp2.1", 255), (None, 10**6)):
        desk = Desk(protocol)
        desk.hear(2, "a", "Heartbeat", {})
        raised = e.HandlerRaised(1, RPCSecurityError("x" * 10**6))
        assert desk.tell(raised) == said((4, "a", "SecurityError", "x" * length, {}))


class Bare(RPCError):
    """Does not call its base class, so it has neither code nor message."""

    def __init__(self):
        pass


@pytest.mark.threat("T19")
@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (RPCSecurityError("no", {"when": object()}), [4, "a", "SecurityError", "no", {}]),
        (RPCSecurityError("no", Explosive(x=1)), [4, "a", "SecurityError", "no", {}]),
        (RPCSecurityError("no", {"x": float("nan")}), [4, "a", "SecurityError", "no", {}]),
        (RPCSecurityError("no", ["list"]), [4, "a", "SecurityError", "no", {}]),
        (RPCSecurityError("\ud800"), [4, "a", "SecurityError", "\ud800", {}]),
        (RPCError(Unprintable()), FAILED),
        (RPCError("no", code=object()), FAILED),
        (RPCError("no", code=[]), FAILED),
        (Bare(), FAILED),
    ],
)
def test_an_rpc_error_that_cannot_be_sent_as_it_is(error, answer):
    """What has no JSON form is left out, or the whole error replaced: a CALLERROR goes out in any case."""
    desk = Desk()
    desk.hear(2, "a", "Heartbeat", {})
    assert desk.tell(e.HandlerRaised(1, error)) == said(answer)


@pytest.mark.feature("E2")
def test_codes_are_spelled_as_the_subprotocol_does():
    """The same error has another spelling on 1.6 than on 2.x."""
    for protocol, code in (("ocpp1.6", "FormationViolation"), ("ocpp2.1", "FormatViolation")):
        desk = Desk(protocol)
        desk.hear(2, "a", "Heartbeat", {})
        raised = e.HandlerRaised(1, RPCFormatViolationError("x"))
        assert desk.tell(raised) == said((4, "a", code, "x", {}))


# --- Strict mode -------------------------------------------------------------


def lacking(root, code="OccurenceConstraintViolation"):
    """The error about the missing `n`, from the validator itself."""
    try:
        judge = strict().validators["ocpp1.6"]
        (judge.validate_request if root == "params" else judge.validate_response)("Count", {})
    except RPCOccurrenceConstraintViolationError as error:
        return create_rpc_error(code, error.message, error.details)
    raise AssertionError


@pytest.mark.feature("E5")
@pytest.mark.feature("E6")
def test_an_invalid_call_runs_no_handler():
    """It is answered with what is wrong, and reported."""
    desk = Desk(opts=strict(), wanted={n.StrictValidationFailure})
    error = lacking("params")
    failure = n.StrictValidationFailure(error, "a", "Count", {}, None, outbound=False, is_call=True)
    answer = sent(4, "a", error.code, error.message, error.details)
    assert desk.hear(2, "a", "Count", {}) == seen([Report(failure), answer])
    assert desk.hear(2, "a", "Count", {"n": 1}) == [start(1, "a", "Count", {"n": 1})]


@pytest.mark.feature("E3")
@pytest.mark.feature("E6")
def test_a_method_the_subprotocol_does_not_know():
    """In strict mode it is NotImplemented and reported even if somebody handles it."""
    desk = Desk(opts=strict(), wanted={n.StrictValidationFailure})
    error = RPCNotImplementedError("the method is not known in ocpp1.6")
    failure = n.StrictValidationFailure(error, "a", "Heartbeat", {}, None, outbound=False, is_call=True)
    answer = sent(4, "a", "NotImplemented", error.message, {})
    assert desk.hear(2, "a", "Heartbeat", {}) == seen([Report(failure), answer])


@pytest.mark.feature("E5")
@pytest.mark.feature("E6")
def test_an_invalid_result_is_replaced():
    """The peer gets an InternalError that tells nothing, observers all of it."""
    desk = Desk(opts=strict(), wanted={n.StrictValidationFailure, n.CallErrorEvent})
    desk.hear(2, "a", "Count", {"n": 1})
    error = lacking("result")
    failure = n.StrictValidationFailure(error, "a", "Count", {"n": 1}, {}, outbound=True, is_call=False)
    internal = RPCInternalError("the result of the handler is not valid")
    ended = n.CallErrorEvent("a", outbound=False, method="Count", params={"n": 1}, error=internal)
    actions = desk.session.handle(e.HandlerReturned(1, {}), 0)
    assert seen(actions) == seen([Report(failure), sent(4, "a", "InternalError", internal.message, {}), Report(ended)])
    assert actions[2].notice.error.__cause__ is actions[0].notice.error


@pytest.mark.feature("E5")
@pytest.mark.threat("T19")
@pytest.mark.parametrize("result", [object(), {"x": {1}}, {"x": float("inf")}, Explosive(x=1), b""])
def test_a_result_without_json_form_is_replaced(result):
    """Strict or not, the peer gets an InternalError; strict mode has no part in it."""
    desk = Desk(wanted={n.StrictValidationFailure})
    desk.hear(2, "a", "Heartbeat", {})
    answer = (4, "a", "InternalError", "the result of the handler is not valid", {})
    assert desk.tell(e.HandlerReturned(1, result)) == said(answer)


def test_an_endless_result_is_replaced():
    """A result that contains itself is no JSON."""
    endless = {}
    endless["self"] = endless
    desk = Desk()
    desk.hear(2, "a", "Heartbeat", {})
    answer = (4, "a", "InternalError", "the result of the handler is not valid", {})
    assert desk.tell(e.HandlerReturned(1, endless)) == said(answer)


# --- SEND --------------------------------------------------------------------


@pytest.mark.feature("B1")
@pytest.mark.rule(16)
def test_nothing_is_sent_about_a_send():
    """Whatever becomes of a SEND, the peer hears nothing; errors are reported."""
    desk = Desk("ocpp2.1", wanted={n.CallErrorEvent, n.CallResultEvent, n.ResponseEvent})
    for request_id, ending in enumerate((e.HandlerReturned(1, {}), e.HandlerDeclined(2)), 1):
        assert desk.hear(6, "a", "Count", {}) == [start(request_id, "a", "Count")]
        assert desk.tell(ending) == []  # after which the id is free again
    internal = RPCInternalError("the handler failed")
    ended = n.CallErrorEvent("a", outbound=False, method="Count", params={}, error=internal)
    assert desk.hear(6, "a", "Count", {}) == [start(3, "a", "Count")]
    assert desk.tell(e.HandlerReplied(e.HandlerRaised(3, ValueError()))) == seen([Report(ended)])
    assert desk.tell(e.HandlerReturned(3, {})) == []
    unknown = RPCNotImplementedError("the method Reset is not known here")
    refused = n.CallErrorEvent("b", outbound=False, method="Reset", params={}, error=unknown)
    assert desk.hear(6, "b", "Reset", {}) == seen([Report(refused)])
    assert desk.session.idle


@pytest.mark.rule(10)
@pytest.mark.rule(14)
@pytest.mark.feature("B1")
@pytest.mark.parametrize(("first", "second"), [(2, 6), (6, 2), (6, 6)])
def test_calls_and_sends_share_their_ids(first, second):
    """What comes under the id of something that is being handled is refused; a SEND without a word."""
    desk = Desk("ocpp2.1", wanted={n.CallErrorEvent})
    assert desk.hear(first, "a", "Count", {}) == [start(1, "a", "Count")]
    error = RPCFrameworkError("a call with the message id a is already being handled")
    reported = Report(n.CallErrorEvent("a", outbound=False, method="Count", params={}, error=error))
    answer = [sent(4, "a", error.code, error.message, {})] if second == 2 else []
    assert desk.hear(second, "a", "Count", {}) == seen([*answer, reported])
    assert desk.tell(e.HandlerReturned(1, {})) == ([] if first == 6 else said((3, "a", {})))
    assert desk.hear(second, "a", "Count", {}) == [start(2, "a", "Count")]


@pytest.mark.feature("E6")
def test_an_invalid_send_is_reported():
    """Strict mode judges a SEND by its own schema, and nothing is sent."""
    desk = Desk("ocpp2.1", opts=strict("ocpp2.1"), wanted={n.StrictValidationFailure})
    error = lacking("params", "OccurrenceConstraintViolation")
    failure = n.StrictValidationFailure(error, "a", "Count", {}, None, outbound=False, is_call=True)
    assert desk.hear(6, "a", "Count", {}) == seen([Report(failure)])
    assert desk.hear(6, "a", "Count", {"n": 1}) == [start(1, "a", "Count", {"n": 1})]


# --- Holding back ------------------------------------------------------------


@pytest.mark.feature("S12")
@pytest.mark.parametrize("event", [e.HandlersReady(), e.CallRequested(1, "Heartbeat")])
def test_requests_are_held_back_until_handlers_are_ready(event):
    """They wait in order until the application is ready, or calls itself; afterwards nothing waits."""
    desk = Desk(hold=True)
    assert desk.session.idle
    assert desk.hear(2, "a", "Reset", {}) == desk.hear(2, "b", "Heartbeat", {}) == []
    assert not desk.session.idle
    desk.router.add("Reset", "handler of Reset")
    called = said((2, "1", "Heartbeat", {})) if isinstance(event, e.CallRequested) else []
    assert desk.tell(event) == [start(1, "a", "Reset"), start(2, "b"), *called]
    assert desk.hear(2, "c", "Heartbeat", {}) == [start(3, "c")]
    assert desk.tell(e.HandlersReady()) == []


def test_what_is_held_back_dies_with_the_connection():
    """Nobody would hear the answers."""
    desk = Desk(hold=True)
    desk.hear(2, "a", "Heartbeat", {})
    assert desk.tell(e.SessionLost(), e.HandlersReady()) == []
    assert desk.session.idle


# --- Draining ----------------------------------------------------------------


@pytest.mark.feature("C13")
def test_draining_refuses_new_requests_and_ends_the_old():
    """What runs is answered; what is new, or was held back, is refused."""
    desk = Desk(hold=True)
    desk.hear(2, "a", "Heartbeat", {})
    desk.tell(e.HandlersReady())
    assert desk.session.drain() == []
    refused = "the connection is closing and takes no new calls"
    assert desk.hear(2, "b", "Heartbeat", {}) == said((4, "b", "GenericError", refused, {}))
    assert not desk.session.idle
    assert desk.tell(e.HandlerReturned(1, {})) == said((3, "a", {}))
    assert desk.session.idle

    desk = Desk(hold=True, wanted={n.CallErrorEvent})
    desk.hear(2, "a", "Heartbeat", {})
    ended = n.CallErrorEvent("a", outbound=False, method="Heartbeat", params={}, error=RPCGenericError(refused))
    assert seen(desk.session.drain()) == seen([sent(4, "a", "GenericError", refused, {}), Report(ended)])
    assert desk.session.idle


# --- No more at once than allowed ---------------------------------------------


@pytest.mark.feature("B13")
@pytest.mark.threat("T20")
def test_handlers_beyond_the_limit_wait_in_order():
    """The next begins when one ends, not when it has only answered; what needs no handler waits its turn, too."""
    desk = Desk(limits=Limits(running_handlers=2))
    assert [desk.hear(2, message_id, "Heartbeat", {}) for message_id in "abc"] == [[start(1, "a")], [start(2, "b")], []]
    assert desk.hear(2, "d", "Unknown", {}) == desk.hear(2, "e", "Heartbeat", {}) == []
    assert not desk.session.idle
    early = e.HandlerReplied(e.HandlerReturned(1, {}))
    assert desk.tell(early) == said((3, "a", {}))
    assert desk.tell(e.HandlerDeclined(1)) == [start(3, "c")]
    unknown = [4, "d", "NotImplemented", "the method Unknown is not known here", {}]
    assert desk.tell(e.HandlerReturned(2, {})) == [*said((3, "b", {}), unknown), start(4, "e")]
    assert desk.tell(e.HandlerReturned(3, {}), e.HandlerReturned(4, {})) == said((3, "c", {}), (3, "e", {}))
    assert desk.session.idle


@pytest.mark.feature("C21")
@pytest.mark.threat("T20")
def test_a_handler_that_waits_for_us_does_not_count():
    """Each call of ours in flight makes room for one more: handlers that call each other in turn go on."""
    desk = Desk(limits=Limits(running_handlers=1))
    desk.hear(2, "a", "Heartbeat", {})
    assert desk.hear(2, "b", "Heartbeat", {}) == desk.hear(2, "c", "Heartbeat", {}) == []
    assert desk.call(9) == [*said((2, "1", "Heartbeat", {})), start(2, "b")]
    assert desk.hear(3, "1", {}) == [seen(ResolveCall(9, {}))]
    assert desk.tell(e.HandlerReturned(2, {})) == said((3, "b", {}))
    assert desk.tell(e.HandlerReturned(1, {})) == [*said((3, "a", {})), start(3, "c")]


@pytest.mark.threat("T20")
def test_draining_refuses_what_waits():
    """There is always room for a refusal."""
    desk = Desk(limits=Limits(running_handlers=1))
    desk.hear(2, "a", "Heartbeat", {})
    desk.hear(2, "b", "Heartbeat", {})
    refused = "the connection is closing and takes no new calls"
    assert [seen(action) for action in desk.session.drain()] == said((4, "b", "GenericError", refused, {}))
    assert desk.tell(e.HandlerReturned(1, {})) == said((3, "a", {}))


def test_a_higher_limit_acts_at_once():
    """What waits begins."""
    desk = Desk(limits=Limits(running_handlers=1))
    desk.hear(2, "a", "Heartbeat", {})
    desk.hear(2, "b", "Heartbeat", {})
    more = replace(desk.options, limits=Limits())
    assert [seen(action) for action in desk.session.reconfigure(more, 0)] == [start(2, "b")]


# --- Any order ---------------------------------------------------------------

STEP = st.one_of(
    st.tuples(st.just("call"), st.integers(0, 3)),
    st.tuples(st.sampled_from(["return", "raise", "decline", "reply"]), st.integers(1, 8)),
    st.tuples(st.sampled_from(["lose", "ready"]), st.just(0)),
)


@given(st.lists(STEP, max_size=40), st.booleans())
def test_each_call_gets_at_most_one_answer_on_its_own_connection(steps, hold):
    """In any order of calls, answers and losses; request ids are never used twice."""
    desk = Desk(hold=hold)
    asked = dict.fromkeys("0123", 0)
    started = set()
    for step, number in steps:
        match step:
            case "call":
                asked[str(number)] += 1
                actions = desk.session.handle(e.TextReceived(text(2, str(number), "Heartbeat", {})), 0)
            case "return":
                actions = desk.session.handle(e.HandlerReturned(number, {}), 0)
            case "raise":
                actions = desk.session.handle(e.HandlerRaised(number, ValueError()), 0)
            case "decline":
                actions = desk.session.handle(e.HandlerDeclined(number), 0)
            case "reply":
                actions = desk.session.handle(e.HandlerReplied(e.HandlerReturned(number, {})), 0)
            case "ready":
                actions = desk.session.handle(e.HandlersReady(), 0)
            case _:
                actions = desk.session.handle(e.SessionLost(final=False), 0)
                actions += desk.session.handle(e.SessionOpened("ocpp1.6"), 0)
                asked = dict.fromkeys(asked, 0)
        for action in actions:
            if isinstance(action, StartHandler):
                assert action.request_id not in started
                started.add(action.request_id)
            elif not isinstance(action, CancelHandler):
                asked[action.text[4]] -= 1
        assert min(asked.values()) >= 0
