"""What each role makes of the other's half of the opening handshake."""

import base64

import pytest
from hypothesis import given, strategies as st
from support import wire

from ocpp_rpc_core import errors, notices as n
from ocpp_rpc_core._http import TLSInfo
from ocpp_rpc_core._opening import Asked, ClientOpening, Established, Refused, ServerOpening
from ocpp_rpc_core._websocket import CloseReceived
from ocpp_rpc_core.events import TransportOpened, UpgradeAccepted, UpgradeCrashed, UpgradeRejected

DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate{}\r\n"


def asking(**options):
    """A client's opening."""
    settings = wire.client_options(**options)
    return ClientOpening(settings, tuple(settings.protocols))


def answering(**options):
    """A server's opening."""
    return ServerOpening(wire.server_options(**options), TransportOpened("10.0.0.1"))


def status(refused):
    """The HTTP status and body of a refusal."""
    head, _, body = refused.reply.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


# --- The client -----------------------------------------------------------------------------------


@pytest.mark.rule(26)
@pytest.mark.rule(30)
@pytest.mark.rule(34)
def test_the_request():
    """It names the identity, the subprotocols in order of preference, and the password."""
    own = "User-Agent: ocpp-rpc-python\r\nX-A: 1\r\n"
    own += "Authorization: Basic QUwxMDAwOgABAgMEBQYH////////////////\r\n"
    opening = asking(
        identity="AL1000",
        protocols=["ocpp2.1", "ocpp1.6"],
        password=bytes.fromhex("0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF"),
        headers={"X-A": "1"},
        query={"a": "b"},
    )
    lines = sorted(opening.request().split(b"\r\n"))
    assert lines == sorted(wire.request("/AL1000?a=b", "ocpp2.1, ocpp1.6", own).split(b"\r\n"))


@pytest.mark.rule(25)
@given(cut=st.integers(0, 200))
def test_a_101_makes_a_websocket(cut):
    """Wherever it is cut; what comes behind it belongs to the WebSocket."""
    opening = asking(protocols=["ocpp1.6"])
    stream = wire.response("ocpp1.6") + wire.message("hi")
    found = [opening.receive(piece) for piece in (stream[:cut], stream[cut:])]
    [established] = [outcome for outcome in found if outcome is not None]
    assert isinstance(established, Established)
    assert (established.protocol, established.reply) == ("ocpp1.6", b"")
    assert established.response.status == 101
    rest = b"" if established is found[1] else stream[cut:]
    assert [*established.websocket.receive(established.early + rest)] == ['["hi"]']


def test_compression_is_offered_and_used():
    """Only if the option says so, and only as the server answers."""
    assert b"Extensions" not in asking(compression=False).request()
    opening = asking(compression=True)
    assert b"\r\nSec-WebSocket-Extensions: permessage-deflate" in opening.request()
    established = opening.receive(
        wire.response(extra=DEFLATE.format("; server_no_context_takeover; client_no_context_takeover"))
    )
    text = "a" * 1000
    assert len(established.websocket.text(text)) < 100


@pytest.mark.feature("C9")
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (wire.response(extra=DEFLATE.format("; what=ever")), errors.InvalidHandshake),
        (wire.response(accept="wrong"), errors.InvalidHandshake),
        (wire.response("ocpp2.1"), errors.SubprotocolMismatch),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", errors.UnexpectedHTTPResponse),
    ],
)
def test_other_answers_are_refused(reply, error):
    """An extension we cannot speak, a wrong key, a subprotocol not offered, a redirect: no WebSocket."""
    outcome = asking(compression=True).receive(reply)
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.error, error)
    assert (outcome.reply, outcome.notice) == (b"", None)


def test_the_byte_stream_ends_too_early():
    """Before an answer, within one, and after it."""
    opening = asking()
    assert "closed before" in str(opening.ended())
    opening = asking()
    assert opening.receive(b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nha") is None
    assert (opening.ended().status, opening.ended()) == (503, None)
    opening = asking()
    opening.receive(wire.response())
    assert opening.ended() is None


# --- The server -----------------------------------------------------------------------------------


@pytest.mark.feature("S17")
@pytest.mark.feature("S20")
@pytest.mark.rule(30)
def test_who_asks():
    """The application sees what the client said, and what the transport knows of it."""
    certificate, tls = {"subject": ()}, TLSInfo(version="TLSv1.3", cipher="x")
    transport = TransportOpened("10.0.0.1", certificate, tls)
    opening = ServerOpening(wire.server_options(authenticate=True), transport)
    head = wire.request("/a//b/RDAM%20123?x=1", "ocpp1.6, ocpp2.1", "X-A: 1\r\n")
    assert opening.receive(head[:30]) is None
    asked = opening.receive(head[30:])
    assert asked == Asked(opening.asked)
    shown = opening.asked
    assert (shown.identity, shown.endpoint, shown.query) == ("RDAM 123", "/a//b", {"x": "1"})
    assert (shown.protocols, shown.password) == (("ocpp1.6", "ocpp2.1"), None)
    assert (shown.remote_address, shown.peer_certificate, shown.tls) == ("10.0.0.1", certificate, tls)
    assert shown.headers["x-a"] == "1"


@pytest.mark.feature("S19")
@pytest.mark.rule(29)
@pytest.mark.rule(32)
@pytest.mark.rule(34)
@pytest.mark.rule(35)
@pytest.mark.rule(36)
@pytest.mark.parametrize(
    ("credentials", "password"),
    [
        (b"CP1:secret", b"secret"),
        (b"CP1:", b""),
        (b"CP1:a:b\x00\xff", b"a:b\x00\xff"),
        ("CP1:pässword".encode(), "pässword".encode()),
        (b"CP2:secret", None),
        (b"CP1", None),
    ],
)
def test_basic_auth(credentials, password):
    """Any bytes are a password; for another identity, or malformed, there is none."""
    opening = answering(authenticate=True)
    header = f"Authorization: Basic {base64.b64encode(credentials).decode()}\r\n"
    opening.receive(wire.request(extra=header))
    assert opening.asked.password == password


@pytest.mark.feature("S13")
@pytest.mark.rule(24)
@pytest.mark.rule(25)
@pytest.mark.parametrize(
    ("ours", "theirs", "chosen"),
    [
        (["ocpp2.1", "ocpp1.6"], "ocpp1.6, ocpp2.1", "ocpp2.1"),
        (["ocpp1.6"], "ocpp0.1, ocpp1.6", "ocpp1.6"),
        ([], "ocpp1.6", None),
        ([], "", None),
        (["ocpp1.6"], "ocpp2.1", "refused"),
        (["ocpp1.6"], "", "refused"),
    ],
)
def test_the_subprotocol(ours, theirs, chosen):
    """The server's first that the client offers; none in common refuses, unless the server names none."""
    outcome = answering(protocols=ours).receive(wire.request(protocols=theirs))
    if chosen == "refused":
        assert status(outcome) == (400, "no common subprotocol; this server speaks ocpp1.6")
    else:
        assert (outcome.protocol, outcome.response) == (chosen, None)
        echoed = None if chosen is None else chosen.encode()
        assert (echoed is None) == (b"Sec-WebSocket-Protocol" not in outcome.reply)
        assert echoed is None or b"\r\nSec-WebSocket-Protocol: " + echoed in outcome.reply


@pytest.mark.feature("S14")
@pytest.mark.feature("S15")
def test_the_application_chooses():
    """Any subprotocol that was offered, even one the server does not name; another one is refused with 400."""
    for wish, answer in [("ocpp9", 101), ("ocpp1.6", 101), ("ocpp2.1", 400)]:
        opening = answering(authenticate=True, protocols=["ocpp1.6"])
        opening.receive(wire.request(protocols="ocpp1.6, ocpp9"))
        outcome = opening.decide(UpgradeAccepted(wish))
        assert status(outcome)[0] == answer
        assert isinstance(outcome, Refused) or outcome.protocol == wish


@pytest.mark.feature("S14")
@pytest.mark.feature("S16")
@pytest.mark.feature("S21")
@pytest.mark.rule(28)
@pytest.mark.parametrize(
    ("verdict", "answer", "body"),
    [
        (UpgradeRejected(), 400, ""),
        (UpgradeRejected(404, "nobody of that name"), 404, "nobody of that name"),
        (UpgradeRejected(401), 401, ""),
        (UpgradeRejected(200, "fine?"), 500, "fine?"),
        (UpgradeCrashed(ZeroDivisionError("secret")), 500, ""),
    ],
)
def test_the_application_turns_it_away(verdict, answer, body):
    """With its status and body; a crash, or a status that refuses nothing, is a 500; observers hear the cause."""
    opening = answering(authenticate=True)
    opening.receive(wire.request())
    outcome = opening.decide(verdict)
    assert status(outcome) == (answer, body)
    assert outcome.notice == n.UpgradeAborted(outcome.error, answer, "CP1", opening.asked)
    crashed = isinstance(verdict, UpgradeCrashed)
    assert outcome.error is verdict.error if crashed else isinstance(outcome.error, errors.UpgradeRefused)


@pytest.mark.feature("S22")
@pytest.mark.threat("T18")
@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 400),
        (b"\x16\x03\x01garbage\r\n\r\n", 400),
        (wire.request(extra="X: " + "x" * 20000 + "\r\n"), 431),
    ],
)
def test_what_is_no_request_for_a_websocket(request_, answer):
    """It is refused, and nobody knows who it was."""
    outcome = answering(authenticate=True).receive(request_)
    assert status(outcome)[0] == answer
    assert outcome.notice == n.UpgradeAborted(outcome.error, answer, None, None)


@pytest.mark.threat("T23")
@pytest.mark.parametrize(
    ("origin", "allowed", "answer"),
    [
        (None, [], 101),
        (None, ["https://csms.example"], 101),
        ("https://evil.example", [], 403),
        ("https://evil.example", ["https://csms.example"], 403),
        ("https://csms.example.evil.example", ["https://csms.example"], 403),
        ("http://csms.example", ["https://csms.example"], 403),
        ("https://csms.example", ["https://a.example", "https://csms.example"], 101),
        ("null", ["https://csms.example"], 403),
        ("null", ["*"], 101),
        ("*", [], 403),
        ("", [], 403),
        ("https://a.example\r\nOrigin: https://a.example", ["https://a.example"], 403),
    ],
)
def test_web_pages(origin, allowed, answer):
    """Who names an origin, as browsers do, is refused unless it is allowed; `auth` is not asked, observers are told."""
    opening = answering(allowed_origins=allowed, authenticate=answer != 101)
    head = wire.request(extra="" if origin is None else f"Origin: {origin}\r\n")
    outcome = opening.receive(head)
    if answer == 101:
        assert isinstance(outcome, Established)
    else:
        assert status(outcome) == (403, "web pages of this origin may not connect")
        assert outcome.notice == n.UpgradeAborted(outcome.error, 403, "CP1", opening.asked)
        assert isinstance(outcome.error, errors.UpgradeRefused)


@pytest.mark.threat("T4")
def test_early_bytes_are_kept_within_a_limit():
    """Frames that come while the application decides are not lost, and not hoarded."""
    opening = answering(authenticate=True)
    opening.receive(wire.request() + wire.message("hi", masked=True))
    assert opening.receive(wire.goodbye(1000, masked=True)) is None
    established = opening.decide(UpgradeAccepted())
    signals = [*established.websocket.receive(established.early)]
    assert signals == ['["hi"]', CloseReceived(1000, "", wire.goodbye(1000))]
    opening = answering(authenticate=True)
    opening.receive(wire.request() + bytes(65536))
    assert status(opening.receive(b"!")) == (400, "too many bytes before the upgrade was answered")
    assert status(answering().receive(wire.request() + bytes(65537)))[0] == 400


@pytest.mark.rule(43)
def test_compression_is_agreed_on():
    """If the option says so and the client offers it."""
    offer = wire.request(extra=DEFLATE.format(""))
    assert b"permessage-deflate" not in answering(compression=False).receive(offer).reply
    assert b"permessage-deflate" not in answering(compression=True).receive(wire.request()).reply
    established = answering(compression=True).receive(offer)
    assert b"\r\nSec-WebSocket-Extensions: permessage-deflate" in established.reply
    assert len(established.websocket.text("a" * 1000)) < 100


def test_limits_reach_the_websocket():
    """The maximum message size of the options counts."""
    established = answering(max_message_size=5).receive(wire.request())
    [failed] = established.websocket.receive(wire.message("too long", masked=True))
    assert failed.code == 1009


# --- Policies ---------------------------------------------------------------------------------------


@pytest.mark.feature("B17")
@pytest.mark.rule(24)
@pytest.mark.parametrize("theirs", ["ocpp2.1", "ocpp0.1, ocpp2.1", ""])
def test_completing_the_handshake_only_to_close(theirs):
    """On request: 101 without a subprotocol or an extension, then a goodbye with 1002; observers hear of it."""
    opening = answering(protocols=["ocpp1.6"], subprotocol_mismatch="close")
    outcome = opening.receive(wire.request(protocols=theirs, extra=DEFLATE.format("")))
    head, _, goodbye = outcome.reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Accept: " + wire.ACCEPT.encode() in head
    assert b"Protocol:" not in head
    assert b"Extensions" not in head
    problem = "no common subprotocol; this server speaks ocpp1.6"
    assert goodbye == wire.goodbye(1002, problem)
    assert outcome.notice == n.UpgradeAborted(outcome.error, 101, "CP1", opening.asked)
    assert (type(outcome.error), outcome.error.message) == (errors.UpgradeRefused, problem)


@pytest.mark.feature("B17")
@pytest.mark.rule(24)
def test_the_goodbye_always_fits():
    """However many subprotocols the server speaks, the frame is one that may be sent (RFC 6455 5.5)."""
    opening = answering(protocols=[f"ocpp{number}" for number in range(99)], subprotocol_mismatch="close")
    goodbye = opening.receive(wire.request()).reply.partition(b"\r\n\r\n")[2]
    assert len(goodbye) == 2 + 125


@pytest.mark.feature("B17")
@pytest.mark.feature("S15")
def test_what_is_no_mismatch():
    """The application's own mistake is a 400, whatever the policy; and who shares a subprotocol is let in."""
    opening = answering(authenticate=True, protocols=["ocpp1.6"], subprotocol_mismatch="close")
    opening.receive(wire.request(protocols="ocpp1.6"))
    assert status(opening.decide(UpgradeAccepted("ocpp2.1")))[0] == 400
    outcome = answering(protocols=["ocpp1.6"], subprotocol_mismatch="close").receive(wire.request(protocols="ocpp1.6"))
    assert (type(outcome), outcome.protocol) == (Established, "ocpp1.6")


@pytest.mark.rule(31)
@pytest.mark.threat("T12")
@pytest.mark.parametrize(
    ("identity", "problem"),
    [
        ("CP%3A1", "the identity must be of letters and digits of ASCII and * - _ = + | @ ."),
        ("x" * 49, "the identity must have 1 to 48 characters"),
        ("", "the identity must have 1 to 48 characters"),
    ],
)
def test_identities_of_ocpp_2(identity, problem):
    """Where the format is asked for, another identity is refused on 2.x, and there alone."""
    settings = {"protocols": ["ocpp2.0.1", "ocpp1.6"], "identity_format": "ocpp2"}
    request_ = wire.request(f"/{identity}", "ocpp2.0.1")
    assert status(answering(**settings).receive(request_)) == (400, problem)
    assert type(answering(**{**settings, "identity_format": "any"}).receive(request_)) is Established
    assert type(answering(**settings).receive(wire.request(f"/{identity}", "ocpp1.6"))) is Established
    assert type(answering(**settings).receive(wire.request("/CP-1", "ocpp2.0.1"))) is Established
