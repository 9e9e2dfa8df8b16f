"""Waiting until what was loaded is on its topics: the outbox says so after the relay's Kafka commit."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

import sqlalchemy as sa

from exchange.errors import PublicationLate
from hub.ids import BatchId
from warehouse.engine import connection
from warehouse.errors import DatabaseUnavailable
from warehouse.outbox import waiting
from warehouse.tables import outbox


@dataclass(frozen=True, slots=True)
class Published:
    """What is on its topics of the batches that were asked for."""

    entries: int
    events: int
    waiting: int  # entries
    skipped: int = 0  # entries that a rebase passed over: nobody sends them
    seconds: float = 0.0


def state(batch_ids: Iterable[str]) -> Published:
    """What of these batches is published now. Raises DatabaseUnavailable."""
    done = outbox.c.published_at.is_not(None)
    query = sa.select(
        sa.func.count().filter(done),
        sa.func.coalesce(sa.func.sum(outbox.c.records).filter(done), 0),
        sa.func.count().filter(waiting()),
        sa.func.count().filter(~done, outbox.c.skipped_at.is_not(None)),
    ).where(outbox.c.batch_id.in_(list(batch_ids)))
    with connection() as conn:
        entries, events, left, skipped = conn.execute(query).one()
    return Published(int(entries), int(events), int(left), int(skipped))


def wait(batch_ids: Iterable[BatchId] | Iterable[str], timeout: float = 60.0) -> Published:
    """Returns when no outbox entry of the batches waits any more; `timeout` in seconds.

    Then all are on their topics, but for those `skipped` by a named person's rebase. A batch without events is published. Raises PublicationLate; a database that is away is waited for too.
    """
    wanted = list(batch_ids)
    started = time.monotonic()
    pause = 0.02
    while True:
        try:
            found = state(wanted)
        except DatabaseUnavailable:
            if time.monotonic() - started > timeout:
                raise
        else:
            seconds = time.monotonic() - started
            if not found.waiting:
                return replace(found, seconds=round(seconds, 3))
            if seconds > timeout:
                raise PublicationLate(waiting=found.waiting, batches=len(wanted), seconds=round(timeout))
        time.sleep(pause)
        pause = min(0.25, pause * 1.3)
