"""A batch's figures to and from JSON, so that they stay with the batch and the next one can be compared with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from contracts.model import FeedContract
from contracts.page import BatchMetrics, BatchVerdict
from hub.ids import RuleId
from warehouse.batches import Batch
from warehouse.tables import batch as batch_table

_WHOLE = ("rows_in", "rows_good", "rows_bad", "rows_refused", "duplicates_identical", "duplicates_conflicting")
_COUNTS = ("broken", "changed", "nulls")


def as_json(metrics: BatchMetrics) -> dict[str, Any]:
    """Figures as JSON: amounts as text, dates and instants ISO."""
    found = asdict(metrics)
    found["sums"] = {name: str(value) for name, value in metrics.sums.items()}
    for side in ("minima", "maxima"):
        found[side] = {name: _text(value) for name, value in getattr(metrics, side).items()}
    return found


def from_json(facts: Mapping[str, Any], contract: FeedContract) -> BatchMetrics:
    """Figures back from JSON, typed as the contract says; a field that the contract no longer has is left out."""
    types = {spec.name: spec.type for spec in contract.fields}
    made = BatchMetrics()
    for name in _WHOLE:
        setattr(made, name, int(facts.get(name, 0)))
    for name in _COUNTS:
        setattr(made, name, {key: int(value) for key, value in facts.get(name, {}).items()})
    made.sums = {name: Decimal(value) for name, value in facts.get("sums", {}).items() if name in types}
    for side in ("minima", "maxima"):
        values = {name: _typed(types[name], text) for name, text in facts.get(side, {}).items() if name in types}
        setattr(made, side, values)
    made.counts = {name: dict(values) for name, values in facts.get("counts", {}).items()}
    made.samples = {RuleId(rule): list(keys) for rule, keys in facts.get("samples", {}).items()}
    return made


def of_batch_before(conn: sa.Connection, contract: FeedContract, batch: Batch) -> BatchMetrics | None:
    """Figures of the newest loaded batch of the same source before this one; None where there is none."""
    query = (
        sa.select(batch_table.c.facts["metrics"])
        .where(
            batch_table.c.feed == batch.feed,
            batch_table.c.source == batch.source,
            batch_table.c.state == "loaded",
            # A release counts: it is the delivery that a person let through.
            sa.or_(batch_table.c.kind.in_(("pull", "push")), batch_table.c.facts["whole"].as_boolean()),
            batch_table.c.batch_no < batch.order_no,
        )
        .order_by(batch_table.c.batch_no.desc())
        .limit(1)
    )
    facts = conn.scalar(query)
    return None if facts is None else from_json(facts, contract)


def verdict_json(verdict: BatchVerdict) -> dict[str, Any]:
    """A batch rule's verdict as JSON."""
    return asdict(verdict)


def verdicts_from(facts: Mapping[str, Any]) -> tuple[BatchVerdict, ...]:
    """The verdicts kept with a batch."""
    return tuple(BatchVerdict(**verdict) for verdict in facts.get("verdicts", []))


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _typed(kind: str, text: str) -> Any:
    match kind:
        case "integer":
            return int(text)
        case "decimal":
            return Decimal(text)
        case "date":
            return date.fromisoformat(text)
        case "timestamp":
            return datetime.fromisoformat(text)
    return text
