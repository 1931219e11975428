"""A fake management system and a fake station: a table of answers, and what befalls them."""

import pytest

from ocpp_rpc_core import notices as n
from ocpp_rpc_core._answers import Accept, Reject
from ocpp_rpc_core.errors import RPCInternalError, RPCNotImplementedError, RPCSecurityError
from ocpp_rpc_core.testing import PENDING, FakeCSMS, FakeStation

pytestmark = pytest.mark.feature("B3")


def joined(csms, station):
    """Carry bytes between two fakes, by hand; return the lines."""
    lines = csms.open(), station.open()
    carry(*lines)
    return lines


def carry(one, other):
    """Until both are silent."""
    quiet = False
    while not quiet:
        quiet = True
        for source, sink in ((one, other), (other, one)):
            if data := source.read():
                sink.write(data)
                quiet = False


def outcome(fake, lines, method, params=None):
    """What becomes of a call."""
    token = fake.call(method, params)
    carry(*lines)
    return fake.outcomes.get(token)


def test_one_line_each():
    """A table of answers on either side, and a note of what was asked."""
    csms = FakeCSMS({"BootNotification": {"status": "Accepted"}})
    station = FakeStation("CP7", {"Reset": lambda call: {"status": call.params["type"]}})
    lines = joined(csms, station)
    assert (csms.connected, station.connected) == (True, True)
    assert csms.end.connection.handshake.identity == "CP7"
    assert csms.end.connection.protocol == "ocpp1.6"
    assert outcome(station, lines, "BootNotification", {"a": 1}) == {"status": "Accepted"}
    assert outcome(csms, lines, "Reset", {"type": "Soft"}) == {"status": "Soft"}
    assert csms.calls == [("BootNotification", {"a": 1})]
    assert station.calls == [("Reset", {"type": "Soft"})]


def test_answers_of_every_kind():
    """A result, an exception to raise, a function that raises, all others, none, and later."""
    csms = FakeCSMS(
        {
            "Security": RPCSecurityError("no"),
            "Boom": lambda call: 1 / 0,
            "Later": PENDING,
            "*": lambda call: call.method,
        }
    )
    station = FakeStation()
    lines = joined(csms, station)
    assert isinstance(outcome(station, lines, "Security"), RPCSecurityError)
    assert isinstance(outcome(station, lines, "Boom"), RPCInternalError)
    assert outcome(station, lines, "Anything") == "Anything"
    assert isinstance(outcome(csms, lines, "Anything"), RPCNotImplementedError)
    station.handle("Anything", {})
    assert outcome(csms, lines, "Anything") == {}
    token = station.call("Later")
    carry(*lines)
    assert token not in station.outcomes
    [request_id] = csms.end.running
    csms.end.answer(request_id, {"late": True})
    carry(*lines)
    assert station.outcomes[token] == {"late": True}


def test_async_handlers_are_refused():
    """There is no event loop here that could run them."""

    async def reset(call):
        return {}

    with pytest.raises(TypeError, match="Reset must be a plain function"):
        FakeStation(handlers={"Reset": reset})


def test_asking_needs_an_answer_at_once():
    """Where bytes are carried by hand there is none yet, and `ask` says so."""
    csms = FakeCSMS()
    lines = joined(csms, FakeStation())
    with pytest.raises(AssertionError, match="Reset has no outcome yet"):
        csms.ask("Reset")
    carry(*lines)


def test_patience():
    """A fake has no deadline that nobody gave it; with one, time must pass."""
    csms, station = FakeCSMS(), FakeStation()
    joined(csms, station)
    csms.call("Reset")
    assert (csms.next, station.next) == (None, None)
    csms = FakeCSMS(ping_interval=5)
    lines = joined(csms, FakeStation())
    csms.advance(5)
    carry(*lines)
    assert [notice for notice in csms.end.notices if isinstance(notice, n.PingEvent)] == [n.PingEvent(0.0)]


def test_options_and_auth():
    """Those of a server, by name; and whoever comes can be turned away."""
    csms = FakeCSMS(auth=lambda asked: Accept() if asked.password == b"secret" else Reject(401))
    joined(csms, FakeStation())
    assert not csms.connected
    joined(csms, FakeStation(password="secret"))
    assert csms.connected
    with pytest.raises(TypeError, match="no option 'nonsense'"):
        FakeCSMS(nonsense=1)


@pytest.mark.parametrize(
    ("ours", "offered", "spoken"),
    [((), (), None), ((), ("x", "ocpp1.6"), "x"), (("ocpp2.1", "ocpp1.6"), ("ocpp1.6", "ocpp2.1"), "ocpp2.1")],
)
def test_what_is_spoken(ours, offered, spoken):
    """What the client likes best, unless the fake was told what it speaks."""
    csms = FakeCSMS(protocols=ours)
    joined(csms, FakeStation(protocols=offered))
    assert (csms.connected, csms.end.connection.protocol) == (True, spoken)


def test_stop_and_start():
    """Everything breaks, nobody is let in; and then again."""
    csms, station = FakeCSMS(), FakeStation()
    assert not csms.connected
    line, _ = joined(csms, station)
    csms.stop()
    with pytest.raises(ConnectionResetError):
        line.read()
    with pytest.raises(ConnectionRefusedError):
        csms.open()
    csms.start()
    joined(csms, station)
    assert (csms.connected, len(csms.ends), len(station.ends)) == (True, 2, 2)


def test_half_open():
    """The fake has forgotten; the other end hears nothing, and can write as if nothing was."""
    csms, station = FakeCSMS(), FakeStation()
    line, _ = joined(csms, station)
    csms.half_open()
    line.write(b"\x89\x80\x00\x00\x00\x00")
    assert (line.read(), csms.connected) == (None, False)


def test_goodbye():
    """It is said on every connection, and both byte streams end."""
    csms, station = FakeCSMS(), FakeStation()
    lines = joined(csms, station)
    csms.close(1001, "bye")
    carry(*lines)
    lines[1].end()
    assert n.Disconnected(1001, "bye") in station.end.notices
    assert lines[0].read() == b""
    assert (csms.connected, station.connected) == (False, False)
