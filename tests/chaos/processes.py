"""Processes of ours, started, listened to and mistreated."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

HERE = Path(__file__).parent


class Process:
    """`peer.py` in a process of its own."""

    def __init__(self, *words):
        env = os.environ | {"PYTHONPATH": str(HERE.parent)}
        command = [sys.executable, str(HERE / "peer.py"), *map(str, words)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, env=env, text=True)
        self.facts = {}
        """What it said last."""
        self._listener = Thread(target=self._listen)
        self._listener.start()

    def _listen(self):
        for line in self._process.stdout:
            self.facts = json.loads(line)

    def until(self, condition, limit):
        """Wait until what it says is so; return the seconds that took."""
        began = time.monotonic()
        while not condition(self.facts):
            assert self._process.poll() is None, "the process has ended"
            assert time.monotonic() - began < limit, f"after {limit} s it says only {self.facts}"
            time.sleep(0.01)
        return time.monotonic() - began

    def stop(self):
        """It stands still, while its kernel answers for it."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        """It runs again, as if no time had passed."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self):
        """It is gone at once, without a word."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        self._process.stdout.close()


@contextmanager
def process(*words):
    """A process that does not outlive the block."""
    started = Process(*words)
    try:
        yield started
    finally:
        started.kill()


@contextmanager
def server(adapter, port=0, *, ping):
    """A server process that listens; gives its port in `facts`."""
    with process("server", adapter, port, ping) as started:
        started.until(lambda facts: "port" in facts, 30)
        yield started
