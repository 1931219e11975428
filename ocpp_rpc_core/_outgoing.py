"""What of our bytes has yet to be written: when they go out at once, when they are joined, and when it is too much."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import final

from ._observers import Bell

HIGH_WATER = 65536
"""Unwritten bytes beyond which nothing more is read, and senders wait."""

WriteNow = Callable[[bytes], int]
"""Writes what can be written without waiting, and says how many bytes that were."""


@final
class Outgoing:
    """The unwritten bytes of one byte stream, in order.

    The first bytes after something was read go out at once, if there is a way (`write_now`): usually they are all
    that there is, and nobody has to be woken for them.  What follows gathers for whoever awaits `next`, and
    goes out together.  Instead of awaiting `next` an adapter may have `later` called, and then call `write`.
    """

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
        self._writing = False
        self._finishing = False
        self._to_write: Bell | None = None
        self._written: Bell | None = None

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

    def flush(self) -> None:
        """For now there is no more: write, or have it written."""
        if self._writing or not self._pieces:
            return
        if self._at_once:
            self._at_once = False
            self.write()
        if self._pieces:
            self._wake()

    def write(self) -> None:
        """Write what can be written without waiting."""
        self._late = False
        if self._write_now is None or not self._pieces:
            return
        data = self._join()
        size = self._write_now(data)
        if size < len(data):
            self._pieces.append(data[size:])
        self.wrote(size)

    async def next(self) -> bytes | None:
        """What is to be written next, or None when all is; tell `wrote` when it is done."""
        self._writing = False
        while not self._pieces:
            if self._finishing:
                return None
            self._at_once = self._write_now is not None
            self._to_write = self._new_bell()
            await self._to_write.wait()
        self._writing = True
        return self._join()

    def wrote(self, size: int) -> None:
        """So many bytes are written."""
        self.size -= size
        if self._written is not None and self.size <= HIGH_WATER:
            self._written.set()
            self._written = None

    def broken(self) -> None:
        """Nothing can be written any more, so nobody need wait until it is."""
        self.size = -inf
        self._at_once = False
        self._write_now = None
        self.wrote(0)

    async def drained(self) -> None:
        """Wait while too much is unwritten."""
        while self.size > HIGH_WATER:
            if self._written is None:
                self._written = self._new_bell()
            await self._written.wait()

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
