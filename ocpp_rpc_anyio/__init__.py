"""OCPP-J clients and servers on asyncio and trio; the same names with the same signatures as `ocpp_rpc_trio`."""

import ocpp_rpc_core
from ocpp_rpc_core import *  # noqa: F403 - what needs no I/O is the same everywhere
from ocpp_rpc_core.serving import Listener

from .client import RPCClient
from .server import RPCServer, RPCServerClient
from .tls import client_tls, server_tls

__all__ = ["Listener", "RPCClient", "RPCServer", "RPCServerClient", "client_tls", "server_tls"]
__all__ += ocpp_rpc_core.__all__
