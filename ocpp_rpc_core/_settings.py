"""The names and types of the options as users write them; defaults and meanings are in `config`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict

from ._door import Door
from .backoff import Backoff
from .config import IdentityFormat, NullPayload, RepeatedIds, SubprotocolMismatchPolicy, UnknownMessageType
from .limits import Limits
from .registry import Duplicates
from .validation import Validator


class PeerSettings(TypedDict, total=False):
    """Options of both roles; None means no limit, like infinity."""

    protocols: Sequence[str]
    call_timeout: float | None
    call_concurrency: float | None
    ping_interval: float | None
    defer_pings_on_activity: bool
    respond_with_detailed_errors: bool
    strict_mode: bool | Sequence[str]
    strict_mode_validators: Sequence[Validator]
    max_bad_messages: float | None
    max_message_size: float | None
    compression: bool
    handshake_timeout: float | None
    close_timeout: float | None
    limits: Limits
    new_message_id: Callable[[], str] | None
    unknown_message_type: UnknownMessageType
    null_payload: NullPayload
    repeated_ids: RepeatedIds
    identity_format: IdentityFormat


class ServerSettings(PeerSettings, total=False):
    """Options of a server."""

    subprotocol_mismatch: SubprotocolMismatchPolicy
    duplicates: Duplicates
    door: Door
    allowed_origins: Sequence[str]


class ClientSettings(PeerSettings, total=False):
    """Options of a client, apart from endpoint and identity."""

    password: str | bytes | None
    headers: Mapping[str, str] | Sequence[tuple[str, str]]
    query: Mapping[str, str] | str | None
    reconnect: bool
    max_reconnects: float | None
    backoff: Backoff
    tls: object | None


class ClientChanges(ClientSettings, total=False):
    """Options of a client that may be changed."""

    endpoint: str
    identity: str
