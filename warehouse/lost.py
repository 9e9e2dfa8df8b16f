"""What a database that came from a backup does not know: events that are on their topics and came after the backup.

Their ids are given for good: a revision that subscribers have must not be given to other content. So after a restore
each topic is compared (`exchange.relay.comparing`): what it holds beyond the database is noted (`note`), and nothing is done
with a feed before (`must_be_compared`). Until a record has passed its lost events a load looks here for its next
revision (`warehouse/loading/beyond.py`): a delivery that comes again as it was gets the very ids it had, anything
else a revision above all that was published. A record that was taken down meanwhile is to be taken down again.

Most records come again and their rows go. Of those that don't, subscribers have what the hub has not. Once all that
can be delivered again was, a named person settles a lane: from then on a delivery that repeats what the database
holds, but not what subscribers have, is news to them and is published with a revision of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects.postgresql import distinct_on, insert

from contracts.model import FeedContract
from hub import clock
from warehouse import acts, outbox
from warehouse.arrow.copying import copy_in, csv_of
from warehouse.engine import driver
from warehouse.errors import TopicNotCompared
from warehouse.feeds.tables import CORE, HISTORY
from warehouse.tables import lost_event, restored, topic

COLUMNS = ("feed", "record_key", "revision", "change", "hash", "subject", "event_id")
"""Of an event as `note` takes it, all text. `change` is `moved` for the old subject's half of a move, `taken_down` for the
withdrawal of a takedown."""

OPERATOR = "hub"
"""Who orders a takedown again that the database forgot: no person does, the topic says that one did."""


@dataclass(frozen=True, slots=True)
class LostOf:
    """What one feed has open: records whose published revisions the database has not passed."""

    feed: str
    lane: str
    records: int
    events: int
    settled: int  # records

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "feed": self.feed,
            "lane": self.lane,
            "records": self.records,
            "events": self.events,
            "settled": self.settled,
        }


@dataclass(frozen=True, slots=True)
class Found:
    """What topics hold beyond the database."""

    lost: int = 0  # events
    conflicting: int = 0  # revisions that the database has given to other content since
    taken_down: int = 0  # records whose takedown it has forgotten, ordered again

    def __add__(self, other: Found) -> Found:
        """Both."""
        return Found(self.lost + other.lost, self.conflicting + other.conflicting, self.taken_down + other.taken_down)


def mark_restored(conn: sa.Connection, taken_at: datetime) -> None:
    """Notes that this database came from a backup: every topic is to be compared before its feed goes on."""
    values = {"taken_at": taken_at, "restored_at": sa.func.clock_timestamp()}
    statement = insert(restored).values(**values)
    conn.execute(statement.on_conflict_do_update(index_elements=["one"], set_=values))


def restored_from(conn: sa.Connection) -> datetime | None:
    """When the backup was taken that this database came from; None where it came from none."""
    found: datetime | None = conn.scalar(sa.select(restored.c.taken_at))
    return found


def uncompared() -> sa.ColumnElement[bool]:
    """Which topics of feeds were not compared since the database was restored; those made since are among them."""
    late = sa.or_(topic.c.compared_at.is_(None), topic.c.compared_at < restored.c.restored_at)
    return sa.and_(topic.c.feed.is_not(None), sa.exists(sa.select(sa.literal(1)).select_from(restored).where(late)))


def compared(conn: sa.Connection, name: str) -> None:
    """Notes that what the topic holds beyond the database is known."""
    mine = topic.update().where(topic.c.topic == name)
    conn.execute(mine.values(compared_at=sa.func.clock_timestamp()))


def must_be_compared(conn: sa.Connection, contract: FeedContract) -> None:
    """Rings the relay and raises TopicNotCompared while the feed's topic was not compared since a restore.

    In no transaction: the topic's row is made where it is missing, since the relay compares what it finds there.
    """
    with conn.begin():
        if restored_from(conn) is None:
            return
        outbox.ensure_topic(conn, contract.topic, contract.id)
    name = str(contract.topic.name)
    with conn.begin():
        if conn.scalar(sa.select(topic.c.topic).where(topic.c.topic == name, uncompared())) is None:
            return
        conn.execute(sa.select(sa.func.pg_notify(outbox.CHANNEL, outbox.lane_of(conn, name))))
    raise TopicNotCompared(feed=contract.id, topic=name)


def note(conn: sa.Connection, pages: Iterable[pa.Table]) -> Found:
    """Notes which of the events (tables of COLUMNS) the database does not know. In a transaction; twice is as once."""
    conn.exec_driver_sql(
        'create temporary table if not exists topic_event (feed text, record_key text collate "C", revision text,'
        " change text, hash text, subject text, event_id text) on commit drop"
    )
    conn.exec_driver_sql("truncate topic_event")
    for page in pages:
        copy_in(conn, "topic_event", COLUMNS, csv_of({name: page.column(name) for name in COLUMNS}))
    conn.exec_driver_sql("analyze topic_event")
    found = Found()
    for feed in conn.scalars(sa.text("select distinct feed from topic_event order by feed")).all():
        found += _note_feed(conn, feed)
    return found


def _note_feed(conn: sa.Connection, feed: str) -> Found:
    names = {"feed": sql.Literal(feed), "core": sql.Identifier(CORE, feed), "history": sql.Identifier(HISTORY, feed)}
    there = conn.scalar(sa.text("select to_regclass(:name) is not null"), {"name": f'{CORE}."{feed}"'})
    known = (
        " and not exists (select from {core} c where c.hub_key = e.record_key and c.hub_revision >= e.revision::int)"
    )
    add = _INSERT + (known if there else "") + _CONFLICT
    with driver(conn).cursor() as cursor:
        lost = cursor.execute(sql.SQL(add).format(settled=sql.SQL("false"), **names)).rowcount
        wrong = 0
        if there:
            again = sql.SQL(_INSERT + _OTHERWISE + _CONFLICT)
            wrong = cursor.execute(again.format(settled=sql.SQL("true"), **names)).rowcount
            cursor.execute(sql.SQL(_SETTLE_WHOLE).format(**names))
        words = {"operator": sql.Literal(OPERATOR), "reason": sql.Literal(_ORDERED)}
        taken = cursor.execute(sql.SQL(_ORDER_AGAIN).format(**words, **names)).rowcount
    return Found(lost, wrong, taken)


_INSERT = """
insert into hub.lost_event as l (feed, record_key, revision, change, hash, subject, settled)
select e.feed, e.record_key, e.revision::int, min(case e.change when 'taken_down' then 'withdrawn' else e.change end),
       case when count(distinct coalesce(e.hash, '')) = 1 then min(e.hash) end, min(e.subject), {settled}
from topic_event e where e.feed = {feed}"""

_CONFLICT = """
group by e.feed, e.record_key, e.revision
on conflict (feed, record_key, revision) do update set settled = l.settled or excluded.settled,
    hash = case when l.hash = excluded.hash then l.hash end"""

# The database has the revision, but says something else there.
_OTHERWISE = """
 and e.change <> 'moved' and exists (
    select from (
        select hub_key, hub_revision, hub_hash, hub_withdrawn from {core}
        union all select hub_key, hub_revision, hub_hash, hub_withdrawn from {history}
    ) r where r.hub_key = e.record_key and r.hub_revision = e.revision::int
    and (r.hub_withdrawn <> (e.change in ('withdrawn', 'taken_down')) or not r.hub_withdrawn and encode(r.hub_hash, 'hex') <> e.hash)
)"""

_SETTLE_WHOLE = """
update hub.lost_event l set settled = true where l.feed = {feed} and not l.settled
and exists (select from hub.lost_event o where o.feed = l.feed and o.record_key = l.record_key and o.settled)"""


_ORDERED = "its topic says that it was taken down after the backup from which this database came 备份之后曾被撤下"

# What stands on the topic as a takedown's withdrawal, with nothing of the record after it: no later event lifted it.
_ORDER_AGAIN = """
insert into hub.takedown (feed, record_key, operator, reason, state, facts, begun_at)
select distinct e.feed, e.record_key, {operator}, {reason}, 'begun', '{{"rows": {{}}, "cut_asked": false}}'::jsonb, now()
from topic_event e where e.feed = {feed} and e.change = 'taken_down'
 and not exists (select from topic_event l where l.record_key = e.record_key and l.feed = e.feed
    and l.change in ('recorded', 'corrected') and l.revision::int > e.revision::int)
 and not exists (select from hub.takedown t where t.feed = e.feed and t.record_key = e.record_key
    and (t.facts->>'event_id' = e.event_id or t.state in ('begun', 'stored')))"""


def passed(conn: sa.Connection, contract: FeedContract) -> None:
    """Forgets the lost events of records whose revision went past them. In the transaction of a load's last part."""
    statement = sql.SQL(
        "delete from hub.lost_event l using {core} c, (select record_key, max(revision) as top from hub.lost_event"
        " where feed = {feed} group by record_key) t"
        " where l.feed = {feed} and c.hub_key = l.record_key and t.record_key = l.record_key"
        " and (c.hub_revision > t.top or c.hub_revision = t.top and not l.settled)"
    ).format(core=sql.Identifier(CORE, contract.id), feed=sql.Literal(contract.id))
    with driver(conn).cursor() as cursor:
        cursor.execute(statement)


def any_of(conn: sa.Connection, feed: str) -> bool:
    """Whether anything of the feed is lost."""
    return bool(conn.scalar(sa.select(sa.exists().where(lost_event.c.feed == feed))))


_LAST = sql.SQL(
    "not exists (select from hub.lost_event o where o.feed = l.feed and o.record_key = l.record_key and o.revision > l.revision)"
)
"""SQL: whether the lost event `l` is the last of its record."""


def _next(feed: str, key: sql.Composable, revision: sql.Composable, *, lost_events: bool = True) -> sql.Composed:
    """SQL: the revision of a record's next event, above the table's and above all that was published of it."""
    known = sql.SQL(
        "greatest({revision}, (select max(l.revision) from hub.lost_event l where l.feed = {feed} and l.record_key = {key}))"
    ).format(revision=revision, feed=sql.Literal(feed), key=key)
    return sql.SQL("{} + 1").format(known if lost_events else revision)


def withdrawal_of(feed: str, *, lost_events: bool) -> sql.Composed:
    """SQL: the revision under which the row `c` of a feed's table is withdrawn.

    Its next; where events were lost, that of the lost withdrawal which says so, but where the lane is settled only if
    nothing was said after it.
    """
    due = _next(feed, sql.SQL("c.hub_key"), sql.SQL("c.hub_revision"), lost_events=lost_events)
    if not lost_events:
        return due
    given = sql.SQL(
        "select min(l.revision) from hub.lost_event l where l.feed = {feed} and l.record_key = c.hub_key"
        " and l.change = 'withdrawn' and l.revision > c.hub_revision and (not l.settled or {last})"
    ).format(feed=sql.Literal(feed), last=_LAST)
    return sql.SQL("coalesce(({given}), {due})").format(given=given, due=due)


def subject_of(feed: str, revision: sql.Composable) -> sql.Composed:
    """SQL: the Kafka key under which the row `c` is withdrawn with that revision: the one by which subscribers know it."""
    return sql.SQL(
        "coalesce((select l.subject from hub.lost_event l where l.feed = {feed} and l.record_key = c.hub_key"
        " and l.revision > c.hub_revision and l.revision <= {revision} order by l.revision desc limit 1), c.hub_subject)"
    ).format(feed=sql.Literal(feed), revision=revision)


def still_told(feed: str, since: datetime | None) -> sql.Composed:
    """SQL: whether subscribers were told last that the row `c` holds, though the table has it withdrawn; as `_due` says."""
    return sql.SQL(
        "exists (select from hub.lost_event l where l.feed = {feed} and l.record_key = c.hub_key and {due}"
        " and l.change <> 'withdrawn' and l.revision >= c.hub_revision and {last})"
    ).format(feed=sql.Literal(feed), due=_due(since), last=_LAST)


def only_told(feed: str, since: datetime | None) -> sql.Composed:
    """SQL: records that subscribers hold and the feed's table never had, as `_due` says: hub_key, subject, revision, hash.

    `revision` is the one under which they are withdrawn; they are named `l`.
    """
    return sql.SQL(
        "select l.record_key as hub_key, l.subject, l.revision + 1 as revision, coalesce(l.hash, repeat('0', 64)) as hash"
        " from hub.lost_event l where l.feed = {feed} and l.change in ('recorded', 'corrected') and {due} and {last}"
        " and not exists (select from {core} c where c.hub_key = l.record_key)"
    ).format(feed=sql.Literal(feed), core=sql.Identifier(CORE, feed), due=_due(since), last=_LAST)


def _due(since: datetime | None) -> sql.Composed:
    """SQL: whether what was said `since` then comes after the lost event `l`; None: that can't be told before it is settled.

    An event was on its topic before it was found there, so what was said after that is no delivery that comes again.
    """
    if since is None:
        return sql.Composed([sql.SQL("l.settled")])
    return sql.SQL("(l.settled or l.found_at < {})").format(sql.Literal(since))


def next_revision(conn: sa.Connection, feed: str, key: str, revision: int) -> int:
    """The revision of a record's next event, where the table has `revision` (0: no row). In a transaction."""
    query = sql.SQL("select {}").format(_next(feed, sql.Literal(key), sql.Literal(revision)))
    with driver(conn).cursor() as cursor:
        row = cursor.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def last_of(conn: sa.Connection, feed: str, key: str) -> tuple[int, str, str | None, str | None] | None:
    """(revision, change, hash, subject) of a record's last lost event; None where none is open."""
    columns = lost_event.c
    mine = columns.feed == feed, columns.record_key == key
    query = sa.select(columns.revision, columns.change, columns.hash, columns.subject).where(*mine)
    row = conn.execute(query.order_by(columns.revision.desc()).limit(1)).first()
    return None if row is None else (row.revision, row.change, row.hash, row.subject)


def taken_down(conn: sa.Connection, feed: str, key: str, revision: int, subject: str | None) -> None:
    """Notes a withdrawal above a record's lost events, whose hashes go: they are of its content."""
    columns = lost_event.c
    mine = columns.feed == feed, columns.record_key == key
    if conn.execute(lost_event.update().where(*mine).values(hash=None)).rowcount:
        values = {"feed": feed, "record_key": key, "revision": revision, "change": "withdrawn", "subject": subject}
        conn.execute(sa.insert(lost_event).values(**values))


def listed(conn: sa.Connection, feed: str | None = None) -> list[LostOf]:
    """What is open, a feed a row."""
    keys = (
        sa.select(
            lost_event.c.feed,
            lost_event.c.record_key,
            sa.func.count().label("events"),
            sa.func.bool_or(lost_event.c.settled).label("settled"),
        )
        .group_by(lost_event.c.feed, lost_event.c.record_key)
        .subquery()
    )
    query = (
        sa.select(
            keys.c.feed,
            sa.func.coalesce(topic.c.lane, "").label("lane"),
            sa.func.count().label("records"),
            sa.cast(sa.func.sum(keys.c.events), sa.Integer).label("events"),
            sa.func.count().filter(keys.c.settled).label("settled"),
        )
        .join_from(keys, topic, topic.c.feed == keys.c.feed, isouter=True)
        .group_by(keys.c.feed, topic.c.lane)
        .order_by(keys.c.feed)
    )
    if feed is not None:
        query = query.where(keys.c.feed == feed)
    return [LostOf(*row) for row in conn.execute(query)]


def keys_of(conn: sa.Connection, feed: str, most: int) -> Sequence[tuple[str, int, str]]:
    """(record key, last revision published, what it was) of a feed's open records, by key."""
    last = (
        sa.select(lost_event.c.record_key, lost_event.c.revision, lost_event.c.change)
        .where(lost_event.c.feed == feed)
        .ext(distinct_on(lost_event.c.record_key))
        .order_by(lost_event.c.record_key, lost_event.c.revision.desc())
        .limit(most)
    )
    return [(row.record_key, row.revision, row.change) for row in conn.execute(last)]


def settle(conn: sa.Connection, lane_id: str, operator: str, reason: str) -> int:
    """A named person says that all which can come again came; how many records that leaves. Raises OperatorMissing."""
    by = acts.named("settle", operator, reason)
    feeds = sa.select(topic.c.feed).where(topic.c.lane == lane_id)
    with conn.begin():
        mine = lost_event.c.feed.in_(feeds)
        records = sa.select(sa.func.count(sa.func.distinct(sa.tuple_(lost_event.c.feed, lost_event.c.record_key))))
        left = int(conn.scalar(records.where(mine)) or 0)
        conn.execute(lost_event.update().where(mine).values(settled=True))
        acts.note(conn, "settle", lane_id, by, {"records": left, "at": clock.now().isoformat()})
    return left
