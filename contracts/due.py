"""When a schedule comes next. Apart from `contracts.cron`, which only checks: this loads what Airflow goes by."""

from __future__ import annotations

from datetime import UTC, datetime

from croniter import croniter

from hub.clock import BEIJING


def next_due(schedule: str, after: datetime) -> datetime:
    """The first instant (UTC) after `after` that a cron expression of five fields names, in the hub's legal time zone.

    Read by the library that Airflow reads it with, so that a feed's turns fall where its runs would.
    """
    local = after.astimezone(BEIJING).replace(tzinfo=None)
    found: datetime = croniter(schedule, local).get_next(datetime)
    return found.replace(tzinfo=BEIJING).astimezone(UTC)
