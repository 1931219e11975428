"""Where two sets of schemas disagree, and how one is made of them by decisions that must all be needed."""

from typing import Any, Literal, NamedTuple

from _facts import Schema, ordered, unnamed
from _sources import Messages

Take = Literal["npm", "pypi", "both"]
"""Whose value holds; `both` joins the members of two enumerations."""


class Difference(NamedTuple):
    """One fact on which the packages disagree."""

    subprotocol: str
    where: str
    """Message and path, such as `MeterValues.request/meterValue/items`."""
    keyword: str
    """The schema keyword, or `property` or `message` when a whole one is missing."""
    npm: Any
    """Value in the npm package, None if absent; of a list only the members the other lacks;
    of a property or message, whether it is there."""
    pypi: Any
    """The same for the PyPI package."""


class Decision(NamedTuple):
    """Which side of exactly this difference holds, and why."""

    difference: Difference
    take: Take
    reason: str


class Correction(NamedTuple):
    """An enumeration on which both packages agree but which lacks members that must be valid."""

    subprotocol: str
    where: str
    add: tuple[str, ...]
    reason: str


class Disagreement(Exception):
    """Differences without a decision, or decisions and corrections that match nothing."""


class CrossCheck:
    """Merges the packages' messages and keeps account of differences and of the decisions they used."""

    def __init__(self, decisions: tuple[Decision, ...], corrections: tuple[Correction, ...]) -> None:
        """Start with the given tables; each entry must be used by the time of `finish`."""
        self._decisions = {decision.difference: decision for decision in decisions}
        self._corrections = {(item.subprotocol, item.where): item for item in corrections}
        self._unused: set[object] = {*self._decisions, *self._corrections}
        self._undecided: list[Difference] = []

    def merge(self, subprotocol: str, npm: Messages, pypi: Messages) -> Messages:
        """Return the messages of one version as decided; undecided differences are kept for `finish`."""
        return self._children(subprotocol, "", "message", npm, pypi)

    def finish(self) -> None:
        """Raise `Disagreement` if any difference was undecided or any table entry unused."""
        problems = [f"no decision for {difference}" for difference in self._undecided]
        problems += sorted(f"matches no difference: {entry}" for entry in self._unused)
        if problems:
            raise Disagreement("\n".join(problems))

    def _children(self, subprotocol: str, where: str, kind: str, npm: Messages, pypi: Messages) -> Messages:
        """Merge two tables of schemas by key; `kind` is what a key names: a message or a property."""
        merged: Messages = {}
        for key in sorted(npm.keys() | pypi.keys()):
            path = f"{where}/{key}" if where else key
            if key in npm and key in pypi:
                merged[key] = self._node(subprotocol, path, npm[key], pypi[key])
                continue
            take = self._decide(Difference(subprotocol, path, kind, key in npm, key in pypi))
            side = pypi if take == "pypi" else npm
            if key in side:
                merged[key] = side[key]
        return merged

    def _node(self, subprotocol: str, where: str, npm: Schema, pypi: Schema) -> Schema:
        """Merge two schemas of the same thing; names of definitions are those of the npm package."""
        merged = dict(npm)
        for keyword in sorted(unnamed(npm).keys() | unnamed(pypi).keys()):
            mine, theirs = npm.get(keyword), pypi.get(keyword)
            if keyword == "properties":
                value: Any = self._children(subprotocol, where, "property", mine or {}, theirs or {})
            elif keyword == "items" and mine and theirs:
                value = self._node(subprotocol, f"{where}/items", mine, theirs)
            else:
                value = self._value(subprotocol, where, keyword, mine, theirs)
            merged[keyword] = value
        correction = self._corrections.get((subprotocol, where))
        if correction and not set(correction.add) <= set(merged.get("enum", correction.add)):
            self._unused.discard((subprotocol, where))
            merged["enum"] = sorted({*merged["enum"], *correction.add})
        return ordered({keyword: value for keyword, value in merged.items() if value is not None})

    def _value(self, subprotocol: str, where: str, keyword: str, npm: Any, pypi: Any) -> Any:
        """Return the value of one keyword as decided; equal values need no decision."""
        if npm == pypi:
            return npm
        sides = npm, pypi
        if isinstance(npm, list) and isinstance(pypi, list):
            sides = tuple(sorted(set(npm) - set(pypi))), tuple(sorted(set(pypi) - set(npm)))
        take = self._decide(Difference(subprotocol, where, keyword, *(_hashable(side) for side in sides)))
        if take == "both":
            return sorted({*npm, *pypi})
        return pypi if take == "pypi" else npm

    def _decide(self, difference: Difference) -> Take:
        """Look the difference up in the table; undecided ones are noted."""
        decision = self._decisions.get(difference)
        if decision is None:
            self._undecided.append(difference)
            return "npm"
        self._unused.discard(difference)
        return decision.take


def _hashable(value: Any) -> Any:
    """Return a list as a tuple and a schema as text, so that a difference can be a key."""
    if isinstance(value, list):
        return tuple(value)
    return str(unnamed(value)) if isinstance(value, dict) else value
