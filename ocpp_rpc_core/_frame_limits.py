"""How large a WebSocket message may become: its frames are judged by their headers, before their payload is kept."""

from typing import final

from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, RsvBits


@final
class FrameLimits(Extension):
    """Judges the frames of one message by their headers, before a payload comes, as extensions may."""

    def __init__(self, max_size: float, max_fragments: float) -> None:
        self._max_size = self._size_left = max_size
        self._fragments_left = max_fragments

    def enabled(self) -> bool:
        return True

    def offer(self) -> bool:
        return False  # wsproto asks in an opening handshake of its own only

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        if not opcode.iscontrol():
            if rsv.rsv1:
                # Compression lengthens what it cannot shorten; `_deflate` counts the inflated bytes.
                self._size_left = self._max_size * 2 + 64
            self._size_left -= payload_length
            self._fragments_left -= 1
            if self._size_left < 0:
                return CloseReason.MESSAGE_TOO_BIG
            if self._fragments_left < 0:
                return CloseReason.POLICY_VIOLATION
        return RsvBits(False, False, False)
