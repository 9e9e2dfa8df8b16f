"""JSON records as text columns: numbers as they were written, nested values by the contract's dotted names or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from connectors.errors import HeaderUnusable, ResponseInvalid, TooManyColumns
from connectors.readers.header import MAX_COLUMNS, MAX_NAME
from contracts.header_form import header_form
from hub.said import Said

MAX_DEPTH = 50
_Malformed = tuple[int, int, str, str]  # place, source row, text, reason: what Pager takes


class Number(str):
    """A JSON number as it was written: a float would lose digits."""

    __slots__ = ()


def parsed(url: str, body: bytes) -> Any:
    """The JSON document. Raises ResponseInvalid: not UTF-8, not JSON, NaN, a doubled name, nested too deep."""
    try:
        return json.loads(
            body.decode("utf-8-sig"),
            parse_int=Number,
            parse_float=Number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except RecursionError:
        raise ResponseInvalid(url=url, reason=Said("it is nested too deep", "嵌套过深")) from None
    except UnicodeDecodeError:
        raise ResponseInvalid(url=url, reason=Said("it is not UTF-8", "不是 UTF-8")) from None
    except json.JSONDecodeError as error:
        raise ResponseInvalid(
            url=url,
            reason=Said(
                f"it is no JSON: {error.msg} at character {error.pos}", f"不是 JSON：第 {error.pos} 个字符处有误"
            ),
        ) from None
    except ValueError as error:
        raise ResponseInvalid(url=url, reason=str(error)) from None


class Shape:
    """How records become columns: the contract's names, and what it ignores."""

    def __init__(self, fields: Mapping[str, tuple[str, ...]], ignored: Iterable[str]) -> None:
        self._fields = fields
        self._ignored = frozenset(header_form(name) for name in ignored)
        names = {header_form(name) for own in fields.values() for name in own} | self._ignored
        # An object is opened only where a name of the contract lies inside it.
        self._opened = {name[:at] for name in names for at, letter in enumerate(name) if letter == "."}

    def table(self, url: str, records: list[Any]) -> tuple[pa.Table, np.ndarray, list[_Malformed]]:
        """(columns, places of the rows among the records, malformed records). Places and source rows count from 1.

        Raises HeaderUnusable, TooManyColumns, ResponseInvalid.
        """
        rows: list[dict[str, str | None]] = []
        places: list[int] = []
        malformed: list[_Malformed] = []
        columns: dict[str, None] = {}
        for place, record in enumerate(records, 1):
            if not isinstance(record, dict):
                malformed.append((place, place, written(url, record), Said("it is no JSON object", "不是 JSON 对象")))
                continue
            row = self._flat(url, record)
            reason = _unstorable(row)
            if reason:
                malformed.append((place, place, _shown(written(url, record)), reason))
                continue
            rows.append(row)
            places.append(place)
            columns |= dict.fromkeys(row)
        self._check(url, columns)
        data = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in columns}
        there = {header_form(name) for name in data}
        for names in self._fields.values():
            if not any(header_form(name) in there for name in names):
                # An absent member is no value, not a missing column.
                data[names[0]] = pa.nulls(len(rows), pa.string())
        return pa.table(data), np.array(places, dtype=np.int64), malformed

    def _flat(self, url: str, record: Mapping[str, Any], above: str = "") -> dict[str, str | None]:
        out: dict[str, str | None] = {}
        for key, value in record.items():
            name = above + key
            if isinstance(value, dict) and header_form(name) in self._opened:
                inner = self._flat(url, value, name + ".")
            elif name.startswith("_") and header_form(name) in self._ignored:
                continue
            else:
                inner = {name: _text(url, value)}
            if not out.keys().isdisjoint(inner):
                raise HeaderUnusable(
                    file=url, reason=Said(f"two members are both {name[:80]}", f"有两个成员同名：{name[:80]}")
                )
            out |= inner
        return out

    def _check(self, url: str, columns: Mapping[str, None]) -> None:
        if len(columns) > MAX_COLUMNS:
            raise TooManyColumns(file=url, columns=len(columns), bound=MAX_COLUMNS)
        for name in columns:
            if name.startswith("_"):
                reason = Said(
                    f"names with a leading underscore are the hub's own: {name[:80]} (or list it in `hub.ignored`)",
                    f"以下划线开头的名称由枢纽自用：{name[:80]}（或列入 `hub.ignored`）",
                )
                raise HeaderUnusable(file=url, reason=reason)
            if not name.strip() or len(name) > MAX_NAME or "\x00" in name or not _storable(name):
                raise HeaderUnusable(
                    file=url, reason=Said("a member's name is empty, overlong or no text", "成员名为空、过长或不是文本")
                )


def written(url: str, value: Any, depth: int = 0) -> str:
    """Canonical JSON of a value: members sorted, no white space, numbers as they came. Raises ResponseInvalid."""
    if depth > MAX_DEPTH:
        raise ResponseInvalid(url=url, reason=Said(f"it is nested deeper than {MAX_DEPTH}", f"嵌套超过 {MAX_DEPTH} 层"))
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        inner = (f"{_quoted(key)}:{written(url, value[key], depth + 1)}" for key in sorted(value))
        return "{" + ",".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(url, item, depth + 1) for item in value) + "]"
    return _quoted(value)


def _text(url: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return written(url, value)


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("an object has one member twice")
    return made


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"it holds {name}, which JSON does not have")


def _unstorable(row: Mapping[str, str | None]) -> str | None:
    for value in row.values():
        if value is not None and not value.isascii() and not _storable(value):
            return Said("half of a character (a lone surrogate)", "半个字符（孤立代理项）")
        if value is not None and "\x00" in value:
            return "a NUL character"
    return None


def _storable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _shown(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\u2400")
