"""SQL tables: exact text, whole keyset pages, cursors with overlap, and a source that can't be written."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from psycopg import sql

from connectors.base import Delivery, Window
from connectors.cursors import Watermark, greatest, overlap_of, start_of
from connectors.errors import (
    ColumnUnsupported,
    CursorHasNulls,
    CursorUnusable,
    DatabaseRefused,
    DatabaseUnreachable,
    KeyTied,
    OptionsInvalid,
    PlaceIncomplete,
    RoleCanWrite,
    TableMissing,
)
from connectors.places import Place
from connectors.registry import option_problems
from contracts.model import FieldSpec
from hub.errors import HubException
from hub.ids import PlaceId
from tests.connectors.making import all_numbers, contract, opened, read

PASSWORD = "reader-secret-9f2"


def spec(fields: Any = ("id", "name"), table: str = "things", **more: Any) -> Any:
    options = {"table": table, **more.pop("options", {})}
    return contract(fields, connector="sql_table", options=options, **more)


STAMPED = (
    FieldSpec("id", "", "", "integer"),
    FieldSpec("name", "", "", "string"),
    FieldSpec("updated_at", "", "", "timestamp"),
)


@pytest.fixture
def sqlite_place(tmp_path: Path) -> Callable[[str], Place]:
    def make(script: str) -> Place:
        with sqlite3.connect(tmp_path / "source.db") as made:
            made.executescript(script)
        made.close()
        return Place(id=PlaceId("somewhere"), root=tmp_path, dialect="sqlite", database="source.db")

    return make


@pytest.fixture
def postgres(database_url: str, admin_url: str, monkeypatch: pytest.MonkeyPatch, unique: str) -> Any:
    """A database with a role that may only read what it is granted: (run SQL as its owner, place)."""
    role = f"reader_{unique}"
    monkeypatch.setenv("READER_PASSWORD", PASSWORD)
    url = sa.make_url(database_url)

    def run(script: str) -> None:
        with psycopg.connect(admin_url, autocommit=True) as connection:
            connection.execute(sql.SQL(script.replace("READER", f'"{role}"')))  # type: ignore[arg-type]

    run(f"CREATE ROLE READER LOGIN PASSWORD '{PASSWORD}'; GRANT USAGE ON SCHEMA public TO READER")
    yield (
        run,
        Place(
            id=PlaceId("somewhere"),
            host=url.host,
            port=url.port,
            dialect="postgresql+psycopg",
            database=url.database,
            user=role,
            password_env="READER_PASSWORD",
        ),
    )
    run("DROP OWNED BY READER; DROP ROLE READER")


def only(delivery: Any) -> Delivery:
    (one,) = delivery
    assert isinstance(one, Delivery)
    return one


def ids(place: Place, window: Window | None = None, page_rows: int = 1000, **more: Any) -> list[str]:
    found = list(opened(spec(**more), place, page_rows).deliveries(window or Window()))
    return [row["id"] for delivery in found for row in read(delivery)[0]]


def test_sqlite_values_become_text(sqlite_place: Callable[[str], Place]) -> None:
    place = sqlite_place(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, name); INSERT INTO things VALUES (1, 'a'), (2, NULL), (3, 1e20), (4, 0.1), (5, 7)"
    )
    rows, _, _ = read(only(opened(spec(), place).deliveries(Window())))
    assert [row["name"] for row in rows] == ["a", None, "100000000000000000000", "0.1", "7"]
    assert [(row["_row"], row["_line"], row["_unit"]) for row in rows][-1] == (5, 5, "main.things")


def test_bytes_are_refused(sqlite_place: Callable[[str], Place]) -> None:
    place = sqlite_place("CREATE TABLE things (id INTEGER, name); INSERT INTO things VALUES (1, x'00ff')")
    with pytest.raises(ColumnUnsupported, match="holds bytes"):
        read(only(opened(spec(), place).deliveries(Window())))


@examples(max_examples=60, deadline=None)
@given(
    keys=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3) | st.none()), max_size=25),
    page_rows=st.integers(1, 7),
)
def test_no_row_is_lost_or_doubled_at_a_page_end(
    tmp_path_factory: pytest.TempPathFactory, keys: list[tuple[int, int | None]], page_rows: int
) -> None:
    root = tmp_path_factory.mktemp("db")
    with sqlite3.connect(root / "source.db") as made:
        made.execute("CREATE TABLE things (id INTEGER, part INTEGER, place INTEGER)")
        made.executemany("INSERT INTO things VALUES (?, ?, ?)", [(a, b, index) for index, (a, b) in enumerate(keys)])
    made.close()
    place = Place(id=PlaceId("somewhere"), root=root, dialect="sqlite", database="source.db")
    connector = opened(spec(("id", "part", "place"), key=("id", "part")), place, page_rows)
    try:
        found = [read(delivery) for delivery in connector.deliveries(Window())]
    except (KeyTied, CursorHasNulls):
        groups = [keys.count(key) for key in keys if key[1] is not None]
        assert max(groups, default=0) > page_rows or sum(key[1] is None for key in keys) > page_rows
        return
    rows = [row for part, _, _ in found for row in part]
    assert sorted(int(row["place"]) for row in rows) == list(range(len(keys)))
    for _, _, pages in found:
        assert all_numbers(pages) == list(range(1, len(keys) + 1))
        assert all(page.rows_in <= page_rows for page in pages)


def test_a_cursor_starts_the_next_pull_at_its_overlap(sqlite_place: Callable[[str], Place]) -> None:
    place = sqlite_place(
        """CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, updated_at TEXT NOT NULL);
        INSERT INTO things VALUES (1, 'a', '2024-03-01 08:00:00'), (2, 'b', '2024-03-01 09:00:00'), (3, 'c', '2024-03-01 09:00:00');"""
    )
    more = {"fields": STAMPED, "cursor": "updated_at", "cursor_overlap": "PT30M"}
    delivery = only(opened(spec(**more), place).deliveries(Window()))
    read(delivery)
    assert delivery.cursor_after == {"value": "2024-03-01 09:00:00"}
    assert ids(place, Window(cursor=delivery.cursor_after), **more) == ["2", "3"]
    sqlite_place(
        "INSERT INTO things VALUES (4, 'late', '2024-03-01 08:45:00'), (5, 'too late', '2024-03-01 08:15:00'), (6, 'new', '2024-03-02 00:00:00')"
    )
    again = only(opened(spec(**more), place).deliveries(Window(cursor=delivery.cursor_after)))
    assert [row["id"] for row in read(again)[0]] == ["4", "2", "3", "6"]
    assert again.cursor_after == {"value": "2024-03-02 00:00:00"}


def test_a_cursor_never_goes_back(sqlite_place: Callable[[str], Place]) -> None:
    place = sqlite_place(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, updated_at TEXT NOT NULL); INSERT INTO things VALUES (1, 'a', '2024-03-01 08:00:00')"
    )
    more = {"fields": STAMPED, "cursor": "updated_at", "cursor_overlap": "P1D"}
    delivery = only(opened(spec(**more), place).deliveries(Window(cursor={"value": "2024-03-01 20:00:00"})))
    read(delivery)
    assert delivery.cursor_after == {"value": "2024-03-01 20:00:00"}


def test_a_backfill_reads_its_interval_and_moves_no_cursor(sqlite_place: Callable[[str], Place]) -> None:
    place = sqlite_place(
        """CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, updated_at DATETIME NOT NULL);
        INSERT INTO things VALUES (1, 'a', '2024-02-29 23:59:59'), (2, 'b', '2024-03-01 00:00:00'), (3, 'c', '2024-03-02 00:00:00');"""
    )
    # A time without zone is Beijing's: the interval of 1 March there begins at 16:00 UTC the day before.
    window = Window(
        cursor={"value": "2024-12-31 00:00:00"},
        interval_start=datetime(2024, 2, 29, 16, tzinfo=UTC),
        interval_end=datetime(2024, 3, 1, 16, tzinfo=UTC),
    )
    delivery = only(opened(spec(STAMPED, cursor="updated_at"), place).deliveries(window))
    assert [row["id"] for row in read(delivery)[0]] == ["2"]
    assert delivery.cursor_after is None


def test_nothing_new_is_no_delivery_unless_the_feed_is_a_snapshot(sqlite_place: Callable[[str], Place]) -> None:
    place = sqlite_place("CREATE TABLE things (id INTEGER, name TEXT)")
    assert list(opened(spec(), place).deliveries(Window())) == []
    delivery = only(opened(spec(completeness="snapshot"), place).deliveries(Window()))
    assert read(delivery)[0] == []
    assert delivery.sha256 == hashlib.sha256(b"").hexdigest()


def test_what_is_missing_or_null_is_named(sqlite_place: Callable[[str], Place]) -> None:
    place = sqlite_place(
        "CREATE TABLE things (id INTEGER, name TEXT, updated_at TEXT); INSERT INTO things VALUES (1, 'a', NULL)"
    )
    with pytest.raises(TableMissing, match="such table"):
        ids(place, table="other")
    with pytest.raises(TableMissing, match="column nme, sum"):
        ids(place, fields=("id", "nme", "sum"))
    with pytest.raises(CursorHasNulls, match="updated_at"):
        ids(place, fields=STAMPED, cursor="updated_at")
    with pytest.raises(CursorUnusable):
        ids(place, fields=STAMPED, cursor="updated_at", cursor_overlap="a while")
    with pytest.raises(OptionsInvalid, match="database"):
        ids(place, options={"database": "other.db"})


def test_sql_in_names_is_a_name(sqlite_place: Callable[[str], Place]) -> None:
    evil = "things; DROP TABLE things; --"
    place = sqlite_place('CREATE TABLE things (id INTEGER, "na""me" TEXT); INSERT INTO things VALUES (1, \'x\')')
    with pytest.raises(TableMissing):
        ids(place, table=evil)
    with pytest.raises(TableMissing):
        ids(place, fields=("id", 'name" FROM things; DROP TABLE things; --'))
    rows, _, _ = read(only(opened(spec(("id", 'na"me')), place).deliveries(Window())))
    assert rows[0]['na"me'] == "x"


def test_a_sqlite_file_outside_the_root_or_linked_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    sqlite3.connect(tmp_path / "outside.db").close()
    (root / "link.db").symlink_to(tmp_path / "outside.db")
    for name in ("../outside.db", "link.db", "absent.db"):
        place = Place(id=PlaceId("somewhere"), root=root, dialect="sqlite", database=name)
        with pytest.raises(PlaceIncomplete):
            ids(place)
    assert not (root / "absent.db").exists()


def test_sqlite_can_not_be_written(sqlite_place: Callable[[str], Place]) -> None:
    place = sqlite_place("CREATE TABLE things (id INTEGER)")
    connector: Any = opened(spec(("id",)), place)
    with pytest.raises(sa.exc.OperationalError, match="readonly"), connector.engine.connect() as connection:
        connection.exec_driver_sql("INSERT INTO things VALUES (1)")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({}, "table"),
        ({"table": "x", "query": "SELECT 1"}, "query"),
        ({"table": ""}, "table"),
        ({"table": "x", "host": "y"}, "host"),
    ],
)
def test_options_that_a_contract_may_not_say(options: dict[str, Any], word: str) -> None:
    assert any(word in problem for problem in option_problems("sql_table", options))


def test_another_dialect_needs_the_operators_word() -> None:
    place = Place(id=PlaceId("somewhere"), host="127.0.0.1", dialect="mysql+pymysql", database="x", user="y")
    with pytest.raises(RoleCanWrite, match="vouched_read_only"):
        try:
            opened(spec(), place)
        except RoleCanWrite as error:
            raise RoleCanWrite(place="x", table="y", reason=error.remedy()) from None


@pytest.mark.parametrize(
    ("value", "overlap", "due"),
    [
        ("2024-03-01T08:00:00Z", "PT10M", "2024-03-01T07:50:00Z"),
        ("2024-03-01T08:00:00.5+08:00", "PT1S", "2024-03-01T07:59:59.5+08:00"),
        ("2024-03-01", "P1D", "2024-02-29"),
        ("2024-03-01", "PT1H", "2024-02-29"),
        ("20240301", "P1W", "20240223"),
        ("2024-03-01 00:00:00", "PT1S", "2024-02-29 23:59:59"),
        ("20240301T080000Z", "PT10M", "20240301T075000Z"),
        ("20240301T080000.250+0800", "PT10M", "20240301T075000.250+0800"),
        ("20240301080000", "PT10M", "20240301075000"),
        ("2024/03/01", "P1D", "2024/02/29"),
        ("2024.03.01", "PT10M", "2024.02.29"),
        ("2024-03", "P1D", "2024-02"),
        ("2024", "P1D", "2023"),
        ("2024-03-01T08:00", "PT10M", "2024-03-01T07:50:00"),
        ("1000", "100", "900"),
        ("10.50", "0.5", "10.00"),
        ("abc", None, "abc"),
    ],
)
def test_overlaps(value: str, overlap: str | None, due: str) -> None:
    assert start_of("s", value, overlap_of("s", overlap)) == due


@pytest.mark.parametrize(
    ("value", "overlap"),
    [("abc", "P1D"), ("2024-03-01", "100"), ("0001-01-01", "P1D"), ("2024-13-01", "P1D"), ("20240301T0800", "PT1M")],
)
def test_overlaps_of_another_kind_are_refused(value: str, overlap: str) -> None:
    with pytest.raises(CursorUnusable):
        start_of("s", value, overlap_of("s", overlap))


@pytest.mark.parametrize("text", ["", "P", "PT", "soon", "-5", "NaN", "P1M"])
def test_overlaps_that_say_nothing_are_refused(text: str) -> None:
    with pytest.raises(CursorUnusable):
        overlap_of("s", text)


def test_the_greatest_is_told_by_the_fields_type() -> None:
    number, moment = FieldSpec("n", "", "", "integer"), FieldSpec("t", "", "", "timestamp")
    assert greatest(number, ["9", "10", None, "x"]) == "10"
    assert greatest(moment, ["2024-03-01T08:00:00+08:00", "2024-03-01T01:00:00Z", "infinity"]) == "2024-03-01T01:00:00Z"
    assert greatest(number, ["x", None]) is None
    assert greatest(moment, ["20240301080000", "20240229235959"]) == "20240301080000"
    assert greatest(moment, ["20240301T080000Z", "20240301T090000+0800"]) == "20240301T080000Z"
    assert greatest(moment, ["2024-03-01 08:00:00.123456789", "2024-03-01 08:00:00.1234567891"]) == (
        "2024-03-01 08:00:00.1234567891"
    )
    day = FieldSpec("d", "", "", "date")
    assert greatest(day, ["2024/03/01", "2024/02/29", "2024.02.28"]) == "2024/03/01"
    assert greatest(day, ["20240301", "20240131"]) == "20240301"
    assert greatest(day, ["2024-02", "2024-03"]) == "2024-03"


def test_values_of_which_none_can_be_read_are_met_loudly() -> None:
    mark = Watermark("s", FieldSpec("t", "", "", "timestamp"))
    mark.note([None, "infinity"])
    assert mark.after(None) is None
    assert mark.after("2024-03-01T08:00:00Z") == "2024-03-01T08:00:00Z"
    mark.note(["1 March 2024"])
    with pytest.raises(CursorUnusable) as caught:
        mark.after("2024-03-01T08:00:00Z")
    assert "1 March" not in str(caught.value.as_dict())
    mark.note(["2024-03-01T09:00:00Z"])
    assert mark.after("2024-03-01T08:00:00Z") == "2024-03-01T09:00:00Z"


@pytest.mark.stack
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


@pytest.mark.stack
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


@pytest.mark.stack
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


@pytest.mark.stack
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


@pytest.mark.stack
def test_postgresql_owners_and_superusers_are_refused(postgres: Any) -> None:
    run, place = postgres
    run("CREATE TABLE things (id int PRIMARY KEY, name text); ALTER TABLE things OWNER TO READER")
    with pytest.raises(RoleCanWrite):
        ids(place)
    run("CREATE TABLE others (id int, name text); ALTER ROLE READER SUPERUSER")
    with pytest.raises(RoleCanWrite):
        ids(place, table="others")


@pytest.mark.stack
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


@pytest.mark.stack
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


@pytest.mark.stack
def test_postgresql_check_says_what_is_there(postgres: Any) -> None:
    run, place = postgres
    run("CREATE TABLE things (id int PRIMARY KEY, name text, secret text); GRANT SELECT ON things TO READER")
    assert opened(spec(), place).check() == "public.things: reads 2 columns (1 more are not read), ordered by id"


@pytest.mark.stack
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


def test_decimals_keep_their_places(sqlite_place: Callable[[str], Place]) -> None:
    from connectors.sql.values import from_python

    values = [Decimal("1.10"), Decimal("1E+3"), True, datetime(2024, 3, 1, 8, tzinfo=UTC), datetime(2024, 3, 1, 8)]
    assert from_python("t", "c", values).to_pylist() == [
        "1.10", "1000", "true", "2024-03-01T08:00:00Z", "2024-03-01T08:00:00",
    ]  # fmt: skip
