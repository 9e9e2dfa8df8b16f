"""Rows on their way into the quarantine table, as columns."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from hub.ids import BatchId, FeedId
from warehouse.arrow.columns import flat, repeated
from warehouse.arrow.copying import copy_in, csv_of
from warehouse.tables import quarantine

COLUMNS = ("_row", "_source_row", "_unit", "_key", "_rules", "_raw")

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def insert(conn: sa.Connection, feed: FeedId, batch_id: BatchId, rows: pa.Table) -> int:
    """Writes rows (columns as of `CheckedPage.bad`) into hub.quarantine; returns how many."""
    count = int(rows.num_rows)
    if not count:
        return 0
    columns = {
        "batch_id": repeated(batch_id, count),
        "row_no": flat(rows.column("_row")).cast(pa.string()),
        "feed": repeated(feed, count),
        "unit": _clean(flat(rows.column("_unit"))),
        "source_row": flat(rows.column("_source_row")).cast(pa.string()),
        "record_key": _clean(flat(rows.column("_key"))),
        "rules": array_literals(flat(rows.column("_rules"))),
        "raw": _storable(flat(rows.column("_raw"))),
    }
    copy_in(conn, quarantine, tuple(columns), csv_of(columns))
    return count


def array_literals(lists: pa.ListArray) -> pa.StringArray:
    """Lists of rule ids as PostgreSQL array literals. Rule ids have neither quotation marks nor backslashes."""
    joined = pc.binary_join(lists, '","')
    return pc.binary_join_element_wise(pa.scalar('{"'), joined, pa.scalar('"}'), "")


def _clean(column: pa.StringArray) -> pa.StringArray:
    """Without NUL, which no PostgreSQL text can hold."""
    return pc.replace_substring(column, "\0", "\ufffd")


def _storable(raw: pa.StringArray) -> pa.StringArray:
    """JSON that jsonb takes: an escaped NUL becomes U+FFFD."""
    hit = pc.match_substring(raw, "\\u0000")
    if not pc.any(hit).as_py():
        return raw
    mended = [_NUL.sub(r"\1\\ufffd", value) for value in raw.filter(hit).to_pylist()]
    return pc.replace_with_mask(raw, hit, pa.array(mended, pa.string()))
