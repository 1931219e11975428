"""The byte stream as what is under test has it: by hand, and for tasks."""

import pytest

from ocpp_rpc_core.testing import FakeCSMS
from ocpp_rpc_core.testing._line import CAPACITY, TaskLine, line_pair

pytestmark = pytest.mark.feature("B3")


class Bell:
    """Rung or not."""

    def __init__(self):
        self.rung = False

    def set(self):
        self.rung = True


class Loop:
    """An event loop with one task: while that waits, `meanwhile` runs; time passes only then."""

    def __init__(self, *meanwhile):
        self.time = 0.0
        self.meanwhile = list(meanwhile)
        self.waits = []

    def now(self):
        return self.time

    def new_bell(self):
        return Bell()

    async def wait(self, bell, until):
        self.waits.append(until)
        if self.meanwhile:
            self.meanwhile.pop(0)()
            assert bell.rung
        else:
            self.time = until


def run(coroutine):
    """Run what never really waits."""
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)
    return stopped.value.value


def joined(*meanwhile):
    """A loop, the line of its task, and the other end."""
    loop = Loop(*meanwhile)
    near, far = line_pair(loop.now)
    return loop, TaskLine(near, loop), far


def test_bytes_by_hand():
    """None while there are none, then what has come, and at the end nothing for ever."""
    near, far = line_pair(lambda: 0.0)
    assert far.read() is None
    near.write(b"abc")
    assert [far.read(2), far.read(), far.read()] == [b"ab", b"c", None]
    near.end()
    assert [far.read(), far.read()] == [b"", b""]
    far.write(b"still")
    assert near.read() == b"still"


def test_a_closed_end():
    """It takes and sends no more; the other end reads the end, and cannot write."""
    near, far = line_pair(lambda: 0.0)
    near.close()
    near.close()
    assert near.closed
    with pytest.raises(OSError, match="broken"):
        near.write(b"x")
    assert far.read() == b""
    with pytest.raises(OSError, match="broken"):
        far.write(b"x")


def test_a_cut():
    """Both ends find out, reading or writing, and what was under way is lost."""
    near, far = line_pair(lambda: 0.0)
    near.write(b"x")
    near.cut()
    for end in (near, far):
        for _ in range(2):
            with pytest.raises(ConnectionResetError, match="cut"):
                end.read()
        with pytest.raises(ConnectionResetError):
            end.write(b"x")


def test_the_other_end_acts():
    """What a fake has to say comes out without anybody else's doing."""
    csms = FakeCSMS(ping_interval=5)
    line = csms.open()
    line.write(b"GET /CP1 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert line.read().startswith(b"HTTP/1.1 4")
    assert line.read() == b""


def test_a_task_waits_for_bytes():
    """It wakes up when some come, and takes no more than it wants."""
    loop, line, far = joined(lambda: far.write(b"abc"))
    assert [run(line.read(2)), run(line.read(2))] == [b"ab", b"c"]
    assert loop.waits == [float("inf")]


def test_a_task_waits_until_something_arrives():
    """If something is under way, no longer than it takes."""
    csms = FakeCSMS()
    loop = Loop()
    csms.clock = loop.now
    line = TaskLine(csms.open(), loop)
    csms.delay(3)
    line.line.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert run(line.read(9)) == b"HTTP/1.1 "
    assert (loop.waits, loop.time) == ([3.0, 6.0], 6.0)


def test_a_task_that_reads_ends():
    """With the stream, with an error, or because it is closed under it."""
    _, line, far = joined(lambda: far.end())  # noqa: PLW0108 - there is no `far` yet
    assert run(line.read(9)) == b""
    _, line, far = joined(lambda: far.cut())  # noqa: PLW0108 - as above
    with pytest.raises(ConnectionResetError):
        line.read(9).send(None)
    _, line, _ = joined(lambda: line.line.close())  # noqa: PLW0108 - as above
    assert run(line.read(9)) == b""


def test_a_task_waits_for_room():
    """It writes no faster than the other end reads."""
    got = []
    loop, line, far = joined(lambda: got.append(far.read()), lambda: got.append(far.read()))
    data = bytes(range(256)) * (CAPACITY // 100)
    run(line.write(data))
    assert (len(got), loop.waits) == (2, [float("inf")] * 2)
    assert b"".join([*got, far.read()]) == data
    _, line, far = joined(lambda: far.cut())  # noqa: PLW0108 - as above
    with pytest.raises(ConnectionResetError):
        line.write(data).send(None)
