"""Who is connected under which identity, in every order of coming and going."""

from dataclasses import dataclass

import pytest
from hypothesis import given, strategies as st

from ocpp_rpc_core.registry import Registry, check_duplicates


@dataclass
class Client:
    """Equal to every other of its identity, so that only the very object tells them apart."""

    identity: str


@pytest.mark.feature("B6")
def test_policies():
    """The default is that the newest wins; a policy that does not exist is refused, then as later."""
    assert Registry().duplicates == "replace"
    for policy in ("replace", "refuse", "allow"):
        assert check_duplicates(policy) == Registry(policy).duplicates == policy
    for bad in ("Replace", "", None, 1, ["replace"]):
        with pytest.raises(ValueError, match="duplicates must be one of"):
            Registry(bad)


@pytest.mark.feature("S26")
@pytest.mark.parametrize("policy", ["replace", "refuse", "allow"])
def test_different_identities(policy):
    """Clients of different identities do not touch each other, whatever the policy."""
    registry, a, b = Registry(policy), Client("a"), Client("b")
    assert registry.clients == ()
    assert (registry.add(a), registry.add(b)) == ([], [])
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
    leaving = registry.add(new)
    assert len(leaving) == 1
    assert leaving[0] is old
    assert registry.get("a") is new
    registry.remove(old)
    registry.remove(old)
    assert registry.get("a") is new
    assert [client is new for client in registry.clients] == [True]
    registry.remove(new)
    assert (registry.get("a"), registry.clients) == (None, ())


@pytest.mark.feature("B6")
@pytest.mark.threat("T13")
def test_refuse():
    """The oldest wins; the newcomer is told to leave, and its clean-up does not touch the oldest."""
    registry, old, new = Registry("refuse"), Client("a"), Client("a")
    registry.add(old)
    leaving = registry.add(new)
    assert len(leaving) == 1
    assert leaving[0] is new
    registry.remove(new)
    assert registry.get("a") is old
    registry.remove(old)
    assert registry.add(new) == []
    assert registry.get("a") is new


@pytest.mark.feature("B6")
@pytest.mark.threat("T13")
def test_allow():
    """All stay; the newest is the one found by its identity, and when it goes, the one before it."""
    registry, old, new = Registry("allow"), Client("a"), Client("a")
    assert (registry.add(old), registry.add(new)) == ([], [])
    assert len(registry.clients) == 2
    assert registry.get("a") is new
    registry.remove(new)
    assert registry.get("a") is old


@pytest.mark.feature("S24")
def test_policy_changes():
    """A policy changed later counts from the next client; then all predecessors leave, the oldest first."""
    registry, clients = Registry("allow"), [Client("a") for _ in range(3)]
    registry.add(clients[0])
    registry.add(clients[1])
    registry.duplicates = "replace"
    leaving = registry.add(clients[2])
    assert [id(client) for client in leaving] == [id(clients[0]), id(clients[1])]
    assert [id(client) for client in registry.clients] == [id(clients[2])]


@pytest.mark.feature("B6")
@pytest.mark.threat("T13")
@given(
    policy=st.sampled_from(["replace", "refuse", "allow"]),
    steps=st.lists(st.sampled_from("abc").map(Client) | st.integers(0, 20), max_size=30),
)
def test_any_order(policy, steps):
    """Whoever comes and goes when: who is connected is what the policy says of the order, nothing lingers."""
    registry = Registry(policy)
    came: list[Client] = []
    model: list[Client] = []  # who is connected, the oldest first
    for step in steps:
        if isinstance(step, Client):
            same = [client for client in model if client.identity == step.identity]
            leaving = {"replace": same, "refuse": [step] if same else [], "allow": []}[policy]
            came.append(step)
            model = [client for client in (*model, step) if not any(client is old for old in leaving)]
            assert list(map(id, registry.add(step))) == list(map(id, leaving))
        elif came:  # its clean-up, perhaps not the first
            gone = came[step % len(came)]
            registry.remove(gone)
            model = [client for client in model if client is not gone]
        assert list(map(id, registry.clients)) == list(map(id, model))
        for identity in "abc":
            newest = next((client for client in reversed(model) if client.identity == identity), None)
            assert registry.get(identity) is newest
    assert set(registry._by_identity) == {client.identity for client in model}


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
