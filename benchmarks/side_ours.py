"""Our server and client, as `end.py` wants them."""

import importlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from .payloads import MESSAGES, PROTOCOLS, Message

Call = Callable[[Message], Awaitable[Any]]


class Side:
    """One adapter."""

    def __init__(self, package: str) -> None:
        self._package = importlib.import_module(package)

    @asynccontextmanager
    async def serve(self, in_flight: int) -> AsyncIterator[int]:
        """A server on loopback; gives its port."""
        server = self._package.RPCServer(
            protocols=PROTOCOLS, strict_mode=True, call_concurrency=in_flight, ping_interval=0
        )
        async with server:
            for message in MESSAGES.values():
                server.handle(message.method, lambda _call, result=message.result: result)
            listener = await server.listen(0, "127.0.0.1")
            yield listener.port

    @asynccontextmanager
    async def connect(self, port: int, identity: str, protocol: str, in_flight: int) -> AsyncIterator[Call]:
        """A connected client; gives what calls with a message and returns the result."""
        client = self._package.RPCClient(
            f"ws://127.0.0.1:{port}",
            identity,
            protocols=[protocol],
            strict_mode=True,
            call_concurrency=in_flight,
            ping_interval=0,
            reconnect=False,
        )
        async with client:
            call = client.call
            yield lambda message: call(message.method, message.params)
