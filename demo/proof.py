"""Holds what the hub says against what was planted, and against what a subscriber of its own counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts import catalogue
from contracts.model import FeedContract
from demo import outcome
from demo.generate.ledger import Ledger, Planted
from demo.subscriber import Reading
from hub.ids import FeedId
from warehouse.batches import Batch

WHOLE_ROW = {"conflicting_duplicate": "_key.conflict"}
"""Defects of a row as a whole: which of the hub's own rules says so."""


@dataclass(frozen=True)
class Claim:
    """Something the demonstration says, and whether it holds."""

    text: str
    holds: bool
    found: str = ""

    def __str__(self) -> str:
        return self.text if self.holds else f"{self.text} - found {self.found}"


def ledgers(folder: Path) -> list[Ledger]:
    """What was planted in the deliveries of this run."""
    return [Ledger.read(path) for path in sorted(folder.glob("*.json"))]


def of_batch(one: Batch, planted: Iterable[Ledger]) -> list[Claim]:
    """What must hold of a batch: its figures add up, and those of a first reading are those of its ledger, row by row."""
    total = one.rows_loaded + one.rows_unchanged + one.rows_quarantined + one.rows_refused
    name = f"{one.feed} {one.delivery}"
    claims = [
        Claim(
            f"{name}: {one.rows_in:,} rows in = loaded + unchanged + quarantined + refused",
            total == one.rows_in,
            f"{total:,}",
        )
    ]
    ledger = next((entry for entry in planted if entry.feed == one.feed and _is_of(entry, one)), None)
    if ledger is not None:
        claims += _against(one, ledger, catalogue.load_one(FeedId(one.feed)))
    return claims


def of_ledgers(planted: Sequence[Ledger], ever: Sequence[Batch]) -> list[Claim]:
    """What must hold of the deliveries: each met its batch, in this run or, where it lies there unchanged, in an earlier one."""
    claims = [Claim(f"{len(planted):,} deliveries were made by the agencies", bool(planted), "none")]
    for ledger in planted:
        met = [one for one in ever if one.feed == ledger.feed and _is_of(ledger, one)]
        states = ", ".join(sorted({one.state for one in met})) or "no batch"
        claims.append(
            Claim(f"{ledger.feed} {ledger.unit}: was loaded", any(one.state == "loaded" for one in met), states)
        )
    return claims


def of_topics(readings: Mapping[str, Reading], published: Mapping[str, int]) -> list[Claim]:
    """What must hold of every topic: a subscriber sees each event once, and as many as the hub published."""
    claims = []
    for topic, reading in sorted(readings.items()):
        due = published.get(topic, 0)
        claims.append(
            Claim(f"{topic}: {due:,} events published, each seen", reading.events == due, f"{reading.events:,}")
        )
        claims.append(Claim(f"{topic}: no event twice", reading.doubled == 0, f"{reading.doubled:,} doubled"))
    return claims


def _is_of(ledger: Ledger, one: Batch) -> bool:
    """Files are known by their name. A table or API is read whole the first time, later only what changed."""
    if one.kind != "pull":
        return False
    is_file = ledger.unit.endswith((".csv", ".xlsx"))
    return ledger.unit == one.delivery if is_file else outcome.first_of_its_source(one)


def _against(one: Batch, ledger: Ledger, contract: FeedContract) -> list[Claim]:
    due = ledger.expected()
    name = f"{one.feed} {one.delivery}"
    figures = (one.rows_in, one.rows_loaded, one.rows_unchanged, one.rows_quarantined, one.rows_refused)
    wanted = (due.rows_in, due.loaded, due.unchanged, due.quarantined, due.refused)
    claims = [
        Claim(f"{name}: in, loaded, unchanged, quarantined, refused are {wanted}", figures == wanted, str(figures))
    ]
    bad, refused, masked = (
        outcome.quarantined(one.batch_id),
        outcome.refused(one.batch_id),
        outcome.masked(one.batch_id),
    )
    planted_bad = {row for entry in ledger.planted if entry.fate == "quarantined" for row in entry.rows}
    claims.append(Claim(f"{name}: no sound row was quarantined", set(bad) <= planted_bad, _few(set(bad) - planted_bad)))
    for entry in ledger.planted:
        rows = set(entry.rows)
        text = f"{name}: {entry.count:,} rows with {entry.defect.replace('_', ' ')} are {entry.fate}"
        if entry.fate == "quarantined":
            right = {row for row in rows if any(_blames(contract, rule, entry) for rule in bad.get(row, ()))}
            claims.append(Claim(f"{text}, each for that", right == rows, f"not {_few(rows - right)}"))
        elif entry.fate in ("refused", "masked"):
            seen = refused if entry.fate == "refused" else masked
            claims.append(Claim(text, rows <= seen, f"not {_few(rows - seen)}"))
    return claims


def _blames(contract: FeedContract, rule_id: str, entry: Planted) -> bool:
    """Whether a broken rule is about the column in which the defect was planted."""
    if rule_id.startswith("_"):
        return WHOLE_ROW.get(entry.defect) == rule_id
    fields = next((rule.fields for rule in contract.row_rules if rule.id == rule_id), (rule_id.rpartition(".")[0],))
    return any(contract.field(name).source_name == entry.field for name in fields)


def _few(rows: set[int]) -> str:
    return f"{len(rows):,} rows: {', '.join(map(str, sorted(rows)[:5]))}"
