"""Who wants to hear which notice."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Container, Generator
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar, final, get_args

from .notices import Notice

N = TypeVar("N", bound=Notice)
Callback = Callable[[Any], object]


@final
class Observers:
    """Callbacks by notice type."""

    __slots__ = ("_callbacks",)

    def __init__(self) -> None:
        self._callbacks: dict[Any, list[Callback]] = {}

    @property
    def wanted(self) -> Container[type[Notice]]:
        """The types that somebody wants to hear, now and later; asked for with every message, so it is no copy."""
        return self._callbacks.keys()

    def tell(self, notice: Notice) -> list[Exception]:
        """Call everyone who wants to hear this, in the order they were added; return what they raised."""
        failures: list[Exception] = []
        for callback in tuple(self._callbacks.get(type(notice), ())):
            try:
                callback(notice)
            except Exception as error:  # noqa: BLE001 - the others want to hear it, too
                failures.append(error)
        return failures

    def add(self, kind: type[N], callback: Callable[[N], object]) -> None:
        """Call `callback` with every notice of type `kind`.

        Raises:
            TypeError: `kind` is no notice type, or `callback` is no plain function.
        """
        if kind not in get_args(Notice):
            names = ", ".join(known.__name__ for known in get_args(Notice))
            raise TypeError(f"{kind!r} is not an event type; these are: {names}")
        if inspect.iscoroutinefunction(callback) or not callable(callback):
            raise TypeError(f"{callback!r} must be a plain function; iterate over events() to await")
        self._callbacks.setdefault(kind, []).append(callback)

    def remove(self, kind: type[N], callback: Callable[[N], object]) -> None:
        """Undo one `add`; what was never added is ignored."""
        callbacks = self._callbacks.get(kind, [])
        if callback in callbacks:
            callbacks.remove(callback)
            if not callbacks:
                del self._callbacks[kind]

    @contextmanager
    def subscribed(self, callback: Callback, kinds: tuple[type, ...]) -> Generator[None, None, None]:
        """Within the block, call `callback` with every notice of these types (all, if there are none)."""
        added: list[type] = []
        try:
            for kind in kinds or get_args(Notice):
                self.add(kind, callback)
                added.append(kind)
            yield
        finally:
            for kind in added:
                self.remove(kind, callback)


class Bell(Protocol):
    """Rings once; every event loop has its own."""

    def set(self) -> None:
        """Ring."""

    async def wait(self) -> object:
        """Wait until it rings."""
        ...


@final
class EventStream(Generic[N]):
    """The notices of some types as they come: `async with ... as stream: async for notice in stream`."""

    def __init__(
        self, observers: Observers, kinds: tuple[type[N], ...], limit: int, new_bell: Callable[[], Bell]
    ) -> None:
        self._subscription = observers.subscribed(self._push, kinds)
        self._notices: deque[N] = deque()
        self._limit = limit
        self._overflowed = False
        self._new_bell = new_bell
        self._bell: Bell | None = None

    async def __aenter__(self) -> EventStream[N]:
        self._subscription.__enter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        self._subscription.__exit__(None, None, None)

    def _push(self, notice: N) -> None:
        if len(self._notices) < self._limit and not self._overflowed:
            self._notices.append(notice)
        else:
            self._overflowed = True
        if self._bell is not None:
            self._bell.set()

    def __aiter__(self) -> EventStream[N]:
        return self

    async def __anext__(self) -> N:
        """The next notice.

        Raises:
            BufferError: more than the limit were waiting, so some are lost.
        """
        while not self._notices:
            if self._overflowed:
                raise BufferError(f"more than {self._limit} events waited to be read")
            self._bell = self._new_bell()
            await self._bell.wait()
        return self._notices.popleft()
