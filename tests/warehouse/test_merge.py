"""What rows mean beside what is there: revisions, corrections, moves, withdrawals, versions, duplicates, snapshots."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace

import pyarrow as pa
import pytest
import sqlalchemy as sa
from psycopg import sql

from contracts.model import RowRule
from hub.ids import RuleId
from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import contract, drop, row, rows, source
from warehouse import engine, way
from warehouse.batches import BatchOutcome
from warehouse.loading import merge
from warehouse.tables import lost_event

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True, params=["small table", "large table"])
def size_of_table(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of asking what the table holds: all of it, or by keys."""
    if request.param == "large table":
        monkeypatch.setattr(merge, "SMALL_TABLE", 0)


def told(hub: Hub) -> list[tuple[str, str, int, str]]:
    return [(e["record_key"], e["key"], e["revision"], e["change"]) for e in hub.events()]


def run(**more: object) -> BatchOutcome:
    done = way.run_feed(contract(**more))
    assert len(done) == 1
    return done[0]


def test_there_and_back_again_is_three_revisions(hub: Hub) -> None:
    for number, (amount, version) in enumerate([("1.00", 1), ("2.00", 2), ("1.00", 3)]):
        drop(hub.drop, f"{number}.csv", [row(1, amount=amount, version=version), row(2)])
        done = run()
        assert (done.loaded, done.unchanged) == ((2, 0) if number == 0 else (1, 1))
    assert told(hub) == [
        ("V000001", "P1", 1, "recorded"),
        ("V000002", "P2", 1, "recorded"),
        ("V000001", "P1", 2, "corrected"),
        ("V000001", "P1", 3, "corrected"),
    ]
    assert hub.all("select hub_revision, amount::text from history.sample_vouchers order by 1") == [
        (1, "1.00"),
        (2, "2.00"),
    ]
    assert hub.one("select hub_revision, amount::text from core.sample_vouchers where hub_key='V000001'") == (3, "1.00")
    replaced = (
        "select b.delivery from history.sample_vouchers h join hub.batch b on b.batch_no = h.hub_replaced_by_batch"
    )
    assert sorted(hub.all(replaced)) == [("1.csv",), ("2.csv",)]


def test_unchanged_rows_are_neither_rewritten_nor_republished(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(50))
    run()
    before = hub.all("select hub_key, hub_batch_no, xmin::text from core.sample_vouchers order by 1")
    drop(hub.drop, "b.csv", [*rows(50), row(51)])
    done = run()
    assert (done.loaded, done.unchanged, done.events) == (1, 50, 1)
    after = hub.all("select hub_key, hub_batch_no, xmin::text from core.sample_vouchers order by 1")
    assert after[:50] == before


def test_a_large_table_is_asked_by_its_index_even_for_rows_of_this_very_transaction(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "SMALL_TABLE", 0)
    drop(hub.drop, "a.csv", [row(1)])
    run()
    feed = contract()
    read = "select seq_tup_read from pg_stat_xact_user_tables where relid = 'core.sample_vouchers'::regclass"
    keys = pa.array([f"N{number:06}" for number in range(3_000)])
    with engine.engine().connect() as conn, conn.begin() as turn:
        merge.prepare(conn)
        conn.exec_driver_sql(
            "insert into core.sample_vouchers (hub_key, hub_revision, hub_hash, hub_subject, hub_batch_no, hub_row, hub_changes, hub_withdrawn)"
            " select 'N' || lpad(n::text, 6, '0'), 1, '', 'P', hub_batch_no, n, 0, false"
            " from core.sample_vouchers, generate_series(0, 9999) n"
        )
        before = conn.scalar(sa.text(read))
        assert merge.held(conn, feed, [keys]).num_rows == 3_000
        merge.withdraw(conn, feed, keys, 1, sql.SQL("c.hub_revision + 1"))
        merge.retire(conn, feed, keys, 1)
        # What counts whether the table is small reads two rows.
        assert conn.scalar(sa.text(read)) - before <= 2
        ways = "select current_setting('enable_hashjoin'), current_setting('enable_mergejoin')"
        assert conn.execute(sa.text(ways)).one() == ("on", "on")
        assert conn.scalar(sa.text("select count(*) from core.sample_vouchers")) == 7_001
        turn.rollback()


def test_an_older_source_version_never_overwrites_a_newer(hub: Hub) -> None:
    drop(hub.drop, "a.csv", [row(1, version=9, amount="9.00")])
    run()
    drop(hub.drop, "b.csv", [row(1, version=10, amount="10.00")])
    assert run().loaded == 1
    drop(hub.drop, "c.csv", [row(1, version=2, amount="2.00")])
    done = run()
    assert (done.loaded, done.unchanged) == (0, 1)
    assert hub.value("select rows_stale from hub.batch where delivery = 'c.csv'") == 1
    assert hub.value("select amount::text from core.sample_vouchers") == "10.00"


def test_a_moved_record_is_withdrawn_under_the_old_key_and_recorded_under_the_new(hub: Hub) -> None:
    drop(hub.drop, "a.csv", [row(1, payee="OLD"), row(2)])
    run()
    drop(hub.drop, "b.csv", [row(2, amount="5", version=2), row(1, payee="NEW", version=2), row(3)])
    done = run()
    assert (done.loaded, done.events) == (3, 4)
    assert told(hub)[2:] == [
        ("V000002", "P2", 2, "corrected"),
        ("V000001", "OLD", 2, "withdrawn"),
        ("V000001", "NEW", 3, "recorded"),
        ("V000003", "P3", 1, "recorded"),
    ]
    left, came = (json.loads(event["data"]) for event in hub.events()[3:5])
    assert left["moved_to"] == "NEW" and "record" not in left
    assert came["moved_from"] == "OLD" and came["record"]["payee"] == "NEW"
    assert hub.value("select hub_revision from core.sample_vouchers where hub_key = 'V000001'") == 3


def test_withdrawals(hub: Hub) -> None:
    drop(hub.drop, "a.csv", [row(1), row(2), row(8, status="void")])
    done = run()
    assert (done.loaded, done.unchanged) == (2, 1), "nothing is known to withdraw"
    drop(hub.drop, "b.csv", [row(1, status="void", version=2)])
    assert run().loaded == 1
    drop(hub.drop, "c.csv", [row(1, status="void", version=3)])
    assert run().unchanged == 1, "it is withdrawn already"
    drop(hub.drop, "d.csv", [row(1, version=4)])
    assert run().loaded == 1
    assert told(hub)[2:] == [("V000001", "P1", 2, "withdrawn"), ("V000001", "P1", 3, "recorded")]
    assert "record" not in json.loads(hub.events()[2]["data"])


def test_duplicates_within_a_batch(hub: Hub) -> None:
    lines = rows(3000)
    lines[10] = row(2500)  # the same record on another page
    lines[20] = row(2400, amount="7")  # contradicts row 2400
    drop(hub.drop, "a.csv", lines)
    done = run()
    assert (done.rows_in, done.loaded, done.unchanged, done.quarantined) == (3000, 2997, 1, 2)
    assert done.quarantined_by_rule == {"_key.conflict": 2}
    assert hub.all("select row_no, source_row, record_key, raw->>'amount' from hub.quarantine order by 1") == [
        (21, 22, "V002400", "7"),
        (2400, 2401, "V002400", "2400.50"),
    ]


def test_a_field_that_must_be_unique(hub: Hub) -> None:
    made = contract()
    made = replace(made, row_rules=(*made.row_rules, RowRule(RuleId("note.unique"), "unique", ("note",))))
    drop(hub.drop, "a.csv", [row(1, note="same"), row(2, note="same"), row(3)])
    done = way.run_feed(made)[0]
    assert (done.loaded, done.quarantined_by_rule) == (1, {"note.unique": 2})


def test_a_repeated_row_whose_value_another_record_claims_is_quarantined_with_its_repeat(hub: Hub) -> None:
    made = contract()
    made = replace(made, row_rules=(*made.row_rules, RowRule(RuleId("note.unique"), "unique", ("note",))))
    drop(hub.drop, "a.csv", [row(1, note="same"), row(1, note="same"), row(3, note="same"), row(4), row(4)])
    done = way.run_feed(made)[0]
    # Nothing of the contested record is held, so no copy of it can count as unchanged.
    assert (done.state, done.rows_in, done.loaded, done.unchanged, done.quarantined) == ("loaded", 5, 1, 1, 3)
    assert hub.all("select row_no, rules from hub.quarantine order by 1") == [
        (number, ["note.unique"]) for number in (1, 2, 3)
    ]


def test_a_snapshot_withdraws_what_no_longer_comes(small_parts: Hub) -> None:
    hub = small_parts
    drop(hub.drop, "a.csv", rows(2000))
    assert run(completeness="snapshot").loaded == 2000
    drop(hub.drop, "b.csv", [*rows(400), row(401, amount="bad")])
    done = run(completeness="snapshot")
    assert (done.loaded, done.unchanged, done.quarantined, done.events) == (0, 400, 1, 1599)
    assert hub.value("select count(*) from core.sample_vouchers where hub_withdrawn") == 1599
    assert hub.value("select hub_withdrawn from core.sample_vouchers where hub_key = 'V000401'") is False
    assert hub.one("select parts, parts_loaded, withdrawn_missing from hub.batch where delivery='b.csv'") == (
        4,
        4,
        1599,
    )
    gone = [event for event in hub.events() if event["change"] == "withdrawn"]
    assert [event["record_key"] for event in gone] == [f"V{n:06d}" for n in range(402, 2001)]
    assert json.loads(gone[0]["data"])["row"] is None
    drop(hub.drop, "c.csv", rows(2001))
    done = run(completeness="snapshot")
    assert (done.loaded, done.unchanged) == (1600, 401)
    assert {event["revision"] for event in hub.events()[-1600:-1]} == {3}


def test_two_publishers_of_one_snapshot_feed_leave_each_other_alone(hub: Hub) -> None:
    two = (source("drop", constants={"status": "a"}), source("other", constants={"status": "b"}))
    headers = ("number", "payee", "amount", "paid_on", "version", "note")
    lines = [[value for at, value in enumerate(line) if at != 5] for line in rows(20)]
    made = contract(completeness="snapshot", sources=two)
    way.run_feed(made, "drop", file=drop(hub.drop, "a.csv", lines[:10], headers))
    done = way.run_feed(made, "other", file=drop(hub.drop, "b.csv", lines[10:], headers))
    assert done[0].loaded == 10
    assert hub.value("select count(*) from core.sample_vouchers where not hub_withdrawn") == 20


def test_a_row_whose_key_is_unreadable_stops_snapshot_withdrawals(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(10))
    run(completeness="snapshot")
    drop(hub.drop, "b.csv", [*rows(5), row(6, number="")])
    assert run(completeness="snapshot").events == 0
    assert hub.value("select count(*) from core.sample_vouchers where hub_withdrawn") == 0


def test_a_snapshot_withdraws_above_the_revisions_that_a_restored_table_lost(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(4))
    run(completeness="snapshot")
    lost = (("V000001", 2, "withdrawn"), ("V000002", 2, "corrected"), ("V000002", 3, "corrected"))
    with engine.connection() as conn, conn.begin():
        rows_lost = [
            {
                "feed": "sample_vouchers",
                "record_key": key,
                "revision": revision,
                "change": change,
                "subject": f"P{key[-1]}",
            }
            for key, revision, change in lost
        ]
        conn.execute(sa.insert(lost_event), rows_lost)
    drop(hub.drop, "b.csv", rows(1, first=4))
    assert run(completeness="snapshot").events == 3
    assert told(hub)[4:] == [
        ("V000001", "P1", 2, "withdrawn"),
        ("V000002", "P2", 4, "withdrawn"),
        ("V000003", "P3", 2, "withdrawn"),
    ]
    held = "select hub_key, hub_revision from core.sample_vouchers where hub_withdrawn order by 1"
    assert hub.all(held) == [("V000001", 2), ("V000002", 4), ("V000003", 2)]
    assert hub.all("select * from hub.lost_event") == [], "all were passed"


def test_a_snapshot_withdraws_again_what_subscribers_were_told_since_once_that_is_settled(hub: Hub) -> None:
    def sent(name: str, hours: int, lines: list[list[str]]) -> None:
        """Files from before the restore, which may be deliveries that come again."""
        then = time.time() - 3_600 * hours
        os.utime(drop(hub.drop, name, lines), (then, then))
        run(completeness="snapshot")

    sent("a.csv", 3, rows(2))
    lost = [
        {"feed": "sample_vouchers", "record_key": "V000001", "revision": revision, "change": change, "subject": "P1"}
        for revision, change in ((2, "withdrawn"), (3, "recorded"))
    ]
    with engine.connection() as conn, conn.begin():
        conn.execute(sa.insert(lost_event), lost)
    sent("b.csv", 2, rows(1, first=2))
    sent("c.csv", 1, rows(2, first=2))
    assert told(hub)[2:] == [("V000001", "P1", 2, "withdrawn"), ("V000003", "P3", 1, "recorded")]
    with engine.connection() as conn, conn.begin():
        conn.execute(sa.update(lost_event).values(settled=True))
    sent("d.csv", 0, rows(3, first=2))
    assert ("V000001", "P1", 4, "withdrawn") in told(hub), "they were told 3, that it holds"
    assert hub.all("select * from hub.lost_event") == []
