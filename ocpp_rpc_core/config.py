"""The options of each role, frozen and checked; all chance comes in through `entropy`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import inf
from typing import Any, Literal, TypeVar, final, get_args

from ._door import Door
from ._handshake import ClientHandshake
from ._headers import is_token
from ._url import Endpoint, basic_header, identifier_problem, parse_endpoint
from .backoff import Backoff, ExponentialBackoff
from .limits import Limits
from .validation import Validator, standard_validator

Entropy = Callable[[int], bytes]
"""Gives that many random bytes, like `os.urandom`."""

UnknownMessageType = Literal["ignore", "answer"]
NullPayload = Literal["accept", "refuse"]
RepeatedIds = Literal["accept", "refuse"]
SubprotocolMismatchPolicy = Literal["refuse", "close"]
IdentityFormat = Literal["any", "ocpp2"]

_CHOICES = {
    "unknown_message_type": get_args(UnknownMessageType),
    "null_payload": get_args(NullPayload),
    "repeated_ids": get_args(RepeatedIds),
    "subprotocol_mismatch": get_args(SubprotocolMismatchPolicy),
    "identity_format": get_args(IdentityFormat),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What both roles can be told.  Times are seconds, sizes bytes; infinity means no limit."""

    entropy: Entropy
    """Where ids, masks, keys and jitter get their randomness."""
    protocols: Sequence[str] = ()
    """Subprotocols, most preferred first."""
    call_timeout: float = 30.0
    """How long to wait for the answer to a call, from when it is written."""
    call_concurrency: float = 1
    """Our calls that may be unanswered at once; the rest wait in order (rule 15)."""
    ping_interval: float = 30.0
    """Between keep-alive pings; 0 or infinity for none."""
    defer_pings_on_activity: bool = False
    """Whether anything heard from the peer puts the next ping off."""
    respond_with_detailed_errors: bool = False
    """Whether a peer is told the exception and stack trace of a failed handler."""
    strict_mode: bool | Sequence[str] = False
    """Whether calls and results are validated: all, or on the listed subprotocols."""
    strict_mode_validators: Sequence[Validator] = ()
    """Own validators, used instead of the built-in ones of the same subprotocol."""
    max_bad_messages: float = inf
    """Bad messages in a row that are tolerated before the connection is closed with 1002."""
    max_message_size: float = 2**20
    """Bytes of one message, after inflation; a larger one closes the connection with 1009."""
    compression: bool = False
    """Whether to negotiate permessage-deflate (RFC 7692)."""
    handshake_timeout: float = 10.0
    """How long the opening handshake may take, authentication included."""
    close_timeout: float = 5.0
    """How long to wait for the peer's goodbye."""
    limits: Limits = field(default_factory=Limits)
    """All other bounds of what one connection may use."""
    new_message_id: Callable[[], str] | None = None
    """Makes message ids: 1 to 36 characters, never twice the same.  None: a random prefix and a counter."""
    unknown_message_type: UnknownMessageType = "ignore"
    """What a message of an unknown type leads to, apart from `BadMessage`: nothing, or with `"answer"` a CALLERROR
    with the code MessageTypeNotSupported (on 1.6 GenericError), under its id or else `-1` (rule 20)."""
    null_payload: NullPayload = "accept"
    """What a payload that is null means on an OCPP subprotocol: `{}`, or with `"refuse"` an error.  None is ever sent
    (rule 5)."""
    repeated_ids: RepeatedIds = "accept"
    """Whether a call may have the id of one that was answered, as a retry has: `"refuse"` answers it with an error if
    the id is among the last 64.  The id of a call that is still being handled is always refused (rules 11, 14)."""
    identity_format: IdentityFormat = "any"
    """Which identities are let in, or connected as: any, or with `"ocpp2"`, on 2.x subprotocols, those of at most 48
    letters, digits and `*-_=+|@.` (rule 31)."""
    validators: Mapping[str, Validator] = field(init=False, repr=False, compare=False)
    """The validator of each subprotocol that is strict."""

    def __post_init__(self) -> None:
        for name in ("protocols", "strict_mode_validators"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise ValueError(f"{name} must be a sequence of values, not the string {value!r}")
            object.__setattr__(self, name, tuple(value))
        if self.new_message_id is None:
            object.__setattr__(self, "new_message_id", message_ids(self.entropy))
        self._check_values()
        object.__setattr__(self, "validators", self._choose_validators())

    def _check_values(self) -> None:
        names: Sequence[object] = self.protocols
        for protocol in names:
            if not (isinstance(protocol, str) and is_token(protocol)):
                raise ValueError(f"protocols: {protocol!r} cannot be the name of a subprotocol (RFC 6455 4.1)")
        above = ("call_timeout", "call_concurrency", "max_message_size", "handshake_timeout", "close_timeout")
        for name in (*above, "ping_interval", "max_bad_messages"):
            value: object = getattr(self, name)
            if not isinstance(value, int | float) or not (value > 0 if name in above else value >= 0):
                bound = "more than 0" if name in above else "0 or more"
                raise ValueError(f"{name} must be a number, {bound}, not {value!r}")
        for name, choices in _CHOICES.items():
            if (chosen := getattr(self, name, choices[0])) not in choices:
                raise ValueError(f"{name} must be {' or '.join(map(repr, choices))}, not {chosen!r}")
        if not isinstance(self.limits, Limits):
            raise ValueError(f"limits must be Limits(...), not {self.limits!r}")

    def _choose_validators(self) -> dict[str, Validator]:
        if not self.strict_mode:
            return {}
        if not self.protocols:
            raise ValueError("strict_mode needs at least one subprotocol: pass protocols=[...]")
        strict = self.protocols if self.strict_mode is True else self.strict_mode
        if isinstance(strict, str):
            raise ValueError(f"strict_mode must be True, False or a sequence of subprotocols, not {strict!r}")
        own = {validator.subprotocol: validator for validator in self.strict_mode_validators}
        chosen: dict[str, Validator] = {}
        for protocol in strict:
            validator = own.get(protocol) or standard_validator(protocol)
            if validator is None:
                raise ValueError(
                    f"strict_mode has no validator for subprotocol {protocol!r}: "
                    "pass one made by create_validator() in strict_mode_validators"
                )
            chosen[protocol] = validator
        return chosen

    def bound(self, limit: str) -> float:
        """The value of a limit: a field of `limits`, or an option."""
        value: float = getattr(self.limits, limit) if hasattr(self.limits, limit) else getattr(self, limit)
        return value

    def message_id(self) -> str:
        """A new message id."""
        assert self.new_message_id is not None  # made in __post_init__
        return self.new_message_id()

    def identity_problem(self, identity: str, protocol: str | None) -> str | None:
        """Why `identity_format` forbids this identity on this subprotocol, if it does."""
        if self.identity_format == "any" or protocol is None or not protocol.startswith("ocpp2."):
            return None
        return identifier_problem(identity)

    def chance(self) -> float:
        """A random number from 0 (included) to 1 (excluded)."""
        return int.from_bytes(self.entropy(6), "big") / 2**48


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions(Options):
    """What a server can be told; each client's connection gets the options of when it connected."""

    compression: bool = True
    """Whether to agree to permessage-deflate if a client offers it (rule 43)."""
    authenticate: bool = False
    """Whether the application decides on each client (`DecideUpgrade`)."""
    hold_calls: bool = False
    """Whether inbound calls wait for `HandlersReady`, or for the first call to the client (features S12)."""
    subprotocol_mismatch: SubprotocolMismatchPolicy = "refuse"
    """How a client that shares no subprotocol is turned away: with HTTP status 400, or with `"close"` by completing
    the handshake without a subprotocol and closing with 1002 (rule 24)."""
    door: Door = field(default_factory=Door)
    """How many may connect, how often `auth` may reject one, and what all keep of unfinished messages; a
    [`Door`](#door)."""
    allowed_origins: Sequence[str] = ()
    """Web pages that may connect: values of the header `Origin`, `"*"` for all.  Browsers send it, stations hardly
    ever; who sends another is refused with 403."""

    def __post_init__(self) -> None:
        super(ServerOptions, self).__post_init__()
        if isinstance(self.allowed_origins, str):
            raise ValueError(f"allowed_origins must be a sequence of values, not the string {self.allowed_origins!r}")
        object.__setattr__(self, "allowed_origins", tuple(self.allowed_origins))
        if not isinstance(self.door, Door):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"door must be a Door, not {self.door!r}")

    def bound(self, limit: str) -> float:
        """The value of a limit: a field of `limits` or `door`, or an option."""
        if not hasattr(self.door, limit):
            return super(ServerOptions, self).bound(limit)
        value: float | None = getattr(self.door, limit)
        return inf if value is None else value


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions(Options):
    """What a client can be told."""

    endpoint: str = "ws://localhost"
    """A ws or wss URL; the identity is appended to its path (rule 30)."""
    identity: str = ""
    """The charging station's identity, as it is (percent-encoded for you)."""
    password: str | bytes | None = field(default=None, repr=False)
    """For HTTP Basic auth; text is sent as UTF-8."""
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = field(default=(), repr=False)
    """Further headers of the upgrade request."""
    query: Mapping[str, str] | str | None = None
    """Further query parameters of the URL."""
    call_timeout: float = 60.0
    reconnect: bool = True
    """Whether to connect again after losing a connection that once worked."""
    max_reconnects: float = inf
    """Attempts in a row before giving up."""
    backoff: Backoff = field(default_factory=ExponentialBackoff)
    """How long to wait before each attempt."""
    tls: object | None = None
    """An `ssl.SSLContext` for wss endpoints; None for the default one.  Only adapters look at it."""
    url: Endpoint = field(init=False, repr=False, compare=False)
    """The endpoint, taken apart."""

    def __post_init__(self) -> None:
        super(ClientOptions, self).__post_init__()
        if not self.max_reconnects >= 0:
            raise ValueError(f"max_reconnects must be 0 or more, not {self.max_reconnects!r}")
        object.__setattr__(self, "url", parse_endpoint(self.endpoint, self.identity, self.query))
        for protocol in self.protocols:
            if problem := self.identity_problem(self.identity, protocol):
                raise ValueError(f"{problem}, as {protocol} wants it")
        self.handshake(tuple(self.protocols))  # raises for what cannot be sent

    def handshake(self, protocols: tuple[str, ...], extensions: str | None = None) -> ClientHandshake:
        """A new opening handshake that offers these subprotocols."""
        headers = list(self.headers.items() if isinstance(self.headers, Mapping) else self.headers)
        if self.password is not None:
            headers.append(("Authorization", basic_header(self.identity, self.password)))
        return ClientHandshake(
            host_header=self.url.host_header,
            target=self.url.target,
            protocols=protocols,
            headers=headers,
            key=self.entropy(16),
            extensions=extensions,
            max_head=self.limits.head,
        )


def message_ids(entropy: Entropy) -> Callable[[], str]:
    """Ids that never repeat: a random prefix and a counter, at most 36 characters (rules 9-11)."""
    prefix = entropy(8).hex() + "-"
    numbers = itertools.count(1)
    return lambda: prefix + str(next(numbers))


_LIMITS = frozenset(
    {
        "call_timeout",
        "call_concurrency",
        "ping_interval",
        "max_bad_messages",
        "max_message_size",
        "handshake_timeout",
        "close_timeout",
        "max_reconnects",
    }
)


def unlimited(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with infinity where a limit is None."""
    return {name: inf if value is None and name in _LIMITS else value for name, value in settings.items()}


AnyOptions = TypeVar("AnyOptions", ClientOptions, ServerOptions)


def reconfigure(options: AnyOptions, changes: Mapping[str, Any]) -> AnyOptions:
    """The options with some of them changed, checked anew.

    Raises:
        TypeError: an option does not exist.
        ValueError: the result is impossible.
    """
    known = {option.name for option in fields(options) if option.init}
    for name in changes:
        if name not in known:
            raise TypeError(f"there is no option {name!r}; there are {', '.join(sorted(known))}")
    return replace(options, **unlimited(changes))
