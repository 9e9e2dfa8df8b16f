"""The published records, held against their contracts, and the figures of an independent reading of the same files."""

import codecs
import csv
import io
from collections import Counter
from datetime import date
from decimal import Decimal

import openpyxl
import pytest

from connectors.base import Window
from connectors.places import Place
from connectors.registry import open_connector
from contracts import catalogue, codes
from contracts.checks.checker import Checker
from contracts.gate.inspect import Gate
from hub.settings import load_settings

REAL = load_settings().shared_data / "real"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="HUB_SHARED_DATA does not hold the published records")


class Outcome:
    """What became of one delivery's rows."""

    def __init__(self):
        self.rows = self.good = self.refused = 0
        self.bad, self.keys, self.broken, self.values = [], Counter(), Counter(), {}


def checked(feed, source_id, *columns):
    """Every delivery of a source through gate and checks: file name -> outcome."""
    contract = catalogue.load_one(feed)
    source = contract.source(source_id)
    place = Place(id=source.place, root=REAL)
    connector = open_connector(contract, source, {source.place: place}, 10_000)
    connector.options = connector.options.model_copy(update={"stable_seconds": 0})
    found = {}
    for delivery in connector.deliveries(Window()):
        outcome = found.setdefault(delivery.name.rsplit("/", 1)[-1], Outcome())
        checker = Checker(contract, source, codes=codes.load, references=None, today=date(2026, 11, 22))
        gate = Gate(contract, source, level=3, hmac_key=b"k" * 32)
        for page in delivery.pages():
            outcome.rows += page.rows_in
            gated = gate.inspect(page)
            outcome.refused += len(gated.refusals) + len(gated.maskings)
            result = checker.check(gated.page)
            outcome.good += result.good.num_rows
            outcome.keys.update(result.good["_key"].to_pylist())
            outcome.bad += list(zip(result.bad["_key"].to_pylist(), result.bad["_rules"].to_pylist(), strict=True))
            outcome.broken.update(result.metrics.broken)
            for column in columns:
                outcome.values.setdefault(column, []).extend(result.good[column].to_pylist())
        delivery.close()
    return found


def rows_of(path, encoding="utf-8-sig"):
    with codecs.open(str(path), encoding=encoding) as stream:
        return list(csv.DictReader(io.StringIO(stream.read(), newline="")))


def too_much_passed_through(rows):
    """Independent of the hub: awards that pass on more than was spent (of a refund: more than was refunded)."""

    def beyond(row):
        part, whole = row["passthrough_amount"], row["amount_expended"]
        return part not in (None, "") and int(whole) != 0 and Decimal(part) / Decimal(whole) > 1

    return [
        "|".join(row[name] for name in ("report_id", "award_reference", "reference_number"))
        for row in rows
        if beyond(row)
    ]


def test_single_audit_findings_of_the_csv():
    path = REAL / "audit/us-fac-findings-2024q1/fac_findings_2024-02-01_2024-03-20.csv"
    rows = rows_of(path)
    wrong = too_much_passed_through(rows)
    (outcome,) = checked("audit_single_audit_findings", "fac_csv", "amount_expended_usd", "is_repeat_finding").values()
    assert outcome.rows == len(rows) == 17_177
    assert sorted(outcome.bad) == sorted((key, ["passthrough_within_expended"]) for key in wrong)
    assert (outcome.good, len(outcome.keys), outcome.refused) == (17_177 - len(wrong), 17_177 - len(wrong), 0)
    kept = [
        row
        for row in rows
        if "|".join((row["report_id"], row["award_reference"], row["reference_number"])) not in set(wrong)
    ]
    assert sum(outcome.values["amount_expended_usd"]) == sum(int(row["amount_expended"]) for row in kept)
    assert sum(outcome.values["is_repeat_finding"]) == sum(row["is_repeat_finding"] == "YES" for row in kept)


def test_single_audit_findings_of_the_doubled_workbook():
    path = REAL / "audit/us-fac-findings-2024q1/raw/2024-03-14-findings.xlsx"
    book = openpyxl.load_workbook(path, read_only=True)
    rows = []
    for sheet in book.worksheets:
        head, *body = sheet.iter_rows(values_only=True)
        rows += [
            {name: cell if cell is None else str(cell) for name, cell in zip(head, row, strict=True)} for row in body
        ]
    wrong = too_much_passed_through(rows)
    (outcome,) = checked("audit_single_audit_findings", "fac_workbook", "assistance_listing_no").values()
    assert outcome.rows == len(rows) == 8_962
    assert sorted(outcome.bad) == sorted((key, ["passthrough_within_expended"]) for key in wrong)
    assert outcome.good == 8_962 - len(wrong)
    # every row stands twice: half of the good ones will count as unchanged
    assert set(outcome.keys.values()) == {2}
    assert "10.555" in outcome.values["assistance_listing_no"]


def test_oxfords_five_headers():
    found = checked(
        "finance_council_spending", "oxford", "amount_gbp", "paid_on", "expenditure_category", "supplier_name"
    )
    assert len(found) == 6
    headers = set()
    for name, outcome in found.items():
        rows = rows_of(REAL / "finance/gb-oxford-spend-500" / name)
        headers.add(tuple(rows[0]))
        amount, paid, number, supplier = (
            next(key for key in rows[0] if key.lower().replace(" ", "_") == wanted)
            for wanted in ("amount", "paid_date", "trans_no", "supplier_name")
        )
        assert (outcome.rows, outcome.good, outcome.bad, outcome.refused) == (len(rows), len(rows), [], 0)
        assert set(outcome.keys) == {"oxford_city_council|" + row[number].replace(" ", "") for row in rows}
        assert sum(outcome.values["amount_gbp"]) == sum(Decimal(row[amount]) for row in rows)
        dates = Counter(date(int(text[6:]), int(text[3:5]), int(text[:2])) for text in (row[paid] for row in rows))
        assert Counter(outcome.values["paid_on"]) == dates
        assert Counter(outcome.values["supplier_name"]) == Counter(" ".join(row[supplier].split()) for row in rows)
        below = sum(Decimal(row[amount]) < 500 for row in rows)
        assert outcome.broken["line_over_threshold"] == below  # a warning: it is counted, the row loads
        has_category = any("categ" in key.lower() or "catergory" in key.lower() for key in rows[0])
        assert any(outcome.values["expenditure_category"]) is has_category
    assert len(headers) == 5


def test_leeds_in_windows_1252():
    rows = rows_of(REAL / "finance/gb-leeds-spend-500-2013/2013-09.csv", "cp1252")
    (outcome,) = checked("finance_council_spending", "leeds", "amount_gbp", "paid_on", "supplier_name").values()
    assert (outcome.rows, outcome.good, outcome.bad, outcome.refused) == (7_325, 7_325, [], 0)
    assert sum(outcome.values["amount_gbp"]) == sum(Decimal(row["NetAmount"]) for row in rows)
    assert sum(amount < 0 for amount in outcome.values["amount_gbp"]) == 63
    assert any("å" in name for name in outcome.values["supplier_name"]) == any(
        "å" in row["SupplierName"] for row in rows
    )
    assert {(day.year, day.month) for day in outcome.values["paid_on"]} == {(2013, 8), (2013, 9)}


def test_the_oecds_observations():
    rows = rows_of(REAL / "statistics/oecd-gov-spending-by-function/data.csv")
    (outcome,) = checked("statistics_government_spending", "oecd", "observed_value", "observation_status_code").values()
    assert (outcome.rows, outcome.good, outcome.bad, outcome.refused) == (24_267, 24_267, [], 0)
    assert len(outcome.keys) == 24_267
    assert sum(outcome.values["observed_value"]) == sum(Decimal(row["OBS_VALUE"]) for row in rows)
    assert Counter(outcome.values["observation_status_code"]) == Counter(row["OBS_STATUS"] for row in rows)
    assert outcome.broken["value_not_negative"] == sum(Decimal(row["OBS_VALUE"]) < 0 for row in rows)
