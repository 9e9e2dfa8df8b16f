"""Fields that the records of a page say nothing of: where records name their own fields, an absent one is no value, not a missing column."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from contracts.header_form import header_form


def with_absent(table: pa.Table, rows: int, fields: Mapping[str, tuple[str, ...]]) -> pa.Table:
    """The table with an empty column for every field that has none under any of its names."""
    there = {header_form(name) for name in table.column_names}
    found = dict(zip(table.column_names, table.columns, strict=True))
    for names in fields.values():
        if not any(header_form(name) in there for name in names):
            there.add(header_form(names[0]))
            found[names[0]] = pa.nulls(rows, pa.string())
    return pa.table(found)  # made at once: a table without columns has no rows to append to
