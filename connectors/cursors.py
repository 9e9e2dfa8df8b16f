"""Cursors as text: the greatest value seen, and where the next pull starts so that late rows are met again.

A cursor's value is kept as the source wrote it (canonical text), so that it can be handed back. An overlap is a length
of time (`PT10M`, `P1D`) or a number (`100`), as the contract's `hub.cursor_overlap` says.

A date or time after the pull began is a slip at the source. It moves no cursor: every later pull would start behind it
and pass over all rows between. (Of a number or a text nobody can tell.)
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.errors import CursorUnusable
from contracts.model import FieldSpec
from hub import clock, log
from hub.clock import BEIJING
from hub.said import Said

AHEAD_INSTANT = timedelta(minutes=5)
AHEAD_DAY = timedelta(days=1)
"""How far a source's clock, or its day, may be ahead of the hub's."""

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
            source=source,
            reason=Said(
                f"the overlap {text[:40]} is neither a duration (PT10M) nor a number",
                f"回看长度 {text[:40]} 既不是时长（PT10M）也不是数字",
            ),
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
        raise CursorUnusable(
            source=source,
            reason=Said("its saved value and the overlap are not of one kind", "保存的值与回看长度不属同一类型"),
        ) from None


def greatest(field: FieldSpec, values: Iterable[str | None]) -> str | None:
    """The greatest of a cursor field's values by the field's type; unreadable ones are passed over."""
    best: tuple[Any, str] | None = None
    for value in values:
        rank = _rank(field, value)
        if value is not None and rank is not None and (best is None or rank > best[0]):
            best = (rank, value)
    return best[1] if best else None


def refuse_ahead(source: str, field: FieldSpec, saved: str) -> None:
    """Raises CursorUnusable for a saved value days ahead of the clock: nothing new would be read until then.

    Within a day it's the hub's clock that was set back, which passes.
    """
    if _ahead(field, saved, clock.now() + timedelta(days=1)):
        raise CursorUnusable(source=source, reason=Said("its saved value lies in the future", "保存的值在未来"))


class Watermark:
    """The greatest value that a pull has met and that does not lie in the future."""

    def __init__(self, source: str, field: FieldSpec) -> None:
        self._source, self._field = source, field
        self._began = clock.now()
        self._top: str | None = None
        self._met = False  # a value, readable or not
        self._passed_over = 0

    def ahead(self, value: str) -> bool:
        """Whether a value lies after the pull began, and further than clocks differ."""
        return _ahead(self._field, value, self._began)

    def note(self, values: Iterable[str | None]) -> None:
        """Takes values in any order."""
        given = [value for value in values if value is not None and value.lower() not in _NO_MOMENT]
        self._met = self._met or bool(given)
        top = greatest(self._field, given)
        if top is not None and self.ahead(top):
            behind = [value for value in given if not self.ahead(value)]
            self._passed_over += len(given) - len(behind)
            top = greatest(self._field, behind)
        self._top = greatest(self._field, [self._top, top])

    def after(self, saved: str | None) -> str | None:
        """Where the cursor stands after the pull. Raises CursorUnusable where values came and none could be read.

        Such a cursor would stay where it is for ever, and every pull would read the same again.
        """
        if self._passed_over:
            log.get("cursor").warning(
                "values of the cursor's field lie in the future: the cursor passes over them",
                source=self._source,
                field=self._field.name,
                rows=self._passed_over,
            )
        elif self._met and self._top is None:
            name, kind = self._field.name, self._field.type
            raise CursorUnusable(
                source=self._source,
                reason=Said(
                    f"no value of {name} that came can be ordered as {kind}",
                    f"收到的 {name} 没有一个值能按 {kind} 排序",
                ),
            )
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
            fraction, offset = _ending(tail)
            return moment - (offset or timedelta()), fraction
    except (ValueError, InvalidOperation, OverflowError):
        return None
    return value


def _ahead(field: FieldSpec, value: str, now: datetime) -> bool:
    """Whether a date or time lies after `now`, and further than clocks differ; one without zone is Beijing's."""
    if field.type not in ("timestamp", "date"):
        return False
    try:
        moment, form, tail = _split(value)
        _, offset = _ending(tail)
    except (ValueError, OverflowError):
        return False  # unreadable: it moves nothing anyway
    if "%H" not in form:
        return moment.date() > (now.astimezone(BEIJING) + AHEAD_DAY).date()
    return moment.replace(tzinfo=BEIJING if offset is None else timezone(offset)) > now + AHEAD_INSTANT


def _ending(tail: str) -> tuple[Decimal, timedelta | None]:
    """(fraction of the second, offset) as they stand after a time. Raises ValueError."""
    match = _TAIL.fullmatch(tail)
    assert match is not None  # the shape says so
    offset = datetime.strptime(match[2].upper(), "%z").utcoffset() if match[2] else None
    return Decimal(f"0{match[1] or ''}"), offset


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
