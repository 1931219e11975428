"""The benchmarks can measure the other implementations, too."""

import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from benchmarks import calls
from benchmarks.contestants import BY_NAME


@pytest.mark.interop
@pytest.mark.parametrize("name", ["node", "ocpp", "ocpp-tuned"])
def test_calls_of_others_are_measured(name):
    """All messages, over real sockets."""
    assert "NODE_PATH" in os.environ or "OCPP_RPC_NODE_MODULES" in os.environ
    messages = ["hb", "sn", "te", "scp"]
    rows = calls.measure([BY_NAME[name]], messages, ["c1"], rounds=1, seconds=0.05, say=print)
    assert [row["message"] for row in rows] == messages
    assert all(row["rate"][0] > 0 for row in rows)
