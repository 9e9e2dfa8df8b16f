"""Taking a backup: database and store as they stand at one moment, beside running feeds and relay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import hub
from hub import clock, failure, log
from hub.settings import settings
from warehouse.backup import programs
from warehouse.backup.errors import BackupTargetTaken
from warehouse.backup.freezing import frozen
from warehouse.backup.manifest import DUMP, FORM, KEY, STORE, Manifest, hash_of
from warehouse.store import Store, store


@dataclass(frozen=True)
class Taken:
    """What a backup holds."""

    folder: Path
    taken_at: str
    step: str
    files: int
    bytes: int
    key: bool

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**asdict(self), "folder": str(self.folder)}


def take(folder: Path) -> Taken:
    """Writes a backup into `folder`, which is new or empty; it is whole once its manifest is there.

    Raises BackupTargetTaken, BackupBusy, ProgramFailed, DatabaseUnavailable, DiskFull.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise BackupTargetTaken(folder=folder)
    with failure.room_needed():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        taken_at = clock.now().isoformat()
        with frozen(store()) as moment:
            words = ("--format=custom", "--no-owner", "--no-acl", f"--snapshot={moment.snapshot}")
            programs.run("pg_dump", *words, "--file", str(folder / DUMP))
            (folder / DUMP).chmod(0o600)
            files = dict(_copied(moment.store, Store(folder / STORE)))
            step = moment.step
        key = settings().var / "secrets" / KEY
        kept = settings().hmac_key is None and key.is_file()
        hashed_key = Store(folder).put(KEY, key.read_bytes()) if kept else None
        Manifest(FORM, hub.__version__, taken_at, step, hash_of(folder / DUMP), hashed_key, files).write(folder)
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    log.get("backup").info("backup taken", folder=str(folder), files=len(files), bytes=size, step=step)
    return Taken(folder, taken_at, step, len(files), size, kept)


def _copied(source: Store, target: Store) -> Iterator[tuple[str, str]]:
    """Copies all, each file on the disk before the next; gives path and SHA-256."""
    for path in source.list(""):
        with source.path(path).open("rb") as read, target.writer(path) as written:
            while block := read.read(1 << 20):
                written.write(block)
        yield path, written.sha256
