"""Dates and times in the forms that sources write (domain.md §1.5), read one text at a time.

Columns hold few distinct dates: callers read each distinct text once. A two-digit year follows POSIX: 00-68 are
20xx, 69-99 are 19xx.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

PIVOT = 69  # two-digit years from here on are 19xx
MONTHS = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
NO_DATES = frozenset({"00000000", "0000-00-00"})  # how exports write an empty date

_MONTH_NAMES = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sept?|Oct|Nov|Dec"
_TIME = r"\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?"
_DATES: dict[str, re.Pattern[str]] = {
    form: re.compile(pattern, re.ASCII | re.IGNORECASE)
    for form, pattern in {
        "YYYY-MM-DD": r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})",
        "YYYYMMDD": r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})",
        "YYYY/M/D": r"(?P<y>\d{4})/(?P<m>\d{1,2})/(?P<d>\d{1,2})",
        "YYYY.M.D": r"(?P<y>\d{4})\.(?P<m>\d{1,2})\.(?P<d>\d{1,2})",
        "YYYY年M月D日": r"(?P<y>\d{4})\s?年\s?(?P<m>\d{1,2})\s?月\s?(?P<d>\d{1,2})\s?日",
        "DD/MM/YYYY": r"(?P<d>\d{1,2})/(?P<m>\d{1,2})/(?P<y>\d{4})",
        "MM/DD/YYYY": r"(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{4})",
        "DD-Mon-YY": rf"(?P<d>\d{{1,2}})-(?P<b>{_MONTH_NAMES})-(?P<s>\d{{2}})",
        "DD-Mon-YYYY": rf"(?P<d>\d{{1,2}})-(?P<b>{_MONTH_NAMES})-(?P<y>\d{{4}})",
        "YYYY-MM": r"(?P<y>\d{4})-(?P<m>\d{2})",
        "YYYY": r"(?P<y>\d{4})",
        "timestamp": rf"(?P<y>\d{{4}})-(?P<m>\d{{2}})-(?P<d>\d{{2}})[T ]{_TIME}(?:Z|[+-]\d{{2}}:?\d{{2}})?",
    }.items()
}
DATE_ALONE = ("YYYY-MM-DD", "YYYYMMDD", "YYYY/M/D", "YYYY.M.D", "YYYY年M月D日")


def parse_date(text: str, forms: Sequence[str]) -> date | None:
    """The date by the first form that fits and gives a real day; None where none does."""
    for form in forms:
        match = _DATES[form].fullmatch(text)
        if match is None:
            continue
        parts = match.groupdict()
        year = int(parts["y"]) if parts.get("y") else _full_year(int(parts["s"]))
        month = MONTHS[parts["b"][:3].lower()] if parts.get("b") else int(parts.get("m") or 1)
        try:
            return date(year, month, int(parts.get("d") or 1))
        except ValueError:
            continue
    return None


def _full_year(short: int) -> int:
    return short + (1900 if short >= PIVOT else 2000)
