"""The cursor of a source: a slip at the source doesn't end a feed, and a person can set the cursor back."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contracts import catalogue
from contracts.model import FeedContract, SourceSpec
from exchange.commands import feed as command
from hub.ids import BatchId, PlaceId
from hub.settings import settings
from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import BY, FIELDS, contract, drop, row, spec
from warehouse import batches, engine, way
from warehouse.errors import CursorRefused, OperatorMissing, SourceUnknown
from warehouse.landing.cursor import set_cursor
from warehouse.loading import finish

pytestmark = pytest.mark.stack


class Table:
    """A view of the agency's database, and the feed that reads it."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.database = hub.drop / "source.db"
        Path(settings().places).write_text(
            f'[places.database]\nroot = "{hub.drop}"\ndialect = "sqlite"\ndatabase = "source.db"\n'
        )
        options = {"table": "vouchers"}
        self.contract: FeedContract = contract(
            sources=(SourceSpec(id="database", connector="sql_table", place=PlaceId("database"), options=options),),
            fields=(*FIELDS, spec("updated_at", "timestamp")),
            source_version=None,
            cursor="updated_at",
            cursor_overlap="PT10M",
        )
        names = ", ".join(f"{field.name} TEXT" for field in self.contract.fields if field.name != "updated_at")
        self.execute(f"CREATE TABLE vouchers ({names}, updated_at TEXT NOT NULL)")

    def execute(self, statement: str, *values: str) -> None:
        with sqlite3.connect(self.database) as made:
            made.execute(statement, values)
        made.close()

    def put(self, number: str, amount: str, updated_at: str) -> None:
        self.execute("DELETE FROM vouchers WHERE number = ?", number)
        self.execute(
            "INSERT INTO vouchers (number, payee, amount, updated_at) VALUES (?, 'P', ?, ?)", number, amount, updated_at
        )

    def live(self) -> dict[str, str]:
        return {
            str(key): str(amount) for key, amount in self.hub.all("select hub_key, amount from core.sample_vouchers")
        }

    def saved(self) -> Any:
        return self.hub.value("select value from hub.cursor")


@pytest.fixture
def table(hub: Hub) -> Table:
    return Table(hub)


def test_one_row_dated_in_the_future_does_not_end_the_feed(table: Table) -> None:
    table.put("A", "1.00", "2026-01-20T10:00:00+08:00")
    table.put("B", "1.00", "2099-12-31T00:00:00+08:00")
    way.run_feed(table.contract)
    assert table.saved() == {"value": "2026-01-20T10:00:00+08:00"}
    table.put("C", "1.00", "2026-01-22T10:00:00+08:00")
    table.put("A", "2.00", "2026-01-22T10:05:00+08:00")
    way.run_feed(table.contract)
    assert table.live() == {"A": "2.00", "B": "1.00", "C": "1.00"}


def test_a_person_sets_the_cursor_back_on_record(table: Table) -> None:
    table.put("A", "1.00", "2026-01-20T10:00:00+08:00")
    way.run_feed(table.contract)
    table.put("LATE", "1.00", "2026-01-10T10:00:00+08:00")
    way.run_feed(table.contract)
    assert "LATE" not in table.live()
    set_cursor(table.contract, None, "2026-01-10T00:00:00+08:00", **BY)
    way.run_feed(table.contract)
    assert set(table.live()) == {"A", "LATE"}
    assert table.saved() == {"value": "2026-01-20T10:00:00+08:00"}
    assert set_cursor(table.contract, "database", None, **BY) is None
    assert table.hub.all("select * from hub.cursor") == []
    acts = table.hub.all("select operator, action, object, reason, facts from hub.act order by act_no")
    assert [tuple(act)[:4] for act in acts] == [("Op One", "cursor", "sample_vouchers", BY["reason"])] * 2
    assert acts[0].facts == {
        "source": "database",
        "before": {"value": "2026-01-20T10:00:00+08:00"},
        "after": {"value": "2026-01-10T00:00:00+08:00"},
    }
    assert acts[1].facts["after"] is None
    way.run_feed(table.contract)
    assert table.saved() == {"value": "2026-01-20T10:00:00+08:00"}


@pytest.mark.parametrize("to", ["2099-01-01T00:00:00Z", "yesterday", "", True, 1.5, [], {"files": {}}, "x" * 201])
def test_what_no_cursor_can_be_set_to(table: Table, to: Any) -> None:
    with pytest.raises(CursorRefused):
        set_cursor(table.contract, None, to, **BY)
    assert table.hub.all("select * from hub.cursor") == []


def test_nobody_sets_a_cursor_without_name_and_source(table: Table) -> None:
    with pytest.raises(OperatorMissing):
        set_cursor(table.contract, None, None, operator=" ", reason="x")
    with pytest.raises(SourceUnknown):
        set_cursor(table.contract, "elsewhere", None, **BY)
    with pytest.raises(CursorRefused):
        set_cursor(contract(), None, "2026-01-01", **BY)


def test_the_command_shows_and_sets(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "load_one", lambda _: table.contract)
    table.put("A", "1.00", "2026-01-20T10:00:00+08:00")
    way.run_feed(table.contract)

    def ran(*words: str, code: int = 0) -> Any:
        result = CliRunner().invoke(command.app, ["cursor", "sample_vouchers", *words, "--json"])
        assert result.exit_code == code, (result.output, result.exception)
        return json.loads(result.stdout)["cursors"] if not code else None

    by = ("--operator", "Op One", "--reason", "late rows")
    (shown,) = ran()
    assert (shown["source"], shown["value"]) == ("database", {"value": "2026-01-20T10:00:00+08:00"})
    (done,) = ran("--to", '{"value": "2026-01-02T00:00:00Z"}', *by)
    assert done["value"] == {"value": "2026-01-02T00:00:00Z"} == table.saved()
    for words in (("--to", "no json"), ("--to", "null"), ("--reset", "--to", '"2026-01-01"')):
        ran(*words, *by, code=2)
    ran("--reset", code=1)
    (gone,) = ran("--reset", *by)
    assert gone["value"] is None and gone["batch"] is None
    assert "database" in CliRunner().invoke(command.app, ["cursor", "sample_vouchers"]).stdout


def test_a_clock_set_back_does_not_stop_the_cursor(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(hub.drop, "other.csv", [row(9)])
    way.run_feed(contract("other_vouchers"))
    (hub.drop / "other.csv").unlink()
    made = iter(("ffffffff-0000-7000-8000-000000000000", "00000000-0000-7000-8000-000000000000"))
    monkeypatch.setattr(batches, "new_batch_id", lambda: next(made))
    query = "select value, batch_id from hub.cursor where feed = 'sample_vouchers'"
    for name in ("a.csv", "b.csv"):
        drop(hub.drop, name, [row(1), row(2, note=name)])
        (done,) = way.run_feed(contract())
        value, batch = hub.one(query)
        assert (name in value["files"], batch) == (True, done.batch_id)
    with engine.transaction() as conn:
        older = batches.get(conn, BatchId("ffffffff-0000-7000-8000-000000000000"))
        finish.move_cursor(conn, older)
    assert hub.one(query) == (value, done.batch_id), "an older batch that is loaded late doesn't turn it back"


def test_a_file_with_a_personal_number_in_its_name_that_goes_back_is_met(hub: Hub) -> None:
    name = "list-11010519491231002X.csv"
    for at, amount in ((1, "1.00"), (2, "2.00"), (1, "1.00")):
        path = drop(hub.drop, name, [row(1, amount=amount)])
        os.utime(path, (at, at))
        assert [one.state for one in way.run_feed(contract())] == ["loaded"]
        assert str(hub.value("select amount from core.sample_vouchers")) == amount
        assert way.run_feed(contract()) == []
    (key,) = hub.value("select value from hub.cursor")["files"]
    assert key.startswith("hmac:") and "1949" not in key
    drop(hub.drop, "list-110105194912310038.csv", [row(3)])
    way.run_feed(contract())
    assert len(hub.value("select value from hub.cursor")["files"]) == 2
