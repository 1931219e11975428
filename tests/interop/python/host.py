"""Stations and management systems of the PyPI package `ocpp`, over `websockets`; commands as for node/host.js."""

import asyncio
import base64
import json
import logging
import sys
from urllib.parse import quote, unquote

import ocpp.v16
import ocpp.v21
import ocpp.v201
import websockets
from ocpp.charge_point import camel_to_snake_case, remove_nones, serialize_as_dict, snake_to_camel_case
from ocpp.exceptions import OCPPError
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

VERSIONS = {"ocpp1.6": ocpp.v16, "ocpp2.0.1": ocpp.v201, "ocpp2.1": ocpp.v21}
logging.getLogger("ocpp").setLevel(logging.CRITICAL)  # it logs each error that the tests provoke

peers = {}
tasks = set()


def write(**line):
    """One line out."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Peer:
    """Has a number under which it reports."""

    def __init__(self):
        self.number = len(peers) + 1
        peers[self.number] = self

    def tell(self, event, **details):
        """Report an event."""
        write(**{"from": self.number}, event=event, **details)


class End(Peer):
    """Either end of a connection."""

    def __init__(self, websocket, identity, answers):
        super().__init__()
        self.websocket = websocket
        self.version = VERSIONS[websocket.subprotocol]
        self.point = self.version.ChargePoint(identity, websocket, response_timeout=5)
        for method, answer in answers.items():
            self.point.route_map[method] = {"_on_action": self.handler(method, answer)}

    def handler(self, method, answer):
        """What gives this answer to calls of this method."""

        def handle(**params):
            self.tell("call", method=method, params=snake_to_camel_case(params))
            if "crash" in answer:
                raise RuntimeError(answer["crash"])
            if "error" in answer:
                code, message, details = answer["error"]
                (kind,) = (kind for kind in OCPPError.__subclasses__() if kind.code == code)
                raise kind(message, details)
            return getattr(self.version.call_result, method)(**camel_to_snake_case(answer["result"]))

        return handle

    async def run(self):
        """Serve until the connection ends."""
        try:
            await self.point.start()
        except websockets.ConnectionClosed:
            await self.websocket.wait_closed()
            self.tell("closed", code=self.websocket.close_code, reason=self.websocket.close_reason)

    async def call(self, method, params, **options):
        """Call; validated unless `skip_schema_validation`."""
        payload = getattr(self.version.call, method)(**camel_to_snake_case(params))
        result = await self.point.call(payload, suppress=False, **options)
        return remove_nones(snake_to_camel_case(serialize_as_dict(result)))

    async def send(self, text):
        """Send one message as it is."""
        await self.websocket.send(text)

    async def ping(self):
        """Ping, and wait for the pong; seconds."""
        return await (await self.websocket.ping())

    async def close(self, code=1000, reason=""):
        """Close."""
        await self.websocket.close(code, reason)
        return {"code": self.websocket.close_code, "reason": self.websocket.close_reason}


class Listening(Peer):
    """A management system."""

    async def close(self):
        """Close it and its connections."""
        self.server.close()
        await self.server.wait_closed()


def start(coroutine):
    """Run it beside the others."""
    task = asyncio.create_task(coroutine)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def ocpp_client(url, identity, protocols, password=None, answers=()):
    """A station, connected."""
    headers = {}
    if password is not None:
        credentials = identity.encode() + b":" + base64.b64decode(password)
        headers["Authorization"] = "Basic " + base64.b64encode(credentials).decode()
    try:
        websocket = await connect(
            f"{url}/{quote(identity, safe='')}", subprotocols=protocols, additional_headers=headers, proxy=None
        )
    except websockets.InvalidStatus as error:
        error.code = error.response.status_code
        raise
    end = End(websocket, identity, dict(answers))
    start(end.run())
    return {"number": end.number, "protocol": websocket.subprotocol}


def credentials_of(request, identity):
    """The Basic auth password of a request as base64, or None."""
    header = request.headers.get("Authorization", "")
    user, password = identity.encode() + b":", base64.b64decode(header.removeprefix("Basic "))
    return base64.b64encode(password.removeprefix(user)).decode() if password.startswith(user) else None


async def ocpp_server(protocols, port=0, password=None, answers=()):
    """A management system, listening."""
    listening = Listening()

    def identity_of(request):
        return unquote(request.path.rpartition("/")[2])

    def judge(connection, request):
        if password is not None and credentials_of(request, identity_of(request)) != password:
            return connection.respond(401, "who are you?")
        return None

    async def serve_client(websocket):
        request = websocket.request
        identity = identity_of(request)
        end = End(websocket, identity, dict(answers))
        listening.tell(
            "client",
            number=end.number,
            protocol=websocket.subprotocol,
            identity=identity,
            endpoint=request.path.rpartition("/")[0] or "/",
            password=credentials_of(request, identity),
        )
        await end.run()

    listening.server = await serve(serve_client, "127.0.0.1", port, subprotocols=protocols, process_request=judge)
    return {"number": listening.number, "port": listening.server.sockets[0].getsockname()[1]}


KINDS = {"ocpp_client": ocpp_client, "ocpp_server": ocpp_server}


async def run(line):
    """Do one command."""
    name, number, to = line.pop("do"), line.pop("id"), line.pop("to", None)
    try:
        write(id=number, result=await (KINDS[name] if to is None else getattr(peers[to], name))(**line))
    except Exception as error:  # noqa: BLE001 - the test decides what it means
        failure = {
            "name": type(error).__name__,
            "code": getattr(error, "code", None),
            "message": getattr(error, "description", str(error)),
            "details": getattr(error, "details", None),
        }
        write(id=number, error=failure)


async def main():
    """Do commands until the input ends."""
    reader = asyncio.StreamReader(limit=2**24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        start(run(json.loads(line)))


asyncio.run(main())
