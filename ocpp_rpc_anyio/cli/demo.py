"""`ocpp-rpc demo`: a station and a server of each OCPP version talk to each other, as they are expected to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, final

import anyio
from rich.console import Console
from rich.text import Text

from ocpp_rpc_core import CallFailed, Closed, CloseInfo, InboundCall, MessageEvent, RPCError
from ocpp_rpc_core.validation import STANDARD

from .adapters import Adapter
from .output import printable
from .samples import minimal_response, timestamp

if TYPE_CHECKING:
    from ocpp_rpc_anyio import RPCClient, RPCServerClient

SECONDS = 10
"""The whole demonstration may take no longer."""
FAREWELL = CloseInfo(1000, "end of the demo")


class Way(Enum):
    """Who calls, and how far the call gets."""

    TO_SERVER = "station -> server"
    TO_STATION = "server -> station"
    UNSENT = "refused, never sent"
    REFUSED = "refused by the server"


@final
@dataclass(frozen=True, slots=True)
class Line:
    """One call, and what must come of it."""

    way: Way
    method: str
    params: dict[str, Any]
    expected: dict[str, Any] | str
    """The result, or an error's code."""


def story(protocol: str, now: str) -> list[Line]:
    """What is shown of a subprotocol; `now` is the time that the server tells."""
    accepted = {"status": "Accepted"}
    if protocol == "ocpp1.6":
        boot: dict[str, Any] = {"chargePointVendor": "Example", "chargePointModel": "One"}
        half_a_boot = {"chargePointVendor": "Example"}
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": now}
        reset = {"type": "Soft"}
        missing, malformed = "OccurenceConstraintViolation", "FormationViolation"
    else:
        boot = {"reason": "PowerUp", "chargingStation": {"vendorName": "Example", "model": "Two"}}
        half_a_boot = {"reason": "PowerUp"}
        status = {"evseId": 1, "connectorId": 1, "connectorStatus": "Available", "timestamp": now}
        reset = {"type": "OnIdle"}
        missing, malformed = "OccurrenceConstraintViolation", "FormatViolation"
    return [
        Line(Way.TO_SERVER, "BootNotification", boot, {"currentTime": now, "interval": 300, **accepted}),
        Line(Way.TO_SERVER, "Heartbeat", {}, {"currentTime": now}),
        Line(Way.TO_SERVER, "StatusNotification", status, {}),
        Line(Way.TO_STATION, "Reset", reset, accepted),
        Line(Way.UNSENT, "BootNotification", half_a_boot, missing),
        Line(Way.REFUSED, "StatusNotification", {**status, "timestamp": "yesterday"}, malformed),
    ]


@final
class Show:
    """Prints what happens, and counts how often it is as expected and how often not."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self.good = 0
        self.bad = 0

    def title(self, text: str) -> None:
        """Begin a part."""
        self._out.print(Text(text, style="bold"))

    def line(self, way: str, what: str, happened: object, problem: str = "") -> None:
        """Print one line; `problem` says what is not as expected, if anything."""
        verdict = ("FAILED", "bold red") if problem else ("ok    ", "green")
        method = (f"{what:<19}", "cyan")
        self._out.print(Text.assemble("  ", verdict, f"  {way:<22}", method, printable(_shown(happened))))
        if problem:
            self._out.print(Text(f"          {printable(problem)}", style="red"))
        self.good, self.bad = self.good + (not problem), self.bad + bool(problem)


def _shown(outcome: object) -> str:
    if isinstance(outcome, CloseInfo):
        return f"{outcome.code} {outcome.reason}"
    return json.dumps(outcome) if isinstance(outcome, dict) else str(outcome)


async def perform(line: Line, station: RPCClient, client: RPCServerClient) -> tuple[object, str]:
    """Make the call of a line; return what came of it, and what of that is not as expected.

    `client` is the server's side of the connection.
    """
    sent = 0

    def count(event: MessageEvent) -> None:
        nonlocal sent
        sent += event.outbound

    station.reconfigure(strict_mode=line.way is not Way.REFUSED)  # careless, so that the server must refuse
    station.on(MessageEvent, count)
    outcome: object
    try:
        outcome = await (client if line.way is Way.TO_STATION else station).call(line.method, line.params)
    except (RPCError, CallFailed) as error:
        outcome = error
    finally:
        station.off(MessageEvent, count)
        station.reconfigure(strict_mode=True)
    seen = outcome.code if isinstance(outcome, RPCError) else outcome
    if seen != line.expected:
        return outcome, f"expected {_shown(line.expected)}"
    if sent != (line.way is not Way.UNSENT):
        return outcome, f"the station sent {sent} messages"
    return outcome, ""


async def part(adapter: Adapter, protocol: str, show: Show) -> None:
    """Show one subprotocol, over a connection of its own."""
    now = datetime.now(UTC)

    def answer(call: InboundCall[Any]) -> Any:
        return minimal_response(protocol, call.method, now)

    async with adapter.server(protocols=[protocol], strict_mode=True) as server:
        server.handle(answer)
        listener = await server.listen(0, "127.0.0.1")
        show.title(f"{protocol} over {listener.url}, carried by ocpp_rpc_{adapter.name}")
        station = adapter.client(listener.url, "CP1", protocols=[protocol], strict_mode=True)
        station.handle(answer)
        async with station:
            (client,) = server.clients
            for line in story(protocol, timestamp(now)):
                outcome, problem = await perform(line, station, client)
                show.line(line.way.value, line.method, outcome, problem)
            await say_goodbye(station, client, show)


async def say_goodbye(station: RPCClient, client: RPCServerClient, show: Show) -> None:
    """Close the connection; both ends must see the same end."""
    ends: list[CloseInfo] = []
    gone = anyio.Event()

    def closed(event: Closed) -> None:
        ends.append(CloseInfo(event.code, event.reason))
        gone.set()

    client.on(Closed, closed)
    ends.append(await station.close(*FAREWELL))
    await gone.wait()
    problem = "" if ends == [FAREWELL] * 2 else f"expected {_shown(FAREWELL)} at both ends, not {ends}"
    show.line("station closes", "", ends[0], problem)


async def demo(adapter: Adapter, out: Console, protocols: Sequence[str] = STANDARD) -> int:
    """Show every version; return 0 if all was as expected, else 1."""
    show = Show(out)
    with anyio.move_on_after(SECONDS) as scope:
        for protocol in protocols:
            try:
                await part(adapter, protocol, show)
            except Exception as error:  # noqa: BLE001 - whatever it is, it was not expected
                show.line("", "", repr(error), "expected no exception")
    if scope.cancelled_caught:
        show.line("", "", "took too long", f"expected to be done within {SECONDS} s")
    if show.bad:
        out.print(Text(f"{show.bad} of {show.good + show.bad} lines are not as expected.", style="bold red"))
        return 1
    out.print(Text(f"All {show.good} lines are as expected.", style="bold green"))
    return 0
