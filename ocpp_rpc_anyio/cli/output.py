"""How a command writes: coloured on a terminal, and never what a peer's text could do to one."""

import sys
from io import TextIOWrapper

from rich.console import Console


def console() -> Console:
    """Standard output: no colours when it is no terminal or `NO_COLOR` is set, no line broken or lost."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # an old terminal cannot show everything
    return Console(soft_wrap=True)


def printable(text: str | bytes) -> str:
    """The text with all that is no visible character escaped: a peer's bytes do not steer the terminal."""
    if isinstance(text, bytes):
        return repr(text)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def complain(problem: object) -> None:
    """Say on standard error what went wrong."""
    print(f"ocpp-rpc: {printable(str(problem))}", file=sys.stderr)
