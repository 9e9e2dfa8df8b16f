from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.checks import canonical
from contracts.normalise.column import FieldColumn, text_column
from contracts.normalise.texts import canonical_text
from tests.kernels.making import check, contract, spec

TEXT = st.one_of(st.none(), st.text("a|\\\n=中", max_size=4))
ROWS = st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=12)


def columns(rows: list[tuple[str | None, ...]], distinct: bool = False) -> list[FieldColumn]:
    found = []
    for at, name in enumerate("cab"):
        texts = text_column(pa.array([row[at] for row in rows], pa.string()), distinct=distinct)
        found.append(FieldColumn(spec(name), texts, texts.values))
    return found


def naive_record(row: tuple[str | None, ...]) -> bytes:
    named = sorted((name, text) for name, text in zip("cab", row, strict=True) if text is not None)
    head = hashlib.sha256("".join(f"{name}\n" for name, _ in named).encode()).digest()
    escaped = [text.replace("\\", "\\\\").replace("\n", "\\n").encode() for _, text in named]
    return b"\n".join([head, *escaped])


@given(ROWS, st.booleans())
@settings(max_examples=100)
def test_record_bytes_are_as_written_down(rows: list[tuple[str | None, ...]], distinct: bool) -> None:
    found = canonical.record_bytes(columns(rows, distinct))
    assert found == [naive_record(row) for row in rows]
    hashes = canonical.record_hashes(columns(rows, distinct), None).to_pylist()
    assert hashes == [hashlib.sha256(record).digest() for record in found]


@given(ROWS, st.booleans())
@settings(max_examples=100)
def test_two_records_give_the_same_bytes_only_if_they_are_the_same(
    rows: list[tuple[str | None, ...]], distinct: bool
) -> None:
    found = canonical.record_bytes(columns(rows, distinct))
    assert len(set(found)) == len(set(rows))


@given(ROWS, st.booleans(), st.data())
def test_kept_rows_hash_as_they_do_among_all(
    rows: list[tuple[str | None, ...]], distinct: bool, data: st.DataObject
) -> None:
    keep = np.array(sorted(data.draw(st.sets(st.integers(0, len(rows) - 1)))), dtype=np.intp)
    every = canonical.record_hashes(columns(rows, distinct), None).to_pylist()
    some = canonical.record_hashes(columns(rows, distinct), keep).to_pylist()
    assert some == [every[at] for at in keep]


@given(
    st.lists(st.tuples(st.text("a|\\", max_size=4), st.text("a|\\", max_size=4)), min_size=1, max_size=12),
    st.booleans(),
)
@settings(max_examples=100)
def test_keys_of_different_parts_differ(rows: list[tuple[str, str]], distinct: bool) -> None:
    parts = []
    for at in range(2):
        texts = text_column(pa.array([row[at] for row in rows], pa.string()), distinct=distinct)
        parts.append(FieldColumn(spec("k"), texts, texts.values))
    keys = canonical.key_texts(parts).to_pylist()
    assert len(set(keys)) == len(set(rows))
    assert keys == ["|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in row) for row in rows]


def test_hash_is_the_same_for_ever() -> None:
    """The bytes of this record were written down when the form was settled: this test may never be changed."""
    made = contract(
        [
            spec("id"),
            spec("amount", "decimal", precision=18, scale=2),
            spec("rate", "decimal", precision=12, scale=8),
            spec("paid_on", "date"),
            spec("at", "timestamp"),
            spec("open", "boolean"),
            spec("count", "integer"),
            spec("note"),
        ]
    )
    checked = check(
        made,
        {
            "id": ["a|b"],
            "amount": ["-0.5"],
            "rate": ["0"],
            "paid_on": ["20240301"],
            "at": ["2024-03-01T00:00:00+08:00"],
            "open": ["TRUE"],
            "count": ["007"],
            "note": [None],
        },
    )
    text = "-0.50\n2024-02-29T16:00:00.000000Z\n7\na|b\ntrue\n2024-03-01\n0.00000000"
    head = hashlib.sha256(b"amount\nat\ncount\nid\nopen\npaid_on\nrate\n").digest()
    assert checked.good["_hash"].to_pylist() == [hashlib.sha256(head + b"\n" + text.encode()).digest()]
    assert checked.good["_key"].to_pylist() == ["a\\|b"]
    assert checked.good["_hash"][0].as_py().hex() == "fbfa870d6c8e781e5b1236965f0923af8ad7faa919a06995343c6f0def0b42ad"


def test_an_optional_field_more_and_another_order_change_no_hash() -> None:
    row = {"id": ["1"], "name": ["x"]}
    one = check(contract([spec("id"), spec("name")]), row)
    two = check(contract([spec("name"), spec("remark"), spec("id")]), row)
    assert one.good["_hash"].to_pylist() == two.good["_hash"].to_pylist()


VERSIONS = {
    "integer": [-(10**18), -12, -9, -1, 0, 1, 9, 10, 10**18],
    "decimal": [
        Decimal("-1000.5"),
        Decimal("-1000.25"),
        Decimal(-1),
        Decimal(0),
        Decimal("0.01"),
        Decimal(7),
        Decimal(10),
    ],
    "date": [date(1999, 12, 31), date(2024, 1, 1), date(2024, 1, 2)],
    "timestamp": [
        datetime(2024, 1, 1, tzinfo=UTC),
        datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime(2025, 1, 1, tzinfo=UTC),
    ],
}


def test_versions_sort_as_text() -> None:
    for kind, values in VERSIONS.items():
        field = spec("v", kind, precision=18, scale=2)
        from contracts.checks.schema import arrow_type

        typed = pa.array(values, arrow_type(field))
        column = FieldColumn(field, text_column(canonical_text(typed)), typed)
        texts = canonical.version_texts(column).to_pylist()
        assert texts == sorted(texts), kind
        assert len(set(texts)) == len(values), kind
