"""What topics hold beyond a restored database: the events that subscribers have and the hub has forgotten.

After a restore the relay reads each topic once (`compare`), from a little before the moment the backup was taken, or
from its beginning where the backup did not know it, whatever else may be amiss with its lane. What the database knows is
sorted out by the database itself (`warehouse.lost.note`), set-wise. A database that came back in another way says
nothing of it: there a rebase reads, from where the database last noted its position (`note`). It looks before a person
decides and does so again when it is done; what it read is kept meanwhile (`Reading`), so that topics are read once.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import IO, Any

import pyarrow as pa
import sqlalchemy as sa

from exchange.brokers import topics
from exchange.brokers.cluster import Cluster
from exchange.brokers.consume import open_reader, to_event
from exchange.errors import EventMalformed
from exchange.relay import position as positions
from hub.log import get
from hub.settings import Settings
from warehouse import lost
from warehouse.changeset import CHANGES
from warehouse.lost import Found
from warehouse.tables import topic

log = get("exchange.relay.comparing")

MARGIN = timedelta(hours=1)
"""Clocks of relay and database may differ; what is read too much is known and sorted out."""

PAGE = 20_000

_SCHEMA = pa.schema([(name, pa.string()) for name in lost.COLUMNS])


@dataclass(slots=True)
class _Kept:
    """What was read of one topic."""

    uuid: str
    since: datetime | None
    next: dict[int, int] = field(default_factory=dict)  # partition -> the offset after what was read
    files: list[IO[bytes]] = field(default_factory=list)  # Arrow streams of events

    def covers(self, uuid: str, since: datetime | None) -> bool:
        """Whether it holds all that a reading since then would find."""
        return self.uuid == uuid and (self.since is None or (since is not None and self.since <= since))


class Reading:
    """The events of topics as `lost.note` takes them; asked for a topic again, it reads on from where it was.

    What was read lies in nameless files of the run directory, which end with this or its process: a topic may hold
    more than fits in memory.
    """

    def __init__(self, now: Settings) -> None:
        self._now = now
        self._kept: dict[str, _Kept] = {}

    def pages(self, name: str, uuid: str, since: datetime | None) -> Iterator[pa.Table]:
        """Tables of `lost.COLUMNS`. `uuid` is the topic's: one that was made anew is read anew. Raises what reading raises."""
        kept = self._kept.get(name)
        if kept is None or not kept.covers(uuid, since):
            kept = self._kept[name] = _Kept(uuid, since)
        self._read_on(name, kept)
        for file in kept.files:
            file.seek(0)
            with pa.ipc.open_stream(file) as pages:
                for batch in pages:
                    yield pa.Table.from_batches([batch])

    def _read_on(self, name: str, kept: _Kept) -> None:
        reached = dict(kept.next)
        pages = _pages(_events(name, kept.since, reached, self._now))
        first = next(pages, None)
        if first is not None:
            room = self._now.var / "reading"
            room.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = tempfile.TemporaryFile(dir=room)  # noqa: SIM115 - closed with this object
            with pa.ipc.new_stream(file, _SCHEMA, options=pa.ipc.IpcWriteOptions(compression="lz4")) as out:
                out.write_table(first)
                for page in pages:
                    out.write_table(page)
            kept.files.append(file)
        kept.next = reached  # only what was read to the end is kept


def compare(conn: sa.Connection, cluster: Cluster, lane_id: str) -> Found:
    """Notes what the lane's topics hold that were not read since the database was restored. In no transaction.

    Raises what reading raises; then nothing is noted, and it is done again.
    """
    found = Found()
    with conn.begin():
        names = list(conn.scalars(sa.select(topic.c.topic).where(topic.c.lane == lane_id, lost.uncompared())))
    for name in names:
        with conn.begin():
            found += _note(conn, cluster, name, _since_the_backup(conn, name), Reading(cluster.settings))
            lost.compared(conn, name)
    return found


def note(conn: sa.Connection, cluster: Cluster, lane_id: str, reading: Reading, *, every: bool) -> Found:
    """Notes what those of the lane's topics hold that nobody compared since the restore, or `every` one of them, for a
    database that came back by no restore of ours. In a transaction: rolled back, it was a look."""
    before = positions.read_note(conn, lane_id)
    # A lane that never sent, or that took over a topic, has no position of its own to read from.
    noted = None if before is None or before.position == positions.START else before.noted_at - MARGIN
    waiting = set(conn.scalars(sa.select(topic.c.topic).where(topic.c.lane == lane_id, lost.uncompared())))
    found = Found()
    for row in topics.noted(conn, lane=lane_id):
        if row.feed is None:
            continue
        since = [_since_the_backup(conn, row.name)] if row.name in waiting else []
        since += [noted] if every else []
        if since:
            found += _note(conn, cluster, row.name, _earliest(since), reading)
        if row.name in waiting:
            lost.compared(conn, row.name)
    return found


def _earliest(instants: Iterable[datetime | None]) -> datetime | None:
    """Of instants of which None is the beginning."""
    given = list(instants)
    return None if None in given else min(one for one in given if one is not None)


def _since_the_backup(conn: sa.Connection, name: str) -> datetime | None:
    taken_at = lost.restored_from(conn)
    known = conn.scalar(sa.select(topic.c.uuid).where(topic.c.topic == name)) is not None
    return taken_at - MARGIN if known and taken_at is not None else None


def _note(conn: sa.Connection, cluster: Cluster, name: str, since: datetime | None, reading: Reading) -> Found:
    there = cluster.topics([name]).get(name)
    if there is None:
        return Found()
    found = lost.note(conn, reading.pages(name, there.uuid, since))
    if found != Found():
        log.warning(
            "events beyond the database",
            topic=name,
            lost=found.lost,
            conflicting=found.conflicting,
            taken_down=found.taken_down,
        )
    return found


def _events(
    name: str, since: datetime | None, reached: dict[int, int], now: Settings
) -> Iterator[dict[str, str | None]]:
    """Events since then, but from the offset `reached` in a partition that has one; sets it as it goes."""
    with open_reader(now) as reader:
        starts: dict[tuple[str, int], int] = {}
        for number in reader.partitions(name):
            low, high = reader.ends(name, number)
            at = reached.get(number)
            if at is None:
                at = low if since is None else reader.at_time(name, number, int(since.timestamp() * 1000))
            if at is not None and max(low, at) < high:
                starts[name, number] = max(low, at)
        for message in reader.read(starts):
            reached[message.partition()] = message.offset() + 1
            event = _of(message)
            if event is not None:
                yield event


def _of(message: Any) -> dict[str, str | None] | None:
    """A record's event as `lost.note` takes it; None for any other, and for what is no event of this hub."""
    try:
        event = to_event(message)
    except EventMalformed as error:
        log.warning("not an event", place=error.facts["place"])
        return None
    data = event.data
    if event.revision is None or not isinstance(data, dict) or data.get("change") not in CHANGES:
        return None
    change = "moved" if "moved_to" in data else "taken_down" if data.get("taken_down") else str(data["change"])
    digest = data.get("record_hash")
    return {
        "feed": str(data["feed"]),
        "record_key": str(data["key"]),
        "revision": str(event.revision),
        "change": change,
        "hash": None if digest is None else str(digest),
        "subject": event.key,
        "event_id": event.id,
    }


def _pages(events: Iterable[dict[str, str | None]]) -> Iterator[pa.Table]:
    page: list[dict[str, str | None]] = []
    for event in events:
        page.append(event)
        if len(page) == PAGE:
            yield pa.Table.from_pylist(page, _SCHEMA)
            page = []
    if page:
        yield pa.Table.from_pylist(page, _SCHEMA)
