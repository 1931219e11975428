"""What users of an adapter touch, as far as it needs no I/O: handlers, observers, options, verdicts."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from enum import Enum
from math import inf
from typing import Any, TypeVar, Unpack, overload

from . import events as e
from ._answers import CloseInfo, InboundCall, attempt
from ._budget import Budget
from ._http import Handshake
from ._lifecycle import Phase, State
from ._observers import Bell, EventStream, Observers
from ._settings import ClientChanges, ClientSettings
from .actions import StartHandler
from .config import ClientOptions, Entropy, ServerOptions, reconfigure
from .connection import Connection
from .notices import Closed, Notice
from .router import Router


class _Option(Enum):
    DEFAULT = "the option"


DEFAULT = _Option.DEFAULT
"""Stands for the value of the option of the same name."""
Timeout = float | None | _Option
"""Seconds; None or infinity for no limit; `DEFAULT` for the option."""

_ABNORMAL = CloseInfo(1006, "")
"""How a connection has ended that has not said how."""

N = TypeVar("N", bound=Notice)
H = TypeVar("H", bound=Callable[..., object])


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

    new_bell: Callable[[], Bell]
    """Makes a bell of the event loop; set by the adapter."""

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

    def events(self, *kinds: type[N], buffer: int = 10_000) -> EventStream[N]:
        """Iterate over events of these types (all, if none is given): `async with client.events(Closed) as stream`.

        Raises:
            BufferError: while iterating, when more than `buffer` events wait to be read.
        """
        return EventStream(self._observers, kinds, buffer, self.new_bell)

    def off(self, kind: type[N], callback: Callable[[N], object]) -> None:
        """Undo one `on`."""
        self._observers.remove(kind, callback)


def _check_strings(method: object, message_id: object) -> None:
    if not isinstance(method, str):
        raise TypeError(f"the method must be a string, not {method!r}")
    if not (message_id is None or isinstance(message_id, str)):
        raise TypeError(f"the message id must be a string, not {message_id!r}")


class Peer(Handling, Observable):
    """Either end of a connection; some of its methods are for drivers, and say so."""

    def __init__(
        self, options: ClientOptions | ServerOptions, parent: Router | None = None, budget: Budget | None = None
    ) -> None:
        Handling.__init__(self, parent)
        Observable.__init__(self)
        self.connection = Connection(options, self._router, self._observers.wanted, budget)
        """The state machine behind it; only a driver may feed it."""
        self.feed: Callable[[e.Event], None] = self._too_early
        """Tells the connection; set by the driver."""
        self._tokens = itertools.count(1)
        self._close_info = _ABNORMAL

    @property
    def state(self) -> State:
        """`State.CONNECTING`, `OPEN`, `CLOSING` or `CLOSED`."""
        return self.connection.state

    @property
    def protocol(self) -> str | None:
        """The subprotocol; fixed by the first connection, and demanded on reconnects."""
        return self.connection.protocol

    # --- For drivers ------------------------------------------------------------

    def _too_early(self, event: e.Event) -> None:
        raise RuntimeError(f"there is no driver yet to do {event}")

    def notify(self, notice: Notice) -> list[Exception]:
        """Tell the observers; return what they raised."""
        if isinstance(notice, Closed):
            self._close_info = CloseInfo(notice.code, notice.reason)
        return self._observers.tell(notice)

    def serve(self, start: StartHandler) -> object:
        """Call the handler of a request; return its answer, an awaitable of it, or what it raised."""
        call = InboundCall(start.request_id, start.message_id, start.method, start.params, self, self.feed)
        return attempt(start.handler, call)

    def gone(self) -> None:
        """Its byte stream is gone; a server's side never gets another."""

    @property
    def is_welcomed(self) -> bool:
        """Whether `welcome` is to be called once this peer is open; its outcome goes to `welcomed`."""
        return False

    def welcome(self) -> object:
        """Call what wants to know of a new client; return its result, an awaitable of it, or what it raised."""
        raise AssertionError("only servers welcome")

    def welcomed(self, outcome: object) -> e.HandlersReady | e.CloseRequested:
        """What the outcome of `welcome` means to the connection."""
        raise AssertionError(outcome)

    def decide(self, handshake: Handshake) -> object:
        """The application's verdict on a client, an awaitable of it, or what it raised; goes to `decided`."""
        raise AssertionError(handshake)

    def decided(self, outcome: object) -> e.UpgradeAccepted | e.UpgradeRejected | e.UpgradeCrashed:
        """What the outcome of `decide` means to the connection."""
        raise AssertionError(outcome)

    def _call(
        self, method: str, params: Any, timeout: Timeout, *, no_reply: bool, message_id: str | None = None
    ) -> e.CallRequested:
        _check_strings(method, message_id)
        seconds = None if timeout is DEFAULT else inf if timeout is None else timeout
        if seconds is not None and not seconds > 0:
            raise ValueError(f"the timeout must be more than 0 seconds, not {seconds!r}")
        return e.CallRequested(
            next(self._tokens), method, {} if params is None else params, seconds, no_reply, message_id
        )

    def _send(self, method: str, params: Any, message_id: str | None = None) -> e.SendRequested:
        _check_strings(method, message_id)
        return e.SendRequested(next(self._tokens), method, {} if params is None else params, message_id)

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
        self.connection = Connection(self._options, self._router, self._observers.wanted)
        self._connected_as = self._options.identity

    def reconfigure(self, **changes: Unpack[ClientChanges]) -> None:
        """Change options; a new identity or endpoint counts after `close` and `connect`, the rest at once.

        Raises:
            TypeError: an option does not exist.
            ValueError: the result is impossible.
        """
        self._options = reconfigure(self._options, changes)
        if self.connection.phase is not Phase.IDLE:
            self.feed(e.Reconfigured(self._options))
