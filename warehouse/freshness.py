"""How fresh a feed is: the one meaning of it for status, alarms and report.

A feed is as old as what came last: a delivery that landed, whatever became of it since, or a source that was seen to have something
new. That a batch is held, or released later, makes the feed neither staler nor fresher: the sender kept its word when it came.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from contracts.model import FeedContract
from hub import clock
from warehouse.batches import NEW
from warehouse.tables import batch, contract_version, source_look


@dataclass(frozen=True, slots=True)
class Freshness:
    """Of one feed, now."""

    came_at: datetime | None  # when something new came last
    age_hours: float | None  # since then, or since the feed is known; None: it never was
    due_hours: float | None  # promised

    @property
    def fresh(self) -> bool | None:
        """Whether what is here is as fresh as promised; None where nothing is promised or nothing came yet."""
        if self.due_hours is None or self.age_hours is None:
            return None
        return self.age_hours <= self.due_hours


def of(conn: sa.Connection, contract: FeedContract) -> Freshness:
    """The freshness of a feed as the database knows it."""
    feed = contract.id
    found = sa.select(sa.func.max(source_look.c.found_at)).where(source_look.c.feed == feed)
    landed = sa.select(sa.func.max(batch.c.landed_at)).where(batch.c.feed == feed, batch.c.kind.in_(NEW))
    came_at = max(filter(None, (conn.scalar(found), conn.scalar(landed))), default=None)
    known = sa.select(sa.func.min(contract_version.c.first_used_at)).where(contract_version.c.feed == feed)
    since = came_at or conn.scalar(known)
    age = None if since is None else round((clock.now() - since).total_seconds() / 3600, 2)
    return Freshness(came_at, age, contract.sla.freshness_hours)
