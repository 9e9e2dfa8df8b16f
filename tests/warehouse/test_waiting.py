"""What waits to be read one day, in which order it is read then, and when nothing waits any more."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.files.delivery import FileDelivery
from connectors.files.tee import TeeFile
from contracts.model import Sla
from hub.ids import FeedId
from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import HEADERS, REFUSING, contract, drop, row, rows
from tests.warehouse.keeping import NOTHING, after
from tests.warehouse.test_late import OLD_HEADERS, T0, live, plain, put, readable
from warehouse import engine, way
from warehouse.batches import BatchOutcome
from warehouse.landing.known import TakenBefore
from warehouse.loading import late

pytestmark = pytest.mark.stack

MARKED = {"note": "秘密★5年"}
NOTES = "select record_key from hub.confirmed"


def touch(hub: Hub, name: str, at: int) -> None:
    os.utime(hub.drop / name, (T0 + at, T0 + at))


def new(outcomes: list[BatchOutcome]) -> list[tuple[str, str]]:
    return [(one.delivery, one.state) for one in outcomes if not one.repeated]


# What is put into the folder: name, amount, second of writing (None: the file is touched at that second, then), and
# whether a visit follows. Amounts of 7.00 stand under headers that the contract doesn't know yet.
Step = tuple[str, str | None, int]
COURSES: dict[str, list[list[Step]]] = {
    "sent again under a new name": [[("a", "7.00", 0)], [("b", "1.00", 10)], [("c", "7.00", 20)]],
    "and something else after it": [[("a", "7.00", 0)], [("b", "1.00", 10)], [("c", "7.00", 20)], [("d", "2.00", 30)]],
    "touched": [[("a", "7.00", 0)], [("b", "1.00", 10)], [("a", None, 20)]],
    "touched before the last visit": [[("a", "7.00", 0)], [("b", "1.00", 10)], [], [("a", None, 20)]],
    "its name said something else": [[("a", "7.00", 0)], [("a", "1.00", 10)], [("a", "7.00", 20)], [("d", "2.00", 30)]],
    "its name said it again last": [[("a", "7.00", 0)], [("a", "1.00", 10)], [("a", "7.00", 20)]],
    "two of one visit": [[("a", "7.00", 0), ("b", "7.00", 5)], [("c", "1.00", 10)]],
    "two of one visit, another between": [[("a", "7.00", 0), ("c", "1.00", 5), ("b", "7.00", 10)], [("d", "2.00", 30)]],
    "another between, and last": [[("a", "7.00", 0), ("c", "1.00", 5), ("b", "7.00", 10)]],
    "two of one time": [[("a", "7.00", 0), ("b", "7.00", 0)], [("c", "1.00", 10)]],
}


@pytest.mark.parametrize("course", COURSES)
def test_what_is_read_late_ends_as_if_it_had_been_readable_at_once(hub: Hub, course: str) -> None:
    last = {}
    for feed, early in (("sample_ones", False), ("sample_others", True)):
        folder = replace(hub, drop=hub.drop / feed)
        folder.drop.mkdir()
        made = plain(feed=feed)
        source = replace(made.sources[0], options={**made.sources[0].options, "glob": f"{feed}/*"})
        made = replace(made, sources=(source,))
        for visit in COURSES[course]:
            for name, amount, at in visit:
                if amount is None:
                    touch(folder, name, at)
                    continue
                put(folder, name, [row(1, amount=amount)], at, OLD_HEADERS if amount == "7.00" else HEADERS)
            way.run_feed(readable(made) if early else made)
        way.run_feed(readable(made))
        assert new(way.run_feed(readable(made))) == [], "nothing is left to be read"
        last[feed] = hub.value(f"select amount::text from core.{feed}")
    assert last["sample_ones"] == last["sample_others"]


def test_what_the_gate_refused_is_refused_for_good_until_it_is_delivered_anew(hub: Hub) -> None:
    made = plain(gate_rules=REFUSING)
    relaxed = replace(made, gate_rules=(), sha256="2" * 64)
    put(hub, "0.csv", [row(1, amount="9.00")], 0)
    way.run_feed(made)
    put(hub, "1.csv", [row(1, amount="1.00"), row(4, **MARKED)], 100)
    (refused,) = [one for one in way.run_feed(made) if not one.repeated]
    assert refused.state == "refused" and "delivered anew" in str(refused.reason)
    kept = hub.value("select appearance from hub.batch where state = 'refused'")
    assert kept.startswith("hmac:"), "no hash that whoever has the file could look for"
    # Known by the file that lies there, not by its name.
    (hub.drop / "1.csv").rename(hub.drop / "moved.csv")
    (again,) = way.run_feed(relaxed)
    assert (again.batch_id, again.repeated) == (refused.batch_id, True)
    assert live(hub) == {"V000001": "9.00"}
    # Touched and refused again: what then lies there was decided too.
    touch(hub, "moved.csv", 200)
    assert [one.state for one in way.run_feed(made)] == ["refused"]
    touch(hub, "moved.csv", 300)
    assert [one.repeated for one in way.run_feed(made)] == [True]
    assert [one.repeated for one in way.run_feed(relaxed)] == [True]
    touch(hub, "moved.csv", 400)
    assert new(way.run_feed(relaxed)) == [("moved.csv", "loaded")]
    assert live(hub) == {"V000001": "1.00", "V000004": "4.50"}


def test_a_person_may_give_by_hand_what_a_relaxed_gate_had_refused(hub: Hub) -> None:
    made = plain(gate_rules=REFUSING)
    put(hub, "1.csv", [row(4, **MARKED)], 100)
    assert [one.state for one in way.run_feed(made)] == ["refused"]
    (done,) = way.run_feed(replace(made, gate_rules=(), sha256="2" * 64), file=hub.drop / "1.csv")
    assert (done.state, done.repeated) == ("loaded", False)


def test_what_the_gate_refused_does_not_wait(hub: Hub) -> None:
    made = plain(gate_rules=REFUSING)
    put(hub, "0.csv", rows(3), 0)
    way.run_feed(made)
    put(hub, "1.csv", [row(4, **MARKED)], 100)
    assert new(way.run_feed(made)) == [("1.csv", "refused")]
    put(hub, "2.csv", rows(4), 200)
    assert new(way.run_feed(made)) == [("2.csv", "loaded")]
    assert hub.all(NOTES) == []
    put(hub, "3.csv", rows(4), 300)
    assert new(way.run_feed(made)) == [], "what was refused said nothing: the same again is no news"


def test_an_unreadable_file_waits_as_long_as_it_lies_there(hub: Hub) -> None:
    made = plain()
    put(hub, "0.csv", rows(3), 0)
    way.run_feed(made)
    put(hub, "1.csv", rows(3, amount="7.00"), 100, OLD_HEADERS)
    assert new(way.run_feed(made)) == [("1.csv", "refused")]
    put(hub, "2.csv", rows(4), 200)
    way.run_feed(made)
    assert len(hub.all(NOTES)) == 3
    (hub.drop / "1.csv").rename(hub.drop / "renamed.csv")
    assert new(way.run_feed(made)) == []
    put(hub, "3.csv", rows(5), 300)
    way.run_feed(made)
    assert len(hub.all(NOTES)) == 4, "it lies there under another name"
    put(hub, "renamed.csv", rows(6), 400)
    way.run_feed(made)
    put(hub, "4.csv", rows(7), 500)
    way.run_feed(made)
    assert hub.all(NOTES) == [], "it was written over: it can't be read any more"


def test_an_unreadable_file_is_not_waited_for_without_an_end(hub: Hub) -> None:
    made = plain(sla=Sla(retention_days={"quarantine": 30}))
    put(hub, "0.csv", rows(3), 0)
    put(hub, "1.csv", rows(3, amount="7.00"), 100, OLD_HEADERS)
    way.run_feed(made)
    assert after(29, made).given_up == 0
    put(hub, "2.csv", rows(4), 200)
    way.run_feed(made)
    assert len(hub.all(NOTES)) == 3, "until then it waits"
    with engine.holding("feed", made.id):
        assert after(31, made).given_up == 0, "where somebody works on the feed it is left for the next night"
    assert (after(31, made).given_up, after(31, made)) == (1, NOTHING)
    put(hub, "3.csv", rows(5), 300)
    assert new(way.run_feed(made)) == [("3.csv", "loaded")]
    assert hub.all(NOTES) == [], "nothing is noted for it any more"
    assert hub.value("select state_reason from hub.batch where delivery = '1.csv'"), (
        "why it was not read stays on record"
    )
    assert new(way.run_feed(readable(made))) == [], (
        "as it lies there it is not read, though it could be: newer ones came"
    )
    assert live(hub)["V000001"] == "1.50"
    touch(hub, "1.csv", 400)
    assert new(way.run_feed(readable(made))) == [("1.csv", "loaded")], "delivered anew it is news"
    assert live(hub)["V000001"] == "7.00"


def test_a_folder_that_is_not_mounted_ends_no_waiting(hub: Hub) -> None:
    made = plain()
    put(hub, "0.csv", rows(2, amount="1.00"), 0)
    way.run_feed(made)
    put(hub, "1.csv", rows(2, amount="7.00"), 100, OLD_HEADERS)
    way.run_feed(made)
    away = hub.drop.rename(hub.drop.with_name("away"))
    hub.drop.mkdir()
    assert way.run_feed(made) == []
    hub.drop.rmdir()
    away.rename(hub.drop)
    put(hub, "2.csv", rows(2, amount="1.00"), 200)
    way.run_feed(made)
    way.run_feed(readable(made))
    assert live(hub) == {"V000001": "1.00", "V000002": "1.00"}


def test_a_visit_asks_for_what_lies_there_and_not_for_the_whole_history(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plain()
    for number in range(4):
        put(hub, f"{number}.csv", rows(number + 1), number)
        way.run_feed(made)
        if number:
            (hub.drop / f"{number - 1}.csv").unlink()
    asked: list[list[str]] = []
    among = TakenBefore.among

    def noted(self: TakenBefore, appearances: list[str]) -> frozenset[str]:
        asked.append(list(appearances))
        return among(self, asked[-1])

    monkeypatch.setattr(TakenBefore, "among", noted)
    assert new(way.run_feed(made)) == []
    assert [len(one) for one in asked] == [1]


def test_what_a_visit_asks_is_found_by_an_index(hub: Hub) -> None:
    with engine.connection() as conn, conn.begin():
        conn.execute(
            sa.text(
                "insert into hub.batch (batch_id, feed, contract_version, contract_sha256, kind, source, delivery,"
                " delivery_sha256, appearance, state, rows_in, rows_loaded, rows_unchanged, rows_quarantined, rows_refused)"
                " select 'b' || n, 'sample_vouchers', '1', 'c', 'pull', 'drop', 'f' || n, 's' || n,"
                " case when n % 2 = 0 then 's' || n || '@1' else 'hmac:' || n end,"
                " case when n % 2 = 0 then 'loaded' else 'refused' end, 0, 0, 0, 0, 0 from generate_series(1, 20000) n"
            )
        )
        conn.execute(sa.text("analyze hub.batch"))
    statements: list[tuple[str, Any]] = []
    with engine.connection() as conn:
        sa.event.listen(conn, "before_cursor_execute", lambda *got: statements.append((got[2], got[3])))
        before = TakenBefore(conn, FeedId("sample_vouchers"), "drop")
        assert before.among(["s10@1", "x@1"]) == {"s10@1"}
        assert before.latest() == "s20000@1"
        with conn.begin():
            assert conn.scalar(late._DELIVERY_WAITS, {"feed": "sample_vouchers"}) is False
        asked = [one for one in statements if "hub.batch" in one[0]]
        with engine.driver(conn).cursor() as cursor:
            for query, values in asked:
                cursor.execute(f"explain (format json) {query}", values)
                found = cursor.fetchone()
                assert found is not None
                plan = json.dumps(found[0])
                assert "Seq Scan" not in plan and '"Sort"' not in plan, (query, plan)
                assert found[0][0]["Plan"]["Total Cost"] < 100, (query, plan)
    assert len(asked) >= 4


def test_a_file_that_is_taken_away_before_it_is_read_holds_nothing_up(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, at in (("1.csv", 0), ("2.csv", 10)):
        put(hub, name, rows(at + 1), at)
    empty = TakenBefore.empty

    def taken_away(self: TakenBefore) -> bool:
        (hub.drop / "1.csv").unlink(missing_ok=True)
        return empty(self)

    monkeypatch.setattr(TakenBefore, "empty", taken_away)
    assert new(way.run_feed(plain())) == [("2.csv", "loaded")]
    assert hub.value("select count(*) from hub.batch") == 1


def test_a_refused_file_that_is_cleared_away_while_it_is_looked_at_again_is_refused_once(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sender saw that it was refused and cleared the folder, just as a later visit had read it."""
    drop(hub.drop, "a.csv", rows(3), headers=("number", "payee", "amounts", "paid_on", "version", "status", "note"))
    (first,) = way.run_feed(contract())
    read, close = [], TeeFile.close

    def cleared(tee: TeeFile) -> None:
        read.append(tee.name)
        (hub.drop / tee.name).unlink(missing_ok=True)
        close(tee)

    monkeypatch.setattr(TeeFile, "close", cleared)
    (again,) = way.run_feed(contract())
    assert read and (again.batch_id, again.repeated) == (first.batch_id, True)
    assert hub.all("select delivery, state from hub.batch") == [("a.csv", "refused")]


def test_what_was_read_is_refused_also_where_another_file_lies_there_by_then(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(hub.drop, "a.csv", rows(3), headers=("number", "payee", "amounts", "paid_on", "version", "status", "note"))
    close = TeeFile.close

    def replaced(tee: TeeFile) -> None:
        monkeypatch.setattr(TeeFile, "close", close)
        close(tee)
        drop(hub.drop, "a.csv", rows(2), headers=("number", "payee", "sum", "paid_on", "version", "status", "note"))

    monkeypatch.setattr(TeeFile, "close", replaced)
    (first,) = way.run_feed(contract())
    (second,) = way.run_feed(contract())
    assert [one.state for one in (first, second)] == ["refused"] * 2 and first.batch_id != second.batch_id
    assert [one.repeated for one in way.run_feed(contract())] == [True]
    assert hub.value("select count(distinct delivery_sha256) from hub.batch") == 2


def test_a_file_refused_for_its_name_and_cleared_away_is_refused_once(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(hub.drop, "报告(秘密★5年).csv", rows(3))
    (first,) = way.run_feed(contract())
    kept = hub.value("select appearance from hub.batch")
    asked = FileDelivery.identity

    def cleared(delivery: FileDelivery) -> tuple[str | None, str | None]:
        path.unlink(missing_ok=True)
        return asked(delivery)

    monkeypatch.setattr(FileDelivery, "identity", cleared)
    (again,) = way.run_feed(contract())
    assert not path.exists() and (again.batch_id, again.repeated) == (first.batch_id, True)
    assert kept and hub.all("select state, appearance from hub.batch") == [("refused", kept)]
