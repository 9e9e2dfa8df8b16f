from __future__ import annotations

import hmac
import json
import re
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import HeaderUnusable
from contracts.checks import explain
from contracts.gate import DETECTORS, KINDS, Gate, finding
from contracts.gate.marks import Marks
from contracts.gate.trace import Tracer
from contracts.identifiers import citizen
from contracts.model import FeedContract, GateRule, SourceSpec
from contracts.page import GatedPage, MalformedRow
from hub.canonical import canonical_bytes
from hub.ids import RuleId
from tests.kernels.making import KEY, contract, make_uscc, page, source, spec
from tests.kernels.test_citizen import make, wide

NUMBER = make("110101", date(1980, 5, 17), 123)
MASK = DETECTORS["citizen_number"][2]


def gate_rule(kind: str, action: str, fields: tuple[str, ...] = (), **args: Any) -> GateRule:
    return GateRule(RuleId(f"the_{kind}"), kind, action, fields, args)  # type: ignore[arg-type]


def feed(*rules: GateRule, sources: tuple[SourceSpec, ...] = ()) -> FeedContract:
    fields = [
        spec("id"),
        spec("uscc"),
        spec("level", source_name="级别"),
        spec("mark", source_name="密级"),
        spec("remark"),
    ]
    return contract(fields, gate=rules, sources=sources)


def gate(made: FeedContract) -> Gate:
    return Gate(made, made.sources[0], level=3, hmac_key=KEY)


def inspect(rule: GateRule, columns: dict[str, list[str | None]], **more: Any) -> GatedPage:
    return gate(feed(rule)).inspect(page(columns, **more))


def kept(gated: GatedPage) -> list[int]:
    return gated.page.rows.to_pylist()


@pytest.mark.parametrize(
    "text",
    [
        "秘密★5年",
        "机密",
        "【绝密】报告",
        "秘 密 ★ 5 年",
        "机密\u30005年",
        "(秘密)关于",
        "核心商密★长期",
        "绝密级★",
        "内部资料",
        "密级:秘密",
        "正文在此……秘密★10年",
        "机密★启用前",
        "秘\u200b密★",
    ],
)
def test_marks_are_known_in_their_variants(text: str) -> None:
    gated = inspect(gate_rule("secrecy", "refuse_row"), {"id": ["1", "2", "3"], "remark": ["无", text, None]})
    assert kept(gated) == [1, 3]
    assert gated.refusals[0].rule == "the_secrecy"
    assert gated.touched
    assert gated.page.raw is None


@pytest.mark.parametrize(
    "text", ["秘密窃取财物", "泄露商业秘密问题", "保密意识不强", "内部控制不健全", "机密设备采购未招标", "密切联系群众"]
)
def test_words_in_running_text_are_no_marks(text: str) -> None:
    gated = inspect(gate_rule("secrecy", "refuse_row"), {"id": ["1"], "remark": [text]})
    assert kept(gated) == [1]
    assert not gated.touched
    assert gated.page.raw == b"raw"


def test_a_named_secrecy_field_lets_only_harmless_values_through() -> None:
    values = ["公开", " 非密 ", "", None, "秘密", "工作秘密", "3级"]
    gated = inspect(gate_rule("secrecy", "refuse_row", ("mark",)), {"id": list("abcdefg"), "密级": values})
    assert kept(gated) == [1, 2, 3, 4]
    gated = inspect(
        gate_rule("secrecy", "refuse_row", ("mark",), harmless=["3级"]), {"id": list("abcdefg"), "密级": values}
    )
    assert kept(gated) == [1, 2, 3, 4, 7]


@pytest.mark.parametrize("where", ["unit", "header", "title line", "action"])
def test_a_mark_on_the_file_refuses_the_delivery(where: str) -> None:
    columns: dict[str, list[str | None]] = {"id": ["1"], "remark": ["secret body"]}
    rule, more = gate_rule("secrecy", "refuse_row"), {}
    if where == "unit":
        more = {"unit": "in/机密★5年.xlsx/Sheet1"}
    elif where == "header":
        columns["秘密★3年"] = [None]
    elif where == "title line":
        more = {"malformed": [MalformedRow(1, 1, "秘密★3年", "1 column where 2 are due")]}
    else:
        rule, columns["remark"] = gate_rule("secrecy", "refuse_delivery"), ["绝密★"]
    gated = inspect(rule, columns, **more)
    refused = gated.delivery_refused
    assert refused is not None
    assert refused.row is None
    assert gated.page.table.num_rows == gated.page.rows_in == 0
    assert gated.page.raw is None
    if where in {"unit", "header"}:
        assert "机密" not in repr(refused) + gated.page.unit
    assert "secret body" not in repr(gated)


def test_a_files_name_is_asked_before_it_is_read() -> None:
    guard = gate(feed(gate_rule("secrecy", "refuse_row")))
    assert guard.inspect_name("报告(秘密★5年).xlsx") is not None
    assert guard.inspect_name("保密工作检查.xlsx") is None


def test_marks_of_the_contract_are_added() -> None:
    marks = Marks(["商密甲"])
    assert marks.on_text("商密甲★")
    assert not marks.on_text("商密甲方签字")


def test_a_malformed_row_with_a_mark_is_refused_without_its_text() -> None:
    line = MalformedRow(9, 40, "机密★5年;某事", "too few columns")
    gated = inspect(gate_rule("secrecy", "refuse_row"), {"id": ["1"]}, malformed=[line])
    assert gated.page.malformed == ()
    assert [(refusal.row, refusal.source_row) for refusal in gated.refusals] == [(9, 40)]


LEVELS = {"中管干部": 1, "省管干部": 2, "市管干部": 3, "县管干部": 4}


def test_subjects_above_the_hub_are_refused() -> None:
    values = ["中管干部", "省管 干部", "市管干部", "县管干部", None, "外星人"]
    rule = gate_rule("subject_level", "refuse_row", ("level",), levels=LEVELS)
    gated = inspect(rule, {"id": list("abcdef"), "级别": values})
    assert kept(gated) == [3, 4, 5]
    rule = gate_rule("subject_level", "refuse_row", ("level",), levels=LEVELS, unknown="pass", absent="refuse")
    assert kept(inspect(rule, {"id": list("abcdef"), "级别": values})) == [3, 4, 6]


def test_forbidden_columns_are_dropped_with_a_trace() -> None:
    rule = gate_rule("forbidden_field", "drop_field", names=["处理建议"])
    gated = inspect(rule, {"id": ["1", "2"], " 处理建议 ": ["撤职", None]})
    assert gated.page.table.column_names == ["id"]
    (masking,) = gated.dropped
    assert gated.touched and not gated.maskings
    assert (masking.field, masking.action) == (" 处理建议 ", "drop_field")
    assert masking.hmac == hmac.digest(KEY, canonical_bytes(["column", ["撤职", None]]), "sha256").hex()
    refused = inspect(
        gate_rule("forbidden_field", "refuse_delivery", names=["处理建议"]), {"id": ["1"], "处理建议": [None]}
    )
    assert refused.delivery_refused is not None


def test_numbers_are_masked_in_every_text_column_expected_or_not() -> None:
    code = make_uscc("91330106", "123456789")
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in NUMBER)
    columns: dict[str, list[str | None]] = {
        "id": ["1", "2", "3"],
        "uscc": [code, code, code],
        "remark": [f"举报人{NUMBER}反映", None, f"a{wide}b"],
        "strange": [None, f"{NUMBER[:6]} {NUMBER[6:14]} {NUMBER[14:].lower()}", "x"],
    }
    gated = inspect(gate_rule("personal_data", "mask"), columns)
    assert gated.page.table.to_pydict() == {
        "id": ["1", "2", "3"],
        "uscc": [code] * 3,
        "remark": [f"举报人{MASK}反映", None, f"a{MASK}b"],
        "strange": [None, MASK, "x"],
    }
    assert [(m.row, m.field, m.action) for m in gated.maskings] == [
        (1, "remark", "mask"),
        (3, "remark", "mask"),
        (2, "strange", "mask"),
    ]
    first = gated.maskings[0].hmac
    assert first == hmac.digest(KEY, canonical_bytes(["value", f"举报人{NUMBER}反映"]), "sha256").hex()
    assert NUMBER not in json.dumps(repr(gated))


def test_actions_of_personal_data() -> None:
    columns: dict[str, list[str | None]] = {"id": ["1", "2"], "remark": [NUMBER, "x"]}
    dropped = inspect(gate_rule("personal_data", "drop_field"), columns)
    assert dropped.page.table["remark"].to_pylist() == [None, "x"]
    refused = inspect(gate_rule("personal_data", "refuse_row"), columns)
    assert kept(refused) == [2]
    row = [["id", "1"], ["remark", NUMBER]]
    assert refused.refusals[0].hmac == hmac.digest(KEY, canonical_bytes(["row", row]), "sha256").hex()
    assert inspect(gate_rule("personal_data", "refuse_delivery"), columns).delivery_refused is not None


def test_what_the_contract_excepts_is_not_searched() -> None:
    columns: dict[str, list[str | None]] = {"id": [NUMBER], "REMARK": [NUMBER], "extra": [NUMBER]}
    gated = inspect(gate_rule("personal_data", "mask", **{"except": ["id", "Extra"]}), columns)
    assert gated.page.table.to_pydict() == {"id": [NUMBER], "REMARK": [MASK], "extra": [NUMBER]}


def test_malformed_text_is_masked_before_it_can_be_quarantined() -> None:
    line = MalformedRow(3, 4, f"1,{NUMBER},x,y,z", "5 columns where 2 are due")
    gated = inspect(gate_rule("personal_data", "mask"), {"id": ["1"]}, malformed=[line])
    assert gated.page.malformed[0].text == f"1,{MASK},x,y,z"
    assert gated.touched


def test_other_detectors_only_where_declared() -> None:
    columns: dict[str, list[str | None]] = {"id": ["1"], "remark": ["电话13800138000,信箱a@b.cn"]}
    assert not inspect(gate_rule("personal_data", "mask"), columns).touched
    gated = inspect(gate_rule("personal_data", "mask", detect=["mobile", "email"]), columns)
    assert gated.page.table["remark"].to_pylist() == ["电话[手机号已遮蔽],信箱[邮箱已遮蔽]"]


CELL = st.one_of(st.none(), st.text("0123456789Xx -证", max_size=24), st.just(NUMBER), st.just(f"号{NUMBER.lower()}。"))


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8), st.booleans())
@settings(max_examples=150)
def test_the_filter_by_bytes_loses_nothing(rows: list[tuple[str | None, str | None]], many: bool) -> None:
    """Each cell alone in a page gets the same as in a page of many; and what passed holds no number."""
    rows = rows * (1_100 // len(rows) + 1) if many else rows
    columns = {"id": [row[0] for row in rows], "remark": [row[1] for row in rows]}
    gated = inspect(gate_rule("personal_data", "mask"), columns)
    for name, texts in columns.items():
        expected = [
            None if text is None else finding.masked(text, finding.spans(text, ["citizen_number"])) for text in texts
        ]
        assert gated.page.table[name].to_pylist() == expected


def test_rules_run_in_the_registrys_order_and_one_refusal_counts() -> None:
    made = feed(gate_rule("personal_data", "mask"), gate_rule("secrecy", "refuse_row"))
    gated = gate(made).inspect(page({"id": ["1"], "remark": [f"秘密★{NUMBER}"]}))
    assert len(gated.refusals) == 1
    assert not gated.maskings
    assert gated.page.rows_in == 0


def test_an_underscore_hides_nothing() -> None:
    gated = inspect(gate_rule("personal_data", "mask"), {"id": ["1"], "_action": [NUMBER], "_x": [NUMBER]})
    assert gated.page.table.to_pydict() == {"id": ["1"], "_action": [MASK], "_x": [MASK]}


def test_a_fields_alias_at_the_source_is_understood() -> None:
    made = feed(gate_rule("secrecy", "refuse_row", ("mark",)), sources=(source(aliases={"mark": ("Secrecy",)}),))
    assert kept(gate(made).inspect(page({"id": ["1"], "secrecy": ["秘密"]}))) == []


def test_traces_differ_by_what_they_are_of() -> None:
    trace = Tracer(KEY)
    assert (
        len({trace.value("x"), trace.malformed("x"), trace.name("x"), trace.column(["x"]), trace.row(["x"], ["x"])})
        == 5
    )


def test_every_kind_is_gated() -> None:
    assert set(KINDS) == set(gate(feed())._steps)


# -- names: of deliveries, sheets and columns -------------------------------------------------------------------------


def people(action: str = "mask", **args: Any) -> GateRule:
    return GateRule(RuleId("people"), "personal_data", action, ("remark",), args)  # type: ignore[arg-type]


@pytest.mark.parametrize("rules", [(), (people(),), (people("drop_field"),), (people("refuse_row"),)])
def test_a_number_in_a_header_refuses_the_delivery_whatever_the_contract_searches(rules: tuple[GateRule, ...]) -> None:
    """A file without a header row gives its first record as names of columns."""
    guard = gate(feed(*rules))
    gated = guard.inspect(page({"1": ["2"], f"举报人{NUMBER}": ["a body"]}))
    refused = gated.delivery_refused
    assert refused is not None and refused.row is None
    assert refused.rule == (rules[0].id if rules else "_name.citizen_number")
    assert gated.page.rows_in == 0 and gated.touched
    assert NUMBER not in repr(gated) and "a body" not in repr(gated)
    assert explain(feed(*rules), refused.rule, "zh").sentence


def test_other_numbers_in_a_header_are_found_where_the_contract_looks_for_them() -> None:
    columns: dict[str, list[str | None]] = {"id": ["1"], "13800138000": ["x"]}
    assert gate(feed(people())).inspect(page(columns)).delivery_refused is None
    assert gate(feed(people(detect=["mobile"]))).inspect(page(columns)).delivery_refused is not None


def test_what_a_contract_names_itself_is_no_find() -> None:
    made = feed(people(detect=["passport"], **{"except": ["S87654321"]}))
    sources = (source(aliases={"remark": ("E12345678",)}, ignored=("G12345678",)),)
    guard = Gate(made, sources[0], level=3, hmac_key=KEY)
    columns: dict[str, list[str | None]] = {"id": ["1"], "E12345678": ["x"], "G12345678": ["x"], "S87654321": ["x"]}
    assert guard.inspect(page(columns)).delivery_refused is None


@pytest.mark.parametrize(("action", "shown"), [("mask", f"in/{MASK}举报.csv"), ("drop_field", "(withheld)")])
def test_a_number_in_a_name_is_masked_or_withheld(action: str, shown: str) -> None:
    guard, name = gate(feed(people(action))), f"in/{NUMBER}举报.csv"
    assert guard.inspect_name(name) is None
    assert guard.name(name) == shown
    gated = guard.inspect(page({"id": ["1"]}, unit=name))
    assert gated.page.unit == shown
    assert gated.touched, "a workbook's own bytes hold the names of its sheets"
    assert NUMBER not in repr(gated)
    (trace,) = gated.dropped
    assert (trace.field, trace.action) == ("_unit", action)
    assert trace.hmac == hmac.digest(KEY, canonical_bytes(["name", name]), "sha256").hex()


@pytest.mark.parametrize("action", ["refuse_row", "refuse_delivery"])
def test_a_number_in_a_name_refuses_the_delivery_where_the_contract_refuses(action: str) -> None:
    guard = gate(feed(people(action)))
    refused = guard.inspect_name(f"{NUMBER}.csv")
    assert refused is not None and NUMBER not in repr(refused)
    gated = guard.inspect(page({"id": ["1"]}, unit=f"{NUMBER}"))
    assert gated.delivery_refused is not None and NUMBER not in repr(gated)


def test_a_citizen_number_is_masked_in_a_name_without_any_rule() -> None:
    guard = gate(feed())
    assert guard.inspect_name(f"{NUMBER}.csv") is None and guard.name(f"{NUMBER}.csv") == f"{MASK}.csv"
    assert guard.name("凭证 2026-01.csv") == "凭证 2026-01.csv"


def test_an_error_tells_neither_numbers_nor_marks() -> None:
    guard = gate(feed(people(), gate_rule("secrecy", "refuse_row")))
    told = guard.told(HeaderUnusable(file=f"{NUMBER}.csv", reason=f"doubled names 举报人 {NUMBER}"))
    assert isinstance(told, HeaderUnusable)
    assert told.facts == {"file": f"{MASK}.csv", "reason": f"doubled names 举报人 {MASK}"}
    assert NUMBER not in json.dumps(told.as_dict(), ensure_ascii=False) + str(told)
    marked = guard.told(HeaderUnusable(file="a.csv", reason="doubled names x, 秘密★3年"))
    assert marked.facts == {"file": "a.csv", "reason": "(withheld)"}
    plain = HeaderUnusable(file="a.csv", reason="doubled names x, y")
    assert guard.told(plain) is plain
    assert guard.told_facts({"sender": NUMBER, "rows": 3, "more": [f"a{NUMBER}"]}) == {
        "sender": MASK,
        "rows": 3,
        "more": [f"a{MASK}"],
    }


# -- whole columns ----------------------------------------------------------------------------------------------------


def test_the_trace_of_a_dropped_column_outlives_the_first_row() -> None:
    rules = (
        gate_rule("secrecy", "refuse_row"),
        gate_rule("forbidden_field", "drop_field", names=["处理建议"]),
    )
    gated = gate(feed(*rules)).inspect(page({"id": ["1", "2"], "remark": ["秘密★", "x"], "处理建议": ["撤职", None]}))
    assert kept(gated) == [2]
    assert gated.maskings == (), "no row was masked in"
    assert [(one.field, one.action, one.row) for one in gated.dropped] == [("处理建议", "drop_field", -1)]


# -- the filter by bytes and the detectors know the same ---------------------------------------------------------------


@given(st.lists(st.sampled_from(citizen.GAPS), max_size=2), st.integers(1, 16), st.sampled_from([NUMBER, wide(NUMBER)]))
@settings(max_examples=300)
def test_no_separator_hides_a_number_from_the_filter(gap: list[str], at: int, number: str) -> None:
    text = number[:at] + "".join(gap) + number[at:]
    gated = inspect(gate_rule("personal_data", "mask"), {"id": ["1"], "remark": [f"号{text}。"]})
    assert gated.page.table["remark"].to_pylist() == [f"号{MASK}。"]


def test_every_white_space_is_a_separator() -> None:
    spaces = {chr(code) for code in range(0x110000) if re.match(r"\s", chr(code))}
    assert spaces <= set(citizen.GAPS)


@pytest.mark.parametrize("text", ["NDA★", "ＮＤＡ★", "Ｎ Ｄ Ａ★3年", "（ＮＤＡ）合同"])
def test_a_mark_of_the_contract_is_found_in_full_width(text: str) -> None:
    gated = inspect(gate_rule("secrecy", "refuse_row", marks=["NDA"]), {"id": ["1", "2"], "remark": [text, "无"]})
    assert kept(gated) == [2]
    assert Marks(["NDA"]).on_text(text)
