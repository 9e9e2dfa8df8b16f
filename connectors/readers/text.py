"""Bytes of a declared encoding as UTF-8, strictly, block by block; what can't be decoded is marked, not guessed.

gb18030 decodes at about 160 MB/s here with Python's codec cut at line breaks; pyarrow's own `encoding=` reaches 50.
"""

from __future__ import annotations

import codecs
import threading
from typing import Protocol

from connectors.errors import CsvUnreadable, WrongEncoding
from hub.said import Said

ENCODINGS = ("utf-8", "utf-8-sig", "gb18030", "windows-1252", "iso-8859-1", "utf-16")
BLOCK = 4 * 1024 * 1024
MAX_LINE = 16 * 1024 * 1024
"""Bytes after which a line without a break is no line."""
MARK = "\ufdd0"  # a noncharacter: it stands where a byte could not be decoded
MAX_BAD = 1_000
"""Bad bytes after which a file is simply not in its declared encoding."""

_found = threading.local()


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    _found.offsets.append(error.start)
    if len(_found.offsets) > MAX_BAD:
        raise error
    return MARK, error.end


codecs.register_error("hub-mark", _mark)


class Readable(Protocol):
    """What gives bytes: at most `size`, b"" at the end."""

    def read(self, size: int, /) -> bytes:
        """The next bytes."""
        ...


class TextSource:
    """A file's text as UTF-8 bytes. `bad` has the offset of every marked byte, in order; `nul` says NUL was seen."""

    def __init__(self, raw: Readable, file: str, encoding: str) -> None:
        self._raw = raw
        self._file = file
        self._encoding = encoding
        self._codec = "utf-8" if encoding == "utf-8-sig" else encoding
        self._pending = b""  # raw bytes after the last line break
        self._offset = 0  # of the first pending byte, in the file
        self._ready = memoryview(b"")
        self._ended = False
        self._first = True
        self._lines = 0
        self.bad: list[int] = []
        self.nul = False
        self.quotes = False  # whether a quotation mark was seen: without one no value holds a line break
        self.quote = b'"'
        self.closed = False

    def push_back(self, data: bytes) -> None:
        """Puts decoded bytes back in front."""
        self._ready = memoryview(data + bytes(self._ready))

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes of UTF-8, b"" at the end. Raises WrongEncoding."""
        while not self._ready and not self._ended:
            self._ready = memoryview(self._next())
        out = bytes(self._ready if size < 0 else self._ready[:size])
        self._ready = self._ready[len(out) :]
        return out

    def readable(self) -> bool:
        """True: what pyarrow asks of a file."""
        return True

    def close(self) -> None:
        """Nothing is held here; the raw file's owner closes it."""
        self.closed = True

    def _next(self) -> bytes:
        """The next decoded block, up to its last line break."""
        data = self._raw.read(BLOCK)
        self._ended = not data
        if self._first and data:
            self._look_at_start(data)
        data = self._pending + data
        cut = len(data) if self._ended else self._cut(data)
        self._pending = data[cut:]
        if len(self._pending) > MAX_LINE:
            raise CsvUnreadable(
                file=self._file,
                line=self._lines,
                reason=Said(f"no line break in {MAX_LINE} bytes", f"{MAX_LINE} 字节内没有换行"),
            )
        out = self._decode(data[:cut])
        self._offset += cut
        if self._first and out:
            self._first = False
            out = out.removeprefix(codecs.BOM_UTF8)
        self.nul = self.nul or b"\x00" in out
        self.quotes = self.quotes or self.quote in out
        self._lines += out.count(b"\n")
        return out

    def _decode(self, data: bytes) -> bytes:
        try:
            text = data.decode(self._codec)
        except UnicodeDecodeError:
            text = self._decode_marking(data)
        if self._codec == "utf-8" and not self.bad:
            return data
        return text.encode("utf-8")

    def _decode_marking(self, data: bytes) -> str:
        _found.offsets = []
        try:
            text = data.decode(self._codec, "hub-mark")
        except UnicodeDecodeError as error:
            first = self.bad[0] if self.bad else self._offset + _found.offsets[0]
            line = self._lines + 1 + data[: _found.offsets[0]].count(b"\n")
            raise WrongEncoding(
                file=self._file, encoding=self._encoding, reason=error.reason, offset=first, line=line
            ) from None
        self.bad.extend(self._offset + offset for offset in _found.offsets)
        if len(self.bad) > MAX_BAD:
            raise WrongEncoding(
                file=self._file,
                encoding=self._encoding,
                reason=Said("too many bad bytes", "错误字节过多"),
                offset=self.bad[0],
                line=1,
            )
        return text

    def _cut(self, data: bytes) -> int:
        """Where the last whole line ends. A line break's byte is never part of another character in these encodings."""
        if self._codec.startswith("utf-16"):
            width = b"\n\x00" if self._codec == "utf-16-le" else b"\x00\n"
            at = data.rfind(width)
            while at > 0 and at % 2:  # halves of two neighbours
                at = data.rfind(width, 0, at + 1)
            return at + 2 if at >= 0 and at % 2 == 0 else 0
        at = data.rfind(b"\n")
        return at + 1 if at >= 0 else self._cut_without_break(data)

    def _cut_without_break(self, data: bytes) -> int:
        # Lines that end in CR alone, or none at all: past a bound any place after an ASCII byte will do.
        at = data.rfind(b"\r", 0, len(data) - 1)
        return at + 1 if at >= 0 else 0

    def _look_at_start(self, data: bytes) -> None:
        """Meets a byte order mark: takes UTF-16's word for its order, refuses one that belies the declaration."""
        if self._encoding == "utf-16":
            if data.startswith(codecs.BOM_UTF16_BE):
                self._codec = "utf-16-be"
            else:
                self._codec = "utf-16-le"
        elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise WrongEncoding(
                file=self._file,
                encoding=self._encoding,
                reason=Said("it begins with UTF-16's byte order mark", "以 UTF-16 的字节序标记开头"),
                offset=0,
                line=1,
            )
        elif data.startswith(codecs.BOM_UTF8) and self._codec != "utf-8":
            raise WrongEncoding(
                file=self._file,
                encoding=self._encoding,
                reason=Said("it begins with UTF-8's byte order mark", "以 UTF-8 的字节序标记开头"),
                offset=0,
                line=1,
            )
