"""Every planted defect is found by the real gate and checker for what it is, and no sound row is refused or doubted."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.names import expected
from connectors.sdmx.message import Message, opening
from connectors.sdmx.structure import read_structure
from contracts import codes
from contracts.checks import Checker
from contracts.gate.inspect import Gate
from contracts.model import FeedContract
from contracts.normalise.text import half_width_text
from contracts.page import CheckedPage, GatedPage, RawPage
from contracts.reader import read
from demo.agencies import structure
from demo.generate import findings, observations, payments, problems
from demo.generate.calendar import closed_year
from demo.generate.divisions import NEVER, RETIRED, in_use
from demo.generate.ledger import Ledger
from hub.settings import ROOT


def contract_of(path: str) -> FeedContract:
    return read(ROOT / "contracts" / "feeds" / path, root=ROOT / "contracts")


def every_reference_is_known(_: str, __: str, values: pa.Array) -> pa.BooleanArray:
    return pa.array([None if value is None else True for value in values.to_pylist()], pa.bool_())


def page_of(table: pa.Table) -> RawPage:
    rows = pa.array(range(1, table.num_rows + 1), pa.int64())
    return RawPage(0, "unit", table, rows, rows)


def through(contract: FeedContract, source: str, table: pa.Table) -> tuple[GatedPage, CheckedPage]:
    spec = contract.source(source)
    gated = Gate(contract, spec, level=3, hmac_key=b"k" * 32).inspect(page_of(table))
    assert gated.delivery_refused is None
    today = date(closed_year() + 1, 1, 1)
    checker = Checker(contract, spec, codes=codes.load, references=every_reference_is_known, today=today)
    return gated, checker.check(gated.page)


def hold(contract: FeedContract, source: str, table: pa.Table, ledger: Ledger) -> None:
    gated, checked = through(contract, source, table)
    bad = dict(zip(checked.bad["_row"].to_pylist(), checked.bad["_rules"].to_pylist(), strict=True))
    by_fate: dict[str, set[int]] = {}
    for entry in ledger.planted:
        if entry.defect in ("conflicting_duplicate", "voucher_total_off"):  # judged over the batch, after the rows
            continue
        by_fate.setdefault(entry.fate, set()).update(entry.rows)
        if entry.fate == "quarantined" and entry.field:
            field = next(spec.name for spec in contract.fields if spec.source_name == entry.field)
            about = {rule.id for rule in contract.row_rules if field in rule.fields} | {f"{field}.structure"}
            assert all(set(bad[row]) & about for row in entry.rows), entry.defect
    assert set(bad) == by_fate["quarantined"]
    assert {refusal.row for refusal in gated.refusals} == by_fate["refused"]
    assert {masking.row for masking in gated.maskings} == by_fate["masked"]
    text = str(checked.good.to_pydict().values()) + str(checked.bad.to_pydict().values())
    assert not re.search(r"1100001900\d{8}", half_width_text(text)), "an informant's number got through"


@pytest.mark.parametrize(("source", "voucher"), [("payments_csv", "5201"), ("payments_xlsx", "8202")])
def test_payments(source: str, voucher: str) -> None:
    hold(contract_of("finance/finance_payments.odcs.yaml"), source, *payments.payments(5_000, 4, voucher=voucher))


def test_findings() -> None:
    table, ledger = findings.findings(1_200, 4, payments=["V1", "V2"])
    hold(contract_of("audit/audit_findings.odcs.yaml"), "audit_office_table", table, ledger)


def test_problems() -> None:
    records, ledger = problems.problems(600, 4)
    table = pa.table({name: [_text(record[name]) for record in records] for name in records[0]})
    hold(contract_of("inspection/inspection_problems.odcs.yaml"), "inspection_office_api", table, ledger)


@pytest.mark.parametrize("source", ["bureau_v1", "bureau_v2"])
def test_observations(source: str, tmp_path: Path) -> None:
    structure.write(observations.structure(), tmp_path / "structure.xml")
    allowed = read_structure("structure.xml", (tmp_path / "structure.xml").read_bytes())
    assert allowed.dimensions == (*observations.DIMENSIONS, "TIME_PERIOD")
    assert allowed.attributes == observations.ATTRIBUTES
    contract = contract_of("statistics/statistics_observations.odcs.yaml")
    first, second = observations.first_message(2_000, 4), observations.second_message(1_000, 4, first_rows=2_000)
    table, ledger = first if source == "bureau_v1" else second
    head = ",".join(table.column_names) + "\n"
    fields = expected(contract, contract.source(source))
    known = {name for names in fields.values() for name in names}
    taken = {field: names for field, names in fields.items() if field not in contract.key}
    message = Message("file", opening("file", head), allowed, sorted(known | set(contract.ignored)), taken)
    filled = pa.table({name: [value or None for value in table[name].to_pylist()] for name in table.column_names})
    (page,) = message.pages(iter([page_of(filled)]))
    hold(contract, source, page.table, ledger)


def test_divisions_are_what_they_are_said_to_be() -> None:
    listed = codes.load("divisions")
    assert set(in_use()) <= listed.current
    assert set(RETIRED) <= listed.codes - listed.current
    assert not set(NEVER) & listed.codes


def _text(value: Any) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
