"""TLS contexts for OCPP's security profiles: which versions, suites and certificates each end takes."""

from __future__ import annotations

import ssl
from os import PathLike
from typing import Literal

Path = str | PathLike[str]
Files = tuple[Path, Path]
"""A certificate with the chain up to its CA, and its private key: two files in PEM."""
Password = str | bytes | None

# At level 2, OpenSSL refuses RSA keys below 2048 bits and EC keys below 224 (rule 41).
SUITES = "@SECLEVEL=2:ECDHE+AESGCM:ECDHE+CHACHA20"
TLS_RSA = ":AES256-GCM-SHA384:AES128-GCM-SHA256"


def server_tls(
    *certificates: Files,
    client_ca: Path | None = None,
    client_certificate: Literal["none", "optional", "required"] = "none",
    rsa_key_exchange: bool = True,
    password: Password = None,
) -> ssl.SSLContext:
    """A context for `listen`: security profile 2, or 3 with `client_certificate="required"`.

    Each client gets that of the `certificates` which suits it; OCPP asks for an RSA and an ECDSA one.  `client_ca`
    is who may have signed the clients' certificates; one that is wrong is refused even if it is optional.
    `rsa_key_exchange` allows the two TLS_RSA suites that OCPP demands (rule 40), after all others: what was
    recorded with them can be read by whoever gets the server's key later.  `password` is that of all keys.

    Raises:
        ValueError: there is no certificate, or only one of `client_ca` and `client_certificate` is given.
        OSError: a file cannot be read; as `ssl.SSLError`, its content or the password is wrong.
    """
    if not certificates:
        raise ValueError("a server needs a certificate: server_tls((certfile, keyfile))")
    if (client_ca is None) != (client_certificate == "none"):
        raise ValueError("client_ca and client_certificate ('optional' or 'required') go together")
    suites = SUITES + TLS_RSA * rsa_key_exchange
    context = _context(ssl.Purpose.CLIENT_AUTH, client_ca, suites, certificates, password)
    context.verify_mode = ssl.VerifyMode[f"CERT_{client_certificate.upper()}"]
    return context


def client_tls(
    *,
    ca: Path | None = None,
    certificate: Files | None = None,
    password: Password = None,
    rsa_key_exchange: bool = True,
) -> ssl.SSLContext:
    """A context for the `tls` option of a client, which checks the server's certificate and host name.

    `ca` is who may have signed it; None for whom the system trusts.  `certificate` is the client's own, for
    profile 3.  The rest, and what is raised, is as in `server_tls`.
    """
    suites = SUITES + TLS_RSA * rsa_key_exchange
    return _context(ssl.Purpose.SERVER_AUTH, ca, suites, (certificate,) if certificate else (), password)


def _context(
    purpose: ssl.Purpose, ca: Path | None, suites: str, certificates: tuple[Files, ...], password: Password
) -> ssl.SSLContext:
    context = ssl.create_default_context(purpose, cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # set since Python 3.13; private CAs often miss what it asks for
    context.set_ciphers(suites)
    for certfile, keyfile in certificates:
        context.load_cert_chain(certfile, keyfile, password or "")  # without one it would ask at the terminal
    return context
