"""What a contract does not say: the gate is strict, and a stranger's shortest contract passes every test of contracts."""

from dataclasses import replace
from datetime import date

import pyarrow as pa
import pytest

from connectors.registry import option_problems
from contracts import codes, errors
from contracts.building import STRICT
from contracts.checks.checker import Checker
from contracts.checks.explaining import explain
from contracts.gate.inspect import Gate
from contracts.page import RawPage
from contracts.versions import changed
from tests.contracts.sample import MINIMAL, SAMPLE, folder, read
from tests.contracts.sample import changed as altered
from tests.contracts.test_lint import rule

NUMBER = "11010519491231002X"


def gated(contract, values):
    numbers = pa.array(range(1, len(values) + 1), pa.int64())
    table = pa.table({"thing_no": pa.array([f"A{at}" for at in range(len(values))]), "remark": pa.array(values)})
    gate = Gate(contract, contract.sources[0], level=3, hmac_key=b"k" * 32)
    return gate.inspect(RawPage(0, "", table, numbers, numbers))


def test_a_contract_without_a_gate_gets_the_strict_one(tmp_path):
    contract = read(tmp_path, MINIMAL, "audit_things").contract
    assert contract.gate_rules == STRICT
    found = gated(contract, ["fine", f"call {NUMBER}", "秘密★10年"])
    assert found.page.table["remark"].to_pylist() == ["fine", "call [身份证号已遮蔽]"]
    assert [refusal.rule for refusal in found.refusals] == ["_gate.secrecy"]
    assert Gate(contract, contract.sources[0], level=3, hmac_key=b"k" * 32).inspect_name("机密★.csv") is not None
    for lang in ("en", "zh"):
        assert explain(contract, "_gate.secrecy", lang).sentence


def test_a_gate_that_is_stated_in_part_gets_the_rest(tmp_path):
    contract = read(folder(tmp_path), SAMPLE).contract
    assert [(rule.id, rule.kind) for rule in contract.gate_rules] == [
        ("secrecy_mark", "secrecy"),
        ("_gate.personal_data", "personal_data"),
    ]


def test_the_shortest_contract_is_sound(tmp_path):
    reading = read(tmp_path, MINIMAL, "audit_things")
    assert reading.problems == ()
    contract = reading.contract
    for source in contract.sources:
        assert option_problems(source.connector, source.options) == []
        Checker(contract, source, codes=codes.load, references=lambda *_: None, today=date(2026, 1, 1))


def test_a_sum_over_a_group_is_noted_where_a_cursor_may_part_it(tmp_path):
    text = rule("{kind: group_sum, by: [unit_uscc], parts: [amount_cny], total: amount_total_cny}")
    amount = (
        "  - name: amount_total_cny\n    businessName: 合计\n    description: Total\n    logicalType: number\n"
        "    physicalType: decimal(18,2)\n    classification: internal\n"
        "    customProperties:\n    - {property: hub.unit, value: yuan}\n"
    )
    text = text.replace("  - name: remark\n", amount + "  - name: remark\n", 1)
    reading = read(folder(tmp_path), text)
    assert [problem.code for problem in reading.notices] == [errors.GroupMaySplit.code]
    assert reading.contract is not None
    whole = text.replace(
        "- {property: hub.cursor, value: updated_at}\n- {property: hub.cursor_overlap, value: PT10M}\n", ""
    )
    assert read(folder(tmp_path), whole).notices == ()


def test_two_contents_of_a_version_are_told_apart(tmp_path):
    contract = read(folder(tmp_path), SAMPLE).contract
    assert changed(contract, replace(contract, sha256="0" * 64, path="elsewhere")) == ()
    comment = read(folder(tmp_path), "# a comment\n" + SAMPLE).contract
    assert comment.sha256 != contract.sha256
    assert changed(contract, comment) == ()
    other = read(folder(tmp_path), altered("maxLength: 6", "maxLength: 7")).contract
    assert changed(contract, other) == ("row_rules",)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_a_row_broke_never_reads_as_if_it_were_kept(tmp_path, lang):
    contract = read(folder(tmp_path), SAMPLE).contract
    said = explain(contract, "sample_no.required", lang).broken
    assert said.startswith("违反规则：" if lang == "zh" else "breaks the rule: ")
    malformed = explain(contract, "_row.malformed", lang)
    assert malformed.broken == malformed.sentence


@pytest.mark.parametrize(
    ("text", "code", "en", "zh"),
    [
        (altered("{table: samples}", "{tabel: samples}"), "HUB-CON-143", "did you mean table?", "是否应为 table？"),
        (altered("{table: samples}", "{}"), "HUB-CON-143", "table: it is missing", "table：缺少"),
        (
            altered("{table: samples}", "{table: samples, timeout_seconds: soon}"),
            "HUB-CON-143",
            "number is due",
            "应为",
        ),
    ],
)
def test_options_are_spoken_of_in_the_words_of_the_house(tmp_path, text, code, en, zh):
    from connectors.commands.contract import connector_says
    from contracts import reader
    from tests.contracts.sample import write

    path = write(folder(tmp_path), "audit_samples", text)
    found = reader.examine(path, root=tmp_path, extra_checks=[connector_says]).problems
    options = [problem for problem in found if problem.code == code]
    assert any(en in problem.sentence() and zh in problem.sentence("zh") for problem in options), [
        (str(problem), problem.sentence("zh")) for problem in found
    ]


def test_everything_that_is_wrong_comes_in_one_go(tmp_path):
    """The schema's errors, the house's and the connector's, although each is found by another part."""
    from connectors.commands.contract import connector_says
    from contracts import reader
    from tests.contracts.sample import write

    text = altered("{table: samples}", "{tabel: samples}").replace("status: active", "status: activ\nfoo: bar")
    text = text.replace("- {property: hub.purpose_zh, value: 说明契约的写法}\n", "").replace(
        "required: true", "required: yes", 1
    )
    path = write(folder(tmp_path), "audit_samples", text)
    found = reader.examine(path, root=tmp_path, extra_checks=[connector_says]).problems
    codes_ = [problem.code for problem in found]
    assert {"HUB-CON-120", "HUB-CON-121", "HUB-CON-132", "HUB-CON-133", "HUB-CON-143"} <= set(codes_)
    assert "HUB-CON-115" not in codes_  # quotes would not mend what has to be true or false
    assert sum("purpose_zh" in problem.sentence() for problem in found) == 1
