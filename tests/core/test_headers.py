"""Header fields: lists, tokens, and what a user may add."""

import time
from math import inf

import pytest
from hypothesis import given, strategies as st

from ocpp_rpc_core import _headers
from ocpp_rpc_core.errors import UpgradeRefused
from ocpp_rpc_core.limits import Limits


def test_the_accept_key_is_the_one_of_the_specification():
    """The example of RFC 6455 1.3 comes out."""
    assert _headers.accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(("text", "expected"), [("ocpp1.6", True), ("", False), ("a b", False), ("é", False)])
def test_tokens(text, expected):
    """A token has at least one character, and no separators."""
    assert _headers.is_token(text) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        (",, ,", []),
        ("a", ["a"]),
        ("a,b ,\tc", ["a", "b", "c"]),
        ('a; b="x,y", c', ['a; b="x,y"', "c"]),
        (r'a; b="x\",y", c', [r'a; b="x\",y"', "c"]),
        (r'a; b="x\\", c', [r'a; b="x\\"', "c"]),
        (r"a\, b", ["a\\", "b"]),
        (r'a\"b,c"', [r'a\"b,c"']),
        ('a; b="x, c', ['a; b="x, c']),
    ],
)
def test_lists_are_split_outside_of_quotes(value, expected):
    """Commas separate, but not in a quoted string; empty elements are none."""
    assert _headers.split_list(value) == expected


@given(st.text('a,"\\ '))
def test_splitting_loses_nothing_but_separators(value):
    """Whatever the value, its elements hold every character that is neither comma nor space."""
    kept = "".join(_headers.split_list(value))
    assert [c for c in kept if c not in ", "] == [c for c in value if c not in ", "]


@pytest.mark.threat("T5")
@pytest.mark.parametrize("unit", [",", '"', "\\", '",', " ,", "a"])
def test_splitting_takes_linear_time(unit):
    """No value makes the splitter slow: 16 times the length takes far less than 256 times the time."""

    def cost(times):
        start = time.process_time()
        _headers.split_list(unit * times)
        return time.process_time() - start

    assert min(cost(16_000) for _ in range(3)) < 64 * min(cost(1_000) for _ in range(5)) + 0.001


def test_fields_are_found():
    """Values and list elements are gathered from every field of the name."""
    fields = _headers.decode([(b"connection", b"keep-alive"), (b"x", b"\xff"), (b"connection", b"a, Upgrade")])
    assert fields == [("connection", "keep-alive"), ("x", "\xff"), ("connection", "a, Upgrade")]
    assert _headers.values(fields, "connection") == ["keep-alive", "a, Upgrade"]
    assert _headers.elements(fields, "connection") == ["keep-alive", "a", "Upgrade"]
    assert _headers.lists(fields, "connection", "upgrade")
    assert not _headers.lists(fields, "x", "upgrade")


def test_a_user_may_override_defaults():
    """A default gives way to the user's field, whatever its case."""
    assert _headers.without([("Server", "a"), ("B", "c")], [("SERVER", "z")]) == [("B", "c")]


def test_fields_become_bytes():
    """Ours come first; blanks around a value are not part of it."""
    assert _headers.encode([("A", "b")], [("C", " \xe9\td ")]) == [(b"A", b"b"), (b"C", b"\xe9\td")]


@pytest.mark.feature("C5")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "x"),
        ("a b", "x"),
        ("a:", "x"),
        ("a\r\nb", "x"),
        ("é", "x"),
        ("host", "x"),
        ("Connection", "x"),
        ("Upgrade", "x"),
        ("Content-Length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Sec-WebSocket-Key", "x"),
        ("sec-websocket-protocol", "x"),
        *(("a", f"secret{char}") for char in "\r\n\0\x0b\x7f\u0100"),
    ],
)
def test_fields_that_cannot_be_sent(name, value):
    """Nothing ends its line or changes the handshake, and the complaint does not tell the value."""
    with pytest.raises(ValueError) as caught:
        _headers.encode([], [(name, value)])
    assert "secret" not in str(caught.value)


# --- How long a head may be ----------------------------------------------------------------------


def measured(pieces, **limits):
    """The status and the limit it is refused with, or None."""
    meter = _headers.HeadMeter(Limits(**limits))
    try:
        for piece in pieces:
            meter.measure(piece)
    except UpgradeRefused as refused:
        return refused.status, refused.limit
    return None


SMALL = {"request_line": 14, "header_line": 6, "headers": 2}
LINE = b"GET / HTTP/1.1\r\n"


@pytest.mark.feature("B13")
@pytest.mark.threat("T4")
@pytest.mark.parametrize(
    ("head", "verdict"),
    [
        (LINE + b"a: bcd\r\nA: b\r\n\r\n", None),
        (LINE.replace(b"/", b"/x"), (414, "request_line")),
        (b"G" * 15, (414, "request_line")),
        (LINE + b"a: bcde", (431, "header_line")),
        (LINE + b"a: b\r\na: b\r\na", (431, "headers")),
        (LINE + b"a:\n\n" + b"x" * 100, None),
        (b"\r\n" + b"x" * 100, None),
        (LINE + b"a: b\r\n" * 2 + b"\r\n" + b"\n" * 100, None),
    ],
)
def test_lines_are_measured(head, verdict):
    """Whatever the cuts; a line end is not part of its line, and after the blank line everything passes."""
    for size in (1, 2, 3, 7, len(head)):
        pieces = [head[at : at + size] for at in range(0, len(head), size)]
        assert measured(pieces, **SMALL) == verdict


@pytest.mark.threat("T5")
def test_measuring_is_linear():
    """Twice the bytes take about twice the time, whole or byte by byte."""

    def seconds(pieces):
        start = time.process_time()
        measured(pieces, request_line=inf, header_line=inf, headers=inf)
        return time.process_time() - start

    for make in (lambda n: [b"a\r\n" * n], lambda n: [b"a"] * n, lambda n: [b"\r" * n]):
        once, twice = (min(seconds(make(size)) for _ in range(5)) for size in (20_000, 40_000))
        assert twice < 3 * once + 0.001
