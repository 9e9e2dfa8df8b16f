"""The year that the records are of: the last one whose first ten months are over, so that no sound date lies ahead."""

from __future__ import annotations

from datetime import date

from demo.generate.text import day_number
from hub import clock


def closed_year(today: date | None = None) -> int:
    """This year from November on, else the year before. `today`: the hub's clock, unless given."""
    day = today or clock.today()
    return day.year if day.month >= 11 else day.year - 1


def span(year: int) -> tuple[int, int]:
    """First and last day (days since 1970-01-01) on which records are dated: 4 January to 30 October."""
    return day_number(date(year, 1, 4)), day_number(date(year, 10, 30))
