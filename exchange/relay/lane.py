"""One lane's relay: the only code that sends. Every event once, in order, whatever is killed and whenever.

    elected by the lane's advisory lock → `Markers.take_over` (fences and settles leftovers) → position → transactions

A transaction holds records and the position after them. PostgreSQL's note comes after the Kafka commit, on the
connection that holds the lock, so whoever lost the lock can't note. After any error the session is closed; the next
one settles what was open and reads where the lane truly stands.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from exchange.brokers import topics
from exchange.brokers.cluster import Cluster
from exchange.brokers.own_topics import DEAD_LETTERS_TOPIC
from exchange.errors import LaneBusy, RecordsRefused
from exchange.producers.seam import Producer
from exchange.relay import comparing, seen
from exchange.relay import position as positions
from exchange.relay.dead_letters import DeadLetter
from exchange.relay.markers import Markers
from exchange.relay.position import Position, group_of
from exchange.relay.sending import Outbox, Plan
from hub import clock
from hub.crash import point
from hub.log import get
from hub.settings import Settings
from warehouse import listening
from warehouse.engine import lock_key, translated, try_lock_session, unlock_session
from warehouse.store import Store
from warehouse.tables import dead_letter

log = get("exchange.relay.lane")

BULK_EVENTS = 1_000
"""From here on the next transaction is prepared while the last one commits."""

TOPIC_CHECK_SECONDS = 10.0
"""How often a running session looks whether its topics are still those the hub made."""

RESTARTED_SECONDS = 2.0
"""After so long without a transaction brokers may have been killed and be back: no broker starts more quickly."""

SLOW_SECONDS = 8.0
"""A transaction that took longer makes the next one smaller: it must stay far below its timeout."""


@lru_cache(maxsize=4)
def _engine(url: str) -> sa.Engine:
    # No pool: the lock is held by the connection, so a session's connection must end with it.
    about = {"options": "-c timezone=UTC", "keepalives_idle": 10, "application_name": application()}
    return sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True, connect_args=about)


def application() -> str:
    """How this process names itself to the database, so that an operator sees who holds a lane."""
    return listening.application("relay")


@dataclass(frozen=True, slots=True)
class Turn:
    """What one call of `turn` did."""

    events: int
    dead: int
    position: Position


class Session:
    """A lane, held: lock, producer, position. Use `open_session`; one thread at a time."""

    def __init__(self, lane_id: str, cluster: Cluster, now: Settings) -> None:
        self.lane = lane_id
        self._cluster = cluster
        self._now = now
        self._conn: sa.Connection | None = None
        self._producer: Producer | None = None
        self._outbox: Outbox | None = None
        self._ahead: Plan | None = None
        self._committer = ThreadPoolExecutor(1, thread_name_prefix=f"commit {lane_id}")
        self._cluster_id = ""
        self._looked = 0.0
        self._most = 0
        self._guessed = False
        self._keep_at = float("inf")
        self._committed_at = 0.0
        self._markers: Markers | None = None
        self.position = positions.START

    def open(self) -> None:
        """Takes the lane. Raises LaneBusy, and what `topics.settle`, `open_producer` and `position.start` raise."""
        with translated():
            conn = self._conn = _engine(self._now.url()).connect()
            with conn.begin():
                if not try_lock_session(conn, "relay", self.lane):
                    raise LaneBusy(lane=self.lane, holder=holder(conn, self.lane) or "unknown")
            topics.ensure_own(self._cluster)
            comparing.compare(conn, self._cluster, self.lane)
            self._look_at_topics()
            self._cluster_id = self._cluster.cluster_id()
            self._open_producer()
            self._outbox = Outbox(conn, self.lane, Store(self._now.landing_dir))

    def _open_producer(self) -> None:
        conn = self._held()
        self._producer = self._look_at_markers().take_over(self._now)
        self._most = self._most or self._producer.transaction_events
        point("relay.opened")
        with conn.begin():
            self.position, dead = positions.start(conn, self._cluster, self.lane, self._cluster_id)
            before = positions.read_note(conn, self.lane)
            if self.position.entry_id and (before is None or before.position != self.position):
                # A relay that died between the two commits: the note catches up.
                self._note(conn, self.position, 0 if before is None else before.position.seq, dead=dead)
            elif self.position.entry_id and before is not None:
                self._keep_in(positions.KEPT - (clock.now() - before.noted_at))
        self._ahead = None
        self._committed_at = time.monotonic()

    def turn(self, *, looked: bool = False) -> Turn | None:
        """Sends one transaction, or None when nothing waits; `looked` after `waits`. After any error: `close`."""
        with translated(), _without_collector():
            if time.monotonic() - self._looked > TOPIC_CHECK_SECONDS:
                comparing.compare(self._held(), self._cluster, self.lane)
                self._look_at_topics()
            plan = self._plan(fetch=not looked)
            if plan is None:
                if time.monotonic() >= self._keep_at and not self._reopened():
                    self._keep()
                return None
            if self._reopened():
                return Turn(0, 0, self.position)
            started = time.monotonic()
            try:
                self._send(plan)
                self._finish(plan)
            except RecordsRefused as error:
                return self._refused(plan, error)
            self._guessed = False
            seconds = time.monotonic() - started
            self._pace(plan.events, seconds)
            seen.sent(self.lane, plan, seconds)
            return Turn(plan.events, 0, self.position)

    def waits(self) -> int:
        """How many events wait, as far as it has looked: what tells a bulk turn from a small one before it is made."""
        with translated():
            return self._held_outbox().waits(self.position)

    def forget_ahead(self) -> None:
        """Drops what was prepared for the next transaction: memory that a lane holds only while it is its turn."""
        self._ahead = None

    def close(self) -> None:
        """Gives producer, file and lock back. Never raises."""
        self._committer.shutdown(wait=False)
        if self._producer is not None:
            self._producer.close()
        if self._outbox is not None:
            self._outbox.close()
        if self._conn is not None:
            # Given back by word: the server drops it only some time after the connection is closed, and whoever takes the
            # lane next would find it busy. No commit is under way here: `_finish` waited for it.
            with suppress(Exception):
                self._conn.rollback()
                unlock_session(self._conn, "relay", self.lane)
                self._conn.commit()
            with suppress(Exception):
                self._conn.close()
        self._producer = self._outbox = self._conn = None

    # -- one transaction -----------------------------------------------------------------------------------------

    def _plan(self, *, fetch: bool) -> Plan | None:
        plan, self._ahead = self._ahead, None
        if plan is not None and plan.events <= self._most:
            return plan
        return self._held_outbox().plan(self.position, self._most, fetch=fetch)

    def _send(self, plan: Plan) -> None:
        producer = self._held_producer()
        producer.begin()
        point("relay.begun")
        for done, piece in enumerate(plan.pieces):
            try:
                producer.send(piece.entry.topic, piece.keys, piece.values, piece.headers)
            except RecordsRefused as error:
                index = error.facts["index"]
                if index is not None:
                    index += sum(len(earlier.values) for earlier in plan.pieces[:done])
                raise RecordsRefused(reason=error.facts["reason"], index=index) from error
            point("relay.piece_sent")
        producer.send_position(group_of(self.lane), plan.end.seq, positions.to_metadata(plan.end, dead=False))
        point("relay.sent")

    def _finish(self, plan: Plan) -> None:
        """Commits and notes; a bulk lane's next records are prepared meanwhile, without a query."""
        if plan.events < BULK_EVENTS:
            self._commit(plan.end, dead=False)
            return
        committed = self._committer.submit(self._commit, plan.end, dead=False)
        try:
            self._ahead = self._held_outbox().plan(plan.end, self._most, fetch=False)
        finally:
            error = committed.exception()
        if error is not None:
            self._ahead = None
            raise error

    def _commit(self, end: Position, *, dead: bool) -> None:
        self._held_producer().commit()
        point("relay.committed")
        conn = self._held()
        with translated(), conn.begin():
            self._note(conn, end, self.position.seq, dead=dead)
        point("relay.noted")
        self.position = end
        self._committed_at = time.monotonic()
        self._keep_in(positions.KEPT)

    def _note(self, conn: sa.Connection, end: Position, since: int, *, dead: bool) -> None:
        positions.note(conn, self.lane, end, self._cluster_id, since=since)
        positions.settle_suspects(conn, self.lane, end, dead=dead)

    def _keep(self) -> None:
        """Commits the position of an idle lane anew, so that the brokers don't forget it."""
        producer = self._held_producer()
        producer.begin()
        producer.send_position(group_of(self.lane), self.position.seq, positions.to_metadata(self.position, dead=False))
        producer.commit()
        conn = self._held()
        with conn.begin():
            positions.keep(conn, self.lane)
        self._keep_in(positions.KEPT)
        log.info("position kept alive", lane=self.lane, position=str(self.position))

    def _keep_in(self, time_left: timedelta) -> None:
        self._keep_at = time.monotonic() + time_left.total_seconds()

    def _pace(self, events: int, seconds: float) -> None:
        most = self._held_producer().transaction_events
        if seconds > SLOW_SECONDS:
            self._most = max(1, events // 2)
        elif self._most < most:
            self._most = min(most, self._most * 2)

    def _look_at_topics(self) -> None:
        conn = self._held()
        with conn.begin():
            topics.settle(conn, self._cluster, topics.noted(conn, lane=self.lane))
        self._looked = time.monotonic()
        self._markers = None  # there may be a topic more

    def _look_at_markers(self) -> Markers:
        if self._markers is None:
            self._markers = markers_of(self._held(), self._cluster, self.lane)
        return self._markers

    # -- poison --------------------------------------------------------------------------------------------------

    def _refused(self, plan: Plan, error: RecordsRefused) -> Turn:
        """Narrows down to the refused record; alone, it goes to the dead letters and the lane goes on.

        A producer is not used again after a failure, so each step takes a new one: where the client does not know
        which record it was, the first suspect is the largest one, then it goes by halves.
        """
        index = error.facts["index"]
        self._reopen()
        if plan.events > 1:
            if index is None:
                index = plan.events // 2 if self._guessed else plan.largest()
                self._guessed = True
            self._most = max(1, index)
            log.warning("a record was refused, narrowing down", lane=self.lane, events=plan.events, next=self._most)
            return Turn(0, 0, self.position)
        self._bury(plan, str(error.facts["reason"]))
        return Turn(0, 1, self.position)

    def _reopened(self) -> bool:
        """Whether markers of the last transaction were missing, which the next one would end in its own way."""
        rested = time.monotonic() - self._committed_at
        if rested < RESTARTED_SECONDS or not self._look_at_markers().missing():
            return False
        self._reopen()
        return True

    def _reopen(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close()
        self._open_producer()

    def _bury(self, plan: Plan, code: str) -> None:
        """Sends the dead letter of the plan's only record, with the position after it, in one transaction."""
        piece, conn, producer = plan.first, self._held(), self._held_producer()
        letter = DeadLetter.of(self.lane, piece, code)
        with conn.begin():
            values = letter.row()
            statement = insert(dead_letter).values(**values)
            conn.execute(statement.on_conflict_do_update(index_elements=["event_id"], set_=values))
        point("relay.suspected")
        producer.begin()
        producer.send(DEAD_LETTERS_TOPIC, *letter.message())
        producer.send_position(group_of(self.lane), plan.end.seq, positions.to_metadata(plan.end, dead=True))
        point("relay.buried")
        self._commit(plan.end, dead=True)
        seen.buried(self.lane)
        # Loud: a reader of this key sees a gap in its revisions until somebody corrects and delivers it again.
        log.error("dead letter", lane=self.lane, event_id=letter.event_id, topic=letter.topic, reason=code)

    # -- what is held --------------------------------------------------------------------------------------------

    def _held(self) -> sa.Connection:
        assert self._conn is not None, "the session is open"
        return self._conn

    def _held_producer(self) -> Producer:
        assert self._producer is not None, "the session is open"
        return self._producer

    def _held_outbox(self) -> Outbox:
        assert self._outbox is not None, "the session is open"
        return self._outbox


@contextmanager
def open_session(lane_id: str, cluster: Cluster, now: Settings) -> Iterator[Session]:
    """A session of the lane for the block."""
    session = Session(lane_id, cluster, now)
    try:
        session.open()
        yield session
    finally:
        session.close()


def markers_of(conn: sa.Connection, cluster: Cluster, lane_id: str) -> Markers:
    """The markers of a lane's transactions."""
    with conn.begin():
        names = [row.name for row in topics.noted(conn, lane=lane_id)]
    return Markers(cluster, group_of(lane_id), names)


def move(conn: sa.Connection, cluster: Cluster, lane_id: str, to: Position) -> None:
    """Commits a position to Kafka without any record, for a rebase; leftovers of a relay are settled and fenced first."""
    producer = markers_of(conn, cluster, lane_id).take_over(cluster.settings)
    try:
        producer.begin()
        producer.send_position(group_of(lane_id), to.seq, positions.to_metadata(to, dead=False))
        producer.commit()
    finally:
        producer.close()


def holder(conn: sa.Connection, lane_id: str) -> str | None:
    """Who holds the lane: application and address of the database session, or None."""
    return holders(conn).get(lock_key("relay", lane_id))


def holders(conn: sa.Connection) -> dict[int, str]:
    """Who holds an advisory lock of this database, by `lock_key`."""
    query = sa.text(
        "select l.classid::bigint, l.objid::bigint, a.application_name, a.client_addr::text, a.pid "
        "from pg_locks l join pg_stat_activity a using (pid) "
        "where l.locktype = 'advisory' and l.granted and l.objsubid = 1 "
        "and l.database = (select oid from pg_database where datname = current_database())"
    )
    held: dict[int, str] = {}
    for high, low, application, address, pid in conn.execute(query):
        key = int.from_bytes(((high << 32) | low).to_bytes(8, "big"), "big", signed=True)
        held[key] = f"{application or 'a session'} from {address or 'this machine'} (backend {pid})"
    return held


@contextmanager
def _without_collector() -> Iterator[None]:
    """No cycle collection inside: hundreds of thousands of short-lived lists cost a fifth of the relay's time in it."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
