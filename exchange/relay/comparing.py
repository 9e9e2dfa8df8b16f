"""What topics hold beyond a restored database: the events that subscribers have and the hub has forgotten.

After a restore the relay reads each topic once (`compare`), from a little before the moment the backup was taken, or
from its beginning where the backup did not know it, whatever else may be amiss with its lane. What the database knows is
sorted out by the database itself (`warehouse.lost.note`), set-wise. A database that came back in another way says
nothing of it: there a rebase reads, from where the database last noted its position (`note`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

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


def compare(conn: sa.Connection, cluster: Cluster, lane_id: str) -> Found:
    """Notes what the lane's topics hold that were not read since the database was restored. In no transaction.

    Raises what reading raises; then nothing is noted, and it is done again.
    """
    found = Found()
    with conn.begin():
        names = list(conn.scalars(sa.select(topic.c.topic).where(topic.c.lane == lane_id, lost.uncompared())))
    for name in names:
        with conn.begin():
            found += _note(conn, cluster, name, _since_the_backup(conn, name))
            lost.compared(conn, name)
    return found


def note(conn: sa.Connection, cluster: Cluster, lane_id: str) -> Found:
    """Notes what the lane's topics hold beyond a database that came back by no restore of ours. In a transaction."""
    before = positions.read_note(conn, lane_id)
    # A lane that never sent, or that took over a topic, has no position of its own to read from.
    since = None if before is None or before.position == positions.START else before.noted_at - MARGIN
    found = Found()
    for row in topics.noted(conn, lane=lane_id):
        if row.feed is not None:
            found += _note(conn, cluster, row.name, since)
    return found


def _since_the_backup(conn: sa.Connection, name: str) -> datetime | None:
    taken_at = lost.restored_from(conn)
    known = conn.scalar(sa.select(topic.c.uuid).where(topic.c.topic == name)) is not None
    return taken_at - MARGIN if known and taken_at is not None else None


def _note(conn: sa.Connection, cluster: Cluster, name: str, since: datetime | None) -> Found:
    if name not in cluster.topics([name]):
        return Found()
    found = lost.note(conn, _pages(_events(name, since, cluster.settings)))
    if found != Found():
        log.warning(
            "events beyond the database",
            topic=name,
            lost=found.lost,
            conflicting=found.conflicting,
            taken_down=found.taken_down,
        )
    return found


def _events(name: str, since: datetime | None, now: Settings) -> Iterator[dict[str, str | None]]:
    with open_reader(now) as reader:
        starts: dict[tuple[str, int], int] = {}
        for number in reader.partitions(name):
            low, high = reader.ends(name, number)
            at = low if since is None else reader.at_time(name, number, int(since.timestamp() * 1000))
            if low < high and at is not None:
                starts[name, number] = max(low, at)
        for message in reader.read(starts):
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
