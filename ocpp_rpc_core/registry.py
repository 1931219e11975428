"""Who is connected under which identity, who waits for whom, and what happens when an identity connects twice."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar, final, get_args

from ._lifecycle import State
from ._observers import Bell

Verdict = Literal["replace", "refuse", "allow"]
"""The newest connection of an identity wins, or the oldest, or all stay."""
DuplicatesCallback = Callable[[Any, tuple[Any, ...]], Verdict]
"""Decides about a newcomer and the clients that are connected under its identity, the oldest first."""
Duplicates = Verdict | DuplicatesCallback


def check_duplicates(policy: Duplicates) -> Duplicates:
    """The policy, if it is one.

    Raises:
        ValueError: it is none.
    """
    if inspect.iscoroutinefunction(policy) or not (callable(policy) or policy in get_args(Verdict)):
        raise ValueError(f"duplicates must be one of {get_args(Verdict)} or a plain function, not {policy!r}")
    return policy


class Identified(Protocol):
    """Something connected under an identity."""

    @property
    def identity(self) -> str:
        """The identity it connected with."""
        ...

    @property
    def state(self) -> State:
        """Where its connection is in its life; only an open one can be called."""
        ...


C = TypeVar("C", bound=Identified)


class Arrival(NamedTuple, Generic[C]):
    """What follows from an arrival."""

    leaving: list[C]
    """Who must now be closed: the predecessors, or the newcomer itself."""
    error: Exception | None = None
    """What was wrong with the callback that decided on it."""


@final
class Registry(Generic[C]):
    """The connected clients in the order they came.

    With `duplicates` "replace" the newest connection of an identity wins, with "refuse" the oldest,
    with "allow" all stay; a callback says which of it is to be done.  A client is the very object, not its
    identity: removing one, however late, never touches another of the same identity.
    """

    def __init__(self, duplicates: Duplicates = "replace") -> None:
        self.duplicates: Duplicates = check_duplicates(duplicates)
        self._by_identity: dict[str, list[C]] = {}
        self._clients: dict[int, C] = {}
        self._waiting: dict[str, list[Bell]] = {}

    def __contains__(self, client: object) -> bool:
        return id(client) in self._clients

    @property
    def clients(self) -> tuple[C, ...]:
        """Every connected client, the oldest first."""
        return tuple(self._clients.values())

    def get(self, identity: str) -> C | None:
        """The newest client under `identity` that is open, or None."""
        clients = self._by_identity.get(identity, ())
        return next((client for client in reversed(clients) if client.state is State.OPEN), None)

    def add(self, client: C) -> Arrival[C]:
        """Register a client that was let in, unless it is refused; then tell who waits for it.

        Who is leaving already stands in nobody's way.
        """
        former = [old for old in self._by_identity.get(client.identity, ()) if old.state is State.OPEN]
        verdict, error = self._judge(client, former)
        if verdict == "refuse":
            return Arrival([client], error)
        leaving = former if verdict == "replace" else []
        for old in leaving:
            self.remove(old)
        self._clients[id(client)] = client
        self._by_identity.setdefault(client.identity, []).append(client)
        self.release(client.identity)
        return Arrival(leaving)

    def _judge(self, client: C, former: list[C]) -> tuple[Verdict, Exception | None]:
        if not former:
            return "allow", None
        if not callable(self.duplicates):
            return self.duplicates, None
        try:
            verdict: object = self.duplicates(client, tuple(former))
            for known in get_args(Verdict):
                if verdict == known:
                    return known, None
            error: Exception = TypeError(f"duplicates must return one of {get_args(Verdict)}, not {verdict!r}")
        except Exception as raised:  # noqa: BLE001 - the newcomer must not get in by it, and the others stay
            error = raised
        return "refuse", error

    def remove(self, client: C) -> None:
        """Forget this very client; one that is not registered is ignored."""
        if self._clients.pop(id(client), None) is not None:
            same = self._by_identity.pop(client.identity)
            if others := [other for other in same if other is not client]:
                self._by_identity[client.identity] = others

    # --- Waiting for somebody -----------------------------------------------------

    def expect(self, identity: str, bell: Bell) -> None:
        """Ring when somebody arrives under `identity`; `forget` must follow."""
        self._waiting.setdefault(identity, []).append(bell)

    def forget(self, identity: str, bell: Bell) -> None:
        """Nobody waits for that bell any more."""
        bells = self._waiting[identity]
        bells.remove(bell)
        if not bells:
            del self._waiting[identity]

    def release(self, *identities: str) -> None:
        """Ring for those who wait for these identities, or for any if none is given, to look again."""
        for identity in identities or tuple(self._waiting):
            for bell in self._waiting.get(identity, ()):
                bell.set()
