from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest

from contracts.checks import arrow_schema
from contracts.checks.errors import (
    AmbiguousColumns,
    HeaderClaimedTwice,
    MissingColumns,
    RuleNotRunnable,
    UnexpectedColumns,
)
from contracts.checks.figures import of_gate
from contracts.checks.schema import BAD_SCHEMA, decoded, good_schema
from contracts.page import BatchMetrics, GatedPage, MalformedRow, Refusal
from hub.errors import AgencyError
from hub.ids import RuleId
from tests.kernels.making import broken, check, checker, contract, page, payment_rows, payments, rule, source, spec


def test_headers_align_without_regard_to_case_space_width_and_mark() -> None:
    made = contract(
        [spec("id", source_name="Voucher No"), spec("name", aliases=("名称",)), spec("amount", "integer")],
        sources=[source(aliases={"amount": ("Amt (£)",)})],
    )
    checked = check(made, {"\ufeffVOUCHER　NO": ["1"], " 名 称 ": ["x"], "amt(£)": ["5"]})
    assert checked.good.select(["id", "name", "amount"]).to_pylist() == [{"id": "1", "name": "x", "amount": 5}]


def test_unexpected_columns_are_met_loudly_unless_listed() -> None:
    made = contract([spec("id")], ignored=("Hold1",), sources=[source(ignored=("source_file",))])
    checked = check(made, {"id": ["1"], "hold1": ["?"], "Source_File": ["f"], "": [None]})
    assert checked.good.num_rows == 1
    with pytest.raises(UnexpectedColumns) as caught:
        check(made, {"id": ["1"], "新列": ["2"], "": ["value without a header"]})
    assert isinstance(caught.value, AgencyError)
    assert "新列" in caught.value.sentence("zh")
    assert "column 3 without a header" in caught.value.sentence()
    with pytest.raises(UnexpectedColumns, match="_secret"):
        check(made, {"id": ["1"], "_secret": ["2"]})


def test_missing_and_ambiguous_columns() -> None:
    made = contract([spec("id"), spec("name", required=True), spec("note")], subject="name")
    assert check(made, {"id": ["1"], "name": ["x"]}).good["note"].to_pylist() == [None]
    with pytest.raises(MissingColumns, match="name"):
        check(made, {"id": ["1"], "note": ["x"]})
    with pytest.raises(AmbiguousColumns, match="name"):
        check(made, {"id": ["1"], "name": ["x"], "NAME": ["y"]})
    with pytest.raises(HeaderClaimedTwice):
        checker(contract([spec("id"), spec("a", aliases=("same",)), spec("b", aliases=("Same",))]))


def test_constants_stand_in_for_columns() -> None:
    made = contract([spec("id"), spec("body", required=True)], sources=[source(constants={"body": "Oxford"})])
    assert check(made, {"id": ["1", "2"]}).good["body"].to_pylist() == ["Oxford", "Oxford"]


def test_a_source_has_forms_of_its_own() -> None:
    made = contract(
        [spec("id"), spec("on", "date", forms=("YYYYMMDD",))], sources=[source(forms={"on": ("DD/MM/YYYY",)})]
    )
    assert check(made, {"id": ["1"], "on": ["26/09/2013"]}).good["on"].to_pylist() == [date(2013, 9, 26)]


def test_what_cannot_run_is_said_at_once() -> None:
    with pytest.raises(RuleNotRunnable, match="sorcery"):
        checker(contract([spec("id")], rules=[rule("x", "sorcery", ["id"])]))
    with pytest.raises(RuleNotRunnable):
        checker(contract([spec("id")], rules=[rule("x", "reference_feed", ["id"], feed="f", field="x")]))
    with pytest.raises(RuleNotRunnable, match="no step"):
        checker(contract([spec("id", normalise=("polish",))]))


def test_every_change_is_marked_and_counted() -> None:
    made = contract(
        [
            spec("id"),
            spec("name", normalise=("trim", "half_width"), null_values=("无",)),
            spec("kind", code_map={"是": "yes", "否": "no"}),
            spec("amount", "decimal", precision=18, scale=2, unit="wan_yuan", forms=("plain", "thousands")),
            spec("on", "date", forms=("YYYYMMDD", "YYYY-MM-DD")),
        ]
    )
    checked = check(
        made,
        {
            "id": ["1", "2"],
            "name": [" Ａ公司", "无"],
            "kind": ["是", "no"],
            "amount": ["2,377.2", None],
            "on": ["20240301", "2024-03-01"],
        },
    )
    row = checked.good.to_pylist()[0]
    assert (row["name"], row["kind"], row["amount"], row["on"]) == (
        "A公司",
        "yes",
        Decimal("23772000.00"),
        date(2024, 3, 1),
    )
    steps = checked.change_steps
    marks = checked.good["_changes"].to_pylist()
    told = [{steps[bit] for bit in range(len(steps)) if mark >> bit & 1} for mark in marks]
    assert told == [
        {"name:trim", "name:half_width", "kind:code_map", "amount:number", "amount:unit", "on:date"},
        {"name:null"},
    ]
    assert checked.metrics.changed == dict.fromkeys(told[0] | told[1], 1)
    assert checker(made).change_steps == steps


def test_more_steps_than_bits_are_marked_by_field() -> None:
    fields = [spec("id"), *(spec(f"f{at}", normalise=("trim", "upper")) for at in range(40))]
    columns = {"id": ["1"]} | {f"f{at}": ["x" if at != 39 else " x"] for at in range(40)}
    checked = check(contract(fields), columns)
    assert len(checked.change_steps) <= 63
    assert checked.metrics.changed["f39:trim"] == 1
    bits = checked.good["_changes"][0].as_py()
    assert [step for bit, step in enumerate(checked.change_steps) if bits >> bit & 1] == [
        f"f{at}:*" for at in range(40)
    ]


def test_a_code_outside_its_map_is_bad_unless_a_rule_judges_it() -> None:
    columns = {"id": ["1", "2", "3"], "kind": ["是", "yes", "也许"]}
    made = contract([spec("id"), spec("kind", code_map={"是": "yes"})])
    assert broken(check(made, columns)) == {3: ["kind.code_map"]}
    judged = contract(
        [spec("id"), spec("kind", code_map={"是": "yes"})], rules=[rule("e", "enum", ["kind"], values=["yes", "也许"])]
    )
    assert broken(check(judged, columns)) == {}


def test_one_wrong_value_makes_one_error_but_every_independent_one_is_listed() -> None:
    made = contract(
        [spec("id"), spec("amount", "decimal", precision=9, scale=2), spec("on", "date")],
        rules=[
            rule("amount.required", "required", ["amount"]),
            rule("amount.range", "range", ["amount"], min=0),
            rule("any", "any_present", ["amount", "on"]),
            rule("due", "required_if", ["amount"], when={"on": ""}),
            rule("id.length", "length", ["id"], max=1),
        ],
    )
    checked = check(made, {"id": ["too long"], "amount": ["12万"], "on": ["tomorrow"]})
    assert broken(checked) == {1: ["amount.type", "on.type", "id.length"]}


def test_bad_rows_are_whole() -> None:
    made = contract([spec("id"), spec("n", "integer")])
    lines = [MalformedRow(3, 9, 'a,"b', "1 quote is open")]
    checked = checker(made).check(page({"id": ["1", None], "N": ["x", "2"]}, malformed=lines))
    assert checked.bad.schema.equals(BAD_SCHEMA)
    rows = checked.bad.to_pylist()
    assert [row["_rules"] for row in rows] == [["n.type"], ["id.required"], ["_row.malformed"]]
    assert [row["_key"] for row in rows] == ["1", None, None]
    assert [(row["_row"], row["_source_row"], row["_unit"]) for row in rows] == [
        (1, 2, "things.csv"),
        (2, 3, "things.csv"),
        (3, 9, "things.csv"),
    ]
    assert [json.loads(row["_raw"]) for row in rows] == [
        {"id": "1", "N": "x"},
        {"id": None, "N": "2"},
        {"_text": 'a,"b', "_reason": "1 quote is open"},
    ]
    assert checked.metrics.rows_in == checked.metrics.rows_bad == 3
    assert checked.metrics.samples == {"n.type": ["1"], "id.required": ["row 2"], "_row.malformed": ["row 3"]}


def test_warnings_are_counted_and_let_the_row_through() -> None:
    made = contract(
        [spec("id"), spec("a")], rules=[rule("w", "length", ["a"], "warning", max=1), rule("e", "length", ["a"], max=3)]
    )
    checked = check(made, {"id": ["1", "2"], "a": ["xx", "xxxx"]})
    assert checked.good["id"].to_pylist() == ["1"]
    assert broken(checked) == {2: ["w", "e"]}
    assert checked.metrics.broken == {"w": 2, "e": 1}


def test_withdrawals() -> None:
    made = contract(
        [spec("id"), spec("name"), spec("gone", "boolean", forms=("1/0",))],
        rules=[rule("name.required", "required", ["name"])],
        withdrawn_when={"gone": "true"},
    )
    checked = check(made, {"id": ["1", "2", None], "name": [None, "y", None], "gone": ["1", "0", "1"]})
    assert checked.good["_withdrawn"].to_pylist() == [True, False]
    assert broken(checked) == {3: ["id.required"]}, "a withdrawal needs no content, but a key"
    by_source = check(
        made, {"id": ["1", "2", "3", None], "name": [None, "y", None, None], "_action": ["D", "I", "?", "D"]}
    )
    assert by_source.good.select(["id", "_withdrawn"]).to_pylist() == [
        {"id": "1", "_withdrawn": True},
        {"id": "2", "_withdrawn": False},
    ]
    assert broken(by_source) == {3: ["_action.enum", "name.required"], 4: ["id.required"]}


def test_figures() -> None:
    made = contract(
        [
            spec("id"),
            spec("kind", code_list="fund_types"),
            spec("n", "integer"),
            spec("m", "decimal", precision=38, scale=2),
            spec("on", "date"),
        ],
        rules=[rule("bad", "range", ["n"], max=10)],
    )
    checked = check(
        made,
        {
            "id": ["1", "2", "3"],
            "kind": ["a", "b", "a"],
            "n": ["1", None, "99"],
            "m": ["1.50", "2", "7"],
            "on": ["2024-01-02", "2024-01-01", "2030-01-01"],
        },
    )
    m = checked.metrics
    assert (m.rows_in, m.rows_good, m.rows_bad) == (3, 2, 1)
    assert m.sums == {"n": Decimal(1), "m": Decimal("3.50")}
    assert (m.minima["on"], m.maxima["on"], m.maxima["n"]) == (date(2024, 1, 1), date(2024, 1, 2), 1)
    assert m.nulls == {"n": 1}
    assert m.counts == {"kind": {"a": 1, "b": 1}}
    total = of_gate(GatedPage(page({"id": []}), refusals=(Refusal(1, "u", 2, RuleId("r"), "00"),)))
    total.merge(m)
    assert (total.rows_in, total.rows_refused) == (4, 1)


def test_an_empty_page_and_a_page_without_good_rows() -> None:
    made = contract([spec("id"), spec("n", "integer")])
    empty = check(made, {"id": [], "n": []})
    assert (empty.good.num_rows, empty.bad.num_rows) == (0, 0)
    assert empty.good.schema.equals(good_schema(made))
    none = check(made, {"id": ["1"], "n": ["x"]})
    assert none.good.schema.equals(good_schema(made))
    assert none.metrics == BatchMetrics(
        rows_in=1, rows_bad=1, broken={RuleId("n.type"): 1}, samples={RuleId("n.type"): ["1"]}
    )


def test_schema_follows_the_contract() -> None:
    made = payments()
    assert arrow_schema(made).field("amount_cny").type == pa.decimal128(18, 2)
    rows = payment_rows(1_500)
    rows["PayAmt"][7], rows["AgencyCode"][8] = "1万", "91110000000000000A"
    checked = checker(made).check(page(rows))
    assert decoded(checked.good).schema.equals(good_schema(made))
    assert checked.good.num_rows == 1_498
    assert broken(checked) == {8: ["amount_cny.type"], 9: ["uscc"]}


def test_chunked_tables_and_several_threads_give_the_same() -> None:
    made = payments()
    whole = page(payment_rows(3_000))
    one = checker(made)
    expected = one.check(whole)
    pieces = pa.concat_tables([whole.table.slice(0, 1_000), whole.table.slice(1_000)])
    assert pieces.column(0).num_chunks == 2
    chunked = type(whole)(0, whole.unit, pieces, whole.rows, whole.source_rows)
    assert one.check(chunked).good.equals(expected.good)
    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(lambda _: one.check(whole), range(6)):
            assert found.good.equals(expected.good)
            assert found.metrics == expected.metrics


def test_a_row_hashes_alike_alone_and_among_many() -> None:
    made = payments()
    rows = payment_rows(2_000)
    rows["Remark"] = [None if at % 3 else f"备注{at}" for at in range(2_000)]
    every = checker(made).check(page(rows)).good["_hash"].to_pylist()
    for at in (0, 1, 7, 1_999):
        alone = {name: [values[at]] for name, values in rows.items()}
        assert checker(made).check(page(alone)).good["_hash"].to_pylist() == [every[at]]
