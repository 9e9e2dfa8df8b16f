"""Rows and batches that go the way again: a replay of quarantined rows, the release or rejection of a held batch.

Each is a new batch linked to its parent, whose counts never change; the parent's next receipt says what became of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from connectors.base import Delivery
from contracts.model import FeedContract
from hub.ids import BatchId
from hub.said import Said
from hub.settings import settings
from warehouse import acts, batches, receipt, seen, way
from warehouse.batches import Batch, BatchKind, BatchOutcome
from warehouse.checking.checkers import checker_for
from warehouse.errors import BatchNotRerunnable, BatchStateWrong, NothingToReplay
from warehouse.feeds.contracts_of import contract_of
from warehouse.landing.intake import Intake, Origin
from warehouse.quarantine import companions
from warehouse.quarantine.corrections import Corrections
from warehouse.quarantine.replay_source import Chosen, LandedDelivery, QuarantineDelivery
from warehouse.store import store
from warehouse.tables import landed_object, quarantine
from warehouse.timing import Timing

Progress = Callable[[str, int], None]

RERUNNABLE = ("loaded", "rejected", "released")


@dataclass(frozen=True, slots=True)
class _Again:
    """What goes the way again, and what is said of it."""

    action: str  # replay | release | rerun
    by: tuple[str, str]
    parent: Batch
    chosen: Chosen  # of the parent's quarantined rows
    facts: dict[str, Any]
    family: tuple[BatchId, ...] = ()  # of a rerun: the batches whose waiting rows go along, for all of them are judged


def replay(
    contract: FeedContract,
    batch_id: BatchId,
    *,
    operator: str,
    reason: str,
    every: bool = False,
    as_judged: bool = False,
    progress: Progress = way.silent,
) -> BatchOutcome:
    """Sends a batch's corrected rows the way again; with `every` its open ones too (the contract was corrected).

    A corrected row takes the open rows of its group along, where the contract judges groups by their sum.
    `contract` is the feed's as it is now; with `as_judged` the version that judged the batch judges it again.
    Raises OperatorMissing, BatchStateWrong, NothingToReplay, BatchContractGone.
    """
    by = acts.named("replay", operator, reason)
    with seen.run(contract), way.opened(contract, progress) as feed:
        conn = feed.conn
        parent = _see(conn, batch_id)
        if parent.state != "loaded":
            raise BatchStateWrong(batch=batch_id, state=parent.state, action=Said("replay", "重放"), needed="loaded")
        contract = contract_of(conn, parent) if as_judged else contract
        states = ("fixed", "open") if every else ("fixed",)
        if not _count(conn, batch_id, states):
            raise NothingToReplay(batch=batch_id)
        page_rows = settings().page_rows
        also = () if every else companions.of_fixed(conn, contract, parent, page_rows=page_rows)
        chosen = Chosen(states, also)
        rows = QuarantineDelivery(conn, parent, contract.source(parent.source), chosen, page_rows=page_rows)
        again = _Again("replay", by, parent, chosen, {"operator_reason": by[1]})
        return _again(conn, contract, rows, again, progress)


def release(
    contract: FeedContract, batch_id: BatchId, *, operator: str, reason: str, progress: Progress = way.silent
) -> BatchOutcome:
    """Lets a held batch through: its landed rows become a new batch for which batch gates are waived.

    Rows that break a rule of their own are quarantined as ever. Raises OperatorMissing, BatchStateWrong.
    """
    by = acts.named("release", operator, reason)
    with seen.run(contract), way.opened(contract, progress) as feed:
        conn = feed.conn
        parent = _see(conn, batch_id)
        if parent.state != "held":
            raise BatchStateWrong(batch=batch_id, state=parent.state, action=Said("release", "放行"), needed="held")
        pages = LandedDelivery(conn, store(), parent, contract.source(parent.source))
        facts = {"operator_reason": by[1], "waived": True, "whole": True}
        return _again(conn, contract, pages, _Again("release", by, parent, Chosen(("open",)), facts), progress)


def rerun(
    contract: FeedContract, batch_id: BatchId, *, operator: str, reason: str, progress: Progress = way.silent
) -> BatchOutcome:
    """Takes a batch's landed rows the way again under the feed's contract as it is now, as a new batch in its parent's place.

    A row that a named person corrected since is judged as corrected: that is the latest word on it. It never overwrites what a
    later delivery brought; what has not changed is neither written nor published. Rows of the delivery that wait in quarantine,
    corrected or not, there or where they were sent the way again, go along. Raises OperatorMissing, BatchNotRerunnable.
    """
    by = acts.named("rerun", operator, reason)
    with seen.run(contract), way.opened(contract, progress) as feed:
        conn = feed.conn
        parent = _see(conn, batch_id)
        corrections = Corrections.of(conn, batch_id)
        _must_be_rerunnable(conn, parent, corrections)
        pages = LandedDelivery(conn, store(), parent, contract.source(parent.source), corrections)
        facts = {"operator_reason": by[1], **corrections.facts()}
        again = _Again("rerun", by, parent, Chosen(("open", "fixed")), facts, corrections.family)
        return _again(conn, contract, pages, again, progress)


def _must_be_rerunnable(conn: sa.Connection, parent: Batch, corrections: Corrections) -> None:
    why: Said | None = None
    if parent.state not in RERUNNABLE:
        why = Said(f"it is {parent.state}", f"状态为 {parent.state}")
    elif parent.kind == "replay":
        why = Said(
            f"its rows are those of {parent.parent_batch}, which can be run again",
            f"其数据行属于批次 {parent.parent_batch}，可重新运行该批次",
        )
    elif corrections.gone_of:
        named = ", ".join(corrections.gone_of)
        why = Said(
            f"corrections made in {named} are past their retention: the rows would be judged without them",
            f"批次 {named} 中所作的更正已过保留期并清除，重新判定将失去这些更正",
        )
    elif not _all_there(conn, parent):
        why = Said("its landed pages are past their retention and gone", "其落地文件已过保留期并清除")
    if why is not None:
        raise BatchNotRerunnable(batch=parent.batch_id, reason=why)


def _all_there(conn: sa.Connection, parent: Batch) -> bool:
    rows = (landed_object.c.batch_id == parent.batch_id) & (landed_object.c.kind == "rows")
    query = sa.select(sa.func.count()).where(rows, landed_object.c.purged_at.is_not(None))
    with conn.begin():
        return not conn.scalar(query)


def reject(contract: FeedContract, batch_id: BatchId, *, operator: str, reason: str) -> BatchOutcome:
    """Turns a held batch down for good. Raises OperatorMissing, BatchStateWrong."""
    by = acts.named("reject", operator, reason)
    with way.opened(contract) as feed:
        conn = feed.conn
        parent = _see(conn, batch_id)
        if parent.state != "held":
            raise BatchStateWrong(batch=batch_id, state=parent.state, action=Said("reject", "退回"), needed="held")
        with conn.begin():
            rejected = batches.move(conn, parent, "rejected")
            _mark(conn, batch_id, Chosen(("open", "fixed")), state="rejected")
            acts.note(conn, "reject", batch_id, by)
            receipt.make(conn, rejected)
        return way.outcome(conn, rejected)


def _again(
    conn: sa.Connection, contract: FeedContract, delivery: Delivery, again: _Again, progress: Progress
) -> BatchOutcome:
    timing = Timing()
    source = contract.source(again.parent.source)
    door = Intake(conn, contract, source, checker=checker_for(contract, source), progress=progress, timing=timing)

    def landed(conn: sa.Connection, child: Batch) -> None:
        for batch_id in again.family or (again.parent.batch_id,):
            _mark(conn, batch_id, again.chosen, state="replayed", replay_batch=child.batch_id)
        if again.action == "release":
            batches.move(conn, again.parent, "released")
        acts.note(conn, again.action, again.parent.batch_id, again.by, {"batch": child.batch_id})

    kind: BatchKind = "rerun" if again.action == "rerun" else "replay"
    origin = Origin(kind=kind, parent=again.parent, operator=again.by[0], facts=again.facts, on_landed=landed)
    taken = door.take(delivery, origin)
    assert taken is not None, "a replay is a batch even where nothing is in it"
    return way.through(conn, taken, progress, timing)


def _see(conn: sa.Connection, batch_id: BatchId) -> Batch:
    with conn.begin():
        return batches.get(conn, batch_id)


def _count(conn: sa.Connection, batch_id: BatchId, states: tuple[str, ...]) -> int:
    query = sa.select(sa.func.count()).where(Chosen(states).of(batch_id))
    with conn.begin():
        return int(conn.scalar(query) or 0)


def _mark(conn: sa.Connection, batch_id: BatchId, chosen: Chosen, **values: Any) -> None:
    conn.execute(sa.update(quarantine).where(chosen.of(batch_id)).values(**values))
