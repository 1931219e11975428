"""Which task runs which handler: a few tasks for many short ones, and yet none waits for another."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Generator
from contextvars import Context
from typing import Any, final

from ._observers import Bell

SPARE = 8
"""Tasks that are kept when there is nothing to do: a few for all connections of a server."""


@final
class Crew:
    """Hands jobs to tasks.

    To start a task costs more than most handlers.  So one task does job after job, as long as these do not
    wait for anything; but before it begins one it sees to it that a colleague comes for those that are left.
    """

    def __init__(self, hire: Callable[[], object], new_bell: Callable[[], Bell]) -> None:
        self._hire = hire
        self._new_bell = new_bell
        self._jobs: deque[Awaitable[None]] = deque()
        self._resting: list[Bell] = []
        self._is_somebody_coming = False

    def add(self, job: Awaitable[None]) -> None:
        """Have it done; its turn comes at once."""
        self._jobs.append(job)
        self._call_somebody()

    async def _next(self, *, hired: bool = False) -> Awaitable[None] | None:
        """A job, or None if the task is to end, because enough others rest; `hired` is for its first."""
        if hired:
            self._is_somebody_coming = False
        while not self._jobs:
            if len(self._resting) >= SPARE:
                return None
            bell = self._new_bell()
            self._resting.append(bell)
            try:
                await bell.wait()
            except BaseException:  # if it was called, another must come
                if bell not in self._resting:
                    self._is_somebody_coming = False
                    if self._jobs:
                        self._call_somebody()
                else:
                    self._resting.remove(bell)
                raise
            self._is_somebody_coming = False
        job = self._jobs.popleft()
        if self._jobs:
            self._call_somebody()
        return job

    async def work(self) -> None:
        """What a task that is hired does: jobs, until enough others rest."""
        job = await self._next(hired=True)
        while job is not None:
            await job
            job = await self._next()

    def _call_somebody(self) -> None:
        if self._is_somebody_coming:
            return
        self._is_somebody_coming = True
        if self._resting:
            self._resting.pop().set()
        else:
            self._hire()


@final
class Apart(Awaitable[Any]):
    """Awaits something in a context of its own, as a task of its own would: what it sets there stays there."""

    def __init__(self, awaitable: Awaitable[Any], context: Context) -> None:
        self._awaitable = awaitable
        self._run = context.run

    def __await__(self) -> Generator[Any, Any, Any]:
        steps, run = self._awaitable.__await__(), self._run
        step: Callable[..., Any] = steps.__next__
        given: tuple[Any, ...] = ()
        while True:
            try:
                asked = run(step, *given)
            except StopIteration as end:
                return end.value
            try:
                answer = yield asked
            except BaseException as error:  # noqa: BLE001 - it is theirs
                step, given = steps.throw, (error,)
            else:
                step, given = (steps.__next__, ()) if answer is None else (steps.send, (answer,))
