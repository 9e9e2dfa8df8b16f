"""`hub feed new` over the published records, and over whatever may stand in a file."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import reader
from hub.settings import ROOT, load_settings
from tests.connectors.samples import new, text_of

REAL = load_settings().shared_data / "real"

# One of each publisher; the workbook of food inspections has its own test beside its feed's.
NAMES = (
    "2013-09.csv",
    "expenditure-over-500-jul-sep-2017.csv",
    "data.csv",
    "2019-04-11-public-housing-physical-inspection-scores-2019.xlsx",
)
PUBLISHED = sorted(path for path in REAL.rglob("*") if path.name in NAMES) if REAL.is_dir() else []


@pytest.mark.skipif(not PUBLISHED, reason="HUB_SHARED_DATA does not hold the published records")
@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name[:40])
def test_every_published_file_becomes_a_contract(house, path):
    made = new(path)
    assert made.tried.good == made.tried.rows > 1_000, made.tried


@pytest.mark.skipif(not REAL.is_dir(), reason="HUB_SHARED_DATA does not hold the published records")
@pytest.mark.parametrize(
    ("folder", "feed"),
    [
        ("us-hud-public-housing-2019", "inspection_housing_scores"),
        ("us-minneapolis-food-inspections", "inspection_food_violations"),
    ],
)
def test_codes_of_the_published_inspections_are_still_written(house, folder, feed):
    (path,) = (REAL / "inspection" / folder).glob("*.xlsx")
    (in_use,) = (ROOT / "contracts" / "feeds").rglob(f"{feed}.odcs.yaml")
    known = [
        rule.args["values"] for rule in reader.read(in_use, root=ROOT / "contracts").row_rules if rule.kind == "enum"
    ]
    drafted = [rule.args["values"] for rule in new(path).contract.row_rules if rule.kind == "enum"]
    assert drafted == known and known


CELLS = st.one_of(
    st.text(max_size=12), st.integers().map(str), st.decimals(allow_nan=False, allow_infinity=False).map(str), st.dates().map(str),
    st.sampled_from(["", "N/A", "yes", "no", "是", "1/2/2024", "=1+1", "a: b", "- x", "#c", "null", "~", "\u2028", "{a}", "'", '"', "\\"]),
)  # fmt: skip


@given(
    header=st.lists(st.text(min_size=1, max_size=15), min_size=1, max_size=5),
    body=st.lists(st.lists(CELLS, min_size=5, max_size=5), min_size=1, max_size=12),
)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_stands_in_a_sample_the_contract_passes_or_the_error_is_ours(house, tmp_path, header, body):
    from hub.errors import HubException

    path = tmp_path / "any.csv"
    path.write_bytes(text_of(header, [row[: len(header)] for row in body]).encode("utf-8", "surrogatepass"))
    try:
        made = new(path)
    except HubException as error:
        assert not error.code.startswith("HUB-CON-1"), error
        return
    made.path.unlink()
