"""How each kind of alarm comes to be raised: one way for each, held against the kinds that the code knows (`tests/every`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from contracts.catalogue import BrokenContract, Catalogue
from contracts.errors import ContractUnexamined
from contracts.model import FeedContract, Sla
from exchange.alarms import deadlines
from exchange.alarms.conditions import Kind
from hub import clock
from hub.keys import generate
from hub.settings import settings
from tests.warehouse.feeds import HELD, contract, drop, row, rows
from warehouse import engine, way
from warehouse.agencies import keys, registry
from warehouse.agencies.registry import Agency
from warehouse.errors import SourceUnknown
from warehouse.tables import takedown
from warehouse.turns import book


@dataclass(frozen=True)
class Amiss:
    """Something is amiss: of what, and what to look at, how many hours from now."""

    object: str
    contracts: tuple[FeedContract, ...] = ()
    hours: float = 0
    broken: tuple[BrokenContract, ...] = ()

    @property
    def on_disk(self) -> Catalogue:
        """What lies on disk."""
        return on_disk(*self.contracts, broken=self.broken)


def on_disk(*contracts: FeedContract, broken: tuple[BrokenContract, ...] = ()) -> Catalogue:
    """Contracts as if they lay on disk, and such that can't be used."""
    return Catalogue({one.id: one for one in contracts}, list(broken))


def broken(feed: FeedContract) -> BrokenContract:
    """The feed's contract, after somebody damaged it."""
    path = f"feeds/{feed.domain}/{feed.id}.odcs.yaml"
    return BrokenContract(feed.id, path, (ContractUnexamined.of(path, ValueError("")),))


def late_feed(folder: Path, _: pytest.MonkeyPatch) -> Amiss:
    """Nothing new came for longer than promised."""
    feed = contract(sla=Sla(freshness_hours=2))
    drop(folder, "a.csv", rows(2))
    way.run_feed(feed)
    return Amiss(feed.id, (feed,), hours=3)


def late_events(folder: Path, _: pytest.MonkeyPatch) -> Amiss:
    """Events wait for their topic, and no relay sends them."""
    feed = contract(sla=Sla(latency_minutes=30))
    drop(folder, "a.csv", rows(2))
    way.run_feed(feed)
    return Amiss(feed.id, (feed,), hours=1)


def too_few_rows(folder: Path, _: pytest.MonkeyPatch) -> Amiss:
    """The delivery breaks a rule on how much comes, which holds the batch as well."""
    feed = contract(batch_rules=(HELD,))
    drop(folder, "a.csv", [row(1), row(2)])
    way.run_feed(feed)
    return Amiss(feed.id, (feed,))


def left_takedown(folder: Path, _: pytest.MonkeyPatch) -> Amiss:
    """A takedown's process died after it had noted what it would do (that one leaves this: test_takedown_stands.py)."""
    feed = contract()
    drop(folder, "a.csv", rows(2))
    way.run_feed(feed)
    with engine.transaction() as conn:
        noted = {"feed": feed.id, "record_key": "V-1", "operator": "Op One", "reason": "why", "state": "begun"}
        conn.execute(sa.insert(takedown).values(noted))
    return Amiss(feed.id, (feed,))


def full_store(folder: Path, patch: pytest.MonkeyPatch) -> Amiss:
    """The store takes more than the operator's limit allows."""
    drop(folder, "a.csv", rows(2))
    way.run_feed(contract())
    patch.setenv("HUB_STORE_LIMIT_GIB", "0.000001")
    settings.cache_clear()
    return Amiss("store")


def late_run(_: Path, __: pytest.MonkeyPatch) -> Amiss:
    """Airflow says that a run was not done in time (that it does: tests/dags/test_deadline.py)."""
    feed = contract()
    deadlines.tell(deadlines.Late(feed.id, "scheduled__2026-03-01", 30, "running"))
    return Amiss(feed.id, (feed,))


def failing_turns(_: Path, __: pytest.MonkeyPatch) -> Amiss:
    """The worker takes a frequent feed, and cannot, three times."""
    feed = contract(latency="frequent", sla=Sla(schedule="* * * * *"))
    with engine.transaction() as conn:
        book.sync(conn, [feed], serve_all=True)
    for _number in range(3):
        with engine.transaction() as conn:
            assert book.ring(conn, feed.id) and book.begin(conn, feed.id, "worker")
            book.end(conn, feed.id, 0.1, SourceUnknown(feed=feed.id, source="x", sources="y"))
    return Amiss(feed.id, (feed,))


def broken_contract(_: Path, __: pytest.MonkeyPatch) -> Amiss:
    """A contract on disk can't be used, and none was in use before."""
    feed = contract()
    return Amiss(feed.id, broken=(broken(feed),))


def ending_key(_: Path, __: pytest.MonkeyPatch) -> Amiss:
    """An agency's only key ends in a week."""
    by = {"operator": "Op One", "reason": "why"}
    ends = clock.now() + timedelta(days=7)
    with engine.transaction() as conn:
        registry.add(conn, Agency("county_audit", None, "县审计局", "County audit office", 4, "110101"), **by)
        keys.add(conn, "county_audit", generate().public.pem.encode(), valid_until=ends, **by)
    return Amiss("county_audit")


FIRING: Mapping[Kind, Callable[[Path, pytest.MonkeyPatch], Amiss]] = {
    "freshness": late_feed,
    "latency": late_events,
    "volume": too_few_rows,
    "held": too_few_rows,
    "takedown": left_takedown,
    "storage": full_store,
    "deadline": late_run,
    "turns": failing_turns,
    "contract": broken_contract,
    "key_expires": ending_key,
}
