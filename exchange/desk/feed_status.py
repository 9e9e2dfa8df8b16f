"""How a feed stands against its contract: last batch, freshness, lag, quarantine, pause, open alarms. Looks, changes nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from contracts.model import FeedContract
from hub import clock
from warehouse import batches, freshness
from warehouse.batches import Batch
from warehouse.feeds.pausing import Pause, paused
from warehouse.freshness import Freshness
from warehouse.outbox import waiting
from warehouse.tables import alarm, batch, outbox, quarantine, source_look


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """One feed. Ages are in the unit of the promise they are held against; None: not promised, or nothing to measure yet."""

    feed: str
    paused: Pause | None
    last: Batch | None  # newest batch of any kind
    last_new_at: datetime | None  # when a source last had something new
    looked_at: datetime | None  # when a source was last looked at
    age_hours: float | None  # since something new came, or since the feed is known
    freshness_hours: float | None  # promised
    lag_events: int  # committed and not on their topic
    lag_minutes: float  # the oldest of them
    latency_minutes: float | None  # promised
    open_rows: int  # wait in quarantine
    held: int  # batches that wait for a decision
    alarms: tuple[str, ...]  # kinds that are open

    @property
    def fresh(self) -> bool | None:
        """Whether what is here is as fresh as promised; None where nothing is promised or nothing came yet."""
        return Freshness(self.last_new_at, self.age_hours, self.freshness_hours).fresh

    @property
    def in_time(self) -> bool | None:
        """Whether nothing waits longer for its topic than promised; None where nothing is promised."""
        return None if self.latency_minutes is None else self.lag_minutes <= self.latency_minutes

    @property
    def state(self) -> str:
        """In a word: paused · held · stale · late · well · new (nothing came yet)."""
        if self.paused is not None:
            return "paused"
        if self.held:
            return "held"
        if self.fresh is False:
            return "stale"
        if self.in_time is False:
            return "late"
        return "new" if self.last is None else "well"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        found = asdict(self)
        last = self.last
        found["last"] = None
        if last is not None:
            found["last"] = {
                "batch": last.batch_id,
                "kind": last.kind,
                "state": last.state,
                "delivery": last.delivery,
                "opened_at": last.opened_at,
                "loaded_at": last.loaded_at,
                **last.counts.as_dict(),
            }
        return {**found, "state": self.state, "fresh": self.fresh, "in_time": self.in_time}


def status(conn: sa.Connection, contract: FeedContract) -> FeedStatus:
    """The state of a feed as the database knows it."""
    now, feed = clock.now(), contract.id
    newest = batches.recent(conn, feed=feed, limit=1)
    looked_at = conn.scalar(sa.select(sa.func.max(source_look.c.looked_at)).where(source_look.c.feed == feed))
    here = freshness.of(conn, contract)
    lag = (
        sa.select(sa.func.coalesce(sa.func.sum(outbox.c.records), 0), sa.func.min(outbox.c.created_at))
        .join(batch, batch.c.batch_id == outbox.c.batch_id)
        .where(batch.c.feed == feed, waiting())
    )
    events, oldest = conn.execute(lag).one()
    rows = sa.select(sa.func.count()).where(quarantine.c.feed == feed, quarantine.c.state.in_(("open", "fixed")))
    held = sa.select(sa.func.count()).where(batch.c.feed == feed, batch.c.state == "held")
    kinds = sa.select(alarm.c.kind).where(alarm.c.object == feed, alarm.c.cleared_at.is_(None)).order_by(alarm.c.kind)
    return FeedStatus(
        feed=feed,
        paused=paused(conn, feed),
        last=newest[0] if newest else None,
        last_new_at=here.came_at,
        looked_at=looked_at,
        age_hours=here.age_hours,
        freshness_hours=here.due_hours,
        lag_events=int(events),
        lag_minutes=0.0 if oldest is None else round((now - oldest).total_seconds() / 60, 2),
        latency_minutes=contract.sla.latency_minutes,
        open_rows=int(conn.scalar(rows) or 0),
        held=int(conn.scalar(held) or 0),
        alarms=tuple(conn.execute(kinds).scalars()),
    )
