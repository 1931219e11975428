"""The vocabulary of what a connection can ask for."""

import dataclasses
import inspect
from typing import get_args

import pytest

from ocpp_rpc_core import actions as a

CLASSES = [cls for _, cls in inspect.getmembers(a, inspect.isclass) if cls.__module__ == a.__name__]
TEXT_SEAM = {a.SendText, a.CloseSession}


def test_unions_are_complete():
    """Every action can come from a connection or a session; only the text seam never leaves a connection."""
    assert set(CLASSES) == set(get_args(a.Action)) | set(get_args(a.SessionAction))
    assert set(get_args(a.SessionAction)) - set(get_args(a.Action)) == TEXT_SEAM


@pytest.mark.parametrize("cls", CLASSES)
def test_house_style(cls):
    """An action is a final, slotted dataclass with a docstring of its own; it is compared by value."""
    assert dataclasses.is_dataclass(cls)
    assert cls.__final__
    assert cls.__dictoffset__ == 0
    assert cls.__doc__
    assert not cls.__doc__.startswith(f"{cls.__name__}(")
    values = range(len(dataclasses.fields(cls)))
    assert cls(*values) == cls(*values)


@pytest.mark.parametrize("cls", CLASSES)
def test_nothing_is_left_out(cls):
    """An action has no defaults: whoever asks says everything."""
    assert all(field.default is dataclasses.MISSING for field in dataclasses.fields(cls))
    assert all(field.default_factory is dataclasses.MISSING for field in dataclasses.fields(cls))
