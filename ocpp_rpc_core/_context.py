"""What both directions of a session share: the line to the peer, its dialect, strict mode, who listens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container
from enum import Enum, auto
from typing import Any, final

from ._dialects import CALL, CALLRESULT, CALLRESULTERROR, PLAIN, dialect_of
from .actions import Out, Report, SendBytes, SendText
from .config import Options
from .errors import RPCError, RPCNotImplementedError, create_rpc_error
from .notices import LimitExceeded, MessageEvent, Notice, StrictValidationFailure
from .validation import Validator


class Line(Enum):
    """Whether there is a peer to talk to, and whether new calls are taken."""

    WAITING = auto()
    """No peer, but one will come: our calls wait."""
    OPEN = auto()
    DRAINING = auto()
    """What is under way goes on, but new calls are refused, ours and the peer's."""
    ENDED = auto()
    """No peer, and none will come: our calls are refused."""


@final
class Everything:
    """Contains whatever is asked for: the observer that wants to hear every notice."""

    def __contains__(self, item: object) -> bool:
        return True


@final
class Context:
    """Mutable, owned by one session."""

    __slots__ = (
        *("dialect", "options", "protocol", "settled", "validator", "wanted", "write"),
        *("refuses_repeats", "refusing", "remembers", "talking", "unanswered", "waiting"),
    )

    def __init__(
        self,
        options: Options,
        wanted: Container[type[Notice]],
        write: Callable[[str | bytes], SendText | SendBytes] = SendText,
    ) -> None:
        self.options = options
        self.write = write
        """How a message leaves: as text for a WebSocket of somebody else's, or as a frame of ours."""
        self.wanted = wanted
        self.talking = False
        """Whether messages can be sent and received."""
        self.refusing = False
        """Whether new calls are refused."""
        self.protocol: str | None = None
        self.settled = False
        """Whether the subprotocol is known, so that a call can be judged and written down."""
        self.dialect = PLAIN
        self.validator: Validator | None = None
        self.unanswered: Collection[str] = ()
        """The message ids of our calls that are in flight; a view of what `_outbound` keeps."""
        self.waiting = 0
        """The size of the peer's requests that wait for a handler, in bytes."""
        self.refuses_repeats = False
        """Whether a message id of the peer's is good for one message only (rule 11)."""
        self.remembers = False
        """Whether anything depends on which of the peer's message ids were answered."""

    def turn(self, line: Line) -> None:
        """The line to the peer is like this now."""
        self.talking = line is Line.OPEN or line is Line.DRAINING
        self.refusing = line is Line.DRAINING or line is Line.ENDED

    def settle(self, protocol: str | None) -> None:
        """The connection, or the next one, speaks `protocol`."""
        self.protocol = protocol
        self.settled = True
        refuses_null = self.options.null_payload == "refuse"
        answers_unknown = self.options.unknown_message_type == "answer"
        self.dialect = dialect_of(protocol, refuses_null=refuses_null, answers_unknown=answers_unknown)
        self.refuses_repeats = self.options.repeated_ids == "refuse"
        self.remembers = self.refuses_repeats or CALLRESULTERROR in self.dialect.message_types
        self.validator = None if protocol is None else self.options.validators.get(protocol)

    def validate(
        self,
        kind: int,
        message_id: str,
        method: str,
        params: Any,
        result: Any = None,
        *,
        outbound: bool,
        out: Out,
    ) -> None:
        """Judge a CALL, SEND or CALLRESULT in strict mode; what fails is reported (features E3, E6).

        Raises:
            RPCError: why it is refused, spelled as on this wire.
        """
        validator = self.validator
        if validator is None:
            return
        try:
            if kind == CALLRESULT:
                validator.validate_response(method, result)
            elif kind == CALL:
                validator.validate_request(method, params)
            else:
                validator.validate_send(method, params)
        except RPCError as problem:
            is_call, found = kind != CALLRESULT, problem
            if is_call and not (outbound or validator.knows(method)):
                found = RPCNotImplementedError(f"the method is not known in {validator.subprotocol}")
            error = create_rpc_error(self.dialect.spell(found.code), found.message, found.details)
            failure = StrictValidationFailure(
                error, message_id, method, params, result, outbound=outbound, is_call=is_call
            )
            self.report(failure, out)
            raise error from None

    def send(self, text: str | bytes, out: Out) -> None:
        """Send one message, and say so."""
        out.append(self.write(text))
        if MessageEvent in self.wanted:
            out.append(Report(MessageEvent(text, outbound=True)))

    def exceeded(self, limit: str, out: Out) -> None:
        """Somebody went beyond a limit; reported in any case, because a server hears it of all its clients."""
        out.append(Report(LimitExceeded(limit, self.options.bound(limit))))

    def report(self, notice: Notice, out: Out) -> None:
        """Say something to whoever wants to hear it."""
        if type(notice) in self.wanted:
            out.append(Report(notice))
