"""A client and a server in memory, joined by a simulated link, under a clock that only the test moves."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, final

from ocpp_rpc_core import events as e
from ocpp_rpc_core.config import ClientOptions, ServerOptions
from ocpp_rpc_core.connection import Connection
from ocpp_rpc_core.router import Router

from ._end import End
from ._link import Way
from ._world import Auth, World, counting_entropy


@final
class Pair(World):
    """A client and its server, joined by a simulated link.

    Handlers are plain functions of a `StartHandler`, registered in `at_client` and `at_server`; they return
    the result, raise, or return `PENDING`.  What is no function is itself the answer.
    """

    def __init__(
        self,
        client: ClientOptions | None = None,
        server: ServerOptions | None = None,
        *,
        auth: Auth | None = None,
    ) -> None:
        super().__init__(auth)
        self.at_client = Router()
        """The client's handlers: `at_client.add("Reset", handler)`."""
        self.at_server = Router()
        """The server's."""
        self.listening: bool | None = True
        """Whether an attempt to connect succeeds (True), is refused (False) or stays unanswered (None)."""
        options = ClientOptions(entropy=counting_entropy(1), identity="CP1") if client is None else client
        self.client = End(Connection(options, self.at_client), self)
        """The client's side, through all its reconnects."""
        self.servers: list[End] = []
        """The server's side of every connection there ever was."""
        self.server_options = ServerOptions(entropy=counting_entropy(2)) if server is None else server
        """For connections to come; `auth` turns `authenticate` on."""

    @property
    def server(self) -> End:
        """The server's side of the latest connection."""
        return self.servers[-1]

    @property
    def ends(self) -> tuple[End, ...]:
        """All of them, the client first."""
        return (self.client, *self.servers)

    def connect(self) -> int:
        """Ask for the connection and deliver everything; return the token of the request."""
        token = self.token()
        self.client.tell(e.ConnectRequested(token))
        self.deliver()
        return token

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

    def _step(self) -> bool:
        return self.dial() or super()._step()

    # --- Faults ---------------------------------------------------------------

    def half_open(self, gone: Literal["client", "server"] = "client", error: Exception | None = None) -> None:
        """Break the byte stream at one end only; the other does not notice, and hears nothing any more."""
        (self.client if gone == "client" else self.server).lose(error)

    def stop(self) -> None:
        """The server dies: every connection breaks, and new ones are refused until `start`."""
        self.listening = False
        self.cut()

    def start(self) -> None:
        """The server is back."""
        self.listening = True
