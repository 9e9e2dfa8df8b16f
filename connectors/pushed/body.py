"""A body as an agency sent it, at rest: bytes that can be read anywhere, their number and their SHA-256."""

from __future__ import annotations

import hashlib
import io
import os
from typing import Protocol

_BUFFER = 1 << 20


class Body(Protocol):
    """Bytes at rest. One reader at a time."""

    @property
    def size(self) -> int:
        """Number of bytes."""
        ...

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of all of them."""
        ...

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes from where the reader stands; all that are left below 0; b"" at the end."""
        ...

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Moves the reader, as a binary file does; returns where it stands. Raises ValueError before the beginning."""
        ...

    def tell(self) -> int:
        """Where the reader stands."""
        ...

    def spare(self) -> Spare:
        """A new empty room that keeps secrets as this body does: for what is unpacked of it."""
        ...


class Spare(Protocol):
    """Room for bytes that are to be read anywhere later."""

    def write(self, data: bytes, /) -> None:
        """Appends. Raises DiskFull."""
        ...

    def body(self) -> Body:
        """What was written; nothing is written after that."""
        ...

    def close(self) -> None:
        """Gives the room back. May be called twice."""
        ...


class BytesBody(io.BytesIO):
    """A small body in memory."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.size = len(data)
        self.sha256 = hashlib.sha256(data).hexdigest()

    def spare(self) -> MemoryRoom:
        """Room in memory: what a small body unpacks to is bounded by whoever unpacks it."""
        return MemoryRoom()


class MemoryRoom:
    """Room in memory."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes, /) -> None:
        """Appends."""
        self._parts.append(bytes(data))

    def body(self) -> BytesBody:
        """What was written."""
        return BytesBody(b"".join(self._parts))

    def close(self) -> None:
        """Forgets it."""
        self._parts.clear()


def opened(body: Body) -> io.BufferedReader:
    """The body from its beginning, as an open file. Closing it leaves the body as it is."""
    body.seek(0)
    return io.BufferedReader(_Raw(body), _BUFFER)


class _Raw(io.RawIOBase):
    """A body with the methods of a file."""

    def __init__(self, body: Body) -> None:
        self._body = body

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, into: object) -> int:
        room = memoryview(into).cast("B")  # type: ignore[arg-type]
        data = self._body.read(len(room))
        room[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._body.seek(offset, whence)

    def tell(self) -> int:
        return self._body.tell()
