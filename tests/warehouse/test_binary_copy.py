"""Binary COPY data: PostgreSQL reads back every value that was written, of every type, null and not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.normalise.assembly import Few, RowBytes, grouped
from warehouse.arrow import binary_copy
from warehouse.arrow.columns import bytes_of
from warehouse.arrow.copying import copy_in_binary

pytestmark = pytest.mark.stack

COLUMNS: dict[str, tuple[str, pa.DataType, st.SearchStrategy[Any]]] = {
    "a_text": (
        "text",
        pa.string(),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9),
    ),
    "some_bytes": ("bytea", pa.binary(), st.binary(max_size=9)),
    "a_hash": ("bytea", pa.binary(4), st.binary(min_size=4, max_size=4)),
    "small": ("int4", pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "large": ("int8", pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "truth": ("boolean", pa.bool_(), st.booleans()),
    "a_day": ("date", pa.date32(), st.dates(date(1, 1, 1), date(9999, 12, 31))),
    "instant": (
        "timestamptz",
        pa.timestamp("us", "UTC"),
        st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
    ),
    "money": ("numeric(18,2)", pa.decimal128(18, 2), st.decimals(-(10**15), 10**15, places=2)),
    "whole": ("numeric(38,0)", pa.decimal128(38, 0), st.decimals(-(10**37), 10**37, places=0)),
    "fine": ("numeric(38,10)", pa.decimal128(38, 10), st.decimals(-(10**20), 10**20, places=10)),
    "share": ("numeric(5,5)", pa.decimal128(5, 5), st.decimals(Decimal("-0.99999"), Decimal("0.99999"), places=5)),
}
ROWS = st.lists(st.tuples(*(st.none() | strategy for _, _, strategy in COLUMNS.values())), max_size=12)


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    made = sa.create_engine(database_url)
    with made.begin() as conn:
        described = ", ".join(f"{name} {kind}" for name, (kind, _, _) in COLUMNS.items())
        conn.exec_driver_sql(f"create table t (place int8, {described})")
    yield made
    made.dispose()


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, distinct=st.booleans())
def test_every_value_comes_back(engine: sa.Engine, rows: list[tuple[Any, ...]], distinct: bool) -> None:
    few: list[Few | None] = []
    fragments = []
    for number, (_, kind, _) in enumerate(COLUMNS.values()):
        values = pa.array([row[number] for row in rows], kind)
        if distinct and not pa.types.is_boolean(kind):
            encoded = values.dictionary_encode()
            codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
            few.append(Few.of(codes, len(encoded.dictionary)))
            fragments.append(binary_copy.fragment(encoded.dictionary, few=True))
        else:
            few.append(None)
            fragments.append(binary_copy.fragment(values))
    data = RowBytes(len(rows)).word(binary_copy.row_start(1 + len(COLUMNS)))
    data.column(*binary_copy.fragment(pa.array(range(len(rows)), pa.int64())).bodies)
    data.columns(grouped(few, len(rows) * 100), fragments)
    with engine.begin() as conn:
        conn.exec_driver_sql("truncate t")
        copy_in_binary(conn, "t", ("place", *COLUMNS), data)
        assert data.lengths().sum() == sum(len(bytes_of(piece)) for piece in data.slices(2))
        found = conn.exec_driver_sql("select * from t order by place").all()
    assert [tuple(row[1:]) for row in found] == rows
