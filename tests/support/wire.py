"""Connections brought to a given phase, and the bytes their peer would send; all randomness is zeros."""

import json

from ocpp_rpc_core import _frames, events as e
from ocpp_rpc_core.config import ClientOptions, ServerOptions
from ocpp_rpc_core.connection import Connection
from ocpp_rpc_core.testing import Script

KEY = "AAAAAAAAAAAAAAAAAAAAAA=="
ACCEPT = "ICX+Yqv66kxgM0FcWaLWlFLwTAI="  # RFC 6455 4.2.2, for KEY


def request(target="/CP1", protocols="", extra=""):
    """A client's upgrade request."""
    offer = f"Sec-WebSocket-Protocol: {protocols}\r\n" if protocols else ""
    return (
        f"GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{offer}{extra}\r\n"
    ).encode()


def response(protocol=None, accept=ACCEPT, extra=""):
    """A server's 101."""
    choice = f"Sec-WebSocket-Protocol: {protocol}\r\n" if protocol else ""
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n{choice}{extra}\r\n"
    ).encode()


def frame(first, payload=b"", *, masked=False):
    """A frame, masked with zeros if it is a client's."""
    return _frames.encode(first, payload, bytes(4) if masked else None)


def message(*parts, masked=False):
    """A JSON array in a text frame."""
    return frame(_frames.TEXT, json.dumps(parts, separators=(",", ":")).encode(), masked=masked)


def goodbye(code, reason="", *, masked=False):
    """A close frame."""
    return frame(_frames.CLOSE, _frames.close_payload(code, reason), masked=masked)


PING = frame(_frames.PING)
PONG = frame(_frames.PONG)
MASKED_PING = frame(_frames.PING, masked=True)
MASKED_PONG = frame(_frames.PONG, masked=True)


def client_options(**options):
    """A client that neither pings nor, unless told otherwise, draws chances other than 0."""
    return ClientOptions(**{"entropy": bytes, "identity": "CP1", "ping_interval": 0, **options})


def server_options(**options):
    """A server that does not ping."""
    return ServerOptions(**{"entropy": bytes, "ping_interval": 0, **options})


def client(router=None, **options):
    """A client that has not begun."""
    return Connection(client_options(**options), router)


def server(router=None, **options):
    """A server's connection that has not begun."""
    return Connection(server_options(**options), router)


def dialling(connection):
    """A client that has asked for its byte stream, for the token 1."""
    return Script(connection).tell(e.ConnectRequested(1)).skip()


def upgrading(connection):
    """Either role, with a byte stream."""
    script = Script(connection) if is_server(connection) else dialling(connection)
    return script.tell(e.TransportOpened("10.0.0.1")).skip()


def opened(connection, protocol=None):
    """Either role, open."""
    shown = request(protocols=protocol or "") if is_server(connection) else response(protocol)
    return upgrading(connection).tell(e.BytesReceived(shown)).skip()


def is_server(connection):
    """Its role."""
    return isinstance(connection._options, ServerOptions)
