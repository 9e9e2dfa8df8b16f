"""The load: a checked batch goes into its feed's table part by part, each part one transaction.

A transaction holds a part's rows, the history of those they replace, its quarantined rows, its entry in the outbox
and the counts; the last one also the cursor, the receipt and the state `loaded`. A part's change set is on disk
before its commit, under a name of its own, so a leftover of a killed process is never mistaken for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from contracts.model import FeedContract
from hub import clock, crash
from hub.ids import TopicName, new_entry_id
from hub.settings import settings
from warehouse import batches, lost, outbox
from warehouse.arrow import memory
from warehouse.arrow.columns import flat, has_nul
from warehouse.arrow.copying import copy_in_binary
from warehouse.batches import Batch
from warehouse.changeset import ChangeSetFacts, ChangeSetWriter, event_type
from warehouse.checking.pages import CheckedPages, Duplicates, is_row_of
from warehouse.feeds.tables import core_table
from warehouse.loading import beyond, late, merge
from warehouse.loading.encode import COPIED, Encoded, encode, fit
from warehouse.loading.event_data import EventEncoder
from warehouse.loading.finish import finish
from warehouse.loading.missing import MissingKeys
from warehouse.loading.plan import Part, Plan, Slice
from warehouse.loading.refill import refill
from warehouse.loading.rejects import rejected_of, unfit_rows
from warehouse.loading.unfit import Unfit
from warehouse.quarantine import rows as quarantine_rows
from warehouse.store import Store, store

Progress = Callable[[str, int], None]


@dataclass(slots=True)
class _Tally:
    """What a part adds to the batch's counts."""

    loaded: int = 0
    unchanged: int = 0
    stale: int = 0
    quarantined: int = 0
    events: int = 0
    withdrawn_missing: int = 0
    unfit: dict[int, list[Unfit]] = field(default_factory=dict)  # page -> rows

    def keep(self, page: int, unfit: Sequence[Unfit]) -> None:
        """Keeps rows of a page for the quarantine."""
        if unfit:
            self.unfit.setdefault(page, []).extend(unfit)


class Loader:
    """Loads one checked batch. `conn` holds the feed's lock and has no transaction open."""

    def __init__(self, conn: sa.Connection, contract: FeedContract, batch: Batch, progress: Progress) -> None:
        self._conn = conn
        self._contract = contract
        self._batch = batch
        self._progress = progress
        self._store: Store = store()
        self._pages = CheckedPages(self._store, contract.id, batch.batch_id)
        self._encoder = EventEncoder(contract, batch.batch_id)
        self._table = core_table(contract)
        self._limit = settings().max_event_bytes
        self._bad: dict[int, int] = {page["page"]: page["bad"] for page in batch.facts["pages"]}
        self._numbers = {page["page"]: number for number, page in enumerate(batch.facts["pages"])}
        self._settled: Future[None] | None = None
        self._later: late.Later | None = None
        self._waiting: late.Waiting | None = None
        self._lost: beyond.Lost | None = None

    def run(self) -> Batch:
        """Loads every part that is not loaded yet; returns the loaded batch.

        Raises BatchTakenOver where another process went on with it, DatabaseUnavailable when the database goes.
        """
        plan = self._planned()
        memory.give_back()  # what the checks of large pages left behind
        with self._conn.begin():
            self._later = late.later_than(self._conn, self._contract, self._batch)
            self._waiting = late.waiting(self._conn, self._contract, self._batch)
            self._lost = beyond.of(self._conn, self._contract)
        with (
            ThreadPoolExecutor(max_workers=1, thread_name_prefix="events") as pool,
            ThreadPoolExecutor(max_workers=1, thread_name_prefix="settle") as disk,
        ):
            if plan.count > 1 and not self._batch.parts_loaded:
                # From the first commit on the other parts rely on these files: on the disk by then, beside the load.
                self._settled = disk.submit(self._pages.settle)
            while self._batch.state == "loading":
                self._load_part(plan, self._batch.parts_loaded, pool)
                crash.point("load.part_committed")
        memory.give_back()
        crash.point("load.loaded")
        self._clean()
        return self._batch

    def _planned(self) -> Plan:
        if self._batch.state == "loading":
            plan = Plan.from_facts(self._batch.facts["plan"])
            return replace(plan, empty_table=plan.empty_table and self._alone())
        with self._conn.begin():
            empty = self._conn.execute(sa.select(sa.literal(1)).select_from(self._table).limit(1)).first() is None
            partial = self._batch.kind == "replay" and not self._batch.facts.get("whole")
            plan = Plan.made(
                self._batch.facts["pages"],
                part_rows=_part_rows(self._batch.facts["pages"]),
                empty_table=empty,
                missing=self._contract.completeness == "snapshot" and not partial,
            )
            self._batch = batches.move(
                self._conn,
                self._batch,
                "loading",
                parts=plan.count,
                facts={**self._batch.facts, "plan": plan.as_facts()},
            )
        crash.point("load.planned")
        return plan

    def _all_new(self, plan: Plan) -> bool:
        """Whether nothing needs to be looked up or noted: the table held nothing, no delivery waits or is late, no event is lost."""
        return plan.empty_table and self._later is None and self._waiting is None and self._lost is None

    def _alone(self) -> bool:
        """Whether all rows of the table are this batch's."""
        others = sa.select(sa.literal(1)).where(self._table.c.hub_batch_no != self._batch.batch_no).limit(1)
        with self._conn.begin():
            return self._conn.execute(others).first() is None

    def _load_part(self, plan: Plan, number: int, pool: ThreadPoolExecutor) -> None:
        entry = new_entry_id()
        path = f"{change_folder(self._batch)}/part-{number:05d}-{entry}.arrow"
        tally = _Tally()
        with self._conn.begin():
            if not self._all_new(plan) or number >= len(plan.parts):
                merge.prepare(self._conn)
            again = False
            with ChangeSetWriter(self._store, path, self._facts(number)) as changes:
                if number < len(plan.parts):
                    self._rows(plan, plan.parts[number], changes, tally, pool)
                else:
                    again = self._missing(changes, tally)
                crash.point("load.rows_copied")
            crash.point("load.changes_written")
            made = {"part": number, "sha256": changes.sha256, "records": changes.records} if tally.events else None
            self._commit_part(plan, number, tally, again=again, made=made)
            if tally.events:
                outbox.append_changes(
                    self._conn,
                    topic_name=TopicName(self._contract.topic.name),
                    batch_id=self._batch.batch_id,
                    part_no=number,
                    path=path,
                    sha256=changes.sha256,
                    records=changes.records,
                    entry_id=entry,
                )
            if self._settled is not None:
                self._settled.result()
            crash.point("load.before_commit")
        if not tally.events:
            self._store.delete(path)

    def _rows(self, plan: Plan, part: Part, changes: ChangeSetWriter, tally: _Tally, pool: ThreadPoolExecutor) -> None:
        """Classifies and writes a part's chunks: the change set is written beside the COPY of the same chunk."""
        state = None if self._all_new(plan) else merge.held(self._conn, self._contract, self._keys(part))
        for piece in part:
            duplicates = self._pages.duplicates(self._numbers[piece.page])
            if piece.first:
                self._quarantine_page(piece.page, duplicates, tally)
            for chunk in self._chunks(piece, duplicates, tally):
                merged = self._merged(state, chunk)
                tally.unchanged += merged.unchanged
                tally.stale += merged.stale
                if merged.again is not None:
                    refill(self._conn, self._contract, merged.again)
                if self._waiting is not None and merged.confirmed.any():
                    known = flat(chunk.column("_key")).filter(pa.array(merged.confirmed))
                    late.confirm(self._conn, self._batch, self._waiting, known)
                made = encode(self._contract, self._encoder, merged.load, self._batch.batch_no, self._limit)
                if made.rows and late.is_late(self._batch):
                    late.forget(self._conn, self._batch, flat(made.events.facts.column("record_key")))
                self._write(made, piece.page, changes, tally, pool)
        for page, unfit in tally.unfit.items():
            rows = unfit_rows(self._store, self._batch, page, unfit)
            tally.quarantined += quarantine_rows.insert(self._conn, self._batch.feed, self._batch.batch_id, rows)

    def _chunks(self, piece: Slice, duplicates: Duplicates, tally: _Tally) -> Iterator[pa.Table]:
        for table in self._pages.good(piece.page, piece.start, piece.rows):
            chunk = table
            rows = flat(chunk.column("_row"))
            for wanted, identical in ((duplicates.identical, True), (duplicates.rejected, False)):
                if len(wanted):
                    hit = is_row_of(rows, wanted)
                    if hit.any():
                        tally.unchanged += int(hit.sum()) if identical else 0
                        chunk = chunk.filter(pa.array(~hit)).combine_chunks()
                        rows = flat(chunk.column("_row"))
            chunk, unfit = fit(self._contract, chunk)
            tally.keep(piece.page, unfit)
            if chunk.num_rows:
                yield chunk.combine_chunks()

    def _keys(self, part: Part) -> list[pa.StringArray]:
        """The keys of a part; those that no text column can hold are sorted out later, chunk by chunk."""
        found = [
            flat(self._pages.column(piece.page, "_key")).slice(piece.start, piece.rows) for piece in part if piece.rows
        ]
        return [keys.filter(pc.invert(pc.match_substring(keys, "\0"))) if has_nul(keys) else keys for keys in found]

    def _merged(self, state: pa.Table | None, chunk: pa.Table) -> merge.Merged:
        if state is None:
            return merge.all_new(chunk)
        order_no = self._batch.order_no if late.is_late(self._batch) else None
        return merge.against(state, self._contract, chunk, order_no=order_no, later=self._later, lost=self._lost)

    def _write(
        self, made: Encoded, page: int, changes: ChangeSetWriter, tally: _Tally, pool: ThreadPoolExecutor
    ) -> None:
        written = pool.submit(changes.write, made.events)
        try:
            merge.retire(self._conn, self._contract, made.replaced, self._batch.batch_no)
            if made.rows:
                columns = (*(spec.name for spec in self._contract.fields), *COPIED)
                copy_in_binary(self._conn, self._table, columns, made.copied)
        finally:
            wait([written])  # before the file is closed, also after an error
        written.result()
        tally.loaded += made.rows
        tally.events += made.events.data.rows
        tally.keep(page, made.unfit)
        memory.ease()
        self._progress("load", made.rows)

    def _quarantine_page(self, page: int, duplicates: Duplicates, tally: _Tally) -> None:
        if self._bad[page]:
            bad = self._pages.bad(page)
            tally.quarantined += quarantine_rows.insert(self._conn, self._batch.feed, self._batch.batch_id, bad)
        table = rejected_of(self._pages, self._batch, page, duplicates)
        if table is not None:
            tally.quarantined += quarantine_rows.insert(self._conn, self._batch.feed, self._batch.batch_id, table)

    def _missing(self, changes: ChangeSetWriter, tally: _Tally) -> bool:
        """Withdraws up to a part of the keys that the snapshot no longer has; says whether more are waiting."""
        events = self._lost is not None
        keys = MissingKeys(self._conn, self._contract, self._batch, self._pages, lost_events=events)
        gone, more = keys.withdraw(settings().part_rows, self._encoder)
        changes.write(gone)
        tally.events += gone.data.rows
        tally.withdrawn_missing += gone.data.rows
        return more

    def _commit_part(
        self, plan: Plan, number: int, tally: _Tally, *, again: bool, made: Mapping[str, Any] | None
    ) -> None:
        before = self._batch
        last = not again and number + 1 >= plan.count
        counts = {
            batches.COUNT_COLUMNS[name]: getattr(before.counts, name) + getattr(tally, name)
            for name in ("loaded", "unchanged", "quarantined")
        }
        counts |= {
            "rows_stale": before.rows_stale + tally.stale,
            "withdrawn_missing": before.withdrawn_missing + tally.withdrawn_missing,
            "events": before.events + tally.events,
            "parts_loaded": number + 1,
            "parts": max(plan.count, number + 1 + again),
        }
        if last:
            counts["loaded_at"] = clock.now()
        self._batch = batches.move(self._conn, before, "loaded" if last else "loading", **counts)
        if last and self._lost is not None:
            lost.passed(self._conn, self._contract)
        if last:
            finish(self._conn, self._batch, last_change_set=made)

    def _facts(self, number: int) -> ChangeSetFacts:
        return ChangeSetFacts(
            feed=self._contract.id,
            contract_version=self._contract.version,
            topic=self._contract.topic.name,
            batch=self._batch.batch_id,
            part=str(number),
            ce_type=event_type(self._contract.topic.name),
            time=self._batch.opened_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        )

    def _clean(self) -> None:
        clean(self._conn, self._store, self._batch)


def change_folder(batch: Batch) -> str:
    """Where a batch's change sets lie in the store."""
    return f"changes/{batch.feed}/{batch.batch_id}"


def clean(conn: sa.Connection, place: Store, batch: Batch) -> None:
    """Removes a finished batch's checked pages and what killed processes left of its parts."""
    with conn.begin():
        query = sa.text("select path from hub.outbox where batch_id = :batch")
        kept = set(conn.execute(query, {"batch": batch.batch_id}).scalars())
    for path in place.list(change_folder(batch)):
        if path not in kept:
            place.delete(path)
    # Last: by its checked pages a batch is found whose process ended before all of this was done.
    CheckedPages(place, batch.feed, batch.batch_id).delete()


def _part_rows(pages: Sequence[Mapping[str, int]]) -> int:
    """Rows of a part: a batch that fits goes in one transaction; a larger one in parts of a page, so that the relay sends the
    part before while PostgreSQL loads this one."""
    most = settings().part_rows
    return most if sum(page["good"] for page in pages) <= most else min(most, settings().page_rows)
