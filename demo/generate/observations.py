"""Indicators of units and areas as SDMX-CSV messages, 1.0 and 2.0, with the structure that both follow.

The message of 2.0 merges quarterly figures and deletes some monthly ones that the message of 1.0 brought.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from contracts import codes
from demo.agencies.structure import Structure
from demo.generate.calendar import closed_year
from demo.generate.columns import Columns, copied
from demo.generate.divisions import NEVER, in_use
from demo.generate.identifiers import as_bytes, as_text, broken, impossible_citizen_numbers
from demo.generate.ledger import Draw, Ledger, share
from demo.generate.organisations import SUPERVISED, Organisations, organisations
from demo.generate.text import Ints, amounts, digits, full_width, join, pick

FEED = "statistics_observations"
AGENCY, DATAFLOW, VERSION = "DEMO_STAT", "DF_SUPERVISION", "1.0"
INDICATORS = {
    "BUDGET_EXP": "一般公共预算支出",
    "FIXED_INVEST": "固定资产投资完成额",
    "OUTPUT_VALUE": "工业总产值",
    "STAFF_NUMBER": "期末从业人员",
    "PROCUREMENT": "政府采购规模",
}
DIMENSIONS = ("FREQ", "REF_AREA", "REPORTING_UNIT", "INDICATOR")
ATTRIBUTES = ("UNIT_MEASURE", "UNIT_MULT", "DECIMALS", "OBS_STATUS", "CONF_STATUS", "COMMENT_OBS")
DELETED = 12
"""Observations of the first message that the second one deletes."""


def structure() -> Structure:
    """The data structure of both messages."""
    divisions = codes.load("divisions")
    named = {name: codes.load(f"sdmx_{name.lower()}") for name in ("FREQ", "UNIT_MULT", "OBS_STATUS", "CONF_STATUS")}
    listed = {name: {code: one.label(code) or code for code in sorted(one.codes)} for name, one in named.items()}
    listed["REF_AREA"] = {code: divisions.label(code, "zh") or code for code in sorted(divisions.codes)}
    listed["INDICATOR"] = INDICATORS
    return Structure(
        AGENCY, DATAFLOW, VERSION, "监督统计指标", "Supervision indicators", DIMENSIONS, ATTRIBUTES, listed
    )


def first_message(rows: int, seed: int = 1) -> tuple[pa.Table, Ledger]:
    """`rows` monthly observations in SDMX-CSV 1.0 and what was planted among them."""
    rng = np.random.default_rng([seed, 31])
    draw = Draw(FEED, "SDMX-CSV 1.0", rows, seed, rng)
    base = draw.copies(share(rows, 20), share(rows, 20))
    columns = _series(base, "M", seed, rng)
    _spoil(columns, draw, rows)
    table = columns.table().add_column(0, "DATAFLOW", pa.repeat(pa.scalar(_id()), base))
    return pa.concat_tables(
        [table, copied(table, draw.identical), _contradicting(table, draw.conflicting)]
    ), draw.ledger


def second_message(rows: int, seed: int = 1, *, first_rows: int) -> tuple[pa.Table, Ledger]:
    """`rows` rows in SDMX-CSV 2.0: quarterly observations, then deletions of sound ones of the first message."""
    rng = np.random.default_rng([seed, 32])
    draw = Draw(FEED, "SDMX-CSV 2.0", rows, seed, rng)
    merged = draw.before(DELETED + 2)
    columns = _series(merged, "Q", seed, rng)
    _spoil(columns, draw, rows)
    actions = np.where(np.arange(merged) % 10 == 0, "I", "R")
    table = _actions(columns.table(), pa.array(actions.tolist(), pa.string()))
    first, ledger = first_message(first_rows, seed)
    spoilt = {row - 1 for entry in ledger.planted for row in entry.rows}
    # A row that a copy repeats stays: the copy alone is in the ledger.
    keys = join(*(first[name].combine_chunks() for name in (*DIMENSIONS, "TIME_PERIOD")), between="|")
    times = pc.value_counts(keys)
    once = set(pc.filter(times.field("values"), pc.equal(times.field("counts"), 1)).to_pylist())
    sound = [k for k, key in enumerate(keys.to_pylist()) if k not in spoilt and key in once][:DELETED]
    gone = first.take(pa.array(sound)).drop_columns(["DATAFLOW"])
    unknown = gone.slice(0, 2).set_column(
        gone.schema.get_field_index("TIME_PERIOD"), "TIME_PERIOD", pa.array(["2001-01", "2001-02"])
    )
    ends = pa.concat_tables([gone, unknown]).combine_chunks()
    for name in ("OBS_VALUE", *ATTRIBUTES):
        ends = ends.set_column(ends.schema.get_field_index(name), name, pa.nulls(len(ends), pa.string()))
    table = pa.concat_tables([table, _actions(ends, pa.repeat(pa.scalar("D"), len(ends)))])
    draw.note("deletes_what_never_came", "ACTION", "unchanged", np.arange(rows - 2, rows))
    return table, draw.ledger


def write_csv(table: pa.Table, path: Path) -> None:
    """Writes a message: UTF-8, CRLF."""
    sink = pa.BufferOutputStream()
    csv.write_csv(table, sink, csv.WriteOptions(quoting_style="none"))
    text = sink.getvalue().to_pybytes().decode("utf-8").replace('"', "")
    path.write_bytes(text.replace("\n", "\r\n").encode("utf-8"))


def _series(rows: int, frequency: str, seed: int, rng: np.random.Generator) -> Columns:
    """Observations, each with a key of its own."""
    year, periods = closed_year(), {"M": 10, "Q": 3}[frequency]
    units = _units(seed)
    number = np.arange(rows, dtype=np.int64)
    period, rest = number % periods + 1, number // periods
    indicator, unit = rest % len(INDICATORS), rest // len(INDICATORS)
    if rows and unit[-1] >= len(units):
        raise ValueError(f"at most {len(units) * len(INDICATORS) * periods} observations")
    columns = Columns(rows)
    columns["FREQ"] = frequency
    columns["REF_AREA"] = pick(in_use(), unit % len(in_use()))
    columns["REPORTING_UNIT"] = units.uscc(unit)
    columns["INDICATOR"] = pick(list(INDICATORS), indicator)
    columns["TIME_PERIOD"] = join(f"{year}-", digits(period, 2) if frequency == "M" else join("Q", digits(period, 1)))
    columns["OBS_VALUE"] = amounts(np.round(np.exp(rng.normal(8.0, 1.2, rows)) * 100).astype(np.int64))
    columns["UNIT_MEASURE"] = pick(
        ("CNY", "PERSONS"), (indicator == list(INDICATORS).index("STAFF_NUMBER")).astype(np.int64)
    )
    columns["UNIT_MULT"] = pick(("4", "0"), (indicator == list(INDICATORS).index("STAFF_NUMBER")).astype(np.int64))
    columns["DECIMALS"] = "2"
    columns["OBS_STATUS"] = pick(("A", "P", "E"), rng.choice(3, rows, p=[0.9, 0.08, 0.02]))
    columns["CONF_STATUS"] = "F"
    columns["COMMENT_OBS"] = ""
    return columns


def _spoil(columns: Columns, draw: Draw, size: int) -> None:
    at = draw.take("bad_check_digit", "REPORTING_UNIT", "quarantined", share(size, 30))
    columns.replace("REPORTING_UNIT", at, as_text(broken(as_bytes(columns.cells("REPORTING_UNIT", at)))))
    at = draw.take("division_never_existed", "REF_AREA", "quarantined", share(size, 20))
    columns.replace("REF_AREA", at, NEVER[1])
    at = draw.take("unknown_code", "INDICATOR", "quarantined", share(size, 15), "not in the structure's code list")
    columns.replace("INDICATOR", at, "NO_SUCH_INDICATOR")
    at = draw.take("value_missing", "OBS_VALUE", "quarantined", share(size, 15), "status A promises a value")
    columns.replace("OBS_STATUS", at, "A")
    columns.replace("OBS_VALUE", at, "NaN")
    at = draw.take("not_shareable", "CONF_STATUS", "quarantined", share(size, 10))
    columns.replace("CONF_STATUS", at, "C")
    at = draw.take("full_width_digits", "OBS_VALUE", "normalised", share(size, 30))
    columns.replace("OBS_VALUE", at, [full_width(text) for text in columns.cells("OBS_VALUE", at)])
    at = draw.take("informant_number", "COMMENT_OBS", "masked", share(size, 10))
    columns.replace("COMMENT_OBS", at, [f"核实人 {number}" for number in impossible_citizen_numbers(len(at))])
    at = draw.take("secret_mark", "COMMENT_OBS", "refused", share(size, 5))
    columns.replace("COMMENT_OBS", at, "机密★5年")


def _contradicting(table: pa.Table, index: Ints) -> pa.Table:
    rows = copied(table, index)
    changed = join("9", rows["OBS_VALUE"].combine_chunks())
    return rows.set_column(rows.schema.get_field_index("OBS_VALUE"), "OBS_VALUE", changed)


def _actions(table: pa.Table, actions: pa.Array) -> pa.Table:
    table = table.add_column(0, "ACTION", actions)
    table = table.add_column(0, "STRUCTURE_ID", pa.repeat(pa.scalar(_id()), len(table)))
    return table.add_column(0, "STRUCTURE", pa.repeat(pa.scalar("dataflow"), len(table)))


def _units(seed: int) -> Organisations:
    return organisations(400, SUPERVISED, 500_000, np.random.default_rng([seed, 33]))


def _id() -> str:
    return f"{AGENCY}:{DATAFLOW}({VERSION})"
