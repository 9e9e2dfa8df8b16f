"""The figures of a feed's report, read from the hub's own tables: no value of a record and no name of a delivery."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from statistics import median, quantiles
from typing import Any

import sqlalchemy as sa

from contracts.model import FeedContract
from hub import clock
from warehouse import freshness
from warehouse.batches import FINAL, NEW, Counts
from warehouse.freshness import Freshness
from warehouse.tables import batch, outbox, refusal

MOST_BATCHES = 20_000
"""Batches that a report reads; of a feed with more in its days the newest."""

MOST_BUCKETS = 90

STEPS = ("take", "judge", "load", "publish")
"""opened → landed, landed → judged, judged → loaded, loaded → on the topic."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One batch as the report sees it."""

    batch_id: str
    kind: str
    state: str
    counts: Counts
    opened_at: datetime
    landed_at: datetime | None
    loaded_at: datetime | None
    seconds: Mapping[str, float]  # step -> seconds, of those it took
    broken: Mapping[str, int]  # row rule -> rows
    refused: Mapping[str, int]  # gate rule -> rows and deliveries
    verdicts: Mapping[str, str]  # batch rule -> passed | nothing (to judge) | failed | held
    waits: bool  # events that are not on their topic yet


@dataclass(slots=True)
class Bucket:
    """A batch, or the batches of some days."""

    label: str
    batches: list[Seen] = field(default_factory=list)

    def rows(self, outcome: str) -> int:
        """Rows that came to it."""
        return sum(getattr(one.counts, outcome) for one in self.batches)

    def seconds(self, step: str) -> float | None:
        """The median of a step, None where no batch took it."""
        found = [one.seconds[step] for one in self.batches if step in one.seconds]
        return median(found) if found else None


@dataclass(frozen=True, slots=True)
class Report:
    """All that a page shows."""

    contract: FeedContract
    days: int
    made_at: datetime
    batches: Sequence[Seen]  # oldest first
    buckets: Sequence[Bucket]
    cut: bool  # older batches of these days are left out
    freshness: Freshness  # also of what came before these days

    def rows(self, outcome: str) -> int:
        """Rows of all batches that came to it."""
        return sum(bucket.rows(outcome) for bucket in self.buckets)

    def came(self) -> Iterator[datetime]:
        """When deliveries came, oldest first."""
        yield from sorted(one.landed_at for one in self.batches if one.landed_at and one.kind in NEW)

    def latency(self) -> dict[str, tuple[float, float, float]]:
        """Step -> median, 95th percentile and greatest of its seconds."""
        found = {}
        for step in STEPS:
            values = sorted(one.seconds[step] for one in self.batches if step in one.seconds)
            if values:
                high = quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]
                found[step] = (median(values), high, values[-1])
        return found


def of_feed(conn: sa.Connection, contract: FeedContract, days: int) -> Report:
    """The figures of a feed's last days."""
    now = clock.now()
    since = now - timedelta(days=days)
    columns = (
        *(batch.c[name] for name in ("batch_id", "kind", "state", "rows_in", "rows_loaded", "rows_unchanged")),
        *(batch.c[name] for name in ("rows_quarantined", "rows_refused")),
        *(batch.c[name] for name in ("opened_at", "landed_at", "checked_at", "loaded_at")),
        batch.c.facts["metrics"]["broken"].label("broken"),
        batch.c.facts["verdicts"].label("verdicts"),
    )
    mine = sa.and_(batch.c.feed == contract.id, batch.c.opened_at >= since)
    query = sa.select(*columns).where(mine).order_by(batch.c.batch_no.desc()).limit(MOST_BATCHES + 1)
    rows = conn.execute(query).mappings().all()
    ids = sa.select(batch.c.batch_id).where(mine)
    published = _published(conn, ids)
    refused = _refused(conn, ids)
    seen = [_seen(row, published, refused) for row in reversed(rows[:MOST_BATCHES])]
    here = freshness.of(conn, contract)
    return Report(contract, days, now, seen, buckets(seen, now, days), len(rows) > MOST_BATCHES, here)


def buckets(batches: Sequence[Seen], now: datetime, days: int) -> list[Bucket]:
    """Each batch by itself, or, where they are many, by days or several days of Beijing; days without any are there too."""
    if len(batches) <= MOST_BUCKETS // 2:
        return [Bucket(f"{_beijing(one.opened_at):%m-%d %H:%M}", [one]) for one in batches]
    first, last = _beijing(batches[0].opened_at).date(), _beijing(now).date()
    wide = max(1, -(-((last - first).days + 1) // MOST_BUCKETS))
    made = [Bucket(_named(first + timedelta(days=start), wide)) for start in range(0, (last - first).days + 1, wide)]
    for one in batches:
        made[(_beijing(one.opened_at).date() - first).days // wide].batches.append(one)
    return made


def _named(day: date, wide: int) -> str:
    return f"{day:%m-%d}" if wide == 1 else f"{day:%m-%d}…{day + timedelta(days=wide - 1):%m-%d}"


def _beijing(instant: datetime) -> datetime:
    return instant.astimezone(clock.BEIJING)


def _seen(
    row: sa.RowMapping, published: Mapping[str, datetime | None], refused: Mapping[str, Mapping[str, int]]
) -> Seen:
    name = row["batch_id"]
    sent = published.get(name)
    ends = (row["opened_at"], row["landed_at"], row["checked_at"], row["loaded_at"], sent)
    seconds = {
        step: max(0.0, (after - before).total_seconds())
        for step, before, after in zip(STEPS, ends, ends[1:], strict=False)
        if before is not None and after is not None
    }
    verdicts = {str(one["rule"]): _verdict(one, waits=row["state"] not in FINAL) for one in row["verdicts"] or ()}
    broken = {str(rule): int(count) for rule, count in (row["broken"] or {}).items() if count}
    return Seen(
        batch_id=name,
        kind=row["kind"],
        state=row["state"],
        counts=Counts.of(dict(row)),
        opened_at=row["opened_at"],
        landed_at=row["landed_at"],
        loaded_at=row["loaded_at"],
        seconds=seconds,
        broken=broken,
        refused=refused.get(name, {}),
        verdicts=verdicts,
        waits=name in published and sent is None,
    )


def _verdict(one: Mapping[str, Any], *, waits: bool) -> str:
    if one["passed"]:
        return "passed" if one.get("judged", True) else "nothing"
    return "held" if one["gate"] and waits else "failed"


def _published(conn: sa.Connection, ids: sa.Select[tuple[str]]) -> dict[str, datetime | None]:
    """Batch -> when its last event was on its topic; None while some wait."""
    waits = sa.func.bool_or(sa.and_(outbox.c.published_at.is_(None), outbox.c.skipped_at.is_(None)))
    query = sa.select(outbox.c.batch_id, sa.func.max(outbox.c.published_at), waits).where(outbox.c.batch_id.in_(ids))
    rows = conn.execute(query.group_by(outbox.c.batch_id))
    return {name: None if waiting else at for name, at, waiting in rows if name is not None}


def _refused(conn: sa.Connection, ids: sa.Select[tuple[str]]) -> dict[str, dict[str, int]]:
    query = sa.select(refusal.c.batch_id, refusal.c.rule, sa.func.count()).where(refusal.c.batch_id.in_(ids))
    found: dict[str, dict[str, int]] = {}
    for name, rule, count in conn.execute(query.group_by(refusal.c.batch_id, refusal.c.rule)):
        found.setdefault(name, {})[rule] = int(count)
    return found
