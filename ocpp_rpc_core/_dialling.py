"""A client's will to be connected: who waits for it, what is offered, and when to try again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from ._http import HTTPResponse
from .config import ClientOptions


@final
class Dialling:
    """Reconnecting begins after the first success, and keeps to its subprotocol (features C7, C24)."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._delays: Iterator[float] = iter(())
        self._attempts = 0
        self.url = options.url
        """Where to; an identity changed later does not move this connection (features C25)."""
        self.waiting: list[int] = []
        """Tokens of the application's unanswered `ConnectRequested`."""
        self.established = False
        """Whether it worked once."""
        self.response: HTTPResponse | None = None
        """The server's last 101."""
        self.protocols = tuple(options.protocols)
        """What to offer."""

    @property
    def options(self) -> ClientOptions:
        """The options as they are now."""
        return self._options

    def reconfigure(self, options: ClientOptions) -> None:
        """Take new options; a new strategy begins with the next delay."""
        if options.backoff != self._options.backoff:
            self._delays = options.backoff.delays(options.chance)
        self._options = options

    def succeeded(self, protocol: str | None, response: HTTPResponse | None) -> bool:
        """The connection is open; True the first time."""
        self.response = response
        first, self.established = not self.established, True
        self.protocols = () if protocol is None else (protocol,)
        self._attempts = 0
        self._delays = self._options.backoff.delays(self._options.chance)
        return first

    def next_delay(self) -> float | None:
        """Seconds until the next attempt, or None if there have been enough, or the strategy ends."""
        self._attempts += 1
        if self._attempts > self._options.max_reconnects:
            return None
        return next(self._delays, None)

    def answered(self) -> list[int]:
        """The tokens that wait, which from now on do not."""
        waiting, self.waiting = self.waiting, []
        return waiting
