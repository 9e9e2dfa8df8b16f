"""Feeds that a named person paused: nothing is pulled of them, by Airflow or by hand, until somebody lets them run again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hub.ids import FeedId
from warehouse import acts
from warehouse.engine import transaction
from warehouse.errors import FeedPaused
from warehouse.tables import feed_pause


@dataclass(frozen=True, slots=True)
class Pause:
    """Who paused a feed, when and why."""

    operator: str
    reason: str
    paused_at: datetime


def pause(feed: FeedId, *, operator: str, reason: str) -> Pause:
    """Pauses a feed; what is on its way goes on to its end. One that is paused stays as it was. Raises OperatorMissing."""
    by = acts.named("pause", operator, reason)
    with transaction() as conn:
        values = {"feed": feed, "operator": by[0], "reason": by[1]}
        statement = insert(feed_pause).values(values).on_conflict_do_nothing().returning(feed_pause.c.feed)
        if conn.execute(statement).first() is not None:
            acts.note(conn, "pause", feed, by)
        found = paused(conn, feed)
        assert found is not None
        return found


def resume(feed: FeedId, *, operator: str, reason: str) -> bool:
    """Lets a feed run again; whether it was paused. Raises OperatorMissing."""
    by = acts.named("resume", operator, reason)
    with transaction() as conn:
        done = conn.execute(sa.delete(feed_pause).where(feed_pause.c.feed == feed))
        if done.rowcount:
            acts.note(conn, "resume", feed, by)
        return bool(done.rowcount)


def paused(conn: sa.Connection, feed: FeedId) -> Pause | None:
    """Whether a feed is paused, and by whom."""
    query = sa.select(feed_pause.c.operator, feed_pause.c.reason, feed_pause.c.paused_at)
    row = conn.execute(query.where(feed_pause.c.feed == feed)).first()
    return None if row is None else Pause(*row)


def must_run(conn: sa.Connection, feed: FeedId) -> None:
    """Raises FeedPaused."""
    found = paused(conn, feed)
    if found is not None:
        raise FeedPaused(feed=feed, operator=found.operator, reason=found.reason)
