"""Which handler belongs to a method."""

from __future__ import annotations


class Router:
    """Handlers by method, with a wildcard for the rest; `parent` answers what this one does not know.

    A handler is an opaque value that is never called here.  The nearest handler for the very method
    wins, then the nearest wildcard (features C18, S28).
    """

    __slots__ = ("_handlers", "_parent", "_wildcard")

    def __init__(self, parent: Router | None = None) -> None:
        self._handlers: dict[str, object] = {}
        self._wildcard: object | None = None
        self._parent = parent

    def add(self, method: str | None, handler: object) -> None:
        """Register `handler`, as wildcard if `method` is None; it replaces the former one."""
        if method is None:
            self._wildcard = handler
        else:
            self._handlers[method] = handler

    def remove(self, method: str | None) -> None:
        """Forget the handler of `method`, or the wildcard if None; unknown ones are ignored."""
        if method is None:
            self._wildcard = None
        else:
            self._handlers.pop(method, None)

    def clear(self) -> None:
        """Forget every handler of this router, not those of its parent."""
        self._handlers.clear()
        self._wildcard = None

    def find(self, method: str) -> object | None:
        """The handler of `method`, or None."""
        handler = self._exact(method)
        return self._any() if handler is None else handler

    def _exact(self, method: str) -> object | None:
        handler = self._handlers.get(method)
        if handler is None and self._parent is not None:
            return self._parent._exact(method)  # noqa: SLF001 - the same class
        return handler

    def _any(self) -> object | None:
        if self._wildcard is None and self._parent is not None:
            return self._parent._any()  # noqa: SLF001 - the same class
        return self._wildcard
