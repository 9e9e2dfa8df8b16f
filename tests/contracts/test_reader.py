"""From file to model: what is read, what follows from declarations, and how problems come."""

import json
import pickle

import pytest

from contracts import reader
from contracts.building import STRICT
from contracts.errors import ContractInvalid, ContractProblem
from contracts.model import GateRule, RowRule
from tests.contracts.sample import SAMPLE, changed, folder, read, without, write


def test_the_sample_becomes_the_model(tmp_path):
    reading = read(tmp_path, SAMPLE)
    assert reading.problems == ()
    contract = reading.contract
    assert (contract.id, contract.version, contract.domain) == ("audit_samples", "2.3.1", "audit")
    assert (contract.name_zh, contract.name_en, contract.owner) == (
        "审计样例",
        "Samples of the audit office",
        "audit_office",
    )
    assert contract.path == "feeds/audit/audit_samples.odcs.yaml"
    assert len(contract.sha256) == 64
    assert (contract.key, contract.subject) == (("sample_no",), "unit_uscc")
    assert (contract.publish, contract.completeness, contract.fix_allowed) == ("full", "incremental", True)
    assert (contract.cursor, contract.cursor_overlap) == ("updated_at", "PT10M")
    assert (contract.senders, contract.topic.readers) == (("office_sender",), ("discipline_reader",))
    assert (contract.topic.name, contract.topic.partitions, contract.topic.lane) == (
        "hub.audit.sample.v2",
        4,
        "hub.audit.sample.v2",
    )
    assert contract.gate_rules == (
        GateRule("secrecy_mark", "secrecy", "refuse_row", (), {}, "含密级标识", "carries a secrecy mark"),
        STRICT[1],
    )
    assert contract.sla.schedule == "15 2 * * 1-5"
    assert (contract.sla.freshness_hours, contract.sla.latency_minutes) == (48, 90)
    assert contract.sla.retention_days == {
        "landing": 1095,
        "core": 3650,
        "quarantine": 90,
        "outbox": 30,
        "receipts": 3650,
    }
    source = contract.source("office")
    assert (source.connector, source.place, source.options) == (
        "sql_table",
        "office",
        {"schema": "audit", "table": "samples"},
    )


def test_fields_are_read_with_their_declarations(tmp_path):
    contract = read(tmp_path, SAMPLE).contract
    amount = contract.field("amount_cny")
    assert (amount.type, amount.precision, amount.scale, amount.unit, amount.forms) == (
        "decimal",
        18,
        2,
        "wan_yuan",
        ("plain", "thousands"),
    )
    assert contract.field("sample_no").source_name == "no"
    assert contract.field("unit_uscc").source_name == "unit_uscc"
    assert contract.field("unit_uscc").normalise == ("half_width", "upper")
    assert contract.field("remark").published is False  # personal
    assert contract.field("found_on").published is True
    assert [contract.field(name).type for name in ("found_on", "updated_at", "is_repeated")] == [
        "date",
        "timestamp",
        "boolean",
    ]


def test_rules_that_follow_from_declarations_come_first_in_field_order(tmp_path):
    rules = read(tmp_path, SAMPLE).contract.row_rules
    assert [rule.id for rule in rules] == [
        "sample_no.required", "sample_no.pattern", "sample_no.length", "unit_uscc.required", "division_code.code_list",
        "amount_cny.type", "amount_cny.range", "found_on.type", "found_on.range", "is_repeated.type", "updated_at.type",
        "updated_at.required", "amount_with_day", "remark_short",
    ]  # fmt: skip
    by_id = {rule.id: rule for rule in rules}
    assert by_id["sample_no.length"].args == {"max": 6}
    assert by_id["division_code.code_list"].args == {"list": "divisions"}
    assert by_id["found_on.range"].args == {"min": "2000-01-01"}
    assert by_id["remark_short"] == RowRule(
        "remark_short",
        "length",
        ("remark",),
        {"max": 500},
        "warning",
        "conformity",
        "备注不超过500字",
        "A remark is short",
    )
    assert by_id["amount_with_day"].fields == ("found_on",)


def test_batch_rules_and_the_gate_of_the_batch(tmp_path):
    (rule,) = read(tmp_path, SAMPLE).contract.batch_rules
    assert (rule.id, rule.kind, rule.args, rule.gate, rule.severity) == (
        "not_empty",
        "row_count",
        {"min": 1},
        True,
        "error",
    )


@pytest.mark.parametrize(
    ("option", "args"),
    [
        ("{exclusiveMinimum: 0, maximum: 9}", {"min": 0, "exclusive_min": True, "max": 9}),
        ("{minimum: 1, exclusiveMaximum: 9}", {"min": 1, "max": 9, "exclusive_max": True}),
    ],
)
def test_exclusive_bounds_are_kept(tmp_path, option, args):
    reading = read(tmp_path, changed("logicalTypeOptions: {minimum: 0}", f"logicalTypeOptions: {option}"))
    assert {rule.id: rule.args for rule in reading.contract.row_rules}["amount_cny.range"] == args


def test_a_sealed_field_makes_the_feed_a_reference_feed(tmp_path):
    contract = read(tmp_path, changed("classification: personal", "classification: sealed")).contract
    assert contract.publish == "reference"


def test_a_relationship_is_a_rule(tmp_path):
    other = SAMPLE.replace("audit_samples", "audit_others")
    folder(tmp_path, audit_others=other)
    text = changed("    classification: internal\n    customProperties:\n    - {property: hub.code_list",
                   "    classification: internal\n    relationships:\n    - {to: audit_others.sample_no}\n    customProperties:\n    - {property: hub.code_list")  # fmt: skip
    reading = read(tmp_path, text)
    assert reading.refers_to == ("audit_others",)
    rule = next(rule for rule in reading.contract.row_rules if rule.kind == "reference_feed")
    assert (rule.id, rule.args) == ("division_code.reference_feed", {"feed": "audit_others", "field": "sample_no"})


def test_two_sources_each_with_their_own_headers_and_constants(tmp_path):
    second = """\
- server: second
  type: custom
  description: Another publisher
  format: csv
  delimiter: ";"
  customProperties:
  - {property: hub.connector, value: file_drop}
  - {property: hub.place, value: elsewhere}
  - {property: hub.options, value: {glob: "*.csv", encoding: gb18030}}
  - {property: hub.aliases, value: {sample_no: [Nr, Nummer]}}
  - {property: hub.forms, value: {found_on: [DD/MM/YYYY]}}
  - {property: hub.constants, value: {division_code: "110101"}}
  - {property: hub.ignored, value: [Note]}
schema:
- name: sample"""
    source = read(tmp_path, changed("schema:\n- name: sample", second)).contract.source("second")
    assert source.options == {"format": "csv", "delimiter": ";", "glob": "*.csv", "encoding": "gb18030"}
    assert (source.place, source.aliases, source.forms) == (
        "elsewhere",
        {"sample_no": ("Nr", "Nummer")},
        {"found_on": ("DD/MM/YYYY",)},
    )
    assert (source.constants, source.ignored) == ({"division_code": "110101"}, ("Note",))


def test_every_problem_is_raised_together_by_line(tmp_path):
    text = without("name: Samples", changed('version: "2.3.1"', "version: 2.3", SAMPLE)) + "unknwon: 1\n"
    folder(tmp_path)
    with pytest.raises(ContractInvalid) as caught:
        reader.read(write(tmp_path, "audit_samples", text), root=tmp_path)
    problems = caught.value.problems
    assert [problem.place for problem in problems] == sorted(problem.place for problem in problems)
    assert {"HUB-CON-115", "HUB-CON-121", "HUB-CON-132"} <= {problem.code for problem in problems}
    for problem in problems:
        assert problem.file == "feeds/audit/audit_samples.odcs.yaml"
        assert problem.sentence() and problem.sentence("zh") and problem.remedy() and problem.remedy("zh")
    shape = json.loads(json.dumps(caught.value.as_dict()))
    assert len(shape["facts"]["problems"]) == len(problems)
    assert isinstance(pickle.loads(pickle.dumps(caught.value)).problems[0], ContractProblem)


def test_a_further_check_speaks_at_its_source(tmp_path):
    folder(tmp_path)
    path = write(tmp_path, "audit_samples", SAMPLE)
    reading = reader.examine(path, root=tmp_path, extra_checks=[lambda source: ["no such option"]])
    (problem,) = reading.problems
    assert (problem.code, reading.contract) == ("HUB-CON-143", None)
    assert "hub.options" in SAMPLE.split("\n")[problem.place[0] - 1]
