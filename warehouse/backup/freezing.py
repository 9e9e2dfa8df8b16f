"""The store as it stands at one moment of the database: by links, which take no room and keep a file that is removed.

Files of the store are written once and are whole from their first sight. Those that a snapshot of the database names are
there at its moment, so they are among what is linked just before it or just after it. Upkeep, which purges, waits, and so
does a takedown, the only one that writes a file anew under its path.
Only the checked pages of a batch that is being loaded may come and go in between: then it is done again; so it is where a
takedown moved all the same, which lost its lock with its connection.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from warehouse.backup.errors import BackupBusy
from warehouse.checking import pages as checked
from warehouse.engine import connection, holding
from warehouse.store import Store
from warehouse.tables import SCHEMA, batch, takedown

TRIES = 5
LEFT_SECONDS = 48 * 3600
"""How old links are that no backup works on any more: a dump may take a day."""
_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP)


@dataclass(frozen=True)
class Frozen:
    """A moment: the store's files as links, the step of the tables, and the snapshot that a dump can be made of."""

    store: Store
    step: str
    snapshot: str


@contextmanager
def frozen(place: Store) -> Iterator[Frozen]:
    """A moment of database and store, for as long as the block lasts. Raises BackupBusy, DatabaseUnavailable."""
    _clear_left(place)
    for _ in range(TRIES):
        links = Store(place.root.with_name(f"{place.root.name}.backup-{uuid.uuid4().hex[:12]}"))
        try:
            with connection() as conn:
                conn.execution_options(isolation_level="REPEATABLE READ")
                with conn.begin():
                    with holding("upkeep", "store"):
                        before = _takedowns()
                        _link(place, links)
                        snapshot = str(conn.scalar(sa.text("select pg_export_snapshot()")))
                        _link(place, links)
                        moved = _takedowns() != before
                    if not moved and _whole(conn, place, links):
                        step = str(conn.scalar(sa.text(f"select version_num from {SCHEMA}.alembic_version")))  # noqa: S608
                        yield Frozen(links, step, snapshot)
                        return
        finally:
            shutil.rmtree(links.root, ignore_errors=True)
    raise BackupBusy(tries=TRIES)


def _clear_left(place: Store) -> None:
    """Removes the links of a backup that was killed: they keep the room of files that are purged."""
    for left in place.root.parent.glob(f"{place.root.name}.backup-*"):
        if time.time() - left.stat().st_mtime > LEFT_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _link(place: Store, links: Store) -> None:
    links.root.mkdir(mode=0o700, exist_ok=True)
    for path in place.list(""):
        target = links.path(path)
        if path.endswith(".part"):
            continue
        with suppress(FileNotFoundError):
            if target.exists():
                if _same(place.path(path), target):
                    continue
                target.unlink()
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                os.link(place.path(path), target)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                shutil.copy2(place.path(path), target)


def _same(file: Path, linked: Path) -> bool:
    """Whether a file is still the one that was linked, or copied with its times where there are no links."""
    now, then = file.stat(), linked.stat()
    return os.path.samestat(now, then) or (now.st_size, now.st_mtime_ns) == (then.st_size, then.st_mtime_ns)


def _takedowns() -> list[tuple[int, str]]:
    """Every takedown and its state as they are now, outside of the snapshot."""
    with connection() as now:
        rows = now.execute(sa.select(takedown.c.takedown_no, takedown.c.state).order_by(takedown.c.takedown_no))
        return [(int(row.takedown_no), str(row.state)) for row in rows]


def _whole(conn: sa.Connection, place: Store, links: Store) -> bool:
    """Whether the checked pages of each batch that is being loaded are there, or nobody has touched it since."""
    query = sa.select(batch.c.batch_id, batch.c.feed, batch.c.state).where(batch.c.state.in_(("checked", "loading")))
    for row in conn.execute(query).all():
        folder = checked.folder(row.feed, row.batch_id)
        if links.list(folder) or place.list(folder):
            if set(links.list(folder)) >= {path for path in place.list(folder) if not path.endswith(".part")}:
                continue
            return False
        with connection() as now:
            if now.scalar(sa.select(batch.c.state).where(batch.c.batch_id == row.batch_id)) != row.state:
                return False
    return True
