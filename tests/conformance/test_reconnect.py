"""What a client does when its connection is lost: back-off, what waits, what gives up; and keep-alive."""

from itertools import pairwise

import anyio
import pytest
from support.env import gathered
from wsproto.events import Ping

from ocpp_rpc_core import (
    Closed,
    Connecting,
    Disconnected,
    ExponentialBackoff,
    NotConnected,
    OCPPBackoff,
    Opened,
    PingEvent,
    ProtocolChosen,
    SocketError,
    State,
    SubprotocolMismatch,
)

STEADY = ExponentialBackoff(initial=2, maximum=1000, jitter=0)


def gaps(times):
    """The seconds between."""
    return [round(later - earlier, 1) for earlier, later in pairwise(times)]


@pytest.mark.feature("C7")
@pytest.mark.feature("C8")
async def test_the_back_off(env):
    """Attempts are spaced as the strategy says, and begin anew after a success."""
    async with env.joined(backoff=STEADY) as it:
        for _ in range(2):
            it.line.dials.clear()
            it.line.refusal = OSError("refused")
            heard = gathered(it.client, Opened)
            lost = env.now
            it.line.cut()
            await env.until(lambda: len(it.line.dials) == 4, limit=100)
            it.line.refusal = None
            await env.until(lambda heard=heard: heard, limit=100)
            assert gaps([lost, *it.line.dials]) == pytest.approx([2, 4, 8, 16, 32], abs=0.2)


@pytest.mark.feature("C8")
async def test_the_default_back_off(env):
    """A second, doubling, at most ten, each spread by a quarter."""
    async with env.joined() as it:
        it.line.refusal = OSError("refused")
        it.line.dials.clear()
        begun = env.now
        it.line.cut()
        await env.until(lambda: len(it.line.dials) == 6, limit=100)
        expected = (1, 2, 4, 8, 8, 8)
        for gap, least in zip(gaps([begun, *it.line.dials]), expected, strict=True):
            assert least - 0.1 <= gap <= 1.25 * least + 0.1


@pytest.mark.feature("C8")
async def test_the_ocpp_back_off(env):
    """The algorithm of OCPP 2.x."""
    backoff = OCPPBackoff(wait_minimum=10, random_range=0, repeat_times=2)
    async with env.joined(backoff=backoff) as it:
        it.line.refusal = OSError("refused")
        it.line.dials.clear()
        begun = env.now
        it.line.cut()
        await env.until(lambda: len(it.line.dials) == 4, limit=1000)
        assert gaps([begun, *it.line.dials]) == pytest.approx([10, 20, 40, 40], abs=0.2)


@pytest.mark.feature("C7")
async def test_giving_up(env):
    """After `max_reconnects` attempts in a row the client is closed with 1001, and can be connected again."""
    async with env.joined(backoff=STEADY, max_reconnects=3) as it:
        closed = gathered(it.client, Closed)
        it.line.refusal = OSError("refused")
        it.line.dials.clear()
        it.line.cut()
        outcome = []

        async def call():
            with pytest.raises(NotConnected):
                await it.client.call("X")
            outcome.append(env.now)

        async with anyio.create_task_group() as tasks:
            await anyio.sleep(0.1)
            tasks.start_soon(call)
        assert len(it.line.dials) == 3
        assert [event.code for event in closed] == [1001]
        assert it.client.state is State.CLOSED
        it.line.refusal = None
        await it.client.connect()
        assert it.client.state is State.OPEN


@pytest.mark.feature("C7")
@pytest.mark.parametrize("options", [{"reconnect": False}, {"max_reconnects": 0}])
async def test_not_reconnecting(env, options):
    """A client that may not reconnect is closed when its connection is lost."""
    async with env.joined(**options) as it:
        closed = gathered(it.client, Closed)
        it.line.dials.clear()
        it.line.cut()
        await env.until(lambda: closed)
        await anyio.sleep(100)
        assert it.line.dials == []


@pytest.mark.feature("C15")
@pytest.mark.feature("C24")
@pytest.mark.feature("C26")
async def test_what_waits_goes_out_first(env):
    """Calls made while the connection is away go out on the next one, in order; events tell the story."""
    async with env.RPCServer(protocols=["a"]) as server:
        served = []
        server.handle(lambda call: served.append(call.method))
        line = env.line(server)
        async with line.client(backoff=STEADY, protocols=["b", "a"]) as client:
            heard = gathered(client, SocketError, Disconnected, Connecting, Opened, ProtocolChosen, Closed)
            line.cut()
            await env.until(lambda: client.state is State.CONNECTING)
            async with anyio.create_task_group() as tasks:
                for method in "ABC":
                    tasks.start_soon(client.call, method)
                    await anyio.sleep(0.1)
            assert served == ["A", "B", "C"]
            assert client.protocol == "a"
            kinds = [type(event) for event in heard if not isinstance(event, SocketError)]
            assert kinds == [Disconnected, Connecting, Opened]
            (connecting,) = [event for event in heard if isinstance(event, Connecting)]
            assert connecting.protocols == ("a",)


@pytest.mark.feature("C9")
@pytest.mark.feature("C24")
async def test_what_no_retry_can_mend(env):
    """A server that no longer speaks the subprotocol ends it all, instead of being asked for ever."""
    line = env.line()

    async def serve():
        raw = await line.accept("a")
        await anyio.sleep(1)
        raw.stream.cut()
        raw = await line.accept()
        await raw.stream.aclose()

    env.spawn(serve)
    async with line.client(protocols=["a", "b"]) as client:
        closed = gathered(client, Closed)
        await env.until(lambda: closed, limit=60)
        assert closed[0].code == 1001
        dials = len(line.dials)
        await anyio.sleep(100)
        assert len(line.dials) == dials == 2


@pytest.mark.feature("C9")
@pytest.mark.feature("C11")
async def test_a_refused_protocol_raises(env):
    """A server that chooses no subprotocol, though some were offered, is an error of the first connect."""
    line = env.line()

    async def serve():
        raw = await line.accept()
        await raw.hear()
        await raw.stream.aclose()

    env.spawn(serve)
    with pytest.raises(SubprotocolMismatch):
        async with line.client(protocols=["a"]):
            pass
    assert len(line.dials) == 1


@pytest.mark.feature("C7")
async def test_the_first_connection_is_tried_once(env):
    """Only a connection that once worked is made again."""
    line = env.line()
    line.refusal = ConnectionRefusedError("nobody")
    with pytest.raises(ConnectionRefusedError, match="nobody"):
        async with line.client():
            pass
    assert len(line.dials) == 1


@pytest.mark.feature("C7")
async def test_a_server_that_hangs(env):
    """An attempt to connect that leads nowhere ends after `handshake_timeout`, and another follows."""
    async with env.joined(backoff=STEADY, handshake_timeout=7) as it:
        it.line.dead = True
        it.line.dials.clear()
        it.line.cut()
        await env.until(lambda: len(it.line.dials) == 2, limit=60)
        assert gaps(it.line.dials) == pytest.approx([7 + 4], abs=0.2)
        it.line.dead = False
        await env.until(lambda: it.client.state is State.OPEN, limit=60)


@pytest.mark.feature("C12")
async def test_closing_while_waiting(env):
    """A client that waits for its next attempt closes at once."""
    async with env.joined(backoff=STEADY) as it:
        it.line.refusal = OSError("refused")
        it.line.cut()
        await anyio.sleep(1)
        begun = env.now
        await it.client.close()
        assert env.now - begun < 0.1
        assert it.client.state is State.CLOSED


@pytest.mark.feature("C25")
async def test_reconfiguring_the_back_off(env):
    """A new strategy counts for the attempts to come."""
    async with env.joined(backoff=STEADY) as it:
        it.client.reconfigure(backoff=ExponentialBackoff(initial=50, maximum=50, jitter=0), max_reconnects=2)
        it.line.refusal = OSError("refused")
        it.line.dials.clear()
        begun = env.now
        it.line.cut()
        await env.until(lambda: it.client.state is State.CLOSED, limit=300)
        assert gaps([begun, *it.line.dials]) == pytest.approx([50, 50], abs=0.2)


@pytest.mark.feature("C25")
async def test_reconfiguring_the_identity(env):
    """A new identity counts after close and connect."""
    async with env.joined(identity="A") as it:
        it.client.reconfigure(identity="B")
        assert (it.client.identity, it.side.identity) == ("A", "A")
        await it.client.close()
        await it.client.connect()
        assert it.client.identity == "B"
        await env.until(lambda: [side.identity for side in it.server.clients] == ["B"])


@pytest.mark.feature("C25")
async def test_reconfiguring_at_once(env):
    """Concurrency and ping interval act at once; what is impossible changes nothing."""
    async with env.joined(ping_interval=None) as it:
        running = []

        @it.side.handle("Work")
        async def work(call):
            running.append(env.now)
            await anyio.sleep(50)

        pings = gathered(it.client, PingEvent)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(it.client.call, "Work")
            await anyio.sleep(10)
            assert (len(running), pings) == (1, [])
            with pytest.raises(ValueError):
                it.client.reconfigure(call_concurrency=0)
            with pytest.raises(TypeError):
                it.client.reconfigure(nonsense=1)
            it.client.reconfigure(call_concurrency=3, ping_interval=2)
            await anyio.sleep(5)
            assert (len(running), len(pings)) == (3, 2)


@pytest.mark.feature("S4")
@pytest.mark.parametrize("interval", [30, 7])
async def test_a_silent_peer_is_dropped(env, interval):
    """A ping still unanswered when the next is due drops the connection."""
    async with env.RPCServer(**({} if interval == 30 else {"ping_interval": interval})) as server:
        raw = await env.line(server).raw()
        (side,) = server.clients
        closed = gathered(side, Closed)
        begun = env.now
        assert isinstance(await raw.hear(), Ping)
        assert env.now - begun == pytest.approx(interval, abs=0.1)
        await env.until(lambda: closed, limit=100)
        assert env.now - begun == pytest.approx(2 * interval, abs=0.1)
        assert closed[0].code == 1006
        assert server.clients == ()
        await raw.stream.aclose()


@pytest.mark.feature("S4")
@pytest.mark.feature("C26")
async def test_a_peer_that_answers_stays(env):
    """Pongs keep the connection, for hours; each round trip is reported."""
    async with env.joined() as it:
        pings = gathered(it.client, PingEvent), gathered(it.side, PingEvent)
        await anyio.sleep(605)
        assert [len(events) for events in pings] == [20, 20]
        assert all(0 <= event.rtt < 1 for events in pings for event in events)
        assert it.client.state is it.side.state is State.OPEN


@pytest.mark.feature("S4")
@pytest.mark.parametrize("interval", [0, None])
async def test_no_pings(env, interval):
    """0 or None switches pings off, and nobody is dropped."""
    async with env.RPCServer(ping_interval=interval) as server:
        raw = await env.line(server).raw()
        with anyio.move_on_after(1000):
            raise AssertionError(await raw.hear())
        assert len(server.clients) == 1
        await raw.close()


@pytest.mark.feature("S5")
@pytest.mark.parametrize(("defer", "count"), [(True, 0), (False, 3)])
async def test_deferred_pings(env, defer, count):
    """With `defer_pings_on_activity` a peer that talks is not pinged."""
    async with env.joined(server={"defer_pings_on_activity": defer}, ping_interval=0) as it:
        it.side.handle("Heartbeat", lambda call: {})
        pings = gathered(it.side, PingEvent)
        for _ in range(10):
            await anyio.sleep(10)
            await it.client.call("Heartbeat")
        assert len(pings) == count
