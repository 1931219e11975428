"""Our own ends in these tests: short time limits, canned answers, and a way to wait for events."""

from collections import deque
from contextlib import asynccontextmanager

import anyio

from ocpp_rpc_core import ClientConnected

LIMITS = {"call_timeout": 5.0, "handshake_timeout": 5.0, "close_timeout": 5.0}


class Heard:
    """What an observable reports of one kind, in order, to be waited for."""

    def __init__(self, observable, kind):
        self._kind = kind
        self._events = deque()
        self._bell = anyio.Event()
        observable.on(kind, self._push)

    def __len__(self):
        return len(self._events)

    def _push(self, event):
        self._events.append(event)
        self._bell.set()

    async def next(self):
        """The oldest one not yet taken."""
        while not self._events:
            self._bell = anyio.Event()
            with anyio.move_on_after(5):
                await self._bell.wait()
            assert self._events, f"no {self._kind.__name__} in 5 s"
        return self._events.popleft()


def answer(ours, peer, answers):
    """Have one of our ends give these answers, in the form that the hosts take."""

    def handler(canned):
        async def handle(call):
            if "crash" in canned:
                raise RuntimeError(canned["crash"])
            if "error" in canned:
                raise ours.create_rpc_error(*canned["error"])
            return ours.NOREPLY if "no_reply" in canned else canned["result"]

        return handle

    for method, canned in answers.items():
        peer.handle(method, handler(canned))


@asynccontextmanager
async def serving(ours, answers=(), port=0, **options):
    """Our server, listening: it, its URL and its clients as they come."""
    async with ours.RPCServer(**{**LIMITS, **options}) as server:
        answer(ours, server, dict(answers))
        clients = Heard(server, ClientConnected)
        listener = await server.listen(port, host="127.0.0.1")
        yield server, listener.url, clients


def station(ours, url, protocols, identity="CP1", answers=(), **options):
    """Our client, not yet entered."""
    client = ours.RPCClient(url, identity, **{**LIMITS, "protocols": protocols, "reconnect": False, **options})
    answer(ours, client, dict(answers))
    return client
