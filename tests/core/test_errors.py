"""Whose fault it is, and which class stands for which code."""

import inspect
import pickle

import pytest

from ocpp_rpc_core import errors
from ocpp_rpc_core.errors import ERRORS, RPCError, RPCGenericError, create_rpc_error

OCPP_16 = {
    *("NotImplemented", "NotSupported", "InternalError", "ProtocolError", "SecurityError", "GenericError"),
    *("FormationViolation", "PropertyConstraintViolation", "OccurenceConstraintViolation"),
    "TypeConstraintViolation",
}
OCPP_2X = {
    *("FormatViolation", "GenericError", "InternalError", "MessageTypeNotSupported", "NotImplemented"),
    *("NotSupported", "OccurrenceConstraintViolation", "PropertyConstraintViolation", "ProtocolError"),
    *("RpcFrameworkError", "SecurityError", "TypeConstraintViolation"),
}
CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if cls.__module__ == errors.__name__]


@pytest.mark.rule(22)
@pytest.mark.rule(23)
@pytest.mark.feature("E1")
def test_every_code_has_its_class():
    """Every code of 1.6 and 2.x, in both spellings, has one class of its own: fourteen in all."""
    assert set(ERRORS) == OCPP_16 | OCPP_2X
    assert len(set(ERRORS.values())) == len(ERRORS) == 14
    assert set(ERRORS.values()) == {cls for cls in CLASSES if issubclass(cls, RPCError)} - {RPCError}


@pytest.mark.feature("E1")
@pytest.mark.parametrize("code", sorted(ERRORS))
def test_create_known(code):
    """A code gives its class; the class without a code gives that code."""
    error = create_rpc_error(code, "why", {"a": 1})
    assert type(error) is ERRORS[code]
    assert (error.code, error.message, error.details) == (code, "why", {"a": 1})
    assert ERRORS[code]().code == code


@pytest.mark.feature("E1")
def test_create_unknown():
    """A code that no specification knows gives a generic error that keeps it."""
    error = create_rpc_error("MyOwnError")
    assert type(error) is RPCGenericError
    assert (error.code, error.message, error.details) == ("MyOwnError", "", {})


def test_details_are_not_shared():
    """Errors without details have an object each, so that filling one fills no other."""
    assert RPCError().details is not RPCError().details
    given = {"a": 1}
    assert RPCError("", given).details is given


def test_text():
    """An error says its code, and its message if it has one; its repr would make it again."""
    error = errors.RPCSecurityError("no", {"a": 1}, code="Own")
    assert str(error) == "Own: no"
    assert repr(error) == "RPCSecurityError('no', {'a': 1}, code='Own')"
    again = eval(repr(error), vars(errors))
    assert (type(again), again.code, again.message, again.details) == (type(error), "Own", "no", {"a": 1})
    assert str(RPCError()) == "GenericError"
    assert error.args == ("no",)


@pytest.mark.feature("C15")
@pytest.mark.feature("C16")
def test_calls_without_an_answer():
    """A call that got no answer fails apart from `RPCError`, and as the built-in error it is a case of."""
    for cls, builtin in (
        (errors.CallTimeout, TimeoutError),
        (errors.NotConnected, ConnectionError),
        (errors.ConnectionLost, ConnectionError),
    ):
        assert issubclass(cls, errors.CallFailed)
        assert issubclass(cls, builtin)
        assert not issubclass(cls, RPCError)
        assert str(cls("why")) == "why"


@pytest.mark.feature("B18")
def test_which_message_it_was():
    """Errors of calls can say it, and otherwise have no id; the text stays the only argument."""
    assert RPCError().message_id is None
    for cls in (errors.CallFailed, errors.CallTimeout, errors.NotConnected, errors.ConnectionLost):
        assert (cls().message_id, str(cls())) == (None, "")
        error = cls("why", message_id="7")
        assert (error.message_id, error.args) == ("7", ("why",))
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.message_id, str(again)) == (cls, "7", "why")


@pytest.mark.feature("C9")
def test_permanent():
    """Only what no retry can mend is permanent."""
    handshakes = {cls for cls in CLASSES if issubclass(cls, errors.HandshakeError)}
    assert {cls for cls in handshakes if cls.permanent} == {
        errors.InvalidHandshake,
        errors.SubprotocolMismatch,
    }
    assert all(issubclass(cls, ConnectionError) for cls in handshakes)
    assert issubclass(errors.HandshakeTimeout, TimeoutError)


@pytest.mark.feature("C11")
def test_unexpected_response():
    """The server's answer that is no upgrade keeps status, headers and body."""
    error = errors.UnexpectedHTTPResponse(404, [("a", "b")], b"gone")
    assert (error.status, error.headers, error.body) == (404, [("a", "b")], b"gone")
    assert "404" in str(error)


def test_refused():
    """A refusal keeps status and message."""
    error = errors.UpgradeRefused(401, "who?")
    assert (error.status, error.message, str(error)) == (401, "who?", "401: who?")


@pytest.mark.parametrize("cls", CLASSES)
def test_docstrings(cls):
    """Every error says when it happens, itself and not by inheritance."""
    assert "__doc__" in vars(cls)
    assert cls.__doc__
