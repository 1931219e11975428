"""How much all connections of a server may keep of messages that have not ended, and how much that is."""

from __future__ import annotations

from math import inf
from typing import final


@final
class Budget:
    """Shared by all connections of a server.  Each knows what it keeps, and says so whenever that changes."""

    __slots__ = ("bound", "held")

    def __init__(self, bound: float = inf) -> None:
        self.bound = bound
        """Bytes, or infinity.  A lower one takes nothing from anybody, but lets nobody keep more."""
        self.held = 0
        """Bytes that are kept now."""

    def hold(self, before: int, now: int) -> bool:
        """A connection kept `before` bytes and wants to keep `now`: whether it may; if not, `before` still counts."""
        held = self.held + now - before
        if now > before and held > self.bound:
            return False
        self.held = held
        return True
