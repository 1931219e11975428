"""How many may stand at the door, how often one may be rejected there, and how a password is compared."""

import hmac

import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.stepping import Bell

from ocpp_rpc_core import _door
from ocpp_rpc_core._door import REMEMBERED, Door, Guard, Visit, check_password
from ocpp_rpc_core.notices import ConnectionRefused

TOO_MANY = "too many connections"
STRANGERS = "too many connections that are not let in yet"
ONE_ADDRESS = "too many connections from this address that are not let in yet"


class TestDoor:
    @pytest.mark.feature("B13")
    def test_its_limits(self):
        """The defaults; None and infinity are no limit, and nothing else that is not more than 0 is one."""
        assert Door() == Door(
            max_connections=10_000,
            max_unauthenticated=256,
            max_unauthenticated_per_address=16,
            max_rejections=10,
            rejection_window=60.0,
            partial_bytes=256 * 2**20,
        )
        names = (
            *("max_connections", "max_unauthenticated", "max_unauthenticated_per_address", "max_rejections"),
            "partial_bytes",
        )
        for name in names:
            assert Door(**{name: None}) != Door(**{name: float("inf")}) != Door(**{name: 1})
        for name in (*names, "rejection_window"):
            for bad in (0, -1, float("nan"), "10"):
                with pytest.raises(ValueError, match=f"{name} must be a number, more than 0, not"):
                    Door(**{name: bad})
        with pytest.raises(ValueError, match="rejection_window"):
            Door(rejection_window=None)


def fill(guard, door, count, address=None):
    """That many come to the door, and all find room."""
    visits = [guard.arrive(door, address) for _ in range(count)]
    assert all(isinstance(visit, Visit) for visit in visits)
    return visits


@pytest.mark.feature("B13")
@pytest.mark.threat("T8")
class TestConnections:
    def test_all_of_them(self):
        """Those who were let in count, too; one who leaves makes room for one, however often it is said."""
        guard, door = Guard(), Door(max_connections=3)
        one, two, _ = fill(guard, door, 3)
        guard.let_in(one)
        assert guard.arrive(door, "192.0.2.1") == ConnectionRefused("192.0.2.1", TOO_MANY)
        for _ in range(2):
            guard.leave(two)
        fill(guard, door, 1)
        assert guard.arrive(door, None) == ConnectionRefused(None, TOO_MANY)

    @pytest.mark.parametrize(
        ("files", "limit", "room"),
        [(300, 10_000, 172), (64, 10_000, 32), (64, 5, 5), (None, 40, 40), (-1, 40, 40), (64, None, 400)],
    )
    def test_never_more_than_files_can_be_opened(self, files, limit, room):
        """A reserve stays for the rest of the process, unless there shall be no limit at all."""
        guard, door = Guard(files), Door(max_connections=limit, max_unauthenticated=None)
        fill(guard, door, room)
        refused = isinstance(guard.arrive(door, None), ConnectionRefused)
        assert refused == (limit is not None)

    def test_strangers(self):
        """Whoever is let in is none any more, and whoever leaves; each makes room once."""
        guard, door = Guard(), Door(max_unauthenticated=2)
        one, two = fill(guard, door, 2)
        assert guard.arrive(door, None) == ConnectionRefused(None, STRANGERS)
        guard.let_in(one)
        guard.let_in(one)
        (three,) = fill(guard, door, 1)
        assert guard.arrive(door, None) == ConnectionRefused(None, STRANGERS)
        guard.leave(one)
        assert guard.arrive(door, None) == ConnectionRefused(None, STRANGERS)
        guard.leave(two)
        guard.leave(three)
        fill(guard, door, 2)

    def test_whoever_was_accepted_into_a_place(self):
        """They are not refused for strangers that came meanwhile, but for everything else, and count as one."""
        guard, door = Guard(), Door(max_connections=4, max_unauthenticated=1, max_unauthenticated_per_address=1)

        def accepted(address):
            guard.keep()
            return guard.arrive(door, address, accepted=True)

        fill(guard, door, 1, "192.0.2.1")
        assert isinstance(accepted("192.0.2.2"), Visit)
        assert accepted("192.0.2.2") == ConnectionRefused("192.0.2.2", ONE_ADDRESS)
        assert guard.arrive(door, None) == ConnectionRefused(None, STRANGERS)
        assert all(isinstance(accepted(f"192.0.2.{number}"), Visit) for number in (3, 4))
        assert accepted("192.0.2.5") == ConnectionRefused("192.0.2.5", TOO_MANY)
        assert guard._kept == 0

    def test_of_one_address(self):
        """One address does not keep others out, and is free again once its strangers are in or gone."""
        guard, door = Guard(), Door(max_unauthenticated_per_address=2)
        one, two = fill(guard, door, 2, "192.0.2.1")
        assert guard.arrive(door, "192.0.2.1") == ConnectionRefused("192.0.2.1", ONE_ADDRESS)
        fill(guard, door, 2, "192.0.2.2")
        guard.let_in(one)
        guard.leave(two)
        fill(guard, door, 2, "192.0.2.1")
        assert isinstance(guard.arrive(door, "192.0.2.1"), ConnectionRefused)

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            ("192.0.2.1", "::ffff:192.0.2.1", True),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
            ("fe80::1%eth0", "fe80::2%eth0", True),
            ("somewhere", "somewhere", True),
            ("somewhere", "elsewhere", False),
        ],
    )
    def test_what_is_one_address(self, one, other, same):
        """IPv4 however it is written, a /64 network of IPv6, and whatever else a transport says as it is."""
        guard, door = Guard(), Door(max_unauthenticated_per_address=1)
        fill(guard, door, 1, one)
        assert isinstance(guard.arrive(door, other), ConnectionRefused) == same

    @pytest.mark.parametrize("address", [None, "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
    def test_this_machine_is_not_counted_as_an_address(self, address):
        """A Unix socket has none, and behind a proxy on this machine is everybody; the total still counts."""
        guard, door = Guard(), Door(max_unauthenticated_per_address=1)
        fill(guard, door, 256, address)
        assert guard.arrive(door, address) == ConnectionRefused(address, STRANGERS)

    def test_a_door_that_changes(self):
        """The limits of whoever comes are those of now."""
        guard = Guard()
        fill(guard, Door(), 5)
        assert isinstance(guard.arrive(Door(max_connections=5), None), ConnectionRefused)
        fill(guard, Door(), 1)


@pytest.mark.feature("B13")
@pytest.mark.threat("T8")
class TestRoom:
    def test_for_one_more_stranger(self):
        """There is, unless so many stand there as may; who is let in or leaves makes room; the limit is that of now."""
        guard, door = Guard(), Door(max_unauthenticated=2)
        assert guard.has_room(door)
        one, two = fill(guard, door, 2)
        assert not guard.has_room(door)
        assert guard.has_room(Door(max_unauthenticated=3))
        assert guard.has_room(Door(max_unauthenticated=None))
        guard.let_in(one)
        assert guard.has_room(door)
        fill(guard, door, 1)
        assert not guard.has_room(door)
        guard.leave(one)
        assert not guard.has_room(door)
        guard.leave(two)
        assert guard.has_room(door)

    def test_a_place_that_is_kept(self):
        """It is as good as taken, until whoever it is for arrives and takes it, or it is given back."""
        guard, door = Guard(), Door(max_unauthenticated=2)
        for _ in range(2):
            assert guard.has_room(door)
            guard.keep()
        assert not guard.has_room(door)
        assert guard.arrive(door, None) == ConnectionRefused(None, STRANGERS)
        assert isinstance(guard.arrive(door, None, accepted=True), Visit)
        assert not guard.has_room(door)
        guard.give_back()
        assert guard.has_room(door)

    def test_who_waits_for_it(self):
        """They are rung for when somebody is let in or leaves who was a stranger, when somebody else did not need
        their place, and when asked; never again once they are forgotten."""
        guard = Guard()
        one, two = fill(guard, Door(), 2)
        guard.keep()
        for happens in (lambda: guard.let_in(one), lambda: guard.leave(two), guard.give_back, guard.release):
            bells = [Bell(), Bell()]
            for bell in bells:
                guard.expect(bell)
            assert [bell.rung for bell in bells] == [False, False]
            guard.forget(bells[1])
            happens()
            assert [bell.rung for bell in bells] == [True, False]
            guard.forget(bells[0])
        assert guard._waiting == []

    def test_a_crowd_is_news_once(self):
        """Until half of it is gone, whoever comes and goes meanwhile."""
        guard, door = Guard(), Door(max_unauthenticated=4)
        crowd = fill(guard, door, 4)
        assert [guard.crowded() for _ in range(3)] == [True, False, False]
        guard.let_in(crowd.pop())
        crowd += fill(guard, door, 1)
        assert not guard.crowded()
        guard.let_in(crowd.pop())
        guard.leave(crowd.pop())
        crowd += fill(guard, door, 2)
        assert [guard.crowded(), guard.crowded()] == [True, False]


class Crowd(RuleBasedStateMachine):
    """Whoever comes and goes in any order: nobody beyond a limit is let in, and nothing is left of who is gone."""

    DOOR = Door(max_connections=6, max_unauthenticated=4, max_unauthenticated_per_address=2)

    def __init__(self):
        super().__init__()
        self.guard = Guard()
        self.outside, self.inside, self.gone = [], [], []

    @rule(address=st.sampled_from(["192.0.2.1", "192.0.2.2", None]))
    def arrive(self, address):
        """There is room exactly if no limit is reached."""
        from_here = [visit for visit in self.outside if visit.source == address]
        full = len(self.outside) + len(self.inside) >= 6 or len(self.outside) >= 4
        full = full or (address is not None and len(from_here) >= 2)
        visit = self.guard.arrive(self.DOOR, address)
        assert isinstance(visit, ConnectionRefused) == full
        if not full:
            self.outside.append(visit)

    @rule(data=st.data())
    def let_in(self, data):
        """Anybody, also who has been let in, or is gone."""
        if everybody := [*self.outside, *self.inside, *self.gone]:
            visit = data.draw(st.sampled_from(everybody))
            self.guard.let_in(visit)
            if visit in self.outside:
                self.outside.remove(visit)
                self.inside.append(visit)

    @rule(data=st.data())
    def leave(self, data):
        """Anybody, also who is gone."""
        if everybody := [*self.outside, *self.inside, *self.gone]:
            visit = data.draw(st.sampled_from(everybody))
            self.guard.leave(visit)
            for group in (self.outside, self.inside):
                if visit in group:
                    group.remove(visit)
                    self.gone.append(visit)

    @invariant()
    def counted(self):
        """The books agree."""
        assert self.guard._outside == set(self.outside)
        assert self.guard._visits == {*self.outside, *self.inside}
        sources = [visit.source for visit in self.outside if visit.source is not None]
        assert self.guard._sources == {source: sources.count(source) for source in sources}


TestCrowd = pytest.mark.threat("T8")(Crowd.TestCase)
TestCrowd.settings = settings(max_examples=50, stateful_step_count=40)


@pytest.mark.feature("B13")
@pytest.mark.threat("T11")
class TestRejections:
    DOOR = Door(max_rejections=3, rejection_window=60)

    def test_so_many_and_no_more(self):
        """Then nobody is asked, until the first rejection is forgotten; who is not asked is not counted."""
        guard = Guard()
        for now in (0, 10, 20):
            assert guard.attempt(self.DOOR, "192.0.2.1", "CP1", now) is not None
        for now in (20, 30, 59.9):
            assert guard.attempt(self.DOOR, "192.0.2.1", "CP1", now) is None
        assert guard.attempt(self.DOOR, "192.0.2.1", "CP1", 60) is not None
        assert guard.attempt(self.DOOR, "192.0.2.1", "CP1", 60) is None

    def test_each_identity_and_address_for_itself(self):
        """Whoever guesses the password of one station shuts out neither others nor the same from elsewhere."""
        guard = Guard()
        for _ in range(3):
            assert guard.attempt(self.DOOR, "192.0.2.1", "CP1", 0) is not None
        assert guard.attempt(self.DOOR, "192.0.2.1", "CP1", 0) is None
        assert guard.attempt(self.DOOR, "192.0.2.1", "CP2", 0) is not None
        assert guard.attempt(self.DOOR, "192.0.2.2", "CP1", 0) is not None
        for address in (None, "127.0.0.1"):  # who guesses may well sit behind a proxy on this machine
            for _ in range(3):
                assert guard.attempt(self.DOOR, address, "CP1", 0) is not None
            assert guard.attempt(self.DOOR, address, "CP1", 0) is None

    def test_success_is_no_rejection(self):
        """An attempt that is withdrawn was none; earlier rejections stay."""
        guard = Guard()
        for now in range(100):
            guard.withdraw(guard.attempt(self.DOOR, None, "CP1", now / 10))
        assert guard._attempts == {}
        first, second = (guard.attempt(self.DOOR, None, "CP1", 10) for _ in range(2))
        guard.withdraw(second)
        assert [guard.attempt(self.DOOR, None, "CP1", 10) is None for _ in range(3)] == [False, False, True]
        assert guard.attempt(self.DOOR, None, "other", 71) is not None
        guard.withdraw(first)  # long after it was forgotten
        assert len(guard._attempts) == 1

    def test_those_who_ask_at_once_count_before_they_are_answered(self):
        """Many connections at the same moment get no more attempts than one after the other."""
        guard = Guard()
        asked = [guard.attempt(self.DOOR, None, "CP1", 5.0) for _ in range(100)]
        assert sum(attempt is not None for attempt in asked) == 3

    def test_without_a_limit(self):
        """None and infinity ask always; what is remembered is forgotten in time."""
        for door in (Door(max_rejections=None), Door(max_rejections=float("inf"))):
            guard = Guard()
            for now in range(1000):
                assert guard.attempt(door, None, "CP1", now) is not None
            assert len(next(iter(guard._attempts.values()))) == 60

    def test_memory_is_bounded(self):
        """However many identities, of whatever length, somebody tries: the oldest are forgotten."""
        guard = Guard()
        for number in range(REMEMBERED + 10):
            assert guard.attempt(self.DOOR, "192.0.2.1", f"{number}" + "x" * 8000, number / 1000) is not None
        assert len(guard._attempts) == REMEMBERED
        assert {len(key) for key in guard._attempts} == {32}
        assert guard.attempt(self.DOOR, "192.0.2.1", "later", 1000) is not None
        assert len(guard._attempts) == 1

    @given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40), st.booleans()), max_size=40))
    def test_any_order(self, steps):
        """However attempts of several identities mix in time, each is asked at most so often within the window."""
        guard, now = Guard(), 0
        rejected = {name: [] for name in "abc"}
        for name, wait, is_right in steps:
            now += wait
            recent = [at for at in rejected[name] if at > now - 60]
            attempt = guard.attempt(self.DOOR, None, name, now)
            assert (attempt is None) == (len(recent) >= 3)
            if attempt is not None and is_right:
                guard.withdraw(attempt)
            elif attempt is not None:
                rejected[name].append(now)


@pytest.mark.threat("T10")
class TestPassword:
    @pytest.mark.parametrize(
        ("given_", "expected", "right"),
        [
            (b"secret", b"secret", True),
            (b"secret", "secret", True),
            ("pässwörd:1".encode(), "pässwörd:1", True),
            (b"\xff\x00", b"\xff\x00", True),
            (b"", b"", True),
            (b"x" * 1000, "x" * 1000, True),
            (b"x" * 1000, "x" * 999, False),
            (b"secret", b"Secret", False),
            (b"", b"secret", False),
            (None, b"secret", False),
            (None, b"", False),
            (None, "", False),
            (b"secret", None, False),
            (b"", None, False),
            (None, None, False),
        ],
    )
    def test_what_is_right(self, given_, expected, right):
        """The same bytes; the empty password is one, and no password never is."""
        assert check_password(given_, expected) is right

    @pytest.mark.parametrize("expected", [None, "", b"secret", "s" * 1000])
    @pytest.mark.parametrize("given_", [None, b"", b"secret", b"\xff" * 1000])
    def test_time_tells_nothing(self, monkeypatch, given_, expected):
        """Known identity or not, right or wrong, long or short: one comparison of equally long digests."""
        compared, compare = [], hmac.compare_digest

        def spy(one, other):
            compared.append((len(one), len(other)))
            return compare(one, other)

        monkeypatch.setattr(_door.hmac, "compare_digest", spy)
        check_password(given_, expected)
        assert compared == [(32, 32)]
