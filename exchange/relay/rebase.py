"""Rebasing a lane: a named person accepts the brokers, or the database, as they are now and says where to go on.

Kafka's position is moved first, PostgreSQL's note after it. Killed in between, the lane stays stopped, since the
two disagree, and the rebase is done again. Events that are sent twice carry the same ce_id.

Where the database was restored, what its topics hold beyond it is read first, so that no revision which subscribers
have is ever given to other content.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from exchange.brokers import topics
from exchange.brokers.cluster import Cluster
from exchange.brokers.own_topics import POSITIONS_TOPIC
from exchange.errors import (
    ClusterRebuilt,
    DatabaseRestored,
    LaneBusy,
    LaneUnknown,
    PositionBehind,
    PositionExpired,
    RebaseTargetUnknown,
    TopicMissing,
    TopicRecreated,
)
from exchange.relay import comparing
from exchange.relay import lane as relay
from exchange.relay import position as positions
from exchange.relay.position import Position
from exchange.relay.serve import RELEASE_CHANNEL
from hub.errors import HubException
from hub.log import get
from hub.said import Said
from warehouse import acts
from warehouse.engine import connection, holding, translated, try_lock_session, unlock_session
from warehouse.lost import Found
from warehouse.outbox import CHANNEL, waiting
from warehouse.store import Store
from warehouse.tables import lane, outbox

log = get("exchange.relay.rebase")

LOCK_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Rebase:
    """What a rebase does, before it does it."""

    lane: str
    why: HubException | None
    noted: Position
    to: Position
    entries: int
    events: int
    cluster_id: str
    changed_topics: tuple[str, ...]
    skipped: int = 0  # entries that wait now and are not sent any more
    asked: str | None = None  # what was given as `to`
    lost: int = 0  # events on the topics that the restored database does not know
    conflicting: int = 0  # revisions that it has given to other content since
    taken_down: int = 0  # records whose takedown it has forgotten
    reading: comparing.Reading | None = field(default=None, repr=False, compare=False)  # what the topics hold

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "lane": self.lane,
            "why": None if self.why is None else self.why.as_dict(),
            "noted": str(self.noted),
            "to": str(self.to),
            "entries": self.entries,
            "events": self.events,
            "skipped": self.skipped,
            "lost": self.lost,
            "conflicting": self.conflicting,
            "taken_down": self.taken_down,
            "cluster": self.cluster_id,
            "topics_made_or_accepted": list(self.changed_topics),
        }


def plan(cluster: Cluster, lane_id: str, to: str | None = None, reading: comparing.Reading | None = None) -> Rebase:
    """What `apply` would do; nothing is changed. `to`: noted, oldest, first, end, or SEQ[:RECORD]; None chooses so that
    nothing is lost. `reading`: what an earlier plan read of the topics, which is not read again.

    Raises LaneUnknown, RebaseTargetUnknown, BrokerUnreachable, DatabaseUnavailable.
    """
    reading = reading or comparing.Reading(cluster.settings)
    with connection() as conn:
        if conn.scalar(sa.select(lane.c.lane).where(lane.c.lane == lane_id)) is None:
            raise LaneUnknown(lane=lane_id)
        cluster_id = cluster.cluster_id()
        noted = topics.noted(conn, lane=lane_id)
        found = cluster.topics([row.name for row in noted])
        changed = tuple(row.name for row in noted if row.name not in found or found[row.name].uuid != row.uuid)
        why = _what_is_wrong(conn, cluster, lane_id, cluster_id)
        target = _target(conn, cluster, lane_id, _fitting(lane_id, why) if to is None else to)
        entries, events, _ = positions.lag(conn, lane_id, target)
        note = positions.read_note(conn, lane_id)
        before = positions.START if note is None else note.position
        passed = sa.select(sa.func.count()).where(outbox.c.lane == lane_id, waiting(), ~positions.open_after(target))
        skipped = conn.scalar(passed) or 0
        found_beyond = _beyond(conn, cluster, lane_id, why, reading)
        return Rebase(
            lane_id,
            why,
            before,
            target,
            entries,
            events,
            cluster_id,
            changed,
            skipped,
            to,
            lost=found_beyond.lost,
            conflicting=found_beyond.conflicting,
            taken_down=found_beyond.taken_down,
            reading=reading,
        )


def _beyond(
    conn: sa.Connection, cluster: Cluster, lane_id: str, why: HubException | None, reading: comparing.Reading
) -> Found:
    """What the topics hold beyond a restored database; a database that is sound is not compared."""
    conn.rollback()
    with conn.begin() as looking:
        found = comparing.note(conn, cluster, lane_id, reading, every=isinstance(why, DatabaseRestored))
        looking.rollback()
    return found


def _fitting(lane_id: str, why: HubException | None) -> str:
    """Where to go on when nobody said it: wherever nothing is lost, though some may be sent twice."""
    if why is None:
        raise RebaseTargetUnknown(
            lane=lane_id, target="anywhere", reason=Said("nothing is wrong with it", "它没有问题")
        )
    if isinstance(why, DatabaseRestored):
        return "oldest"
    if isinstance(why, PositionBehind):
        return str(why.facts["found"])
    if isinstance(why, PositionExpired):
        return "noted"
    if isinstance(why, ClusterRebuilt | TopicMissing | TopicRecreated):
        return "first"
    raise RebaseTargetUnknown(
        lane=lane_id, target="anywhere", reason=Said(f"a rebase does not mend {why.code}", f"重定位不能解决 {why.code}")
    )


def apply(cluster: Cluster, rebase: Rebase, operator: str, reason: str) -> tuple[Rebase, list[dict[str, Any]]]:
    """Does it, and notes who and why; returns what was done, and the topics that were made or accepted.

    A relay that serves the lane is asked to let go of it. What is done is planned anew once the lane is held: the
    relay may have gone on since. Raises OperatorMissing, LaneBusy, TopicDiffers, BrokerUnreachable, and as `plan`.
    """
    by = acts.named("rebase", operator, reason)
    with translated(), connection() as conn:
        _take(conn, rebase.lane)
        try:
            with holding("lane", rebase.lane):  # under it upkeep removes change sets: those planned for stay
                reading = rebase.reading or comparing.Reading(cluster.settings)
                rebase = plan(cluster, rebase.lane, rebase.asked, reading)
                with conn.begin():
                    changed = topics.accept(conn, cluster, topics.noted(conn, lane=rebase.lane))
                # Before Kafka's position moves: killed in between, the lane still says that it was restored.
                with conn.begin():
                    restored = isinstance(rebase.why, DatabaseRestored)
                    comparing.note(conn, cluster, rebase.lane, reading, every=restored)
                relay.move(conn, cluster, rebase.lane, rebase.to)
                with conn.begin():
                    positions.note(conn, rebase.lane, rebase.to, rebase.cluster_id, rebased=True)
                    acts.note(conn, "rebase", rebase.lane, by, {**rebase.as_dict(), "topics": changed})
        finally:
            with conn.begin():
                unlock_session(conn, "relay", rebase.lane)
                conn.execute(sa.select(sa.func.pg_notify(CHANNEL, rebase.lane)))
    log.warning("lane rebased", lane=rebase.lane, to=str(rebase.to), operator=by[0], events=rebase.events)
    return rebase, changed


def _take(conn: sa.Connection, lane_id: str) -> None:
    """The lane's lock, asking whoever holds it to let go. Raises LaneBusy."""
    until = time.monotonic() + LOCK_SECONDS
    while True:
        with conn.begin():
            if try_lock_session(conn, "relay", lane_id):
                return
            conn.execute(sa.select(sa.func.pg_notify(RELEASE_CHANNEL, lane_id)))
            who = relay.holder(conn, lane_id)
        if time.monotonic() > until:
            raise LaneBusy(lane=lane_id, holder=who or "unknown")
        time.sleep(0.2)


def _what_is_wrong(conn: sa.Connection, cluster: Cluster, lane_id: str, cluster_id: str) -> HubException | None:
    try:
        noted = topics.noted(conn, lane=lane_id)
        found = cluster.topics([row.name for row in noted])
        for row in noted:
            if row.uuid is not None:
                topics.check(row, found.get(row.name))
        if POSITIONS_TOPIC in cluster.topics([POSITIONS_TOPIC]):
            positions.start(conn, cluster, lane_id, cluster_id)
        else:
            note = positions.read_note(conn, lane_id)
            positions.judge(conn, cluster, lane_id, cluster_id, note=note, committed=None)
    except HubException as error:
        return error
    return None


def _target(conn: sa.Connection, cluster: Cluster, lane_id: str, to: str) -> Position:
    """The position that `to` names. Raises RebaseTargetUnknown."""
    columns = (
        outbox.c.seq,
        outbox.c.entry_id,
        outbox.c.records,
        outbox.c.published_at,
        outbox.c.skipped_at,
        outbox.c.path,
        outbox.c.purged_at,
    )
    entries = conn.execute(sa.select(*columns).where(outbox.c.lane == lane_id).order_by(outbox.c.seq)).all()
    if to == "noted":
        note = positions.read_note(conn, lane_id)
        return positions.START if note is None else note.position
    if to == "end":
        last = entries[-1] if entries else None
        return positions.START if last is None else Position(last.seq, last.records, last.entry_id)
    if to == "oldest":
        waits = (entry for entry in entries if entry.published_at is None and entry.skipped_at is None)
        chosen = next(waits, None)
        return _target(conn, cluster, lane_id, "end") if chosen is None else Position(chosen.seq, 0, chosen.entry_id)
    if to == "first":
        store = Store(cluster.settings.landing_dir)
        kept = [
            store.path(entry.path).is_file() if entry.path is not None else entry.purged_at is None for entry in entries
        ]
        # What was purged can't be sent again; from the entry after it on, all can.
        start = max((number + 1 for number, there in enumerate(kept) if not there), default=0)
        if start == len(entries):
            return _target(conn, cluster, lane_id, "end")
        return Position(entries[start].seq, 0, entries[start].entry_id)
    return _numbered(lane_id, to, {entry.seq: entry for entry in entries})


def _numbered(lane_id: str, to: str, entries: dict[int, Any]) -> Position:
    seq, _, record = to.partition(":")
    if not (seq.isascii() and seq.isdigit() and (not record or (record.isascii() and record.isdigit()))):
        raise RebaseTargetUnknown(
            lane=lane_id,
            target=to,
            reason=Said("it is neither a word nor SEQ[:RECORD]", "既不是关键词也不是 序号[:记录号]"),
        )
    if not int(seq) and not int(record or 0):
        return positions.START
    entry = entries.get(int(seq))
    if entry is None:
        raise RebaseTargetUnknown(
            lane=lane_id, target=to, reason=Said(f"the outbox has no entry {seq}", f"发件箱没有第 {seq} 项")
        )
    if int(record or 0) > entry.records:
        raise RebaseTargetUnknown(
            lane=lane_id,
            target=to,
            reason=Said(f"entry {seq} has {entry.records} records", f"第 {seq} 项有 {entry.records} 条记录"),
        )
    return Position(entry.seq, int(record or 0), entry.entry_id)
