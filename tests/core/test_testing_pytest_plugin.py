"""The pytest plugin: nothing is loaded before it is asked for, and fixtures do what they say."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from ocpp_rpc_core.config import ServerOptions
from ocpp_rpc_core.events import SessionOpened
from ocpp_rpc_core.session import Session
from ocpp_rpc_core.testing.pytest_plugin import ocpp_csms, ocpp_pair, ocpp_script, ocpp_station

__all__ = ["ocpp_csms", "ocpp_pair", "ocpp_script", "ocpp_station"]

pytestmark = pytest.mark.feature("B3")


def pytest_run(folder, source):
    """The outcomes of the tests in `source`, which are run with the plugin alone, and what is printed."""
    (folder / "test_it.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rA", "--tb=short", str(folder)]
    (folder / "conftest.py").write_text('pytest_plugins = ["ocpp_rpc_core.testing.pytest_plugin"]', encoding="utf-8")
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    env = {**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": ""}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False).stdout


def test_it_is_not_loaded_by_itself():
    """The test kit is there without pytest, and no test run of others loads anything of ours."""
    code = "import ocpp_rpc_core.testing, sys; sys.exit('pytest' in sys.modules)"
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, timeout=60, check=True)
    assert not [point for point in entry_points(group="pytest11") if point.value.startswith("ocpp")]


def test_the_fixtures(tmp_path):
    """Each is a new thing of the test kit, and works."""
    printed = pytest_run(
        tmp_path,
        """
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
    assert "3 passed, 1 error" in printed, printed
    assert "RawSendRequested(token=1, message='hi') led to other actions than expected" in printed
    assert "ERROR test_it.py::test_script" in printed


def test_a_pair(ocpp_pair):
    """Not yet connected, with nothing registered."""
    ocpp_pair.at_server.add("Heartbeat", {"currentTime": "now"})
    ocpp_pair.connect()
    assert ocpp_pair.client.ask("Heartbeat") == {"currentTime": "now"}


def test_both_fakes(ocpp_csms, ocpp_station):
    """They understand each other."""
    one, other = ocpp_csms.open(), ocpp_station.open()
    one.write(other.read())
    assert ocpp_csms.connected


def test_a_script(ocpp_script):
    """It begins at the time that is asked for."""
    script = ocpp_script(Session(ServerOptions(entropy=bytes)), 5.0)
    assert script.tell(SessionOpened(None)).expect().now == 5.0
