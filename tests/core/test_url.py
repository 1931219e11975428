"""Endpoint URLs, identities in them, and Basic credentials."""

import base64
from urllib.parse import urlencode

import pytest
from hypothesis import example, given, strategies as st

from ocpp_rpc_core._url import Endpoint, basic_header, basic_password, identifier_problem, parse_endpoint, split_target
from ocpp_rpc_core.errors import UpgradeRefused

identities = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=48).filter(
    lambda text: text not in (".", "..")
)
texts = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.feature("S20")
@pytest.mark.parametrize(
    ("target", "endpoint", "identity"),
    [
        ("/X", "/", "X"),
        ("/ocpp/X", "/ocpp", "X"),
        ("/ocpp/v1/X", "/ocpp/v1", "X"),
        ("/", "/", ""),
        ("/ocpp/", "/ocpp", ""),
        ("//X", "/", "X"),
        ("///X", "//", "X"),
        ("//ocpp/X", "//ocpp", "X"),
        ("/ocpp//X", "/ocpp/", "X"),
        ("////X", "///", "X"),
        ("/..//X", "/", "X"),
        ("//..//X", "/", "X"),
        ("/ocpp/../X", "/", "X"),
        ("/ocpp/..//X", "/", "X"),
        ("//ocpp/..//X", "//", "X"),
        ("/ocpp/..", "/", ""),
        ("/..", "/", ""),
        ("/a/.", "/a", ""),
        ("/a/./b/X", "/a/b", "X"),
        ("/a/%2e%2E/b/X", "/b", "X"),
        ("/a/.%2e/%2E/X", "/", "X"),
        ("/a/.../X", "/a/...", "X"),
        ("/a%2Fb/X", "/a%2Fb", "X"),
        ("/RDAM%20123", "/", "RDAM 123"),
        ("/RDAM%7C123", "/", "RDAM|123"),
        ("/a/..%2F..%2Fetc", "/a", "../../etc"),
        ("/%252F", "/", "%2F"),
        ("/%C3%A9", "/", "é"),
        ("/a+b:c", "/", "a+b:c"),
    ],
)
def test_the_last_segment_is_the_identity(target, endpoint, identity):
    """It is decoded once; the rest is the endpoint, dots resolved, double slashes kept."""
    assert split_target(target) == (endpoint, identity, {})


@pytest.mark.threat("T12")
@pytest.mark.parametrize(
    "target",
    [
        "/%",
        "/%4",
        "/%zz",
        "/a%2",
        "/%FF",
        "/%C0%AF",
        "/%ED%A0%80",
        "/%00",
        "/a%0D%0Ab",
        "/%7F",
        "/%C2%85",
        "/%E2%80%A8",
        "/%E2%80%A9",
        "/a#b",
    ],
)
def test_identities_that_cannot_be_read(target):
    """A broken escape, bytes that are no UTF-8, control characters and a fragment are refused with 400."""
    with pytest.raises(UpgradeRefused) as caught:
        split_target(target)
    assert caught.value.status == 400


@pytest.mark.feature("S17")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("a=1&b=&c", {"a": "1", "b": "", "c": ""}),
        ("a=1&a=2", {"a": "2"}),
        ("a+b=%C3%A9+%26", {"a b": "é &"}),
        ("a=/..?b", {"a": "/..?b"}),
        ("a=%FF%zz", {"a": "\ufffd%zz"}),
    ],
)
def test_queries(query, expected):
    """A query is decoded; of a name given twice the last value counts; nonsense is not worth a refusal."""
    assert split_target("/X?" + query) == ("/", "X", expected)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E)))
def test_any_target_is_split_or_refused(rest):
    """No target that HTTP can carry causes any other error."""
    try:
        endpoint, _, _ = split_target("/" + rest)
    except UpgradeRefused as error:
        endpoint = {400: "/"}[error.status]
    assert endpoint.startswith("/")


@pytest.mark.rule(35)
@pytest.mark.feature("C4")
def test_the_basic_header_of_the_specification():
    """The example of OCPP-J 1.6 6.2.2 comes out, and goes in again."""
    key = bytes.fromhex("0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF")
    header = "Basic QUwxMDAwOgABAgMEBQYH////////////////"
    assert basic_header("AL1000", key) == header
    assert basic_password(header, "AL1000") == key


@pytest.mark.rule(36)
@pytest.mark.feature("C4")
def test_a_text_password_is_sent_as_utf_8():
    """Text is neither hexadecimal nor Base64."""
    assert basic_password(basic_header("CP", "pässwörd"), "CP") == "pässwörd".encode()


@pytest.mark.rule(34)
@pytest.mark.feature("S19")
@given(identities, st.binary())
@example("this:is:ok", b"as:is:this")
@example("CP", b"")
def test_credentials_survive(identity, password):
    """Any identity and any bytes come through, colons and nothing at all included."""
    assert basic_password(basic_header(identity, password), identity) == password


def basic(content, scheme="Basic "):
    return scheme + base64.b64encode(content).decode()


@pytest.mark.rule(29)
@pytest.mark.rule(34)
@pytest.mark.feature("S19")
@pytest.mark.parametrize(
    ("authorization", "password"),
    [
        (None, None),
        ("", None),
        ("Basic", None),
        ("Basic ", None),
        ("Basic !!!!", None),
        ("Basic Q1A6\xe9", None),
        ("Basic Q", None),
        ("Basic Q1A6 eA==", None),
        ("Digest Q1A6eA==", None),
        (basic(b"CP:x", "Bearer "), None),
        (basic(b"CP"), None),
        (basic(b"CP2:x"), None),
        (basic(b"cp:x"), None),
        (basic(b"C:P:x"), None),
        (basic(b":x"), None),
        (basic(b"CP:"), b""),
        (basic(b"CP:x", "bASIC   "), b"x"),
        (basic(b"CP:x").rstrip("="), b"x"),
        (basic(b"CP:x") + "==", b"x"),
        (basic(b"CP:\0:\xff"), b"\0:\xff"),
    ],
)
def test_basic_credentials(authorization, password):
    """The username must be the whole identity; what is absent, malformed or for another is `None`."""
    assert basic_password(authorization, "CP") == password


@pytest.mark.rule(30)
@pytest.mark.feature("C2")
@pytest.mark.parametrize(
    ("endpoint", "identity", "expected"),
    [
        ("ws://h", "X", ("h", 80, False, "/X", "h")),
        ("wss://h", "X", ("h", 443, True, "/X", "h")),
        ("ws://h/", "X", ("h", 80, False, "/X", "h")),
        ("ws://h/ocpp", "X", ("h", 80, False, "/ocpp/X", "h")),
        ("ws://h/ocpp/", "X", ("h", 80, False, "/ocpp//X", "h")),
        ("ws://h//", "X", ("h", 80, False, "///X", "h")),
        ("ws://h/ocpp/..", "X", ("h", 80, False, "/X", "h")),
        ("ws://h/a b/é{}%20", "X", ("h", 80, False, "/a%20b/%C3%A9%7B%7D%20/X", "h")),
        ("WS://Example.COM:8080", "X", ("example.com", 8080, False, "/X", "example.com:8080")),
        ("wss://h:443", "X", ("h", 443, True, "/X", "h")),
        ("ws://h:443", "X", ("h", 443, False, "/X", "h:443")),
        ("ws://h:", "X", ("h", 80, False, "/X", "h")),
        ("ws://127.0.0.1:1", "X", ("127.0.0.1", 1, False, "/X", "127.0.0.1:1")),
        ("ws://[::1]", "X", ("::1", 80, False, "/X", "[::1]")),
        ("ws://[2001:DB8:0::1]:9", "X", ("2001:db8::1", 9, False, "/X", "[2001:db8::1]:9")),
        ("ws://[fe80::1%eth0]:9", "X", ("fe80::1%eth0", 9, False, "/X", "[fe80::1]:9")),
        ("ws://a_b-c.d", "RDAM 123", ("a_b-c.d", 80, False, "/RDAM%20123", "a_b-c.d")),
        ("ws://h", "RDAM|123", ("h", 80, False, "/RDAM%7C123", "h")),
        ("ws://h", "a/b?c#d%", ("h", 80, False, "/a%2Fb%3Fc%23d%25", "h")),
        ("ws://h", "-_.!~*'()", ("h", 80, False, "/-_.!~*'()", "h")),
        ("ws://h", "é+:@", ("h", 80, False, "/%C3%A9%2B%3A%40", "h")),
    ],
)
def test_endpoints(endpoint, identity, expected):
    """The URL is the endpoint, a slash and the identity, encoded as a component."""
    host, port, secure, target, header = expected
    assert parse_endpoint(endpoint, identity, None) == Endpoint(
        host=host, port=port, secure=secure, target=target, host_header=header
    )


@pytest.mark.feature("S20")
@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/ocpp", "/ocpp"),
        ("//", "//"),
        ("//ocpp", "//ocpp"),
        ("/ocpp/", "/ocpp/"),
        ("/", "/"),
        ("///", "///"),
        ("/../", "/"),
        ("//../", "/"),
        ("/ocpp/..", "/"),
        ("/ocpp/../", "/"),
        ("//ocpp/../", "//"),
        ("", "/"),
    ],
)
def test_the_server_sees_the_path_the_client_was_given(path, endpoint):
    """Slashes are kept, also the last one, and dots resolved."""
    assert split_target(parse_endpoint("ws://h" + path, "XX", None).target) == (endpoint, "XX", {})


@pytest.mark.feature("C5")
@pytest.mark.parametrize(
    ("endpoint", "query", "target"),
    [
        ("ws://h", None, "/X"),
        ("ws://h", "", "/X"),
        ("ws://h?", {}, "/X"),
        ("ws://h", {"a": "1", "b": "x y&"}, "/X?a=1&b=x+y%26"),
        ("ws://h", "a=1&b", "/X?a=1&b"),
        ("ws://h", "?a=/?", "/X?a=/?"),
        ("ws://h/p?k=v", None, "/p/X?k=v"),
        ("ws://h?k=v", {"a": "1"}, "/X?k=v&a=1"),
        ("ws://h?k=é v", "a=é#\r\n", "/X?k=%C3%A9%20v&a=%C3%A9%23%0D%0A"),
    ],
)
def test_queries_are_added(endpoint, query, target):
    """The endpoint's own query stays, the option's follows it, and neither can leave the request line."""
    assert parse_endpoint(endpoint, "X", query).target == target


@pytest.mark.feature("S27")
@pytest.mark.parametrize(
    ("endpoint", "complaint"),
    [
        ("", "ws://"),
        ("h", "ws://"),
        ("/ocpp", "ws://"),
        ("http://h", "ws://"),
        ("wsx://h", "ws://"),
        ("ws:h", "no host"),
        ("ws://", "no host"),
        ("ws:///ocpp", "no host"),
        ("ws://:80", "no host"),
        ("ws://h#f", "fragment"),
        ("ws://h/#", "fragment"),
        ("ws://user:pw@h", "user name"),
        ("ws://@h", "user name"),
        ("ws://h:0", "port"),
        ("ws://h:65536", "port"),
        ("ws://h:x", "port"),
        ("ws://h:-1", "port"),
        ("ws://[::1", "URL"),
        ("ws://[::g]", "IPv6"),
        ("ws://[v1.a]", "IPv6"),
        ("ws://a b", "host name"),
        ("ws://h\\x", "host name"),
        ("ws://bücher.example", "host name"),
        ("ws://h/\r\nX: y", "control"),
    ],
)
def test_endpoints_no_connection_can_be_made_to(endpoint, complaint):
    """They are refused when given, and the text says why."""
    with pytest.raises(ValueError, match=complaint):
        parse_endpoint(endpoint, "X", None)


@pytest.mark.feature("S27")
@pytest.mark.parametrize("identity", ["", ".", "..", "a\nb", "\0", "\x85", "\ud800"])
def test_identities_no_url_can_carry(identity):
    """Empty ones, dot segments and what our own server would refuse are refused when given."""
    with pytest.raises(ValueError, match="identity"):
        parse_endpoint("ws://h", identity, None)


@pytest.mark.rule(30)
@pytest.mark.feature("S20")
@given(identities, st.dictionaries(texts, texts, max_size=4), st.booleans())
@example("%2e%2e", {}, False)
@example("a/../b", {"?": "#"}, True)
def test_identity_and_query_survive(identity, query, as_text):
    """What the client is given is what the server reads, in characters that a request line can carry."""
    target = parse_endpoint("ws://h/ocpp", identity, urlencode(query) if as_text else query).target
    assert all("!" <= char <= "~" for char in target)
    assert split_target(target) == ("/ocpp", identity, query)


@given(texts, identities)
def test_any_endpoint_is_parsed_or_refused(text, identity):
    """No endpoint causes any error but `ValueError`."""
    try:
        endpoint = parse_endpoint("ws://h" + text, identity, text)
    except ValueError:
        return
    assert all("!" <= char <= "~" for char in endpoint.target + endpoint.host_header)


IDENTIFIERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789*-_=+|@."


@pytest.mark.rule(31)
@given(st.text(IDENTIFIERS, min_size=1, max_size=48))
@example(IDENTIFIERS[:48])
@example(IDENTIFIERS[-48:])
def test_identities_of_ocpp_2(identity):
    """1 to 48 letters, digits and a few other characters."""
    assert identifier_problem(identity) is None


@pytest.mark.rule(31)
@pytest.mark.parametrize("char", [":", " ", "/", "%", "é", "\u0661", "\u212a", "\n", ","])
def test_what_is_no_identity_of_ocpp_2(char):
    """No colon, no other character, not one too many, and not none."""
    assert identifier_problem(f"CP{char}1") == "the identity must be of letters and digits of ASCII and * - _ = + | @ ."
    for bad in ("", "x" * 49):
        assert identifier_problem(bad) == "the identity must have 1 to 48 characters"
