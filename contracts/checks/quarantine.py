"""The bad rows of a page, with every rule that each breaks and the values as they were delivered."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from contracts.checks.schema import BAD_SCHEMA
from contracts.normalise.buffers import Mask
from contracts.page import RawPage
from hub.ids import RuleId

MALFORMED = RuleId("_row.malformed")


def bad_rows(page: RawPage, keys: pa.StringArray, broken: Sequence[tuple[RuleId, Mask]], bad: Mask | None) -> pa.Table:
    """`CheckedPage.bad`: the rows marked bad, then the malformed ones, with the rules of `broken` that they break."""
    tables = []
    if bad is not None and bad.any():
        where = np.flatnonzero(bad)
        at = pa.array(where)
        tables.append(
            pa.Table.from_arrays(
                [
                    page.rows.take(at),
                    page.source_rows.take(at),
                    pa.array([page.unit] * where.size, pa.string()),
                    keys.take(at),
                    _rule_lists(broken, where),
                    pa.array(_raw(page.table.take(at)), pa.string()),
                ],
                schema=BAD_SCHEMA,
            )
        )
    if page.malformed:
        lines = page.malformed
        raw = [json.dumps({"_text": line.text, "_reason": line.reason}, ensure_ascii=False) for line in lines]
        tables.append(
            pa.Table.from_arrays(
                [
                    pa.array([line.row for line in lines], pa.int64()),
                    pa.array([line.source_row for line in lines], pa.int64()),
                    pa.array([page.unit] * len(lines), pa.string()),
                    pa.nulls(len(lines), pa.string()),
                    pa.array([[MALFORMED]] * len(lines), pa.list_(pa.string())),
                    pa.array(raw, pa.string()),
                ],
                schema=BAD_SCHEMA,
            )
        )
    return pa.concat_tables(tables) if tables else BAD_SCHEMA.empty_table()


def _rule_lists(
    broken: Sequence[tuple[RuleId, Mask]], where: np.ndarray[tuple[int], np.dtype[np.intp]]
) -> pa.ListArray:
    """For each bad row the ids of the rules it breaks, in the contract's order."""
    breaks = np.stack([mask[where] for _, mask in broken], axis=1)
    _, which = np.nonzero(breaks)
    ids = pa.array([rule for rule, _ in broken], pa.string()).take(pa.array(which))
    offsets = np.zeros(where.size + 1, dtype=np.int32)
    np.cumsum(breaks.sum(axis=1), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), ids)


def _raw(rows: pa.Table) -> list[str]:
    """Each row as a JSON object of its delivered values; a header that repeats is numbered."""
    headers: list[str] = []
    for header in rows.column_names:
        name, number = header, 2
        while name in headers:
            name, number = f"{header} ({number})", number + 1
        headers.append(name)
    columns = [column.to_pylist() for column in rows.columns]
    return [json.dumps(dict(zip(headers, row, strict=True)), ensure_ascii=False) for row in zip(*columns, strict=True)]
