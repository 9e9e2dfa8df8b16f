"""Columns of dates and times. Distinct dates are read one by one (there are few); times go through Arrow's parser."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts import dates
from contracts.normalise.buffers import text_bytes, to_mask
from contracts.normalise.casting import Parsed, cast_or_null

INSTANT = pa.timestamp("us", tz="UTC")
_LAST = 253_402_300_799_999_999  # the last microsecond of year 9999, beyond which no client reads a time
_FIRST = -30_610_224_000_000_000  # 1000-01-01T00:00:00Z
_BEIJING = timedelta(hours=8)
_TIME = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_DAY = r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}"
_RFC3339 = rf"^{_DAY}[Tt ]{_TIME}(?:[Zz]|[+-][0-9]{{2}}:[0-9]{{2}})$"
_NAIVE = rf"^{_DAY}[T ]{_TIME}$"
_COMPACT = r"^([1-9][0-9]{3})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})$"


def parse_dates(values: pa.StringArray, forms: Sequence[str], known: dict[str, date | None]) -> Parsed:
    """date32 of distinct texts. `known` keeps what was read before, for later pages; it is bounded here."""
    texts = values.to_pylist()
    if len(known) > 50_000:
        known.clear()
    found: list[date | None] = []
    changed = np.zeros(len(texts), dtype=np.bool_)
    for at, text in enumerate(texts):
        if text is None:
            found.append(None)
            continue
        if text in known:
            day = known.get(text)
        else:
            day = known[text] = dates.parse_date(text, forms)
        found.append(day)
        changed[at] = day is not None and day.isoformat() != text
    typed = pa.array(found, pa.date32())
    return Parsed(typed, to_mask(pc.and_(pc.is_null(typed), pc.is_valid(values))), changed)


def parse_timestamps(values: pa.StringArray, forms: Sequence[str], known: dict[str, date | None]) -> Parsed:
    """Instants in UTC. A form fits by its shape first, then by giving a real time."""
    typed = pa.nulls(len(values), INSTANT)
    for form in forms:
        if form == "date":
            days = parse_dates(values, dates.DATE_ALONE, known).typed
            read = pc.subtract(days.cast(pa.timestamp("us")), pa.scalar(_BEIJING, pa.duration("us"))).cast(INSTANT)
        else:
            read = _read(values, form)
        typed = pc.coalesce(typed, read)
        if typed.null_count == values.null_count:
            break
    number = typed.cast(pa.int64())
    inside = pc.and_(pc.less_equal(number, _LAST), pc.greater_equal(number, _FIRST))
    if not pc.all(inside).as_py():
        typed = pc.if_else(inside, typed, pa.scalar(None, INSTANT))
    bad = to_mask(pc.and_(pc.is_null(typed), pc.is_valid(values)))
    return Parsed(typed, bad, to_mask(pc.is_valid(typed)) & ~to_mask(pc.ends_with(values, "Z")))


def _read(values: pa.StringArray, form: str) -> pa.Array:
    pattern = {"rfc3339": _RFC3339, "YYYYMMDDHHMMSS": _COMPACT}.get(form, _NAIVE)
    fits = pc.match_substring_regex(values, pattern)
    some = values if pc.all(fits).as_py() else pc.if_else(fits, values, pa.scalar(None, pa.string()))
    if form == "rfc3339":
        data = text_bytes(some).data
        lower = bool((data >= ord("t")).any())  # t and z
        return cast_or_null(pc.utf8_upper(some) if lower else some, INSTANT)
    if form == "YYYYMMDDHHMMSS":
        some = pc.replace_substring_regex(some, _COMPACT, r"\1-\2-\3T\4:\5:\6")
    naive = cast_or_null(some, pa.timestamp("us"))
    if form != "utc":
        naive = pc.subtract(naive, pa.scalar(_BEIJING, pa.duration("us")))
    return naive.cast(INSTANT)
