"""The corrections that named people made of a delivery's rows: the latest word on each of them.

A row keeps its number through every batch that takes it the way again (replays, releases, reruns), so the corrections of a delivery
lie in the quarantine of the batch it came in and of all that followed from it. Of several of one row the latest holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from contracts.page import RawPage
from hub.ids import BatchId
from hub.said import Said
from warehouse import batches
from warehouse.arrow.columns import flat
from warehouse.landing import pages as landing
from warehouse.tables import act, quarantine

Values = Mapping[str, str | None]

_LATEST = sa.text("""
select distinct on (q.row_no) q.row_no, q.fixed
from hub.quarantine q left join lateral (
    select max(f.fix_no) as fix_no from hub.fix f where f.batch_id = q.batch_id and f.row_no = q.row_no) f on true
where q.batch_id = any(:batches) and q.fixed is not null and q.row_no between :first and :last
order by q.row_no, f.fix_no desc nulls last, q.batch_id desc
""")

_COUNTED = sa.text("""
select count(distinct q.row_no), array_agg(distinct q.batch_id), (
    select max(f.fixed_at) from hub.fix f where f.batch_id = any(:batches))
from hub.quarantine q where q.batch_id = any(:batches) and q.fixed is not null
""")


@dataclass(frozen=True, slots=True)
class Corrections:
    """The corrected rows of one delivery. `conn` has no transaction open whenever pages are laid over."""

    conn: sa.Connection
    family: tuple[BatchId, ...]  # the batch the delivery came in, and all that followed from it
    rows: int
    newest_at: datetime | None
    made_in: tuple[BatchId, ...]  # the batches in whose quarantine they stand
    gone_of: tuple[BatchId, ...]  # batches whose rows were corrected and whose corrections are past their retention

    @classmethod
    def of(cls, conn: sa.Connection, batch_id: BatchId) -> Corrections:
        """Those of the delivery that a batch is of. `conn` has no transaction open."""
        with conn.begin():
            family = batches.family(conn, batch_id)
            count, made_in, newest = conn.execute(_COUNTED, {"batches": family}).one()
            corrected = sa.select(act.c.object).where(act.c.action == "fix", act.c.object.in_(family)).distinct()
            once = [BatchId(one) for one in conn.scalars(corrected.order_by(act.c.object))]
            kept = sa.select(quarantine.c.batch_id).where(quarantine.c.batch_id.in_(once)).distinct()
            there = set(conn.scalars(kept)) | _taken_down(conn, once)
        gone = tuple(one for one in once if one not in there)
        return cls(conn, tuple(family), int(count), newest, tuple(BatchId(one) for one in made_in or ()), gone)

    def facts(self) -> dict[str, Any]:
        """What a batch and its receipt say of the corrections it was judged with; empty where there are none."""
        if not self.rows:
            return {}
        newest = None if self.newest_at is None else self.newest_at.isoformat()
        return {"corrected": {"rows": self.rows, "newest_at": newest, "made_in": list(self.made_in)}}

    def laid_over(self, page: RawPage) -> RawPage:
        """The page with each corrected row as it was corrected; all others as they came."""
        if not self.rows or not page.rows_in:
            return page
        numbers = [*pc.min_max(page.rows).as_py().values(), *(one.row for one in page.malformed)]
        known = [number for number in numbers if number is not None]
        with self.conn.begin():
            span = {"batches": list(self.family), "first": min(known), "last": max(known)}
            corrected = {int(row): values for row, values in self.conn.execute(_LATEST, span)}
        return corrected_page(page, corrected) if corrected else page


def corrected_page(page: RawPage, corrected: Mapping[int, Values]) -> RawPage:
    """A page in which rows, by number, have these values; a row that could not be split has been by whoever corrected it."""
    wanted = pa.array(list(corrected), pa.int64())
    mine = pc.is_in(page.rows, wanted)
    broken = {one.row: one.source_row for one in page.malformed if one.row in corrected}
    rows = flat(pa.chunked_array([page.rows.filter(mine), pa.array(list(broken), pa.int64())]))
    if not len(rows):
        return page
    places = flat(pa.chunked_array([page.source_rows.filter(mine), pa.array(list(broken.values()), pa.int64())]))
    table = page.table.rename_columns(landing.numbered(page.table.column_names))
    table = pa.concat_tables([table.filter(pc.invert(mine)), _table(corrected, rows)], promote_options="default")
    # Headers that repeat stand numbered in quarantined rows; a column that only a correction has comes last.
    names = [*page.table.column_names, *table.column_names[page.table.num_columns :]]
    others = pc.invert(mine)
    all_rows = flat(pa.chunked_array([page.rows.filter(others), rows]))
    all_places = flat(pa.chunked_array([page.source_rows.filter(others), places]))
    order = pc.sort_indices(all_rows)
    return RawPage(
        page.ordinal,
        page.unit,
        table.rename_columns(names).take(order).combine_chunks(),
        all_rows.take(order),
        all_places.take(order),
        tuple(one for one in page.malformed if one.row not in broken),
        page.raw,
    )


def told(facts: Mapping[str, Any]) -> Said | None:
    """In words how many rows a batch was judged with as corrected; None where none was."""
    found = facts.get("corrected")
    if not found:
        return None
    rows, day = f"{found['rows']:,}", str(found["newest_at"] or "")[:10]
    return Said(
        f"{rows} of its rows were judged as corrected by named people, the latest on {day or 'a day not on record'}",
        f"其中 {rows} 行按具名人员的更正判定，最近一次更正于 {day or '（无记录）'}",
    )


def _table(corrected: Mapping[int, Values], rows: pa.Int64Array) -> pa.Table:
    values = [corrected[row] for row in rows.to_pylist()]
    names = dict.fromkeys(name for one in values for name in one)
    return pa.table({name: pa.array([one.get(name) for one in values], pa.string()) for name in names})


def _taken_down(conn: sa.Connection, some: Sequence[BatchId]) -> set[BatchId]:
    """Batches whose corrections may have gone with a takedown: no retention took them, and such a row is refused anyway."""
    query = sa.select(act.c.object).where(act.c.action == "takedown", act.c.object.in_(some)).distinct()
    return {BatchId(one) for one in conn.scalars(query)}
