"""Texts, events and sheets hold for any value at all."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.model import FieldSpec
from hub.canonical import canonical_bytes
from hub.errors import DiskFull
from hub.ids import BatchId
from tests.warehouse.feeds import contract, spec
from warehouse.arrow.columns import flat, has_nul, hexed, json_objects, json_quoted, texts
from warehouse.arrow.copying import csv_of
from warehouse.arrow.fields import Fields
from warehouse.changeset import event_ids, event_type
from warehouse.checking import pages as checked
from warehouse.errors import StoreCorrupt, StoreMissing, StorePathInvalid
from warehouse.loading.event_data import EventEncoder
from warehouse.loading.plan import Plan, Slice
from warehouse.quarantine import sheet
from warehouse.spool import Aside, Spool
from warehouse.store import Store

any_text = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
FIELDS: tuple[FieldSpec, ...] = (
    spec("a"),
    spec("d", "decimal", precision=38, scale=10),
    spec("n", "integer"),
    spec("o", "date"),
    spec("t", "timestamp"),
    spec("b", "boolean"),
)
records = st.fixed_dictionaries(
    {
        "a": any_text,
        "d": st.none() | st.decimals(min_value=-(10**20), max_value=10**20, places=10),
        "n": st.none() | st.integers(-(2**63), 2**63 - 1),
        "o": st.none() | st.dates(date(1, 1, 1), date(9999, 12, 31)),
        "t": st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
        "b": st.none() | st.booleans(),
    }
)
TYPES = {
    "a": pa.string(),
    "d": pa.decimal128(38, 10),
    "n": pa.int64(),
    "o": pa.date32(),
    "t": pa.timestamp("us", "UTC"),
    "b": pa.bool_(),
}


@settings(deadline=None, max_examples=60)
@given(st.lists(any_text, max_size=20), st.integers(0, 3))
def test_json_strings_are_what_json_says(values: list[str | None], offset: int) -> None:
    column = pa.array(values, pa.string()).slice(min(offset, len(values)))
    assert [json.loads(text) for text in json_quoted(column).to_pylist()] == column.to_pylist()
    assert [text.encode() for text in json_quoted(column).to_pylist()] == [
        canonical_bytes(value) for value in column.to_pylist()
    ]
    assert has_nul(column) == any("\0" in value for value in column.to_pylist() if value)


@settings(deadline=None, max_examples=60)
@given(st.lists(records, min_size=1, max_size=20), st.booleans())
def test_events_hold_every_value(rows: list[dict[str, object]], distinct: bool) -> None:
    table = pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in TYPES.items()})
    made = contract(fields=FIELDS)
    if distinct:
        table = table.set_column(0, "a", flat(table.column("a")).dictionary_encode())
    fields = Fields.of(table, FIELDS)
    events = pa.table(
        {
            "record_key": pa.array([str(row["a"]) for row in rows]),
            "revision": pa.array([1] * len(rows), pa.int32()),
            "change": ["recorded"] * len(rows),
            "row": pa.array(range(len(rows)), pa.int64()),
            "hash": ["00"] * len(rows),
        }
    )
    encoded = EventEncoder(made, BatchId("b")).encode(events, fields)
    documents = [one for piece in encoded.slices(3) for one in piece.to_pylist()]
    for row, data in zip(rows, documents, strict=True):
        event = json.loads(data)
        record = event["record"]
        assert event["key"] == str(row["a"])
        assert record["a"] == row["a"] and record["n"] == row["n"] and record["b"] == row["b"]
        assert record["d"] == (
            None if row["d"] is None else format(row["d"], ".10f").replace("-0.0000000000", "0.0000000000")
        )
        assert record["o"] == (None if row["o"] is None else row["o"].isoformat())  # type: ignore[attr-defined]
        assert record["t"] is None or datetime.fromisoformat(record["t"]) == row["t"]
        assert record["t"] is None or record["t"].endswith("Z")


@settings(deadline=None, max_examples=60)
@given(st.lists(any_text, min_size=1, max_size=10))
def test_copy_tells_nothing_from_empty(values: list[str | None]) -> None:
    data = csv_of({"a": pa.array(values, pa.string()), "b": pa.array(["x"] * len(values))}).to_pybytes().decode()
    for value, line in zip(values, _lines(data), strict=True):
        assert line.startswith(",") == (value is None)
    quoted = list(csv.reader(io.StringIO(data, newline="")))
    assert [line[0] for line in quoted] == [value or "" for value in values]


def _lines(data: str) -> list[str]:
    lines, inside, start = [], False, 0
    for at, char in enumerate(data):
        inside ^= char == '"'
        if char == "\n" and not inside:
            lines.append(data[start:at])
            start = at + 1
    return lines


@settings(deadline=None, max_examples=100)
@given(any_text)
def test_a_shown_cell_is_no_formula_and_comes_back(value: str | None) -> None:
    cell = sheet.shown(value)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    if (value and value == sheet.shown(value).removeprefix("'")) or value is None:
        assert sheet.meant(cell) == (value or None)
    for text in ("=1", "'=1", "''=1", "-5", "plain", "'quoted"):
        assert sheet.meant(sheet.shown(text)) == text


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_a_sheet_comes_back_as_it_went_out(tmp_path: Path, ending: str) -> None:
    cells = ["plain", "=1+1", 'a,b"c\nd', "0123", "2024-01-02", "中文", ""]
    path = tmp_path / f"x{ending}"
    sheet.write(path, [f"c{n}" for n in range(len(cells))], [["b", "1", "r", *map(sheet.shown, cells)]])
    columns, rows = sheet.read(path)
    line = next(rows)
    assert columns == [f"c{n}" for n in range(len(cells))]
    assert [sheet.meant(line.cells[name]) or "" for name in columns] == cells


def test_a_sheet_saved_by_a_chinese_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("batch,row,rules,单位\r\nb,1,r,财政局\r\n".encode("gb18030"))
    _, rows = sheet.read(path)
    assert next(rows).cells["单位"] == "财政局"


def test_event_ids_are_unambiguous() -> None:
    ids = event_ids("f", pa.array(["a:1", "a", "x y", "a%3A1"]), pa.array([1, 1, 2, 1], pa.int32())).to_pylist()
    assert ids == ["f:a%3A1:1", "f:a:1", "f:x%20y:2", "f:a%253A1:1"]
    assert event_type("hub.finance.payments.v1") == "finance.payments"
    assert event_type("hub.finance.payments.jurisdiction-3201.v12") == "finance.payments.jurisdiction-3201"


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, 60), max_size=12), st.integers(1, 50))
def test_a_plan_covers_every_row_once(goods: list[int], part_rows: int) -> None:
    pages = [{"page": at, "good": good, "bad": 0} for at, good in enumerate(goods)]
    plan = Plan.made(pages, part_rows=part_rows, empty_table=False, missing=True)
    assert Plan.from_facts(json.loads(json.dumps(plan.as_facts()))) == plan
    assert all(sum(piece.rows for piece in part) <= part_rows for part in plan.parts)
    pieces = [piece for part in plan.parts for piece in part]
    for at, good in enumerate(goods):
        own = [piece for piece in pieces if piece.page == at]
        assert sum(piece.first for piece in own) == 1
        assert [piece.start for piece in own] == [sum(p.rows for p in own[:k]) for k in range(len(own))]
        assert sum(piece.rows for piece in own) == good
    assert Slice(0, 5, 1).first is False


def test_duplicates_keep_every_rule_of_a_row(tmp_path: Path) -> None:
    import numpy as np

    made = checked.Duplicates.made(np.array([9, 3]), {"x": np.array([5, 2]), "y": np.array([5])})
    assert made.identical.tolist() == [3, 9] and made.rejected.tolist() == [2, 5]
    assert made.rules.to_pylist() == [["x"], ["x", "y"]]
    pages = checked.CheckedPages(Store(tmp_path), contract().id, BatchId("b"))
    none = checked.Duplicates.made(np.empty(0, np.int64), {})
    pages.write_duplicates(iter([none, made]))
    assert (pages.duplicates(0).identical.tolist(), pages.duplicates(0).rejected.tolist()) == ([], [])
    back = pages.duplicates(1)
    assert back.rejected.tolist() == [2, 5] and back.rules.to_pylist() == [["x"], ["x", "y"]]
    assert back.identical.tolist() == [3, 9]


def test_what_waits_on_the_disk_has_no_name_and_can_not_be_read(tmp_path: Path) -> None:
    """So that a killed process leaves nothing, for anybody to clean up or to read."""
    tables = [pa.table({"hmac": [f"a trace that is told {at}"] * 50_001}) for at in range(4)]
    aside = Aside(tmp_path)
    for table in tables:
        aside.add(table)
    assert (aside.rows, len(aside._held)) == (200_004, 3) and list(tmp_path.iterdir()) == []
    assert [table.to_pydict() for table in aside] == [table.to_pydict() for table in tables]
    assert aside._spool is not None
    written = os.pread(aside._spool._file.fileno(), 1 << 24, 0)
    assert len(written) > 2_000_000 and b"a trace that is told" not in written
    aside.close()


def test_the_store_is_whole_or_absent(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(RuntimeError), store.writer("a/b") as file:
        file.write(b"half")
        raise RuntimeError
    assert store.list("") == []
    sha256 = store.put("a/b", b"whole")
    assert store.read("a/b", sha256=sha256) == b"whole"
    (tmp_path / "a" / "b").write_bytes(b"bent")
    with pytest.raises(StoreCorrupt):
        store.read("a/b", sha256=sha256)
    with pytest.raises(StoreMissing):
        store.read("a/c")
    for path in ("../x", "/etc/passwd", "a/../../x", ""):
        with pytest.raises(StorePathInvalid):
            store.path(path)
    source = tmp_path / "original"
    source.write_bytes(b"changed meanwhile")
    with source.open("rb") as original, pytest.raises(StoreCorrupt):
        store.keep(original, sha256="0" * 64)
    assert store.list("originals") == []


def test_numbers_and_hex() -> None:
    table = pa.table({"d": pa.array([Decimal("0.0000000000"), Decimal("-1.5")], pa.decimal128(38, 10))})
    assert texts(table, (FIELDS[1],))["d"].to_pylist() == ["0.0000000000", "-1.5000000000"]
    assert hexed(pa.array([b"\x00" * 32], pa.binary(32))).to_pylist() == ["00" * 32]
    assert json_objects({"a": pa.array(["x\0y", None])}).to_pylist() == ['{"a":"x\ufffdy"}', '{"a":null}']


HIDDEN = (
    "\n=1+1",
    " =1+1",
    "\u3000=1",
    "＝1+1",
    "－1",
    "＠x",
    "\u200b=1+1",
    "\ufeff=1+1",
    "\u00a0\u2060+1",
    "\u202e=1",
    "'\n=1",
)


@pytest.mark.parametrize("value", HIDDEN)
def test_a_formula_behind_what_a_spreadsheet_passes_over_is_none(value: str) -> None:
    assert sheet.shown(value) == "'" + value and sheet.meant(sheet.shown(value)) == value


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_a_sheet_is_for_its_owner_alone(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x{ending}"
    for size in (50, 1):  # the second is shorter than what it replaces
        sheet.write(path, ["c"], [["b", str(row), "r", "x"] for row in range(size)])
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert len(list(sheet.read(path)[1])) == size
        path.chmod(0o644)


def test_a_full_disk_is_worth_trying_again(tmp_path: Path) -> None:
    """/dev/full says what a full disk says."""
    place = Store(tmp_path)
    with pytest.raises(DiskFull) as caught, place.writer("a/b") as file:
        file._file.close()
        file._file = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 - the writer closes it
        file.write(b"x")
    assert caught.value.code == "HUB-DSK-001" and "room" in caught.value.remedy()
    assert place.list("") == []
    with Spool(tmp_path) as spool:
        spool._file.close()
        spool._file = Path("/dev/full").open("r+b", buffering=0)  # noqa: SIM115 - the spool closes it
        with pytest.raises(DiskFull):
            spool.put(pa.table({"a": [1]}))
