"""What became of the deliveries, read from the hub's own tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa

from hub.ids import BatchId
from warehouse import batches, receipt
from warehouse.batches import Batch
from warehouse.engine import connection
from warehouse.tables import batch as batch_table
from warehouse.tables import masking, outbox, quarantine, refusal


@dataclass(frozen=True)
class FeedLine:
    """One line of the final table: a batch, or a feed that had nothing new."""

    feed: str
    batch: str | None
    delivery: str
    kind: str  # pull, replay … ; empty where there was nothing new
    state: str
    rows_in: int = 0
    loaded: int = 0
    unchanged: int = 0
    quarantined: int = 0
    refused: int = 0
    published: int = 0
    seconds: float = 0.0
    quarantined_by_rule: dict[str, int] = field(default_factory=dict)
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)


def last_batch_no() -> int:
    """The number of the newest batch, 0 where there is none."""
    with connection() as conn:
        return int(conn.scalar(sa.select(sa.func.coalesce(sa.func.max(batch_table.c.batch_no), 0))) or 0)


def since(batch_no: int) -> list[Batch]:
    """The batches opened after that number, oldest first."""
    query = sa.select(batch_table.c.batch_id).where(batch_table.c.batch_no > batch_no).order_by(batch_table.c.batch_no)
    with connection() as conn:
        return [batches.get(conn, BatchId(row[0])) for row in conn.execute(query)]


def first_of_its_source(one: Batch) -> bool:
    """Whether no earlier batch of this source was loaded: then the figures follow from what was planted."""
    query = sa.select(sa.func.count()).where(
        batch_table.c.feed == one.feed,
        batch_table.c.source == one.source,
        batch_table.c.batch_no < one.batch_no,
        batch_table.c.state.in_(("loaded", "held")),
    )
    with connection() as conn:
        return not conn.scalar(query)


def line(one: Batch) -> FeedLine:
    """A batch as a line of the table."""
    with connection() as conn:
        by_rule = receipt.quarantined_by_rule(conn, one.batch_id)
        query = sa.select(sa.func.coalesce(sa.func.sum(outbox.c.records), 0)).where(
            outbox.c.batch_id == one.batch_id, outbox.c.published_at.is_not(None)
        )
        published = int(conn.scalar(query) or 0)
    end = one.loaded_at or one.checked_at or one.landed_at or one.opened_at
    return FeedLine(
        one.feed,
        one.batch_id,
        one.delivery,
        one.kind,
        one.state,
        **one.counts.as_dict(),
        published=published,
        seconds=round((end - one.opened_at).total_seconds(), 2),
        quarantined_by_rule=by_rule,
        reason=one.state_reason,
    )


def quarantined(batch_id: BatchId) -> dict[int, list[str]]:
    """Row number -> the rules it breaks."""
    with connection() as conn:
        rows = conn.execute(sa.select(quarantine.c.row_no, quarantine.c.rules).where(quarantine.c.batch_id == batch_id))
        return {int(row): list(rules) for row, rules in rows}


def refused(batch_id: BatchId) -> set[int]:
    """Numbers of the rows that were refused."""
    with connection() as conn:
        return {int(row) for (row,) in conn.execute(sa.select(refusal.c.row_no).where(refusal.c.batch_id == batch_id))}


def masked(batch_id: BatchId) -> set[int]:
    """Numbers of the rows in which something was masked."""
    with connection() as conn:
        return {int(row) for (row,) in conn.execute(sa.select(masking.c.row_no).where(masking.c.batch_id == batch_id))}


def published_by_topic() -> dict[str, int]:
    """Topic -> events that the hub says are on it, from all batches ever."""
    query = (
        sa.select(outbox.c.topic, sa.func.sum(outbox.c.records))
        .where(outbox.c.published_at.is_not(None))
        .group_by(outbox.c.topic)
    )
    with connection() as conn:
        return {str(topic): int(count) for topic, count in conn.execute(query)}


def waiting(batch_ids: Iterable[str]) -> int:
    """Events of these batches that are not on their topic yet."""
    query = sa.select(sa.func.coalesce(sa.func.sum(outbox.c.records), 0)).where(
        outbox.c.batch_id.in_(list(batch_ids)), outbox.c.published_at.is_(None)
    )
    with connection() as conn:
        return int(conn.scalar(query) or 0)
