"""Batches that a gate rule holds, and what a named person does with them; replays of corrected rows."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from hub.ids import BatchId
from tests.warehouse.conftest import Hub, killed_at
from tests.warehouse.feeds import BY, HEADERS, HELD, contract, drop, row, rows
from warehouse import engine, receipt, way
from warehouse.engine import connection
from warehouse.errors import (
    BatchStateWrong,
    FixForbidden,
    FixInvalid,
    NothingToReplay,
    OperatorMissing,
    SheetUnreadable,
)
from warehouse.quarantine import fixing, replay

pytestmark = pytest.mark.stack


def read_receipt(batch: BatchId, version: int | None = None) -> tuple[int, dict[str, Any]]:
    with connection() as conn:
        found = receipt.read(conn, batch, version)
    assert found is not None
    return found[0], json.loads(found[1])


def held(hub: Hub) -> BatchId:
    drop(hub.drop, "a.csv", [row(1), row(2), row(3, amount="-1")])
    done = way.run_feed(contract(batch_rules=(HELD,)))[0]
    assert (done.state, done.rows_in, done.loaded, done.quarantined, done.events) == ("held", 3, 0, 3, 0)
    return done.batch_id


def test_a_broken_gate_holds_the_whole_batch(hub: Hub) -> None:
    batch = held(hub)
    assert hub.value("select count(*) from core.sample_vouchers") == 0
    assert hub.all("select count(*) from hub.outbox") == [(0,)]
    assert hub.value("select batch_id from hub.cursor") == batch, "the cursor moves with the hold"
    assert way.run_feed(contract(batch_rules=(HELD,))) == [], "and the file is not taken again"
    number, body = read_receipt(batch)
    assert number == 1 and body["state"] == "held" and body["counts"]["quarantined"] == 3
    assert body["verdicts"][0]["rule"] == "batch.rows" and body["verdicts"][0]["passed"] is False


def test_a_release_is_a_new_batch_with_the_gate_waived(hub: Hub) -> None:
    batch = held(hub)
    with pytest.raises(OperatorMissing):
        replay.release(contract(), batch, operator=" ", reason="x")
    done = replay.release(contract(batch_rules=(HELD,)), batch, **BY)
    assert (done.state, done.rows_in, done.loaded, done.quarantined) == ("loaded", 3, 2, 1)
    assert hub.one("select kind, parent_batch from hub.batch where batch_id = :b", b=done.batch_id) == ("replay", batch)
    assert hub.one("select state, rows_quarantined, rows_loaded from hub.batch where batch_id = :b", b=batch) == (
        "released",
        3,
        0,
    )
    number, body = read_receipt(batch)
    assert number == 2 and body["followed_by"][0]["loaded"] == 2
    assert body["acts"][0]["operator"] == "Op One" and body["acts"][0]["reason"] == "checked with the sender"
    _, child = read_receipt(done.batch_id)
    assert child["operator"] == {"name": "Op One", "reason": "checked with the sender"}
    with pytest.raises(BatchStateWrong):
        replay.release(contract(), batch, **BY)


def test_a_release_first_finishes_what_is_unfinished(hub: Hub) -> None:
    batch = held(hub)
    drop(hub.drop, "b.csv", [row(1, amount="9", version=2), *rows(9, first=10)])
    assert killed_at("load.planned", TEST_HELD="1") == -signal.SIGKILL
    done = replay.release(contract(batch_rules=(HELD,)), batch, **BY)
    assert (done.state, done.loaded, done.unchanged, done.quarantined) == ("loaded", 1, 1, 1)
    assert hub.all("select delivery, state, rows_loaded from hub.batch order by batch_no") == [
        ("a.csv", "released", 0),
        ("b.csv", "loaded", 10),
        ("a.csv", "loaded", 1),
    ]
    assert hub.value("select amount::text from core.sample_vouchers where hub_key = 'V000001'") == "9.00"


@pytest.mark.parametrize("act", ["replay", "reject", "fix"])
def test_every_act_on_a_feed_first_finishes_what_is_unfinished(hub: Hub, tmp_path: Path, act: str) -> None:
    if act == "reject":
        batch = held(hub)
    else:
        batch = bad_batch(hub)
        fixing.export(batch, tmp_path / "rows.csv")
        edit(tmp_path / "rows.csv", {("6", "amount"): "1.00"})
    drop(hub.drop, "b.csv", rows(9, first=100))
    assert killed_at("load.planned") == -signal.SIGKILL
    if act == "reject":
        replay.reject(contract(batch_rules=(HELD,)), batch, **BY)
    else:
        fixing.fix(contract(), batch, tmp_path / "rows.csv", editor="Ed", reason="r")
    if act == "replay":
        drop(hub.drop, "c.csv", rows(9, first=200))
        assert killed_at("load.planned") == -signal.SIGKILL
        replay.replay(contract(), batch, **BY)
    assert hub.value("select count(*) from hub.batch where state in ('landed', 'checked', 'loading')") == 0
    assert hub.value("select rows_loaded from hub.batch where delivery = 'b.csv'") == 9


def test_a_load_that_goes_on_looks_whether_the_table_is_still_its_own(small_parts: Hub) -> None:
    hub = small_parts
    drop(hub.drop, "a.csv", rows(2000))
    assert killed_at("load.part_committed") == -signal.SIGKILL
    with engine.transaction() as conn:  # as a restored table, or a hand in the database, would leave it
        conn.exec_driver_sql("insert into hub.batch (batch_id, feed, contract_version, contract_sha256, kind, source,"
                             " delivery, state) select 'by-hand', feed, contract_version, contract_sha256, kind, source,"
                             " 'x', 'abandoned' from hub.batch")  # fmt: skip
        conn.exec_driver_sql("update core.sample_vouchers set hub_key = 'V001996', hub_batch_no = 2 where hub_row = 1")
    (done,) = way.run_feed(contract())
    assert (done.state, done.loaded, done.unchanged) == ("loaded", 2000, 0)
    assert hub.value("select hub_revision from core.sample_vouchers where hub_key = 'V001996'") == 2


def test_an_export_waits_for_the_rows_of_every_part(small_parts: Hub, tmp_path: Path) -> None:
    hub = small_parts
    drop(hub.drop, "a.csv", [row(1, amount="-1"), *rows(1998, first=2), row(2000, amount="-1")])
    assert killed_at("load.part_committed") == -signal.SIGKILL
    batch, there = hub.all("select batch_id, count(*) from hub.quarantine group by 1")[0]
    assert there == 1, "the other part's row is still to come"
    with pytest.raises(BatchStateWrong) as refused:
        fixing.export(BatchId(batch), tmp_path / "rows.csv")
    assert "loading" in str(refused.value) and not (tmp_path / "rows.csv").exists()
    way.run_feed(contract())
    assert fixing.export(BatchId(batch), tmp_path / "rows.csv") == 2


def test_a_rejection_is_on_record(hub: Hub) -> None:
    batch = held(hub)
    done = replay.reject(contract(), batch, **BY)
    assert (done.state, done.quarantined) == ("rejected", 3)
    assert hub.all("select state from hub.quarantine") == [("rejected",)]
    number, body = read_receipt(batch)
    assert number == 2 and body["state"] == "rejected" and body["acts"][0]["action"] == "reject"
    assert hub.value("select count(*) from core.sample_vouchers") == 0


def bad_batch(hub: Hub) -> BatchId:
    lines = [*rows(5), row(11, amount="-1"), row(12, amount="x", note="=1+1"), row(13, amount="-3", note="+x")]
    drop(hub.drop, "a.csv", lines)
    done = way.run_feed(contract())[0]
    assert (done.loaded, done.quarantined) == (5, 3)
    return done.batch_id


def edit(path: Path, changes: dict[tuple[str, str], str]) -> None:
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    for (number, name), value in changes.items():
        next(line for line in lines if line["row"] == number)[name] = value
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def test_corrected_rows_are_replayed_and_the_receipt_says_so(hub: Hub, tmp_path: Path) -> None:
    batch = bad_batch(hub)
    sheet = tmp_path / "rows.csv"
    assert fixing.export(batch, sheet) == 3
    text = sheet.read_text(encoding="utf-8-sig").splitlines()
    assert text[0] == "batch,row,rules," + ",".join(HEADERS)
    assert "'=1+1" in text[2] and "'-1" in text[1], "no cell is a formula"
    edit(sheet, {("6", "amount"): "11.00", ("7", "amount"): "12.00"})
    fixed = fixing.fix(contract(), batch, sheet, editor="Ed Two", reason="typing errors")
    assert (fixed.rows, fixed.values) == (2, 2)
    assert hub.all("select row_no, field, old_value, new_value, editor from hub.fix order by 1") == [
        (6, "amount", "-1", "11.00", "Ed Two"),
        (7, "amount", "x", "12.00", "Ed Two"),
    ]
    done = replay.replay(contract(), batch, **BY)
    assert (done.state, done.rows_in, done.loaded, done.quarantined) == ("loaded", 2, 2, 0)
    assert hub.value("select note from core.sample_vouchers where hub_key = 'V000012'") == "=1+1"
    assert hub.all("select row_no, state, replay_batch from hub.quarantine order by 1") == [
        (6, "replayed", done.batch_id),
        (7, "replayed", done.batch_id),
        (8, "open", None),
    ]
    number, body = read_receipt(batch)
    assert number == 2
    assert [entry["state"] for entry in body["quarantined"]] == ["replayed", "replayed", "open"]
    assert body["counts"] == read_receipt(batch, 1)[1]["counts"], "a parent's counts never change"
    assert {entry["editor"] for entry in body["fixes"]} == {"Ed Two"}
    assert json.loads(hub.events()[-1]["data"])["row"] == 7, "row numbers are those of the delivery"
    with pytest.raises(NothingToReplay):
        replay.replay(contract(), batch, **BY)
    # The contract is mended: what is still open goes again as it came.
    loose = contract(row_rules=tuple(rule for rule in contract().row_rules if rule.kind != "range"), sha256="1" * 64)
    assert replay.replay(loose, batch, every=True, **BY).loaded == 1


def test_a_sheet_in_xlsx(hub: Hub, tmp_path: Path) -> None:
    batch = bad_batch(hub)
    sheet = tmp_path / "rows.xlsx"
    fixing.export(batch, sheet)
    book = load_workbook(sheet)
    page = book.active
    assert page is not None and page["A1"].value == "batch"
    amount = 4 + HEADERS.index("amount")
    assert page.cell(2, amount).data_type == "s"
    page.cell(2, amount).value = 11.5  # a person types a number
    book.save(sheet)
    assert fixing.fix(contract(), batch, sheet, editor="Ed", reason="r").values == 1
    assert replay.replay(contract(), batch, **BY).loaded == 1
    assert hub.value("select amount::text from core.sample_vouchers where hub_key = 'V000011'") == "11.50"


def test_an_unedited_sheet_changes_nothing(hub: Hub, tmp_path: Path) -> None:
    batch = bad_batch(hub)
    for name in ("rows.csv", "rows.xlsx"):
        fixing.export(batch, tmp_path / name)
        assert fixing.fix(contract(), batch, tmp_path / name, editor="Ed", reason="r").values == 0
    assert hub.all("select distinct state from hub.quarantine") == [("open",)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace(",payee,", ",payees,"), "'payees'"),
        (lambda text: text.replace(",6,", ",99,"), "row 99 is not in quarantine"),
        (lambda text: text.replace(",6,", ",7,"), "row 7 comes twice"),
        (lambda text: text.replace(",6,", ",six,"), "no row number"),
        (lambda text: text.replace("V000012", "a,b,c"), "more cells"),
    ],
)
def test_an_edited_sheet_that_does_not_fit_changes_nothing(hub: Hub, tmp_path: Path, change: Any, words: str) -> None:
    batch = bad_batch(hub)
    sheet = tmp_path / "rows.csv"
    fixing.export(batch, sheet)
    edit(sheet, {("8", "amount"): "1.00"})
    sheet.write_text(change(sheet.read_text()))
    with pytest.raises(FixInvalid, match=words):
        fixing.fix(contract(), batch, sheet, editor="Ed", reason="r")
    assert hub.all("select distinct state from hub.quarantine") == [("open",)]
    assert hub.value("select count(*) from hub.fix") == 0


def test_who_may_not_fix(hub: Hub, tmp_path: Path) -> None:
    batch = bad_batch(hub)
    sheet = tmp_path / "rows.csv"
    fixing.export(batch, sheet)
    with pytest.raises(FixForbidden):
        fixing.fix(contract(fix_allowed=False), batch, sheet, editor="Ed", reason="r")
    with pytest.raises(OperatorMissing):
        fixing.fix(contract(), batch, sheet, editor="", reason="r")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SheetUnreadable):
        fixing.fix(contract(), batch, tmp_path / "other.csv", editor="Ed", reason="r")


def test_a_fixed_row_passes_the_gate_again(hub: Hub, tmp_path: Path) -> None:
    """A correction was gated when it was made; the contract may have learned a rule since."""
    batch = bad_batch(hub)
    sheet = tmp_path / "rows.csv"
    fixing.export(batch, sheet)
    edit(sheet, {("6", "amount"): "1.00", ("6", "note"): "秘密"})
    fixing.fix(contract(gate_rules=()), batch, sheet, editor="Ed", reason="r")
    done = replay.replay(contract(), batch, **BY)
    assert (done.rows_in, done.loaded, done.refused) == (1, 0, 1)


def test_a_replay_never_overwrites_what_came_since(hub: Hub, tmp_path: Path) -> None:
    plain = contract(source_version=None)
    drop(hub.drop, "a.csv", [row(1, amount="-1"), row(2)])
    first = way.run_feed(plain)[0]
    drop(hub.drop, "b.csv", [row(1, amount="99")])
    way.run_feed(plain)
    sheet = tmp_path / "rows.csv"
    fixing.export(first.batch_id, sheet)
    edit(sheet, {("1", "amount"): "1.00"})
    fixing.fix(plain, first.batch_id, sheet, editor="Ed", reason="r")
    done = replay.replay(plain, first.batch_id, **BY)
    assert (done.loaded, done.unchanged) == (0, 1)
    assert hub.value("select amount::text from core.sample_vouchers where hub_key = 'V000001'") == "99.00"


def test_a_row_that_could_not_be_split_is_filled_in_by_hand(hub: Hub, tmp_path: Path) -> None:
    path = drop(hub.drop, "a.csv", rows(3))
    path.write_text(path.read_text() + "V9,too,few\r\n")
    batch = way.run_feed(contract())[0].batch_id
    sheet = tmp_path / "rows.csv"
    fixing.export(batch, sheet)
    assert "too,few" in sheet.read_text(encoding="utf-8-sig")
    edit(sheet, {("4", name): value for name, value in zip(HEADERS, row(9), strict=True)})
    fixing.fix(contract(), batch, sheet, editor="Ed", reason="r")
    assert replay.replay(contract(), batch, **BY).loaded == 1
