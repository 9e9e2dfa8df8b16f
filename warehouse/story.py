"""One record's whole story from the database and the store; where its events lie on Kafka is added by the exchange.

The changes made to a row are not kept for each value: they are worked out by sending the landed row through the
checks again, under the contract version of its time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow.compute as pc
import sqlalchemy as sa
from psycopg import sql
from psycopg.rows import dict_row

from contracts.checks.headers import HeaderMap
from contracts.checks.schema import decoded
from contracts.model import FeedContract
from contracts.page import CheckedPage, RawPage
from hub.errors import HubException
from hub.ids import BatchId, FeedId
from warehouse import batches, refusals, story_events
from warehouse.arrow.columns import texts
from warehouse.batches import Batch
from warehouse.checking.checkers import checker_for
from warehouse.engine import connection, driver
from warehouse.errors import StoreMissing
from warehouse.feeds import registry
from warehouse.feeds.tables import CORE, HISTORY
from warehouse.landing import pages as landing
from warehouse.quarantine import view as quarantine
from warehouse.store import store
from warehouse.tables import batch as batch_table
from warehouse.tables import landed_object
from warehouse.takedown import standing
from warehouse.takedown.standing import TakedownRow


def story(contract: FeedContract, key: str) -> dict[str, Any]:
    """What is known of a record key of a feed.

    {"feed", "key", "current" (or None), "history" [newest first], "quarantined" [...], "batches" {id: …},
    "rows" [{"batch", "row", "unit", "source_row", "page", "hash", "raw", "changes", "changed" [{"field", "from", "to", "steps"}],
    "rules"}], "refused" [what the gate refused of it when it was sent again], "takedowns" [{"takedown", "state", "operator", "reason",
    "at", "lifted", "event_id"}], "events" [as `warehouse.story_events.of_key` has them]}. All empty where the key was never seen.
    """
    with connection() as conn:
        current, history = _records(conn, contract, key)
        rows = quarantine.listing(conn, feed=contract.id, states=(), limit=200, key=key)
        numbers = {record["hub_batch_no"] for record in [*current, *history]}
        numbers |= {record["hub_replaced_by_batch"] for record in history}
        found = {batch.batch_id: batch for batch in _batches(conn, contract.id, numbers)}
        for row in rows:
            for batch_id in filter(None, (row.batch_id, row.replay_batch)):
                found.setdefault(BatchId(batch_id), batches.get(conn, BatchId(batch_id)))
        orders = standing.listed(conn, feed=contract.id, key=key, every=True, limit=200)
        # What it took out stands in no table any more; the batches that brought it are on its own record.
        for batch_id in (one for order in orders for one in order.batches):
            found.setdefault(batch_id, batches.get(conn, batch_id))
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
                    "at": row.quarantined_at,
                    "state": row.state,
                    "rules": quarantine.sentences(contract, row.rules),
                    "fixes": quarantine.fixes_of(conn, row.batch_id, row.row),
                    "replay": row.replay_batch,
                }
                for row in rows
            ],
            "batches": {batch_id: _batch(batch) for batch_id, batch in sorted(found.items())},
            "rows": [_row(conn, found[batch_id], row) for batch_id, row in sorted(seen)],
            "refused": [
                refused
                for row in rows
                if row.replay_batch
                for refused in refusals.of_row(conn, row.replay_batch, row.row)
            ],
            "takedowns": [_takedown(order) for order in reversed(orders)],
            "events": story_events.of_key(conn, contract.id, found, key, _own(orders)),
        }


def of_row(batch_id: BatchId, row: int) -> dict[str, Any]:
    """What is known of a row by its place: {"batch", "row", "feed", "key" (None where none is on record), "refused" [...],
    "landed" (the row as in a story's "rows", without its page where that is gone), "about" {batch facts}}. Raises BatchUnknown.

    A row that the gate refused has no key on record: its place and the rules are all that is kept.
    """
    with connection() as conn:
        batch = batches.get(conn, batch_id)
        refused = refusals.of_row(conn, batch_id, row)
        waiting = quarantine.one(conn, batch_id, row)
        landed = {} if refused else _row(conn, batch, row)
        key = waiting.record_key if waiting is not None else landed.get("key")
        if key is None and not refused and batch.parent_batch is not None:
            # A replay has its parent's row numbers and none of its pages.
            parent = quarantine.one(conn, batch.parent_batch, row)
            key = None if parent is None else parent.record_key
        return {
            "batch": batch_id,
            "row": row,
            "feed": batch.feed,
            "key": key,
            "refused": refused,
            "landed": landed,
            "about": _batch(batch),
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


def _takedown(order: TakedownRow) -> dict[str, Any]:
    return {
        "takedown": order.number,
        "state": order.state,
        "operator": order.operator,
        "reason": order.reason,
        "at": order.begun_at,
        "lifted": order.lifted,
        "event_id": order.event_id,
    }


def _own(orders: Iterable[TakedownRow]) -> dict[str, int]:
    """Event id of a withdrawal → the takedown that sent it: the first of those that were ordered again."""
    newest_first = [(one.event_id, one.number) for one in orders if one.event_id is not None]
    return dict(newest_first)


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
        "checked_at": batch.checked_at,
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
        bad = checked.bad.to_pylist()[0] if checked.bad.num_rows else {"_rules": [], "_key": None}
        return {"changes": [], "changed": [], "rules": bad["_rules"], "key": bad["_key"]}
    values = {name: column[0].as_py() for name, column in texts(decoded(checked.good), contract.fields).items()}
    steps = _steps(checked)
    changed = _changed(steps, _delivered(contract, batch.source, single), values)
    return {
        "changes": steps,
        "changed": changed,
        "record": values,
        "rules": [],
        "key": checked.good.column("_key")[0].as_py(),
    }


def _delivered(contract: FeedContract, source: str, single: RawPage) -> dict[str, str | None]:
    """Field -> what stood in its column."""
    headers = HeaderMap(contract, contract.source(source))
    named = {header: headers.field_of(header) for header in single.table.column_names}
    return {field: single.table.column(header)[0].as_py() for header, field in named.items() if field is not None}


def _changed(steps: Iterable[str], before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each field that a step changed: from what was delivered to what is loaded, and the steps in their order."""
    by_field: dict[str, list[str]] = {}
    for step in steps:
        field, _, name = step.partition(":")
        by_field.setdefault(field, []).append(name)
    return [
        {"field": field, "from": before.get(field), "to": after.get(field), "steps": names}
        for field, names in by_field.items()
    ]


def _steps(checked: CheckedPage) -> list[str]:
    """What changed the only row of a page. By the counts, which name each step; a bit may stand for all of a field."""
    return list(checked.metrics.changed)
