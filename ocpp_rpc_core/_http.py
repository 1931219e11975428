"""What an opening handshake told us, as plain values: who asks to come in, over what, and the answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TLSInfo:
    """The TLS parameters of a connection."""

    version: str
    """The protocol version, for example `TLSv1.3`."""

    cipher: str
    """The cipher suite by its OpenSSL name, for example `ECDHE-ECDSA-AES128-GCM-SHA256`."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """What a client said when it asked to come in (RFC 6455 4.1).

    Its `repr` shows neither the password nor the headers, which repeat it.
    """

    protocols: tuple[str, ...]
    """The offered subprotocols in the client's order of preference, each once."""

    identity: str
    """The last segment of the URL's path, percent-decoded (rule 30)."""

    password: bytes | None = field(repr=False)
    """The Basic auth password; `None` when absent, malformed, or sent for another identity (rule 34)."""

    endpoint: str
    """The URL's path without the identity, as sent; `/` when nothing else is left."""

    query: Mapping[str, str]
    """The parameters of the URL's query, decoded; of a repeated name the last one."""

    remote_address: str | None = None
    """The address the connection comes from, as the transport spells it."""

    headers: Mapping[str, str] = field(repr=False)
    """The request's headers: names in lower case, repeated ones joined with `, `, decoded as ISO 8859-1."""

    peer_certificate: Mapping[str, Any] | None = None
    """The client's certificate as `ssl.SSLSocket.getpeercert` describes it."""

    tls: TLSInfo | None = None
    """The TLS parameters; `None` on a plain connection."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HTTPResponse:
    """An HTTP response, whole."""

    status: int
    """The status code."""

    headers: tuple[tuple[str, str], ...]
    """Names in lower case and values, in the order sent, repetitions kept."""

    body: bytes
    """The content, with any transfer coding removed."""

    def header(self, name: str) -> str | None:
        """The first header called `name` (any case), or `None`."""
        return next((value for key, value in self.headers if key == name.lower()), None)


def peer_ip(address: object) -> str | None:
    """The IP address in a socket's address, or None if it has none; a socket that takes both writes IPv4 as IPv6."""
    return str(address[0]).removeprefix("::ffff:") if isinstance(address, tuple) else None
