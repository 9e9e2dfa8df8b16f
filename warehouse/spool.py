"""What must not stay in memory and may not be readable on a disk: in a file without a name, encrypted under a key that never
leaves memory.

Whatever ends the process, nobody can read what is left; with the last handle the file itself is gone, so nobody has to
clean up after a killed process.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub import failure

_PIECE = 4 << 20
"""Bytes that are encrypted at a time: what a page needs of memory beyond itself."""
_TAG = 16
BOUND = 100_000  # rows that wait in memory


@dataclass(frozen=True, slots=True)
class Held:
    """A table in the spool."""

    at: int
    size: int


class Spool:
    """A spool under a folder, for as long as it is open. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        with failure.room_needed():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed by `close`
        self._cipher = AESGCM(AESGCM.generate_key(256))
        self._lock = threading.Lock()
        self._end = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives its room back."""
        self._file.close()

    def put(self, table: pa.Table) -> Held:
        """Writes a table and its metadata. Raises DiskFull."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        plain = memoryview(sink.getvalue()).cast("B")
        pieces = range(0, len(plain), _PIECE)
        with self._lock:
            held = Held(self._end, len(plain))
            self._end += len(plain) + _TAG * len(pieces)
        at = held.at
        for start in pieces:
            sealed = memoryview(self._cipher.encrypt(_nonce(at), plain[start : start + _PIECE], None))
            done = 0
            with failure.room_needed():
                while done < len(sealed):
                    done += os.pwrite(self._file.fileno(), sealed[done:], at + done)
            at += len(sealed)
        return held

    def get(self, held: Held) -> pa.Table:
        """The table as it was put. Raises InvalidTag where the file was tampered with."""
        plain, at = bytearray(held.size), held.at
        for start in range(0, held.size, _PIECE):
            size = min(_PIECE, held.size - start) + _TAG
            sealed = os.pread(self._file.fileno(), size, at)
            plain[start : start + size - _TAG] = self._cipher.decrypt(_nonce(at), sealed, None)
            at += size
        return pa.ipc.open_stream(pa.py_buffer(plain)).read_all()


class Aside:
    """Tables that wait for the end of a delivery, in their order: the first in memory, beyond `BOUND` rows in a spool."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spool: Spool | None = None
        self._tables: list[pa.Table] = []
        self._held: list[Held] = []
        self.rows = 0

    def add(self, table: pa.Table) -> None:
        """Puts a table aside. Raises DiskFull."""
        if not table.num_rows:
            return
        self.rows += table.num_rows
        if self.rows <= BOUND:
            self._tables.append(table)
            return
        if self._spool is None:
            self._spool = Spool(self._folder)
        self._held.append(self._spool.put(table))

    def __iter__(self) -> Iterator[pa.Table]:
        yield from self._tables
        if self._spool is not None:
            for held in self._held:
                yield self._spool.get(held)

    def close(self) -> None:
        """Forgets them."""
        if self._spool is not None:
            self._spool.close()


def _nonce(at: int) -> bytes:
    # Every piece has a place of its own under a key that is used for one spool: no nonce comes twice.
    return at.to_bytes(12, "big")
