"""Restoring a backup into an empty database and run directory: all of it, or an error that says why nothing was.

The relay learns by itself that Kafka is ahead of what was restored: it stops and names `hub relay rebase`. Until it has
read what the topics hold beyond the backup nothing is done with their feeds: a revision might be on them with other content.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hub import failure, log
from hub.said import Said
from hub.settings import settings
from hub.stack.layout import write_private
from warehouse import lost
from warehouse.backup import programs
from warehouse.backup.errors import RestoreTargetTaken
from warehouse.backup.manifest import DUMP, KEY, STORE, Manifest, hash_of, read
from warehouse.engine import connection, dispose
from warehouse.feeds.tables import CORE, HISTORY
from warehouse.migrate import migrate
from warehouse.store import Store, store
from warehouse.tables import SCHEMA


@dataclass(frozen=True)
class Restored:
    """What was restored, and the step at which the tables stand now."""

    manifest: Manifest
    step: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "taken_at": self.manifest.taken_at,
            "files": len(self.manifest.files),
            "was_at_step": self.manifest.step,
            "step": self.step,
        }


def restore(folder: Path) -> Restored:
    """Restores; repeated after it was cut short, it goes on. Afterwards the tables are brought to this version's step.

    Raises BackupIncomplete, RestoreTargetTaken, ProgramFailed, DatabaseUnavailable, DiskFull.
    """
    found = read(folder)
    _must_be_empty()
    with failure.room_needed():
        _restore_key(folder, found)
        _restore_files(Store(folder / STORE), store(), found)
        # Last, and in one transaction: a database with the hub's tables is one whose files are all there.
        words = ("--exit-on-error", "--single-transaction", "--no-owner", "--no-acl", str(folder / DUMP))
        programs.run("pg_restore", *words)
    dispose()
    step = migrate()
    with connection() as conn, conn.begin():
        lost.mark_restored(conn, datetime.fromisoformat(found.taken_at))
    log.get("backup").warning("restored from a backup", taken_at=found.taken_at, files=len(found.files), step=step)
    return Restored(found, step)


def _must_be_empty() -> None:
    with connection() as conn:
        query = sa.text("select count(*) from pg_tables where schemaname = any(:schemas)")
        tables = int(conn.scalar(query, {"schemas": [SCHEMA, CORE, HISTORY]}) or 0)
        place = f"{conn.engine.url.host}:{conn.engine.url.port}/{conn.engine.url.database}"
    if tables:
        raise RestoreTargetTaken(place=place, what=Said(f"{tables} tables of a hub", f"{tables} 个枢纽表"))


def _restore_files(source: Store, target: Store, found: Manifest) -> None:
    # All are looked at before the first is written: a store of another hub stays as it is.
    lacking = [path for path in found.files if not target.path(path).exists()]
    for path in set(found.files) - set(lacking):
        if hash_of(target.path(path)) != found.files[path]:
            raise RestoreTargetTaken(place=target.root, what=path)
    for path in lacking:
        with source.path(path).open("rb") as read_from, target.writer(path) as written:
            while block := read_from.read(1 << 20):
                written.write(block)


def _restore_key(folder: Path, found: Manifest) -> None:
    if found.key_sha256 is None:
        return
    place = settings().var / "secrets" / KEY
    if place.exists() and hash_of(place) != found.key_sha256:
        raise RestoreTargetTaken(place=place, what=Said("the key of another hub", "另一枢纽的密钥"))
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(place, (folder / KEY).read_text(encoding="ascii"))
