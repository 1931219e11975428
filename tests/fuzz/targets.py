"""What is fuzzed: each target takes any bytes, and raises if the library breaks a promise on them.

Nothing here needs a fuzzer: `test_corpus.py` feeds the same targets with all that was worth keeping.
"""

import itertools
import json
from collections import deque
from typing import get_args
from zlib import crc32

import h11
from support import wire

from ocpp_rpc_core import _dialects, _frames, _opening as o, _websocket as ws, actions as a, events as e, notices as n
from ocpp_rpc_core._deflate import Deflate
from ocpp_rpc_core._lifecycle import Phase
from ocpp_rpc_core.config import Options
from ocpp_rpc_core.connection import Connection
from ocpp_rpc_core.errors import HandshakeError
from ocpp_rpc_core.router import Router
from ocpp_rpc_core.session import Session

PROTOCOLS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
MAX_MESSAGE = 8192
"""Bytes of a message.  Small, so that a short input can pass it."""
SIGNALS = get_args(ws.Signal)
SESSION_ACTIONS = frozenset(get_args(a.SessionAction))
ACTIONS = frozenset(get_args(a.Action))
NOTICES = frozenset(get_args(n.Notice))


def cuts(data, size):
    """The data in pieces of `size` bytes; 0 leaves it whole."""
    return [data[at : at + size] for at in range(0, len(data), size)] if size else [data]


def some_size(data):
    """A size of pieces, another one for each data: to try them all with each would be slow."""
    return 1 + crc32(data) % 40


# --- The opening handshake ----------------------------------------------------

SERVER = wire.server_options(protocols=PROTOCOLS, compression=True)
CLIENT = wire.client_options(protocols=PROTOCOLS, compression=True)


def request(data):
    """A server hears these bytes: it lets the client in or refuses, in good HTTP, however they are cut."""
    whole = hear(lambda: o.ServerOpening(SERVER, e.TransportOpened("10.0.0.1")), data, 0)
    if whole is not None:
        outcome, _, _ = whole
        # What asks for a HEAD may be too broken for the server to know.
        bodiless = data.lstrip().startswith(b"HEAD ") and outcome.reply.endswith(b"\r\n\r\n")
        status = status_of(outcome.reply, "HEAD" if bodiless else "GET")
        assert (status == 101) == isinstance(outcome, o.Established), outcome
        assert isinstance(outcome, o.Established) or 400 <= status < 600, outcome
    size = some_size(data)
    assert same(hear(lambda: o.ServerOpening(SERVER, e.TransportOpened("10.0.0.1")), data, size), whole), size


def response(data):
    """A client hears these bytes: it is in, or knows why not, however they are cut."""
    whole = hear(lambda: o.ClientOpening(CLIENT, PROTOCOLS), data, 0)
    if whole is not None and isinstance(whole[0], o.Refused):
        assert isinstance(whole[0].error, HandshakeError), whole[0].error
    size = some_size(data)
    assert same(hear(lambda: o.ClientOpening(CLIENT, PROTOCOLS), data, size), whole), size


def hear(new, data, size):
    """What the handshake comes to, with the bytes behind it; None if it never ends."""
    opening = new()
    pieces = iter(cuts(data, size))
    for piece in pieces:
        outcome = opening.receive(piece)
        if outcome is not None:
            assert isinstance(outcome, o.Established | o.Refused), outcome
            early = outcome.early + b"".join(pieces) if isinstance(outcome, o.Established) else b""
            return outcome, early, opening
    if isinstance(opening, o.ClientOpening):
        assert isinstance(opening.ended(), HandshakeError)
    return None


def same(found, expected):
    """Whether two handshakes came to the same."""
    if found is None or expected is None:
        return found is expected
    one, other = found[0], expected[0]
    if isinstance(one, o.Established) and isinstance(other, o.Established):
        return (one.protocol, one.reply, one.response, found[1]) == (
            other.protocol,
            other.reply,
            other.response,
            expected[1],
        )
    if isinstance(one, o.Refused) and isinstance(other, o.Refused):
        return (type(one.error), str(one.error), one.reply) == (type(other.error), str(other.error), other.reply)
    return False


def status_of(reply, method):
    """The status of an HTTP response to such a request, which must be whole and without fault."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "h"), ("Upgrade", "websocket")]))
    client.send(h11.EndOfMessage())
    client.receive_data(reply)
    head = event = client.next_event()
    while not isinstance(event, h11.InformationalResponse | h11.EndOfMessage):
        assert isinstance(event, h11.Response | h11.Data), event
        event = client.next_event()
    assert client.trailing_data[0] == b"", "there is more than one response"
    return head.status_code


# --- Frames -------------------------------------------------------------------


def server_frames(data):
    """A server hears these bytes after the handshake."""
    frames(data, client=False)


def client_frames(data):
    """A client hears these bytes after the handshake."""
    frames(data, client=True)


def frames(data, *, client):
    """The first byte says whether compression was agreed on; the rest is heard.

    Every signal is a documented one, no message is over the limit, and the pieces change nothing.
    """
    settings, data = data[:1] or b"\0", data[1:]
    deflate = settings[0] & 1 == 1
    whole = signals(data, 0, client=client, deflate=deflate)
    for signal in whole:
        assert isinstance(signal, SIGNALS), signal
        if isinstance(signal, str | bytes):
            size = len(signal.encode() if isinstance(signal, str) else signal)
            assert size <= MAX_MESSAGE, size
        if isinstance(signal, ws.CloseReceived | ws.Failed):
            assert signal is whole[-1], "something was heard after the end"
    for size in (1, some_size(data)):
        assert signals(data, size, client=client, deflate=deflate) == whole, f"pieces of {size} bytes"


def signals(data, size, *, client, deflate):
    """What the bytes mean, cut into pieces."""
    websocket = ws.WebSocket(
        client=client,
        random_bytes=bytes,
        max_message_size=MAX_MESSAGE,
        max_fragments=16,
        deflate=Deflate() if deflate else None,
    )
    found = []
    for piece in cuts(data, size):
        found += websocket.receive(piece)
        limit = 14 + MAX_MESSAGE if websocket._waited else 14
        assert len(websocket._head) < limit, "more than the header of a frame is kept, or than a message may have"
        assert len(websocket._message or b"") <= MAX_MESSAGE
    return found


# --- Messages -----------------------------------------------------------------


class Ids:
    """Message ids that begin anew with each input: "1", "2", and so on."""

    def __init__(self):
        self.begin()

    def begin(self):
        self._numbers = itertools.count(1)

    def __call__(self):
        return str(next(self._numbers))


IDS = Ids()
STRICT = {
    protocol: Options(
        entropy=bytes,
        protocols=[protocol],
        strict_mode=True,
        new_message_id=IDS,
        call_concurrency=10,
        max_bad_messages=3,
    )
    for protocol in PROTOCOLS
}
OUR_CALLS = ("Heartbeat", "BootNotification", "StatusNotification", "Authorize")
"""Calls in flight, with the ids "1", "2" and so on; their params are not judged, because they were sent lax."""
DIALECTS = {protocol: _dialects.dialect_of(protocol) for protocol in PROTOCOLS}


def handlers():
    """Echo what comes, but for methods that begin so."""
    router = Router()
    router.add(None, "any")
    for method in ("Reset", "ChangeAvailability", "GetVariables"):
        router.add(method, method)
    return router


ROUTER = handlers()


def text(data):
    """A session in strict mode hears a message; the first byte says in which dialect, and text or binary.

    What it answers is JSON of the dialect, one answer at most for each request, and each call has one outcome.
    """
    first, data = data[:1] or b"\0", data[1:]
    protocol = PROTOCOLS[first[0] % 3]
    session = Session(STRICT[protocol], ROUTER)
    IDS.begin()
    desk = Desk(session, DIALECTS[protocol])
    desk.tell(e.SessionOpened(protocol))
    for token, method in enumerate(OUR_CALLS, 1):
        desk.call(token, method)
    messages = [part for part in data.split(b"\n") if part][:8]
    for message in messages:
        desk.tell(e.TextReceived(message if first[0] & 64 else message.decode(errors="replace")))
    desk.tell(e.SessionLost())
    assert desk.outcomes.keys() == set(range(1, len(OUR_CALLS) + 1)), "a call has no outcome"
    assert session.idle
    assert session.deadline is None


class Desk:
    """Does what a session asks for, and holds it to its promises."""

    def __init__(self, session, dialect):
        self._session = session
        self._dialect = dialect
        self.outcomes = {}
        self._requests = set()

    def call(self, token, method):
        """Make a call that no schema has judged."""
        context = self._session._context
        validator, context.validator = context.validator, None
        self.tell(e.CallRequested(token, method))
        context.validator = validator

    def tell(self, event):
        """Feed an event, and whatever the handlers answer."""
        events = deque([event])
        while events:
            for action in self._session.handle(events.popleft(), 0.0):
                check_action(action, SESSION_ACTIONS)
                if isinstance(action, a.SendText):
                    check_message(action.text, self._dialect)
                elif isinstance(action, a.ResolveCall | a.RejectCall):
                    settle(self.outcomes, action)
                elif isinstance(action, a.StartHandler):
                    assert action.request_id not in self._requests
                    self._requests.add(action.request_id)
                    events.extend(answers(action))


def answers(action):
    """What the handler of a request answers: its params, an error, or nothing."""
    request_id = action.request_id
    match action.handler:
        case "Reset":
            return [e.HandlerRaised(request_id, ValueError("\ud800"))]
        case "ChangeAvailability":
            return [e.HandlerReplied(e.HandlerReturned(request_id, {})), e.HandlerDeclined(request_id)]
        case "GetVariables":
            return []  # it is still at it when the connection ends
        case _:
            return [e.HandlerReturned(request_id, action.params)]


def check_action(action, known):
    """It is one of the documented ones, and so is what it reports."""
    assert type(action) in known, action
    if isinstance(action, a.Report):
        assert type(action.notice) in NOTICES, action


def settle(outcomes, action):
    """A call has exactly one outcome."""
    assert action.token not in outcomes, f"a second outcome: {action}"
    assert isinstance(action, a.ResolveCall | a.ResolveConnect) or isinstance(action.error, Exception)
    outcomes[action.token] = action


def refuse(constant):
    """NaN and its like are not JSON."""
    raise AssertionError(constant)


def check_message(message, dialect):
    """It is a message of the dialect, and can be sent."""
    message.encode()
    frame = json.loads(message, parse_constant=refuse)
    assert frame[0] in dialect.message_types, frame
    assert isinstance(frame[1], str), frame
    if frame[0] in (_dialects.CALL, _dialects.SEND):
        assert len(frame) == 4, frame
    elif frame[0] == _dialects.CALLRESULT:
        assert len(frame) == 3, frame
    else:
        _, _, code, description, details = frame
        assert isinstance(code, str), frame
        assert isinstance(details, dict), frame
        assert dialect.max_description is None or len(description) <= dialect.max_description, frame


# --- A whole connection -------------------------------------------------------


def settings(role, protocol):
    """The options of a connection in strict mode, whose life is eventful."""
    make = wire.client_options if role == "client" else wire.server_options
    return make(
        protocols=[protocol],
        strict_mode=True,
        compression=True,
        ping_interval=3,
        max_bad_messages=3,
        max_message_size=MAX_MESSAGE,
        call_concurrency=2,
        new_message_id=IDS,
    )


SETTINGS = {(role, protocol): settings(role, protocol) for role in ("client", "server") for protocol in PROTOCOLS}
OFFER = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"


def connection(data):
    """A connection hears these bytes after the handshake, in pieces, while time passes and calls are made.

    The first byte says who it is, what was agreed on and whether it closes midway, the second the size of the
    pieces (0: whole).  It does only what is documented, what it sends is without fault, and in the end
    everything is settled and nothing is left.
    """
    first, second = data[:1] or b"\0", data[1:2] or b"\0"
    pieces = cuts(data[2:], second[0])
    end = End(first[0])
    end.open()
    for number, piece in enumerate(pieces):
        if number == len(pieces) // 2:
            end.midway()
        end.tell(e.BytesReceived(piece))
        if first[0] & 128 and end.connection.deadline is not None and number < 50:
            end.now = max(end.now, end.connection.deadline)
            end.tell(e.Tick())
    end.finish()


class End:
    """Drives one connection as an adapter does, and holds it to its promises."""

    def __init__(self, flags):
        self._role = "server" if flags & 1 else "client"
        self._protocol = PROTOCOLS[(flags >> 1 & 3) % 3]
        self._deflate = bool(flags & 8)
        self._wish = (None, e.CloseRequested(), e.CloseRequested(drain=True), e.AbortRequested())[flags >> 4 & 3]
        IDS.begin()
        self.connection = Connection(SETTINGS[self._role, self._protocol], ROUTER)
        self.now = 0.0
        self._events = deque()
        self._greeted = False
        self._ended = False
        self._requests = set()
        self._outcomes = {}
        self._asked = set()
        # What the peer would make of our bytes.
        deflate = Deflate() if self._deflate else None
        self._peer = ws.WebSocket(client=self._role == "server", random_bytes=bytes, deflate=deflate)
        self._goodbye = False

    def open(self):
        """The opening handshake, and some calls."""
        extra = OFFER if self._deflate else ""
        if self._role == "client":
            self._ask(e.ConnectRequested(1))
            self.tell(e.TransportOpened("10.0.0.1"))
            self.tell(e.BytesReceived(wire.response(self._protocol, extra=extra)))
        else:
            self.tell(e.TransportOpened("10.0.0.1"))
            self.tell(e.BytesReceived(wire.request(protocols=self._protocol, extra=extra)))
        assert self.connection.phase is Phase.OPEN
        for token in (2, 3, 4):
            self._ask(e.CallRequested(token, "Heartbeat", {}, timeout=token * 2.0))

    def midway(self):
        """The application closes, or calls once more."""
        self._ask(e.RawSendRequested(5, "[]"))
        self.tell(self._wish or e.Tick())

    def finish(self):
        """The byte stream ends, if it did not yet, and the application goes."""
        if self.connection.phase not in (Phase.CLOSED, Phase.WAITING):
            self.tell(e.TransportClosed())
        self.tell(e.AbortRequested())
        assert (self.connection.phase, self.connection.deadline) == (Phase.CLOSED, None)
        assert self.connection._session.idle
        assert self._outcomes.keys() == self._asked, "something that was asked for has no outcome"

    def _ask(self, question):
        self._asked.add(question.token)
        self.tell(question)

    def tell(self, event):
        """Feed an event, and what the handlers answer; an adapter has no bytes for who has no byte stream."""
        self._events.append(event)
        while self._events:
            event = self._events.popleft()
            if isinstance(event, e.BytesReceived) and self._ended:
                continue
            for action in self.connection.handle(event, self.now):
                self._perform(action)

    def _perform(self, action):
        check_action(action, ACTIONS)
        match action:
            case a.SendBytes(data):
                assert data
                assert not self._ended, "bytes were sent after the end"
                if self._greeted:
                    self._check(data)
                self._greeted = True
            case a.CloseTransport() | a.AbortTransport():
                if not self._ended:
                    self._ended = True
                    self._events.append(e.TransportClosed())
            case a.StartHandler():
                assert action.request_id not in self._requests
                self._requests.add(action.request_id)
                self._events.extend(answers(action))
            case a.ResolveCall() | a.RejectCall() | a.ResolveConnect() | a.RejectConnect():
                settle(self._outcomes, action)
            case _:
                pass

    def _check(self, data):
        """What we send is understood, and after our goodbye there are only pongs."""
        if self._goodbye:
            assert data[0] == _frames.PONG, "data were sent after the goodbye"
        for signal in self._peer.receive(data):
            assert not isinstance(signal, ws.Failed), signal
            if isinstance(signal, ws.CloseReceived):
                self._goodbye = True
            elif isinstance(signal, str | bytes) and signal != "[]":
                check_message(signal, DIALECTS[self._protocol])


TARGETS = {
    function.__name__: function for function in (request, response, server_frames, client_frames, text, connection)
}
"""Name: what takes the bytes."""
