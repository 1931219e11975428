"""The management system's side of `peer`: what a server knows of all its clients, and of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, TypeVar, Unpack

from . import events as e, notices as n
from ._answers import Accept, Auth, Reject, attempt, verdict_event
from ._budget import Budget
from ._door import Attempt, Guard, Visit
from ._http import Handshake
from ._settings import PeerSettings, ServerSettings
from .config import Entropy, ServerOptions, reconfigure
from .peer import Handling, Observable, Peer
from .registry import Registry, check_duplicates
from .router import Router

REPLACED = "replaced by a newer connection of this identity"
REFUSED = "this identity is connected already"

AuthT = TypeVar("AuthT", bound="Auth")
OnClientT = TypeVar("OnClientT", bound=Callable[[Any], object])


class ServerSidePeer(Peer):
    """A management system's side of one client's connection."""

    def __init__(self, server: ServerPeer[Any]) -> None:
        self._server = server
        self._options = server.client_options()
        super().__init__(self._options, server.router, server.budget)
        self.session: Any = None
        """What the authentication callback accepted the client with."""
        self.visit: Visit | None = None
        """What its connection counts as."""
        self._attempt: Attempt | None = None

    @property
    def handshake(self) -> Handshake:
        """What the client said when it asked to come in."""
        handshake = self.connection.handshake
        assert handshake is not None  # applications see a client only after that
        return handshake

    @property
    def identity(self) -> str:
        """The client's identity, from its URL."""
        return self.handshake.identity

    def gone(self) -> None:
        """Its byte stream is gone, and nothing counts for it any more."""
        self._server.gone(self)

    @property
    def is_welcomed(self) -> bool:
        """Whether the application wants to know of this client, which has not been sent away already."""
        return self._server.welcome is not None and self._server.serves(self)

    def welcome(self) -> object:
        """Call the application's `on_client` callback."""
        return attempt(self._server.welcome, self)

    def welcomed(self, outcome: object) -> e.HandlersReady | e.CloseRequested:
        """The callback ended: serve the client, or send it away if the callback failed."""
        if isinstance(outcome, Exception):
            self._server.notify(n.ServerError(outcome))
            return e.CloseRequested(1011, "internal error")
        return e.HandlersReady()

    def decide(self, handshake: Handshake) -> object:
        """Ask the application's `auth` callback, unless it has rejected this client too often."""
        self._attempt = self._server.attempt(handshake, self.connection.now)
        if self._attempt is None:
            return Reject(429, "rejected too often; try again in a minute")
        return self._server.judge(handshake)

    def decided(self, outcome: object) -> e.UpgradeAccepted | e.UpgradeRejected | e.UpgradeCrashed:
        """The callback ended."""
        if isinstance(outcome, Accept):
            self.session = outcome.session
        if self._attempt is not None and not isinstance(outcome, Reject):
            self._server.guard.withdraw(self._attempt)
        return verdict_event(outcome)

    def notify(self, notice: n.Notice) -> list[Exception]:
        """Tell the observers, and the server what concerns it."""
        failures = super().notify(notice)
        if isinstance(notice, n.UpgradeAborted | n.LimitExceeded):
            failures += self._server.notify(notice)
        elif isinstance(notice, n.Opened):
            failures += self._server.arrived(self)
        elif isinstance(notice, n.Closed):
            self._server.left(self)
        return failures

    def reconfigure(self, **changes: Unpack[PeerSettings]) -> None:
        """Change options of this connection at once; raises what `RPCServer.reconfigure` raises."""
        self._options = reconfigure(self._options, changes)
        self.feed(e.Reconfigured(self._options))


S = TypeVar("S", bound=ServerSidePeer)


class ServerPeer(Handling, Observable, Generic[S]):
    """A server: what it knows of all its clients."""

    def __init__(self, entropy: Entropy, settings: ServerSettings, open_files: float | None = None) -> None:
        Handling.__init__(self)
        Observable.__init__(self)
        changes = dict(settings)
        self._registry: Registry[S] = Registry(settings.get("duplicates", "replace"))
        changes.pop("duplicates", None)
        self._options = reconfigure(ServerOptions(entropy=entropy), changes)
        self.guard = Guard(open_files)
        self.budget = Budget(self._options.bound("partial_bytes"))
        self._auth: Auth | None = None
        self.welcome: Callable[[S], object] | None = None
        """The application's `on_client` callback."""

    @property
    def clients(self) -> tuple[S, ...]:
        """Every connected client, the oldest first."""
        return self._registry.clients

    def get(self, identity: str) -> S | None:
        """The client that is connected under `identity` and can be called, the newest if there are several, or None."""
        return self._registry.get(identity)

    def auth(self, callback: AuthT) -> AuthT:
        """Decide on each client before it is let in: `@server.auth`, `async def (handshake) -> Accept | Reject`."""
        self._auth = callback
        return callback

    def on_client(self, callback: OnClientT) -> OnClientT:
        """Be called with each accepted client: `@server.on_client`, plain or async.

        The client's calls wait until it returns, or itself makes a call, so handlers registered in it miss
        nothing.  An async one may live as long as the connection, and is cancelled with it.
        """
        self.welcome = callback
        return callback

    def reconfigure(self, **changes: Unpack[ServerSettings]) -> None:
        """Change options for clients that connect from now on.

        Raises:
            TypeError: an option does not exist.
            ValueError: the result is impossible.
        """
        options = dict(changes)
        if "duplicates" in changes:
            self._registry.duplicates = check_duplicates(changes["duplicates"])
            del options["duplicates"]
        self._options = reconfigure(self._options, options)
        self.guard.release()  # the door may be larger now
        self.budget.bound = self._options.bound("partial_bytes")

    def client_options(self) -> ServerOptions:
        """The options of a connection that begins now: the same object for all, as long as nothing changes."""
        authenticate, hold_calls = self._auth is not None, self.welcome is not None
        if (self._options.authenticate, self._options.hold_calls) != (authenticate, hold_calls):
            self._options = replace(self._options, authenticate=authenticate, hold_calls=hold_calls)
        return self._options

    # --- For drivers ------------------------------------------------------------

    @property
    def router(self) -> Router:
        """The handlers for every client."""
        return self._router

    def notify(self, notice: n.Notice) -> list[Exception]:
        """Tell the observers; return what they raised."""
        return self._observers.tell(notice)

    def judge(self, handshake: Handshake) -> object:
        """The verdict of the `auth` callback, or an awaitable of it."""
        return attempt(self._auth, handshake)

    def attempt(self, handshake: Handshake, now: float) -> Attempt | None:
        """A client wants to be judged; None if it was rejected too often."""
        return self.guard.attempt(self._options.door, handshake.remote_address, handshake.identity, now)

    def arrived(self, client: S) -> list[Exception]:
        """A client was let in; who must leave for it is told so.  Returns what observers raised."""
        if client.visit is not None:
            self.guard.let_in(client.visit)
        arrival = self._registry.add(client)
        for leaving in arrival.leaving:
            leaving.feed(e.CloseRequested(1008, REFUSED if leaving is client else REPLACED))
        if arrival.error is not None:
            return [arrival.error, *self.notify(n.ServerError(arrival.error))]
        return self.notify(n.ClientConnected(client)) if self.serves(client) else []

    def serves(self, client: S) -> bool:
        """Whether the client was let in, and not sent away; the same cost however many there are."""
        return client in self._registry

    def left(self, client: S) -> None:
        """A client's connection is closed."""
        self._registry.remove(client)

    def gone(self, client: S) -> None:
        """Its byte stream is gone, too."""
        if client.visit is not None:
            self.guard.leave(client.visit)


def listening_url(address: object, host: str | None, *, secure: bool) -> tuple[str, int | None]:
    """The URL that clients connect to, without the identity, and the port (None for a Unix socket)."""
    scheme = "wss" if secure else "ws"
    if not isinstance(address, tuple):
        return f"{scheme}+unix://{address}", None
    port = int(address[1])
    if host in (None, "", "0.0.0.0", "::"):  # noqa: S104 - what is listened on is not what is connected to
        host = "localhost"
    return f"{scheme}://{f'[{host}]' if ':' in str(host) else host}:{port}", port
