"""A landed batch through the checks of a contract, without a trace: nothing is stored, loaded or sent."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from contracts import codes
from contracts.checks import Checker
from contracts.gate import Gate
from contracts.model import FeedContract, SourceSpec
from contracts.page import BatchMetrics, RawPage
from hub.errors import AgencyError
from hub.settings import settings
from warehouse.arrow.columns import flat
from warehouse.batches import Batch
from warehouse.checking.judge import Judge, checked_page
from warehouse.checking.pages import CheckedPages
from warehouse.checking.references import FeedReferences
from warehouse.landing import pages as landing
from warehouse.landing.hub_key import hmac_key
from warehouse.planning.errors import DeliveryWouldBeRefused
from warehouse.quarantine.corrections import Corrections
from warehouse.store import Store, store

Rows = npt.NDArray[np.int64]

_BAD = pa.schema(
    [
        ("row", pa.int64()),
        ("source_row", pa.int64()),
        ("unit", pa.string()),
        ("key", pa.string()),
        ("rules", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True, slots=True)
class Landed:
    """A batch's landed pages, and what people corrected of their rows since."""

    paths: tuple[str, ...]
    corrections: Corrections

    def pages(self, place: Store) -> Iterator[RawPage]:
        """The pages in their order, as corrected. Raises StoreMissing."""
        for path in self.paths:
            yield self.corrections.laid_over(landing.read_page(place, path))


@dataclass(slots=True)
class Trial:
    """What a contract makes of a batch."""

    rows: int = 0
    refused: int = 0  # rows, by the gate
    masked: int = 0  # values, by the gate
    error: AgencyError | None = None  # the delivery as a whole can't be read, or is refused
    bad: pa.Table = field(default_factory=_BAD.empty_table)  # row, source_row, unit, key, rules
    figures: BatchMetrics = field(default_factory=BatchMetrics)

    @property
    def bad_rows(self) -> Rows:
        """The numbers of the rows that would not be loaded, sorted."""
        return np.unique(flat(self.bad.column("row")).to_numpy())


def tried(contract: FeedContract, batch: Batch, landed: Landed, *, gate: bool, today: date) -> Trial:
    """The landed rows of a batch, as corrected since, under a contract. `gate`: through its gate first; what the batch's own
    gate kept out is not there any more. Raises StoreMissing, KeyError where the contract has no such source."""
    source = contract.source(batch.source)
    place = store()
    checker = Checker(contract, source, codes=codes.load, references=FeedReferences(), today=today)
    guard = Gate(contract, source, level=settings().level, hmac_key=hmac_key()) if gate else None
    with (
        tempfile.TemporaryDirectory(prefix="trial-", dir=_room()) as folder,
        closing(Judge(contract)) as judge,
    ):
        pages = CheckedPages(Store(Path(folder)), batch.feed, batch.batch_id)
        found = Trial()
        tables: list[pa.Table] = []
        try:
            for came in landed.pages(place):
                found.rows += came.rows_in
                page = _through(guard, came, found, tables)
                checked = checker.check(page)
                if checked.bad.num_rows:
                    tables.append(_shaped(checked.bad))
                judge.add(checked_page(contract, pages, checked))
        except AgencyError as error:
            found.error = Gate(contract, source, level=settings().level, hmac_key=hmac_key()).told(error)
            return found
        judge.add_refused(found.refused)
        duplicates, found.figures = judge.tried(pages)
        rejected = [page for page in duplicates if len(page.rejected)]
        if rejected:
            rows = np.concatenate([page.rejected for page in rejected])
            tables.append(_rejected(place, landed, rows, pa.concat_arrays([page.rules for page in rejected])))
        found.bad = pa.concat_tables(tables).sort_by("row") if tables else _BAD.empty_table()
        return found


def _through(guard: Gate | None, page: RawPage, found: Trial, tables: list[pa.Table]) -> RawPage:
    """The page behind the gate; what it refuses counts as a row that breaks the gate's rule."""
    if guard is None:
        return page
    gated = guard.inspect(page)
    if gated.delivery_refused is not None:
        raise DeliveryWouldBeRefused(rule=gated.delivery_refused.rule)
    found.masked += len(gated.maskings)
    if gated.refusals:
        found.refused += len(gated.refusals)
        rows = [one for one in gated.refusals if one.row is not None]
        tables.append(
            pa.table(
                {
                    "row": [one.row for one in rows], "source_row": [one.source_row for one in rows],
                    "unit": [one.unit for one in rows], "key": pa.nulls(len(rows), pa.string()),
                    "rules": [[str(one.rule)] for one in rows],
                },
                schema=_BAD,
            )
        )  # fmt: skip
    return gated.page


def _shaped(bad: pa.Table) -> pa.Table:
    chosen = bad.select(["_row", "_source_row", "_unit", "_key", "_rules"])
    return chosen.rename_columns(_BAD.names).cast(_BAD)


def _rejected(place: Store, landed: Landed, rows: Rows, rules: pa.ListArray) -> pa.Table:
    """Rows that another row of the batch makes unbelievable, with where they stand."""
    wanted = pa.array(rows)
    stands: dict[int, tuple[int | None, str]] = {}
    for page in landed.pages(place):
        numbers = flat(page.rows)
        at = np.flatnonzero(np.isin(numbers.to_numpy(), rows))
        for position in at.tolist():
            stands[int(numbers[position].as_py())] = (page.source_rows[position].as_py(), page.unit)
    return pa.table(
        {
            "row": wanted, "source_row": [stands[row][0] for row in rows.tolist()],
            "unit": [stands[row][1] for row in rows.tolist()], "key": pa.nulls(len(rows), pa.string()), "rules": rules,
        },
        schema=_BAD,
    )  # fmt: skip


def _room() -> Path:
    """Beside the store: what landed may be larger than the machine's folder for temporary files."""
    room = settings().var / "trials"
    room.mkdir(parents=True, exist_ok=True, mode=0o700)
    return room


def source_of(contract: FeedContract, batch: Batch) -> SourceSpec | None:
    """The source a batch came from, None where the contract has it no more."""
    try:
        return contract.source(batch.source)
    except KeyError:
        return None
