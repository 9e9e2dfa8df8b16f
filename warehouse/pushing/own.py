"""What an agency may see of its own deliveries: batches, their receipts, what became of their rows."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hub.ids import BatchId
from warehouse import batches, receipt
from warehouse.batches import Batch, Counts
from warehouse.feeds import versions
from warehouse.quarantine import view
from warehouse.signing import jws
from warehouse.tables import batch as batch_table
from warehouse.tables import push, refusal

FINAL = ("loaded", "held", "released", "rejected", "refused")
"""States of which there is a final receipt; a held batch's says that a person decides."""


def listed(
    conn: sa.Connection,
    agency: str,
    *,
    feed: str | None = None,
    state: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[Batch]:
    """Batches that an agency pushed, the newest first; `before`: a position, for the page after it."""
    query = sa.select(batch_table.c.batch_id).join(push, push.c.batch_id == batch_table.c.batch_id)
    query = query.where(push.c.agency == agency)
    if feed is not None:
        query = query.where(batch_table.c.feed == feed)
    if state is not None:
        query = query.where(batch_table.c.state == state)
    if before is not None:
        query = query.where(batch_table.c.batch_no < before)
    found = conn.execute(query.order_by(batch_table.c.batch_no.desc()).limit(limit)).scalars().all()
    return [batches.get(conn, BatchId(one)) for one in found]


def brief(one: Batch) -> dict[str, Any]:
    """A batch in short, JSON-able."""
    return {
        "batch": one.batch_id,
        "feed": one.feed,
        "position": one.batch_no,
        "state": one.state,
        "final": one.state in FINAL,
        "delivery": one.delivery,
        "received_at": one.opened_at.isoformat(),
        "loaded_at": None if one.loaded_at is None else one.loaded_at.isoformat(),
        "counts": Counts.as_dict(one.counts),
    }


def whole(conn: sa.Connection, one: Batch) -> dict[str, Any]:
    """All that its sender is told of a batch."""
    sent = conn.execute(sa.select(push).where(push.c.batch_id == one.batch_id)).mappings().one()
    about = (
        "idempotency_key",
        "body_sha256",
        "body_bytes",
        "media_type",
        "signed",
        "kid",
        "request_sha256",
        "business",
    )
    return {
        **brief(one),
        "contract": {"version": one.contract_version, "sha256": one.contract_sha256},
        "reason": one.state_reason,
        "events": one.events,
        "quarantined_by_rule": receipt.quarantined_by_rule(conn, one.batch_id),
        "verdicts": list(one.facts.get("verdicts", [])),
        "push": {name: sent[name] for name in about},
        "followed_by": [brief(child) for child in batches.children(conn, one.batch_id)],
    }


def accepted(conn: sa.Connection, batch_id: BatchId) -> str:
    """The immediate receipt, as a compact JWS."""
    columns = push.c
    query = sa.select(columns.receipt, columns.receipt_kid, columns.receipt_signature)
    row = conn.execute(query.where(columns.batch_id == batch_id)).one()
    return jws.compact(bytes(row.receipt), row.receipt_kid, bytes(row.receipt_signature))


def rows(conn: sa.Connection, one: Batch, *, after: int = 0, limit: int = 1_000) -> list[dict[str, Any]]:
    """Rows that did not load, in their order, after a row number: quarantined ones with every rule they break in words, refused ones
    with the gate's rule. The sender's own values stand beside the quarantined ones."""
    found = [*_quarantined(conn, one, after, limit), *_refused(conn, one, after, limit)]
    return sorted(found, key=lambda row: row["row"])[:limit]


def _quarantined(conn: sa.Connection, one: Batch, after: int, limit: int) -> list[dict[str, Any]]:
    contract = versions.of_batch(conn, one.batch_id)
    shown = view.page(conn, one.batch_id, after, limit)
    return [
        {
            "row": row.row,
            "unit": row.unit,
            "source_row": row.source_row,
            "verdict": "quarantined",
            "state": row.state,
            "key": row.record_key,
            "rules": view.sentences(contract, row.rules),
            "values": dict(row.raw),
            "replay": row.replay_batch,
        }
        for row in shown
    ]


def _refused(conn: sa.Connection, one: Batch, after: int, limit: int) -> list[dict[str, Any]]:
    columns = refusal.c
    query = sa.select(columns.row_no, columns.unit, columns.source_row, sa.func.array_agg(columns.rule).label("rules"))
    query = query.where(columns.batch_id == one.batch_id, columns.row_no > after)
    query = query.group_by(columns.row_no, columns.unit, columns.source_row).order_by(columns.row_no).limit(limit)
    return [
        {
            "row": row.row_no,
            "unit": row.unit,
            "source_row": row.source_row,
            "verdict": "refused",
            "rules": [{"rule": rule} for rule in row.rules],
        }
        for row in conn.execute(query)
    ]
