"""What every lane is doing: position, lag, holder, and why it stands still. Looks at both sides, changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from exchange.brokers import topics
from exchange.brokers.cluster import Cluster, TopicFound
from exchange.brokers.own_topics import POSITIONS_TOPIC
from exchange.relay import position as positions
from exchange.relay.lane import holders
from exchange.relay.position import Noted, Position
from hub import clock
from hub.errors import HubError, HubException
from warehouse.engine import connection, lock_key
from warehouse.tables import dead_letter, lane


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """One lane. `state`: idle · waiting (nobody relays it) · sending · stopped (an operator must act) · unknown (no broker)."""

    lane: str
    state: str
    topics: tuple[str, ...]
    last_seq: int
    position: str
    lag_entries: int
    lag_events: int
    lag_seconds: float
    dead_letters: int
    holder: str | None
    noted_at: datetime | None
    rebased: bool
    error: HubException | None

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "lane": self.lane,
            "state": self.state,
            "topics": list(self.topics),
            "last_seq": self.last_seq,
            "position": self.position,
            "lag_entries": self.lag_entries,
            "lag_events": self.lag_events,
            "lag_seconds": self.lag_seconds,
            "dead_letters": self.dead_letters,
            "holder": self.holder,
            "noted_at": None if self.noted_at is None else self.noted_at.isoformat(),
            "rebased": self.rebased,
            "error": None if self.error is None else self.error.as_dict(),
        }


@dataclass(frozen=True, slots=True)
class _Brokers:
    """What the brokers say, asked once for all lanes."""

    cluster: Cluster
    cluster_id: str
    topics: Mapping[str, TopicFound]
    positions: Mapping[str, tuple[int, str] | None]


@dataclass(frozen=True, slots=True)
class _Database:
    """What the database says, asked once for all lanes."""

    held: Mapping[int, str]
    dead: Mapping[str, int]


def lanes(cluster: Cluster) -> list[LaneStatus]:
    """The state of every lane, by name. Raises DatabaseUnavailable; brokers that are away make lanes `unknown`."""
    with connection() as conn:
        rows = conn.execute(sa.select(lane).order_by(lane.c.lane)).all()
        # The notes first: Kafka's positions, read after them, can't rightly be behind them.
        notes = {row.lane: positions.read_note(conn, row.lane) for row in rows}
        try:
            brokers: _Brokers | HubException = _ask(cluster, [row.lane for row in rows])
        except HubException as error:
            brokers = error
        open_letters = sa.select(dead_letter.c.lane, sa.func.count().label("letters")).where(
            dead_letter.c.state == "open"
        )
        dead = {found.lane: int(found.letters) for found in conn.execute(open_letters.group_by(dead_letter.c.lane))}
        database = _Database(holders(conn), dead)
        return [_status(conn, brokers, row, notes[row.lane], database) for row in rows]


def _ask(cluster: Cluster, names: list[str]) -> _Brokers:
    found = cluster.topics()
    # A cluster without the positions' topic is fresh, or somebody deleted it: either way it holds no position.
    groups = [positions.group_of(name) for name in names] if POSITIONS_TOPIC in found else []
    return _Brokers(cluster, cluster.cluster_id(), found, cluster.positions(groups))


def _status(
    conn: sa.Connection, brokers: _Brokers | HubException, row: Any, note: Noted | None, database: _Database
) -> LaneStatus:
    noted = topics.noted(conn, lane=row.lane)
    position, error = positions.START if note is None else note.position, None
    if isinstance(brokers, HubException):
        error = brokers
    else:
        try:
            position = _look(conn, brokers, row.lane, noted, note)
        except HubException as found:
            error = found
    entries, events, oldest = positions.lag(conn, row.lane, position)
    holder = database.held.get(lock_key("relay", row.lane))
    if isinstance(brokers, HubException):
        state = "unknown"
    elif isinstance(error, HubError):
        state = "stopped"
    else:
        state = "idle" if not entries else "sending" if holder else "waiting"
    return LaneStatus(
        lane=row.lane,
        state=state,
        topics=tuple(topic.name for topic in noted),
        last_seq=row.last_seq,
        position=str(position),
        lag_entries=entries,
        lag_events=events,
        lag_seconds=0.0 if oldest is None else round((clock.now() - oldest).total_seconds(), 1),
        dead_letters=database.dead.get(row.lane, 0),
        holder=holder,
        noted_at=None if note is None else note.noted_at,
        rebased=note is not None and note.rebased,
        error=error,
    )


def _look(
    conn: sa.Connection, brokers: _Brokers, lane_id: str, noted: list[topics.TopicNoted], note: Noted | None
) -> Position:
    for topic in noted:
        if topic.uuid is not None:
            topics.check(topic, brokers.topics.get(topic.name))
    committed = positions.from_kafka(brokers.positions.get(positions.group_of(lane_id)))
    return positions.judge(conn, brokers.cluster, lane_id, brokers.cluster_id, note=note, committed=committed)[0]
