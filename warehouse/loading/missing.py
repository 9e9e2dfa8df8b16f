"""Snapshot feeds: keys that the table has and the delivery no longer has are withdrawn.

Of a snapshot that is loaded after a newer one (a release, a file read late) nothing is missing: the newer one said it.
A key counts as delivered when any row has it, quarantined ones too. Where a row's key can't be read (a malformed or
refused row), no key is known to be missing, so none is withdrawn and the batch says so.

After a restore subscribers may hold records that the table never had (`warehouse/lost.py`). A snapshot without them that was said
since they were found on the topic withdraws them too; an older one may be a delivery that comes again, before the one that brought them.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from psycopg import sql

from contracts.model import FeedContract
from hub import log
from warehouse import lost
from warehouse.arrow.columns import flat
from warehouse.arrow.copying import copy_in, copy_out, csv_of
from warehouse.batches import NEW, Batch
from warehouse.changeset import Events
from warehouse.checking.pages import CheckedPages
from warehouse.engine import driver
from warehouse.feeds.tables import CORE
from warehouse.loading import merge
from warehouse.loading.encode import withdrawals
from warehouse.loading.event_data import EventEncoder
from warehouse.loading.late import newer_snapshot

_GONE = pa.schema([("_key", pa.string()), ("_subject", pa.string()), ("_revision", pa.int32()), ("_hex", pa.string())])


class MissingKeys:
    """The keys of a feed's table that one snapshot batch doesn't have. Inside a part's transaction."""

    def __init__(
        self, conn: sa.Connection, contract: FeedContract, batch: Batch, pages: CheckedPages, *, lost_events: bool
    ) -> None:
        self._conn = conn
        self._contract = contract
        self._batch = batch
        self._pages = pages
        self._lost = lost_events
        self._since = _said_at(batch) if len(contract.sources) == 1 else None
        self._revision = lost.withdrawal_of(contract.id, lost_events=lost_events)
        self._told = lost.still_told(contract.id, self._since) if lost_events else sql.SQL("false")
        self._subject: sql.Composable = sql.SQL("c.hub_subject")
        if lost_events:
            self._subject = lost.subject_of(contract.id, self._revision)

    def withdraw(self, limit: int, encoder: EventEncoder) -> tuple[Events, bool]:
        """Withdraws at most `limit` missing keys; returns their events and whether more are missing."""
        nothing = withdrawals(self._contract, encoder, _GONE.empty_table()), False
        if newer_snapshot(self._conn, self._contract, self._batch):
            return nothing
        unreadable = self._fill_delivered()
        if unreadable:
            log.get("load").warning(
                "no missing key is withdrawn: some rows of the snapshot have no readable key",
                batch=self._batch.batch_id,
                rows=unreadable,
            )
            return nothing
        gone = copy_out(self._conn, self._query(limit + 1), _GONE)
        more = gone.num_rows > limit
        gone = gone.slice(0, limit)
        merge.withdraw(self._conn, self._contract, flat(gone.column("_key")), self._batch.batch_no, self._revision)
        if self._lost and not more:
            told = copy_out(self._conn, self._only_told(limit - gone.num_rows + 1), _GONE)
            more = told.num_rows > limit - gone.num_rows
            told = told.slice(0, limit - gone.num_rows)
            self._adopt(told)
            gone = pa.concat_tables([gone, told])
        return withdrawals(self._contract, encoder, gone), more

    def _fill_delivered(self) -> int:
        """Puts every key of the delivery into a temporary table; returns the rows whose key is not known."""
        self._conn.exec_driver_sql(
            'create temporary table if not exists delivered_keys (key text collate "C") on commit drop'
        )
        unreadable = self._batch.rows_refused
        for page in self._batch.facts["pages"]:
            columns = [flat(self._pages.column(page["page"], "_key"))] if page["good"] else []
            if page["bad"]:
                keys = flat(self._pages.bad(page["page"]).column("_key"))
                unreadable += keys.null_count
                columns.append(keys.drop_null())
            for keys in columns:
                keys = keys.filter(pc.invert(pc.match_substring(keys, "\0")))  # noqa: PLW2901
                copy_in(self._conn, "delivered_keys", ("key",), csv_of({"key": keys}))
        self._conn.exec_driver_sql("analyze delivered_keys")
        return unreadable

    def _only_told(self, limit: int) -> sql.Composed:
        return sql.SQL(
            "select l.hub_key, l.subject, l.revision, l.hash from ({told}) l"
            " where not exists (select from delivered_keys d where d.key = l.hub_key) order by l.hub_key limit {limit}"
        ).format(told=lost.only_told(self._contract.id, self._since), limit=sql.Literal(limit))

    def _adopt(self, told: pa.Table) -> None:
        """Makes the rows of records that only subscribers hold, withdrawn and without content: their next event counts on."""
        if not told.num_rows:
            return
        merge.fill_keys(self._conn, [flat(told.column("_key"))])
        statement = sql.SQL(
            "insert into {core} (hub_key, hub_revision, hub_hash, hub_subject, hub_batch_no, hub_row, hub_changes, hub_withdrawn)"
            " select l.hub_key, l.revision, decode(l.hash, 'hex'), l.subject, {batch_no}, 0, 0, true from ({told}) l"
            " where l.hub_key in (select key from page_keys)"
        ).format(
            core=sql.Identifier(CORE, self._contract.id),
            batch_no=sql.Literal(self._batch.batch_no),
            told=lost.only_told(self._contract.id, self._since),
        )
        with driver(self._conn).cursor() as cursor:
            cursor.execute(statement)

    def _query(self, limit: int) -> sql.Composed:
        # Two publishers of one feed send a snapshot each: only keys that came from this source can be missing here,
        # and only those that came before: a snapshot that is loaded late says nothing of what came since.
        return sql.SQL(
            "select c.hub_key, {subject}, {revision}, encode(c.hub_hash, 'hex') from {core} c"
            " join hub.batch b on b.batch_no = c.hub_batch_no and b.source = {source}"
            " and coalesce(b.order_no, b.batch_no) < {order}"
            " where (not c.hub_withdrawn or {told}) and not exists (select from delivered_keys d where d.key = c.hub_key)"
            " order by c.hub_key limit {limit}"
        ).format(
            core=sql.Identifier(CORE, self._contract.id),
            subject=self._subject,
            revision=self._revision,
            told=self._told,
            source=sql.Literal(self._batch.source),
            order=sql.Literal(self._batch.order_no),
            limit=sql.Literal(limit),
        )


def _said_at(batch: Batch) -> datetime | None:
    """When its source said what the batch holds: when a file was written, when a pull began; None where that is of long ago."""
    if batch.kind not in NEW:
        return None
    _, _, written = (batch.appearance or "").rpartition("@")
    if not written.isdigit():
        return batch.opened_at
    return min(batch.opened_at, datetime.fromtimestamp(int(written) / 1e9, UTC))
