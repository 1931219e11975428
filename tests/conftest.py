"""What every test has in common: the hypothesis profiles, a check of the markers, and `--proof`."""

import os

import pytest
from hypothesis import settings
from support.proof import Recorder

settings.register_profile("ci", deadline=None, derandomize=True, max_examples=100)
settings.register_profile("dev", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

ARGUMENT = {"rule": int, "feature": str, "threat": str}


def pytest_addoption(parser):
    """What `nox -s features` and `nox -s rules` need."""
    parser.addoption("--proof", metavar="FILE", help="write what became of the tests that prove features and rules")


def pytest_configure(config):
    """Record the proof if it is wanted."""
    if path := config.getoption("--proof"):
        config.pluginmanager.register(Recorder(path), "proof")


def pytest_collection_modifyitems(items):
    """A marker that proves something names exactly one thing."""
    for item in items:
        for marker in item.iter_markers():
            kind = ARGUMENT.get(marker.name)
            if kind is None:
                continue
            if marker.kwargs or len(marker.args) != 1 or type(marker.args[0]) is not kind:
                raise pytest.UsageError(f"{item.nodeid}: `{marker.name}` takes one {kind.__name__}, not {marker}")
