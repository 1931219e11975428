"""The pytest plugin: found by itself, with nothing loaded before a test asks, and fixtures that do what they say."""

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytestmark = pytest.mark.feature("B3")

FOUND = any(point.value == "ocpp_rpc_pytest" for point in entry_points(group="pytest11"))
"""Whether what is installed names the plugin; an older editable install may not."""


def pytest_run(folder, source):
    """The outcomes of the tests in `source`, which are run with the plugin alone, and what is printed."""
    (folder / "test_it.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rA", "--tb=short", str(folder)]
    if not FOUND:
        command[3:3] = ["-p", "ocpp_rpc_pytest"]
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    env = {**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": ""}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False).stdout


def test_importing_it_loads_nothing():
    """What every test run of every project pays for is one small module."""
    code = (
        "import json, sys; sys.path[:] = json.loads(sys.argv[1]); import pytest; before = set(sys.modules)\n"
        "import ocpp_rpc_pytest; print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    command = [sys.executable, "-I", "-S", "-c", code, json.dumps(sys.path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == ["ocpp_rpc_pytest"]


def test_the_fixtures(tmp_path):
    """Each is a new thing of the test kit, and works."""
    printed = pytest_run(
        tmp_path,
        """
import sys

def test_nothing_is_loaded():
    assert "ocpp_rpc_core" not in sys.modules

def test_pair(ocpp_pair):
    ocpp_pair.at_server.add("Heartbeat", {"currentTime": "now"})
    ocpp_pair.connect()
    assert ocpp_pair.client.ask("Heartbeat") == {"currentTime": "now"}

def test_fakes(ocpp_csms, ocpp_station):
    one, other = ocpp_csms.open(), ocpp_station.open()
    one.write(other.read())
    assert ocpp_csms.connected

def test_script(ocpp_script):
    from ocpp_rpc_core.session import Session
    from ocpp_rpc_core.config import ServerOptions
    from ocpp_rpc_core.events import RawSendRequested, SessionOpened
    session = Session(ServerOptions(entropy=bytes))
    ocpp_script(session).tell(SessionOpened(None)).expect().tell(RawSendRequested(1, "hi"))
""",
    )
    assert "4 passed, 1 error" in printed, printed
    assert "RawSendRequested(token=1, message='hi') led to other actions than expected" in printed
    assert "ERROR test_it.py::test_script" in printed


@pytest.mark.skipif(not FOUND, reason="what is installed is older than the plugin: install it again")
def test_it_is_found(tmp_path):
    """Whoever installs the library has the fixtures, without a line of configuration."""
    assert "1 passed" in pytest_run(tmp_path, "def test_it(ocpp_pair): ocpp_pair.connect()\n")
