"""How each of the two published packages stores its schemas and states its name and version."""

import json
import re
from email.parser import HeaderParser
from pathlib import Path
from typing import NamedTuple

from _facts import Schema, Unusable, expand

Messages = dict[str, Schema]
"""Expanded schema by message, such as `BootNotification.request`; roles: request, response, send."""

SUBPROTOCOLS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
"""The WebSocket subprotocol names of the versions read."""

_ROLES = {"req": "request", "conf": "response", "Request": "request", "Response": "response"}
_NPM_FILES = dict(zip(SUBPROTOCOLS, ("ocpp1_6.json", "ocpp2_0_1.json", "ocpp2_1.json"), strict=True))
_PYPI_FOLDERS = dict(zip(SUBPROTOCOLS, ("v16", "v201", "v21"), strict=True))


class Package(NamedTuple):
    """One published package: where it came from and what it says."""

    name: str
    """Its own name with its version, as in its metadata."""
    versions: dict[str, Messages]
    """Its messages by subprotocol."""


def read_npm(folder: Path) -> Package:
    """Read the unpacked npm package: one list of schemas per version, told apart by `$id`."""
    about = json.loads((folder / "package.json").read_text("utf-8"))
    versions: dict[str, Messages] = {}
    for subprotocol, file in _NPM_FILES.items():
        schemas = json.loads((folder / "lib" / "schemas" / file).read_text("utf-8-sig"))
        versions[subprotocol] = _messages(
            subprotocol, [(schema["$id"].removeprefix("urn:"), schema) for schema in schemas]
        )
    return Package(f"{about['name']} {about['version']} (npm)", versions)


def read_pypi(folder: Path) -> Package:
    """Read the installed PyPI package: one file per message, told apart by file name."""
    versions: dict[str, Messages] = {}
    for subprotocol, version in _PYPI_FOLDERS.items():
        # Some of the files begin with a byte order mark.
        versions[subprotocol] = _messages(
            subprotocol,
            [
                (file.stem, json.loads(file.read_text("utf-8-sig")))
                for file in sorted((folder / version / "schemas").glob("*.json"))
            ],
        )
    (metadata,) = folder.parent.glob(f"{folder.name}-*.dist-info/METADATA")
    about = HeaderParser().parsestr(metadata.read_text("utf-8"))
    return Package(f"{about['Name']} {about['Version']} (PyPI)", versions)


def _messages(subprotocol: str, schemas: list[tuple[str, Schema]]) -> Messages:
    """Return the expanded schemas by message; raises `Unusable`, also for a message given twice."""
    messages: Messages = {}
    for label, schema in schemas:
        message = _message(subprotocol, label)
        if message in messages:
            raise Unusable(f"{subprotocol} {message}: given twice")
        try:
            messages[message] = expand(schema)
        except Unusable as error:
            raise Unusable(f"{subprotocol} {message}: {error}") from None
    return messages


def _message(subprotocol: str, label: str) -> str:
    """Return `Method.role` for a package's label such as `Method.req`, `MethodResponse` or `Method`."""
    match = re.fullmatch(r"(\w+?)(?:\.?(req|conf|Request|Response))?", label)
    if match is None:
        raise Unusable(f"{subprotocol}: label {label!r}")
    method, suffix = match.groups()
    # A bare name is a request in 1.6; later versions use it for a message that has no response.
    bare = "request" if subprotocol == "ocpp1.6" else "send"
    return f"{method}.{_ROLES.get(suffix, bare)}"
