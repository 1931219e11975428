"""How a WebSocket URL carries endpoint, identity and query, and a header beside it the credentials."""

import base64
import ipaddress
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final
from urllib.parse import SplitResult, parse_qsl, quote, unquote_to_bytes, urlencode, urlsplit

from .errors import UpgradeRefused

_COMPONENT = "!~*'()"  # what encodeURIComponent leaves alone, beside letters, digits and "-_."
_PATH = "/%:@!$&'()*+,;=|[]"  # what may stand in a path as it is; "%" because the endpoint is already encoded
_QUERY = _PATH + "?"
_HOST = frozenset(string.ascii_letters + string.digits + ".-_")
_HEX = frozenset(string.hexdigits)
_IDENTIFIER = frozenset(string.ascii_letters + string.digits + "*-_=+|@.")  # identifierString, but no colon
_LONGEST_IDENTIFIER = 48


def split_target(target: str) -> tuple[str, str, dict[str, str]]:
    """The endpoint, the decoded identity and the decoded query of a request target `/path?query`.

    The identity is the last segment, and may be empty.  The endpoint is the rest as it was sent, or `/`.
    Of a repeated query parameter the last one counts; what cannot be decoded in a query becomes U+FFFD.
    Raises `UpgradeRefused` (400) when the identity cannot be decoded or is not fit for a log.
    """
    if "#" in target:
        raise UpgradeRefused(400, "the request target has a fragment")
    path, _, query = target.partition("?")
    segments = _resolve_dots(path)
    identity = _decode(segments.pop())
    parameters = parse_qsl(query, keep_blank_values=True, errors="replace")
    return "/" + "/".join(segments), identity, dict(parameters)


def _resolve_dots(path: str) -> list[str]:
    """The segments of an absolute path without `.` and `..`, resolved as the WHATWG URL standard does."""
    segments = path.removeprefix("/").split("/")
    kept: list[str] = []
    plain = ""
    for segment in segments:
        plain = segment.lower().replace("%2e", ".")
        if plain == "..":
            del kept[-1:]
        elif plain != ".":
            kept.append(segment)
    if plain in (".", ".."):
        kept.append("")  # "/a/.." names the directory "/", not a file in it
    return kept


def _decode(segment: str) -> str:
    """Percent-decode an identity, strictly: a guess could turn one station into another."""
    if any(len(escape) < 2 or not _HEX.issuperset(escape[:2]) for escape in segment.split("%")[1:]):
        raise UpgradeRefused(400, "the identity has a broken percent escape")
    try:
        identity = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise UpgradeRefused(400, "the identity is not UTF-8") from None
    if _has_controls(identity):
        raise UpgradeRefused(400, "the identity has control characters")
    return identity


def _has_controls(text: str) -> bool:
    """Whether `text` has control characters (C0, DEL, C1) or line separators, which forge lines in logs."""
    return any(char < " " or "\x7f" <= char <= "\x9f" or char in "\u2028\u2029" for char in text)


def identifier_problem(identity: str) -> str | None:
    """Why `identity` is no identity of OCPP 2.x, if it is none (rule 31)."""
    if not 0 < len(identity) <= _LONGEST_IDENTIFIER:
        return f"the identity must have 1 to {_LONGEST_IDENTIFIER} characters"
    if not _IDENTIFIER.issuperset(identity):
        return "the identity must be of letters and digits of ASCII and * - _ = + | @ ."
    return None


def basic_password(authorization: str | None, identity: str) -> bytes | None:
    """The password in an `Authorization: Basic` header whose username is `identity`, else `None` (rule 34).

    The username is compared whole, so identity and password may both contain colons, which RFC 7617
    forbids to usernames.  Any bytes are a password, also none at all (rule 35).
    """
    scheme, _, credentials = (authorization or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    digits = credentials.strip().rstrip("=")
    try:
        decoded = base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except ValueError:
        return None
    username = identity.encode() + b":"
    return decoded[len(username) :] if decoded.startswith(username) else None


def basic_header(identity: str, password: str | bytes) -> str:
    """The value of an `Authorization` header; text is sent as UTF-8 (rules 34 to 36)."""
    secret = password.encode() if isinstance(password, str) else password
    return "Basic " + base64.b64encode(identity.encode() + b":" + secret).decode()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where to connect to, and what to ask for there."""

    host: str
    """The host name or IP address to connect to, an IPv6 address without brackets."""

    port: int
    """The TCP port, 1 to 65535."""

    secure: bool
    """Whether the scheme is `wss`: TLS."""

    target: str
    """The request target: path and query, percent-encoded."""

    host_header: str
    """The value of the `Host` header."""


def parse_endpoint(endpoint: str, identity: str, query: Mapping[str, str] | str | None = None) -> Endpoint:
    """Take the URL `endpoint` + `/` + percent-encoded `identity` apart (rule 30).

    `query` joins the endpoint's own.  A slash that ends the endpoint's path is kept, so that the server sees
    the path as it is written here; only a lone `/` counts as no path (RFC 3986 6.2.3).
    Raises `ValueError` when no connection can be made from this.
    """
    _check_identity(identity)
    parts = _split_endpoint(endpoint)
    secure = parts.scheme == "wss"
    host = _host(parts)
    port = _port(parts) or (443 if secure else 80)
    path = quote(parts.path.removesuffix("/") if parts.path == "/" else parts.path, safe=_PATH)
    target = "/" + "/".join(_resolve_dots(f"{path}/{quote(identity, safe=_COMPONENT)}"))
    own = quote(parts.query, safe=_QUERY)
    added = quote(query.removeprefix("?"), safe=_QUERY) if isinstance(query, str) else urlencode(query or {})
    # A zone identifier means something on this machine only, so it is not sent (RFC 6874 1).
    name = f"[{host.partition('%')[0]}]" if ":" in host else host
    return Endpoint(
        host=host,
        port=port,
        secure=secure,
        target="?".join(filter(None, (target, "&".join(filter(None, (own, added)))))),
        host_header=name if port == (443 if secure else 80) else f"{name}:{port}",
    )


def _check_identity(identity: str) -> None:
    """Raise `ValueError` for an identity that cannot stand in a URL."""
    if not identity:
        raise ValueError("the identity is empty")
    if identity in (".", ".."):
        raise ValueError("the identity is a dot segment, which every URL parser removes from a path")
    if _has_controls(identity) or any("\ud800" <= char <= "\udfff" for char in identity):
        raise ValueError("the identity has control characters or lone surrogates")


def _split_endpoint(endpoint: str) -> SplitResult:
    """Split a ws or wss URL; raise `ValueError` for what a WebSocket URL cannot have (RFC 6455 3)."""
    if _has_controls(endpoint):
        raise ValueError("the endpoint has control characters")
    try:
        parts = urlsplit(endpoint)
    except ValueError as error:
        raise ValueError(f"the endpoint is not a URL: {error}") from None
    if parts.scheme not in ("ws", "wss"):
        raise ValueError("the endpoint is not a ws:// or wss:// URL")
    if "#" in endpoint:
        raise ValueError("the endpoint has a fragment, which a WebSocket URL must not have")
    if "@" in parts.netloc:
        raise ValueError("the endpoint has a user name; credentials are options of their own")
    return parts


def _host(parts: SplitResult) -> str:
    """The host of an endpoint, checked."""
    host = parts.hostname
    if not host:
        raise ValueError("the endpoint has no host")
    if "[" in parts.netloc:
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError:
            raise ValueError("the host of the endpoint is not an IPv6 address") from None
    if not _HOST.issuperset(host):
        raise ValueError("the host of the endpoint is not a host name in ASCII (xn--...)")
    return host


def _port(parts: SplitResult) -> int | None:
    """The port of an endpoint, checked, or `None` when it names none."""
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("the port of the endpoint is not a number from 1 to 65535")
    return port
