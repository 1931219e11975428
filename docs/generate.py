"""Writes the pages of `docs/reference/` that repeat what the code says; `--check` only compares."""

import ast
import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import get_args

from ocpp_rpc_core import _door, _lifecycle as life, config, events, limits, notices
from ocpp_rpc_core.config import ClientOptions, ServerOptions
from ocpp_rpc_core.limits import Limits

REFERENCE = Path(__file__).parent / "reference"
SCRIPT = "docs/generate.py"
BANNER = f"<!-- Made by {SCRIPT}; change the code it is made from, then run it again. -->\n"
OWN_LISTS = re.compile(r",? *\((?:features|rules?) [^)]*\)|, rules? [\d, -]+(?=\))")
MADE_BY_US = ("entropy", "authenticate", "hold_calls")  # the adapters fill these in


def plain(text: str) -> str:
    """A docstring as a cell of a table."""
    text = OWN_LISTS.sub("", " ".join(text.split()))
    return text.replace("|", "\\|")


def field_docs(module: ModuleType) -> dict[tuple[str, str], str]:
    """(class, field) -> the string below the field."""
    found = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ClassDef):
            for field, text in zip(node.body, node.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign | ast.Assign) and isinstance(text, ast.Expr):
                    target = field.target if isinstance(field, ast.AnnAssign) else field.targets[0]
                    found[node.name, ast.unparse(target)] = ast.literal_eval(text.value)
    return found


# --- Events --------------------------------------------------------------------

EVENTS_HEAD = """# Events

What an observer can hear, on a client, on a server's side of a connection (`RPCServerClient`) and on a server.
`on(EventType, callback)` calls a plain function; `async with client.events(EventType, ...) as stream` iterates. Each
event is a frozen dataclass, and importable from both adapters. Events change nothing.
"""


def events_page() -> str:
    """docs/reference/events.md."""
    docs = field_docs(notices)
    source = inspect.getsource(notices)
    headings = re.findall(r"^# --- (.*?) -+$", source, re.MULTILINE)
    sections = re.split(r"^# --- .*$", source, flags=re.MULTILINE)[1:]
    page = EVENTS_HEAD
    for heading, section in zip(headings, sections, strict=True):
        page += f"\n## {heading}\n\n| event | when | fields |\n|---|---|---|\n"
        for name in re.findall(r"^class (\w+)", section, re.MULTILINE):
            kind = getattr(notices, name)
            fields = "<br>".join(field_cell(name, field, docs) for field in dataclasses.fields(kind))
            page += f"| `{name}` | {plain(kind.__doc__)} | {fields} |\n"
    return page


def field_cell(owner: str, field: "dataclasses.Field[object]", docs: dict[tuple[str, str], str]) -> str:
    """One field with its type, and what its docstring adds."""
    text = docs.get((owner, field.name))
    return plain(f"`{field.name}: {field.type}`" + (f" {text}" if text else ""))


# --- Options ---------------------------------------------------------------------

OPTIONS_HEAD = """# Options

All are keyword arguments of `RPCServer` and `RPCClient`, and of `reconfigure`. Times are seconds and sizes bytes.
`math.inf` or `None` means no limit, wherever a number limits something (`close_timeout` does not take `None`). An
impossible value raises `ValueError` when it is given, and an unknown option `TypeError`.

`client.reconfigure(...)` acts at once; only a new `identity`, `endpoint` or `query` waits for `close` and `connect`.
`server.reconfigure(...)` acts on clients that connect from then on.

Some options choose between two readings of the specifications; [Conformance](conformance.md#where-the-sources-conflict)
says why the default is what it is.
"""
SERVER_HEAD = """
What `auth` and `on_client` need is set by registering the callback. One more option belongs to the server as a whole:
`duplicates`, by default `"replace"`, says what happens when an identity connects twice: the newest connection wins
(`"replace"`), the oldest wins (`"refuse"`), all stay (`"allow"`), or a plain function of the newcomer and the clients
that are there says which of it is to be done. [Call stations by name](../how-to/call-by-name.md) has an example.
"""
DOOR_HEAD = """
### Door

`Door(...)` takes numbers by name, and None for no limit. What it is for is told in
[Guard the door](../how-to/guard-the-door.md).

| field | default | meaning |
|---|---|---|
"""


LIMITS_HEAD = """
The option `limits` takes one `Limits(...)` with these fields; sizes are bytes, times seconds. Infinity means no limit,
but not for `head`. Each breach is reported as `LimitExceeded`, if not said otherwise.
[How to use them](../how-to/limits.md).
"""


def options_page() -> str:
    """docs/reference/options.md."""
    docs = field_docs(config)
    common = {field.name for field in dataclasses.fields(config.Options)}
    server = [field for field in dataclasses.fields(ServerOptions) if field.init and field.name not in MADE_BY_US]
    client = [field for field in dataclasses.fields(ClientOptions) if field.init]
    page = OPTIONS_HEAD + "\n## Server and client\n\n| option | server | client | meaning |\n|---|---|---|---|\n"
    theirs = {field.name: field for field in client}
    for field in server:
        if field.name in common:
            meaning = plain(docs["Options", field.name])
            page += f"| `{field.name}` | {default(field)} | {default(theirs[field.name])} | {meaning} |\n"
    page += f"\n## Server only\n{SERVER_HEAD}\n| option | default | meaning |\n|---|---|---|\n"
    for field in server:
        if field.name not in common:
            page += f"| `{field.name}` | {default(field)} | {plain(docs['ServerOptions', field.name])} |\n"
    door = field_docs(_door)
    page += DOOR_HEAD
    for field in dataclasses.fields(_door.Door):
        page += f"| `{field.name}` | {default(field)} | {plain(door['Door', field.name])} |\n"
    page += "\n## Client only\n\n| option | default | meaning |\n|---|---|---|\n"
    for field in client:
        if field.name not in common:
            meaning = plain(docs["ClientOptions", field.name])
            given = field.name in ("endpoint", "identity")
            page += f"| `{field.name}` | {'(to be given)' if given else default(field)} | {meaning} |\n"
    page += f"\n## Limits\n{LIMITS_HEAD}\n| limit | default | of what, and what happens beyond |\n|---|---|---|\n"
    bounds = field_docs(limits)
    for bound in dataclasses.fields(Limits):
        page += f"| `Limits.{bound.name}` | {default(bound)} | {plain(bounds['Limits', bound.name])} |\n"
    return page


def default(field: "dataclasses.Field[object]") -> str:
    """The default of an option as it would be written."""
    if field.default_factory is not dataclasses.MISSING:
        return f"`{type(field.default_factory()).__name__}()`"
    value = field.default
    if isinstance(value, int) and not isinstance(value, bool) and value == 2**20:
        return "`1048576` (1 MiB)"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


# --- The life of a connection ------------------------------------------------------

LIFECYCLE_HEAD = """# The life of a connection

Made from the tables in `ocpp_rpc_core/_lifecycle.py`, by which the code itself goes. A *phase* is where a connection is
in detail; a *state* is what the application sees of it as `client.state`. In `PARTING`, a client that will try again
already shows `CONNECTING`.

`END` leads from every phase to `CLOSED`; the diagram shows only its usual place, after `PARTING`.
"""
HEARD_HEAD = """An event that is not heard comes too late and is ignored,
unless no honest driver can say it in that phase: then `handle` raises `LocalProtocolError`.
"""


def lifecycle_page() -> str:
    """docs/reference/lifecycle.md."""
    page = LIFECYCLE_HEAD + "\n```mermaid\nstateDiagram-v2\n    [*] --> IDLE\n"
    for (phase, trigger), then in life.MOVES.items():
        if trigger is not life.Trigger.END or phase is life.Phase.PARTING:
            page += f"    {phase.name} --> {then.name}: {trigger.name}\n"
    page += "    CLOSED --> [*]\n```\n\n## Phases\n\n| phase | state | what it means |\n|---|---|---|\n"
    docs = field_docs(life)
    for phase in life.Phase:
        page += f"| `{phase.name}` | `{life.STATES[phase].name}` | {plain(docs['Phase', phase.name])} |\n"
    everywhere = frozenset.intersection(*life.HEARD.values())
    page += f"\n## Which event is heard when\n\nIn every phase: {names(everywhere)}.\n\n"
    page += f"{HEARD_HEAD}\n| phase | also heard | a mistake |\n|---|---|---|\n"
    for phase in life.Phase:
        heard = names(life.HEARD[phase] - everywhere)
        page += f"| `{phase.name}` | {heard} | {names(life.MISTAKES[phase])} |\n"
    return page


def names(kinds: frozenset[type]) -> str:
    """The names of some events, in the order they are listed in `events`."""
    order = [kind for kind in get_args(events.Event) if kind in kinds]
    return ", ".join(f"`{kind.__name__}`" for kind in order) or "-"


PAGES = {"events.md": events_page, "options.md": options_page, "lifecycle.md": lifecycle_page}


def main(pages: Mapping[str, Callable[[], str]] = PAGES, script: str = SCRIPT) -> None:
    """Write the pages, or with `--check` say which are out of date."""
    stale = []
    for name, make in pages.items():
        path, text = REFERENCE / name, BANNER.replace(SCRIPT, script) + make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    if stale and "--check" in sys.argv:
        sys.exit(f"run {script}: out of date: {', '.join(stale)}")


if __name__ == "__main__":
    main()
