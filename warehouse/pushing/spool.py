"""A body while it comes in: encrypted pieces in a file without a name, under a key that never leaves memory.

What does not fill a piece yet stays in memory, so that a small body never touches a disk. Whatever ends the process,
nobody can read what is left, and the room is free again. One writer, then one reader.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import OrderedDict
from io import FileIO
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from connectors.pushed.errors import BodyTooLarge
from hub import failure

PIECE = 1 << 20
"""Bytes that are encrypted at a time."""
_TAG = 16
_SEALED = PIECE + _TAG
_CACHED = 4
"""Pieces that a reader keeps in the clear: Parquet's readers jump between a few places."""


class ByteSpool:
    """Bytes that come one after the other. With a `bound`, no more than that many are taken."""

    def __init__(self, folder: Path, *, bound: int | None = None, sha512: bool = False) -> None:
        self._folder = folder
        self._bound = bound
        self._file: FileIO | None = None  # made with the first whole piece
        self._cipher = AESGCM(AESGCM.generate_key(256))
        self._nonces: list[int] = []  # of the pieces in the file
        self._sealed = 0  # how often something was encrypted: no nonce comes twice, though a piece is written anew
        self._tail = bytearray()
        self._sha256 = hashlib.sha256()
        self._sha512 = hashlib.sha512() if sha512 else None
        self._kept: tuple[int, Any, Any] = (0, self._sha256.copy(), self._sha512.copy() if self._sha512 else None)
        self._closed = self._being_read = False

    def __enter__(self) -> ByteSpool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def size(self) -> int:
        """Number of bytes so far: the offset at which the next ones go."""
        return len(self._nonces) * PIECE + len(self._tail)

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the bytes so far."""
        return self._sha256.hexdigest()

    @property
    def sha512(self) -> str | None:
        """Hex SHA-512 of the bytes so far, where it was asked for."""
        return self._sha512.hexdigest() if self._sha512 else None

    def digests(self) -> dict[str, bytes]:
        """The digests of the bytes so far by their names in `Content-Digest`."""
        found = {"sha-256": self._sha256.digest()}
        return found | {"sha-512": self._sha512.digest()} if self._sha512 else found

    def write(self, data: bytes, /) -> None:
        """Appends. Raises BodyTooLarge (nothing of `data` is taken then), DiskFull."""
        if self._closed or self._being_read:
            raise ValueError("a spool that is closed or being read takes nothing")
        if self._bound is not None and self.size + len(data) > self._bound:
            raise BodyTooLarge(bound=self._bound, setting="HUB_MAX_BODY_BYTES")
        view = memoryview(data)
        at = 0
        while at < len(view):
            part = view[at : at + PIECE - len(self._tail)]
            self._tail += part
            at += len(part)
            if len(self._tail) == PIECE:
                self._seal()
        self._sha256.update(view)
        if self._sha512 is not None:
            self._sha512.update(view)

    def keep(self) -> int:
        """Says that what came so far is right: going back to here by `truncate` costs nothing. Returns the offset."""
        self._kept = (self.size, self._sha256.copy(), self._sha512.copy() if self._sha512 else None)
        return self.size

    def truncate(self, offset: int | None = None) -> None:
        """Forgets what stands after `offset`, or after what was kept last. Raises ValueError beyond the end."""
        offset = self._kept[0] if offset is None else offset
        if not 0 <= offset <= self.size:
            raise ValueError("a spool can't be cut where it has nothing")
        whole, left = divmod(offset, PIECE)
        tail = self._piece(whole)[:left] if left else b""
        if self._kept[0] > offset or self._kept[0] < offset < self.size:
            self._kept = self._hashed(offset)
        if self._kept[0] == offset:
            _, sha256, sha512 = self._kept
            self._sha256, self._sha512 = sha256.copy(), sha512.copy() if sha512 else None
        self._tail = bytearray(tail)
        del self._nonces[whole:]

    def body(self) -> SpoolBody:
        """What was written, from its beginning. Nothing can be written after that."""
        self._being_read = True
        return SpoolBody(self)

    def spare(self) -> ByteSpool:
        """An empty spool in the same folder, under a key of its own."""
        return ByteSpool(self._folder)

    def close(self) -> None:
        """Gives the room back. May be called twice."""
        self._closed = True
        self._tail.clear()
        if self._file is not None:
            self._file.close()

    def _seal(self) -> None:
        """Writes the tail, a whole piece, to the file."""
        with failure.room_needed():
            file = self._file = self._file or self._opened()
            nonce = self._sealed
            self._sealed += 1
            sealed = memoryview(self._cipher.encrypt(nonce.to_bytes(12, "big"), bytes(self._tail), None))
            at, done = len(self._nonces) * _SEALED, 0
            while done < len(sealed):
                done += os.pwrite(file.fileno(), sealed[done:], at + done)
        self._nonces.append(nonce)
        self._tail.clear()

    def _opened(self) -> FileIO:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        made: FileIO = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - closed by `close`
        return made

    def _piece(self, number: int) -> bytes:
        """A piece in the clear. Raises InvalidTag where the file was tampered with."""
        if self._closed:
            raise ValueError("the spool is closed")
        if number >= len(self._nonces):
            return bytes(self._tail) if number == len(self._nonces) else b""
        assert self._file is not None  # a sealed piece lies in it
        sealed = os.pread(self._file.fileno(), _SEALED, number * _SEALED)
        return self._cipher.decrypt(self._nonces[number].to_bytes(12, "big"), sealed, None)

    def _hashed(self, offset: int) -> tuple[int, Any, Any]:
        """The hashes of the first bytes, computed anew."""
        sha256, sha512 = hashlib.sha256(), hashlib.sha512() if self._sha512 else None
        for start in range(0, offset, PIECE):
            part = self._piece(start // PIECE)[: offset - start]
            sha256.update(part)
            if sha512 is not None:
                sha512.update(part)
        return offset, sha256, sha512


class SpoolBody:
    """A spool's bytes for one reader: a `connectors.pushed.body.Body`."""

    def __init__(self, spool: ByteSpool) -> None:
        self._spool = spool
        self.size, self.sha256 = spool.size, spool.sha256
        self._at = 0
        self._clear: OrderedDict[int, bytes] = OrderedDict()

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes from where the reader stands."""
        left = max(0, self.size - self._at)
        wanted = left if size < 0 else min(size, left)
        parts: list[bytes | memoryview] = []
        while wanted:
            number, start = divmod(self._at, PIECE)
            part = memoryview(self._piece(number))[start : start + wanted]
            parts.append(part)
            self._at += len(part)
            wanted -= len(part)
        return b"".join(parts)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Moves the reader. Raises ValueError before the beginning."""
        at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        if at < 0:
            raise ValueError("before the beginning")
        self._at = at
        return at

    def tell(self) -> int:
        """Where the reader stands."""
        return self._at

    def spare(self) -> ByteSpool:
        """An empty spool beside this one, under a key of its own."""
        return self._spool.spare()

    def _piece(self, number: int) -> bytes:
        found = self._clear.get(number)
        if found is None:
            found = self._clear[number] = self._spool._piece(number)
            if len(self._clear) > _CACHED:
                self._clear.popitem(last=False)
        else:
            self._clear.move_to_end(number)
        return found
