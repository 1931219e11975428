"""What a fuzzer began with and found, replayed: the library keeps its promises on each, in bounded memory."""

import tracemalloc

import pytest
from fuzz.seeds import CORPUS, seeds
from fuzz.targets import TARGETS
from wsproto.frame_protocol import RsvBits

from ocpp_rpc_core import _codec, _handshake
from ocpp_rpc_core._frame_limits import FrameLimits
from ocpp_rpc_core._handshake_client import ClientHandshake
from ocpp_rpc_core._outbound import Outbound
from ocpp_rpc_core._websocket import WebSocket

INPUTS = sorted(path for path in CORPUS.glob("*/*") if path.is_file())
MAX_MEMORY = 4 * 2**20
"""Bytes that hearing one input may take at once; the input itself is at most 9 kB."""


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_replay(path):
    """Documented events and actions only, whatever the bytes and however they are cut."""
    data = path.read_bytes()
    tracemalloc.start()
    try:
        TARGETS[path.parent.name](data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MAX_MEMORY


def test_every_target_has_a_corpus():
    """Each target is fed, and each folder is fed to a target."""
    assert {path.parent.name for path in INPUTS} == TARGETS.keys()


def test_the_seeds_are_what_the_script_makes():
    """Besides what was found, the corpus is written by seeds.py and by nobody else."""
    kept = {(path.parent.name, path.name): path.read_bytes() for path in INPUTS if not path.name.startswith("found")}
    assert kept == {(target, name): data for target, found in seeds().items() for name, data in found.items()}


def broken(target):
    """The seeds on which a target finds that a promise is broken."""
    found = set()
    for name, data in seeds()[target].items():
        try:
            TARGETS[target](data)
        except (AssertionError, ZeroDivisionError):
            found.add(name)
    return found


@pytest.mark.parametrize(
    ("target", "place", "name", "fault", "noticed"),
    [
        ("request", _handshake, "_checked_key", lambda keys: 1 // 0, "plain"),
        ("response", ClientHandshake, "close", lambda self: None, "to-the-end"),
        ("server_frames", WebSocket, "_frame", lambda self, first, payload: 1 // 0, "ping-pong"),
        ("client_frames", FrameLimits, "frame_inbound_header", lambda *_: RsvBits(False, False, False), "large"),
        ("text", Outbound, "_settle", lambda self, message_id: self._pending.get(message_id), "ocpp1.6-result"),
        ("connection", _codec, "_error", lambda kind, message_id, *_: [kind, message_id, 1, "", {}], "ocpp1.6-server"),
    ],
)
def test_the_targets_notice(monkeypatch, target, place, name, fault, noticed):
    """With a fault in the library, a target raises on a seed."""
    monkeypatch.setattr(place, name, fault)
    assert noticed in broken(target)
    monkeypatch.undo()
    assert broken(target) == set()
