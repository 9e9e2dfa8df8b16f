"""SQL tables: exact text, whole keyset pages, cursors with overlap, and a source that can't be written."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from structlog.testing import capture_logs

from connectors.base import Window
from connectors.cursors import Watermark, greatest, overlap_of, start_of
from connectors.errors import (
    ColumnUnsupported,
    CursorHasNulls,
    CursorUnusable,
    KeyTied,
    OptionsInvalid,
    PlaceIncomplete,
    RoleCanWrite,
    TableMissing,
)
from connectors.places import Place
from connectors.registry import option_problems
from contracts.model import FieldSpec
from hub import clock
from hub.ids import PlaceId
from tests.connectors.making import all_numbers, opened, read
from tests.connectors.tables import STAMPED, ids, only, spec


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


@pytest.mark.parametrize("page_rows", [1, 2, 1000])
def test_a_row_dated_in_the_future_does_not_end_the_feed(sqlite_place: Callable[[str], Place], page_rows: int) -> None:
    place = sqlite_place(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, name, updated_at TEXT NOT NULL);"
        "INSERT INTO things VALUES (1, 'a', '2024-03-01T08:00:00Z'), (2, 'b', '2099-12-31T00:00:00Z'),"
        " (3, 'c', '2024-03-01T09:00:00Z'), (4, 'd', '9999-12-31T23:59:59Z')"
    )
    more = {"fields": STAMPED, "cursor": "updated_at", "cursor_overlap": "PT10M"}
    delivery = only(opened(spec(**more), place, page_rows).deliveries(Window()))
    with capture_logs() as said:
        read(delivery)
    assert delivery.cursor_after == {"value": "2024-03-01T09:00:00Z"}
    (line,) = said
    assert (line["log_level"], line["rows"], line["field"]) == ("warning", 2, "updated_at")
    assert "2099" not in str(line)
    assert place.root is not None
    with sqlite3.connect(place.root / "source.db") as made:
        made.execute("INSERT INTO things VALUES (5, 'e', '2024-03-02T00:00:00Z')")
    made.close()
    assert ids(place, Window(cursor=delivery.cursor_after), **more) == ["3", "5", "2", "4"]


def test_a_cursor_saved_in_the_future_is_refused(sqlite_place: Callable[[str], Place]) -> None:
    place = sqlite_place("CREATE TABLE things (id INTEGER PRIMARY KEY, name, updated_at TEXT NOT NULL)")
    with pytest.raises(CursorUnusable, match="lies in the future"):
        ids(place, Window(cursor={"value": "2099-12-31T00:00:00Z"}), fields=STAMPED, cursor="updated_at")


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


@pytest.mark.parametrize(
    ("kind", "behind", "ahead"),
    [
        ("timestamp", "2024-03-01T08:04:59Z", "2024-03-01T08:05:01Z"),
        ("timestamp", "2024-03-01T08:00:00z", "2024-03-01T08:05:01z"),
        ("timestamp", "2024-03-01T16:00:00+08:00", "2024-03-01T09:00:00+0000"),
        ("timestamp", "2024-03-01 16:04:59.999", "2024-03-01 16:05:01"),  # without zone: Beijing's
        ("timestamp", "20240301160000", "20240302160000"),
        ("timestamp", "2024-03-02", "2024-03-03"),
        ("date", "2024-03-02", "2024-03-03"),
        ("date", "2024-03", "2024-04"),
        ("integer", "1", "99999999999"),
    ],
)
def test_what_lies_in_the_future_moves_no_cursor(kind: Any, behind: str, ahead: str) -> None:
    with clock.at(datetime(2024, 3, 1, 8, tzinfo=UTC)):
        mark = Watermark("s", FieldSpec("t", "", "", kind))
    mark.note([ahead])
    counted = kind == "integer"
    assert mark.after(None) == (ahead if counted else None)
    mark.note(["not to be read", None, behind])
    assert mark.after(None) == (ahead if counted else behind)
    if not counted:
        assert mark.after("2024-02-01") in ("2024-02-01", behind), "the saved one stays where all lie in the future"


def test_decimals_keep_their_places(sqlite_place: Callable[[str], Place]) -> None:
    from connectors.sql.values import from_python

    values = [Decimal("1.10"), Decimal("1E+3"), True, datetime(2024, 3, 1, 8, tzinfo=UTC), datetime(2024, 3, 1, 8)]
    assert from_python("t", "c", values).to_pylist() == [
        "1.10", "1000", "true", "2024-03-01T08:00:00Z", "2024-03-01T08:00:00",
    ]  # fmt: skip
