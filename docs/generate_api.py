"""Writes the pages of `docs/reference/` about classes and errors, from signatures, docstrings and `api_notes`."""

import enum
import inspect
import re
from collections.abc import Callable
from types import FunctionType
from typing import Any, get_overloads

from api_notes import (
    ACCEPT,
    ATTRIBUTES,
    BUILT_IN,
    CLIENT_HEAD,
    ERRORS_HEAD,
    FOR_DRIVERS,
    INBOUND,
    NO_REPLY,
    OTHERS,
    RAISES,
    RPC,
    RPC_HEAD,
    SERVER_CLIENT,
    SERVER_HEAD,
    SHORT,
    STATE,
)
from generate import field_docs, main, plain

import ocpp_rpc_anyio
import ocpp_rpc_core
from ocpp_rpc_core import _answers, _http

SCRIPT = "docs/generate_api.py"
# --- From the code ------------------------------------------------------------------


def shown(annotation: object) -> str:
    """An annotation as it is written."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = re.sub(r"\b(?:typing|collections\.abc|ocpp_rpc_core\.\w+)\.", "", text)
    return re.sub(r"\b\w+\b", lambda word: SHORT.get(word[0], word[0]), text)


def parameters(function: Callable[..., Any]) -> str:
    """The parameters without `self`, in brackets."""
    parts: list[str] = []
    keywords = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not keywords and not any(p[0] == "*" for p in parts):
            parts.append("*")
        keywords = parameter.kind is parameter.KEYWORD_ONLY
        if parameter.kind is parameter.VAR_KEYWORD:
            parts.append(f"**{parameter.name}")
            continue
        star = "*" if parameter.kind is parameter.VAR_POSITIONAL else ""
        part = f"{star}{parameter.name}: {shown(parameter.annotation)}"
        if parameter.default is not parameter.empty:
            value = parameter.default
            part += f" = {'DEFAULT' if isinstance(value, enum.Enum) else repr(value)}"
        parts.append(part)
    return f"({', '.join(parts)})"


def signatures(owner: str, name: str, function: FunctionType) -> str:
    """Each way to call it, as a block."""
    wait = "await " if inspect.iscoroutinefunction(function) else ""
    lines = []
    for way in get_overloads(function) or [function]:
        result = shown(inspect.signature(way).return_annotation)
        lines.append(f"{wait}{owner}.{name}{parameters(way)} -> {result}")
    return "```py\n" + "\n".join(lines) + "\n```\n"


def spoken(text: str) -> str:
    """A docstring's paragraph, outside of a table."""
    return plain(text).replace("\\|", "|")


def documentation(key: str, docstring: str | None) -> str:
    """A docstring as paragraphs, with what is raised as a list."""
    text, _, errors_text = inspect.cleandoc(docstring or "").partition("\nRaises:\n")
    raised = re.findall(r"^    ([\w, ]+): (.*)$", errors_text, re.MULTILINE)
    raised += [(name, why) for name, why in RAISES.get(key, {}).items() if name not in dict(raised)]
    page = "\n\n".join(spoken(paragraph) for paragraph in text.strip().split("\n\n")) + "\n"
    if raised:
        page += "\nRaises:\n\n" + "".join(f"* `{name.replace(', ', '`, `')}`: {why}\n" for name, why in raised)
    return page


def members(kind: type) -> dict[str, Any]:
    """The public methods and properties of a class, those of its bases too, in the order of their definition."""
    found: dict[str, Any] = {}
    for base in kind.__mro__:
        if base.__module__.startswith("ocpp_rpc_"):
            for name, value in vars(base).items():
                is_member = isinstance(value, FunctionType | property)
                for_users = name not in FOR_DRIVERS or ".testing." in base.__module__
                if is_member and not name.startswith("_") and for_users:
                    found.setdefault(name, value)
    return found


def section(kind: type, owner: str, *, left_out: frozenset[str] = frozenset()) -> str:
    """The attributes, properties and methods of a class."""
    page = ""
    rows = dict(ATTRIBUTES.get(kind.__name__, {}))
    methods = {}
    for name, value in members(kind).items():
        if name in left_out:
            continue
        if isinstance(value, property):
            result = shown(inspect.signature(value.fget).return_annotation)  # type: ignore[arg-type]
            rows[name] = result, plain(value.__doc__ or "")
        else:
            methods[name] = value
    if rows:
        page += "| attribute | type | |\n|---|---|---|\n"
        for name, (type_, text) in rows.items():
            page += f"| `{owner}.{name}` | `{plain(type_)}` | {text} |\n"
    for name, function in methods.items():
        page += f"\n### {owner}.{name}\n\n{signatures(owner, name, function)}\n"
        page += documentation(f"{owner}.{name}", function.__doc__)
    return page


def constructor(kind: type) -> str:
    """How a class is made, and what its docstring says."""
    call = f"```py\n{kind.__name__}{parameters(kind.__init__)}\n```\n"  # type: ignore[misc]
    return f"{call}\n{documentation(kind.__name__, kind.__doc__)}\n"


def fields(kind: type, module: Any) -> str:
    """The fields of a dataclass."""
    page = "| field | type | |\n|---|---|---|\n"
    docs = field_docs(module)
    for name, annotation in inspect.get_annotations(kind).items():
        text = plain(docs.get((kind.__name__, name), ""))
        page += f"| `{name}` | `{plain(shown(annotation))}` | {text} |\n"
    return page


# --- The pages ------------------------------------------------------------------------


def server_page(adapter: Any = ocpp_rpc_anyio) -> str:
    """docs/reference/server.md."""
    page = SERVER_HEAD + f"## RPCServer\n\n{constructor(adapter.RPCServer)}{section(adapter.RPCServer, 'server')}"
    page += f"\n## Listener\n\n{plain(adapter.Listener.__doc__)} `server.listen` returns it.\n\n"
    page += section(adapter.Listener, "listener")
    shared = frozenset(members(adapter.RPCClient)) - {"identity", "reconfigure"}
    links = [
        f"[`{name}`](client.md#client{name})"
        for name, it in members(adapter.RPCClient).items()
        if name in shared & set(members(adapter.RPCServerClient)) and not isinstance(it, property)
    ]
    page += f"\n## RPCServerClient\n{SERVER_CLIENT}{', '.join(links)}.\n\n"
    page += section(adapter.RPCServerClient, "client", left_out=frozenset(shared - {"state", "protocol"}))
    page += f"\n## Accept and Reject\n{ACCEPT}"
    for kind in (_answers.Accept, _answers.Reject):
        page += constructor(kind)
    page += section(_answers.Reject, "reject")
    check = ocpp_rpc_core.check_password
    page += f"\n## check_password\n\n```py\n{check.__name__}{parameters(check)} -> bool\n```\n\n"
    page += documentation(check.__name__, check.__doc__)
    page += f"\n## Handshake\n\n{plain(_http.Handshake.__doc__ or '')}\n\n{fields(_http.Handshake, _http)}"
    page += f"\n## TLSInfo\n\n{plain(_http.TLSInfo.__doc__ or '')}\n\n{fields(_http.TLSInfo, _http)}"
    return page


def client_page(adapter: Any = ocpp_rpc_anyio) -> str:
    """docs/reference/client.md."""
    page = CLIENT_HEAD + f"## RPCClient\n\n{constructor(adapter.RPCClient)}{section(adapter.RPCClient, 'client')}"
    page += f"\n## InboundCall\n{INBOUND}{section(_answers.InboundCall, 'call')}{NO_REPLY}{STATE}"
    page += f"\n## CloseInfo\n\n{plain(_answers.CloseInfo.__doc__ or '')}\n\n{section(_answers.CloseInfo, 'info')}"
    response = _http.HTTPResponse
    page += f"\n## HTTPResponse\n\n{plain(response.__doc__ or '')}\n\n{fields(response, _http)}"
    page += section(response, "response")
    return page


def rows(table: dict[str, tuple[str, str]], *, codes: bool) -> str:
    """The rows of some classes, with what they derive from and, for an `RPCError`, the code."""
    page = f"| class |{' code |' if codes else ' is also |'} when | whose fault |\n|---|---|---|---|\n"
    for name, (when, fault) in table.items():
        kind = getattr(ocpp_rpc_core, name)
        second = f"`{kind.default_code}`" if codes and name != "RPCError" else "any"
        if not codes:
            second = ", ".join(f"`{base.__name__}`" for base in kind.__bases__)
        page += f"| `{name}` | {second} | {when} | {fault} |\n"
    return page


def errors_page() -> str:
    """docs/reference/errors.md."""
    page = ERRORS_HEAD + RPC_HEAD + rows(RPC, codes=True)
    for heading, table in OTHERS.items():
        page += f"\n## {heading}\n\n{rows(table, codes=False)}"
    return page + BUILT_IN


PAGES: dict[str, Callable[[], str]] = {"server.md": server_page, "client.md": client_page, "errors.md": errors_page}

if __name__ == "__main__":
    main(PAGES, SCRIPT)
