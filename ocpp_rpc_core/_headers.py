"""How the header fields of a handshake are read and written, and which ones a user may add."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from sys import intern

from .errors import UpgradeRefused
from .limits import Limits

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_RESERVED = frozenset({"host", "connection", "upgrade", "content-length", "transfer-encoding"})

Fields = Sequence[tuple[str, str]]
"""Header fields, name and value, in the order sent."""


class HeadMeter:
    """Measures the lines of a request's head as they come, however the bytes are cut."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._line = 0  # number of the line that is not whole yet: 0 is the request line
        self._length = 0  # of what is here of it
        self._over = False

    def measure(self, data: bytes) -> None:
        """Take in the next bytes.

        Raises:
            UpgradeRefused: a line is too long, or there are too many.
        """
        start = 0
        while not self._over and start < len(data):
            newline = data.find(b"\n", start)
            end = len(data) if newline < 0 else newline
            self._length += end - start - data.count(b"\r", start, end)
            self._check()
            if newline >= 0:
                self._over = self._length == 0
                self._line, self._length = self._line + 1, 0
            start = end + 1

    def _check(self) -> None:
        if self._line == 0:
            if self._length > self._limits.request_line:
                raise UpgradeRefused(414, "the request line is too long", "request_line")
        elif self._length > self._limits.header_line:
            raise UpgradeRefused(431, "a header is too long", "header_line")
        elif self._length and self._line > self._limits.headers:
            raise UpgradeRefused(431, "too many header fields", "headers")


def accept_key(key: str) -> str:
    """The `Sec-WebSocket-Accept` that proves that `key` was understood (RFC 6455 4.2.2)."""
    # A checksum, not a secret: it must work where policy bans SHA-1 from security.
    challenge = f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()
    return base64.b64encode(hashlib.sha1(challenge, usedforsecurity=False).digest()).decode()


def is_token(text: str) -> bool:
    """Whether `text` is a token (RFC 9110 5.6.2), as the names of headers and subprotocols must be."""
    return bool(text) and _TOKEN.issuperset(text)


def split_list(value: str) -> list[str]:
    """The elements of a comma-separated value, not the empty ones; a quoted comma does not count."""
    cuts = [-1]
    quoted = escaped = False
    for index, char in enumerate(value):
        if char == "," and not quoted:
            cuts.append(index)
        if char == '"' and not escaped:
            quoted = not quoted
        escaped = quoted and char == "\\" and not escaped
    cuts.append(len(value))
    elements = (value[start + 1 : end].strip(" \t") for start, end in pairwise(cuts))
    return [element for element in elements if element]


def decode(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Names and values as text.  Every byte string is ISO 8859-1, so this cannot fail.

    Most are the same in every request, and as a server keeps them all, each text is there once.
    """
    return [(intern(name.decode("latin-1")), intern(value.decode("latin-1"))) for name, value in headers]


def values(fields: Fields, name: str) -> list[str]:
    """Every value sent under `name` (lower case)."""
    return [value for key, value in fields if key == name]


def elements(fields: Fields, name: str) -> list[str]:
    """The elements of every list sent under `name`, as one list (RFC 9110 5.3)."""
    return [element for value in values(fields, name) for element in split_list(value)]


def lists(fields: Fields, name: str, element: str) -> bool:
    """Whether the lists under `name` hold `element` (lower case), in any case."""
    return element in (found.lower() for found in elements(fields, name))


def without(own: Fields, given: Fields) -> list[tuple[str, str]]:
    """Those of our own fields that the user does not override."""
    names = {name.lower() for name, _ in given}
    return [(name, value) for name, value in own if name.lower() not in names]


def encode(own: Fields, given: Fields) -> list[tuple[bytes, bytes]]:
    """Our own fields and the user's, as bytes.

    Raises `ValueError` when one cannot be sent, or a field of the user belongs to the handshake.  The text
    names the field but not its value, which may be a secret.
    """
    for name, _ in given:
        if not is_token(name):
            raise ValueError(f"{name!r} is not a header name")
        if name.lower() in _RESERVED or name.lower().startswith("sec-websocket-"):
            raise ValueError(f"header {name!r} belongs to the handshake and cannot be set")
    for name, value in (*own, *given):
        # CR and LF would end the field and begin another one.
        if any((char < " " and char != "\t") or char == "\x7f" or char > "\xff" for char in value):
            raise ValueError(f"the value of header {name!r} has characters that no header can carry")
    return [(name.encode(), value.strip(" \t").encode("latin-1")) for name, value in (*own, *given)]
