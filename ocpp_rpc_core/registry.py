"""Who is connected under which identity, and what happens when an identity connects twice."""

from __future__ import annotations

from typing import Generic, Literal, Protocol, TypeVar, final, get_args

Duplicates = Literal["replace", "refuse", "allow"]


def check_duplicates(policy: Duplicates) -> Duplicates:
    """The policy, if it is one.

    Raises:
        ValueError: it is none.
    """
    if policy not in get_args(Duplicates):
        raise ValueError(f"duplicates must be one of {get_args(Duplicates)}, not {policy!r}")
    return policy


class Identified(Protocol):
    """Something connected under an identity."""

    @property
    def identity(self) -> str:
        """The identity it connected with."""
        ...


C = TypeVar("C", bound=Identified)


@final
class Registry(Generic[C]):
    """The connected clients in the order they came.

    With `duplicates` "replace" the newest connection of an identity wins, with "refuse" the oldest,
    with "allow" all stay.  Removing a client never touches another of the same identity.
    """

    def __init__(self, duplicates: Duplicates = "replace") -> None:
        self.duplicates: Duplicates = check_duplicates(duplicates)
        self._by_identity: dict[str, dict[int, C]] = {}
        self._clients: dict[int, C] = {}

    def __contains__(self, client: object) -> bool:
        return id(client) in self._clients

    @property
    def clients(self) -> tuple[C, ...]:
        """Every connected client, the oldest first."""
        return tuple(self._clients.values())

    def get(self, identity: str) -> C | None:
        """The newest client connected under `identity`, or None."""
        clients = self._by_identity.get(identity)
        return None if clients is None else next(reversed(clients.values()))

    def add(self, client: C) -> list[C]:
        """Register a client that was let in; return who must now be closed: its predecessors, or itself."""
        former = list(self._by_identity.get(client.identity, {}).values())
        if former and self.duplicates == "refuse":
            return [client]
        leaving = former if self.duplicates == "replace" else []
        for old in leaving:
            self.remove(old)
        self._clients[id(client)] = client
        self._by_identity.setdefault(client.identity, {})[id(client)] = client
        return leaving

    def remove(self, client: C) -> None:
        """Forget this very client; one that is not registered is ignored."""
        if self._clients.pop(id(client), None) is not None:
            same = self._by_identity[client.identity]
            del same[id(client)]
            if not same:
                del self._by_identity[client.identity]
