"""Columns of text under their source's names, with single cells replaced where a defect is planted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from demo.generate.text import Ints, pick


class Columns:
    """An ordered set of equally long text columns; every column is made before the first cell is replaced."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._columns: dict[str, pa.StringArray] = {}

    def __setitem__(self, name: str, values: pa.StringArray | str | None) -> None:
        """Sets a whole column; a single text stands in every row."""
        if values is None or isinstance(values, str):
            values = pa.repeat(pa.scalar(values, pa.string()), self.rows)
        if len(values) != self.rows:
            raise ValueError(f"{name}: {len(values)} values for {self.rows} rows")
        self._columns[name] = values

    def __getitem__(self, name: str) -> pa.StringArray:
        return self._columns[name]

    def replace(self, name: str, index: Ints, values: pa.Array | Sequence[str] | str) -> None:
        """Sets the cells of a column at ascending row indexes."""
        if len(index) == 0:
            return
        if isinstance(values, str):
            values = [values] * len(index)
        new = values if isinstance(values, pa.Array) else pa.array(list(values), pa.string())
        mask = np.zeros(self.rows, dtype=bool)
        mask[index] = True
        self._columns[name] = pc.replace_with_mask(self._columns[name], pa.array(mask), new)

    def coded(self, stem: str, entries: Sequence[tuple[str, str]], index: Ints) -> None:
        """Sets `<stem>Code` and `<stem>Name` from a list of (code, name)."""
        self[f"{stem}Code"] = pick([code for code, _ in entries], index)
        self[f"{stem}Name"] = pick([name for _, name in entries], index)

    def cells(self, name: str, index: Ints) -> list[str]:
        """The values of a column at these rows."""
        values: list[str] = self._columns[name].take(pa.array(index)).to_pylist()
        return values

    def table(self) -> pa.Table:
        """The columns as a table."""
        return pa.table(self._columns)


def copied(table: pa.Table, index: Ints) -> pa.Table:
    """The rows at these indexes, as a table to be appended."""
    return table.take(pa.array(index))
