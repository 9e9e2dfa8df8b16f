"""Repeats and contradictions within one batch, found in bounded memory while its pages go by.

Of each row 64 bits of its key's hash are kept (`contracts.checks.kept`). Only where a hash stands more than once are the
pages looked at again: no row is judged by a hash alone, that two keys are the same is verified with the real keys.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from contracts.checks import kept
from contracts.checks.canonical import escaped_key_text
from contracts.checks.kept import Kept, Scratch, Twice, Words
from contracts.checks.marks import Marks
from contracts.model import RowRule
from contracts.normalise.buffers import Mask, plain, to_mask
from hub.ids import RuleId

CONFLICT = RuleId("_key.conflict")
_SEED = secrets.randbits(63)  # nobody outside can make many keys meet

Rows = npt.NDArray[np.intp]
RowsOf = Callable[[int], tuple[pa.StringArray, pa.Array]]
"""Page ordinal -> the page's keys as they were fed, and the 32 bytes of each record's hash."""


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Page ordinal -> rows of the page as they were fed; pages without any are absent."""

    identical: Mapping[int, Mask]  # repeat an earlier row of the batch exactly: count as unchanged
    conflicting: Mapping[int, Mask]  # share their key with a row that differs: all are to be quarantined

    @property
    def identical_rows(self) -> int:
        """How many rows repeat an earlier one."""
        return sum(int(np.count_nonzero(mask)) for mask in self.identical.values())

    @property
    def conflicting_rows(self) -> int:
        """How many rows contradict another."""
        return sum(int(np.count_nonzero(mask)) for mask in self.conflicting.values())


class DuplicateFinder:
    """Fed with the keys of each page's good rows, in any order of pages. `scratch`: where what is too much may wait."""

    def __init__(self, scratch: Callable[[], Scratch] | None = None) -> None:
        self._kept = Kept(scratch, _at_most_twice)
        self._sizes: dict[int, int] = {}

    def feed(self, ordinal: int, keys: pa.Array | pa.ChunkedArray) -> None:
        """Notes a page: `keys` row by row. A row with null for a key is like no other."""
        texts = plain(keys)
        self._sizes[ordinal] = len(texts)
        self._kept.add(ordinal, pa.table({"key": _hash64(texts.drop_null())}))

    def finish(self, rows_of: RowsOf) -> Duplicates:
        """Which rows repeat or contradict another.

        Of identical rows the first by page and position stays; where rows of a key differ every one is conflicting.
        `rows_of` is called only where there are keys that may stand twice.
        """
        identical, conflicting = Marks(), Marks()
        if self._sizes:
            twice = (_repeated(kept.words(table)) for table in self._kept.parts())
            for hashes in kept.in_lots(twice):
                groups, rows = _Groups(hashes), Twice(partial(self._members, hashes, rows_of))
                for some in rows:
                    groups.see(some)
                for some in rows:
                    ids = groups.see(some)
                    mixed = groups.mixed[ids]
                    first = (groups.page[ids] == some.page) & (groups.row[ids] == some.rows)
                    conflicting.mark(some.page, self._mask(some.page, some.rows[mixed]))
                    identical.mark(some.page, self._mask(some.page, some.rows[~mixed & ~first]))
        return Duplicates(identical, conflicting)

    def _members(self, hashes: Words, rows_of: RowsOf) -> Iterator[_Members]:
        """Page by page the rows with one of the hashes."""
        for ordinal in sorted(self._sizes):
            known = self._kept.of_page(ordinal)
            if known is not None and not kept.among(known, hashes).any():
                continue
            texts, contents = rows_of(ordinal)
            rows = np.flatnonzero(to_mask(texts.is_valid()))
            found = _hash64(texts.drop_null()) if known is None else known
            hit = kept.among(found, hashes)
            if hit.any():
                at = rows[hit]
                yield _Members(ordinal, at, found[hit], texts.take(pa.array(at)), _words(contents)[at])

    def _mask(self, ordinal: int, rows: Rows) -> Mask:
        mask = np.zeros(self._sizes[ordinal], dtype=np.bool_)
        mask[rows] = True
        return mask


@dataclass(slots=True)
class UniqueFinder:
    """Judges one rule of kind `unique`: different records that share a value break it."""

    rule: RowRule
    scratch: Callable[[], Scratch] | None = None
    _finder: DuplicateFinder = field(init=False)

    def __post_init__(self) -> None:
        self._finder = DuplicateFinder(self.scratch)

    def feed(self, ordinal: int, good: pa.Table) -> None:
        """Notes a page's good rows. A row in which a field of the rule is null keeps the rule."""
        self._finder.feed(ordinal, self._texts(good))

    def finish(self, good_of: Callable[[int], pa.Table]) -> Mapping[int, Mask]:
        """Page ordinal -> good rows that break the rule. `good_of` gives a page's good rows again, of the columns `needs`."""

        def rows_of(ordinal: int) -> tuple[pa.StringArray, pa.Array]:
            good = good_of(ordinal)
            return self._texts(good), kept.one(good.column("_hash"))

        return self._finder.finish(rows_of).conflicting

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns of good rows that it looks at, text without dictionaries."""
        return (*self.rule.fields, "_hash")

    def _texts(self, good: pa.Table) -> pa.StringArray:
        parts = [escaped_key_text(kept.one(good.column(name))) for name in self.rule.fields]
        return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "|")


class _Members(NamedTuple):
    """Rows of a page whose key may stand twice."""

    page: int
    rows: Rows
    hashes: Words
    texts: pa.StringArray
    contents: Words  # shape (n, 2)


class _Groups:
    """What is known of the keys with one of some hashes: by the place of the hash, where two keys share one further on."""

    def __init__(self, hashes: Words) -> None:
        self.hashes = hashes
        self.page = np.full(hashes.size, -1, dtype=np.int64)  # where the key stands first
        self.row = np.zeros(hashes.size, dtype=np.int64)
        self.mixed = np.zeros(hashes.size, dtype=np.bool_)  # whether its rows differ
        self._contents = np.zeros((hashes.size, 2), dtype=np.uint64)  # of the first row
        self._text_at = np.zeros(hashes.size, dtype=np.int64)
        self._texts: list[pa.StringArray] = []
        self._noted = 0
        self._others: dict[tuple[int, str], int] = {}

    def see(self, members: _Members) -> Rows:
        """The group of each row. Pages come in their order; one that was seen before changes nothing."""
        ids: Rows = np.searchsorted(self.hashes, members.hashes)
        new = np.flatnonzero(self.page[ids] < 0)
        if new.size:
            groups, first = np.unique(ids[new], return_index=True)
            self._note(groups, new[first], members)
        known = pa.chunked_array(self._texts, pa.string()).take(pa.array(self._text_at[ids]))
        for at in np.flatnonzero(~to_mask(pc.equal(known, members.texts))).tolist():
            ids[at] = self._other(int(ids[at]), at, members)
        differs = (members.contents != self._contents[ids]).any(axis=1)
        self.mixed[ids[differs]] = True
        return ids

    def _note(self, groups: Rows, rows: Rows, members: _Members) -> None:
        self.page[groups] = members.page
        self.row[groups] = members.rows[rows]
        self._contents[groups] = members.contents[rows]
        self._text_at[groups] = np.arange(self._noted, self._noted + groups.size)
        self._texts.append(members.texts.take(pa.array(rows)))
        self._noted += groups.size

    def _other(self, group: int, at: int, members: _Members) -> int:
        """The group of a row whose key only shares the hash of the group's key."""
        place = group, members.texts[at].as_py()
        if place not in self._others:
            self._others[place] = self.page.size
            self.page = np.append(self.page, members.page)
            self.row = np.append(self.row, members.rows[at])
            self.mixed = np.append(self.mixed, False)
            self._contents = np.append(self._contents, members.contents[at : at + 1], axis=0)
        return self._others[place]


def _at_most_twice(table: pa.Table) -> pa.Table:
    """The hashes in order, each twice where it stands more often: more is not asked."""
    ordered = np.sort(kept.words(table))
    stays = np.ones(ordered.size, dtype=np.bool_)
    stays[2:] = ordered[2:] != ordered[:-2]
    return pa.table({"key": ordered[stays]})


def _repeated(ordered: Words) -> Words:
    """The hashes that stand more than once."""
    found: Words = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    return found


def _hash64(texts: pa.StringArray) -> Words:
    # Good for this process only.
    found: Words = pl.Series(texts).hash(_SEED).to_numpy()
    return found


def _words(hashes: pa.Array) -> Words:
    """The first 128 bits of each hash, shape (n, 2)."""
    if len(hashes) == 0:
        return np.zeros((0, 2), dtype=np.uint64)
    words = np.frombuffer(hashes.buffers()[1], dtype=np.uint64, count=4 * len(hashes), offset=32 * hashes.offset)
    return words.reshape(-1, 4)[:, :2]
