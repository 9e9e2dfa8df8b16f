"""A database's values as canonical text, a column at a time.

Dates are ISO 8601, instants RFC 3339 in UTC, numbers plain (no exponent), booleans true and false.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import ColumnUnsupported


def from_python(table: str, column: str, values: Sequence[Any]) -> pa.Array:
    """Python values (any driver) as text. Raises ColumnUnsupported on bytes and foreign objects."""
    kinds = set(map(type, values)) - {type(None)}
    if kinds <= {str}:
        return pa.array(values, pa.string())
    writers: dict[type, Callable[[Any], str]] = {kind: _writer(table, column, kind) for kind in kinds}
    return pa.array([None if value is None else writers[type(value)](value) for value in values], pa.string())


def from_postgres(values: pa.Array, kind: str) -> pa.Array:
    """PostgreSQL's own text (DateStyle ISO, TimeZone UTC) as canonical text; `kind` is a column's (connectors.sql.columns)."""
    if kind == "instant":
        values = pc.replace_substring_regex(values, r"^(\d{4,6}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)\+00$", r"\1T\2Z")
    elif kind == "moment":
        values = pc.replace_substring_regex(values, r"^(\d{4,6}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)$", r"\1T\2")
    elif kind == "float" and pc.any(pc.match_substring(values, "e")).as_py():
        values = pa.array([_plain(value) for value in values.to_pylist()], pa.string())
    return values


def _writer(table: str, column: str, kind: type) -> Callable[[Any], str]:
    if kind is str:
        return str
    if kind is bool:
        return lambda value: "true" if value else "false"
    for known, write in _WRITERS:
        if issubclass(kind, known):
            return write
    raise ColumnUnsupported(table=table, column=column, type=kind.__name__)


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat()
    return value.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def _plain(value: str | None) -> str | None:
    return format(Decimal(value), "f") if value is not None and "e" in value else value


def _float(value: float) -> str:
    text = repr(value)
    return text if "n" in text else format(Decimal(text), "f").removesuffix(".0")  # nan, inf


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)


_WRITERS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (int, str),
    (float, _float),
    (Decimal, lambda value: format(value, "f")),
    (datetime, _instant),
    (date, date.isoformat),
    (time, time.isoformat),
    (timedelta, lambda value: f"PT{_float(value.total_seconds())}S"),
    (uuid.UUID, str),
    ((dict, list, tuple), _json),
)
