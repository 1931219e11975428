"""How a process is kept from seeing packages that are installed: those of the extra `speed`."""

import sys

SPEED = ("orjson", "msgspec", "uvloop")


def hide(names: tuple[str, ...] = SPEED) -> None:
    """Make the import of these packages fail, from now on, in this process."""
    for name in names:
        sys.modules[name] = None  # type: ignore[assignment]  # what the import system takes for "not there"
