"""One quarantined row put right the way an engineer does it: export, edit, fix, replay."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts import catalogue
from contracts.model import FeedContract
from demo.generate.ledger import Ledger
from hub.ids import BatchId, FeedId
from warehouse.batches import Batch, BatchOutcome
from warehouse.engine import connection
from warehouse.quarantine import fixing, replay
from warehouse.quarantine import view as quarantine
from warehouse.quarantine.view import QuarantinedRow

DEFECT, WRONG, RIGHT = "wan_yuan_for_yuan", "PayAmt", "XPayAmt"
OPERATOR = "demo-operator"
REASON = "amount was sent in 万元; the bank's own figure is in 元"


@dataclass(frozen=True)
class Repair:
    """What was changed in which row, and what became of it."""

    feed: str
    batch: str
    row: int
    key: str | None
    field: str
    before: str | None
    after: str | None
    replayed_as: str
    outcome: BatchOutcome | None  # None: a demonstration before this one did it

    @property
    def loaded(self) -> int:
        """Rows that the replay loaded."""
        return self.outcome.loaded if self.outcome else 0


def candidate(batches: list[Batch], ledgers: list[Ledger]) -> tuple[Batch, int] | None:
    """A row of this run whose amount came in the wrong unit while the right figure stands beside it."""
    for one in batches:
        for ledger in ledgers:
            if ledger.feed == one.feed and ledger.unit == one.delivery:
                rows = next((entry.rows for entry in ledger.planted if entry.defect == DEFECT), [])
                if rows and one.state == "loaded":
                    return one, rows[0]
    return None


def done_before(feed: str) -> Repair | None:
    """The repair of an earlier demonstration on these data."""
    with connection() as conn:
        for found in quarantine.listing(conn, feed=feed, states=("replayed",), limit=1):
            values = {**found.raw, **(found.fixed or {})}
            return Repair(
                feed, found.batch_id, found.row, found.record_key, WRONG, found.raw.get(WRONG), values.get(WRONG),
                found.replay_batch or "", None,
            )  # fmt: skip
    return None


def repair(one: Batch, row: int, folder: Path) -> Repair:
    """Exports the batch's quarantined rows, edits one cell of one row, takes it as a fix, and replays."""
    contract = catalogue.load_one(FeedId(one.feed))
    sheet = folder / f"quarantine_{one.batch_id}.csv"
    fixing.export(one.batch_id, sheet)
    before, after = _edit(sheet, row)
    fixing.fix(contract, one.batch_id, sheet, editor=OPERATOR, reason=REASON)
    outcome = replay.replay(contract, one.batch_id, operator=OPERATOR, reason=REASON)
    with connection() as conn:
        found = quarantine.one(conn, one.batch_id, row)
    key = found.record_key if found else None
    return Repair(one.feed, one.batch_id, row, key, WRONG, before, after, outcome.batch_id, outcome)


def examples(
    batches: list[Batch], contracts: Mapping[FeedId, FeedContract], most: int = 4
) -> list[tuple[QuarantinedRow, list[dict[str, str]]]]:
    """Quarantined rows with their rules in words: of different feeds and rules as far as there are.

    Rows of a feed that is none of `contracts` any more have no words, and are passed over.
    """
    found: list[list[tuple[QuarantinedRow, list[dict[str, str]]]]] = [[], []]
    seen: set[tuple[str, ...]] = set()
    with connection() as conn:
        for one in batches:
            contract = contracts.get(FeedId(one.feed))
            if contract is None:
                continue
            for row in quarantine.listing(conn, batch_id=BatchId(one.batch_id), states=("open",), limit=200):
                rank = sum(other.feed == row.feed for group in found for other, _ in group)
                if row.rules not in seen and rank < len(found):
                    seen.add(row.rules)
                    found[rank].append((row, quarantine.sentences(contract, row.rules)))
    # One of each feed before a second of any.
    return [*found[0], *found[1]][:most]


def _edit(sheet: Path, row: int) -> tuple[str, str]:
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = list(rows[0])
    edited = next(entry for entry in rows if entry["row"] == str(row))
    before, after = edited[WRONG], edited[RIGHT]
    edited[WRONG] = after
    with sheet.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return before, after
