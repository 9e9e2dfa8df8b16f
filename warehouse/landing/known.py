"""Deliveries that were taken before: the same again is no new batch, and an empty pull makes none."""

from __future__ import annotations

import hmac
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
_PLACE = sa.func.coalesce(batch.c.order_no, batch.c.batch_no)


def known_appearances(conn: sa.Connection, feed: FeedId, source: str) -> frozenset[str]:
    """Appearances of all files of a source that were taken: connectors that keep files pass over them.

    Refused ones are not among them: they are read again, since the contract may have been corrected since.
    """
    query = sa.select(batch.c.appearance).where(*_taken(feed, source), batch.c.appearance.is_not(None))
    return frozenset(conn.execute(query).scalars())


def last_word(conn: sa.Connection, feed: FeedId, source: str) -> Batch | None:
    """The batch of the delivery that a source brought last, by the order of loads, or None.

    None also where a file came since that could not be read and may be one day: after it the same again says something,
    and must be there to be told from the file when that is read.
    """
    place = _PLACE.desc()
    found = conn.execute(
        sa.select(batch.c.batch_id, _PLACE).where(*_taken(feed, source)).order_by(place).limit(1)
    ).first()
    if found is None:
        return None
    since = sa.select(batch.c.batch_no).where(*_waits(feed, source), found[1] < _PLACE).limit(1)
    return batches.get(conn, BatchId(found[0])) if conn.scalar(since) is None else None


def already_taken(conn: sa.Connection, here: Batch, delivery: Delivery) -> Batch | None:
    """The batch that took the same delivery before, or None.

    A delivery is the same when it equals the one before it: a source that goes from A to B and back to A says something
    new each time. In a backfill also a file that was taken in its time.
    """
    if delivery.sha256 is None:
        return None
    if here.kind == "backfill" and delivery.appearance is not None:
        met = sa.select(batch.c.batch_id).where(
            *_taken(here.feed, here.source), batch.c.appearance == delivery.appearance
        )
        found = conn.scalar(met.limit(1))
        if found is not None:
            return batches.get(conn, BatchId(found))
    latest = last_word(conn, here.feed, here.source)
    return latest if latest is not None and latest.delivery_sha256 == delivery.sha256 else None


def _taken(feed: FeedId, source: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (batch.c.feed == feed, batch.c.source == source, batch.c.state.in_(_TAKEN), batch.c.kind.in_(_NEW))


def _waits(feed: FeedId, source: str) -> tuple[sa.ColumnElement[bool], ...]:
    """Files that were refused, or could not be read, and have not been read since."""
    return (
        batch.c.feed == feed,
        batch.c.source == source,
        batch.c.state == "refused",
        batch.c.kind == "pull",
        batch.c.appearance.is_not(None),
    )


def veiled(appearance: str, key: bytes) -> str:
    """An appearance as it is kept of what the gate refused: whoever has the file can't look for its hash."""
    return f"hmac:{hmac.digest(key, f'appearance:{appearance}'.encode(), 'sha256').hex()}"


def settle(conn: sa.Connection, here: Batch, delivery: Delivery, key: bytes) -> int:
    """Ends the waiting of a file that is taken now; returns its place in the order of loads: where it first came.

    A file that couldn't be read and can be since the contract was corrected comes after newer ones, and is older. Once
    it was read, the same file put back later is news: the batches that waited for it no longer bear its appearance.
    """
    if delivery.appearance is None:
        return here.order_no
    same = batch.c.appearance.in_((delivery.appearance, veiled(delivery.appearance, key)))
    waiting = sa.update(batch).where(*_waits(here.feed, here.source), same).values(appearance=None).returning(_PLACE)
    first = min(conn.execute(waiting).scalars(), default=here.order_no)
    return int(first) if here.kind == "pull" else here.order_no


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
