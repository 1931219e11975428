"""Attacks by OCPP-J messages: JSON bombs, ids, errors that cannot be sent, garbage; and what stock JSON allows."""

import base64
import hmac
import json
import tracemalloc
from math import inf
from time import process_time

import pytest
from support import wire
from support.desk import Desk, seen, sent, strict, text

from ocpp_rpc_core import (
    BadMessage,
    Router,
    RPCError,
    actions as a,
    create_validator,
    errors,
    events as e,
    notices as n,
)
from ocpp_rpc_core._codec import Undecodable, decode
from ocpp_rpc_core._dialects import OCPP_21, OCPP_201
from ocpp_rpc_core._url import basic_header, basic_password

MIB = 2**20
BIG = "9" * 400


def hears(data, *, protocol="ocpp2.0.1", opts=None):
    """What a session does about a message, and that it goes on."""
    desk = Desk(protocol, opts=opts)
    actions = desk.tell(e.TextReceived(data))
    assert desk.hear(2, "next", "Count", {"n": 1})
    return actions


def starts(data, **options):
    """Whether a handler is run for it."""
    return any(action[0] is a.StartHandler for action in hears(data, **options))


# --- T21: JSON ------------------------------------------------------------------------------------


def call(params):
    """A call with this text as its params."""
    return f'[2,"a","Heartbeat",{params}]'


ABSURD = {
    "deep arrays": "[" * 100_000,
    "deep objects": call('{"a":' * 30_000 + "1" + "}" * 30_000),
    "33 deep": call("[" * 32 + "]" * 32),
    "500 deep": call('{"a":[' * 250 + "]}" * 250),
    "a long integer": call("9" * 5000),
    "a long fraction": call("0." + "9" * 5000),
    "NaN": call("NaN"),
    "Infinity": call("-Infinity"),
    "too large": call("1e999"),
    "a byte order mark": "\ufeff" + call("{}"),
    "trailing text": call("{}") + "x",
    "half": call("{}")[:-3],
    "a type that is true": '[true,"a","Heartbeat",{}]',
    "a type that is 2.0": '[2.0,"a","Heartbeat",{}]',
    "an id that is a list": '[2,["a"],"Heartbeat",{}]',
    "an id that is an object": '[2,{"a":1},"Heartbeat",{}]',
    "a result with an id that is a list": '[3,["a"],{}]',
    "a method of 1 MB": f'[2,"a","{"M" * MIB}",{{}}]',
}


@pytest.mark.threat("T21")
@pytest.mark.threat("J1")
@pytest.mark.parametrize("kind", ABSURD)
@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.1"])
def test_absurd_json(kind, protocol):
    """No handler runs, nothing raises, the session goes on."""
    assert not starts(ABSURD[kind], protocol=protocol)


@pytest.mark.threat("J1")
def test_what_the_standard_library_allows():
    """Which is why ours is told otherwise: exceptions of other kinds, numbers that are none, equal types."""
    with pytest.raises(RecursionError):
        json.loads("[" * 100_000)
    assert json.loads("[NaN, 1e999]")[1] == inf
    assert json.loads("[true, 2.0]") == [1, 2]
    with pytest.raises(UnicodeEncodeError):
        json.dumps(json.loads('"\\ud800"'), ensure_ascii=False).encode()
    with pytest.raises(TypeError):
        {}.get(json.loads('["a"]'))


@pytest.mark.threat("J1")
def test_lone_surrogates_are_answered():
    """In an id, a method or params; they go back escaped, as they came."""
    desk = Desk("ocpp2.1")
    assert desk.tell(e.TextReceived('[2,"\\ud800","Heartbeat",{"x":"\\udfff"}]'))
    [(kind, (_, answer))] = desk.tell(e.HandlerReturned(1, {"x": "\udfff"}))
    assert (kind, answer) == (a.SendText, '[3,"\\ud800",{"x":"\\udfff"}]')
    [(_, (_, answer))] = desk.tell(e.TextReceived('[2,"b","\\ud800",{}]'))
    assert json.loads(answer)[2] == "NotImplemented"


BOMBS = {
    "objects": '{"":0},' * (MIB // 7 - 5),
    "arrays": "[]," * (MIB // 3 - 10),
    "numbers": "1," * (MIB // 2 - 20),
    "brackets": "[" * (MIB - 40),
    "digits": "1" * (MIB - 40) + ",",
    "strings": '"",' * (MIB // 3 - 10),
    "escapes": '"' + "\\ud83d" * (MIB // 6 - 10) + '",',
}


@pytest.mark.threat("T21")
@pytest.mark.threat("J1")
@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_of_json(kind):
    """A message as large as may be takes a bounded multiple of its size, and well under a second."""
    data = f'[2,"a","M",[{BOMBS[kind]}0]]'
    assert MIB - 100 < len(data) <= MIB
    start = process_time()
    outcome(data)
    assert process_time() - start < 1
    tracemalloc.start()
    try:
        outcome(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 44 * MIB  # most of it the values; orjson takes 13 MiB besides while it reads


def outcome(data):
    try:
        return decode(data, OCPP_201)
    except Undecodable as bad:
        return bad


STEP = create_validator(
    "ocpp2.0.1",
    [
        {
            "$id": "urn:Count.req",
            "type": "object",
            "properties": {"x": {"type": "number", "multipleOf": 0.1, "minimum": -1, "maximum": 1}},
        }
    ],
)


@pytest.mark.threat("T21")
@pytest.mark.threat("J2")
@pytest.mark.parametrize("number", [inf, -inf, float("nan"), 10**400, -(10**400), 1e308, 5e-324])
def test_absurd_numbers_in_a_validator(number):
    """They are invalid and nothing worse, even if they came by another way than the wire."""
    for judge in (lambda: STEP.validate_request("Count", {"x": number}),):
        if number == 5e-324:
            judge()
        else:
            with pytest.raises(RPCError):
                judge()


@pytest.mark.threat("J2")
@pytest.mark.parametrize("number", ["1e400", "NaN", BIG, f"0.{BIG}", f"1e{BIG}"])
def test_absurd_numbers_on_the_wire(number):
    """They do not reach the validator."""
    assert not starts(f'[2,"a","Count",{{"n":{number}}}]', opts=strict("ocpp2.0.1"), protocol="ocpp2.0.1")


# --- T14, T15: message ids ------------------------------------------------------------------------


@pytest.mark.threat("T14")
def test_an_answer_that_comes_late():
    """It is reported, and the call in flight since is not touched."""
    desk = Desk("ocpp2.1", wanted={BadMessage})
    desk.call(1, timeout=5)
    assert desk.tell(e.Tick(), now=5)[0][0] is a.RejectCall
    desk.call(2, now=5)
    late = desk.hear(3, "1", {"late": True}, now=6)
    assert a.ResolveCall not in [action[0] for action in late]
    assert desk.hear(3, "2", {}, now=6) == [seen(a.ResolveCall(2, {}))]


@pytest.mark.threat("T14")
def test_the_same_id_again():
    """While the first runs the second is refused; afterwards it is a new call. The same answer twice counts once."""
    desk = Desk("ocpp2.1")
    assert desk.hear(2, "a", "Heartbeat", {})[0][0] is a.StartHandler
    assert json.loads(dict(desk.hear(2, "a", "Heartbeat", {})[0][1:])["text"])[:2] == [4, "a"]
    assert desk.tell(e.HandlerReturned(1, {})) == [seen(sent(3, "a", {}))]
    assert desk.hear(2, "a", "Heartbeat", {})[0][0] is a.StartHandler
    desk.call(9)
    assert desk.hear(3, "1", {}) == [seen(a.ResolveCall(9, {}))]
    assert a.ResolveCall not in [action[0] for action in desk.hear(3, "1", {"again": True})]


@pytest.mark.threat("T14")
def test_ids_never_repeat():
    """Not over calls, not over reconnects."""
    script = wire.opened(wire.client())
    seen_ids = set()
    for round_ in range(3):
        for _ in range(5):
            token = len(seen_ids) + 10
            script.tell(e.CallRequested(token, "M")).skip()
            [told] = [
                action.notice for action in script.actions if isinstance(getattr(action, "notice", 0), n.CallEvent)
            ]
            assert told.message_id not in seen_ids, round_
            seen_ids.add(told.message_id)
            script.tell(e.BytesReceived(wire.message(3, told.message_id, {}))).skip()
        script.tell(e.TransportClosed()).skip().until(script._machine.deadline).tell(e.Tick()).skip()
        script.tell(e.TransportOpened()).skip().tell(e.BytesReceived(wire.response())).skip()
    assert len(seen_ids) == 15


@pytest.mark.threat("T14")
def test_an_answer_to_the_former_connection():
    """A peer that answers on the next connection what was asked on the last settles nothing."""
    desk = Desk("ocpp2.1", call_concurrency=5)
    desk.call(1)
    assert desk.tell(e.SessionLost("cut", final=False))[0][0] is a.RejectCall
    desk.tell(e.SessionOpened("ocpp2.1"))
    desk.call(2)
    assert a.ResolveCall not in [action[0] for action in desk.hear(3, "1", {})]


@pytest.mark.threat("T15")
def test_the_peer_uses_our_id():
    """Its own call by the id of ours runs its handler, and ours still waits for its answer."""
    desk = Desk("ocpp2.1")
    desk.call(1)
    assert desk.hear(2, "1", "Heartbeat", {})[0][0] is a.StartHandler
    assert desk.tell(e.HandlerReturned(1, {"mine": 1})) == [seen(sent(3, "1", {"mine": 1}))]
    assert desk.hear(3, "1", {"yours": 1}) == [seen(a.ResolveCall(1, {"yours": 1}))]


# --- T19: errors that cannot be sent --------------------------------------------------------------


class Silent(Exception):
    """Has no text."""

    def __str__(self):
        raise ZeroDivisionError("no text")


FAILURES = {
    "surrogates": RPCError("\ud800" * 10),
    "a long text": RPCError("x" * MIB),
    "a code of another planet": RPCError("x", code="\ud800\x00"),
    "details without JSON": RPCError("x", {"x": object()}),
    "details that are infinite": RPCError("x", {"x": inf}),
    "details that are no object": RPCError("x", ["a"]),
    "no text": Silent(),
    "a secret": ValueError("the password is sesame"),
}


@pytest.mark.threat("T19")
@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
def test_every_failure_is_answered(kind, protocol):
    """A CALLERROR of at most 255 characters of description goes out that any peer can read, and tells no secret."""
    desk = Desk(protocol)
    desk.hear(2, "a", "Heartbeat", {})
    [(action, (_, answer))] = desk.tell(e.HandlerRaised(1, FAILURES[kind]))
    assert action is a.SendText
    frame = json.loads(answer)
    assert frame[:2] == [4, "a"]
    assert all(isinstance(part, str) for part in frame[2:4])
    assert len(frame[3]) <= 255
    assert isinstance(frame[4], dict)
    assert "sesame" not in answer
    assert "Traceback" not in answer
    assert answer.encode()


# --- T22: garbage ---------------------------------------------------------------------------------


@pytest.mark.threat("T22")
def test_garbage_for_ever():
    """Beyond the limit it closes with 1002 and says so; by default there is none, and nothing piles up."""
    script = wire.opened(wire.server(max_bad_messages=10))
    junk = wire.frame(0x81, b"junk", masked=True)
    for _ in range(10):
        script.tell(e.BytesReceived(junk)).skip()
    script.tell(e.BytesReceived(junk)).skip()
    assert a.Report(n.LimitExceeded("max_bad_messages", 10)) in script.actions
    assert script.actions[-1].data[2:4] == (1002).to_bytes(2, "big")

    script = wire.opened(wire.server())
    script.tell(e.BytesReceived(junk * 100)).skip()
    tracemalloc.start()
    try:
        for _ in range(100):
            script.tell(e.BytesReceived(junk * 10)).skip()
        script.actions.clear()
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept < 50_000


@pytest.mark.threat("T21")
def test_a_neighbour_of_all_that():
    """Two connections with the same options and handlers: what one is sent does not touch the other."""
    router, options = Router(), wire.server_options(protocols=["ocpp2.0.1"])
    router.add("Echo", object())
    from ocpp_rpc_core import Connection  # noqa: PLC0415

    victim, canary = (wire.opened(Connection(options, router), "ocpp2.0.1") for _ in range(2))
    for number, data in enumerate(ABSURD.values()):
        if len(data) < MIB:
            victim.tell(e.BytesReceived(wire.frame(0x81, data.encode(), masked=True))).skip()
        canary.tell(e.BytesReceived(wire.message(2, str(number), "Echo", {}, masked=True))).skip()
        assert any(isinstance(action, a.StartHandler) for action in canary.actions)
        canary.tell(e.HandlerReturned(number + 1, {})).skip()


# --- J3: passwords --------------------------------------------------------------------------------


@pytest.mark.threat("J3")
def test_passwords_are_bytes():
    """Any bytes are one, so comparing them cannot fail; the standard library fails for text, and ignores junk."""
    with pytest.raises(TypeError):
        hmac.compare_digest("é", "é")
    assert base64.b64decode("Q1A$$$$xOnB3") == base64.b64decode("Q1AxOnB3")
    for password in ("é", "a:b", "", "x" * 1000, b"\xff\x00"):
        raw = password.encode() if isinstance(password, str) else password
        assert basic_password(basic_header("CP1", password), "CP1") == raw
        assert hmac.compare_digest(raw, raw)
    assert basic_password("Basic Q1A$$$$xOnB3", "CP1") is None


@pytest.mark.threat("T19")
@pytest.mark.threat("T21")
def test_a_result_that_cannot_be_sent():
    """It becomes an InternalError, and the handler's failure stays here."""
    loop = {}
    loop["loop"] = loop
    for result in (object(), {"x": inf}, loop, {"x": {1, 2}}):
        desk = Desk("ocpp2.1")
        desk.hear(2, "a", "Heartbeat", {})
        [(_, (_, answer))] = desk.tell(e.HandlerReturned(1, result))
        assert json.loads(answer)[2] == "InternalError"


@pytest.mark.threat("T21")
def test_a_bad_answer_settles_its_call():
    """A peer whose answer cannot be read does not keep the caller waiting."""
    desk = Desk("ocpp2.1")
    desk.call(1)
    rejected = [action for action in desk.tell(e.TextReceived(text(3, "1"))) if action[0] is a.RejectCall]
    assert len(rejected) == 1
    assert issubclass(dict(rejected[0][1:])["error"][0], errors.RPCError)
    assert decode(text(3, "1", {}), OCPP_21).result == {}
