"""What applications touch, without I/O: handlers, observers, calls, options of a client."""

from math import inf

import pytest
from support import wire

from ocpp_rpc_core import events as e, notices as n
from ocpp_rpc_core._answers import NOREPLY, CloseInfo
from ocpp_rpc_core._lifecycle import State
from ocpp_rpc_core.actions import StartHandler
from ocpp_rpc_core.errors import LocalProtocolError
from ocpp_rpc_core.peer import DEFAULT, ClientPeer, Peer


def peer(identity="CP1", **settings):
    """A client's peer."""
    return ClientPeer("ws://localhost", identity, bytes, {"ping_interval": 0, **settings})


# --- Handlers -------------------------------------------------------------------------------------


@pytest.mark.feature("C18")
def test_handlers_are_registered_in_four_ways():
    """By call and by decorator, for a method and for all the others; what is registered comes back."""
    client = peer()

    def plain(call):
        return call

    assert client.handle("A", plain) is plain
    assert client.handle("B")(plain) is plain
    assert client._router.find("C") is None
    assert client.handle(plain) is plain
    assert client._router.find("C") is plain


@pytest.mark.feature("C18")
def test_a_later_handler_replaces_and_all_can_be_removed():
    """One by one, the wildcard, or all."""
    client = peer()
    for method in ("A", "B"):
        client.handle(method, int)
    client.handle("A", str)
    client.handle(float)
    assert client._router.find("A") is str
    client.remove_handler("A")
    assert client._router.find("A") is float
    client.remove_handler()
    assert [client._router.find(method) for method in "AB"] == [None, int]
    client.remove_all_handlers()
    assert client._router.find("B") is None


@pytest.mark.feature("C18")
@pytest.mark.parametrize("arguments", [(1,), (None,), (print, print), ("A", 1)])
def test_what_is_no_handler(arguments):
    """A handler must be callable, a method a string."""
    with pytest.raises(TypeError):
        peer().handle(*arguments)


@pytest.mark.feature("C19")
def test_serving_a_request():
    """The handler sees the call, may answer early, and its result or exception comes back."""
    client, fed = peer(), []
    seen = []

    def handler(call):
        seen.append((call.method, call.params, call.message_id, call.client))
        call.reply(NOREPLY)
        return {"a": 1}

    client.feed = fed.append
    start = StartHandler(4, "7", "Echo", {"b": 2}, handler)
    assert client.serve(start) == {"a": 1}
    assert seen == [("Echo", {"b": 2}, "7", client)]
    assert fed == [e.HandlerReplied(e.HandlerDeclined(4))]
    crash = StartHandler(5, "8", "Echo", {}, lambda call: 1 / 0)
    assert isinstance(client.serve(crash), ZeroDivisionError)


# --- Observers ------------------------------------------------------------------------------------


@pytest.mark.feature("C27")
def test_observers():
    """By call and by decorator; they hear only what they asked for, and can be taken off again."""
    client, heard = peer(), []

    def hear(notice):
        heard.append(notice)

    assert client.on(n.PingEvent, hear) is hear
    assert client.on(n.Closing)(hear) is hear
    for notice in (n.PingEvent(0.5), n.Closing(), n.Connecting(())):
        assert client.notify(notice) == []
    assert heard == [n.PingEvent(0.5), n.Closing()]
    client.off(n.PingEvent, hear)
    client.notify(n.PingEvent(1.0))
    assert len(heard) == 2
    with pytest.raises(TypeError):
        client.on(int, hear)


@pytest.mark.feature("C27")
def test_an_observer_that_raises():
    """Its exceptions are handed back, and the next observer is told nevertheless."""
    client, heard = peer(), []
    client.on(n.Closing, lambda notice: 1 / 0)
    client.on(n.Closing, heard.append)
    [error] = client.notify(n.Closing())
    assert isinstance(error, ZeroDivisionError)
    assert heard == [n.Closing()]


@pytest.mark.feature("C12")
def test_how_it_was_closed():
    """The last `Closed` says so; before, it is 1006."""
    client = peer()
    assert client._close_info == CloseInfo(1006, "")
    client.notify(n.Closed(1001, "off"))
    assert client._close_info == CloseInfo(1001, "off")


# --- Calls ----------------------------------------------------------------------------------------


@pytest.mark.feature("C14")
@pytest.mark.feature("C6")
def test_calls():
    """Each with a token of its own; None is no limit, and the default that of the options."""
    client = peer()
    assert [
        client._call("A", {}, DEFAULT, no_reply=False),
        client._call("B", {"x": 1}, None, no_reply=True),
        client._call("C", {}, 2.5, no_reply=False),
        client._send("D", {}),
        client._raw("text"),
        client._call("E", {}, DEFAULT, no_reply=False, message_id="mine"),
        client._send("F", {}, "mine"),
    ] == [
        e.CallRequested(1, "A", {}, None),
        e.CallRequested(2, "B", {"x": 1}, inf, no_reply=True),
        e.CallRequested(3, "C", {}, 2.5),
        e.SendRequested(4, "D", {}),
        e.RawSendRequested(5, "text"),
        e.CallRequested(6, "E", {}, None, message_id="mine"),
        e.SendRequested(7, "F", {}, "mine"),
    ]


@pytest.mark.feature("C14")
@pytest.mark.parametrize(
    ("method", "timeout", "error"),
    [(5, DEFAULT, TypeError), (None, 1, TypeError), ("A", 0, ValueError), ("A", -1, ValueError)],
)
def test_impossible_calls(method, timeout, error):
    """A method that is no string, and a time-out that is over before it begins."""
    with pytest.raises(error):
        peer()._call(method, {}, timeout, no_reply=False)


@pytest.mark.feature("B18")
def test_impossible_sends():
    """Names and message ids are strings, of a SEND as of a call."""
    for bad in (5, b"id"):
        with pytest.raises(TypeError, match="the message id must be a string"):
            peer()._call("A", {}, DEFAULT, no_reply=False, message_id=bad)
        with pytest.raises(TypeError, match="the message id must be a string"):
            peer()._send("A", {}, bad)
        with pytest.raises(TypeError, match="the method must be a string"):
            peer()._send(bad, {})


def test_a_time_out_that_is_no_number_is_refused():
    """NaN would never be reached."""
    with pytest.raises(ValueError, match="nan"):
        peer()._call("A", {}, float("nan"), no_reply=False)


# --- The client -----------------------------------------------------------------------------------


@pytest.mark.feature("C24")
@pytest.mark.feature("C2")
def test_what_a_client_knows_of_itself():
    """Its identity, state and subprotocol."""
    client = peer("CP 1", protocols=["ocpp1.6"])
    assert (client.identity, client.state, client.protocol) == ("CP 1", State.CLOSED, None)
    client.connection.handle(e.ConnectRequested(1), 0)
    client.connection.handle(e.TransportOpened(), 0)
    client.connection.handle(e.BytesReceived(wire.response("ocpp1.6")), 0)
    assert (client.state, client.protocol) == (State.OPEN, "ocpp1.6")


@pytest.mark.feature("S27")
@pytest.mark.parametrize(
    ("endpoint", "identity", "settings"),
    [
        ("http://localhost", "CP1", {}),
        ("nonsense", "CP1", {}),
        ("ws://localhost", "", {}),
        ("ws://localhost", "CP1", {"strict_mode": True}),
        ("ws://localhost", "CP1", {"strict_mode": ["ocpp9"], "protocols": ["ocpp9"]}),
        ("ws://localhost", "CP1", {"call_timeout": 0}),
        ("ws://localhost", "CP1", {"ping_interval": -1}),
        ("ws://localhost", "CP1", {"max_reconnects": -1}),
    ],
)
def test_impossible_options_are_refused_when_given(endpoint, identity, settings):
    """Not when connecting."""
    with pytest.raises(ValueError):
        ClientPeer(endpoint, identity, bytes, settings)


@pytest.mark.feature("C25")
def test_new_options():
    """Checked, and an event for the connection; a new identity counts from the next connect."""
    client = peer(call_timeout=None)
    assert client._options.call_timeout == inf
    client.reconfigure(identity="CP2")  # before there is a driver to tell
    fed = []
    client.feed = fed.append
    client.connection.handle(e.ConnectRequested(1), 0)
    client.reconfigure(call_concurrency=None)
    assert [(event.options.identity, event.options.call_concurrency) for event in fed] == [("CP2", inf)]
    assert client.identity == "CP1"
    client._renew()
    assert client.identity == "CP2"
    [_, opening] = client.connection.handle(e.ConnectRequested(1), 0)
    assert opening.host == "localhost"
    [sent] = client.connection.handle(e.TransportOpened(), 0)
    assert sent.data.startswith(b"GET /CP2 ")
    with pytest.raises(ValueError):
        client.reconfigure(max_reconnects=-1)
    with pytest.raises(TypeError):
        client.reconfigure(colour="red")
    assert client._options.identity == "CP2"


def test_only_servers_decide_and_welcome():
    """A client's driver never asks for it."""
    plain = Peer(wire.client_options())
    assert not plain.is_welcomed
    plain.gone()  # it may get another byte stream
    for ask in (plain.welcome, lambda: plain.welcomed(None), lambda: plain.decide(None), lambda: plain.decided(1)):
        with pytest.raises(AssertionError):
            ask()
    with pytest.raises(LocalProtocolError):
        Peer(wire.server_options()).connection.handle(e.ConnectRequested(1), 0)


@pytest.mark.feature("C27")
def test_events_are_streamed_with_the_bell_of_the_adapter():
    """The stream is of the peer's observers; no event loop is needed to make it."""
    client = peer()
    client.new_bell = object
    stream = client.events(n.Closed)
    with pytest.raises(StopIteration):
        stream.__aenter__().send(None)
    assert n.Closed in client._observers.wanted


def test_a_driver_must_attach_itself():
    """Before there is a driver nothing can be done, and that is said."""
    with pytest.raises(RuntimeError, match="no driver yet"):
        peer().feed(e.CloseRequested())
