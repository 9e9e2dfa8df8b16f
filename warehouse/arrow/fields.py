"""A chunk's fields on their way out: each text once for a distinct value, and which columns go together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.model import FieldSpec
from contracts.normalise.assembly import Codes, Few, Group, grouped
from warehouse.arrow.columns import flat, texts


@dataclass(frozen=True)
class Column:
    """A field: its values, typed and as text; `codes` say which value a row has (-1: null), None: values are rows."""

    spec: FieldSpec
    values: pa.Array
    texts: pa.StringArray
    codes: Codes | None


@dataclass(frozen=True)
class Fields:
    """The fields of a chunk's rows, in contract order."""

    rows: int
    columns: Sequence[Column]

    @classmethod
    def of(cls, chunk: pa.Table, fields: Sequence[FieldSpec]) -> Fields:
        """From a chunk of good rows, whose text columns may be dictionaries."""
        values: dict[str, pa.Array] = {}
        codes: dict[str, Codes] = {}
        for spec in fields:
            column = flat(chunk.column(spec.name))
            if pa.types.is_dictionary(column.type):
                codes[spec.name] = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
                column = column.dictionary
            values[spec.name] = column
        rows = [spec for spec in fields if spec.name not in codes]
        found = texts(pa.table({spec.name: values[spec.name] for spec in rows}), tuple(rows)) if rows else {}
        return cls(
            chunk.num_rows,
            [
                Column(spec, values[spec.name], found.get(spec.name, values[spec.name]), codes.get(spec.name))
                for spec in fields
            ],
        )

    @cached_property
    def groups(self) -> list[Group | int]:
        """Which columns are written together."""
        few = [None if one.codes is None else Few.of(one.codes, len(one.texts)) for one in self.columns]
        return grouped(few, self.rows)

    def filter(self, keep: pa.BooleanArray) -> Fields:
        """Some of the rows."""
        chosen = keep.to_numpy(zero_copy_only=False)
        columns = [
            Column(one.spec, one.values.filter(keep), one.texts.filter(keep), None)
            if one.codes is None
            else Column(one.spec, one.values, one.texts, one.codes[chosen])
            for one in self.columns
        ]
        return Fields(int(np.count_nonzero(chosen)), columns)


def decoded(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """The column as one array without a dictionary."""
    array = flat(column)
    return pc.take(array.dictionary, array.indices) if pa.types.is_dictionary(array.type) else array
