"""What users of an adapter touch, as far as it needs no I/O: handlers, observers, options, verdicts."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from math import inf
from typing import Any, Generic, TypeVar, Unpack, overload

from . import events as e
from ._answers import Auth, InboundCall
from ._http import Handshake
from ._lifecycle import State
from ._observers import Observers
from ._settings import ClientChanges, ClientSettings, PeerSettings, ServerSettings
from .config import ClientOptions, Entropy, ServerOptions, reconfigure
from .connection import Connection
from .registry import Registry, check_duplicates
from .router import Router


class _Option(Enum):
    DEFAULT = "the option"


DEFAULT = _Option.DEFAULT
"""Stands for the value of the option of the same name."""
Timeout = float | None | _Option
"""Seconds; None or infinity for no limit; `DEFAULT` for the option."""

N = TypeVar("N")
AuthT = TypeVar("AuthT", bound="Auth")
OnClientT = TypeVar("OnClientT", bound=Callable[[Any], object])
H = TypeVar("H", bound=Callable[..., object])


Handler = Callable[[InboundCall[Any]], object]
"""Takes an `InboundCall`, returns the result or an awaitable of it."""


class Handling:
    """Registration of handlers, for one connection or for all of a server."""

    def __init__(self, parent: Router | None = None) -> None:
        self._router = Router(parent)

    @overload
    def handle(self, method: str, handler: H) -> H: ...
    @overload
    def handle(self, method: str) -> Callable[[H], H]: ...
    @overload
    def handle(self, method: H) -> H: ...
    def handle(self, method: str | H, handler: H | None = None) -> H | Callable[[H], H]:
        """Register a handler: `handle("Heartbeat", f)`, `@handle("Heartbeat")`, or `handle(f)` for all other methods.

        A later handler replaces the former.
        """
        if not isinstance(method, str):
            if handler is not None or not callable(method):
                raise TypeError("handle() takes a method name and a handler, or one of them")
            self._router.add(None, method)
            return method
        name = method

        def register(function: H) -> H:
            if not callable(function):
                raise TypeError(f"the handler of {name} must be callable, not {function!r}")
            self._router.add(name, function)
            return function

        return register if handler is None else register(handler)

    def remove_handler(self, method: str | None = None) -> None:
        """Forget the handler of `method`, or the wildcard."""
        self._router.remove(method)

    def remove_all_handlers(self) -> None:
        """Forget every handler, the wildcard too."""
        self._router.clear()


class Observable:
    """Registration of observers."""

    def __init__(self) -> None:
        self._observers = Observers()

    @overload
    def on(self, kind: type[N], callback: Callable[[N], object]) -> Callable[[N], object]: ...
    @overload
    def on(self, kind: type[N]) -> Callable[[Callable[[N], object]], Callable[[N], object]]: ...
    def on(
        self, kind: type[N], callback: Callable[[N], object] | None = None
    ) -> Callable[[N], object] | Callable[[Callable[[N], object]], Callable[[N], object]]:
        """Call `callback` with every event of type `kind`: `on(Closed, f)` or `@on(Closed)`."""

        def register(function: Callable[[N], object]) -> Callable[[N], object]:
            self._observers.add(kind, function)
            return function

        return register if callback is None else register(callback)

    def off(self, kind: type[N], callback: Callable[[N], object]) -> None:
        """Undo one `on`."""
        self._observers.remove(kind, callback)


class Peer(Handling, Observable):
    """Either end of a connection."""

    def __init__(self, options: ClientOptions | ServerOptions, parent: Router | None = None) -> None:
        Handling.__init__(self, parent)
        Observable.__init__(self)
        self._connection = Connection(options, self._router, self._observers)
        self._tokens = itertools.count(1)

    @property
    def state(self) -> State:
        """`State.CONNECTING`, `OPEN`, `CLOSING` or `CLOSED`."""
        return self._connection.state

    @property
    def protocol(self) -> str | None:
        """The subprotocol; fixed by the first connection, and demanded on reconnects."""
        return self._connection.protocol

    def _call(self, method: str, params: Any, timeout: Timeout, *, no_reply: bool) -> e.CallRequested:
        if not isinstance(method, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"the method must be a string, not {method!r}")
        seconds = None if timeout is DEFAULT else inf if timeout is None else timeout
        if seconds is not None and not seconds > 0:
            raise ValueError(f"the timeout must be more than 0 seconds, not {seconds!r}")
        return e.CallRequested(next(self._tokens), method, params, seconds, no_reply)

    def _send(self, method: str, params: Any) -> e.SendRequested:
        return e.SendRequested(next(self._tokens), method, params)

    def _raw(self, message: str | bytes) -> e.RawSendRequested:
        return e.RawSendRequested(next(self._tokens), message)


class ClientPeer(Peer):
    """A charging station's side."""

    def __init__(self, endpoint: str, identity: str, entropy: Entropy, settings: ClientSettings) -> None:
        start = ClientOptions(entropy=entropy, endpoint=endpoint, identity=identity)
        self._options = reconfigure(start, settings)
        super().__init__(self._options)
        self._connected_as = identity

    @property
    def identity(self) -> str:
        """The identity it is, or was last, connected as; a changed one counts from the next `connect`."""
        return self._connected_as

    def _renew(self) -> None:
        """A closed connection is closed for good; the next one begins with the options as they are now."""
        self._connection = Connection(self._options, self._router, self._observers)
        self._connected_as = self._options.identity

    def _changed(self, changes: ClientChanges) -> e.Reconfigured:
        self._options = reconfigure(self._options, changes)
        return e.Reconfigured(self._options)


class ServerSidePeer(Peer):
    """A management system's side of one client's connection."""

    def __init__(self, options: ServerOptions, parent: Router) -> None:
        self._options = options
        super().__init__(options, parent)
        self.session: Any = None
        """What the authentication callback accepted the client with."""

    @property
    def handshake(self) -> Handshake:
        """What the client said when it asked to come in."""
        handshake = self._connection.handshake
        assert handshake is not None  # applications see a client only after that
        return handshake

    @property
    def identity(self) -> str:
        """The client's identity, from its URL."""
        return self.handshake.identity

    def _changed(self, changes: PeerSettings) -> e.Reconfigured:
        self._options = reconfigure(self._options, changes)
        return e.Reconfigured(self._options)


S = TypeVar("S", bound=ServerSidePeer)


class ServerPeer(Handling, Observable, Generic[S]):
    """A server: what it knows of all its clients."""

    def __init__(self, entropy: Entropy, settings: ServerSettings) -> None:
        Handling.__init__(self)
        Observable.__init__(self)
        changes = dict(settings)
        self._registry: Registry[S] = Registry(settings.get("duplicates", "replace"))
        changes.pop("duplicates", None)
        self._options = reconfigure(ServerOptions(entropy=entropy), changes)
        self._auth: Auth | None = None
        self._on_client: Callable[[S], object] | None = None

    @property
    def clients(self) -> tuple[S, ...]:
        """Every connected client, the oldest first."""
        return self._registry.clients

    def auth(self, callback: AuthT) -> AuthT:
        """Decide on each client before it is let in: `@server.auth`, `async def (handshake) -> Accept | Reject`."""
        self._auth = callback
        return callback

    def on_client(self, callback: OnClientT) -> OnClientT:
        """Be called with each accepted client: `@server.on_client`, plain or async.

        The client's calls wait until it returns, or itself makes a call, so handlers registered in it miss
        nothing.  An async one may live as long as the connection, and is cancelled with it.
        """
        self._on_client = callback
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

    def _client_options(self) -> ServerOptions:
        """The options of a connection that begins now."""
        return replace(
            self._options, authenticate=self._auth is not None, hold_calls=self._on_client is not None
        )
