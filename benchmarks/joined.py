"""Two connections of the core in memory: what an adapter would do for them, and no more."""

import itertools
import math
import os
from typing import Any

from ocpp_rpc_core import Connection, actions as a, events as e
from ocpp_rpc_core.config import ClientOptions, ServerOptions
from ocpp_rpc_core.limits import Limits
from ocpp_rpc_core.router import Router

from .payloads import MESSAGES

RESULTS = {message.method: message.result for message in MESSAGES.values()}


def router() -> Router:
    """Has a handler for every method; nobody calls it, for the results are known."""
    made = Router()
    for method in RESULTS:
        made.add(method, print)
    return made


class Joined:
    """A client and a server, connected, strict on both ends; the clock goes on by a microsecond per event."""

    def __init__(self, protocol: str, *, in_flight: float = 1) -> None:
        common: dict[str, Any] = {
            "entropy": os.urandom,
            "protocols": [protocol],
            "strict_mode": True,
            "call_concurrency": in_flight,
            "ping_interval": 0,
            "limits": Limits(queued_calls=math.inf),  # how costs grow is seen beyond them
        }
        self.client = Connection(ClientOptions(identity="CP1", **common), router(), frozenset())
        self.server = Connection(ServerOptions(**common), router(), frozenset())
        self.held: list[tuple[Connection, e.Event]] | None = None
        """What has been sent and shall arrive with the next `step`; None: it arrives at once."""
        self.now = 0.0
        self.tokens = itertools.count(1)
        self.tell(self.client, e.ConnectRequested(next(self.tokens)))
        self.tell(self.server, e.TransportOpened())
        self.tell(self.client, e.TransportOpened())
        assert self.client.protocol == protocol

    def call(self, method: str, params: Any) -> Any:
        """One call, there and back, which is all that happens; raises the `RPCError` of one that is not valid."""
        client, server, now = self.client, self.server, self.now
        self.now += 4e-6
        (sent,) = client.handle(e.CallRequested(next(self.tokens), method, params), now + 1e-6)
        if type(sent) is a.RejectCall:
            raise sent.error
        assert type(sent) is a.SendBytes
        (start,) = server.handle(e.BytesReceived(sent.data), now + 2e-6)
        assert type(start) is a.StartHandler
        (sent,) = server.handle(e.HandlerReturned(start.request_id, RESULTS[start.method]), now + 3e-6)
        assert type(sent) is a.SendBytes
        (outcome,) = client.handle(e.BytesReceived(sent.data), now + 4e-6)
        assert type(outcome) is a.ResolveCall
        return outcome.result

    def tell(self, connection: Connection, event: e.Event) -> None:
        """Feed an event, do what is asked for, and what comes of it at the other end."""
        self.now += 1e-6
        for action in connection.handle(event, self.now):
            kind = type(action)
            if kind is a.SendBytes:
                other = self.server if connection is self.client else self.client
                self._pass_on(other, e.BytesReceived(action.data))
            elif kind is a.StartHandler:
                self.tell(connection, e.HandlerReturned(action.request_id, RESULTS[action.method]))

    def _pass_on(self, other: Connection, event: e.Event) -> None:
        if self.held is not None:
            self.held.append((other, event))
        else:
            self.tell(other, event)

    def step(self) -> None:
        """Let everything arrive that was held; what comes of it is held in turn."""
        held, self.held = self.held, []
        for connection, event in held or ():
            self.tell(connection, event)
