"""A batch's figures and verdicts beside the batch, so that the next one can be compared with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from contracts import suite
from contracts.page import BatchMetrics, BatchVerdict
from hub.said import Said, joined
from warehouse.batches import NEW, Batch
from warehouse.tables import batch as batch_table


def of_batch_before(conn: sa.Connection, batch: Batch) -> BatchMetrics | None:
    """Figures of the newest loaded batch of the same source before this one; None where there is none."""
    query = (
        sa.select(batch_table.c.facts["metrics"])
        .where(
            batch_table.c.feed == batch.feed,
            batch_table.c.source == batch.source,
            batch_table.c.state == "loaded",
            # A release counts: it is the delivery that a person let through.
            sa.or_(batch_table.c.kind.in_(NEW), batch_table.c.facts["whole"].as_boolean()),
            batch_table.c.batch_no < batch.order_no,
        )
        .order_by(batch_table.c.batch_no.desc())
        .limit(1)
    )
    found = conn.scalar(query)
    return None if found is None else suite.from_facts(found)


def why_held(verdicts: Iterable[BatchVerdict]) -> Said:
    """The broken rules that hold a batch: what was seen, and what is due."""
    broken = [one for one in verdicts if one.gate and not one.passed]
    return joined(
        Said(
            f"{one.rule}: {one.observed}, due {one.expected}",
            f"{one.label_zh or one.rule}（{one.rule}）：实际 {one.observed_zh or one.observed}，应 {one.expected_zh or one.expected}",
        )
        for one in broken
    )


def verdict_json(verdict: BatchVerdict) -> dict[str, Any]:
    """A batch rule's verdict as JSON."""
    return asdict(verdict)


def verdicts_from(facts: Mapping[str, Any]) -> tuple[BatchVerdict, ...]:
    """The verdicts kept with a batch."""
    return tuple(BatchVerdict(**verdict) for verdict in facts.get("verdicts", []))
