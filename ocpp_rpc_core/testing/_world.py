"""What happens to all connections of a test at once: time passes, and the link has its faults."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from ocpp_rpc_core import events as e
from ocpp_rpc_core._answers import Verdict
from ocpp_rpc_core._http import Handshake
from ocpp_rpc_core.config import Entropy

from ._end import PENDING, End, Pending
from ._line import Line
from ._link import Conditions

Auth = Callable[[Handshake], Verdict | Pending]


def counting_entropy(seed: int = 0) -> Entropy:
    """Bytes that count up from `seed`: no chance at all, yet never twice the same."""
    numbers = itertools.count(seed)
    return lambda size: (next(numbers) % 256**size).to_bytes(size, "big")


class World:
    """A virtual clock, and the link between clients and servers, with its faults.

    Nothing happens by itself: `deliver` lets everything happen that has arrived, `advance` moves the clock.
    A fault counts until `heal`, or strikes once (`cut`, `half_open`).
    """

    def __init__(self, auth: Auth | None = None) -> None:
        self.to_client = Conditions()
        """What the link is like in this direction."""
        self.to_server = Conditions()
        """And in the other."""
        self.auth = auth
        """Decides on each client; without it they wait for `End.decide` if the options say `authenticate`."""
        self.dialling = False
        """Whether a client waits for a byte stream."""
        self.clock: Callable[[], float] | None = None
        """Gives the time instead of `now` and `advance`: the clock of an event loop."""
        self._now = 0.0
        self._lines: list[Line] = []
        self._tokens = itertools.count(1)

    @property
    def now(self) -> float:
        """Seconds on the virtual clock."""
        return self._now if self.clock is None else self.clock()

    @now.setter
    def now(self, seconds: float) -> None:
        self._now = seconds

    @property
    def ends(self) -> Sequence[End]:
        """Every end that is played here, whether it is connected or was."""
        raise NotImplementedError

    @property
    def next(self) -> float | None:
        """When something arrives or falls due, or None."""
        return min((at for end in self.ends if (at := end.next) is not None), default=None)

    def token(self) -> int:
        """A new token for a request of the application's."""
        return next(self._tokens)

    def verdict(self, handshake: Handshake) -> Verdict | Pending:
        """Whether a client is let in."""
        return PENDING if self.auth is None else self.auth(handshake)

    # --- Time -----------------------------------------------------------------

    def deliver(self) -> None:
        """Let everything that has arrived happen, and what comes of it, until all is quiet."""
        self.act()
        for line in self._lines:
            line.changed()

    def advance(self, seconds: float) -> None:
        """Let time pass, with a tick exactly at each deadline and everything delivered when it arrives."""
        assert self.clock is None, "the clock is the event loop's; sleep instead"
        until = self._now + seconds
        self.deliver()
        while (at := self.next) is not None and at <= until:
            self._now = max(self._now, at)
            self.deliver()
        self._now = until

    def act(self) -> None:
        """Do all that is due, and then all that has arrived; what is under test calls it through its `Line`."""
        for end in self.ends:
            self._tick(end)
        while self._step():
            pass

    def _step(self) -> bool:
        """One thing that has arrived; False if there is none."""
        return any(end.receive() for end in self.ends)

    def _tick(self, end: End) -> None:
        deadline, now = end.connection.deadline, self.now
        if deadline is not None and deadline <= now:
            end.tell(e.Tick())
            later = end.connection.deadline
            assert later is None or later > now, f"a tick at {now} left the deadline at {later}"

    # --- Faults ---------------------------------------------------------------

    def delay(self, seconds: float) -> None:
        """From now on, whatever is sent takes so many seconds, in either direction."""
        self.to_client.delay = self.to_server.delay = seconds

    def split(self, size: int = 1) -> None:
        """From now on, bytes arrive in pieces of at most `size`."""
        self.to_client.piece = self.to_server.piece = size

    def black_hole(self) -> None:
        """From now on, whatever is sent vanishes, and nobody is told: a cable is unplugged."""
        self.to_client.lost = self.to_server.lost = True

    def stall(self) -> None:
        """From now on, neither side reads: what is sent waits."""
        self.to_client.stuck = self.to_server.stuck = True

    def heal(self) -> None:
        """From now on, the link is as at first; what was lost stays lost."""
        self.to_client.heal()
        self.to_server.heal()
        self.deliver()

    def cut(self, error: Exception | None = None) -> None:
        """Break every byte stream; both ends notice, and what was under way is lost."""
        for end in self.ends:
            end.lose(error)
        for line in self._lines:
            line.cut(error)
        self._lines.clear()
