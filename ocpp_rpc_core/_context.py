"""What both directions of a session share: the dialect, the validator, the options, and who listens."""

from __future__ import annotations

from collections.abc import Container
from typing import final

from ._dialects import PLAIN, dialect_of
from .actions import Report, SendText, SessionAction
from .config import Options
from .notices import MessageEvent, Notice
from .validation import Validator

Out = list[SessionAction]


@final
class Everything:
    """Contains whatever is asked for: the observer that wants to hear every notice."""

    def __contains__(self, item: object) -> bool:
        return True


@final
class Context:
    """Mutable, owned by one session."""

    __slots__ = ("dialect", "options", "protocol", "settled", "validator", "wanted")

    def __init__(self, options: Options, wanted: Container[type[Notice]]) -> None:
        self.options = options
        self.wanted = wanted
        self.protocol: str | None = None
        self.settled = False
        """Whether the subprotocol is known, so that a call can be judged and written down."""
        self.dialect = PLAIN
        self.validator: Validator | None = None

    def settle(self, protocol: str | None) -> None:
        """A connection is open and speaks `protocol`."""
        self.protocol = protocol
        self.settled = True
        self.dialect = dialect_of(protocol)
        self.validator = None if protocol is None else self.options.validators.get(protocol)

    def send(self, text: str | bytes, out: Out) -> None:
        """Send one message, and say so."""
        out.append(SendText(text))
        if MessageEvent in self.wanted:
            out.append(Report(MessageEvent(text, outbound=True)))

    def report(self, notice: Notice, out: Out) -> None:
        """Say something to whoever wants to hear it."""
        if type(notice) in self.wanted:
            out.append(Report(notice))
