"""The half of a driver that needs no I/O: one event at a time, and who waits."""

import os

import pytest
from support.stepping import Bell, Driver, Task

from ocpp_rpc_core import actions as a, events as e, notices as n
from ocpp_rpc_core._answers import CloseInfo
from ocpp_rpc_core._lifecycle import Phase
from ocpp_rpc_core._timekeeper import Timekeeper
from ocpp_rpc_core.config import ClientOptions
from ocpp_rpc_core.connection import Connection
from ocpp_rpc_core.driving import Calling, Driving, Inbox, LazyBell, Questions
from ocpp_rpc_core.errors import CallTimeout, LocalProtocolError
from ocpp_rpc_core.peer import ClientPeer


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


class TestQuestions:
    """Asking, and being answered later."""

    @pytest.mark.parametrize(
        ("question", "answer", "result"),
        [
            (e.CallRequested(7, "X", {}), a.ResolveCall(7, {"a": 1}), {"a": 1}),
            (e.SendRequested(7, "X", {}), a.ResolveCall(7, None), None),
            (e.ConnectRequested(7), a.ResolveConnect(7, "the 101"), "the 101"),
        ],
    )
    def test_a_result_is_returned(self, question, answer, result):
        """Whoever asked gets what came for its token, and the connection is told no more."""
        fed = []
        questions = Questions(fed.append, Bell)
        task = Task(questions.ask(question))
        questions.settle(a.ResolveCall(8, "somebody else's"))
        assert not task.step()
        questions.settle(answer)
        assert task.step()
        assert task.result == result
        assert fed == [question]

    @pytest.mark.parametrize("kind", [a.RejectCall, a.RejectConnect])
    def test_an_error_is_raised(self, kind):
        """An error reaches whoever asked."""
        questions = Questions(lambda event: None, Bell)
        task = Task(questions.ask(e.ConnectRequested(7)))
        questions.settle(kind(7, CallTimeout("late")))
        with pytest.raises(CallTimeout, match="late"):
            task.step()

    def test_an_answer_may_come_while_it_is_asked(self):
        """A connection that answers at once keeps nobody waiting."""
        questions = Questions(lambda event: questions.settle(a.ResolveCall(event.token, "at once")), Bell)
        assert Task(questions.ask(e.CallRequested(7, "X", {}))).result == "at once"

    @pytest.mark.parametrize(
        ("question", "told"),
        [
            (e.CallRequested(7, "X", {}), e.CallCancelled(7)),
            (e.RawSendRequested(7, "x"), e.CallCancelled(7)),
            (e.ConnectRequested(7), e.ConnectCancelled(7)),
        ],
    )
    def test_giving_up_is_told(self, question, told):
        """Who is cancelled while waiting tells the connection; an answer after that reaches nobody."""
        fed = []
        questions = Questions(fed.append, Bell)
        task = Task(questions.ask(question))
        task.coroutine.close()
        assert fed == [question, told]
        questions.settle(a.ResolveCall(7, "too late"))

    def test_giving_up_after_the_answer_is_not_told(self):
        """Once the answer is there, the connection has nothing left to cancel."""
        fed = []
        questions = Questions(fed.append, Bell)
        task = Task(questions.ask(e.ConnectRequested(7)))
        questions.settle(a.ResolveConnect(7, "the 101"))
        task.coroutine.close()
        assert fed == [e.ConnectRequested(7)]


class TestLazyBell:
    """It rings for all who wait, and for those who come later."""

    def test_rung_before(self):
        """Nobody waited, so there is no bell until somebody comes."""
        bells = []
        lazy = LazyBell(lambda: bells.append(Bell()) or bells[-1])
        assert not lazy.is_set()
        lazy.set()
        assert (lazy.is_set(), bells) == (True, [])
        assert hasattr(Task(lazy.wait()), "result")

    def test_rung_after(self):
        """One bell does for all."""
        bells = []
        lazy = LazyBell(lambda: bells.append(Bell()) or bells[-1])
        first, second = Task(lazy.wait()), Task(lazy.wait())
        assert not first.step()
        assert not second.step()
        lazy.set()
        assert first.step()
        assert second.step()
        assert len(bells) == 1


class Given:
    """Something that can be given up."""

    is_up = False

    def cancel(self):
        self.is_up = True


class Driven(Driving):
    """A driver that does nothing, notes everything, and has a clock by hand."""

    def __init__(self):
        self.now, self.done, self.failures = 0.0, [], []
        self.keeper = Timekeeper(Bell)
        super().__init__(station(), self.keeper, lambda: self.now, Bell)

    def _perform(self, action):
        self.done.append(action)
        if isinstance(action, a.SendBytes):
            self._outgoing.put(action.data)
        elif isinstance(action, a.ResolveCall):
            self._questions.settle(action)

    def _log(self, error):
        self.failures.append(error)


class TestDriving:
    """A connection that is fed, asked, and told the time."""

    def test_the_time_is_told_when_it_is_due(self):
        """An alarm is set for the first deadline, and only an earlier one moves it: what rings in vain does no harm."""
        driven = Driven()
        driven.feed(e.ConnectRequested(1))
        assert driven.keeper.next == 10.0
        driven.now = 10.0
        driven.keeper.ring(10.0)
        assert driven.done[-1] == a.AbortTransport()
        driven.feed(e.TransportFailed(OSError()))
        assert driven.keeper.next == float("inf")

    def test_an_earlier_deadline(self):
        """It is told in time, whatever was set before."""
        driven = Driven()
        driven._alarm = driven.keeper.move(driven._alarm, 99.0, driven._tick)
        driven.feed(e.ConnectRequested(1))
        assert driven.keeper.next == 10.0
        driven._alarm = driven.keeper.move(driven._alarm, 1.0, driven._tick)
        driven.now = 1.0
        driven.keeper.ring(1.0)
        assert driven.keeper.next == 10.0

    def test_what_fails_ends_nobody_else(self):
        """Whoever keeps the time for all goes on; the failure is logged, and the byte stream, if any, dropped."""
        driven = Driven()
        driven._feed_alone(e.TransportClosed())
        driven._transport = stream = Given()
        driven._feed_alone(e.TransportClosed())
        assert [type(error) for error in driven.failures] == [LocalProtocolError] * 2
        assert stream.is_up

    def test_the_byte_stream_goes_first(self):
        """What the application is asked is given up; while the connection goes on, nobody is told that it is closed."""
        driven = Driven()
        driven.feed(e.ConnectRequested(1))
        driven._transport, driven._asking = Given(), Given()
        driven._transport_gone(e.TransportFailed(OSError()))
        assert driven._asking.is_up
        assert driven._connection.phase is Phase.CLOSED
        assert driven.closed.is_set()
        retrying = Driven()
        retrying._transport = Given()
        retrying._transport_gone(e.Tick())
        assert not retrying.closed.is_set()

    @pytest.mark.parametrize("transport", [None, "still there"])
    def test_the_connection_goes_first(self, transport):
        """Whoever waits for the end waits for the byte stream, too; the time is told no more."""
        driven = Driven()
        driven.feed(e.ConnectRequested(1))
        driven._transport = transport
        driven._closed()
        assert driven.keeper._dropped == 1
        assert driven.closed.is_set() is (transport is None)

    def test_who_only_sends_waits_for_the_peer_to_read(self):
        """A message without an answer is sent no faster than that; feeding writes what there is."""
        driven = Driven()
        driven.feed(e.ConnectRequested(1))
        driven.feed(e.TransportOpened())
        assert driven._outgoing.size > 0
        driven._outgoing.serve(driven._connection, driven.feed)
        driven._outgoing.size = 2**30
        driven._connection.handle = lambda event, now: [a.ResolveCall(7, None)]
        task = Task(driven.ask(e.RawSendRequested(7, "x")))
        assert not task.step()
        driven._outgoing.wrote(2**30)
        assert task.step()
        driven._connection.handle = lambda event, now: [a.ResolveCall(8, {"a": 1})]
        assert Task(driven.ask(e.CallRequested(8, "X", {}))).result == {"a": 1}

    def test_an_adapter_does_the_rest(self):
        """Actions, and what is to be done after a mistake."""
        bare = Driving(station(), Timekeeper(Bell), lambda: 0.0, Bell)
        with pytest.raises(NotImplementedError):
            bare._perform(a.AbortTransport())
        with pytest.raises(NotImplementedError):
            bare._log(OSError())


class Station(Calling, ClientPeer):
    """A client without an event loop."""


def station():
    return Station("ws://localhost", "CP1", bytes, {})


class TestCalling:
    """What users of either end call."""

    def test_it_must_be_entered_first(self):
        """Before there is a driver, the error says what to do."""
        with pytest.raises(RuntimeError, match=r"async with Station\("):
            station().call("X").send(None)

    def test_questions_go_to_the_driver(self):
        """A call, a SEND and a raw message are asked with a token each; a call gives the answer."""
        peer = station()
        driver = peer._attached = Driver()
        assert Task(peer.call("X", {"a": 1}, timeout=3)).result == 42
        assert Task(peer.send("Y")).result is None
        assert Task(peer.send_raw("z")).result is None
        assert Task(peer.call("X", message_id="mine")).result == 42
        assert Task(peer.send("Y", {}, message_id="mine")).result is None
        assert driver.told == [
            e.CallRequested(1, "X", {"a": 1}, 3, no_reply=False),
            e.SendRequested(2, "Y", {}),
            e.RawSendRequested(3, "z"),
            e.CallRequested(4, "X", {}, message_id="mine"),
            e.SendRequested(5, "Y", {}, "mine"),
        ]

    @pytest.mark.parametrize(
        ("options", "event"),
        [
            ({"force": True}, e.AbortRequested()),
            ({"code": 4000, "reason": "bye", "await_pending": True}, e.CloseRequested(4000, "bye", True)),
        ],
    )
    def test_closing_waits_for_the_end(self, options, event):
        """It returns how the connection ended, not before it has."""
        peer = station()
        driver = peer._attached = Driver()
        task = Task(peer.close(**options))
        assert driver.told == [event]
        peer.notify(n.Closed(4001, "no, me"))
        assert not task.step()
        driver.closed.set()
        assert task.step()
        assert task.result == CloseInfo(4001, "no, me")
