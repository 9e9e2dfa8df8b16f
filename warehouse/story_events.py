"""The events of one record's story: those of its batches' change sets, and those that stand in the outbox themselves.

A takedown empties the earlier events where they wait to be sent again: each then withdraws, whatever it said when it was sent. So
what an emptied event was is not told from what is left of it; its topic may still say (`exchange.desk.locate`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from hub.ids import FeedId
from warehouse.arrow.columns import flat
from warehouse.changeset import ChangeSet, event_ids
from warehouse.errors import StoreMissing
from warehouse.store import store
from warehouse.tables import outbox, topic
from warehouse.takedown.events import NO_HASH

Event = dict[str, Any]


def of_key(conn: sa.Connection, feed: FeedId, batches: Iterable[str], key: str, own: Mapping[str, int]) -> list[Event]:
    """The record's events by revision. `batches`: whose change sets are looked through; `own`: event id → number of its takedown.

    {"event_id", "revision", "change" (None where the event was emptied), "emptied", "takedown" (of which it is the withdrawal, else
    None), "sent_again" (a dead letter), "batch", "topic", "lane", "seq", "entry_id", "record", "key" (Kafka's), "published_at",
    "skipped_at"}.
    """
    found = [*_in_change_sets(conn, list(batches), key), *_in_outbox(conn, feed, key, own)]
    return sorted(found, key=lambda event: (event["revision"], event["seq"]))


def _in_change_sets(conn: sa.Connection, batches: list[str], key: str) -> list[Event]:
    query = sa.select(outbox).where(outbox.c.batch_id.in_(batches)).order_by(outbox.c.lane, outbox.c.seq)
    events = []
    for entry in conn.execute(query).mappings():
        try:
            with ChangeSet(store(), entry["path"]) as changes:
                feed = changes.facts.feed
                for record, revision, change in changes.position_of(key):
                    one = next(iter(changes.batches(record)))
                    emptied = _is_emptied(json.loads(one.column("data")[0].as_py()))
                    event = {
                        "event_id": _event_id(feed, key, revision),
                        "revision": revision,
                        "change": None if emptied else change,
                        "emptied": emptied,
                        "key": one.column("key")[0].as_py(),
                    }
                    events.append({**event, **_entry(entry, record), "takedown": None, "sent_again": False})
        except StoreMissing:
            continue
    return events


def _in_outbox(conn: sa.Connection, feed: FeedId, key: str, own: Mapping[str, int]) -> list[Event]:
    """Withdrawals of takedowns, and dead letters that were sent again. Past their retention their id is all that is left."""
    named = sa.select(topic.c.topic).where(topic.c.feed == feed)
    headers = outbox.c.event["headers"]
    begins = _event_id(feed, key, 0).rpartition(":")[0] + ":"
    mine = sa.or_(headers["ce_subject"].astext == key, headers["ce_id"].astext.startswith(begins, autoescape=True))
    query = sa.select(outbox).where(outbox.c.kind == "event", outbox.c.topic.in_(named), mine)
    events = []
    for entry in conn.execute(query.order_by(outbox.c.lane, outbox.c.seq)).mappings():
        told, event_id = entry["event"], str(entry["event"]["headers"]["ce_id"])
        before, _, revision = event_id.rpartition(":")
        if f"{before}:" != begins or not revision.isdigit():
            continue  # of a longer key that begins alike
        number, data = own.get(event_id), told["data"]
        emptied = data is not None and _is_emptied(data)
        change = str(told["headers"].get("ce_type", "")).rpartition(".")[2]
        event = {
            "event_id": event_id,
            "revision": int(revision),
            "change": "withdrawn" if number is not None else None if emptied else change or None,
            "emptied": emptied,
            "key": told["key"],
        }
        events.append({**event, **_entry(entry, 0), "takedown": number, "sent_again": number is None})
    return events


def _entry(entry: sa.RowMapping, record: int) -> Event:
    names = ("topic", "lane", "seq", "entry_id", "created_at", "published_at", "skipped_at")
    return {"batch": entry["batch_id"], "record": record, **{name: entry[name] for name in names}}


def _is_emptied(data: Mapping[str, Any]) -> bool:
    """Whether a takedown took its content; its own withdrawal may have no hash either, but says what it is."""
    return data.get("record_hash") == NO_HASH and not data.get("taken_down")


def _event_id(feed: str, key: str, revision: int) -> str:
    return str(flat(event_ids(feed, pa.array([key]), pa.array([revision], pa.int32())))[0].as_py())
