"""What a restore lost, on PostgreSQL alone: what is noted, what is passed, which lane is settled, which revision comes next."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from psycopg import sql

from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import contract, drop, row, source
from warehouse import engine, lost, way
from warehouse.engine import driver
from warehouse.errors import OperatorMissing
from warehouse.feeds import registry
from warehouse.feeds.tables import CORE, HISTORY
from warehouse.lost import Found
from warehouse.tables import lost_event, takedown, topic

pytestmark = pytest.mark.stack

FEED, KEY = "sample_vouchers", "K"
A, B, C = ("a" * 64, "b" * 64, "c" * 64)
Held = tuple[int, str, bool]  # revision, hash, withdrawn
Told = tuple[int, str, str | None]  # revision, change, hash
Noted = tuple[int, str, str | None, bool]  # revision, change, hash, settled


@dataclass(frozen=True)
class Case:
    """What the table has of a record (the newest last, the others in history), what the topic has, what is noted."""

    name: str
    held: Sequence[Held] = ()
    told: Sequence[Told] = ()
    noted: Sequence[Noted] = ()
    found: Found = field(default=Found())


NOTE = [
    Case("known", [(1, A, False), (2, B, False)], [(1, "recorded", A), (2, "corrected", B)]),
    Case(
        "beyond",
        [(1, A, False)],
        [(1, "recorded", A), (2, "corrected", B), (3, "withdrawn", None)],
        [(2, "corrected", B, False), (3, "withdrawn", None, False)],
        Found(2),
    ),
    Case("only on the topic", [], [(1, "recorded", A)], [(1, "recorded", A, False)], Found(1)),
    Case("given to other content", [(2, B, False)], [(2, "corrected", A)], [(2, "corrected", A, True)], Found(0, 1)),
    Case(
        "what follows a conflict is settled with it",
        [(2, B, False)],
        [(2, "corrected", A), (3, "corrected", C)],
        [(2, "corrected", A, True), (3, "corrected", C, True)],
        Found(1, 1),
    ),
    Case(
        "a conflict in history",
        [(1, A, False), (2, B, False), (3, C, False)],
        [(2, "corrected", A)],
        [(2, "corrected", A, True)],
        Found(0, 1),
    ),
    Case(
        "withdrawn there, held here", [(2, A, False)], [(2, "withdrawn", A)], [(2, "withdrawn", A, True)], Found(0, 1)
    ),
    Case("of withdrawals the hash says nothing", [(2, A, True)], [(2, "withdrawn", B)]),
    Case("the old subject's half of a move is no conflict", [(2, A, False)], [(2, "moved", B)]),
    Case(
        "two contents of one revision",
        [(1, A, False)],
        [(2, "corrected", B), (2, "corrected", C)],
        [(2, "corrected", None, False)],
        Found(1),
    ),
    Case(
        "a takedown is ordered again",
        [(1, A, False)],
        [(2, "taken_down", None)],
        [(2, "withdrawn", None, False)],
        Found(1, 0, 1),
    ),
    Case(
        "one that was lifted is not",
        [(1, A, False)],
        [(2, "taken_down", None), (3, "recorded", B)],
        [(2, "withdrawn", None, False), (3, "recorded", B, False)],
        Found(2),
    ),
]


@contextmanager
def trying() -> Iterator[sa.Connection]:
    """A transaction of which nothing stays."""
    with engine.connection() as conn, conn.begin() as all_of_it:
        yield conn
        all_of_it.rollback()


@pytest.fixture
def own_table(hub: Hub) -> None:
    with engine.transaction() as conn:
        registry.ensure(conn, contract())


def hold(conn: sa.Connection, held: Sequence[Held], key: str = KEY) -> None:
    """Puts revisions of a record into the table, all but the last into its history."""
    for at, (revision, digest, withdrawn) in enumerate(held):
        last = at == len(held) - 1
        where = sql.Identifier(CORE if last else HISTORY, FEED)
        own = sql.SQL("hub_key, hub_revision, hub_hash, hub_subject, hub_batch_no, hub_row, hub_changes, hub_withdrawn")
        more, value = (sql.SQL(""),) * 2
        if not last:
            more, value = sql.SQL(", hub_loaded_at, hub_replaced_by_batch"), sql.SQL(", now(), 1")
        statement = sql.SQL("insert into {} ({}{}) values (%s, %s, decode(%s, 'hex'), 'P1', 1, 1, 0, %s{})")
        with driver(conn).cursor() as cursor:
            cursor.execute(statement.format(where, own, more, value), (key, revision, digest, withdrawn))


def page(told: Sequence[Told]) -> pa.Table:
    rows = [
        (FEED, KEY, str(revision), change, digest, "P1", f"{FEED}:{KEY}:{revision}")
        for revision, change, digest in told
    ]
    columns = list(zip(*rows, strict=True)) or [()] * len(lost.COLUMNS)
    arrays = [pa.array(column, pa.string()) for column in columns]
    return pa.Table.from_arrays(arrays, list(lost.COLUMNS))


def lose(conn: sa.Connection, events: Sequence[Noted], key: str = KEY, feed: str = FEED, subject: str = "P1") -> None:
    for revision, change, digest, settled in events:
        values = {"feed": feed, "record_key": key, "revision": revision, "change": change, "hash": digest}
        conn.execute(sa.insert(lost_event).values(**values, subject=subject, settled=settled))


def open_events(conn: sa.Connection, key: str = KEY) -> list[Noted]:
    columns = lost_event.c
    query = sa.select(columns.revision, columns.change, columns.hash, columns.settled)
    found = conn.execute(query.where(columns.record_key == key).order_by(columns.revision))
    return [tuple(one) for one in found]  # type: ignore[misc]


def test_what_is_noted(own_table: None) -> None:
    for case in NOTE:
        with trying() as conn:
            hold(conn, case.held)
            assert lost.note(conn, [page(case.told)]) == case.found, case.name
            assert open_events(conn) == list(case.noted), case.name
            ordered = conn.scalar(sa.text("select count(*) from hub.takedown"))
            assert ordered == case.found.taken_down, case.name
            # Twice is as once, also a page at a time.
            lost.note(conn, [page([one]) for one in case.told])
            assert open_events(conn) == list(case.noted), case.name
            assert conn.scalar(sa.text("select count(*) from hub.takedown")) == ordered, case.name


def test_a_takedown_on_record_is_not_ordered_again(own_table: None) -> None:
    for state, facts, due in (("done", {"event_id": f"{FEED}:{KEY}:2"}, 0), ("stored", {}, 0), ("done", {}, 1)):
        with trying() as conn:
            values = {"feed": FEED, "record_key": KEY, "operator": "A", "reason": "b", "state": state, "facts": facts}
            conn.execute(sa.insert(takedown).values(**values))
            assert lost.note(conn, [page([(2, "taken_down", None)])]).taken_down == due, (state, facts)


PASSED: list[tuple[str, Sequence[Held], Sequence[Noted], bool]] = [
    ("went past them", [(3, A, False)], [(2, "corrected", A, False)], True),
    ("went past them, settled", [(3, A, False)], [(2, "corrected", A, True)], True),
    ("came again as they were", [(2, A, False)], [(2, "corrected", A, False)], True),
    ("stands at a conflict", [(2, A, False)], [(2, "corrected", B, True)], False),
    ("is not there yet", [(2, A, False)], [(2, "corrected", A, False), (3, "corrected", B, False)], False),
    ("never came", [], [(1, "recorded", A, False)], False),
]


def test_what_is_passed_is_forgotten(own_table: None) -> None:
    for name, held, events, gone in PASSED:
        with trying() as conn:
            hold(conn, held)
            lose(conn, events)
            lose(conn, events, feed="another_feed")
            lost.passed(conn, contract())
            left = conn.scalar(sa.text("select count(*) from hub.lost_event where feed = :feed"), {"feed": FEED})
            assert left == (0 if gone else len(events)), name
            assert lost.any_of(conn, "another_feed"), name


def test_a_lane_is_settled_alone_and_by_a_person(own_table: None) -> None:
    with engine.transaction() as conn:
        for lane, feed in (("one", FEED), ("one", "second_feed"), ("two", "third_feed")):
            conn.execute(sa.text("insert into hub.lane (lane) values (:lane) on conflict do nothing"), {"lane": lane})
            values = {"topic": f"t.{feed}", "lane": lane, "feed": feed, "partitions": 1}
            conn.execute(sa.insert(topic).values(**values))
            lose(conn, [(1, "recorded", A, False), (2, "corrected", B, False)], feed=feed)
    with engine.connection() as conn, pytest.raises(OperatorMissing):
        lost.settle(conn, "one", " ", "all came")
    with engine.connection() as conn:
        assert lost.settle(conn, "one", "Op", "all came") == 2, "records, not events"
    with engine.connection() as conn:
        found = {one.feed: (one.lane, one.records, one.events, one.settled) for one in lost.listed(conn)}
        acts = conn.execute(sa.text("select action, object, operator, reason from hub.act")).all()
    assert found == {FEED: ("one", 1, 2, 1), "second_feed": ("one", 1, 2, 1), "third_feed": ("two", 1, 2, 0)}
    assert [tuple(act) for act in acts] == [("settle", "one", "Op", "all came")]


WITHDRAWN_UNDER: list[tuple[int, Sequence[Noted], int]] = [
    (1, [], 2),
    (1, [(2, "withdrawn", None, False)], 2),
    (1, [(2, "corrected", B, False), (3, "withdrawn", None, False)], 3),
    (1, [(2, "withdrawn", None, False), (3, "recorded", B, False)], 2),
    (1, [(2, "withdrawn", None, True), (3, "recorded", B, True)], 4),
    (1, [(2, "corrected", B, True), (3, "withdrawn", None, True)], 3),
    (1, [(2, "corrected", B, False)], 3),
    (3, [(2, "withdrawn", None, False)], 4),
    (5, [(2, "corrected", B, False)], 6),
]


def test_the_revision_of_a_withdrawal(own_table: None) -> None:
    statement = sql.SQL("select {} from {} c").format(
        lost.withdrawal_of(FEED, lost_events=True), sql.Identifier(CORE, FEED)
    )
    for revision, events, due in WITHDRAWN_UNDER:
        with trying() as conn:
            hold(conn, [(revision, A, False)])
            lose(conn, events)
            lose(conn, [(9, "corrected", C, False)], key="another")
            with driver(conn).cursor() as cursor:
                assert cursor.execute(statement).fetchone() == (due,), (revision, events)


STILL: list[tuple[str, Sequence[Held], Sequence[Noted], tuple[bool, bool, bool]]] = [
    # Whether it is to be withdrawn: by what may come again, by what was said since, by anything once it is settled.
    ("the topic alone has it", [], [(1, "recorded", A, False)], (False, True, True)),
    ("it was withdrawn there", [], [(1, "recorded", A, False), (2, "withdrawn", None, False)], (False, False, False)),
    ("the table withdrew it before", [(2, A, True)], [(3, "recorded", A, False)], (False, True, True)),
    ("the table withdrew it since", [(4, A, True)], [(3, "recorded", A, False)], (False, False, False)),
]


def test_what_subscribers_still_hold(own_table: None) -> None:
    for name, held, events, due in STILL:
        for since, settled, expected in (
            (None, False, due[0]),
            (datetime.now(UTC) - timedelta(hours=1), False, due[0]),
            (datetime.now(UTC) + timedelta(hours=1), False, due[1]),
            (None, True, due[2]),
        ):
            with trying() as conn, driver(conn).cursor() as cursor:
                hold(conn, held)
                lose(conn, [(*event[:3], settled) for event in events])
                told = sql.SQL("select c.hub_key from {} c where {}").format(
                    sql.Identifier(CORE, FEED), lost.still_told(FEED, since)
                )
                found = cursor.execute(told).fetchall()
                found += cursor.execute(lost.only_told(FEED, since)).fetchall()
                assert bool(found) is expected, (name, since, settled)


def test_a_snapshot_withdraws_what_the_topic_alone_holds(hub: Hub) -> None:
    """But not one that may be a delivery from before the restore."""
    whole = contract(completeness="snapshot", source_version=None, withdrawn_when={})
    gone = "V000009"

    def sent(name: str, *numbers: int, ago: float = 0) -> None:
        path: Path = drop(hub.drop, name, [row(number) for number in numbers])
        then = time.time() - ago
        os.utime(path, (then, then))
        assert [one.state for one in way.run_feed(whole)] == ["loaded"]

    def last() -> list[Any]:
        return [
            (one["record_key"], one["revision"], one["change"]) for one in hub.events() if one["record_key"] == gone
        ]

    sent("a.csv", 1, 2, ago=7_200)
    with engine.transaction() as conn:
        lose(conn, [(2, "recorded", A, False), (3, "corrected", B, False)], key=gone)
    sent("b.csv", 1, 2, 3, ago=3_600)
    assert last() == []
    sent("c.csv", 1, 2)
    assert last() == [(gone, 4, "withdrawn")]
    assert hub.value("select count(*) from hub.lost_event") == 0
    assert [event["key"] for event in hub.events() if event["record_key"] == gone] == ["P1"], "to whom it was told"
    sent("d.csv", 1)
    assert last() == [(gone, 4, "withdrawn")], "once"
    sent("e.csv", 1, 9)
    sent("f.csv", 1)
    assert last() == [(gone, 4, "withdrawn"), (gone, 5, "recorded"), (gone, 6, "withdrawn")]


def test_a_snapshot_withdraws_under_the_key_that_subscribers_know(hub: Hub) -> None:
    """Of a record that had gone to another subject after the backup, as the lost withdrawal did."""
    whole = contract(completeness="snapshot", source_version=None, withdrawn_when={})
    drop(hub.drop, "a.csv", [row(1, payee="T"), row(2, payee="T"), row(3)])
    way.run_feed(whole)
    with engine.transaction() as conn:
        for key, events in (("V000001", ((3, "recorded"), (4, "withdrawn"))), ("V000002", ((3, "recorded"),))):
            lose(conn, [(2, "moved", None, False)], key=key, subject="T")
            lose(conn, [(revision, change, A, False) for revision, change in events], key=key, subject="S")
    drop(hub.drop, "b.csv", [row(3)])
    way.run_feed(whole)
    told = [(one["record_key"], one["revision"], one["key"]) for one in hub.events() if one["change"] == "withdrawn"]
    assert told == [("V000001", 4, "S"), ("V000002", 4, "S")]


def test_of_several_sources_nobody_knows_which_had_it_until_it_is_settled(hub: Hub) -> None:
    two = contract(completeness="snapshot", source_version=None, withdrawn_when={}, sources=(source(), source("other")))
    drop(hub.drop, "a.csv", [row(1), row(2)])
    way.run_feed(two, "drop")
    with engine.transaction() as conn:
        lose(conn, [(1, "recorded", A, False)], key="V000009")
    drop(hub.drop, "b.csv", [row(1)])
    way.run_feed(two, "drop")
    assert hub.value("select count(*) from hub.lost_event") == 1
    with engine.transaction() as conn:
        conn.execute(sa.update(lost_event).values(settled=True))
    drop(hub.drop, "c.csv", [row(1), row(3)])
    way.run_feed(two, "drop")
    assert hub.one("select hub_revision, hub_withdrawn from core.sample_vouchers where hub_key = 'V000009'") == (
        2,
        True,
    )
