"""What the last transaction of a batch writes besides its rows: the cursor, the receipt, and the next receipt of its parent and of
every other batch whose rows it took along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hub.ids import BatchId
from warehouse import batches, receipt, tables
from warehouse.batches import Batch
from warehouse.tables import cursor


def finish(conn: sa.Connection, batch: Batch, *, last_change_set: Mapping[str, Any] | None = None) -> None:
    """Closes the books on a batch that was just loaded or held. Raises CountsDontAddUp: then nothing is committed."""
    batch.check_sum()
    move_cursor(conn, batch)
    receipt.make(conn, batch, last_change_set=last_change_set)
    if batch.parent_batch is not None:
        for one in dict.fromkeys((batch.parent_batch, *_took_from(conn, batch))):
            receipt.make(conn, batches.get(conn, one))


def _took_from(conn: sa.Connection, batch: Batch) -> list[BatchId]:
    """The batches of which a rerun took waiting rows along; of another batch it is its parent alone."""
    if batch.kind != "rerun":
        return []
    rows = tables.quarantine.c
    query = sa.select(rows.batch_id).where(
        rows.batch_id.in_(batches.family(conn, batch.batch_id)), rows.replay_batch == batch.batch_id
    )
    return [BatchId(one) for one in conn.scalars(query.distinct().order_by(rows.batch_id))]


def move_cursor(conn: sa.Connection, batch: Batch) -> None:
    """Moves the source's cursor to where the batch ended. Only a pull of what is new moves it, never a backfill."""
    if batch.kind != "pull" or batch.cursor_after is None:
        return
    values = {"value": dict(batch.cursor_after), "batch_id": batch.batch_id, "moved_at": sa.func.now()}
    # The row that is there already: as a plain name, or the subquery would list the whole table of cursors.
    there = sa.literal_column("hub.cursor.batch_id", sa.Text)
    mover = sa.select(tables.batch.c.batch_no).where(tables.batch.c.batch_id == there).scalar_subquery()
    conn.execute(
        insert(cursor)
        .values(feed=batch.feed, source=batch.source, **values)
        # An older batch that is loaded late doesn't turn the cursor back. Which is older is told by the database's
        # count: batch ids follow the clock, which may be set back.
        .on_conflict_do_update(
            index_elements=["feed", "source"], set_=values, where=sa.func.coalesce(mover, 0) <= batch.batch_no
        )
    )
