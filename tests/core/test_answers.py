"""What an application answers, as events."""

import pytest

from ocpp_rpc_core import events as e
from ocpp_rpc_core._answers import (
    NOREPLY,
    Accept,
    CloseInfo,
    InboundCall,
    Reject,
    answer_event,
    attempt,
    is_failure,
    verdict_event,
)
from ocpp_rpc_core.errors import ConnectionLost, NotConnected, RPCSecurityError


@pytest.mark.feature("S14")
def test_accept():
    """A client is accepted with a session, and with a subprotocol if one is chosen."""
    assert Accept() == Accept(session=None, protocol=None)
    assert verdict_event(Accept()) == e.UpgradeAccepted(None)
    assert verdict_event(Accept({"a": 1}, "ocpp1.6")) == e.UpgradeAccepted("ocpp1.6")


@pytest.mark.feature("S14")
def test_reject():
    """A client is rejected with status and body, whether that was returned or raised; 400 is the default."""
    assert verdict_event(Reject()) == e.UpgradeRejected(400, "")
    assert verdict_event(Reject(401, "who?")) == e.UpgradeRejected(401, "who?")
    assert str(Reject(401, "who?")) == "401: who?"
    with pytest.raises(Reject):
        raise Reject(401)


@pytest.mark.feature("S16")
def test_crash():
    """Any other exception is a crash with its cause, and so is an answer that is none."""
    oops = ValueError("oops")
    assert verdict_event(oops) == e.UpgradeCrashed(oops)
    for nonsense in (None, True, Accept, 401):
        crash = verdict_event(nonsense)
        assert type(crash) is e.UpgradeCrashed
        assert type(crash.error) is TypeError
        assert repr(nonsense) in str(crash.error)


@pytest.mark.feature("C19")
@pytest.mark.parametrize("result", [None, {}, {"a": 1}, [], 0, "NOREPLY", ValueError])
def test_result(result):
    """What a handler returns is its result, whatever it is; a class of exceptions is no exception."""
    assert answer_event(7, result) == e.HandlerReturned(7, result)


@pytest.mark.feature("C19")
@pytest.mark.feature("C22")
@pytest.mark.parametrize("error", [RPCSecurityError("no"), ValueError("oops"), KeyboardInterrupt()])
def test_error(error):
    """An exception is an error, whether it was raised or is given as the answer."""
    assert answer_event(7, error) == e.HandlerRaised(7, error)


@pytest.mark.feature("C20")
def test_no_reply():
    """NOREPLY is no answer at all, and says its name."""
    assert answer_event(7, NOREPLY) == e.HandlerDeclined(7)
    assert repr(NOREPLY) == "NOREPLY"


@pytest.mark.feature("C19")
def test_inbound_call():
    """A handler sees what was asked and by whom, and may answer before it ends."""
    fed: list[e.Event] = []
    client, oops = object(), ValueError("oops")
    call = InboundCall(7, "id1", "Heartbeat", {"a": 1}, client, fed.append)
    assert (call.message_id, call.method, call.params, call.client) == ("id1", "Heartbeat", {"a": 1}, client)
    assert fed == []
    for answer in ({"b": 2}, oops, NOREPLY):
        call.reply(answer)
    assert fed == [
        e.HandlerReplied(e.HandlerReturned(7, {"b": 2})),
        e.HandlerReplied(e.HandlerRaised(7, oops)),
        e.HandlerReplied(e.HandlerDeclined(7)),
    ]


@pytest.mark.feature("C12")
def test_close_info():
    """How a connection was closed is code and reason, by name and by place."""
    info = CloseInfo(1000, "bye")
    assert (info.code, info.reason) == info == (1000, "bye")


def test_is_failure():
    """A deliberate answer is no failure, nor is a peer that is gone; any other exception is."""
    for error in (RPCSecurityError("no"), Reject(401), ConnectionLost(), NotConnected()):
        assert not is_failure(error)
    assert is_failure(ValueError("oops"))
    assert is_failure(TimeoutError())


def test_attempt():
    """A callback gives what it returns, or the exception that it raises; what ends a program passes."""

    def fail(error):
        raise error

    oops = ValueError("oops")
    assert attempt(str, 7) == "7"
    assert attempt(fail, oops) is oops
    assert type(attempt("no function", 7)) is TypeError
    with pytest.raises(KeyboardInterrupt):
        attempt(fail, KeyboardInterrupt())
