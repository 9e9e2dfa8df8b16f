"""Casting texts that may be wrong: Arrow's cast stops at the first bad value, here bad values become null."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from contracts.normalise.buffers import Mask


@dataclass(frozen=True, slots=True)
class Parsed:
    """A typed array; `bad` marks texts that could not be read, `changed` those written in another form."""

    typed: pa.Array
    bad: Mask
    changed: Mask | None = None


def cast_or_null(values: pa.Array, target: pa.DataType) -> pa.Array:
    """The cast array with null for each value that can't be cast.

    Halves the array around failures: free where all is well, k·log n casts for k bad values. Callers sort out wrong
    shapes with a pattern first, so that k stays small.
    """
    try:
        return values.cast(target)
    except pa.ArrowInvalid:
        if len(values) == 1:
            return pa.nulls(1, target)
    half = len(values) // 2
    return pa.concat_arrays([cast_or_null(values.slice(0, half), target), cast_or_null(values.slice(half), target)])
