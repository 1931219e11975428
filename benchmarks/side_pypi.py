"""Server and client of the PyPI packages `ocpp` and `websockets`, as `end.py` wants them."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import ocpp.messages
import ocpp.v16
import ocpp.v201
from ocpp.charge_point import camel_to_snake_case
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from .payloads import MESSAGES, PROTOCOLS, Message

Call = Callable[[Message], Awaitable[Any]]
VERSIONS = {"ocpp1.6": ocpp.v16, "ocpp2.0.1": ocpp.v201}

logging.getLogger("ocpp").setLevel(logging.ERROR)


class Side:
    """As it comes, or tuned: validation without threads, no compression, no keep-alive of websockets."""

    def __init__(self, *, tuned: bool, compression: bool) -> None:
        self._options: dict[str, Any] = {} if compression else {"compression": None}
        if tuned:
            ocpp.messages.ASYNC_VALIDATION = False
            self._options["ping_interval"] = None
            self._options["max_queue"] = None

    @asynccontextmanager
    async def serve(self, in_flight: int) -> AsyncIterator[int]:
        """A server on loopback; gives its port."""
        options = {"subprotocols": PROTOCOLS, **self._options}
        async with serve(self._serve, "127.0.0.1", 0, **options) as server:
            yield next(iter(server.sockets)).getsockname()[1]

    async def _serve(self, websocket: Any) -> None:
        version = VERSIONS[websocket.subprotocol]
        point = version.ChargePoint("CP", websocket)
        for message in MESSAGES.values():
            if message.protocol == websocket.subprotocol:
                point.route_map[message.method] = {"_on_action": _handler(version, message)}
        with suppress(ConnectionClosed):
            await point.start()

    @asynccontextmanager
    async def connect(self, port: int, identity: str, protocol: str, in_flight: int) -> AsyncIterator[Call]:
        """A connected client; gives what calls with a message.  `in_flight` cannot be more than one here."""
        version = VERSIONS[protocol]
        made = {
            message.method: getattr(version.call, message.method)(**camel_to_snake_case(message.params))
            for message in MESSAGES.values()
            if message.protocol == protocol
        }
        url = f"ws://127.0.0.1:{port}/{identity}"
        async with connect(url, subprotocols=[protocol], proxy=None, **self._options) as websocket:
            point = version.ChargePoint(identity, websocket)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(point.start)
                yield lambda message: point.call(made[message.method], suppress=False)
                tasks.cancel_scope.cancel()


def _handler(version: Any, message: Message) -> Callable[..., Any]:
    result = getattr(version.call_result, message.method)(**camel_to_snake_case(message.result))
    return lambda **_params: result
