"""The half of a server that needs no I/O: who is at the door, who is called by name, and how it ends."""

import inspect
import os
from contextlib import ExitStack

import pytest
from support.stepping import Bell, Driver, Task

from ocpp_rpc_core import Door, NotConnected, State, events as e, notices as n
from ocpp_rpc_core._door import Visit
from ocpp_rpc_core.config import ClientOptions
from ocpp_rpc_core.connection import Connection
from ocpp_rpc_core.driving import Calling
from ocpp_rpc_core.serving import Listener, ServedClient, Serving


class Server(Serving):
    """A server without an event loop."""

    new_bell = Bell


class Scope:
    """What a listener runs in."""

    cancelled = False

    def cancel(self):
        self.cancelled = True


def served(server, identity="CP1"):
    """A client that was let in."""
    client = ServedClient(server)
    client._attached = Driver()
    client.feed = client._attached.feed
    station = Connection(ClientOptions(entropy=os.urandom, identity=identity))
    station.handle(e.ConnectRequested(1), 0.0)
    (request,) = station.handle(e.TransportOpened(), 0.0)
    client.connection.handle(e.TransportOpened(), 0.0)
    client.connection.handle(e.BytesReceived(request.data), 0.0)
    client.notify(n.Opened(None))
    return client


def leave(client):
    """It is gone."""
    client.connection.handle(e.AbortRequested(), 1.0)
    client.notify(n.Closed(1006, ""))


class TestByName:
    @pytest.mark.feature("B6")
    def test_a_call(self):
        """It goes to the client of that identity, as if made there."""
        server = Server(bytes, {})
        client, other = served(server), served(server, "CP2")
        assert Task(server.call("CP1", "X", {"a": 1}, timeout=3, no_reply=True, message_id="7")).result == 42
        assert client._attached.told == [e.CallRequested(1, "X", {"a": 1}, 3, no_reply=True, message_id="7")]
        assert other._attached.told == []

    @pytest.mark.feature("B6")
    def test_a_call_to_nobody(self):
        """Who is not connected, or leaves already, was never written to; the error says who it is, on one line."""
        server = Server(bytes, {})
        client = served(server)
        client.connection.handle(e.CloseRequested(), 1.0)
        for identity, shown in (("CP1", "'CP1'"), ("a\n\u2028\u202eb", r"'a\n\u2028\u202eb'")):
            with pytest.raises(NotConnected) as failed:
                Task(server.call(identity, "X"))
            assert str(failed.value) == f"{shown} is not connected"
        assert client._attached.told == []

    @pytest.mark.feature("B6")
    def test_a_call_takes_what_that_of_a_client_takes(self):
        """The same arguments with the same defaults, after the identity."""
        ours, theirs = (list(inspect.signature(kind.call).parameters.values()) for kind in (Serving, Calling))
        assert [ours[0], *ours[2:]] == theirs
        assert ours[1].name == "identity"

    @pytest.mark.feature("B6")
    @pytest.mark.threat("T13")
    def test_the_successor_is_called_from_when_it_is_registered(self):
        """Before its predecessor is told to leave; and no late clean-up of that changes it."""
        server = Server(bytes, {})
        old, found = served(server), []
        old.feed = lambda event: found.append((event, server.get("CP1")))
        new = served(server)
        assert found == [(e.CloseRequested(1008, "replaced by a newer connection of this identity"), new)]
        leave(old)
        assert Task(server.call("CP1", "X")).result == 42
        assert old._attached.told == []
        assert len(new._attached.told) == 1

    @pytest.mark.feature("B6")
    def test_waiting_for_somebody(self):
        """Who is there is returned at once, who comes when they come, to all who wait; nothing is left behind."""
        server = Server(bytes, {})
        tasks = [Task(server.wait_for("CP1")) for _ in range(2)]
        served(server, "CP2")
        assert not any(task.step() for task in tasks)
        client = served(server)
        assert all(task.step() for task in tasks)
        assert [task.result for task in tasks] == [client, client]
        assert Task(server.wait_for("CP1")).result is client
        assert server._registry._waiting == {}

    @pytest.mark.feature("B6")
    def test_who_is_gone_again_is_waited_for_again(self):
        """Whoever comes and leaves before the one who waits could look has not arrived for them."""
        server = Server(bytes, {})
        task = Task(server.wait_for("CP1"))
        leave(served(server))
        assert not task.step()
        client = served(server)
        assert task.step()
        assert task.result is client

    @pytest.mark.feature("B6")
    def test_giving_up(self):
        """Who is cancelled while waiting leaves nothing behind, and the others wait on."""
        server = Server(bytes, {})
        one, other = Task(server.wait_for("CP1")), Task(server.wait_for("CP1"))
        one.coroutine.close()
        client = served(server)
        assert other.step()
        assert other.result is client
        assert server._registry._waiting == {}

    @pytest.mark.feature("B6")
    def test_a_server_that_closes(self):
        """Whoever waits is told, and whoever wants to wait after that."""
        server = Server(bytes, {})
        task = Task(server.wait_for("CP1"))
        Task(server.close())
        for step in (task.step, lambda: Task(server.wait_for("CP1"))):
            with pytest.raises(NotConnected, match="'CP1' is not connected, and the server is closing"):
                step()
        assert server._registry._waiting == {}


async def accepting(server, error=None):
    """Accept somebody when there is room, or fail to."""
    async with server._room():
        if error is not None:
            raise error


def accepts(server):
    """Whether somebody was accepted at once."""
    return inspect.getcoroutinestate(Task(accepting(server)).coroutine) == inspect.CORO_CLOSED


class TestDoor:
    @pytest.mark.feature("B13")
    @pytest.mark.threat("T8")
    def test_no_room(self):
        """Who finds none is reported, and their byte stream is for the driver to close; then there is room again."""
        server, heard = Server(bytes, {"door": Door(max_connections=1)}), []
        server.on(n.ConnectionRefused, heard.append)
        with server._visit("192.0.2.1") as first, server._visit("192.0.2.2") as second:
            assert isinstance(first, Visit)
            assert second is None
        assert heard == [n.ConnectionRefused("192.0.2.2", "too many connections")]
        with pytest.raises(ZeroDivisionError), server._visit(None):
            raise ZeroDivisionError
        with server._visit(None) as third:
            assert isinstance(third, Visit)
        assert server.guard._visits == set()

    @pytest.mark.feature("B13")
    def test_open_files(self):
        """The driver says how many this process may open."""
        server = Server(bytes, {}, 4)
        with server._visit(None), server._visit(None), server._visit(None) as third:
            assert third is None

    @pytest.mark.feature("B13")
    @pytest.mark.feature("S24")
    def test_reconfigured(self):
        """New limits count for whoever comes."""
        server = Server(bytes, {})
        server.reconfigure(door=Door(max_unauthenticated=1))
        with server._visit(None), server._visit(None) as second:
            assert second is None

    @pytest.mark.feature("B13")
    @pytest.mark.threat("T8")
    def test_who_accepts_waits_for_room(self):
        """While as many strangers are there as may stand at the door, nobody is accepted, and who brings a byte
        stream is refused; then one goes on for each who is let in or has left.  That is reported once."""
        server, heard = Server(bytes, {"door": Door(max_unauthenticated=3)}), []
        server.on(n.LimitExceeded, heard.append)
        server.on(n.ConnectionRefused, heard.append)
        assert all(accepts(server) for _ in range(3))
        with ExitStack() as stack:
            one, other, _ = (stack.enter_context(server._visit(None, accepted=True)) for _ in range(3))
            tasks = [Task(accepting(server)) for _ in range(2)]
            assert not any(task.step() for task in tasks)
            with server._visit(None) as brought:
                assert brought is None
            server.guard.let_in(one)
            assert [task.step() for task in tasks] == [True, False]
            server.guard.leave(other)
            assert tasks[1].step()
            for _ in range(2):
                assert isinstance(stack.enter_context(server._visit(None, accepted=True)), Visit)
        assert (server.guard._waiting, server.guard._kept) == ([], 0)
        refused = n.ConnectionRefused(None, "too many connections that are not let in yet")
        assert heard == [n.LimitExceeded("max_unauthenticated", 3), refused]

    @pytest.mark.feature("B13")
    @pytest.mark.threat("T8")
    def test_a_place_for_nobody(self):
        """If nobody could be accepted after all, or whoever was is refused for something else, the next may come."""
        server = Server(bytes, {"door": Door(max_unauthenticated=1)})
        for _ in range(2):
            with pytest.raises(OSError, match="no more files"):
                Task(accepting(server, OSError("no more files")))
        server.reconfigure(door=Door(max_unauthenticated=1, max_unauthenticated_per_address=1))
        with server._visit("192.0.2.1") as stranger:
            server.reconfigure(door=Door(max_unauthenticated=2, max_unauthenticated_per_address=1))
            assert accepts(server)
            task = Task(accepting(server))
            with server._visit("192.0.2.1", accepted=True) as refused:
                assert refused is None
            assert stranger is not None
            assert task.step()

    @pytest.mark.feature("B13")
    @pytest.mark.feature("S22")
    def test_giving_up_waiting_for_room(self):
        """A listener that is closed while it waits leaves nothing behind."""
        server = Server(bytes, {"door": Door(max_unauthenticated=1)})
        with server._visit(None):
            task = Task(accepting(server))
            task.coroutine.close()
        assert (server.guard._waiting, server.guard._kept) == ([], 0)

    @pytest.mark.feature("B13")
    @pytest.mark.feature("S24")
    def test_a_larger_door(self):
        """Who waits for room goes on when the limit is raised or taken away, not when something else changes."""
        for limit in (2, None):
            server = Server(bytes, {"door": Door(max_unauthenticated=1)})
            with server._visit(None):
                task = Task(accepting(server))
                server.reconfigure(ping_interval=5)
                assert not task.step()
                server.reconfigure(door=Door(max_unauthenticated=limit))
                assert task.step()


class TestListening:
    @pytest.mark.feature("S22")
    def test_a_listener(self):
        """It knows its address; closing it cancels what accepts, and waits until that has ended."""
        server, scope = Server(bytes, {}), Scope()
        listener = server._listening(("127.0.0.1", 9000), None, scope, secure=True)
        assert isinstance(listener, Listener)
        assert (listener.url, listener.port) == ("wss://localhost:9000", 9000)
        task = Task(listener.close())
        assert scope.cancelled
        assert not task.step()
        server._stopped(listener)
        assert task.step()
        assert server._accepting == set()
        assert server._state is State.OPEN


class TestClosing:
    @pytest.mark.feature("S25")
    @pytest.mark.feature("S29")
    @pytest.mark.parametrize(
        ("options", "event"),
        [
            ({}, e.CloseRequested(1001, "")),
            ({"code": 1012, "reason": "r", "await_pending": True}, e.CloseRequested(1012, "r", True)),
            ({"force": True}, e.AbortRequested()),
        ],
    )
    def test_it_closes_when_everybody_is_gone(self, options, event):
        """Clients are told, listeners cancelled; it has closed once none is left, and says so once."""
        server, scope, heard = Server(bytes, {}), Scope(), []
        server.on(n.ServerClosing, heard.append)
        server.on(n.ServerClosed, heard.append)
        listener = server._listening("/run/x", None, scope, secure=False)
        client = served(server)
        with server._visit(None) as visit:
            server._serving(client, visit)
        assert client.visit is visit
        assert server.guard._visits == {visit}
        waiting, task, again = (
            Task(make())
            for make in (
                server.wait_closed,
                lambda: server.close(**options),
                lambda: server.close(**options),
            )
        )
        assert client._attached.told == [event, event]
        assert scope.cancelled
        server._stopped(listener)
        assert not task.step()
        client.gone()
        assert server.guard._visits == set()
        assert all([task.step(), again.step(), waiting.step()])
        assert server._state is State.CLOSED
        assert heard == [n.ServerClosing(), n.ServerClosed()]

    @pytest.mark.feature("S25")
    def test_who_comes_while_it_closes(self):
        """They are sent away as soon as there is a driver for them, and waited for."""
        server = Server(bytes, {})
        listener = server._listening("/run/x", None, Scope(), secure=False)
        task = Task(server.close())
        client = served(server)
        server._serving(client, Visit(None))
        assert client._attached.told == [e.CloseRequested()]
        server._stopped(listener)
        assert not task.step()
        client.gone()
        assert task.step()

    def test_a_server_without_clients_closes_at_once(self):
        """Nothing to wait for; and what leaves an open server does not close it."""
        server = Server(bytes, {})
        server._gone()
        assert server._state is State.OPEN
        task = Task(server.close())
        assert task.result is None
        assert server._state is State.CLOSED
