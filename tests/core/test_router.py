"""Which handler belongs to a method."""

import pytest
from hypothesis import given, strategies as st

from ocpp_rpc_core.router import Router


@pytest.mark.feature("C18")
def test_method_before_wildcard():
    """The handler of the very method wins over the wildcard, which gets the rest."""
    router = Router()
    assert router.find("A") is None
    router.add(None, "any")
    router.add("A", "a")
    assert (router.find("A"), router.find("B")) == ("a", "any")


@pytest.mark.feature("C18")
def test_later_replaces_former():
    """A later handler takes the place of the former, as does a later wildcard."""
    router = Router()
    for handler in ("one", "two"):
        router.add("A", handler)
        router.add(None, handler)
    assert (router.find("A"), router.find("B")) == ("two", "two")


@pytest.mark.rule(4)
def test_case_matters():
    """A method's name is compared with its case."""
    router = Router()
    router.add("Heartbeat", "h")
    assert router.find("heartbeat") is None


@pytest.mark.feature("C18")
def test_remove():
    """A removed handler leaves the wildcard, a removed wildcard nothing; unknown ones are ignored."""
    router = Router()
    router.add("A", "a")
    router.add(None, "any")
    router.remove("A")
    assert router.find("A") == "any"
    router.remove(None)
    router.remove(None)
    router.remove("A")
    assert router.find("A") is None


@pytest.mark.feature("C18")
def test_clear():
    """Everything is forgotten, the wildcard too."""
    router = Router()
    router.add("A", "a")
    router.add(None, "any")
    router.clear()
    assert (router.find("A"), router.find("B")) == (None, None)


@pytest.mark.feature("S28")
def test_clear_spares_the_parent():
    """Clearing a client's handlers leaves those of the server."""
    server = Router()
    server.add("A", "server")
    client = Router(server)
    client.add("A", "client")
    client.clear()
    assert client.find("A") == "server"


HANDLERS = st.dictionaries(st.sampled_from([None, "A", "B"]), st.integers())


@pytest.mark.feature("S28")
@pytest.mark.feature("C18")
@given(levels=st.lists(HANDLERS, min_size=1, max_size=3), method=st.sampled_from(["A", "B", "C"]))
def test_nearest_wins(levels, method):
    """The nearest handler for the very method wins, then the nearest wildcard, through any levels."""
    router = None
    for handlers in reversed(levels):
        router = Router(router)
        for name, handler in handlers.items():
            router.add(name, handler)
    exact = [handlers[method] for handlers in levels if method in handlers]
    wildcards = [handlers[None] for handlers in levels if None in handlers]
    assert router.find(method) == next(iter(exact + wildcards), None)


def test_falsy_handler():
    """A handler is an opaque value: one that is false in itself is still found."""
    parent = Router()
    parent.add("A", "parent")
    router = Router(parent)
    router.add("A", 0)
    router.add(None, "")
    assert (router.find("A"), router.find("B")) == (0, "")
