"""The store: landed deliveries, checked pages and change sets as immutable files under relative paths.

One seam: `writer`, `put`, `keep`, `path`, `read`, `delete`, `list`, `age`. A directory now; an object store would stand
behind the same calls. A file is whole or absent: it is written beside its place, fsynced, renamed, and the
folder is fsynced too.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from hub import failure
from hub.settings import settings
from warehouse.errors import StoreCorrupt, StoreMissing, StorePathInvalid

_BLOCK = 1 << 20


class HashingFile(io.RawIOBase):
    """A file being written: counts and hashes its bytes. `sha256` and `size` hold once it is closed."""

    def __init__(self, path: Path, *, hashed: bool = True) -> None:
        super().__init__()
        self._file = path.open("wb", buffering=0)
        self._hash = hashlib.sha256() if hashed else None
        self.size = 0

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: object) -> int:
        """Writes all of `data` (any buffer) and returns its length in bytes."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        if self._hash is not None:
            self._hash.update(view)
        done = 0
        while done < len(view):
            done += self._file.write(view[done:])
        self.size += len(view)
        return len(view)

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of what was written so far; "" for a file that is written without."""
        return self._hash.hexdigest() if self._hash is not None else ""

    def finish(self, *, sync: bool) -> None:
        """Closes the file; with `sync` its bytes are on the disk first."""
        if sync:
            os.fsync(self._file.fileno())
        self._file.close()


class Store:
    """The store under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, path: str) -> Path:
        """Where a file lies. Raises StorePathInvalid for a path that would leave the store."""
        parts = Path(path).parts
        if not parts or Path(path).is_absolute() or ".." in parts or "\0" in path:
            raise StorePathInvalid(path=path)
        return self.root / path

    def existing(self, path: str) -> Path:
        """Where a file lies that must be there. Raises StoreMissing."""
        place = self.path(path)
        if not place.is_file():
            raise StoreMissing(path=path)
        return place

    @contextmanager
    def writer(self, path: str, *, lasting: bool = True) -> Iterator[HashingFile]:
        """A file to write; it appears under its path, whole, when the block ends well, else not at all.

        A lasting file is hashed and on the disk when the block ends; another one may be lost in a power cut.
        Raises DiskFull.
        """
        with failure.room_needed(), self._writer(self.path(path), lasting=lasting) as file:
            yield file

    @contextmanager
    def _writer(self, place: Path, *, lasting: bool) -> Iterator[HashingFile]:
        _make_folder(place.parent)
        beside = place.with_name(f".{place.name}.{uuid.uuid4().hex}.part")
        file = HashingFile(beside, hashed=lasting)
        try:
            yield file
            file.finish(sync=lasting)
            beside.replace(place)
            if lasting:
                _sync(place.parent)
        except BaseException:
            file.finish(sync=False)
            beside.unlink(missing_ok=True)
            raise

    def settle(self, folder: str) -> None:
        """Puts a folder's files that were written as not lasting on the disk, with their names."""
        for path in self.list(folder):
            _sync(self.path(path))
        if self.path(folder).is_dir():
            _sync(self.path(folder))

    def put(self, path: str, data: bytes) -> str:
        """Writes bytes and returns their hex SHA-256; they are on the disk when this returns."""
        with self.writer(path) as file:
            file.write(data)
        return file.sha256

    def keep(self, source: io.BufferedReader, *, sha256: str) -> tuple[str, int]:
        """Copies a file as it came into the store, named by its SHA-256; returns path and size in bytes.

        Raises StoreCorrupt when the file's bytes are not (any more) those that were read.
        """
        path = f"originals/{sha256[:2]}/{sha256}"
        place = self.path(path)
        with suppress(FileNotFoundError):
            return path, place.stat().st_size
        with self.writer(path) as file:
            while block := source.read(_BLOCK):
                file.write(block)
            if file.sha256 != sha256:
                raise StoreCorrupt(path=path, found=file.sha256, expected=sha256)
        return path, file.size

    def read(self, path: str, *, sha256: str | None = None) -> bytes:
        """All bytes of a file, checked against its hash when given. Raises StoreMissing, StoreCorrupt."""
        data = self.existing(path).read_bytes()
        if sha256 is not None:
            found = hashlib.sha256(data).hexdigest()
            if found != sha256:
                raise StoreCorrupt(path=path, found=found, expected=sha256)
        return data

    def verify(self, path: str, sha256: str) -> None:
        """Reads a file through and compares its hash. Raises StoreMissing, StoreCorrupt."""
        digest = hashlib.sha256()
        with self.existing(path).open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        if digest.hexdigest() != sha256:
            raise StoreCorrupt(path=path, found=digest.hexdigest(), expected=sha256)

    def delete(self, path: str) -> None:
        """Removes a file; one that is not there is no error."""
        self.path(path).unlink(missing_ok=True)

    def delete_folder(self, path: str) -> None:
        """Removes a folder and all in it; one that is not there is no error."""
        for place, folders, files in os.walk(self.path(path), topdown=False):
            for name in files:
                Path(place, name).unlink(missing_ok=True)
            for name in folders:
                _remove_folder(Path(place, name))
        _remove_folder(self.path(path))

    def list(self, folder: str) -> list[str]:
        """Paths of all files under a folder, sorted, unfinished ones too; others may come and go meanwhile."""
        # Not rglob: it raises where a folder goes while it looks.
        place = self.path(folder) if folder else self.root
        found = (Path(here, name) for here, _, files in os.walk(place) for name in files)
        return sorted(str(file.relative_to(self.root)) for file in found)

    def age(self, path: str) -> float | None:
        """Seconds since a file, or what stands in a folder, was last changed; None where there is none (any more)."""
        try:
            return time.time() - self.path(path).stat().st_mtime
        except FileNotFoundError:
            return None

    def tidy(self, folder: str) -> None:
        """Removes a folder that nothing is in; any other is left."""
        with suppress(OSError):
            self.path(folder).rmdir()


def ipc_options() -> Any:
    """How Arrow files are written: plain, or lz4 where the operator has more processor than disk."""
    wanted = settings().store_compression
    return pa.ipc.IpcWriteOptions(compression=None if wanted == "none" else wanted, unify_dictionaries=True)


def store() -> Store:
    """The store of the settings."""
    return Store(settings().landing_dir)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True, mode=0o700)  # what landed is for the hub's own user
    # A folder whose entry is lost in a power cut takes its files with it.
    _sync(folder.parent)


def _remove_folder(folder: Path) -> None:
    # Another process that removes the same folder is welcome to it.
    with suppress(FileNotFoundError):
        folder.unlink() if folder.is_symlink() else folder.rmdir()


def _sync(place: Path) -> None:
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
