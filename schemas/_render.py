"""How the merged messages become files: definitions shared, JSON laid out, decisions listed."""

import json
from collections.abc import Iterable
from typing import Any

from _crosscheck import Correction, Decision
from _facts import NAME, Schema, Unusable, unnamed
from _sources import Messages

_WIDTH = 110


def document(subprotocol: str, messages: Messages) -> Schema:
    """Return the content of one schema file, in which equal definitions of equal name are shared.

    The content used by most messages keeps the name; another content of that name is called
    `NameInMethod` after the first method to use it. Raises `Unusable` if two names are too alike.
    """
    names = _names(messages)
    definitions: Schema = {}
    methods: dict[str, Schema] = {}
    for message, schema in sorted(messages.items()):
        method, role = message.split(".")
        methods.setdefault(method, {})[role] = _share(schema, names, definitions)
    alike = {_folded(name) for name in definitions}
    if len(alike) < len(definitions):
        raise Unusable(f"{subprotocol}: names of definitions differ only by case or by `_` and `-`")
    return {
        "subprotocol": subprotocol,
        "definitions": dict(sorted(definitions.items())),
        "messages": methods,
    }


def _names(messages: Messages) -> dict[tuple[str, str], str]:
    """Return the final name for each pair of original name and content."""
    users: dict[str, dict[str, list[str]]] = {}
    for message, schema in sorted(messages.items()):
        for node in _nodes(schema):
            if NAME in node:
                users.setdefault(node[NAME], {}).setdefault(_content(node), []).append(message.split(".")[0])
    names: dict[tuple[str, str], str] = {}
    for name, contents in users.items():
        # `sorted` is stable: among equally used contents the first one met keeps the name.
        first, *others = sorted(contents, key=lambda content: -len(contents[content]))
        names[name, first] = name
        for content in others:
            names[name, content] = f"{name}In{contents[content][0]}"
    return names


def _share(node: Schema, names: dict[tuple[str, str], str], definitions: Schema) -> Schema:
    """Return `node` with its named parts moved to `definitions` and replaced by references."""
    shared = {keyword: value for keyword, value in node.items() if keyword != NAME}
    if "properties" in shared:
        shared["properties"] = {key: _share(child, names, definitions) for key, child in shared["properties"].items()}
    if "items" in shared:
        shared["items"] = _share(shared["items"], names, definitions)
    if NAME not in node:
        return shared
    name = names[node[NAME], _content(node)]
    definitions[name] = shared
    return {"$ref": f"#/definitions/{name}"}


def _nodes(node: Schema) -> Iterable[Schema]:
    """Yield the schema and every schema inside it."""
    yield node
    for child in node.get("properties", {}).values():
        yield from _nodes(child)
    if "items" in node:
        yield from _nodes(node["items"])


def _content(node: Schema) -> str:
    return json.dumps(unnamed(node))


def _folded(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "")


def json_text(value: Any, indent: int = 0, used: int = 0) -> str:
    """Return JSON in which what fits on one line stands on one; `used` columns are taken by the key."""
    line = json.dumps(value, ensure_ascii=False)
    if indent + used + len(line) < _WIDTH or not isinstance(value, dict | list) or not value:
        return line
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        parts = [f"{json.dumps(k)}: {json_text(v, indent + 2, len(k) + 4)}" for k, v in value.items()]
        opening, closing = "{}"
    else:
        parts = [json_text(item, indent + 2) for item in value]
        opening, closing = "[]"
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{' ' * indent}{closing}"


def differences_text(
    packages: tuple[str, str], decisions: tuple[Decision, ...], corrections: tuple[Correction, ...]
) -> str:
    """Return the Markdown list of all differences with their decisions and of all corrections."""
    lines = [
        "# Differences between the two sources",
        "",
        "Written by `import_schemas.py`; do not edit.",
        "",
        f"Sources: {packages[0]} and {packages[1]}.",
        f"They differ in {len(decisions)} places; in all others they agree.",
        "",
    ]
    for difference, take, reason in decisions:
        sides = f"npm {_shown(difference.npm)}, PyPI {_shown(difference.pypi)}"
        place = f"{difference.subprotocol} `{difference.where}`, `{difference.keyword}`"
        lines.append(f"* {place}: {sides}. Taken: **{_taken(take)}**. {reason}")
    lines += ["", "## Corrections to what both say", ""]
    for item in corrections:
        lines.append(f"* {item.subprotocol} `{item.where}`, `enum`: also {_shown(item.add)}. {item.reason}")
    return "\n".join(lines) + "\n"


def _taken(take: str) -> str:
    return {"npm": "npm", "pypi": "PyPI", "both": "the members of both"}[take]


def _shown(value: Any) -> str:
    """Return the side of a difference in words."""
    if value is None or value == ():
        return "nothing"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    return "present" if value is True else "absent" if value is False else f"`{value}`"
