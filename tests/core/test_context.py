"""What both directions of a session share."""

import pytest

from ocpp_rpc_core._context import Context, Everything, Line
from ocpp_rpc_core._dialects import CALL, CALLRESULT, OCPP_16, OCPP_21, PLAIN, SEND
from ocpp_rpc_core.actions import Report, SendText
from ocpp_rpc_core.config import ServerOptions
from ocpp_rpc_core.errors import ERRORS, RPCError
from ocpp_rpc_core.notices import Closed, Closing, MessageEvent, StrictValidationFailure
from ocpp_rpc_core.validation import create_validator, standard_validator

OPTIONS = ServerOptions(entropy=bytes, protocols=["ocpp1.6", "ocpp2.1"], strict_mode=["ocpp1.6"])


def test_at_first():
    """Before a connection is open nothing is settled, and nothing is judged."""
    context = Context(OPTIONS, Everything())
    assert (context.options, context.protocol, context.settled) == (OPTIONS, None, False)
    assert (context.dialect, context.validator, context.line) == (PLAIN, None, Line.WAITING)


@pytest.mark.rule(26)
@pytest.mark.feature("S8")
def test_settle():
    """The subprotocol decides the dialect and, where strict mode is on, the validator."""
    context = Context(OPTIONS, Everything())
    for protocol, dialect, validator in (
        ("ocpp1.6", OCPP_16, standard_validator("ocpp1.6")),
        ("ocpp2.1", OCPP_21, None),
        ("own", PLAIN, None),
        ("ocpp1.6", OCPP_16, standard_validator("ocpp1.6")),
        (None, PLAIN, None),
    ):
        context.settle(protocol)
        assert (context.protocol, context.settled) == (protocol, True)
        assert (context.dialect, context.validator) == (dialect, validator)


@pytest.mark.feature("C30")
@pytest.mark.parametrize(
    ("line", "talking", "refusing"),
    [
        (Line.WAITING, False, False),
        (Line.OPEN, True, False),
        (Line.DRAINING, True, True),
        (Line.ENDED, False, True),
    ],
)
def test_line(line, talking, refusing):
    """Messages pass while the line is open or drains; calls are refused once it drains or has ended."""
    context = Context(OPTIONS, Everything())
    context.line = line
    assert (context.talking, context.refusing) == (talking, refusing)


def strict(protocol):
    """A context in strict mode, whose every schema asks for an object with the string `x`."""
    schema = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
    kinds = (".req", ".conf", ".send")
    validator = create_validator(protocol, [{"$id": f"urn:A{kind}", **schema} for kind in kinds])
    options = ServerOptions(
        entropy=bytes, protocols=[protocol], strict_mode=True, strict_mode_validators=[validator]
    )
    context = Context(options, Everything())
    context.settle(protocol)
    return context


JUDGED = [(kind, outbound) for kind in (CALL, CALLRESULT, SEND) for outbound in (True, False)]


@pytest.mark.feature("E4")
@pytest.mark.feature("E5")
@pytest.mark.feature("E6")
@pytest.mark.parametrize(("kind", "outbound"), JUDGED)
def test_validate(kind, outbound):
    """What a message carries is judged, in both directions; what fails is reported whole."""
    context, out = strict("ocpp2.1"), []
    good, bad = {"x": "1"}, {"x": 1}
    is_call = kind != CALLRESULT
    fine = {"params": good} if is_call else {"params": bad, "result": good}
    context.validate(kind, "id1", "A", **fine, outbound=outbound, out=out)
    assert out == []
    wrong = {"params": bad, "result": None} if is_call else {"params": good, "result": bad}
    with pytest.raises(ERRORS["TypeConstraintViolation"]) as caught:
        context.validate(kind, "id1", "A", **wrong, outbound=outbound, out=out)
    failure = StrictValidationFailure(
        caught.value, "id1", "A", wrong["params"], wrong["result"], outbound=outbound, is_call=is_call
    )
    assert out == [Report(failure)]


@pytest.mark.feature("E3")
@pytest.mark.parametrize(
    ("kind", "outbound", "code"),
    [
        (CALL, True, "ProtocolError"),
        (SEND, True, "ProtocolError"),
        (CALL, False, "NotImplemented"),
        (SEND, False, "NotImplemented"),
        (CALLRESULT, True, "ProtocolError"),
        (CALLRESULT, False, "ProtocolError"),
    ],
)
def test_unknown_method(kind, outbound, code):
    """A method without schema is not known here when the peer calls it, and our own mistake when we do."""
    context, out = strict("ocpp2.1"), []
    with pytest.raises(RPCError) as caught:
        context.validate(kind, "id1", "B", {}, {}, outbound=outbound, out=out)
    assert (caught.value.code, len(out)) == (code, 1)


@pytest.mark.rule(22)
@pytest.mark.rule(23)
@pytest.mark.feature("E2")
@pytest.mark.parametrize(
    ("protocol", "code"),
    [("ocpp1.6", "OccurenceConstraintViolation"), ("ocpp2.1", "OccurrenceConstraintViolation")],
)
def test_spelling(protocol, code):
    """The error is spelled as on this wire."""
    with pytest.raises(RPCError) as caught:
        strict(protocol).validate(CALL, "id1", "A", {}, outbound=True, out=[])
    assert caught.value.code == code


@pytest.mark.feature("S8")
@pytest.mark.parametrize(("kind", "outbound"), JUDGED)
def test_not_strict(kind, outbound):
    """Where strict mode is off nothing is judged."""
    context, out = Context(OPTIONS, Everything()), []
    context.settle("ocpp2.1")
    context.validate(kind, "id1", "NoSuchMethod", 1, 2, outbound=outbound, out=out)
    assert out == []


@pytest.mark.feature("C26")
@pytest.mark.parametrize("text", ["[3]", b"[3]"])
def test_send(text):
    """A message is sent, then reported if somebody wants to hear it."""
    report = Report(MessageEvent(text, outbound=True))
    for wanted, actions in (
        (Everything(), [SendText(text), report]),
        ({MessageEvent}, [SendText(text), report]),
        ({Closed}, [SendText(text)]),
    ):
        out = []
        Context(OPTIONS, wanted).send(text, out)
        assert out == actions


@pytest.mark.feature("C27")
def test_report():
    """A notice is reported to whoever wants to hear its type."""
    out = []
    context = Context(OPTIONS, {Closed})
    context.report(Closing(), out)
    assert out == []
    context.report(Closed(1000, ""), out)
    assert out == [Report(Closed(1000, ""))]


def test_everything():
    """Somebody who wants to hear everything wants to hear each type."""
    assert Closed in Everything()
    assert MessageEvent in Everything()
