"""One of our ends as Autobahn's testee: adapter, driver, connection and WebSocket as they are, but it echoes.

python testee.py server ADAPTER          prints the port it listens on, and serves until it is stopped
python testee.py client ADAPTER PORT     goes through every case of the suite that listens there
"""

import importlib
import sys
from math import inf

import anyio
from support.env import ADAPTERS

from ocpp_rpc_core import Closed, Limits, MessageEvent
from ocpp_rpc_core.session import Session

AGENT = "ocpp-rpc"
OPTIONS = {
    "compression": True,
    "ping_interval": None,
    # The cases 9.* send up to 16 MiB, and 4 MiB in fragments of 64 bytes.
    "max_message_size": None,
    "limits": Limits(fragments=inf),
}


def echo(session, message, now, out):
    """In the place of `Session.receive`: the message goes back as it came, whatever it says."""
    context = session._context
    context.report(MessageEvent(message, outbound=False), out)
    context.send(message, out)


async def serve(adapter):
    """Echo to all comers."""
    async with adapter.RPCServer(**OPTIONS, duplicates="allow") as server:
        listener = await server.listen(0, "127.0.0.1")
        print(listener.port, flush=True)
        await anyio.sleep_forever()


async def visit_all(adapter, port):
    """Ask how many cases there are, echo in each, and have the report written."""
    url = f"ws://127.0.0.1:{port}"
    (count, *_) = await visit(adapter, url, "getCaseCount")
    for number in range(1, int(count) + 1):
        await visit(adapter, url, "runCase", case=str(number), agent=AGENT)
    await visit(adapter, url, "updateReports", agent=AGENT)


async def visit(adapter, url, what, **query):
    """Connect, echo until the server closes; what it said is returned if the question is without a query."""
    client = adapter.RPCClient(url, what, query=query, reconnect=False, **OPTIONS)
    said = []
    if not query:
        client.on(MessageEvent, lambda event: said.append(event.message))
    closed = anyio.Event()
    client.on(Closed, lambda _: closed.set())
    async with client:
        await closed.wait()
    return said


def main(role, name, port="0"):
    """Be the testee."""
    Session.receive = echo
    module, backend = ADAPTERS[name]
    adapter = importlib.import_module(module)
    if role == "server":
        anyio.run(serve, adapter, backend=backend)
    else:
        anyio.run(visit_all, adapter, int(port), backend=backend)


if __name__ == "__main__":
    main(*sys.argv[1:])
