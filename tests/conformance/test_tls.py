"""The main job over TLS: versions and certificates reach the application, bad TLS reaches nobody."""

import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import anyio
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

import ocpp_rpc_anyio
import ocpp_rpc_trio
from ocpp_rpc_core import Accept, HandshakeError, Reject, TLSInfo, UnexpectedHTTPResponse


@pytest.fixture(scope="module")
def authority():
    """Who signs the certificates."""
    return trustme.CA()


@pytest.fixture
def server_tls(authority):
    """What a server needs, asking for certificates of clients."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


@pytest.fixture
def client_tls(authority):
    """What a client needs to trust it."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.feature("C10")
@pytest.mark.feature("S17")
@pytest.mark.feature("S22")
@pytest.mark.parametrize("certified", [False, True])
async def test_calls_over_tls(net, authority, server_tls, client_tls, certified):
    """The handshake tells the TLS version, the cipher and the client's certificate, if it has one."""
    if certified:
        authority.issue_cert(common_name="CP1").configure_cert(client_tls)
    async with net.RPCServer() as server:
        seen = []

        @server.auth
        async def decide(handshake):
            seen.append(handshake)
            return Accept()

        server.handle("Echo", lambda call: call.params)
        listener = await server.listen(host="localhost", tls=server_tls)
        assert listener.url == f"wss://localhost:{listener.port}"
        async with net.RPCClient(listener.url, "CP1", tls=client_tls) as client:
            big = {"x": "x" * 300_000}
            assert await client.call("Echo", big) == big
            (side,) = server.clients
            side.handle("Echo", lambda call: call.params)
            assert (await client.close(4000, "bye")).code == 4000
        (handshake,) = seen
        assert handshake.tls.version in ("TLSv1.2", "TLSv1.3")
        assert handshake.tls.cipher
        assert handshake.remote_address in ("127.0.0.1", "::1")
        if certified:
            subject = dict(pair for part in handshake.peer_certificate["subject"] for pair in part)
            assert subject["commonName"] == "CP1"
        else:
            assert not handshake.peer_certificate


@pytest.mark.feature("C10")
async def test_a_server_that_cannot_be_trusted(net, server_tls):
    """The client says so with an `OSError`, nothing is left behind, and the server serves the next."""
    async with net.RPCServer() as server:
        listener = await server.listen(host="localhost", tls=server_tls)
        with pytest.raises(ssl.SSLCertVerificationError):
            async with net.RPCClient(listener.url, "CP1"):
                pass


@pytest.mark.feature("S22")
async def test_no_tls_at_the_door(net, server_tls, client_tls):
    """Plain bytes, silence and haste at a TLS port hurt nobody else, and do not stay."""
    async with net.RPCServer(handshake_timeout=0.3) as server:
        listener = await server.listen(host="localhost", tls=server_tls)
        async with await anyio.connect_tcp("localhost", listener.port) as silent:
            async with await anyio.connect_tcp("localhost", listener.port) as plain:
                await plain.send(b"GET / HTTP/1.1\r\n\r\n")
            with pytest.raises(OSError):
                async with net.RPCClient(listener.url.replace("wss", "ws"), "CP1"):
                    pass
            async with net.RPCClient(listener.url, "CP1", tls=client_tls) as client:
                server.handle("X", lambda call: {"n": 1})
                assert await client.call("X") == {"n": 1}
            with anyio.fail_after(5), pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await silent.receive()
        assert server.clients == ()


@pytest.mark.feature("C10")
async def test_a_server_without_tls(net, client_tls):
    """A wss client at a plain server fails with an `OSError`."""
    async with net.RPCServer(handshake_timeout=0.3) as server:
        listener = await server.listen(host="localhost")
        with pytest.raises(OSError):
            async with net.RPCClient(listener.url.replace("ws:", "wss:"), "CP1", tls=client_tls):
                pass


# --- Security profiles ----------------------------------------------------------------------------

OCPP_SUITES = {
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
}
"""As OpenSSL calls them; the last two are TLS_RSA (rule 40)."""
FORWARD_SECRET = [
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
]
TLS_RSA = ["AES256-GCM-SHA384", "AES128-GCM-SHA256"]
YEAR = timedelta(days=365)
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


class Files:
    """Certificates and keys as files, as server_tls and client_tls take them."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0
        self.authority = trustme.CA()
        self.ca = self.write(self.authority.cert_pem)
        self.stranger = trustme.CA()
        self.rsa = self.issue("localhost", key_type=trustme.KeyType.RSA)
        self.ecdsa = self.issue("localhost", key_type=trustme.KeyType.ECDSA)

    def write(self, *blobs):
        """A file with these."""
        self.count += 1
        path = self.folder / f"{self.count}.pem"
        path.write_bytes(b"".join(blob.bytes() for blob in blobs))
        return path

    def issue(self, *names, by=None, **options):
        """A certificate, signed by our authority or by another."""
        leaf = (by or self.authority).issue_cert(*names, **options)
        return self.write(*leaf.cert_chain_pems), self.write(leaf.private_key_pem)

    def station(self, **options):
        """A station's certificate."""
        return self.issue(common_name="CP1", **options)


@pytest.fixture(params=[ocpp_rpc_anyio, ocpp_rpc_trio], ids=lambda module: module.__name__)
def adapter(request):
    """One adapter, without an event loop."""
    return request.param


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """All certificates of these tests."""
    return Files(tmp_path_factory.mktemp("certificates"))


@asynccontextmanager
async def guarded(net, context, **options):
    """A server with this context, where it listens, and the handshakes it judges."""
    async with net.RPCServer(**options) as server:
        seen = []

        @server.auth
        def judge(handshake):
            seen.append(handshake)
            return Accept() if handshake.password in (None, b"swordfish") else Reject(401)

        server.handle("Echo", lambda call: call.params)
        yield await server.listen(host="localhost", tls=context), seen


async def served(net, listener, context, identity="CP1", **options):
    """Connect, and be served."""
    async with net.RPCClient(listener.url, identity, tls=context, **options) as client:
        assert await client.call("Echo", {"n": 1}) == {"n": 1}


async def refused(net, listener, context):
    """Try to connect; the error."""
    with pytest.raises((OSError, HandshakeError)) as caught:
        await served(net, listener, context)
    return caught.value


def only(context, version, suite=None):
    """The context, cut down to one version, and of TLS 1.2 to one suite."""
    context.minimum_version = context.maximum_version = version
    if suite is not None:
        context.set_ciphers(suite)
    return context


@pytest.mark.rule(40)
@pytest.mark.feature("P2")
@pytest.mark.parametrize("rsa_first", [False, True])
async def test_one_server_speaks_every_suite_of_ocpp(net, files, rsa_first):
    """With an RSA and an ECDSA certificate, in either order, each of the four suites is agreed on."""
    certificates = (files.rsa, files.ecdsa) if rsa_first else (files.ecdsa, files.rsa)
    async with guarded(net, net.adapter.server_tls(*certificates)) as (listener, seen):
        for suite in sorted(OCPP_SUITES):
            await served(net, listener, only(net.adapter.client_tls(ca=files.ca), VERSIONS[0], suite))
            assert seen[-1].tls == TLSInfo(version="TLSv1.2", cipher=suite)
            assert not seen[-1].peer_certificate


@pytest.mark.feature("P2")
async def test_both_ends_agree_on_the_best(net, files):
    """Left alone, they speak TLS 1.3."""
    async with guarded(net, net.adapter.server_tls(files.rsa, files.ecdsa)) as (listener, seen):
        await served(net, listener, net.adapter.client_tls(ca=files.ca))
        assert seen[0].tls.version == "TLSv1.3"


@pytest.mark.rule(40)
@pytest.mark.feature("P2")
async def test_key_exchange_by_rsa_can_be_refused(net, files):
    """Without it, a client that has nothing else is not served; another one is."""
    async with guarded(net, net.adapter.server_tls(files.rsa, rsa_key_exchange=False)) as (listener, seen):
        await refused(net, listener, only(net.adapter.client_tls(ca=files.ca), VERSIONS[0], TLS_RSA[0]))
        await served(net, listener, only(net.adapter.client_tls(ca=files.ca), VERSIONS[0]))
        assert len(seen) == 1


@pytest.mark.rule(39)
@pytest.mark.feature("P2")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.skipif(not ssl.HAS_TLSv1_1, reason="OpenSSL without TLS 1.1")
async def test_tls_1_1_is_refused(net, files):
    """By the server alone, whatever the client would take; another server does speak it with this client."""
    old = only(net.adapter.client_tls(ca=files.ca), ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0")
    async with guarded(net, net.adapter.server_tls(files.rsa, files.ecdsa)) as (listener, seen):
        await refused(net, listener, old)
        assert seen == []
    lax = net.adapter.server_tls(files.rsa)
    lax.minimum_version = ssl.TLSVersion.TLSv1
    lax.set_ciphers("ALL:@SECLEVEL=0")
    async with guarded(net, lax) as (listener, seen):
        await served(net, listener, old)
        assert seen[0].tls.version == "TLSv1.1"


@pytest.mark.rule(42)
@pytest.mark.feature("P2")
async def test_a_client_wants_the_right_host_from_somebody_it_trusts(net, files):
    """Another name, another signer, or one the system does not know: the error says what is wrong."""
    elsewhere = files.issue("elsewhere.example")
    async with guarded(net, net.adapter.server_tls(elsewhere)) as (listener, seen):
        with pytest.raises(ssl.SSLCertVerificationError, match=r"Hostname mismatch.*localhost"):
            await served(net, listener, net.adapter.client_tls(ca=files.ca))
    async with guarded(net, net.adapter.server_tls(files.rsa)) as (listener, _):
        for context in (net.adapter.client_tls(ca=files.write(files.stranger.cert_pem)), net.adapter.client_tls()):
            with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
                await served(net, listener, context)
    assert seen == []


@pytest.mark.feature("P1")
async def test_basic_auth_without_tls(net):
    """Security profile 1: a wrong password is refused with 401, the right one is served."""
    async with guarded(net, None) as (listener, seen):
        await served(net, listener, None, password="swordfish")
        with pytest.raises(UnexpectedHTTPResponse) as caught:
            await served(net, listener, None, password="sardine")
        assert caught.value.status == 401
        assert [(handshake.password, handshake.tls) for handshake in seen] == [(b"swordfish", None), (b"sardine", None)]


@pytest.mark.feature("P2")
async def test_basic_auth_over_tls(net, files):
    """Security profile 2: the password comes through TLS, and counts."""
    async with guarded(net, net.adapter.server_tls(files.rsa, files.ecdsa)) as (listener, seen):
        context = net.adapter.client_tls(ca=files.ca)
        await served(net, listener, context, password="swordfish")
        with pytest.raises(UnexpectedHTTPResponse) as caught:
            await served(net, listener, context, password="sardine")
        assert caught.value.status == 401
        assert [handshake.password for handshake in seen] == [b"swordfish", b"sardine"]
        assert all(handshake.tls for handshake in seen)


@pytest.mark.feature("P2")
async def test_plain_clients_at_a_tls_port(net, files):
    """A client that does not speak TLS is not heard, and others are served all the same."""
    async with guarded(net, net.adapter.server_tls(files.rsa)) as (listener, seen):
        with pytest.raises((OSError, HandshakeError)):
            async with net.RPCClient(listener.url.replace("wss:", "ws:"), "CP1", password="swordfish"):
                pass
        assert seen == []
        await served(net, listener, net.adapter.client_tls(ca=files.ca))


@pytest.mark.rule(42)
@pytest.mark.feature("P3")
@pytest.mark.feature("S17")
@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
@pytest.mark.parametrize("asked", ["required", "optional"])
async def test_a_clients_certificate_is_seen(net, files, asked, version):
    """Whether required or asked for, it reaches authentication, with the facts of TLS."""
    context = net.adapter.server_tls(files.rsa, files.ecdsa, client_ca=files.ca, client_certificate=asked)
    async with guarded(net, context) as (listener, seen):
        own = net.adapter.client_tls(ca=files.ca, certificate=files.station())
        await served(net, listener, only(own, version))
        (handshake,) = seen
        assert (("commonName", "CP1"),) in handshake.peer_certificate["subject"]
        assert handshake.tls.version.replace(".", "_") == version.name


@pytest.mark.rule(42)
@pytest.mark.feature("P3")
@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
@pytest.mark.parametrize("asked", ["required", "optional"])
@pytest.mark.parametrize("kind", ["absent", "foreign", "expired"])
async def test_a_client_without_a_good_certificate(net, files, asked, version, kind):
    """It is let in only if it has none and need not; a bad one is refused even where none would do.

    With TLS 1.3 the client has finished its handshake by then, and finds the connection ended when it reads.
    """
    own = {
        "absent": lambda: None,
        "foreign": lambda: files.station(by=files.stranger),
        "expired": lambda: files.station(not_before=datetime.now(UTC) - 2 * YEAR, not_after=datetime.now(UTC) - YEAR),
    }[kind]()
    server = net.adapter.server_tls(files.rsa, client_ca=files.ca, client_certificate=asked)
    client = only(net.adapter.client_tls(ca=files.ca, certificate=own), version)
    async with guarded(net, server) as (listener, seen):
        if (asked, kind) == ("optional", "absent"):
            await served(net, listener, client)
            assert not seen[0].peer_certificate
        else:
            error = await refused(net, listener, client)
            assert not isinstance(error, UnexpectedHTTPResponse)
            assert seen == []
            good = net.adapter.client_tls(ca=files.ca, certificate=files.station())
            await served(net, listener, good)


@pytest.mark.feature("P3")
async def test_nobody_is_asked_for_a_certificate_by_default(net, files):
    """A client that has one keeps it to itself."""
    async with guarded(net, net.adapter.server_tls(files.rsa)) as (listener, seen):
        own = files.station(by=files.stranger)
        await served(net, listener, net.adapter.client_tls(ca=files.ca, certificate=own))
        assert not seen[0].peer_certificate


@pytest.mark.feature("P4")
async def test_what_a_proxy_forwards_reaches_authentication(net):
    """Behind a proxy that ends TLS, the facts are in headers; the server itself sees a plain connection."""
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7", "X-SSL-Client-S-DN": "CN=CP1"}
    async with guarded(net, None) as (listener, seen):
        await served(net, listener, None, headers=forwarded)
        (handshake,) = seen
        assert {name: handshake.headers[name.lower()] for name in forwarded} == forwarded
        assert handshake.tls is None
        assert handshake.peer_certificate is None


@pytest.mark.rule(39)
@pytest.mark.rule(40)
@pytest.mark.rule(41)
@pytest.mark.feature("P2")
@pytest.mark.parametrize("rsa_key_exchange", [False, True])
def test_what_is_offered(adapter, files, monkeypatch, rsa_key_exchange):
    """At both ends: TLS 1.2 or later, no compression, no short keys, and these suites, those by RSA last.

    Whatever the defaults of this Python are.
    """
    default = ssl.create_default_context

    def another_default(*arguments, **options):
        context = default(*arguments, **options)
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.set_ciphers("ALL:@SECLEVEL=1")
        return context

    monkeypatch.setattr(ssl, "create_default_context", another_default)
    for context in (
        adapter.server_tls(files.rsa, rsa_key_exchange=rsa_key_exchange),
        adapter.client_tls(rsa_key_exchange=rsa_key_exchange),
    ):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.options & ssl.OP_NO_COMPRESSION
        assert context.security_level == 2
        assert not context.verify_flags & ssl.VERIFY_X509_STRICT
        suites = [suite["name"] for suite in context.get_ciphers() if suite["protocol"] != "TLSv1.3"]
        assert suites == FORWARD_SECRET + TLS_RSA * rsa_key_exchange


@pytest.mark.feature("P2")
def test_a_client_checks_by_default(adapter):
    """Chain and host name, against the system's authorities."""
    context = adapter.client_tls()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.feature("P2")
@pytest.mark.feature("P3")
def test_impossible_contexts(adapter, files):
    """A server without a certificate, and asking clients without knowing whom to trust, or the reverse."""
    with pytest.raises(ValueError, match="needs a certificate"):
        adapter.server_tls()
    for options in ({"client_certificate": "required"}, {"client_certificate": "optional"}, {"client_ca": files.ca}):
        with pytest.raises(ValueError, match="go together"):
            adapter.server_tls(files.rsa, **options)


@pytest.mark.feature("P2")
def test_a_key_with_a_password(adapter, files):
    """It is opened with the password, as text or bytes; without it there is an error, and no question."""
    certfile, keyfile = files.rsa
    key = load_pem_private_key(keyfile.read_bytes(), None)
    locked = files.folder / "locked.pem"
    protection = BestAvailableEncryption(b"opensesame")
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))
    for password in ("opensesame", b"opensesame"):
        adapter.server_tls((certfile, locked), password=password)
        adapter.client_tls(certificate=(certfile, locked), password=password)
    for password in (None, "", "open barley"):
        with pytest.raises(ssl.SSLError):
            adapter.server_tls((certfile, locked), password=password)
        with pytest.raises(ssl.SSLError):
            adapter.client_tls(certificate=(certfile, locked), password=password)


@pytest.mark.feature("P2")
def test_nobody_is_asked_for_a_password(adapter, files, monkeypatch):
    """OpenSSL asks at the terminal when it is given none at all, so it is always given one."""
    given = []
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", lambda *arguments: given.append(arguments[3]))
    adapter.server_tls(files.rsa, files.ecdsa)
    adapter.client_tls(certificate=files.rsa, password=b"opensesame")
    assert given == ["", "", b"opensesame"]


@pytest.mark.feature("P2")
def test_files_that_are_missing_or_do_not_match(adapter, files):
    """The error comes when the context is made, not with the first client."""
    with pytest.raises(FileNotFoundError):
        adapter.server_tls((files.folder / "nothing.pem", files.rsa[1]))
    with pytest.raises(ssl.SSLError):
        adapter.server_tls((files.rsa[0], files.issue("localhost")[1]))
