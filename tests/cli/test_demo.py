"""The demo shows what it promises, and fails when anything is not as expected."""

import os
import subprocess
import sys
import time

import anyio
import pytest

from ocpp_rpc_anyio.cli import commands, demo
from ocpp_rpc_anyio.cli.demo import Line, Way

pytestmark = pytest.mark.feature("B15")

SPELLING = {
    "ocpp1.6": ("OccurenceConstraintViolation", "FormationViolation"),
    "ocpp2.0.1": ("OccurrenceConstraintViolation", "FormatViolation"),
    "ocpp2.1": ("OccurrenceConstraintViolation", "FormatViolation"),
}


def parts(text):
    """Title → lines, of what a demo wrote."""
    found = {}
    for line in text.splitlines()[:-1]:
        if line.startswith("ocpp"):
            lines = found.setdefault(line.split()[0], [])
        else:
            lines.append(line)
    return found


def test_shows_every_version(adapter, command):
    """Each version boots, beats, tells its status, is called, is refused twice in its own spelling, and closes."""
    start = time.monotonic()
    status, out, err = command.output("demo", "--adapter", adapter)
    assert (status, err) == (0, ""), out
    assert time.monotonic() - start < 10
    assert out.endswith("All 21 lines are as expected.\n")
    assert f"ocpp_rpc_{adapter}" in out
    assert "\x1b" not in out, "no colours without a terminal"
    shown = parts(out)
    assert set(shown) == set(SPELLING)
    for protocol, (missing, malformed) in SPELLING.items():
        words = [line.split() for line in shown[protocol]]
        assert all(line[0] == "ok" for line in words)
        text = [" ".join(line[1:]) for line in words]
        assert text[0].startswith('station -> server BootNotification {"currentTime": ')
        assert text[0].endswith('"interval": 300, "status": "Accepted"}')
        assert text[1].startswith("station -> server Heartbeat {")
        assert text[2] == "station -> server StatusNotification {}"
        assert text[3] == 'server -> station Reset {"status": "Accepted"}'
        assert text[4].startswith(f"refused, never sent BootNotification {missing}: ")
        assert text[5].startswith(f"refused by the server StatusNotification {malformed}: ")
        assert text[6] == "station closes 1000 end of the demo"
        assert len(text) == 7


def run_demo(capsys, adapter="trio"):
    status = commands.run(["demo", "--adapter", adapter])
    return status, capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (Line(Way.TO_SERVER, "Heartbeat", {}, {"currentTime": "never"}), 'expected {"currentTime": "never"}'),
        (Line(Way.UNSENT, "Heartbeat", {"x": 1}, "TypeConstraintViolation"), "expected TypeConstraintViolation"),
        (Line(Way.REFUSED, "Heartbeat", {"x": 1}, "FormatViolation"), "expected FormatViolation"),
        (Line(Way.TO_SERVER, "Nope", {}, "ProtocolError"), "the station sent 0 messages"),
        (Line(Way.TO_STATION, "Reset", {}, {"status": "Accepted"}), 'expected {"status": "Accepted"}'),
    ],
)
def test_wrong_expectation_fails(line, complaint, monkeypatch, capsys):
    """A call that ends in another way than expected, or is sent when it should not be, is shown as such."""
    told = demo.story

    def story(protocol, now):
        return [*told(protocol, now), line] if protocol == "ocpp1.6" else told(protocol, now)

    monkeypatch.setattr(demo, "story", story)
    status, out = run_demo(capsys)
    assert status == 1
    assert complaint in out
    assert out.count("FAILED") == 1
    assert out.endswith("1 of 22 lines are not as expected.\n")


def test_sending_what_must_not_be_sent_fails(monkeypatch, capsys):
    """A refused call counts as never sent only if nothing was."""

    def story(protocol, now):
        return [Line(Way.UNSENT, "StatusNotification", {}, "OccurrenceConstraintViolation")]

    def careless(self, **changes):
        """Strict mode cannot be turned on."""

    monkeypatch.setattr(demo, "story", story)
    client = commands.load("trio").client
    entered = client.__aenter__
    change = client.reconfigure

    async def enter(self):
        station = await entered(self)
        change(self, strict_mode=False)
        return station

    monkeypatch.setattr(client, "__aenter__", enter)
    monkeypatch.setattr(client, "reconfigure", careless)
    status, out = run_demo(capsys)
    assert status == 1
    assert "the station sent 1 messages" in out


def test_wrong_answers_fail(monkeypatch, capsys):
    """A server whose answers are not valid does not pass."""
    monkeypatch.setattr(demo, "minimal_response", lambda *_: {"status": "Surprised"})
    status, out = run_demo(capsys)
    assert status == 1
    assert "InternalError" in out


def test_wrong_end_fails(monkeypatch, capsys):
    """A connection that both ends do not close in the same way does not pass."""
    client = commands.load("trio").client
    close = client.close

    async def cut(self, *_, **__):
        return await close(self, force=True)

    monkeypatch.setattr(client, "close", cut)
    status, out = run_demo(capsys)
    assert status == 1
    assert "expected 1000 end of the demo at both ends" in out


def test_an_exception_fails(monkeypatch, capsys):
    """Whatever goes wrong is shown, and the other versions are shown still."""

    async def part(adapter, protocol, show):
        if protocol == "ocpp2.0.1":
            raise OSError("no network")

    monkeypatch.setattr(demo, "part", part)
    status, out = run_demo(capsys)
    assert status == 1
    assert "OSError('no network')" in out
    assert out.endswith("1 of 1 lines are not as expected.\n")


def test_hanging_fails(monkeypatch, capsys, adapter):
    """A demo that takes too long ends, and does not pass."""

    async def part(*_):
        await anyio.sleep_forever()

    monkeypatch.setattr(demo, "part", part)
    monkeypatch.setattr(demo, "SECONDS", 0.05)
    status, out = run_demo(capsys, adapter)
    assert status == 1
    assert "took too long" in out


def on_a_terminal(command, **settings):
    """What the demo writes on a terminal."""
    ours, theirs = os.openpty()
    options = {"stdout": theirs, "stderr": subprocess.STDOUT, "env": command.environment(TERM="xterm", **settings)}
    with command.process("demo", "--adapter", "trio", **options) as running:
        os.close(theirs)
        written = b""
        try:
            while piece := os.read(ours, 4096):
                written += piece
        except OSError:  # how Linux says that nobody has the terminal open any more
            pass
        finally:
            os.close(ours)
        assert running.wait() == 0
    return written.decode()


GREEN = "\x1b[32m"


@pytest.mark.skipif(sys.platform == "win32", reason="has no such terminals")
def test_coloured_on_a_terminal(command):
    """On a terminal there are colours, unless `NO_COLOR` is set."""
    assert GREEN + "ok" in on_a_terminal(command)
    plain = on_a_terminal(command, NO_COLOR="1")
    assert "BootNotification" in plain
    assert GREEN not in plain
    assert "\x1b[3" not in plain
