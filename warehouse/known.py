"""Deliveries that were taken before: the same bytes again are no new batch, and an empty pull makes none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from connectors.base import Delivery
from contracts.model import FeedContract
from hub.ids import BatchId, FeedId
from warehouse import batches
from warehouse.batches import Batch
from warehouse.tables import batch, cursor, source_look

_TAKEN = ("landed", "checked", "loading", "loaded", "held", "released", "rejected")
_NEW = ("pull", "push", "backfill")  # kinds that bring something from outside


def known_deliveries(conn: sa.Connection, feed: FeedId, source: str) -> frozenset[str]:
    """SHA-256 of all deliveries of a source that were taken: connectors that keep files pass over them.

    Refused ones are not among them: they are read again, since the contract may have been corrected since.
    """
    query = sa.select(batch.c.delivery_sha256).where(
        batch.c.feed == feed,
        batch.c.source == source,
        batch.c.state.in_(_TAKEN),
        batch.c.kind.in_(_NEW),
        batch.c.delivery_sha256.is_not(None),
    )
    return frozenset(conn.execute(query).scalars())


def already_taken(conn: sa.Connection, here: Batch, delivery: Delivery) -> Batch | None:
    """The batch that took the same bytes before, or None.

    A file counts as the same whenever it came. A pull only when it equals the pull before it: a source that goes
    from A to B and back to A says something new each time.
    """
    if delivery.sha256 is None:
        return None
    same_source = (batch.c.feed == here.feed, batch.c.source == here.source, batch.c.batch_id != here.batch_id)
    taken = (*same_source, batch.c.state.in_(_TAKEN), batch.c.kind.in_(_NEW))
    newest = sa.select(batch.c.batch_id, batch.c.delivery_sha256).where(*taken).order_by(batch.c.batch_no.desc())
    if delivery.original is not None:
        newest = newest.where(batch.c.delivery_sha256 == delivery.sha256)
    row = conn.execute(newest.limit(1)).first()
    if row is None or row[1] != delivery.sha256:
        return None
    return batches.get(conn, BatchId(row[0]))


def taken_as(conn: sa.Connection, feed: FeedId, source: str, sha256: str) -> Batch | None:
    """The batch that took a file of that hash, or None."""
    query = (
        sa.select(batch.c.batch_id)
        .where(
            batch.c.feed == feed,
            batch.c.source == source,
            batch.c.state.in_(_TAKEN),
            batch.c.kind.in_(_NEW),
            batch.c.delivery_sha256 == sha256,
        )
        .order_by(batch.c.batch_no.desc())
        .limit(1)
    )
    found = conn.scalar(query)
    return None if found is None else batches.get(conn, BatchId(found))


def refused_before(conn: sa.Connection, contract: FeedContract, source: str, identity: str | None) -> Batch | None:
    """The batch in which the same delivery was refused under the same contract, or None."""
    if identity is None:
        return None
    query = (
        sa.select(batch.c.batch_id)
        .where(
            batch.c.feed == contract.id,
            batch.c.source == source,
            batch.c.state == "refused",
            batch.c.contract_sha256 == contract.sha256,
            batch.c.delivery_sha256 == identity,
        )
        .order_by(batch.c.batch_no.desc())
        .limit(1)
    )
    found = conn.scalar(query)
    return None if found is None else batches.get(conn, BatchId(found))


def cursor_of(conn: sa.Connection, feed: FeedId, source: str) -> Mapping[str, Any] | None:
    """Where the next pull of a source starts; None before the first."""
    value = conn.scalar(sa.select(cursor.c.value).where(cursor.c.feed == feed, cursor.c.source == source))
    return None if value is None else dict(value)


def note_look(
    conn: sa.Connection, feed: FeedId, source: str, cursor_after: Mapping[str, Any] | None, *, found: bool
) -> None:
    """Notes that a source was looked at. Where nothing was found there is no batch to move the cursor, so it moves here."""
    now = sa.func.now()
    values: dict[str, Any] = {"looked_at": now, "empty_looks": 0} if found else {"looked_at": now}
    if found:
        values["found_at"] = now
    statement = insert(source_look).values(feed=feed, source=source, **{"empty_looks": int(not found), **values})
    update = dict(values) if found else {**values, "empty_looks": source_look.c.empty_looks + 1}
    conn.execute(statement.on_conflict_do_update(index_elements=["feed", "source"], set_=update))
    if found or cursor_after is None:
        return
    moved = {"value": dict(cursor_after), "moved_at": now}
    conn.execute(
        insert(cursor)
        .values(feed=feed, source=source, batch_id="", **moved)
        .on_conflict_do_update(index_elements=["feed", "source"], set_=moved)
    )
