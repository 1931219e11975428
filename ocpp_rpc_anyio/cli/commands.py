"""The arguments of each command, and which exit status its failures have."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number

from .adapters import AdapterName, load
from .call import FAILED, call, parameters
from .demo import demo
from .output import complain, console
from .serve import parse_passwords, serve

INTERRUPTED = 130
"""What shells expect of a command that Ctrl-C ended: 128 and the number of SIGINT."""

Protocol = Literal["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]
Several = Parameter(consume_multiple=True, negative=())


def installed_version() -> str:
    """The version of the distribution."""
    try:
        return version("ocpp-rpc")
    except PackageNotFoundError:
        return "unknown: not installed"


app = App(
    name="ocpp-rpc",
    help="Try out OCPP-J clients and servers.",
    version=installed_version,
    suppress_keyboard_interrupt=False,  # it means something else to each command
)


@app.command(name="demo")
def demo_command(*, adapter: AdapterName = "anyio") -> int:
    """Let a server and a station of each OCPP version talk to each other, and check what they say.

    Parameters
    ----------
    adapter
        The library that carries the connections.
    """
    return load(adapter).run(partial(demo, load(adapter), console()))


@app.command(name="serve")
def serve_command(
    *,
    host: str = "127.0.0.1",
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 9000,
    protocol: Annotated[tuple[Protocol, ...], Several] = ("ocpp2.1", "ocpp2.0.1", "ocpp1.6"),
    password: Annotated[tuple[str, ...] | None, Several] = None,
    adapter: AdapterName = "anyio",
) -> int:
    """Run a management system for development: strict, answers every call, shows every message.

    Ctrl-C or SIGTERM ends it.

    Parameters
    ----------
    host
        The address to listen on.
    port
        The TCP port to listen on; 0 for a free one.
    protocol
        The subprotocols to offer, the preferred one first.
    password
        Who gets in, as ID=SECRET each; everyone, if not given.
    adapter
        The library that carries the connections.
    """
    chosen = load(adapter)
    passwords = None if password is None else parse_passwords(password)
    try:
        return chosen.run(partial(serve, chosen, host, port, protocol, passwords, console()))
    except KeyboardInterrupt:  # how it ends where there are no signals to wait for
        return 0


@app.command(name="call")
def call_command(
    url: str,
    identity: str,
    method: str,
    params_json: str = "{}",
    /,
    *,
    protocol: Protocol = "ocpp1.6",
    password: str | None = None,
    timeout: float = 30,
    adapter: AdapterName = "anyio",
) -> int:
    """Connect as a station, make one call, and print its result as JSON.

    The exit status is 1 for an error and 2 for no connection.

    Parameters
    ----------
    url
        The server, without the identity, such as ws://localhost:9000.
    identity
        The identity of the station.
    method
        What to call, such as Heartbeat.
    params_json
        The parameters, a JSON object.
    protocol
        The subprotocol.
    password
        The station's password for Basic authentication.
    timeout
        Seconds to wait for the answer.
    adapter
        The library that carries the connection.
    """
    chosen = load(adapter)
    params = parameters(params_json)
    calling = partial(call, chosen, url, identity, method, params)
    return chosen.run(partial(calling, protocol=protocol, password=password, timeout=timeout))


def run(arguments: Sequence[str]) -> int:
    """Run a command; what is wrong with its arguments is said, and gives 1."""
    try:
        status: int | None = app(arguments, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return FAILED  # and has been said
    except (ValueError, TypeError, OSError) as error:
        complain(error)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return status or 0
