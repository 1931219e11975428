"""Bytes on their way out: at once or joined, in order, and no more than the peer reads."""

from hypothesis import given, strategies as st
from support.stepping import Bell, Task

from ocpp_rpc_core._outgoing import HIGH_WATER, Outgoing


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
    outgoing.wrote(2)
    writer = Task(outgoing.next())
    assert (writer.result, outgoing.size) == (b"d", 1)
    outgoing.wrote(1)
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
    outgoing = Outgoing(Bell)
    assert Task(outgoing.drained()).result is None
    outgoing.put(b"x" * (HIGH_WATER + 2))
    waiting = [Task(outgoing.drained()), Task(outgoing.drained())]
    outgoing.wrote(1)
    assert not any(task.step() for task in waiting)
    outgoing.wrote(1)
    assert all(task.step() for task in waiting)


def test_broken():
    """Nobody waits for what can never be written, and nothing is written to what is no longer ours."""
    socket = Socket(100)
    outgoing = Outgoing(Bell, socket.write)
    outgoing.put(b"x" * (HIGH_WATER + 1))
    waiting = Task(outgoing.drained())
    outgoing.broken()
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
                    outgoing.wrote(len(writer.result))
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
