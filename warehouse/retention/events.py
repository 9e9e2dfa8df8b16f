"""Events that stand in the outbox themselves: dead letters that were sent again, and withdrawals of takedowns.

A change set goes as a file; such an event is emptied where it stands. Its entry stays, as that of a change set does, and says
which event it was.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from contracts.model import FeedContract
from warehouse.engine import connection, lock_transaction, transaction
from warehouse.retention.due import as_table, due
from warehouse.tables import outbox, topic

ENTRIES = 1_000
"""Entries of a transaction, which holds their lane's lock."""

_SETTLED_AT = sa.func.coalesce(outbox.c.published_at, outbox.c.skipped_at)

# What is kept names the event; no key of Kafka's, no data.
_EMPTY = sa.func.jsonb_build_object(
    "key", None, "headers", sa.func.jsonb_build_object("ce_id", outbox.c.event["headers"]["ce_id"]), "data", None
)


def purge_events(contracts: list[FeedContract]) -> int:
    """Events that were sent, or passed over by a named person, as long ago as their feed's contract keeps the outbox.

    Returns how many. The hub's own events (alarms) are of no feed, hold nothing of a record, and stay.
    """
    feeds = due(contracts, "outbox")
    if not feeds:
        return 0
    kept = as_table(feeds)
    query = (
        sa.select(outbox.c.lane, outbox.c.seq, kept.c.before)
        .join(topic, topic.c.topic == outbox.c.topic)
        .join(kept, kept.c.feed == topic.c.feed)
        .where(outbox.c.kind == "event", outbox.c.purged_at.is_(None), outbox.c.created_at < kept.c.before)
        .where(kept.c.before > _SETTLED_AT)
        .order_by(outbox.c.lane, outbox.c.seq)
    )
    with connection() as conn:
        by_lane: dict[str, list[Any]] = {}
        for entry in conn.execute(query):
            by_lane.setdefault(entry.lane, []).append(entry)
    count = 0
    for lane, found in by_lane.items():
        for start in range(0, len(found), ENTRIES):
            chunk = found[start : start + ENTRIES]
            count += _emptied(lane, [entry.seq for entry in chunk], min(entry.before for entry in chunk))
    return count


def _emptied(lane: str, numbers: list[int], before: Any) -> int:
    """Empties these entries, unless a rebase made them wait again."""
    columns = outbox.c
    with transaction() as conn:
        lock_transaction(conn, "lane", lane)
        mine = columns.lane == lane, columns.seq.in_(numbers), columns.purged_at.is_(None), before > _SETTLED_AT
        statement = sa.update(outbox).where(*mine).values(event=_EMPTY, purged_at=sa.func.now())
        return conn.execute(statement).rowcount
