"""What topics hold beyond a restored database: the events that subscribers have and the hub has forgotten.

Read from a little before the moment at which the database last noted its position; what it knows is sorted out by
the database itself (`warehouse.lost.note`), set-wise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from exchange import position as positions
from exchange import topics
from exchange.consume import open_reader, to_event
from exchange.errors import EventMalformed
from hub.log import get
from hub.settings import Settings
from warehouse import lost
from warehouse.changeset import CHANGES

log = get("exchange.lost")

MARGIN = timedelta(hours=1)
"""Clocks of relay and database may differ; what is read too much is known and sorted out."""

PAGE = 20_000

_SCHEMA = pa.schema([(name, pa.string()) for name in lost.COLUMNS])


@dataclass(frozen=True, slots=True)
class Found:
    """Events that the database lost, and revisions that it has given to other content since."""

    lost: int = 0
    conflicting: int = 0


def note(conn: sa.Connection, lane_id: str, now: Settings) -> Found:
    """Notes what the lane's topics hold beyond the database. In a transaction. Raises what `Reader.read` raises."""
    before = positions.read_note(conn, lane_id)
    since = None if before is None else before.noted_at - MARGIN
    names = [row.name for row in topics.noted(conn, lane=lane_id) if row.feed is not None]
    found = Found(*lost.note(conn, _pages(_events(names, since, now))))
    if found.lost or found.conflicting:
        log.warning("events beyond the database", lane=lane_id, lost=found.lost, conflicting=found.conflicting)
    return found


def _events(names: Iterable[str], since: Any, now: Settings) -> Iterator[dict[str, str | None]]:
    with open_reader(now) as reader:
        starts: dict[tuple[str, int], int] = {}
        for name in names:
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
    change = "moved" if "moved_to" in data else str(data["change"])
    digest = data.get("record_hash")
    return {
        "feed": str(data["feed"]),
        "record_key": str(data["key"]),
        "revision": str(event.revision),
        "change": change,
        "hash": None if digest is None else str(digest),
        "subject": event.key,
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
