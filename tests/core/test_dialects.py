"""What each subprotocol says differently."""

import dataclasses
from math import inf

import pytest

from ocpp_rpc_core._dialects import DIALECTS, PLAIN, dialect_of
from ocpp_rpc_core.errors import ERRORS

V16 = ("ocpp1.2", "ocpp1.5", "ocpp1.6")
V201 = ("ocpp2.0", "ocpp2.0.1")
V21 = ("ocpp2.1",)
V2X = V201 + V21


@pytest.mark.rule(26)
def test_names():
    """The six registered names are known; any other, and none, is plain."""
    assert set(DIALECTS) == {*V16, *V2X}
    assert all(dialect_of(name) is DIALECTS[name] is not PLAIN for name in DIALECTS)
    assert dialect_of("ocpp9") is dialect_of("OCPP1.6") is dialect_of("") is dialect_of(None) is PLAIN


@pytest.mark.parametrize(("names", "types"), [((None, "own", *V16, *V201), {2, 3, 4}), (V21, {2, 3, 4, 5, 6})])
def test_message_types(names, types):
    """CALLRESULTERROR and SEND exist on 2.1 only."""
    assert all(dialect_of(name).message_types == types for name in names)


def test_limits():
    """OCPP limits ids and descriptions and reads null as an empty payload; a plain subprotocol does not."""
    for dialect in DIALECTS.values():
        assert (dialect.max_message_id, dialect.max_description) == (36, 255)
        assert dialect.empty_for_null
    assert (PLAIN.max_message_id, PLAIN.max_description, PLAIN.empty_for_null) == (inf, None, False)


SPOKEN_16 = {
    *("NotImplemented", "NotSupported", "InternalError", "ProtocolError", "SecurityError", "GenericError"),
    *("FormationViolation", "PropertyConstraintViolation", "OccurenceConstraintViolation"),
    "TypeConstraintViolation",
}
SPOKEN_2X = {
    *("FormatViolation", "GenericError", "InternalError", "MessageTypeNotSupported", "NotImplemented"),
    *("NotSupported", "OccurrenceConstraintViolation", "PropertyConstraintViolation", "ProtocolError"),
    *("RpcFrameworkError", "SecurityError", "TypeConstraintViolation"),
}


@pytest.mark.rule(22)
@pytest.mark.feature("E2")
@pytest.mark.parametrize("name", V16)
def test_spelling_16(name):
    """1.6 says only the codes of its specification, with both odd spellings."""
    spell = dialect_of(name).spell
    assert {spell(code) for code in ERRORS} == SPOKEN_16
    assert spell("FormatViolation") == spell("FormationViolation") == "FormationViolation"
    assert spell("OccurrenceConstraintViolation") == "OccurenceConstraintViolation"
    assert spell("RpcFrameworkError") == spell("MessageTypeNotSupported") == "GenericError"


@pytest.mark.rule(23)
@pytest.mark.feature("E2")
@pytest.mark.parametrize("name", V2X)
def test_spelling_2x(name):
    """2.x says only the codes of its specification, in its spelling."""
    spell = dialect_of(name).spell
    assert {spell(code) for code in ERRORS} == SPOKEN_2X
    assert spell("FormatViolation") == spell("FormationViolation") == "FormatViolation"
    assert spell("OccurenceConstraintViolation") == "OccurrenceConstraintViolation"


@pytest.mark.parametrize("name", [*DIALECTS, "own", None])
def test_what_is_open_to_choice(name):
    """Null may be refused in OCPP alone, an unknown type answered anywhere; nothing else is changed by it."""
    usual = dialect_of(name)
    assert (usual.refuses_null, usual.answers_unknown) == (False, False)
    changed = dialect_of(name, refuses_null=True, answers_unknown=True)
    assert changed == dataclasses.replace(usual, refuses_null=name in DIALECTS, answers_unknown=True)
    assert (dialect_of(name, refuses_null=True) is usual) is (name not in DIALECTS)


def test_the_code_of_a_payload_that_is_no_object():
    """On 1.6 a ProtocolError is an incomplete payload; on 2.x it is one of the wrong structure."""
    assert {name: dialect.no_object for name, dialect in DIALECTS.items()} == {
        **dict.fromkeys(V16, "FormationViolation"),
        **dict.fromkeys(V2X, "ProtocolError"),
    }


@pytest.mark.feature("E2")
def test_other_codes_are_kept():
    """A code of the user's own is sent as it is, and a plain subprotocol keeps every code."""
    assert all(dialect.spell("MyOwn") == "MyOwn" for dialect in DIALECTS.values())
    assert {PLAIN.spell(code) for code in ERRORS} == set(ERRORS)


def test_spelling_is_settled():
    """What is spelled as the wire wants it stays so when it is spelled again."""
    for dialect in DIALECTS.values():
        assert all(dialect.spell(dialect.spell(code)) == dialect.spell(code) for code in ERRORS)


def test_nobody_changes_a_dialect():
    """The table and its rows are read-only."""
    with pytest.raises(TypeError):
        DIALECTS["ocpp9"] = PLAIN
    for dialect in DIALECTS.values():
        with pytest.raises(TypeError):
            dialect.spellings["A"] = "B"
        with pytest.raises(dataclasses.FrozenInstanceError):
            dialect.max_message_id = 1
