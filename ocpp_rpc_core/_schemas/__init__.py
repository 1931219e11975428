"""Where the schemas of the OCPP versions and the validators generated from them are kept.

`schemas/hatch_build.py` puts both here whenever the project is built or installed, also in editable form.
"""

import importlib
import json
from types import ModuleType
from typing import Any

MODULES = {"ocpp1.6": "ocpp16", "ocpp2.0.1": "ocpp201", "ocpp2.1": "ocpp21"}
"""Subprotocol → name of its generated module."""


def module(subprotocol: str) -> ModuleType:
    """The generated module of one of `MODULES`.  Raises `RuntimeError` if it was never generated."""
    name = f"{__name__}.{MODULES[subprotocol]}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise _not_built(subprotocol) from None


def document(subprotocol: str) -> dict[str, Any]:
    """The JSON document of one of `MODULES`: its `subprotocol`, `definitions` and `messages`.

    Raises `RuntimeError` if it is not there.
    """
    from importlib.resources import files  # noqa: PLC0415 - slow to import, and only tools ask

    try:
        text = (files(__name__) / f"{subprotocol}.json").read_text("utf-8")
    except FileNotFoundError:
        raise _not_built(subprotocol) from None
    schemas: dict[str, Any] = json.loads(text)
    return schemas


def _not_built(subprotocol: str) -> RuntimeError:
    return RuntimeError(f"the validators of {subprotocol} were not generated: run `pip install -e .`")
