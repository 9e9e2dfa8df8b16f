"""Cutting rows into pages: row numbers, page numbers and bounds are given here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.page import MalformedRow, RawPage

MAX_PAGE_BYTES = 64 * 1024 * 1024


class Pager:
    """Gives pages of at most `page_rows` rows and MAX_PAGE_BYTES bytes of text, numbered through one delivery."""

    def __init__(self, unit: str, page_rows: int, *, ordinal: int = 0, row: int = 1) -> None:
        self.unit = unit
        self.ordinal = ordinal  # of the next page
        self.row = row  # number of the next row
        self._page_rows = page_rows
        self._waiting: list[MalformedRow] = []
        self._schema = pa.schema([])

    def add(
        self,
        table: pa.Table,
        *,
        order: np.ndarray,
        source_rows: np.ndarray,
        malformed: Sequence[tuple[int, int, str, str]] = (),
        raw: bytes | None = None,
    ) -> Iterator[RawPage]:
        """Pages of a table and of the malformed rows that stand among its rows.

        `order` says where each row stands among all; `malformed` is (place in that order, source row, text, reason).
        """
        self._schema = table.schema
        places = np.array([place for place, _, _, _ in malformed], dtype=np.int64)
        rows = self.row + np.arange(len(order)) + np.searchsorted(places, order)
        bad_rows = self.row + np.arange(len(places)) + np.searchsorted(order, places)
        self.row += len(order) + len(places)
        self._waiting.extend(
            MalformedRow(int(row), source_row, text, reason)
            for row, (_, source_row, text, reason) in zip(bad_rows, malformed, strict=True)
        )
        start = 0
        while start < table.num_rows:
            count = self._fit(table, start)
            last = start + count == table.num_rows
            taken = self._take(int(rows[start + count - 1]), self._page_rows - count, everything=last)
            yield RawPage(
                ordinal=self._next(),
                unit=self.unit,
                table=table.slice(start, count),
                rows=pa.array(rows[start : start + count], pa.int64()),
                source_rows=pa.array(source_rows[start : start + count], pa.int64()),
                malformed=taken,
                raw=raw if start == 0 else None,
            )
            start += count
        if len(self._waiting) >= self._page_rows or _signs(self._waiting) > MAX_PAGE_BYTES:
            yield from self.finish()

    def finish(self) -> Iterator[RawPage]:
        """Pages of the malformed rows that are left after the last good one."""
        while self._waiting:
            taken = self._take(self._waiting[-1].row, self._page_rows, everything=True)
            empty = pa.array([], pa.int64())
            yield RawPage(self._next(), self.unit, self._schema.empty_table(), empty, empty, taken)

    def _next(self) -> int:
        self.ordinal += 1
        return self.ordinal - 1

    def _take(self, upto: int, room: int, *, everything: bool) -> tuple[MalformedRow, ...]:
        """Waiting rows before row `upto` (or all of them), at most `room` and as many as fit into a page's bytes."""
        taken: list[MalformedRow] = []
        signs = 0
        for row in self._waiting:
            signs += len(row.text)
            if len(taken) >= room or not (everything or row.row < upto) or (taken and signs > MAX_PAGE_BYTES):
                break
            taken.append(row)
        del self._waiting[: len(taken)]
        return tuple(taken)

    def _fit(self, table: pa.Table, start: int) -> int:
        """How many rows from `start` stay within both bounds; at least one."""
        left = table.num_rows - start
        count: int = -(-left // -(-left // self._page_rows))  # even pages, not a full one and a scrap
        while count > 1 and table.slice(start, count).nbytes > MAX_PAGE_BYTES:
            count //= 2
        return count


def _signs(rows: Sequence[MalformedRow]) -> int:
    return sum(len(row.text) for row in rows)


def empty_rows(table: pa.Table) -> pa.Array:
    """True where a row has no value at all."""
    mask: pa.Array | None = None
    for column in sorted(table.columns, key=lambda column: -int(column.null_count)):
        if column.null_count == 0:
            return pa.array(np.zeros(table.num_rows, dtype=bool))
        empty = column.is_null().combine_chunks() if isinstance(column, pa.ChunkedArray) else column.is_null()
        mask = empty if mask is None else pc.and_(mask, empty)
    return mask if mask is not None else pa.array(np.zeros(table.num_rows, dtype=bool))
