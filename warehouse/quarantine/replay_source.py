"""Deliveries from what the hub already holds: quarantined rows with their corrections, or a batch's landed pages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from connectors.base import Delivery
from contracts.model import SourceSpec
from contracts.page import MalformedRow, RawPage
from hub.canonical import canonical_bytes
from warehouse.batches import Batch
from warehouse.landing import pages as landing
from warehouse.loading.rejects import landed_pages
from warehouse.quarantine.corrections import Corrections
from warehouse.store import Store
from warehouse.tables import quarantine

TEXT, REASON = "_text", "_reason"


class LandedDelivery(Delivery):
    """A batch's landed pages, once more; with `corrections` each corrected row as it was corrected."""

    def __init__(
        self,
        conn: sa.Connection,
        store: Store,
        batch: Batch,
        source: SourceSpec,
        corrections: Corrections | None = None,
    ) -> None:
        super().__init__(name=batch.delivery, source=source, sha256=batch.delivery_sha256)
        self._store = store
        self._corrections = corrections
        with conn.begin():
            self._pages = landed_pages(conn, batch.batch_id)

    def pages(self) -> Iterator[RawPage]:
        """The pages with their row numbers."""
        for path, _ in self._pages:
            page = landing.read_page(self._store, path)
            yield page if self._corrections is None else self._corrections.laid_over(page)

    def close(self) -> None:
        """Nothing to give back."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which quarantined rows of a batch go along: those in these states, and open ones by their numbers."""

    states: tuple[str, ...]
    also: tuple[int, ...] = ()

    def of(self, batch_id: str) -> sa.ColumnElement[bool]:
        """The condition on hub.quarantine."""
        columns = quarantine.c
        there: sa.ColumnElement[bool] = columns.state.in_(self.states)
        if self.also:
            numbers = sa.literal(list(self.also), ARRAY(sa.BigInteger))
            there = sa.or_(there, sa.and_(columns.state == "open", columns.row_no == sa.any_(numbers)))
        return sa.and_(columns.batch_id == batch_id, there)


class QuarantineDelivery(Delivery):
    """Quarantined rows of a batch, corrected values in place of those that came. Row numbers are the batch's own."""

    def __init__(
        self, conn: sa.Connection, batch: Batch, source: SourceSpec, chosen: Chosen, *, page_rows: int
    ) -> None:
        super().__init__(name=batch.delivery, source=source)
        self._conn = conn
        self._batch = batch
        self._chosen = chosen
        self._page_rows = page_rows

    def pages(self) -> Iterator[RawPage]:
        """Pages of one unit each, in row order."""
        digest = hashlib.sha256()
        ordinal = 0
        for rows in self._rows():
            for unit, group in groupby(rows, key=lambda row: str(row["unit"])):
                page = _page(ordinal, unit, list(group))
                for values in page.table.to_pylist():
                    digest.update(canonical_bytes(values) + b"\n")
                yield page
                ordinal += 1
        self.sha256 = digest.hexdigest()

    def close(self) -> None:
        """Nothing to give back."""

    def _rows(self) -> Iterator[list[sa.RowMapping]]:
        columns = quarantine.c
        last = -1
        while True:
            query = (
                sa.select(columns.row_no, columns.unit, columns.source_row, columns.raw, columns.fixed)
                .where(self._chosen.of(self._batch.batch_id), columns.row_no > last)
                .order_by(columns.row_no)
                .limit(self._page_rows)
            )
            with self._conn.begin():
                rows = list(self._conn.execute(query).mappings())
            if not rows:
                return
            yield rows
            last = rows[-1]["row_no"]


def _page(ordinal: int, unit: str, rows: list[sa.RowMapping]) -> RawPage:
    whole = [(row, _values(row)) for row in rows if not is_malformed(_values(row))]
    broken = [(row, _values(row)) for row in rows if is_malformed(_values(row))]
    names = list(dict.fromkeys(name for _, values in whole for name in values))
    table = pa.table({name: pa.array([values.get(name) for _, values in whole], pa.string()) for name in names})
    return RawPage(
        ordinal,
        unit,
        table,
        pa.array([row["row_no"] for row, _ in whole], pa.int64()),
        pa.array([row["source_row"] for row, _ in whole], pa.int64()),
        tuple(
            MalformedRow(row["row_no"], row["source_row"] or 0, values[TEXT] or "", values.get(REASON) or "")
            for row, values in broken
        ),
    )


def is_malformed(raw: Mapping[str, Any]) -> bool:
    """Whether the raw values are those of a row that could not be split into columns."""
    return TEXT in raw and set(raw) <= {TEXT, REASON}


def _values(row: sa.RowMapping) -> dict[str, str | None]:
    values: dict[str, str | None] = row["fixed"] if row["fixed"] is not None else row["raw"]
    return values
