"""What the command says and returns when its arguments, or its packages, are not as they should be."""

import subprocess
import sys
from pathlib import Path

import pytest

from ocpp_rpc_anyio import cli
from ocpp_rpc_anyio.cli import commands, output

ROOT = Path(__file__).parents[2]
NOWHERE = "ws://127.0.0.1:9"


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["demo", "--adapter", "curio"],
        ["demo", "--frobnicate"],
        ["serve", "--port", "65536"],
        ["serve", "--port", "-1"],
        ["serve", "--protocol", "ocpp9.9"],
        ["serve", "--password", "nothing-secret"],
        ["serve", "--password", "=secret"],
        ["serve", "--password"],
        ["call", NOWHERE, "CP1"],
        ["call", NOWHERE, "CP1", "Heartbeat", "{"],
        ["call", NOWHERE, "CP1", "Heartbeat", "[" * 100_000],
        ["call", NOWHERE, "CP1", "Heartbeat", "{}", "--protocol", "ocpp9.9"],
        ["call", NOWHERE, "CP1", "Heartbeat", "{}", "--timeout", "soon"],
        ["call", NOWHERE, "", "Heartbeat"],
        ["call", "http://127.0.0.1:9", "CP1", "Heartbeat"],
    ],
)
def test_usage_error(arguments, capsys):
    """Wrong arguments are told on standard error and give 1: 2 is for no connection."""
    assert commands.run(arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err
    assert "Traceback" not in err


def test_a_wrong_password_option_is_not_repeated(capsys):
    """What is no ID=SECRET may be a secret, so it is not shown."""
    assert commands.run(["serve", "--password", "hunter2"]) == 1
    assert "hunter2" not in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["serve", "--help"], ["call", "--help"]])
def test_help(arguments, capsys):
    """Asking for help is no error."""
    assert commands.run(arguments) == 0
    assert "Usage: ocpp-rpc" in capsys.readouterr().out


@pytest.mark.parametrize("installed", [True, False])
def test_version(installed, monkeypatch, capsys):
    """The version is that of the distribution, if there is one."""

    def version(name):
        assert name == "ocpp-rpc"
        if not installed:
            raise commands.PackageNotFoundError
        return "1.2.3"

    monkeypatch.setattr(commands, "version", version)
    assert commands.run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == ("1.2.3" if installed else "unknown: not installed")


@pytest.mark.parametrize(("package", "extra"), [("cyclopts", "cli"), ("rich", "cli"), ("trio", "trio")])
def test_missing_package(package, extra):
    """A package that is not installed is named with the extra that installs it."""
    code = "import sys; from ocpp_rpc_anyio.cli import main; sys.modules[sys.argv.pop(1)] = None; sys.exit(main())"
    arguments = [sys.executable, "-c", code, package, "demo", "--adapter", "trio"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=15, check=False)
    expected = f'ocpp-rpc: this needs the package {package}: pip install "ocpp-rpc[{extra}]"\n'
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


def test_missing_module_of_ours(monkeypatch):
    """A module that no extra installs is a fault of ours, and not to be hidden."""
    monkeypatch.setitem(sys.modules, "ocpp_rpc_anyio.cli.commands", None)
    with pytest.raises(ModuleNotFoundError):
        cli.main()


def test_interrupted(monkeypatch):
    """Ctrl-C gives the status that shells expect."""

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "load", interrupted)
    assert commands.run(["demo"]) == 130


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('[2,"1","é",{}]', '[2,"1","é",{}]'),
        ("\x1b[2J\r\n\x07\x9b\u202e\ud800", r"\x1b[2J\r\n\x07\x9b\u202e\ud800"),
        (b"\x00\xff", r"b'\x00\xff'"),
    ],
)
def test_printable(text, shown):
    """What could steer a terminal is escaped, what can be read stays."""
    assert output.printable(text) == shown


def test_complaints_are_printable(capsys):
    """What a peer said in an error does not steer the terminal either."""
    output.complain("\x1b[2J")
    assert capsys.readouterr().err == "ocpp-rpc: \\x1b[2J\n"
