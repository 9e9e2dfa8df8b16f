"""A batch whose rows people corrected is run again: the corrections hold, wherever in its family they were made."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from contracts.page import MalformedRow, RawPage
from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import BY, contract, drop, row
from warehouse import cancelling, receipt, way
from warehouse.batches import BatchOutcome, family
from warehouse.engine import connection, transaction
from warehouse.errors import BatchNotRerunnable
from warehouse.quarantine import fixing, replay
from warehouse.quarantine.corrections import Corrections, corrected_page, told

WAITING = "select batch_id, row_no, state from hub.quarantine where state in ('open', 'fixed') order by 1, 2"


def bad(hub: Hub) -> BatchOutcome:
    """A batch of four rows, of which rows 2 and 3 are in quarantine."""
    drop(hub.drop, "a.csv", [row(1), row(2, amount="-2"), row(3, amount="-3"), row(4)])
    done = way.run_feed(contract())[0]
    assert (done.loaded, done.quarantined) == (2, 2)
    return done


def correct(hub: Hub, batch: Any, old: str, new: str) -> None:
    """Corrects an amount in the waiting rows of a batch."""
    sheet = hub.drop.parent / "sheet.csv"
    sheet.unlink(missing_ok=True)
    fixing.export(batch, sheet)
    text = sheet.read_text(encoding="utf-8-sig")
    assert f"'{old}," in text
    sheet.write_text(text.replace(f"'{old},", f"{new},"), encoding="utf-8")
    fixing.fix(contract(), batch, sheet, editor="Li Ming", reason="a slip")


def facts_of(batch: Any) -> dict[str, Any]:
    with connection() as conn:
        found = receipt.read(conn, batch)
    assert found is not None
    return dict(json.loads(found[1]))


@pytest.mark.stack
def test_rows_that_were_corrected_and_loaded_stay_as_they_are(hub: Hub) -> None:
    first = bad(hub)
    correct(hub, first.batch_id, "-2", "2")
    correct(hub, first.batch_id, "-3", "3")
    assert replay.replay(contract(), first.batch_id, **BY).loaded == 2
    events = len(hub.events())
    done = replay.rerun(contract(), first.batch_id, **BY)
    assert (done.rows_in, done.loaded, done.unchanged, done.quarantined, done.events) == (4, 0, 4, 0, 0)
    assert done.corrected is not None and done.corrected["rows"] == 2
    assert done.corrected["made_in"] == [first.batch_id]
    said = told({"corrected": done.corrected})
    assert said is not None and said.startswith("2 of its rows were judged as corrected") and "其中 2 行" in said.zh
    assert hub.all(WAITING) == [] and len(hub.events()) == events, "nothing waits anew, nothing is published twice"
    assert facts_of(done.batch_id)["corrected"] == done.corrected
    assert "corrected" not in facts_of(first.batch_id)
    assert hub.value("select amount::text from core.sample_vouchers where hub_key = 'V000002'") == "2.00"


@pytest.mark.stack
def test_the_latest_correction_of_a_row_holds_also_where_it_was_made_in_its_replay(hub: Hub) -> None:
    first = bad(hub)
    correct(hub, first.batch_id, "-2", "-20")
    child = replay.replay(contract(), first.batch_id, **BY)
    assert child.quarantined == 1
    correct(hub, child.batch_id, "-20", "20")
    assert replay.replay(contract(), child.batch_id, **BY).loaded == 1
    done = replay.rerun(contract(), first.batch_id, **BY)
    assert (done.unchanged, done.quarantined) == (3, 1), "row 3, that nobody corrected, is judged as it came"
    assert done.corrected is not None and done.corrected["rows"] == 1
    assert hub.all(WAITING) == [(done.batch_id, 3, "open")], "and waits once"
    correct(hub, done.batch_id, "-3", "3")
    assert replay.replay(contract(), done.batch_id, **BY).loaded == 1
    again = replay.rerun(contract(), first.batch_id, **BY)
    assert (again.unchanged, again.events) == (4, 0), "corrections made in a rerun hold for the next one"
    third = replay.rerun(contract(), done.batch_id, **BY)
    assert (third.unchanged, third.events) == (4, 0), "and for one of the rerun itself"


@pytest.mark.stack
def test_what_waits_goes_along_corrected_or_not_and_waits_as_before_when_it_is_cancelled(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bad(hub)
    correct(hub, first.batch_id, "-2", "-20")
    child = replay.replay(contract(), first.batch_id, **BY)
    correct(hub, first.batch_id, "-3", "3")
    before = hub.all(WAITING)
    assert before == [(first.batch_id, 3, "fixed"), (child.batch_id, 2, "open")]

    def stopped(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(way, "_load", stopped)
        with pytest.raises(KeyboardInterrupt):
            replay.rerun(contract(), first.batch_id, **BY)
    left = hub.value("select batch_id from hub.batch where state = 'checked'")
    assert hub.all(WAITING) == []
    cancelling.cancel(left, **BY)
    assert hub.all(WAITING) == before, "rows of the whole family wait where they waited"

    done = replay.rerun(contract(), first.batch_id, **BY)
    assert (done.loaded, done.unchanged, done.quarantined) == (1, 2, 1)
    assert hub.all(WAITING) == [(done.batch_id, 2, "open")]
    went = {one["row"]: (one["state"], one["replay"]) for one in facts_of(child.batch_id)["quarantined"]}
    assert went == {2: ("replayed", done.batch_id)}, "the receipt of the batch it waited in says so"
    with connection() as conn:
        assert family(conn, done.batch_id) == family(conn, first.batch_id)
        assert set(family(conn, child.batch_id)) >= {first.batch_id, child.batch_id, done.batch_id}


@pytest.mark.stack
def test_corrections_past_their_retention_are_missed_aloud(hub: Hub) -> None:
    first = bad(hub)
    correct(hub, first.batch_id, "-2", "2")
    replay.replay(contract(), first.batch_id, **BY)
    with transaction() as conn:
        conn.exec_driver_sql("delete from hub.quarantine")
        conn.exec_driver_sql("delete from hub.fix")
    with pytest.raises(BatchNotRerunnable, match="retention"):
        replay.rerun(contract(), first.batch_id, **BY)
    with connection() as conn:
        assert Corrections.of(conn, first.batch_id).facts() == {}


def test_a_corrected_page_keeps_its_order_and_its_headers() -> None:
    table = pa.table([["a", "b", "c"], ["1", "2", "3"], ["x", "y", "z"]], names=["name", "n", "n"])
    page = RawPage(7, "f.csv", table, pa.array([1, 3, 4]), pa.array([2, 4, 5]), (MalformedRow(2, 3, "?", "split"),))
    done = corrected_page(
        page, {2: {"name": "m", "n": "9"}, 3: {"name": "B", "n": "2", "n (2)": "Y", "more": "!"}, 99: {"name": "no"}}
    )
    assert done.rows.to_pylist() == [1, 2, 3, 4] and done.source_rows.to_pylist() == [2, 3, 4, 5]
    assert done.table.column_names == ["name", "n", "n", "more"] and done.malformed == ()
    assert [column.to_pylist() for column in done.table.columns] == [
        ["a", "m", "B", "c"],
        ["1", "9", "2", "3"],
        ["x", None, "Y", "z"],
        [None, None, "!", None],
    ]
    assert (done.ordinal, done.unit, done.rows_in) == (7, "f.csv", 4)
    assert corrected_page(page, {99: {"name": "no"}}) is page
