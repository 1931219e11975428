"""A TCP proxy that makes trouble: it delays, slices, freezes and resets; rootless, in a thread of its own."""

import asyncio
import socket
import struct
from contextlib import suppress
from threading import Event, Thread

CHUNK = 65536


class Way:
    """One direction, of all connections; may be changed at any time, from any thread."""

    def __init__(self):
        self.delay = 0.0
        """Seconds that each piece waits."""
        self.piece = CHUNK
        """Bytes that are passed on at once; 1 makes the receiver see single bytes."""
        self.frozen = False
        """Whether nothing is passed on, the end of the stream neither."""

    async def thawed(self):
        """Wait while it is frozen."""
        while self.frozen:  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(0.01)


class Proxy:
    """Use it in a `with` block; clients connect to `port`."""

    def __init__(self, target):
        """`target` is the port on this machine to pass everything on to."""
        self.target = target
        self.up = Way()
        """From clients to the target."""
        self.down = Way()
        self.port = 0
        self.accepted = 0
        """Connections so far."""
        self._writers = {}  # of each connection, by its serial number
        self._ready = Event()
        self._thread = Thread(target=lambda: asyncio.run(self._run()), name="proxy")

    def __enter__(self):
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def lines(self):
        """Serial numbers of the connections that are up, the oldest first."""
        return tuple(self._writers)

    @property
    def idle(self):
        """Whether no connection is up, and nothing of former ones is left."""
        return not self._tasks

    def reset(self, *lines):
        """Cut these connections, or all, with a TCP reset to both sides."""
        done = Event()
        self._loop.call_soon_threadsafe(self._reset, lines or self.lines, done)
        done.wait()

    def _reset(self, lines, done):
        for line in lines:
            for writer in self._writers.get(line, ()):
                reset(writer)
        done.set()

    async def _run(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._tasks = set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=2048)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader, writer):
        self.accepted += 1
        task = asyncio.create_task(self._carry(self.accepted, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, line, reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            reset(writer)
            return
        self._writers[line] = (writer, far_writer)
        ways = asyncio.gather(
            self._pump(self.up, reader, far_writer, line), self._pump(self.down, far_reader, writer, line)
        )
        try:
            await ways
        finally:
            ways.cancel()
            for end in self._writers.pop(line):
                end.close()
                with suppress(OSError, asyncio.CancelledError):
                    await end.wait_closed()

    async def _pump(self, way, reader, writer, line):
        try:
            while data := await reader.read(CHUNK):
                at = 0
                while at < len(data):
                    await asyncio.sleep(way.delay)
                    await way.thawed()
                    piece = data[at : at + way.piece]
                    at += len(piece)
                    writer.write(piece)
                    await writer.drain()
            await way.thawed()
            writer.write_eof()
        except OSError:
            for end in self._writers[line]:
                reset(end)


def reset(writer):
    """Close with a reset, so that the other side loses what is under way (SO_LINGER of 0 seconds)."""
    with suppress(OSError):
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
