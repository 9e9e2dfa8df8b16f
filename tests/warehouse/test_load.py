"""Parts, outbox, receipts, limits, references, contract versions."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg import sql

from connectors.base import Window
from contracts.model import FeedContract, RowRule
from hub.ids import FeedId, RuleId, TopicName
from hub.settings import settings
from tests.warehouse.conftest import Hub, environment
from tests.warehouse.feeds import contract, drop, row, rows, spec
from warehouse import batches, engine, outbox, receipt, way
from warehouse.changeset import RECORDS_PER_BATCH, ChangeSet
from warehouse.checking.references import held_query
from warehouse.errors import TableMismatch
from warehouse.feeds import registry
from warehouse.feeds import tables as feed_tables
from warehouse.feeds.stored_contract import contract_from
from warehouse.migrate import migrate
from warehouse.store import store
from warehouse.tables import SCHEMA, metadata

pytestmark = pytest.mark.stack


def test_a_large_batch_is_loaded_in_parts(small_parts: Hub) -> None:
    hub = small_parts
    drop(hub.drop, "a.csv", [*rows(2000), row(3000, amount="-1")])
    done = way.run_feed(contract())[0]
    assert (done.loaded, done.quarantined, done.events) == (2000, 1, 2000)
    assert hub.one("select parts, parts_loaded from hub.batch") == (3, 3)
    assert hub.all("select seq, part_no, records from hub.outbox order by seq") == [
        (1, 0, 700),
        (2, 1, 700),
        (3, 2, 600),
    ]
    assert [event["record_key"] for event in hub.events()] == [f"V{n:06d}" for n in range(1, 2001)]
    for path, sha256 in hub.all("select path, sha256 from hub.outbox"):
        assert hashlib.sha256(store().read(path)).hexdigest() == sha256
    assert store().list("checked") == []
    with engine.connection() as conn:
        found = receipt.read(conn, done.batch_id)
    assert found is not None
    body = json.loads(found[1])
    assert [entry["records"] for entry in body["change_sets"]] == [700, 700, 600]
    assert body["quarantined"] == [
        {"row": 2001, "source_row": 2002, "unit": "a.csv", "rules": ["amount.range"], "state": "open", "replay": None}
    ]
    assert hashlib.sha256(found[1]).hexdigest() == found[2]


def test_a_change_set_can_be_read_from_any_event(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(2 * RECORDS_PER_BATCH + 100))
    way.run_feed(contract())
    path, records = hub.one("select path, records from hub.outbox")
    with ChangeSet(store(), path) as changes:
        assert changes.records == records == 2 * RECORDS_PER_BATCH + 100
        for start in (0, 1, RECORDS_PER_BATCH - 1, RECORDS_PER_BATCH, 2 * RECORDS_PER_BATCH + 99):
            first = next(changes.batches(start)).slice(0, 1).to_pylist()[0]
            assert first["record_key"] == f"V{start + 1:06d}"
        assert changes.position_of(f"V{RECORDS_PER_BATCH + 6:06d}") == [(RECORDS_PER_BATCH + 5, 1, "recorded")]


def test_two_processes_take_one_delivery_once(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(3000))
    command = [sys.executable, "-m", "tests.warehouse.child"]
    racers = [subprocess.Popen(command, env=environment(), cwd=Path.cwd()) for _ in range(2)]
    assert [racer.wait(120) for racer in racers] == [0, 0]
    assert hub.all("select state, rows_loaded from hub.batch") == [("loaded", 3000)]
    assert len(hub.events()) == 3000


def watch(hub: Hub, lane: str, done: threading.Event, holes: list[list[int]]) -> None:
    """Reads a lane over and over: a number must never appear below one that was seen before."""
    while not done.is_set():
        seen = [seq for (seq,) in hub.all("select seq from hub.outbox where lane = :lane order by seq", lane=lane)]
        if seen != list(range(1, len(seen) + 1)):
            holes.append(seen)


def test_numbers_are_in_commit_order_without_gaps(hub: Hub, unique: str) -> None:
    made = contract(f"lane_{unique}")
    with engine.transaction() as conn:
        outbox.ensure_topic(conn, made.topic, made.id)
        lane = outbox.lane_of(conn, made.topic.name)
    failures: list[Exception] = []

    def append(number: int) -> None:
        try:
            for turn in range(10):
                with engine.transaction() as conn:
                    outbox.append_event(
                        conn,
                        topic_name=TopicName(made.topic.name),
                        key="k",
                        headers={},
                        data={"n": number},
                    )
                    time.sleep(0.003 * ((number + turn) % 4))  # a slow commit must not be overtaken
        except Exception as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    done, holes = threading.Event(), list[list[int]]()
    watcher = threading.Thread(target=watch, args=(hub, lane, done, holes))
    threads = [threading.Thread(target=append, args=(number,)) for number in range(4)]
    for thread in (watcher, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    watcher.join()
    assert not failures and not holes
    order = hub.all("select seq from hub.outbox where lane = :lane order by seq", lane=lane)
    assert [seq for (seq,) in order] == list(range(1, 41))


def test_two_loaders_number_one_lane_in_commit_order(small_parts: Hub) -> None:
    hub = small_parts
    made = []
    for name in ("sample_one", "sample_two"):
        one = contract(name)
        made.append(replace(one, topic=replace(one.topic, lane="sample.shared")))
    path = drop(hub.drop, "a.csv", rows(7000))
    failures: list[Exception] = []

    def load(one: FeedContract) -> None:
        try:
            way.run_feed(one, file=path)
        except Exception as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    done, holes = threading.Event(), list[list[int]]()
    watcher = threading.Thread(target=watch, args=(hub, "sample.shared", done, holes))
    threads = [threading.Thread(target=load, args=(one,)) for one in made]
    for thread in (watcher, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    watcher.join()
    assert not failures and not holes
    entries = hub.all("select topic, part_no, seq from hub.outbox order by seq")
    assert [seq for _, _, seq in entries] == list(range(1, 21))
    for one in made:
        assert [part for topic, part, _ in entries if topic == one.topic.name] == list(range(10))


def test_an_event_that_is_too_large_is_quarantined(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_MAX_EVENT_BYTES", "2000")
    settings.cache_clear()
    drop(hub.drop, "a.csv", [row(1), row(2, note="长" * 2000), row(3), row(4, number="K" * 2500)])
    done = way.run_feed(contract())[0]
    assert (done.loaded, done.quarantined_by_rule) == (2, {"_event.size": 1, "_key.size": 1})
    assert [event["record_key"] for event in hub.events()] == ["V000001", "V000003"]
    assert hub.value("select raw->>'note' from hub.quarantine where 'V000002' = record_key") == "长" * 2000
    # A correction of such a row is an update like any other, and can fail the same way without harm.
    drop(hub.drop, "b.csv", [row(1, note="长" * 2000, version=2)])
    assert way.run_feed(contract())[0].quarantined == 1
    assert hub.value("select hub_revision from core.sample_vouchers where hub_key = 'V000001'") == 1


def test_a_reference_event_has_no_content(hub: Hub) -> None:
    drop(hub.drop, "a.csv", [row(1, number="V/1 中")])
    way.run_feed(contract(publish="reference"))
    event = hub.events()[0]
    data = json.loads(event["data"])
    assert data["ask"] == "/v1/feeds/sample_vouchers/records/V%2F1%20%E4%B8%AD" and "record" not in data
    assert set(data) == {"feed", "contract", "key", "revision", "change", "batch", "row", "record_hash", "ask"}


def test_fields_that_are_not_published_stay_here(hub: Hub) -> None:
    fields = tuple(replace(one, published=one.name != "note") for one in contract().fields)
    drop(hub.drop, "a.csv", rows(1))
    way.run_feed(contract(fields=fields))
    assert "note" not in json.loads(hub.events()[0]["data"])["record"]
    assert hub.value("select note from core.sample_vouchers") == "note 1"


def test_a_row_may_refer_to_another_feed(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(3))
    way.run_feed(contract())
    (hub.drop / "a.csv").unlink()
    rule = RowRule(RuleId("payee.known"), "reference_feed", ("payee",), {"feed": "sample_vouchers", "field": "payee"})
    other = contract("sample_others", row_rules=(rule,))
    drop(hub.drop, "b.csv", [row(11, payee="P1"), row(12, payee="P9")])
    done = way.run_feed(other)[0]
    assert (done.loaded, done.quarantined_by_rule) == (1, {"payee.known": 1})


def test_a_reference_is_looked_up_by_an_index(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(4000))
    way.run_feed(contract())
    (hub.drop / "a.csv").unlink()
    rules = tuple(
        RowRule(RuleId(f"{field}.known"), "reference_feed", (mine,), {"feed": "sample_vouchers", "field": field})
        for mine, field in (("payee", "payee"), ("number", "number"), ("version", "version"), ("note", "number"))
    )
    other = contract("sample_others", row_rules=rules)
    drop(hub.drop, "b.csv", [row(1, note="V000001"), row(2, note="V9|\\"), row(9001, version=9, note="V000001")])
    for _ in range(2):
        done = way.run_feed(other)
    assert done == [] and hub.value("select rows_loaded from hub.batch where feed = 'sample_others'") == 1
    assert hub.all("select row_no, rules from hub.quarantine order by 1") == [
        (2, ["number.known"]),
        (3, ["number.known", "version.known"]),
    ]
    with engine.transaction() as conn, engine.driver(conn).cursor() as cursor:
        cursor.execute("analyze core.sample_vouchers")
        for field, by_key in (("payee", False), ("number", True)):
            cursor.execute(
                sql.SQL("explain ") + held_query("sample_vouchers", field, by_key=by_key, text=True), (["P1x", "P2x"],)
            )
            plan = "\n".join(str(line[0]) for line in cursor)
            assert "Index" in plan and "Seq Scan" not in plan, plan


def test_what_is_unfinished_is_found_by_its_index(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(1))
    way.run_feed(contract())
    fill = (
        "insert into hub.batch (batch_id, feed, contract_version, contract_sha256, kind, source, delivery, state)"
        " select 'x' || n, 'sample_vouchers', '1', '', 'pull', 'drop', 'x', 'refused' from generate_series(1, 5000) n"
    )
    with engine.transaction() as conn:
        conn.exec_driver_sql(fill)
    with psycopg.connect(settings().url().replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute("analyze hub.batch")
    seen: list[str] = []
    with engine.connection() as conn:
        sa.event.listen(conn, "before_cursor_execute", lambda *args: seen.append(args[2] % _quoted(args[3])))
        assert batches.unfinished(conn, FeedId("sample_vouchers")) == []
        plan = "\n".join(conn.exec_driver_sql("explain " + seen[0]).scalars())
    assert "batch_unfinished" in plan


def _quoted(values: dict[str, object]) -> dict[str, str]:
    return {name: f"'{value}'" for name, value in values.items()}


def test_a_backfill_moves_no_cursor(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(3))
    way.run_feed(contract())
    cursor = hub.one("select value, batch_id from hub.cursor")
    drop(hub.drop, "b.csv", rows(4))
    window = Window(interval_start=datetime(2020, 1, 1, tzinfo=UTC), interval_end=datetime(2100, 1, 1, tzinfo=UTC))
    done = way.run_feed(contract(), window=window)
    assert {one.state for one in done} == {"loaded"}
    assert hub.value("select kind from hub.batch where delivery = 'b.csv'") == "backfill"
    assert hub.one("select value, batch_id from hub.cursor") == cursor


def test_a_later_version_may_add_optional_fields_only(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(2))
    way.run_feed(contract())
    wider = contract(fields=(*contract().fields, spec("purpose")), version="1.1.0", sha256="2" * 64)
    drop(
        hub.drop,
        "b.csv",
        [[*row(3), "works"]],
        headers=(*["number", "payee", "amount", "paid_on", "version", "status", "note"], "purpose"),
    )
    assert way.run_feed(wider)[0].loaded == 1
    assert hub.all("select purpose from core.sample_vouchers order by hub_key") == [(None,), (None,), ("works",)]
    for number, broken in enumerate(
        (
            contract(fields=contract().fields[:-1]),
            contract(fields=(*wider.fields, spec("more", required=True))),
            contract(fields=tuple(replace(f, type="string") if f.name == "paid_on" else f for f in wider.fields)),
            replace(wider, key=("payee",)),
        )
    ):
        with pytest.raises(TableMismatch):
            way.run_feed(replace(broken, sha256=f"{number + 3}" * 64))


def test_a_recorded_contract_comes_back_whole(hub: Hub) -> None:
    made = contract()
    with engine.transaction() as conn:
        registry.ensure(conn, made)
        registry.ensure(conn, made)
        assert registry.recorded(conn, made.id, made.sha256) == made
    assert (
        contract_from({"id": "x"} | {k: v for k, v in json.loads(json.dumps(_plain(made))).items() if k != "id"}).id
        == "x"
    )


def _plain(made: object) -> object:
    from dataclasses import asdict

    return asdict(made)  # type: ignore[call-overload]


@pytest.mark.usefixtures("hub_settings")
def test_migrations_make_what_the_tables_say() -> None:
    # On an empty database: where there is a schema of the role's own name, it would be the default one, which Alembic calls by no name.
    assert migrate() == migrate()
    with engine.transaction() as conn:
        options = {
            "include_schemas": True,
            "version_table_schema": SCHEMA,
            "compare_server_default": True,
            "include_name": lambda name, kind, _: kind != "schema" or name == SCHEMA,
        }
        found = compare_metadata(MigrationContext.configure(conn, opts=options), metadata)
        checks = "select conname, pg_get_constraintdef(oid) from pg_constraint where contype = 'c' and connamespace = 'hub'::regnamespace"
        have = {str(name) for name, _ in conn.execute(sa.text(checks))}
    engine.dispose()
    assert found == []
    declared = {
        str(one.name)
        for table in metadata.tables.values()
        for one in table.constraints
        if isinstance(one, sa.CheckConstraint)
    }
    assert {name.removeprefix("ck_") for name in have} >= declared


def test_many_may_migrate_at_once(make_database: object, monkeypatch: pytest.MonkeyPatch, hub: Hub) -> None:
    url = make_database()  # type: ignore[operator]
    env = {**environment(), "HUB_DATABASE_URL": url}
    racers = [subprocess.Popen([sys.executable, "-m", "warehouse.migrate"], env=env) for _ in range(2)]
    assert [racer.wait(120) for racer in racers] == [0, 0]


def test_counts_that_dont_add_up_are_refused_by_the_database_too(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(2))
    way.run_feed(contract())
    with pytest.raises(sa.exc.IntegrityError), engine.transaction() as conn:
        conn.execute(sa.text("update hub.batch set rows_loaded = 1"))


def test_feed_tables_quote_their_names(hub: Hub) -> None:
    made = contract(
        "select_", fields=(spec("order", key_position=1), spec("group"), spec("user")), key=("order",), subject="user"
    )
    with engine.transaction() as conn:
        feed_tables.ensure_tables(conn, made)
        feed_tables.ensure_tables(conn, made)
    with pytest.raises(TableMismatch), engine.transaction() as conn:
        feed_tables.ensure_tables(conn, contract('x"; drop schema hub; --'))
