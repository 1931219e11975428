"""Processes in which peers of other authors run: told what to do, and heard, in JSON lines."""

import base64
import itertools
import json
import os
import queue
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import Future
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import pytest
from anyio import to_thread

HERE = Path(__file__).parent
WAIT = 10.0
"""Seconds after which somebody who is waited for will not come any more."""


class PeerError(Exception):
    """What a foreign peer raised: its RPC error `code`, or the HTTP status it was refused with."""

    def __init__(self, name, code, message, details):
        super().__init__(f"{name} {code}: {message} {details}")
        self.name, self.code, self.message, self.details = name, code, message, details


class Foreign:
    """One peer in a host process."""

    def __init__(self, host, number, **facts):
        self.number = number
        self.facts = facts
        """What it said of itself when it was made."""
        self._host = host

    @property
    def url(self):
        """Where it listens."""
        return f"ws://127.0.0.1:{self.facts['port']}"

    async def do(self, name, **arguments):
        """Have it do something, and return what came of it; raises `PeerError`."""
        return await self._host.ask(do=name, to=self.number, **arguments)

    async def call(self, method, params, **options):
        """Have it call the other end."""
        return await self.do("call", method=method, params=params, **options)

    async def heard(self, event):
        """Its next event of this name."""
        return await self._host.event(self.number, event)

    def heard_nothing(self, event):
        """Whether no event of this name has come."""
        return self._host.events[self.number, event].empty()

    async def client(self):
        """The next client that has come to this server."""
        return Foreign(self._host, **await self.heard("client"))


class Host:
    """A process of peers; ended by `end`, or by `kill`, which may come twice."""

    def __init__(self, *command, env=None):
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", env=env
        )
        self._ids = itertools.count(1)
        self._answers = {}
        self.events = defaultdict(queue.SimpleQueue)
        """What peers reported and nobody has taken, by number and event."""
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for text in self._process.stdout:
            line = json.loads(text)
            if "event" in line:
                self.events[line.pop("from"), line.pop("event")].put(line)
            else:
                self._answers.pop(line["id"]).set_result(line)
        for answer in self._answers.values():
            answer.set_exception(ConnectionError("the process of the peer has ended"))

    async def ask(self, **command):
        """Have a command done; what is sent as bytes is turned into base64."""
        number = next(self._ids)
        answer = self._answers[number] = Future()
        command = {key: base64.b64encode(v).decode() if type(v) is bytes else v for key, v in command.items()}
        self._process.stdin.write(json.dumps({"id": number, **command}) + "\n")
        self._process.stdin.flush()
        line = await to_thread.run_sync(answer.result, WAIT, abandon_on_cancel=True)
        if "error" in line:
            raise PeerError(**line["error"])
        return line["result"]

    async def make(self, kind, **arguments):
        """A new peer."""
        return Foreign(self, **await self.ask(do=kind, **arguments))

    async def event(self, number, event):
        """The next event of this name of this peer."""
        take = partial(self.events[number, event].get, timeout=WAIT)
        try:
            return await to_thread.run_sync(take, abandon_on_cancel=True)
        except queue.Empty:
            raise AssertionError(f"no event {event!r} in {WAIT} s") from None

    def kill(self):
        """End it as a power cut would."""
        self._process.kill()
        self.end()

    def end(self):
        """Ask it to end, and wait until it has."""
        self._process.stdin.close()
        try:
            self._process.wait(WAIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()


def node_host():
    """A process with the peers of npm, from the folder that the environment names."""
    modules = os.environ.get("OCPP_RPC_NODE_MODULES") or os.environ.get("NODE_PATH", "")
    for package in ("ocpp-rpc", "ws"):
        if not (modules and (Path(modules) / package).is_dir()):
            pytest.fail(
                f"the interoperability tests need the npm package {package}: run `nox -s interop`, or set "
                f"OCPP_RPC_NODE_MODULES to a node_modules folder that has it (it is {modules!r})"
            )
    return Host("node", str(HERE / "node" / "host.js"), env={**os.environ, "NODE_PATH": modules})


def python_host():
    """A process with the peers of PyPI."""
    for package in ("ocpp", "websockets"):
        if find_spec(package) is None:
            pytest.fail(f"the interoperability tests need the PyPI package {package}: run `nox -s interop`")
    return Host(sys.executable, "-P", str(HERE / "python" / "host.py"))
