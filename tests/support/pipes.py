"""Byte streams in memory, joined in pairs, as each adapter wants them: bounded, and they can be cut."""

import anyio
import anyio.abc
import trio

CAPACITY = 65536


class _Pipe:
    """One direction: bytes that were sent and not yet received, at most `CAPACITY` of them."""

    def __init__(self):
        self.data = bytearray()
        self.ended = self.broken = False
        self._changed = anyio.Event()

    def change(self):
        self._changed.set()
        self._changed = anyio.Event()

    async def put(self, data):
        """False if nobody can receive it any more."""
        await anyio.lowlevel.checkpoint()
        view = memoryview(bytes(data))
        while view and not self.broken:
            room = CAPACITY - len(self.data)
            if room:
                self.data += view[:room]
                view = view[room:]
                self.change()
            else:
                await self._changed.wait()
        return not self.broken

    async def take(self, most):
        """What has come, b"" at the end, None if it was broken."""
        await anyio.lowlevel.checkpoint()
        while not (self.data or self.ended or self.broken):
            await self._changed.wait()
        if self.broken:
            return None
        taken = bytes(self.data[:most])
        del self.data[:most]
        self.change()
        return taken

    def end(self):
        self.ended = True
        self.change()

    def cut(self):
        self.broken = True
        self.change()


class AnyioStream(anyio.abc.ByteStream):
    """One end, as anyio has it."""

    def __init__(self, incoming, outgoing):
        self.incoming, self.outgoing = incoming, outgoing
        self.is_closed = False

    async def receive(self, max_bytes=65536):
        if self.is_closed:
            raise anyio.ClosedResourceError
        data = await self.incoming.take(max_bytes)
        if self.is_closed:
            raise anyio.ClosedResourceError
        if data is None:
            raise anyio.BrokenResourceError
        if not data:
            raise anyio.EndOfStream
        return data

    async def send(self, item):
        if self.is_closed:
            raise anyio.ClosedResourceError
        if not await self.outgoing.put(item):
            raise anyio.BrokenResourceError

    async def send_eof(self):
        self.outgoing.end()
        await anyio.lowlevel.checkpoint()

    async def aclose(self):
        self.is_closed = True
        self.outgoing.end()
        self.incoming.cut()  # whoever still sends to us finds out
        await anyio.lowlevel.checkpoint()

    def cut(self):
        """Break both directions; what is under way is lost."""
        self.incoming.cut()
        self.outgoing.cut()


class TrioStream(trio.abc.HalfCloseableStream):
    """One end, as trio has it."""

    def __init__(self, incoming, outgoing):
        self.inner = AnyioStream(incoming, outgoing)

    async def receive_some(self, max_bytes=None):
        try:
            return await self.inner.receive(max_bytes or CAPACITY)
        except anyio.EndOfStream:
            return b""
        except anyio.BrokenResourceError:
            raise trio.BrokenResourceError from None
        except anyio.ClosedResourceError:
            raise trio.ClosedResourceError from None

    async def send_all(self, data):
        try:
            await self.inner.send(data)
        except anyio.BrokenResourceError:
            raise trio.BrokenResourceError from None
        except anyio.ClosedResourceError:
            raise trio.ClosedResourceError from None

    async def wait_send_all_might_not_block(self):
        await anyio.lowlevel.checkpoint()

    async def send_eof(self):
        await self.inner.send_eof()

    async def aclose(self):
        await self.inner.aclose()


def pair(native):
    """Two ends: one of the type `native`, for an adapter, and an `AnyioStream` for the test."""
    there, back = _Pipe(), _Pipe()
    return native(back, there), AnyioStream(there, back)
