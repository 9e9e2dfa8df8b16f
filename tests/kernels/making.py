"""Contracts and pages made for a test, without files."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from contracts import codes
from contracts.checks import Checker
from contracts.identifiers import uscc
from contracts.model import BatchRule, FeedContract, FieldSpec, GateRule, RowRule, SourceSpec, TopicSpec
from contracts.page import CheckedPage, MalformedRow, RawPage
from hub.ids import PlaceId, RuleId
from tests.making import made, spec

TODAY = date(2026, 11, 22)
KEY = b"a key for tests, of no use elsewhere"


def rule(rule_id: str, kind: str, fields: Sequence[str], severity: str = "error", **args: Any) -> RowRule:
    return RowRule(RuleId(rule_id), kind, tuple(fields), args, severity)  # type: ignore[arg-type]


def source(**more: Any) -> SourceSpec:
    return SourceSpec("main", "file_drop", PlaceId("here"), **more)


def contract(
    fields: Sequence[FieldSpec],
    *,
    key: Sequence[str] = ("id",),
    subject: str | None = None,
    rules: Sequence[RowRule] = (),
    batch: Sequence[BatchRule] = (),
    gate: Sequence[GateRule] = (),
    sources: Sequence[SourceSpec] = (),
    **more: Any,
) -> FeedContract:
    return made(
        "test_things",
        fields,
        domain="test",
        row_rules=tuple(rules),
        batch_rules=tuple(batch),
        gate_rules=tuple(gate),
        sources=tuple(sources) or (source(),),
        topic=TopicSpec("hub.test.thing.v1"),
        owner="public",
        key=tuple(key),
        subject=subject or key[0],
        **more,
    )


def page(
    columns: Mapping[str, Sequence[str | None]],
    *,
    unit: str = "things.csv",
    first: int = 1,
    malformed: Sequence[MalformedRow] = (),
    ordinal: int = 0,
) -> RawPage:
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    rows = pa.array(range(first, first + table.num_rows), pa.int64())
    source_rows = pa.array(range(first + 1, first + 1 + table.num_rows), pa.int64())
    return RawPage(ordinal, unit, table, rows, source_rows, tuple(malformed), b"raw")


def checker(made: FeedContract, **more: Any) -> Checker:
    settings: dict[str, Any] = {"codes": codes.load, "references": None, "today": TODAY} | more
    return Checker(made, made.sources[0], **settings)


def check(made: FeedContract, columns: Mapping[str, Sequence[str | None]], **more: Any) -> CheckedPage:
    return checker(made, **more).check(page(columns))


def broken(checked: CheckedPage) -> dict[int, list[str]]:
    """Row number -> ids of the rules it breaks, of the bad rows."""
    return dict(zip(checked.bad["_row"].to_pylist(), checked.bad["_rules"].to_pylist(), strict=True))


def make_uscc(head: str, body: str) -> str:
    """A code with its check character: 8 characters of head (dept, category, division) and 9 of body."""
    return head + body + uscc.check_character(head + body)


def payments() -> FeedContract:
    """A feed like a treasury's vouchers: 30 fields, some 40 rules."""
    fields = [
        spec("voucher_no", required=True, key_position=1, normalise=("trim", "half_width"), source_name="VoucherNo"),
        spec("id", required=True, source_name="Id"),
        spec("admdiv_code", required=True, normalise=("trim",), source_name="AdmDivCode"),
        spec("fiscal_year", "integer", required=True, source_name="StYear"),
        spec("voucher_type", required=True, source_name="VtCode"),
        spec("vouched_on", "date", required=True, forms=("YYYYMMDD", "YYYY-MM-DD"), source_name="VouDate"),
        spec("fund_type_code", source_name="FundTypeCode"),
        spec("fund_type_name", normalise=("trim", "half_width"), source_name="FundTypeName"),
        spec("mof_dep_code", source_name="MOFDepCode"),
        spec("file_no", source_name="FileNoCode"),
        spec("agency_uscc", required=True, normalise=("trim", "half_width", "upper"), source_name="AgencyCode"),
        spec("agency_name", required=True, normalise=("trim", "half_width"), source_name="AgencyName"),
        spec("exp_func_code1", source_name="ExpFuncCode1"),
        spec("exp_func_code2", source_name="ExpFuncCode2"),
        spec("exp_func_code3", required=True, source_name="ExpFuncCode3"),
        spec("exp_eco_code", source_name="ExpEcoCode"),
        spec("project_code", source_name="DepProCode"),
        spec("project_name", normalise=("trim",), source_name="DepProName"),
        spec("set_mode_code", source_name="SetModeCode"),
        spec("pay_bank_name", source_name="PayBankName"),
        spec("payee_acct_no", normalise=("trim",), source_name="PayeeAcctNo"),
        spec("payee_name", required=True, normalise=("trim", "half_width"), source_name="PayeeAcctName"),
        spec("payee_bank_name", source_name="PayeeAcctBankName"),
        spec("summary", normalise=("trim",), source_name="PaySummaryName"),
        spec("amount_cny", "decimal", precision=18, scale=2, required=True, source_name="PayAmt"),
        spec("paid_on", "date", forms=("YYYYMMDD", "YYYY-MM-DD"), source_name="XPayDate"),
        spec("paid_cny", "decimal", precision=18, scale=2, source_name="XPayAmt"),
        spec("is_procurement", "boolean", forms=("1/0", "是/否"), source_name="GovPurFlag"),
        spec("updated_at", "timestamp", required=True, source_name="UpdateTime"),
        spec("remark", source_name="Remark"),
    ]
    rules = [
        *(rule(f"{f.name}.required", "required", [f.name]) for f in fields if f.required),
        *(rule(f"{f.name}.type", "type", [f.name]) for f in fields if f.type != "string"),
        rule("voucher_no.pattern", "pattern", ["voucher_no"], pattern="[A-Z0-9]{10,24}"),
        rule("admdiv", "division", ["admdiv_code"]),
        rule("voucher_type.enum", "enum", ["voucher_type"], values=["5201", "8202"]),
        rule("uscc", "uscc", ["agency_uscc"]),
        rule("uscc_org", "uscc_organisation", ["agency_uscc"], "warning"),
        rule("func", "prefix_of", ["exp_func_code1", "exp_func_code2", "exp_func_code3"]),
        rule("func.pattern", "pattern", ["exp_func_code3"], pattern="[0-9]{7}"),
        rule("eco.pattern", "pattern", ["exp_eco_code"], pattern="[0-9]{5}"),
        rule("year", "year_of", ["fiscal_year", "vouched_on"], "warning"),
        rule("amount.range", "range", ["amount_cny"], min="0", exclusive_min=True, max="10000000000"),
        rule("paid", "compare", ["paid_cny", "amount_cny"], op="le"),
        rule("unit", "same_unit", ["paid_cny", "amount_cny"]),
        rule("dates", "compare", ["vouched_on", "paid_on"], op="le"),
        rule("future", "date_not_future", ["vouched_on", "paid_on"]),
        rule("paid_if", "required_if", ["paid_cny"], when={"paid_on": "*"}),
        rule("payee.length", "length", ["payee_name"], min=2, max=200),
        rule("summary.length", "length", ["summary"], max=500),
        rule("acct.pattern", "pattern", ["payee_acct_no"], pattern="[0-9]{8,32}"),
        rule("fund.enum", "enum", ["fund_type_code"], values=["1", "2", "3", "4", "9"]),
        rule("set_mode.enum", "enum", ["set_mode_code"], values=["1", "2", "3"]),
    ]
    gate = [
        GateRule(RuleId("secrecy"), "secrecy", "refuse_row"),
        GateRule(
            RuleId("persons"),
            "personal_data",
            "mask",
            (),
            {"except": ["voucher_no", "id", "agency_uscc", "payee_acct_no"]},
        ),
    ]
    return contract(
        fields, key=("voucher_no",), subject="agency_uscc", rules=rules, gate=gate, source_version="updated_at"
    )


def payment_rows(count: int, seed: int = 1) -> dict[str, list[str | None]]:
    """Rows for `payments()`, all of them good."""
    rng = random.Random(seed)
    agencies = []
    for number in range(600):
        body = f"{rng.randrange(10**8):08d}"
        from contracts.identifiers.organisation import check_character

        agencies.append(
            (
                make_uscc("11" + rng.choice(["110101", "330106", "370102"]), body + check_character(body)),
                f"某市第{number}局财务处",
            )
        )
    payees = [f"某某{rng.choice('甲乙丙丁戊己庚辛')}{number}科技有限公司" for number in range(20_000)]
    func = [("201", "20106", f"201060{n}") for n in range(1, 9)] + [("205", "20502", f"205020{n}") for n in range(1, 9)]
    rows: dict[str, list[str | None]] = {f.source_name: [] for f in payments().fields}
    for number in range(count):
        agency = rng.choice(agencies)
        one, two, three = rng.choice(func)
        day = f"2026{rng.randrange(1, 11):02d}{rng.randrange(1, 29):02d}"
        amount = f"{rng.randrange(1, 10**9) / 100:.2f}"
        values = (
            f"PZ{day}{number:08d}",
            f"{number + 10**9}",
            agency[0][2:8],
            "2026",
            rng.choice(["5201", "8202"]),
            day,
            rng.choice("1239"),
            rng.choice(["一般公共预算资金", "政府性基金"]),
            f"{rng.randrange(30):03d}",
            f"财预〔2026〕{rng.randrange(300)}号",
            agency[0],
            agency[1],
            one,
            two,
            three,
            "50201",
            f"P{rng.randrange(5000):06d}",
            f"第{rng.randrange(5000)}号专项",
            rng.choice("123"),
            "中国工商银行某市分行",
            f"62{rng.randrange(10**15):015d}",
            rng.choice(payees),
            "中国建设银行某支行",
            f"付{rng.randrange(10**6)}号合同款及服务费用",
            amount,
            day,
            amount,
            rng.choice(["1", "0"]),
            f"2026-11-{rng.randrange(1, 20):02d}T{rng.randrange(24):02d}:{rng.randrange(60):02d}:{rng.randrange(60):02d}+08:00",
            None,
        )
        for name, value in zip(rows, values, strict=True):
            rows[name].append(value)
    return rows
