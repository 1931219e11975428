"""The core without sockets: one call through both sides, beside the textbook's way; prints JSON.

`python -m benchmarks.core_alone ROUNDS SECONDS plain|speed`: a process of its own, so that extras can be hidden.
"""

import json
import sys
from typing import Any

from .extras import hide
from .interleave import Pairing, timed


def calls() -> list[Pairing]:
    """A call of each message through the core, and through the textbook's way."""
    from .joined import Joined  # noqa: PLC0415 - after `hide`
    from .payloads import MESSAGES  # noqa: PLC0415
    from .textbook import Textbook  # noqa: PLC0415

    book = Textbook()
    found = []
    for message in MESSAGES.values():
        pair = Joined(message.protocol)
        assert pair.call(message.method, message.params) == message.result
        assert book.call(message) == message.result
        found.append(
            Pairing(
                message.name,
                lambda pair=pair, m=message: pair.call(m.method, m.params),
                lambda m=message: book.call(m),
            )
        )
    return found


def main(rounds: int, seconds: float, *, speed: bool) -> dict[str, Any]:
    """All figures of this process, in microseconds."""
    if not speed:
        hide()
    from . import micro  # noqa: PLC0415 - after `hide`

    return {
        "calls": timed(calls(), rounds, seconds),
        "parts": timed(micro.pairings(), rounds, seconds / 4),
    }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), float(sys.argv[2]), speed=sys.argv[3] == "speed")))
