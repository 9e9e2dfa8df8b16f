"""What was planted where: the ledger that lets a run be reconciled to the row.

Every planted row carries exactly one defect, so the figures of a feed follow from the ledger by adding up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from demo.generate.text import Ints

Fate = Literal["quarantined", "refused", "unchanged", "masked", "normalised"]
"""What must become of the row. `masked` and `normalised` rows load; `unchanged` repeats another row of the batch."""


@dataclass(frozen=True)
class Planted:
    """One kind of defect in one delivery."""

    defect: str  # bad_check_digit, future_date …
    field: str  # the column as delivered; empty where the row as a whole is meant
    fate: Fate
    rows: list[int]  # numbers in the delivery, from 1
    note: str = ""

    @property
    def count(self) -> int:
        """How many rows carry it."""
        return len(self.rows)


@dataclass(frozen=True)
class Expected:
    """The figures that a hub must reach over a delivery it has not seen before."""

    rows_in: int
    loaded: int
    unchanged: int
    quarantined: int
    refused: int


@dataclass
class Ledger:
    """All that was planted in one delivery."""

    feed: str
    unit: str  # file, table or path
    rows: int
    seed: int
    planted: list[Planted] = field(default_factory=list)

    def expected(self) -> Expected:
        """The figures that follow."""
        sums = {"unchanged": 0, "quarantined": 0, "refused": 0}
        for entry in self.planted:
            if entry.fate in sums:
                sums[entry.fate] += entry.count
        return Expected(
            self.rows, self.rows - sum(sums.values()), sums["unchanged"], sums["quarantined"], sums["refused"]
        )

    def absorb(self, block: Ledger, first: int) -> None:
        """Adds what was planted in a block of rows that begins after `first` rows of this delivery."""
        entries = {(entry.defect, entry.field): entry for entry in self.planted}
        for entry in block.planted:
            known = entries.get((entry.defect, entry.field))
            rows = [*(known.rows if known else ()), *(row + first for row in entry.rows)]
            entries[entry.defect, entry.field] = replace(entry, rows=rows)
        self.planted = list(entries.values())

    def write(self, path: Path) -> None:
        """Writes the ledger as JSON: each defect with its count and rows, and the figures expected."""
        document = {
            "feed": self.feed,
            "unit": self.unit,
            "rows": self.rows,
            "seed": self.seed,
            "expected": asdict(self.expected()),
            "planted": [{**asdict(entry), "count": entry.count} for entry in self.planted],
        }
        path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """The ledger that `write` wrote."""
        document = json.loads(path.read_text(encoding="utf-8"))
        planted = [
            Planted(one["defect"], one["field"], one["fate"], one["rows"], one["note"]) for one in document["planted"]
        ]
        return cls(document["feed"], document["unit"], document["rows"], document["seed"], planted)


class Draw:
    """Gives out disjoint rows to the defects of one delivery.

    `rows` counts all rows of the delivery; the last ones repeat earlier ones, as many as `copies` asked for.
    """

    def __init__(self, feed: str, unit: str, rows: int, seed: int, rng: np.random.Generator) -> None:
        self.ledger = Ledger(feed, unit, rows, seed)
        self.identical: Ints = np.empty(0, np.int64)
        self.conflicting: Ints = np.empty(0, np.int64)
        self._rng = rng
        self._free: Ints = np.empty(0, np.int64)

    def before(self, reserved: int, among: Ints | None = None) -> int:
        """Keeps the last rows out of the draw (and with `among` all but these) and returns how many rows stand before them."""
        base = self.ledger.rows - reserved
        free = base if among is None else among[among < base]
        self._free = self._rng.permutation(free).astype(np.int64)
        return base

    def copies(self, identical: int, conflicting: int, among: Ints | None = None) -> int:
        """Reserves rows at the end for copies of earlier rows and returns how many rows stand before them.

        An identical copy counts as unchanged; of a conflicting pair both rows are quarantined. `among` are the rows that
        may be copied or carry a defect; without it any.
        """
        base = self.before(identical + conflicting, among)
        self.identical, self.conflicting = self._take(identical), self._take(conflicting)
        at = np.arange(base, self.ledger.rows)
        self.note("identical_duplicate", "", "unchanged", at[:identical])
        self.note("conflicting_duplicate", "", "quarantined", np.concatenate([self.conflicting, at[identical:]]))
        return base

    def take(self, defect: str, column: str, fate: Fate, count: int, note: str = "") -> Ints:
        """Row indexes (from 0) that carry this defect and no other."""
        chosen = np.sort(self._take(count))
        self.note(defect, column, fate, chosen, note)
        return chosen

    def note(self, defect: str, column: str, fate: Fate, index: Iterable[int], note: str = "") -> None:
        """Enters rows (indexes from 0) into the ledger; nothing where there are none."""
        rows = sorted(int(row) + 1 for row in index)
        if rows:
            self.ledger.planted.append(Planted(defect, column, fate, rows, note))

    def reordered(self, order: Ints) -> Ledger:
        """The ledger after the rows were put in another order: row `order[k]` now stands at k."""
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(1, len(order) + 1)
        self.ledger.planted = [
            replace(entry, rows=sorted(int(place[row - 1]) for row in entry.rows)) for entry in self.ledger.planted
        ]
        return self.ledger

    def _take(self, count: int) -> Ints:
        if count > len(self._free):
            raise ValueError(f"{self.ledger.unit}: too few rows ({self.ledger.rows}) for the defects asked for")
        taken, self._free = self._free[:count], self._free[count:]
        return taken


def share(rows: int, per_10_000: int) -> int:
    """That share of the rows, at least one."""
    return max(1, rows * per_10_000 // 10_000)
