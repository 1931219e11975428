"""What a server allows strangers, before it lets them in: how many, how often, with which password."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections import Counter
from dataclasses import dataclass, fields
from typing import final

from ._observers import Bell
from .notices import ConnectionRefused

REMEMBERED = 4096
"""Pairs of address and identity whose rejections are remembered; beyond them the oldest are forgotten."""
SPARE_FILES = 128
"""Of the files that a process may open, how many are left for other things than connections."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How many may stand at a server's door, how often one may be rejected there, and what all who are in may keep
    of unfinished messages; None means no limit.

    Who comes beyond a number of connections is cut off at once, before TLS, and reported as
    `ConnectionRefused`: to answer would take what there is too little of.  Beyond `max_unauthenticated` it need not
    come to that: the server accepts nobody until there is room.

    Raises:
        ValueError: a limit is not more than 0.
    """

    max_connections: float | None = 10_000
    """Connections, let in or not.  A number never lets in more than the process may open files, less a reserve."""
    max_unauthenticated: float | None = 256
    """Connections that are not let in yet.  While there are so many, listeners accept nobody: who comes waits in the
    system's queue.  That is reported as `LimitExceeded`, again only after half of them have gone.  Of byte streams
    of your own (`handle_stream`), those beyond are refused."""
    max_unauthenticated_per_address: float | None = 16
    """The same from one IP address (IPv6: one /64 network); this machine's own and Unix sockets do not count."""
    max_rejections: float | None = 10
    """How often `auth` may reject one identity from one address within `rejection_window`; then it is not asked, and
    the answer is HTTP 429."""
    rejection_window: float = 60.0
    """Seconds until a rejection is forgotten."""
    partial_bytes: float | None = 256 * 2**20
    """Bytes that all connections together keep of messages that have not ended.  Whose message would go beyond is
    closed with 1013, and that is reported as `LimitExceeded`."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value: object = getattr(self, field.name)
            is_limit = isinstance(value, int | float) and value > 0
            if not is_limit and (value is not None or field.name == "rejection_window"):
                raise ValueError(f"{field.name} must be a number, more than 0, not {value!r}")


@final
@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """One connection, from when it was accepted."""

    source: str | None
    """Where it counts as coming from; None if that is not counted."""


@final
@dataclass(frozen=True, slots=True)
class Attempt:
    """One question to `auth`; it counts as rejected until it is withdrawn."""

    key: bytes
    at: float


@final
class Guard:
    """Counts who is at the door, and remembers who was rejected there; what it holds is bounded."""

    def __init__(self, open_files: float | None = None) -> None:
        """`open_files` is how many files this process may open, if there is a limit."""
        self._visits: set[Visit] = set()
        self._outside: set[Visit] = set()
        self._sources: Counter[str] = Counter()
        self._attempts: dict[bytes, list[float]] = {}  # whose last attempt is the oldest comes first
        self._kept = 0  # places for strangers who are being accepted
        self._waiting: list[Bell] = []
        self._crowd = 0  # how many stood there when it was news
        few = open_files is not None and open_files > 0
        self._room = max(open_files - SPARE_FILES, open_files // 2) if open_files is not None and few else None

    # --- Connections ------------------------------------------------------------

    def arrive(self, door: Door, address: str | None, *, accepted: bool = False) -> Visit | ConnectionRefused:
        """Somebody connects; `leave` must follow, unless there is no room for them.

        For whoever was `accepted` a place had been kept, so they are not refused for strangers that came meanwhile.
        """
        if accepted:
            self.give_back()
        network, is_local = _network(address)
        source = None if is_local else network
        limit = door.max_connections
        if _is_full(len(self._visits), limit) or (limit is not None and _is_full(len(self._visits), self._room)):
            return ConnectionRefused(address, "too many connections")
        if not (accepted or self.has_room(door)):
            return ConnectionRefused(address, "too many connections that are not let in yet")
        if source is not None:
            if _is_full(self._sources[source], door.max_unauthenticated_per_address):
                return ConnectionRefused(address, "too many connections from this address that are not let in yet")
            self._sources[source] += 1
        visit = Visit(source)
        self._visits.add(visit)
        self._outside.add(visit)
        return visit

    def let_in(self, visit: Visit) -> None:
        """They are no stranger any more; saying so again changes nothing."""
        if visit in self._outside:
            self._outside.remove(visit)
            if len(self._outside) * 2 <= self._crowd:
                self._crowd = 0
            self.release()
            if visit.source is not None:
                self._sources[visit.source] -= 1
                if not self._sources[visit.source]:
                    del self._sources[visit.source]

    def leave(self, visit: Visit) -> None:
        """They are gone; saying so again changes nothing."""
        self.let_in(visit)
        self._visits.discard(visit)

    # --- Room for one more stranger ---------------------------------------------

    def has_room(self, door: Door) -> bool:
        """Whether there is."""
        return not _is_full(len(self._outside) + self._kept, door.max_unauthenticated)

    def keep(self) -> None:
        """Keep a place for somebody who is being accepted, until they arrive, or `give_back`."""
        self._kept += 1

    def give_back(self) -> None:
        """They do not need the place that was kept for them."""
        self._kept -= 1
        self.release()

    def crowded(self) -> bool:
        """There is none; whether that is news, as it is again once half of those who stood there have gone."""
        is_news = not self._crowd
        self._crowd = self._crowd or len(self._outside) + self._kept
        return is_news

    def expect(self, bell: Bell) -> None:
        """Ring when there may be room again; `forget` must follow."""
        self._waiting.append(bell)

    def forget(self, bell: Bell) -> None:
        """Nobody waits for that bell any more."""
        self._waiting.remove(bell)

    def release(self) -> None:
        """Ring for those who wait, to look again."""
        for bell in self._waiting:
            bell.set()

    # --- Authentication ---------------------------------------------------------

    def attempt(self, door: Door, address: str | None, identity: str, now: float) -> Attempt | None:
        """`auth` is to be asked; None if it has rejected this identity from this address too often.

        It counts from now on, so that many who ask at once are as many attempts.
        """
        while self._attempts and next(iter(self._attempts.values()))[-1] <= now - door.rejection_window:
            del self._attempts[next(iter(self._attempts))]
        # A digest, because identities may be long, and strangers choose them.
        key = hashlib.sha256(f"{_network(address)[0]} {identity}".encode()).digest()
        times = [at for at in self._attempts.get(key, ()) if at > now - door.rejection_window]
        if _is_full(len(times), door.max_rejections):
            return None
        self._attempts.pop(key, None)
        self._attempts[key] = [*times, now]
        if len(self._attempts) > REMEMBERED:
            del self._attempts[next(iter(self._attempts))]
        return Attempt(key, now)

    def withdraw(self, attempt: Attempt) -> None:
        """It was no rejection after all."""
        times = self._attempts.get(attempt.key, [])
        if attempt.at in times:
            times.remove(attempt.at)
            if not times:
                del self._attempts[attempt.key]


def _is_full(count: int, limit: float | None) -> bool:
    return limit is not None and count >= limit


def _network(address: str | None) -> tuple[str, bool]:
    """What counts as one address, and whether that is this machine, as when a proxy runs on it."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return address or "", not address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            # Whoever has one IPv6 address has all of its network.
            return str(ipaddress.IPv6Address(int(ip) >> 64 << 64)), ip.is_loopback
        ip = ip.ipv4_mapped
    return str(ip), ip.is_loopback


def check_password(given: bytes | None, expected: str | bytes | None) -> bool:
    """Whether a password is the expected one; text is taken as UTF-8, and None is no password, which is never right.

    It takes as long for a right one as for a wrong one, and as for an identity that has none: pass what you
    found, None included, and time tells nobody which identities there are.
    """
    wanted = expected.encode() if isinstance(expected, str) else expected
    # Digests, because comparing tells the length of what is compared.
    digests = [hashlib.sha256(b"" if text is None else text).digest() for text in (given, wanted)]
    is_same = hmac.compare_digest(*digests)
    return is_same and given is not None and wanted is not None
