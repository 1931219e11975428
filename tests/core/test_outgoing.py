"""Bytes on their way out: at once or joined, in order, and no more than the peer reads."""

import pytest
from hypothesis import given, strategies as st
from support.stepping import Bell, Task

from ocpp_rpc_core import events as e
from ocpp_rpc_core._outgoing import PIECE, READ_SIZE, Outgoing
from ocpp_rpc_core.limits import Limits


class Socket:
    """A socket with a buffer of so many bytes."""

    def __init__(self, room):
        self.room = room
        self.written = []

    def write(self, data):
        size = min(self.room, len(data))
        self.room -= size
        if size:
            self.written.append(data[:size])
        return size


class Line:
    """The part of a connection that is asked."""

    limits = Limits(unwritten_bytes=100)


def served(*ways):
    """Bytes of a connection that lets 100 of them wait, and what it is told."""
    told = []
    outgoing = Outgoing(Bell, *ways)
    outgoing.serve(Line(), told.append)
    return outgoing, told


def test_the_first_bytes_after_reading_go_out_at_once():
    """All of the batch in one piece, and nobody has to be woken."""
    socket = Socket(100)
    outgoing = Outgoing(Bell, socket.write)
    writer = Task(outgoing.next())
    outgoing.put(b"a")
    outgoing.put(b"b")
    assert (socket.written, outgoing.size) == ([], 2)
    outgoing.flush()
    assert (socket.written, outgoing.size) == ([b"ab"], 0)
    assert not writer.step()


def test_what_follows_is_joined():
    """Until something is read again, or the writer had its turn."""
    socket = Socket(100)
    outgoing = Outgoing(Bell, socket.write)
    writer = Task(outgoing.next())
    for piece in (b"a", b"b", b"c"):
        outgoing.put(piece)
        outgoing.flush()
    assert (socket.written, outgoing.size) == ([b"a"], 2)
    assert writer.step()
    assert (writer.result, outgoing.size) == (b"bc", 2)
    outgoing.put(b"d")
    outgoing.flush()  # not before what is being written
    writer = Task(outgoing.next())
    assert (writer.result, outgoing.size) == (b"d", 1)
    writer = Task(outgoing.next())
    outgoing.put(b"e")
    outgoing.flush()
    assert socket.written == [b"a", b"e"]
    outgoing.heard()
    outgoing.put(b"f")
    outgoing.flush()
    assert (socket.written, outgoing.size) == ([b"a", b"e", b"f"], 0)


def test_without_a_way_to_write_at_once():
    """Everything is for the writer."""
    outgoing = Outgoing(Bell)
    writer = Task(outgoing.next())
    outgoing.heard()
    outgoing.put(b"a")
    outgoing.flush()
    outgoing.flush()
    assert writer.step()
    assert writer.result == b"a"


def test_a_full_socket():
    """What it does not take is left to the writer, and comes first."""
    socket = Socket(1)
    outgoing = Outgoing(Bell, socket.write)
    writer = Task(outgoing.next())
    outgoing.put(b"abc")
    outgoing.flush()
    outgoing.put(b"d")
    outgoing.flush()
    assert writer.step()
    assert (socket.written, writer.result, outgoing.size) == ([b"a"], b"bcd", 3)


def test_before_the_writer_begins():
    """What was put already is the first that it gets."""
    outgoing = Outgoing(Bell)
    outgoing.put(b"a")
    outgoing.flush()
    assert Task(outgoing.next()).result == b"a"


def test_the_end():
    """The writer hears of it when all is written."""
    outgoing = Outgoing(Bell)
    writer = Task(outgoing.next())
    outgoing.put(b"a")
    assert not outgoing.finishing
    outgoing.finish()
    assert outgoing.finishing
    assert writer.step()
    assert writer.result == b"a"
    assert Task(outgoing.next()).result is None


def test_too_much():
    """Whoever waits, and be they several, waits until little enough is unwritten."""
    outgoing, _ = served()
    assert Task(outgoing.drained()).result is None
    outgoing.put(b"x" * 102)
    waiting = [Task(outgoing.drained()), Task(outgoing.readable())]
    assert not outgoing.may_read
    outgoing.wrote(1)
    assert not any(task.step() for task in waiting)
    outgoing.wrote(1)
    assert all(task.step() for task in waiting)


def test_broken():
    """Nobody waits for what can never be written, and nothing is written to what is no longer ours."""
    socket = Socket(100)
    outgoing, told = served(socket.write)
    outgoing.pause(reading=False)
    outgoing.put(b"x" * 101)
    waiting = Task(outgoing.drained())
    reader = Task(outgoing.readable())
    outgoing.broken()
    assert reader.step()
    assert told == []
    assert waiting.step()
    outgoing.put(b"y")
    outgoing.heard()
    outgoing.flush()
    assert socket.written == []
    assert Task(outgoing.drained()).result is None


@given(
    st.lists(st.sampled_from(["put", "flush", "heard", "write", "room"]), max_size=40),
    st.booleans(),
)
def test_nothing_is_lost_and_nothing_overtakes(steps, at_once):
    """Whatever is done in whatever order, the peer gets the bytes in the order they were put in."""
    socket, sent, number = Socket(3), [], 0
    outgoing = Outgoing(Bell, socket.write if at_once else None)
    writer = Task(outgoing.next())
    for step in [*steps, "flush", *["write"] * 9]:
        match step:
            case "put":
                piece = bytes([number % 256]) * (number % 4 + 1)
                number += 1
                sent.append(piece)
                outgoing.put(piece)
            case "flush":
                outgoing.flush()
            case "heard":
                outgoing.heard()
            case "room":
                socket.room = 3
            case "write":
                if writer.step():
                    socket.written.append(writer.result)
                    writer = Task(outgoing.next())
    assert b"".join(socket.written) == b"".join(sent)
    assert outgoing.size == 0


def test_later():
    """An adapter that nobody waits for is called back once, however much gathers, and writes what it can."""
    socket, calls = Socket(5), []
    outgoing = Outgoing(Bell, socket.write, lambda: calls.append("later"))
    for piece in (b"a", b"b", b"c"):
        outgoing.put(piece)
        outgoing.flush()
    assert (socket.written, calls) == ([b"a"], ["later"])
    outgoing.write()
    assert (socket.written, outgoing.size) == ([b"a", b"bc"], 0)
    outgoing.put(b"defg")
    outgoing.flush()
    outgoing.write()
    assert (socket.written, outgoing.size) == ([b"a", b"bc", b"de"], 2)
    socket.room = 9
    outgoing.finish()
    assert calls == ["later"] * 3
    outgoing.write()
    outgoing.write()
    assert (socket.written, outgoing.size) == ([b"a", b"bc", b"de", b"fg"], 0)


# --- What the connection is told -------------------------------------------------------------------


@pytest.mark.threat("T9")
def test_what_waits_behind_a_write_is_told():
    """Once when it begins, then whenever something was written, and when nothing waits any more."""
    outgoing, told = served()
    writer = Task(outgoing.next())
    outgoing.put(b"aa")
    outgoing.flush()
    assert writer.step()
    for piece in (b"bbb", b"c"):
        outgoing.put(piece)
        outgoing.flush()
    assert told == [e.BytesUnwritten(5)]
    assert Task(outgoing.next()).result == b"bbbc"
    assert told[1:] == [e.BytesUnwritten(4)]
    writer = Task(outgoing.next())
    assert told[2:] == [e.BytesUnwritten(0)]
    outgoing.put(b"d")
    outgoing.flush()
    assert writer.step()
    Task(outgoing.next())
    assert len(told) == 3


@pytest.mark.threat("T9")
def test_what_a_socket_does_not_take_is_told():
    """As soon as it was tried."""
    socket = Socket(1)
    outgoing, told = served(socket.write)
    writer = Task(outgoing.next())
    outgoing.put(b"abc")
    outgoing.flush()
    assert told == [e.BytesUnwritten(2)]
    assert writer.step()
    Task(outgoing.next())
    assert told[1:] == [e.BytesUnwritten(0)]


@pytest.mark.threat("T9")
def test_what_a_transport_holds_is_told():
    """Its own buffer counts, until it is empty; what gathers is written then, and to try before is no progress."""
    socket, calls = Socket(0), []
    outgoing, told = served(socket.write, lambda: calls.append("later"))
    outgoing.held(7)
    outgoing.put(b"abc")
    outgoing.flush()
    assert told == [e.BytesUnwritten(7)]
    socket.room = 9
    outgoing.held(0)
    outgoing.write()
    assert told[1:] == [e.BytesUnwritten(3), e.BytesUnwritten(0)]
    outgoing.held(0)
    assert len(told) == 3


@pytest.mark.threat("T9")
def test_much_is_written_in_pieces():
    """So that a slow line is known from a dead one."""
    outgoing, told = served()
    outgoing.put(bytes(PIECE + 1))
    outgoing.flush()
    assert Task(outgoing.next()).result == bytes(PIECE)
    assert told == [e.BytesUnwritten(PIECE + 1)]
    outgoing.put(b"z")
    assert Task(outgoing.next()).result == b"\0z"
    assert told[1:] == [e.BytesUnwritten(2)]


@pytest.mark.threat("T20")
def test_reading_is_paused():
    """The reader waits while the connection does not want to read; senders do not; who is called back later is."""
    calls = []
    outgoing, _ = served(None, lambda: calls.append("later"))
    outgoing.pause(reading=False)
    assert not outgoing.may_read
    assert Task(outgoing.drained()).result is None
    reader = Task(outgoing.readable())
    assert not reader.step()
    outgoing.pause(reading=True)
    assert reader.step()
    assert (outgoing.may_read, calls) == (True, ["later"])
    outgoing, _ = served()
    outgoing.pause(reading=False)
    outgoing.pause(reading=True)
    assert Task(outgoing.readable()).result is None


@pytest.mark.threat("W7")
def test_read_size():
    """A read is small enough that its frames cannot keep the event loop for long."""
    assert READ_SIZE <= 2**14


def test_bytes_of_nobody():
    """Before it serves a connection nothing is too much, and nobody is told."""
    outgoing = Outgoing(Bell)
    outgoing.put(bytes(2**20))
    outgoing.held(5)
    assert outgoing.may_read


def test_what_was_read_is_told():
    """The connection hears of it, and what it answers goes out at once."""
    socket, fed = Socket(100), []
    outgoing = Outgoing(Bell, socket.write)
    outgoing.serve(None, fed.append)
    for piece in (b"a", b"b"):
        outgoing.put(piece)
        outgoing.flush()
    assert socket.written == [b"a"]
    outgoing.received(b"x")
    outgoing.flush()
    assert (fed, socket.written) == ([e.BytesReceived(b"x")], [b"a", b"b"])
    outgoing.broken()
    outgoing.received(b"y")  # what came before the end is heard still
    assert fed[1:] == [e.BytesReceived(b"y")]


def test_a_writer_that_comes_when_it_is_needed():
    """Whatever has to wait calls for it once; it stays."""
    socket, hired = Socket(100), []
    outgoing, told = served(socket.write, lambda: hired.append(True))
    assert outgoing.received(b"x")
    outgoing.put(b"a")
    outgoing.flush()
    assert (socket.written, hired) == ([b"a"], [])
    for piece in (b"b", b"c"):
        outgoing.put(piece)
        outgoing.flush()
    outgoing.received(b"x")
    outgoing.put(b"d")
    outgoing.flush()
    outgoing.put(b"e")
    outgoing.flush()
    assert (socket.written, hired) == ([b"a", b"bcd"], [True])
    writer = Task(outgoing.next())
    assert writer.result == b"e"
    writer = Task(outgoing.next())
    outgoing.finish()
    assert writer.step()
    assert (writer.result, hired) == (None, [True])
    assert told == [e.BytesReceived(b"x")] * 2


def test_the_end_is_nothing():
    """It is not told as something that was read."""
    outgoing, told = served()
    assert not outgoing.received(b"")
    assert told == []
