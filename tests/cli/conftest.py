"""Runs the command as users do: as a process of its own, never waiting for it without a bound."""

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "ocpp_rpc_anyio.cli"]
SECONDS = 15
COLOUR_SETTINGS = {"NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"}


def environment(**more):
    """The environment of this process, but for what chooses colours."""
    return {name: value for name, value in os.environ.items() if name not in COLOUR_SETTINGS} | more


@contextmanager
def process(*arguments, **options):
    """A running command; killed in the end, and already when it takes too long."""
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT, "env": environment()}
    with subprocess.Popen([*COMMAND, *arguments], **given | options) as running:
        watchdog = threading.Timer(SECONDS, running.kill)
        watchdog.start()
        try:
            yield running
        finally:
            watchdog.cancel()
            running.kill()


def output(*arguments, **options):
    """What a command returned, and wrote to standard output and standard error."""
    with process(*arguments, **options) as running:
        out, err = running.communicate()
        return running.returncode, out, err


@contextmanager
def serving(*arguments):
    """A running `serve` on a free port, and its URL."""
    with process("serve", "--port", "0", *arguments) as running:
        first = running.stdout.readline()
        assert first.startswith("listening on ws://127.0.0.1:"), first + running.stderr.read()
        yield running, first.removeprefix("listening on ").rstrip("\n")


@pytest.fixture(scope="session")
def command():
    """The functions above."""
    return SimpleNamespace(environment=environment, process=process, output=output, serving=serving)


@pytest.fixture(params=["anyio", "trio"])
def adapter(request):
    """The name of each adapter."""
    return request.param
