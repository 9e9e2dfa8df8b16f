"""What outsiders see of the relay: events published, dead letters, transactions on the traces of their batches, lag by lane."""

from __future__ import annotations

import time
from collections import Counter

import sqlalchemy as sa

from exchange.relay.sending import Plan
from hub import clock, telemetry
from hub.telemetry import Span
from warehouse.engine import connection
from warehouse.tables import lane, outbox, relay_position

LAG_SECONDS = 10.0
"""How often a relay that serves tells the lag of every lane."""


def sent(lane_id: str, plan: Plan, seconds: float) -> None:
    """A transaction that was committed and noted, `seconds` after it began."""
    if not telemetry.active():
        return
    telemetry.figure("hub.events.published", plan.events, lane=lane_id)
    telemetry.figure("hub.transaction.duration", seconds, lane=lane_id)
    ended = time.time_ns()
    began = ended - int(seconds * 1e9)
    of_batch: Counter[str] = Counter()
    for piece in plan.pieces:
        if piece.entry.batch_id is not None:
            of_batch[piece.entry.batch_id] += len(piece.values)
    for batch, events in of_batch.items():
        span = Span("publish", began, ended, {"lane": lane_id, "batch": batch, "events": events})
        telemetry.trace(span, batch, follows=True)


def buried(lane_id: str) -> None:
    """An event that went to the dead letters."""
    telemetry.figure("hub.dead_letters", 1, lane=lane_id)


class Lags:
    """Tells what waits in every lane, now and then."""

    def __init__(self) -> None:
        self._due = 0.0

    def tell(self) -> None:
        """Tells it when it is due. Raises DatabaseUnavailable."""
        if time.monotonic() < self._due or not telemetry.active():
            return
        self._due = time.monotonic() + LAG_SECONDS
        now = clock.now()
        with connection() as conn:
            for name, events, oldest in conn.execute(_LAGS):
                telemetry.figure("hub.lag.events", int(events), lane=name)
                waited = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
                telemetry.figure("hub.lag.seconds", waited, lane=name)


_SEQ = sa.func.coalesce(relay_position.c.seq, 0)
_BEGUN = sa.case((outbox.c.seq == _SEQ, relay_position.c.record), else_=0)
_LAGS = (
    sa.select(
        lane.c.lane, sa.func.coalesce(sa.func.sum(outbox.c.records - _BEGUN), 0), sa.func.min(outbox.c.created_at)
    )
    .join_from(lane, relay_position, relay_position.c.lane == lane.c.lane, isouter=True)
    .join(
        outbox,
        sa.and_(
            outbox.c.lane == lane.c.lane,
            outbox.c.seq >= _SEQ,
            sa.or_(outbox.c.seq > _SEQ, outbox.c.records > relay_position.c.record),
        ),
        isouter=True,
    )
    .group_by(lane.c.lane)
)
"""Every lane, also one in which nothing waits, by the position that PostgreSQL noted."""
