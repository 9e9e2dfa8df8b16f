"""Rows past their time, a few thousand in a transaction, so that nobody waits long for a lock and no log grows large.

Rows that somebody else works on are left for the next night: upkeep never waits for a lock while it holds one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from psycopg import sql

from contracts.model import FeedContract
from hub import log
from hub.ids import BatchId
from warehouse import batches
from warehouse.engine import driver, transaction
from warehouse.feeds.tables import CORE, HISTORY
from warehouse.retention.due import Due, due

ROWS = 5_000
"""Rows of a transaction."""

_QUARANTINE = sa.text("""
with gone as (
    delete from hub.quarantine where ctid = any(array(
        select q.ctid from hub.quarantine q join hub.batch b on b.batch_id = q.batch_id
        where q.feed = :feed and q.quarantined_at < :before and b.state = any(:ended)
        limit :rows for update of q skip locked))
    returning batch_id, row_no, state),
fixes as (delete from hub.fix f using gone g where f.batch_id = g.batch_id and f.row_no = g.row_no)
select count(*), count(*) filter (where state in ('open', 'fixed')) from gone
""")

_OF_BATCH = (
    "delete from hub.{table} where ctid = any(array("
    "select ctid from hub.{table} where batch_id = any(:batches) limit :rows for update skip locked))"
)


@dataclass(frozen=True, slots=True)
class CorePurged:
    """What went of the feeds' own tables."""

    revisions: int  # rows of history
    emptied: int  # rows of core whose content went


def purge_quarantine(contracts: list[FeedContract]) -> int:
    """Quarantined rows and their corrections, once their batch has ended; returns how many rows."""
    total = 0
    for one in due(contracts, "quarantine"):
        unsettled = 0
        values = {"feed": one.feed, "before": one.before, "ended": list(batches.FINAL), "rows": ROWS}
        while True:
            with transaction() as conn:
                gone, waiting = conn.execute(_QUARANTINE, values).one()
            total, unsettled = total + gone, unsettled + waiting
            if not gone:
                break
        if unsettled:
            log.get("upkeep").warning(
                "quarantined rows that nobody corrected are past their retention and gone",
                feed=one.feed,
                rows=unsettled,
            )
    return total


def purge_receipts(of: Iterable[BatchId]) -> int:
    """Receipts of these batches, and the traces of what the gate refused or masked; returns how many receipts."""
    named, count = list(of), 0
    for start in range(0, len(named), ROWS):
        chunk = named[start : start + ROWS]
        # Receipts last: by them the batch is found again where this ends half-way.
        for table in ("refusal", "masking", "receipt"):
            statement = sa.text(_OF_BATCH.format(table=table))
            while True:
                with transaction() as conn:
                    gone = conn.execute(statement, {"batches": chunk, "rows": ROWS}).rowcount
                count += gone if table == "receipt" else 0
                if not gone:
                    break
    return count


def purge_core(contracts: list[FeedContract]) -> CorePurged:
    """Replaced revisions, and the content of rows that were loaded before the time of their layer."""
    revisions = emptied = 0
    for one in due(contracts, "core"):
        with transaction() as conn:
            columns = _columns(conn, one)
        if columns:
            revisions += _history(one)
            emptied += _empty(one, columns)
    return CorePurged(revisions, emptied)


def _columns(conn: sa.Connection, one: Due) -> list[str]:
    """The record's own columns of a feed's table; none where the feed has no table or loaded nothing so long ago."""
    query = sa.text(
        "select a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " join pg_namespace n on n.oid = c.relnamespace where n.nspname = :schema and c.relname = :feed"
        " and a.attnum > 0 and not a.attisdropped and a.attname not like 'hub\\_%'"
        " and exists (select from hub.batch b where b.feed = :feed and b.loaded_at < :before)"
    )
    found = conn.execute(query, {"schema": CORE, "feed": one.feed, "before": one.before}).scalars()
    return [str(name) for name in found]


def _history(one: Due) -> int:
    statement = sql.SQL(
        "delete from {history} where ctid = any(array("
        "select h.ctid from {history} h join hub.batch b on b.batch_no = h.hub_replaced_by_batch"
        " where b.loaded_at < {before} limit {rows} for update of h skip locked))"
    ).format(history=sql.Identifier(HISTORY, one.feed), before=sql.Literal(one.before), rows=sql.Literal(ROWS))
    count = 0
    while True:
        with transaction() as conn, driver(conn).cursor() as cursor:
            gone = cursor.execute(statement).rowcount
        if not gone:
            return count
        count += gone


def _empty(one: Due, columns: list[str]) -> int:
    """Empties the record's own columns; key, revision, hash and subject stay, so that its next event has the right number."""
    names = [sql.Identifier(name) for name in columns]
    # In key order, each row looked at once: an emptied row is not met again.
    statement = sql.SQL(
        "with done as (update {core} set {nothing} where hub_key = any(array("
        "select hub_key from {core} where hub_key > {last} and hub_loaded_at < {before} and (hub_withdrawn or {old})"
        " and not (row({names}) is null) order by hub_key limit {rows} for update skip locked))"
        " returning hub_key) select count(*), max(hub_key) from done"
    )
    values = {
        "core": sql.Identifier(CORE, one.feed),
        "nothing": sql.SQL(", ").join(sql.SQL("{} = null").format(name) for name in names),
        "names": sql.SQL(", ").join(names),
        "before": sql.Literal(one.before),
        "old": sql.Literal(not one.snapshot),
        "rows": sql.Literal(ROWS),
    }
    count, last = 0, ""
    while True:
        with transaction() as conn, driver(conn).cursor() as cursor:
            row = cursor.execute(statement.format(**values, last=sql.Literal(last))).fetchone()
        assert row is not None
        if not row[0]:
            return count
        count, last = count + int(row[0]), str(row[1])
