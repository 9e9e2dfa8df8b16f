"""Runs that were not done by their deadline. Airflow keeps the time and tells; the book keeps the alarm.

It is over when that run is done after all (`dags.deadline` asks Airflow), or when a later one has gone through the feed's sources.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from exchange.alarms import book
from exchange.alarms.book import Notice
from exchange.alarms.conditions import Condition
from hub.ids import FeedId
from warehouse.engine import connection
from warehouse.tables import alarm

STATES = {"queued": ("is still waiting", "仍在排队"), "failed": ("has failed", "已失败")}
"""A run's states in words; any other: it is still under way."""


@dataclass(frozen=True, slots=True)
class Late:
    """A run whose deadline has passed."""

    feed: FeedId
    run: str
    minutes: float  # given to it, from when it was queued
    state: str  # Airflow's, when the deadline passed


@dataclass(frozen=True, slots=True)
class OpenDeadline:
    """An alarm of such a run that is not over yet."""

    alarm: int
    feed: FeedId
    run: str


def tell(late: Late) -> list[Notice]:
    """Raises the alarm, or says it again where that is due; of a feed one is open at a time. Raises DatabaseUnavailable."""
    state, state_zh = STATES.get(late.state, ("is still under way", "仍在运行"))
    en = f"a run of {late.feed} {state} {late.minutes:g} min after it was queued, the time that its contract leaves it: {late.run}"
    zh = f"数据源 {late.feed} 的运行在排队 {late.minutes:g} 分钟（契约时限）后{state_zh}：{late.run}"
    facts = {"run": late.run, "minutes": late.minutes, "state": late.state}
    return book.tell(Condition(late.feed, "deadline", en, zh, f"hub feed status {late.feed}", facts))


def open_ones() -> list[OpenDeadline]:
    """Those that are open, the oldest first. Raises DatabaseUnavailable."""
    query = sa.select(alarm).where(alarm.c.kind == "deadline", alarm.c.cleared_at.is_(None)).order_by(alarm.c.alarm_no)
    with connection() as conn:
        return [
            OpenDeadline(row.alarm_no, FeedId(row.object), str(row.facts.get("run", "")))
            for row in conn.execute(query).all()
        ]
