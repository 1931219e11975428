"""A log of messages: written down, and replayed against a session."""

import json

import pytest

from ocpp_rpc_core import notices as n
from ocpp_rpc_core.config import ServerOptions
from ocpp_rpc_core.errors import RPCSecurityError
from ocpp_rpc_core.testing import Pair, Record, Recorder, counting_entropy, replay

pytestmark = pytest.mark.feature("B3")


def recorded(*frames):
    """A log: every second one message, its direction before it."""
    return [
        Record(float(time), direction, json.dumps(frame)) for time, (direction, *frame) in enumerate(frames, start=10)
    ]


def test_recording():
    """What an observer of messages heard, as lines of JSON that are read again."""
    pair = Pair()
    recorder = Recorder(lambda: pair.now)
    pair.at_server.add("Echo", lambda call: call.params)
    pair.connect()
    pair.advance(2.5)
    pair.client.ask("Echo", {"é": 1})
    for notice in pair.client.notices:
        if isinstance(notice, n.MessageEvent):
            recorder(notice)
    recorder(n.MessageEvent(b"\xff", outbound=False))
    out, back, binary = map(json.loads, recorder.lines.splitlines())
    assert (out["time"], out["direction"], json.loads(out["text"])[2:]) == (2.5, "out", ["Echo", {"é": 1}])
    assert (back["time"], back["direction"], json.loads(back["text"])[2:]) == (2.5, "in", [{"é": 1}])
    assert binary["text"] == "ÿ"
    assert [Record.from_json(line) for line in recorder.lines.splitlines()] == recorder.records
    replay(recorder.lines.splitlines(keepends=True)[:2])


@pytest.mark.parametrize("line", ["{}", "[]", '{"time":"1","direction":"in","text":""}', "x"])
def test_lines_that_are_no_log(line):
    """They are refused."""
    with pytest.raises(ValueError, match=r"line of a message log|Expecting value"):
        replay([line])


def test_a_dialogue_is_repeated():
    """Calls of ours with their ids, answers of our handlers in the order of the log, and errors."""
    log = recorded(
        ("out", 2, "a", "BootNotification", {}),
        ("in", 3, "a", {"status": "Accepted"}),
        ("in", 2, "1", "Slow", {"n": 1}),
        ("in", 2, "2", "Fast", {"n": 2}),
        ("out", 2, "b", "Heartbeat", {}),
        ("out", 3, "2", {"n": 2}),
        ("out", 3, "1", {"n": 1}),
        ("in", 2, "3", "Nobody", {}),
        ("out", 4, "3", "NotImplemented", "the method Nobody is not known here", {}),
        ("in", 4, "b", "GenericError", "", {}),
        ("in", 2, "4", "Locked", {}),
        ("out", 4, "4", "SecurityError", "no", {}),
    )
    handlers = {"Slow": lambda call: call.params, "Fast": {"n": 2}, "Locked": RPCSecurityError("no")}
    replay(log, handlers, protocol="ocpp1.6")
    replay([record.to_json() for record in log] + ["\n"], handlers, protocol="ocpp1.6")


def test_a_send_is_repeated():
    """Ours goes out again, and the peer's is handled, without an answer."""
    replay(
        recorded(("out", 6, "a", "NotifyPeriodicEventStream", {}), ("in", 6, "b", "X", {})),
        {"*": lambda call: {}},
        protocol="ocpp2.1",
    )


def test_another_answer_is_shown():
    """With the lines around it, as in any comparison of texts."""
    log = recorded(("in", 2, "1", "Echo", {"n": 1}), ("out", 3, "1", {"n": 1}), ("in", 3, "nobody", {}))
    with pytest.raises(AssertionError) as caught:
        replay(log, {"Echo": {"n": 2}})
    assert str(caught.value).splitlines() == [
        "the session sent other messages than were recorded",
        "--- log",
        "+++ session",
        "@@ -1,3 +1,3 @@",
        '  in [2, "1", "Echo", {"n": 1}]',
        '-out [3, "1", {"n": 1}]',
        '+out [3, "1", {"n": 2}]',
        '  in [3, "nobody", {}]',
    ]


def test_what_is_missing_or_too_much_is_shown():
    """An answer that the log lacks, and one that only the log has."""
    with pytest.raises(AssertionError, match=r'\+out \[3, "1", \{\}\]'):
        replay(recorded(("in", 2, "1", "Echo", {})), {"*": {}})
    with pytest.raises(AssertionError, match=r"-out \[\]"):
        replay([Record(0, "out", "[]")])
    with pytest.raises(AssertionError, match=r"-out nonsense"):
        replay([Record(0, "out", "nonsense")])
    replay([])


def test_time_passes_as_it_did():
    """A call that was given up leaves its place to the next one, at the very second."""
    log = recorded(("out", 2, "a", "X", {}), ("out", 2, "b", "X", {}))
    options = ServerOptions(entropy=counting_entropy(), call_timeout=1)
    replay(log, options=options)
    with pytest.raises(AssertionError, match=r'-out \[2, "b", "X", \{\}\]'):
        replay(log, options=ServerOptions(entropy=counting_entropy(), call_timeout=2))


def test_bad_messages_are_heard():
    """What came in broken comes in broken again, and is answered as it was."""
    log = recorded(
        ("in", "no call"),
        ("out", 4, "-1", "GenericError", "the message type must be a number", {}),
        ("in", 2, "1", "Echo", {}),
        ("out", 3, "1", {}),
    )
    replay(log, {"Echo": {}}, protocol="ocpp1.6")
    with pytest.raises(AssertionError, match=r'\+out \[4, "-1"'):
        replay([Record(0, "in", "{nonsense")], protocol="ocpp1.6")
