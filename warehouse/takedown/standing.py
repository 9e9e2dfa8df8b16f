"""Takedowns that stand: until somebody lifts one, no later delivery brings its record back.

Rows of such a key are refused before they land, as the gate refuses: nothing of them is stored, a trace says which takedown it was
(rule `_takedown.<number>`). Where a feed has none, nothing is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from contracts.checks import Checker
from contracts.gate.trace import Tracer
from contracts.model import FeedContract
from contracts.page import GatedPage, Refusal
from hub import clock
from hub.ids import BatchId, FeedId, RuleId
from hub.said import Said
from warehouse import acts
from warehouse.engine import transaction
from warehouse.errors import TakedownNotStanding
from warehouse.landing.hub_key import hmac_key
from warehouse.tables import takedown
from warehouse.takedown.unsplit import KeyInText

LIFTED = "lifted"
UNFINISHED = ("begun", "stored")
RULE = "_takedown."


@dataclass(frozen=True, slots=True)
class TakedownRow:
    """A takedown as it is on record. The record is named by its key alone."""

    number: int
    feed: FeedId
    key: str
    state: str  # begun | stored | done | lifted
    operator: str
    reason: str
    begun_at: datetime
    ended_at: datetime | None
    lifted: dict[str, str] | None  # operator, reason, at
    cut_asked: bool  # whether the topic was to be cut
    batches: tuple[BatchId, ...] = ()  # in which it was found
    event_id: str | None = None  # of its withdrawal


class Standing:
    """The keys of one feed that were taken down. Safe to use from several threads."""

    def __init__(self, checker: Checker, contract: FeedContract, numbers: dict[str, int], tracer: Tracer) -> None:
        self._checker, self._tracer = checker, tracer
        self._keys = pa.array(list(numbers), pa.string())
        self._rules = [RuleId(f"{RULE}{number}") for number in numbers.values()]
        self._rule_of = dict(zip(numbers, self._rules, strict=True))
        self._unsplit = KeyInText(contract, numbers)

    def refused(self, gated: GatedPage) -> GatedPage:
        """The page without rows of these keys, which count as refused. Raises what the checker raises for its columns."""
        return self._without_rows(self._without_unsplit(gated))

    def _without_unsplit(self, gated: GatedPage) -> GatedPage:
        """Without rows that could not be split and in whose text such a key stands."""
        page = gated.page
        found = [(line, key) for line in page.malformed if (key := self._unsplit.of(line.text)) is not None]
        if not found:
            return gated
        refusals = [
            Refusal(line.row, page.unit, line.source_row, self._rule_of[key], self._tracer.malformed(line.text))
            for line, key in found
        ]
        away = {line.row for line, _ in found}
        kept = tuple(line for line in page.malformed if line.row not in away)
        maskings = tuple(one for one in gated.maskings if one.row not in away)
        clean = replace(page, malformed=kept, raw=None)
        return replace(gated, page=clean, refusals=(*gated.refusals, *refusals), maskings=maskings)

    def _without_rows(self, gated: GatedPage) -> GatedPage:
        page = gated.page
        if not page.table.num_rows:
            return gated
        place = pc.index_in(self._checker.keys(page), value_set=self._keys)
        hit = place.is_valid().to_numpy(zero_copy_only=False)
        if not hit.any():
            return gated
        gone = page.table.filter(pa.array(hit))
        cells = zip(*(column.to_pylist() for column in gone.columns), strict=True)
        rows = page.rows.filter(pa.array(hit)).to_pylist()
        lines = page.source_rows.filter(pa.array(hit)).to_pylist()
        traces = [self._tracer.row(gone.column_names, values) for values in cells]
        found = zip(rows, lines, place.drop_null().to_pylist(), traces, strict=True)
        refusals = [Refusal(row, page.unit, line, self._rules[at], trace) for row, line, at, trace in found]
        kept = pa.array(np.logical_not(hit))
        clean = replace(
            page,
            table=page.table.filter(kept),
            rows=page.rows.filter(kept),
            source_rows=page.source_rows.filter(kept),
            raw=None,
        )
        away = set(rows)
        maskings = tuple(one for one in gated.maskings if one.row not in away)
        return replace(gated, page=clean, refusals=(*gated.refusals, *refusals), maskings=maskings)


def of_feed(conn: sa.Connection, contract: FeedContract, checker: Callable[[], Checker]) -> Standing | None:
    """What stands against a feed's records; None where nothing does. In an open transaction."""
    numbers = numbers_of(conn, contract.id)
    return Standing(checker(), contract, numbers, Tracer(hmac_key())) if numbers else None


def numbers_of(conn: sa.Connection, feed: FeedId) -> dict[str, int]:
    """Key -> number of the takedown that stands against it."""
    columns = takedown.c
    query = sa.select(columns.record_key, columns.takedown_no).where(columns.feed == feed, columns.state != LIFTED)
    return {str(row.record_key): int(row.takedown_no) for row in conn.execute(query.order_by(columns.takedown_no))}


def lift(feed: FeedId, key: str, *, operator: str, reason: str) -> list[int]:
    """Lets the record come in again; the numbers of its takedowns. What was taken out stays out until it is sent anew.

    Raises OperatorMissing, TakedownNotStanding where none stands or one is not finished.
    """
    by = acts.named("lift", operator, reason)
    columns = takedown.c
    with transaction() as conn:
        mine = columns.feed == feed, columns.record_key == key, columns.state != LIFTED
        query = sa.select(columns.takedown_no, columns.state, columns.facts).where(*mine).with_for_update()
        rows = conn.execute(query.order_by(columns.takedown_no)).all()
        if not rows:
            raise TakedownNotStanding(feed=feed, reason=Said("none stands for this key", "该键没有生效的撤下"))
        if any(row.state in UNFINISHED for row in rows):
            why = Said("it is not finished: order it again first", "尚未完成：请先重新执行撤下")
            raise TakedownNotStanding(feed=feed, reason=why)
        numbers = [int(row.takedown_no) for row in rows]
        for row in rows:
            facts = {**row.facts, LIFTED: {"operator": by[0], "reason": by[1], "at": clock.now().isoformat()}}
            there = columns.takedown_no == row.takedown_no
            conn.execute(sa.update(takedown).where(there).values(state=LIFTED, facts=facts))
        acts.note(conn, "lift", feed, by, {"takedowns": numbers})
    return numbers


def listed(
    conn: sa.Connection, *, feed: str | None = None, key: str | None = None, every: bool = False, limit: int = 50
) -> list[TakedownRow]:
    """Takedowns that stand, or `every` one, the newest first; of all feeds and records, or of one."""
    columns = takedown.c
    query = sa.select(takedown).order_by(columns.takedown_no.desc()).limit(limit)
    if feed is not None:
        query = query.where(columns.feed == feed)
    if key is not None:
        query = query.where(columns.record_key == key)
    if not every:
        query = query.where(columns.state != LIFTED)
    return [_row(row) for row in conn.execute(query)]


def unfinished(conn: sa.Connection) -> list[TakedownRow]:
    """Takedowns that were begun and not ended, the oldest first; somebody may be at them."""
    columns = takedown.c
    query = sa.select(takedown).where(columns.state.in_(UNFINISHED)).order_by(columns.takedown_no)
    return [_row(row) for row in conn.execute(query)]


def _row(row: Any) -> TakedownRow:
    return TakedownRow(
        number=row.takedown_no,
        feed=FeedId(row.feed),
        key=row.record_key,
        state=row.state,
        operator=row.operator,
        reason=row.reason,
        begun_at=row.begun_at,
        ended_at=row.ended_at,
        lifted=row.facts.get(LIFTED),
        cut_asked=bool(row.facts.get("cut_asked")),
        batches=tuple(BatchId(one) for one in row.facts.get("rows", {})),
        event_id=row.facts.get("event_id"),
    )
