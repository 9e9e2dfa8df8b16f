"""Topics as contracts want them, made once and never changed behind a reader's back.

The hub notes each topic's UUID when it makes it. Another UUID later, or none, means that somebody deleted the topic
by hand: nothing is mended silently, because the events are gone; `hub relay rebase` is the way on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from exchange.brokers.cluster import Cluster, TopicFound
from exchange.brokers.own_topics import OWN
from exchange.errors import TopicDiffers, TopicMissing, TopicRecreated
from hub.ids import LaneId, TopicName
from hub.log import get
from warehouse.tables import topic

log = get("exchange.brokers.topics")


@dataclass(frozen=True, slots=True)
class TopicNoted:
    """A topic as the hub made it, or is to make it (`uuid` is None)."""

    name: TopicName
    lane: LaneId
    feed: str | None
    partitions: int
    config: Mapping[str, str]
    uuid: str | None
    applied: Mapping[str, str] | None = None
    """Settings that the brokers were given; None until it was made."""


def noted(conn: sa.Connection, *, lane: str | None = None, name: str | None = None) -> list[TopicNoted]:
    """The topics that the database knows, all or those of a lane or name, by name."""
    query = sa.select(topic).order_by(topic.c.topic)
    if lane is not None:
        query = query.where(topic.c.lane == lane)
    if name is not None:
        query = query.where(topic.c.topic == name)
    return [
        TopicNoted(row.topic, row.lane, row.feed, row.partitions, dict(row.config), row.uuid, row.applied)
        for row in conn.execute(query)
    ]


def ensure_own(cluster: Cluster) -> None:
    """Makes the hub's own topics where they are missing."""
    found = cluster.topics(OWN)
    for name, (partitions, config) in OWN.items():
        if name not in found:
            cluster.create(name, partitions, config)


def settle(conn: sa.Connection, cluster: Cluster, rows: Iterable[TopicNoted]) -> None:
    """Makes topics that were never made, checks that the others are those the hub made, and sets changed settings.

    Raises TopicMissing, TopicRecreated, TopicDiffers, KafkaRequestRefused.
    """
    rows = list(rows)
    found = cluster.topics([row.name for row in rows])
    missing = [row.name for row in rows if row.uuid is not None and row.name not in found]
    if missing:  # of several brokers one may not have heard of it yet: what is gone is gone a second later too
        time.sleep(1)
        found |= cluster.topics(missing)
    for row in rows:
        if row.uuid is None:
            _make(conn, cluster, row, found.get(row.name))
        else:
            check(row, found.get(row.name))
            if row.config != row.applied:
                _configure(conn, cluster, row)


def check(row: TopicNoted, found: TopicFound | None) -> None:
    """Compares a topic with what was noted of it. Raises TopicMissing, TopicRecreated, TopicDiffers."""
    if found is None:
        raise TopicMissing(topic=row.name, lane=row.lane)
    if found.uuid != row.uuid:
        raise TopicRecreated(topic=row.name, lane=row.lane, found=found.uuid, noted=row.uuid)
    if found.partitions != row.partitions:
        raise TopicDiffers(topic=row.name, found=found.partitions, expected=row.partitions)


def accept(conn: sa.Connection, cluster: Cluster, rows: Iterable[TopicNoted]) -> list[dict[str, Any]]:
    """Takes the brokers' topics as they are and makes missing ones anew, for a rebase; returns what changed."""
    changed: list[dict[str, Any]] = []
    ensure_own(cluster)
    for row in rows:
        found = cluster.topics([row.name]).get(row.name)
        if found is not None and found.uuid == row.uuid:
            continue
        fresh = TopicNoted(row.name, row.lane, row.feed, row.partitions, row.config, None)
        changed.append({"topic": row.name, "was": row.uuid, "is": _make(conn, cluster, fresh, found)})
    return changed


def _make(conn: sa.Connection, cluster: Cluster, row: TopicNoted, found: TopicFound | None) -> str:
    if found is None:
        found = cluster.create(row.name, row.partitions, row.config)
        log.info("topic made", topic=row.name, partitions=row.partitions, uuid=found.uuid)
    elif found.partitions == row.partitions and row.config:
        # There already: made by a process that died before it noted it, or by hand, with settings that nobody knows.
        cluster.configure(row.name, row.config)
    if found.partitions != row.partitions:
        raise TopicDiffers(topic=row.name, found=found.partitions, expected=row.partitions)
    values = {"uuid": found.uuid, "applied": dict(row.config), "created_at": sa.func.now()}
    conn.execute(sa.update(topic).where(topic.c.topic == row.name).values(values))
    return found.uuid


def _configure(conn: sa.Connection, cluster: Cluster, row: TopicNoted) -> None:
    back = set(row.applied or {}) - set(row.config)
    cluster.configure(row.name, row.config, back)
    conn.execute(sa.update(topic).where(topic.c.topic == row.name).values(applied=dict(row.config)))
    log.info("topic configured", topic=row.name, settings=dict(row.config), back=sorted(back))
