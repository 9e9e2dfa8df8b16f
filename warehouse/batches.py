"""A batch and its states: one delivery on its way, whatever becomes of it.

    opened ──▶ landed ──▶ checked ──▶ loading ──▶ loaded
      │          ├──▶ held ──▶ released | rejected   (what a release loads is a new batch)
      │          └──▶ refused                        (the contract can't read its columns)
      ├──▶ refused                                   (the gate refused the delivery, or it can't be read)
      └──▶ abandoned                                 (the process died before it had landed)

Every move names the state it comes from, so two processes can't both make it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from contracts.model import FeedContract
from contracts.page import BatchVerdict
from hub.ids import BatchId, FeedId, new_batch_id
from warehouse.errors import BatchCancelled, BatchTakenOver, BatchUnknown, CountsDontAddUp
from warehouse.tables import batch

BatchState = Literal[
    "opened", "landed", "checked", "held", "loading", "loaded", "released", "rejected", "refused", "abandoned"
]
BatchKind = Literal["pull", "push", "replay", "backfill", "rerun"]

UNFINISHED: tuple[BatchState, ...] = ("opened", "landed", "checked", "loading")
FINAL: tuple[BatchState, ...] = ("loaded", "released", "rejected", "refused", "abandoned")
NEW: tuple[BatchKind, ...] = ("pull", "push")
"""Kinds that bring what is new; a backfill brings what is old, and the others what the hub holds already."""
FROM_OUTSIDE: tuple[BatchKind, ...] = (*NEW, "backfill")
"""Kinds that bring something from a source."""
AGAIN: tuple[BatchKind, ...] = ("replay", "rerun")
"""Kinds that take what the hub already holds the way once more."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of a batch's rows: the one mapping of the columns `rows_*` to the words that everybody shows."""

    rows_in: int
    loaded: int
    unchanged: int
    quarantined: int
    refused: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Counts:
        """Of a row of hub.batch; what is not known yet counts as 0."""
        return cls(**{name: row[column] or 0 for name, column in COUNT_COLUMNS.items()})

    @property
    def add_up(self) -> bool:
        """Whether rows in = loaded + unchanged + quarantined + refused."""
        return self.rows_in == self.loaded + self.unchanged + self.quarantined + self.refused

    def as_dict(self) -> dict[str, int]:
        """Word -> rows."""
        return asdict(self)


COUNT_COLUMNS = {name: name if name == "rows_in" else f"rows_{name}" for name in Counts.__dataclass_fields__}
"""Word -> column of hub.batch."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A row of hub.batch as it stands."""

    batch_id: BatchId
    batch_no: int
    feed: FeedId
    contract_version: str
    contract_sha256: str
    kind: BatchKind
    parent_batch: BatchId | None
    order_no: int  # its place in the order of loads; a replay keeps its parent's, a delivery read late its own first
    source: str
    delivery: str
    delivery_sha256: str | None
    appearance: str | None  # of a file: which one at its source, see `connectors.base.appearance`
    state: BatchState
    state_reason: str | None
    rows_in: int
    rows_loaded: int
    rows_unchanged: int
    rows_quarantined: int
    rows_refused: int
    rows_stale: int
    withdrawn_missing: int
    events: int
    parts: int | None
    parts_loaded: int
    cursor_before: Mapping[str, Any] | None
    cursor_after: Mapping[str, Any] | None
    interval_start: datetime | None
    interval_end: datetime | None
    facts: Mapping[str, Any]
    operator: str | None
    opened_at: datetime
    landed_at: datetime | None
    checked_at: datetime | None
    loaded_at: datetime | None

    @property
    def counts(self) -> Counts:
        """What became of its rows."""
        return Counts(**{name: getattr(self, column) for name, column in COUNT_COLUMNS.items()})

    def check_sum(self) -> None:
        """Raises CountsDontAddUp unless rows in = loaded + unchanged + quarantined + refused."""
        if not self.counts.add_up:
            raise CountsDontAddUp(batch=self.batch_id, **self.counts.as_dict())


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What became of a batch: the figures that DAGs, commands and the demo show."""

    batch_id: BatchId
    feed: FeedId
    state: BatchState
    rows_in: int
    loaded: int
    unchanged: int
    quarantined: int
    quarantined_by_rule: Mapping[str, int]
    refused: int
    events: int
    seconds: Mapping[str, float] = field(default_factory=dict)  # step -> seconds in this process
    verdicts: tuple[BatchVerdict, ...] = ()
    delivery: str = ""
    source: str = ""
    reason: str | None = None
    error: Mapping[str, Any] | None = None  # a delivery that could not be read: the error as JSON
    corrected: Mapping[str, Any] | None = None  # of a rerun: rows judged as corrected, {"rows", "newest_at", "made_in"}
    repeated: bool = False  # the delivery was taken or refused before; these are the figures of that time


_COUNTS = (*COUNT_COLUMNS.values(), "rows_stale", "withdrawn_missing", "events")


def open_batch(
    conn: sa.Connection,
    contract: FeedContract,
    *,
    kind: BatchKind,
    source: str,
    delivery: str,
    parent: Batch | None = None,
    cursor_before: Mapping[str, Any] | None = None,
    interval: tuple[datetime | None, datetime | None] = (None, None),
    facts: Mapping[str, Any] | None = None,
    operator: str | None = None,
) -> Batch:
    """Gives a delivery its batch, state `opened`. In a transaction of the feed's holder."""
    batch_id = new_batch_id()
    conn.execute(
        sa.insert(batch).values(
            batch_id=batch_id,
            feed=contract.id,
            contract_version=contract.version,
            contract_sha256=contract.sha256,
            kind=kind,
            parent_batch=parent.batch_id if parent else None,
            order_no=parent.order_no if parent else None,
            source=source,
            delivery=delivery,
            state="opened",
            cursor_before=dict(cursor_before) if cursor_before is not None else sa.null(),
            cursor_after=sa.null(),
            interval_start=interval[0],
            interval_end=interval[1],
            facts=dict(facts or {}),
            operator=operator,
        )
    )
    return get(conn, batch_id)


def born(conn: sa.Connection, contract: FeedContract, batch_id: BatchId, state: BatchState, **values: Any) -> Batch:
    """Puts a pushed delivery on record that has already landed, or was refused: nobody works on it before. In a transaction."""
    conn.execute(
        sa.insert(batch).values(
            batch_id=batch_id,
            feed=contract.id,
            contract_version=contract.version,
            contract_sha256=contract.sha256,
            kind="push",
            state=state,
            cursor_before=sa.null(),
            cursor_after=sa.null(),
            **values,
        )
    )
    return get(conn, batch_id)


def get(conn: sa.Connection, batch_id: BatchId) -> Batch:
    """The batch of that id. Raises BatchUnknown."""
    row = conn.execute(sa.select(batch).where(batch.c.batch_id == batch_id)).mappings().first()
    if row is None:
        raise BatchUnknown(batch=batch_id)
    return _batch(row)


def state_of(conn: sa.Connection, batch_id: BatchId) -> BatchState | None:
    """The state of a batch, None where there is no such batch."""
    state: BatchState | None = conn.scalar(sa.select(batch.c.state).where(batch.c.batch_id == batch_id))
    return state


def unfinished(conn: sa.Connection, feed: FeedId) -> list[Batch]:
    """Batches of a feed that a process left on the way, oldest first."""
    # As literals: the index of unfinished batches is used only where the planner sees the states.
    states: sa.BindParameter[list[str]] = sa.bindparam("states", list(UNFINISHED), expanding=True, literal_execute=True)
    query = sa.select(batch).where(batch.c.feed == feed, batch.c.state.in_(states)).order_by(batch.c.batch_no)
    return [_batch(row) for row in conn.execute(query).mappings()]


def recent(
    conn: sa.Connection, *, feed: FeedId | None = None, states: Sequence[str] = (), limit: int = 50
) -> list[Batch]:
    """The newest batches, newest first, of a feed or all, in some states or all."""
    query = sa.select(batch).order_by(batch.c.batch_no.desc()).limit(limit)
    if feed is not None:
        query = query.where(batch.c.feed == feed)
    if states:
        query = query.where(batch.c.state.in_(states))
    return [_batch(row) for row in conn.execute(query).mappings()]


def children(conn: sa.Connection, batch_id: BatchId) -> list[Batch]:
    """Replays and releases of a batch, oldest first."""
    query = sa.select(batch).where(batch.c.parent_batch == batch_id).order_by(batch.c.batch_no)
    return [_batch(row) for row in conn.execute(query).mappings()]


def family(conn: sa.Connection, batch_id: BatchId) -> list[BatchId]:
    """The batch that a delivery came in, and all that took its rows the way again, whichever of them is named; oldest first."""
    query = sa.text(
        "with recursive above(batch_id, parent_batch) as ("
        "select batch_id, parent_batch from hub.batch where batch_id = :batch union all "
        "select b.batch_id, b.parent_batch from hub.batch b join above on b.batch_id = above.parent_batch), "
        "below(batch_id, batch_no) as ("
        "select b.batch_id, b.batch_no from hub.batch b join above using (batch_id) where b.parent_batch is null union all "
        "select b.batch_id, b.batch_no from hub.batch b join below on b.parent_batch = below.batch_id) "
        "select batch_id from below order by batch_no"
    )
    return [BatchId(found) for found in conn.execute(query, {"batch": batch_id}).scalars()]


def move(conn: sa.Connection, before: Batch, to: BatchState, **values: Any) -> Batch:
    """Moves a batch from the state it was seen in to another, with further columns; returns it as it stands then.

    Raises BatchTakenOver where another process moved it meanwhile, BatchCancelled where a named person ended it.
    """
    updated = conn.execute(
        sa.update(batch)
        .where(
            batch.c.batch_id == before.batch_id,
            batch.c.state == before.state,
            batch.c.parts_loaded == before.parts_loaded,
        )
        .values(state=to, **values)
    )
    if updated.rowcount != 1:
        if get(conn, before.batch_id).facts.get("cancelled"):
            raise BatchCancelled(batch=before.batch_id)
        raise BatchTakenOver(batch=before.batch_id, expected=f"{before.state}, {before.parts_loaded} parts loaded")
    return get(conn, before.batch_id)


def forget(conn: sa.Connection, unborn: Batch) -> None:
    """Deletes the row of a batch that turned out to be none: nothing landed, nothing refers to it."""
    conn.execute(sa.delete(batch).where(batch.c.batch_id == unborn.batch_id, batch.c.state == "opened"))


def _batch(row: sa.RowMapping) -> Batch:
    values = {name: row[name] for name in Batch.__dataclass_fields__}
    values["order_no"] = row["order_no"] or row["batch_no"]
    for name in _COUNTS:
        values[name] = row[name] or 0
    return Batch(**values)
