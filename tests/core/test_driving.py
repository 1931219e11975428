"""The half of a driver that needs no I/O: one event at a time, and who waits."""

import os

import pytest

from ocpp_rpc_core import actions as a, events as e, notices as n
from ocpp_rpc_core.config import ClientOptions
from ocpp_rpc_core.connection import Connection
from ocpp_rpc_core.driving import Inbox, Waiter
from ocpp_rpc_core.errors import CallTimeout, LocalProtocolError


def client():
    return Connection(ClientOptions(entropy=os.urandom, identity="CP1"))


class TestInbox:
    def test_every_action_is_performed_in_order_at_the_time_of_the_clock(self):
        """Feeding performs what the connection asks for, in its order."""
        done = []
        times = iter([5.0, 7.0])
        inbox = Inbox(client(), lambda: next(times), done.append)
        inbox.feed(e.ConnectRequested(1))
        assert done == [a.Report(n.Connecting(())), a.OpenTransport("localhost", 80, secure=False)]

    def test_an_event_fed_while_performing_waits_until_all_actions_are_done(self):
        """Performing an action may feed; the present event's remaining actions come first."""
        done = []

        def perform(action):
            done.append(action)
            if action == a.Report(n.Connecting(())):
                inbox.feed(e.CloseRequested())

        inbox = Inbox(client(), lambda: 0.0, perform)
        inbox.feed(e.ConnectRequested(1))
        assert [type(action) for action in done[:3]] == [a.Report, a.OpenTransport, a.Report]
        assert done[2] == a.Report(n.Closing())
        assert done[-1] == a.Report(n.Closed(1001, "Connection aborted"))

    def test_a_mistake_of_the_driver_does_not_block_what_is_fed_later(self):
        """After an exception the inbox works on."""
        done = []
        inbox = Inbox(client(), lambda: 0.0, done.append)
        with pytest.raises(LocalProtocolError):
            inbox.feed(e.TransportClosed())
        inbox.feed(e.ConnectRequested(1))
        assert done


class TestWaiter:
    def test_a_result_is_returned(self):
        """The outcome of a waiter with a result is the result."""
        waiter = Waiter("bell")
        waiter.result = {"a": 1}
        assert waiter.outcome() == {"a": 1}

    def test_an_error_is_raised(self):
        """The outcome of a waiter with an error is raised."""
        waiter = Waiter("bell")
        waiter.error = CallTimeout("late")
        with pytest.raises(CallTimeout, match="late"):
            waiter.outcome()
