"""Rows that the checks let pass and that are quarantined all the same, with their raw values from the landed pages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from hub.ids import BatchId
from warehouse.arrow.columns import flat
from warehouse.batches import Batch
from warehouse.checking.pages import CheckedPages, Duplicates, is_row_of
from warehouse.landing import pages as landing
from warehouse.loading.unfit import Unfit
from warehouse.quarantine.rows import COLUMNS
from warehouse.store import Store
from warehouse.tables import landed_object


def rejected_of(pages: CheckedPages, batch: Batch, page: int, duplicates: Duplicates) -> pa.Table | None:
    """A page's rows that another row of the batch makes unbelievable, with their rules; None where there is none."""
    if not len(duplicates.rejected):
        return None
    rows = flat(pages.column(page, "_row"))
    hit = pa.array(is_row_of(rows, duplicates.rejected))
    rows = rows.filter(hit)
    if not len(rows):
        return None
    keys = flat(pages.column(page, "_key")).filter(hit)
    rules = duplicates.rules.take(pa.array(np.searchsorted(duplicates.rejected, rows.to_numpy())))
    return _with_raw(pages.store, batch, page, pa.table({"_row": rows, "_key": keys, "_rules": rules}))


def unfit_rows(store: Store, batch: Batch, page: int, unfit: Sequence[Unfit]) -> pa.Table:
    """Rows of a page that can't be stored or sent, each with the rule that says why."""
    ordered = sorted(unfit, key=lambda one: one.row)
    table = {
        "_row": pa.array([one.row for one in ordered], pa.int64()),
        "_key": pa.array([one.key for one in ordered], pa.string()),
        "_rules": pa.array([[one.rule] for one in ordered], pa.list_(pa.string())),
    }
    return _with_raw(store, batch, page, pa.table(table))


def landed_pages(conn: sa.Connection, batch_id: BatchId) -> list[tuple[str, int]]:
    """(path, rows) of a batch's landed pages in order."""
    query = (
        sa.select(landed_object.c.path, landed_object.c.rows)
        .where(landed_object.c.batch_id == batch_id, landed_object.c.kind == "rows")
        .order_by(landed_object.c.ordinal)
    )
    return [(str(path), int(count)) for path, count in conn.execute(query)]


def _with_raw(store: Store, batch: Batch, page: int, rows: pa.Table) -> pa.Table:
    raw = landing.read_rows(
        store, landing.page_path(batch.feed, batch.batch_id, page), flat(rows.column("_row")).to_numpy()
    )
    rows = rows.take(pc.index_in(flat(raw.column("_row")), flat(rows.column("_row"))))
    return (
        raw.append_column("_key", rows.column("_key"))
        .append_column("_rules", rows.column("_rules"))
        .select(list(COLUMNS))
    )
