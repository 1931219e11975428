"""The committed schema files are complete and free of prose, and their tool overlooks no difference."""

import copy
import functools
import importlib
import json
import os
import sys
from pathlib import Path

import fastjsonschema
import pytest
from hypothesis import given, strategies as st

SCHEMAS = Path(__file__).parents[2] / "schemas"
COUNTS = {"ocpp1.6": 78, "ocpp2.0.1": 128, "ocpp2.1": 181}
KEYWORDS = {
    "$ref",
    "additionalProperties",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minimum",
    "multipleOf",
    "properties",
    "required",
    "type",
}

# The tool is a script with neighbours, not a package: its modules are found through its folder.
sys.path.insert(0, str(SCHEMAS))
try:
    facts = importlib.import_module("_facts")
    sources = importlib.import_module("_sources")
    crosscheck = importlib.import_module("_crosscheck")
    decisions = importlib.import_module("_decisions")
    render = importlib.import_module("_render")
    tool = importlib.import_module("import_schemas")
finally:
    sys.path.remove(str(SCHEMAS))

each_version = pytest.mark.parametrize("subprotocol", COUNTS)


@functools.cache
def load(subprotocol):
    return json.loads((SCHEMAS / f"{subprotocol}.json").read_text("utf-8"))


def messages(document):
    """Every message's schema by (method, role)."""
    return {(method, role): schema for method, roles in document["messages"].items() for role, schema in roles.items()}


def nodes(schema):
    """The schema and all inside it, references not followed."""
    yield schema
    for child in schema.get("properties", {}).values():
        yield from nodes(child)
    if "items" in schema:
        yield from nodes(schema["items"])


def roots(document):
    return [*document["definitions"].values(), *messages(document).values()]


def reached(document, schema):
    """The definitions that a schema needs: a walk through all of them would make compiling slow."""
    found, todo = {}, [schema]
    while todo:
        for node in nodes(todo.pop()):
            name = node.get("$ref", "").removeprefix("#/definitions/")
            if name and name not in found:
                found[name] = document["definitions"][name]
                todo.append(found[name])
    return found


@functools.cache
def validator(subprotocol, method, role):
    """The message's validator, judging as draft-07."""
    document = load(subprotocol)
    schema = document["messages"][method][role]
    draft = {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": reached(document, schema)}
    return fastjsonschema.compile(copy.deepcopy({**draft, **schema}))


def accepts(validate, payload):
    try:
        validate(payload)
    except fastjsonschema.JsonSchemaValueException:
        return False
    return True


# --- the files -------------------------------------------------------------------------------------------


@each_version
def test_each_version_has_all_its_messages(subprotocol):
    """A version has exactly as many messages as the specification, under its own subprotocol name."""
    document = load(subprotocol)
    assert list(document) == ["subprotocol", "definitions", "messages"]
    assert document["subprotocol"] == subprotocol
    assert len(messages(document)) == COUNTS[subprotocol]


@each_version
def test_each_method_has_both_directions(subprotocol):
    """A method has a request and a response; only NotifyPeriodicEventStream of 2.1 is sent without one."""
    for method, roles in load(subprotocol)["messages"].items():
        if (subprotocol, method) == ("ocpp2.1", "NotifyPeriodicEventStream"):
            assert list(roles) == ["send"]
        else:
            assert list(roles) == ["request", "response"]


@each_version
def test_references_resolve_and_definitions_are_used(subprotocol):
    """Every reference stands alone and names a definition, and every definition is referred to."""
    document = load(subprotocol)
    used = set()
    for node in (node for root in roots(document) for node in nodes(root)):
        if "$ref" in node:
            assert list(node) == ["$ref"]
            used.add(node["$ref"])
    assert used == {f"#/definitions/{name}" for name in document["definitions"]}


def test_only_keywords_that_decide_validity():
    """The three files together use exactly the known keywords: no prose, no defaults, nothing unknown."""
    used = {key for name in COUNTS for root in roots(load(name)) for node in nodes(root) for key in node}
    assert used == KEYWORDS


def test_only_known_types_and_formats():
    """Types are single names and formats are the two of the specification."""
    every = [node for name in COUNTS for root in roots(load(name)) for node in nodes(root)]
    types = {"object", "array", "string", "integer", "number", "boolean"}
    assert {node["type"] for node in every if "type" in node} <= types
    assert {node["format"] for node in every if "format" in node} == {"date-time", "uri"}
    assert all("type" in node or "$ref" in node or not node for node in every)


@each_version
def test_names_stay_apart_when_folded(subprotocol):
    """No two definitions, and no two methods, differ only by letter case, `_` or `-`."""
    document = load(subprotocol)
    for names in (document["definitions"], document["messages"]):
        assert len({name.casefold().replace("_", "").replace("-", "") for name in names}) == len(names)


@each_version
def test_order_is_alphabetical(subprotocol):
    """Methods, definitions, fields, enumerations and required lists are sorted and without repeats."""
    document = load(subprotocol)
    tables = [document["definitions"], document["messages"]]
    for node in (node for root in roots(document) for node in nodes(root)):
        tables += [node[key] for key in ("properties", "enum", "required") if key in node]
    assert all(list(table) == sorted(set(table)) for table in tables)


@each_version
def test_required_fields_exist(subprotocol):
    """A closed object requires only fields it has."""
    for node in (node for root in roots(load(subprotocol)) for node in nodes(root)):
        if node.get("additionalProperties") is False:
            assert set(node.get("required", ())) <= set(node.get("properties", ()))


@each_version
def test_each_schema_compiles(subprotocol):
    """Each message is a valid draft-07 schema: it compiles and refuses what is no object."""
    document = load(subprotocol)
    for method, role in messages(document):
        assert not accepts(validator(subprotocol, method, role), [])


@each_version
def test_files_are_laid_out_by_the_tool(subprotocol):
    """A committed file is its own content in the tool's layout: one newline at the end, no long lines."""
    text = (SCHEMAS / f"{subprotocol}.json").read_text("utf-8")
    assert text == render.json_text(load(subprotocol)) + "\n"
    assert max(map(len, text.splitlines())) <= 120


# --- facts worth their own test --------------------------------------------------------------------------


def meter_values(**sample):
    return {"timestamp": "2024-01-01T00:00:00Z", "sampledValue": [{"value": "1", **sample}]}


@pytest.mark.parametrize("unit", ["Celsius", "Celcius", "Hertz", "Wh"])
def test_1_6_units(unit):
    """OCPP 1.6 takes both spellings of Celsius, and Hertz, wherever a meter value is sent, but no other."""
    meter = validator("ocpp1.6", "MeterValues", "request")
    stop = validator("ocpp1.6", "StopTransaction", "request")
    for given_unit, valid in ((unit, True), ("Kelvins", False)):
        value = meter_values(unit=given_unit)
        assert accepts(meter, {"connectorId": 1, "meterValue": [value]}) is valid
        transaction = {"transactionId": 1, "meterStop": 1, "timestamp": value["timestamp"]}
        assert accepts(stop, {**transaction, "transactionData": [value]}) is valid


def test_1_6_meter_values_are_not_empty():
    """MeterValues has at least one meter value with at least one sample."""
    meter = validator("ocpp1.6", "MeterValues", "request")
    assert not accepts(meter, {"connectorId": 1, "meterValue": []})
    assert not accepts(meter, {"connectorId": 1, "meterValue": [{**meter_values(), "sampledValue": []}]})


def test_1_6_charging_limits_are_tenths():
    """All limits and minimum rates of 1.6 charging schedules are multiples of 0.1."""
    found = [
        key
        for root in roots(load("ocpp1.6"))
        for node in nodes(root)
        for key, child in node.get("properties", {}).items()
        if child.get("multipleOf") == 0.1
    ]
    assert sorted(found) == ["limit"] * 3 + ["minChargingRate"] * 3


def test_2_0_1_exi_response_may_be_long():
    """The certificate response of 2.0.1 holds 7500 characters and no more."""
    validate = validator("ocpp2.0.1", "Get15118EVCertificate", "response")
    assert accepts(validate, {"status": "Accepted", "exiResponse": "x" * 7500})
    assert not accepts(validate, {"status": "Accepted", "exiResponse": "x" * 7501})


def test_2_x_custom_data_is_open():
    """CustomDataType is the one definition of 2.x that takes unknown fields."""
    for subprotocol in ("ocpp2.0.1", "ocpp2.1"):
        definitions = load(subprotocol)["definitions"]
        objects = {name: node for name, node in definitions.items() if node["type"] == "object"}
        assert [name for name, node in objects.items() if "additionalProperties" not in node] == ["CustomDataType"]


# --- the tool, on small packages -------------------------------------------------------------------------

STATUS = {"type": "string", "description": "prose", "enum": ["B", "A"], "javaType": "S"}
REQUEST = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "title": "prose",
    "definitions": {"Status": STATUS, "Unused": {"type": "string"}},
    "type": "object",
    "required": ["status"],
    "additionalProperties": False,
    "properties": {
        "status": {"description": "prose", "$ref": "#/definitions/Status"},
        "list": {"type": "array", "additionalItems": False, "minItems": 1, "items": {"type": "string"}},
        "size": {"type": "number", "minimum": 0.0, "exclusiveMinimum": True, "default": 3},
    },
}
RESPONSE = {"type": "object", "properties": {}, "additionalProperties": True, "required": []}


@pytest.fixture
def packages(tmp_path):
    """Write an npm and a PyPI package, alike but for `change(schema of Ping.request in PyPI's 2.0.1)`."""

    def write(change=lambda schema: None, npm_change=lambda schema: None, extra=None):
        npm, pypi = tmp_path / "npm", tmp_path / "ocpp"
        (npm / "lib" / "schemas").mkdir(parents=True)
        (npm / "package.json").write_text('{"name": "one", "version": "1.2.3"}')
        (tmp_path / "ocpp-4.5.dist-info").mkdir()
        (tmp_path / "ocpp-4.5.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: two\nVersion: 4.5\n")
        for number, folder in (("1_6", "v16"), ("2_0_1", "v201"), ("2_1", "v21")):
            old = number == "1_6"
            here, there = copy.deepcopy(REQUEST), copy.deepcopy(REQUEST)
            if number == "2_0_1":
                npm_change(here)
                change(there)
            request, response = ("Ping.req", "Ping.conf") if old else ("PingRequest", "PingResponse")
            schemas = [{"$id": f"urn:{request}", **here}, {"$id": f"urn:{response}", **RESPONSE}]
            files = {"Ping" if old else "PingRequest": there, "PingResponse": RESPONSE}
            if number == "2_1":
                schemas.append({"$id": "urn:Stream", **RESPONSE})
                files["Stream"] = RESPONSE
            if number == "2_0_1" and extra:
                files[extra] = REQUEST
            (npm / "lib" / "schemas" / f"ocpp{number}.json").write_text(json.dumps(schemas))
            (pypi / folder / "schemas").mkdir(parents=True)
            for name, schema in files.items():
                (pypi / folder / "schemas" / f"{name}.json").write_text("\ufeff" + json.dumps(schema), "utf-8")
        return npm, pypi

    return write


def difference(where, keyword, npm, pypi):
    return crosscheck.Difference("ocpp2.0.1", where, keyword, npm, pypi)


def test_tool_keeps_facts_only(packages):
    """Prose, defaults and idle keywords go; old forms become draft-07; equal sides need no decision."""
    files = tool.build(*packages(), (), ())
    assert sorted(files) == ["DIFFERENCES.md", "ocpp1.6.json", "ocpp2.0.1.json", "ocpp2.1.json"]
    request = {
        "type": "object",
        "additionalProperties": False,
        "required": ["status"],
        "properties": {
            "list": {"type": "array", "minItems": 1, "items": {"type": "string"}},
            "size": {"type": "number", "exclusiveMinimum": 0},
            "status": {"$ref": "#/definitions/Status"},
        },
    }
    expected = {
        "definitions": {"Status": {"type": "string", "enum": ["A", "B"]}},
        "messages": {"Ping": {"request": request, "response": {"type": "object"}}},
    }
    assert json.loads(files["ocpp1.6.json"]) == {"subprotocol": "ocpp1.6", **expected}
    assert json.loads(files["ocpp2.0.1.json"]) == {"subprotocol": "ocpp2.0.1", **expected}
    expected["messages"]["Stream"] = {"send": {"type": "object"}}
    assert json.loads(files["ocpp2.1.json"]) == {"subprotocol": "ocpp2.1", **expected}
    assert "one 1.2.3 (npm) and two 4.5 (PyPI)" in files["DIFFERENCES.md"]


CHANGES = {
    "type": (
        lambda s: s["properties"]["size"].update(type="integer"),
        ("/size", "type", "number", "integer"),
    ),
    "limit": (lambda s: s["properties"]["size"].update(minimum=1), ("/size", "exclusiveMinimum", 0, 1)),
    "new keyword": (
        lambda s: s["properties"]["size"].update(multipleOf=0.1),
        ("/size", "multipleOf", None, 0.1),
    ),
    "lost keyword": (lambda s: s["properties"]["list"].pop("minItems"), ("/list", "minItems", 1, None)),
    "inside a list": (
        lambda s: s["properties"]["list"]["items"].update(maxLength=5),
        ("/list/items", "maxLength", None, 5),
    ),
    "no items": (
        lambda s: s["properties"]["list"].pop("items"),
        ("/list", "items", "{'type': 'string'}", None),
    ),
    "inside a definition": (
        lambda s: s["definitions"]["Status"].update(enum=["A", "C"]),
        ("/status", "enum", ("B",), ("C",)),
    ),
    "required": (lambda s: s.update(required=["status", "size"]), ("", "required", (), ("size",))),
    "nothing required": (lambda s: s.pop("required"), ("", "required", ("status",), None)),
    "open": (lambda s: s.update(additionalProperties=True), ("", "additionalProperties", False, None)),
    "new property": (lambda s: s["properties"].update(more={}), ("/more", "property", False, True)),
    "lost property": (lambda s: s["properties"].pop("size"), ("/size", "property", True, False)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_tool_finds_each_kind_of_difference(packages, name):
    """A difference without a decision fails and is named with its place and both values."""
    change, (where, *rest) = CHANGES[name]
    with pytest.raises(crosscheck.Disagreement) as caught:
        tool.build(*packages(change), (), ())
    assert str(caught.value) == f"no decision for {difference('Ping.request' + where, *rest)}"


@pytest.mark.parametrize("take", ["npm", "pypi"])
@pytest.mark.parametrize("name", CHANGES)
def test_tool_takes_the_side_decided(packages, name, take):
    """With a decision, the result is that of the package chosen, and the reason is listed."""
    change, (where, *rest) = CHANGES[name]
    decision = crosscheck.Decision(difference("Ping.request" + where, *rest), take, "because so")
    npm, pypi = packages(change)
    files = tool.build(npm, pypi, (decision,), ())
    package = sources.read_npm(npm) if take == "npm" else sources.read_pypi(pypi)
    chosen = render.document("ocpp2.0.1", package.versions["ocpp2.0.1"])
    assert json.loads(files["ocpp2.0.1.json"]) == chosen
    assert f"Ping.request{where}`, `{rest[0]}`" in files["DIFFERENCES.md"]
    assert "because so" in files["DIFFERENCES.md"]


def test_tool_joins_enumerations(packages):
    """`both` takes the members of both enumerations."""
    decision = crosscheck.Decision(difference("Ping.request/status", "enum", ("B",), ("C",)), "both", "why")
    files = tool.build(*packages(CHANGES["inside a definition"][0]), (decision,), ())
    assert json.loads(files["ocpp2.0.1.json"])["definitions"]["Status"]["enum"] == ["A", "B", "C"]


@pytest.mark.parametrize("take", ["npm", "pypi"])
def test_tool_finds_a_missing_message(packages, take):
    """A message only one package has is a difference."""
    found = difference("Pong.request", "message", False, True)
    folders = packages(extra="PongRequest")
    with pytest.raises(crosscheck.Disagreement, match=r"Pong\.request"):
        tool.build(*folders, (), ())
    files = tool.build(*folders, (crosscheck.Decision(found, take, "why"),), ())
    assert ("Pong" in json.loads(files["ocpp2.0.1.json"])["messages"]) is (take == "pypi")


def test_tool_refuses_a_stale_decision(packages):
    """A decision whose values are no longer those of the packages fails, like one for an unknown place."""
    for where, values in (("Ping.request/size", (0, 2)), ("Pang.request", (1, 2))):
        decision = crosscheck.Decision(difference(where, "exclusiveMinimum", *values), "pypi", "why")
        check = crosscheck.CrossCheck((decision,), ())
        check.merge("ocpp2.0.1", {}, {})
        with pytest.raises(crosscheck.Disagreement, match="matches no difference"):
            check.finish()


def test_tool_corrects_what_both_lack(packages):
    """A correction adds members to an enumeration; one that adds nothing, or has no place, fails."""
    folders = packages()
    right = crosscheck.Correction("ocpp2.0.1", "Ping.request/status", ("C",), "why")
    files = tool.build(*folders, (), (right,))
    assert json.loads(files["ocpp2.0.1.json"])["definitions"]["Status"]["enum"] == ["A", "B", "C"]
    assert json.loads(files["ocpp2.1.json"])["definitions"]["Status"]["enum"] == ["A", "B"]
    assert "also `C`" in files["DIFFERENCES.md"]
    for where, add in (
        ("Ping.request/status", ("A",)),
        ("Ping.request/size", ("A",)),
        ("Pang.request", ("A",)),
    ):
        with pytest.raises(crosscheck.Disagreement, match="matches no difference"):
            tool.build(*folders, (), (right._replace(where=where, add=add),))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.update(oneOf=[]), "oneOf"),
        (lambda s: s["properties"]["list"].update(items=[{}]), "items"),
        (lambda s: s.update(additionalProperties={"type": "string"}), "additionalProperties"),
        (lambda s: s["definitions"].clear(), "Status"),
        (lambda s: s["definitions"]["Status"].update({"$ref": "#/definitions/Status"}), "recursive"),
    ],
)
def test_tool_refuses_what_it_has_no_rule_for(packages, change, words):
    """Unknown keywords, tuples, schemas of unknown fields, broken and circular references are refused."""
    with pytest.raises(facts.Unusable, match=rf"ocpp2\.0\.1 Ping\.request: .*{words}"):
        tool.build(*packages(change), (), ())


def test_tool_refuses_odd_and_repeated_labels():
    """A label that is no method name, and two labels for one message, are refused."""
    with pytest.raises(facts.Unusable, match="label"):
        sources._messages("ocpp2.1", [("a b", {})])
    with pytest.raises(facts.Unusable, match="twice"):
        sources._messages("ocpp2.1", [("Ping.req", {}), ("PingRequest", {})])


def test_draft_04_limits():
    """A draft-04 flag makes its limit exclusive if true, and goes if false; whole limits are integers."""
    expand = facts.expand
    assert expand({"maximum": 2.0, "exclusiveMaximum": True}) == {"exclusiveMaximum": 2}
    assert expand({"maximum": 2.5, "exclusiveMaximum": False}) == {"maximum": 2.5}
    assert expand({"exclusiveMinimum": 1}) == {"exclusiveMinimum": 1}


def named(name, **content):
    return {"type": "object", "properties": {"x": {"type": "string", **content, facts.NAME: name}}}


def test_definitions_of_one_name_and_two_contents_are_both_kept():
    """The content used most keeps the name, the other is named after the method that uses it."""
    document = render.document(
        "ocpp2.1",
        {"A.request": named("T", maxLength=1), "B.request": named("T"), "C.request": named("T")},
    )
    assert document["definitions"] == {"T": {"type": "string"}, "TInA": {"type": "string", "maxLength": 1}}
    assert document["messages"]["A"]["request"]["properties"]["x"] == {"$ref": "#/definitions/TInA"}
    assert document["messages"]["C"]["request"]["properties"]["x"] == {"$ref": "#/definitions/T"}


@pytest.mark.parametrize("other", ["a_bc", "aBC", "AB-c"])
def test_definitions_with_names_too_alike_are_refused(other):
    """Two names that differ only by case, `_` or `-` cannot both be written."""
    with pytest.raises(facts.Unusable, match="differ only"):
        render.document("ocpp2.1", {"A.request": named("ABc"), "B.request": named(other)})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=60,
)


@given(JSON)
def test_layout_is_json_of_the_same_value(value):
    """Whatever is laid out reads back the same, in the same order."""
    assert json.dumps(json.loads(render.json_text(value))) == json.dumps(value)


def test_command_writes_checks_and_fails(packages, tmp_path, monkeypatch, capsys):
    """The command writes once, `--check` writes nothing and tells a stale file, disagreement is an error."""
    monkeypatch.setattr(tool.build, "__defaults__", ((), ()))
    npm, pypi = packages()
    folders = ["--npm", str(npm), "--pypi", str(pypi)]
    target = tmp_path / "out"
    target.mkdir()
    assert tool.main([*folders, "--check"], target) == 1
    assert not list(target.iterdir())
    assert tool.main(folders, target) == 0
    assert tool.main([*folders, "--check"], target) == 0
    (target / "ocpp2.1.json").write_text("{}")
    capsys.readouterr()
    assert tool.main([*folders, "--check"], target) == 1
    assert capsys.readouterr().out == "would change: ocpp2.1.json\n"
    assert (target / "ocpp2.1.json").read_text() == "{}"
    (pypi / "v16" / "schemas" / "PingResponse.json").unlink()
    assert tool.main(folders, target) == 1
    assert "no decision" in capsys.readouterr().err
    assert (target / "ocpp2.1.json").read_text() == "{}"


def test_each_decision_has_a_reason():
    """No entry of the tables is without its reason."""
    assert all(len(entry.reason) > 20 for entry in (*decisions.DECISIONS, *decisions.CORRECTIONS))


def test_committed_files_are_those_of_the_packages():
    """With both packages at hand, the tool would write exactly the committed files."""
    npm, pypi = os.environ.get("OCPP_RPC_NPM"), os.environ.get("OCPP_RPC_PYPI")
    if not (npm and pypi):
        pytest.skip("OCPP_RPC_NPM and OCPP_RPC_PYPI name no package folders")
    assert tool.main(["--npm", npm, "--pypi", pypi, "--check"]) == 0
