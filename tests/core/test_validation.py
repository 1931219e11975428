"""Strict mode's public face: validators, error codes, messages."""

import copy
import dataclasses
import json
import math
import subprocess
import sys

import pytest
from hypothesis import given, strategies as st

from ocpp_rpc_core.errors import ERRORS, RPCError, RPCProtocolError, RPCTypeConstraintViolationError
from ocpp_rpc_core.validation import (
    KEYWORD_CODES,
    STANDARD,
    create_validator,
    schemas,
    standard_validator,
)

STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}


def error_of(judge, method, payload):
    """The error a validator raises."""
    with pytest.raises(RPCError) as caught:
        judge(method, payload)
    return caught.value


def outcome(judge, method, payload):
    """The error a validator raises, or None."""
    try:
        judge(method, payload)
    except RPCError as error:
        return error
    return None


def own(schema, **options):
    """A validator for the request of `M`."""
    return create_validator("own1", [{"$id": "urn:M.req", **schema}], **options)


# The built-in ones.


@pytest.mark.feature("E7")
@pytest.mark.parametrize("subprotocol", STANDARD)
def test_standard_validators(subprotocol):
    """There is one for each version, always the same, that knows each message of its schemas and no other."""
    validator = standard_validator(subprotocol)
    assert standard_validator(subprotocol) is validator
    assert validator.subprotocol == subprotocol
    assert validator.methods == schemas(subprotocol)["messages"].keys()
    assert validator.knows("Heartbeat")
    assert not validator.knows("Heartbeet")
    validator.validate_request("Heartbeat", {})
    validator.validate_response("Heartbeat", {"currentTime": "2024-05-17T10:21:33Z"})


def test_other_subprotocols():
    """There is no built-in validator for them, and no schemas."""
    assert standard_validator("ocpp9") is None
    with pytest.raises(ValueError, match=r"only for ocpp1\.6, ocpp2\.0\.1, ocpp2\.1"):
        schemas("ocpp9")


@pytest.mark.feature("E7")
def test_the_security_extension_of_16():
    """Its messages are among those of 1.6."""
    standard_validator("ocpp1.6").validate_request(
        "SecurityEventNotification", {"type": "x", "timestamp": "2024-05-17T10:21:33Z"}
    )


@pytest.mark.feature("E7")
def test_send():
    """Only 2.1 has a message for SEND, and it is no request."""
    validator = standard_validator("ocpp2.1")
    method = "NotifyPeriodicEventStream"
    payload = {
        "id": 1,
        "pending": 0,
        "basetime": "2024-05-17T10:21:33Z",
        "data": [{"t": 0.5, "v": "230"}],
    }
    validator.validate_send(method, payload)
    error = error_of(validator.validate_send, method, {**payload, "id": "x"})
    assert error.message == "params.id: 'x' is not of type integer"
    assert type(error_of(validator.validate_request, method, payload)) is RPCProtocolError
    assert type(error_of(validator.validate_send, "Heartbeat", {})) is RPCProtocolError
    assert type(error_of(standard_validator("ocpp1.6").validate_send, method, payload)) is RPCProtocolError


# Errors.


@pytest.mark.feature("E3")
@pytest.mark.parametrize(
    ("keyword", "schema", "value", "code"),
    [
        ("type", {"type": "string"}, 1, "TypeConstraintViolation"),
        ("required", {"required": ["a"]}, {}, "OccurrenceConstraintViolation"),
        ("minItems", {"minItems": 1}, [], "OccurrenceConstraintViolation"),
        ("maxItems", {"maxItems": 0}, [1], "OccurrenceConstraintViolation"),
        ("minProperties", {"minProperties": 1}, {}, "OccurrenceConstraintViolation"),
        ("maxProperties", {"maxProperties": 0}, {"a": 1}, "OccurrenceConstraintViolation"),
        ("enum", {"enum": ["a"]}, "b", "PropertyConstraintViolation"),
        ("const", {"const": 1}, 2, "PropertyConstraintViolation"),
        ("pattern", {"pattern": "a"}, "b", "PropertyConstraintViolation"),
        ("additionalProperties", {"additionalProperties": False}, {"a": 1}, "PropertyConstraintViolation"),
        ("minLength", {"minLength": 1}, "", "PropertyConstraintViolation"),
        ("maxLength", {"maxLength": 0}, "a", "PropertyConstraintViolation"),
        ("minimum", {"minimum": 1}, 0, "PropertyConstraintViolation"),
        ("maximum", {"maximum": 1}, 2, "PropertyConstraintViolation"),
        ("exclusiveMinimum", {"exclusiveMinimum": 1}, 1, "PropertyConstraintViolation"),
        ("exclusiveMaximum", {"exclusiveMaximum": 1}, 1, "PropertyConstraintViolation"),
        ("multipleOf", {"multipleOf": 2}, 1, "PropertyConstraintViolation"),
        ("propertyNames", {"propertyNames": {"maxLength": 0}}, {"a": 1}, "PropertyConstraintViolation"),
        ("dependencies", {"dependencies": {"a": ["b"]}}, {"a": 1}, "PropertyConstraintViolation"),
        ("format", {"format": "date-time"}, "x", "FormatViolation"),
        ("anyOf", {"anyOf": [False]}, 1, "FormatViolation"),
        ("not", {"not": {}}, 1, "FormatViolation"),
        ("uniqueItems", {"uniqueItems": True}, [1, 1], "FormatViolation"),
    ],
)
def test_the_keyword_decides_the_code(keyword, schema, value, code):
    """Code, class and details follow from the keyword, spelled as in 2.x."""
    error = error_of(own({"properties": {"p": schema}}).validate_request, "M", {"p": value})
    assert error.code == code
    assert type(error) is ERRORS[code]
    assert error.details["keyword"] == keyword
    assert error.details["path"] == ["p"]


@pytest.mark.feature("E3")
def test_codes_can_be_overridden():
    """Per validator and keyword, also for keywords that are not in the table; the others keep theirs."""
    schema = {"type": "object", "properties": {"a": {"format": "date-time"}, "b": {"type": "string"}}}
    validator = own(schema, error_codes={"format": "FormationViolation", "type": "GenericError"})
    assert error_of(validator.validate_request, "M", {"a": "x"}).code == "FormationViolation"
    assert error_of(validator.validate_request, "M", {"b": 1}).code == "GenericError"
    assert error_of(own(schema).validate_request, "M", {"b": 1}).code == KEYWORD_CODES["type"]


@pytest.mark.parametrize(
    ("payload", "message", "details"),
    [
        (
            {**STATUS, "connectorId": "x"},
            "params.connectorId: 'x' is not of type integer",
            {"keyword": "type", "path": ["connectorId"], "limit": "integer"},
        ),
        (
            {"connectorId": 1, "errorCode": "NoError"},
            "params: 'status' is required",
            {"keyword": "required", "path": [], "property": "status"},
        ),
        (
            {**STATUS, "extra": 1},
            "params: 'extra' is not allowed",
            {"keyword": "additionalProperties", "path": [], "property": "extra"},
        ),
        ([], "params: an array is not of type object", {"keyword": "type", "path": [], "limit": "object"}),
    ],
)
def test_messages(payload, message, details):
    """The message says what is wrong and where, the details say it to programs."""
    error = error_of(standard_validator("ocpp1.6").validate_request, "StatusNotification", payload)
    assert (error.message, error.details) == (message, details)
    assert error.__suppress_context__


def test_places():
    """Keys and indices; a dot in a key is no step of the path; a result is no params."""
    schema = {"$id": "M.conf", "properties": {"a.b": {"items": {"properties": {"c": {"type": "null"}}}}}}
    validator = create_validator("own1", [schema])
    error = error_of(validator.validate_response, "M", {"a.b": [{}, {"c": 1}]})
    assert error.message == "result.a.b[1].c: 1 is not of type null"
    assert error.details["path"] == ["a.b", 1, "c"]


@pytest.mark.rule(7)
def test_a_message_is_at_most_255_characters_long():
    """However long keys and values are; more does not fit into an errorDescription."""
    deep = {"type": "null"}
    payload = "x" * 1000
    for _ in range(20):
        deep, payload = {"additionalProperties": deep}, {"k" * 1000: payload}
    error = error_of(own(deep).validate_request, "M", payload)
    assert len(error.message) == 255
    assert error.message.endswith("…")
    error = error_of(own({"additionalProperties": False}).validate_request, "M", {"k" * 1000: 1})
    assert len(json.dumps([error.message, error.details])) < 300
    error = error_of(own({}).validate_request, "x" * 1000, {})
    assert len(error.message) < 255


def test_a_method_without_schema():
    """It is a `RPCProtocolError`, and `knows` tells beforehand; one direction alone is enough to be known."""
    validator = create_validator("own1", [{"$id": "M.req"}])
    assert validator.knows("M")
    validator.validate_request("M", {})
    for judge, method in (
        (validator.validate_response, "M"),
        (validator.validate_send, "M"),
        (validator.validate_request, "N"),
    ):
        error = error_of(judge, method, {})
        assert type(error) is RPCProtocolError
        assert error.message.endswith(f"there is no schema for '{method}' in own1")


def test_the_fast_verdict_counts():
    """Where no violation can be found it is a FormatViolation all the same."""
    validator = own({"properties": {"a": {"$ref": "#"}}, "type": "object"})
    payload = {}
    for _ in range(100_000):
        payload = {"a": payload}
    error = error_of(validator.validate_request, "M", payload)
    assert (error.code, error.details) == ("FormatViolation", {})
    while payload:  # a deep object must not be freed at once
        payload = payload["a"]


# Validators of one's own.


@pytest.mark.feature("E8")
@pytest.mark.feature("S9")
def test_create_validator():
    """Each schema is found by the method in its `$id`; definitions are its own; the input is not changed."""
    documents = [
        {
            "$id": "urn:Get.req",
            "definitions": {"X": {"type": "string"}},
            "properties": {"a": {"$ref": "#/definitions/X"}},
        },
        {
            "$id": "urn:Get.conf",
            "$defs": {"X": {"type": "null"}},
            "properties": {"a": {"$ref": "#/$defs/X"}},
        },
        {"$id": "PutRequest", "type": "object"},
        {"$id": "urn:OCPP:Cp:2:2020:3:PutResponse", "type": "array"},
        {"$id": "urn:Post.send", "type": "boolean"},
    ]
    before = copy.deepcopy(documents)
    validator = create_validator("own1", documents)
    assert documents == before
    assert validator.subprotocol == "own1"
    assert validator.methods == {"Get", "Put", "Post"}
    validator.validate_request("Get", {"a": "x"})
    validator.validate_response("Get", {"a": None})
    validator.validate_request("Put", {})
    validator.validate_response("Put", [])
    validator.validate_send("Post", True)
    assert error_of(validator.validate_request, "Get", {"a": None}).code == "TypeConstraintViolation"
    assert error_of(validator.validate_response, "Get", {"a": "x"}).code == "TypeConstraintViolation"


@pytest.mark.feature("E8")
def test_a_validator_never_changes():
    """It can be shared, by clients as well as by servers."""
    validator = own({})
    with pytest.raises(dataclasses.FrozenInstanceError):
        validator.subprotocol = "x"
    with pytest.raises((AttributeError, TypeError)):
        validator.other = 1
    assert not hasattr(validator, "__dict__")


@pytest.mark.parametrize(
    ("documents", "options", "message"),
    [
        ([{}], {}, r"\$id None does not look like urn:Method\.req"),
        ([True], {}, r"\$id None"),
        ([{"$id": 5}], {}, r"\$id 5"),
        ([{"$id": "urn:Method"}], {}, r"\$id 'urn:Method' does not look"),
        ([{"$id": ".req"}], {}, r"does not look"),
        ([{"$id": "http://example.com/M.json"}], {}, r"does not look"),
        ([{"$id": "M.req"}, {"$id": "urn:MRequest"}], {}, "there is another request of M"),
        ([{"$id": "M.req", "type": "strin"}], {}, "M/type: must be of"),
        ([{"$id": "M.req", "items": {"$ref": "http://127.0.0.1:9/x"}}], {}, "M/items: .*nothing is fetched"),
        ([{"$id": "M.req", "items": {"$ref": "#/definitions/x"}}], {}, "M/items: .*points to nothing"),
        ([], {"error_codes": {"type": "Nonsense"}}, "type has the unknown error code 'Nonsense'"),
    ],
)
@pytest.mark.feature("E8")
def test_mistakes(documents, options, message):
    """A mistake is a `ValueError` that says what it is, when the validator is made."""
    with pytest.raises(ValueError, match=message):
        create_validator("own1", documents, **options)


def test_schemas_without_end():
    """Schemas can be nested too deeply to be compiled."""
    schema = {"$id": "M.req"}
    for _ in range(5000):
        schema = {"$id": "M.req", "not": schema}
    with pytest.raises(ValueError, match="nested too deeply"):
        create_validator("own1", [schema])


# Whatever comes in.


NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 1e308, math.nan, math.inf])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


def places(node, found):
    """All places of a payload: container and key."""
    for key, item in node.items() if isinstance(node, dict) else enumerate(node):
        found.append((node, key))
        if isinstance(item, (dict, list)):
            places(item, found)
    return found


PROFILE = {
    "connectorId": 1,
    "csChargingProfiles": {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Absolute",
        "validFrom": "2024-05-17T10:21:33Z",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.1, "numberPhases": 3}],
        },
    },
}


@given(JSON, st.sampled_from(STANDARD), st.data())
def test_no_payload_makes_a_validator_crash(payload, subprotocol, data):
    """Any JSON value is accepted or refused with an `RPCError`, and is left as it was."""
    validator = standard_validator(subprotocol)
    method = data.draw(st.sampled_from(sorted(validator.methods)))
    before = copy.deepcopy(payload)
    for judge in (validator.validate_request, validator.validate_response, validator.validate_send):
        error = outcome(judge, method, payload)
        assert error is None or len(error.message) <= 255
    assert repr(payload) == repr(before)


@pytest.mark.feature("E9")
@given(JSON, st.data())
def test_no_part_of_a_payload_makes_a_validator_crash(value, data):
    """The same for a value anywhere inside a payload that is right elsewhere."""
    payload = copy.deepcopy(PROFILE)
    node, key = data.draw(st.sampled_from(places(payload, [])))
    node[key] = value
    error = outcome(standard_validator("ocpp1.6").validate_request, "SetChargingProfile", payload)
    assert error is None or (error.details["keyword"] and len(error.message) <= 255)


@pytest.mark.feature("E9")
@pytest.mark.parametrize("limit", [0.3, 21.4, 0.1 + 0.2, 21.399999999999995])
def test_limits_of_charging_profiles(limit):
    """What floats do to decimals is no violation."""
    payload = copy.deepcopy(PROFILE)
    period = payload["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"][0]
    period["limit"] = limit
    standard_validator("ocpp1.6").validate_request("SetChargingProfile", payload)
    for wrong, keyword in ((4.11, "multipleOf"), (math.inf, "type"), (math.nan, "type"), (10**400, "type")):
        period["limit"] = wrong
        error = error_of(standard_validator("ocpp1.6").validate_request, "SetChargingProfile", payload)
        assert error.details["keyword"] == keyword


def test_types():
    """Booleans are no numbers, 1.0 is an integer; tuples are arrays."""
    judge = standard_validator("ocpp1.6").validate_request
    judge("StatusNotification", {**STATUS, "connectorId": 1.0})
    assert type(error_of(judge, "StatusNotification", {**STATUS, "connectorId": True})) is (
        RPCTypeConstraintViolationError
    )
    judge("GetConfiguration", {"key": ("a", "b")})


STALLS = """
import sys
from ocpp_rpc_core.validation import STANDARD, RPCError, standard_validator

validators = [standard_validator(name) for name in STANDARD]
before = set(sys.modules)
refused = 0
for validator in validators:
    for method in validator.methods:
        for judge in (validator.validate_request, validator.validate_response, validator.validate_send):
            for payload in ({}, {"zz": 1}, [], {"id": 1e400}):
                try:
                    judge(method, payload)
                except RPCError:
                    refused += 1
assert refused > 1000
assert set(sys.modules) == before, set(sys.modules) - before
assert "fastjsonschema" not in sys.modules
"""


def test_nothing_is_loaded_or_compiled_while_validating():
    """No first message of a kind, right or wrong, stalls for an import or for compiling its schema."""
    done = subprocess.run([sys.executable, "-c", STALLS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
