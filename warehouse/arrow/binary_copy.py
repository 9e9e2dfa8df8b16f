"""Columns in PostgreSQL's binary COPY format: the server copies bytes instead of parsing text, a third of its time.

File header, then for each row the number of its columns (int16) and for each column its length (int32, -1: null) and
its bytes, all big-endian; -1 as a number of columns ends the data. Text is UTF-8; int4, int8, dates (days since
2000-01-01) and instants (microseconds since then) are two's complement; a numeric is digit groups of base 10,000.
Source: PostgreSQL documentation, COPY, "Binary Format"; the types' receive functions (numeric_recv and its like).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contracts.normalise.assembly import Fragment
from contracts.normalise.texts import canonical_text

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"

_EPOCH_DAYS = 10_957  # 1970-01-01 to 2000-01-01
_EPOCH_MICROSECONDS = _EPOCH_DAYS * 86_400_000_000
_NULL = b"\xff\xff\xff\xff"

Bytes = npt.NDArray[np.uint8]


def row_start(columns: int) -> bytes:
    """What every row of so many columns begins with."""
    return columns.to_bytes(2, "big")


def constant(value: bytes) -> bytes:
    """A column that says the same in every row."""
    return len(value).to_bytes(4, "big") + value


def fragment(values: pa.Array, *, few: bool = False) -> Fragment:
    """A column of the table: text, bytes, integers (int32: int4, int64: int8), booleans, dates, instants or decimals.

    `few`: the array holds distinct values; a slot for null is added after them.
    """
    if few:
        values = pa.concat_arrays([values, pa.nulls(1, values.type)])
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return _joined(_of_text(values.cast(pa.binary())), few=few)
    if pa.types.is_fixed_size_binary(kind):
        return _joined(_of_text(values.cast(pa.binary())), few=few)
    if pa.types.is_decimal(kind):
        fixed = _numeric(values)
    elif pa.types.is_boolean(kind):
        fixed = values.cast(pa.uint8()).fill_null(0).to_numpy(zero_copy_only=False).astype(np.uint8).reshape(-1, 1)
    else:
        fixed = _integer(values)
    return _joined(_of_fixed(fixed, values), few=few)


def _of_text(values: pa.BinaryArray) -> tuple[pa.Array, ...]:
    lengths = pc.binary_length(values)
    if values.null_count:
        lengths, values = lengths.fill_null(-1), values.fill_null(b"")
    return _rows(_bytes(lengths.to_numpy(zero_copy_only=False).astype(">i4").reshape(len(values), 1))), values


def _of_fixed(data: Bytes, values: pa.Array) -> tuple[pa.Array, ...]:
    """Values of one width with their lengths before them; null rows keep the length alone."""
    width = data.shape[1]
    whole = np.empty((len(values), 4 + width), dtype=np.uint8)
    whole[:, :4] = np.frombuffer(width.to_bytes(4, "big"), np.uint8)
    whole[:, 4:] = data
    if not values.null_count:
        return (_rows(whole),)
    null = values.is_null().to_numpy(zero_copy_only=False)
    whole[null, :4] = np.frombuffer(_NULL, np.uint8)
    sizes = np.where(null, 4, 4 + width).astype(np.int32)
    kept = np.arange(4 + width) < sizes[:, None]
    offsets = np.concatenate([np.zeros(1, np.int32), np.cumsum(sizes, dtype=np.int32)])
    return (pa.Array.from_buffers(pa.binary(), len(values), [None, pa.py_buffer(offsets), pa.py_buffer(whole[kept])]),)


def _integer(values: pa.Array) -> Bytes:
    kind = values.type
    if pa.types.is_date32(kind):
        numbers, move, written = values.cast(pa.int32()), _EPOCH_DAYS, ">i4"
    elif pa.types.is_timestamp(kind):
        numbers, move, written = values.cast(pa.timestamp("us", kind.tz)).cast(pa.int64()), _EPOCH_MICROSECONDS, ">i8"
    else:
        numbers, move, written = values, 0, ">i4" if pa.types.is_int32(kind) else ">i8"
    plain = numbers.fill_null(0).to_numpy(zero_copy_only=False) - move
    return _bytes(plain.astype(written).reshape(len(values), 1))


def _numeric(values: pa.Array) -> Bytes:
    """Groups of four decimal digits, before and after the point; the server drops zeros at both ends."""
    scale, precision = values.type.scale, values.type.precision
    before, after = -(-max(precision - scale, 1) // 4), -(-scale // 4)
    texts = pc.replace_substring(canonical_text(values.cast(pa.decimal128(38, scale)).fill_null(0)), ".", "")
    negative = pc.starts_with(texts, "-").to_numpy(zero_copy_only=False)
    digits = pc.utf8_lpad(pc.replace_substring(texts, "-", ""), before * 4 + scale, "0")
    rows = np.frombuffer(digits.buffers()[2] or b"", np.uint8)[: len(values) * (before * 4 + scale)]
    padded = np.zeros((len(values), (before + after) * 4), dtype=np.int16)
    padded[:, : before * 4 + scale] = rows.reshape(len(values), before * 4 + scale) - np.uint8(ord("0"))
    groups = padded.reshape(len(values), before + after, 4) @ np.array([1000, 100, 10, 1], dtype=np.int16)
    made = np.empty((len(values), 4 + before + after), dtype=">i2")
    made[:, 0] = before + after
    made[:, 1] = before - 1  # the weight of the first group
    made[:, 2] = np.where(negative, 0x4000, 0)
    made[:, 3] = scale
    made[:, 4:] = groups
    return _bytes(made)


def _bytes(numbers: npt.NDArray[Any]) -> Bytes:
    """A matrix of numbers as a matrix of their bytes."""
    rows, columns = numbers.shape
    made: Bytes = numbers.view(np.uint8).reshape(rows, columns * numbers.itemsize)
    return made


def _rows(matrix: Bytes) -> pa.BinaryArray:
    """Rows of one width as an array of bytes."""
    count, width = matrix.shape
    offsets = np.arange(count + 1, dtype=np.int32) * width
    return pa.Array.from_buffers(
        pa.binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(matrix).reshape(-1))]
    )


def _joined(bodies: tuple[pa.Array, ...], *, few: bool) -> Fragment:
    if few and len(bodies) > 1:
        return Fragment((pc.binary_join_element_wise(*bodies, b""),))
    return Fragment(bodies)
