"""Which adapters meet which foreign peers."""

import importlib

import pytest
from interop.hosts import node_host, python_host

ADAPTERS = {
    "trio": ("ocpp_rpc_trio", "trio"),
    "anyio-asyncio": ("ocpp_rpc_anyio", "asyncio"),
    "anyio-trio": ("ocpp_rpc_anyio", "trio"),
}


@pytest.fixture(params=ADAPTERS)
def adapter(request):
    """A package of ours, and what it runs on."""
    return ADAPTERS[request.param]


@pytest.fixture
def anyio_backend(adapter):
    """What the test runs on."""
    return adapter[1]


@pytest.fixture
def ours(adapter):
    """The package under test."""
    return importlib.import_module(adapter[0])


@pytest.fixture(scope="session")
def node():
    """A process with ocpp-rpc and ws."""
    host = node_host()
    yield host
    host.end()


@pytest.fixture(scope="session")
def python():
    """A process with ocpp and websockets."""
    host = python_host()
    yield host
    host.end()


@pytest.fixture(params=["ocpp-rpc", "ocpp"])
def theirs(request):
    """The host of another OCPP implementation, and what its peers are called there."""
    if request.param == "ocpp-rpc":
        return request.getfixturevalue("node"), "rpc"
    return request.getfixturevalue("python"), "ocpp"
