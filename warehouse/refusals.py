"""What the gate refused, as far as it is on record: where it stood and by which rule, never a value."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hub.ids import BatchId
from warehouse.tables import refusal

_ABOUT = (
    refusal.c.batch_id.label("batch"),
    refusal.c.feed,
    refusal.c.row_no.label("row"),
    refusal.c.unit,
    refusal.c.source_row,
    refusal.c.rule,
    refusal.c.sender,
    refusal.c.refused_at,
)


def of_batch(conn: sa.Connection, batch_id: BatchId, *, limit: int = 50) -> list[dict[str, Any]]:
    """Refused rows of a batch, in row order; one without a row number is the delivery as a whole."""
    query = sa.select(*_ABOUT).where(refusal.c.batch_id == batch_id).order_by(refusal.c.row_no).limit(limit)
    return [dict(row) for row in conn.execute(query).mappings()]


def of_row(conn: sa.Connection, batch_id: str, row: int) -> list[dict[str, Any]]:
    """Why a row was refused: one entry a rule, those of its whole delivery too."""
    query = sa.select(*_ABOUT).where(
        refusal.c.batch_id == batch_id, sa.or_(refusal.c.row_no == row, refusal.c.row_no.is_(None))
    )
    return [dict(found) for found in conn.execute(query.order_by(refusal.c.refusal_no)).mappings()]


def latest(conn: sa.Connection, *, feed: str | None = None, limit: int = 5) -> list[dict[str, Any]]:
    """The batches that rows were refused of, newest first: {"batch", "feed", "rule", "rows", "row" (the first)}."""
    query = (
        sa.select(
            refusal.c.batch_id.label("batch"),
            refusal.c.feed,
            refusal.c.rule,
            sa.func.count().label("rows"),
            sa.func.min(refusal.c.row_no).label("row"),
        )
        .group_by(refusal.c.batch_id, refusal.c.feed, refusal.c.rule)
        .order_by(refusal.c.batch_id.desc(), refusal.c.rule)
        .limit(limit)
    )
    if feed is not None:
        query = query.where(refusal.c.feed == feed)
    return [dict(found) for found in conn.execute(query).mappings()]
