"""Both adapters offer the same: the same names, with the same signatures, and everything of the core."""

import inspect

import pytest

import ocpp_rpc_anyio
import ocpp_rpc_core
import ocpp_rpc_trio

OWN = ("RPCClient", "RPCServer", "RPCServerClient", "Listener")
FUNCTIONS = ("client_tls", "server_tls")


def public(thing):
    """The names meant for users."""
    return {name for name in dir(thing) if not name.startswith("_") or name in ("__aenter__", "__aexit__")}


def shown(function):
    """Its signature, with types as text and without the names of modules that differ."""
    text = str(inspect.signature(function))
    return text.replace("ocpp_rpc_trio", "adapter").replace("ocpp_rpc_anyio", "adapter")


def exported(module):
    """What `from module import *` would give, apart from submodules."""
    return {name for name in public(module) if not inspect.ismodule(getattr(module, name))}


def test_the_same_names():
    """Each adapter exports the core's names and what is its own, and nothing else."""
    expected = set(ocpp_rpc_core.__all__) | {*OWN, *FUNCTIONS}
    assert exported(ocpp_rpc_trio) == expected
    assert exported(ocpp_rpc_anyio) == expected


@pytest.mark.parametrize("name", sorted(ocpp_rpc_core.__all__))
def test_the_same_things(name):
    """What needs no I/O is the same object everywhere."""
    assert getattr(ocpp_rpc_trio, name) is getattr(ocpp_rpc_core, name)
    assert getattr(ocpp_rpc_anyio, name) is getattr(ocpp_rpc_core, name)


@pytest.mark.parametrize("name", OWN)
def test_the_same_members(name):
    """Each class has the same public members in both."""
    one, other = getattr(ocpp_rpc_trio, name), getattr(ocpp_rpc_anyio, name)
    members = [public(kind) for kind in (one, other)]
    if name == "Listener":  # what else it has is its server's
        members = [{"close"} & found for found in members]
    assert members[0] == members[1]


@pytest.mark.parametrize("name", OWN)
def test_the_same_signatures(name):
    """And every method takes the same arguments, with the same defaults."""
    one, other = getattr(ocpp_rpc_trio, name), getattr(ocpp_rpc_anyio, name)
    if name in ("RPCClient", "RPCServer"):
        assert shown(one) == shown(other)
    for member in sorted(public(one) & public(other)):
        ours, theirs = getattr(one, member), getattr(other, member)
        if member == "handle_stream":  # each takes its own loop's streams
            assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
        elif inspect.isfunction(ours):
            assert shown(ours) == shown(theirs), member
            assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs), member


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_functions(name):
    """And so does every function that is an adapter's own."""
    assert shown(getattr(ocpp_rpc_trio, name)) == shown(getattr(ocpp_rpc_anyio, name))
