"""A peer played by the test: a WebSocket by wsproto over any byte stream, which says and hears single frames."""

import json
from collections import deque
from contextlib import asynccontextmanager

import anyio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Ping,
    Request,
    TextMessage,
)


class Raw:
    """Either end; it answers nothing by itself."""

    def __init__(self, stream, kind):
        self.stream = stream
        self._ws = WSConnection(kind)
        self._heard = deque()

    @classmethod
    async def connect(cls, stream, identity="CP1", protocols=(), headers=()):
        """A client's end, open."""
        raw = cls(stream, ConnectionType.CLIENT)
        await raw.say(
            Request(
                host="localhost",
                target=f"/{identity}",
                subprotocols=list(protocols),
                extra_headers=list(headers),
            )
        )
        assert isinstance(answer := await raw.hear(), AcceptConnection), answer
        return raw

    @classmethod
    async def accept(cls, stream, protocol=None):
        """A server's end, open."""
        raw = cls(stream, ConnectionType.SERVER)
        assert isinstance(asked := await raw.hear(), Request), asked
        await raw.say(AcceptConnection(subprotocol=protocol))
        return raw

    async def say(self, event):
        """Send an event of wsproto's."""
        await self.stream.send(self._ws.send(event))

    async def hear(self):
        """The next event of wsproto's, None at the end of the stream."""
        while not self._heard:
            try:
                self._ws.receive_data(await self.stream.receive())
            except anyio.EndOfStream:
                return None
            self._heard.extend(self._ws.events())
        return self._heard.popleft()

    async def tell(self, *frame):
        """Send an OCPP-J frame."""
        await self.text(json.dumps(frame))

    async def text(self, text):
        """Send a text message as it is."""
        await self.say(TextMessage(text))

    async def frame(self):
        """The next OCPP-J frame; pings are passed over."""
        text = ""
        while True:
            event = await self.hear()
            if isinstance(event, Ping):
                continue
            assert isinstance(event, TextMessage), event
            text += event.data
            if event.message_finished:
                return json.loads(text)

    async def ended(self):
        """Wait for the other's goodbye, return it, and leave; what else comes is passed over."""
        while not isinstance(event := await self.hear(), CloseConnection):
            assert event is not None, "the stream ended without a goodbye"
        await self.say(event.response())
        await self.stream.aclose()
        return event

    async def close(self, code=1000, reason=""):
        """Say goodbye, hear the other's, and leave."""
        await self.say(CloseConnection(code, reason))
        while not isinstance(event := await self.hear(), CloseConnection):
            assert event is not None, "the stream ended without a goodbye"
        await self.stream.aclose()
        return event


@asynccontextmanager
async def cut_short(env, server, seconds=10):
    """A peer on a stream that the server serves until whoever serves it is cancelled; its own end is open still."""
    near, there = env.pair()
    with anyio.move_on_after(seconds) as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.handle_stream, near)
            yield await Raw.connect(there)
    assert scope.cancelled_caught
