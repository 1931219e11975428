"""OCPP-J clients and servers on asyncio and trio; the same names with the same signatures as `ocpp_rpc_trio`."""

from ocpp_rpc_core import *  # noqa: F403

from .client import RPCClient as RPCClient
from .server import Listener as Listener, RPCServer as RPCServer, RPCServerClient as RPCServerClient
