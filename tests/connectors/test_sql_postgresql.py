"""SQL tables on PostgreSQL: its types, one state of a table, and a role that can read and nothing else."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from connectors.base import Window
from connectors.errors import (
    ColumnUnsupported,
    DatabaseRefused,
    DatabaseUnreachable,
    RoleCanWrite,
    TableMissing,
)
from connectors.places import Place
from hub.errors import HubException
from tests.connectors.making import all_numbers, opened, read
from tests.connectors.tables import PASSWORD, STAMPED, ids, only, spec

pytestmark = pytest.mark.stack


def test_postgresql_values_become_text(postgres: Any) -> None:
    run, place = postgres
    run(
        """
        CREATE TABLE things (id int PRIMARY KEY, n numeric(20,4), d date, ts timestamp, tz timestamptz, b boolean,
            f double precision, u uuid, j jsonb, t text, c char(5));
        INSERT INTO things VALUES
          (1, 12345678901234.5000, '2024-03-01', '2024-03-01 08:00:00.5', '2024-03-01 08:00:00+08', true, 1e20,
           '00000000-0000-0000-0000-000000000001', '{"b": 1.10, "a": [1]}', E'张三\\n"x"', 'ab'),
          (2, 'NaN', 'infinity', NULL, '-infinity', false, 0.1, NULL, NULL, '', NULL);
        GRANT SELECT ON things TO READER
        """
    )
    fields = ("id", "n", "d", "ts", "tz", "b", "f", "u", "j", "t", "c")
    rows, _, _ = read(only(opened(spec(fields), place).deliveries(Window())))
    assert [tuple(row[name] for name in fields) for row in rows] == [
        (
            "1", "12345678901234.5000", "2024-03-01", "2024-03-01T08:00:00.5", "2024-03-01T00:00:00Z", "true",
            "100000000000000000000", "00000000-0000-0000-0000-000000000001", '{"a": [1], "b": 1.10}', '张三\n"x"', "ab",
        ),
        ("2", "NaN", "infinity", None, "-infinity", "false", "0.1", None, None, "", None),
    ]  # fmt: skip


def test_postgresql_pages_cursor_and_backfill(postgres: Any) -> None:
    run, place = postgres
    run(
        """
        CREATE SCHEMA "Quoted Schema"; GRANT USAGE ON SCHEMA "Quoted Schema" TO READER;
        CREATE TABLE "Quoted Schema"."Things ""x" (id int, name text, updated_at timestamptz NOT NULL);
        INSERT INTO "Quoted Schema"."Things ""x"
          SELECT n, 'n' || n, timestamptz '2024-03-01 00:00+00' + n / 3 * interval '1 minute' FROM generate_series(0, 999) n;
        GRANT SELECT ON "Quoted Schema"."Things ""x" TO READER
        """
    )
    more: dict[str, Any] = {
        "fields": STAMPED,
        "table": 'Things "x',
        "options": {"schema": "Quoted Schema"},
        "cursor": "updated_at",
        "cursor_overlap": "PT10M",
    }
    delivery = only(opened(spec(**more), place, 7).deliveries(Window()))
    rows, _, pages = read(delivery)
    assert sorted(row["name"] for row in rows) == sorted(f"n{n}" for n in range(1000))
    assert all_numbers(pages) == list(range(1, 1001))
    assert [row["updated_at"] for row in rows] == sorted(row["updated_at"] for row in rows)
    assert delivery.cursor_after == {"value": "2024-03-01T05:33:00Z"}
    whole = only(opened(spec(**more), place).deliveries(Window()))
    read(whole)
    assert whole.sha256 == delivery.sha256, "the hash must not depend on the size of pages"
    again = only(opened(spec(**more), place).deliveries(Window(cursor=delivery.cursor_after)))
    assert [row["name"] for row in read(again)[0]] == [f"n{n}" for n in range(969, 1000)]
    window = Window(
        interval_start=datetime(2024, 3, 1, 1, tzinfo=UTC), interval_end=datetime(2024, 3, 1, 2, tzinfo=UTC)
    )
    assert len(ids(place, window, **more)) == 180


def test_postgresql_gives_one_state_of_the_table(postgres: Any) -> None:
    run, place = postgres
    run(
        "CREATE TABLE things (id int PRIMARY KEY, name text); INSERT INTO things SELECT n, 'old' FROM generate_series(1, 30) n; GRANT SELECT ON things TO READER"
    )
    delivery = only(opened(spec(), place, 10).deliveries(Window()))
    pages = delivery.pages()
    first = next(pages)
    run("UPDATE things SET name = 'new'; DELETE FROM things WHERE id = 25; INSERT INTO things VALUES (99, 'new')")
    names = [value for page in [first, *pages] for value in page.table.column("name").to_pylist()]
    assert names == ["old"] * 30


@pytest.mark.parametrize(
    "right",
    [
        "INSERT ON things",
        "UPDATE ON things",
        "DELETE ON things",
        "TRUNCATE ON things",
        "UPDATE (name) ON things",
        "INSERT (id) ON things",
    ],
)
def test_postgresql_roles_that_could_write_are_refused(postgres: Any, right: str) -> None:
    run, place = postgres
    run(
        f"CREATE TABLE things (id int PRIMARY KEY, name text); GRANT SELECT ON things TO READER; GRANT {right} TO READER"
    )
    with pytest.raises(RoleCanWrite, match=right.partition(" ")[0]):
        opened(spec(), place).check()
    with pytest.raises(RoleCanWrite):
        ids(place)


def test_postgresql_owners_and_superusers_are_refused(postgres: Any) -> None:
    run, place = postgres
    run("CREATE TABLE things (id int PRIMARY KEY, name text); ALTER TABLE things OWNER TO READER")
    with pytest.raises(RoleCanWrite):
        ids(place)
    run("CREATE TABLE others (id int, name text); ALTER ROLE READER SUPERUSER")
    with pytest.raises(RoleCanWrite):
        ids(place, table="others")


def test_postgresql_transactions_are_read_only(postgres: Any) -> None:
    run, place = postgres
    run(
        """CREATE TABLE things (id int PRIMARY KEY, name text); CREATE TABLE trace (id int); INSERT INTO things VALUES (1, 'x');
        CREATE FUNCTION leave_trace() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'INSERT INTO trace VALUES (1) RETURNING ''x''';
        CREATE VIEW sly AS SELECT id, leave_trace() AS name FROM things;
        GRANT SELECT ON things, sly TO READER"""
    )
    with pytest.raises(DatabaseRefused, match="read-only"):
        ids(place, table="sly")
    assert ids(place) == ["1"]


def test_postgresql_errors_say_who_acts_and_no_secret(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run, place = postgres
    run(
        "CREATE TABLE things (id int PRIMARY KEY, name text); INSERT INTO things VALUES (1, 'x'); CREATE VIEW slow AS SELECT id, name FROM things, pg_sleep(30)"
    )
    run("CREATE TABLE raw (id int, name bytea); GRANT SELECT ON slow, raw TO READER")
    cases: list[tuple[type[HubException], Place, dict[str, Any]]] = [
        (DatabaseRefused, place, {}),  # no SELECT on things
        (TableMissing, place, {"table": "nothing"}),
        (ColumnUnsupported, place, {"table": "raw"}),
        (DatabaseUnreachable, place, {"table": "slow", "options": {"timeout_seconds": 1}}),
        (DatabaseRefused, place.model_copy(update={"user": "nobody_here"}), {}),
        (DatabaseRefused, place.model_copy(update={"database": "no_such_database"}), {}),
        (DatabaseUnreachable, place.model_copy(update={"port": 1}), {}),
    ]
    for kind, where, more in cases:
        with pytest.raises(kind) as caught:
            ids(where, **more)
        shown = str(caught.value.as_dict()) + repr(caught.value) + str(caught.value.__cause__)
        assert PASSWORD not in shown
    monkeypatch.setenv("READER_PASSWORD", "wrong-" + PASSWORD)
    with pytest.raises(HubException) as caught:
        ids(place.model_copy(update={"host": "127.0.0.1"}), table="things")
    assert PASSWORD not in str(caught.value.as_dict())
    connector: Any = opened(spec(), place)
    assert PASSWORD not in repr(connector.engine) + repr(connector.place) + str(vars(connector))


def test_postgresql_check_says_what_is_there(postgres: Any) -> None:
    run, place = postgres
    run("CREATE TABLE things (id int PRIMARY KEY, name text, secret text); GRANT SELECT ON things TO READER")
    assert opened(spec(), place).check() == "public.things: reads 2 columns (1 more are not read), ordered by id"


def test_postgresql_connections_are_given_back(postgres: Any, admin_url: str) -> None:
    run, place = postgres
    run(
        "CREATE TABLE things (id int PRIMARY KEY, name text); INSERT INTO things SELECT n, 'x' FROM generate_series(1, 50) n; GRANT SELECT ON things TO READER"
    )
    abandoned = only(opened(spec(), place, 10).deliveries(Window()))
    next(abandoned.pages())
    abandoned.close()
    abandoned.close()
    ids(place)
    threads = [threading.Thread(target=ids, args=(place,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with psycopg.connect(admin_url) as connection:
        left = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", [place.user]).fetchone()
    assert left == (0,)
