"""The processes in which the ends run: started, told what to do, and ended."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from types import TracebackType
from typing import Any

from .contestants import Contestant

WAIT = 120.0
"""Seconds after which an end that does not answer is taken for stuck."""


class EndError(Exception):
    """An end has stopped instead of answering; what it said is on standard error."""


class Process:
    """One end, running."""

    def __init__(self, contestant: Contestant) -> None:
        self._name = contestant.name
        self._process = subprocess.Popen(
            contestant.command,
            env=contestant.environment,
            cwd=contestant.tree,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()  # nobody measures how it ends
        self._process.communicate()

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Have something done, and return what came of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = Timer(WAIT, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            raise EndError(f"{self._name} stopped, or took over {WAIT:g} s, at {do!r} {arguments}")
        answer: dict[str, Any] = json.loads(line)
        return answer


class Ends:
    """A server, and a client that can reach it."""

    def __init__(self, server: Process, client: Process, port: int) -> None:
        self.server, self.client, self.port = server, client, port


@contextmanager
def ends(contestant: Contestant, in_flight: int) -> Iterator[Ends]:
    """Both ends of this contestant; its server takes and makes `in_flight` calls at once on a connection."""
    with Process(contestant) as server, Process(contestant) as client:
        port: int = server.ask("listen", in_flight=in_flight)["port"]
        yield Ends(server, client, port)
