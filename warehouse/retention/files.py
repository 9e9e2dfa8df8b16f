"""Files past their time: landed pages and originals, change sets, and what receipts rest on.

A file goes first and is marked as purged after it, so that a crash in between leaves a mark to set, never a file that
nobody looks for. Whether it may go is asked once more in the transaction that marks it: a person may have rebased a
lane, or the same bytes may have come again, since the list was made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from contracts.model import FeedContract
from hub.ids import BatchId, FeedId
from warehouse import batches
from warehouse.engine import connection, lock_transaction, transaction
from warehouse.landing import pages as landing
from warehouse.outbox import waiting
from warehouse.retention.due import as_table, due
from warehouse.store import Store, ipc_options
from warehouse.tables import batch, landed_object, outbox, quarantine, receipt

ENTRIES = 100
"""Change sets that go in one transaction, which holds their lane's lock."""

_SETTLED_AT = sa.func.coalesce(outbox.c.published_at, outbox.c.skipped_at)

_HASHES = pa.schema([("_row", pa.int64()), ("_row_hash", pa.binary(32)), ("_masked", pa.bool_())])


def purge_landed(place: Store, contracts: list[FeedContract]) -> int:
    """Landed pages and originals of batches that have ended, whose events are on their topics and whose rows need no one.

    Returns the batches. The hash of every row is written down before its page goes.
    """
    count = 0
    for batch_id, feed in _ended(contracts):
        with connection() as conn:
            pages, originals, rows = _landed(conn, batch_id)
        if pages:
            _keep_hashes(place, feed, batch_id, pages, rows)
        with transaction() as conn:
            if not conn.scalar(sa.select(_needs_no_one()).where(batch.c.batch_id == batch_id)):
                continue
            for path in pages:
                place.delete(path)
            for path in originals:
                delete_original(conn, place, path, but=batch_id)
            _mark(conn, batch_id, ("rows", "original"))
        place.tidy(landing.folder(feed, batch_id))
        count += 1
    return count


def purge_changes(place: Store, contracts: list[FeedContract]) -> int:
    """Change sets that were sent, or passed over by a named person, as long ago as the contract keeps the outbox.

    Returns how many.
    """
    feeds = due(contracts, "outbox")
    if not feeds:
        return 0
    kept, count = as_table(feeds), 0
    query = (
        sa.select(outbox.c.lane, outbox.c.seq, kept.c.before)
        .join(batch, batch.c.batch_id == outbox.c.batch_id)
        .join(kept, kept.c.feed == batch.c.feed)
        .where(outbox.c.path.is_not(None), outbox.c.purged_at.is_(None), outbox.c.created_at < kept.c.before)
        .where(kept.c.before > _SETTLED_AT)
        .order_by(outbox.c.lane, outbox.c.seq)
    )
    with connection() as conn:
        entries = conn.execute(query).all()
    for lane, group in groupby(entries, key=lambda entry: str(entry.lane)):
        found = list(group)
        for start in range(0, len(found), ENTRIES):
            chunk = found[start : start + ENTRIES]
            count += _changes(place, lane, [entry.seq for entry in chunk], min(entry.before for entry in chunk))
    return count


def purge_proofs(place: Store, contracts: list[FeedContract]) -> list[BatchId]:
    """Manifests and row hashes of batches whose newest receipt is past its time; their rows are yet to go.

    Returns the batches; nothing of them is listed again once their receipts went.
    """
    feeds = due(contracts, "receipts")
    if not feeds:
        return []
    kept, newer = as_table(feeds), receipt.alias()
    query = (
        sa.select(batch.c.batch_id, batch.c.feed)
        .join(receipt, receipt.c.batch_id == batch.c.batch_id)
        .join(kept, kept.c.feed == batch.c.feed)
        .where(receipt.c.version == 1, receipt.c.made_at < kept.c.before, batch.c.state.in_(batches.FINAL))
        .where(~sa.exists().where(newer.c.batch_id == batch.c.batch_id, newer.c.made_at >= kept.c.before))
        .order_by(batch.c.batch_no)
    )
    with connection() as conn:
        found = [(BatchId(batch_id), FeedId(feed)) for batch_id, feed in conn.execute(query)]
    for batch_id, feed in found:
        kinds = ("manifest", "hashes")
        with transaction() as conn:
            for path in _paths(conn, batch_id, kinds):
                place.delete(path)
            _mark(conn, batch_id, kinds)
        place.tidy(landing.folder(feed, batch_id))
    return [batch_id for batch_id, _ in found]


def delete_original(conn: sa.Connection, place: Store, path: str, *, but: BatchId | None = None) -> bool:
    """Removes an original unless a batch (other than `but`) holds it: the same bytes are kept once. In a transaction.

    Whoever lands a delivery holds the same lock from its last look at the original to its commit.
    """
    lock_transaction(conn, "original", path.rpartition("/")[2])
    query = sa.select(landed_object.c.batch_id).where(landed_object.c.path == path, landed_object.c.purged_at.is_(None))
    if any(holder != but for holder in conn.execute(query).scalars()):
        return False
    place.delete(path)
    return True


def _ended(contracts: list[FeedContract]) -> Iterator[tuple[BatchId, FeedId]]:
    """Batches past their landing time of which something is still there."""
    feeds = due(contracts, "landing")
    if not feeds:
        return
    kept = as_table(feeds)
    query = (
        sa.select(batch.c.batch_id, batch.c.feed)
        .join(kept, kept.c.feed == batch.c.feed)
        .join(landed_object, landed_object.c.batch_id == batch.c.batch_id)
        .where(landed_object.c.purged_at.is_(None), landed_object.c.kind.in_(("rows", "original")))
        .where(batch.c.landed_at < kept.c.before, _needs_no_one())
        .group_by(batch.c.batch_id, batch.c.feed, batch.c.batch_no)
        .order_by(batch.c.batch_no)
    )
    with connection() as conn:
        found = conn.execute(query).all()
    yield from ((BatchId(batch_id), FeedId(feed)) for batch_id, feed in found)


def _needs_no_one() -> sa.ColumnElement[bool]:
    """Whether a batch has ended, its entries are on their topics, and none of its rows waits for a person."""
    unsent = sa.exists().where(outbox.c.batch_id == batch.c.batch_id, waiting())
    open_rows = sa.exists().where(quarantine.c.batch_id == batch.c.batch_id, quarantine.c.state.in_(("open", "fixed")))
    return sa.and_(batch.c.state.in_(batches.FINAL), ~unsent, ~open_rows)


def _landed(conn: sa.Connection, batch_id: BatchId) -> tuple[list[str], list[str], int]:
    """Paths of a batch's pages and originals that are not purged, and the rows of those pages."""
    columns = landed_object.c
    query = sa.select(columns.path, columns.kind, columns.rows).where(
        columns.batch_id == batch_id, columns.purged_at.is_(None)
    )
    found = conn.execute(query.order_by(columns.kind, columns.ordinal)).all()
    pages = [(str(row.path), int(row.rows)) for row in found if row.kind == "rows"]
    originals = [str(row.path) for row in found if row.kind == "original"]
    return [path for path, _ in pages], originals, sum(rows for _, rows in pages)


def _paths(conn: sa.Connection, batch_id: BatchId, kinds: tuple[str, ...]) -> list[str]:
    columns = landed_object.c
    query = sa.select(columns.path).where(
        columns.batch_id == batch_id, columns.kind.in_(kinds), columns.purged_at.is_(None)
    )
    return list(conn.execute(query).scalars())


def _mark(conn: sa.Connection, batch_id: BatchId, kinds: tuple[str, ...]) -> None:
    columns = landed_object.c
    conn.execute(
        sa.update(landed_object)
        .where(columns.batch_id == batch_id, columns.kind.in_(kinds), columns.purged_at.is_(None))
        .values(purged_at=sa.func.now())
    )


def _changes(place: Store, lane: str, numbers: list[int], before: Any) -> int:
    """Removes the change sets of these entries, unless a rebase made them wait again."""
    columns = outbox.c
    with transaction() as conn:
        lock_transaction(conn, "lane", lane)
        query = sa.select(columns.seq, columns.path).where(
            columns.lane == lane,
            columns.seq.in_(numbers),
            columns.purged_at.is_(None),
            before > _SETTLED_AT,
        )
        found = conn.execute(query.with_for_update()).all()
        for _, path in found:
            place.delete(path)
        mark = sa.update(outbox).where(columns.lane == lane, columns.seq.in_([seq for seq, _ in found]))
        conn.execute(mark.values(purged_at=sa.func.now()))
    for folder in {path.rpartition("/")[0] for _, path in found}:
        place.tidy(folder)
    return len(found)


def _keep_hashes(place: Store, feed: FeedId, batch_id: BatchId, pages: list[str], rows: int) -> None:
    """Writes the hash of every row down, once: after a crash some pages are gone, and what stands is whole."""
    where = f"{landing.folder(feed, batch_id)}/hashes.arrow"
    if not place.path(where).is_file():
        there = [path for path in pages if place.path(path).is_file()]
        if not there:
            return
        with place.writer(where) as file, pa.ipc.new_file(file, _HASHES, options=ipc_options()) as ipc:
            for path in there:
                ipc.write_table(landing.row_hashes(place, path).cast(_HASHES))
    with place.path(where).open("rb") as written:
        digest, size = hashlib.file_digest(written, "sha256").hexdigest(), written.tell()
    values = {"batch_id": batch_id, "kind": "hashes", "ordinal": 0, "path": where, "sha256": digest}
    with transaction() as conn:
        conn.execute(insert(landed_object).values(**values, bytes=size, rows=rows).on_conflict_do_nothing())
