"""The pages about classes, errors and other libraries name everything there is, and say what the code does."""

import importlib.util
import inspect
import re
from pathlib import Path

import pytest
from support.generators import generator

import ocpp_rpc_anyio
import ocpp_rpc_core
import ocpp_rpc_trio
from ocpp_rpc_core import HandshakeError, InboundCall, RPCError
from ocpp_rpc_core.config import ClientOptions, ServerOptions

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE, HOW_TO = DOCS / "reference", DOCS / "how-to"


api = generator("generate_api")


def text(path):
    return path.read_text(encoding="utf-8")


def named(page, column=0):
    """Every name in code spans of one column of the page's tables."""
    rows = re.findall(r"^\|(.*)\|$", re.sub(r"```.*?```", "", text(page), flags=re.DOTALL), re.MULTILINE)
    cells = [re.split(r" \| ", row)[column] for row in rows if row.count(" | ") >= column]
    return {name for cell in cells for code in re.findall(r"`([^`]+)`", cell) for name in re.findall(r"\w+", code)}


# --- Made from the code ---------------------------------------------------------------


@pytest.mark.parametrize("name", api.PAGES)
def test_they_are_fresh(name, monkeypatch, tmp_path):
    """A page is what `docs/generate_api.py` makes now."""
    monkeypatch.setattr(api.main.__globals__["sys"], "argv", ["generate_api.py", "--check"])
    api.main({name: api.PAGES[name]}, api.SCRIPT)
    monkeypatch.setitem(api.main.__globals__, "REFERENCE", tmp_path)
    with pytest.raises(SystemExit, match=f"run {api.SCRIPT}: out of date: {name}"):
        api.main({name: api.PAGES[name]}, api.SCRIPT)


@pytest.mark.parametrize("page", [api.server_page, api.client_page])
def test_both_adapters_have_the_same(page):
    """The page would be the same if it were made from the other adapter."""
    assert page(ocpp_rpc_trio) == page(ocpp_rpc_anyio)


@pytest.mark.parametrize(
    ("kind", "page", "owner"),
    [
        (ocpp_rpc_anyio.RPCServer, "server.md", "server"),
        (ocpp_rpc_anyio.Listener, "server.md", "listener"),
        (ocpp_rpc_anyio.RPCServerClient, "server.md", "client"),
        (ocpp_rpc_anyio.RPCClient, "client.md", "client"),
        (InboundCall, "client.md", "call"),
    ],
)
def test_every_public_member_is_there(kind, page, owner):
    """Each method has a heading or a link to one, each property a row."""
    page = text(REFERENCE / page)
    own = {name for name in dir(kind) if not name.startswith("_")} - api.FOR_DRIVERS
    assert own
    for name in own:
        places = (f"### {owner}.{name}\n", f"| `{owner}.{name}` |", f"(client.md#client{name})")
        assert any(place in page for place in places), name


def test_what_is_for_drivers_says_so():
    """Nothing is left out of the pages that no class has."""
    kinds = (ocpp_rpc_anyio.RPCServer, ocpp_rpc_anyio.RPCServerClient, ocpp_rpc_anyio.RPCClient)
    sources = "".join(
        inspect.getsource(base) for kind in kinds for base in kind.__mro__[:-2] if base.__module__[0] == "o"
    )
    sources += inspect.getsource(ocpp_rpc_anyio.Listener)
    for name in api.FOR_DRIVERS:
        assert re.search(rf"def {name}\(|self\.{name}\b|    {name}\b", sources), name


def test_every_error_is_there():
    """Each exception that can be imported, with its code or with what it derives from."""
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", text(REFERENCE / "errors.md"), re.MULTILINE))
    kinds = [getattr(ocpp_rpc_core, name) for name in ocpp_rpc_core.__all__]
    errors = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(errors) > 20
    for kind in errors:
        coded = issubclass(kind, RPCError) and kind is not RPCError
        assert kind is RPCError or (kind.default_code if coded else kind.__bases__[0].__name__) in rows[kind.__name__]


def test_which_errors_are_permanent():
    """The page says it of those that are."""
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)$", text(REFERENCE / "errors.md"), re.MULTILINE))
    for kind in HandshakeError.__subclasses__():
        assert kind.permanent == (" Permanent." in rows[kind.__name__])


# --- Coming from elsewhere ------------------------------------------------------------

NODE = re.findall(
    r"\w+",
    """
RPCServer protocols callTimeoutMs pingIntervalMs deferPingsOnActivity respondWithDetailedErrors callConcurrency
strictMode strictModeValidators maxBadMessages wssOptions client error close closing upgradeAborted auth accept reject
handshake identity password endpoint query remoteAddress headers request signal handleUpgrade reconfigure listen
RPCClient reconnect maxReconnects backoff wsOpts badMessage strictValidationFailure message call callResult callError
connecting disconnect open ping protocol response socketError state removeHandler removeAllHandlers connect sendRaw
handle method params messageId reply NOREPLY RPCServerClient session createValidator RPCError createRPCError
rpcErrorCode details
""",
)
PYPI = re.findall(
    r"\w+",
    """
ChargePoint id connection response_timeout logger route_map start route_message call suppress unique_id
skip_schema_validation camel_to_snake_case snake_to_camel_case serialize_as_dict remove_nones on after
create_route_map routables call_unique_id Call CallResult CallError MessageType pack unpack validate_payload
get_validator ASYNC_VALIDATION OCPPError NotImplementedError NotSupportedError InternalError ProtocolError
SecurityError FormatViolationError FormationViolationError PropertyConstraintViolationError
OccurenceConstraintViolationError OccurrenceConstraintViolationError TypeConstraintViolationError GenericError
ValidationError UnknownCallErrorCodeError call_result datatypes enums
""",
)


@pytest.mark.parametrize(
    ("page", "names"), [("coming-from-ocpp-rpc.md", NODE), ("coming-from-mobilityhouse-ocpp.md", PYPI)]
)
def test_every_name_of_the_other_library_has_a_row(page, names):
    """In the first column of a table."""
    assert set(names) <= named(HOW_TO / page)


def test_the_names_of_the_other_python_library_are_all_there():
    """What its modules define in public is in the list above."""
    pytest.importorskip("ocpp")
    defined = set()
    for module in ("charge_point", "routing", "messages", "exceptions"):
        source = inspect.getsource(importlib.import_module(f"ocpp.{module}"))
        defined |= set(re.findall(r"^(?:async )?(?:def|class) ([A-Za-z]\w*)", source, re.MULTILINE))
        defined |= set(re.findall(r"^([A-Za-z]\w*) = ", source, re.MULTILINE))
    assert defined - {"LOGGER"} <= set(PYPI)


@pytest.mark.parametrize("page", ["coming-from-ocpp-rpc.md", "coming-from-mobilityhouse-ocpp.md"])
def test_what_is_named_here_exists(page):
    """Each class and method in the column of ours can be imported, or is a member of something public."""
    tables = text(HOW_TO / page).partition("## What behaves differently")[2].partition("\n## ")[2]
    ours = re.findall(
        r"`(?:await |return |async with |new |@)?([\w.]+)",
        "".join(re.split(r" \| ", row)[1] for row in re.findall(r"^\| (`.*) \|$", tables, re.MULTILINE)),
    )
    kinds = (ocpp_rpc_anyio.RPCServer, ocpp_rpc_anyio.RPCServerClient, ocpp_rpc_anyio.RPCClient, ocpp_rpc_core.Session)
    owners = {"server": kinds[:1], "client": kinds[1:3], "Session": kinds[3:], "call": (InboundCall,)}
    owners |= {"handshake": (ocpp_rpc_core.Handshake,), "Validator": (ocpp_rpc_core.Validator,)}
    options = {*ClientOptions.__dataclass_fields__, *ServerOptions.__dataclass_fields__}
    found = 0
    for name in ours:
        owner, _, member = name.partition(".")
        if member and owner in owners:
            assert any(hasattr(kind, member) or (member == "session") for kind in owners[owner]), name
            found += 1
        elif re.match(r"[A-Z]", name):
            assert hasattr(ocpp_rpc_anyio, owner), name
            found += 1
        elif name in options:
            found += 1
    assert found > 20
