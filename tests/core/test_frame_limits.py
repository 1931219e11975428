"""The limits of a WebSocket message: which header breaks which."""

import pytest
from wsproto.frame_protocol import CloseReason, FrameDecoder, Opcode, RsvBits

from ocpp_rpc_core._frame_limits import FrameLimits

PLAIN, COMPRESSED = RsvBits(False, False, False), RsvBits(True, False, False)


def verdicts(limits, *frames):
    """What is said to each frame (opcode, reserved bits, size of its payload)."""
    return [limits.frame_inbound_header(FrameDecoder(client=False), *frame) for frame in frames]


@pytest.mark.threat("T3")
def test_the_size_of_all_frames_together_counts():
    """To the byte, and whatever comes between them."""
    text, rest, ping = (Opcode.TEXT, PLAIN, 6), (Opcode.CONTINUATION, PLAIN, 4), (Opcode.PING, PLAIN, 125)
    assert verdicts(FrameLimits(10, 9), text, ping, rest) == [PLAIN] * 3
    assert verdicts(FrameLimits(9, 9), text, ping, rest) == [PLAIN, PLAIN, CloseReason.MESSAGE_TOO_BIG]


@pytest.mark.threat("T3")
def test_the_number_of_frames_counts():
    """Those of the message only, even if they are empty."""
    text, rest, pong = (Opcode.TEXT, PLAIN, 0), (Opcode.CONTINUATION, PLAIN, 0), (Opcode.PONG, PLAIN, 0)
    assert verdicts(FrameLimits(10, 2), text, pong, rest) == [PLAIN] * 3
    assert verdicts(FrameLimits(10, 2), text, rest, rest)[-1] == CloseReason.POLICY_VIOLATION


@pytest.mark.threat("T3")
def test_what_is_compressed_may_be_longer():
    """Compression lengthens what it cannot shorten; what it inflates to is counted elsewhere."""
    assert verdicts(FrameLimits(100, 2), (Opcode.TEXT, COMPRESSED, 264)) == [PLAIN]
    assert verdicts(FrameLimits(100, 2), (Opcode.TEXT, COMPRESSED, 265)) == [CloseReason.MESSAGE_TOO_BIG]


def test_it_is_no_extension_that_is_negotiated():
    """It is on, and nobody is told."""
    limits = FrameLimits(1, 1)
    assert (limits.enabled(), limits.offer()) == (True, False)
