"""What each subprotocol says differently: message types, error spellings, limits, and what is open to choice."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from types import MappingProxyType
from typing import final

CALL, CALLRESULT, CALLERROR, CALLRESULTERROR, SEND = 2, 3, 4, 5, 6

_CLASSIC = frozenset({CALL, CALLRESULT, CALLERROR})
_TO_16 = MappingProxyType(
    {
        "FormatViolation": "FormationViolation",
        "OccurrenceConstraintViolation": "OccurenceConstraintViolation",  # sic, J16E 5.2
        # 1.6 has no code for these two (rule 22)
        "RpcFrameworkError": "GenericError",
        "MessageTypeNotSupported": "GenericError",
    }
)
_TO_2X = MappingProxyType(
    {
        "FormationViolation": "FormatViolation",
        "OccurenceConstraintViolation": "OccurrenceConstraintViolation",
    }
)


@final
@dataclass(frozen=True, slots=True)
class Dialect:
    """One subprotocol, as far as the RPC layer is concerned."""

    message_types: frozenset[int] = _CLASSIC
    """Which message type numbers exist (rule 2)."""
    spellings: Mapping[str, str] = field(default_factory=dict[str, str])
    """Error codes that are written otherwise on this wire (rules 22, 23)."""
    max_message_id: float = inf
    """Characters of a message id (rule 9)."""
    max_description: int | None = None
    """Characters of an error description (rule 7)."""
    empty_for_null: bool = False
    """A payload that is null is sent, and unless refused also read, as `{}` (rule 5)."""
    refuses_null: bool = False
    """A payload that is null is refused where it is read (rule 5)."""
    answers_unknown: bool = False
    """A message of a type that does not exist is answered (rule 20)."""
    no_object: str = "ProtocolError"
    """The error code of a payload that is no object (rules 22, 23)."""

    def spell(self, code: str) -> str:
        """The code as written on this wire."""
        return self.spellings.get(code, code)


PLAIN = Dialect()
"""A subprotocol we know nothing about, or none."""

OCPP_16 = Dialect(
    spellings=_TO_16,
    max_message_id=36,
    max_description=255,
    empty_for_null=True,
    no_object="FormationViolation",  # there, a ProtocolError is an incomplete payload (rule 23)
)
OCPP_201 = Dialect(spellings=_TO_2X, max_message_id=36, max_description=255, empty_for_null=True)
OCPP_21 = Dialect(
    message_types=_CLASSIC | {CALLRESULTERROR, SEND},
    spellings=_TO_2X,
    max_message_id=36,
    max_description=255,
    empty_for_null=True,
)

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "ocpp1.2": OCPP_16,
        "ocpp1.5": OCPP_16,
        "ocpp1.6": OCPP_16,
        "ocpp2.0": OCPP_201,
        "ocpp2.0.1": OCPP_201,
        "ocpp2.1": OCPP_21,
    }
)


def dialect_of(protocol: str | None, *, refuses_null: bool = False, answers_unknown: bool = False) -> Dialect:
    """The dialect of a subprotocol name (rule 26), with what the options choose; null is OCPP's affair only."""
    dialect = PLAIN if protocol is None else DIALECTS.get(protocol, PLAIN)
    refuses_null = refuses_null and dialect.empty_for_null
    if refuses_null or answers_unknown:
        return replace(dialect, refuses_null=refuses_null, answers_unknown=answers_unknown)
    return dialect
