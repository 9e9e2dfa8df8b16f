"""Traces on their way into the database: what landed, what was refused, what was masked. Never a body."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from contracts.page import Masking, Refusal
from warehouse.arrow.columns import flat, repeated
from warehouse.arrow.copying import copy_in, csv_of
from warehouse.batches import Batch
from warehouse.landing.pages import LandedPage
from warehouse.tables import landed_object, masking, refusal

_REFUSAL = pa.schema([(name, pa.string()) for name in ("row_no", "unit", "source_row", "rule", "hmac")])
_MASKING = pa.schema([(name, pa.string()) for name in ("row_no", "field", "rule", "action", "hmac")])


def refusal_table(refusals: Sequence[Refusal]) -> pa.Table:
    """Refusals as columns of text, small enough to keep for a whole batch."""
    rows = [
        {
            "row_no": _text(one.row),
            "unit": one.unit,
            "source_row": _text(one.source_row),
            "rule": one.rule,
            "hmac": one.hmac,
        }
        for one in refusals
    ]
    return pa.Table.from_pylist(rows, _REFUSAL)


def masking_table(maskings: Sequence[Masking]) -> pa.Table:
    """Maskings as columns of text."""
    rows = [
        {"row_no": str(one.row), "field": one.field, "rule": one.rule, "action": one.action, "hmac": one.hmac}
        for one in maskings
    ]
    return pa.Table.from_pylist(rows, _MASKING)


def insert_refusals(conn: sa.Connection, batch: Batch, tables: Iterable[pa.Table], sender: str) -> None:
    """Writes refusals of a batch."""
    for table in tables:
        if table.num_rows:
            more = {
                "batch_id": repeated(batch.batch_id, table.num_rows),
                "feed": repeated(batch.feed, table.num_rows),
                "sender": repeated(sender, table.num_rows),
            }
            _copy(conn, refusal, {**more, **_columns(table)})


def insert_maskings(conn: sa.Connection, batch: Batch, tables: Iterable[pa.Table]) -> None:
    """Writes maskings of a batch. A malformed row has no fields; its text stands under an empty field name."""
    for table in tables:
        if table.num_rows:
            # A cell that one rule masked twice is one trace.
            key = ["row_no", "field", "rule"]
            once = table.group_by(key, use_threads=False).aggregate([("action", "first"), ("hmac", "first")])
            once = once.rename_columns([*key, "action", "hmac"])
            _copy(conn, masking, {"batch_id": repeated(batch.batch_id, once.num_rows), **_columns(once)})


def insert_landed(
    conn: sa.Connection,
    batch: Batch,
    pages: Sequence[LandedPage],
    manifest: tuple[str, str, int],
    original: tuple[str, str, int] | None,
) -> None:
    """Writes which files of the store belong to a batch. `manifest` and `original`: path, SHA-256, bytes."""
    rows: list[dict[str, Any]] = [
        {
            "kind": "rows",
            "ordinal": page.ordinal,
            "path": page.path,
            "sha256": page.sha256,
            "bytes": page.bytes,
            "rows": page.rows,
            "unit": page.unit,
        }
        for page in pages
    ]
    for kind, file in (("manifest", manifest), ("original", original)):
        if file is not None:
            path, sha256, size = file
            rows.append(
                {"kind": kind, "ordinal": 0, "path": path, "sha256": sha256, "bytes": size, "rows": 0, "unit": None}
            )
    conn.execute(sa.insert(landed_object), [{"batch_id": batch.batch_id, **row} for row in rows])


def plain(value: Any) -> Any:
    """A connector's facts as canonical JSON takes them: numbers with a fraction become text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def _columns(table: pa.Table) -> dict[str, pa.StringArray]:
    return {name: flat(table.column(name)) for name in table.column_names}


def _copy(conn: sa.Connection, table: sa.Table, columns: Mapping[str, pa.StringArray]) -> None:
    copy_in(conn, table, tuple(columns), csv_of(columns))


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)
