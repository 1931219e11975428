"""Who is connected under which identity, in every order of coming and going."""

from dataclasses import dataclass

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ocpp_rpc_core._lifecycle import State
from ocpp_rpc_core.registry import Arrival, Registry, check_duplicates


@dataclass
class Client:
    """Equal to every other of its identity, so that only the very object tells them apart."""

    identity: str
    state: State = State.OPEN


def same(found, *expected):
    """Whether these are the very objects, in this order."""
    return [id(client) for client in found] == [id(client) for client in expected]


class Bell:
    """Remembers how often it rang."""

    rung = 0

    def set(self):
        self.rung += 1

    async def wait(self):
        raise NotImplementedError


@pytest.mark.feature("B6")
def test_policies():
    """The default is that the newest wins; a policy that does not exist is refused, then as later."""
    assert Registry().duplicates == "replace"
    for policy in ("replace", "refuse", "allow"):
        assert check_duplicates(policy) == Registry(policy).duplicates == policy
    for good in (lambda newcomer, clients: "allow", Registry):
        assert check_duplicates(good) == Registry(good).duplicates == good

    async def later(newcomer, clients):
        return "allow"

    for bad in ("Replace", "", None, 1, ["replace"], later):
        with pytest.raises(ValueError, match="duplicates must be one of"):
            Registry(bad)


@pytest.mark.feature("S26")
@pytest.mark.parametrize("policy", ["replace", "refuse", "allow"])
def test_different_identities(policy):
    """Clients of different identities do not touch each other, whatever the policy."""
    registry, a, b = Registry(policy), Client("a"), Client("b")
    assert registry.clients == ()
    assert (registry.add(a), registry.add(b)) == (Arrival([]), Arrival([]))
    assert registry.clients == (a, b)
    assert (registry.get("a"), registry.get("b"), registry.get("c")) == (a, b, None)
    registry.remove(a)
    assert (registry.get("a"), registry.clients) == (None, (b,))


@pytest.mark.feature("B6")
@pytest.mark.threat("T13")
def test_replace():
    """The newest wins; the late clean-up of the old one does not touch it."""
    registry, old, new = Registry("replace"), Client("a"), Client("a")
    registry.add(old)
    assert same(registry.add(new).leaving, old)
    assert registry.get("a") is new
    registry.remove(old)
    registry.remove(old)
    assert registry.get("a") is new
    assert same(registry.clients, new)
    registry.remove(new)
    assert (registry.get("a"), registry.clients) == (None, ())


@pytest.mark.feature("B6")
@pytest.mark.threat("T13")
def test_refuse():
    """The oldest wins; the newcomer is told to leave, and its clean-up does not touch the oldest."""
    registry, old, new = Registry("refuse"), Client("a"), Client("a")
    registry.add(old)
    assert same(registry.add(new).leaving, new)
    registry.remove(new)
    assert registry.get("a") is old
    registry.remove(old)
    assert registry.add(new) == Arrival([])
    assert registry.get("a") is new


@pytest.mark.feature("B6")
@pytest.mark.threat("T13")
def test_allow():
    """All stay; the newest is the one found by its identity, and when it goes, the one before it."""
    registry, old, new = Registry("allow"), Client("a"), Client("a")
    assert (registry.add(old), registry.add(new)) == (Arrival([]), Arrival([]))
    assert len(registry.clients) == 2
    assert registry.get("a") is new
    registry.remove(new)
    assert registry.get("a") is old


@pytest.mark.feature("B6")
def test_who_is_leaving():
    """It is listed until it is gone, but not found, and stands in nobody's way."""
    for policy in ("replace", "refuse", "allow"):
        registry, old, new = Registry(policy), Client("a"), Client("a")
        registry.add(old)
        old.state = State.CLOSING
        assert registry.get("a") is None
        assert same(registry.clients, old)
        assert registry.add(new) == Arrival([])
        assert registry.get("a") is new
        new.state = State.CLOSED
        assert registry.get("a") is None
        assert same(registry.clients, old, new)


@pytest.mark.feature("B6")
@pytest.mark.parametrize("verdict", ["replace", "refuse", "allow"])
def test_a_callback_decides(verdict):
    """It is asked only when there is something to decide, with those who can be called, the oldest first."""
    asked = []

    def decide(newcomer, clients):
        asked.append((newcomer, clients))
        return "".join(verdict)  # an equal string will do

    registry, one, two, three = Registry("allow"), Client("a"), Client("a"), Client("a")
    registry.add(one)
    registry.add(two)
    registry.duplicates = decide
    registry.add(Client("b"))
    assert asked == []
    arrival = registry.add(three)
    ((newcomer, clients),) = asked
    assert newcomer is three
    assert same(clients, one, two)
    assert same(arrival.leaving, *{"replace": [one, two], "refuse": [three], "allow": []}[verdict])
    assert arrival.error is None
    assert registry.get("a") is (two if verdict == "refuse" else three)


@pytest.mark.feature("B6")
@pytest.mark.threat("T13")
@pytest.mark.parametrize("answer", [None, True, "Replace", 3, ["replace"], LookupError("mine"), Exception()])
def test_a_callback_that_fails(answer):
    """Who comes is refused, the others stay as they are, and it is told what was wrong."""

    def decide(newcomer, clients):
        if isinstance(answer, Exception):
            raise answer
        return answer

    registry, old, new = Registry(decide), Client("a"), Client("a")
    registry.add(old)
    arrival = registry.add(new)
    assert same(arrival.leaving, new)
    assert registry.get("a") is old
    if isinstance(answer, Exception):
        assert arrival.error is answer
    else:
        assert str(arrival.error) == f"duplicates must return one of ('replace', 'refuse', 'allow'), not {answer!r}"


@pytest.mark.feature("S24")
def test_policy_changes():
    """A policy changed later counts from the next client; then all predecessors leave, the oldest first."""
    registry, clients = Registry("allow"), [Client("a") for _ in range(3)]
    registry.add(clients[0])
    registry.add(clients[1])
    registry.duplicates = "replace"
    assert same(registry.add(clients[2]).leaving, clients[0], clients[1])
    assert same(registry.clients, clients[2])


@pytest.mark.feature("B6")
def test_waiting():
    """Every bell for an identity rings when somebody is registered under it, and no other; one forgotten is silent."""
    registry, bells = Registry("refuse"), [Bell() for _ in range(4)]
    for bell, identity in zip(bells, "aaab", strict=True):
        registry.expect(identity, bell)
    registry.forget("a", bells[2])
    registry.add(Client("c"))
    assert [bell.rung for bell in bells] == [0, 0, 0, 0]
    registry.add(Client("a"))
    assert [bell.rung for bell in bells] == [1, 1, 0, 0]
    registry.add(Client("a"))  # refused
    assert [bell.rung for bell in bells] == [1, 1, 0, 0]
    registry.release()
    assert [bell.rung for bell in bells] == [2, 2, 0, 1]
    for bell, identity in zip((bells[0], bells[1], bells[3]), "aab", strict=True):
        registry.forget(identity, bell)
    assert registry._waiting == {}


@pytest.mark.feature("B6")
@pytest.mark.threat("T13")
def test_barrier():
    """A's clean-up is held back, B is installed, A's clean-up goes on: B is untouched and still found."""
    for policy in ("replace", "allow"):
        registry, a, b = Registry(policy), Client("x"), Client("x")
        registry.add(a)

        def clean_up(registry=registry, gone=a):
            yield  # held here
            registry.remove(gone)

        cleaning = clean_up()
        next(cleaning)
        registry.add(b)
        assert next(cleaning, "done") == "done"
        assert registry.get("x") is b
        assert b in registry
        assert a not in registry
        assert same(registry.clients, b)


class Traffic(RuleBasedStateMachine):
    """Whoever comes, leaves, is cleaned up and waits, in any order under any policy: the registry is a plain list."""

    def __init__(self):
        super().__init__()
        self.registry = Registry("replace")
        self.policy = "replace"
        self.came = []
        self.model = []  # who is registered, the oldest first
        self.bells = []  # [identity, bell, how often it must have rung]

    @rule(policy=st.sampled_from(["replace", "refuse", "allow"]), by_callback=st.booleans())
    def change(self, policy, by_callback):
        """The policy counts from the next client on."""
        self.policy = policy
        self.registry.duplicates = (lambda newcomer, clients: policy) if by_callback else policy

    @rule(identity=st.sampled_from("abc"))
    def arrive(self, identity):
        """As the policy says."""
        newcomer = Client(identity)
        former = [old for old in self.model if old.identity == identity and old.state is State.OPEN]
        leaving = {"replace": former, "refuse": [newcomer] if former else [], "allow": []}[self.policy]
        self.came.append(newcomer)
        self.model = [client for client in (*self.model, newcomer) if not any(client is old for old in leaving)]
        arrival = self.registry.add(newcomer)
        assert same(arrival.leaving, *leaving)
        assert arrival.error is None
        for old in leaving:
            old.state = State.CLOSING
        if newcomer.state is State.OPEN:
            for entry in self.bells:
                entry[2] += entry[0] == identity

    @rule(number=st.integers(0, 20))
    def close(self, number):
        """One begins to leave; it is still there."""
        if self.came:
            self.came[number % len(self.came)].state = State.CLOSING

    @rule(number=st.integers(0, 20))
    def clean_up(self, number):
        """However late, and not for the first time."""
        if self.came:
            gone = self.came[number % len(self.came)]
            gone.state = State.CLOSED
            self.registry.remove(gone)
            self.model = [client for client in self.model if client is not gone]

    @rule(identity=st.sampled_from("abc"))
    def expect(self, identity):
        """Somebody waits."""
        self.bells.append([identity, Bell(), 0])
        self.registry.expect(identity, self.bells[-1][1])

    @rule(number=st.integers(0, 20))
    def give_up(self, number):
        """One of those who wait."""
        if self.bells:
            identity, bell, _ = self.bells.pop(number % len(self.bells))
            self.registry.forget(identity, bell)

    @invariant()
    def agrees(self):
        """Who is there, who is found, who was told, and nothing lingers."""
        assert same(self.registry.clients, *self.model)
        for identity in "abc":
            open_ones = [c for c in self.model if c.identity == identity and c.state is State.OPEN]
            assert self.registry.get(identity) is (open_ones[-1] if open_ones else None)
        assert all((client in self.registry) == any(client is it for it in self.model) for client in self.came)
        assert set(self.registry._by_identity) == {client.identity for client in self.model}
        assert [bell.rung for _, bell, _ in self.bells] == [rung for _, _, rung in self.bells]
        assert set(self.registry._waiting) == {identity for identity, _, _ in self.bells}


TestTraffic = pytest.mark.feature("B6")(pytest.mark.threat("T13")(Traffic.TestCase))
TestTraffic.settings = settings(max_examples=100, stateful_step_count=40)


@pytest.mark.feature("S26")
@pytest.mark.feature("B6")
def test_contains_the_very_client():
    """Only who is registered is in it, not another of the same identity, and no longer once removed."""
    registry, old, new = Registry(), Client("A"), Client("A")
    registry.add(old)
    assert old in registry
    assert new not in registry
    registry.add(new)
    assert new in registry
    assert old not in registry
    registry.remove(new)
    assert new not in registry
