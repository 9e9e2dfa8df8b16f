"""Kernels of rules that hold several fields of a row against each other. Where one is null the rule is kept."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.model import RowRule
from contracts.normalise.buffers import Mask, text_bytes, to_mask
from contracts.normalise.column import FieldColumn
from contracts.rules.frame import Frame
from contracts.rules.single import bound, comparable, either

_OPERATORS = {
    "eq": pc.equal,
    "ne": pc.not_equal,
    "lt": pc.less,
    "le": pc.less_equal,
    "gt": pc.greater,
    "ge": pc.greater_equal,
}
_PAIRS = 4_000_000  # pairs of distinct values that a table of bits is made for
_UNIT_STEPS = (1_000, 10_000, 1_000_000, 100_000_000)


def _exempt(rule: RowRule, frame: Frame, broken: Mask) -> Mask | None:
    """Takes out the rows that `unless` exempts."""
    if not broken.any():
        return None
    unless = rule.args.get("unless")
    return broken & ~frame.when(unless) if unless else broken


def _number(value: Any) -> pa.Scalar:
    return bound(value, pa.decimal128(38, 0))


def compare(rule: RowRule, frame: Frame) -> Mask | None:
    """First op second does not hold, beyond the tolerance."""
    first, second = (frame.fields[name].rows for name in rule.fields)
    op, tolerance = rule.args["op"], Decimal(str(rule.args.get("tolerance", 0)))
    if tolerance == 0 or op == "ne" or not (pa.types.is_decimal(first.type) or pa.types.is_integer(first.type)):
        if first.type != second.type:
            first, second = comparable(first), comparable(second)
        return _exempt(rule, frame, to_mask(pc.invert(_OPERATORS[op](first, second))))
    gap = pc.subtract(comparable(first), comparable(second))  # keeps le and lt while gap <= tolerance
    limit = _number(tolerance)
    if op in {"ge", "gt"}:
        gap = pc.negate(gap)
    elif op == "eq":
        gap = pc.abs(gap)
    broken = pc.greater_equal(gap, limit) if op in {"lt", "gt"} else pc.greater(gap, limit)
    return _exempt(rule, frame, to_mask(broken))


def prefix_of(rule: RowRule, frame: Frame) -> Mask | None:
    """A text does not begin with the one before it in the rule."""
    found = either(
        [
            _of_pairs(frame.fields[shorter], frame.fields[longer], _not_prefix)
            for shorter, longer in zip(rule.fields, rule.fields[1:], strict=False)
        ]
    )
    return found if found is not None and found.any() else None


def _of_pairs(
    first: FieldColumn, second: FieldColumn, judge: Callable[[pa.StringArray, pa.StringArray], Mask]
) -> Mask | None:
    """Judges two columns together, each pair of values once where both have few; rows with a null are kept."""
    one, two = first.text.codes, second.text.codes
    width = len(second.values)
    if one is None or two is None or len(first.values) * width > _PAIRS:
        return judge(first.rows, second.rows)
    both = (one >= 0) & (two >= 0)
    pairs = np.where(both, one.astype(np.int64) * width + two, len(first.values) * width)
    seen = np.zeros(len(first.values) * width + 1, dtype=np.bool_)
    seen[pairs] = True
    met = np.flatnonzero(seen[:-1])
    seen[:] = False
    seen[met] = judge(first.values.take(pa.array(met // width)), second.values.take(pa.array(met % width)))
    return seen[pairs]


def _not_prefix(first: pa.StringArray, second: pa.StringArray) -> Mask:
    wrong = to_mask(pc.and_(pc.is_valid(first), pc.is_valid(second)))
    head, tail = text_bytes(first), text_bytes(second)
    lengths = np.where(wrong, head.lengths, 0)
    wrong &= lengths > tail.lengths
    lengths = np.where(wrong, 0, lengths)
    # All bytes of all heads in one array, each beside the byte of its partner: UTF-8 keeps prefixes.
    rows = np.repeat(np.arange(len(first)), lengths)
    within = np.arange(rows.size) - (np.cumsum(lengths) - lengths)[rows]
    differs = head.data[head.offsets[:-1][rows] + within] != tail.data[tail.offsets[:-1][rows] + within]
    wrong[rows[differs]] = True
    return wrong


def year_of(rule: RowRule, frame: Frame) -> Mask | None:
    """The year field is not the year of the date (of a time: by the Beijing calendar)."""
    year, day = frame.fields[rule.fields[0]], frame.fields[rule.fields[1]]
    years = year.values
    if pa.types.is_string(years.type):
        shaped = pc.if_else(pc.match_substring_regex(years, r"^[0-9]{1,4}$"), years, pa.scalar("-1"))
        years = shaped.cast(pa.int64())
    days = day.values
    if pa.types.is_timestamp(days.type):
        days = days.cast(pa.timestamp("us", tz="+08:00"))
    broken = pc.not_equal(year.text.take(years), day.text.take(pc.year(days)))
    return _exempt(rule, frame, to_mask(broken))


def sum_equals(rule: RowRule, frame: Frame) -> Mask | None:
    """The parts don't add up to the total. A part without value counts as nothing; without any part the rule is kept."""
    parts = [frame.fields[name] for name in rule.fields]
    total = comparable(frame.fields[rule.args["total"]].rows)
    zero = [pa.scalar(Decimal(0), pa.decimal128(1, 0)).cast(comparable(part.rows).type) for part in parts]
    filled = [pc.fill_null(comparable(part.rows), nil) for part, nil in zip(parts, zero, strict=True)]
    gap = pc.abs(pc.subtract(reduce(pc.add, filled), total))
    broken = to_mask(pc.greater(gap, _number(rule.args.get("tolerance", 0))))
    absent = [part.absent for part in parts]
    if all(mask is not None for mask in absent):
        broken &= ~np.logical_and.reduce([mask for mask in absent if mask is not None])
    for part in parts:
        if part.unreadable is not None:
            broken &= ~part.unreadable
    return broken if broken.any() else None


def ratio(rule: RowRule, frame: Frame) -> Mask | None:
    """First divided by second lies outside; by multiplication, so that it is exact. x/0 lies outside, 0/0 is kept."""
    first, second = (comparable(frame.fields[name].rows) for name in rule.fields)
    zero = pa.scalar(Decimal(0), pa.decimal128(1, 0))
    negative = pc.less(second, zero)
    top = pc.if_else(negative, pc.negate(first), first)
    bottom = pc.abs(second)
    broken = pc.and_(pc.equal(bottom, zero), pc.not_equal(top, zero))
    for name, test in (("min", pc.less), ("max", pc.greater)):
        if name in rule.args:
            limit = _number(rule.args[name])
            narrow = pa.scalar(limit.as_py(), pa.decimal256(20, limit.type.scale))
            broken = pc.or_(broken, pc.and_(test(top, pc.multiply(bottom, narrow)), pc.greater(bottom, zero)))
    found = to_mask(broken)
    return found if found.any() else None


def same_unit(rule: RowRule, frame: Frame) -> Mask | None:
    """One is exactly 10^3, 10^4, 10^6 or 10^8 times the other: the sign of a forgotten unit."""
    first, second = (frame.fields[name].rows for name in rule.fields)
    first_wide = first if first.type == second.type else comparable(first)
    second_wide = second if first.type == second.type else comparable(second)
    rows = np.flatnonzero(to_mask(pc.not_equal(first_wide, second_wide)))
    if rows.size == 0:
        return None
    some = pa.array(rows)
    one, two = comparable(first.take(some)), comparable(second.take(some))
    zero = pa.scalar(Decimal(0), pa.decimal128(1, 0))
    filled = pc.and_(pc.not_equal(one, zero), pc.not_equal(two, zero))
    broken = pa.array(np.zeros(rows.size, dtype=np.bool_))
    for step in _UNIT_STEPS:
        factor = pa.scalar(Decimal(step), pa.decimal256(10, 0))
        meets = pc.or_(pc.equal(pc.multiply(one, factor), two), pc.equal(pc.multiply(two, factor), one))
        broken = pc.or_(broken, pc.and_(meets, filled))
    found = np.zeros(frame.size, dtype=np.bool_)
    found[rows] = to_mask(broken)
    return found if found.any() else None
