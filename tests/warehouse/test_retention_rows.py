"""What goes of rows past their time: quarantine with its corrections, replaced revisions, the content of core."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import row, rows
from tests.warehouse.keeping import after, execute, kept, run
from warehouse import engine

pytestmark = pytest.mark.stack


def test_quarantined_rows_go_with_their_corrections_in_small_transactions(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.retention.rows.ROWS", 7)
    batch = run(hub, "a.csv", rows(20, amount="-1"))
    execute(
        "insert into hub.fix (batch_id, row_no, field, old_value, new_value, editor, reason)"
        " values (:batch, 3, 'amount', '-1', '1', 'Li', 'typo')",
        batch=batch,
    )
    one = kept({"quarantine": 365})
    assert after(364, one).quarantined == 0
    with engine.transaction() as conn:  # somebody works on a row
        conn.execute(sa.text("select 1 from hub.quarantine where row_no = 1 for update"))
        assert after(366, one).quarantined == 19, "a row that somebody holds is left, and nobody waits"
    assert after(366, one).quarantined == 1
    assert hub.value("select count(*) from hub.fix") == 0
    assert hub.value("select rows_quarantined from hub.batch") == 20, "the batch's counts never change"


def test_core_keeps_what_the_next_event_needs(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.retention.rows.ROWS", 3)
    one = kept({"core": 100})
    run(hub, "a.csv", rows(10))
    run(hub, "b.csv", [row(1, payee="P9", version="2")])
    done = after(101, one)
    assert (done.revisions, done.emptied) == (1, 10)
    assert hub.value("select count(*) from history.sample_vouchers") == 0
    assert hub.value("select count(*) from core.sample_vouchers where coalesce(number, payee, note) is null") == 10
    assert after(101, one).emptied == 0
    # A correction has the next revision and tells consumers the right change.
    run(hub, "d.csv", [row(4, payee="P4", note="corrected", version="3")])
    event = hub.events()[-1]
    assert (event["record_key"], event["revision"], event["change"]) == ("V000004", 2, "corrected")


def test_an_emptied_record_that_is_sent_again_has_its_content_again(hub: Hub) -> None:
    one = kept({"core": 100})
    fields = "number, payee, amount, paid_on, version, status, note, hub_revision, hub_hash, hub_subject, hub_withdrawn"
    query = f"select {fields} from core.sample_vouchers order by hub_key"
    many = rows(1_500, first=100)  # more than a page
    run(hub, "a.csv", [*rows(5), row(6, note=""), *many])
    run(hub, "b.csv", [row(2, note="corrected", version="2"), row(5, status="void", version="2")])
    before, said = hub.all(query), len(hub.events())
    assert after(101, one).emptied == 1_506
    emptied = hub.all(query)
    again = [row(1), row(2, note="corrected", version="2"), row(3, note="other", version="2"), row(4), row(6, note="")]
    run(hub, "c.csv", [*again, *many])
    counts = hub.one("select rows_loaded, rows_unchanged, events from hub.batch where batch_no = 3")
    assert tuple(counts) == (1, 1_504, 1), "only the correction is news"
    assert len(hub.events()) == said + 1
    now = hub.all(query)
    assert now[:2] + now[3:4] + now[5:] == before[:2] + before[3:4] + before[5:]
    assert now[4] == emptied[4], "what nobody sent again stays empty"
    assert hub.value("select hub_revision from core.sample_vouchers where hub_key = 'V000003'") == 2
    # Its days count anew, and what is withdrawn comes back as something new.
    assert after(99, one).emptied == 0
    assert after(101, one).emptied == 1_505
    run(hub, "d.csv", [row(5, version="3")])
    assert hub.events()[-1]["revision"] == 3


def test_what_the_newest_snapshot_still_has_is_current_however_old(hub: Hub) -> None:
    one = kept({"core": 100}, completeness="snapshot")
    run(hub, "a.csv", rows(10), one)
    run(hub, "b.csv", rows(9), one)
    assert hub.value("select count(*) from core.sample_vouchers where hub_withdrawn") == 1
    assert after(101, one).emptied == 1
