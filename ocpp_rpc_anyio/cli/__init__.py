"""The command `ocpp-rpc`: where it begins, and what it says when a package it needs is not installed."""

import sys

EXTRAS = {"anyio": "anyio", "trio": "trio", "cyclopts": "cli", "rich": "cli"}
"""Which extra installs the package that is missing."""


def main() -> int:
    """Run the command with the arguments of the process; return its exit status."""
    try:
        from .commands import run  # noqa: PLC0415 - imports what may be missing

        return run(sys.argv[1:])
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(error.name or "")
        if extra is None:
            raise
        hint = f'ocpp-rpc: this needs the package {error.name}: pip install "ocpp-rpc[{extra}]"'
        print(hint, file=sys.stderr)
        return 1
