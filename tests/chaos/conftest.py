"""Runs each asynchronous test here once per adapter, with real sockets, in bounded time, and looks what it left.

`chaos_*.py` take up to minutes, so pytest collects them only by name: `nox -s chaos` does.
"""

import gc
import importlib
import logging
from inspect import iscoroutinefunction

import anyio
import pytest
from support.env import ADAPTERS, open_files

LIMIT = 60.0
"""Seconds that a test may take, a soak after its time."""


def pytest_addoption(parser):
    """How long the soak takes."""
    parser.addoption("--soak", type=float, default=5.0, help="seconds that the soak takes, per adapter")


class Errors(logging.Handler):
    """Counts what is logged as an error, by the event loop or by us, and keeps the first one's text."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.count = 0
        self.first = ""

    def emit(self, record):
        self.count += 1
        self.first = self.first or self.format(record)


class Ours:
    """One adapter on one event loop; a test has `limit` seconds."""

    def __init__(self, name):
        self.name = name
        self.limit = LIMIT
        module, self.backend = ADAPTERS[name]
        adapter = importlib.import_module(module)
        self.RPCClient, self.RPCServer = adapter.RPCClient, adapter.RPCServer

    def run(self, body):
        """Run a test's body to its end; it must leave no task and no descriptor behind, and no error in the log."""
        files, errors = open_files(), Errors()
        logging.getLogger().addHandler(errors)
        try:
            anyio.run(self._run, body, backend=self.backend)
        finally:
            logging.getLogger().removeHandler(errors)
        gc.collect()
        assert open_files() == files, "descriptors are left open"
        assert errors.count == 0, errors.first

    async def _run(self, body):
        tasks = len(anyio.get_running_tasks())
        with anyio.fail_after(self.limit):
            await body()
        for _ in range(5):  # asyncio closes sockets a turn later
            await anyio.lowlevel.checkpoint()
        assert len(anyio.get_running_tasks()) == tasks, "tasks are left behind"

    async def until(self, condition, limit=10.0):
        """Wait until something is so; return the seconds that took."""
        began = anyio.current_time()
        with anyio.fail_after(limit):
            while not condition():  # noqa: ASYNC110 - it may be about anything
                await anyio.sleep(0.005)
        return anyio.current_time() - began


@pytest.fixture(params=["trio", "anyio-asyncio"])
def ours(request):
    """Each adapter."""
    return Ours(request.param)


@pytest.fixture
def soak_seconds(request, ours):
    """How long a soak takes."""
    seconds = request.config.getoption("--soak")
    ours.limit += seconds
    return seconds


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """An asynchronous test is a body for `ours`."""
    if not iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    arguments["ours"].run(lambda: pyfuncitem.obj(**arguments))
    return True
