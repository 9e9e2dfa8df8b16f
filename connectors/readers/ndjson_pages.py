"""NDJSON (one flat JSON object a line) into pages of text columns: numbers as they are written, nested values as their JSON.

Null and an empty text are no value. A line that is no such object becomes a MalformedRow with its reason. A mark at the
very beginning (BOM) and CRLF are taken as they are meant; empty lines are no rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

import numpy as np
import pyarrow as pa

from connectors.errors import HeaderUnusable
from connectors.pushed.errors import LineTooLong, NoRecords, TooManyNames
from connectors.readers.absent import with_absent
from connectors.readers.header import MAX_COLUMNS, MAX_NAME
from connectors.readers.paging import Pager
from connectors.readers.text import Readable
from contracts.page import RawPage
from hub.said import Said

MAX_LINE = 1 << 20
"""Bytes of a record; a longer line is malformed."""
MAX_TEXT = 4 * MAX_LINE
"""Bytes of any line: beyond, the body has no lines."""
MAX_DEPTH = 64
_BLOCK = 1 << 20
_GATHERED = 32 * 1024 * 1024  # bytes of lines that become one table
_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(r"[ \t\n\r]*")


class _Refused(ValueError):
    """A line that is no record; its argument says why, in both languages."""


def _constant(name: str) -> Any:
    raise _Refused(Said(f"{name} is no JSON", f"{name} 不是 JSON"))


# Numbers stay text, and an object is its pairs: a name that comes twice must be seen.
_scan: Any = json.JSONDecoder(
    parse_float=str, parse_int=str, parse_constant=_constant, object_pairs_hook=tuple
).scan_once  # type: ignore[attr-defined]
_Pairs = tuple[tuple[str, Any], ...]


def ndjson_pages(raw: Readable, file: str, fields: Mapping[str, tuple[str, ...]], page_rows: int) -> Iterator[RawPage]:
    """Pages of a body; `source_rows` are its lines, from 1. A page has the columns that its records name, in the order of
    first sight, and those of `fields` that none of them names.

    Raises NoRecords, TooManyNames, LineTooLong, HeaderUnusable.
    """
    pager, some, found = Pager(file, page_rows), _Some(file, fields), False
    for number, line in _lines(raw, file):
        if not line.strip(b" \t\r"):
            continue
        some.add(number, line)
        if some.count >= page_rows or some.bytes >= _GATHERED:
            found = found or bool(some.rows)
            yield from some.pages(pager)
    if not found and not some.rows:
        reason = (
            Said(f"no line is a JSON object: line {some.malformed[0][1]} {some.malformed[0][3]}",
                 f"没有一行是 JSON 对象：第 {some.malformed[0][1]} 行{getattr(some.malformed[0][3], 'zh', '')}")
            if some.malformed else Said("it is empty", "内容为空")
        )  # fmt: skip
        raise NoRecords(file=file, reason=reason)
    yield from some.pages(pager)
    yield from pager.finish()


def _lines(raw: Readable, file: str) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers, without their line feeds. Raises LineTooLong."""
    number, open_parts, open_size, first = 0, list[bytes](), 0, True
    while data := raw.read(_BLOCK):
        if first:
            while len(data) < len(_BOM) and (more := raw.read(_BLOCK)):
                data += more
            data, first = data.removeprefix(_BOM), False
        *whole, rest = data.split(b"\n")
        if whole and open_parts:
            whole[0] = b"".join([*open_parts, whole[0]])
            open_parts, open_size = [], 0
        for line in whole:
            number += 1
            if len(line) > MAX_TEXT:
                raise LineTooLong(file=file, line=number, bound=MAX_TEXT)
            yield number, line
        if rest:
            open_parts.append(rest)
            open_size += len(rest)
        if open_size > MAX_TEXT:
            raise LineTooLong(file=file, line=number + 1, bound=MAX_TEXT)
    if open_parts:
        yield number + 1, b"".join(open_parts)


class _Some:
    """Lines that become one table."""

    def __init__(self, file: str, fields: Mapping[str, tuple[str, ...]]) -> None:
        self._file, self._fields = file, fields
        self._names: set[str] = set()  # of the whole body
        self._clear()

    def _clear(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self.malformed: list[tuple[int, int, str, str]] = []
        self.count = self.bytes = 0
        self._order: list[int] = []
        self._source_rows: list[int] = []
        self._columns: dict[str, None] = {}

    def add(self, number: int, line: bytes) -> None:
        """Takes a line as a row or as a malformed one. Raises TooManyNames, HeaderUnusable."""
        place = self.count
        self.count += 1
        self.bytes += len(line)
        try:
            if len(line) > MAX_LINE:
                raise _Refused(Said(f"it is longer than {MAX_LINE} bytes", f"超过 {MAX_LINE} 字节"))
            text = line.decode()
            row = _record(text)
        except _Refused as refused:
            self._take_bad(place, number, line, refused.args[0])
            return
        except UnicodeDecodeError as error:
            said = Said(f"it is not UTF-8 (at its byte {error.start})", f"不是 UTF-8（该行第 {error.start} 字节处）")
            self._take_bad(place, number, line, said)
            return
        if not row.keys() <= self._columns.keys():
            self._take_names(row, number)
        self.rows.append(row)
        self.lines.append(text)
        self._order.append(place)
        self._source_rows.append(number)

    def pages(self, pager: Pager) -> Iterator[RawPage]:
        """The pages of these lines."""
        if not self.count:
            return
        columns = {name: self._column(name) for name in self._columns}
        table = with_absent(pa.table(columns), len(self.rows), self._fields) if self.rows else pa.table(columns)
        order = np.array(self._order, dtype=np.int64)
        source_rows = np.array(self._source_rows, dtype=np.int64)
        malformed = sorted(self.malformed)
        bad = {place for place, *_ in malformed}
        if len(order) + len(malformed) != self.count:  # a value can't be stored: its row was made malformed
            keep = np.array([place not in bad for place in self._order], dtype=bool)
            table, order, source_rows = table.filter(pa.array(keep)), order[keep], source_rows[keep]
        self._clear()
        yield from pager.add(table, order=order, source_rows=source_rows, malformed=malformed)

    def _take_bad(self, place: int, number: int, line: bytes, reason: str) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r").replace("\x00", "\u2400")
        self.malformed.append((place, number, text, reason))

    def _take_names(self, row: Mapping[str, Any], number: int) -> None:
        for name in row:
            if name not in self._names:
                self._refuse_name(name)
        self._names.update(row)
        if len(self._names) > MAX_COLUMNS:
            raise TooManyNames(file=self._file, line=number, bound=MAX_COLUMNS)
        self._columns |= dict.fromkeys(row)

    def _refuse_name(self, name: str) -> None:
        if name.startswith("_"):
            said = Said(
                f"names with a leading underscore are the hub's own: {_shown(name)}",
                f"以下划线开头的名称由枢纽自用：{_shown(name)}",
            )
        elif not name.strip() or len(name) > MAX_NAME or "\x00" in name or not _storable(name):
            said = Said("a name is empty, overlong or no text", "有名称为空、过长或不是文本")
        else:
            return
        raise HeaderUnusable(file=self._file, reason=said)

    def _column(self, name: str) -> pa.StringArray:
        """A column's values as text. A value that can't be stored makes its row malformed."""
        values = [row.get(name) for row in self.rows]
        try:
            made = pa.array(values, pa.string())
        except (pa.ArrowException, UnicodeEncodeError, TypeError):
            made = pa.array([self._text(at, name, value) for at, value in enumerate(values)], pa.string())
        else:
            if "" not in values and not any(value is not None and "\x00" in value for value in values):
                return made
            made = pa.array([self._text(at, name, value) for at, value in enumerate(values)], pa.string())
        return made

    def _text(self, at: int, name: str, value: Any) -> str | None:
        if value is True or value is False:
            return "true" if value else "false"
        if isinstance(value, tuple | list):
            value = _members(self.lines[at])[name]
        if not value:
            return None
        reason = None
        if "\x00" in value:
            reason = Said("a NUL character", "含 NUL 字符")
        elif not _storable(value):
            reason = Said("half of a character (a lone surrogate)", "半个字符（孤立代理项）")
        if reason is None:
            return str(value)
        if not any(place == self._order[at] for place, *_ in self.malformed[-1:]):
            line = self.lines[at].encode("utf-8", "replace")
            self.malformed.append(
                (self._order[at], self._source_rows[at], line.decode().replace("\x00", "\u2400"), reason)
            )
        return None


def _record(text: str) -> dict[str, Any]:
    """The members of a line's object. Raises _Refused."""
    start = _SPACE.match(text).end()  # type: ignore[union-attr]
    if text[start : start + 1] != "{":
        raise _Refused(Said("it is no JSON object", "不是 JSON 对象"))
    try:
        pairs, end = _scan(text, start)
    except StopIteration as stop:
        raise _Refused(
            Said(f"it is no JSON (at character {stop.value})", f"不是 JSON（第 {stop.value} 个字符处）")
        ) from None
    except json.JSONDecodeError as error:
        raise _Refused(
            Said(f"it is no JSON (at character {error.pos})", f"不是 JSON（第 {error.pos} 个字符处）")
        ) from None
    except RecursionError:
        raise _Refused(_DEEP) from None
    if end != len(text) and _SPACE.match(text, end).end() != len(text):  # type: ignore[union-attr]
        raise _Refused(Said("more stands behind its object", "对象之后还有内容"))
    row: dict[str, Any] = dict(pairs)
    if len(row) != len(pairs):
        raise _Refused(_TWICE)
    for value in row.values():
        if value.__class__ is tuple or value.__class__ is list:
            _refuse_deep(value)
    return row


_DEEP = Said(f"it is nested deeper than {MAX_DEPTH}", f"嵌套超过 {MAX_DEPTH} 层")
_TWICE = Said("an object has one name twice", "同一对象中名称重复")


def _refuse_deep(value: Any) -> None:
    """Refuses what is nested too deep or names a member twice. Objects are tuples of pairs here, arrays lists."""
    level, depth = [value], 2
    while level:
        if depth > MAX_DEPTH:
            raise _Refused(_DEEP)
        inner: list[Any] = []
        for one in level:
            members = one
            if isinstance(one, tuple):
                if len({name for name, _ in one}) != len(one):
                    raise _Refused(_TWICE)
                members = [member for _, member in one]
            inner += [member for member in members if isinstance(member, tuple | list)]
        level, depth = inner, depth + 1


def _members(text: str) -> dict[str, str]:
    """The nested values of a line's object exactly as they are written, by name; the line was parsed before."""
    found: dict[str, str] = {}
    at = text.index("{") + 1
    while True:
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
        if text[at] == "}":
            return found
        if text[at] == ",":
            at = _SPACE.match(text, at + 1).end()  # type: ignore[union-attr]
        name, at = scanstring(text, at + 1, True)
        start = _SPACE.match(text, text.index(":", at) + 1).end()  # type: ignore[union-attr]
        _, at = _scan(text, start)
        if text[start] in "{[":
            found[name] = text[start:at]


def _storable(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _shown(name: str) -> str:
    return name[:80].encode("utf-8", "replace").decode()
