"""The obvious way to do it: wsproto as its manual shows it, fastjsonschema as it generates, a UUID per call."""

import json
import uuid
from typing import Any

import fastjsonschema
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request, TextMessage

from ocpp_rpc_core.validation import schemas

from .payloads import MESSAGES, Message

KINDS = ("request", "response")


def validator(protocol: str, method: str, kind: str) -> Any:
    """What fastjsonschema makes of the official schema of a message."""
    document = schemas(protocol)
    schema = {**document["messages"][method][kind], "definitions": document["definitions"]}
    return fastjsonschema.compile(schema, use_default=False)


class Textbook:
    """A client and a server in memory, connected, strict on both ends."""

    def __init__(self) -> None:
        self._client = WSConnection(ConnectionType.CLIENT)
        self._server = WSConnection(ConnectionType.SERVER)
        self._check = {
            (message.method, kind): validator(message.protocol, message.method, kind)
            for message in MESSAGES.values()
            for kind in KINDS
        }
        self._pending: dict[str, str] = {}
        self._server.receive_data(self._client.send(Request(host="localhost", target="/CP1")))
        list(self._server.events())
        self._client.receive_data(self._server.send(AcceptConnection()))
        list(self._client.events())

    def call(self, message: Message) -> Any:
        """One call, there and back."""
        self._server.receive_data(self._request(message.method, message.params))
        for event in self._server.events():
            assert isinstance(event, TextMessage)
            self._client.receive_data(self._answer(event.data, message.result))
        for event in self._client.events():
            assert isinstance(event, TextMessage)
            return self._settled(event.data)
        raise AssertionError("no answer")

    def _request(self, method: str, params: Any) -> bytes:
        self._check[method, "request"](params)
        number = str(uuid.uuid4())
        self._pending[number] = method
        return self._client.send(TextMessage(json.dumps([2, number, method, params])))

    def _answer(self, text: str, result: Any) -> bytes:
        kind, number, method, params = json.loads(text)
        assert kind == 2
        self._check[method, "request"](params)
        self._check[method, "response"](result)
        return self._server.send(TextMessage(json.dumps([3, number, result])))

    def _settled(self, text: str) -> Any:
        kind, number, result = json.loads(text)
        assert kind == 3
        self._check[self._pending.pop(number), "response"](result)
        return result
