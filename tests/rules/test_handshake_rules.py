"""Rules 24 to 34: who becomes a peer, under which subprotocol and identity."""

import base64

import pytest
from support import wire

from ocpp_rpc_core import actions as a, events as e, notices as n
from ocpp_rpc_core._lifecycle import Phase
from ocpp_rpc_core.config import ClientOptions
from ocpp_rpc_core.errors import SubprotocolMismatch, UnexpectedHTTPResponse

VERSIONS = ["ocpp2.1", "ocpp2.0.1", "ocpp1.6"]


def answer(request, **options):
    """What a server does about a request: the head of its answer, what follows, whether it is open, its notices."""
    connection = wire.server(**options)
    connection.handle(e.TransportOpened(), 0)
    actions = connection.handle(e.BytesReceived(request), 0)
    head, _, rest = b"".join(action.data for action in actions if isinstance(action, a.SendBytes)).partition(
        b"\r\n\r\n"
    )
    notices = [action.notice for action in actions if isinstance(action, a.Report)]
    return head.decode(), rest, connection.phase is Phase.OPEN, notices


@pytest.mark.rule(24)
@pytest.mark.parametrize("offered", ["ocpp2.1", "ocpp0.1, ocpp2.0.1", "", "OCPP1.6"])
@pytest.mark.parametrize("policy", ["refuse", "close"])
def test_no_common_subprotocol(offered, policy):
    """The upgrade is refused; or, by option, completed without naming a subprotocol and closed at once."""
    options = {"protocols": ["ocpp1.6"], "subprotocol_mismatch": policy}
    head, rest, is_open, notices = answer(wire.request(protocols=offered), **options)
    assert head.startswith("HTTP/1.1 400 " if policy == "refuse" else "HTTP/1.1 101 ")
    assert "sec-websocket-protocol" not in head.lower()
    assert not is_open
    problem = "no common subprotocol; this server speaks ocpp1.6"
    assert rest == (problem.encode() if policy == "refuse" else wire.goodbye(1002, problem))
    assert [type(notice) for notice in notices] == [n.UpgradeAborted]


@pytest.mark.rule(24)
@pytest.mark.parametrize("policy", ["refuse", "close"])
def test_a_client_understands_both(policy):
    """Whichever way the server takes, the client is not open, and its `connect` fails."""
    reply = wire.server(protocols=["ocpp1.6"], subprotocol_mismatch=policy)
    client = wire.upgrading(wire.client(protocols=["ocpp2.1"]))
    reply.handle(e.TransportOpened(), 0)
    actions = reply.handle(e.BytesReceived(wire.request(protocols="ocpp2.1")), 0)
    data = b"".join(action.data for action in actions if isinstance(action, a.SendBytes))
    connection = client._machine
    told = connection.handle(e.BytesReceived(data), 0) + connection.handle(e.TransportClosed(), 0)
    (rejected,) = [action for action in told if isinstance(action, a.RejectConnect)]
    assert type(rejected.error) is (UnexpectedHTTPResponse if policy == "refuse" else SubprotocolMismatch)
    assert connection.phase is Phase.CLOSED


@pytest.mark.rule(25)
@pytest.mark.rule(26)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("policy", ["refuse", "close"])
def test_a_known_subprotocol_among_unknown_ones(version, policy):
    """It is chosen and echoed, whatever is done where there is none."""
    request = wire.request(protocols=f"ocpp0.1, {version}")
    head, _, is_open, _ = answer(request, protocols=VERSIONS, subprotocol_mismatch=policy)
    assert head.startswith("HTTP/1.1 101 ")
    assert f"\r\nSec-WebSocket-Protocol: {version}\r\n" in head
    assert is_open


@pytest.mark.rule(27)
@pytest.mark.parametrize("path", ["/ocpp/1.6/CP1", "/ocpp1.6/CP1", "/ocpp2.0.1/CP1", "/CP1"])
def test_the_url_does_not_decide_the_version(path):
    """Only what the client offers does."""
    head, _, _, _ = answer(wire.request(path, "ocpp2.1"), protocols=VERSIONS)
    assert "\r\nSec-WebSocket-Protocol: ocpp2.1\r\n" in head


@pytest.mark.rule(30)
@pytest.mark.parametrize(
    ("identity", "segment"), [("RDAM 123", "RDAM%20123"), ("RDAM|123", "RDAM%7C123"), ("é/", "%C3%A9%2F")]
)
def test_the_url_of_a_station(identity, segment):
    """Endpoint, slash, percent-encoded identity; the server reads the identity that was meant."""
    options = ClientOptions(entropy=bytes, endpoint="wss://csms.example/ocpp", identity=identity)
    assert options.url.target == f"/ocpp/{segment}"
    connection = wire.server()
    connection.handle(e.TransportOpened(), 0)
    connection.handle(e.BytesReceived(wire.request(options.url.target)), 0)
    assert (connection.handshake.identity, connection.handshake.endpoint) == (identity, "/ocpp")
    with pytest.raises(ValueError, match="ws"):
        ClientOptions(entropy=bytes, endpoint="https://csms.example/ocpp", identity=identity)


@pytest.mark.rule(31)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("identity_format", ["any", "ocpp2"])
@pytest.mark.parametrize(
    ("identity", "is_identifier"),
    [("CP-1_a*=+|@.", True), ("x" * 48, True), ("x" * 49, False), ("CP:1", False), ("CP 1", False), ("CPé", False)],
)
def test_identities(version, identity_format, identity, is_identifier):
    """By option, and on 2.x alone, only identifiers of at most 48 characters and without colon: at both ends."""
    fine = is_identifier or identity_format == "any" or version == "ocpp1.6"
    settings = {"protocols": [version], "identity_format": identity_format}
    target = wire.client_options(identity=identity).url.target
    head, rest, is_open, _ = answer(wire.request(target, version), **settings)
    assert is_open is fine
    assert head.startswith("HTTP/1.1 101 " if fine else "HTTP/1.1 400 ")
    assert rest.startswith(b"" if fine else b"the identity must ")
    if fine:
        assert wire.client_options(identity=identity, **settings).identity == identity
    else:
        with pytest.raises(ValueError, match="the identity must "):
            wire.client_options(identity=identity, **settings)


@pytest.mark.rule(29)
@pytest.mark.rule(32)
@pytest.mark.rule(34)
@pytest.mark.parametrize(("username", "known"), [("CP1", True), ("CP2", False), ("cp1", False), ("CP1 ", False)])
def test_credentials_are_there_before_the_upgrade(username, known):
    """The application decides before anything is answered, and gets a password only if the username is the identity."""
    connection = wire.server(authenticate=True)
    connection.handle(e.TransportOpened(), 0)
    basic = base64.b64encode(f"{username}:secret".encode()).decode()
    actions = connection.handle(e.BytesReceived(wire.request(extra=f"Authorization: Basic {basic}\r\n")), 0)
    assert [type(action) for action in actions] == [a.DecideUpgrade]
    assert actions[0].handshake.password == (b"secret" if known else None)
    refused = connection.handle(e.UpgradeRejected(401), 0)
    assert refused[0].data.startswith(b"HTTP/1.1 401 ")
    assert connection.phase is Phase.PARTING
