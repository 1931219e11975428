"""Who is compared: how each is started, what it needs, and what it cannot do."""

import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from .payloads import MESSAGES
from .undone import TECHNIQUES

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Contestant:
    """An implementation that speaks to itself: the same on both ends."""

    name: str
    label: str
    """How tables call it."""
    needs: tuple[str, ...] = ()
    """Python packages without which it cannot run."""
    one_at_a_time: bool = False
    """Whether a connection has one call in flight at most, and the others wait."""
    usual: bool = True
    """Whether it takes part if nobody is named."""
    tree: Path | None = None
    """Another checkout to run it from; None for this one."""

    @property
    def missing(self) -> str | None:
        """What it needs and is not there."""
        if self.name == REFERENCE:
            if shutil.which("node") is None:
                return "node"
            return None if (node_modules() / "ocpp-rpc").is_dir() else "the npm package ocpp-rpc"
        return next((name for name in self.needs if find_spec(name) is None), None)

    @property
    def command(self) -> list[str]:
        """What starts one end."""
        if self.name == REFERENCE:
            return ["node", "--expose-gc", str(HERE / "node" / "end.js")]
        return [sys.executable, "-m", "benchmarks.end", self.name.partition("@")[0]]

    @property
    def environment(self) -> dict[str, str]:
        """What it runs in."""
        if self.name != REFERENCE:
            return {**os.environ, "PYTHONPATH": str(HERE.parent)}  # for a tree that has no `benchmarks`
        messages = json.dumps({name: asdict(message) for name, message in MESSAGES.items()})
        return {**os.environ, "NODE_PATH": str(node_modules()), "BENCH_MESSAGES": messages}


def node_modules() -> Path:
    """Where the npm packages are."""
    return Path(os.environ.get("OCPP_RPC_NODE_MODULES") or os.environ.get("NODE_PATH") or "node_modules")


REFERENCE = "node"
"""The one that ratios are to."""

_OTHERS = ("ocpp", "websockets", "anyio")
CONTESTANTS = (
    Contestant("trio", "ours, trio", ("trio",)),
    Contestant("trio-speed", "ours, trio + orjson", ("trio", "orjson")),
    Contestant("anyio", "ours, anyio on asyncio", ("anyio",)),
    Contestant("anyio-uvloop", "ours, anyio on uvloop + orjson", ("anyio", "uvloop", "orjson")),
    Contestant("anyio-trio", "ours, anyio on trio", ("anyio", "trio"), usual=False),
    Contestant("node", "npm ocpp-rpc"),
    Contestant("ocpp", "PyPI ocpp", _OTHERS, one_at_a_time=True),
    Contestant("ocpp-tuned", "PyPI ocpp, tuned", _OTHERS, one_at_a_time=True),
)
BY_NAME = {contestant.name: contestant for contestant in CONTESTANTS}


def named(name: str) -> Contestant:
    """The one of this name; with `@` and a folder behind, as it is in that other checkout of the project; with `!`
    and a technique behind, without that (undone.py).

    Raises:
        ValueError: nobody is called so.
    """
    if "!" in name:
        whole, _, technique = name.partition("!")
        if technique not in TECHNIQUES or not whole.startswith(("trio", "anyio")):
            raise ValueError(f"there is no contestant {name}; techniques are {', '.join(TECHNIQUES)}")
        return replace(named(whole), name=name, label=f"{named(whole).label}, without {technique}")
    plain, _, folder = name.partition("@")
    if plain not in BY_NAME or (folder and not Path(folder, "ocpp_rpc_core").is_dir()):
        raise ValueError(f"there is no contestant {name}; there are {', '.join(BY_NAME)}")
    found = BY_NAME[plain]
    if not folder:
        return found
    return replace(found, name=name, label=f"{found.label}, {folder}", tree=Path(folder).resolve())


def chosen(names: str | None) -> list[Contestant]:
    """Those named, with commas between; or the usual ones.

    Raises:
        ValueError: nobody is called so.
    """
    if names is None:
        return [contestant for contestant in CONTESTANTS if contestant.usual]
    return [named(name) for name in dict.fromkeys(names.split(","))]
