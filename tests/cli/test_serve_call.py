"""`serve` and `call`, each a process, and with stations and servers of the test's own."""

import json
import re
import signal
import socket
import sys
from datetime import UTC, datetime

import anyio
import pytest

from ocpp_rpc_anyio.cli import commands
from ocpp_rpc_anyio.cli.adapters import load
from ocpp_rpc_anyio.cli.samples import document, sample
from ocpp_rpc_anyio.cli.serve import parse_passwords
from ocpp_rpc_core import NOREPLY, Closed, RPCError, RPCSecurityError
from ocpp_rpc_core.validation import STANDARD

pytestmark = pytest.mark.feature("B15")

BOOT = '{"chargePointVendor": "Example", "chargePointModel": "One"}'
NOW = datetime(2025, 6, 30, tzinfo=UTC)


def ended(running, sign=signal.SIGTERM):
    """Send a signal; the exit status, and the rest of what it wrote."""
    running.send_signal(sign)
    out, err = running.communicate()
    assert err == ""
    return running.returncode, out.splitlines()


def within(seconds, function):
    """An async function that raises `TimeoutError` rather than take longer."""

    async def bounded():
        with anyio.fail_after(seconds):
            return await function()

    return bounded


def test_a_call_and_what_is_shown_of_it(adapter, command):
    """The result is JSON on standard output; the server shows who came, both messages, and who went."""
    with command.serving("--adapter", adapter) as (server, url):
        status, out, err = command.output("call", url, "CP 1", "BootNotification", BOOT, "--adapter", adapter)
        assert (status, err) == (0, "")
        result = json.loads(out)
        assert (result["status"], result["interval"]) == ("Accepted", 300)
        status, lines = ended(server)
    assert status == 0
    assert lines[0] == "++ CP 1 connected with ocpp1.6 from 127.0.0.1"
    assert re.fullmatch(r'<- CP 1 \[2,"[^"]+","BootNotification",\{.*"Example".*\}\]', lines[1])
    assert re.fullmatch(r'-> CP 1 \[3,"[^"]+",\{.*"Accepted".*\}\]', lines[2])
    assert lines[3] == "-- CP 1 closed 1000"
    assert len(lines) == 4


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_serve(adapter, command, sign):
    """SIGTERM and Ctrl-C close every client with 1001 and end the server with 0."""
    with command.serving("--adapter", adapter) as (server, url):
        ends = []

        async def station():
            async with load(adapter).client(url, "CP1", protocols=["ocpp1.6"], reconnect=False) as client:
                await client.call("Heartbeat")
                async with client.events(Closed) as stream:
                    server.send_signal(sign)
                    async for event in stream:
                        ends.append(event.code)
                        break

        load(adapter).run(within(10, station))
        assert ends == [1001]
        out, err = server.communicate()
        assert (server.returncode, err) == (0, "")
        assert out.splitlines()[-1].startswith("-- CP1 closed 1001")


@pytest.mark.parametrize("protocol", STANDARD)
def test_serve_answers_everything(adapter, command, protocol):
    """Every method of the subprotocol gets a result that a strict station accepts; a SEND gets none."""
    known = document(protocol)

    async def station():
        options = {"protocols": [protocol], "strict_mode": True, "reconnect": False}
        async with load(adapter).client(url, "CP1", **options) as client:
            for method, kinds in known["messages"].items():
                if "send" in kinds:
                    await client.send(method, sample(kinds["send"], known["definitions"], NOW))
                else:
                    await client.call(method, sample(kinds["request"], known["definitions"], NOW))

    with command.serving("--adapter", adapter) as (server, url):
        load(adapter).run(within(10, station))
        status, lines = ended(server)
    assert status == 0
    calls = sum("request" in kinds for kinds in known["messages"].values())
    assert sum(line.startswith("<- CP1 [2,") for line in lines) == calls
    assert sum(line.startswith("-> CP1 [3,") for line in lines) == calls
    assert sum(line.startswith("<- CP1 [6,") for line in lines) == len(known["messages"]) - calls
    assert sum(line.startswith("->") for line in lines) == calls


def test_errors_of_a_call(adapter, command, capsys):
    """An error is told with its code and description, whether the call was sent or not, and gives 1."""
    with command.serving("--adapter", adapter, "--protocol", "ocpp1.6") as (_, url):
        for arguments, complaint in [
            (["BootNotification"], "ocpp-rpc: OccurenceConstraintViolation: params"),
            (["Nope", "{}"], "ocpp-rpc: ProtocolError: "),
            (["Heartbeat", "{}", "--timeout", "0"], "ocpp-rpc: the timeout must be more than 0 seconds"),
        ]:
            assert commands.run(["call", url, "CP1", *arguments, "--adapter", adapter]) == 1
            out, err = capsys.readouterr()
            assert out == ""
            assert err.startswith(complaint)
        status, out, err = command.output("call", url, "CP1", "StatusNotification", "--adapter", adapter)
        assert (status, out) == (1, "")
        assert "OccurenceConstraintViolation" in err
        assert commands.run(["call", url, "CP1", "Heartbeat", "--protocol", "ocpp2.1", "--adapter", adapter]) == 2
        assert "HTTP status 400" in capsys.readouterr().err


def free_port():
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def test_no_connection(adapter, command):
    """Where nobody listens there is no connection, which gives 2."""
    url = f"ws://127.0.0.1:{free_port()}"
    status, out, err = command.output("call", url, "CP1", "Heartbeat", "--adapter", adapter)
    assert (status, out) == (2, "")
    assert err.startswith(f"ocpp-rpc: no connection to {url}: ")
    assert "Traceback" not in err


def test_address_in_use(adapter, capsys):
    """An address that cannot be listened on is told, and gives 1."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert commands.run(["serve", "--port", str(port), "--adapter", adapter]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ocpp-rpc: ")


PASSWORD = "s=e:c ret"


@pytest.mark.parametrize(
    ("identity", "options", "status"),
    [
        ("CP1", ["--password", PASSWORD], 0),
        ("CP2", ["--password", "pässword"], 0),
        ("CP1", ["--password", "pässword"], 2),
        ("CP1", ["--password", ""], 2),
        ("CP1", [], 2),
        ("CP3", ["--password", PASSWORD], 2),
        ("CP3", [], 2),
    ],
)
def test_passwords(command, guarded, identity, options, status, capsys):
    """With passwords, only the named identities with the right one get in; the others hear 401."""
    adapter, url = guarded
    assert commands.run(["call", url, identity, "Heartbeat", *options, "--adapter", adapter]) == status
    out, err = capsys.readouterr()
    if status:
        assert "HTTP status 401" in err
        assert out == ""
    else:
        assert "currentTime" in out


@pytest.fixture(scope="module", params=["anyio", "trio"])
def guarded(request, command):
    """An adapter's name, and the URL of a server with two passwords."""
    passwords = ["--password", f"CP1={PASSWORD}", "CP2=overridden", "--password", "CP2=pässword"]
    with command.serving("--adapter", request.param, *passwords) as (_, url):
        yield request.param, url


def test_refusals_are_shown(command):
    """The server shows whom it did not let in, and nothing of the password."""
    with command.serving("--adapter", "trio", "--password", "CP1=hunter2") as (server, url):
        assert commands.run(["call", url, "CP\u202e1", "Heartbeat", "--password", "hunter3", "--adapter", "trio"]) == 2
        status, lines = ended(server)
    assert status == 0
    assert lines == [r"!! CP\u202e1 refused with HTTP status 401: unknown identity or wrong password"]


def test_parse_passwords():
    """The identity ends at the first `=`, the password is all that follows, as UTF-8, and may be empty."""
    assert parse_passwords(["a=b=c", "é=ß", "x="]) == {"a": b"b=c", "é": "ß".encode(), "x": b""}


def against(adapter, handler, *arguments):
    """The exit status of a `call` of Heartbeat to a server with this handler."""
    chosen = load(adapter)

    async def both():
        async with chosen.server(protocols=["ocpp1.6"]) as server:
            server.handle(handler)
            listener = await server.listen(0, "127.0.0.1")
            command = [sys.executable, "-m", "ocpp_rpc_anyio.cli", "call", listener.url, "CP1", "Heartbeat"]
            done = await anyio.run_process([*command, "--adapter", adapter, *arguments], check=False)
            return done.returncode, done.stdout.decode(), done.stderr.decode()

    return chosen.run(within(10, both))


def test_error_from_the_server(adapter):
    """The server's CALLERROR is told with its code and description, harmless to the terminal, and gives 1."""

    def handler(call):
        raise RPCSecurityError("not \x1b[2J you")

    assert against(adapter, handler) == (1, "", "ocpp-rpc: SecurityError: not \\x1b[2J you\n")


def test_invalid_result(adapter):
    """A result that strict mode refuses gives 1."""
    status, out, err = against(adapter, lambda call: {"currentTime": 1})
    assert (status, out) == (1, "")
    assert "TypeConstraintViolation" in err


def test_no_answer(adapter):
    """A server that does not answer in time gives 1."""
    status, out, err = against(adapter, lambda call: NOREPLY, "--timeout", "0.1")
    assert (status, out) == (1, "")
    assert err.startswith("ocpp-rpc: ")


def test_lost_connection(adapter):
    """A connection that ends before the answer comes gives 2."""

    async def handler(call):
        await call.client.close(force=True)

    status, out, err = against(adapter, handler)
    assert (status, out) == (2, "")
    assert "connection was lost" in err


def test_station_answers_inbound_calls(adapter):
    """While it waits for its result, the station answers calls with NotImplemented."""
    codes = []

    async def handler(call):
        try:
            await call.client.call("Reset", {"type": "Soft"})
        except RPCError as error:
            codes.append(error.code)
        return {"currentTime": "2025-06-30T12:00:00Z"}

    status, out, _ = against(adapter, handler)
    assert (status, json.loads(out)) == (0, {"currentTime": "2025-06-30T12:00:00Z"})
    assert codes == ["NotImplemented"]
