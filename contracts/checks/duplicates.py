"""Repeats and contradictions within one batch, found in bounded memory while its pages go by.

24 bytes a row are kept (64 bits of the key's hash, 128 of the record's), and as much again while they are sorted.
That two keys with one 64-bit hash are the same key is verified with the real keys, which the caller still has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from contracts.checks.canonical import escaped_key_text
from contracts.model import RowRule
from contracts.normalise.buffers import Mask, plain
from hub.ids import RuleId

CONFLICT = RuleId("_key.conflict")

Words = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.intp]
KeysOf = Callable[[int], pa.StringArray]


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


@dataclass(slots=True)
class _Page:
    keys: Words
    contents: Words  # shape (n, 2)
    rows: Rows  # positions in the page as fed


@dataclass(slots=True)
class DuplicateFinder:
    """Fed with the key and hash columns of each page's good rows, in any order of pages."""

    _pages: dict[int, _Page] = field(default_factory=dict)
    _sizes: dict[int, int] = field(default_factory=dict)

    def feed(self, ordinal: int, keys: pa.Array | pa.ChunkedArray, hashes: pa.Array | pa.ChunkedArray) -> None:
        """Notes a page: `keys` string without null, `hashes` binary(32), row by row."""
        contents = _words(hashes)
        self.note(ordinal, _Page(_hash64(plain(keys)), contents, np.arange(len(contents))), len(contents))

    def note(self, ordinal: int, page: _Page, size: int) -> None:
        """Notes what is kept of a page of `size` rows."""
        self._pages[ordinal] = page
        self._sizes[ordinal] = size

    def finish(self, keys_of: KeysOf) -> Duplicates:
        """Which rows repeat or contradict another. `keys_of` gives the key column of a page again.

        Of identical rows the first by page and position stays; where rows of a key differ every one is conflicting.
        It is called only for pages with rows whose key may stand twice.
        """
        ordinals = sorted(self._pages)
        pages = [self._pages[ordinal] for ordinal in ordinals]
        groups = _groups(pages, ordinals, keys_of)
        if groups is None:
            return Duplicates({}, {})
        at, group, contents = groups
        starts = np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))
        firsts = np.repeat(starts, np.diff(np.append(starts, group.size)))
        differs = (contents != contents[firsts]).any(axis=1)
        mixed = np.repeat(np.logical_or.reduceat(differs, starts), np.diff(np.append(starts, group.size)))
        repeats = ~mixed & (np.arange(group.size) != firsts)
        return Duplicates(self._spread(ordinals, pages, at[repeats]), self._spread(ordinals, pages, at[mixed]))

    def _spread(self, ordinals: list[int], pages: list[_Page], found: Rows) -> dict[int, Mask]:
        """Positions in the batch as masks over pages."""
        masks: dict[int, Mask] = {}
        bounds = np.cumsum([0, *(page.keys.size for page in pages)])
        found = np.sort(found)
        cuts = np.searchsorted(found, bounds)
        for number, (ordinal, page) in enumerate(zip(ordinals, pages, strict=True)):
            inside = found[cuts[number] : cuts[number + 1]] - bounds[number]
            if inside.size:
                mask = np.zeros(self._sizes[ordinal], dtype=np.bool_)
                mask[page.rows[inside]] = True
                masks[ordinal] = mask
        return masks


@dataclass(slots=True)
class UniqueFinder:
    """Judges one rule of kind `unique`: different records that share a value break it."""

    rule: RowRule
    _finder: DuplicateFinder = field(default_factory=DuplicateFinder)

    def feed(self, ordinal: int, good: pa.Table) -> None:
        """Notes a page's good rows. A row in which a field of the rule is null keeps the rule."""
        texts = self._texts(good)
        rows = np.flatnonzero(pc.is_valid(texts).to_numpy(zero_copy_only=False))
        some = pa.array(rows)
        self._finder.note(
            ordinal, _Page(_hash64(texts.take(some)), _words(good.column("_hash"))[rows], rows), good.num_rows
        )

    def finish(self, good_of: Callable[[int], pa.Table]) -> Mapping[int, Mask]:
        """Page ordinal -> good rows that break the rule. `good_of` gives a page's good rows again."""
        return self._finder.finish(lambda ordinal: self._texts(good_of(ordinal))).conflicting

    def _texts(self, good: pa.Table) -> pa.StringArray:
        parts = [escaped_key_text(_one(good.column(name))) for name in self.rule.fields]
        return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "|")


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _groups(pages: list[_Page], ordinals: list[int], keys_of: KeysOf) -> tuple[Rows, Rows, Words] | None:
    """Rows whose key stands at least twice: position in the batch, number of the group, content; in group order."""
    if not pages:
        return None
    keys = np.concatenate([page.keys for page in pages])
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    same = keys[1:] == keys[:-1]
    if not same.any():
        return None
    member = np.zeros(keys.size, dtype=np.bool_)
    member[1:] |= same
    member[:-1] |= same
    at = order[member]
    hashes = keys[member]
    texts = _texts_at(at, pages, ordinals, keys_of)
    # Same hash, but the same key? Neighbours in a group of one hash are compared; a collision is sorted out by hand.
    equal = pc.equal(texts.slice(1), texts.slice(0, len(texts) - 1)).to_numpy(zero_copy_only=False)
    joined = hashes[1:] == hashes[:-1]
    if not equal[joined].all():
        at, hashes, equal, joined = _without_collisions(at, hashes, texts)
    group = np.concatenate(([0], np.cumsum(~(joined & equal))))
    counts = np.bincount(group)
    several = counts[group] > 1
    contents = np.concatenate([page.contents for page in pages])[at]
    return (at[several], group[several], contents[several]) if several.any() else None


def _without_collisions(at: Rows, hashes: Words, texts: pa.StringArray) -> tuple[Rows, Words, Mask, Mask]:
    """Puts rows of one hash in the order of their keys, so that rows of one key are neighbours."""
    keys = texts.to_pylist()
    order = np.array(sorted(range(len(keys)), key=lambda number: (int(hashes[number]), keys[number], int(at[number]))))
    ordered = [keys[number] for number in order]
    equal = np.array([one == two for one, two in zip(ordered[1:], ordered, strict=False)], dtype=np.bool_)
    hashes = hashes[order]
    return at[order], hashes, equal, hashes[1:] == hashes[:-1]


def _texts_at(at: Rows, pages: list[_Page], ordinals: list[int], keys_of: KeysOf) -> pa.StringArray:
    """The real keys of rows, in the order given, page by page from the caller."""
    bounds = np.cumsum([0, *(page.keys.size for page in pages)])
    page_of = np.searchsorted(bounds, at, side="right") - 1
    parts, places = [], []
    for number in np.unique(page_of).tolist():
        where = np.flatnonzero(page_of == number)
        rows = pages[number].rows[at[where] - bounds[number]]
        parts.append(plain(keys_of(ordinals[number])).take(pa.array(rows)))
        places.append(where)
    back = np.argsort(np.concatenate(places), kind="stable")
    return pa.concat_arrays(parts).take(pa.array(back))


def _hash64(texts: pa.StringArray) -> Words:
    # Good for this process only: it is never stored.
    found: Words = pl.Series(texts).hash().to_numpy()
    return found


def _words(hashes: pa.Array | pa.ChunkedArray) -> Words:
    """The first 128 bits of each hash, shape (n, 2)."""
    array = _one(hashes) if isinstance(hashes, pa.ChunkedArray) else hashes
    if len(array) == 0:
        return np.zeros((0, 2), dtype=np.uint64)
    buffer = array.buffers()[1]
    words = np.frombuffer(buffer, dtype=np.uint64, count=4 * len(array), offset=32 * array.offset)
    return words.reshape(-1, 4)[:, :2].copy()
