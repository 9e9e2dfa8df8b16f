"""What travels between the steps: pages of columns, never rows one by one.

    connector --RawPage--> gate --GatedPage--> landing, checks --CheckedPage--> load

Row numbers (`_row`) count the rows of one delivery from 1, across its files, sheets and pages, and never change.
Reserved column names begin with an underscore.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa

from hub.ids import RuleId

VALUES = 1_000  # values of a coded field that are counted one by one


@dataclass(frozen=True, slots=True)
class MalformedRow:
    """A row that could not be split into columns; it is quarantined, not lost."""

    row: int  # number in the delivery
    source_row: int  # line or row in the unit
    text: str  # as read, whole; the gate says what of it is kept
    reason: str  # e.g. "11 columns where 10 are due"


@dataclass(frozen=True, slots=True)
class RawPage:
    """Rows as a source gave them. Every data column is pa.string(); null where the source had no value."""

    ordinal: int  # 0, 1, 2 … within the delivery
    unit: str  # where the rows stand: file name, sheet, URL path, table
    table: pa.Table  # columns named as delivered, values as text
    rows: pa.Int64Array  # number in the delivery of each row
    source_rows: pa.Int64Array  # line (file), row (sheet) or position (page) of each row in its unit, from 1
    malformed: tuple[MalformedRow, ...] = ()
    raw: bytes | None = None  # the bytes of this page exactly as they came, where a page has bytes of its own

    @property
    def rows_in(self) -> int:
        """How many rows the page accounts for."""
        return int(self.table.num_rows) + len(self.malformed)


@dataclass(slots=True)
class Around:
    """What stands in a file around its rows: no page brings it where no row follows, and the kept file holds it."""

    headers: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)  # lines above the header, names of sheets, a document's properties
    unseen: list[str] = field(default_factory=list)  # kinds of content that the file holds and nobody looked at

    def __len__(self) -> int:
        return len(self.headers) + len(self.titles)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The trace of a refused row or delivery: never its body."""

    row: int | None  # None: the whole delivery
    unit: str
    source_row: int | None
    rule: RuleId
    hmac: str  # hex HMAC-SHA-256 of the canonical raw row under the hub's key


@dataclass(frozen=True, slots=True)
class Masking:
    """The trace of a masked or dropped value, or of what stands on no row: a whole column, a page's name."""

    row: int  # below 0 for a whole page: -1 is the first page
    field: str  # the column as delivered
    rule: RuleId
    action: str  # mask | drop_field
    hmac: str  # hex HMAC-SHA-256 of the value


@dataclass(frozen=True, slots=True)
class GatedPage:
    """What passed the gate. `page` holds only rows that may be stored, with masked values masked."""

    page: RawPage
    refusals: tuple[Refusal, ...] = ()
    maskings: tuple[Masking, ...] = ()
    dropped: tuple[Masking, ...] = ()  # whole columns, and a unit whose name is masked
    delivery_refused: Refusal | None = None  # set: nothing of this delivery may be stored, stop

    @property
    def touched(self) -> bool:
        """Whether the original bytes must not be kept."""
        return bool(self.refusals or self.maskings or self.dropped or self.delivery_refused)


@dataclass(slots=True)
class BatchMetrics:
    """Figures of a batch that batch rules are judged on; pages' metrics add up with `merge`."""

    rows_in: int = 0
    rows_good: int = 0
    rows_bad: int = 0
    rows_refused: int = 0
    broken: dict[RuleId, int] = field(default_factory=dict)  # rows that break each row rule (warnings too)
    changed: dict[str, int] = field(default_factory=dict)  # "<field>:<step>" -> cells changed by normalisation
    nulls: dict[str, int] = field(default_factory=dict)  # field -> null cells among the good rows
    sums: dict[str, Decimal] = field(default_factory=dict)  # decimal and integer field -> sum over good rows
    minima: dict[str, Any] = field(default_factory=dict)  # field -> least value (numbers, dates, timestamps)
    maxima: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)  # coded field -> value -> rows, at most VALUES
    uncounted: dict[str, int] = field(default_factory=dict)  # coded field -> rows whose value found no room there
    named: dict[str, dict[str, int]] = field(default_factory=dict)  # field -> value that a rule names -> rows, all
    duplicates_identical: int = 0  # rows that repeat another row of the batch exactly
    duplicates_conflicting: int = 0  # rows of one key that differ: all quarantined
    samples: dict[RuleId, list[str]] = field(default_factory=dict)  # at most 20 record keys or row numbers a rule

    def merge(self, other: BatchMetrics) -> None:
        """Adds another page's figures into these."""
        self.rows_in += other.rows_in
        self.rows_good += other.rows_good
        self.rows_bad += other.rows_bad
        self.rows_refused += other.rows_refused
        self.duplicates_identical += other.duplicates_identical
        self.duplicates_conflicting += other.duplicates_conflicting
        pairs: tuple[tuple[dict[Any, int], dict[Any, int]], ...] = (
            (self.broken, other.broken),
            (self.changed, other.changed),
            (self.nulls, other.nulls),
            (self.uncounted, other.uncounted),
        )
        for mine, theirs in pairs:
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        for name, total in other.sums.items():
            self.sums[name] = self.sums.get(name, Decimal(0)) + total
        for name, value in other.minima.items():
            self.minima[name] = min(value, self.minima[name]) if name in self.minima else value
        for name, value in other.maxima.items():
            self.maxima[name] = max(value, self.maxima[name]) if name in self.maxima else value
        for name, values in other.counts.items():
            mine_counts = self.counts.setdefault(name, {})
            for value, count in values.items():
                if value in mine_counts or len(mine_counts) < VALUES:
                    mine_counts[value] = mine_counts.get(value, 0) + count
                else:
                    self.uncounted[name] = self.uncounted.get(name, 0) + count
        for name, values in other.named.items():
            mine_named = self.named.setdefault(name, {})
            for value, count in values.items():
                mine_named[value] = mine_named.get(value, 0) + count
        for rule, keys in other.samples.items():
            have = self.samples.setdefault(rule, [])
            have.extend(keys[: max(0, 20 - len(have))])


@dataclass(frozen=True, slots=True)
class CheckedPage:
    """A page after normalisation and row rules.

    `good` has the contract's fields with their Arrow types, in contract order, then:
      _row int64 · _key string (canonical record key) · _subject string · _hash fixed_size_binary(32)
      (SHA-256 of the canonical record: contract fields only, no clock, no order) · _version string or null
      (source version, sortable as text) · _withdrawn bool · _changes int64 (bit i: step i of `change_steps`)
    `bad` has: _row int64 · _source_row int64 · _unit string · _key string or null · _rules list<string> ·
      _raw string (JSON object of the landed values; {"_text": …} for a malformed row)
    """

    ordinal: int
    good: pa.Table
    bad: pa.Table
    metrics: BatchMetrics
    change_steps: tuple[str, ...] = ()  # "<field>:<step>" in bit order; the same for every page of a contract
    left_out: pa.Table | None = None  # of bad rows, the fields that make groups; None: no rule looks at groups


@dataclass(frozen=True, slots=True)
class BatchVerdict:
    """What the batch rules said."""

    rule: RuleId
    kind: str
    passed: bool
    gate: bool
    severity: str
    observed: str
    expected: str
    label_zh: str = ""
    label_en: str = ""
    observed_zh: str = ""
    expected_zh: str = ""
    judged: bool = True  # False: there was nothing to judge or to compare with, which passes


Counts = Mapping[str, int]
