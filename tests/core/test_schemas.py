"""The generated modules: there, fresh, and made by the build hook."""

import importlib.util
import json
import runpy
import shutil
import sys
from pathlib import Path

import pytest

from ocpp_rpc_core import _schemas

HOOK = Path(__file__).parents[2] / "schemas" / "hatch_build.py"


@pytest.fixture
def hook():
    """A copy of the hook's module of one's own."""
    spec = importlib.util.spec_from_file_location("hatch_build", HOOK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_modules_are_fresh(hook):
    """All other tests would judge stale ones; `python schemas/hatch_build.py` makes them anew."""
    assert hook.stale() == []


@pytest.mark.feature("E7")
@pytest.mark.parametrize("subprotocol", _schemas.MODULES)
def test_module_and_document(subprotocol):
    """Both are found, and are about the same messages."""
    module, document = _schemas.module(subprotocol), _schemas.document(subprotocol)
    assert document["subprotocol"] == subprotocol
    assert {**module.REQUESTS, **module.SENDS}.keys() == document["messages"].keys()
    assert module.__doc__.startswith("Generated")


def test_hook_and_package_agree_on_names(hook):
    """The hook cannot import the package, so it names the modules again."""
    assert {name: f"{module}.py" for name, module in _schemas.MODULES.items()} == hook.MODULES


def test_a_source_tree_without_generated_modules(monkeypatch):
    """The error says how to make them."""
    monkeypatch.setitem(_schemas.MODULES, "ocpp1.6", "missing")
    with pytest.raises(RuntimeError, match=r"run `pip install -e \.`"):
        _schemas.module("ocpp1.6")
    with pytest.raises(RuntimeError, match=r"of ocpp9 were not generated"):
        _schemas.document("ocpp9")


def test_an_import_that_fails_inside_a_generated_module(monkeypatch):
    """It is not mistaken for a missing one."""

    def broken(name):
        raise ModuleNotFoundError(name="something_else")

    monkeypatch.setattr(_schemas.importlib, "import_module", broken)
    with pytest.raises(ModuleNotFoundError):
        _schemas.module("ocpp1.6")


def test_hook_makes_what_is_stale(hook, monkeypatch, tmp_path):
    """Missing, changed and outdated files are made again, in place; hatchling learns of all of them."""
    root = tmp_path / "project"
    core = root / "ocpp_rpc_core"
    (core / "_schemas").mkdir(parents=True)
    (root / "schemas").mkdir()
    for name in ("_compile.py", "_compile_flat.py"):
        shutil.copy(hook.CORE / name, core)
    for subprotocol in hook.MODULES:
        shutil.copy(HOOK.with_name(f"{subprotocol}.json"), root / "schemas")
    monkeypatch.setattr(hook, "SOURCES", root / "schemas")
    monkeypatch.setattr(hook, "CORE", core)
    monkeypatch.setattr(hook, "TARGET", core / "_schemas")
    assert hook.stale() == list(hook.MODULES)

    build_data = {"artifacts": ["x"]}
    hook.SchemaBuildHook.initialize(None, "standard", build_data)
    assert build_data["artifacts"][0] == "x"
    assert set(build_data["artifacts"][1:]) == {
        f"/ocpp_rpc_core/_schemas/{name}" for pair in hook.MODULES.items() for name in (f"{pair[0]}.json", pair[1])
    }
    assert all((root / name[1:]).is_file() for name in build_data["artifacts"][1:])
    assert hook.stale() == []

    (core / "_schemas" / "ocpp16.py").write_text("")
    (core / "_schemas" / "ocpp2.1.json").write_text("{}")
    assert hook.stale() == ["ocpp1.6", "ocpp2.1"]
    document = json.loads((root / "schemas" / "ocpp2.0.1.json").read_text("utf-8"))
    (root / "schemas" / "ocpp2.0.1.json").write_text(json.dumps(document))
    hook.write()
    assert hook.stale() == []
    with (core / "_compile_flat.py").open("a") as file:
        file.write("# changed\n")
    assert hook.stale() == list(hook.MODULES)


def test_generated_source_is_the_same_every_time(hook):
    """So a build can be reproduced."""
    document = _schemas.document("ocpp1.6")
    compiler = hook._compiler()
    source = compiler.generate(document["messages"], document)
    assert source == compiler.generate(document["messages"], document)
    assert (hook.TARGET / "ocpp16.py").read_text("utf-8").endswith(source)


def test_check(hook, monkeypatch):
    """`--check` exits with 0 when all is fresh, with a message and 1 when something is stale."""
    monkeypatch.setattr(sys, "argv", [str(HOOK), "--check"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(HOOK), run_name="__main__")
    assert caught.value.code == 0
    monkeypatch.setattr("fastjsonschema.VERSION", "0")
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(HOOK), run_name="__main__")
    assert caught.value.code == "stale: ocpp1.6, ocpp2.0.1, ocpp2.1"
