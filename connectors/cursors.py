"""Cursors as text: the greatest value seen, and where the next pull starts so that late rows are met again.

A cursor's value is kept as the source wrote it (canonical text), so that it can be handed back. An overlap is a length
of time (`PT10M`, `P1D`) or a number (`100`), as the contract's `hub.cursor_overlap` says.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.errors import CursorUnusable
from contracts.model import FieldSpec

_REST = r"((?:\.\d{1,12})?(?:[Zz]|[+-]\d{2}:?\d{2})?)"
_TAIL = re.compile(r"(\.\d+)?([Zz]|[+-]\d{2}:?\d{2})?", re.ASCII)
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(rf"({shape}){_REST if '%H' in form else '()'}", re.ASCII), form)
    for shape, form in (
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "%Y-%m-%dT%H:%M:%S"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "%Y-%m-%d %H:%M:%S"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d", "%Y-%m-%dT%H:%M"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d", "%Y-%m-%d %H:%M"),
        (r"\d{8}T\d{6}", "%Y%m%dT%H%M%S"),
        (r"\d{14}", "%Y%m%d%H%M%S"),
        (r"\d{4}-\d\d-\d\d", "%Y-%m-%d"),
        (r"\d{8}", "%Y%m%d"),
        (r"\d{4}/\d\d/\d\d", "%Y/%m/%d"),
        (r"\d{4}\.\d\d\.\d\d", "%Y.%m.%d"),
        (r"\d{4}-\d\d", "%Y-%m"),
        (r"\d{4}", "%Y"),
    )
)
"""How a cursor's dates and times are written: in each of these the order of texts is the order of times."""
_NO_MOMENT = ("infinity", "-infinity")  # what PostgreSQL keeps beside times
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


class Watermark:
    """The greatest value that a pull has met."""

    def __init__(self, source: str, field: FieldSpec) -> None:
        self._source, self._field = source, field
        self._top: str | None = None
        self._met = False  # a value, readable or not

    def note(self, values: Iterable[str | None]) -> None:
        """Takes values in any order."""
        given = [value for value in values if value is not None and value.lower() not in _NO_MOMENT]
        self._met = self._met or bool(given)
        self._top = greatest(self._field, [self._top, *given])

    def after(self, saved: str | None) -> str | None:
        """Where the cursor stands after the pull. Raises CursorUnusable where values came and none could be read.

        Such a cursor would stay where it is for ever, and every pull would read the same again.
        """
        if self._met and self._top is None:
            name, kind = self._field.name, self._field.type
            raise CursorUnusable(source=self._source, reason=f"no value of {name} that came can be ordered as {kind}")
        return greatest(self._field, [saved, self._top])


def _rank(field: FieldSpec, value: str | None) -> Any:
    """What a value is compared by; None where it can't be read as the field's type."""
    if value is None:
        return None
    try:
        if field.type in ("integer", "decimal"):
            number = Decimal(value)
            return number if number.is_finite() else None
        if field.type in ("timestamp", "date"):
            moment, _, tail = _split(value)
            match = _TAIL.fullmatch(tail)
            assert match is not None  # the shape says so
            offset = datetime.strptime(match[2], "%z").utcoffset() if match[2] else None
            return moment - (offset or timedelta()), Decimal(f"0{match[1] or ''}")
    except (ValueError, InvalidOperation, OverflowError):
        return None
    return value


def _earlier(value: str, overlap: timedelta) -> str:
    """A date or time, earlier, in the same form. Raises ValueError, OverflowError."""
    moment, form, tail = _split(value)
    if "%H" in form:
        return f"{(moment - overlap).strftime(form)}{tail}"
    return (moment - timedelta(days=math.ceil(overlap / timedelta(days=1)))).strftime(form)


def _split(value: str) -> tuple[datetime, str, str]:
    """A date or time without its fraction and offset, the form it is written in, and those two as they stand."""
    for shape, form in _SHAPES:
        match = shape.fullmatch(value)
        if match is not None:
            moment = datetime.strptime(match[1], form)
            return moment, form.replace("%H:%M", "%H:%M:%S") if form.endswith("%H:%M") else form, match[2] or ""
    raise ValueError("no form that has an order")
