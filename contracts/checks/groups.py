"""Sums over the rows of one group within a batch (`group_sum`), found in bounded memory while its pages go by.

A group is whole or it does not load. It is judged over the rows that hold: those that passed the row checks and
that no other row of the batch contests, an exact repeat counted once, a withdrawal not at all.

* Its sum is off, or its rows don't agree on the total: every row of it breaks the rule.
* A row of it is quarantined for something else: its sum can't be judged honestly, since the correction to come may
  change the very amount, and the rest loaded alone would be half a group that no replay of that one row could
  complete. The rest is quarantined too, as `<rule>.incomplete`, and goes with the corrected row when all are replayed.
* A row that the gate refused, that could not be read at all, or whose group could not be read is not known here: the
  sum says that it is missing.

A group without a total, or without a part, keeps the rule; so does a row that lacks a field of `by`. A group that
comes again in another batch is judged by what that batch holds of it.

Of each row the group's hash (64 bits), part and total are kept (`contracts.checks.kept`): 24 bytes where amounts have at
most 18 digits, else 72. Beyond a bound the rows of a group are added up before they leave memory. No row is judged by a
hash alone: for groups that seem to break the rule the pages are looked at again, by the real keys.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from contracts.checks import amounts, kept
from contracts.checks.canonical import escaped_key_text
from contracts.checks.kept import Kept, Scratch, Twice, Words
from contracts.checks.marks import Marks
from contracts.model import FeedContract, RowRule
from contracts.normalise.buffers import Mask, to_mask
from hub.ids import RuleId

KIND = "group_sum"
_SEEDS = secrets.randbits(63), secrets.randbits(63)  # nobody outside can make two groups meet
_IDENTITIES = pa.schema([("key", pa.uint64()), ("identity", pa.binary(16))])

Rows = npt.NDArray[np.intp]
Masks = Mapping[int, Mask]
Columns = Callable[[int, tuple[str, ...], Rows | None], pa.Table]
"""(page ordinal, fields, positions among the page's good rows; None: all) -> these columns, without dictionaries."""


@dataclass(frozen=True, slots=True)
class GroupsFound:
    """Page ordinal -> good rows of the page; pages without any are absent."""

    broken: Masks  # the sum of their group is off
    incomplete: Masks  # a row of their group is quarantined for something else


def rules_of(contract: FeedContract) -> list[RowRule]:
    """The contract's rules over groups."""
    return [rule for rule in contract.row_rules if rule.kind == KIND]


def group_fields(contract: FeedContract) -> tuple[str, ...]:
    """The fields that make groups."""
    return tuple(dict.fromkeys(name for rule in rules_of(contract) for name in rule.args["by"]))


def fields_of(contract: FeedContract) -> tuple[str, ...]:
    """Every column of good rows that the rules over groups look at."""
    names = (name for rule in rules_of(contract) for name in (*rule.args["parts"], rule.args["total"]))
    found = dict.fromkeys((*group_fields(contract), *names))
    return (*found, "_withdrawn") if found else ()


def companions(rules: Iterable[RowRule], rows: pa.Table, chosen: Mask) -> Mask:
    """`chosen` and every row that shares a group with a chosen one; `rows` has the fields that make groups."""
    found = chosen.copy()
    keyed = []
    for rule in rules:
        by = rows.select(list(rule.args["by"]))
        keyed.append((_texts(by), _complete(by)))
    before = -1
    while before < (before := int(np.count_nonzero(found))):
        for texts, whole in keyed:
            met = texts.filter(pa.array(found & whole))
            found |= whole & to_mask(pc.is_in(texts, value_set=met))
    return found


class GroupSumFinder:
    """Judges one rule of kind `group_sum`. Fed with each page, in any order; `finish` may be asked again.

    `scratch`: where what is too much for memory may wait.
    """

    def __init__(self, rule: RowRule, scratch: Callable[[], Scratch] | None = None) -> None:
        self.rule = rule
        self._scratch = scratch
        self._by = tuple(rule.args["by"])
        self._rows = Kept(scratch, amounts.summed, amounts.summed_again)
        self._left_out = Kept(scratch, _distinct, columns=_IDENTITIES)
        self._sizes: dict[int, int] = {}  # good rows of each page
        self._scale = 0

    @property
    def incomplete(self) -> RuleId:
        """The rule that sound rows of an incomplete group are quarantined for."""
        return RuleId(f"{self.rule.id}.incomplete")

    def feed(self, ordinal: int, good: pa.Table, left_out: pa.Table | None) -> None:
        """Notes a page: its good rows (without dictionaries), and the group fields of its bad ones."""
        self._sizes[ordinal] = good.num_rows
        rows, by = self._grouped(good)
        part, total = self._units(good if rows.size == good.num_rows else good.take(pa.array(rows)))
        self._rows.add(ordinal, pa.table({"key": _hashes(by, _SEEDS[0]), "part": part, "total": total}))
        if left_out is not None and left_out.num_rows:
            missing = left_out.select(self._by)
            self._left_out.add(ordinal, _distinct(_identified(missing.filter(pa.array(_complete(missing))))))

    def finish(self, columns_of: Columns, rejected: Masks, repeats: Masks) -> GroupsFound:
        """Which rows the rule stops, besides those `rejected` already; `repeats` are the same record again.

        `columns_of` is asked only where a row is rejected or repeats another, or a group seems to break the rule.
        """
        if not self._sizes:
            return GroupsFound({}, {})
        pages = _Pages(columns_of, rejected, repeats, self._sizes)
        broken, incomplete = Marks(), Marks()
        for suspects, lacking in self._suspects(self._touched(pages)):
            rows = Twice(partial(self._members, pages, suspects))
            off, told, lacks = self._judged(pages, rows, lacking)
            for some in rows:
                whole = ~to_mask(pc.is_in(some.texts, value_set=lacks))
                stopped = ~pages.out(some.page, some.rows)
                is_off, is_told = (to_mask(pc.is_in(some.texts, value_set=keys)) for keys in (off, told))
                broken.mark(some.page, pages.mask(some.page, some.rows[stopped & whole & is_off]))
                incomplete.mark(some.page, pages.mask(some.page, some.rows[stopped & ~whole & is_told]))
        return GroupsFound(broken, incomplete)

    def _touched(self, pages: _Pages) -> Kept:
        """Hashes of groups of which a row is rejected, or repeats another: what was added up of them says little."""
        touched = Kept(self._scratch, lambda hashes: hashes.group_by("key", use_threads=False).aggregate([]))
        for ordinal in pages.touched:
            rows = np.flatnonzero(pages.out(ordinal) | pages.again(ordinal))
            known = self._every_row(ordinal)
            if known is None:
                _, by = self._grouped(pages.columns_of(ordinal, (*self._by, "_withdrawn"), rows))
            found = _hashes(by, _SEEDS[0]) if known is None else known[rows]
            touched.add(ordinal, pa.table({"key": np.unique(found)}))
        return touched

    def _suspects(self, touched: Kept) -> Iterator[tuple[Words, pa.Array]]:
        """Some at a time, hashes of groups whose sum seems off or that may lack a row, sorted; and which are known to lack one."""
        waiting: list[tuple[Words, pa.Table]] = []
        for sums, left, marked in kept.side_by_side(self._rows, self._left_out, touched):
            keys = kept.words(sums)
            more = np.concatenate([kept.words(left), kept.words(marked)])
            chosen = amounts.off(sums, self._margin)
            if more.size:
                chosen |= to_mask(pc.is_in(pa.array(keys), value_set=pa.array(more)))
            if chosen.any():
                found = np.sort(keys[chosen])
                waiting.append((found, left.filter(pc.is_in(left.column("key"), value_set=pa.array(found)))))
            if sum(one.size for one, _ in waiting) >= kept.LOT:
                yield _lot(waiting)
                waiting = []
        if waiting:
            yield _lot(waiting)

    def _judged(
        self, pages: _Pages, suspects: Iterable[_Members], lacking: pa.Array
    ) -> tuple[pa.Array, pa.Array, pa.Array]:
        """Real keys of groups: whose sum is off, that have a total, that lack a row."""
        sums: list[pa.Table] = []
        lacks: list[pa.Array] = [pa.array([], pa.string())]
        for some in suspects:
            out = pages.out(some.page, some.rows)
            counted = pa.array(~(out | pages.again(some.page, some.rows)))
            part, total = self._units(pages.columns_of(some.page, self._amounts, some.rows))
            rows = pa.table({"key": some.texts, "part": part, "total": total})
            sums.append(amounts.summed(rows.filter(counted)))
            known = pc.is_in(_identities(some.by), value_set=lacking)
            lacks.append(pc.unique(some.texts.filter(pc.or_(known, pa.array(out)))))
            if sum(one.num_rows for one in sums) > 2 * kept.LOT:
                sums, lacks = [amounts.summed_again(pa.concat_tables(sums))], [pc.unique(pa.concat_arrays(lacks))]
        found = amounts.summed_again(pa.concat_tables(sums))
        keys = kept.one(found.column("key"))
        off = keys.filter(pa.array(amounts.off(found, self._margin)))
        told = keys.filter(kept.one(found.column("least")).is_valid())
        return off, told, pc.unique(pa.concat_arrays(lacks))

    def _members(self, pages: _Pages, hashes: Words) -> Iterator[_Members]:
        """Page by page the rows whose group has one of the hashes."""
        for ordinal in sorted(self._sizes):
            known = self._rows.of_page(ordinal)
            if known is not None and not kept.among(known, hashes).any():
                continue
            every = self._every_row(ordinal)
            if every is not None:
                at = np.flatnonzero(kept.among(every, hashes))
                by = pages.columns_of(ordinal, self._by, at).combine_chunks()
            else:
                rows, by = self._grouped(pages.columns_of(ordinal, (*self._by, "_withdrawn"), None))
                hit = kept.among(_hashes(by, _SEEDS[0]) if known is None else known, hashes)
                at, by = rows[hit], by.filter(pa.array(hit)).combine_chunks()
            if at.size:
                yield _Members(ordinal, at, by, _texts(by))

    def _every_row(self, ordinal: int) -> Words | None:
        """The hashes of a page's good rows, where they are in memory and each row is of a group."""
        known = self._rows.of_page(ordinal)
        return known if known is not None and known.size == self._sizes[ordinal] else None

    def _grouped(self, rows: pa.Table) -> tuple[Rows, pa.Table]:
        """Positions of the rows that are of a group, and what makes their groups."""
        by = rows.select(self._by)
        member = ~to_mask(kept.one(rows.column("_withdrawn"))) & _complete(by)
        at = np.flatnonzero(member)
        return at, by if at.size == rows.num_rows else by.take(pa.array(at)).combine_chunks()

    @property
    def _amounts(self) -> tuple[str, ...]:
        return (*self.rule.args["parts"], self.rule.args["total"])

    @property
    def _margin(self) -> int:
        return int(Decimal(str(self.rule.args.get("tolerance", 0))).scaleb(self._scale))

    def _units(self, rows: pa.Table) -> tuple[pa.Array, pa.Array]:
        """What each row adds, and its total."""
        self._scale, narrow = amounts.scale_of([rows.schema.field(name).type for name in self._amounts])
        *parts, total = (
            amounts.units(kept.one(rows.column(name)), self._scale, narrow=narrow) for name in self._amounts
        )
        return amounts.added(parts), total


class _Members(NamedTuple):
    """Good rows of a page that belong to groups in question."""

    page: int
    rows: Rows
    by: pa.Table
    texts: pa.StringArray


@dataclass(frozen=True, slots=True)
class _Pages:
    """The pages as `finish` is given them."""

    columns_of: Columns
    rejected: Masks
    repeats: Masks
    sizes: Mapping[int, int]

    @property
    def touched(self) -> list[int]:
        """Pages with a row that is rejected or repeats another."""
        return sorted({*self.rejected, *self.repeats})

    def out(self, page: int, rows: Rows | None = None) -> Mask:
        """Which rows are rejected already."""
        return self._of(self.rejected.get(page), page, rows)

    def again(self, page: int, rows: Rows | None = None) -> Mask:
        """Which rows repeat another."""
        return self._of(self.repeats.get(page), page, rows)

    def mask(self, page: int, rows: Rows) -> Mask:
        """Positions as a mask."""
        found = np.zeros(self.sizes[page], dtype=np.bool_)
        found[rows] = True
        return found

    def _of(self, mask: Mask | None, page: int, rows: Rows | None) -> Mask:
        if mask is None:
            return np.zeros(self.sizes[page] if rows is None else rows.size, dtype=np.bool_)
        return mask if rows is None else mask[rows]


def _lot(waiting: list[tuple[Words, pa.Table]]) -> tuple[Words, pa.Array]:
    lacking = pa.concat_tables([left for _, left in waiting])
    return np.concatenate([found for found, _ in waiting]), kept.one(lacking.column("identity"))


def _complete(by: pa.Table) -> Mask:
    """Rows that have every field."""
    whole = np.ones(by.num_rows, dtype=np.bool_)
    for column in by.columns:
        if column.null_count:
            whole &= to_mask(kept.one(column.is_valid()))
    return whole


def _texts(by: pa.Table) -> pa.StringArray:
    parts = [escaped_key_text(kept.one(column)) for column in by.columns]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "|")


def _identified(by: pa.Table) -> pa.Table:
    """Each row's group, for rows that nobody can be asked for again."""
    return pa.table({"key": _hashes(by, _SEEDS[0]), "identity": _identities(by)})


def _distinct(groups: pa.Table) -> pa.Table:
    return groups.group_by(groups.column_names, use_threads=False).aggregate([])


def _identities(by: pa.Table) -> pa.FixedSizeBinaryArray:
    """128 bits of each row's group, the first 64 its hash."""
    words = np.stack([_hashes(by, seed) for seed in _SEEDS], axis=1)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), by.num_rows, [None, pa.py_buffer(words.tobytes())])


def _hashes(by: pa.Table, seed: int) -> Words:
    # Good for this process only.
    frame: Any = pl.from_arrow(by)
    found: Words = frame.hash_rows(seed=seed).to_numpy()
    return found
