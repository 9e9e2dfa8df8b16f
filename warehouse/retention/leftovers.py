"""What killed processes left: batches that nobody will finish, and files that no row of the database names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice

import sqlalchemy as sa

from hub import clock
from hub.errors import TransientError
from hub.ids import BatchId, FeedId
from warehouse import batches
from warehouse.checking import pages as checked
from warehouse.engine import connection, holding, transaction
from warehouse.landing import intake
from warehouse.retention.files import delete_original
from warehouse.store import Store
from warehouse.tables import batch, landed_object, outbox

ABANDONED_HOURS = 6
LEFTOVER_SECONDS = 24 * 3600
_AT_ONCE = 500


def abandon() -> int:
    """Ends batches that never landed and that no process works on; returns how many."""
    before = clock.now() - timedelta(hours=ABANDONED_HOURS)
    with connection() as conn:
        query = sa.select(batch.c.feed).where(batch.c.state == "opened", batch.c.opened_at < before).distinct()
        feeds = [FeedId(feed) for feed in conn.execute(query).scalars()]
    count = 0
    for feed in feeds:
        try:
            with holding("feed", feed, wait=False) as conn:
                with conn.begin():
                    left = [one for one in batches.unfinished(conn, feed) if one.state == "opened"]
                for one in left:
                    intake.discard(one)
                    with conn.begin():
                        batches.move(conn, one, "abandoned", state_reason="its process ended before it had landed")
                    count += 1
        except TransientError:
            continue  # somebody works on the feed and will see to it
    return count


def sweep(place: Store) -> int:
    """Removes unfinished and unnamed files that are older than a day, and checked pages of batches that have ended."""
    names = place.list("")
    count = 0
    for path in names:
        if path.endswith(".part") and _old(place, path):
            place.delete(path)
            count += 1
    count += sum(_unnamed(place, chunk) for chunk in _chunks(_of_batches(place, names)))
    for path in names:
        if path.startswith("originals/") and not path.endswith(".part") and _old(place, path):
            count += _orphan(place, path)
    return count + _checked(place)


def _of_batches(place: Store, names: Iterable[str]) -> Iterator[tuple[BatchId, str]]:
    """Landed files and change sets older than a day, with the batch that their folder is named after."""
    for path in names:
        parts = path.split("/")
        if len(parts) == 4 and parts[0] in ("landing", "changes") and _old(place, path):
            yield BatchId(parts[2]), path


def _chunks(found: Iterator[tuple[BatchId, str]]) -> Iterator[list[tuple[BatchId, str]]]:
    while chunk := list(islice(found, _AT_ONCE)):
        yield chunk


def _unnamed(place: Store, files: list[tuple[BatchId, str]]) -> int:
    """Removes those that no row names and whose batch writes no more files."""
    ids, paths = sorted({batch_id for batch_id, _ in files}), [path for _, path in files]
    with connection() as conn:
        query = sa.select(batch.c.batch_id, batch.c.state).where(batch.c.batch_id.in_(ids))
        states = {str(row.batch_id): str(row.state) for row in conn.execute(query)}
        named = _named(conn, paths)
    gone = [path for batch_id, path in files if path not in named and states.get(batch_id) not in batches.UNFINISHED]
    for path in gone:
        place.delete(path)
    for folder in {path.rpartition("/")[0] for path in gone}:
        place.tidy(folder)
    return len(gone)


def _named(conn: sa.Connection, paths: list[str]) -> set[str]:
    named: set[str] = set()
    for table in (landed_object, outbox):
        query = sa.select(table.c.path).where(table.c.path.in_(paths), table.c.purged_at.is_(None))
        named |= set(conn.execute(query).scalars())
    return named


def _orphan(place: Store, path: str) -> int:
    with transaction() as conn:
        return int(delete_original(conn, place, path))


def _checked(place: Store) -> int:
    """Checked pages, with their feed's lock: a loader that has just finished removes its own."""
    count = 0
    for feed in sorted({path.split("/")[1] for path in place.list("checked")}):
        try:
            with holding("feed", feed, wait=False) as conn:
                for batch_id in checked.batches_with_pages(place, FeedId(feed)):
                    with conn.begin():
                        state = batches.state_of(conn, batch_id)
                    unknown = state is None and _old(place, checked.folder(FeedId(feed), batch_id))
                    if unknown or (state is not None and state not in batches.UNFINISHED):
                        checked.CheckedPages(place, FeedId(feed), batch_id).delete()
                        count += 1
        except TransientError:
            continue  # whoever works on the feed sees to it
    return count


def _old(place: Store, path: str) -> bool:
    age = place.age(path)
    return age is not None and age > LEFTOVER_SECONDS
