"""Registries and explanations: what a contract may say is what runs, and every rule has words."""

from __future__ import annotations

import re

import pytest

from contracts.checks import explain
from contracts.checks.errors import RuleUnknown
from contracts.gate import KINDS as GATE_KINDS
from contracts.kinds import Kind
from contracts.model import BatchRule, GateRule
from contracts.normalise import IMPLICIT_STEPS, STEPS
from contracts.rules import KINDS as ROW_KINDS
from contracts.suite import KINDS as BATCH_KINDS
from hub.ids import RuleId
from tests.kernels.making import contract, payments, rule, spec
from tests.kernels.test_rules import CASES
from tests.kernels.test_suite import CASES as BATCH_CASES

HAN = re.compile(r"[\u4e00-\u9fff]")
EVERY: list[Kind] = [*ROW_KINDS.values(), *BATCH_KINDS.values(), *GATE_KINDS.values(), *STEPS.values()]


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.name)
def test_every_entry_has_words_in_both_languages(kind: Kind) -> None:
    for zh, en in [(kind.zh, kind.en), (kind.remedy_zh, kind.remedy_en), *((arg.zh, arg.en) for arg in kind.args)]:
        assert HAN.search(zh)
        assert en
        assert not re.search(r"[,;:] *$", en)
    wanted = set(re.findall(r"\{(\w+)\}", kind.zh + kind.en))
    assert wanted <= {arg.name for arg in kind.args} | {"fields", "first", "second", "type"}


def test_steps_do_not_share_a_name_with_those_that_follow_from_the_field() -> None:
    assert not set(STEPS) & set(IMPLICIT_STEPS)


@pytest.mark.parametrize("kind", sorted(ROW_KINDS))
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_row_rule_explains_itself(kind: str, lang: str) -> None:
    for case in CASES[kind]:
        on = case.on or [one.name for one in case.fields]
        made = contract([spec("id"), *case.fields], rules=[rule("r", kind, on, "warning", **case.args)])
        told = explain(made, "r", lang)  # type: ignore[arg-type]
        assert "{" not in told.sentence.replace("[A-Z]{2}", "").replace("{2,3}", "")
        assert bool(HAN.search(told.sentence)) == (lang == "zh") or "字" in str(case.args)
        assert (told.severity, told.remedy != "") == ("warning", True)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_batch_and_gate_rules_explain_themselves(lang: str) -> None:
    for kind, (args, _) in BATCH_CASES.items():
        made = contract([spec("id"), spec("amount", "integer")], batch=[BatchRule(RuleId("b"), kind, args)])
        assert "{" not in explain(made, "b", lang).sentence  # type: ignore[arg-type]
    for kind in GATE_KINDS:
        made = contract([spec("id")], gate=[GateRule(RuleId("g"), kind, "refuse_row", (), {"names": ["x"]})])
        assert "{" not in explain(made, "g", lang).sentence  # type: ignore[arg-type]


def test_rules_that_need_no_line_in_the_contract_have_words_too() -> None:
    made = contract(
        [spec("id", label_zh="编号"), spec("n", "decimal", precision=9, scale=2), spec("k", code_map={"是": "y"})]
    )
    for name in ("_row.malformed", "_key.conflict", "_action.enum", "id.required", "n.type", "k.code_map", "id.type"):
        for lang in ("en", "zh"):
            assert explain(made, name, lang).sentence  # type: ignore[arg-type]
    assert explain(made, "id.required", "zh").sentence == "编号不得为空"
    assert explain(made, "n.type", "en").sentence.endswith(
        "a number with at most 2 decimal places and 7 digits before them"
    )
    with pytest.raises(RuleUnknown):
        explain(made, "nothing.at_all")


def test_the_contracts_own_words_come_first() -> None:
    from dataclasses import replace

    own = replace(rule("r", "required", ["id"]), label_zh="凭证号必填", label_en="the voucher needs its number")
    made = contract([spec("id")], rules=[own])
    assert str(explain(made, "r", "zh")) == "凭证号必填"
    assert str(explain(made, "r")) == "the voucher needs its number"


def test_a_use_that_cannot_run_is_a_problem() -> None:
    text, number, day = spec("a"), spec("n", "integer"), spec("d", "date")
    known = {"a": text, "n": number, "d": day}
    assert ROW_KINDS["compare"].problems({"op": "le", "tolerance": "0.01"}, [number, number], known) == []
    bad = [
        ROW_KINDS["range"].problems({"min": 1}, [text], known),
        ROW_KINDS["range"].problems({}, [number], known),
        ROW_KINDS["range"].problems({"min": "2024-01-01"}, [number], known),
        ROW_KINDS["compare"].problems({"op": "like"}, [number, number], known),
        ROW_KINDS["compare"].problems({"op": "lt"}, [text, number], known),
        ROW_KINDS["compare"].problems({"op": "lt"}, [number], known),
        ROW_KINDS["compare"].problems({"op": "le", "tolerance": "1"}, [day, day], known),
        ROW_KINDS["compare"].problems({"op": "ne", "tolerance": "1"}, [number, number], known),
        ROW_KINDS["compare"].problems({"op": "eq", "tolerance": 0}, [text, text], known),
        ROW_KINDS["compare"].problems({"op": "le", "tolerance": "-1"}, [number, number], known),
        ROW_KINDS["pattern"].problems({"pattern": "(?=x)"}, [text], known),
        ROW_KINDS["pattern"].problems({"pattern": "["}, [text], known),
        ROW_KINDS["required_if"].problems({"when": {"zz": "1"}}, [text], known),
        ROW_KINDS["required_if"].problems({"when": {"a": 1}}, [text], known),
        ROW_KINDS["enum"].problems({"values": ["x"], "extra": 1}, [text], known),
        ROW_KINDS["sum_equals"].problems({"total": "a"}, [number], known),
        ROW_KINDS["year_of"].problems({}, [text, number], known),
        BATCH_KINDS["total"].problems({"field": "a", "min": 1}, [], known),
        BATCH_KINDS["bad_share"].problems({"max": 2}, [], known),
        GATE_KINDS["subject_level"].problems({"levels": {"x": 9}}, [text], known),
        GATE_KINDS["personal_data"].problems({"detect": ["soul"]}, [], known),
    ]
    assert all(bad), [number for number, found in enumerate(bad) if not found]


def test_the_made_payments_contract_is_in_order() -> None:
    made = payments()
    known = {one.name: one for one in made.fields}
    for one in made.row_rules:
        assert ROW_KINDS[one.kind].problems(one.args, [known[name] for name in one.fields], known) == [], one.id
