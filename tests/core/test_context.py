"""What both directions share: line, dialect, strict mode, observers."""

import pytest
from support.desk import number_validator, options, seen, strict

from ocpp_rpc_core._context import Context, Everything, Line
from ocpp_rpc_core._dialects import CALL, CALLRESULT, OCPP_16, OCPP_21, PLAIN, SEND
from ocpp_rpc_core.actions import Report, SendText
from ocpp_rpc_core.errors import (
    RPCError,
    RPCNotImplementedError,
    RPCOccurrenceConstraintViolationError,
)
from ocpp_rpc_core.notices import LimitExceeded, MessageEvent, StrictValidationFailure


def test_everything_is_contained_in_everything():
    """`Everything` contains whatever is asked for."""
    assert MessageEvent in Everything()


@pytest.mark.parametrize(
    ("line", "talking", "refusing"),
    [
        (Line.WAITING, False, False),
        (Line.OPEN, True, False),
        (Line.DRAINING, True, True),
        (Line.ENDED, False, True),
    ],
)
def test_what_a_line_allows(line, talking, refusing):
    """Messages flow while open or draining; calls are refused while draining or ended."""
    context = Context(options(), ())
    context.turn(line)
    assert (context.talking, context.refusing) == (talking, refusing)


def test_settling_chooses_dialect_and_validator():
    """The subprotocol decides the dialect, and the validator if it is strict there."""
    own = number_validator("ocpp1.6")
    context = Context(options(strict_mode=True, strict_mode_validators=[own]), ())
    assert (context.protocol, context.settled, context.dialect, context.validator) == (
        None,
        False,
        PLAIN,
        None,
    )
    context.settle("ocpp1.6")
    assert (context.protocol, context.settled, context.dialect, context.validator) == (
        "ocpp1.6",
        True,
        OCPP_16,
        own,
    )
    context.settle("ocpp2.1")
    assert (context.dialect, context.validator) == (OCPP_21, None)
    context.settle(None)
    assert (context.protocol, context.settled, context.dialect, context.validator) == (
        None,
        True,
        PLAIN,
        None,
    )


def test_messages_and_notices_are_reported_to_who_wants_them():
    """Every sent message is reported, after it, if somebody listens; other notices likewise."""
    quiet, loud = Context(options(), ()), Context(options(), {MessageEvent})
    notice = MessageEvent("b", outbound=False)
    out = []
    quiet.send("a", out)
    quiet.report(notice, out)
    assert out == [SendText("a")]
    out = []
    loud.send("a", out)
    loud.report(notice, out)
    assert out == [SendText("a"), Report(MessageEvent("a", outbound=True)), Report(notice)]


@pytest.mark.feature("E6")
@pytest.mark.parametrize("outbound", [True, False])
@pytest.mark.parametrize("kind", [CALL, SEND, CALLRESULT])
def test_strict_mode_reports_and_raises(kind, outbound):
    """A payload against the schema is reported with all its circumstances, and raised in the dialect's spelling."""
    context = Context(strict(), Everything())
    context.settle("ocpp1.6")
    good, bad, out = {"n": 1}, {}, []
    result = (good, bad) if kind == CALLRESULT else (None, None)
    context.validate(kind, "i", "Count", good, result[0], outbound=outbound, out=out)
    assert out == []
    params = good if kind == CALLRESULT else bad
    with pytest.raises(RPCOccurrenceConstraintViolationError) as caught:
        context.validate(kind, "i", "Count", params, result[1], outbound=outbound, out=out)
    assert caught.value.code == "OccurenceConstraintViolation"
    assert out == [
        Report(
            StrictValidationFailure(
                error=caught.value,
                message_id="i",
                method="Count",
                params=params,
                result=result[1],
                outbound=outbound,
                is_call=kind != CALLRESULT,
            )
        )
    ]


@pytest.mark.feature("E3")
@pytest.mark.parametrize(
    ("kind", "outbound", "code"),
    [
        (CALL, False, "NotImplemented"),
        (SEND, False, "NotImplemented"),
        (CALL, True, "ProtocolError"),
        (SEND, True, "ProtocolError"),
        (CALLRESULT, False, "ProtocolError"),
        (CALLRESULT, True, "ProtocolError"),
    ],
)
def test_methods_without_schema(kind, outbound, code):
    """The peer's call of an unknown method is NotImplemented, everything else is a ProtocolError."""
    context = Context(strict(), Everything())
    context.settle("ocpp1.6")
    out = []
    with pytest.raises(RPCError) as caught:
        context.validate(kind, "i", "Nope", {}, outbound=outbound, out=out)
    assert caught.value.code == code
    assert len(out) == 1
    if code == "NotImplemented":
        assert seen(caught.value) == seen(RPCNotImplementedError("the method is not known in ocpp1.6"))


def test_without_strict_mode_everything_passes():
    """Nothing is judged on a subprotocol that is not strict."""
    context = Context(options(), Everything())
    context.settle("ocpp1.6")
    out = []
    context.validate(CALL, "i", "Nope", object(), outbound=True, out=out)
    assert out == []


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.1", None])
def test_settling_takes_the_policies(protocol):
    """What the options choose goes into the dialect; ids are remembered only where something depends on them."""
    context = Context(options(), ())
    context.settle(protocol)
    assert (context.dialect.refuses_null, context.dialect.answers_unknown) == (False, False)
    assert (context.refuses_repeats, context.remembers) == (False, protocol == "ocpp2.1")
    context.options = options(null_payload="refuse", unknown_message_type="answer", repeated_ids="refuse")
    context.settle(protocol)
    assert (context.dialect.refuses_null, context.dialect.answers_unknown) == (protocol is not None, True)
    assert (context.refuses_repeats, context.remembers) == (True, True)


@pytest.mark.feature("B13")
def test_limits_are_reported_with_their_bound():
    """That of `Limits`, or an option of its own; whether somebody listens here or not."""
    out = []
    context = Context(options(), ())
    context.exceeded("queued_calls", out)
    context.exceeded("max_message_size", out)
    assert out == [Report(LimitExceeded("queued_calls", 100)), Report(LimitExceeded("max_message_size", 2**20))]
