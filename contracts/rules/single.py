"""Kernels of rules on one field (or on several, one by one)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.model import RowRule
from contracts.normalise.buffers import Mask, text_bytes
from contracts.rules.frame import Frame
from contracts.rules.patterns import mismatches
from hub.clock import BEIJING


def either(masks: list[Mask | None]) -> Mask | None:
    """Rows in any of the masks."""
    some = [mask for mask in masks if mask is not None]
    return reduce(np.logical_or, some) if some else None


def required(rule: RowRule, frame: Frame) -> Mask | None:
    """No value."""
    return either([frame.missing(name) for name in rule.fields])


def required_if(rule: RowRule, frame: Frame) -> Mask | None:
    """No value though the condition holds."""
    missing = required(rule, frame)
    return None if missing is None else missing & frame.when(rule.args["when"])


def forbidden_if(rule: RowRule, frame: Frame) -> Mask | None:
    """A value though the condition holds."""
    met = frame.when(rule.args["when"])
    if not met.any():
        return None
    present = np.zeros(frame.size, dtype=np.bool_)
    for name in rule.fields:
        absent = frame.fields[name].absent
        present |= np.ones(frame.size, dtype=np.bool_) if absent is None else ~absent
    return met & present


def any_present(rule: RowRule, frame: Frame) -> Mask | None:
    """None of the fields has a value."""
    masks = [frame.missing(name) for name in rule.fields]
    return None if any(mask is None for mask in masks) else np.logical_and.reduce([m for m in masks if m is not None])


def enum(rule: RowRule, frame: Frame) -> Mask | None:
    """Not one of the values."""
    allowed = pa.array(list(rule.args["values"]), pa.string())
    texts = frame.texts(rule.fields[0])
    return frame.over_values(
        rule.fields[0], lambda _: pc.and_(pc.is_valid(texts), pc.invert(pc.is_in(texts, value_set=allowed)))
    )


def enum_if(rule: RowRule, frame: Frame) -> Mask | None:
    """Not one of the values though the condition holds."""
    broken = enum(rule, frame)
    return None if broken is None else broken & frame.when(rule.args["when"])


def code_list(rule: RowRule, frame: Frame) -> Mask | None:
    """Not a code of the list."""
    allowed = frame.codes(rule.args["list"]).array
    texts = frame.texts(rule.fields[0])
    return frame.over_values(
        rule.fields[0], lambda _: pc.and_(pc.is_valid(texts), pc.invert(pc.is_in(texts, value_set=allowed)))
    )


def pattern(rule: RowRule, frame: Frame) -> Mask | None:
    """The whole text does not match."""
    return frame.over_values(rule.fields[0], lambda values: mismatches(values, rule.args["pattern"]))


def length(rule: RowRule, frame: Frame) -> Mask | None:
    """Too few or too many characters."""
    least, most = rule.args.get("min"), rule.args.get("max")

    def judge(values: pa.Array) -> pa.BooleanArray | Mask:
        size = text_bytes(values).lengths
        # A character has one to four bytes, which settles most columns without counting characters.
        if not len(values):
            return np.zeros(0, dtype=np.bool_)
        enough = least is None or least <= -(-int(size.min()) // 4)
        if enough and (most is None or int(size.max()) <= most):
            return np.zeros(len(values), dtype=np.bool_)
        lengths = pc.utf8_length(values)
        broken = [pc.less(lengths, least)] if least is not None else []
        broken += [pc.greater(lengths, most)] if most is not None else []
        return reduce(pc.or_, broken)

    return frame.over_values(rule.fields[0], judge)


def bound(value: Any, kind: pa.DataType) -> pa.Scalar:
    """A contract's bound as a scalar that compares with a column of this type exactly."""
    if pa.types.is_date(kind):
        return pa.scalar(value if isinstance(value, date) else date.fromisoformat(value), kind)
    if pa.types.is_timestamp(kind):
        day = value if isinstance(value, date) else date.fromisoformat(value)
        return pa.scalar(datetime(day.year, day.month, day.day, tzinfo=BEIJING), kind)
    number = Decimal(str(value))
    if pa.types.is_integer(kind) and number == number.to_integral_value():
        return pa.scalar(int(number), pa.int64())
    number = number.quantize(Decimal(1)) if number == number.to_integral_value() else number.normalize()
    _, digits, exponent = number.as_tuple()
    scale = -exponent if isinstance(exponent, int) else 0
    return pa.scalar(number, pa.decimal128(max(len(digits), scale), scale))


def comparable(values: pa.Array) -> pa.Array:
    """Integers and decimals in a width in which comparing and adding never overflows."""
    if pa.types.is_integer(values.type):
        return values.cast(pa.decimal128(19, 0)).cast(pa.decimal256(38, 0))
    if pa.types.is_decimal(values.type):
        return values.cast(pa.decimal256(min(76, values.type.precision + 8), values.type.scale))
    return values


def _fit(mine: pa.DataType, limit: pa.DataType) -> bool:
    """Whether Arrow compares the two without widening a decimal beyond what it holds."""
    if pa.types.is_decimal(mine) and pa.types.is_decimal(limit):
        return bool(mine.precision + limit.scale <= 38 and limit.precision + mine.scale <= 38)
    return bool(mine == limit)


def value_range(rule: RowRule, frame: Frame) -> Mask | None:
    """Below the least or above the greatest."""
    below = pc.less_equal if rule.args.get("exclusive_min") else pc.less
    above = pc.greater_equal if rule.args.get("exclusive_max") else pc.greater

    def judge(values: pa.Array) -> pa.BooleanArray:
        broken = []
        for name, test in (("min", below), ("max", above)):
            if name not in rule.args:
                continue
            limit = bound(rule.args[name], values.type)
            broken.append(test(values if _fit(values.type, limit.type) else comparable(values), limit))
        return reduce(pc.or_, broken)

    return either([frame.over_values(name, judge) for name in rule.fields])


def date_not_future(rule: RowRule, frame: Frame) -> Mask | None:
    """Later than the day of receipt and the days of grace."""
    last = frame.today + timedelta(days=int(rule.args.get("days", 0)))

    def judge(values: pa.Array) -> pa.BooleanArray:
        if pa.types.is_date(values.type):
            return pc.greater(values, pa.scalar(last, pa.date32()))
        end = datetime(last.year, last.month, last.day, tzinfo=BEIJING) + timedelta(days=1)
        return pc.greater_equal(values, pa.scalar(end, values.type))

    return either([frame.over_values(name, judge) for name in rule.fields])


def reference_feed(rule: RowRule, frame: Frame) -> Mask | None:
    """Not held by the other feed."""
    lookup = frame.references
    assert lookup is not None
    texts = frame.texts(rule.fields[0])

    def judge(_: pa.Array) -> pa.BooleanArray:
        encoded = texts.dictionary_encode()
        known = pc.fill_null(lookup(rule.args["feed"], rule.args["field"], encoded.dictionary), False)
        return pc.invert(known.take(encoded.indices))

    return frame.over_values(rule.fields[0], judge)
