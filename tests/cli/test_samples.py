"""The samples are valid, and the least that is."""

import string
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st

from ocpp_rpc_anyio.cli.samples import document, minimal_response, sample, timestamp
from ocpp_rpc_core.validation import STANDARD, standard_validator

NOW = datetime(2025, 6, 30, 12, 0, 0, 5000, tzinfo=UTC)
METHODS = [(protocol, method) for protocol in STANDARD for method in document(protocol)["messages"]]

aware_times = st.datetimes(
    datetime(1990, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)


def is_complete(schema, definitions, value):
    """Whether the objects within `value` have the required fields and no others."""
    while "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/definitions/")]
    if isinstance(value, list):
        return len(value) == schema["minItems"] and all(is_complete(schema["items"], definitions, v) for v in value)
    if isinstance(value, dict):
        fields = schema.get("properties", {})
        return set(value) == set(schema.get("required", ())) and all(
            is_complete(fields[name], definitions, inner) for name, inner in value.items()
        )
    return True


def test_there_are_all_versions():
    """The tests below speak of every message of every version."""
    assert {protocol for protocol, _ in METHODS} == {"ocpp1.6", "ocpp2.0.1", "ocpp2.1"}
    assert len(METHODS) > 190


@pytest.mark.parametrize(("protocol", "method"), METHODS)
def test_every_response_is_valid_and_minimal(protocol, method):
    """Strict mode accepts the sample of each response; it has the required fields and no others."""
    response = minimal_response(protocol, method, NOW)
    schema = document(protocol)["messages"][method].get("response")
    if schema is None:
        assert response == {}
    else:
        standard_validator(protocol).validate_response(method, response)
        assert is_complete(schema, document(protocol)["definitions"], response)


@pytest.mark.parametrize(("protocol", "method"), METHODS)
def test_every_request_can_be_sampled(protocol, method):
    """Requests and SENDs, which have more kinds of fields, get valid samples, too."""
    validator, known = standard_validator(protocol), document(protocol)
    for kind, judge in (("request", validator.validate_request), ("send", validator.validate_send)):
        if (schema := known["messages"][method].get(kind)) is not None:
            judge(method, sample(schema, known["definitions"], NOW))


@pytest.mark.parametrize("protocol", STANDARD)
def test_boot_notification_is_accepted(protocol):
    """A station is accepted, told the time, and given an interval that suits a heartbeat."""
    expected = {"currentTime": "2025-06-30T12:00:00.005Z", "interval": 300, "status": "Accepted"}
    assert minimal_response(protocol, "BootNotification", NOW) == expected


def test_enumeration_without_accepted():
    """Where nothing can be Accepted, the first value is taken."""
    assert sample({"enum": ["Unlocked", "UnlockFailed"]}, {}, NOW) == "Unlocked"


@pytest.mark.parametrize(("method", "protocol"), [("Nope", "ocpp1.6"), ("NotifyEvent", "ocpp1.6")])
def test_unknown_method(method, protocol):
    """There is no response to a method that the subprotocol does not have."""
    with pytest.raises(KeyError):
        minimal_response(protocol, method, NOW)


def test_unknown_subprotocol():
    """There are no responses of a subprotocol without schemas."""
    with pytest.raises(ValueError, match=r"ocpp9\.9"):
        minimal_response("ocpp9.9", "Heartbeat", NOW)


@given(aware_times)
def test_time_is_valid_in_any_zone(now):
    """Whatever the zone, the time is a valid one, in UTC, and the same to the millisecond."""
    response = minimal_response("ocpp2.1", "Heartbeat", now)
    standard_validator("ocpp2.1").validate_response("Heartbeat", response)
    assert response["currentTime"].endswith("Z")
    assert timedelta() <= now - datetime.fromisoformat(timestamp(now)) < timedelta(milliseconds=1)


@given(st.integers(), st.integers(min_value=0), st.sampled_from(["interval", "other"]))
def test_number_is_within_its_range(minimum, width, name):
    """A number is neither too small nor too big."""
    schema = {"type": "integer", "minimum": minimum, "maximum": minimum + width}
    assert minimum <= sample(schema, {}, NOW, name) <= minimum + width
    assert sample({"type": "number", "minimum": minimum}, {}, NOW, name) >= minimum
    assert sample({"type": "integer", "maximum": minimum}, {}, NOW, name) <= minimum


@given(st.integers(0, 50))
def test_text_is_short_enough(longest):
    """A text is no longer than it may be, and no text at all only if it must."""
    text = sample({"type": "string", "maxLength": longest}, {}, NOW)
    assert len(text) <= longest
    assert bool(text) == bool(longest)
    assert set(text) <= set(string.ascii_letters)


def test_other_kinds():
    """Truth, lists, links, references and what has no type get a value, too."""
    definitions = {"Flag": {"type": "boolean"}}
    assert sample({"$ref": "#/definitions/Flag"}, definitions, NOW) is False
    assert sample({"type": "array", "items": {"type": "integer"}, "minItems": 2}, {}, NOW) == [1, 1]
    assert sample({"type": "array", "items": {"type": "integer"}}, {}, NOW) == []
    assert sample({"type": "string", "format": "uri"}, {}, NOW).startswith("https://")
    assert sample({}, {}, NOW) is None
