"""Corrections of quarantined rows from an edited export: all of a file or nothing of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from contracts.gate import Gate
from contracts.model import FeedContract
from hub.ids import BatchId
from hub.said import Said, joined, zh
from warehouse import acts, batches, way
from warehouse.engine import connection
from warehouse.errors import BatchStateWrong, FixForbidden, FixInvalid, StoreMissing
from warehouse.landing import pages as landing
from warehouse.loading.rejects import landed_pages
from warehouse.quarantine import sheet
from warehouse.quarantine import view as quarantine
from warehouse.quarantine.gating import Values, gate_of, gated, standing_of
from warehouse.quarantine.replay_source import REASON, TEXT, is_malformed
from warehouse.quarantine.view import QuarantinedRow
from warehouse.store import store
from warehouse.tables import fix as fix_table
from warehouse.tables import quarantine as table
from warehouse.takedown.standing import Standing

_PAGE = 5_000
_SHOWN_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class FixOutcome:
    """What an edited file changed."""

    batch_id: BatchId
    rows: int
    values: int


@dataclass(frozen=True, slots=True)
class _Change:
    row: int
    field: str
    old: str | None
    new: str | None


def export(batch_id: BatchId, path: Path) -> int:
    """Writes a batch's open and corrected rows to a CSV or XLSX file; returns how many.

    Raises BatchUnknown, SheetUnreadable for another ending, and BatchStateWrong while the batch is on its way: a load in parts puts its
    rows into quarantine part by part, and who corrects a file of the first parts believes that it is all.
    """
    with connection() as conn:
        batch = batches.get(conn, batch_id)
        if batch.state in batches.UNFINISHED:
            wanted = Said("loaded or held", "loaded 或 held")
            raise BatchStateWrong(batch=batch_id, state=batch.state, action=Said("export", "导出"), needed=wanted)
        columns = _columns(conn, batch_id)
        return sheet.write(path, columns, _exported(conn, batch_id, columns))


def fix(contract: FeedContract, batch_id: BatchId, path: Path, *, editor: str, reason: str) -> FixOutcome:
    """Takes the changed cells of an edited export as corrections; the rows then wait for `replay`.

    Raises OperatorMissing, FixForbidden, BatchStateWrong, SheetUnreadable, and FixInvalid naming every row and
    column that doesn't fit, and every row that the gate refuses: then nothing was changed.
    """
    by = acts.named("fix", editor, reason)
    if not contract.fix_allowed:
        raise FixForbidden(feed=contract.id)
    with way.opened(contract) as feed, feed.conn.begin():
        conn = feed.conn
        batch = batches.get(conn, batch_id)
        if batch.state != "loaded":
            raise BatchStateWrong(batch=batch_id, state=batch.state, action=Said("fix", "修正"), needed="loaded")
        gate = gate_of(contract, batch.source)
        taken_down = standing_of(conn, contract, batch.source)
        changes = _changes(conn, batch_id, path)
        corrected = _through_gate(conn, batch_id, changes, (gate, taken_down))
        by = (by[0], gate.told_facts(by[1]))
        for row, values in corrected.items():
            conn.execute(
                sa.update(table)
                .where(table.c.batch_id == batch_id, table.c.row_no == row)
                .values(state="fixed", fixed=dict(values))
            )
        if changes:
            conn.execute(
                sa.insert(fix_table),
                [
                    {
                        "batch_id": batch_id,
                        "row_no": change.row,
                        "field": change.field,
                        "old_value": change.old,
                        "new_value": corrected[change.row].get(change.field),
                        "editor": by[0],
                        "reason": by[1],
                    }
                    for change in changes
                ],
            )
            acts.note(conn, "fix", batch_id, by, {"rows": len(corrected), "values": len(changes)})
    return FixOutcome(batch_id, len(corrected), len(changes))


def _through_gate(
    conn: sa.Connection, batch_id: BatchId, changes: Sequence[_Change], guard: tuple[Gate, Standing | None]
) -> dict[int, Values]:
    """The corrected rows, whole, as the gate lets them be stored. Raises FixInvalid where it refuses one."""
    rows: dict[int, dict[str, str | None]] = {}
    for change in changes:
        if change.row not in rows:
            found = quarantine.one(conn, batch_id, change.row)
            assert found is not None
            rows[change.row] = _editable(found)
        rows[change.row][change.field] = change.new
    if not rows:
        return {}
    passed, problems = gated(*guard, rows)
    _refuse(problems)
    return passed


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        more: str = (
            Said(f" and {len(problems) - _SHOWN_PROBLEMS} more", f"，另有 {len(problems) - _SHOWN_PROBLEMS} 处")
            if len(problems) > _SHOWN_PROBLEMS
            else ""
        )
        shown = joined(problems[:_SHOWN_PROBLEMS])
        raise FixInvalid(problems=Said(shown + more, f"{shown.zh}{zh(more)}"))


def _changes(conn: sa.Connection, batch_id: BatchId, path: Path) -> list[_Change]:
    columns = _columns(conn, batch_id)
    by_heading = {sheet.shown(name): name for name in columns}
    headings, rows = sheet.read(path)
    problems: list[str] = [
        Said(f"column {heading[:60]!r}: the export has no such column", f"列 {heading[:60]!r}：导出表中没有该列")
        for heading in headings
        if heading not in by_heading
    ]
    changes: list[_Change] = []
    seen: set[int] = set()
    for entry in rows:
        found, problem = _row_of(conn, batch_id, entry, seen)
        if found is None:
            problems.append(problem)
            continue
        values = _current(found)
        for heading, name in by_heading.items():
            if heading not in entry.cells or entry.cells[heading] == sheet.shown(values.get(name)):
                continue
            if name in (TEXT, REASON):
                problems.append(
                    Said(
                        f"row {found.row}, column {heading}: this is what came and can't be edited",
                        f"第 {found.row} 行，列 {heading}：此为原始数据，不可修改",
                    )
                )
                continue
            changes.append(_Change(found.row, name, values.get(name), sheet.meant(entry.cells[heading])))
    _refuse(problems)
    return changes


def _row_of(
    conn: sa.Connection, batch_id: BatchId, entry: sheet.SheetRow, seen: set[int]
) -> tuple[QuarantinedRow | None, str]:
    where = Said(f"line {entry.line}", f"文件第 {entry.line} 行")
    text = entry.cells["row"]
    row = int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
    found = quarantine.one(conn, batch_id, row) if row is not None else None
    if "" in entry.cells:
        problem = Said("it has more cells than the header", "单元格多于表头")
    elif entry.cells["batch"] != batch_id:
        problem = Said("it belongs to another batch", "属于另一批次")
    elif row is None:
        problem = Said(f"{text[:20]!r} is no row number", f"{text[:20]!r} 不是行号")
    elif row in seen:
        problem = Said(f"row {row} comes twice", f"第 {row} 行重复出现")
    elif found is None:
        problem = Said(f"row {row} is not in quarantine", f"第 {row} 行不在隔离区")
    elif found.state not in ("open", "fixed"):
        problem = Said(f"row {row} is already {found.state}", f"第 {row} 行的状态已为 {found.state}")
    else:
        seen.add(row)
        return found, ""
    return None, Said(f"{where}: {problem}", f"{where.zh}：{problem.zh}")


def _columns(conn: sa.Connection, batch_id: BatchId) -> list[str]:
    """Every column that a quarantined row of the batch has, in the order of delivery where the pages still lie."""
    query = sa.text(
        "select distinct jsonb_object_keys(raw) from hub.quarantine where batch_id = :batch and state in ('open', 'fixed')"
    )
    there = {str(name) for name in conn.execute(query, {"batch": batch_id}).scalars()}
    ordered: dict[str, None] = {}
    for path, _ in landed_pages(conn, batch_id):
        if there <= set(ordered):
            break
        try:
            ordered.update(dict.fromkeys(landing.numbered(landing.columns_of(store(), path))))
        except StoreMissing:
            break
    if TEXT in there:
        # A row that could not be split has no cells of its own: the editor fills those of its neighbours.
        return [*(name for name in (*ordered, *sorted(there)) if name not in (TEXT, REASON)), TEXT, REASON]
    return [*(name for name in ordered if name in there), *sorted(there - set(ordered))]


def _exported(conn: sa.Connection, batch_id: BatchId, columns: Sequence[str]) -> Iterator[list[str]]:
    last = -1
    while True:
        query = (
            sa.select(table.c.row_no, table.c.rules, table.c.raw, table.c.fixed)
            .where(table.c.batch_id == batch_id, table.c.state.in_(("open", "fixed")), table.c.row_no > last)
            .order_by(table.c.row_no)
            .limit(_PAGE)
        )
        rows = conn.execute(query).mappings().all()
        if not rows:
            return
        for row in rows:
            values = _merged(row["raw"], row["fixed"])
            yield [
                batch_id,
                str(row["row_no"]),
                " ".join(row["rules"]),
                *(sheet.shown(values.get(name)) for name in columns),
            ]
        last = rows[-1]["row_no"]


def _merged(raw: Mapping[str, str | None], fixed: Mapping[str, str | None] | None) -> Mapping[str, str | None]:
    """What stands in a row's cells: what came, with the corrections so far."""
    return raw if fixed is None else {**raw, **fixed}


def _current(row: QuarantinedRow) -> Mapping[str, str | None]:
    return _merged(row.raw, row.fixed)


def _editable(row: QuarantinedRow) -> dict[str, str | None]:
    """The values that corrections are laid over; a malformed row begins without any."""
    if row.fixed is not None:
        return dict(row.fixed)
    return {} if is_malformed(row.raw) else dict(row.raw)
