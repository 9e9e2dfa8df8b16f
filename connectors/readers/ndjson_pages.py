"""JSON objects, one a line, into pages of text columns: numbers as they were written, null as no value.

A line that is no flat account of one record (no object, broken, nested too deeply, a name twice) is a MalformedRow: quarantined, not
lost. What is an object or a list inside a record keeps its JSON text. An empty line is no row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from connectors.pushed.errors import LineTooLong, NoRecords, TooManyNames
from connectors.readers.header import MAX_COLUMNS, MAX_NAME
from connectors.readers.paging import Pager
from connectors.readers.text import Readable
from contracts.page import Around, RawPage
from hub.said import Said

MAX_LINE = 1 << 20
MAX_DEPTH = 64
_BLOCK = 1 << 18
_MARK = b"\xef\xbb\xbf"


class _Bad(ValueError):
    """Why a line is no record."""


def ndjson_pages(raw: Readable, file: str, page_rows: int, *, around: Around | None = None) -> Iterator[RawPage]:
    """Pages of a body; `source_rows` are its lines, from 1. Raises NoRecords, LineTooLong, TooManyNames."""
    around = Around() if around is None else around
    pager = Pager(file, page_rows)
    names: dict[str, None] = {}
    rows: list[dict[str, str | None]] = []
    order: list[int] = []
    lines: list[int] = []
    bad: list[tuple[int, int, str, str]] = []
    place, records, size = 0, 0, 0

    def page() -> Iterator[RawPage]:
        columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
        table = pa.table(columns) if columns else pa.table({})
        yield from pager.add(
            table,
            order=np.array(order, dtype=np.int64),
            source_rows=np.array(lines, dtype=np.int64),
            malformed=bad,
        )

    for number, line in _lines(raw, file):
        text = line.strip()
        if not text:
            continue
        try:
            record = _record(text)
        except _Bad as error:
            bad.append((place, number, line.decode("utf-8", "backslashreplace"), str(error)))
        else:
            for name in record:
                if name not in names:
                    names[name] = None
                    around.headers.append(name)
            if len(names) > MAX_COLUMNS:
                raise TooManyNames(file=file, line=number, bound=MAX_COLUMNS)
            rows.append(record)
            order.append(place)
            lines.append(number)
            records += 1
        place, size = place + 1, size + len(line)
        if len(rows) >= page_rows or len(bad) >= page_rows or size > 32 << 20:
            if rows:
                yield from page()
                rows, order, lines, bad, place, size = [], [], [], [], 0, 0
            elif len(bad) >= page_rows:
                raise NoRecords(file=file, reason=_nothing(bad))
    if not records:
        raise NoRecords(file=file, reason=_nothing(bad))
    if rows or bad:
        yield from page()
    yield from pager.finish()


def _nothing(bad: list[tuple[int, int, str, str]]) -> Said:
    if not bad:
        return Said("it is empty", "内容为空")
    return Said(f"line {bad[0][1]}: {bad[0][3]}", f"第 {bad[0][1]} 行：{_ZH.get(bad[0][3], bad[0][3])}")


_ZH = {
    "no JSON": "不是 JSON",
    "no JSON object": "不是 JSON 对象",
    "no UTF-8": "不是 UTF-8",
    "a name comes twice": "名称重复",
    "nested too deeply": "嵌套过深",
    "an object without any name": "对象没有任何名称",
    "a name that is empty or too long": "名称为空或过长",
    "a NUL character": "含有空字符",
    "half of a character": "含有不完整的字符",
}


def _lines(raw: Readable, file: str) -> Iterator[tuple[int, bytes]]:
    rest, number, first = b"", 0, True
    while True:
        block = raw.read(_BLOCK)
        if first and block:
            first = False
            block = block.removeprefix(_MARK)
        whole = rest + block
        parts = whole.split(b"\n")
        rest = parts.pop() if block else b""
        for line in parts:
            number += 1
            if len(line) > MAX_LINE:
                raise LineTooLong(file=file, line=number, bound=MAX_LINE)
            yield number, line
        if len(rest) > MAX_LINE:
            raise LineTooLong(file=file, line=number + 1, bound=MAX_LINE)
        if not block:
            return


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Bad("a name comes twice")
    return found


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


def _constant(_: str) -> Any:
    raise _Bad("no JSON")  # NaN and Infinity are Python's own


_decode = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_float=_Number, parse_int=_Number, parse_constant=_constant
).decode


def _record(line: bytes) -> dict[str, str | None]:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise _Bad("no UTF-8") from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise _Bad("nested too deeply")
    try:
        found = _decode(text)
    except _Bad:
        raise
    except (ValueError, RecursionError):
        raise _Bad("no JSON") from None
    if not isinstance(found, dict):
        raise _Bad("no JSON object")
    if not found:
        raise _Bad("an object without any name")
    record: dict[str, str | None] = {}
    for name, value in found.items():
        if not name.strip() or len(name) > MAX_NAME:
            raise _Bad("a name that is empty or too long")
        record[name] = _text(value)
    joined = "".join(filter(None, (*record, *record.values())))
    if "\x00" in joined:
        raise _Bad("a NUL character")
    if not joined.isascii() and any("\ud800" <= sign <= "\udfff" for sign in joined):
        raise _Bad("half of a character")
    return record


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if value is True or value is False:
        return "true" if value else "false"
    return str(value) if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    """JSON of what is nested; numbers as they were written."""
    if isinstance(value, dict):
        return (
            "{" + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{_json(one)}" for name, one in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    return str(value) if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)


def _depth(text: str) -> int:
    """How deeply brackets are nested, outside of strings."""
    deepest = depth = 0
    quoted = escaped = False
    for sign in text:
        if quoted:
            quoted = sign != '"' or escaped
            escaped = sign == "\\" and not escaped
        elif sign == '"':
            quoted = True
        elif sign in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in "]}":
            depth -= 1
    return deepest
