"""The outbox: what waits for the relay, numbered in commit order per lane.

A number handed out before the commit is a trap: a slower transaction would commit a lower number after the relay
has passed it. So numbers are given under the lane's advisory transaction lock, as the last thing before the commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from contracts.model import TopicSpec
from hub.ids import BatchId, EntryId, FeedId, LaneId, TopicName, new_entry_id
from warehouse.engine import lock_transaction
from warehouse.tables import lane, outbox, topic

CHANNEL = "hub_outbox"
"""The NOTIFY channel; the payload is the lane."""


def lane_of(spec: TopicSpec) -> LaneId:
    """The lane of a topic: its own unless the contract names one that topics share."""
    return LaneId(spec.lane or spec.name)


def ensure_topic(conn: sa.Connection, spec: TopicSpec, feed: FeedId | None) -> None:
    """Makes the rows of a topic and its lane where they are missing; what stands is left as it is."""
    conn.execute(insert(lane).values(lane=lane_of(spec)).on_conflict_do_nothing())
    conn.execute(
        insert(topic)
        .values(topic=spec.name, lane=lane_of(spec), feed=feed, partitions=spec.partitions, config=dict(spec.config))
        .on_conflict_do_nothing()
    )


def append_changes(
    conn: sa.Connection,
    *,
    lane_id: LaneId,
    topic_name: TopicName,
    batch_id: BatchId,
    part_no: int,
    path: str,
    sha256: str,
    records: int,
    entry_id: EntryId | None = None,
) -> int:
    """Appends a change set; returns its number in the lane. Call it last and commit at once: it takes the lane's lock."""
    return _append(
        conn,
        lane_id,
        kind="changes",
        topic=topic_name,
        batch_id=batch_id,
        part_no=part_no,
        path=path,
        sha256=sha256,
        records=records,
        entry_id=entry_id or new_entry_id(),
    )


def append_event(
    conn: sa.Connection,
    *,
    lane_id: LaneId,
    topic_name: TopicName,
    key: str | None,
    headers: Mapping[str, str],
    data: Mapping[str, Any],
    entry_id: EntryId | None = None,
) -> int:
    """Appends one event with its payload; returns its number in the lane. Call it last and commit at once."""
    event = {"key": key, "headers": dict(headers), "data": dict(data)}
    return _append(
        conn,
        lane_id,
        kind="event",
        topic=topic_name,
        records=1,
        event=event,
        entry_id=entry_id or new_entry_id(),
    )


def _append(conn: sa.Connection, lane_id: LaneId, **values: Any) -> int:
    lock_transaction(conn, "lane", lane_id)
    number = conn.scalar(
        sa.update(lane).where(lane.c.lane == lane_id).values(last_seq=lane.c.last_seq + 1).returning(lane.c.last_seq)
    )
    assert number is not None, "the lane has a row: ensure_topic comes first"
    conn.execute(sa.insert(outbox).values(lane=lane_id, seq=number, **values))
    conn.execute(sa.select(sa.func.pg_notify(CHANNEL, lane_id)))
    return int(number)
