"""Upkeep: files that nobody needs any more, and batches that nobody will finish.

Landed pages and change sets go only when their batch has ended, every entry of it is on its topic, and the contract's
retention is over. Before a landed page goes, the hash of each of its rows is written down for good.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from hub import clock, log
from hub.errors import TransientError
from hub.ids import BatchId, FeedId
from warehouse import batches
from warehouse.checking.pages import CheckedPages
from warehouse.engine import connection, holding, transaction
from warehouse.landing import intake
from warehouse.landing import pages as landing
from warehouse.store import Store, ipc_options, store
from warehouse.tables import batch, landed_object, outbox, quarantine

LANDING_DAYS = 90
CHANGES_DAYS = 7
ABANDONED_HOURS = 6
_LEFTOVER_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class UpkeepOutcome:
    """What upkeep removed."""

    abandoned: int  # batches that never landed
    landed: int  # batches whose landed pages went
    changes: int  # change sets that went
    leftovers: int  # unfinished files that killed processes left


def upkeep(retention: Mapping[FeedId, Mapping[str, int]] | None = None) -> UpkeepOutcome:
    """Does all of it once. `retention`: feed -> layer (landing, changes) -> days, as contracts say it.

    Safe beside running feeds: a feed that somebody works on is left to them.
    """
    kept = retention or {}
    return UpkeepOutcome(
        abandoned=_abandon(),
        landed=_purge_landed(kept),
        changes=_purge_changes(kept),
        leftovers=_sweep(store()),
    )


def _abandon() -> int:
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


def _purge_landed(retention: Mapping[FeedId, Mapping[str, int]]) -> int:
    place, count = store(), 0
    for batch_id, feed in _ended("landed_at", retention, "landing", LANDING_DAYS):
        with connection() as conn:
            paths = [(str(path), str(kind)) for path, kind in conn.execute(_landed(batch_id))]
        if not paths:
            continue
        _keep_hashes(place, feed, batch_id, [path for path, kind in paths if kind == "rows"])
        with transaction() as conn:
            conn.execute(
                sa.update(landed_object)
                .where(landed_object.c.batch_id == batch_id, landed_object.c.kind != "manifest")
                .values(purged_at=sa.func.now())
            )
            shared = _still_used(conn, [path for path, kind in paths if kind == "original"])
        for path, kind in paths:
            if kind == "rows" or (kind == "original" and path not in shared):
                place.delete(path)
        count += 1
    return count


def _purge_changes(retention: Mapping[FeedId, Mapping[str, int]]) -> int:
    place, count = store(), 0
    for batch_id, _ in _ended("loaded_at", retention, "changes", CHANGES_DAYS):
        with connection() as conn:
            query = sa.select(outbox.c.path).where(outbox.c.batch_id == batch_id, outbox.c.path.is_not(None))
            for path in conn.execute(query).scalars():
                if place.path(path).is_file():
                    place.delete(path)
                    count += 1
    return count


def _ended(
    since: str, retention: Mapping[FeedId, Mapping[str, int]], layer: str, days: int
) -> list[tuple[BatchId, FeedId]]:
    """Batches past their retention that have ended, whose entries are all on their topics and whose rows need no one."""
    waiting = sa.exists().where(outbox.c.batch_id == batch.c.batch_id, outbox.c.published_at.is_(None))
    open_rows = sa.exists().where(quarantine.c.batch_id == batch.c.batch_id, quarantine.c.state.in_(("open", "fixed")))
    query = sa.select(batch.c.batch_id, batch.c.feed, batch.c[since]).where(
        batch.c.state.in_(batches.FINAL), batch.c[since].is_not(None), ~waiting
    )
    if layer == "landing":
        query = query.where(~open_rows)
    now = clock.now()
    with connection() as conn:
        rows = conn.execute(query.order_by(batch.c.batch_no)).all()
    return [
        (BatchId(batch_id), FeedId(feed))
        for batch_id, feed, at in rows
        if at < now - timedelta(days=retention.get(FeedId(feed), {}).get(layer, days))
    ]


def _landed(batch_id: BatchId) -> sa.Select[Any]:
    return sa.select(landed_object.c.path, landed_object.c.kind).where(
        landed_object.c.batch_id == batch_id,
        landed_object.c.purged_at.is_(None),
        landed_object.c.kind.in_(("rows", "original")),
    )


def _keep_hashes(place: Store, feed: FeedId, batch_id: BatchId, paths: list[str]) -> None:
    there = [path for path in paths if place.path(path).is_file()]
    if not there:
        return
    schema = pa.schema([("_row", pa.int64()), ("_row_hash", pa.binary(32)), ("_masked", pa.bool_())])
    where = f"{landing.folder(feed, batch_id)}/hashes.arrow"
    with place.writer(where) as file, pa.ipc.new_file(file, schema, options=ipc_options()) as ipc:
        for path in there:
            ipc.write_table(landing.row_hashes(place, path).cast(schema))


def _still_used(conn: sa.Connection, paths: list[str]) -> set[str]:
    """Originals that another batch holds too: the same bytes are kept once."""
    query = sa.select(landed_object.c.path).where(landed_object.c.path.in_(paths), landed_object.c.purged_at.is_(None))
    return set(conn.execute(query).scalars())


def _sweep(place: Store) -> int:
    """Removes what killed processes left: unfinished files, and checked pages of batches that have ended."""
    count = 0
    old = time.time() - _LEFTOVER_SECONDS
    for path in place.list(""):
        file = place.path(path)
        if file.name.endswith(".part") and file.stat().st_mtime < old:
            place.delete(path)
            count += 1
    with connection() as conn:
        for feed_folder in sorted(place.root.glob("checked/*/*")):
            feed, batch_id = feed_folder.parent.name, feed_folder.name
            state = conn.scalar(sa.select(batch.c.state).where(batch.c.batch_id == batch_id))
            if state in (*batches.FINAL, "held") or (state is None and feed_folder.stat().st_mtime < old):
                CheckedPages(place, FeedId(feed), BatchId(batch_id)).delete()
                count += 1
    if count:
        log.get("upkeep").info("leftovers removed", files=count)
    return count
