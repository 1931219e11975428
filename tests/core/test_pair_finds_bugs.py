"""The state machine of test_pair.py finds bugs: each of these, planted into the core, makes it fail."""

import pytest
from support.planted import BUGS, find, planted

from ocpp_rpc_core._outbound import Outbound

OF_THE_ISSUE = (
    "last in, first out",
    "slot leaked on disconnect",
    "answer settles the wrong call",
    "handler kept after disconnect",
)
"""Those that were made by everybody once; they must be found fast."""


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name):
    """By the invariant it breaks, or one that notices its consequence first."""
    failure, examples, _, _ = find(name, 200 if name in OF_THE_ISSUE else 2000, derandomize=True)
    assert isinstance(failure, AssertionError), f"{name} lived through {examples} examples: {failure!r}"
    expected = BUGS[name][-1]
    assert str(failure).startswith(expected if expected == "I" else f"{expected}:")


def test_bugs_are_taken_out_again():
    """What was planted is there meanwhile, and only then."""
    former = Outbound.lost
    with planted("slot leaked on disconnect"):
        assert Outbound.lost is not former
    assert Outbound.lost is former
