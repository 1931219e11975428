"""Writes `docs/reference/testing.md` from the signatures and docstrings of the test kit."""

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from generate import main, plain
from generate_api import constructor, documentation, fields, members, parameters, section, shown

import ocpp_rpc_anyio.testing as of_adapter
from ocpp_rpc_core.testing import (
    Conditions,
    End,
    FakeCSMS,
    FakeStation,
    Line,
    Pair,
    Record,
    Recorder,
    Script,
    _link,
    _replay,
    counting_entropy,
    replay,
)

SCRIPT = "docs/generate_testing.py"
HEAD = """# The test kit

Import from `ocpp_rpc_core.testing`, and what needs an event loop from `ocpp_rpc_anyio.testing` or
`ocpp_rpc_trio.testing`. How to use it: [Test your station](../tutorials/test-your-station.md),
[Test without a network](../how-to/test-without-a-network.md). Times are seconds.

"""
ADAPTERS = """
## On an event loop

`ocpp_rpc_anyio.testing` and `ocpp_rpc_trio.testing` have the same names; `backend` is anyio's alone. `MemoryStream` is
a byte stream of the loop's own kind, which can be `cut`.
"""
PENDING = """
## PENDING

What a handler, or `auth`, returns to answer later: with `end.answer`, `end.decide`.
"""


def attributes(kind: type) -> str:
    """The attributes that `__init__` sets and a string below describes, those of bases first."""
    page = ""
    for base in reversed(kind.__mro__[:-1]):
        if not base.__module__.startswith("ocpp_rpc_") or "__init__" not in vars(base):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base.__init__))).body[0].body  # type: ignore[attr-defined, misc]
        for statement, text in pairwise(body):
            match statement, text:
                case (
                    ast.Assign(targets=[ast.Attribute(attr=name)]) | ast.AnnAssign(target=ast.Attribute(attr=name)),
                    ast.Expr(value=ast.Constant(value=str() as said)),
                ) if not name.startswith("_"):
                    page += f"* `{name}`: {plain(said)}\n"
                case _:
                    pass
    return page and f"Attributes:\n\n{page}\n"


def of(kind: type, owner: str, *, like: type | None = None) -> str:
    """A class: how it is made, its attributes, its members but for those that it shares with `like`."""
    shared = {} if like is None else {name: it for name, it in members(kind).items() if members(like).get(name) is it}
    page = f"\n## {kind.__name__}\n\n{constructor(kind)}{attributes(kind)}"
    if like is not None:
        names = ", ".join(f"`{name}`" for name in shared)
        page += f"{names} are as in [`{like.__name__}`](#{like.__name__.lower()}).\n\n"
    return page + section(kind, owner, left_out=frozenset(shared))


def function(thing: Callable[..., Any]) -> str:
    """A function."""
    wait = "await " if inspect.iscoroutinefunction(thing) else ""
    result = shown(inspect.signature(thing).return_annotation)
    text = documentation(thing.__name__, re.sub(r"\nArgs:\n", "\n", inspect.getdoc(thing) or ""))
    return f"\n### {thing.__name__}\n\n```py\n{wait}{thing.__name__}{parameters(thing)} -> {result}\n```\n\n{text}"


def testing_page() -> str:
    """docs/reference/testing.md."""
    page = HEAD.rstrip("\n") + "\n"
    page += (
        of(Pair, "pair")
        + of(FakeCSMS, "csms", like=Pair)
        + of(FakeStation, "station", like=FakeCSMS)
        + of(End, "end")
        + PENDING
    )
    for kind, module in ((Conditions, _link), (Record, _replay)):
        assert dataclasses.is_dataclass(kind)
        page += f"\n## {kind.__name__}\n\n{plain(kind.__doc__ or '')}\n\n{fields(kind, module)}"
        page += section(kind, kind.__name__.lower())
    page += of(Recorder, "recorder") + of(Script, "script") + of(Line, "line")
    page += "\n## Functions\n" + function(replay) + function(counting_entropy) + ADAPTERS
    for name in ("run", "until", "plugged", "stream_to", "memory_streams"):
        page += function(getattr(of_adapter, name))
    return page


PAGES: dict[str, Callable[[], str]] = {"testing.md": testing_page}

if __name__ == "__main__":
    main(PAGES, SCRIPT)
