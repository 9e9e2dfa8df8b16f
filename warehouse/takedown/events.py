"""The record's events in the outbox: emptied in the change sets and in the entries that hold one event themselves.

An event keeps its place, id and revision, so positions stay right; were it sent again after a rebase, it withdraws. A change set
keeps its path, is whole at any moment, and doing it twice gives the same file.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from hub.ids import FeedId
from warehouse.changeset import SCHEMA, ChangeSet, ChangeSetWriter, Events, changes
from warehouse.store import Store
from warehouse.tables import dead_letter, outbox, takedown, topic

_KEPT = ("feed", "contract", "key", "revision", "batch", "ask")
"""Members of an event's data that say nothing of what stood in the record."""

NO_HASH = "0" * 64
"""In place of a record's hash, where the schema of events asks for one and none may be told."""


def waiting(conn: sa.Connection, place: Store, feed: FeedId, key: str) -> int:
    """How many entries of the outbox with an event of the record are still to be sent."""
    query = sa.text(
        "select o.path from hub.outbox o join hub.batch b on b.batch_id = o.batch_id"
        " where b.feed = :feed and o.path is not null and o.published_at is null and o.skipped_at is null"
    )
    count = 0
    for path in conn.execute(query, {"feed": feed}).scalars():
        with ChangeSet(place, path) as found:
            count += bool(found.position_of(key))
    unsent = outbox.c.published_at.is_(None), outbox.c.skipped_at.is_(None)
    single = sa.select(sa.func.count()).select_from(outbox).where(*_single(feed, key), *unsent)
    return count + int(conn.scalar(single) or 0)


def cut_changes(conn: sa.Connection, place: Store, feed: FeedId, key: str) -> list[tuple[str, str]]:
    """Writes the feed's change sets anew with the record's events emptied; (SHA-256 before, after) of each. In a transaction."""
    # Whoever sends a dead letter again holds its row while he reads the event: what he read is in the outbox after this.
    named = sa.select(topic.c.topic).where(topic.c.feed == feed)
    letters = sa.select(dead_letter.c.event_id).where(dead_letter.c.topic.in_(named), dead_letter.c.record_key == key)
    conn.execute(letters.order_by(dead_letter.c.event_id).with_for_update()).all()
    query = sa.text(
        "select o.lane, o.seq, o.path, o.sha256 from hub.outbox o join hub.batch b on b.batch_id = o.batch_id"
        " where b.feed = :feed and o.path is not null and o.purged_at is null order by o.lane, o.seq"
    )
    done = []
    for lane, seq, path, before in conn.execute(query, {"feed": feed}).all():
        with ChangeSet(place, path) as found:
            if not found.position_of(key):
                continue
            facts, tables = found.facts, [pa.Table.from_batches([one]) for one in found.batches()]
        whole = _emptied(pa.concat_tables(tables).combine_chunks(), key)
        with ChangeSetWriter(place, path, facts) as writer:
            writer.write(Events.of(whole))
        mine = outbox.c.lane == lane, outbox.c.seq == seq
        conn.execute(sa.update(outbox).where(*mine).values(sha256=writer.sha256))
        done.append((str(before), writer.sha256))
    return done


def cut_single(conn: sa.Connection, feed: FeedId, key: str) -> int:
    """Empties the record's events that stand in the outbox itself: dead letters that were sent again. After `cut_changes`."""
    count = 0
    query = sa.select(outbox.c.lane, outbox.c.seq, outbox.c.event).where(*_single(feed, key))
    for one in conn.execute(query.order_by(outbox.c.lane, outbox.c.seq)).all():
        data, headers = one.event["data"], dict(one.event["headers"])
        if data is None:
            continue  # past its retention
        kind = str(headers.get("ce_type", "")).rpartition(".")[0]
        headers["ce_type"] = f"{kind}.withdrawn"
        event = {"key": one.event["key"], "headers": headers, "data": empty(data)}
        if event == one.event:
            continue
        mine = outbox.c.lane == one.lane, outbox.c.seq == one.seq
        conn.execute(sa.update(outbox).where(*mine).values(event=event))
        count += 1
    return count


def empty(data: dict[str, Any]) -> dict[str, Any]:
    """An event's data as that of a withdrawal, as `warehouse.event_schema` promises it: nothing of the record is in it.

    It does not say `taken_down`: the takedown's own withdrawal does, by which a restored database orders it again.
    """
    kept = {name: data[name] for name in _KEPT if name in data}
    return {**kept, "change": "withdrawn", "row": None, "record_hash": NO_HASH}


def _single(feed: FeedId, key: str) -> tuple[sa.ColumnElement[bool], ...]:
    """Which entries are a single event of the record, and not the withdrawal of a takedown."""
    named = sa.select(topic.c.topic).where(topic.c.feed == feed)
    event_id = takedown.c.facts["event_id"].astext
    own = sa.select(event_id).where(takedown.c.feed == feed, takedown.c.record_key == key, event_id.is_not(None))
    headers = outbox.c.event["headers"]
    return (
        outbox.c.kind == "event",
        outbox.c.topic.in_(named),
        headers["ce_subject"].astext == key,
        sa.func.coalesce(headers["ce_id"].astext, "").not_in(own),
    )


def _emptied(table: pa.Table, key: str) -> pa.Table:
    mine = pc.equal(table.column("record_key"), key).combine_chunks()
    words = pc.if_else(mine, "withdrawn", table.column("change").combine_chunks().cast(pa.string()))
    data = table.column("data").to_pylist()
    for at in pc.indices_nonzero(mine).to_pylist():
        data[at] = json.dumps(empty(json.loads(data[at])), ensure_ascii=False, separators=(",", ":")).encode()
    table = table.set_column(table.schema.get_field_index("change"), "change", changes(words))
    table = table.set_column(table.schema.get_field_index("data"), "data", pa.array(data, pa.large_binary()))
    return table.cast(SCHEMA)
