"""What of our bytes has yet to be written: when they go out at once, when they are joined, and when it is too much."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import final

from ._observers import Bell
from .connection import Connection
from .events import BytesReceived, BytesUnwritten, Event

READ_SIZE = 16384
"""Bytes to read at once: tiny frames cost most, and these many of them keep the event loop about 30 ms."""
PIECE = 32768
"""Bytes to write at once: each piece that is taken shows that the peer reads, so a slow line is not a dead one."""

WriteNow = Callable[[bytes], int]
"""Writes what can be written without waiting, and says how many bytes that were."""


@final
class Outgoing:
    """The unwritten bytes of one byte stream, in order.

    The first bytes after something was read go out at once, if there is a way (`write_now`): usually they are all
    that there is, and nobody has to be woken for them.  What follows gathers, and goes out together: `later` is called
    once, and has a task await `next` again and again; or it is called each time, if that leads to `write`.

    The connection is told when bytes have to wait (`BytesUnwritten`), and says when nothing is to be read (`pause`);
    nothing is read either while too much is unwritten.
    """

    __slots__ = (
        *("_at_once", "_connection", "_feed", "_finishing", "_held", "_is_broken", "_late", "_later", "_new_bell"),
        *("_paused", "_pieces", "_to_write", "_told", "_write_now", "_writing", "_written", "size"),
    )

    def __init__(
        self,
        new_bell: Callable[[], Bell],
        write_now: WriteNow | None = None,
        later: Callable[[], object] | None = None,
    ) -> None:
        self._new_bell = new_bell
        self._write_now = write_now
        self._later = later
        self._late = False
        self._pieces: list[bytes] = []
        self.size: float = 0
        """Bytes that are not written, those included that are being written."""
        self._at_once = write_now is not None
        self._writing = 0
        self._finishing = False
        self._to_write: Bell | None = None
        self._written: Bell | None = None
        self._connection: Connection | None = None
        self._feed: Callable[[Event], None] | None = None
        self._told = False
        self._is_broken = False
        self._held = 0
        self._paused = False

    def serve(self, connection: Connection, feed: Callable[[Event], None]) -> None:
        """These are the bytes of `connection`, which is told through `feed`."""
        self._connection, self._feed = connection, feed

    @property
    def _is_full(self) -> bool:
        return self._connection is not None and self.size > self._connection.limits.unwritten_bytes

    @property
    def finishing(self) -> bool:
        """Whether nothing is to come."""
        return self._finishing

    def put(self, data: bytes) -> None:
        """Write this after all that came before, no later than at the next `flush`."""
        self._pieces.append(data)
        self.size += len(data)

    def finish(self) -> None:
        """Nothing is to come: `next` ends when all is written."""
        self._finishing = True
        self._wake()

    def heard(self) -> None:
        """Something was read."""
        self._at_once = self._write_now is not None

    def received(self, data: bytes) -> bool:
        """Something was read: tell the connection.  False if it was nothing, which is the end."""
        assert self._feed is not None  # `serve` comes first
        if data:
            self.heard()
            self._feed(BytesReceived(data))
        return bool(data)

    def flush(self) -> None:
        """For now there is no more: write, or have it written."""
        if not self._pieces:
            return
        at_once = self._at_once and not self._writing
        if at_once:
            self._at_once = False
            self._write()
        if self._pieces and not self._writing:
            self._wake()
        if self._pieces and (at_once or self._writing):
            self._tell_first()

    def write(self) -> None:
        """Write what can be written without waiting, as `later` asked for."""
        self._late = False
        self._write()

    def _write(self) -> None:
        if self._write_now is None or not self._pieces:
            return
        data = self._join()
        size = self._write_now(data)
        if size < len(data):
            self._pieces.insert(0, data[size:])
        if size:  # else it would look like progress
            self.wrote(size)

    async def next(self) -> bytes | None:
        """What is to be written next, or None when all is; what was given out before counts as written."""
        written, self._writing = self._writing, 0
        if written:
            self.wrote(written)
        while not self._pieces:
            if self._finishing:
                return None
            self._at_once = self._write_now is not None
            self._to_write = self._new_bell()
            await self._to_write.wait()
        data = self._join()
        if len(data) > PIECE:
            self._pieces.append(data[PIECE:])
            data = data[:PIECE]
            self._tell_first()
        self._writing = len(data)
        return data

    def wrote(self, size: int) -> None:
        """So many bytes are written."""
        self.size -= size
        if not self._is_full:
            self._ring()
        if self._told:
            self._tell()

    def held(self, size: int) -> None:
        """So many bytes were written to what could not send them on yet; 0 when it could."""
        self._held = size
        if size or self._told:
            self._tell()

    def broken(self) -> None:
        """Nothing can be written any more, so nobody need wait until it is."""
        self.size = -inf
        self._at_once = self._told = self._paused = False
        self._write_now = None
        self._is_broken = True
        self._ring()

    # --- Who waits ------------------------------------------------------------

    def pause(self, *, reading: bool) -> None:
        """Whether the connection wants to read."""
        self._paused = not reading
        if reading:
            self._ring()
            if self._later is not None:
                self._wake()

    @property
    def may_read(self) -> bool:
        """Whether more is to be read."""
        return not (self._paused or self._is_full)

    async def readable(self) -> None:
        """Wait until more is to be read."""
        while not self.may_read:
            await self._change()

    async def drained(self) -> None:
        """Wait while too much is unwritten."""
        while self._is_full:
            await self._change()

    async def _change(self) -> None:
        if self._written is None:
            self._written = self._new_bell()
        await self._written.wait()

    def _ring(self) -> None:
        if self._written is not None:
            self._written.set()
            self._written = None

    def _tell_first(self) -> None:
        if not self._told:
            self._tell()

    def _tell(self) -> None:
        if self._feed is not None and not self._is_broken:
            size = int(self.size) + self._held
            self._told = size > 0
            self._feed(BytesUnwritten(size))

    def _wake(self) -> None:
        if self._to_write is not None:
            self._to_write.set()
        elif self._later is not None and not self._late:
            self._late = True
            self._later()

    def _join(self) -> bytes:
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        return data
