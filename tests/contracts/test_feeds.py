"""Every contract on disk: sound, understood by an outside judge, and runnable as it stands.

Of a contract that somebody adds nothing is asked here that lint doesn't ask. What the feeds that come with the hub promise
beyond that (a batch looked at from several sides, who is gated and how) is asked of those by name.
"""

import re
import subprocess
from datetime import date

import pytest

from connectors.registry import option_problems
from contracts import catalogue, codes, reader
from contracts.checks.checker import Checker
from contracts.gate.inspect import Gate
from hub.settings import ROOT

CONTRACTS = ROOT / "contracts"
FILES = sorted(CONTRACTS.glob("feeds/*/*.odcs.yaml"))
JUDGE = ROOT / ".venv-judge" / "bin" / "datacontract"
CHINESE = ("audit_findings", "finance_payments", "statistics_observations", "inspection_problems")
PUBLISHED = ("audit_single_audit_findings", "finance_council_spending", "statistics_government_spending")


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.name.removesuffix(".odcs.yaml"))
def contract(request):
    return reader.read(request.param, root=CONTRACTS)


def test_the_feeds_agreed_on_are_there():
    assert {*CHINESE, *PUBLISHED} <= {path.name.removesuffix(".odcs.yaml") for path in FILES}


def test_its_connectors_take_its_options(contract):
    for source in contract.sources:
        assert option_problems(source.connector, source.options) == []


def test_every_rule_has_a_kernel(contract):
    for source in contract.sources:
        Checker(
            contract, source, codes=codes.load, references=lambda feed, field, values: values, today=date(2026, 1, 1)
        )
        Gate(contract, source, level=3, hmac_key=b"k" * 32)


@pytest.mark.parametrize("feed", [*CHINESE, *PUBLISHED])
def test_the_batch_is_looked_at_from_several_sides(feed):
    contract = catalogue.load_one(feed)
    kinds = {rule.kind for rule in contract.batch_rules}
    assert len(contract.batch_rules) >= 5
    assert any(rule.gate for rule in contract.batch_rules)
    assert "row_count" in kinds  # volume
    assert "duplicates" in kinds
    assert kinds & {"total", "average", "value_range", "null_share"}
    assert kinds & {"value_share", "distribution_change", "values_present"}  # distribution


def test_every_label_is_there_in_both_languages(contract):
    labels = [(contract.name_zh, contract.name_en), (contract.purpose_zh, contract.purpose_en)]
    labels += [(spec.label_zh, spec.label_en) for spec in contract.fields]
    labels += [(rule.label_zh, rule.label_en) for rule in (*contract.batch_rules, *contract.gate_rules)]
    for chinese, english in labels:
        assert re.search(r"[\u3400-\u9fff]", chinese), chinese
        assert re.search(r"[A-Za-z]", english), english
        if contract.id in (*CHINESE, *PUBLISHED):
            assert not re.search(r"[\u3400-\u9fff]{7,}", re.sub(r"\(.*?\)", "", english)), english


def test_key_and_subject_carry_no_personal_value(contract):
    for name in (*contract.key, contract.subject):
        assert contract.field(name).required
        assert contract.field(name).classification not in ("personal", "sealed")


@pytest.mark.parametrize("feed", CHINESE)
def test_chinese_feeds_are_gated_and_keyed_by_the_supervisee(feed):
    contract = catalogue.load_one(feed)
    gates = {rule.kind: rule for rule in contract.gate_rules}
    assert gates["secrecy"].action.startswith("refuse")
    assert gates["personal_data"].action in ("mask", "drop_field", "refuse_row")
    assert "citizen_number" in gates["personal_data"].args["detect"]
    uscc = [rule for rule in contract.row_rules if rule.kind == "uscc" and rule.fields == (contract.subject,)]
    assert [rule.args["level"] for rule in uscc] == ["division"]
    assert contract.sla.schedule


@pytest.mark.parametrize("feed", ["audit_findings", "inspection_problems"])
def test_subjects_above_the_hub_are_refused(feed):
    gates = {rule.kind: rule for rule in catalogue.load_one(feed).gate_rules}
    assert gates["subject_level"].args["levels"] == {"1": 1, "2": 2, "3": 3, "4": 4, "5": 5}
    assert gates["subject_level"].action == "refuse_row"
    assert gates["forbidden_field"].args["names"]


def test_inspection_problems_leave_by_reference_only():
    contract = catalogue.load_one("inspection_problems")
    assert contract.publish == "reference"
    assert contract.fix_allowed is False
    assert {spec.name for spec in contract.fields if spec.classification == "sealed"} >= {"problem", "focus_situation"}


def test_treasury_elements_bear_their_real_names():
    contract = catalogue.load_one("finance_payments")
    names = {spec.source_name for spec in contract.fields}
    assert {
        "VoucherNo",
        "VouDate",
        "PayAmt",
        "ExpFuncCode1",
        "ExpFuncCode2",
        "ExpFuncCode3",
        "AgencyCode",
        "SetModeCode",
    } <= names
    assert {"XPayDate", "XPayAmt", "XAgentBusinessNo"} <= names  # filled in by the receiver
    kinds = {rule.kind for rule in contract.row_rules}
    assert {
        "prefix_of",
        "year_of",
        "compare",
        "same_unit",
        "required_if",
        "uscc",
        "date_not_future",
        "group_sum",
    } <= kinds


def test_published_feeds_name_no_place_but_the_published_records():
    for feed in PUBLISHED:
        contract = catalogue.load_one(feed)
        assert contract.owner == "public"
        assert {source.place for source in contract.sources} == {"published_records"}


@pytest.mark.skipif(not JUDGE.exists(), reason="no .venv-judge: bash requirements/judge.sh builds it")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.removesuffix(".odcs.yaml"))
def test_the_outside_judge_accepts_it(path):
    done = subprocess.run([JUDGE, "lint", str(path)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    assert "is valid" in done.stdout
