"""How much of anything one peer, or one application, may use before something is done about it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf
from typing import final


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one connection, with safe defaults; infinity means no limit, except for `head`.

    Sizes are bytes and times seconds.  Whatever goes beyond a bound is reported as `LimitExceeded` with the name
    of the field; what else happens stands with each.  Limits that are options of their own: `max_message_size`
    (1009), `max_bad_messages` (1002), `handshake_timeout` (HTTP 408 or 503).
    """

    # --- The opening handshake, on the server's side if not said otherwise ---

    request_line: float = 8192
    """Of the HTTP request, without the end of the line.  Beyond: HTTP 414."""
    header_line: float = 8192
    """Of one header with its name, without the end of the line.  Beyond: HTTP 431."""
    headers: float = 100
    """Header lines of one request.  Beyond: HTTP 431."""
    head: int = 16384
    """Request line and headers together, or on the client's side those of the answer; always finite.
    Beyond: HTTP 431, or `InvalidHandshake`."""
    early_bytes: float = 65536
    """What a client may send before it is let in.  Beyond: HTTP 400."""

    # --- Messages ---

    fragments: float = 1024
    """Frames of one message, empty ones too.  Beyond: close code 1008."""
    message_time: float = 60.0
    """From the first byte of a message to its last, while we read.  Beyond: close code 1008."""
    json_depth: float = 32
    """Arrays and objects within each other, the message's own array included.  Beyond: a bad message."""
    json_digits: float = 32
    """Characters of one number, sign and exponent included.  Beyond: a bad message."""
    method_length: float = 64
    """Characters of the method of a peer's request.  Beyond: a bad message."""

    # --- Work that waits ---

    running_handlers: float = 8
    """Handlers of the peer's requests that run at once, one more for each call of ours that is in flight, on
    whose answer a handler may be waiting.  Further requests wait, in order; nothing is reported."""
    waiting_bytes: float = 65536
    """Of requests that wait for a handler.  Beyond: nothing more is read until there are less; while a call of
    ours is unanswered, whose answer may be behind them, `max_message_size` counts if it is more."""
    queued_calls: float = 100
    """Our calls and SENDs that wait, to be sent or for a connection.  Beyond: the caller gets `QueueFull`."""
    unwritten_bytes: float = 65536
    """What waits to be written.  Beyond: nothing more is read, and who sends what has no answer waits, too;
    nothing is reported."""
    write_time: float = 10.0
    """While bytes wait, until some of them are written.  Beyond: the connection is dropped (1006)."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value: object = getattr(self, field.name)
            least = 0 if field.name in ("queued_calls", "early_bytes", "waiting_bytes") else 1
            if field.name.endswith("_time"):
                right, bound = isinstance(value, int | float) and value > 0, "more than 0"
            else:
                right, bound = isinstance(value, int | float) and value >= least, f"{least} or more"
            if not right or (field.name == "head" and (value == inf or not isinstance(value, int))):
                kind = "a whole number" if field.name == "head" else "a number"
                raise ValueError(f"limits: {field.name} must be {kind}, {bound}, not {value!r}")
