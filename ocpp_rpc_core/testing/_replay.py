"""A recorded log of messages: how it is written down, and how a session is held to it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import unified_diff
from math import inf
from typing import Any, Literal, final

from ocpp_rpc_core import actions as a, events as e
from ocpp_rpc_core._answers import answer_event, attempt
from ocpp_rpc_core.config import Options, ServerOptions
from ocpp_rpc_core.notices import MessageEvent
from ocpp_rpc_core.router import Router
from ocpp_rpc_core.session import Session

from ._world import counting_entropy

CALL, SEND = 2, 6


@final
@dataclass(frozen=True, slots=True)
class Record:
    """One message of a log: one line of JSON, `{"time": 1.5, "direction": "in", "text": "[2,...]"}`.

    `Record.from_json(line)` reads such a line, and raises `ValueError` if it says something else.
    """

    time: float
    """Seconds, from any origin."""
    direction: Literal["in", "out"]
    """As whoever recorded it sees it: "out" are its own messages."""
    text: str
    """The whole message."""

    def to_json(self) -> str:
        """The line, without its end."""
        return json.dumps({"time": self.time, "direction": self.direction, "text": self.text})

    @classmethod
    def from_json(cls, line: str) -> Record:
        """What a line says.

        Raises:
            ValueError: it says something else.
        """
        found: Any = json.loads(line)
        match found:
            case {"time": int() | float() as time, "direction": "in" | "out" as direction, "text": str() as text}:
                return cls(time, direction, text)
            case _:
                raise ValueError(f"no line of a message log: {line!r}")


@final
class Recorder:
    """Writes down the messages of a connection: `client.on(MessageEvent, Recorder(time.monotonic))`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.records: list[Record] = []
        """What was heard so far."""
        self._clock = clock

    def __call__(self, event: MessageEvent) -> None:
        """Take down a message; binary ones, which are never OCPP-J, as if they were Latin-1."""
        text = event.message if isinstance(event.message, str) else event.message.decode("latin-1")
        self.records.append(Record(self._clock(), "out" if event.outbound else "in", text))

    @property
    def lines(self) -> str:
        """The log as text, one line for each message: write it to a file, and give the file to `replay`."""
        return "".join(f"{record.to_json()}\n" for record in self.records)


def replay(
    log: Iterable[Record | str],
    handlers: Mapping[str, object] | None = None,
    *,
    protocol: str | None = None,
    options: Options | None = None,
) -> None:
    """Hold a session to a recorded log: it must send what was sent, message by message, in the same order.

    What came in is told at its time.  Our own calls are made at theirs, with the ids they had.  A handler is
    asked when its call comes in, and its answer is given when the log says so; `handlers` are those of
    `FakeCSMS`, but cannot answer later.  Messages are compared as JSON, and not to the fraction of a second.

    Args:
        log: records, or lines as `Recorder` writes them: an open file, for example.
        handlers: the answer to each method; `"*"` for all others.
        protocol: the subprotocol that was spoken.
        options: of the session, for strict mode and the like.

    Raises:
        AssertionError: the session sent something else; the text shows where, with the lines around it.
        ValueError: a line is no `Record`.
    """
    records = [_read(item) for item in log if isinstance(item, Record) or item.strip()]
    replayed = _Replay(records, handlers or {}, protocol, options)
    for record in records:
        replayed.step(record)
    replayed.check()


def _read(item: Record | str) -> Record:
    return item if isinstance(item, Record) else Record.from_json(item)


def _parts(text: str) -> list[Any]:
    """The message, or an empty list if it is no JSON array."""
    try:
        parts: Any = json.loads(text)
    except ValueError:
        return []
    return parts if isinstance(parts, list) else []


class _Replay:
    """One run through a log."""

    def __init__(
        self, records: list[Record], handlers: Mapping[str, object], protocol: str | None, options: Options | None
    ) -> None:
        router = Router()
        for method, handler in handlers.items():
            router.add(None if method == "*" else method, handler)
        ids = deque(str(parts[1]) for record in records if (parts := self._ours(record)))
        if options is None:
            options = ServerOptions(entropy=counting_entropy(), call_timeout=inf, call_concurrency=inf)
        self._session = Session(replace(options, new_message_id=ids.popleft), router)
        self._answers: dict[str, deque[e.HandlerAnswer]] = {}
        self._wanted: list[str] = []
        self._sent: list[str] = []
        self._at = records[0].time if records else 0.0
        self._tell(e.SessionOpened(protocol))

    @staticmethod
    def _ours(record: Record) -> list[Any]:
        """The parts of a call or send of ours, or nothing."""
        match parts := _parts(record.text):
            case [2 | 6, str(), str(), _] if record.direction == "out":
                return parts
            case _:
                return []

    def step(self, record: Record) -> None:
        """Let time pass until a message, and have it heard or said."""
        while (deadline := self._session.deadline) is not None and deadline <= record.time:
            self._at = deadline
            self._tell(e.Tick())
        self._at = record.time
        self._note(self._wanted, record)
        if record.direction == "in":
            self._note(self._sent, record)
            self._tell(e.TextReceived(record.text))
        elif parts := self._ours(record):
            kind, _, method, params = parts
            token = len(self._wanted)
            wish = e.SendRequested if kind == SEND else e.CallRequested
            self._tell(wish(token, method, params))
        else:
            parts = _parts(record.text)
            for answer in self._answers.pop(str(parts[1]), ()) if parts[1:] else ():
                self._tell(answer)

    def check(self) -> None:
        """Compare what was sent with what was recorded."""
        for answers in self._answers.values():
            for answer in answers:
                self._tell(answer)
        if self._sent != self._wanted:
            difference = "\n".join(unified_diff(self._wanted, self._sent, "log", "session", lineterm=""))
            raise AssertionError(f"the session sent other messages than were recorded\n{difference}")

    def _tell(self, event: e.SessionEvent) -> None:
        for action in self._session.handle(event, self._at):
            match action:
                case a.SendText(text):
                    self._note(self._sent, Record(self._at, "out", str(text)))
                case a.StartHandler():
                    handler = action.handler
                    answer = attempt(handler, action) if callable(handler) else handler
                    waiting = self._answers.setdefault(action.message_id, deque())
                    waiting.append(answer_event(action.request_id, answer))
                case _:
                    pass

    @staticmethod
    def _note(dialogue: list[str], record: Record) -> None:
        parts = _parts(record.text)
        text = json.dumps(parts, ensure_ascii=False, sort_keys=True) if parts else record.text
        dialogue.append(f"{record.direction:>3} {text}")
