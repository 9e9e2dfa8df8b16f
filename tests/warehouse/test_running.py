"""Batches that are run again or cancelled, feeds that are paused."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from contracts.model import RowRule
from hub.ids import BatchId, RuleId
from tests.warehouse.conftest import Hub, killed_at
from tests.warehouse.feeds import BY, HELD, contract, drop, row, rows
from warehouse import batches, cancelling, way
from warehouse.engine import connection, transaction
from warehouse.errors import BatchCancelled, BatchNotRerunnable, BatchStateWrong, FeedPaused, OperatorMissing
from warehouse.feeds import pausing
from warehouse.quarantine import replay
from warehouse.retention.leftovers import sweep
from warehouse.store import store

pytestmark = pytest.mark.stack

LENIENT = tuple(rule for rule in contract().row_rules if rule.id != "amount.range")


def test_a_batch_runs_again_under_the_contract_as_it_is_now(hub: Hub) -> None:
    drop(hub.drop, "a.csv", [row(1), row(2), row(3, amount="-1")])
    first = way.run_feed(contract())[0]
    drop(hub.drop, "b.csv", [row(1, amount="9", version=2)])
    way.run_feed(contract())
    done = replay.rerun(contract(row_rules=LENIENT), first.batch_id, **BY)
    assert (done.state, done.rows_in, done.loaded, done.unchanged, done.quarantined) == ("loaded", 3, 1, 2, 0)
    assert hub.one("select kind, parent_batch, order_no from hub.batch where batch_id = :b", b=done.batch_id) == (
        "rerun",
        first.batch_id,
        1,
    )
    assert hub.value("select amount::text from core.sample_vouchers where hub_key = 'V000001'") == "9.00"
    assert hub.all("select state, replay_batch from hub.quarantine") == [("replayed", done.batch_id)]
    again = replay.rerun(contract(row_rules=LENIENT), first.batch_id, **BY)
    assert (again.loaded, again.unchanged, again.events) == (0, 3, 0), "doing it twice changes nothing"
    assert (
        hub.all("select action, operator from hub.act where object = :b", b=first.batch_id) == [("rerun", "Op One")] * 2
    )


def test_a_rerun_of_an_older_snapshot_withdraws_nothing(hub: Hub) -> None:
    snapshot = contract(completeness="snapshot")
    drop(hub.drop, "a.csv", rows(3))
    first = way.run_feed(snapshot)[0]
    drop(hub.drop, "b.csv", rows(5))
    way.run_feed(snapshot)
    done = replay.rerun(snapshot, first.batch_id, **BY)
    assert (done.state, done.unchanged, done.events) == ("loaded", 3, 0)
    assert hub.value("select count(*) from core.sample_vouchers where not hub_withdrawn") == 5


def test_what_can_t_run_again_says_why(hub: Hub) -> None:
    drop(hub.drop, "a.csv", [row(1), row(2, amount="-1")])
    first = way.run_feed(contract())[0].batch_id
    with pytest.raises(OperatorMissing):
        replay.rerun(contract(), first, operator="", reason="x")
    with transaction() as conn:
        conn.exec_driver_sql("update hub.quarantine set state = 'fixed', fixed = raw")
    child = replay.replay(contract(row_rules=LENIENT), first, **BY).batch_id
    with pytest.raises(BatchNotRerunnable, match=str(first)):
        replay.rerun(contract(), child, **BY)
    with transaction() as conn:
        conn.exec_driver_sql("update hub.landed_object set purged_at = now()")
    with pytest.raises(BatchNotRerunnable, match="retention"):
        replay.rerun(contract(), first, **BY)
    drop(hub.drop, "b.csv", [row(7)])
    held = way.run_feed(contract(batch_rules=(HELD,)))[0].batch_id
    with pytest.raises(BatchNotRerunnable, match="held"):
        replay.rerun(contract(), held, **BY)


def on_its_way(hub: Hub) -> BatchId:
    return BatchId(
        hub.value("select batch_id from hub.batch where state in ('opened', 'landed', 'checked', 'loading')")
    )


@pytest.mark.parametrize("point", ["collect.opened", "collect.landed", "load.planned"])
def test_a_batch_whose_process_died_is_cancelled(hub: Hub, point: str) -> None:
    drop(hub.drop, "a.csv", rows(9))
    assert killed_at(point) == -signal.SIGKILL
    batch = on_its_way(hub)
    done = cancelling.cancel(batch, **BY)
    assert done.state == "abandoned" and "Op One" in (done.state_reason or "")
    assert [path for path in store().list("landing") if batch in path] == []
    assert hub.value("select count(*) from hub.landed_object where purged_at is null") == 0
    with pytest.raises(BatchStateWrong):
        cancelling.cancel(batch, **BY)
    anew = way.run_feed(contract())
    assert [(one.state, one.loaded) for one in anew] == [("loaded", 9)], "the delivery is taken anew"
    assert store().list("originals"), "and its file is kept anew"


def test_a_process_that_works_on_a_cancelled_batch_commits_nothing_more(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(9))
    cancelled: list[BatchId] = []

    def midway(step: str, _: int) -> None:
        if step == "check" and not cancelled:
            cancelled.append(cancelling.cancel(on_its_way(hub), **BY).batch_id)

    with pytest.raises(BatchCancelled):
        way.run_feed(contract(), progress=midway)
    assert hub.all("select state from hub.batch") == [("abandoned",)]
    assert hub.value("select count(*) from hub.outbox") == 0
    assert sweep(store()) >= 0
    assert way.run_feed(contract())[0].loaded == 9


def test_a_loaded_batch_can_t_be_cancelled(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(2))
    done = way.run_feed(contract())[0]
    with pytest.raises(BatchStateWrong):
        cancelling.cancel(done.batch_id, **BY)


def test_a_cancelled_release_leaves_the_batch_held(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    held_contract = contract(batch_rules=(HELD,))
    drop(hub.drop, "a.csv", [row(1), row(2, amount="-1")])
    parent = way.run_feed(held_contract)[0].batch_id
    midway: list[str] = []
    load = way._load

    def end_it(*args: Any) -> Any:
        if not midway:
            midway.append(cancelling.cancel(on_its_way(hub), **BY).batch_id)
        return load(*args)

    monkeypatch.setattr(way, "_load", end_it)
    with pytest.raises(BatchCancelled):
        replay.release(held_contract, parent, **BY)
    assert midway
    with connection() as conn:
        assert batches.state_of(conn, parent) == "held"
    assert set(hub.all("select state, replay_batch from hub.quarantine where batch_id = :b", b=parent)) == {
        ("open", None)
    }
    assert replay.release(held_contract, parent, **BY).loaded == 1


def test_nothing_is_pulled_of_a_paused_feed(hub: Hub) -> None:
    feed = contract().id
    drop(hub.drop, "a.csv", rows(2))
    found = pausing.pause(feed, operator="Op One", reason="the source is being repaired")
    assert pausing.pause(feed, operator="Op Two", reason="again") == found, "who paused it first stands"
    with pytest.raises(FeedPaused, match="Op One"):
        way.run_feed(contract())
    assert hub.value("select count(*) from hub.batch") == 0
    with pytest.raises(OperatorMissing):
        pausing.resume(feed, operator="Op One", reason=" ")
    by_hand = drop(hub.drop.parent, "hand.csv", rows(1, first=50))
    assert way.run_feed(contract(), file=by_hand, operator="Op One")[0].loaded == 1
    assert pausing.resume(feed, operator="Op One", reason="repaired") and not pausing.resume(feed, **BY)
    assert way.run_feed(contract())[0].loaded == 2
    assert hub.all("select action from hub.act order by act_no") == [("pause",), ("resume",)]


def test_rules_are_dropped_as_the_test_means(hub: Hub) -> None:
    assert RowRule(RuleId("amount.range"), "range", ("amount",), {"min": "0"}) not in LENIENT
