"""gzip and zstd as HTTP sends them, unpacked while they are read: bounded in size, proportion, memory and time.

What is packed may carry text beside its content (a name, a comment, a frame to be skipped), which the kept original would
hold and nobody has looked at: a name is told to `around`, everything else there is told as unseen or refused.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import pyarrow as pa

from connectors.pushed.errors import PackedDamaged, PackedTooTightly, PackingNotTaken, UnpackedTooLarge
from contracts.page import Around
from hub.said import Said
from hub.settings import settings

PACKINGS = ("gzip", "zstd")
MAX_RATIO = 250
FREE = 64 * 1024 * 1024
"""Bytes that a body may unpack to whatever its proportion: a small one of like rows may be packed very tightly."""
MAX_WINDOW = 8 * 1024 * 1024
"""Memory that a zstd frame may ask for, as RFC 9659 bounds it for HTTP."""
_CHUNK = 1 << 20
_READ = 1 << 16
_MEMBER = 512  # bytes that a gzip member has on the average, where there are many: each costs time
_FREE_MEMBERS = 1_000
_BLOCK = 128 * 1024  # what a zstd block unpacks to at most


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def packing(encoding: str | None) -> str | None:
    """How a body is packed, by its Content-Encoding; None: not at all. Raises PackingNotTaken."""
    said = (encoding or "identity").strip().lower()
    if said in ("identity", ""):
        return None
    found = {"x-gzip": "gzip"}.get(said, said)
    if found not in PACKINGS:
        shown = "".join(letter if letter.isprintable() else "?" for letter in said[:80])
        raise PackingNotTaken(encoding=shown, accepted=", ".join(PACKINGS))
    return found


class Unpacked:
    """A packed body's content, read once from its beginning.

    Reading raises PackedDamaged, PackedTooTightly, UnpackedTooLarge.
    """

    def __init__(self, raw: _Readable, how: str, file: str, around: Around, *, bound: int | None = None) -> None:
        self._raw, self._file, self._how, self._around = raw, file, how, around
        self._bound, self._setting = settings().max_unpacked_bytes, "HUB_MAX_UNPACKED_BYTES"
        if bound is not None and bound < self._bound:
            self._bound, self._setting = bound, "HUB_MAX_XLSX_BYTES"
        self._taken = 0  # packed bytes
        self.size = 0  # unpacked bytes
        self._ready = memoryview(b"")
        self._parts = self._gzip() if how == "gzip" else self._zstd()

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, one part below 0; b"" at the end."""
        while not self._ready:
            part = next(self._parts, None)
            if part is None:
                return b""
            self._count(len(part))
            self._ready = memoryview(part)
        out = bytes(self._ready if size < 0 else self._ready[:size])
        self._ready = self._ready[len(out) :]
        return out

    def _count(self, more: int) -> None:
        self.size += more
        if self.size > self._bound:
            raise UnpackedTooLarge(file=self._file, bound=self._bound, setting=self._setting)
        if self.size > FREE and self.size > MAX_RATIO * self._taken:
            raise PackedTooTightly(file=self._file, ratio=MAX_RATIO)

    def _take(self, size: int) -> bytes:
        data = self._raw.read(size)
        self._taken += len(data)
        return data

    def _damaged(self, en: str, zh: str) -> PackedDamaged:
        return PackedDamaged(file=self._file, encoding=self._how, reason=Said(en, zh))

    def _gzip(self) -> Iterator[bytes]:
        """The members, one after the other (RFC 1952 §2.2). zlib holds each against its checksum and length."""
        waiting, members = self._take(_READ), 0
        if not waiting:
            raise self._damaged("it is empty", "内容为空")
        while waiting:
            members += 1
            if members > _FREE_MEMBERS and members * _MEMBER > self._taken:
                raise self._damaged("it has too many members", "成员过多")
            if len(waiting) < _READ:
                waiting += self._take(_READ)
            self._look_at_header(waiting)
            unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
            while not unpack.eof:
                try:
                    part = unpack.decompress(waiting, _CHUNK)
                except zlib.error:
                    raise self._gzip_problem(waiting, members) from None
                waiting = unpack.unconsumed_tail
                if part:
                    yield part
                if not unpack.eof and not waiting and len(part) < _CHUNK:
                    waiting = self._take(_READ)
                    if not waiting:
                        raise self._damaged("it was cut short", "内容被截断")
            waiting = unpack.unused_data or self._take(_READ)

    def _gzip_problem(self, waiting: bytes, members: int) -> PackedDamaged:
        if members > 1 and not waiting.startswith(b"\x1f\x8b"):
            return self._damaged("what follows its end is no gzip", "结尾之后的内容不是 gzip")
        return self._damaged("it is no gzip, or its bytes or checksum are wrong", "不是 gzip，或字节、校验和有误")

    def _look_at_header(self, start: bytes) -> None:
        """What a member says of itself: the name of a file; extra fields and comments are not looked at."""
        flags = start[3] if len(start) > 10 else 0
        if flags & 0b10100:
            self._unseen("fields of a gzip member's header")
        elif flags & 0b01000:
            name, end, _ = start[10:1024].partition(b"\x00")
            if end and len(self._around.titles) < 1_000:
                self._around.titles.append(name.decode("utf-8", "replace"))
            else:
                self._unseen("fields of a gzip member's header")

    def _unseen(self, kind: str) -> None:
        if kind not in self._around.unseen:
            self._around.unseen.append(kind)

    def _zstd(self) -> Iterator[bytes]:
        frames = _Frames(self._take, self._damaged)
        stream = pa.CompressedInputStream(pa.PythonFile(frames, mode="r"), "zstd")
        while True:
            try:
                part = stream.read(_CHUNK)
            except (pa.ArrowException, OSError):
                # What the frames found wrong is said more exactly than by the library.
                raise frames.problem or self._damaged("its bytes or checksum are wrong", "字节或校验和有误") from None
            if frames.problem is not None:
                raise frames.problem
            if not part:
                return
            yield part


class _Frames:
    """zstd frames (RFC 8878) on their way to the library: whole, ordinary, modest in memory, with nothing between them."""

    def __init__(self, take: Callable[[int], bytes], damaged: Callable[[str, str], PackedDamaged]) -> None:
        self._take, self._damaged = take, damaged
        self._pending = memoryview(b"")
        self._parts = self._walk()
        self.problem: PackedDamaged | None = None
        self.closed = False

    def read(self, size: int) -> bytes:
        """Bytes for the library; b"" at the end or where something is wrong."""
        while not self._pending and self.problem is None:
            try:
                part = next(self._parts, None)
            except PackedDamaged as problem:  # not through the library, which would wrap it
                self.problem = problem
                return b""
            if part is None:
                return b""
            self._pending = memoryview(part)
        out = bytes(self._pending[:size])
        self._pending = self._pending[len(out) :]
        return out

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True

    def _exactly(self, size: int) -> bytes:
        data = self._take(size)
        while len(data) < size:
            more = self._take(size - len(data))
            if not more:
                raise self._damaged("it was cut short", "内容被截断")
            data += more
        return data

    def _walk(self) -> Iterator[bytes]:
        first = self._take(4)
        if not first:
            raise self._damaged("it is empty", "内容为空")
        number = 0
        while first:
            number += 1
            magic = first + (
                self._exactly(4 - len(first)) if len(first) < 4 and b"\x28\xb5\x2f\xfd".startswith(first) else b""
            )
            if magic[1:] == b"\x2a\x4d\x18" and magic[0] & 0xF0 == 0x50:
                raise self._damaged("it carries data beside its content", "在内容之外夹带其他数据")
            if magic != b"\x28\xb5\x2f\xfd":
                raise self._damaged(
                    *(
                        ("it is no zstd", "不是 zstd")
                        if number == 1
                        else ("what follows its end is no zstd", "结尾之后的内容不是 zstd")
                    )
                )
            yield magic
            yield from self._frame()
            first = self._take(4)

    def _frame(self) -> Iterator[bytes]:
        descriptor = self._exactly(1)
        flags = descriptor[0]
        single, checked = bool(flags & 0x20), bool(flags & 0x04)
        dictionary = (0, 1, 2, 4)[flags & 3]
        stated = (1 if single else 0, 2, 4, 8)[flags >> 6]
        rest = self._exactly((0 if single else 1) + dictionary + stated)
        if dictionary:
            raise self._damaged("it needs a dictionary", "需要字典")
        if single:
            window = int.from_bytes(rest, "little") + (256 if stated == 2 else 0)
        else:
            base = 1 << (10 + (rest[0] >> 3))
            window = base + base // 8 * (rest[0] & 7)
        if window > MAX_WINDOW:
            raise self._damaged(
                f"it needs a window of {window} bytes; the bound is {MAX_WINDOW}",
                f"所需窗口为 {window} 字节，上限为 {MAX_WINDOW}",
            )
        yield descriptor + rest
        last = False
        while not last:
            head = self._exactly(3)
            word = int.from_bytes(head, "little")
            last, kind, size = bool(word & 1), word >> 1 & 3, word >> 3
            if kind == 3 or size > _BLOCK:
                raise self._damaged("a block of it is impossible", "其中有不可能的数据块")
            yield head + self._exactly(1 if kind == 1 else size)
        if checked:
            yield self._exactly(4)
