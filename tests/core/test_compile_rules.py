"""What counts as a number, an integer, a date-time, a URI."""

import calendar
import math

import pytest
from hypothesis import given, strategies as st

from ocpp_rpc_core._compile_rules import is_date_time, is_integer, is_number, is_regex, is_uri


@pytest.mark.feature("E9")
@pytest.mark.parametrize(
    ("value", "number", "integer"),
    [
        (0, True, True),
        (-7, True, True),
        (1.0, True, True),
        (1.5, True, False),
        (1e300, True, True),
        (10**300, True, True),
        (10**400, False, False),
        (-(10**400), False, False),
        (int("9" * 400), False, False),
        (math.inf, False, False),
        (-math.inf, False, False),
        (math.nan, False, False),
        (True, False, False),
        (False, False, False),
        (None, False, False),
        ("1", False, False),
        ([1], False, False),
    ],
)
def test_numbers(value, number, integer):
    """Booleans are no numbers, 1.0 is an integer, and what fits no double is no number."""
    assert is_number(value) is number
    assert is_integer(value) is integer


DATE_TIMES = [
    ("2024-05-17T10:21:33Z", True),
    ("2024-05-17T10:21:33.1Z", True),
    ("2024-05-17T10:21:33.123456789Z", True),
    ("2024-05-17T10:21:33+02:00", True),
    ("2024-05-17T10:21:33-23:59", True),
    ("2024-05-17t10:21:33z", True),
    ("2016-12-31T23:59:60Z", True),
    ("2024-02-29T00:00:00Z", True),
    ("2000-02-29T00:00:00Z", True),
    ("0000-02-29T00:00:00Z", True),
    ("1900-02-29T00:00:00Z", False),
    ("2023-02-29T00:00:00Z", False),
    ("2024-02-30T10:21:33Z", False),
    ("2024-04-31T10:21:33Z", False),
    ("2024-13-01T10:21:33Z", False),
    ("2024-00-01T10:21:33Z", False),
    ("2024-01-00T10:21:33Z", False),
    ("2024-05-17T24:00:00Z", False),
    ("2024-05-17T10:60:00Z", False),
    ("2024-05-17T10:21:61Z", False),
    ("2024-05-17T10:21:33", False),
    ("2024-05-17T10:21Z", False),
    ("2024-05-17 10:21:33Z", False),
    ("2024-05-17T10:21:33+0200", False),
    ("2024-05-17T10:21:33+02", False),
    ("2024-05-17T10:21:33+24:00", False),
    ("2024-05-17T10:21:33.Z", False),
    ("2024-05-17T10:21:33Z\n", False),
    (" 2024-05-17T10:21:33Z", False),
    ("٢٠٢٤-05-17T10:21:33Z", False),
    ("202\uff14-05-17T10:21:33Z", False),
    ("2024-05-17", False),
    ("", False),
]


@pytest.mark.parametrize(("text", "expected"), DATE_TIMES)
def test_date_time(text, expected):
    """RFC 3339 5.6: an offset is needed, digits are those of ASCII, the day is in the calendar."""
    assert is_date_time(text) is expected


@given(st.integers(1, 9999), st.integers(1, 12), st.integers(1, 31))
def test_date_time_follows_the_calendar(year, month, day):
    """A day is accepted exactly when the month has it."""
    expected = day <= calendar.monthrange(year, month)[1]
    assert is_date_time(f"{year:04}-{month:02}-{day:02}T00:00:00Z") is expected


URIS = [
    ("http://a.b/c", True),
    ("https://user:pa%20ss@example.com:8443/a/b;c?d=e&f#g", True),
    ("HTTP://EXAMPLE.COM", True),
    ("http://[2001:db8::1]:80/x", True),
    ("ftp://x", True),
    ("git+ssh://x/y", True),
    ("coap+tcp.a-b://x", True),
    ("urn:x:y", True),
    ("mailto:a@b.c", True),
    ("file:///etc/x", True),
    ("a:", True),
    ("a:b", True),
    ("data:text/plain,hello", True),
    ("", False),
    ("x", False),
    ("not a uri", False),
    ("/rel", False),
    ("//host/x", False),
    ("://x", False),
    ("1a://x", False),
    ("é://x", False),
    ("http://exa mple", False),
    ("http://x/a b", False),
    ("http://é.com", False),
    ("http://x/%zz", False),
    ("http://x:port/", False),
    ("http://[::1/", False),
    ("http://x/#a#b", False),
    ("http://x\n", False),
    ("http://x/<script>", False),
]


@pytest.mark.parametrize(("text", "expected"), URIS)
def test_uri(text, expected):
    """RFC 3986: a scheme of ASCII letters, digits, `+`, `-` and `.`, then only the characters of a URI."""
    assert is_uri(text) is expected


@given(st.text(alphabet="a:/@[]?#%2 ", max_size=40))
def test_a_uri_always_has_a_scheme(text):
    """Whatever the text, it is judged at once, and has a scheme if it is a URI."""
    if is_uri(text):
        assert text.partition(":")[0].isalnum()


def test_uris_are_judged_in_linear_time():
    """A long text that fails at its end does not make the expression search forever."""
    assert not is_uri("http://" + "a" * 100_000 + " ")
    assert not is_uri("http://" + "a:" * 50_000 + "@ ")


@pytest.mark.parametrize(("text", "expected"), [("^a+$", True), ("(", False), ("a{99999999999}", False)])
def test_regex(text, expected):
    """A regular expression is what Python can compile."""
    assert is_regex(text) is expected
