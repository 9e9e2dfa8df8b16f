"""Bodies that came packed, unpacked as a stream under bounds: how much comes out, and how much more than went in."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

import pyarrow as pa

from connectors.pushed.body import Body, opened
from connectors.pushed.errors import PackedDamaged, PackedTooTightly, PackingNotTaken, UnpackedTooLarge
from hub.said import Said
from hub.settings import settings

ENCODINGS = ("identity", "gzip", "zstd")
RATIO = 200
"""How many times larger than the body what comes out may be: ordinary records pack to a tenth, a very even table to a fiftieth."""
FREE = 8 << 20
"""Bytes that may come out whatever the ratio: a small file of one value repeated is no bomb."""
_BLOCK = 1 << 18


def unpacked(body: Body, encoding: str | None, file: str) -> Readable:
    """The body's bytes as they were before they were packed. Raises PackingNotTaken; reading raises the others."""
    name = (encoding or "identity").strip().lower()
    if name in ("identity", ""):
        return Readable(_plain(opened(body)))
    if name in ("gzip", "x-gzip"):
        blocks = _gzip(opened(body), file)
    elif name == "zstd":
        blocks = _zstd(opened(body), file)
    else:
        raise PackingNotTaken(encoding=name[:40], accepted=", ".join(ENCODINGS))
    return Readable(_bounded(blocks, body.size, file))


class Readable:
    """Bytes to be read once, by any number at a time."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._rest = blocks, b""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, all that are left below 0; b"" at the end."""
        if size < 0:
            whole = b"".join((self._rest, *self._blocks))
            self._rest = b""
            return whole
        if not self._rest:
            self._rest = next(self._blocks, b"")
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


def _plain(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(_BLOCK), b"")


def _bounded(blocks: Iterator[bytes], packed: int, file: str) -> Iterator[bytes]:
    bound, out = settings().max_unpacked_bytes, 0
    for block in blocks:
        out += len(block)
        if out > bound:
            raise UnpackedTooLarge(file=file, bound=bound, setting="HUB_MAX_UNPACKED_BYTES")
        if out > max(FREE, RATIO * packed):
            raise PackedTooTightly(file=file, ratio=RATIO)
        yield block


def _gzip(raw: io.BufferedReader, file: str) -> Iterator[bytes]:
    """One or several members, as RFC 1952 allows; each block at most _BLOCK bytes."""
    data, members = b"", 0
    while True:
        data = data or raw.read(_BLOCK)
        if not data:
            if members:
                return
            raise PackedDamaged(file=file, encoding="gzip", reason=Said("it is empty", "内容为空"))
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            if not data and not member.unconsumed_tail:
                data = raw.read(_BLOCK)
                if not data:
                    raise PackedDamaged(file=file, encoding="gzip", reason=Said("it ends too early", "内容不完整"))
            try:
                block = member.decompress(member.unconsumed_tail or data, _BLOCK)
            except zlib.error:
                why = Said("it is damaged, or something else follows", "内容损坏，或其后另有内容")
                raise PackedDamaged(file=file, encoding="gzip", reason=why) from None
            data = b""
            if block:
                yield block
        data, members = member.unused_data, members + 1


def _zstd(raw: io.BufferedReader, file: str) -> Iterator[bytes]:
    damaged: Callable[[], PackedDamaged] = lambda: PackedDamaged(  # noqa: E731
        file=file, encoding="zstd", reason=Said("it is damaged or ends too early", "内容损坏或不完整")
    )
    try:
        with pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd") as stream:
            while block := stream.read(_BLOCK):
                yield block
    except (pa.ArrowException, OSError, ValueError):
        raise damaged() from None
