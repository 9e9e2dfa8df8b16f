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

24 bytes a row are kept (64 bits of the group's hash, part and total) where amounts have at most 18 digits, else 72. No row
is judged by a hash alone: of groups that seem to break the rule the real keys are asked for again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from contracts.checks.canonical import escaped_key_text
from contracts.model import FeedContract, RowRule
from contracts.normalise.buffers import Mask, to_mask
from hub.ids import RuleId

KIND = "group_sum"
_NARROW = 18  # digits that 64 bits hold
_WIDE = pa.decimal256(60, 0)
_SEEDS = secrets.randbits(63), secrets.randbits(63)  # nobody outside can make two groups meet

Words = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.intp]
Masks = Mapping[int, Mask]
Columns = Callable[[int, tuple[str, ...], Rows], pa.Table]
"""(page ordinal, fields, positions among the page's good rows) -> these columns of these rows, without dictionaries."""


@dataclass(frozen=True, slots=True)
class GroupsFound:
    """Page ordinal -> good rows of the page; pages without any are absent."""

    broken: Masks  # the sum of their group is off
    incomplete: Masks  # a row of their group is quarantined for something else


@dataclass(slots=True)
class _Page:
    keys: Words
    rows: Rows | None  # positions among the page's good rows; None: all of them
    part: pa.Array  # int64 or decimal256, in units of the last place; null: no part
    total: pa.Array
    size: int  # good rows


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


@dataclass(slots=True)
class GroupSumFinder:
    """Judges one rule of kind `group_sum`. Fed with each page, in any order; `finish` may be asked again."""

    rule: RowRule
    _pages: dict[int, _Page] = field(default_factory=dict)
    _left_out: list[pa.FixedSizeBinaryArray] = field(default_factory=list)
    _scale: int = 0

    @property
    def incomplete(self) -> RuleId:
        """The rule that sound rows of an incomplete group are quarantined for."""
        return RuleId(f"{self.rule.id}.incomplete")

    def feed(self, ordinal: int, good: pa.Table, left_out: pa.Table | None) -> None:
        """Notes a page: its good rows (without dictionaries), and the group fields of its bad ones."""
        by = good.select(list(self.rule.args["by"]))
        member = ~to_mask(_one(good.column("_withdrawn"))) & _complete(by)
        rows = None if member.all() else np.flatnonzero(member)
        if rows is not None:
            good, by = good.take(pa.array(rows)), by.take(pa.array(rows))
        names = (*self.rule.args["parts"], self.rule.args["total"])
        self._scale, narrow = _scale_of([good.schema.field(name).type for name in names])
        *parts, total = (_units(_one(good.column(name)), self._scale, narrow=narrow) for name in names)
        self._pages[ordinal] = _Page(_hashes(by, _SEEDS[0]), rows, _added(parts), total, member.size)
        if left_out is not None and left_out.num_rows:
            missing = left_out.select(by.column_names)
            self._left_out.append(pc.unique(_identities(missing.filter(pa.array(_complete(missing))))))

    def finish(self, columns_of: Columns, rejected: Masks, repeats: Masks) -> GroupsFound:
        """Which rows the rule stops, besides those `rejected` already; `repeats` are the same record again.

        `columns_of` is asked only for pages with a group that seems to break the rule.
        """
        ordinals = sorted(self._pages)
        if not ordinals:
            return GroupsFound({}, {})
        pages = [self._pages[ordinal] for ordinal in ordinals]
        out = np.concatenate([_chosen(page, rejected.get(at)) for at, page in zip(ordinals, pages, strict=True)])
        again = np.concatenate([_chosen(page, repeats.get(at)) for at, page in zip(ordinals, pages, strict=True)])
        keys = np.concatenate([page.keys for page in pages])
        part, total = (pa.concat_arrays([getattr(page, name) for page in pages]) for name in ("part", "total"))
        missing = np.concatenate([np.unique(keys[out]), *(_words(one)[:, 0] for one in self._left_out)])
        suspects = self._suspects(pa.array(keys), part, total, ~(out | again), pa.array(missing))
        if len(suspects) == 0:
            return GroupsFound({}, {})
        at = np.flatnonzero(to_mask(pc.is_in(pa.array(keys), value_set=suspects)))
        texts, lacking = self._real(at, ordinals, pages, columns_of, out)
        chosen = pa.array(at)
        judged = _judged(texts, part.take(chosen), total.take(chosen), ~(out | again)[at])
        stopped = ~out[at]
        whole = ~to_mask(pc.is_in(texts, value_set=lacking))
        off = to_mask(pc.is_in(texts, value_set=judged.filter(pa.array(self._off(judged))).column("key")))
        told = to_mask(pc.is_in(texts, value_set=judged.filter(pc.is_valid(judged.column("least"))).column("key")))
        return GroupsFound(
            _spread(ordinals, pages, at[stopped & whole & off]),
            _spread(ordinals, pages, at[stopped & ~whole & told]),
        )

    def _suspects(self, keys: pa.Array, part: pa.Array, total: pa.Array, counted: Mask, missing: pa.Array) -> pa.Array:
        """Hashes of groups whose sum seems off, or that lack a row."""
        judged = _judged(keys, part, total, counted)
        found = pa.array(self._off(judged))
        if len(missing):
            lacks = pc.and_(pc.is_in(judged.column("key"), value_set=missing), pc.is_valid(judged.column("least")))
            found = pc.or_(found, lacks)
        return _one(judged.column("key").filter(found))

    def _off(self, judged: pa.Table) -> Mask:
        """Groups that have a part and a total and whose sum is not the one total of their rows."""
        least, most, added = (_one(judged.column(name)) for name in ("least", "most", "added"))
        unlike = pc.or_(pc.not_equal(least, most), pc.not_equal(added, least))
        off = to_mask(unlike)  # null where there is no part or no total
        margin = int(Decimal(str(self.rule.args.get("tolerance", 0))).scaleb(self._scale))
        near = np.flatnonzero(off) if margin else np.empty(0, np.intp)
        if near.size:
            few = pa.array(near)
            low, high, sums = (column.take(few).cast(_WIDE) for column in (least, most, added))
            limit = pa.scalar(Decimal(margin), pa.decimal256(46, 0))
            off[near] = to_mask(pc.or_(pc.not_equal(low, high), pc.greater(pc.abs(pc.subtract(sums, low)), limit)))
        return off

    def _real(
        self, at: Rows, ordinals: list[int], pages: list[_Page], columns_of: Columns, out: Mask
    ) -> tuple[pa.StringArray, pa.Array]:
        """The real keys of rows (ascending positions in the batch), and the keys of groups that lack a row."""
        by = tuple(self.rule.args["by"])
        left_out = pa.concat_arrays([pa.array([], pa.binary(16)), *self._left_out])
        texts, lacking = [], []
        for number, inside in _by_page(pages, at):
            page = pages[number]
            rows = inside if page.rows is None else page.rows[inside]
            table = columns_of(ordinals[number], by, rows).combine_chunks()
            texts.append(_texts(table))
            if len(left_out):
                lacking.append(texts[-1].filter(pc.is_in(_identities(table), value_set=left_out)))
        keys = pa.concat_arrays(texts)
        return keys, pc.unique(pa.concat_arrays([*lacking, keys.filter(pa.array(out[at]))]))


def _scale_of(types: Iterable[pa.DataType]) -> tuple[int, bool]:
    """The decimal places in which all amounts are whole, and whether 64 bits hold each sum of a row."""
    shapes = [(kind.precision, kind.scale) if pa.types.is_decimal(kind) else (19, 0) for kind in types]
    scale = max(places for _, places in shapes)
    spare = len(str(len(shapes) - 1)) if len(shapes) > 2 else 0
    return scale, max(digits - places for digits, places in shapes) + scale + spare <= _NARROW


def _units(values: pa.Array, scale: int, *, narrow: bool) -> pa.Array:
    """Amounts as whole numbers of units of the last place: int64 where they fit, else decimal256."""
    if pa.types.is_integer(values.type):
        values = values.cast(pa.decimal128(19, 0))
    if not narrow:
        wide = values.cast(pa.decimal256(values.type.precision - values.type.scale + scale, scale))
        return pa.Array.from_buffers(pa.decimal256(50, 0), len(wide), wide.buffers(), wide.null_count, wide.offset)
    if values.type.scale != scale:
        values = values.cast(pa.decimal128(values.type.precision - values.type.scale + scale, scale))
    words = np.frombuffer(values.buffers()[1], dtype=np.int64, count=2 * len(values), offset=16 * values.offset)
    absent = values.is_null().to_numpy(zero_copy_only=False) if values.null_count else None
    return pa.array(words.reshape(-1, 2)[:, 0].copy(), mask=absent)


def _added(parts: list[pa.Array]) -> pa.Array:
    """The sum of a row's parts; null where it has none of them."""
    if len(parts) == 1:
        return parts[0]
    nothing = pa.scalar(0, pa.int64()).cast(parts[0].type)
    absent = reduce(pc.and_, [part.is_null() for part in parts])
    added = reduce(pc.add, [pc.fill_null(part, nothing) for part in parts]).cast(parts[0].type)
    return pc.if_else(absent, pa.scalar(None, added.type), added)


def _judged(keys: pa.Array, part: pa.Array, total: pa.Array, counted: Mask) -> pa.Table:
    """For each group: key, added, least and most total, over the rows counted."""
    if pa.types.is_integer(part.type):
        part = part.cast(pa.decimal128(19, 0))  # its sum has 38 digits: as many rows as there may be don't overflow it
    table = pa.table({"key": keys, "part": part, "total": total})
    if not counted.all():
        table = table.filter(pa.array(counted))
    groups = table.group_by("key", use_threads=False).aggregate([("part", "sum"), ("total", "min_max")])
    bounds = _one(groups.column("total_min_max"))
    least, most = bounds.field("min"), bounds.field("max")
    if pa.types.is_integer(least.type):
        least, most = (one.cast(pa.decimal128(19, 0)) for one in (least, most))
    return pa.table({"key": groups.column("key"), "added": groups.column("part_sum"), "least": least, "most": most})


def _chosen(page: _Page, mask: Mask | None) -> Mask:
    """A mask over the page's good rows as one over the rows noted."""
    if mask is None:
        return np.zeros(page.keys.size, dtype=np.bool_)
    return mask if page.rows is None else mask[page.rows]


def _by_page(pages: list[_Page], at: Rows) -> Iterable[tuple[int, Rows]]:
    """Ascending positions in the batch, as positions in the pages that have any."""
    bounds = np.cumsum([0, *(page.keys.size for page in pages)])
    cuts = np.searchsorted(at, bounds)
    for number in range(len(pages)):
        inside = at[cuts[number] : cuts[number + 1]] - bounds[number]
        if inside.size:
            yield number, inside


def _spread(ordinals: list[int], pages: list[_Page], found: Rows) -> dict[int, Mask]:
    masks: dict[int, Mask] = {}
    for number, inside in _by_page(pages, found):
        page = pages[number]
        masks[ordinals[number]] = np.zeros(page.size, dtype=np.bool_)
        masks[ordinals[number]][inside if page.rows is None else page.rows[inside]] = True
    return masks


def _complete(by: pa.Table) -> Mask:
    """Rows that have every field."""
    whole = np.ones(by.num_rows, dtype=np.bool_)
    for column in by.columns:
        if column.null_count:
            whole &= to_mask(_one(column.is_valid()))
    return whole


def _texts(by: pa.Table) -> pa.StringArray:
    parts = [escaped_key_text(_one(column)) for column in by.columns]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "|")


def _identities(by: pa.Table) -> pa.FixedSizeBinaryArray:
    """128 bits of each row's group, the first 64 its hash: for rows that nobody can be asked for again."""
    words = np.stack([_hashes(by, seed) for seed in _SEEDS], axis=1)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), by.num_rows, [None, pa.py_buffer(words.tobytes())])


def _words(identities: pa.FixedSizeBinaryArray) -> Words:
    data = np.frombuffer(identities.buffers()[1], dtype=np.uint64, count=2 * len(identities))
    return data.reshape(-1, 2)


def _hashes(by: pa.Table, seed: int) -> Words:
    # Good for this process only: it is never stored.
    frame: Any = pl.from_arrow(by)
    found: Words = frame.hash_rows(seed=seed).to_numpy()
    return found


def _one(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    if isinstance(column, pa.Array):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
