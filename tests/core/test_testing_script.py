"""The script: a dialogue that holds a machine to every action, and says readably where it deviates."""

import pytest
from support import wire

from ocpp_rpc_core import actions as a, events as e, notices as n
from ocpp_rpc_core.config import ServerOptions
from ocpp_rpc_core.session import Session
from ocpp_rpc_core.testing import Script, counting_entropy


def test_what_happens_as_expected():
    """Values are compared whole, a type stands for any action of that type, and errors for their text."""
    script = Script(wire.client()).tell(e.ConnectRequested(1)).expect(a.Report(n.Connecting(())), a.OpenTransport)
    assert script.actions[1] == a.OpenTransport("localhost", 80, secure=False)
    refused = OSError("no")
    script.tell(e.TransportFailed(refused)).expect(
        a.Report(n.SocketError(OSError("no"))), a.RejectConnect(1, OSError("no")), a.Report, a.Report
    )


def test_what_happens_otherwise():
    """The text shows what was told and when, and both lists line by line."""
    script = Script(wire.client(), now=3.0).tell(e.ConnectRequested(1))
    with pytest.raises(AssertionError) as caught:
        script.expect(a.Report(n.Connecting(("ocpp1.6",))), a.OpenTransport, a.CloseTransport)
    assert str(caught.value).splitlines() == [
        "at 3 s, ConnectRequested(token=1) led to other actions than expected",
        "(- expected, + asked for):",
        "- Report(notice=Connecting(protocols=('ocpp1.6',)))",
        "+ Report(notice=Connecting(protocols=()))",
        "  OpenTransport(host='localhost', port=80, secure=False)",
        "- any CloseTransport",
    ]
    with pytest.raises(AssertionError, match="any AbortTransport"):
        script.expect(a.Report, a.AbortTransport)
    with pytest.raises(AssertionError, match="OSError\\('yes'\\)"):
        script.tell(e.TransportFailed(OSError("no"))).expect(a.Report(n.SocketError(OSError("yes"))))


def test_nothing_goes_unnoticed():
    """Actions that nobody expected fail the next `tell`, unless they are skipped."""
    script = Script(wire.client()).tell(e.ConnectRequested(1))
    with pytest.raises(AssertionError, match=r"\+ OpenTransport"):
        script.tell(e.Tick())
    script.skip().tell(e.Tick()).tell(e.Tick()).expect()


def test_the_clock():
    """It moves when told, and to a deadline only if that is the machine's."""
    script = Script(wire.client()).until(2).tell(e.ConnectRequested(1)).skip()
    with pytest.raises(AssertionError, match=r"the deadline is 12\.0, not 11"):
        script.until_deadline(11)
    assert script.until_deadline(12).now == 12


def test_a_session_has_scripts_too():
    """The text seam is tested in the same way."""
    script = Script(Session(ServerOptions(entropy=counting_entropy())))
    script.tell(e.SessionOpened(None)).expect().tell(e.RawSendRequested(1, "hi")).expect(
        a.SendText("hi"), a.Report(n.MessageEvent("hi", outbound=True)), a.ResolveCall(1, None)
    )
