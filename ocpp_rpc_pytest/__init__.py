"""What pytest finds by itself: fixtures of `ocpp_rpc_core.testing`, which is not loaded before a test asks for one.

A package of its own, because to import a module of `ocpp_rpc_core` is to import all of it, in every test run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ocpp_rpc_core.testing import FakeCSMS, FakeStation, Pair, Script

# ruff: noqa: PLC0415 - every import waits until it is needed


@pytest.fixture
def ocpp_pair() -> Pair:
    """A client and a server in memory under a virtual clock, not yet connected: `ocpp_rpc_core.testing.Pair`."""
    from ocpp_rpc_core.testing import Pair

    return Pair()


@pytest.fixture
def ocpp_script() -> Iterator[Callable[..., Script[Any, Any]]]:
    """Makes a `Script` of a machine; at the end of the test, none may have actions that nobody expected."""
    from ocpp_rpc_core.testing import Script

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
    from ocpp_rpc_core.testing import FakeCSMS

    return FakeCSMS()


@pytest.fixture
def ocpp_station() -> FakeStation:
    """A charging station CP1 played by the test, which so far answers nothing: `ocpp_rpc_core.testing.FakeStation`."""
    from ocpp_rpc_core.testing import FakeStation

    return FakeStation()
