"""The values a handshake leaves behind."""

import dataclasses

import pytest

from ocpp_rpc_core._http import Handshake, HTTPResponse, TLSInfo, peer_ip


@pytest.mark.rule(37)
@pytest.mark.feature("S17")
def test_a_handshake_does_not_print_secrets():
    """The password, and the header that repeats it, are in no log that prints the handshake."""
    handshake = Handshake(
        protocols=("ocpp2.0.1",),
        identity="CP1",
        password=b"monkey1",
        endpoint="/ocpp",
        query={"a": "b"},
        headers={"authorization": "Basic Q1AxOm1vbmtleTE="},
    )
    assert repr(handshake) == (
        "Handshake(protocols=('ocpp2.0.1',), identity='CP1', endpoint='/ocpp', query={'a': 'b'}, "
        "remote_address=None, peer_certificate=None, tls=None)"
    )


@pytest.mark.feature("S17")
def test_the_values_are_frozen():
    """What a callback is shown cannot be changed under the library's feet."""
    tls = TLSInfo(version="TLSv1.3", cipher="TLS_AES_128_GCM_SHA256")
    with pytest.raises(dataclasses.FrozenInstanceError):
        tls.version = "TLSv1.1"


def test_a_response_finds_its_headers():
    """The first header of that name, in any case; none is `None`."""
    response = HTTPResponse(status=101, headers=(("a", "1"), ("x-b", "2"), ("x-b", "3")), body=b"")
    assert (response.header("X-B"), response.header("c")) == ("2", None)


@pytest.mark.parametrize(
    ("address", "ip"),
    [
        (("192.0.2.1", 9000), "192.0.2.1"),
        (("::ffff:192.0.2.1", 9000, 0, 0), "192.0.2.1"),
        (("2001:db8::1", 9000, 0, 0), "2001:db8::1"),
        ("/run/ocpp.sock", None),
        ("", None),
        (None, None),
    ],
)
def test_the_ip_address_of_a_peer(address, ip):
    """It is read from what a socket says; a Unix socket has none."""
    assert peer_ip(address) == ip
