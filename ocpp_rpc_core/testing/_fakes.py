"""One end of OCPP-J played by the test: a management system or a charging station, in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from inspect import iscoroutinefunction
from math import inf
from typing import Any, final

from ocpp_rpc_core import events as e
from ocpp_rpc_core._answers import Accept, Verdict
from ocpp_rpc_core._http import Handshake
from ocpp_rpc_core.config import ClientOptions, ServerOptions, reconfigure
from ocpp_rpc_core.connection import Connection
from ocpp_rpc_core.notices import CallEvent
from ocpp_rpc_core.router import Router

from ._end import End, Pending
from ._line import Line
from ._link import Way
from ._world import Auth, World, counting_entropy

PATIENT = {"call_timeout": inf, "handshake_timeout": inf, "close_timeout": inf, "ping_interval": 0}
"""A fake does nothing by itself: what it does, the test has told it."""


class Fake(World):
    """A peer that answers by a table: `{"Heartbeat": {"currentTime": now}, "*": lambda call: {}}`.

    Each method has its answer: a result, an exception to raise, or a plain function of a `StartHandler`
    (`call.method`, `call.params`) that returns or raises it, or returns `PENDING` to answer later.  `"*"` stands
    for all other methods; without it they are not implemented.
    """

    def __init__(self, handlers: Mapping[str, object] | None, auth: Auth | None = None) -> None:
        super().__init__(auth)
        self._router = Router()
        self._ends: list[End] = []
        for method, answer in (handlers or {}).items():
            self.handle(method, answer)

    def handle(self, method: str, answer: object) -> None:
        """Answer a method so from now on.

        Raises:
            TypeError: `answer` is an async function, which nobody here could await.
        """
        if iscoroutinefunction(answer):
            raise TypeError(f"the handler of {method} must be a plain function; return PENDING to answer later")
        self._router.add(None if method == "*" else method, answer)

    # --- What the test looks at -----------------------------------------------

    @property
    def ends(self) -> Sequence[End]:
        """Its side of every connection there ever was."""
        return self._ends

    @property
    def end(self) -> End:
        """Its side of the latest connection."""
        return self._ends[-1]

    @property
    def connected(self) -> bool:
        """Whether the latest connection still has its byte stream here."""
        return bool(self._ends) and self.end.connected

    @property
    def calls(self) -> list[tuple[str, Any]]:
        """Method and params of everything that was called or sent here, in order."""
        return [
            (notice.payload[-2], notice.payload[-1])
            for end in self._ends
            for notice in end.notices
            if isinstance(notice, CallEvent) and not notice.outbound
        ]

    @property
    def outcomes(self) -> dict[int, object]:
        """What became of each call made here, by token: the result, or the exception."""
        return {token: outcome for end in self._ends for token, outcome in end.outcomes.items()}

    # --- What the test does ---------------------------------------------------

    def call(self, method: str, params: Any = None) -> int:
        """Call the peer on the latest connection; the outcome will be in `outcomes` under the token returned."""
        return self.end.call(method, params)

    def ask(self, method: str, params: Any = None) -> Any:
        """Call a peer that answers at once, and return the result or raise the error."""
        return self.end.ask(method, params)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye on every connection."""
        for end in self._ends:
            end.close(code, reason)

    def half_open(self) -> None:
        """Forget every connection; the peer does not notice, and hears nothing any more."""
        for end in self._ends:
            end.lose()

    def _open(self, connection: Connection, incoming: Way, outgoing: Way) -> Line:
        end = End(connection, self)
        end.join(incoming, outgoing)
        self._ends.append(end)
        line = Line(outgoing, incoming, self)
        self._lines.append(line)
        self.act()
        return line


@final
class FakeCSMS(Fake):
    """A management system: `FakeCSMS({"BootNotification": {"status": "Accepted", ...}})`.

    `options` are those of a server, by name; without any it has no deadlines of its own, and speaks the subprotocol
    that the client likes best.  `auth` decides on each client, as in `Pair`.
    """

    def __init__(
        self, handlers: Mapping[str, object] | None = None, *, auth: Auth | None = None, **options: Any
    ) -> None:
        super().__init__(handlers, auth)
        start = ServerOptions(entropy=counting_entropy(2), authenticate=True)
        self.options = reconfigure(start, {**PATIENT, **options})
        """For connections to come."""
        self.listening: bool | None = True
        """Whether an attempt to connect succeeds (True), is refused (False) or stays unanswered (None)."""

    def verdict(self, handshake: Handshake) -> Verdict | Pending:
        """Whether a client is let in, and what is spoken."""
        verdict = Accept() if self.auth is None else self.auth(handshake)
        if isinstance(verdict, Accept) and verdict.protocol is None and not self.options.protocols:
            return replace(verdict, protocol=next(iter(handshake.protocols), None))
        return verdict

    def open(self) -> Line:
        """A new byte stream to it, for what is under test.

        Raises:
            ConnectionRefusedError: it does not listen.
        """
        if not self.listening:
            raise ConnectionRefusedError("nobody listens")
        return self._open(Connection(self.options, self._router), Way(self.to_server), Way(self.to_client))

    def stop(self) -> None:
        """Die: every connection breaks, and new ones are refused until `start`."""
        self.listening = False
        self.cut()

    def start(self) -> None:
        """Be back."""
        self.listening = True


@final
class FakeStation(Fake):
    """A charging station: `FakeStation("CP1", {"Reset": {"status": "Accepted"}})`.

    `options` are those of a client, by name; without any it has no deadlines of its own, and speaks OCPP 1.6.
    It connects when it gets a byte stream, and does not come back by itself.
    """

    def __init__(self, identity: str = "CP1", handlers: Mapping[str, object] | None = None, **options: Any) -> None:
        super().__init__(handlers)
        start = ClientOptions(entropy=counting_entropy(1), identity=identity, protocols=["ocpp1.6"])
        self.options = reconfigure(start, {**PATIENT, "reconnect": False, **options})
        """For connections to come."""

    def open(self) -> Line:
        """A new byte stream from it, for what is under test; it asks for the upgrade at once."""
        connection = Connection(self.options, self._router)
        connection.handle(e.ConnectRequested(self.token()), self.now)  # the byte stream it asks for is this one
        return self._open(connection, Way(self.to_client), Way(self.to_server))
