"""Cursors as text: the greatest value seen, and where the next pull starts so that late rows are met again.

A cursor's value is kept as the source wrote it (canonical text), so that it can be handed back. An overlap is a length
of time (`PT10M`, `P1D`) or a number (`100`), as the contract's `hub.cursor_overlap` says.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.errors import CursorUnusable
from contracts.model import FieldSpec

_DURATION = re.compile(r"^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$")


def overlap_of(source: str, text: str | None) -> timedelta | Decimal | None:
    """Reads an overlap. Raises CursorUnusable."""
    if text is None:
        return None
    match = _DURATION.match(text)
    if match and any(match.groups()) and not text.endswith("T"):
        weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise CursorUnusable(
            source=source, reason=f"the overlap {text[:40]} is neither a duration (PT10M) nor a number"
        )
    return number


def start_of(source: str, value: str, overlap: timedelta | Decimal | None) -> str:
    """Where the next pull starts: the value less the overlap, in the value's own form. Raises CursorUnusable."""
    if not overlap:
        return value
    try:
        if isinstance(overlap, Decimal):
            return format(Decimal(value) - overlap, "f")
        return _earlier(value, overlap)
    except (ValueError, InvalidOperation, OverflowError):
        raise CursorUnusable(source=source, reason="its saved value and the overlap are not of one kind") from None


def greatest(field: FieldSpec, values: Iterable[str | None]) -> str | None:
    """The greatest of a cursor field's values by the field's type; unreadable ones are passed over."""
    best: tuple[Any, str] | None = None
    for value in values:
        rank = _rank(field, value)
        if value is not None and rank is not None and (best is None or rank > best[0]):
            best = (rank, value)
    return best[1] if best else None


def _rank(field: FieldSpec, value: str | None) -> Any:
    """What a value is compared by; None where it can't be read as the field's type."""
    if value is None:
        return None
    try:
        if field.type in ("integer", "decimal"):
            number = Decimal(value)
            return number if number.is_finite() else None
        if field.type == "timestamp":
            moment = datetime.fromisoformat(value)
            return moment.timestamp() if moment.tzinfo else (moment - datetime(1970, 1, 1)).total_seconds()
        if field.type == "date":
            return datetime.fromisoformat(value).date()
    except (ValueError, InvalidOperation, OverflowError):
        return None
    return value


def _earlier(value: str, overlap: timedelta) -> str:
    """A date or time, earlier, in the same form."""
    days = timedelta(days=math.ceil(overlap / timedelta(days=1)))
    if re.fullmatch(r"\d{8}", value):
        return (date.fromisoformat(value) - days).strftime("%Y%m%d")
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return (date.fromisoformat(value) - days).isoformat()
    moment = datetime.fromisoformat(value) - overlap
    text = moment.isoformat(sep=value[10], timespec="auto" if "." in value else "seconds")
    return text.removesuffix("+00:00") + "Z" if value.endswith("Z") else text
