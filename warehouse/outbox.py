"""The outbox: what waits for the relay, numbered in commit order per lane.

A number handed out before the commit is a trap: a slower transaction would commit a lower number after the relay
has passed it. So numbers are given under the lane's advisory transaction lock, as the last thing before the commit.

Which lane a topic goes by stands in `hub.topic`, nowhere else: were a contract's word taken as it is, a changed
`hub.lane` would put new entries beside a backlog of older ones, and two relays would send one topic out of order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from contracts.model import TopicSpec
from hub.ids import BatchId, EntryId, FeedId, LaneId, TopicName, new_entry_id
from hub.log import get
from warehouse.engine import lock_transaction
from warehouse.errors import LaneNotDrained, TopicPartitionsFixed
from warehouse.tables import lane, outbox, relay_position, topic

CHANNEL = "hub_outbox"
"""The NOTIFY channel; the payload is the lane."""

log = get("warehouse.outbox")


def lane_of(conn: sa.Connection, topic_name: str) -> LaneId:
    """The lane by which a topic goes now. Raises KeyError for a topic that `ensure_topic` never saw."""
    found = conn.scalar(sa.select(topic.c.lane).where(topic.c.topic == topic_name))
    if found is None:
        raise KeyError(topic_name)
    return LaneId(found)


def waiting() -> sa.ColumnElement[bool]:
    """Which outbox entries are still to be sent: not known as published, nor passed over by a named person."""
    return sa.and_(outbox.c.published_at.is_(None), outbox.c.skipped_at.is_(None))


def ensure_topic(conn: sa.Connection, spec: TopicSpec, feed: FeedId | None) -> None:
    """Makes the rows of a topic and its lane where they are missing, and takes over what the contract changed.

    Settings are noted, and set on the brokers by the relay. Another lane is taken when nothing of the topic waits.
    Call it last and commit at once. Raises TopicPartitionsFixed, LaneNotDrained.
    """
    wanted = LaneId(spec.lane or spec.name)
    known = sa.select(topic).where(topic.c.topic == spec.name)
    row = conn.execute(known).one_or_none()
    if row is None:
        conn.execute(insert(lane).values(lane=wanted).on_conflict_do_nothing())
        values = {"lane": wanted, "feed": feed, "partitions": spec.partitions, "config": dict(spec.config)}
        conn.execute(insert(topic).values(topic=spec.name, **values).on_conflict_do_nothing())
        row = conn.execute(known).one()
    if row.partitions != spec.partitions:
        if row.uuid is not None:
            raise TopicPartitionsFixed(topic=spec.name, found=row.partitions, expected=spec.partitions)
        conn.execute(topic.update().where(topic.c.topic == spec.name).values(partitions=spec.partitions))
    if row.lane != wanted:
        _move(conn, spec.name, LaneId(row.lane), wanted)
    if dict(row.config) != dict(spec.config):
        conn.execute(topic.update().where(topic.c.topic == spec.name).values(config=dict(spec.config)))
        conn.execute(sa.select(sa.func.pg_notify(CHANNEL, wanted)))


def _move(conn: sa.Connection, name: str, was: LaneId, to: LaneId) -> None:
    """Lets a topic go by another lane, while nothing of it can be appended. Raises LaneNotDrained."""
    for one in sorted((was, to)):
        lock_transaction(conn, "lane", one)
    if lane_of(conn, name) == to:
        return
    mine = sa.and_(outbox.c.lane == was, outbox.c.topic == name)
    left = conn.scalar(sa.select(sa.func.count()).where(mine, waiting()))
    if left:
        raise LaneNotDrained(topic=name, was=was, to=to, waiting=left)
    conn.execute(insert(lane).values(lane=to).on_conflict_do_nothing())
    # A lane that never sent, beside a topic that holds records: the note says that those are of the lane before.
    start = sa.select(sa.literal(to), sa.literal(0), sa.literal(0), sa.literal(""), relay_position.c.cluster_id).where(
        relay_position.c.lane == was
    )
    columns = ["lane", "seq", "record", "entry_id", "cluster_id"]
    conn.execute(insert(relay_position).from_select(columns, start).on_conflict_do_nothing())
    conn.execute(topic.update().where(topic.c.topic == name).values(lane=to))
    log.warning("topic goes by another lane", topic=name, was=was, lane=to)


def append_changes(
    conn: sa.Connection,
    *,
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
        topic_name,
        kind="changes",
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
    topic_name: TopicName,
    key: str | None,
    headers: Mapping[str, str],
    data: Mapping[str, Any],
    entry_id: EntryId | None = None,
) -> int:
    """Appends one event with its payload; returns its number in the lane. Call it last and commit at once."""
    event = {"key": key, "headers": dict(headers), "data": dict(data)}
    return _append(conn, topic_name, kind="event", records=1, event=event, entry_id=entry_id or new_entry_id())


def _append(conn: sa.Connection, topic_name: TopicName, **values: Any) -> int:
    lane_id = _locked_lane(conn, topic_name)
    number = conn.scalar(
        sa.update(lane).where(lane.c.lane == lane_id).values(last_seq=lane.c.last_seq + 1).returning(lane.c.last_seq)
    )
    assert number is not None, "the lane has a row: ensure_topic comes first"
    conn.execute(sa.insert(outbox).values(lane=lane_id, seq=number, topic=topic_name, **values))
    conn.execute(sa.select(sa.func.pg_notify(CHANNEL, lane_id)))
    return int(number)


def _locked_lane(conn: sa.Connection, topic_name: TopicName) -> LaneId:
    """The topic's lane, locked; it may have moved while the lock was waited for."""
    lane_id = lane_of(conn, topic_name)
    while True:
        lock_transaction(conn, "lane", lane_id)
        now = lane_of(conn, topic_name)
        if now == lane_id:
            return lane_id
        lane_id = now
