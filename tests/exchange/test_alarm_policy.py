"""Alarms at their edges: what is said when, of which batch, in which order, and what a size is while files go."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from contracts.model import FeedContract, Sla
from exchange.alarms import book, conditions, webhook
from exchange.alarms.conditions import Condition
from hub import clock
from hub.settings import settings
from tests.exchange.test_alarms import NOW, PROMISED, Receiver, look, receiver, send
from tests.warehouse.feeds import HELD, contract, drop, row, rows
from warehouse import way
from warehouse.engine import connection, transaction
from warehouse.feeds import pausing
from warehouse.quarantine import replay
from warehouse.store import Store
from warehouse.tables import alarm, alarm_notice, batch

pytestmark = pytest.mark.stack
__all__ = ["receiver"]

STRICT = contract(batch_rules=(HELD,))
ORDERED = {"operator": "Op One", "reason": "the sender said so"}


def bodies() -> list[dict[str, Any]]:
    """What was said, in order."""
    with connection() as conn:
        order = alarm_notice.c.alarm_no, alarm_notice.c.notice_no
        return [json.loads(body) for body in conn.scalars(sa.select(alarm_notice.c.body).order_by(*order))]


def test_facts_are_of_the_newest_look_and_since_is_when_it_began(agency: Path) -> None:
    drop(agency, "a.csv", rows(2))
    way.run_feed(PROMISED)
    assert len(look(PROMISED, after=3)) == 1
    assert look(PROMISED, after=20) == []
    with connection() as conn:
        facts, since = conn.execute(sa.select(alarm.c.facts, alarm.c.raised_at)).one()
    assert 19 < facts["age_hours"] <= 20 and f"{facts['age_hours']} h" in facts["en"] and "小时" in facts["zh"]
    assert since == NOW + timedelta(hours=3)
    assert [change for _, _, change in look(PROMISED, after=30)] == ["repeated"]
    drop(agency, "b.csv", rows(2, first=9))
    with clock.at(NOW + timedelta(hours=31)), transaction() as conn:
        conn.execute(sa.update(batch).values(landed_at=clock.now()))
    assert [change for _, _, change in look(PROMISED, after=31)] == ["cleared"]
    said = bodies()
    assert [one["change"] for one in said] == ["raised", "repeated", "cleared"]
    assert {datetime.fromisoformat(one["since"]) for one in said} == {since}
    assert [one["notice"] for one in said] == [1, 2, 3] and 29 < float(said[1]["facts"]["age_hours"]) <= 30


def test_hours_of_zero_mean_never_again(agency: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_ALARM_REPEAT_HOURS", "0")
    settings.cache_clear()
    drop(agency, "a.csv", rows(2))
    way.run_feed(PROMISED)
    assert len(look(PROMISED, after=3)) == 1
    assert look(PROMISED, after=3) == look(PROMISED, after=1000) == []


def kinds(feed: FeedContract) -> set[tuple[str, str]]:
    return {(kind, change) for _, kind, change in look(feed)}


def test_the_volume_is_that_of_the_newest_delivery_also_where_it_was_rejected(agency: Path) -> None:
    drop(agency, "a.csv", [row(1), row(2)])
    (held,) = way.run_feed(STRICT)
    assert kinds(STRICT) == {("held", "raised"), ("volume", "raised")}
    replay.reject(STRICT, held.batch_id, **ORDERED)
    assert kinds(STRICT) == {("held", "cleared")}, "rejected: the volume that was agreed has still not come"
    drop(agency, "b.csv", rows(6, first=10))
    way.run_feed(STRICT)
    assert kinds(STRICT) == {("volume", "cleared")}
    drop(agency, "c.csv", [row(30)])
    way.run_feed(STRICT)
    assert kinds(STRICT) == {("held", "raised"), ("volume", "raised")}
    with transaction() as conn:  # as if the hub had taken what it holds once more
        conn.exec_driver_sql("update hub.batch set kind = 'rerun', state = 'rejected' where delivery = 'c.csv'")
    assert kinds(STRICT) == {("held", "cleared"), ("volume", "cleared")}, "a rerun is no delivery"


def test_events_of_a_paused_feed_still_have_to_reach_their_topic(agency: Path) -> None:
    quick = contract(sla=Sla(latency_minutes=30, freshness_hours=1))
    drop(agency, "a.csv", rows(2))
    way.run_feed(quick)
    pausing.pause(quick.id, operator="Op One", reason="repair")
    assert look(quick, after=2) == [(quick.id, "latency", "raised")]


class Entry(SimpleNamespace):
    """A file of a folder that is listed."""

    def is_dir(self, *, follow_symlinks: bool) -> bool:
        return bool(self.size is None)

    def stat(self, *, follow_symlinks: bool) -> Any:
        if self.size < 0:
            raise FileNotFoundError(self.path)
        return SimpleNamespace(st_size=self.size)


def test_what_goes_while_it_is_measured_counts_as_gone_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    folders = {
        "store": [Entry(path="a", size=1), Entry(path="gone", size=-1), Entry(path="left", size=None), Entry(path="b", size=2)],
        "left": [Entry(path="no", size=None), Entry(path="c", size=4)],
    }  # fmt: skip

    @contextmanager
    def scandir(path: Any) -> Iterator[list[Entry]]:
        if str(path) not in folders:
            raise FileNotFoundError(path)
        yield folders[str(path)]

    monkeypatch.setattr(conditions, "os", SimpleNamespace(scandir=scandir, fspath=os.fspath))
    assert conditions.size_of(Store(Path("store"))) == 7


def test_the_webhook_gets_notices_in_their_order_and_so_many_at_once(
    receiver: Receiver, agency: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.cache_clear()
    for at, name in enumerate(("c", "a", "b")):
        with clock.at(NOW + timedelta(seconds=at)):
            book.tell(Condition(name, "deadline", name, name, ""))
    monkeypatch.setattr(webhook, "AT_ONCE", 2)
    assert send(1) == webhook.Sent(2, 0, 0)
    receiver.answers = [500]
    assert send(1) == webhook.Sent(0, 1, 0)
    with clock.at(NOW + timedelta(seconds=90)):
        book.tell(Condition("d", "deadline", "d", "d", ""))
    assert send(9) == webhook.Sent(2, 0, 0)
    assert [json.loads(body)["object"] for _, body in receiver.got] == ["c", "a", "b", "d", "b"]
