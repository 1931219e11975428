"""Fixtures for tests that run once per adapter and event loop, on a virtual clock or with real sockets."""

from inspect import iscoroutinefunction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from .env import ADAPTERS, Env


@pytest.fixture(params=ADAPTERS)
def env(request):
    """One adapter on one event loop, on a virtual clock."""
    return Env(request.param, real=False)


@pytest.fixture(params=ADAPTERS)
def net(request):
    """One adapter on one event loop, on the real clock, for tests with real sockets."""
    return Env(request.param, real=True)


@pytest.fixture
def socket_path():
    """Where a Unix socket can be made: its path has room for about 100 bytes, which `tmp_path` may exceed."""
    with TemporaryDirectory(prefix="ocpp-", dir="/tmp") as folder:
        yield str(Path(folder) / "ocpp.sock")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """An asynchronous test is a body for its `env` or `net`."""
    if not iscoroutinefunction(pyfuncitem.obj):
        return None
    (ground,) = (value for value in pyfuncitem.funcargs.values() if isinstance(value, Env))
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    ground.run(lambda: pyfuncitem.obj(**arguments))
    return True
