"""`ocpp-rpc call`: one call of a charging station, and what became of it as an exit status."""

import json
from collections.abc import Awaitable
from typing import Any

from ocpp_rpc_core import CallFailed, ConnectionLost, NotConnected, RPCError, UnexpectedHTTPResponse

from .adapters import Adapter
from .output import complain

FAILED, UNREACHABLE = 1, 2


def parameters(text: str) -> Any:
    """The parameters from the command line; `ValueError` if they are no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the parameters are no JSON: {error}") from None


async def call(
    adapter: Adapter,
    url: str,
    identity: str,
    method: str,
    params: Any,
    *,
    protocol: str,
    password: str | None,
    timeout: float,
) -> int:
    """Connect as a station, make one strict call, print its result as JSON; inbound calls get NotImplemented.

    Returns 0, or 1 for an error or no answer in time, or 2 when there is no connection (any more).
    Raises `ValueError` or `TypeError` for options and parameters that are impossible.
    """
    station = adapter.client(url, identity, protocols=[protocol], password=password, strict_mode=True, reconnect=False)
    try:
        async with station:
            return await _outcome(station.call(method, params, timeout=timeout))
    except UnexpectedHTTPResponse as refusal:
        body = refusal.body.decode(errors="replace").strip()
        complain(f"the server refused the connection with HTTP status {refusal.status}" + (body and f": {body}"))
    except OSError as error:
        complain(f"no connection to {url}: {error}")
    return UNREACHABLE


async def _outcome(answer: Awaitable[Any]) -> int:
    try:
        result = await answer
    except RPCError as error:
        complain(error)
    except (ConnectionLost, NotConnected) as error:
        complain(f"the connection was lost: {error}")
        return UNREACHABLE
    except CallFailed as error:  # no answer in time
        complain(error)
    else:
        print(json.dumps(result), flush=True)  # all ASCII, so nothing in it steers a terminal
        return 0
    return FAILED
