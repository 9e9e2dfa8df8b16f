"""One record's whole story from the database and the store; where its events lie on Kafka is added by the exchange.

The changes made to a row are not kept for each value: they are worked out by sending the landed row through the
checks again, under the contract version of its time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from psycopg import sql
from psycopg.rows import dict_row

from contracts.checks.schema import decoded
from contracts.model import FeedContract
from contracts.page import CheckedPage, RawPage
from hub.errors import HubException
from hub.ids import BatchId, FeedId
from warehouse import batches
from warehouse.arrow.columns import flat, texts
from warehouse.batches import Batch
from warehouse.changeset import ChangeSet, event_ids
from warehouse.checking.checkers import checker_for
from warehouse.engine import connection, driver
from warehouse.errors import StoreMissing
from warehouse.feeds import registry
from warehouse.feeds.tables import CORE, HISTORY
from warehouse.landing import pages as landing
from warehouse.quarantine import view as quarantine
from warehouse.store import store
from warehouse.tables import batch as batch_table
from warehouse.tables import landed_object, outbox


def story(contract: FeedContract, key: str) -> dict[str, Any]:
    """What is known of a record key of a feed.

    {"feed", "key", "current" (or None), "history" [newest first], "quarantined" [...], "batches" {id: …},
    "rows" [{"batch", "row", "unit", "source_row", "page", "hash", "raw", "changes", "rules"}], "events" [{"event_id", "revision",
    "change", "topic", "lane", "seq", "entry_id", "record", "published_at", "skipped_at"}]}. All empty where the key was never seen.
    """
    with connection() as conn:
        current, history = _records(conn, contract, key)
        rows = quarantine.listing(conn, feed=contract.id, states=(), limit=200, key=key)
        numbers = {record["hub_batch_no"] for record in [*current, *history]}
        numbers |= {record["hub_replaced_by_batch"] for record in history}
        found = {batch.batch_id: batch for batch in _batches(conn, contract.id, numbers)}
        for row in rows:
            found.setdefault(row.batch_id, batches.get(conn, row.batch_id))
        by_no = {batch.batch_no: batch for batch in found.values()}
        seen = {(by_no[record["hub_batch_no"]].batch_id, record["hub_row"]) for record in [*current, *history]}
        seen |= {(row.batch_id, row.row) for row in rows}
        return {
            "feed": contract.id,
            "key": key,
            "current": _record(current[0], by_no) if current else None,
            "history": [_record(record, by_no) for record in history],
            "quarantined": [
                {
                    "batch": row.batch_id,
                    "row": row.row,
                    "state": row.state,
                    "rules": quarantine.sentences(contract, row.rules),
                    "fixes": quarantine.fixes_of(conn, row.batch_id, row.row),
                    "replay": row.replay_batch,
                }
                for row in rows
            ],
            "batches": {batch_id: _batch(batch) for batch_id, batch in sorted(found.items())},
            "rows": [_row(conn, found[batch_id], row) for batch_id, row in sorted(seen)],
            "events": _events(conn, found, key),
        }


def _records(
    conn: sa.Connection, contract: FeedContract, key: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    there = conn.scalar(
        sa.text("select to_regclass(:name)"),
        {"name": sql.Identifier(CORE, contract.id).as_string(driver(conn))},
    )
    if there is None:
        return [], []
    found = []
    for schema, order in ((CORE, "hub_revision"), (HISTORY, "hub_revision")):
        query = sql.SQL("select * from {} where hub_key = %s order by {} desc limit 200").format(
            sql.Identifier(schema, contract.id), sql.Identifier(order)
        )
        with driver(conn).cursor(row_factory=dict_row) as cursor:
            found.append(cursor.execute(query, (key.replace("\0", ""),)).fetchall())
    return found[0], found[1]


def _batches(conn: sa.Connection, feed: FeedId, numbers: Iterable[int]) -> list[Batch]:
    query = sa.select(batch_table.c.batch_id).where(
        batch_table.c.batch_no.in_(set(numbers)), batch_table.c.feed == feed
    )
    return [batches.get(conn, BatchId(found)) for found in conn.execute(query).scalars().all()]


def _record(record: Mapping[str, Any], by_no: Mapping[int, Batch]) -> dict[str, Any]:
    replaced = record.get("hub_replaced_by_batch")
    return {
        "revision": record["hub_revision"],
        "subject": record["hub_subject"],
        "withdrawn": record["hub_withdrawn"],
        "hash": bytes(record["hub_hash"]).hex(),
        "version": record["hub_version"],
        "batch": by_no[record["hub_batch_no"]].batch_id,
        "row": record["hub_row"],
        "loaded_at": record["hub_loaded_at"],
        "replaced_by": by_no[replaced].batch_id if replaced is not None and replaced in by_no else None,
        "record": {name: value for name, value in record.items() if not name.startswith("hub_")},
    }


def _batch(batch: Batch) -> dict[str, Any]:
    return {
        "state": batch.state,
        "kind": batch.kind,
        "parent": batch.parent_batch,
        "source": batch.source,
        "delivery": batch.delivery,
        "delivery_sha256": batch.delivery_sha256,
        "contract": batch.contract_version,
        "operator": batch.operator,
        "opened_at": batch.opened_at,
        "landed_at": batch.landed_at,
        "loaded_at": batch.loaded_at,
        "verdicts": batch.facts.get("verdicts", []),
    }


def _row(conn: sa.Connection, batch: Batch, row: int) -> dict[str, Any]:
    """Where a row landed, what it said, and what was changed in it; "purged" where its page is gone."""
    facts: dict[str, Any] = {"batch": batch.batch_id, "row": row}
    query = (
        sa.select(landed_object.c.path, landed_object.c.ordinal, landed_object.c.unit)
        .where(landed_object.c.batch_id == batch.batch_id, landed_object.c.kind == "rows")
        .order_by(landed_object.c.ordinal)
    )
    for path, ordinal, unit in conn.execute(query):
        try:
            page = landing.read_page(store(), path)
            raw = landing.read_rows(store(), path, np.array([row]))
        except StoreMissing:
            return {**facts, "purged": True}
        if raw.num_rows:
            hashes = landing.row_hashes(store(), path)
            one = hashes.filter(pc.equal(hashes.column("_row"), row)).to_pylist()[0]
            return {
                **facts,
                "page": ordinal,
                "unit": unit,
                "source_row": raw.column("_source_row")[0].as_py(),
                "hash": one["_row_hash"].hex(),
                "masked": one["_masked"],
                "raw": json.loads(raw.column("_raw")[0].as_py()),
                **_changes(conn, batch, page, row),
            }
    return facts


def _changes(conn: sa.Connection, batch: Batch, page: RawPage, row: int) -> dict[str, Any]:
    """The row through the checks once more: its normalised values, the steps that changed something, its rules."""
    chosen = pc.equal(page.rows, row)
    single = RawPage(
        page.ordinal,
        page.unit,
        page.table.filter(chosen),
        page.rows.filter(chosen),
        page.source_rows.filter(chosen),
        tuple(line for line in page.malformed if line.row == row),
    )
    try:
        contract = registry.recorded(conn, batch.feed, batch.contract_sha256)
        checked = checker_for(contract, contract.source(batch.source)).check(single)
    except (HubException, KeyError) as error:
        return {"changes": None, "reason": str(error)}
    if not checked.good.num_rows:
        return {"changes": [], "rules": checked.bad.column("_rules")[0].as_py() if checked.bad.num_rows else []}
    values = {name: column[0].as_py() for name, column in texts(decoded(checked.good), contract.fields).items()}
    return {"changes": _steps(checked), "record": values, "rules": []}


def _steps(checked: CheckedPage) -> list[str]:
    bits = checked.good.column("_changes")[0].as_py()
    return [step for bit, step in enumerate(checked.change_steps) if bits >> bit & 1]


def _events(conn: sa.Connection, found: Mapping[BatchId, Batch], key: str) -> list[dict[str, Any]]:
    query = sa.select(outbox).where(outbox.c.batch_id.in_(list(found))).order_by(outbox.c.lane, outbox.c.seq)
    events = []
    for entry in conn.execute(query).mappings():
        try:
            with ChangeSet(store(), entry["path"]) as changes:
                places = changes.position_of(key)
                feed = changes.facts.feed
        except StoreMissing:
            continue
        for record, revision, change in places:
            ids = event_ids(feed, pa.array([key]), pa.array([revision], pa.int32()))
            events.append(
                {
                    "event_id": flat(ids)[0].as_py(),
                    "revision": revision,
                    "change": change,
                    "batch": entry["batch_id"],
                    "topic": entry["topic"],
                    "lane": entry["lane"],
                    "seq": entry["seq"],
                    "entry_id": entry["entry_id"],
                    "record": record,
                    "published_at": entry["published_at"],
                    "skipped_at": entry["skipped_at"],
                }
            )
    return sorted(events, key=lambda event: event["revision"])
