"""The shape of the house: what the core may import, which way imports run, how long a module may be."""

import ast
import io
import json
import subprocess
import sys
import tokenize
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "ocpp_rpc_core"
ADAPTERS = ("ocpp_rpc_anyio", "ocpp_rpc_trio")

LOADS_NONE_OF = {"asyncio", "socket", "ssl", "trio", "anyio", "logging"}
IMPORTS_NONE_OF = LOADS_NONE_OF | {"time", "random", "threading", "secrets", "select", "selectors", "uuid"}
ONLY_IN = {"wsproto": {"_websocket", "_frame_limits", "_deflate"}, "h11": {"_handshake", "_handshake_client"}}

ASIDE = {"cli", "__main__", "testing"}
"""What an adapter has beside its driver, client and server: the command line, which serves both, and the test kit."""

MODULE_LINES = 300
ADAPTER_CODE_LINES = 450
FAST_LANE = {"push": 110}
"""Rooms that only make an adapter faster, with the code lines each may have; without them it would work, too."""

FLOORS = (
    {"errors", "limits", "router", "backoff", "_timers", "_recent", "_budget", "_schemas"},
    {
        *("notices", "_observers", "_codec", "_json", "_json_engine", "_dialects", "_keepalive", "_pace"),
        *("_timekeeper",),
        *("validation", "_compile", "_compile_flat", "_compile_rules", "_compile_explain"),
        *("_websocket", "_frames", "_frame_limits", "_deflate"),
        *("_handshake", "_handshake_client", "_headers", "_url", "_http", "_door"),
    },
    {"config", "_settings", "events", "actions", "_lifecycle", "registry"},
    {"session", "_context", "_inbound", "_outbound", "_answers"},
    {"connection", "_course", "_makeup", "_opening", "_dialling"},
    {"peer", "server_peer", "driving", "serving", "_outgoing", "_crew"},
    {"__init__"},
    {"testing"},
)
"""The core's modules from the ground up.  An import runs down or stays on its floor, never in a circle."""

PARTS = {"_codec", "validation", "_keepalive", "_websocket", "_handshake"}
"""What each knows, no other needs: the parts do not import each other."""


def is_generated(path: Path) -> bool:
    """Whether the build hook made this module."""
    return path.parent.name == "_schemas" and path.stem.startswith("ocpp")


SOURCES = sorted(path for path in CORE.rglob("*.py") if not is_generated(path))


def dotted(path: Path) -> str:
    """The name by which `path` is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def unit(path: Path) -> str:
    """The name by which `path` stands in `FLOORS`: its module, or the package it belongs to."""
    return path.relative_to(CORE).with_suffix("").parts[0]


def imports(path: Path) -> set[str]:
    """The dotted names that `path` imports, anywhere in it; `from a import b` gives `a.b`."""
    package = path.relative_to(ROOT).parent.parts
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = [*above, *([node.module] if node.module else [])]
            names |= {".".join([*base, alias.name]) for alias in node.names}
    return names


def roots(path: Path) -> set[str]:
    """The top-level packages that `path` imports."""
    return {name.partition(".")[0] for name in imports(path)}


def neighbours(path: Path) -> set[str]:
    """The other units of the core that `path` imports; a name that is no unit comes from `__init__`."""
    inside = [name.split(".") for name in imports(path) if name.partition(".")[0] == CORE.name]
    units = set().union(*FLOORS, map(unit, SOURCES))
    return {parts[1] if parts[1:] and parts[1] in units else "__init__" for parts in inside} - {unit(path)}


def core_graph() -> dict[str, set[str]]:
    """Which unit of the core imports which."""
    graph: dict[str, set[str]] = {}
    for path in SOURCES:
        graph.setdefault(unit(path), set()).update(neighbours(path))
    return graph


def floor(name: str) -> int:
    """The number of the floor on which a unit lives; one without a place is on the roof."""
    return next((number for number, names in enumerate(FLOORS) if name in names), len(FLOORS))


def docstring_lines(tree: ast.Module) -> set[int]:
    """The lines of docstrings, and of the strings under fields that serve as such."""
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def code_lines(path: Path) -> int:
    """The lines of `path` that are neither blank nor comment nor docstring."""
    source = path.read_text(encoding="utf-8")
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in {*layout, tokenize.ENDMARKER}
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(lines - docstring_lines(ast.parse(source)))


def test_importing_the_core_loads_no_event_loop_and_no_io() -> None:
    """A fresh interpreter that imports every core module has loaded no loop, socket, TLS or logging."""
    names = [dotted(path) for path in sorted(CORE.rglob("*.py")) if path.stem != "pytest_plugin"]  # for pytest only
    code = (
        "import importlib, json, sys\n"
        "names, sys.path[:], unwanted = json.loads(sys.argv[1])\n"
        "for name in names: importlib.import_module(name)\n"
        "print(json.dumps(sorted(set(sys.modules) & set(unwanted))))"
    )
    arguments = json.dumps([names, sys.path, sorted(LOADS_NONE_OF)])
    # -S: what a site hook of this environment loads is not the core's doing.
    command = [sys.executable, "-I", "-S", "-c", code, arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("path", SOURCES, ids=dotted)
def test_core_module_imports_nothing_impure(path: Path) -> None:
    """A module of the core imports no loop, I/O, clock, chance, thread or log, and no adapter."""
    assert roots(path) & (IMPORTS_NONE_OF | set(ADAPTERS)) == set()


@pytest.mark.parametrize("library", ONLY_IN)
def test_protocol_library_has_one_home(library: str) -> None:
    """What parses the wire is imported in its own modules of the core and nowhere else, adapters included."""
    everywhere = [*SOURCES, *(path for name in ADAPTERS for path in (ROOT / name).rglob("*.py"))]
    users = {dotted(path) for path in everywhere if library in roots(path)}
    assert users <= {f"{CORE.name}.{name}" for name in ONLY_IN[library]}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_adapter_knows_no_other_adapter(adapter: str) -> None:
    """An adapter's driver, client and server import neither the other adapter nor, if trio's, anyio."""
    others = {*ADAPTERS, "trio" if adapter == "ocpp_rpc_anyio" else "anyio"} - {adapter}
    for path in driver_sources(adapter):
        assert roots(path) & others == set(), dotted(path)


def driver_sources(adapter: str) -> list[Path]:
    """The modules of an adapter without what it has aside."""
    return sorted(path for path in (ROOT / adapter).rglob("*.py") if not ASIDE & set(dotted(path).split(".")))


def test_every_core_module_has_a_floor() -> None:
    """The table of floors knows each module of the core, each once."""
    placed = [name for names in FLOORS for name in names]
    assert len(placed) == len(set(placed))
    assert {unit(path) for path in SOURCES} <= set(placed)


def test_no_import_runs_up() -> None:
    """A module of the core imports only from its own floor and those below it."""
    graph = core_graph()
    up = {(name, other) for name, others in graph.items() for other in others if floor(other) > floor(name)}
    assert up == set()


def test_no_import_runs_in_a_circle() -> None:
    """The core's modules can be put in an order in which each imports only those before it."""
    assert set(TopologicalSorter(core_graph()).static_order()) >= {unit(path) for path in SOURCES}


def test_parts_do_not_import_each_other() -> None:
    """Parts meet in `session` and `connection`, which put them together."""
    graph = core_graph()
    assert {name: graph[name] & PARTS for name in PARTS & set(graph) if graph[name] & PARTS} == {}


@pytest.mark.parametrize("path", SOURCES, ids=dotted)
def test_core_module_is_short(path: Path) -> None:
    """A module of the core that is longer than the house allows has more than one thing to know."""
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= MODULE_LINES


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_adapter_is_small(adapter: str) -> None:
    """An adapter, without its command line and test kit, stays small enough to be written anew in an afternoon."""
    lines = {path.stem: code_lines(path) for path in driver_sources(adapter)}
    for name, most in FAST_LANE.items():
        assert lines.pop(name, 0) <= most
    assert sum(lines.values()) <= ADAPTER_CODE_LINES
