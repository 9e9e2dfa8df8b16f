"""A field's column on its way from text to type. Columns with few distinct values are worked on once per value."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contracts.model import FieldSpec
from contracts.normalise.buffers import Mask, text_bytes
from contracts.normalise.texts import canonical_text

_SAMPLE = 1_024
_FEW = 640  # distinct values in the sample up to which encoding the whole column pays

Codes = npt.NDArray[np.int32]


@dataclass(frozen=True)
class TextColumn:
    """Texts of a column: `values`, and for each row the index of its value (-1: null), or None where values are rows.

    After steps `values` need not be distinct and may hold nulls.
    """

    values: pa.StringArray
    codes: Codes | None
    size: int

    def with_values(self, values: pa.StringArray) -> TextColumn:
        """The column with other values in the same places."""
        return TextColumn(values, self.codes, self.size)

    def spread(self, mask: Mask) -> Mask:
        """A mask over values as a mask over rows."""
        if self.codes is None:
            return mask
        padded = np.append(mask, False)
        spread: Mask = padded[self.codes]
        return spread

    def take(self, values: pa.Array) -> pa.Array:
        """An array over values as an array over rows."""
        return values if self.codes is None else values.take(self.indices)

    @cached_property
    def indices(self) -> pa.Int32Array:
        """`codes` with null for -1."""
        codes = self.codes
        assert codes is not None
        missing = codes < 0
        return pa.array(codes, pa.int32(), mask=missing if missing.any() else None)


def text_column(rows: pa.StringArray, *, distinct: bool | None = None) -> TextColumn:
    """The column, by distinct values where that pays (`distinct` decides; None: a sample does)."""
    size = len(rows)
    if distinct is None or (distinct and size > _SAMPLE):
        found = len(rows.slice(0, _SAMPLE).dictionary_encode().dictionary) if size > _SAMPLE else _SAMPLE
        if found == 1 and _one_value(rows):
            return TextColumn(rows.slice(0, 1), np.zeros(size, dtype=np.int32), size)
        distinct = distinct or found <= _FEW
    if not distinct:
        return TextColumn(rows, None, size)
    encoded = rows.dictionary_encode()
    codes = encoded.indices
    if codes.null_count:
        codes = pc.fill_null(codes, -1)
    return TextColumn(encoded.dictionary, codes.to_numpy(), size)


def _one_value(rows: pa.StringArray) -> bool:
    """Whether all rows have one and the same value."""
    if rows.null_count:
        return False
    view = text_bytes(rows)
    width = int(view.offsets[1])
    if width * len(rows) != view.data.size or not (np.diff(view.offsets) == width).all():
        return False
    return width == 0 or bool((view.data.reshape(-1, width) == view.data[:width]).all())


def constant_column(text: str, size: int) -> TextColumn:
    """One text for every row."""
    return TextColumn(pa.array([text], pa.string()), np.zeros(size, dtype=np.int32), size)


def empty_column(size: int) -> TextColumn:
    """No value in any row."""
    return TextColumn(pa.array([], pa.string()), np.full(size, -1, dtype=np.int32), size)


@dataclass
class FieldColumn:
    """A field after normalisation: its typed values (over `text.values`), and the rows that could not be read."""

    spec: FieldSpec
    text: TextColumn
    values: pa.Array
    failed: dict[str, Mask] = field(default_factory=dict)  # rule id -> rows

    @cached_property
    def rows(self) -> pa.Array:
        """The typed values, row by row."""
        return self.text.take(self.values)

    @cached_property
    def stored(self) -> pa.Array:
        """The typed values, row by row; texts of few distinct values as a dictionary, so that nobody need find them again."""
        if self.text.codes is None or not pa.types.is_string(self.values.type) or self.values.null_count:
            return self.rows
        return pa.DictionaryArray.from_arrays(self.text.indices, self.values)

    @cached_property
    def texts(self) -> pa.StringArray:
        """The canonical texts of `values`."""
        return canonical_text(self.values)

    @cached_property
    def absent(self) -> Mask | None:
        """Rows without a value, unreadable ones among them; None where there are none."""
        rows = self.rows
        if rows.null_count == 0:
            return None
        mask: Mask = pc.is_null(rows).to_numpy(zero_copy_only=False)
        return mask

    @cached_property
    def unreadable(self) -> Mask | None:
        """Rows whose value could not be read or mapped; None where there are none."""
        if not self.failed:
            return None
        mask: Mask = np.logical_or.reduce(list(self.failed.values()))
        return mask
