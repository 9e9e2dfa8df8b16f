"""The one clock. Code asks it, never `datetime.now`, so that tests and backfills can set the time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8), "+08:00")

ZONE = ("北京时间", "Beijing time")
"""The hub's display zone in words: beside a time that `shown` gave."""

VARIABLE = "HUB_NOW"
"""Environment variable that sets the clock."""

_fixed: ContextVar[datetime | None] = ContextVar("fixed", default=None)


def now() -> datetime:
    """The current UTC instant, or the one set by `at` or by HUB_NOW (RFC 3339, for deterministic runs)."""
    fixed = _fixed.get()
    if fixed is not None:
        return fixed
    forced = os.environ.get(VARIABLE)
    return datetime.fromisoformat(forced).astimezone(UTC) if forced else datetime.now(UTC)


def today() -> date:
    """The current date in the hub's legal time zone (+08:00)."""
    return now().astimezone(BEIJING).date()


def shown(instant: datetime, *, seconds: bool = True) -> str:
    """An instant as the hub's pages show it: Beijing's day and time, in one line; `ZONE` says so beside it."""
    return f"{instant.astimezone(BEIJING):{'%Y-%m-%d %H:%M:%S' if seconds else '%Y-%m-%d %H:%M'}}"


@contextmanager
def at(instant: datetime) -> Iterator[None]:
    """Fixes the clock inside the block."""
    token = _fixed.set(instant)
    try:
        yield
    finally:
        _fixed.reset(token)
