"""Rows of a column picked out by their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Rows = npt.NDArray[np.intp]


def cells(column: pa.StringArray, rows: Rows) -> list[tuple[Any, str]]:
    """Some rows and their texts; those without a value are left out."""
    if rows.size == 0:
        return []
    texts = column.take(pa.array(rows)).to_pylist()
    return [(at, text) for at, text in zip(rows, texts, strict=True) if text is not None]


def rows_where(column: pa.StringArray, rows: Rows, judge: Callable[[str], bool]) -> Rows:
    """Of some rows, those whose value is judged so; every distinct value is judged once."""
    if rows.size == 0:
        return rows
    some = column if rows.size == len(column) else column.take(pa.array(rows))
    encoded = some.dictionary_encode()
    verdicts = np.array([*(judge(value) for value in encoded.dictionary.to_pylist()), False], dtype=np.bool_)
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    found: Rows = rows[verdicts[codes]]
    return found


def union(found: Sequence[Rows]) -> Rows:
    """Every row that is in any of them, once."""
    kept = [rows for rows in found if rows.size]
    if not kept:
        return np.zeros(0, dtype=np.intp)
    return kept[0] if len(kept) == 1 else np.unique(np.concatenate(kept))
