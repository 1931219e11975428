"""When something was measured and on what: the class of the machine, never its name, and the versions."""

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .contestants import node_modules

PACKAGES = ("anyio", "trio", "wsproto", "h11", "fastjsonschema", "orjson", "uvloop", "ocpp", "websockets")


def about(rounds: int, seconds: float) -> dict[str, Any]:
    """What a reader needs in order to judge the numbers."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {cores} cores{_memory()}",
        "load before": f"{load:.1f}",
        "rounds": rounds,
        "seconds per round and cell": seconds,
        "Python": platform.python_version(),
        "Node": _node(),
        "packages": ", ".join(f"{name} {_version(name)}" for name in PACKAGES) + _npm(),
    }
    if load > cores / 2:
        found["beware"] = "the machine was busy: believe the processor times, and none of the others"
    return found


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return ""
    return f", {size / 1e9:.0f} GB"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _node() -> str:
    if shutil.which("node") is None:
        return "absent"
    return subprocess.check_output(["node", "--version"], encoding="utf-8").strip().removeprefix("v")


def _npm() -> str:
    import json  # noqa: PLC0415 - small, and only here

    found = Path(node_modules()) / "ocpp-rpc" / "package.json"
    return f", npm ocpp-rpc {json.loads(found.read_text())['version']}" if found.is_file() else ""
