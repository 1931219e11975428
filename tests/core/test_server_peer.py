"""A server's knowledge of its clients: verdicts, welcomes, duplicates, options for the next connection."""

import os
from dataclasses import replace

import pytest
from support import wire

from ocpp_rpc_core import events as e, notices as n
from ocpp_rpc_core._answers import Accept, Reject
from ocpp_rpc_core._door import Door
from ocpp_rpc_core.config import ClientOptions
from ocpp_rpc_core.connection import Connection
from ocpp_rpc_core.server_peer import ServerPeer, ServerSidePeer, listening_url


def server(**settings):
    return ServerPeer(os.urandom, settings)


def client(of, identity="CP1", now=0.0):
    """The server's side of a connection whose request has been read."""
    peer = ServerSidePeer(of)
    station = Connection(ClientOptions(entropy=os.urandom, identity=identity))
    station.handle(e.ConnectRequested(1), 0.0)
    (request,) = station.handle(e.TransportOpened(), 0.0)
    peer.connection.handle(e.TransportOpened("192.0.2.1"), now)
    peer.connection.handle(e.BytesReceived(request.data), now)
    return peer


class TestOptions:
    @pytest.mark.feature("S2")
    def test_they_are_checked_when_given(self):
        """Impossible and unknown options are refused at once."""
        with pytest.raises(ValueError, match="strict_mode needs at least one subprotocol"):
            server(strict_mode=True)
        with pytest.raises(TypeError, match="no option 'colour'"):
            server(colour="red")
        with pytest.raises(ValueError, match="duplicates"):
            server(duplicates="both")

    @pytest.mark.feature("S24")
    def test_reconfigure_counts_for_clients_that_come_later(self):
        """A connection keeps the options of when it began."""
        it = server(call_timeout=1)
        before = it.client_options()
        it.reconfigure(call_timeout=None, duplicates="allow")
        assert before.call_timeout == 1
        assert it.client_options().call_timeout == float("inf")
        with pytest.raises(ValueError, match="duplicates"):
            it.reconfigure(duplicates="some")
        it.reconfigure(ping_interval=5)
        assert it.client_options().ping_interval == 5

    @pytest.mark.feature("B13")
    @pytest.mark.feature("S24")
    @pytest.mark.threat("T24")
    def test_all_connections_share_one_budget(self):
        """For what they keep of unfinished messages; a new bound counts for those that are there already."""
        it = server(door=Door(partial_bytes=1000))
        one, two = client(it), client(it)
        begun = wire.frame(0x01, b"x" * 600, masked=True)
        assert one.connection.handle(e.BytesReceived(begun), 0.0) == []
        exceeded, *_ = two.connection.handle(e.BytesReceived(begun), 0.0)
        assert exceeded.notice == n.LimitExceeded("partial_bytes", 1000)
        assert it.budget.held == 600
        it.reconfigure(door=Door(partial_bytes=700))
        assert it.budget.bound == 700
        exceeded, *_ = one.connection.handle(e.BytesReceived(wire.frame(0x00, b"x" * 101, masked=True)), 0.0)
        assert exceeded.notice == n.LimitExceeded("partial_bytes", 700)
        assert it.budget.held == 0
        it.reconfigure(door=Door(partial_bytes=None))
        assert it.budget.bound == float("inf")

    def test_callbacks_decide_whether_the_connection_must_ask_and_hold(self):
        """Authentication and held calls follow from what is registered."""
        it = server()
        assert it.client_options() == replace(it.client_options(), authenticate=False, hold_calls=False)
        assert it.client_options() is it.client_options()
        it.auth(lambda handshake: Accept())
        it.on_client(lambda client: None)
        options = it.client_options()
        assert options.authenticate
        assert options.hold_calls

    def test_a_single_connection_can_be_reconfigured(self):
        """The event tells the connection its new options."""
        peer = client(server())
        fed = []
        peer.feed = fed.append
        peer.reconfigure(ping_interval=3)
        assert [event.options.ping_interval for event in fed] == [3]


class TestDecision:
    @pytest.mark.feature("S14")
    def test_accept_keeps_the_session_and_the_wish_for_a_subprotocol(self):
        """What is accepted with becomes the client's session."""
        peer = client(server())
        assert peer.session is None
        assert peer.decided(Accept({"id": 7}, "ocpp1.6")) == e.UpgradeAccepted("ocpp1.6")
        assert peer.session == {"id": 7}

    @pytest.mark.feature("S16")
    def test_other_outcomes(self):
        """Reject keeps its status and body, an exception is a crash, and so is anything else."""
        peer = client(server())
        assert peer.decided(Reject(401, "no")) == e.UpgradeRejected(401, "no")
        crash = ValueError("broken")
        assert peer.decided(crash) == e.UpgradeCrashed(crash)
        event = peer.decided(True)
        assert isinstance(event, e.UpgradeCrashed)
        assert "auth must return Accept or Reject" in str(event.error)

    def test_the_callback_sees_the_handshake(self):
        """decide passes the handshake on, and turns what is raised into the outcome."""
        it = server()
        peer = client(it)
        it.auth(lambda handshake: Reject(404, handshake.identity))
        verdict = peer.decide(peer.handshake)
        assert (verdict.status, verdict.body) == (404, "CP1")
        error = Reject()

        @it.auth
        def refuse(handshake):
            raise error

        assert peer.decide(peer.handshake) is error


@pytest.mark.feature("B13")
@pytest.mark.threat("T11")
class TestRejectedTooOften:
    def test_auth_is_not_asked_any_more(self):
        """After so many rejections the answer is 429, until a window has passed since the first."""
        it, asked = server(door=Door(max_rejections=2, rejection_window=60)), []
        it.auth(lambda handshake: asked.append(handshake.identity) or Reject(401))
        verdicts = []
        for now in (0, 1, 2, 59, 60):
            peer = client(it, now=float(now))
            outcome = peer.decide(peer.handshake)
            verdicts.append(peer.decided(outcome))
        too_often = e.UpgradeRejected(429, "rejected too often; try again in a minute")
        assert verdicts == [e.UpgradeRejected(401, "")] * 2 + [too_often] * 2 + [e.UpgradeRejected(401, "")]
        assert asked == ["CP1"] * 3

    @pytest.mark.parametrize("outcome", [Accept(), ValueError("the database is down"), None])
    def test_what_is_no_rejection(self, outcome):
        """Who is let in, or whom `auth` could not judge, has not been rejected."""
        it = server(door=Door(max_rejections=1))
        it.auth(lambda handshake: outcome)
        for _ in range(5):
            peer = client(it)
            assert peer.decide(peer.handshake) is outcome
            peer.decided(outcome)

    def test_who_leaves_before_the_verdict_is_counted(self):
        """Otherwise one could have any number of guesses judged at once."""
        it = server(door=Door(max_rejections=3))
        it.auth(lambda handshake: Accept())
        peers = [client(it) for _ in range(5)]
        outcomes = [peer.decide(peer.handshake) for peer in peers]
        assert [isinstance(outcome, Reject) for outcome in outcomes] == [False] * 3 + [True] * 2
        assert [outcome.status for outcome in outcomes[3:]] == [429, 429]


class TestArrival:
    @pytest.mark.feature("S26")
    @pytest.mark.feature("S21")
    def test_a_client_is_listed_from_opened_to_closed(self):
        """Observers hear of it, and it is in `clients` as long as it is connected."""
        it, heard = server(), []
        it.on(n.ClientConnected, heard.append)
        peer = client(it)
        assert peer.identity == "CP1"
        assert peer.handshake.remote_address == "192.0.2.1"
        assert it.clients == ()
        assert peer.notify(n.Opened(None)) == []
        assert it.clients == (peer,)
        assert heard == [n.ClientConnected(peer)]
        assert peer.notify(n.Closing()) == []
        assert it.clients == (peer,)
        assert peer.notify(n.Closed(1000, "")) == []
        assert it.clients == ()

    @pytest.mark.threat("T13")
    def test_the_newest_connection_of_an_identity_replaces_the_former(self):
        """The former is told to leave, and its end does not touch the successor."""
        it = server()
        old, new = client(it), client(it)
        wishes = []
        old.feed = wishes.append
        old.notify(n.Opened(None))
        new.notify(n.Opened(None))
        assert wishes == [e.CloseRequested(1008, "replaced by a newer connection of this identity")]
        assert it.get("CP1") is new
        old.notify(n.Closed(1008, ""))
        assert it.clients == (new,)

    def test_the_newcomer_may_be_refused(self):
        """With "refuse" the newcomer leaves, unannounced and unwelcomed."""
        it, heard = server(duplicates="refuse"), []
        it.on(n.ClientConnected, heard.append)
        it.on_client(lambda client: None)
        old, new = client(it), client(it)
        wishes = []
        new.feed = wishes.append
        old.notify(n.Opened(None))
        new.notify(n.Opened(None))
        assert wishes == [e.CloseRequested(1008, "this identity is connected already")]
        assert it.get("CP1") is old
        assert heard == [n.ClientConnected(old)]
        assert old.is_welcomed
        assert not new.is_welcomed

    @pytest.mark.feature("B6")
    def test_a_callback_for_duplicates(self):
        """It sees both clients, handshakes and sessions included; if it fails, that is reported and logged."""
        asked, failures, verdicts = [], [], ["allow", "refuse", "nonsense"]

        def decide(newcomer, clients):
            asked.append((newcomer.handshake.remote_address, newcomer.session, clients))
            return verdicts.pop(0)

        it = server(duplicates=decide)
        it.on(n.ServerError, failures.append)
        peers = [client(it) for _ in range(4)]
        wishes = []
        for number, peer in enumerate(peers):
            peer.feed = wishes.append
            peer.session = number
            raised = peer.notify(n.Opened(None))
            assert raised == [failure.error for failure in failures]
        address = "192.0.2.1"
        assert asked == [(address, number, tuple(peers[: min(number, 2)])) for number in (1, 2, 3)]
        assert it.clients == tuple(peers[:2])
        assert wishes == [e.CloseRequested(1008, "this identity is connected already")] * 2
        assert [str(failure.error) for failure in failures] == [
            "duplicates must return one of ('replace', 'refuse', 'allow'), not 'nonsense'"
        ]
        it.reconfigure(duplicates="allow")
        assert client(it).notify(n.Opened(None)) == []
        with pytest.raises(ValueError, match="duplicates"):
            it.reconfigure(duplicates=3)

    @pytest.mark.feature("B13")
    @pytest.mark.threat("T8")
    def test_who_was_let_in_is_no_stranger(self):
        """Once it is open, its connection does not count as unauthenticated any more."""
        it = server()
        peer = client(it)
        peer.visit = it.guard.arrive(Door(), None)
        assert it.guard._outside == {peer.visit}
        peer.notify(n.Opened(None))
        assert it.guard._outside == set()
        assert it.guard._visits == {peer.visit}
        peer.gone()
        assert it.guard._visits == set()

    def test_who_came_by_no_door(self):
        """Nothing counts for them, so nothing is left when they are gone."""
        it = server()
        client(it).gone()
        assert it.guard._visits == set()

    def test_a_driver_must_attach_itself(self):
        """Without a driver nobody can be sent away: that is a mistake, not silence."""
        it = server()
        client(it).notify(n.Opened(None))
        with pytest.raises(RuntimeError, match="no driver yet"):
            client(it).notify(n.Opened(None))

    def test_what_observers_raise_is_handed_to_the_driver(self):
        """One that fails does not keep the others from hearing."""
        it, heard = server(), []
        error = RuntimeError("mine")

        @it.on(n.ClientConnected)
        def fail(notice):
            raise error

        it.on(n.ClientConnected, heard.append)
        peer = client(it)
        assert peer.notify(n.Opened(None)) == [error]
        assert heard == [n.ClientConnected(peer)]

    @pytest.mark.feature("S18")
    def test_the_server_hears_of_clients_that_did_not_get_in(self):
        """`UpgradeAborted` reaches the server's observers."""
        it, heard = server(), []
        it.on(n.UpgradeAborted, heard.append)
        notice = n.UpgradeAborted(ValueError(), 400, None, None)
        client(it).notify(notice)
        assert heard == [notice]

    @pytest.mark.feature("S12")
    def test_the_welcome_ends_the_hold_or_the_connection(self):
        """A callback that returns makes the client served; one that fails sends it away, and is reported."""
        it, heard = server(), []
        it.on(n.ServerError, heard.append)
        peer = client(it)
        peer.notify(n.Opened(None))
        assert not peer.is_welcomed
        it.on_client(lambda client: client)
        assert peer.is_welcomed
        assert peer.welcome() is peer
        assert peer.welcomed(peer) == e.HandlersReady()
        error = ValueError("oops")
        assert peer.welcomed(error) == e.CloseRequested(1011, "internal error")
        assert heard == [n.ServerError(error)]

    @pytest.mark.feature("S28")
    def test_handlers_of_the_server_serve_every_client(self):
        """A client's router falls back to the server's."""
        it = server()
        it.handle("Heartbeat", len)
        assert client(it)._router.find("Heartbeat") is len


@pytest.mark.feature("S22")
@pytest.mark.parametrize(
    ("address", "host", "secure", "url", "port"),
    [
        (("127.0.0.1", 9000), "127.0.0.1", False, "ws://127.0.0.1:9000", 9000),
        (("0.0.0.0", 1), None, True, "wss://localhost:1", 1),
        (("::", 1, 0, 0), "::", False, "ws://localhost:1", 1),
        (("::1", 1, 0, 0), "::1", False, "ws://[::1]:1", 1),
        ("/run/csms.sock", None, False, "ws+unix:///run/csms.sock", None),
    ],
)
def test_the_url_of_a_listener(address, host, secure, url, port):
    """It is what a client on this machine can connect to."""
    assert listening_url(address, host, secure=secure) == (url, port)
