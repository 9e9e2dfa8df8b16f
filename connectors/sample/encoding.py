"""Which encoding and delimiter a text has, where nobody says: a guess among those that connectors read."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter

import numpy as np

from contracts.sample.errors import SampleUnreadable
from hub.said import Said

DELIMITERS = (",", ";", "\t", "|")
_LINES = 200
_PAIRS = 0.8  # share of the bytes above 127 that stand in pairs both of which are: Chinese, not a single accent


def guess_encoding(data: bytes, file: str) -> tuple[str, str]:
    """(encoding, what to say of it). Raises SampleUnreadable for what is no text."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", ""
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8-sig", ""
    if b"\x00" in data[:4096]:
        raise SampleUnreadable(
            file=file,
            reason=Said(
                "it holds NUL bytes: it is no text, or UTF-16 without its mark",
                "含有 NUL 字节：不是文本，或为缺少标记的 UTF-16",
            ),
        )
    if _reads(data, "utf-8"):
        return "utf-8", ""
    if _reads(data, "gb18030") and _paired(data) >= _PAIRS:
        return "gb18030", "the encoding is guessed: GB 18030"
    if _reads(data, "cp1252"):
        return "windows-1252", "the encoding is guessed: Windows-1252; do letters with accents look right?"
    return "iso-8859-1", "the encoding is guessed: ISO 8859-1; any byte is a letter there, so nothing proves it"


def guess_delimiter(text: str, file: str) -> str:
    """The sign that splits most lines into the same number of cells, two at least; a comma where none does."""
    best, score = ",", 0.0
    for delimiter in DELIMITERS:
        lines = io.StringIO(text, newline="").readlines()[:_LINES]
        try:
            widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
        except csv.Error:
            continue
        if not widths:
            raise SampleUnreadable(file=file, reason=Said("it is empty", "文件为空"))
        width, count = widths.most_common(1)[0]
        worth = count / sum(widths.values()) * min(width, 50)
        if width > 1 and worth > score:
            best, score = delimiter, worth
    return best


def _reads(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _paired(data: bytes) -> float:
    """Share of the bytes above 127 that stand beside another one: a Chinese sign is two of them."""
    high = np.frombuffer(data, dtype=np.uint8) >= 0x80
    edges = np.flatnonzero(np.diff(np.concatenate(([False], high, [False])).astype(np.int8)))
    runs = edges[1::2] - edges[::2]
    total = int(runs.sum())
    return float(runs[runs >= 2].sum()) / total if total else 0.0
