"""Fixtures of the test kit, for `pytest_plugins = ["ocpp_rpc_core.testing.pytest_plugin"]` in a `conftest.py`.

No test run of those who do not ask for it pays for it, and only here is pytest imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from . import FakeCSMS, FakeStation, Pair, Script


@pytest.fixture
def ocpp_pair() -> Pair:
    """A client and a server in memory under a virtual clock, not yet connected: `ocpp_rpc_core.testing.Pair`."""
    return Pair()


@pytest.fixture
def ocpp_script() -> Iterator[Callable[..., Script[Any, Any]]]:
    """Makes a `Script` of a machine; at the end of the test, none may have actions that nobody expected."""
    scripts: list[Script[Any, Any]] = []

    def script(machine: Any, now: float = 0.0) -> Script[Any, Any]:
        scripts.append(Script(machine, now))
        return scripts[-1]

    yield script
    for made in scripts:
        made.done()


@pytest.fixture
def ocpp_csms() -> FakeCSMS:
    """A management system played by the test, which so far answers nothing: `ocpp_rpc_core.testing.FakeCSMS`."""
    return FakeCSMS()


@pytest.fixture
def ocpp_station() -> FakeStation:
    """A charging station CP1 played by the test, which so far answers nothing: `ocpp_rpc_core.testing.FakeStation`."""
    return FakeStation()
