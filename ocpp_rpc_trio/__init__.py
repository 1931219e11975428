"""OCPP-J clients and servers on trio; the same names with the same signatures as `ocpp_rpc_anyio`."""

from ocpp_rpc_core import *  # noqa: F403

from .client import RPCClient
from .server import Listener, RPCServer, RPCServerClient
