"""What each technique bought: the library with one of them undone, in the process that is measured only."""

import json
import uuid
from collections.abc import Callable
from typing import Any

from .payloads import MESSAGES

TECHNIQUES = {
    "splitter": "whole text frames decoded here, instead of all by wsproto",
    "wait": "a frame that TCP cut waits for its rest, instead of going to wsproto in pieces",
    "joined": "what is sent together written together, instead of frame by frame",
    "at-once": "the first bytes after a read written at once, instead of when their turn comes",
    "validators": "validators made ahead, instead of as fastjsonschema generates them",
    "numbers": "numbers of long texts read by C, instead of by us one by one",
    "encoder": "the JSON encoder made once, instead of for every message",
    "ids": "ids of a random prefix and a counter, instead of UUIDs",
    "unheard": "notices made for somebody only, instead of always",
}
"""By name: what was done, and what would be without."""


def _splitter() -> None:
    from ocpp_rpc_core._websocket import WebSocket  # noqa: PLC0415 - what is patched comes after `hide`

    patch(WebSocket, _plain_text=lambda *_: None, _may_wait=lambda *_: False)


def _wait() -> None:
    from ocpp_rpc_core._websocket import WebSocket  # noqa: PLC0415

    patch(WebSocket, _may_wait=lambda *_: False)


def _joined() -> None:
    from ocpp_rpc_core._outgoing import Outgoing  # noqa: PLC0415

    write = Outgoing._write  # noqa: SLF001 - that is what is undone

    def one_by_one(self: Any) -> None:
        left = -1
        while self._pieces and len(self._pieces) != left:
            left = len(self._pieces)
            write(self)

    patch(Outgoing, _write=one_by_one, _join=lambda self: self._pieces.pop(0))


def _at_once() -> None:
    from ocpp_rpc_core._outgoing import Outgoing  # noqa: PLC0415

    flush = Outgoing.flush

    def later(self: Any) -> None:
        self._at_once = False
        flush(self)

    patch(Outgoing, flush=later)


def _validators() -> None:
    from ocpp_rpc_core.validation import standard_validator  # noqa: PLC0415

    from .textbook import validator  # noqa: PLC0415

    for message in MESSAGES.values():
        judge: Any = standard_validator(message.protocol)
        for kind, checks in (("request", judge._requests), ("response", judge._responses)):  # noqa: SLF001
            checks[message.method] = validator(message.protocol, message.method, kind)


def _numbers() -> None:
    from ocpp_rpc_core import _json_engine  # noqa: PLC0415

    patch(_json_engine, _SHORT=10**9)


def _encoder() -> None:
    from ocpp_rpc_core import _json  # noqa: PLC0415

    patch(_json, written=json.JSONEncoder(separators=(",", ":"), check_circular=False, allow_nan=False).encode)


def _ids() -> None:
    from ocpp_rpc_core import config  # noqa: PLC0415

    patch(config, message_ids=lambda _: lambda: str(uuid.uuid4()))


def _unheard() -> None:
    from ocpp_rpc_core._context import Everything  # noqa: PLC0415
    from ocpp_rpc_core._observers import Observers  # noqa: PLC0415

    patch(Observers, wanted=property(lambda _: Everything()))


UNDO: dict[str, Callable[[], None]] = {
    "splitter": _splitter,
    "wait": _wait,
    "joined": _joined,
    "at-once": _at_once,
    "validators": _validators,
    "numbers": _numbers,
    "encoder": _encoder,
    "ids": _ids,
    "unheard": _unheard,
}


def undo(technique: str) -> None:
    """From now on this process is without `technique`; there is no way back.

    Raises:
        KeyError: there is no such technique.
    """
    UNDO[technique]()


def patch(target: Any, **attributes: Any) -> None:
    """Put these in place of what is there; what is not there is a mistake."""
    for name, value in attributes.items():
        getattr(target, name)
        setattr(target, name, value)
