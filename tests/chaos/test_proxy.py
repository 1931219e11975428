"""The proxy makes the trouble it is told to."""

import socket
import time
from contextlib import contextmanager

import pytest
from chaos.proxy import Proxy


@contextmanager
def through_proxy():
    """A proxy, and the sockets of both ends of one connection through it."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Proxy(listener.getsockname()[1]) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as near,
    ):
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far, _ = listener.accept()
        with far:
            far.settimeout(5)
            yield proxy, near, far


def test_it_carries_both_ways_and_the_end():
    """Without trouble it is a wire; each direction ends by itself."""
    with through_proxy() as (proxy, near, far):
        near.sendall(b"up")
        assert far.recv(9) == b"up"
        near.shutdown(socket.SHUT_WR)
        assert far.recv(9) == b""
        far.sendall(b"down")
        assert near.recv(9) == b"down"
        assert proxy.lines == (1,)


def test_it_slices_and_delays():
    """Single bytes arrive one after the other."""
    with through_proxy() as (proxy, near, far):
        proxy.up.piece, proxy.up.delay = 1, 0.02
        began = time.monotonic()
        near.sendall(b"abcd")
        pieces = []
        while sum(map(len, pieces)) < 4:
            pieces.append(far.recv(9))
        assert pieces == [b"a", b"b", b"c", b"d"]
        assert time.monotonic() - began >= 0.08


def test_it_freezes_one_direction():
    """Nothing comes through, while the other direction lives; then everything does."""
    with through_proxy() as (proxy, near, far):
        proxy.up.frozen = True
        near.sendall(b"late")
        far.sendall(b"down")
        assert near.recv(9) == b"down"
        far.settimeout(0.1)
        with pytest.raises(TimeoutError):
            far.recv(9)
        proxy.up.frozen = False
        far.settimeout(5)
        assert far.recv(9) == b"late"


def test_it_resets():
    """Both ends see a reset, not an end."""
    with through_proxy() as (proxy, near, far):
        near.sendall(b"x")
        far.recv(1)
        proxy.reset()
        for end in (near, far):
            with pytest.raises(ConnectionResetError):
                end.recv(1)
