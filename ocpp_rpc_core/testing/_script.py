"""A dialogue with one state machine: what it is told, and exactly what it must ask for in return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from difflib import ndiff
from typing import Any, Generic, Protocol, TypeVar, final

E_contra = TypeVar("E_contra", contravariant=True)
A_co = TypeVar("A_co", covariant=True)
Told = TypeVar("Told")
Asked = TypeVar("Asked")


class Machine(Protocol[E_contra, A_co]):
    """A `Connection` or a `Session`."""

    @property
    def deadline(self) -> float | None:
        """When to send the next `Tick`, or None."""
        ...

    def handle(self, event: E_contra, now: float) -> Sequence[A_co]:
        """Take in one event; return everything that must now be done."""
        ...


@final
class Script(Generic[Told, Asked]):
    """Tell a machine events, and hold it to every action:

        Script(connection).tell(ConnectRequested(1)).expect(Report(Connecting(())), OpenTransport)

    An expected action is a value, or a type to accept any of that type.  Exceptions are equal if their
    types and texts are.  What was not expected must not happen: `tell` fails while actions wait to be expected.
    """

    def __init__(self, machine: Machine[Told, Asked], now: float = 0.0) -> None:
        self.now = now
        """Seconds, for the next `tell`."""
        self.actions: list[Asked] = []
        """What the machine asked for last."""
        self._machine = machine
        self._told: Any = None
        self._open = False

    def tell(self, event: Told) -> Script[Told, Asked]:
        """Feed one event."""
        self.done()
        self._told = event
        self.actions = list(self._machine.handle(event, self.now))
        self._open = bool(self.actions)
        return self

    def expect(self, *expected: Asked | type[Any]) -> Script[Told, Asked]:
        """The last event must have led to exactly these actions, in this order.

        Raises:
            AssertionError: it did not; the text shows both lists, line by line.
        """
        self._open = False
        shown = [_show(action) for action in self.actions]
        wanted = [
            found if isinstance(want, type) and isinstance(action, want) else _show(want)
            for want, action, found in _align(expected, self.actions, shown)
        ]
        if wanted != shown:
            difference = "\n".join(line for line in ndiff(wanted, shown) if not line.startswith("?"))
            raise AssertionError(
                f"at {self.now:g} s, {_show(self._told)} led to other actions than expected\n"
                f"(- expected, + asked for):\n{difference}"
            )
        return self

    def done(self) -> None:
        """Nothing else may have happened.

        Raises:
            AssertionError: the last event led to actions that nobody has looked at.
        """
        if self._open:
            self.expect()

    def skip(self) -> Script[Told, Asked]:
        """Do not look at what the last event led to."""
        self._open = False
        return self

    def until(self, now: float) -> Script[Told, Asked]:
        """Move the clock."""
        self.now = now
        return self

    def until_deadline(self, deadline: float) -> Script[Told, Asked]:
        """The machine must want to be woken at exactly `deadline` (seconds); move the clock there.

        Raises:
            AssertionError: it wants another time, or none.
        """
        found = self._machine.deadline
        assert found == deadline, f"the deadline is {found}, not {deadline}"
        return self.until(deadline)


def _align(
    expected: Sequence[object], actions: Sequence[object], shown: Sequence[str]
) -> list[tuple[object, object, str]]:
    """Each expected action with the one that came in its place, if any did."""
    missing = max(len(expected) - len(actions), 0)
    return list(zip(expected, [*actions, *[None] * missing], [*shown, *[""] * missing], strict=False))


def _show(value: object) -> str:
    """Like `repr`, but exceptions show their text, and types their name alone."""
    if isinstance(value, type):
        return f"any {value.__name__}"
    if isinstance(value, BaseException):
        return f"{type(value).__name__}({str(value)!r})"
    if is_dataclass(value):
        inside = ", ".join(f"{field.name}={_show(getattr(value, field.name))}" for field in fields(value))
        return f"{type(value).__name__}({inside})"
    return repr(value)
