"""Times read one text at a time, to hold the columns' reader against."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from contracts.dates import DATE_ALONE, parse_date
from hub.clock import BEIJING

_TIME = r"\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?"
_STAMPS: dict[str, re.Pattern[str]] = {
    form: re.compile(pattern, re.ASCII)
    for form, pattern in {
        "rfc3339": rf"[1-9]\d{{3}}-\d{{2}}-\d{{2}}[Tt ]{_TIME}(?:[Zz]|[+-]\d{{2}}:\d{{2}})",
        "beijing": rf"[1-9]\d{{3}}-\d{{2}}-\d{{2}}[T ]{_TIME}",
        "utc": rf"[1-9]\d{{3}}-\d{{2}}-\d{{2}}[T ]{_TIME}",
        "YYYYMMDDHHMMSS": r"[1-9]\d{13}",
    }.items()
}


def parse_timestamp(text: str, forms: Sequence[str]) -> datetime | None:
    """The UTC instant by the first form that fits and gives a real time; None where none does."""
    for form in forms:
        try:
            found = _timestamp(text, form)
        except (ValueError, OverflowError):
            continue
        if found is not None:
            return found
    return None


def _timestamp(text: str, form: str) -> datetime | None:
    if form == "date":
        day = parse_date(text, DATE_ALONE)
        return None if day is None else datetime(day.year, day.month, day.day, tzinfo=BEIJING).astimezone(UTC)
    if _STAMPS[form].fullmatch(text) is None:
        return None
    if form == "YYYYMMDDHHMMSS":
        stamp = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING)
    else:
        stamp = datetime.fromisoformat(text.upper())
        if form != "rfc3339":
            stamp = stamp.replace(tzinfo=UTC if form == "utc" else BEIJING)
    return stamp.astimezone(UTC)
