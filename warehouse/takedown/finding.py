"""Where a record lies: every landed row that bears its key, under whichever contract it landed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from psycopg import sql

from contracts.checks import Checker
from contracts.model import FeedContract
from hub.errors import HubException
from hub.ids import BatchId
from hub.said import Said
from warehouse import batches
from warehouse.batches import Batch
from warehouse.checking.checkers import checker_for
from warehouse.engine import driver
from warehouse.errors import TakedownRefused
from warehouse.feeds import registry
from warehouse.feeds.tables import CORE, HISTORY
from warehouse.landing import pages as landing
from warehouse.quarantine.replay_source import TEXT
from warehouse.store import Store
from warehouse.tables import batch, landed_object, quarantine
from warehouse.takedown.unsplit import KeyInText

Rows = Mapping[BatchId, set[int]]


def rows_of(conn: sa.Connection, place: Store, contract: FeedContract, key: str) -> dict[BatchId, set[int]]:
    """Batch -> rows that bear the key: landed, quarantined, loaded or replaced. In an open transaction.

    A delivery that brought the record as it was is on record nowhere but in its pages, so every page that is kept goes through
    the checks once more. A replay's row has its parent's number: both are named. Of a row that could not be split into columns
    the text is searched. Raises TakedownRefused.
    """
    found: dict[BatchId, set[int]] = {}
    unsplit = KeyInText(contract, [key])
    waiting = (*_quarantined(conn, contract, key), *_unsplit(conn, contract, unsplit))
    for batch_id, row in (*waiting, *_loaded(conn, contract, key)):
        found.setdefault(batch_id, set()).add(row)
    checkers: dict[tuple[str, str], Checker] = {}
    for one, path in pages_of(conn, contract):
        page = landing.read_page(place, path)
        try:
            name = (one.contract_sha256, one.source)
            if name not in checkers:
                then = registry.recorded(conn, one.feed, one.contract_sha256)
                checkers[name] = checker_for(then, then.source(one.source))
            checked = checkers[name].check(page)
        except (HubException, KeyError) as error:
            reason = Said(f"the page {path} can't be read under its contract", f"无法按当时的契约读取落地页 {path}")
            raise TakedownRefused(feed=contract.id, reason=reason) from error
        for table in (checked.good, checked.bad):
            if table.num_rows:
                hits = table.filter(pc.fill_null(pc.equal(table.column("_key"), pa.scalar(key)), False))
                if hits.num_rows:
                    found.setdefault(one.batch_id, set()).update(hits.column("_row").to_pylist())
        if lines := {line.row for line in page.malformed if unsplit.of(line.text) is not None}:
            found.setdefault(one.batch_id, set()).update(lines)
    for child in _related(conn, contract, found):
        assert child.parent_batch is not None
        rows = found.get(child.batch_id, set()) | found.get(child.parent_batch, set())
        found[child.batch_id] = rows
        found[child.parent_batch] = found.get(child.parent_batch, set()) | rows
    return found


def pages_of(conn: sa.Connection, contract: FeedContract) -> Iterator[tuple[Batch, str]]:
    """Every landed page of a feed that is kept, with its batch."""
    query = (
        sa.select(landed_object.c.batch_id, landed_object.c.path)
        .join(batch, batch.c.batch_id == landed_object.c.batch_id)
        .where(batch.c.feed == contract.id, landed_object.c.kind == "rows", landed_object.c.purged_at.is_(None))
        .order_by(batch.c.batch_no, landed_object.c.ordinal)
    )
    for batch_id, path in conn.execute(query).all():
        yield batches.get(conn, BatchId(batch_id)), str(path)


def _quarantined(conn: sa.Connection, contract: FeedContract, key: str) -> list[tuple[BatchId, int]]:
    columns = quarantine.c
    query = sa.select(columns.batch_id, columns.row_no).where(columns.feed == contract.id, columns.record_key == key)
    return [(BatchId(one.batch_id), int(one.row_no)) for one in conn.execute(query)]


def _unsplit(conn: sa.Connection, contract: FeedContract, unsplit: KeyInText) -> list[tuple[BatchId, int]]:
    columns = quarantine.c
    text = columns.raw[TEXT].astext
    mine = columns.feed == contract.id, columns.record_key.is_(None), text.is_not(None)
    query = sa.select(columns.batch_id, columns.row_no, text.label("text")).where(*mine)
    found = conn.execute(query.execution_options(yield_per=1_000))
    return [(BatchId(one.batch_id), int(one.row_no)) for one in found if unsplit.of(one.text) is not None]


def _loaded(conn: sa.Connection, contract: FeedContract, key: str) -> list[tuple[BatchId, int]]:
    query = sql.SQL(
        "select b.batch_id, r.hub_row from (select hub_key, hub_batch_no, hub_row from {core}"
        " union all select hub_key, hub_batch_no, hub_row from {history}) r"
        " join hub.batch b on b.batch_no = r.hub_batch_no where r.hub_key = %s"
    ).format(core=sql.Identifier(CORE, contract.id), history=sql.Identifier(HISTORY, contract.id))
    with driver(conn).cursor() as cursor:
        return [(BatchId(str(one[0])), int(one[1])) for one in cursor.execute(query, (key,)).fetchall()]


def _related(conn: sa.Connection, contract: FeedContract, found: Rows) -> list[Batch]:
    """Replays, releases and reruns beside their parents, of which either has such a row."""
    query = sa.select(batch.c.batch_id).where(
        batch.c.feed == contract.id,
        batch.c.parent_batch.is_not(None),
        sa.or_(batch.c.batch_id.in_(list(found)), batch.c.parent_batch.in_(list(found))),
    )
    return [batches.get(conn, BatchId(one)) for one in conn.execute(query.order_by(batch.c.batch_no)).scalars().all()]
