"""Connections that do nothing: what each costs the server, how fast they come, and what a call costs among them."""

import resource
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .contestants import Contestant
from .payloads import MESSAGES
from .processes import Ends, ends
from .stats import significant

SIZES = (1, 100, 1000, 5000)
SHOWN_FROM = 1000
"""With fewer connections, kilobytes per connection mean nothing."""
FIGURES = ("kb", "kb_called", "connects", "first_p50_us", "first_p99_us", "rate", "server_us", "client_us")
"""Kilobytes of each on the server's side, before and after its first call; connects per second; the first call's
time; then calls on all of them by turns, one at a time: per second, and processor time per call on each side."""

_KIND = "sn"
_PROTOCOL = MESSAGES[_KIND].protocol
_SPARE = 200
"""Descriptors that an end needs for itself."""


def allowed(sizes: Sequence[int], say: Callable[[str], None]) -> list[int]:
    """The sizes for which there are descriptors enough; raises the limit as far as it goes."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the ends inherit it
    room = hard - _SPARE if hard != resource.RLIM_INFINITY else max(sizes)
    for size in sizes:
        if size > room:
            say(f"without {size} connections: a process may have {hard} descriptors (ulimit -n)")
    return [size for size in sizes if size <= room]


def measure(
    contestants: Sequence[Contestant],
    sizes: Sequence[int],
    *,
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """One row for each contestant and size, with the figures of every round; new processes for each."""
    rows = {
        (size, contestant.name): {"connections": size, "who": contestant.name, **{figure: [] for figure in FIGURES}}
        for size in sizes
        for contestant in contestants
    }
    for number in range(rounds):
        for size in sizes:
            for contestant in contestants:
                with ends(contestant, in_flight=1) as pair:
                    figures = _once(pair, size, seconds)
                for figure, value in zip(FIGURES, figures, strict=True):
                    rows[size, contestant.name][figure].append(significant(value))
                say(f"round {number + 1}: {size} connections {contestant.name} {figures[0]:.1f} KB each")
    return list(rows.values())


def _once(pair: Ends, size: int, seconds: float) -> tuple[float, ...]:
    client, server = pair.client, pair.server
    where = {"port": pair.port, "protocol": _PROTOCOL, "in_flight": 1}
    client.ask("open", connections=20, **where)
    client.ask("run", kind=_KIND, workers=20, seconds=0.3)
    client.ask("close")
    empty = _resident(server)
    opened = client.ask("open", connections=size, **where)["seconds"]
    idle = _resident(server)
    first = client.ask("each", kind=_KIND)
    called = _resident(server)
    before = server.ask("cpu")["cpu"]
    told = client.ask("run", kind=_KIND, workers=1, seconds=seconds)
    used = server.ask("cpu")["cpu"] - before
    count = told["calls"]
    return (
        (idle - empty) / size,
        (called - empty) / size,
        size / opened,
        first["p50"],
        first["p99"],
        count / told["seconds"],
        used / count,
        told["cpu"] / count,
    )


def _resident(server: Any) -> float:
    """Kilobytes of memory that a process has, without its garbage."""
    time.sleep(0.1)  # what was closed is gone
    pid = server.ask("cpu", collect=True)["pid"]
    status = Path(f"/proc/{pid}/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize() / 1000
    return float(subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)])) * 1.024
