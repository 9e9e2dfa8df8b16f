"""Files that lie at their source and can't be read: how long the hub waits for them.

While one waits every load notes which records it confirmed (`warehouse.loading.late`), for ever where nobody takes it away. So it
waits as long as the contract keeps rows in quarantine, which wait for a person too; then it counts as decided, like what the gate
refused: it is not read again unless it is delivered anew, and so can't overwrite what came since.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from contracts.model import FeedContract
from hub import clock, log
from hub.errors import TransientError
from warehouse.engine import connection, holding
from warehouse.landing.hub_key import hmac_key
from warehouse.landing.known import veiled
from warehouse.retention.due import Due, due
from warehouse.tables import WAITING, batch


def give_up(contracts: list[FeedContract]) -> int:
    """Ends the waiting of unreadable files past their time; returns how many."""
    count = 0
    for one in due(contracts, "quarantine"):
        with connection() as conn:
            if not _waiting(conn, one):
                continue
        try:
            with holding("feed", one.feed, wait=False) as conn, conn.begin():
                found = _waiting(conn, one)
                for row in found:
                    facts = {**row.facts, "given_up_at": clock.now().isoformat()}
                    values = {"appearance": veiled(row.appearance, hmac_key()), "facts": facts}
                    conn.execute(sa.update(batch).where(batch.c.batch_id == row.batch_id).values(values))
        except TransientError:
            continue  # somebody works on the feed: the next night
        for row in found:
            log.get("upkeep").warning(
                "an unreadable file is waited for no longer: it is read again when it is delivered anew",
                feed=one.feed,
                batch=row.batch_id,
            )
        count += len(found)
    return count


def _waiting(conn: sa.Connection, one: Due) -> list[Any]:
    query = sa.select(batch.c.batch_id, batch.c.appearance, batch.c.facts).where(
        batch.c.feed == one.feed, batch.c.state == "refused", batch.c.opened_at < one.before, sa.text(WAITING)
    )
    return list(conn.execute(query).all())
