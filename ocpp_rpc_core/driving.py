"""What every driver needs and no driver needs I/O for: feeding one event at a time, and remembering who waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, final

from .actions import Action
from .connection import Connection
from .events import Event

B = TypeVar("B")


@final
@dataclass(slots=True)
class Waiter(Generic[B]):
    """Somebody waits here for the outcome of a question, until the `bell` of their event loop rings."""

    bell: B
    result: Any = None
    error: Exception | None = None

    def outcome(self) -> Any:
        """The result; raises the error if it is one."""
        if self.error is not None:
            raise self.error
        return self.result


@final
class Inbox:
    """Feeds a connection one event at a time, to the end.

    Doing an action may feed further events (a handler that answers at once); they wait until all actions of
    the present event are done, so that everything happens in the order it was decided.
    """

    def __init__(self, connection: Connection, clock: Callable[[], float], perform: Callable[[Action], None]) -> None:
        self._connection = connection
        self._clock = clock
        self._perform = perform
        self._events: deque[Event] = deque()

    def feed(self, event: Event) -> None:
        """Tell the connection, and perform what it asks for."""
        self._events.append(event)
        if len(self._events) > 1:
            return
        try:
            while self._events:
                for action in self._connection.handle(self._events[0], self._clock()):
                    self._perform(action)
                self._events.popleft()
        finally:
            self._events.clear()
