"""The main job over TLS: versions and certificates reach the application, bad TLS reaches nobody."""

import ssl

import anyio
import pytest
import trustme

from ocpp_rpc_core import Accept


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
