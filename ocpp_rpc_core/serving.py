"""What every server of an adapter needs and no server needs I/O for: accepting, clients by name, closing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from types import TracebackType
from typing import Any, Protocol, TypeVar, final

from ._door import Visit
from ._lifecycle import State
from ._observers import Bell
from ._settings import ServerSettings
from .config import Entropy
from .driving import Calling, D
from .errors import NotConnected
from .events import AbortRequested, CloseRequested
from .notices import ConnectionRefused, LimitExceeded, Notice, ServerClosed, ServerClosing
from .peer import DEFAULT, Timeout
from .server_peer import ServerPeer, ServerSidePeer, listening_url


class ServedClient(Calling[D], ServerSidePeer):
    """The server's side of one client's connection, whatever event loop its driver `D` is for."""


class Scope(Protocol):
    """What can be cancelled, with what runs in it."""

    def __enter__(self) -> object:
        """Begin what runs in it."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> bool | None:
        """What ran in it has ended."""

    def cancel(self) -> object:
        """End what runs in it."""


@final
class Listener:
    """A socket, or several with the same port, that clients connect to."""

    def __init__(self, url: str, port: int | None, scope: Scope, done: Bell) -> None:
        self.url = url
        """What clients connect to, without the identity."""
        self.port = port
        """The TCP port; None for a Unix socket."""
        self.scope = scope
        self.done = done

    async def close(self) -> None:
        """Accept nobody any more; who is connected stays."""
        self.scope.cancel()
        await self.done.wait()


S = TypeVar("S", bound=ServedClient[Any])


class Serving(ServerPeer[S]):
    """A server that can be closed, and calls its clients by name, whatever event loop it is for."""

    def __init__(self, entropy: Entropy, settings: ServerSettings, open_files: float | None = None) -> None:
        super().__init__(entropy, settings, open_files)
        self._state = State.OPEN
        self._accepting: set[Listener] = set()
        """Every listener that is not done."""
        self._connections: dict[Visit, S] = {}
        """Whoever is on the line, let in or not."""
        self._closed = self.new_bell()

    def _tell(self, notice: Notice) -> None:
        """Tell the observers; an adapter's log sees what they raise."""
        self.notify(notice)

    # --- Clients by name ----------------------------------------------------------

    async def call(
        self,
        identity: str,
        method: str,
        params: Any = None,
        *,
        timeout: Timeout = DEFAULT,
        no_reply: bool = False,
        message_id: str | None = None,
    ) -> Any:
        """Call a method of the client that is connected under `identity`, as `RPCServerClient.call` does.

        Raises:
            NotConnected: nobody is, or they are leaving: nothing was written, and it is safe to try again.
        """
        client = self.get(identity)
        if client is None:
            raise NotConnected(f"{identity!r} is not connected")
        return await client.call(method, params, timeout=timeout, no_reply=no_reply, message_id=message_id)

    async def wait_for(self, identity: str) -> S:
        """The client that is connected under `identity`, at once or when it arrives; give up by cancelling.

        Raises:
            NotConnected: the server closes, or is closed.
        """
        while (client := self.get(identity)) is None:
            if self._state is not State.OPEN:
                raise NotConnected(f"{identity!r} is not connected, and the server is closing")
            registry = self._registry
            await self._until(partial(registry.expect, identity), partial(registry.forget, identity))
        return client

    # --- Coming -------------------------------------------------------------------

    def _listening(self, address: object, host: str | None, scope: Scope, *, secure: bool) -> Listener:
        """Somebody can connect to `address` now, until `scope` is cancelled; `_stopped` must follow."""
        listener = Listener(*listening_url(address, host, secure=secure), scope, self.new_bell())
        self._accepting.add(listener)
        return listener

    def _stopped(self, listener: Listener) -> None:
        listener.done.set()
        self._accepting.discard(listener)
        self._gone()

    async def _until(self, expect: Callable[[Bell], object], forget: Callable[[Bell], object]) -> None:
        """Wait until somebody rings who is to expect it meanwhile."""
        bell = self.new_bell()
        expect(bell)
        try:
            await bell.wait()
        finally:
            forget(bell)

    @asynccontextmanager
    async def _room(self) -> AsyncGenerator[None, None]:
        """Wait until one more stranger may stand at the door; within the block accept them, or raise.

        To be entered when there is somebody to accept, who waits in the system's queue.
        """
        guard = self.guard
        while not guard.has_room(door := self._options.door):
            if guard.crowded():
                assert door.max_unauthenticated is not None  # or there would be room
                self._tell(LimitExceeded("max_unauthenticated", door.max_unauthenticated))
            await self._until(guard.expect, guard.forget)
        guard.keep()
        try:
            yield
        except BaseException:
            guard.give_back()
            raise

    @contextmanager
    def _visit(self, remote_address: str | None, *, accepted: bool = False) -> Generator[Visit | None, None, None]:
        """Within the block somebody is at the door; None if there is no room: close their byte stream then.

        Whoever was `accepted` in a `_room` has a place; byte streams of somebody else's may find none.
        If they are served in the end, they stay until they are `gone`.
        """
        visit = self.guard.arrive(self._options.door, remote_address, accepted=accepted)
        if isinstance(visit, ConnectionRefused):
            self._tell(visit)
            yield None
            return
        try:
            yield visit
        finally:
            if visit not in self._connections:
                self.guard.leave(visit)

    def _serving(self, client: S, visit: Visit) -> None:
        """The driver begins to serve this client."""
        client.visit = visit
        self._connections[visit] = client
        if self._state is not State.OPEN:
            client.feed(CloseRequested())

    def gone(self, client: S) -> None:
        """The driver serves this client no more."""
        super().gone(client)
        assert client.visit is not None  # as it was served
        del self._connections[client.visit]
        self._gone()

    # --- Closing ------------------------------------------------------------------

    async def close(
        self, code: int = 1001, reason: str = "", *, await_pending: bool = False, force: bool = False
    ) -> None:
        """Accept nobody any more, close every client as `RPCClient.close` does, and wait until all are gone."""
        if self._state is State.OPEN:
            self._state = State.CLOSING
            self._tell(ServerClosing())
        event = AbortRequested() if force else CloseRequested(code, reason, await_pending)
        for client in tuple(self._connections.values()):
            client.feed(event)
        for listener in tuple(self._accepting):
            listener.scope.cancel()
        self._registry.release()
        self._gone()
        await self._closed.wait()

    def _gone(self) -> None:
        """Somebody or something is gone; when all are, the server is closed, whoever still waits for it."""
        if self._state is State.CLOSING and not self._connections and not self._accepting:
            self._state = State.CLOSED
            self._tell(ServerClosed())
            self._closed.set()

    async def wait_closed(self) -> None:
        """Wait until the server has closed."""
        await self._closed.wait()
