"""What a page's rows mean beside what the table holds: new, changed, moved, withdrawn, or nothing new.

Set-wise: the keys of a part go into a temporary table, one join brings back the state of those that exist, and every
class is a column comparison. No row is looked at one by one. Asked once for a part: within a batch a key comes once,
so what the part itself writes can't change the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from psycopg import sql

from contracts.model import FeedContract
from contracts.normalise.buffers import Mask, to_mask
from warehouse.arrow.columns import agree, flat, hexed, repeated
from warehouse.arrow.copying import copy_in, copy_out, csv_of
from warehouse.engine import driver
from warehouse.feeds.tables import CORE, HISTORY, HUB_COLUMNS, REPLACED_BY
from warehouse.loading.beyond import Beside, Lost, Row

# What merging adds to a row that is loaded: its revision, what happened, the subject before (null: new), whether a
# row of the key goes to history, whether the subject changed (the old Kafka key then gets a withdrawal first), and
# the hash as hex.
EXTRA = ("_revision", "_change", "_old_subject", "_existed", "_moved", "_hex")

_STATE = pa.schema(
    [
        ("key", pa.string()),
        ("revision", pa.int32()),
        ("hash", pa.string()),
        ("subject", pa.string()),
        ("version", pa.string()),
        ("withdrawn", pa.bool_()),
        ("order_no", pa.int64()),
        ("emptied", pa.bool_()),  # retention took its content
    ]
)


class Later(Protocol):
    """Of which keys deliveries spoke that came later than the one being loaded."""

    @property
    def others(self) -> bool:
        """Whether a newer snapshot spoke."""

    def spoke_of(self, keys: pa.StringArray) -> Mask:
        """Which of the keys."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A page's rows, sorted into classes. `load` rows get a new revision; the rest are unchanged."""

    load: pa.Table  # the page's columns, then those of EXTRA
    unchanged: int
    stale: int  # part of unchanged
    confirmed: Mask  # rows of the page that say what is known already: unchanged, but not stale
    again: pa.Table | None = None  # those of them whose row in the table was emptied, as the page has them


@dataclass(frozen=True, slots=True)
class _Before:
    """What subscribers know of a page's records, which is what the table holds unless events were lost."""

    known: Mask
    revision: pa.Array  # 0 where nothing is known
    subject: pa.StringArray
    withdrawn: Mask

    def after(self, beside: Beside) -> _Before:
        """What the last lost event left behind, where a row comes after it."""
        at = pa.array(beside.after)
        return _Before(
            self.known | beside.after,
            pc.if_else(at, pc.max_element_wise(pa.array(beside.top), self.revision), self.revision),
            pc.if_else(at, beside.top_subject, self.subject),
            np.where(beside.after, beside.top_withdrawn, self.withdrawn),
        )


SMALL_TABLE = 50_000
"""Rows up to which a table's whole state is fetched instead of asking for keys."""


def prepare(conn: sa.Connection) -> None:
    """Makes the temporary table of keys for this transaction."""
    conn.exec_driver_sql('create temporary table if not exists page_keys (key text collate "C") on commit delete rows')


def all_new(page: pa.Table) -> Merged:
    """The classes of a page when the table held nothing: every row is new, but a withdrawal has nothing to withdraw."""
    withdrawn = flat(page.column("_withdrawn"))
    unchanged = int(pc.sum(withdrawn).as_py() or 0)
    kept = page.filter(pc.invert(withdrawn)) if unchanged else page
    count = kept.num_rows
    no = pa.repeat(pa.scalar(False), count)
    extra = (
        pa.repeat(pa.scalar(1, pa.int32()), count),
        repeated("recorded", count),
        pa.nulls(count, pa.string()),
        no,
        no,
        hexed(flat(kept.column("_hash"))),
    )
    return Merged(load=_with(kept, extra), unchanged=unchanged, stale=0, confirmed=to_mask(withdrawn))


def held(conn: sa.Connection, contract: FeedContract, keys: Sequence[pa.StringArray]) -> pa.Table:
    """What the table holds of these keys, columns of _STATE. `prepare` came before, in the same transaction."""
    core = sql.Identifier(CORE, contract.id)
    few = sql.SQL("select count(*) from (select from {} limit {}) t").format(core, sql.Literal(SMALL_TABLE + 1))
    with driver(conn).cursor() as cursor:
        row = cursor.execute(few).fetchone()
    if row is not None and row[0] <= SMALL_TABLE:
        wanted = sql.SQL("")
    else:
        fill_keys(conn, keys)
        wanted = sql.SQL("join page_keys k on c.hub_key = k.key")
    query = sql.SQL(
        "select c.hub_key, c.hub_revision, encode(c.hub_hash, 'hex'), c.hub_subject, c.hub_version, c.hub_withdrawn,"
        " coalesce(b.order_no, c.hub_batch_no), num_nonnulls({key}) = 0"
        " from {core} c {wanted} left join hub.batch b on b.batch_no = c.hub_batch_no"
    ).format(core=core, wanted=wanted, key=sql.SQL(", ").join(sql.Identifier("c", name) for name in contract.key))
    with by_key(conn):
        return copy_out(conn, query, _STATE)


def against(
    state: pa.Table,
    contract: FeedContract,
    page: pa.Table,
    *,
    order_no: int | None = None,
    later: Later | None = None,
    lost: Lost | None = None,
) -> Merged:
    """The classes of a page beside what the table holds (`held` of at least the page's keys).

    For a load that comes late: `order_no` is its place, rows that a later batch loaded are newer than this one whatever
    they say; `later` tells of which keys later deliveries spoke besides. `lost`: events that a restored table lost.
    """
    places = pc.index_in(flat(page.column("_key")), value_set=flat(state.column("key")))
    if later is None and lost is None and places.null_count == page.num_rows:
        return all_new(page)
    found: Mask = places.is_valid().to_numpy(zero_copy_only=False)
    revision = _spread(state, "revision", places).fill_null(0)
    old_subject = _spread(state, "subject", places)
    old_withdrawn = to_mask(_spread(state, "withdrawn", places))
    hexes = hexed(flat(page.column("_hash")))
    withdraws = to_mask(flat(page.column("_withdrawn")))
    same_subject = agree(flat(page.column("_subject")), old_subject)
    same_hash = to_mask(pc.equal(hexes, _spread(state, "hash", places)))
    version, old_version = flat(page.column("_version")), _spread(state, "version", places)
    older = found & to_mask(pc.less(version, old_version))
    # Where versions are equal, or there are none, the order of deliveries decides.
    newer = found & to_mask(pc.greater(version, old_version))
    if order_no is not None:
        older |= found & ~newer & to_mask(pc.greater(_spread(state, "order_no", places), order_no))
    if later is not None:
        spoken = later.spoke_of(flat(page.column("_key")))
        if later.others:  # a newer snapshot: a version decides between two contents that hold
            older |= spoken & ~(newer & ~old_withdrawn)
        elif contract.source_version is None:
            older |= spoken
        else:  # of what the table never held nobody knows the version that was spoken of
            older |= spoken & found & ~newer
    same = found & ~old_withdrawn & ~withdraws & same_hash & same_subject
    before, beside = _Before(found, revision, old_subject, old_withdrawn), None
    if lost is not None:
        moved = found & ~withdraws & ~old_withdrawn & ~same_subject
        keys, numbers = flat(page.column("_key")), revision.to_numpy(zero_copy_only=False)
        nothing_new = same | (withdraws & (~found | old_withdrawn))
        beside = lost.beside(
            Row(keys, hexes, flat(page.column("_subject")), withdraws, numbers, nothing_new, moved, old_subject)
        )
        before = before.after(beside)
        same, same_subject = same & ~beside.after, agree(flat(page.column("_subject")), before.subject)
    stale = older & ~same
    unchanged = same | stale | (withdraws & (~before.known | before.withdrawn))
    emptied = same & to_mask(_spread(state, "emptied", places))
    corrected = before.known & ~unchanged & ~withdraws & ~before.withdrawn
    moved = corrected & ~same_subject
    # A withdrawal goes under the key that consumers know the record by.
    subject = pc.if_else(pa.array(withdraws & before.known), before.subject, flat(page.column("_subject")))
    if beside is not None:
        subject = pc.if_else(pa.array(withdraws & (beside.given > 0)), beside.subject, subject)
    change = np.where(withdraws, "withdrawn", np.where(corrected & ~moved, "corrected", "recorded"))
    numbers = pc.add(before.revision, pa.array(1 + moved.astype(np.int32), pa.int32()))
    again = page.filter(pa.array(emptied)) if emptied.any() else None
    page = page.set_column(page.schema.get_field_index("_subject"), "_subject", subject)
    extra = (
        *_said_again(beside, numbers, pa.array(change, pa.string())),
        before.subject,
        pa.array(found),
        pa.array(moved),
        hexes,
    )
    load = _with(page, extra).filter(pa.array(~unchanged))
    return Merged(load, int(unchanged.sum()), int(stale.sum()), confirmed=unchanged & ~stale, again=again)


def _said_again(beside: Beside | None, numbers: pa.Array, changes: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Revisions and changes, where a lost event said the same those of that event."""
    if beside is None:
        return numbers, changes
    given = pa.array(beside.given > 0)
    return pc.if_else(given, pa.array(beside.given), numbers), pc.if_else(given, beside.change, changes)


def retire(conn: sa.Connection, contract: FeedContract, keys: pa.StringArray, batch_no: int) -> None:
    """Moves the rows of these keys from the table to its history, as replaced by the batch."""
    if not len(keys):
        return
    fill_keys(conn, [keys])
    gone = sql.SQL("delete from {core} c using page_keys k where c.hub_key = k.key returning c.*").format(
        core=sql.Identifier(CORE, contract.id)
    )
    with by_key(conn):
        _execute(conn, _into_history(contract, gone, batch_no))


def withdraw(
    conn: sa.Connection,
    contract: FeedContract,
    keys: pa.StringArray,
    batch_no: int,
    revision: sql.Composable,
) -> None:
    """Marks the rows `c` of these keys as withdrawn by the batch, under `revision` (SQL); what held goes to history."""
    if not len(keys):
        return
    fill_keys(conn, [keys])
    core = sql.Identifier(CORE, contract.id)
    held = sql.SQL("select * from {} where hub_key in (select key from page_keys)").format(core)
    with by_key(conn):
        _execute(conn, _into_history(contract, held, batch_no))
    mark = sql.SQL(
        "update {core} c set hub_withdrawn = true, hub_revision = {revision}, hub_batch_no = {batch_no},"
        " hub_loaded_at = now() where hub_key in (select key from page_keys)"
    )
    with by_key(conn):
        _execute(conn, mark.format(core=core, batch_no=sql.Literal(batch_no), revision=revision))


def _into_history(contract: FeedContract, rows: sql.Composed, batch_no: int) -> sql.Composed:
    """Puts rows of the table, as a statement yields them, into its history."""
    names = [*(spec.name for spec in contract.fields), *HUB_COLUMNS]
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in names)
    return sql.SQL(
        "with gone as ({rows}) insert into {history} ({columns}, {replaced_by}) select {columns}, {batch_no} from gone"
    ).format(
        rows=rows,
        history=sql.Identifier(HISTORY, contract.id),
        columns=columns,
        replaced_by=sql.Identifier(REPLACED_BY),
        batch_no=sql.Literal(batch_no),
    )


def fill_keys(conn: sa.Connection, keys: Sequence[pa.StringArray]) -> None:
    """Puts keys into the temporary table that `prepare` made, in place of those before."""
    _execute(conn, sql.SQL("truncate page_keys"))
    for some in keys:
        copy_in(conn, "page_keys", ("key",), csv_of({"key": some}))


@contextmanager
def by_key(conn: sa.Connection) -> Iterator[None]:
    """Statements in it look the keys of `page_keys` up in the table's index. In a transaction, which they must not fail.

    Left alone the planner reads the whole table for every part (random pages cost it four times, and it has no figures of
    rows that this very transaction wrote), so that a load's time grows with the square of its rows.
    """
    conn.exec_driver_sql("set local enable_hashjoin = off; set local enable_mergejoin = off")
    yield
    conn.exec_driver_sql("set local enable_hashjoin to default; set local enable_mergejoin to default")


def _execute(conn: sa.Connection, statement: sql.SQL | sql.Composed) -> None:
    with driver(conn).cursor() as cursor:
        cursor.execute(statement)


def _spread(state: pa.Table, name: str, places: pa.Int32Array) -> pa.Array:
    """A column of the rows found, laid out beside the page's rows; null where there is none."""
    return flat(state.column(name)).take(places)


def _with(page: pa.Table, extra: tuple[pa.Array, ...]) -> pa.Table:
    for name, column in zip(EXTRA, extra, strict=True):
        page = page.append_column(name, column)
    return page
