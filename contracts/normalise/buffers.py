"""The bytes of a text column, seen as numpy arrays without a copy.

Most columns need no repair: a look at their bytes says so in a fraction of the time that a regular expression over
each value takes. Everything here is vectorised and runs without the interpreter's lock.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Offsets = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class TextBytes:
    """`data[offsets[i]:offsets[i + 1]]` is value i in UTF-8; of a null value the bytes mean nothing."""

    data: Bytes
    offsets: Offsets

    @property
    def lengths(self) -> Offsets:
        """Bytes of each value."""
        lengths: Offsets = np.diff(self.offsets)
        return lengths

    @property
    def ascii(self) -> bool:
        """Whether no value has a character beyond ASCII."""
        return self.data.size == 0 or int(self.data.max()) < 0x80

    def rows_at(self, positions: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """The value that each byte position belongs to."""
        found: npt.NDArray[np.intp] = np.searchsorted(self.offsets, positions, side="right") - 1
        return found

    def find(self, needle: bytes) -> npt.NDArray[np.intp]:
        """Byte positions at which `needle` begins, by its last byte first (rarer than a UTF-8 lead byte)."""
        last = len(needle) - 1
        positions = np.flatnonzero(self.data[last:] == needle[last])
        for at in range(last):
            if positions.size == 0:
                break
            positions = positions[self.data[positions + at] == needle[at]]
        return positions


def text_bytes(values: pa.StringArray) -> TextBytes:
    """The bytes behind a string array (not chunked, 32-bit offsets)."""
    _, offset_buffer, data_buffer = values.buffers()
    size = len(values)
    if size == 0 or offset_buffer is None:
        return TextBytes(np.zeros(0, dtype=np.uint8), np.zeros(1, dtype=np.int32))
    offsets = np.frombuffer(offset_buffer, dtype=np.int32, count=size + 1, offset=4 * values.offset)
    first, last = int(offsets[0]), int(offsets[-1])
    if data_buffer is None or last == first:
        return TextBytes(np.zeros(0, dtype=np.uint8), offsets - offsets[0])
    data = np.frombuffer(data_buffer, dtype=np.uint8, count=last - first, offset=first)
    return TextBytes(data, offsets - first if first else offsets)


def plain(column: pa.ChunkedArray | pa.Array) -> pa.StringArray:
    """One contiguous string array of a table's column, whatever its chunks and text type."""
    array = column
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
        if isinstance(array, pa.ChunkedArray):  # more than 2 GiB of text can't be one array; a page is far smaller
            raise ValueError("a page's column is too large")
    return array if array.type == pa.string() else array.cast(pa.string())


def with_bytes(values: pa.StringArray, data: Bytes, offsets: Offsets) -> pa.StringArray:
    """A string array of new bytes with the nulls of `values`."""
    validity = None
    if values.null_count:
        validity = pc.is_valid(values).buffers()[1]
    return pa.StringArray.from_buffers(
        len(values),
        pa.py_buffer(np.ascontiguousarray(offsets, dtype=np.int32)),
        pa.py_buffer(np.ascontiguousarray(data)),
        validity,
        values.null_count,
    )


def fixed_rows(values: pa.StringArray, width: int) -> tuple[npt.NDArray[np.intp], Bytes]:
    """The values of exactly `width` bytes: their indexes, and their bytes of shape (n, width)."""
    view = text_bytes(values)
    fits = view.lengths == width
    if values.null_count:
        fits &= to_mask(pc.is_valid(values))
    where = np.flatnonzero(fits)
    if where.size == 0:
        return where, np.zeros((0, width), dtype=np.uint8)
    if where.size == len(values):
        return where, view.data.reshape(-1, width)
    starts = view.offsets[:-1][where]
    return where, view.data[starts[:, None] + np.arange(width)]


def to_mask(flags: pa.BooleanArray) -> Mask:
    """A numpy mask; null is False."""
    if isinstance(flags, pa.ChunkedArray):
        flags = flags.combine_chunks()
    if flags.null_count:
        flags = pc.fill_null(flags, False)
    mask: Mask = flags.to_numpy(zero_copy_only=False)
    return mask
