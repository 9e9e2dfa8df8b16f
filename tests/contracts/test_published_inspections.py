"""The published inspections, held against their contracts and an independent reading of the same workbooks."""

import subprocess
from collections import Counter
from datetime import date
from decimal import Decimal

import openpyxl
import pytest

from contracts import catalogue
from hub.settings import ROOT
from tests.contracts.test_published import REAL, checked

pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="HUB_SHARED_DATA does not hold the published records")
FEEDS = ("inspection_housing_scores", "inspection_food_violations")


def rows_of(folder):
    """The first sheet's rows that hold anything, by header, as openpyxl reads them."""
    (path,) = (REAL / "inspection" / folder).glob("*.xlsx")
    lines = openpyxl.load_workbook(path, read_only=True).worksheets[0].iter_rows(values_only=True)
    header = [str(cell).strip() if cell else None for cell in next(lines)]
    return [
        {name: cell for name, cell in zip(header, line, strict=True) if name}
        for line in lines
        if any(cell is not None for cell in line)
    ]


def text(value):
    return (
        None if value is None else str(int(value)) if isinstance(value, float) and value == int(value) else str(value)
    )


def test_scores_of_public_housing():
    rows = rows_of("us-hud-public-housing-2019")
    columns = (
        "inspection_score",
        "inspection_on",
        "pha_code",
        "county_code",
        "zip",
        "cbsa_name",
        "latitude",
        "longitude",
    )
    (outcome,) = checked("inspection_housing_scores", "hud_workbook", *columns).values()
    assert (outcome.rows, outcome.good, outcome.bad, outcome.refused) == (6_783, 6_783, [], 0)
    assert outcome.rows == len(rows) and set(outcome.keys) == {str(row["INSPECTION_ID"]) for row in rows}
    assert sum(outcome.values["inspection_score"]) == sum(int(row["INSPECTION_SCORE"]) for row in rows)
    assert Counter(outcome.values["inspection_on"]) == Counter(row["INSPECTION_DATE"].date() for row in rows)
    assert Counter(outcome.values["pha_code"]) == Counter(row["PHA_CODE"] for row in rows)
    for field, column in (("county_code", "COUNTY_CODE"), ("zip", "ZIP")):
        assert Counter(outcome.values[field]) == Counter(text(row[column]) for row in rows)
    assert sum(name is None for name in outcome.values["cbsa_name"]) == 970
    for field in ("latitude", "longitude"):
        ours = sum(value for value in outcome.values[field] if value is not None)
        theirs = sum(Decimal(str(row[field.upper()])) for row in rows if row[field.upper()] is not None)
        assert ours == theirs
    # One development does not begin with its agency's code: told, not quarantined.
    odd = [row for row in rows if not str(row["DEVELOPMENT_ID"]).startswith(str(row["PHA_CODE"]))]
    assert outcome.broken == {"development_of_agency": len(odd)} and len(odd) == 1


def test_violations_of_food_inspections():
    rows = rows_of("us-minneapolis-food-inspections")
    columns = ("inspection_on", "critical", "license_number", "dh_facility_id", "risk_level", "inspection_id")
    (outcome,) = checked("inspection_food_violations", "minneapolis_workbook", *columns).values()
    assert (outcome.rows, outcome.good, outcome.bad, outcome.refused) == (26_461, 26_461, [], 0)
    assert outcome.rows == len(rows)
    keys = Counter("|".join((str(row["InspectionID"]), str(row["CodeSection"]).strip())) for row in rows)
    assert outcome.keys == keys
    assert sorted(count for count in keys.values() if count > 1) == [2, 2], (
        "two rows stand twice; one of each will be unchanged"
    )
    assert len(set(outcome.values["inspection_id"])) == 5_429
    assert Counter(outcome.values["critical"]) == Counter(row["Critical"] for row in rows)
    assert Counter(outcome.values["critical"])["ANY"] == 27
    assert Counter(outcome.values["inspection_on"]) == Counter(row["dateOfInspection"].date() for row in rows)
    assert min(outcome.values["inspection_on"]) >= date(2011, 5, 1)
    for field, column, absent in (
        ("license_number", "License Number", 1_028),
        ("dh_facility_id", "DH Facility ID", 25_433),
    ):
        assert Counter(outcome.values[field]) == Counter(text(row[column]) for row in rows)
        assert outcome.values[field].count(None) == absent
    assert Counter(outcome.values["risk_level"]) == Counter(
        None if row["Risk Level"] is None else int(row["Risk Level"]) for row in rows
    )
    assert outcome.broken == {}


@pytest.mark.parametrize("feed", FEEDS)
def test_they_came_without_a_line_of_code(feed):
    """The commit that added the file touches contracts alone."""
    path = f"contracts/feeds/inspection/{feed}.odcs.yaml"
    words = ["git", "log", "--diff-filter=A", "--format=%H", "--", path]
    commits = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    if not commits or (ROOT / ".git" / "shallow").exists():
        pytest.skip("no history here")
    shown = ["git", "show", "--format=", "--name-only", commits[-1]]
    touched = subprocess.run(shown, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert touched == [path]


@pytest.mark.parametrize("feed", FEEDS)
def test_every_guess_was_looked_at(feed):
    contract = catalogue.load_one(feed)
    written = (ROOT / "contracts" / contract.path).read_text(encoding="utf-8")
    assert "review" not in written and contract.status == "active"
    assert contract.owner == "public" and {source.place for source in contract.sources} == {"published_records"}
    assert {spec.classification for spec in contract.fields} == {"public"}
