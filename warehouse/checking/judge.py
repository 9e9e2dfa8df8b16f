"""Judging a batch as a whole, before anything of it is loaded: duplicates, then the batch rules.

A broken rule that is marked as a gate holds the batch: all its rows count as quarantined, its receipt says why, and
the cursor moves on, so that the source is not read again for what a person must decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from contracts import suite
from contracts.checks.duplicates import CONFLICT, DuplicateFinder, UniqueFinder
from contracts.checks.groups import GroupSumFinder, fields_of, rules_of
from contracts.checks.groups import Rows as GoodRows
from contracts.checks.marks import Marks
from contracts.checks.schema import decoded
from contracts.model import FeedContract, RowRule
from contracts.normalise.buffers import Mask
from contracts.page import BatchMetrics, BatchVerdict, CheckedPage
from hub import clock, crash
from hub.ids import RuleId
from hub.settings import settings
from warehouse import batches
from warehouse.arrow.columns import flat
from warehouse.batches import Batch
from warehouse.checking import metrics
from warehouse.checking.pages import CheckedFile, CheckedPages, Duplicates
from warehouse.loading.finish import finish
from warehouse.loading.rejects import rejected_of
from warehouse.quarantine import rows as quarantine_rows
from warehouse.spool import Spool
from warehouse.store import store

Masks = Mapping[int, Mask]
"""Page ordinal -> which of its good rows."""


@dataclass(frozen=True, slots=True)
class PageChecked:
    """What the judge needs of a checked page; its rows are on disk."""

    file: CheckedFile
    figures: BatchMetrics
    keys: pa.Table  # _key and _hash of the good rows, and the fields of rules over the whole batch
    left_out: pa.Table | None  # groups that lack a row because it is bad


@dataclass(slots=True)
class _Found:
    """Good rows that don't load because of another row of the batch."""

    identical: Masks
    rejected: Marks = field(default_factory=Marks)  # by all rules together
    by_rule: dict[str, Marks] = field(default_factory=dict)

    def reject(self, rule: RuleId, found: Masks) -> None:
        """Adds the rows that break a rule."""
        mine = self.by_rule.setdefault(rule, Marks())
        for page, mask in found.items():
            self.rejected.mark(page, mask)
            mine.mark(page, mask)

    def of_page(self, pages: CheckedPages, page: int) -> Duplicates:
        """Those of one page, by their row numbers."""
        if page not in self.identical and page not in self.rejected:
            return Duplicates.made(np.empty(0, np.int64), {})
        rows = flat(pages.column(page, "_row")).to_numpy()
        broken = {name: rows[marks[page]] for name, marks in self.by_rule.items() if page in marks}
        return Duplicates.made(rows[self.identical[page]] if page in self.identical else rows[:0], broken)


class Judge:
    """Gathers a batch's checked pages, in order, and decides on it. To be closed.

    What it keeps of each row is kept in memory up to a bound, beyond it in a spool.
    """

    def __init__(self, contract: FeedContract) -> None:
        self._contract = contract
        self._spool: Spool | None = None
        self._finder = DuplicateFinder(self._scratch)
        self._unique = [UniqueFinder(rule, self._scratch) for rule in contract.row_rules if rule.kind == "unique"]
        self._groups = [GroupSumFinder(rule, self._scratch) for rule in rules_of(contract)]
        self._figures = BatchMetrics()
        self._pages: list[dict[str, int]] = []

    def add(self, page: PageChecked) -> None:
        """Takes the next page."""
        self._finder.feed(page.file.ordinal, page.keys.column("_key"))
        for unique in self._unique:
            unique.feed(page.file.ordinal, page.keys)
        for group in self._groups:
            group.feed(page.file.ordinal, page.keys, page.left_out)
        self._figures.merge(page.figures)
        self._pages.append({"page": page.file.ordinal, "good": page.file.good, "bad": page.file.bad})

    def add_refused(self, rows: int) -> None:
        """Counts rows that the gate refused and that stand on no page any more."""
        self._figures.rows_in += rows
        self._figures.rows_refused += rows

    def tried(self, pages: CheckedPages) -> tuple[Iterator[Duplicates], BatchMetrics]:
        """Duplicates of the pages that were added, page by page, and the figures with them; nothing is written or decided."""
        return self._by_page(pages, self._doubled(pages)), self._figures

    def close(self) -> None:
        """Gives back the room that it took on the disk."""
        if self._spool is not None:
            self._spool.close()

    def decide(self, conn: sa.Connection, batch: Batch, *, waive: bool = False) -> Batch:
        """Judges the batch and moves it from landed to checked or held. `waive`: a named operator let it through.

        `conn` holds the feed's lock and has no transaction open.
        """
        pages = CheckedPages(store(), batch.feed, batch.batch_id)
        pages.write_duplicates(self._by_page(pages, self._doubled(pages)))
        verdicts = self._verdicts(conn, batch)
        crash.point("check.judged")
        broken = [verdict for verdict in verdicts if verdict.gate and not verdict.passed]
        facts = {
            **batch.facts,
            "pages": self._pages,
            "metrics": suite.facts(self._figures),
            "verdicts": [metrics.verdict_json(verdict) for verdict in verdicts],
        }
        with conn.begin():
            if broken and not waive:
                reason = str(metrics.why_held(broken))
                self._quarantine(conn, pages, batch)
                decided = _held(conn, batch, facts, reason)
            else:
                decided = batches.move(conn, batch, "checked", checked_at=clock.now(), facts=facts)
        crash.point("check.decided")
        if decided.state == "held":
            pages.delete()
        return decided

    def _scratch(self) -> Spool:
        if self._spool is None:
            self._spool = Spool(store().root)
        return self._spool

    def _by_page(self, pages: CheckedPages, found: _Found) -> Iterator[Duplicates]:
        return (found.of_page(pages, page["page"]) for page in self._pages)

    def _doubled(self, pages: CheckedPages) -> _Found:
        def rows_of(page: int) -> tuple[pa.StringArray, pa.Array]:
            rows = pages.columns(page, ("_key", "_hash"))
            return flat(rows.column("_key")), flat(rows.column("_hash"))

        among = self._finder.finish(rows_of)
        self._figures.duplicates_identical = among.identical_rows
        self._figures.duplicates_conflicting = among.conflicting_rows
        found = _Found(among.identical)
        found.reject(CONFLICT, among.conflicting)
        for unique in self._unique:
            self._stop(found, unique.rule, unique.rule.id, unique.finish(partial(_decoded, pages, unique.needs)))
        self._judge_groups(pages, found)
        self._figures.rows_good -= found.rejected.count
        self._figures.rows_bad += found.rejected.count
        return found

    def _judge_groups(self, pages: CheckedPages, known: _Found) -> None:
        """Groups come last, without the rows that are rejected already; a row stopped by one rule is gone for the next."""

        def columns_of(page: int, names: tuple[str, ...], rows: GoodRows | None) -> pa.Table:
            columns = pages.columns(page, names)
            return decoded(columns if rows is None else columns.take(pa.array(rows)))

        strict = [group for group in self._groups if group.rule.severity == "error"]
        before = -1
        while before < (before := known.rejected.count) and strict:
            for group in strict:
                found = group.finish(columns_of, known.rejected, known.identical)
                self._stop(known, group.rule, group.rule.id, found.broken)
                self._stop(known, group.rule, group.incomplete, found.incomplete)
            if len(strict) == 1:
                break  # it stops whole groups, so nothing is left for it to stop
        for group in self._groups:
            if group.rule.severity != "error":
                found = group.finish(columns_of, known.rejected, known.identical)
                self._stop(known, group.rule, group.rule.id, found.broken)

    def _stop(self, known: _Found, rule: RowRule, name: RuleId, masks: Masks) -> None:
        """Counts the rows that break a rule, and rejects them unless it only warns."""
        count = sum(int(np.count_nonzero(mask)) for mask in masks.values())
        if count:
            self._figures.broken[name] = self._figures.broken.get(name, 0) + count
            if rule.severity == "error":
                known.reject(name, masks)

    def _verdicts(self, conn: sa.Connection, batch: Batch) -> tuple[BatchVerdict, ...]:
        # A few corrected rows are no delivery: volume and totals say nothing about them.
        partial = batch.kind == "replay" and not batch.facts.get("whole")
        if partial or not self._contract.batch_rules:
            return ()
        with conn.begin():
            before = metrics.of_batch_before(conn, batch)
        return tuple(
            suite.judge(
                self._contract,
                self._figures,
                previous=before,
                docs_dir=settings().data_docs_dir,
                batch_id=batch.batch_id,
                now=batch.landed_at or clock.now(),
                every_page=settings().data_docs == "every",
            )
        )

    def _quarantine(self, conn: sa.Connection, pages: CheckedPages, batch: Batch) -> None:
        """Writes the rows of a held batch that break a rule of their own, so that a person sees them."""
        for number, page in enumerate(self._pages):
            if page["bad"]:
                quarantine_rows.insert(conn, batch.feed, batch.batch_id, pages.bad(page["page"]))
            table = rejected_of(pages, batch, page["page"], pages.duplicates(number))
            if table is not None:
                quarantine_rows.insert(conn, batch.feed, batch.batch_id, table)


def _held(conn: sa.Connection, batch: Batch, facts: dict[str, Any], reason: str) -> Batch:
    held = batches.move(
        conn,
        batch,
        "held",
        state_reason=reason,
        checked_at=clock.now(),
        facts=facts,
        rows_loaded=0,
        rows_unchanged=0,
        rows_quarantined=batch.rows_in - batch.rows_refused,
        events=0,
    )
    finish(conn, held)
    return held


def _decoded(pages: CheckedPages, names: Sequence[str], page: int) -> pa.Table:
    return decoded(pages.columns(page, names))


def checked_page(contract: FeedContract, pages: CheckedPages, page: CheckedPage) -> PageChecked:
    """Writes a checked page to disk and keeps what the judge needs of it."""
    file = pages.write(page)
    crash.point("check.page_checked")
    unique = [name for rule in contract.row_rules if rule.kind == "unique" for name in rule.fields]
    names = dict.fromkeys(["_key", "_hash", *unique, *fields_of(contract)])
    return PageChecked(file, page.metrics, decoded(page.good.select(list(names))), page.left_out)
