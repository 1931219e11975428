"""What happened lately, by message id; the oldest is forgotten, so that it never grows beyond its bound."""

from collections import OrderedDict
from typing import Generic, TypeVar

REMEMBERED = 64
"""How many message ids are remembered: of calls of ours that ended without an answer, and of what we answered.

A peer with one call at a time refers to the last one, so this leaves room for concurrency.
"""

V = TypeVar("V")


class Recent(Generic[V]):
    """The last `REMEMBERED` entries."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        # Made when needed, which for most connections is never.
        self._entries: OrderedDict[str, V] | None = None

    def __contains__(self, message_id: str) -> bool:
        return self._entries is not None and message_id in self._entries

    def put(self, message_id: str, value: V) -> None:
        """Remember it as the newest."""
        if self._entries is None:
            # Ordered, because a plain dict scans what was deleted at its front.
            self._entries = OrderedDict()
        self._entries[message_id] = value
        self._entries.move_to_end(message_id)
        if len(self._entries) > REMEMBERED:
            self._entries.popitem(last=False)

    def get(self, message_id: str) -> V | None:
        """What is remembered of it."""
        return None if self._entries is None else self._entries.get(message_id)

    def pop(self, message_id: str) -> V | None:
        """What is remembered of it, which from now on is not."""
        return None if self._entries is None else self._entries.pop(message_id, None)

    def overwrite(self, value: V) -> None:
        """Go on remembering the ids, but nothing else of them."""
        if self._entries is not None:
            self._entries = OrderedDict.fromkeys(self._entries, value)

    def clear(self) -> None:
        """Forget everything."""
        self._entries = None
