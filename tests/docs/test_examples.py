"""Every Python block of the documentation runs, on both adapters, and prints what the page says."""

import contextlib
import importlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[a-z ]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
MARKS = (None, "background", "background output")
SECONDS = 10


@dataclass
class Block:
    """A fenced block, with the output that the page says it has."""

    mark: str | None
    language: str
    text: str
    line: int
    output: str | None = None


@dataclass
class Page:
    """A page's blocks in their order."""

    path: Path
    blocks: list[Block] = field(default_factory=list)


def read(path):
    page = Page(path)
    source = path.read_text(encoding="utf-8")
    for match in BLOCK.finditer(source):
        mark, language, text = match.group("mark", "language", "text")
        block = Block(mark, language, text, source[: match.start("text")].count("\n"))
        before = page.blocks[-1] if page.blocks else None
        if language == "text" and mark is None:
            assert getattr(before, "language", None) == "python", f"{path}:{block.line}: output of nothing"
            before.output = text
        page.blocks.append(block)
    return page


RUNNABLE = [page for page in map(read, PAGES) if any(block.language == "python" for block in page.blocks)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


class Background:
    """A block that goes on running, in a process of its own, while the rest of its page is run."""

    def __init__(self, source):
        path = os.pathsep.join([str(ROOT), *sys.path])
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-W", "error", "-c", source],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        self.timer = threading.Timer(SECONDS, self.process.kill)
        self.timer.start()
        self.printed = [self.process.stdout.readline()]
        assert "listening" in self.printed[0], self.printed[0] + self.process.stdout.read()

    def read(self, lines):
        while len(self.printed) < lines:
            line = self.process.stdout.readline()
            assert line, "".join(self.printed)
            self.printed.append(line)
        return "".join(self.printed)

    def stop(self):
        self.timer.cancel()
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def time_limit():
    def give_up(*_):
        raise TimeoutError(f"still running after {SECONDS} s")

    former = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


def run(block, source, path):
    """What a block prints; its traceback shows the line of the page."""
    printed = io.StringIO()
    code = compile("\n" * block.line + source, str(path), "exec")
    with time_limit(), contextlib.redirect_stdout(printed):
        exec(code, {"__name__": "__main__"})
    return printed.getvalue()


@pytest.mark.parametrize("adapter", ["anyio", "trio"])
@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.path.relative_to(ROOT).as_posix())
def test_the_python_blocks_run_and_print_what_the_page_says(page, adapter, monkeypatch):
    """On trio too, with nothing changed but the name of the library."""
    importlib.import_module(f"ocpp_rpc_{adapter}")
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "how-to"))
    port, background = free_port(), None

    def adapted(text):
        return re.sub(r"\b9000\b", port, text.replace("anyio", adapter))

    try:
        for block in page.blocks:
            assert block.mark in MARKS, f"{page.path}:{block.line}: unknown mark {block.mark}"
            if block.mark == "background output":
                assert background is not None
                assert background.read(block.text.count("\n")) == adapted(block.text)
            elif block.language != "python":
                continue
            elif block.mark == "background":
                background = Background(adapted(block.text))
            else:
                printed = run(block, adapted(block.text), page.path)
                assert printed == (adapted(block.output) if block.output is not None else "")
    finally:
        if background is not None:
            background.stop()


def test_there_are_examples():
    """The test above finds what it is to run."""
    pages = {page.path.name for page in RUNNABLE}
    assert pages >= {"README.md", "first-station.md", "close-and-reconnect.md", "strict-mode.md", "write-an-adapter.md"}
    for path in PAGES:
        fences = len(re.findall(r"^```", path.read_text(encoding="utf-8"), re.MULTILINE))
        assert fences == 2 * len(read(path).blocks)
