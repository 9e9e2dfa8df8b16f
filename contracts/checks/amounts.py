"""Amounts as whole numbers of units of their last place, and their sums over groups, exact at any size."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.checks.kept import one
from contracts.normalise.buffers import Mask, to_mask

_NARROW = 18  # digits that 64 bits hold
_WIDE = pa.decimal256(60, 0)


def scale_of(types: Iterable[pa.DataType]) -> tuple[int, bool]:
    """The decimal places in which all amounts are whole, and whether 64 bits hold each sum of a row."""
    shapes = [(kind.precision, kind.scale) if pa.types.is_decimal(kind) else (19, 0) for kind in types]
    scale = max(places for _, places in shapes)
    spare = len(str(len(shapes) - 1)) if len(shapes) > 2 else 0
    return scale, max(digits - places for digits, places in shapes) + scale + spare <= _NARROW


def units(values: pa.Array, scale: int, *, narrow: bool) -> pa.Array:
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


def added(parts: list[pa.Array]) -> pa.Array:
    """The sum of a row's parts; null where it has none of them."""
    if len(parts) == 1:
        return parts[0]
    nothing = pa.scalar(0, pa.int64()).cast(parts[0].type)
    absent = reduce(pc.and_, [part.is_null() for part in parts])
    added = reduce(pc.add, [pc.fill_null(part, nothing) for part in parts]).cast(parts[0].type)
    return pc.if_else(absent, pa.scalar(None, added.type), added)


def summed(rows: pa.Table) -> pa.Table:
    """For each group (`key`) of rows with `part` and `total`: added, least and most total."""
    part = rows.column("part")
    if pa.types.is_integer(part.type):
        part = part.cast(pa.decimal128(19, 0))  # its sum has 38 digits: as many rows as there may be don't overflow it
    table = pa.table({"key": rows.column("key"), "part": part, "total": rows.column("total")})
    groups = table.group_by("key", use_threads=False).aggregate([("part", "sum"), ("total", "min_max")])
    bounds = one(groups.column("total_min_max"))
    least, most = bounds.field("min"), bounds.field("max")
    if pa.types.is_integer(least.type):
        least, most = (one.cast(pa.decimal128(19, 0)) for one in (least, most))
    return pa.table({"key": groups.column("key"), "added": groups.column("part_sum"), "least": least, "most": most})


def summed_again(sums: pa.Table) -> pa.Table:
    """One from several of `summed`, each over some of the rows."""
    found = sums.group_by("key", use_threads=False).aggregate([("added", "sum"), ("least", "min"), ("most", "max")])
    columns = {"key": "key", "added": "added_sum", "least": "least_min", "most": "most_max"}
    return pa.table({name: found.column(made) for name, made in columns.items()})


def off(sums: pa.Table, margin: int) -> Mask:
    """Groups that have a part and a total and whose sum, give or take, is not the one total of their rows."""
    least, most, total = (one(sums.column(name)) for name in ("least", "most", "added"))
    found = to_mask(pc.or_(pc.not_equal(least, most), pc.not_equal(total, least)))  # null: no part, or no total
    near = np.flatnonzero(found) if margin else np.empty(0, np.intp)
    if near.size:
        few = pa.array(near)
        low, high, sum_ = (column.take(few).cast(_WIDE) for column in (least, most, total))
        limit = pa.scalar(Decimal(margin), pa.decimal256(46, 0))
        found[near] = to_mask(pc.or_(pc.not_equal(low, high), pc.greater(pc.abs(pc.subtract(sum_, low)), limit)))
    return found
