"""Reading a file once: bytes, SHA-256 and size in the same pass, and whether it stayed the same meanwhile."""

from __future__ import annotations

import hashlib
import os

from connectors.errors import FileReplaced, FileTooLarge
from connectors.files.root import Found, Root
from hub.settings import settings


class TeeFile:
    """An open file under a root."""

    def __init__(self, root: Root, found: Found) -> None:
        self._root = root
        self.name = name = found.name
        try:
            self._handle = root.open(found.raw)
        except FileNotFoundError:
            raise FileReplaced(file=name) from None
        self._file = os.fdopen(self._handle, "rb", buffering=0)
        self.found = Found.of(found.raw, os.fstat(self._handle))
        self._hash = hashlib.sha256()
        self.size = 0
        bound = settings().max_file_bytes
        if self.found.size > bound:
            self.close()
            raise FileTooLarge(file=name, size=self.found.size, bound=bound, setting="HUB_MAX_FILE_BYTES")

    def read(self, size: int) -> bytes:
        """At most `size` bytes; b"" at the end. Raises FileReplaced where the file grew under our hands."""
        data = self._file.read(size) or b""
        self._hash.update(data)
        self.size += len(data)
        if self.size > self.found.size:
            raise FileReplaced(file=self.name)
        return data

    def finish(self) -> tuple[str, int]:
        """(hex SHA-256, size in bytes). Raises FileReplaced where the file is not what it was when it was opened."""
        while self.read(1 << 20):
            pass
        try:
            after = self._root.look(self.found.raw)
        except FileNotFoundError:
            raise FileReplaced(file=self.name) from None
        if self.size != self.found.size or after != self.found:
            raise FileReplaced(file=self.name)
        return self._hash.hexdigest(), self.size

    def digest(self) -> str | None:
        """Hex SHA-256 of the whole open file, however far it was read and whatever lies under its name by now; None where it
        can't be told: it changed, was closed, or the disk fails. Whoever reads it may go on meanwhile."""
        found, at = hashlib.sha256(), 0
        try:
            handle = self._file.fileno()
            while data := os.pread(handle, 1 << 20, at):
                found.update(data)
                at += len(data)
            after = os.fstat(handle)
        except (OSError, ValueError):
            return None
        # That it was moved or removed meanwhile changes its ctime and nothing of what it says.
        same = (after.st_size, after.st_mtime_ns) == (self.found.size, self.found.mtime_ns)
        return found.hexdigest() if same else None

    def close(self) -> None:
        """Gives the descriptor back. May be called twice."""
        self._file.close()


def sha256_of(root: Root, found: Found) -> str:
    """Hex SHA-256 of a file, read through. Raises FileReplaced, FileOutsideRoot, FileTooLarge."""
    tee = TeeFile(root, found)
    try:
        return tee.finish()[0]
    finally:
        tee.close()
