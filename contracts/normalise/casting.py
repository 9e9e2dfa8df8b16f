"""Casting texts that may be wrong: Arrow's cast stops at the first bad value, here bad values become null."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from contracts.normalise.buffers import Mask


@dataclass(frozen=True, slots=True)
class Parsed:
    """A typed array; `bad` marks texts that could not be read, `changed` those written in another form."""

    typed: pa.Array
    bad: Mask
    changed: Mask | None = None


def cast_or_null(values: pa.Array, target: pa.DataType) -> pa.Array:
    """The cast array with null for each value that can't be cast.

    Free where all is well. Else what can't fit by its digits goes first, for a column may be wrong throughout; around
    the few that are left the array is halved, k·log n casts for k bad values.
    """
    try:
        return values.cast(target)
    except pa.ArrowInvalid:
        fits = _fits(values, target)
    return _halved(values if fits is None else pc.if_else(fits, values, pa.scalar(None, values.type)), target)


def _fits(values: pa.Array, target: pa.DataType) -> pa.BooleanArray | None:
    """False where a value is known not to fit; None where nothing is known."""
    if pa.types.is_string(values.type):
        if pa.types.is_decimal(target):
            whole = target.precision - target.scale
            plain = rf"^[+-]?0*[0-9]{{0,{whole}}}(?:\.[0-9]{{0,{target.scale}}}0*)?$|[Ee]"
            return pc.match_substring_regex(values, plain)
        return pc.match_substring_regex(values, r"^-?0*[0-9]{1,19}$|[Xx]") if pa.types.is_integer(target) else None
    if pa.types.is_decimal(values.type):
        try:
            back = values.cast(target, safe=False).cast(values.type, safe=False)
        except pa.ArrowInvalid:
            return None
        return pc.equal(back, values)
    return None


def _halved(values: pa.Array, target: pa.DataType) -> pa.Array:
    try:
        return values.cast(target)
    except pa.ArrowInvalid:
        if len(values) == 1:
            return pa.nulls(1, target)
    half = len(values) // 2
    return pa.concat_arrays([_halved(values.slice(0, half), target), _halved(values.slice(half), target)])
