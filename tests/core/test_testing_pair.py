"""The pair: connecting, the weather on the link, time, and reconnects."""

import pytest

from ocpp_rpc_core import notices as n
from ocpp_rpc_core._answers import Accept
from ocpp_rpc_core._lifecycle import State
from ocpp_rpc_core.backoff import ExponentialBackoff
from ocpp_rpc_core.config import ClientOptions, ServerOptions
from ocpp_rpc_core.testing import PENDING, Pair, counting_entropy


def pair_with(**options):
    """A pair with these options on both sides; nobody pings."""
    common = {"ping_interval": 0, **options}
    client = ClientOptions(entropy=counting_entropy(1), identity="CP1", backoff=ExponentialBackoff(jitter=0), **common)
    pair = Pair(client, ServerOptions(entropy=counting_entropy(2), **common))
    for router in (pair.at_client, pair.at_server):
        router.add("Echo", lambda call: call.params)
    return pair


def states(pair):
    """Of the client and of every server end."""
    return [end.connection.state for end in pair.ends]


def test_two_lines_are_a_test():
    """A pair needs no options, and calls go both ways."""
    pair = Pair()
    pair.at_client.add("Reset", lambda call: {"status": call.params["type"]})
    pair.connect()
    assert pair.server.ask("Reset", {"type": "Soft"}) == {"status": "Soft"}
    assert states(pair) == [State.OPEN, State.OPEN]


def test_single_bytes_change_nothing():
    """Whatever is delivered in single bytes has the same outcome."""
    pair = pair_with()
    pair.to_client.piece = pair.to_server.piece = 1
    pair.connect()
    assert pair.client.ask("Echo", {"a": "é" * 100}) == {"a": "é" * 100}


def test_delay_is_kept_to_the_second():
    """An answer takes both ways; the clock stops exactly where something arrives."""
    pair = pair_with()
    pair.connect()
    pair.to_server.delay, pair.to_client.delay = 2.0, 3.0
    token = pair.client.call("Echo")
    pair.advance(4.999)
    assert token not in pair.client.outcomes
    pair.advance(0.001)
    assert pair.client.outcomes[token] == {}
    assert pair.now == pytest.approx(5)


@pytest.mark.feature("C8")
def test_nobody_listens():
    """Attempts fail and are repeated with back-off, until somebody listens again."""
    pair = pair_with()
    pair.connect()
    pair.listening = False
    pair.cut()
    pair.advance(10)
    attempts = [notice for notice in pair.client.notices if isinstance(notice, n.Connecting)]
    assert len(attempts) == 4  # at first, and after 1, 2 and 4 s
    assert all(isinstance(end, n.Closed) for end in pair.server.notices[-1:])
    pair.listening = True
    pair.advance(5)
    assert states(pair) == [State.OPEN, State.CLOSED, State.OPEN]
    assert pair.client.ask("Echo", {"again": True}) == {"again": True}


@pytest.mark.threat("T7")
def test_nobody_answers():
    """An attempt without an answer is given up in time."""
    pair = pair_with()
    pair.listening = None
    token = pair.connect()
    pair.advance(9.9)
    assert token not in pair.client.outcomes
    pair.advance(0.1)
    assert isinstance(pair.client.outcomes[token], TimeoutError)


@pytest.mark.feature("S4")
def test_a_half_open_connection_is_found_out():
    """The client is gone without a word: only pings tell the server, and its calls are settled."""
    pair = pair_with(ping_interval=30, call_timeout=300)
    pair.connect()
    old = pair.server
    pair.to_server.lost = pair.to_client.lost = True
    token = old.call("Echo")
    pair.client.lose(OSError("unplugged"))
    pair.advance(59.9)
    assert old.connection.state is State.OPEN
    pair.advance(0.1)
    assert old.connection.state is State.CLOSED
    assert isinstance(old.outcomes[token], ConnectionError)


@pytest.mark.feature("C7")
def test_a_cut_is_noticed_by_both():
    """With its cause; and the client comes back."""
    pair = pair_with()
    pair.connect()
    pair.cut(OSError("storm"))
    pair.deliver()
    assert [any(isinstance(notice, n.SocketError) for notice in end.notices) for end in pair.ends] == [True, True]
    assert states(pair) == [State.CONNECTING, State.CLOSED]
    pair.advance(1)
    assert states(pair) == [State.OPEN, State.CLOSED, State.OPEN]


@pytest.mark.feature("S14")
def test_auth_decides():
    """It makes the server ask, and sees who comes."""
    asked = []
    pair = Pair(auth=lambda handshake: asked.append(handshake.identity) or Accept())
    pair.connect()
    assert (asked, states(pair)) == (["CP1"], [State.OPEN, State.OPEN])


@pytest.mark.feature("C13")
@pytest.mark.feature("S25")
def test_both_drain_at_once():
    """Each waits for the other's handler, both finish, and both end with the code that went first."""
    pair = pair_with()
    for router in (pair.at_client, pair.at_server):
        router.add("Slow", lambda call: PENDING)
    pair.connect()
    tokens = [end.call("Slow") for end in pair.ends]
    pair.deliver()
    for end in pair.ends:
        end.close(1001, "evening", drain=True)
    pair.deliver()
    for end in pair.ends:
        [request_id] = end.running
        end.answer(request_id, {"done": True})
    pair.advance(10)
    assert [end.outcomes[token] for end, token in zip(pair.ends, tokens, strict=True)] == [{"done": True}] * 2
    assert [end.notices[-1] for end in pair.ends] == [n.Closed(1001, "evening")] * 2


@pytest.mark.feature("C12")
@pytest.mark.parametrize("number", [0, 1])
def test_both_sides_hear_the_same_goodbye(number):
    """Whoever closes, code and reason are the same on both sides."""
    pair = pair_with()
    pair.connect()
    pair.ends[number].close(4001, "bye")
    pair.deliver()
    assert n.Disconnected(4001, "bye") in pair.client.notices
    assert pair.server.notices[-1] == n.Closed(4001, "bye")


@pytest.mark.feature("B3")
@pytest.mark.parametrize(("gone", "unaware"), [("client", "server"), ("server", "client")])
def test_half_open_in_one_line(gone, unaware):
    """One end is gone, by default the client's; the other does not notice before a ping stays unanswered."""
    pair = pair_with(ping_interval=30)
    pair.connect()
    old = {"client": pair.client, "server": pair.server}
    pair.listening = False
    pair.half_open(gone, OSError("unplugged"))
    pair.deliver()
    assert old[unaware].connection.state is State.OPEN
    assert old[gone].connection.state is not State.OPEN
    pair.advance(60)
    assert old[unaware].connection.state is not State.OPEN


@pytest.mark.feature("B3")
def test_stop_and_start():
    """The server dies with all its connections, and the client finds it again."""
    pair = pair_with()
    pair.connect()
    pair.stop()
    pair.advance(3.5)
    assert states(pair) == [State.CONNECTING, State.CLOSED]
    pair.start()
    pair.advance(4)
    assert states(pair) == [State.OPEN, State.CLOSED, State.OPEN]


@pytest.mark.feature("B3")
def test_what_is_no_function_is_the_answer():
    """A handler may be the result itself."""
    pair = Pair()
    pair.at_server.add("Heartbeat", {"currentTime": "now"})
    pair.connect()
    assert pair.client.ask("Heartbeat") == {"currentTime": "now"}
