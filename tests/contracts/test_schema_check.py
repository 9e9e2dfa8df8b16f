"""The official JSON Schema: what it says is said at its line; what later versions of the standard added is refused."""

import copy
import json

import jsonschema
import pytest

from contracts import schema_check, yaml_strict
from hub.settings import ROOT, load_settings
from tests.contracts.sample import SAMPLE, changed, read

ODCS = load_settings().shared_data / "odcs"


def problems(tmp_path, text):
    return [(problem.code, problem.place[0], problem.sentence()) for problem in read(tmp_path, text).problems]


def line(text, fragment):
    return next(number for number, found in enumerate(text.split("\n"), 1) if fragment in found)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("status: active", "status: active\nstaus: x", "staus"),
        ("    logicalType: date\n", "    logicalType: date\n    logicaltype: date\n", "logicaltype"),
        ("  logicalType: object\n", "  logicalType: object\n  fields: []\n", "fields"),
        ("    dimension: coverage\n", "    dimension: coverage\n    severty: error\n", "severty"),
        ("  schema: audit\n", "  schema: audit\n  tabel: x\n", "tabel"),
        ("- {role: office_sender, access: push}", "- {role: office_sender, access: push, rights: all}", "rights"),
        ("  name: Data centre of the office", "  name: Data centre of the office\n  nmae: x", "nmae"),
        ("- channel: office-data-centre", "- channel: office-data-centre\n  phone: none", "phone"),
        ("{minimum: 0}", "{minimum: 0, minumum: 1}", "minumum"),
        ("{property: hub.owner, value: audit_office}", "{property: hub.owner, value: audit_office, valeu: x}", "valeu"),
        # added by v3.2.0
        ("    logicalType: date\n", "    logicalType: date\n    deprecated: true\n", "deprecated"),
        ("    logicalType: date\n", "    logicalType: date\n    synonyms: []\n", "synonyms"),
        ("    logicalType: date\n", "    logicalType: date\n    semanticType: measure\n", "semanticType"),
        ("  schema: audit\n", "  schema: audit\n  encoding: utf-8\n", "encoding"),
        ("status: active", "status: active\ncontext: x", "context"),
    ],
)
def test_an_unknown_key_is_an_error_at_its_line(tmp_path, old, new, key):
    text = changed(old, new)
    found = [entry for entry in problems(tmp_path, text) if entry[0] == "HUB-CON-121"]
    assert len(found) == 1, problems(tmp_path, text)
    assert key in found[0][2]
    assert found[0][1] == line(text, f"{key}:")


def test_an_unknown_key_is_told_with_the_likely_one(tmp_path):
    assert "did you mean 'severity'?" in problems(tmp_path, changed("severity: warning", "severty: warning"))[0][2]


@pytest.mark.parametrize(
    ("old", "new", "code", "fragment"),
    [
        ("apiVersion: v3.1.0", "apiVersion: v3.0.2", "HUB-CON-122", "apiVersion"),
        ("apiVersion: v3.1.0", "apiVersion: v3.2.0", "HUB-CON-122", "apiVersion"),
        ("apiVersion: v3.1.0\n", "", "HUB-CON-132", "kind: DataContract"),
        ("kind: DataContract", "kind: DataProduct", "HUB-CON-120", "kind:"),
        ('version: "2.3.1"', "version: 2", "HUB-CON-115", "version: 2"),
        ("    required: true\n", '    required: "true"\n', "HUB-CON-120", 'required: "true"'),
        ("  - name: found_on\n    businessName", "  - businessName", "HUB-CON-132", "  - businessName"),
        ("    dimension: coverage", "    dimension: beauty", "HUB-CON-120", "beauty"),
        ("schema:\n- name: sample\n", "schema:\n- name: 12\n", "HUB-CON-115", "name: 12"),
        ("primaryKeyPosition: 1", "primaryKeyPosition: first", "HUB-CON-120", "first"),
    ],
)
def test_a_violation_is_said_at_its_line(tmp_path, old, new, code, fragment):
    text = changed(old, new)
    found = problems(tmp_path, text)
    assert (code, line(text, fragment)) in [(entry[0], entry[1]) for entry in found], found
    assert all(len(entry[2]) < 500 for entry in found)


@pytest.mark.parametrize("text", ["[]", "just text", "3", "null", "[1, [2, [3]]]"])
def test_a_document_that_is_no_mapping(tmp_path, text):
    assert [entry[0] for entry in problems(tmp_path, text)] == ["HUB-CON-120"]


@pytest.mark.parametrize(
    "section", ["servers", "schema", "roles", "slaProperties", "support", "customProperties", "team", "description"]
)
@pytest.mark.parametrize("value", ["null", "3", "text", "[3]", "[null]", "{a: b}", "[[]]"])
def test_a_section_of_another_shape_never_raises(tmp_path, section, value):
    head, _, tail = SAMPLE.partition(f"\n{section}:")
    rest = tail.split("\n")
    end = next((number for number, entry in enumerate(rest[1:], 1) if entry and entry[0] not in " -"), len(rest))
    text = f"{head}\n{section}: {value}\n" + "\n".join(rest[end:])
    assert read(tmp_path, text).contract is None


@pytest.mark.skipif(not ODCS.is_dir(), reason="HUB_SHARED_DATA does not hold the standard's own files")
def test_what_is_left_of_the_schema_is_v3_1_0():
    """The schema that the package ships, less what was added, against the one of v3.1.0."""
    official = json.loads((ODCS / "odcs-json-schema-v3.1.0.json").read_text())

    def keys(part, path=()):
        if isinstance(part, dict):
            for name, inner in part.items():
                if name == "properties" and isinstance(inner, dict):
                    yield from ((*path, key) for key in inner)
                yield from keys(inner, (*path, name))
        elif isinstance(part, list):
            for inner in part:
                yield from keys(inner, path)

    ours = {key for key in keys(schema_check.schema()) if "ServerSource" not in key or "CustomServer" in key}
    theirs = set(keys(official))
    left = {key[-1] for key in ours - theirs if not {"Context", "EnumValue", "Synonym", "map", "then"} & set(key)}
    assert left == set()
    custom = schema_check.schema()["$defs"]["ServerSource"]["CustomServer"]["properties"]
    assert set(custom) <= set(official["$defs"]["ServerSource"]["CustomServer"]["properties"])


@pytest.mark.skipif(not ODCS.is_dir(), reason="HUB_SHARED_DATA does not hold the standard's own files")
@pytest.mark.parametrize(
    "path", sorted((ROOT / "contracts" / "feeds").rglob("*.odcs.yaml")), ids=lambda path: path.stem
)
def test_every_contract_is_valid_by_the_official_schema_of_v3_1_0(path):
    official = json.loads((ODCS / "odcs-json-schema-v3.1.0.json").read_text())
    data = yaml_strict.parse(path.read_bytes(), file=path.name).data
    assert list(jsonschema.Draft201909Validator(official).iter_errors(data)) == []


@pytest.mark.skipif(not ODCS.is_dir(), reason="HUB_SHARED_DATA does not hold the standard's own files")
@pytest.mark.parametrize("path", sorted(ODCS.glob("*.odcs.yaml")), ids=lambda path: path.name)
def test_the_standards_own_examples_pass_the_schema(path):
    document = yaml_strict.parse(path.read_bytes(), file=path.name)
    schema_check.check(document)
    assert {problem.code for problem in document.problems} <= {"HUB-CON-122", "HUB-CON-115"}  # older version; unit: y


def test_the_schema_itself_is_sound():
    whole = copy.deepcopy(schema_check.schema())
    jsonschema.Draft201909Validator.check_schema(whole)
    assert whole["properties"]["apiVersion"]["enum"] == ["v3.1.0"]
