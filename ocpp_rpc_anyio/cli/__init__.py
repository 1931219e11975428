"""The command `ocpp-rpc`: where it begins, and what it says when a package it needs is not installed."""

import sys

EXTRAS = {"trio": "trio", "cyclopts": "cli", "rich": "cli"}
"""Which extra installs the package that is missing; without anyio this package cannot even be imported."""


def main() -> int:
    """Run the command with the arguments of the process; return its exit status."""
    try:
        from .commands import run  # noqa: PLC0415 - imports what may be missing

        return run(sys.argv[1:])
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        extra = EXTRAS.get(package)
        if extra is None:
            raise
        hint = f'ocpp-rpc: this needs the package {package}: pip install "ocpp-rpc[{extra}]"'
        print(hint, file=sys.stderr)
        return 1
