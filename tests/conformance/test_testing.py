"""The test kit of the adapters: clients and servers of theirs against fakes, on a clock that jumps."""

import inspect
import time

import anyio
import pytest
import trio

from ocpp_rpc_anyio import testing as anyio_testing
from ocpp_rpc_core import ConnectionLost, ExponentialBackoff, State
from ocpp_rpc_core.testing import PENDING, FakeCSMS, FakeStation
from ocpp_rpc_trio import testing as trio_testing

pytestmark = pytest.mark.feature("B3")

BOOT = {"status": "Accepted", "currentTime": "2030-01-01T00:00:00Z", "interval": 300}


def station_of(env, **options):
    """A station that comes back after 1, 2, 4 and so on seconds."""
    backoff = ExponentialBackoff(jitter=0)
    return env.RPCClient("ws://nowhere.invalid", "CP1", protocols=["ocpp1.6"], backoff=backoff, **options)


async def test_a_client_reaches_the_fake(env):
    """Calls go both ways, and the fake has noted what it heard."""
    csms = FakeCSMS({"BootNotification": BOOT})
    with env.testing.plugged(csms):
        async with station_of(env) as station:
            station.handle("Reset", lambda call: {"status": call.params["type"]})
            assert await station.call("BootNotification", {"chargePointModel": "One"}) == BOOT
            token = csms.call("Reset", {"type": "Soft"})
            await env.testing.until(lambda: token in csms.outcomes)
    assert csms.outcomes == {token: {"status": "Soft"}}
    assert csms.calls == [("BootNotification", {"chargePointModel": "One"})]
    assert (csms.end.connection.handshake.identity, csms.connected) == ("CP1", False)


async def test_the_fake_dies_and_comes_back(env):
    """The station dials until somebody is there, and what it had to say waits."""
    csms = FakeCSMS({"*": {}})
    with env.testing.plugged(csms):
        async with station_of(env) as station:
            csms.stop()
            await env.testing.until(lambda: station.state is State.CONNECTING)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(station.call, "StatusNotification")
                await anyio.sleep(100)
                assert (csms.calls, len(csms.ends)) == ([], 1)
                csms.start()
            assert (csms.calls, len(csms.ends)) == ([("StatusNotification", {})], 2)


async def test_nobody_answers_an_attempt(env):
    """It is given up in time."""
    csms = FakeCSMS()
    csms.listening = None
    with env.testing.plugged(csms), pytest.raises(TimeoutError):
        async with station_of(env, handshake_timeout=3):
            pass
    assert csms.ends == []


async def test_weather(env):
    """Delay counts to the second, single bytes do no harm, and a call in a black hole is lost with its connection."""
    csms = FakeCSMS({"*": {}})
    with env.testing.plugged(csms):
        async with station_of(env, ping_interval=30) as station:
            csms.delay(2)
            start = env.now
            await station.call("Heartbeat")
            assert env.now - start == pytest.approx(4)
            csms.heal()
            csms.split()
            assert await station.call("DataTransfer", {"data": "é" * 100}) == {}
            csms.black_hole()
            with pytest.raises(ConnectionLost):
                await station.call("Heartbeat", timeout=None)
            csms.heal()
            await env.testing.until(lambda: station.state is State.OPEN)
            csms.half_open()
            with pytest.raises(ConnectionLost):
                await station.call("Heartbeat", timeout=None)


async def test_a_stalled_fake_holds_the_writer_up(env):
    """What it does not read waits for it, and so does whoever writes more than fits."""
    csms = FakeCSMS({"*": {}})
    with env.testing.plugged(csms):
        async with station_of(env) as station:
            csms.stall()
            done = []

            async def call():
                done.append(await station.call("DataTransfer", {"data": "x" * 300_000}))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call)
                await anyio.sleep(8)
                assert done == []
                csms.heal()
            assert done == [{}]


async def test_deadlines_of_a_fake_are_kept(env):
    """A fake with options of its own pings, and gives its calls up in time, though nobody ticks it."""
    csms = FakeCSMS(ping_interval=10, call_timeout=5)
    with env.testing.plugged(csms):
        async with station_of(env, ping_interval=0) as station:
            station.handle("Slow", forever)
            token, start = csms.call("Slow"), env.now
            await env.testing.until(lambda: token in csms.outcomes)
            assert env.now - start == pytest.approx(5, abs=0.02)
            await anyio.sleep(25)
            assert [type(notice).__name__ for notice in csms.end.notices].count("PingEvent") == 3


async def forever(call):
    await anyio.sleep_forever()


async def test_answering_later(env):
    """A handler of the fake's may leave it to the test."""
    csms = FakeCSMS({"Authorize": PENDING})
    with env.testing.plugged(csms):
        async with station_of(env) as station, anyio.create_task_group() as tasks:
            answers = []

            async def ask():
                answers.append(await station.call("Authorize"))

            tasks.start_soon(ask)
            await env.testing.until(lambda: csms.end.running)
            csms.end.answer(next(iter(csms.end.running)), {"idTagInfo": {}})
            await env.testing.until(lambda: answers)
            assert answers == [{"idTagInfo": {}}]


async def test_a_server_has_a_fake_client(env):
    """It is let in like any other, calls, is called, and leaves."""
    station = FakeStation("CP7", {"Reset": {"status": "Accepted"}})
    async with env.RPCServer(protocols=["ocpp1.6"]) as server:
        server.handle("BootNotification", lambda call: BOOT)
        env.spawn(server.handle_stream, env.testing.stream_to(station))
        await env.testing.until(lambda: server.clients)
        token = station.call("BootNotification")
        assert await server.clients[0].call("Reset") == {"status": "Accepted"}
        await env.testing.until(lambda: token in station.outcomes)
        assert station.outcomes[token] == BOOT
        station.close(1000, "done")
        await env.testing.until(lambda: not server.clients)


async def test_outside_the_block_there_is_a_network(env):
    """What is plugged is unplugged again, whatever happens inside."""
    former = env.RPCClient._dial
    with pytest.raises(ZeroDivisionError), env.testing.plugged(FakeCSMS()):
        assert env.RPCClient._dial is not former
        raise ZeroDivisionError
    assert env.RPCClient._dial is former


async def test_waiting_in_vain(env):
    """It ends after a while."""
    start = env.now
    with pytest.raises(TimeoutError):
        await env.testing.until(lambda: False, 7)
    assert env.now - start == pytest.approx(7)


async def test_streams_in_memory(env):
    """They behave as the loop's own: bytes, the end, a break, and no use after closing."""
    one, other = env.testing.memory_streams()
    trio_like = env.testing is trio_testing
    broken, closed = (
        (trio.BrokenResourceError, trio.ClosedResourceError)
        if trio_like
        else (anyio.BrokenResourceError, anyio.ClosedResourceError)
    )
    send = [end.send_all if trio_like else end.send for end in (one, other)]
    receive = [end.receive_some if trio_like else end.receive for end in (one, other)]
    await send[0](b"abc")
    assert (await receive[1](2), await receive[1]()) == (b"ab", b"c")
    await one.send_eof()
    if trio_like:
        assert await receive[1]() == b""
        await one.wait_send_all_might_not_block()
    else:
        with pytest.raises(anyio.EndOfStream):
            await receive[1]()
    other.cut(OSError("storm"))
    for act in (receive[0], lambda: send[0](b"x")):
        with pytest.raises(broken):
            await act()
    await one.aclose()
    for act in (receive[0], lambda: send[0](b"x")):
        with pytest.raises(closed):
            await act()


@pytest.mark.parametrize("module", [anyio_testing, trio_testing])
def test_hours_take_milliseconds(module):
    """`run` gives what the function returns, and jumps over whatever it waits for."""

    sleep = anyio.sleep if module is anyio_testing else trio.sleep

    async def main(hours):
        await sleep(3600 * hours)
        return hours

    start = time.monotonic()
    assert module.run(main, 24) == 24
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("module", [anyio_testing, trio_testing])
def test_a_dead_lock_is_found(module):
    """What waits for ever ends after a week."""
    sleep = anyio.sleep_forever if module is anyio_testing else trio.sleep_forever
    with pytest.raises(TimeoutError):
        module.run(sleep)


def test_the_same_names():
    """Both kits offer the same, with the same signatures, but for the loop that anyio can choose."""
    for name in ("MemoryStream", "memory_streams", "plugged", "run", "stream_to", "until"):
        ours, theirs = (inspect.signature(getattr(module, name)) for module in (anyio_testing, trio_testing))
        assert [*ours.parameters][: len(theirs.parameters)] == [*theirs.parameters], name
