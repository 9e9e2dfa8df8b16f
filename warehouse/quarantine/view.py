"""The quarantine as a person sees it: rows, every rule they break in words, what was corrected, what became of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from contracts.checks import explain
from contracts.checks.errors import RuleUnknown
from contracts.model import FeedContract
from hub.ids import BatchId
from warehouse.loading.unfit import UNFIT_WORDS
from warehouse.tables import fix, quarantine

RowState = str  # open | fixed | replayed | rejected


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """A row that broke a rule."""

    batch_id: BatchId
    row: int
    feed: str
    unit: str
    source_row: int | None
    record_key: str | None
    rules: tuple[str, ...]
    raw: Mapping[str, str | None]  # as delivered, after the gate
    state: RowState
    fixed: Mapping[str, str | None] | None
    replay_batch: str | None
    quarantined_at: datetime


def listing(
    conn: sa.Connection,
    *,
    feed: str | None = None,
    batch_id: BatchId | None = None,
    rule: str | None = None,
    states: Sequence[RowState] = ("open", "fixed"),
    limit: int = 50,
    key: str | None = None,
) -> list[QuarantinedRow]:
    """Quarantined rows, newest batch first, in row order; `states` empty: in any state."""
    query = sa.select(quarantine).order_by(quarantine.c.batch_id.desc(), quarantine.c.row_no).limit(limit)
    if feed is not None:
        query = query.where(quarantine.c.feed == feed)
    if batch_id is not None:
        query = query.where(quarantine.c.batch_id == batch_id)
    if rule is not None:
        query = query.where(sa.literal(rule) == sa.any_(quarantine.c.rules))
    if key is not None:
        query = query.where(quarantine.c.record_key == key)
    if states:
        query = query.where(quarantine.c.state.in_(states))
    return [_row(row) for row in conn.execute(query).mappings()]


def page(conn: sa.Connection, batch_id: BatchId, after: int, limit: int) -> list[QuarantinedRow]:
    """A batch's rows in any state, in their order, after a row number."""
    mine = quarantine.c.batch_id == batch_id, quarantine.c.row_no > after
    query = sa.select(quarantine).where(*mine).order_by(quarantine.c.row_no).limit(limit)
    return [_row(row) for row in conn.execute(query).mappings()]


def one(conn: sa.Connection, batch_id: BatchId, row: int) -> QuarantinedRow | None:
    """One quarantined row, or None."""
    query = sa.select(quarantine).where(quarantine.c.batch_id == batch_id, quarantine.c.row_no == row)
    found = conn.execute(query).mappings().first()
    return None if found is None else _row(found)


def fixes_of(conn: sa.Connection, batch_id: BatchId, row: int) -> list[dict[str, Any]]:
    """Corrections of a row, oldest first."""
    query = (
        sa.select(fix.c.field, fix.c.old_value, fix.c.new_value, fix.c.editor, fix.c.reason, fix.c.fixed_at)
        .where(fix.c.batch_id == batch_id, fix.c.row_no == row)
        .order_by(fix.c.fix_no)
    )
    return [dict(found) for found in conn.execute(query).mappings()]


def summary(conn: sa.Connection, feed: str | None = None) -> list[dict[str, Any]]:
    """Open and corrected rows by feed, batch and rule: where a person looks first."""
    query = sa.text(
        "select feed, batch_id, rule, count(*) as rows, count(*) filter (where state = 'fixed') as fixed"
        " from hub.quarantine, unnest(rules) as rule where state in ('open', 'fixed')"
        " and (cast(:feed as text) is null or feed = :feed)"
        " group by feed, batch_id, rule order by feed, batch_id desc, rows desc"
    )
    return [dict(row) for row in conn.execute(query, {"feed": feed}).mappings()]


def rules_met(conn: sa.Connection, feed: str | None = None) -> set[str]:
    """Every rule that a row in quarantine ever broke."""
    query = sa.select(sa.func.unnest(quarantine.c.rules)).distinct()
    return set(conn.scalars(query if feed is None else query.where(quarantine.c.feed == feed)))


def warning_rules(contract: FeedContract | None) -> frozenset[str]:
    """The rules that only warn. A row in quarantine breaks another one; these are told beside it."""
    rules = () if contract is None else contract.row_rules
    return frozenset(rule.id for rule in rules if rule.severity == "warning")


def split_by_severity(rule: str, rows: int, warn: Collection[str]) -> dict[str, int | None]:
    """A count of rows in the column it belongs to: those that the rule keeps out, or those that it only warns of."""
    return {"refused_rows": None, "warned_rows": rows} if rule in warn else {"refused_rows": rows, "warned_rows": None}


def sentences(contract: FeedContract | None, rules: Sequence[str]) -> list[dict[str, str]]:
    """Each rule that rows broke, in words: rule, en, zh (what is wrong), remedy_en, remedy_zh. A rule that the contract no longer has names itself."""
    return [_words(contract, rule) for rule in rules]


def _words(contract: FeedContract | None, rule: str) -> dict[str, str]:
    if rule in UNFIT_WORDS:
        return {"rule": rule, **UNFIT_WORDS[rule]}
    if contract is not None:
        try:
            en, zh = explain(contract, rule, "en"), explain(contract, rule, "zh")
        except RuleUnknown:
            pass
        else:
            return {
                "rule": rule,
                "en": en.broken,
                "zh": zh.broken,
                "remedy_en": en.remedy,
                "remedy_zh": zh.remedy,
            }
    return {"rule": rule, "en": rule, "zh": rule, "remedy_en": "", "remedy_zh": ""}


def _row(row: sa.RowMapping) -> QuarantinedRow:
    return QuarantinedRow(
        batch_id=BatchId(row["batch_id"]),
        row=row["row_no"],
        feed=row["feed"],
        unit=row["unit"],
        source_row=row["source_row"],
        record_key=row["record_key"],
        rules=tuple(row["rules"]),
        raw=row["raw"],
        state=row["state"],
        fixed=row["fixed"],
        replay_batch=row["replay_batch"],
        quarantined_at=row["quarantined_at"],
    )
