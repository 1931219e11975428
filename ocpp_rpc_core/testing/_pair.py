"""A client and a server in memory, joined by a simulated link, under a clock that only the test moves."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import final

from ocpp_rpc_core import events as e
from ocpp_rpc_core._answers import Verdict
from ocpp_rpc_core._http import Handshake
from ocpp_rpc_core.config import ClientOptions, Entropy, ServerOptions
from ocpp_rpc_core.connection import Connection
from ocpp_rpc_core.router import Router

from ._end import End, Pending
from ._link import Conditions, Way

Auth = Callable[[Handshake], Verdict | Pending]


def counting_entropy(seed: int = 0) -> Entropy:
    """Bytes that count up from `seed`: no chance at all, yet never twice the same."""
    numbers = itertools.count(seed)
    return lambda size: (next(numbers) % 256**size).to_bytes(size, "big")


@final
class Pair:
    """A client and its server, joined by a simulated link.

    Nothing happens by itself: `deliver` lets everything happen that has arrived, `advance` moves the clock
    and stops wherever something falls due.  Handlers are plain functions of a `StartHandler`, registered in
    `at_client` and `at_server`; they return the result, raise, or return `PENDING`.
    """

    def __init__(
        self,
        client: ClientOptions | None = None,
        server: ServerOptions | None = None,
        *,
        auth: Auth | None = None,
    ) -> None:
        self.now = 0.0
        """Seconds on the virtual clock."""
        self.at_client = Router()
        self.at_server = Router()
        self.to_client = Conditions()
        self.to_server = Conditions()
        self.listening: bool | None = True
        """Whether an attempt to connect succeeds (True), is refused (False) or stays unanswered (None)."""
        self.auth = auth
        """Decides on each client; without it they wait for `End.decide` if the options say `authenticate`."""
        self.dialling = False
        """Whether the client waits for a byte stream."""
        options = ClientOptions(entropy=counting_entropy(1), identity="CP1") if client is None else client
        self.client = End(Connection(options, self.at_client), self)
        self.servers: list[End] = []
        """The server's side of every connection there ever was."""
        self.server_options = ServerOptions(entropy=counting_entropy(2)) if server is None else server
        """For connections to come; `auth` turns `authenticate` on."""
        self._tokens = itertools.count(1)

    @property
    def server(self) -> End:
        """The server's side of the latest connection."""
        return self.servers[-1]

    @property
    def ends(self) -> tuple[End, ...]:
        """All of them, the client first."""
        return (self.client, *self.servers)

    def token(self) -> int:
        """A new token for a request of the application's."""
        return next(self._tokens)

    def connect(self) -> int:
        """Ask for the connection and deliver everything; return the token of the request."""
        token = self.token()
        self.client.tell(e.ConnectRequested(token))
        self.deliver()
        return token

    def deliver(self) -> None:
        """Let everything that has arrived happen, and what comes of it, until all is quiet."""
        while self.dial() or any(end.receive() for end in self.ends):
            pass

    def dial(self) -> bool:
        """Answer an attempt to connect; False if there is none, or no answer."""
        if not self.dialling or self.listening is None:
            return False
        self.dialling = False
        if not self.listening:
            self.client.fail(ConnectionRefusedError("nobody listens"))
            return True
        options = self.server_options
        if self.auth is not None:
            options = replace(options, authenticate=True)
        server = End(Connection(options, self.at_server), self)
        self.servers.append(server)
        up, down = Way(self.to_server), Way(self.to_client)
        server.join(up, down)
        self.client.join(down, up)
        return True

    def advance(self, seconds: float) -> None:
        """Let time pass, with a tick exactly at each deadline and everything delivered when it arrives."""
        until = self.now + seconds
        self.deliver()
        while (at := min((t for end in self.ends if (t := end.next) is not None), default=inf)) <= until:
            self.now = max(self.now, at)
            for end in self.ends:
                self._tick(end)
            self.deliver()
        self.now = until

    def _tick(self, end: End) -> None:
        deadline = end.connection.deadline
        if deadline is not None and deadline <= self.now:
            end.tell(e.Tick())
            later = end.connection.deadline
            assert later is None or later > self.now, f"a tick at {self.now} left the deadline at {later}"

    def cut(self, error: Exception | None = None) -> None:
        """Break the byte stream; both ends notice, and what was under way is lost."""
        for end in self.ends:
            end.lose(error)
