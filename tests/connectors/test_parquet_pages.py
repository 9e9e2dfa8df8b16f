"""Parquet as a connector gives it: exact texts, bounded pages, and a name for what has no text."""

import io
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.errors import FileTooLarge, HeaderUnusable, ParquetRefused
from connectors.readers.parquet_pages import parquet_pages
from contracts.page import Around
from hub.settings import settings


def written(table, **more):
    out = io.BytesIO()
    pq.write_table(table, out, **more)
    return out.getvalue()


def pages(table, page_rows=1_000, around=None, **more):
    return list(parquet_pages(written(table, **more), "x.parquet", page_rows, around=around))


def texts(*values, kind=None):
    (page,) = pages(pa.table({"id": [str(at) for at in range(len(values))], "x": pa.array(values, kind)}))
    return page.table.column("x").to_pylist()


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ((1, -2, None), pa.int64(), ["1", "-2", None]),
        ((0.1, 1e21, 1e-7, 3.0, -0.0), pa.float64(), ["0.1", "1000000000000000000000", "0.0000001", "3", "0"]),
        ((0.1,), pa.float32(), ["0.1"]),
        ((Decimal("1.50"), Decimal("-0.01")), pa.decimal128(38, 2), ["1.50", "-0.01"]),
        ((True, False), pa.bool_(), ["true", "false"]),
        ((date(2024, 2, 29),), pa.date32(), ["2024-02-29"]),
        ((datetime(2024, 1, 1, 8, 30),), pa.timestamp("s"), ["2024-01-01T08:30:00"]),
        ((datetime(2024, 1, 1, 8, 30, 0, 250_000),), pa.timestamp("us"), ["2024-01-01T08:30:00.250000"]),
        ((datetime(2024, 1, 1, 0, 30, tzinfo=UTC),), pa.timestamp("us", "Asia/Shanghai"), ["2024-01-01T00:30:00Z"]),
        ((time(8, 30),), pa.time32("s"), ["08:30:00"]),
        (("a", "", None), pa.string(), ["a", None, None]),
        ((b"abc", "中".encode()), pa.binary(), ["abc", "中"]),
        ((None, None), pa.null(), [None, None]),
    ],
)  # fmt: skip
def test_values_are_written_exactly(values, kind, expected):
    assert texts(*values, kind=kind) == expected


def test_dictionaries_are_read_through():
    (page,) = pages(pa.table({"x": pa.array(["a", "b", "a"]).dictionary_encode()}))
    assert page.table.column("x").to_pylist() == ["a", "b", "a"] and page.table.schema.types == [pa.string()]


def test_pages_are_bounded_and_rows_are_numbered_through():
    table = pa.table({"x": [str(at) if at % 10 else None for at in range(2_500)]})
    found = pages(table, 1_000, row_group_size=700)
    assert max(page.table.num_rows for page in found) <= 1_000
    numbers = [number for page in found for number in page.source_rows.to_pylist()]
    assert numbers == [at + 1 for at in range(2_500) if at % 10], "a row without any value is no row"
    assert [number for page in found for number in page.rows.to_pylist()] == list(range(1, 2_251))


def test_a_nul_makes_a_malformed_row():
    (page,) = pages(pa.table({"x": ["a", "b\x00c", "d"]}))
    assert [(line.row, line.source_row, line.text) for line in page.malformed] == [(2, 2, "b\u2400c")]
    assert page.rows.to_pylist() == [1, 3]


@pytest.mark.parametrize(
    "column",
    [pa.array([[1]]), pa.array([{"a": 1}]), pa.array([1], pa.duration("s")), pa.array([b"\xff\xfe"])],
    ids=["list", "struct", "duration", "bytes"],
)
def test_what_has_no_text_is_refused_with_its_name(column):
    with pytest.raises(ParquetRefused, match="strange"):
        pages(pa.table({"strange": column}))


@pytest.mark.parametrize("data", [b"PAR1", b"PAR1" + b"\x00" * 100 + b"PAR1", b"no"])
def test_a_damaged_file_is_refused(data):
    with pytest.raises(ParquetRefused):
        list(parquet_pages(data, "x.parquet", 1_000))


def test_a_file_cut_short_or_with_a_bit_turned_is_refused():
    data = bytearray(
        written(pa.table({"x": ["abc"] * 5_000}), write_page_checksum=True, compression="none", use_dictionary=False)
    )
    with pytest.raises(ParquetRefused):
        list(parquet_pages(bytes(data[:-20]), "x.parquet", 1_000))
    data[len(data) // 2] ^= 0x40
    with pytest.raises(ParquetRefused):
        list(parquet_pages(bytes(data), "x.parquet", 1_000))


@pytest.mark.parametrize("names", [["a", "a"], ["_row"], ["", "b"], ["a\x00"]])
def test_names_that_can_not_be_used(names):
    table = pa.table([pa.array(["1"])] * len(names), names=names)
    with pytest.raises((HeaderUnusable, ParquetRefused)):
        pages(table)


def test_metadata_is_told_to_the_gate():
    around = Around()
    table = pa.table({"x": ["1"]}).replace_schema_metadata({"note": "内部资料 机密", "blob": b"\xff\xfe"})
    pages(table, around=around)
    assert (
        "内部资料 机密" in around.titles and around.unseen == ["metadata that is no text"] and around.headers == ["x"]
    )


def test_what_unpacks_to_more_than_memory_is_refused(monkeypatch):
    monkeypatch.setenv("HUB_MAX_XLSX_BYTES", "100000")
    settings.cache_clear()
    try:
        with pytest.raises(FileTooLarge):
            pages(pa.table({"x": ["a" * 1_000] * 5_000}), compression="zstd", use_dictionary=False)
    finally:
        settings.cache_clear()
