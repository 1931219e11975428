"""The options of each role: their defaults, and what is refused when it is given."""

import dataclasses
import itertools
from math import inf, nan

import pytest
from hypothesis import given, strategies as st

from ocpp_rpc_core._door import Door
from ocpp_rpc_core.backoff import ExponentialBackoff
from ocpp_rpc_core.config import ClientOptions, ServerOptions, message_ids, reconfigure, unlimited
from ocpp_rpc_core.limits import Limits
from ocpp_rpc_core.validation import create_validator, standard_validator


def server(**options):
    """A server's options, whose randomness is all zeros."""
    return ServerOptions(**{"entropy": bytes, **options})


def client(**options):
    """A client's options, whose randomness is all zeros."""
    return ClientOptions(**{"entropy": bytes, "identity": "CP1", **options})


ROLES = pytest.mark.parametrize("role", [server, client])

OWN = create_validator("own1", [{"$id": "urn:A.req", "type": "object"}])
OWN_16 = create_validator("ocpp1.6", [{"$id": "urn:A.req", "type": "object"}])

BOTH = {
    "entropy": bytes,
    "protocols": (),
    "call_concurrency": 1,
    "ping_interval": 30,
    "defer_pings_on_activity": False,
    "respond_with_detailed_errors": False,
    "strict_mode": False,
    "strict_mode_validators": (),
    "max_bad_messages": inf,
    "max_message_size": 2**20,
    "compression": False,
    "handshake_timeout": 10,
    "close_timeout": 5,
    "unknown_message_type": "ignore",
    "null_payload": "accept",
    "repeated_ids": "accept",
    "identity_format": "any",
    "limits": Limits(),
}
SERVER = {
    **BOTH,
    "call_timeout": 30,
    "compression": True,
    "authenticate": False,
    "hold_calls": False,
    "subprotocol_mismatch": "refuse",
    "door": Door(),
    "allowed_origins": (),
}
CLIENT = {
    **BOTH,
    "call_timeout": 60,
    "endpoint": "ws://localhost",
    "identity": "CP1",
    "password": None,
    "headers": (),
    "query": None,
    "reconnect": True,
    "max_reconnects": inf,
    "backoff": ExponentialBackoff(),
    "tls": None,
}


@pytest.mark.feature("S3")
@pytest.mark.feature("S4")
@pytest.mark.feature("S5")
@pytest.mark.feature("S6")
@pytest.mark.feature("S7")
@pytest.mark.feature("S10")
@pytest.mark.feature("C6")
@pytest.mark.feature("C7")
@pytest.mark.parametrize(("role", "defaults"), [(server, SERVER), (client, CLIENT)])
def test_defaults(role, defaults):
    """Every option has the default of the feature list."""
    options = role()
    made = {"new_message_id", "validators", "url"}
    names = {field.name for field in dataclasses.fields(options)} - made
    assert {name: getattr(options, name) for name in names} == defaults
    assert options.validators == {}


@ROLES
def test_frozen(role):
    """Nobody changes options, not even through the list they were made with."""
    given_protocols = ["ocpp1.6"]
    options = role(protocols=given_protocols)
    given_protocols.append("ocpp2.1")
    assert options.protocols == ("ocpp1.6",)
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.call_timeout = 1


@pytest.mark.feature("S27")
@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *itertools.product(
            ("call_timeout", "call_concurrency", "max_message_size", "handshake_timeout", "close_timeout"),
            (0, -1, -inf, nan),
        ),
        *itertools.product(("ping_interval", "max_bad_messages"), (-1, -inf, nan)),
    ],
)
@ROLES
def test_impossible_numbers(role, name, bad):
    """A limit must leave something; the error names option and value."""
    with pytest.raises(ValueError, match=f"{name} must be .*{bad}"):
        role(**{name: bad})


@ROLES
@pytest.mark.rule(44)
def test_possible_numbers(role):
    """Pings and tolerance may be nothing at all, and every limit may be infinite."""
    assert role(ping_interval=0, max_bad_messages=0).ping_interval == 0
    limits = ("call_timeout", "call_concurrency", "max_message_size", "handshake_timeout", "close_timeout")
    assert role(**dict.fromkeys(limits, inf), ping_interval=inf).call_timeout == inf


@pytest.mark.feature("S27")
@ROLES
def test_strings_are_no_sequences(role):
    """A subprotocol alone, without a list around it, is not taken for a list of letters."""
    for name in ("protocols", "strict_mode_validators"):
        with pytest.raises(ValueError, match=f"{name} must be a sequence"):
            role(**{name: "ocpp1.6"})
    with pytest.raises(ValueError, match="strict_mode must be True, False or a sequence"):
        role(protocols=["ocpp1.6"], strict_mode="ocpp1.6")


@pytest.mark.feature("S27")
@pytest.mark.parametrize(
    "name", ["unknown_message_type", "null_payload", "repeated_ids", "identity_format", "subprotocol_mismatch"]
)
@pytest.mark.parametrize("bad", ["Ignore", "", None, True, []])
def test_impossible_choices(name, bad):
    """A policy has a few names; the error lists them."""
    for role in (server, client)[: 1 if name == "subprotocol_mismatch" else 2]:
        chosen = getattr(role(), name)
        with pytest.raises(ValueError, match=f"{name} must be '{chosen}' or .*, not "):
            role(**{name: bad})


# --- Strict mode ------------------------------------------------------------------


@pytest.mark.feature("S27")
@ROLES
def test_strict_without_protocols(role):
    """Strict mode without subprotocols is impossible."""
    for strict in (True, ["ocpp1.6"]):
        with pytest.raises(ValueError, match="at least one subprotocol"):
            role(strict_mode=strict)


@pytest.mark.feature("S27")
@ROLES
def test_strict_without_validator(role):
    """A strict subprotocol needs a validator; the error says which."""
    with pytest.raises(ValueError, match="'own1'"):
        role(protocols=["ocpp1.6", "own1"], strict_mode=True)
    with pytest.raises(ValueError, match="'own1'"):
        role(protocols=["ocpp1.6", "own1"], strict_mode=["own1"])
    assert set(role(protocols=["ocpp1.6", "own1"], strict_mode=["ocpp1.6"]).validators) == {"ocpp1.6"}


@pytest.mark.feature("S8")
@pytest.mark.feature("E7")
@ROLES
def test_strict(role):
    """All subprotocols are validated, or only the listed ones, or none."""
    protocols = ("ocpp2.1", "ocpp1.6")
    by_name = {name: standard_validator(name) for name in protocols}
    assert role(protocols=protocols, strict_mode=True).validators == by_name
    assert role(protocols=protocols, strict_mode=["ocpp1.6"]).validators == {"ocpp1.6": by_name["ocpp1.6"]}
    assert role(protocols=protocols).validators == {}


@pytest.mark.feature("S8")
@ROLES
@pytest.mark.parametrize("nothing", [(), []])
@pytest.mark.parametrize("protocols", [(), ("ocpp1.6",)])
def test_strict_list_of_nothing(role, nothing, protocols):
    """An empty list of strict subprotocols validates nothing, as a list or as a tuple."""
    assert role(protocols=protocols, strict_mode=nothing).validators == {}


@pytest.mark.feature("S9")
@ROLES
def test_own_validators(role):
    """Own validators are added to the built-in ones, or take their place, once strict mode is on."""
    options = {"protocols": ["ocpp1.6", "own1"], "strict_mode_validators": [OWN, OWN_16]}
    assert role(**options, strict_mode=True).validators == {"ocpp1.6": OWN_16, "own1": OWN}
    assert role(**options).validators == {}


# --- The client -------------------------------------------------------------------


@pytest.mark.feature("S27")
@pytest.mark.parametrize(
    "options",
    [
        {"identity": ""},
        {"identity": "a\nb"},
        {"endpoint": "http://localhost"},
        {"endpoint": "localhost"},
        {"endpoint": ""},
        {"endpoint": "ws://"},
        {"max_reconnects": -1},
        {"max_reconnects": nan},
        {"protocols": ["a b"]},
        {"protocols": ["ocpp1.6", "ocpp1.6"]},
        {"protocols": [""]},
    ],
    ids=str,
)
def test_impossible_client(options):
    """What cannot be connected with is refused when it is given."""
    with pytest.raises(ValueError):
        client(**options)


@pytest.mark.feature("C7")
def test_no_reconnects():
    """No attempt at all is a possible limit."""
    assert client(max_reconnects=0).max_reconnects == 0


@pytest.mark.feature("S27")
def test_identity_is_needed():
    """A client without an identity is impossible."""
    with pytest.raises(ValueError, match="identity"):
        ClientOptions(entropy=bytes, endpoint="ws://localhost")


@pytest.mark.feature("S27")
@pytest.mark.parametrize("bad", ["x\r\nEvil: 1", "x\nEvil: 1", "x\rEvil: 1", "x\x00", "\u20ac"])
def test_header_injection(bad):
    """No value of a header can begin another one, and no name can be more than a name."""
    with pytest.raises(ValueError) as caught:
        client(headers={"X-Own": bad})
    assert bad not in str(caught.value)  # it may be a secret
    with pytest.raises(ValueError):
        client(headers=[(bad, "x")])
    with pytest.raises(ValueError):
        client(protocols=[bad])


@pytest.mark.feature("C5")
@pytest.mark.parametrize("name", ["Host", "upgrade", "Sec-WebSocket-Key", "Content-Length"])
def test_headers_of_the_handshake(name):
    """What belongs to the handshake cannot be overridden."""
    with pytest.raises(ValueError, match="belongs to the handshake"):
        client(headers={name: "x"})


@pytest.mark.feature("C2")
@pytest.mark.feature("C5")
@pytest.mark.rule(30)
def test_url():
    """Endpoint, identity and query become one URL."""
    options = client(endpoint="wss://example.com/ocpp", identity="RDAM|123", query={"a": "1 2"})
    assert (options.url.host, options.url.port, options.url.secure) == ("example.com", 443, True)
    assert options.url.target == "/ocpp/RDAM%7C123?a=1+2"


@pytest.mark.rule(31)
@pytest.mark.feature("S27")
@pytest.mark.parametrize("protocols", [["ocpp2.1"], ["ocpp1.6", "ocpp2.0.1"], ["ocpp2.0"]])
def test_identities_of_ocpp_2(protocols):
    """Where the format is asked for and 2.x is offered, another identity is refused when it is given."""
    for fine in ("CP1", "a" * 48, "A-z0_9=+|@.*"):
        assert client(identity=fine, identity_format="ocpp2", protocols=protocols).identity == fine
    for bad in ("a:b", "a b", "é", "a" * 49):
        assert client(identity=bad, protocols=protocols).identity == bad
        assert client(identity=bad, identity_format="ocpp2", protocols=["ocpp1.6", "own"]).identity == bad
        with pytest.raises(ValueError, match=r"the identity must .*, as ocpp2\.\d(\.1)? wants it"):
            client(identity=bad, identity_format="ocpp2", protocols=protocols)


@pytest.mark.feature("C3")
@pytest.mark.feature("C4")
@pytest.mark.feature("C5")
@pytest.mark.rule(34)
@pytest.mark.parametrize("headers", [{"X-Own": "yes"}, [("X-Own", "yes")]])
def test_handshake(headers):
    """The upgrade request offers what it is asked to, with the own headers and the credentials."""
    options = client(headers=headers, password="pass", protocols=["ocpp1.6"])
    request = options.handshake(("ocpp2.1", "ocpp1.6"), "permessage-deflate").request().decode()
    lines = [line.lower() for line in request.split("\r\n")]
    assert lines[0] == "get /cp1 http/1.1"
    assert "sec-websocket-protocol: ocpp2.1, ocpp1.6" in lines
    assert "sec-websocket-extensions: permessage-deflate" in lines
    assert "x-own: yes" in lines
    assert "Basic Q1AxOnBhc3M=" in request  # CP1:pass
    assert "sec-websocket-key: aaaaaaaaaaaaaaaaaaaaaa==" in lines  # sixteen zeros


@pytest.mark.feature("C4")
def test_no_password():
    """Without a password there are no credentials; an empty one is a password."""
    assert b"uthorization" not in client().handshake(()).request()
    assert b"Basic Q1AxOg==" in client(password="").handshake(()).request()
    assert b"Basic Q1AxOgD/" in client(password=b"\x00\xff").handshake(()).request()


@pytest.mark.rule(37)
@pytest.mark.parametrize("password", ["Hunter2Hunter2", b"Hunter2Hunter2"])
def test_password_is_not_shown(password):
    """Options may end up in a log, the password must not."""
    assert "Hunter2" not in repr(client(password=password))


def test_own_key_for_each_handshake():
    """Each handshake has a fresh random key."""
    numbers = itertools.count()
    options = client(entropy=lambda size: next(numbers).to_bytes(size, "big"))
    assert options.handshake(()).request() != options.handshake(()).request()


# --- Chance -----------------------------------------------------------------------


@given(entropy=st.binary(min_size=6, max_size=6))
def test_chance(entropy):
    """Chance is at least 0 and less than 1, and grows with the bytes it is made of."""
    chance = server(entropy=lambda size: (entropy * 3)[:size]).chance()
    assert 0 <= chance < 1
    assert chance == int(entropy.hex(), 16) / 2**48


def test_chance_ends():
    """The smallest chance is 0, half of the bytes is a half, the greatest is still less than 1."""
    assert server(entropy=bytes).chance() == 0.0
    assert server(entropy=lambda size: b"\x80" + bytes(size - 1)).chance() == 0.5
    assert 0.999 < server(entropy=lambda size: b"\xff" * size).chance() < 1


@pytest.mark.rule(9)
@pytest.mark.rule(10)
@pytest.mark.feature("B18")
def test_message_ids():
    """Ids have at most 36 characters, and never come twice, nor with another random prefix."""
    ids = message_ids(bytes)
    seen = [ids() for _ in range(10_000)]
    assert len(set(seen)) == len(seen)
    assert all(0 < len(message_id) <= 36 for message_id in seen)
    others = message_ids(lambda size: b"\x01" * size)
    assert not set(seen) & {others() for _ in range(100)}
    longest = message_ids(lambda size: b"\xff" * size)()
    prefix = longest.removesuffix("1")
    assert len(prefix + str(2**62)) <= 36  # more messages than there ever will be


@pytest.mark.rule(10)
@pytest.mark.feature("B18")
@ROLES
def test_message_ids_outlive_changes(role):
    """Changing other options does not begin the ids anew."""
    options = role()
    seen = [options.message_id()]
    for timeout in (1, 2, 3):
        options = reconfigure(options, {"call_timeout": timeout})
        seen.append(options.message_id())
    assert len(set(seen)) == 4


@pytest.mark.feature("B18")
@ROLES
def test_own_message_ids(role):
    """Ids may come from the user; None gives them back to us."""
    options = role(new_message_id=lambda: "mine")
    assert options.message_id() == "mine"
    assert reconfigure(options, {"new_message_id": None}).message_id() == message_ids(bytes)()


# --- Changes ----------------------------------------------------------------------


def test_unlimited():
    """None means no limit where there is one, and keeps its own meaning elsewhere."""
    limits = ("call_timeout", "call_concurrency", "ping_interval", "max_bad_messages", "max_message_size")
    limits += ("handshake_timeout", "max_reconnects")
    assert unlimited(dict.fromkeys(limits)) == dict.fromkeys(limits, inf)
    others = {"password": None, "tls": None, "query": None, "new_message_id": None, "call_timeout": 3}
    assert unlimited(others) == others


@pytest.mark.feature("S24")
@pytest.mark.feature("C25")
def test_reconfigure():
    """Some options change, the rest stay, and what is made of them is made anew."""
    before = client(protocols=["ocpp1.6"], password="pass")
    after = reconfigure(before, {"identity": "CP2", "call_timeout": None, "strict_mode": True})
    assert (after.identity, after.call_timeout, after.password) == ("CP2", inf, "pass")
    assert after.url.target == "/CP2"
    assert set(after.validators) == {"ocpp1.6"}
    assert (before.identity, before.call_timeout, before.validators) == ("CP1", 60, {})


@ROLES
def test_reconfigure_nothing(role):
    """No changes give equal options."""
    options = role()
    assert reconfigure(options, {}) == options


@pytest.mark.feature("S27")
@ROLES
def test_reconfigure_unknown(role):
    """An option that does not exist, or is made of others, is a `TypeError` that names those that do."""
    for name in ("call_time_out", "validators", "url", "pingIntervalMs"):
        with pytest.raises(TypeError, match=f"no option '{name}'; there are .*call_timeout"):
            reconfigure(role(), {name: 1})


@pytest.mark.feature("S27")
@ROLES
def test_reconfigure_impossible(role):
    """Changes are checked like the first options."""
    with pytest.raises(ValueError, match="call_timeout"):
        reconfigure(role(), {"call_timeout": 0})
    with pytest.raises(ValueError, match="at least one subprotocol"):
        reconfigure(role(), {"strict_mode": True})


def test_of_the_other_role():
    """A server has no option of a client only."""
    with pytest.raises(TypeError, match="no option 'password'"):
        reconfigure(server(), {"password": "x"})


@pytest.mark.feature("B13")
@pytest.mark.threat("T23")
def test_impossible_doors():
    """A door is a `Door`, and origins are a sequence."""
    with pytest.raises(ValueError, match="allowed_origins must be a sequence of values, not the string"):
        server(allowed_origins="https://csms.example")
    for bad in (None, 10, {"max_connections": 10}):
        with pytest.raises(ValueError, match="door must be a Door, not"):
            server(door=bad)
    assert server(door=Door(max_connections=3), allowed_origins=["*"]).allowed_origins == ("*",)


@pytest.mark.feature("B13")
@ROLES
def test_limits(role):
    """They are one object, and only that; each bound has a name, whether it is an option or a part of it."""
    assert role(limits=Limits(headers=7)).bound("headers") == 7
    assert role(max_message_size=9).bound("max_message_size") == 9
    with pytest.raises(ValueError, match="limits must be Limits"):
        role(limits={"headers": 7})


@pytest.mark.feature("B13")
def test_the_bounds_of_a_door():
    """A server's `bound` finds them, too, and None is infinity; a client has no door."""
    assert server(door=Door(partial_bytes=7)).bound("partial_bytes") == 7
    assert server(door=Door(partial_bytes=None)).bound("partial_bytes") == inf
    with pytest.raises(AttributeError):
        client().bound("partial_bytes")
