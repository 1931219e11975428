"""The parts of the core one by one, each beside the library that does the same: frames, validation, JSON."""

import json
import os
from typing import Any

from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from ocpp_rpc_core import _codec
from ocpp_rpc_core._dialects import dialect_of
from ocpp_rpc_core._websocket import WebSocket
from ocpp_rpc_core.validation import standard_validator

from .interleave import Pairing
from .payloads import MESSAGES
from .textbook import validator

SIZES = {"100 B": 100, "1 KB": 1000, "10 KB": 10_000}


def pairings() -> list[Pairing]:
    """All of them, ours first."""
    return [*_frames(), *_validation(), *_json()]


def _frames() -> list[Pairing]:
    found = []
    for label, size in SIZES.items():
        text = "x" * size
        made = {
            client: Connection(ConnectionType.CLIENT if client else ConnectionType.SERVER) for client in (True, False)
        }
        ours = {client: WebSocket(client=client, random_bytes=os.urandom) for client in (True, False)}
        masked = bytes(made[True].send(TextMessage(text)))

        def read(reader: WebSocket = ours[False], data: bytes = masked) -> object:
            return list(reader.receive(data))

        def wsproto_reads(reader: Connection = made[False], data: bytes = masked) -> object:
            reader.receive_data(data)
            return list(reader.events())

        found.append(Pairing(f"receive a masked frame, {label}", read, wsproto_reads))
        for client, name in ((True, "masked"), (False, "plain")):
            found.append(
                Pairing(
                    f"send a {name} frame, {label}",
                    lambda writer=ours[client], text=text: writer.text(text),
                    lambda writer=made[client], text=text: writer.send(TextMessage(text)),
                )
            )
    return found


def _validation() -> list[Pairing]:
    found = []
    for message in MESSAGES.values():
        judge = standard_validator(message.protocol)
        assert judge is not None
        other = validator(message.protocol, message.method, "request")
        found.append(
            Pairing(
                f"validate {message.method}",
                lambda judge=judge, m=message: judge.validate_request(m.method, m.params),
                lambda judge=other, m=message: judge(m.params),
            )
        )
    return found


def _json() -> list[Pairing]:
    found = []
    for message in MESSAGES.values():
        call: list[Any] = [2, "0123456789abcdef-1234", message.method, message.params]
        text, dialect = json.dumps(call), dialect_of(message.protocol)
        found.append(Pairing(f"write {message.method}", lambda c=call: _codec.encode(c), lambda c=call: json.dumps(c)))
        found.append(
            Pairing(
                f"read {message.method}",
                lambda t=text, d=dialect: _codec.decode(t, d),
                lambda t=text: json.loads(t),
            )
        )
    return found
