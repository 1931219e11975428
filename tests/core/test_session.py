"""The text seam: bad messages, opening, draining, and what holds in any order of events."""

import json
from dataclasses import replace
from math import inf
from typing import get_args

import pytest
from hypothesis import example, given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.desk import Desk, options, seen, sent, strict, text

from ocpp_rpc_core import events as e, notices as n
from ocpp_rpc_core.actions import (
    CancelHandler,
    CloseSession,
    PauseReading,
    RejectCall,
    Report,
    ResolveCall,
    ResumeReading,
    SendText,
    StartHandler,
)
from ocpp_rpc_core.errors import (
    ConnectionLost,
    LocalProtocolError,
    NotConnected,
    RPCFrameworkError,
    RPCMessageTypeNotSupportedError,
    RPCNotSupportedError,
    RPCSecurityError,
    create_rpc_error,
)
from ocpp_rpc_core.limits import Limits
from ocpp_rpc_core.session import Session

REFUSED = NotConnected("the connection is closing and takes no new calls")


def answered(desk):
    """The same, after it has answered the call "a"."""
    desk.hear(2, "a", "Heartbeat", {})
    desk.tell(e.HandlerReturned(1, {}))
    return desk


def framework(message, details=None):
    """What bad messages usually are."""
    return RPCFrameworkError(message, details)


def too_many(allowed):
    """Observers hear that a bad message was the last."""
    return Report(n.LimitExceeded("max_bad_messages", allowed))


# --- Opening and ending ------------------------------------------------------


def test_a_new_session():
    """It knows no subprotocol, waits for nothing, and needs neither router nor observers."""
    session = Session(options())
    assert (session.protocol, session.deadline, session.idle) == (None, None, True)
    assert session.handle(e.Tick(), 0) == []
    assert session.handle(e.SessionOpened("ocpp1.6"), 0) == []
    assert session.protocol == "ocpp1.6"
    (first, *_) = session.handle(e.TextReceived(text(2, "a", "Heartbeat", {})), 0)
    assert type(first.notice) is n.MessageEvent  # by default everything is reported
    assert session.handle(e.SessionLost(), 0) == []
    assert session.protocol == "ocpp1.6"


def test_opening_what_is_open_is_a_mistake():
    """It could only mix two connections; the session stays as it was."""
    desk = Desk()
    desk.call(1)
    with pytest.raises(LocalProtocolError, match="open already"):
        desk.tell(e.SessionOpened("ocpp1.6"))
    assert desk.hear(3, "1", {}) == [seen(ResolveCall(1, {}))]


@pytest.mark.feature("C30")
def test_what_comes_before_or_after_a_connection_is_not_heard():
    """Texts without a connection start nothing, settle nothing and are not reported."""
    desk = Desk(..., wanted={n.MessageEvent, n.BadMessage})
    late = [e.TextReceived(text(2, "a", "Heartbeat", {})), e.TextReceived("junk")]
    assert desk.tell(*late) == []
    desk.tell(e.SessionOpened("ocpp1.6"), e.SessionLost(final=False))
    assert desk.tell(*late) == []
    assert desk.session.idle


@pytest.mark.feature("C15")
@pytest.mark.feature("C30")
@pytest.mark.parametrize(
    "request_", [e.CallRequested(1, "Reset"), e.SendRequested(1, "Reset", {}), e.RawSendRequested(1, "x")]
)
def test_an_ended_session_refuses_requests(request_):
    """Whatever the application asks for is refused at once, until there is a connection again."""
    desk = Desk("ocpp2.1")
    desk.tell(e.SessionLost("gone"))
    assert desk.tell(request_) == [seen(RejectCall(1, REFUSED))]
    assert desk.session.idle
    assert desk.tell(e.SessionOpened("ocpp2.1")) == []
    assert seen(RejectCall(1, REFUSED)) not in desk.tell(request_)


@pytest.mark.feature("C13")
def test_draining():
    """What is in flight or queued goes on, new calls are refused, the session is idle when all is settled."""
    desk = Desk()
    desk.call(1)
    desk.call(2)
    assert desk.session.drain() == []
    assert desk.call(3) == [seen(RejectCall(3, REFUSED))]
    assert desk.hear(3, "1", {}) == seen([ResolveCall(1, {}), sent(2, "2", "Heartbeat", {})])
    assert desk.session.drain() == []
    assert not desk.session.idle
    assert desk.hear(3, "2", {}) == seen([ResolveCall(2, {})])
    assert desk.session.idle


def test_a_loss_ends_draining():
    """If there is to be another connection, calls wait for it."""
    desk = Desk()
    desk.session.drain()
    desk.tell(e.SessionLost(final=False))
    assert desk.call(1) == []
    assert desk.tell(e.SessionOpened("ocpp1.6")) == seen([sent(2, "1", "Heartbeat", {})])


def test_draining_without_a_connection():
    """There is nothing to wait for: calls that wait are given up, new ones refused."""
    desk = Desk(...)
    desk.call(1)
    given_up = NotConnected("the message was never sent: the session is closing")
    assert seen(desk.session.drain()) == seen([RejectCall(1, given_up)])
    assert desk.call(2) == [seen(RejectCall(2, REFUSED))]
    assert desk.session.drain() == []


# --- Bad messages ------------------------------------------------------------

NOT_JSON = "the message is not valid JSON"
FOUR = "the message must have 4 elements, not"
ERROR_SHAPE = "an error must be [type, id, code, description, details]"
DEEP, LONG, WORDY = "[" * 100_000, '[2,"a","Heartbeat",' + "9" * 5000 + "]", text(2, "a", "M" * 65, {})
BAD = [
    ("junk", framework(NOT_JSON), "-1"),
    (b"\xff", framework(NOT_JSON), "-1"),
    ("NaN", framework(NOT_JSON), "-1"),
    (DEEP, framework("the message is nested too deeply"), "-1"),
    (LONG, framework("a number in the message is too long"), "-1"),
    (WORDY, framework("the method is longer than 64 characters"), "a"),
    ("{}", framework("the message must be a JSON array"), "-1"),
    ("[]", framework("the message type must be a number"), "-1"),
    (text(True, "a", {}), framework("the message type must be a number"), "-1"),
    (text(2), framework("the message id must be a string"), "-1"),
    (text(2, 5, "Heartbeat", {}), framework("the message id must be a string"), "-1"),
    (text(2, {}, "Heartbeat", {}), framework("the message id must be a string"), "-1"),
    (text(3, 5, {}), framework("the message id must be a string"), None),
    (text(2, "x" * 37, "Heartbeat", {}), framework("the message id is longer than 36 characters"), "x" * 37),
    (text(3, "x" * 37, {}), framework("the message id is longer than 36 characters"), None),
    (text(2, "a", "Heartbeat"), framework(f"{FOUR} 3"), "a"),
    (text(2, "a", "Heartbeat", {}, 1), framework(f"{FOUR} 5"), "a"),
    (text(2, "a", 5, {}), framework("the method must be a string"), "a"),
    (text(6, "a", "Count"), framework(f"{FOUR} 3"), None),
    (text(7, "a"), RPCMessageTypeNotSupportedError("message type 7 is not supported"), None),
    (text(3, "a"), framework("a CALLRESULT must have 3 elements, not 2"), "a"),
    (text(4, "a", 5, "", {}), framework(ERROR_SHAPE), None),
    (text(5, "a"), framework(ERROR_SHAPE), None),
    (
        text(3, "a", {"x": 1}),
        framework("the CALLRESULT answers no call of ours", {"message_id": "a", "result": {"x": 1}}),
        None,
    ),
    (
        text(4, "a", "Nope", "no", {"x": 1}),
        framework(
            "the CALLERROR answers no call of ours",
            {"message_id": "a", "code": "Nope", "description": "no", "details": {"x": 1}},
        ),
        None,
    ),
]


@pytest.mark.feature("C26")
@pytest.mark.feature("C31")
@pytest.mark.threat("T21")
@pytest.mark.parametrize(("data", "error", "answer_id"), BAD, ids=range(len(BAD)))
def test_each_kind_of_bad_message(data, error, answer_id):
    """It is reported with the answer sent to it, if one may be sent; a call in flight is not touched."""
    desk = Desk("ocpp2.1", wanted={n.BadMessage})
    desk.call(9)
    kind = 5 if data[:2] == "[3" else 4  # rule 17
    answer = None if answer_id is None else [kind, answer_id, error.code, error.message, {}]
    expected = [Report(n.BadMessage(data, error, answer))]
    limit = {DEEP: "json_depth", LONG: "json_digits", WORDY: "method_length"}.get(data)
    expected += [] if limit is None else [Report(n.LimitExceeded(limit, getattr(Limits(), limit)))]
    expected += [] if answer is None else [sent(*answer)]
    assert desk.tell(e.TextReceived(data)) == seen(expected)
    assert desk.hear(3, "1", {}) == seen([ResolveCall(9, {})])


@pytest.mark.feature("C26")
def test_an_answer_to_nothing_is_a_response_too():
    """It is reported as message, response and bad message, in this order."""
    desk = Desk(wanted={n.MessageEvent, n.ResponseEvent, n.BadMessage})
    frame = [3, "a", {}]
    error = framework("the CALLRESULT answers no call of ours", {"message_id": "a", "result": {}})
    assert desk.hear(*frame) == seen(
        [
            Report(n.MessageEvent(text(*frame), outbound=False)),
            Report(n.ResponseEvent(outbound=False, payload=frame)),
            Report(n.BadMessage(text(*frame), error, None)),
        ]
    )


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        ((3, "1"), "a CALLRESULT must have 3 elements, not 2"),
        ((3, "1", {}, {}), "a CALLRESULT must have 3 elements, not 4"),
        ((4, "1"), ERROR_SHAPE),
        ((4, "1", None, "", {}), ERROR_SHAPE),
    ],
)
def test_a_broken_answer_settles_its_call(frame, problem):
    """Better an error than a time-out: the call fails with what is wrong, and the next one goes out."""
    desk = Desk(wanted={n.BadMessage, n.CallErrorEvent})
    desk.call(8)
    desk.call(9)
    error = framework(problem)
    assert desk.hear(*frame) == seen(
        [
            Report(n.BadMessage(text(*frame), error, None)),
            Report(n.CallErrorEvent("1", outbound=True, method="Heartbeat", params={}, error=error)),
            RejectCall(8, error),
            sent(2, "2", "Heartbeat", {}),
        ]
    )


@pytest.mark.rule(20)
@pytest.mark.parametrize(("protocol", "code"), [("ocpp1.6", "GenericError"), ("ocpp2.0.1", "MessageTypeNotSupported")])
def test_answering_unknown_message_types(protocol, code):
    """On request, and reported with the answer; options that change count from the next message on."""
    desk = Desk(protocol, wanted={n.BadMessage})
    error = RPCMessageTypeNotSupportedError("message type 6 is not supported")
    ignored = Report(n.BadMessage(text(6, "a", "Count", {}), error, None))
    assert desk.hear(6, "a", "Count", {}) == [seen(ignored)]
    desk.session.reconfigure(options(protocol, unknown_message_type="answer"), 0)
    answer = [4, "a", code, error.message, {}]
    reported = Report(n.BadMessage(text(6, "a", "Count", {}), error, answer))
    assert desk.hear(6, "a", "Count", {}) == seen([reported, sent(*answer)])


@pytest.mark.rule(5)
@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.1"])
def test_refusing_null_payloads(protocol):
    """On request a call is answered with an error, and a result fails its call; none is ever sent."""
    desk = Desk(protocol, null_payload="refuse")
    code = "FormationViolation" if protocol == "ocpp1.6" else "ProtocolError"
    problem = "the payload is null, not an object"
    assert desk.hear(2, "a", "Count", None) == [seen(sent(4, "a", code, problem, {}))]
    assert desk.tell(e.CallRequested(1, "Count", None)) == [seen(sent(2, "1", "Count", {}))]
    refused = seen([RejectCall(1, create_rpc_error(code, problem))])
    told = [seen(sent(5, "1", code, problem, {}))] if protocol == "ocpp2.1" else []
    assert desk.hear(3, "1", None) == refused + told
    assert len(desk.hear(2, "b", "Count", {})) == 1
    assert desk.tell(e.HandlerReturned(1, None)) == [seen(sent(3, "b", {}))]


@pytest.mark.feature("C29")
@pytest.mark.parametrize("data", ["", b""])
def test_empty_messages_are_ignored(data):
    """They are neither bad nor good: they are not reported and leave the count alone."""
    desk = Desk(wanted={n.BadMessage, n.MessageEvent}, max_bad_messages=1)
    desk.tell(e.TextReceived("junk"))
    assert desk.tell(e.TextReceived(data)) == []
    assert type(desk.session.handle(e.TextReceived("junk"), 0)[-1]) is CloseSession


@pytest.mark.feature("S10")
@pytest.mark.threat("T22")
@pytest.mark.parametrize("allowed", [0, 1, 3])
def test_too_many_bad_messages_in_a_row(allowed):
    """One more than allowed closes with 1002, unanswered."""
    desk = Desk(wanted={n.BadMessage}, max_bad_messages=allowed)
    answer = [4, "-1", "GenericError", NOT_JSON, {}]
    tolerated = seen([Report(n.BadMessage("junk", framework(NOT_JSON), answer)), sent(*answer)])
    bad = Report(n.BadMessage("junk", framework(NOT_JSON), None))
    closing = [bad, too_many(allowed), CloseSession(1002, NOT_JSON)]
    for _ in range(allowed):
        assert desk.tell(e.TextReceived("junk")) == tolerated
    assert desk.tell(e.TextReceived("junk")) == seen(closing)
    assert desk.tell(e.TextReceived("junk")) == []  # nothing more is heard
    desk.tell(e.SessionLost(final=False))
    desk.tell(e.SessionOpened("ocpp1.6"))
    for _ in range(allowed):
        assert desk.tell(e.TextReceived("junk")) == tolerated  # a new connection starts anew


@pytest.mark.feature("S10")
@pytest.mark.parametrize(
    "good", [(2, "a", "Nope", {}), (3, "1", {}), (4, "1", "GenericError", "", {}), (5, "a", "GenericError", "", {})]
)
def test_a_good_message_resets_the_count(good):
    """Even if its method is unknown, or its call failed."""
    desk = answered(Desk("ocpp2.1", max_bad_messages=1))
    desk.call(1)
    for frame in (("junk",), good, ("junk",)):
        assert type(desk.session.handle(e.TextReceived(text(*frame)), 0)) is list
    assert type(desk.session.handle(e.TextReceived("junk"), 0)[-1]) is CloseSession


@pytest.mark.feature("S10")
def test_closing_for_bad_messages_settles_everything():
    """Calls in flight are settled, those that wait are not sent, handlers are cancelled; then it closes."""
    desk = Desk(max_bad_messages=0)
    desk.hear(2, "a", "Heartbeat", {})
    desk.call(1)
    desk.call(2)
    reason = "a CALLRESULT must have 3 elements, not 2"
    unsent = NotConnected(f"the message was never sent: {reason}")
    assert desk.hear(3, "1") == seen(
        [
            too_many(0),
            RejectCall(1, framework(reason)),
            CancelHandler(1),
            RejectCall(2, unsent),
            CloseSession(1002, reason),
        ]
    )
    assert (desk.session.idle, desk.session.deadline) == (True, None)
    assert desk.tell(e.HandlerReturned(1, {}), e.SessionLost()) == []
    desk = Desk(max_bad_messages=0)
    desk.call(1)
    lost = ConnectionLost(f"the connection ended before the answer came: {NOT_JSON}")
    assert desk.tell(e.TextReceived("junk")) == seen([too_many(0), RejectCall(1, lost), CloseSession(1002, NOT_JSON)])


@given(st.text(max_size=50))
def test_a_close_reason_always_fits(message_id):
    """Whatever id an unknown answer has, the reason is at most 123 bytes of UTF-8 (RFC 6455 5.5)."""
    desk = Desk(None, max_bad_messages=0)
    (_, close) = desk.session.handle(e.TextReceived(text(3, message_id, {})), 0)
    assert len(close.reason.encode()) <= 123


@pytest.mark.feature("B1")
@pytest.mark.rule(12)
def test_the_peer_refuses_our_result():
    """A CALLRESULTERROR is reported with the method it is about, and nothing is sent back."""
    desk = answered(Desk("ocpp2.1", wanted={n.ResultRefused}))
    frame = [5, "a", "SecurityError", "no", {"x": 1}]
    refused = Report(n.ResultRefused("a", "Heartbeat", RPCSecurityError("no", {"x": 1})))
    assert desk.hear(*frame) == [seen(refused)]


@pytest.mark.feature("B1")
@pytest.mark.rule(12)
@pytest.mark.parametrize("case", ["never asked", "refused before", "an error", "another connection", "our own call"])
def test_a_callresulterror_about_nothing(case):
    """It is a response and a bad message that tells all, and nothing is sent back."""
    desk = Desk("ocpp2.1", wanted={n.ResponseEvent, n.ResultRefused, n.BadMessage})
    frame = [5, "1" if case == "our own call" else "a", "SecurityError", "no", {"x": 1}]
    match case:
        case "refused before":
            answered(desk).hear(*frame)
        case "an error":
            desk.hear(2, "a", "Nope", {})
        case "another connection":
            answered(desk).tell(e.SessionLost(final=False), e.SessionOpened("ocpp2.1"))
        case "our own call":
            desk.call(9)
    details = {"message_id": frame[1], "code": "SecurityError", "description": "no", "details": {"x": 1}}
    error = framework("the CALLRESULTERROR refuses no result of ours", details)
    assert desk.hear(*frame) == seen(
        [Report(n.ResponseEvent(outbound=False, payload=frame)), Report(n.BadMessage(text(*frame), error, None))]
    )
    if case == "our own call":
        assert desk.hear(3, "1", {})[-1] == seen(ResolveCall(9, {}))


@pytest.mark.feature("C26")
def test_observers_hear_of_the_peers_call():
    """Before it is decided what becomes of it."""
    desk = Desk(wanted={n.CallEvent}, hold=True)
    frame = [2, "a", "Nope", {}]
    assert desk.hear(*frame) == seen([Report(n.CallEvent("a", outbound=False, payload=frame))])


@pytest.mark.feature("C25")
def test_new_options_act_at_once():
    """A wider window lets waiting calls out; strict mode judges what comes from now on."""
    desk = Desk(...)
    assert desk.session.reconfigure(options(), 0) == []
    desk.tell(e.SessionOpened("ocpp1.6"))
    desk.call(1)
    desk.call(2)
    changed = strict(call_concurrency=2)
    assert seen(desk.session.reconfigure(changed, 0)) == seen([sent(2, "2", "Heartbeat", {})])
    assert desk.session.protocol == "ocpp1.6"
    (answer,) = desk.session.handle(e.TextReceived(text(2, "a", "Count", {})), 0)
    assert json.loads(answer.text)[:3] == [4, "a", "OccurenceConstraintViolation"]


@pytest.mark.feature("E7")
@pytest.mark.feature("S8")
def test_the_built_in_validator():
    """Strict mode on 1.6 judges both directions with the schemas of OCPP 1.6."""
    desk = Desk(opts=options(strict_mode=True))
    desk.router.add("Reset", "handler of Reset")
    answer = desk.session.handle(e.TextReceived(text(2, "a", "Reset", {"type": "Warm"})), 0)
    assert [json.loads(action.text)[:3] for action in answer] == [[4, "a", "PropertyConstraintViolation"]]
    assert len(desk.hear(2, "a", "Reset", {"type": "Soft"})) == 1
    assert desk.tell(e.HandlerReturned(1, {"status": "Accepted"})) == seen([sent(3, "a", {"status": "Accepted"})])
    desk.call(5, "Heartbeat")
    (action,) = desk.session.handle(e.TextReceived(text(3, "1", {"currentTime": 5})), 0)
    assert action.error.code == "TypeConstraintViolation"


# --- Keeping the peer waiting --------------------------------------------------


def hurried(**limits):
    """A session that lets 100 bytes of requests wait while one handler runs."""
    settings = {"running_handlers": 1, "waiting_bytes": 100, **limits}
    desk = Desk(limits=Limits(**settings), max_message_size=150)
    assert len(desk.hear(2, "a", "Heartbeat", {})) == 1
    return desk


BULKY = (2, "b", "Heartbeat", {"x": "x" * 30})  # 58 bytes
PAUSED = seen([Report(n.LimitExceeded("waiting_bytes", 100)), PauseReading()])
RESUMED = seen(ResumeReading())


@pytest.mark.feature("B13")
@pytest.mark.threat("T20")
def test_reading_pauses_while_too_much_waits():
    """From the message that is too much until enough has begun."""
    desk = hurried()
    assert len(text(*BULKY)) == 58
    assert desk.hear(*BULKY) == []
    assert not desk.session.paused
    assert desk.hear(*BULKY) == PAUSED
    assert desk.session.paused
    assert desk.hear(*BULKY) == []
    assert desk.tell(e.HandlerDeclined(1))[1:] == []
    assert desk.tell(e.HandlerDeclined(2))[1:] == [RESUMED]
    assert not desk.session.paused


@pytest.mark.feature("S12")
@pytest.mark.threat("T20")
def test_what_is_held_back_is_bounded():
    """An application that is not ready for long does not make us collect requests without end."""
    desk = Desk(hold=True, limits=Limits(waiting_bytes=100))
    assert desk.hear(*BULKY) == []
    assert desk.hear(*BULKY) == PAUSED
    assert desk.tell(e.HandlersReady())[2:] == [RESUMED]


@pytest.mark.feature("C21")
@pytest.mark.threat("T20")
def test_an_answer_may_be_behind_what_waits():
    """While a call of ours is unanswered a whole message more may wait; then reading pauses, too."""
    desk = hurried()
    assert len(desk.call(9)) == 1
    desk.hear(*BULKY)  # runs, for a handler may be waiting for our call
    assert desk.hear(*BULKY) == desk.hear(*BULKY) == []
    [exceeded, pause] = desk.hear(*BULKY)
    assert [exceeded, pause] == PAUSED
    assert desk.tell(e.Tick(), now=1) == []
    assert desk.hear(3, "1", {}, now=1) == [seen(ResolveCall(9, {}))]
    assert desk.session.paused


def test_an_answer_stops_the_patience():
    """When nothing of ours is unanswered any more, the lower bound counts again."""
    desk = hurried()
    desk.call(9)
    for _ in range(3):
        desk.hear(*BULKY)
    assert not desk.session.paused
    assert desk.hear(3, "1", {}) == [seen(ResolveCall(9, {})), *PAUSED]


@pytest.mark.parametrize(("end", "leaves"), [("lost", 1), ("drain", 2)])
def test_the_end_of_talking_ends_the_pause(end, leaves):
    """Nothing waits any more, so the peer's goodbye is read."""
    desk = hurried()
    desk.hear(*BULKY)
    desk.hear(*BULKY)
    actions = desk.tell(e.SessionLost()) if end == "lost" else [seen(action) for action in desk.session.drain()]
    assert actions[leaves:] == [RESUMED]
    assert not desk.session.paused


def test_a_limit_may_be_changed_while_reading_pauses():
    """It acts at once."""
    desk = hurried()
    desk.hear(*BULKY)
    desk.hear(*BULKY)
    more = replace(desk.options, limits=Limits(running_handlers=1))
    assert [seen(action) for action in desk.session.reconfigure(more, 0)] == [RESUMED]


@pytest.mark.feature("B13")
@pytest.mark.threat("T21")
@pytest.mark.parametrize(
    ("data", "limit", "bound"),
    [
        ("[" * 33 + "]" * 33, "json_depth", 32),
        ("[" + "1" * 33 + "]", "json_digits", 32),
        (text(2, "a", "M" * 65, {}), "method_length", 64),
    ],
)
def test_limits_of_messages_are_reported(data, limit, bound):
    """Beside the bad message that it is."""
    desk = Desk()
    assert desk.tell(e.TextReceived(data))[0] == seen(Report(n.LimitExceeded(limit, bound)))


def test_the_limit_of_bad_messages_is_reported():
    """When it ends the connection."""
    desk = Desk(max_bad_messages=1)
    assert len(desk.tell(e.TextReceived("junk"))) == 1
    assert desk.tell(e.TextReceived("junk"))[0] == seen(Report(n.LimitExceeded("max_bad_messages", 1)))


# --- Anything at all ---------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
IDS = st.sampled_from(["1", "2", "a", "", "x" * 40, "\ud800", 1, None, [], {}])
CODES = st.sampled_from(["NotSupported", "", None, 5, "Invented"])
FRAMES = st.one_of(
    st.tuples(st.integers(-1, 8) | st.booleans(), IDS, JSON, JSON),
    st.tuples(st.just(2), IDS, st.sampled_from(["Count", "Heartbeat", "Nope", "", 5]), JSON),
    st.tuples(st.just(6), IDS, st.sampled_from(["Count", "Nope"]), JSON),
    st.tuples(st.just(3), IDS, JSON),
    st.tuples(st.sampled_from([4, 5]), IDS, CODES, JSON, JSON),
).map(json.dumps)
ANYTHING = st.one_of(st.text(), st.binary(), JSON.map(json.dumps), FRAMES, FRAMES.map(str.encode))


@pytest.mark.threat("T21")
@settings(max_examples=300)
@given(st.lists(ANYTHING, max_size=8), st.sampled_from(["ocpp1.6", "ocpp2.0.1", "ocpp2.1", None]), st.booleans())
@example(["[" * 50_000], "ocpp1.6", False)
@example(['[2,"a","Count",' + '{"n":' * 400 + "1" + "}" * 401], "ocpp1.6", True)
def test_nothing_that_the_peer_sends_makes_it_raise(texts, protocol, is_strict):
    """Whatever arrives, strict or not, the session answers with JSON frames and goes on."""
    opts = strict(protocol) if is_strict and protocol else options(protocol)
    desk = Desk(protocol, opts=opts, wanted={n.BadMessage})
    desk.call(1, "Count", {"n": 1})
    settled = 0
    for data in texts:
        for action in desk.session.handle(e.TextReceived(data), 0):
            if isinstance(action, SendText):
                assert json.loads(action.text)[0] in (4, 5)
            elif isinstance(action, StartHandler):
                desk.session.handle(e.HandlerReturned(action.request_id, action.params), 0)
            else:
                settled += isinstance(action, ResolveCall | RejectCall)
    assert settled == (not desk.session._outbound._pending)


class AnyOrder(RuleBasedStateMachine):
    """A session and an independent account of what it owes; see `check` for the invariants."""

    @initialize(window=st.sampled_from([1, 2, 3, inf]), hold=st.booleans(), strict_=st.booleans(), opened=st.booleans())
    def start(self, window, hold, strict_, opened):
        make = strict if strict_ else options
        opts = make("ocpp2.1", call_concurrency=window, call_timeout=10, max_bad_messages=3)
        self.desk = Desk(..., opts=opts, wanted=(n.BadMessage, n.LateReply), hold=hold)
        self.window = window
        self.now = 0.0
        self.open = self.ended = False
        self.last_token = 0
        self.owed = set()  # tokens without an outcome
        self.timeouts = {}  # by token
        self.flying = {}  # token by message id, cancelled ones too
        self.due = {}  # deadline by message id
        self.overdue = set()  # message ids of calls whose answer may still come
        self.sent = []  # tokens of calls as they went out
        self.asked = {}  # answers owed to the peer, by message id
        self.running = set()
        self.answering = None
        self.last_request = 0
        if opened:
            self.opens()

    def tell(self, event):
        self.now += 0.25
        self.check(self.desk.session.handle(event, self.now))

    def check(self, actions):
        """Each action is one that may be done now."""
        for action in actions:
            match action:
                case SendText(data):
                    assert self.open
                    self.check_frame(data)
                case ResolveCall(token) | RejectCall(token):
                    self.owed.remove(token)  # owed, not cancelled, and only once
                    assert token not in self.flying.values() or self.closing(actions)
                case StartHandler(request_id):
                    assert self.open
                    assert request_id > self.last_request
                    self.last_request = request_id
                    self.running.add(request_id)
                case CancelHandler(request_id):
                    self.running.remove(request_id)
                case CloseSession(code):
                    assert code == 1002
                    self.open, self.ended = False, True
                    self.flying.clear()
                    self.overdue.clear()
                    self.asked.clear()
                case Report(n.LateReply(message_id, method)):
                    assert message_id in self.overdue or message_id == self.answering
                    assert method == "Count"
                case Report(notice):
                    assert type(notice) in (n.BadMessage, n.LimitExceeded)
        if not self.open:
            assert not self.running
            assert self.desk.session.deadline is None
        if self.ended:
            assert not self.owed
            assert self.desk.session.idle

    @staticmethod
    def closing(actions):
        """Whether these actions give everything up."""
        return type(actions[-1]) is CloseSession

    def check_frame(self, data):
        if data == "raw":
            return
        kind, message_id, *rest = json.loads(data)
        match kind:
            case 2:
                token = rest[1]["n"]
                assert token in self.owed  # neither settled nor cancelled
                assert token not in self.sent
                assert len(self.flying) < self.window
                self.sent.append(token)
                if not rest[1].get("no_reply"):
                    self.flying[message_id] = token
                    self.due[message_id] = self.now + (self.timeouts[token] or 10)
            case 3 | 4 if message_id != "-1":
                self.asked[message_id] -= 1
                assert self.asked[message_id] >= 0
            case _:
                assert kind in (4, 5, 6)

    @rule(timeout=st.sampled_from([None, 1, inf]), no_reply=st.sampled_from([False, False, True]))
    def call(self, timeout, no_reply):
        self.request("call", timeout, no_reply, good=True)

    @rule(kind=st.sampled_from(["call", "send", "raw"]), good=st.booleans())
    def other(self, kind, good):
        self.request(kind, None, no_reply=False, good=good)

    def request(self, kind, timeout, no_reply, good):
        self.last_token += 1
        token = self.last_token
        self.owed.add(token)
        self.timeouts[token] = timeout
        params = {"n": token if good else object(), "no_reply": no_reply}
        match kind:
            case "call":
                self.tell(e.CallRequested(token, "Count", params, timeout, no_reply))
            case "send":
                self.tell(e.SendRequested(token, "Count", params))
            case _:
                self.tell(e.RawSendRequested(token, "raw" if good else "\ud800"))

    @rule(data=st.data())
    def cancel(self, data):
        token = data.draw(st.sampled_from([*self.flying.values(), *sorted(self.owed), self.last_token + 1]))
        self.owed.discard(token)
        self.tell(e.CallCancelled(token))

    @rule(window=st.sampled_from([1, 2, inf]))
    def reconfigure(self, window):
        self.window = window
        changed = replace(self.desk.options, call_concurrency=window)
        self.check(self.desk.session.reconfigure(changed, self.now))

    @precondition(lambda self: self.open and self.flying)
    @rule(data=st.data(), frame=st.sampled_from([(3, {"n": 1}), (3, {}), (3,), (4, "NotSupported", "", {}), (4, 1)]))
    def answer(self, data, frame):
        message_id = data.draw(st.sampled_from(sorted(self.flying)))
        token = self.flying.pop(message_id)
        self.answering = None if token in self.owed else message_id  # late, for it was cancelled
        self.tell(e.TextReceived(text(frame[0], message_id, *frame[1:])))
        assert token not in self.owed
        self.answering = None

    @precondition(lambda self: self.open and self.overdue)
    @rule(data=st.data(), frame=st.sampled_from([(3, {"n": 1}), (3, {}), (4, "NotSupported", "", {})]))
    def answer_too_late(self, data, frame):
        message_id = data.draw(st.sampled_from(sorted(self.overdue)))
        before = self.desk.session.deadline, set(self.owed), dict(self.flying)
        self.now += 0.25
        payload = [frame[0], message_id, *frame[1:]]
        (report,) = self.desk.session.handle(e.TextReceived(text(*payload)), self.now)
        assert report.notice.payload == payload
        assert (self.desk.session.deadline, self.owed, self.flying) == before
        self.overdue.remove(message_id)

    @rule(frame=FRAMES | st.text())
    def anything(self, frame):
        if any(f'"{message_id}"' in frame for message_id in {*self.flying, *self.overdue}):
            return  # other rules do that
        try:
            match json.loads(frame):
                case [2, str(message_id), *_] if self.open:
                    self.asked[message_id] = self.asked.get(message_id, 0) + 1
        except ValueError:
            pass
        self.tell(e.TextReceived(frame))

    @rule(number=st.integers(1, 3), method=st.sampled_from(["Count", "Nope"]))
    def asks(self, number, method):
        if self.open:
            message_id = f"p{number}"
            self.asked[message_id] = self.asked.get(message_id, 0) + 1
        self.tell(e.TextReceived(text(2, f"p{number}", method, {"n": 1})))

    @rule(data=st.data(), how=st.sampled_from(["return", "raise", "decline", "early"]), good=st.booleans())
    def handled(self, data, how, good):
        request_id = data.draw(st.integers(1, self.last_request + 1))
        result = {"n": 1} if good else object()
        event = {
            "return": e.HandlerReturned(request_id, result),
            "raise": e.HandlerRaised(request_id, RPCNotSupportedError("no", {"x": result})),
            "decline": e.HandlerDeclined(request_id),
            "early": e.HandlerReplied(e.HandlerReturned(request_id, result)),
        }[how]
        if how != "early":
            self.running.discard(request_id)
        self.tell(event)

    @rule(seconds=st.sampled_from([0, 1, 5, 20]))
    def tick(self, seconds):
        self.now += seconds
        overdue = {message_id for message_id in self.flying if self.due[message_id] <= self.now + 0.25}
        tokens = {self.flying.pop(message_id) for message_id in overdue}
        self.overdue |= overdue
        self.tell(e.Tick())
        assert not tokens & self.owed

    @rule()
    def ready(self):
        self.tell(e.HandlersReady())

    @precondition(lambda self: not self.open)
    @rule()
    def opens(self):
        self.open, self.ended = True, False
        self.tell(e.SessionOpened("ocpp2.1"))

    @rule(final=st.booleans())
    def lost(self, final):
        self.open, self.ended = False, final
        flying = set(self.flying.values())
        self.flying.clear()
        self.overdue.clear()
        self.asked.clear()
        self.tell(e.SessionLost("cut", final))
        assert not flying & self.owed

    @precondition(lambda self: self.last_token > 5)  # not too often: then nothing new happens
    @rule()
    def drain(self):
        self.ended = self.ended or not self.open
        self.check(self.desk.session.drain())

    @invariant()
    def the_deadline_is_that_of_the_first_call_to_be_overdue(self):
        earliest = min((self.due[message_id] for message_id in self.flying), default=inf)
        assert self.desk.session.deadline == (None if earliest == inf else earliest)

    @invariant()
    def calls_went_out_in_order(self):
        assert self.sent == sorted(self.sent)

    def teardown(self):
        if hasattr(self, "desk"):
            self.lost(final=True)


TestAnyOrder = pytest.mark.feature("B2")(AnyOrder.TestCase)
TestAnyOrder.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_every_event_has_a_reaction():
    """The table of reactions has each event that a session can be told, and nothing else."""
    assert {*Session._reactions} == {*get_args(e.SessionEvent)}
