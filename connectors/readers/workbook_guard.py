"""Looks through a workbook's container before any reader opens it: size when unpacked, damage, locks, links, extent.

A workbook needs many times its unpacked size in memory, and a reader lays out a sheet as a full rectangle: two cells
in opposite corners of a sheet would be 17,000,000,000 cells. Sizes are measured by unpacking, not believed.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib

from connectors.errors import WorkbookRefused
from connectors.readers.workbook_parts import Parts
from hub.said import Said
from hub.settings import settings

MAX_ENTRIES = 5_000
MAX_CELLS = 40_000_000
"""Cells of a sheet's rectangle."""
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_CHUNK = 1 << 20
_PREFIX = re.compile(rb"<(?:([\w.-]+):)?worksheet[\s>]")
_ROW_NUMBER = re.compile(rb"[^>]*?\sr\s*=\s*[\"'](\d{1,9})")
_TWO = re.compile(rb"\sr\s*=\s*[\"'][A-Za-z]{2}\d")
_THREE = re.compile(rb"\sr\s*=\s*[\"'][A-Za-z]{3,}\d")
_LETTERS = re.compile(rb"\sr\s*=\s*[\"']([A-Za-z]{1,4})\d")


def refuse_harmful(file: str, content: bytes) -> Parts:
    """Returns where the workbook may be opened, with what it holds besides rows. Raises WorkbookRefused."""
    bound = settings().max_xlsx_bytes
    if content.startswith(_OLE):
        raise WorkbookRefused(
            file=file, reason=Said("it is locked with a password, or an old .xls", "设有口令，或是旧式 .xls")
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError, struct.error):
        raise WorkbookRefused(
            file=file, reason=Said("it is no workbook, or was cut short", "不是工作簿，或不完整")
        ) from None
    names = [entry.filename for entry in entries]
    if len(entries) > MAX_ENTRIES:
        raise WorkbookRefused(
            file=file,
            reason=Said(
                f"it packs {len(entries)} parts; the bound is {MAX_ENTRIES}",
                f"内含 {len(entries)} 个部分，上限为 {MAX_ENTRIES}",
            ),
        )
    if len(set(names)) != len(names):
        raise WorkbookRefused(file=file, reason=Said("it packs one part twice", "同一部分重复打包"))
    if any(entry.flag_bits & 1 for entry in entries):
        raise WorkbookRefused(file=file, reason=Said("it is locked with a password", "设有口令"))
    if any(name.lower().startswith("xl/externallinks/") for name in names):
        raise WorkbookRefused(
            file=file, reason=Said("it takes values from other files (external links)", "从其他文件取值（外部链接）")
        )
    total = sum(entry.file_size for entry in entries)
    if total > bound:
        raise WorkbookRefused(
            file=file,
            reason=Said(f"it unpacks to {total} bytes; the bound is {bound}", f"解压后有 {total} 字节，上限为 {bound}"),
        )
    left = bound
    parts = Parts()
    for entry in entries:
        data = _unpacked(file, content, entry, left)
        left -= len(data)
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise WorkbookRefused(
                file=file,
                reason=Said(f"its part {entry.filename[:80]} is not UTF-8", f"其中的 {entry.filename[:80]} 不是 UTF-8"),
            )
        if b"sheetData" in data:  # wherever it lies: a workbook may name any part as its sheet
            _refuse_vast(file, entry.filename, data)
        parts.note(entry.filename, data)
    return parts


def _unpacked(file: str, content: bytes, entry: zipfile.ZipInfo, limit: int) -> bytes:
    """A part's bytes, unpacked up to `limit`. Its stated size must be true."""
    head = content[entry.header_offset : entry.header_offset + 30]
    if len(head) < 30 or head[:4] != b"PK\x03\x04":
        raise WorkbookRefused(
            file=file, reason=Said(f"its part {entry.filename[:80]} is damaged", f"其中的 {entry.filename[:80]} 已损坏")
        )
    start = entry.header_offset + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    packed = memoryview(content)[start : start + entry.compress_size]
    if entry.compress_type == zipfile.ZIP_STORED:
        data = bytes(packed)
    elif entry.compress_type == zipfile.ZIP_DEFLATED:
        unpack = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = unpack.decompress(packed, min(entry.file_size, limit) + 1)
        except zlib.error:
            data = b""
    else:
        raise WorkbookRefused(file=file, reason=Said("it is packed by an unusual method", "采用了不常见的压缩方式"))
    if len(data) != entry.file_size:
        raise WorkbookRefused(
            file=file,
            reason=Said(
                f"the stated size of its part {entry.filename[:80]} is false",
                f"其中的 {entry.filename[:80]} 声明的大小不实",
            ),
        )
    if zlib.crc32(data) != entry.CRC:
        raise WorkbookRefused(
            file=file, reason=Said(f"its part {entry.filename[:80]} is damaged", f"其中的 {entry.filename[:80]} 已损坏")
        )
    return data


def _refuse_vast(file: str, part: str, data: bytes) -> None:
    """Refuses a sheet whose rectangle would fill the memory."""
    found = _PREFIX.search(data[:_CHUNK])
    prefix = found[1] + b":" if found and found[1] else b""
    row_tag, cell_tag = b"<" + prefix + b"row", b"<" + prefix + b"c"
    rows = widest = last = 0
    position = data.find(row_tag)
    while position >= 0:
        following = data.find(row_tag, position + 4)
        rows += 1
        widest = max(widest, data.count(cell_tag, position, following if following >= 0 else len(data)))
        number = _ROW_NUMBER.match(data, position, position + 200)
        last = max(last + 1, int(number[1])) if number else last + 1
        position = following
    if max(16_384, widest) * last <= MAX_CELLS:
        return
    rough = 16_384 if _THREE.search(data) else 702 if _TWO.search(data) else 26
    if max(rough, widest) * last <= MAX_CELLS:
        return
    stated = {letters.upper() for letters in _LETTERS.findall(data)}
    columns = max([widest, *(_column(letters) for letters in stated)])
    if columns * last > MAX_CELLS:
        raise WorkbookRefused(
            file=file,
            reason=Said(
                f"{part[:80]} spans {last} rows and {columns} columns", f"{part[:80]} 跨 {last} 行 {columns} 列"
            ),
        )


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters[:4]:
        number = number * 26 + letter - 64
    return number
