"""Where a lane stands: an outbox entry and how many of its records are on the topic.

Kafka holds it inside the relay's transactions (the truth), PostgreSQL notes it after each commit (the check). The
start compares the two and stops, naming the remedy, wherever going on could lose or double an event silently.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from exchange.brokers.cluster import Cluster
from exchange.brokers.consume import any_committed
from exchange.errors import ClusterRebuilt, DatabaseRestored, PositionBehind, PositionExpired
from hub.clock import now
from hub.log import get
from warehouse.lost import uncompared
from warehouse.outbox import waiting
from warehouse.tables import dead_letter, lane, outbox, relay_position, topic

log = get("exchange.relay.position")

KEPT = timedelta(days=1)
"""After so long without a commit an idle lane commits its position anew: brokers forget it after a week by default."""

KEPT_AT_ONCE = 8


class Position(NamedTuple):
    """`record` records of entry `seq` are on the topic. Compares in the order of the lane."""

    seq: int
    record: int
    entry_id: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.record}"


START = Position(0, 0, "")


@dataclass(frozen=True, slots=True)
class Noted:
    """PostgreSQL's note."""

    position: Position
    cluster_id: str
    noted_at: Any
    rebased: bool = False


def group_of(lane_id: str) -> str:
    """The consumer group whose offset is the lane's position; the transactional id is the same word."""
    return f"hub.relay.{lane_id}"


def to_metadata(position: Position, *, dead: bool) -> str:
    """What stands beside the offset in Kafka; `dead` says that the transaction was a dead letter's."""
    return json.dumps({"record": position.record, "entry": position.entry_id, "dead": dead}, separators=(",", ":"))


def from_kafka(committed: tuple[int, str] | None) -> tuple[Position, bool] | None:
    """The position, and whether its transaction was a dead letter's, from a committed offset and its metadata."""
    if committed is None:
        return None
    held = json.loads(committed[1])
    return Position(committed[0], int(held["record"]), str(held["entry"])), bool(held["dead"])


def read_note(conn: sa.Connection, lane_id: str) -> Noted | None:
    """PostgreSQL's note of a lane."""
    row = conn.execute(sa.select(relay_position).where(relay_position.c.lane == lane_id)).one_or_none()
    if row is None:
        return None
    return Noted(Position(row.seq, row.record, row.entry_id), row.cluster_id, row.noted_at, row.rebased)


def start(conn: sa.Connection, cluster: Cluster, lane_id: str, cluster_id: str) -> tuple[Position, bool]:
    """Where to go on, and whether the last transaction was a dead letter's. Read it after `open_producer`.

    Changes nothing. Raises ClusterRebuilt, PositionExpired, PositionBehind, DatabaseRestored.
    """
    # The note first: Kafka's position, read after it, can't rightly be behind it, even while a relay works.
    note = read_note(conn, lane_id)
    committed = cluster.positions([group_of(lane_id)])[group_of(lane_id)]
    return judge(conn, cluster, lane_id, cluster_id, note=note, committed=from_kafka(committed))


def judge(
    conn: sa.Connection,
    cluster: Cluster,
    lane_id: str,
    cluster_id: str,
    *,
    note: Noted | None,
    committed: tuple[Position, bool] | None,
) -> tuple[Position, bool]:
    """Compares PostgreSQL's note with Kafka's position; as `start`, which reads both."""
    if note is not None and note.cluster_id != cluster_id:
        raise ClusterRebuilt(lane=lane_id, noted=note.cluster_id, found=cluster_id)
    if committed is None:
        return _without_kafka(conn, cluster, lane_id, note), False
    position, dead = committed
    if note is not None and position[:2] < note.position[:2]:
        raise PositionBehind(lane=lane_id, found=position, noted=note.position)
    if note is not None and position.seq == note.position.seq:
        known: str | None = note.position.entry_id
    else:
        known = conn.scalar(sa.select(outbox.c.entry_id).where(outbox.c.lane == lane_id, outbox.c.seq == position.seq))
    if known != position.entry_id:
        raise DatabaseRestored(lane=lane_id, seq=position.seq, confirmed=position.entry_id, found=known or "nothing")
    return position, dead


def _without_kafka(conn: sa.Connection, cluster: Cluster, lane_id: str, note: Noted | None) -> Position:
    """Kafka holds no position: right for a lane that never sent, and provable for one that had nothing open."""
    after = START if note is None else note.position
    following = conn.execute(
        sa.select(outbox.c.seq, outbox.c.created_at)
        .where(outbox.c.lane == lane_id, open_after(after))
        .order_by(outbox.c.seq)
        .limit(1)
    ).one_or_none()
    if note is None and not _sent_before(conn, cluster, lane_id):
        return START
    if following is None:
        return after
    retention = cluster.offsets_retention_hours()
    expired = timedelta(hours=retention)
    # A commit of this entry would be younger than the entry, so Kafka would still know it; the note is the last word.
    # A note at the start is of a lane that took over a topic and has not sent yet: Kafka never held its position.
    silent = note is not None and (note.position == START or now() - note.noted_at > expired)
    if silent and now() - following.created_at < expired:
        if after == START:
            return START
        log.warning("kafka forgot the position, the note proves it", lane=lane_id, position=str(after))
        return after
    raise PositionExpired(lane=lane_id, seq=following.seq, retention_hours=round(retention))


def open_after(position: Position) -> sa.ColumnElement[bool]:
    """Which outbox entries have records after the position."""
    begun = sa.and_(outbox.c.seq == position.seq, outbox.c.records > position.record)
    return sa.or_(outbox.c.seq > position.seq, begun)


def lag(conn: sa.Connection, lane_id: str, position: Position) -> tuple[int, int, datetime | None]:
    """What waits after the position: entries, events, and when the oldest of them was committed."""
    sent = sa.case((outbox.c.seq == position.seq, position.record), else_=0)
    query = sa.select(
        sa.func.count(), sa.func.coalesce(sa.func.sum(outbox.c.records - sent), 0), sa.func.min(outbox.c.created_at)
    ).where(outbox.c.lane == lane_id, open_after(position))
    entries, events, oldest = conn.execute(query).one()
    return int(entries), int(events), oldest


def _sent_before(conn: sa.Connection, cluster: Cluster, lane_id: str) -> bool:
    """Whether any topic of the lane holds a committed record; what an aborted transaction left does not count."""
    rows = conn.execute(sa.select(topic.c.topic).where(topic.c.lane == lane_id)).scalars()
    found = cluster.topics(list(rows))
    used = [one.name for one in found.values() if any(cluster.ends(one.name, one.partitions).values())]
    return bool(used) and any_committed(used, cluster.settings)


def note(
    conn: sa.Connection,
    lane_id: str,
    position: Position,
    cluster_id: str,
    *,
    since: int = 0,
    rebased: bool = False,
) -> None:
    """Notes the position and which entries are published. Only on the connection that holds the lane's lock.

    Entries from `since` (the entry that the last note stood at) up to the position's, and it when all its records
    are sent, get `published_at`. After a rebase those that are sent again wait again, so that nothing purges them, and
    those that it passed over get `skipped_at`, so that nobody waits for them.
    """
    values = {
        "seq": position.seq,
        "record": position.record,
        "entry_id": position.entry_id,
        "cluster_id": cluster_id,
        "rebased": rebased,
        "noted_at": sa.func.now(),
    }
    statement = insert(relay_position).values(lane=lane_id, **values)
    conn.execute(statement.on_conflict_do_update(index_elements=["lane"], set_=values))
    mine = outbox.update().where(outbox.c.lane == lane_id)
    if rebased:
        conn.execute(mine.where(open_after(position)).values(published_at=None, skipped_at=None))
        conn.execute(mine.where(~open_after(position), waiting()).values(skipped_at=sa.func.now()))
    else:
        sent = sa.and_(outbox.c.seq >= since, ~open_after(position))
        conn.execute(mine.where(sent, waiting()).values(published_at=sa.func.now()))


def keep(conn: sa.Connection, lane_id: str) -> None:
    """Notes that an idle lane's position was committed anew. Only on the connection that holds the lane's lock."""
    conn.execute(sa.update(relay_position).where(relay_position.c.lane == lane_id).values(noted_at=sa.func.now()))


def settle_suspects(conn: sa.Connection, lane_id: str, position: Position, *, dead: bool) -> None:
    """Dead letters noted before their transaction: confirmed when it committed, forgotten when the record went out."""
    passed = sa.or_(
        dead_letter.c.seq < position.seq,
        sa.and_(dead_letter.c.seq == position.seq, dead_letter.c.record < position.record),
    )
    mine = sa.and_(dead_letter.c.lane == lane_id, dead_letter.c.state == "suspected", passed)
    if dead:
        conn.execute(sa.update(dead_letter).where(mine).values(state="open"))
    else:
        conn.execute(sa.delete(dead_letter).where(mine))


def waiting_lanes(conn: sa.Connection) -> list[str]:
    """Lanes that have work: entries beyond the noted position, a topic's changed settings, a position to keep alive,
    and after a restore those with a topic to be read."""
    begun = (
        sa.select(outbox.c.seq)
        .where(outbox.c.lane == lane.c.lane, outbox.c.seq == relay_position.c.seq)
        .where(outbox.c.records > relay_position.c.record)
        .exists()
    )
    query = (
        sa.select(lane.c.lane)
        .join_from(lane, relay_position, relay_position.c.lane == lane.c.lane, isouter=True)
        .where(lane.c.last_seq > 0)
        .where(sa.or_(relay_position.c.lane.is_(None), lane.c.last_seq > relay_position.c.seq, begun))
    )
    restored = sa.select(topic.c.lane).where(uncompared())
    changed = sa.select(topic.c.lane).where(topic.c.uuid.is_not(None), topic.c.applied.is_distinct_from(topic.c.config))
    # A few at a time: a thousand idle lanes need not be awake together once a day.
    fading = (
        sa.select(relay_position.c.lane)
        .where(relay_position.c.seq > 0, relay_position.c.noted_at < sa.func.now() - KEPT)
        .order_by(relay_position.c.noted_at)
        .limit(KEPT_AT_ONCE)
    )
    return list(conn.execute(sa.union(query, changed, restored, sa.select(fading.subquery()))).scalars())
