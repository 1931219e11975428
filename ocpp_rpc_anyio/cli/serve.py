"""`ocpp-rpc serve`: a management system for development, that accepts everything valid and shows every message."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from rich.console import Console
from rich.text import Text

from ocpp_rpc_core import (
    Accept,
    ClientConnected,
    Closed,
    Handshake,
    InboundCall,
    MessageEvent,
    Reject,
    UpgradeAborted,
    UpgradeRefused,
    Verdict,
    check_password,
)

from .adapters import Adapter
from .output import printable
from .samples import minimal_response

if TYPE_CHECKING:
    from ocpp_rpc_anyio import RPCServer

Passwords = Mapping[str, bytes]
"""Identity → password."""


def parse_passwords(pairs: Sequence[str]) -> Passwords:
    """The passwords from `ID=SECRET` each; `ValueError` for what is no such pair."""
    passwords: dict[str, bytes] = {}
    for pair in pairs:
        identity, sign, secret = pair.partition("=")
        if not identity or not sign:
            raise ValueError("a password must look like ID=SECRET")  # without it: it is a secret
        passwords[identity] = secret.encode()
    if not passwords:  # must not silently let everyone in
        raise ValueError("--password needs ID=SECRET")
    return passwords


def judge(handshake: Handshake, passwords: Passwords) -> Verdict:
    """Let those in whose password is right."""
    if not check_password(handshake.password, passwords.get(handshake.identity)):
        return Reject(401, "unknown identity or wrong password")
    return Accept()


def answer(call: InboundCall[Any]) -> Any:
    """The least valid result; strict mode lets only methods of the subprotocol come here."""
    return minimal_response(call.client.protocol, call.method, datetime.now(UTC))


def show(server: RPCServer, out: Console) -> None:
    """Print who comes and goes and every message: `->` is from the server, `<-` is to the server."""

    def write(sign: str, style: str, identity: str, text: str | bytes) -> None:
        out.print(Text.assemble((sign, style), " ", (printable(identity), "bold"), " ", printable(text)))

    def connected(event: ClientConnected) -> None:
        client: Any = event.client
        name = client.identity
        write("++", "green", name, f"connected with {client.protocol} from {client.handshake.remote_address}")

        def message(event: MessageEvent) -> None:
            sign, style = ("->", "cyan") if event.outbound else ("<-", "magenta")
            write(sign, style, name, event.message)

        def closed(event: Closed) -> None:
            write("--", "yellow", name, f"closed {event.code} {event.reason}".rstrip())

        client.on(MessageEvent, message)
        client.on(Closed, closed)

    def refused(event: UpgradeAborted) -> None:
        why = event.error.message if isinstance(event.error, UpgradeRefused) else event.error
        write("!!", "red", event.identity or "?", f"refused with HTTP status {event.status}: {why}")

    server.on(ClientConnected, connected)
    server.on(UpgradeAborted, refused)


async def serve(
    adapter: Adapter,
    host: str,
    port: int,
    protocols: Sequence[str],
    passwords: Passwords | None,
    out: Console,
) -> int:
    """Serve until SIGINT or SIGTERM, then close every client with 1001; `OSError` if it cannot listen.

    Without `passwords` everyone gets in.
    """
    async with adapter.server(protocols=protocols, strict_mode=True) as server:
        server.handle(answer)
        if passwords is not None:
            server.auth(partial(judge, passwords=passwords))
        show(server, out)
        if sys.platform == "win32":  # has no signals for an event loop to wait for: Ctrl-C interrupts
            await _listen(server, host, port)
            await anyio.sleep_forever()
        else:
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                await _listen(server, host, port)
                async for _ in signals:
                    break
    return 0


async def _listen(server: RPCServer, host: str, port: int) -> None:
    listener = await server.listen(port, host)
    print(f"listening on {listener.url}", flush=True)
