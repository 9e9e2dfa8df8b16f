"""Every kind of row rule with rows that break it and rows that keep it; and the kernels against a naive reading."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.identifiers.organisation import check_character
from contracts.model import FieldSpec
from contracts.rules import KINDS
from contracts.rules.kernels import ELSEWHERE, KERNELS
from tests.kernels.making import broken, check, contract, make_uscc, rule, spec

BODY = "12345678" + check_character("12345678")
GOOD_USCC = make_uscc("N2330106", BODY)
ODD_ORG = make_uscc("11110101", "12345678" + ("0" if BODY[-1] != "0" else "1"))


@dataclass
class Case:
    fields: list[FieldSpec]
    args: dict[str, Any] = field(default_factory=dict)
    on: list[str] | None = None  # the fields the rule stands on; None: all
    keeps: list[tuple[str | None, ...]] = field(default_factory=list)
    breaks: list[tuple[str | None, ...]] = field(default_factory=list)


def money(name: str) -> FieldSpec:
    return spec(name, "decimal", precision=38, scale=2)


A, B, C = spec("a"), spec("b"), spec("c")
CASES: dict[str, list[Case]] = {
    "required": [Case([A], keeps=[("x",)], breaks=[(None,), ("",)])],
    "type": [
        Case(
            [spec("a", "integer")],
            keeps=[("7",), (None,), ("-12",)],
            breaks=[("x",), ("1.5",), ("9223372036854775808",)],
        ),
        Case([spec("a", "date")], keeps=[("2024-03-01",), ("00000000",)], breaks=[("2024-02-30",)]),
        Case([A], keeps=[("x",)], breaks=[("nul\0",)]),
    ],
    "enum": [
        Case([A], {"values": ["5201", "8202"]}, keeps=[("5201",), (None,)], breaks=[("5202",), ("5201 ",)]),
        Case([spec("a", "integer")], {"values": ["1", "2"]}, keeps=[("01",)], breaks=[("3",)]),
    ],
    "enum_if": [
        Case([A, B], {"values": ["1"], "when": {"b": "x"}}, ["a"], [("1", "x"), ("2", "y"), ("2", None)], [("2", "x")])
    ],
    "code_list": [Case([A], {"list": "divisions"}, keeps=[("110101",), (None,)], breaks=[("110199",), ("11010",)])],
    "pattern": [
        Case([A], {"pattern": "[A-Z]{2}[0-9]+"}, keeps=[("AB1",), (None,)], breaks=[("AB",), ("xAB1",), ("AB1\n",)]),
        Case(
            [A], {"pattern": "[0-9]{2,3}"}, keeps=[("12",), ("123",)], breaks=[("1",), ("1234",), ("12x",), ("１２",)]
        ),
        Case([A], {"pattern": "a|b"}, keeps=[("a",)], breaks=[("ab",)]),
    ],
    "length": [Case([A], {"min": 2, "max": 3}, keeps=[("两字",), ("abc",), (None,)], breaks=[("一",), ("abcd",)])],
    "range": [
        Case(
            [money("a")],
            {"min": "0", "exclusive_min": True, "max": 10},
            keeps=[("0.01",), ("10.00",), (None,)],
            breaks=[("0",), ("-1",), ("10.01",), ("9" * 36,)],
        ),
        Case([spec("a", "integer")], {"max": "1.5"}, keeps=[("1",)], breaks=[("2",)]),
        Case(
            [spec("a", "date")],
            {"min": "2020-01-01", "max": "2020-12-31"},
            keeps=[("2020-01-01",)],
            breaks=[("2019-12-31",), ("2021-01-01",)],
        ),
        Case(
            [spec("a", "timestamp")],
            {"min": "2020-01-01"},
            keeps=[("2020-01-01T00:00:00+08:00",)],
            breaks=[("2020-01-01T00:00:00+09:00",)],
        ),
    ],
    "compare": [
        Case(
            [money("a"), money("b")], {"op": "le"}, keeps=[("1", "1"), ("1", None), ("-2", "9")], breaks=[("2", "1.99")]
        ),
        Case(
            [money("a"), money("b")], {"op": "eq", "tolerance": "0.05"}, keeps=[("1", "1.05")], breaks=[("1", "1.06")]
        ),
        Case([money("a"), money("b")], {"op": "ge", "tolerance": 1}, keeps=[("1", "2")], breaks=[("1", "2.01")]),
        Case([spec("a", "integer"), money("b")], {"op": "lt"}, keeps=[("1", "1.01")], breaks=[("1", "1")]),
        Case(
            [spec("a", "date"), spec("b", "date")],
            {"op": "lt"},
            keeps=[("2024-01-01", "2024-01-02")],
            breaks=[("2024-01-02", "2024-01-02")],
        ),
        Case([A, B], {"op": "ne"}, keeps=[("x", "y")], breaks=[("x", "x")]),
        Case(
            [A, B, C],
            {"op": "eq", "unless": {"c": "1"}},
            ["a", "b"],
            [("x", "y", "1"), ("x", "x", None)],
            [("x", "y", "0"), ("x", "y", None)],
        ),
    ],
    "required_if": [
        Case(
            [A, B],
            {"when": {"b": ["x", "y"]}},
            ["a"],
            [("1", "x"), (None, "z"), (None, None)],
            [(None, "x"), (None, "y")],
        ),
        Case([A, B], {"when": {"b": "*"}}, ["a"], [(None, None)], [(None, "z")]),
        Case([A, B], {"when": {"b": ""}}, ["a"], [(None, "z")], [(None, None)]),
        Case([A, spec("b", "boolean")], {"when": {"b": "true"}}, ["a"], [(None, "false")], [(None, "TRUE")]),
    ],
    "forbidden_if": [Case([A, B], {"when": {"b": "x"}}, ["a"], [(None, "x"), ("1", "y")], [("1", "x")])],
    "any_present": [Case([A, B], keeps=[("1", None), (None, "1"), ("1", "1")], breaks=[(None, None)])],
    "prefix_of": [
        Case(
            [A, B, C],
            keeps=[("201", "20106", "2010601"), ("201", None, "999"), ("中", "中文", "中文字")],
            breaks=[
                ("201", "20206", "2020601"),
                ("201", "20106", "2010501"),
                ("2012", "201", "201"),
                ("中", "文", "文字"),
            ],
        )
    ],
    "year_of": [
        Case(
            [spec("a", "integer"), spec("b", "date")],
            keeps=[("2024", "2024-12-31"), (None, "2024-01-01")],
            breaks=[("2023", "2024-01-01")],
        ),
        Case(
            [A, spec("b", "timestamp")],
            keeps=[("2025", "2024-12-31T16:00:00Z")],
            breaks=[("2024", "2024-12-31T16:00:00Z"), ("x", "2024-12-31T00:00:00Z")],
        ),
        Case(
            [A, spec("b", "date"), C],
            {"unless": {"c": "carry"}},
            ["a", "b"],
            [("2023", "2024-01-01", "carry")],
            [("2023", "2024-01-01", None)],
        ),
    ],
    "reference_feed": [Case([A], {"feed": "other", "field": "id"}, keeps=[("known",), (None,)], breaks=[("strange",)])],
    "uscc": [
        Case(
            [A],
            {},
            keeps=[(GOOD_USCC,), (None,), (make_uscc("12100000", BODY),), (make_uscc("91110104", BODY),)],
            breaks=[
                (GOOD_USCC[:-1] + ("0" if GOOD_USCC[-1] != "0" else "1"),),
                (make_uscc("14110101", BODY),),
                (make_uscc("11990101", BODY),),
                (GOOD_USCC.lower(),),
            ],
        ),
        Case(
            [A],
            {"level": "pair"},
            keeps=[(make_uscc("11990101", BODY),), (make_uscc("99110101", BODY),)],
            breaks=[(make_uscc("14110101", BODY),)],
        ),
        Case([A], {"level": "checksum"}, keeps=[(make_uscc("14110101", BODY),)], breaks=[("x",)]),
    ],
    "uscc_organisation": [Case([A], keeps=[(GOOD_USCC,), ("nonsense",), (None,)], breaks=[(ODD_ORG,)])],
    "uscc_category": [Case([A], keeps=[(GOOD_USCC,), ("nonsense",)], breaks=[(make_uscc("99110101", BODY),)])],
    "organisation_code": [
        Case(
            [A],
            keeps=[(BODY,), (f"{BODY[:8]}-{BODY[8]}",), (None,)],
            breaks=[(BODY[:8],), ("123456789",) if BODY[-1] != "9" else ("123456780",)],
        )
    ],
    "division": [
        Case([A], keeps=[("110104",), ("330113",)], breaks=[("110199",)]),
        Case([A], {"vintage": "current"}, keeps=[("330113",)], breaks=[("110104",)]),
    ],
    "date_not_future": [
        Case([spec("a", "date")], {"days": 1}, keeps=[("2026-11-23",), (None,)], breaks=[("2026-11-24",)]),
        Case([spec("a", "timestamp")], keeps=[("2026-11-22T23:59:59+08:00",)], breaks=[("2026-11-23T00:00:00+08:00",)]),
    ],
    "sum_equals": [
        Case(
            [money("a"), money("b"), money("t")],
            {"total": "t"},
            ["a", "b"],
            [("1", "2", "3"), ("3", None, "3"), (None, None, "9"), ("1", "2", None)],
            [("1", "2", "4"), ("1", None, "4")],
        ),
        Case(
            [money("a"), spec("b", "integer"), money("t")],
            {"total": "t", "tolerance": "0.01"},
            ["a", "b"],
            [("1", "2", "3.01")],
            [("1", "2", "3.02")],
        ),
    ],
    "ratio": [
        Case(
            [money("a"), money("b")],
            {"min": "0.5", "max": 2},
            keeps=[("1", "2"), ("2", "1"), ("0", "0"), ("-1", "-2"), (None, "1")],
            breaks=[("1", "2.01"), ("2.01", "1"), ("1", "0"), ("-1", "2")],
        )
    ],
    "same_unit": [
        Case(
            [money("a"), money("b")],
            keeps=[("1", "1"), ("0", "10000"), ("1", "9999"), ("5", None), ("20000", "3")],
            breaks=[("23772000", "2377.2"), ("1", "1000"), ("1", "100000000"), ("-3", "-30000")],
        )
    ],
}
CASES["unique"] = []  # judged over the batch: test_duplicates.py
CASES["group_sum"] = []  # judged over the batch: test_groups.py


def known(feed: str, name: str, values: pa.Array) -> pa.BooleanArray:
    assert (feed, name) == ("other", "id")
    return pa.array([value == "known" for value in values.to_pylist()])


def test_every_kind_has_a_kernel_and_a_case() -> None:
    assert set(KINDS) == set(CASES) == set(KERNELS) | ELSEWHERE


@pytest.mark.parametrize(("kind", "number"), [(kind, at) for kind, cases in CASES.items() for at in range(len(cases))])
@pytest.mark.parametrize("many", [False, True], ids=["few rows", "many rows"])
def test_kind(kind: str, number: int, many: bool) -> None:
    """Many rows repeat the few, so that columns are judged by distinct values."""
    case = CASES[kind][number]
    on = case.on or [one.name for one in case.fields]
    assert (
        KINDS[kind].problems(
            case.args, [one for one in case.fields if one.name in on], {f.name: f for f in case.fields}
        )
        == []
    )
    made = contract(
        [spec("id"), *case.fields], rules=[rule("the_rule", kind, on, **case.args)] if kind != "type" else []
    )
    rows = [*case.keeps, *case.breaks] * (300 if many else 1)
    columns = {"id": [str(at) for at in range(len(rows))]}
    columns |= {one.name: [row[at] for row in rows] for at, one in enumerate(case.fields)}  # type: ignore[misc]
    checked = check(made, columns, references=known)
    found = broken(checked)
    name = "the_rule" if kind != "type" else "a.type"
    size = len(case.keeps) + len(case.breaks)
    for at, row in enumerate(rows):
        expected = [name] if at % size >= len(case.keeps) else []
        assert found.get(at + 1, []) == expected, row
    assert checked.metrics.broken.get(name, 0) == len(case.breaks) * (300 if many else 1)  # type: ignore[call-overload]


# -- differential --------------------------------------------------------------------------------------------------

FIELDS = [
    spec("id"),
    spec("code", normalise=("trim", "upper"), null_values=("N/A",)),
    spec("amount", "decimal", precision=10, scale=2, forms=("plain", "thousands")),
    spec("paid", "decimal", precision=10, scale=2),
    spec("day", "date", forms=("YYYYMMDD", "YYYY-MM-DD")),
    spec("flag", "boolean", forms=("是/否", "1/0")),
]
RULES = [
    rule("code.enum", "enum", ["code"], values=["A", "BB"]),
    rule("code.length", "length", ["code"], max=2),
    rule("code.pattern", "pattern", ["code"], pattern="[A-Z]+"),
    rule("amount.required", "required", ["amount"]),
    rule("amount.range", "range", ["amount"], min="0"),
    rule("paid.le", "compare", ["paid", "amount"], op="le"),
    rule("paid.due", "required_if", ["paid"], when={"flag": "true"}),
    rule("day.future", "date_not_future", ["day"]),
    rule("odd", "enum", ["code"], "warning", values=["A"]),
]


def naive(row: tuple[str | None, ...]) -> tuple[list[str], dict[str, Any]]:
    """One row read by plain Python, from the same words."""
    id_, code, amount, paid, day, flag = row
    rules: list[str] = []
    seen: dict[str, Any] = {"id": id_ or None}
    code = code.strip().upper() if code is not None else None
    seen["code"] = None if code in {None, "", "N/A"} else code
    unread = set()
    for name, text, grouped in (("amount", amount, True), ("paid", paid, False)):
        seen[name] = None
        if text not in {None, ""}:
            plain = (
                text.replace(",", "")
                if grouped and re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", text, re.ASCII)
                else text
            )  # type: ignore[union-attr]
            if (
                re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", plain, re.ASCII)
                and abs(Decimal(plain)) < 10**8
                and Decimal(plain) * 100 % 1 == 0
            ):  # type: ignore[arg-type]
                seen[name] = Decimal(plain)  # type: ignore[arg-type]
            else:
                unread.add(name)
    seen["day"] = None
    if day not in {None, "", "00000000", "0000-00-00"}:
        try:
            assert re.fullmatch(r"\d{8}|\d{4}-\d\d-\d\d", day)  # type: ignore[arg-type]
            seen["day"] = date.fromisoformat(day)  # type: ignore[arg-type]
        except (ValueError, AssertionError):
            unread.add("day")
    words = {"是": True, "否": False, "1": True, "0": False}
    seen["flag"] = words.get(flag or "")
    if flag and flag not in words:
        unread.add("flag")
    rules += [f"{name}.type" for name in ("amount", "paid", "day", "flag") if name in unread]
    checks: list[tuple[str, Callable[[], bool]]] = [
        ("code.enum", lambda: seen["code"] is not None and seen["code"] not in {"A", "BB"}),
        ("code.length", lambda: seen["code"] is not None and len(seen["code"]) > 2),
        ("code.pattern", lambda: seen["code"] is not None and not re.fullmatch("[A-Z]+", seen["code"])),
        ("amount.required", lambda: seen["amount"] is None and "amount" not in unread),
        ("amount.range", lambda: seen["amount"] is not None and seen["amount"] < 0),
        ("paid.le", lambda: None not in {seen["paid"], seen["amount"]} and seen["paid"] > seen["amount"]),
        ("paid.due", lambda: seen["flag"] is True and seen["paid"] is None and "paid" not in unread),
        ("day.future", lambda: seen["day"] is not None and seen["day"] > date(2026, 11, 22)),
        ("odd", lambda: seen["code"] is not None and seen["code"] != "A"),
        ("id.required", lambda: seen["id"] is None),
    ]
    rules += [name for name, breaks in checks if breaks()]
    return rules, seen


CELLS = st.tuples(
    st.one_of(st.none(), st.text("ab|", max_size=2)),
    st.sampled_from([None, "", "A", " a ", "BB", "bb", "N/A", "C", "AAA", "A1", "n/a", "中"]),
    st.sampled_from(
        [None, "", "0", "1.5", "-3", "1,234.5", "12,34", "1.005", "1.500", "99999999.99", "100000000", "x", "+7"]
    ),
    st.sampled_from([None, "0", "2", "1,000", "1.50", "1e3", "77777777.77", "１"]),
    st.sampled_from([None, "20240301", "2024-03-01", "20240230", "00000000", "2026-11-23", "20261122", "2024/3/1"]),
    st.sampled_from([None, "是", "否", "1", "0", "true", " 1"]),
)


@given(st.lists(CELLS, min_size=1, max_size=30), st.booleans())
@settings(max_examples=80)
def test_agrees_with_a_naive_reading_row_by_row(rows: list[tuple[str | None, ...]], many: bool) -> None:
    rows = rows * (1_100 // len(rows) + 1) if many else rows
    columns = {one.name: [row[at] for row in rows] for at, one in enumerate(FIELDS)}
    checked = check(contract(FIELDS, rules=RULES), columns)
    found, good = broken(checked), {row["_row"]: row for row in checked.good.to_pylist()}
    tally: dict[str, int] = {}
    for at, row in enumerate(rows[:60] if many else rows):
        rules, seen = naive(row)
        errors = [name for name in rules if name != "odd"]
        assert sorted(found.get(at + 1, [])) == (sorted(rules) if errors else []), row
        if not errors:
            assert {name: good[at + 1][name] for name in seen} == seen
        for name in rules:
            tally[name] = tally.get(name, 0) + 1
    if not many:
        assert {name: count for name, count in checked.metrics.broken.items() if count} == tally
    assert checked.metrics.rows_good + checked.metrics.rows_bad == checked.metrics.rows_in == len(rows)
