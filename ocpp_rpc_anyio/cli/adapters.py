"""Which library carries the connections of a command, and how its event loop is run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal, final

if TYPE_CHECKING:
    from ocpp_rpc_anyio import RPCClient, RPCServer

AdapterName = Literal["anyio", "trio"]


@final
@dataclass(frozen=True, slots=True)
class Adapter:
    """What the two adapters have under the same names; anyio's own functions work in the loops of both."""

    name: AdapterName
    client: type[RPCClient]
    """`RPCClient`."""
    server: type[RPCServer]
    """`RPCServer`."""
    run: Callable[[Callable[[], Awaitable[int]]], int]
    """Run an async function in a new event loop, and return what it returns."""


def load(name: AdapterName) -> Adapter:
    """Import an adapter; `ModuleNotFoundError` if its event loop is not installed."""
    loop, module = import_module(name), import_module(f"ocpp_rpc_{name}")
    return Adapter(name, module.RPCClient, module.RPCServer, loop.run)
