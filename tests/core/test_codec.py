"""The text of OCPP-J messages: what is read, what is refused and how, what is written."""

import json
from math import inf, nan

import pytest
from hypothesis import example, given, strategies as st

from ocpp_rpc_core import _codec as c
from ocpp_rpc_core._dialects import DIALECTS, OCPP_16, OCPP_21, OCPP_201, PLAIN, dialect_of
from ocpp_rpc_core.errors import ERRORS, RPCError, RPCGenericError, create_rpc_error
from ocpp_rpc_core.limits import Limits

DEFAULT = Limits()
ALL = (OCPP_16, OCPP_201, OCPP_21, PLAIN)
MESSAGES = (c.Call, c.CallResult, c.CallError, c.CallResultError, c.Send)


def refusal(data, dialect=OCPP_21, limits=DEFAULT):
    """The code, the id to answer with and the id of the call that is settled, of what cannot be read."""
    with pytest.raises(c.Undecodable) as caught:
        c.decode(data, dialect, limits)
    assert str(caught.value) == str(caught.value.error)
    return caught.value.error.code, caught.value.answer_id, caught.value.settles


def seen(error):
    """What of an error goes over the wire."""
    return type(error), error.code, error.message, error.details


# --- Reading -------------------------------------------------------------------


@pytest.mark.rule(2)
@pytest.mark.rule(3)
@pytest.mark.parametrize("dialect", ALL)
def test_classic_messages(dialect):
    """CALL, CALLRESULT and CALLERROR are read in every dialect, and keep the whole message."""
    assert c.decode('[2,"a","M",{"x":1}]', dialect) == c.Call("a", "M", {"x": 1}, [2, "a", "M", {"x": 1}])
    assert c.decode('[3,"a",{"x":1}]', dialect) == c.CallResult("a", {"x": 1}, [3, "a", {"x": 1}])
    error = c.decode('[4,"a","NotSupported","no",{"x":1}]', dialect)
    assert type(error) is c.CallError
    assert error.message_id == "a"
    assert seen(error.error) == (ERRORS["NotSupported"], "NotSupported", "no", {"x": 1})
    assert error.raw == [4, "a", "NotSupported", "no", {"x": 1}]


@pytest.mark.rule(2)
@pytest.mark.feature("B1")
def test_messages_of_21():
    """SEND and CALLRESULTERROR are read on 2.1."""
    assert c.decode('[6,"a","M",{}]', OCPP_21) == c.Send("a", "M", {}, [6, "a", "M", {}])
    error = c.decode('[5,"a","NotSupported","no",{"x":1}]', OCPP_21)
    assert type(error) is c.CallResultError
    assert error.message_id == "a"
    assert seen(error.error) == (ERRORS["NotSupported"], "NotSupported", "no", {"x": 1})
    assert error.raw == [5, "a", "NotSupported", "no", {"x": 1}]


@pytest.mark.rule(20)
@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("kind", [-2, 0, 1, 5, 6, 7, 10**31])
def test_unknown_type(dialect, kind):
    """A type that the dialect does not have is ignored whatever comes after it."""
    if kind in dialect.message_types:
        return
    for rest in ("", ',"a"', ",1,2,3", ',"a","M",{}'):
        assert refusal(f"[{kind}{rest}]", dialect) == ("MessageTypeNotSupported", None, None)


@pytest.mark.rule(20)
@pytest.mark.parametrize("name", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1", None])
@pytest.mark.parametrize(
    ("rest", "answer_id"),
    [("", "-1"), (",5", "-1"), (",null", "-1"), (',"a"', "a"), (',"a","M",{}', "a"), (',"a",[1],{},2', "a")],
)
def test_unknown_type_is_answered_on_request(name, rest, answer_id):
    """With a CALLERROR under its id, or -1 if there is none."""
    dialect = dialect_of(name, answers_unknown=True)
    assert refusal(f"[7{rest}]", dialect) == ("MessageTypeNotSupported", answer_id, None)
    with pytest.raises(c.Undecodable) as caught:
        c.decode(f"[7{rest}]", dialect)
    code = "GenericError" if name == "ocpp1.6" else "MessageTypeNotSupported"
    assert caught.value.response(dialect) == [4, answer_id, code, "message type 7 is not supported", {}]


@pytest.mark.rule(13)
@pytest.mark.parametrize("kind", ["true", "false", "null", '"2"', "2.0", "2e0", "[]", "{}"])
def test_type_is_no_number(kind):
    """A type must be a whole number; `true` is none, though Python counts with it."""
    assert refusal(f'[{kind},"a","M",{{}}]') == ("RpcFrameworkError", "-1", None)


@pytest.mark.rule(13)
@pytest.mark.rule(1)
@pytest.mark.parametrize(
    "text",
    ["[]", "{}", "2", '"[2]"', "null", "", " ", "[2", "[2,]", "x", "\x00", '[2,"a","M",{}]x', "\ufeff[2]"],
)
def test_no_array(text):
    """What is no JSON array with a type at its head is answered with the id -1."""
    assert refusal(text) == refusal(text.encode()) == ("RpcFrameworkError", "-1", None)


@pytest.mark.rule(1)
@pytest.mark.parametrize("data", [b"\xff", b'[2,"\xed\xa0\x80","M",{}]', '[2,"a","M",{}]'.encode("utf-16")])
def test_not_utf8(data):
    """Bytes that are not UTF-8 are no message."""
    assert refusal(data) == ("RpcFrameworkError", "-1", None)


@pytest.mark.rule(1)
def test_bytes():
    """A message may come as bytes, in UTF-8."""
    assert c.decode('[3,"a",{"x":"ü€"}]'.encode(), OCPP_16).result == {"x": "ü€"}


@pytest.mark.parametrize(
    "number",
    ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 400, "-" + "9" * 400, "0." + "1" * 400],
)
@pytest.mark.feature("E9")
def test_absurd_numbers(number):
    """Numbers that are not finite or absurdly long are refused, with a text that does not repeat them."""
    with pytest.raises(c.Undecodable) as caught:
        c.decode(f'[2,"a","M",{{"x":{number}}}]', OCPP_21)
    assert caught.value.answer_id == "-1"
    assert len(caught.value.error.message) < 100


def test_longest_numbers():
    """Numbers of 32 characters are read, those of 33 are not."""
    digits = "1" * 32
    assert c.decode(f'[3,"a",{digits}]', PLAIN).result == int(digits)
    assert refusal(f'[3,"a",{digits}1]') == ("RpcFrameworkError", "-1", None)
    real = "0." + "1" * 30
    assert c.decode(f'[3,"a",{real}]', PLAIN).result == float(real)
    assert refusal(f'[3,"a",{real}1]') == ("RpcFrameworkError", "-1", None)


@pytest.mark.feature("B13")
def test_limits_are_named():
    """Whoever looks at what is refused can tell which limit it went beyond."""
    for text, limit in [
        (f'[2,"a","M",{"1" * 33}]', "json_digits"),
        (f'[2,"a","M",1.{"1" * 33}]', "json_digits"),
        (f'[2,"a","{"M" * 65}",{{}}]', "method_length"),
        ("[" * 100_000, "json_depth"),
        ("[NaN]", ""),
        ("[1e999]", ""),
    ]:
        with pytest.raises(c.Undecodable) as caught:
            c.decode(text, PLAIN)
        assert caught.value.limit == limit, text
    assert c.decode(f'[2,"a","{"M" * 64}",{{}}]', PLAIN).method == "M" * 64
    free = Limits(json_digits=inf, method_length=inf)
    assert c.decode(f'[2,"a","{"M" * 65}",{"1" * 99}]', PLAIN, free).params == int("1" * 99)
    assert refusal(f'[2,"a","M",{"1" * 5000}]', limits=free) == ("RpcFrameworkError", "-1", None)  # Python's own limit


@pytest.mark.threat("T21")
def test_the_last_of_equal_keys_counts():
    """As in most languages; nothing else is made of it."""
    assert c.decode('[2,"a","M",{"x":1,"x":2}]', PLAIN).params == {"x": 2}


@pytest.mark.threat("T21")
def test_lone_surrogates_come_in_and_go_out():
    """A cut emoji is read as it is, and what repeats it can be sent."""
    call = c.decode('[2,"\\ud83d","M",{"x":"\\ud83d"}]', PLAIN)
    assert (call.message_id, call.params) == ("\ud83d", {"x": "\ud83d"})
    assert c.encode(c.call_result(call.message_id, call.params)) == '[3,"\\ud83d",{"x":"\\ud83d"}]'


@pytest.mark.parametrize("text", ["[" * 100_000, '[2,"a","M",' + '{"a":' * 100_000, "[" * 50_000 + "]" * 50_000])
@pytest.mark.threat("T21")
def test_deep_nesting(text):
    """Nesting without end is refused, not a crash."""
    assert refusal(text) == ("RpcFrameworkError", "-1", None)


def test_duplicate_names():
    """Of a name that comes twice in an object the last one counts."""
    assert c.decode('[3,"a",{"x":1,"x":2}]', OCPP_16).result == {"x": 2}


def test_lone_surrogates():
    """An escaped lone surrogate is text like any other, and can be sent back."""
    message = c.decode('[2,"\\ud800","\\udfff",{"\\ud800":"\\ud800"}]', OCPP_21)
    assert message.message_id == "\ud800"
    answer = c.encode(c.call_result(message.message_id, message.params))
    assert answer == '[3,"\\ud800",{"\\ud800":"\\ud800"}]'


# --- Reading: the id ------------------------------------------------------------


@pytest.mark.rule(13)
@pytest.mark.parametrize("rest", ["", ",1", ",null", ",[]", ",true"])
@pytest.mark.parametrize(("kind", "answer"), [(2, "-1"), (3, None), (4, None), (5, None), (6, None)])
def test_unreadable_id(kind, answer, rest):
    """A CALL with an id that cannot be read is answered with -1; nothing else is ever answered."""
    assert refusal(f"[{kind}{rest}]") == ("RpcFrameworkError", answer, None)


@pytest.mark.rule(9)
@pytest.mark.rule(14)
@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_long_id(dialect):
    """An id of 36 characters is read; a CALL with a longer one is answered, a response is not."""
    fits, too_long = "x" * 36, "x" * 37
    assert c.decode(f'[2,"{fits}","M",{{}}]', dialect).message_id == fits
    assert refusal(f'[2,"{too_long}","M",{{}}]', dialect) == ("RpcFrameworkError", too_long, None)
    assert refusal(f'[3,"{too_long}",{{}}]', dialect) == ("RpcFrameworkError", None, None)


def test_long_id_of_a_plain_subprotocol():
    """A subprotocol that is not OCPP has no limit of ids."""
    assert c.decode(f'[2,"{"x" * 99}","M",{{}}]', PLAIN).message_id == "x" * 99


def test_empty_id():
    """An empty id is a string."""
    assert c.decode('[2,"","M",{}]', OCPP_16).message_id == ""


# --- Reading: the rest ----------------------------------------------------------


@pytest.mark.rule(5)
@pytest.mark.parametrize("text", ['[2,"a","M",null]', '[3,"a",null]', '[6,"a","M",null]'])
def test_null_payload(text):
    """OCPP reads a null payload as an empty one; the message is kept as it came."""
    message = c.decode(text, OCPP_21)
    payload = message.result if isinstance(message, c.CallResult) else message.params
    assert payload == {}
    assert message.raw == json.loads(text)


@pytest.mark.rule(5)
@pytest.mark.parametrize(
    ("name", "code"),
    [("ocpp1.6", "FormationViolation"), ("ocpp2.0.1", "ProtocolError"), ("ocpp2.1", "ProtocolError")],
)
def test_null_payload_is_refused_on_request(name, code):
    """A CALL is answered, a result fails its call and is answered on 2.1, a SEND is not; `{}` is still read."""
    dialect = dialect_of(name, refuses_null=True)
    assert refusal('[2,"a","M",null]', dialect) == (code, "a", None)
    assert refusal('[3,"a",null]', dialect) == (code, "a" if name == "ocpp2.1" else None, "a")
    with pytest.raises(c.Undecodable) as caught:
        c.decode('[3,"a",null]', dialect)
    answer = [5, "a", code, "the payload is null, not an object", {}]
    assert caught.value.response(dialect) == (answer if name == "ocpp2.1" else None)
    if name == "ocpp2.1":
        assert refusal('[6,"a","M",null]', dialect) == (code, None, None)
    assert c.decode('[2,"a","M",{}]', dialect).params == c.decode('[3,"a",{}]', dialect).result == {}


def test_null_payload_of_a_plain_subprotocol():
    """A subprotocol that is not OCPP may mean something by null."""
    assert c.decode('[2,"a","M",null]', PLAIN).params is None
    assert c.decode('[3,"a",null]', PLAIN).result is None


@pytest.mark.rule(3)
@pytest.mark.rule(19)
@pytest.mark.rule(16)
@pytest.mark.parametrize("rest", ["", ',"M"', ',"M",{},1', ",1,{}", ",null,{}", ",{}", ",1,2,3"])
@pytest.mark.parametrize(("kind", "answer"), [(2, "a"), (6, None)])
def test_broken_request(kind, answer, rest):
    """A CALL that has not four elements, or whose method is no string, is answered; a SEND never is."""
    assert refusal(f'[{kind},"a"{rest}]') == ("RpcFrameworkError", answer, None)


def test_broken_request_says_what_is_wrong():
    """The error tells a wrong number of elements from a method that is no string."""
    for text, problem in (
        ('[2,"a","M"]', "the message must have 4 elements, not 3"),
        ('[2,"a",1,{}]', "the method must be a string"),
    ):
        with pytest.raises(c.Undecodable) as caught:
            c.decode(text, OCPP_16)
        assert caught.value.error.message == problem


@pytest.mark.rule(3)
@pytest.mark.rule(17)
@pytest.mark.parametrize("dialect", [OCPP_16, OCPP_201, OCPP_21])
@pytest.mark.parametrize("text", ['[3,"a"]', '[3,"a",{},1]', '[4,"a"]', '[4,"a",1]', '[4,"a","X","",{},1]'])
def test_broken_response(text, dialect):
    """A broken answer settles the call it was meant for; only a result is answered, and only on 2.1."""
    answered = text.startswith("[3") and dialect is OCPP_21
    assert refusal(text, dialect) == ("RpcFrameworkError", "a" if answered else None, "a")


@pytest.mark.rule(17)
def test_a_broken_result_is_answered_with_a_callresulterror():
    """What is sent back is of type 5, and nothing is sent where nothing may be."""
    with pytest.raises(c.Undecodable) as caught:
        c.decode('[3,"a"]', OCPP_21)
    text = "a CALLRESULT must have 3 elements, not 2"
    assert caught.value.response(OCPP_21) == [5, "a", "RpcFrameworkError", text, {}]
    with pytest.raises(c.Undecodable) as caught:
        c.decode('[3,"a"]', OCPP_16)
    assert caught.value.response(OCPP_16) is None


@pytest.mark.rule(17)
@pytest.mark.parametrize("text", ['[5,"a"]', '[5,"a",1]', '[5,"a","X","",{},1]'])
def test_broken_result_error(text):
    """A broken CALLRESULTERROR is about a result of ours: no call is settled by it."""
    assert refusal(text) == ("RpcFrameworkError", None, None)


@pytest.mark.rule(7)
@pytest.mark.parametrize("kind", [4, 5])
@pytest.mark.parametrize(
    ("rest", "description", "details"),
    [
        ("", "", {}),
        (',"why"', "why", {}),
        (",null", "", {}),
        (',"why",{"x":1}', "why", {"x": 1}),
        (',"why",null', "why", {}),
        (',"why","more"', "why", {}),
        (",1,[1]", "", {}),
    ],
)
def test_peers_that_leave_things_out(kind, rest, description, details):
    """The code of an error is enough: description and details may be missing, or no text and no object."""
    message = c.decode(f'[{kind},"a","SecurityError"{rest}]', OCPP_21)
    assert seen(message.error) == (ERRORS["SecurityError"], "SecurityError", description, details)


@pytest.mark.rule(22)
@pytest.mark.rule(23)
@pytest.mark.feature("C17")
@pytest.mark.feature("E2")
@pytest.mark.parametrize("dialect", ALL)
def test_both_spellings_are_understood(dialect):
    """Every code in every spelling gives its class in every dialect; an unknown code is kept."""
    for code, cls in ERRORS.items():
        error = c.decode(f'[4,"a","{code}","",{{}}]', dialect).error
        assert (type(error), error.code) == (cls, code)
    error = c.decode('[4,"a","Own","",{}]', dialect).error
    assert (type(error), error.code) == (RPCGenericError, "Own")


# --- Reading: anything ----------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
FRAMES = st.builds(
    lambda head, rest: json.dumps([*head, *rest]),
    st.sampled_from([[kind, *rest] for kind in range(1, 8) for rest in ([], ["a"], ["a" * 37], [1])]),
    st.lists(JSON, max_size=4),
)


@pytest.mark.threat("T21")
@given(data=st.text() | st.binary() | FRAMES | JSON.map(json.dumps), dialect=st.sampled_from(ALL))
@example(data='[2,"a","\ud800",{}]', dialect=OCPP_21)
@example(data="\ud800", dialect=OCPP_21)
def test_anything(data, dialect):
    """Any text and any bytes give a message of the dialect or `Undecodable`, nothing else."""
    try:
        outcome = c.decode(data, dialect)
    except c.Undecodable as bad:
        outcome = bad
    if isinstance(outcome, c.Undecodable):
        assert isinstance(outcome.error, RPCError)
        assert outcome.answer_type == 5 or outcome.answer_id is None or outcome.settles is None
        # Whatever the answer is, it can be sent.
        assert c.encode(c.call_error(outcome.answer_id or "", outcome.error, dialect)).isascii()
    else:
        assert type(outcome) in MESSAGES
        assert outcome.raw[0] in dialect.message_types
        assert outcome.message_id == outcome.raw[1]
        assert len(outcome.message_id) <= dialect.max_message_id


# --- Writing --------------------------------------------------------------------


@pytest.mark.rule(3)
@pytest.mark.rule(7)
def test_frames():
    """Each message has the elements of its kind in their order, an error always all five."""
    assert c.call("a", "M", {}) == [2, "a", "M", {}]
    assert c.call_result("a", {}) == [3, "a", {}]
    assert c.send("a", "M", {}) == [6, "a", "M", {}]
    assert c.call_error("a", RPCGenericError(), OCPP_16) == [4, "a", "GenericError", "", {}]
    assert c.call_result_error("a", RPCGenericError("no", {"x": 1}), OCPP_21) == [
        *(5, "a", "GenericError", "no", {"x": 1}),
    ]


@pytest.mark.rule(22)
@pytest.mark.rule(23)
@pytest.mark.feature("E2")
def test_spelling():
    """An error is spelled as its dialect asks."""
    error = create_rpc_error("FormatViolation")
    assert [c.call_error("a", error, dialect)[2] for dialect in (OCPP_16, OCPP_201, OCPP_21, PLAIN)] == [
        *("FormationViolation", "FormatViolation", "FormatViolation", "FormatViolation"),
    ]


@pytest.mark.rule(7)
def test_long_description():
    """OCPP cuts a description after 255 characters, a plain subprotocol does not."""
    error = RPCGenericError("x" * 300)
    assert [len(c.call_error("a", error, dialect)[3]) for dialect in ALL] == [255, 255, 255, 300]


@pytest.mark.rule(7)
@pytest.mark.parametrize("details", [["x"], "x", 1, None])
def test_odd_details(details):
    """Details are an object, whatever the application has put there."""
    error = RPCGenericError()
    error.details = details
    assert c.call_error("a", error, OCPP_16)[4] == {}


def test_odd_description():
    """A description is text, whatever the application has put there."""
    assert c.call_error("a", RPCGenericError(12), OCPP_16)[3] == "12"


@pytest.mark.rule(1)
def test_compact_ascii():
    """A message is written without blanks and in ASCII."""
    assert c.encode([2, "a", "M", {"x": ["ü", 1.5, True, None]}]) == '[2,"a","M",{"x":["\\u00fc",1.5,true,null]}]'


@pytest.mark.parametrize("payload", [nan, inf, -inf, {"x": nan}, {nan: 1}])
def test_not_finite(payload):
    """A number that JSON does not have is a `ValueError`, as a value and as a name."""
    with pytest.raises(ValueError):
        c.encode([3, "a", payload])


@pytest.mark.parametrize("payload", [object(), {1}, b"x", {(1, 2): 3}])
def test_no_json_form(payload):
    """What has no JSON form is a `TypeError`."""
    with pytest.raises(TypeError):
        c.encode([3, "a", payload])


def test_endless():
    """A payload that contains itself, or is nested too deeply, is a `ValueError`."""
    endless: dict = {}
    endless["x"] = endless
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    for payload in (endless, deep):
        with pytest.raises(ValueError, match="nested too deeply"):
            c.encode([3, "a", payload])
    while deep:  # take it apart by hand: its own end would nest as deeply
        deep = deep.pop()


FINITE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
IDS = st.text(st.characters(), max_size=36)


@pytest.mark.rule(1)
@given(message_id=IDS, method=st.text(), payload=FINITE, bytewise=st.booleans())
def test_round_trip(message_id, method, payload, bytewise):
    """What is written is read as it was, any text and any finite number included."""

    def read(message, dialect=PLAIN):
        text = c.encode(message)
        return c.decode(text.encode() if bytewise else text, dialect)

    call, result = c.call(message_id, method, payload), c.call_result(message_id, payload)
    assert read(call) == c.Call(message_id, method, payload, call)
    assert read(result) == c.CallResult(message_id, payload, result)
    send = c.send(message_id, method, payload)
    assert read(send, OCPP_21) == c.Send(message_id, method, {} if payload is None else payload, send)


@pytest.mark.feature("C17")
@given(
    message_id=IDS,
    code=st.sampled_from(sorted(ERRORS)) | st.text(),
    description=st.text(),
    details=st.dictionaries(st.text(), FINITE, max_size=3),
    dialect=st.sampled_from(ALL),
)
def test_error_round_trip(message_id, code, description, details, dialect):
    """An error arrives with its description and details, and the code as its dialect spells it."""
    sent = create_rpc_error(code, description, details)
    for write, kind, on in (
        (c.call_error, c.CallError, dialect),
        (c.call_result_error, c.CallResultError, OCPP_21),
    ):
        message = c.decode(c.encode(write(message_id, sent, on)), on)
        assert type(message) is kind
        assert message.message_id == message_id
        spelled = on.spell(code)
        assert seen(message.error) == (
            ERRORS.get(spelled, RPCGenericError),
            spelled,
            description[: on.max_description],
            details,
        )
