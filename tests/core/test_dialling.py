"""A client's will to be connected: what is offered, how often and when."""

from dataclasses import dataclass
from math import inf

import pytest

from ocpp_rpc_core._dialling import Dialling
from ocpp_rpc_core._http import HTTPResponse
from ocpp_rpc_core.backoff import ExponentialBackoff
from ocpp_rpc_core.config import ClientOptions

RESPONSE = HTTPResponse(status=101, headers=(), body=b"")
STEADY = ExponentialBackoff(initial=3, maximum=3, jitter=0)


@dataclass(frozen=True)
class Listed:
    """A strategy of the user's own, which ends."""

    seconds: tuple[float, ...]

    def delays(self, chance):
        """Each delay, with chance added."""
        return (delay + chance() for delay in self.seconds)


def options(**more):
    """A client's options, whose chance is always 0."""
    return ClientOptions(**{"entropy": bytes, "identity": "CP1", "protocols": ["ocpp2.1", "ocpp1.6"], **more})


def delays(dialling, count):
    """What the next attempts wait for."""
    return [dialling.next_delay() for _ in range(count)]


@pytest.mark.feature("C7")
def test_before_the_first_success():
    """At first nothing is established, and everything is offered."""
    dialling = Dialling(options())
    assert not dialling.established
    assert dialling.protocols == ("ocpp2.1", "ocpp1.6")
    assert (dialling.response, dialling.waiting) == (None, [])
    assert dialling.url.target == "/CP1"


@pytest.mark.feature("C24")
def test_keeps_its_subprotocol():
    """From the first success on only its subprotocol is offered, or none if there was none."""
    dialling = Dialling(options())
    assert dialling.succeeded("ocpp1.6", RESPONSE) is True
    assert (dialling.established, dialling.protocols, dialling.response) == (True, ("ocpp1.6",), RESPONSE)
    assert dialling.succeeded("ocpp1.6", RESPONSE) is False
    bare = Dialling(options(protocols=()))
    bare.succeeded(None, None)
    assert bare.protocols == ()


@pytest.mark.feature("C8")
@pytest.mark.rule(45)
def test_success_begins_the_delays_anew():
    """Delays grow with each attempt, and begin anew after a success."""
    dialling = Dialling(options())
    dialling.succeeded("ocpp1.6", RESPONSE)
    assert delays(dialling, 3) == [1, 2, 4]
    dialling.succeeded("ocpp1.6", RESPONSE)
    assert delays(dialling, 2) == [1, 2]


@pytest.mark.feature("C7")
@pytest.mark.parametrize("limit", [0, 1, 3])
def test_enough(limit):
    """After `max_reconnects` attempts in a row there have been enough; a success begins the count anew."""
    dialling = Dialling(options(max_reconnects=limit, backoff=STEADY))
    for _ in range(2):
        dialling.succeeded("ocpp1.6", RESPONSE)
        assert delays(dialling, limit + 2) == [3] * limit + [None, None]


@pytest.mark.feature("C7")
def test_never_enough():
    """Without a limit there are never enough."""
    dialling = Dialling(options(max_reconnects=inf, backoff=STEADY))
    dialling.succeeded("ocpp1.6", RESPONSE)
    assert delays(dialling, 1000) == [3] * 1000


@pytest.mark.feature("C8")
def test_strategy_that_ends():
    """A strategy of the user's own that ends has had enough, too."""
    dialling = Dialling(options(backoff=Listed((5, 6))))
    dialling.succeeded("ocpp1.6", RESPONSE)
    assert delays(dialling, 4) == [5, 6, None, None]


@pytest.mark.feature("C25")
def test_new_strategy():
    """Another strategy begins with the next delay; the same one goes on where it was."""
    dialling = Dialling(options())
    dialling.succeeded("ocpp1.6", RESPONSE)
    assert delays(dialling, 2) == [1, 2]
    again = options(call_timeout=5)
    dialling.reconfigure(again)
    assert dialling.options is again
    assert delays(dialling, 1) == [4]
    dialling.reconfigure(options(backoff=Listed((7, 8))))
    assert delays(dialling, 2) == [7, 8]


@pytest.mark.feature("C25")
def test_new_limit():
    """A changed limit counts the attempts already made."""
    dialling = Dialling(options(backoff=STEADY))
    dialling.succeeded("ocpp1.6", RESPONSE)
    assert delays(dialling, 2) == [3, 3]
    dialling.reconfigure(options(backoff=STEADY, max_reconnects=3))
    assert delays(dialling, 2) == [3, None]


@pytest.mark.feature("C25")
def test_new_identity():
    """An identity changed later does not move this connection."""
    dialling = Dialling(options())
    dialling.reconfigure(options(identity="CP2"))
    assert dialling.url.target == "/CP1"
    assert dialling.options.identity == "CP2"


@pytest.mark.feature("C11")
def test_answered():
    """Each token that waits is answered once."""
    dialling = Dialling(options())
    dialling.waiting += [1, 2]
    assert dialling.answered() == [1, 2]
    assert dialling.answered() == []
    dialling.waiting.append(3)
    assert dialling.answered() == [3]
