"""What a load that comes late must not undo: replays, releases, and files that could be read only after newer ones.

A source version says which of two contents is newer. Where a feed has none, or two are equal, the order of deliveries
does: the table says which batch wrote a record, but not which later ones brought it as it was. That is noted in `hub.confirmed`, and
only while something of the feed waits: a record with a row in quarantine, every record while a batch is held or a file
lies at its source that could not be read. What the gate refused doesn't wait: it comes late no more. A correction that changes a record's key is judged by what the table says alone.

A snapshot needs no notes. When a newer one of its source is loaded, all that the older says of any key is old, except
where every newer one has its own row of the key in quarantine: one that has it, or no longer has it, spoke of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from psycopg import sql

from contracts.model import FeedContract
from contracts.normalise.buffers import Mask
from warehouse.arrow.columns import flat
from warehouse.arrow.copying import copy_out
from warehouse.batches import NEW, Batch
from warehouse.engine import driver
from warehouse.loading import merge
from warehouse.tables import WAITING

_KEYS = pa.schema([("key", pa.string())])


@dataclass(frozen=True, slots=True)
class Later:
    """Of which keys a later delivery spoke."""

    keys: pa.StringArray
    others: bool  # not of these: of all others

    def spoke_of(self, keys: pa.StringArray) -> Mask:
        """Which of the keys."""
        listed: Mask = pc.is_in(keys, value_set=self.keys).to_numpy(zero_copy_only=False)
        return ~listed if self.others else listed


@dataclass(frozen=True, slots=True)
class Waiting:
    """What may yet come late, and must then know what was confirmed meanwhile."""

    keys: pa.StringArray  # of rows in quarantine
    every: bool  # a whole delivery waits: any key may be in it


def is_late(batch: Batch) -> bool:
    """Whether a batch's place in the order is not its own."""
    return batch.order_no != batch.batch_no


def later_than(conn: sa.Connection, contract: FeedContract, batch: Batch) -> Later | None:
    """What later deliveries spoke of; None for a batch that isn't late. In a transaction."""
    if not is_late(batch):
        return None
    newer = newer_snapshot(conn, contract, batch)
    if newer:
        query = sql.SQL(
            f"with newer as materialized ({_NEWER_SNAPSHOTS}) select q.record_key"  # noqa: S608 - a constant
            " from hub.quarantine q join newer using (batch_id) where q.record_key is not null"
            " group by q.record_key having count(distinct q.batch_id) = (select count(*) from newer)"
        )
    else:
        query = sql.SQL("select record_key from hub.confirmed where feed = {feed} and order_no > {order}")
    return Later(_keys(conn, query, batch), others=newer)


_NEWER_SNAPSHOTS: LiteralString = (
    "select batch_id from hub.batch where feed = {feed} and source = {source} and state = 'loaded'"
    " and (kind = any({new}) or (facts->>'whole')::boolean) and coalesce(order_no, batch_no) > {order}"
)


def newer_snapshot(conn: sa.Connection, contract: FeedContract, batch: Batch) -> bool:
    """Whether a newer snapshot of the batch's source is loaded."""
    if contract.completeness != "snapshot" or not is_late(batch):
        return False
    return bool(_rows(conn, sql.SQL(f"{_NEWER_SNAPSHOTS} limit 1"), batch).num_rows)


def waiting(conn: sa.Connection, contract: FeedContract, batch: Batch) -> Waiting | None:
    """What of the feed waits; None where nothing does, or where no notes are needed. In a transaction.

    Where nothing waits any more the notes go.
    """
    if contract.completeness != "snapshot":
        every = bool(conn.scalar(_DELIVERY_WAITS, {"feed": batch.feed}))
        query = "select distinct record_key from hub.quarantine where feed = {feed} and state in ('open', 'fixed') and record_key is not null"
        keys = _keys(conn, sql.SQL(query), batch)
        if every or len(keys):
            return Waiting(keys, every)
    if not is_late(batch):  # a late one may be just what the notes were kept for
        conn.execute(sa.text("delete from hub.confirmed where feed = :feed"), {"feed": batch.feed})
    return None


_DELIVERY_WAITS = sa.text(f"select exists (select from hub.batch where feed = :feed and {WAITING})")  # noqa: S608 - a constant


def confirm(conn: sa.Connection, batch: Batch, waits: Waiting, keys: pa.StringArray) -> None:
    """Notes that the batch brought these keys and nothing new of them. `merge.prepare` came before in the transaction."""
    if not waits.every:
        keys = keys.filter(pc.is_in(keys, value_set=waits.keys))
    if not len(keys):
        return
    merge.fill_keys(conn, [keys])
    statement = sql.SQL(
        "insert into hub.confirmed as c (feed, record_key, order_no) select {feed}, key, {order} from page_keys"
        " on conflict (feed, record_key) do update set order_no = excluded.order_no where c.order_no < excluded.order_no"
    ).format(feed=sql.Literal(batch.feed), order=sql.Literal(batch.order_no))
    with driver(conn).cursor() as cursor:
        cursor.execute(statement)


def forget(conn: sa.Connection, batch: Batch, keys: pa.StringArray) -> None:
    """Removes the notes on keys whose records a late batch has replaced, which it could by a newer version alone: they are about what held before.
    `merge.prepare` came before in the transaction."""
    merge.fill_keys(conn, [keys])
    gone = sql.SQL("delete from hub.confirmed c using page_keys k where c.feed = {feed} and c.record_key = k.key")
    with merge.by_key(conn), driver(conn).cursor() as cursor:
        cursor.execute(gone.format(feed=sql.Literal(batch.feed)))


def _keys(conn: sa.Connection, query: sql.SQL, batch: Batch) -> pa.StringArray:
    return flat(_rows(conn, query, batch).column(0))


def _rows(conn: sa.Connection, query: sql.SQL, batch: Batch) -> pa.Table:
    filled = query.format(
        feed=sql.Literal(batch.feed),
        source=sql.Literal(batch.source),
        order=sql.Literal(batch.order_no),
        new=sql.Literal(list(NEW)),
    )
    return copy_out(conn, filled, _KEYS)
