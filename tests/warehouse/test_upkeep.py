"""What upkeep removes when: every layer as its contract says, whatever is killed, beside whatever else runs."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa

from contracts import catalogue
from contracts.lint.promises import LAYERS
from contracts.model import FeedContract, Sla
from hub import clock
from hub.ids import BatchId
from hub.settings import ROOT
from tests.warehouse.conftest import Hub, killed_at
from tests.warehouse.feeds import HELD, contract, drop, row, rows
from warehouse import batches, engine, story, way
from warehouse.landing import intake
from warehouse.landing import pages as landing
from warehouse.loading import loader
from warehouse.quarantine import replay
from warehouse.retention import files
from warehouse.store import Store, store
from warehouse.upkeep import UpkeepOutcome, upkeep

pytestmark = pytest.mark.stack

LONG = dict.fromkeys(LAYERS, 10_000)


def kept(days: Mapping[str, int], **more: object) -> FeedContract:
    return contract(sla=Sla(retention_days={**LONG, **days}), **more)


def after(days: float, one: FeedContract, *others: FeedContract) -> UpkeepOutcome:
    with clock.at(datetime.now(UTC) + timedelta(days=days)):
        return upkeep([one, *others])


def run(hub: Hub, name: str, lines: list[list[str]], one: FeedContract | None = None) -> BatchId:
    drop(hub.drop, name, lines)
    return way.run_feed(one or contract())[0].batch_id


def publish() -> None:
    execute("update hub.outbox set published_at = now() where published_at is null")


def execute(statement: str, **values: object) -> None:
    with engine.transaction() as conn:
        conn.execute(sa.text(statement), values)


def age(path: Path, days: float = 2) -> None:
    then = time.time() - days * 86_400
    os.utime(path, (then, then))


def test_every_layer_that_lint_demands_goes_after_the_days_of_a_contract_on_disk(hub: Hub, tmp_path: Path) -> None:
    read = catalogue.load(ROOT / "contracts", tmp_path / "cache").feeds
    days = {feed: dict(read[feed].sla.retention_days) for feed in read}
    assert days and all(set(found) == set(LAYERS) for found in days.values())
    sla = max((read[feed].sla for feed in read), key=lambda found: found.retention_days["landing"])
    one, keep = contract(sla=sla), sla.retention_days
    assert keep["outbox"] > 8
    assert keep["outbox"] < keep["quarantine"] < keep["landing"] < keep["core"]
    run(hub, "a.csv", [row(1), row(2, amount="-1")], one)
    run(hub, "b.csv", [row(1, payee="P2", version="2")], one)
    publish()
    assert after(8, one) == UpkeepOutcome(0, 0, 0, 0, 0, 0, 0, 0), "`rebase --to first` still finds every change set"
    assert after(keep["outbox"] + 1, one).changes == 2
    assert store().list("changes") == []
    assert after(keep["quarantine"] - 1, one).quarantined == 0
    assert after(keep["quarantine"] + 1, one).quarantined == 1
    assert hub.value("select count(*) from hub.quarantine") == 0
    assert after(keep["landing"] - 1, one).landed == 0
    assert after(keep["landing"] + 1, one).landed == 2
    assert {path.rpartition("/")[2] for path in store().list("landing")} == {"hashes.arrow", "manifest.json"}
    done = after(max(keep["core"], keep["receipts"]) + 1, one)
    assert (done.revisions, done.emptied, done.receipts) == (1, 1, 2)
    assert store().list("") == []
    assert hub.value("select count(*) from hub.receipt") == 0
    assert after(100_000, one) == UpkeepOutcome(0, 0, 0, 0, 0, 0, 0, 0), "nothing is found twice"
    assert hub.value("select count(*) from hub.batch where state = 'loaded' and rows_in is not null") == 2


def test_nothing_of_a_feed_goes_that_no_contract_speaks_for(hub: Hub) -> None:
    run(hub, "a.csv", [row(1), row(2, amount="-1")])
    publish()
    with clock.at(datetime.now(UTC) + timedelta(days=100_000)):
        assert upkeep([]) == upkeep([kept({}, feed="other_feed")]) == UpkeepOutcome(0, 0, 0, 0, 0, 0, 0, 0)


def test_landed_pages_go_when_relayed_and_settled_and_their_hashes_stay(hub: Hub) -> None:
    one = kept({"landing": 10})
    batch = run(hub, "a.csv", [*rows(10), row(11, amount="-1")])
    assert after(11, one).landed == 0, "an entry still waits for the relay"
    publish()
    assert after(11, one).landed == 0, "a row waits in quarantine"
    execute("update hub.quarantine set state = 'rejected'")
    assert after(9, one).landed == 0, "its retention is not over"
    assert after(11, one).landed == 1
    folder = f"landing/sample_vouchers/{batch}"
    assert store().list("landing") == [f"{folder}/hashes.arrow", f"{folder}/manifest.json"]
    with pa.OSFile(str(store().path(f"{folder}/hashes.arrow"))) as source:
        hashes = pa.ipc.open_file(source).read_all()
    assert hashes.column("_row").to_pylist() == list(range(1, 12))
    told = story.story(contract(), "V000001")
    assert told["rows"][0].get("purged") is True and told["current"]["revision"] == 1
    assert after(11, one).landed == 0


def test_a_batch_that_is_held_keeps_everything_until_somebody_decides(hub: Hub) -> None:
    one = kept({"landing": 1, "quarantine": 1, "receipts": 1}, batch_rules=(HELD,))
    batch = run(hub, "a.csv", [row(1), row(2, amount="-1")], one)
    assert after(1000, one) == UpkeepOutcome(0, 0, 0, 0, 0, 0, 0, 0)
    assert replay.release(one, batch, operator="Li", reason="seen").loaded == 1


def test_change_sets_are_kept_from_the_day_they_were_sent(hub: Hub) -> None:
    one = kept({"outbox": 30})
    run(hub, "a.csv", rows(3))
    assert after(1000, one).changes == 0, "not sent yet"
    publish()
    assert after(29, one).changes == 0
    assert after(31, one).changes == 1
    assert hub.value("select purged_at is not null from hub.outbox")


def test_a_change_set_that_a_rebase_made_wait_again_is_not_removed(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between upkeep's list and its deletion somebody rebases the lane."""
    one = kept({"outbox": 30})
    run(hub, "a.csv", rows(3))
    publish()
    real = files.lock_transaction

    def rebased(conn: sa.Connection, kind: str, name: str) -> None:
        execute("update hub.outbox set published_at = null")
        real(conn, kind, name)

    monkeypatch.setattr(files, "lock_transaction", rebased)
    assert after(31, one).changes == 0
    assert len(store().list("changes")) == 1


def test_purges_that_were_killed_half_way_are_finished(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the first file's end and the mark: the next run finds all, and the row hashes stay whole."""
    one = kept({"landing": 10, "outbox": 10})
    monkeypatch.setenv("HUB_PAGE_ROWS", "1000")
    batch = run(hub, "a.csv", rows(2500))
    publish()
    assert len([path for path in store().list("landing") if "rows-" in path]) > 1
    real, removed = Store.delete, []

    def killed(self: Store, path: str) -> None:
        real(self, path)
        removed.append(path)
        raise KeyboardInterrupt

    for wanted in ("rows-", "part-"):
        monkeypatch.setattr(Store, "delete", killed)
        with pytest.raises(KeyboardInterrupt):
            after(11, one)
        assert wanted in removed[-1]
        monkeypatch.setattr(Store, "delete", real)
        done = after(11, one) if wanted == "part-" else None
        if done is None:
            with monkeypatch.context() as again:
                again.setattr("warehouse.upkeep.purge_changes", lambda *_: 0)
                assert after(11, one).landed == 1
            with pa.OSFile(str(store().path(f"landing/sample_vouchers/{batch}/hashes.arrow"))) as source:
                assert pa.ipc.open_file(source).read_all().num_rows == 2500
        else:
            assert done.changes == 1
    assert {path.rpartition("/")[2] for path in store().list("")} == {"hashes.arrow", "manifest.json"}


def test_an_original_is_kept_while_any_batch_holds_it(hub: Hub) -> None:
    one = kept({"landing": 10})
    run(hub, "a.csv", rows(3))
    run(hub, "b.csv", rows(3, first=10))
    publish()
    execute(
        "update hub.landed_object set path = (select min(path) from hub.landed_object where kind = 'original')"
        " where kind = 'original'"
    )
    execute("update hub.batch set landed_at = now() + interval '5 days' where batch_no = 2")
    shared = hub.value("select distinct path from hub.landed_object where kind = 'original'")
    assert after(11, one).landed == 1 and store().path(shared).is_file()
    assert after(20, one).landed == 1 and not store().path(shared).is_file()


def test_an_original_that_upkeep_removes_while_the_same_bytes_land_is_kept_anew(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delivery's first look finds it there; upkeep removes it; the transaction that lands it looks again."""
    run(hub, "a.csv", rows(3))
    publish()
    original = hub.value("select path from hub.landed_object where kind = 'original'")
    real = landing.write_manifest

    def meanwhile(*given: object) -> object:
        assert store().path(original).is_file()
        assert after(11, kept({"landing": 10})).landed == 1
        assert not store().path(original).exists()
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(intake.landing, "write_manifest", meanwhile)
    # Another source of the feed takes the same bytes.
    (hub.drop / "a.csv").unlink()
    execute("update hub.batch set delivery_sha256 = 'another', appearance = 'another'")
    run(hub, "again.csv", rows(3))
    assert store().path(original).is_file()
    held = hub.all("select path from hub.landed_object where kind = 'original' and purged_at is null")
    assert [path for (path,) in held] == [original]


def test_upkeep_waits_for_a_delivery_that_lands_the_original_it_would_remove(hub: Hub) -> None:
    run(hub, "a.csv", rows(3))
    publish()
    original = hub.value("select path from hub.landed_object where kind = 'original'")
    with engine.transaction() as conn, ThreadPoolExecutor(1) as pool:
        engine.lock_transaction(conn, "original", original.rpartition("/")[2])
        upkeeps = pool.submit(after, 11, kept({"landing": 10}))
        time.sleep(0.5)
        assert not upkeeps.done() and store().path(original).is_file()
        conn.execute(
            sa.text(
                "insert into hub.landed_object select batch_id, 'original', 1, path, sha256, bytes, rows"
                " from hub.landed_object where kind = 'original'"
            )
        )
        conn.execute(
            sa.text(
                "insert into hub.batch (batch_id, feed, contract_version, contract_sha256, kind, source,"
                " delivery, state) values ('later', 'f', '1', 's', 'pull', 's', 'd', 'landed')"
            )
        )
        conn.execute(sa.text("update hub.landed_object set batch_id = 'later', ordinal = 0 where ordinal = 1"))
        conn.commit()
        assert upkeeps.result(30).landed == 1
    assert store().path(original).is_file()


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
    # The same record again is nothing new; a correction has the next revision and tells consumers the right change.
    run(hub, "c.csv", rows(2, first=2))
    assert hub.value("select rows_unchanged from hub.batch where batch_no = 3") == 2
    run(hub, "d.csv", [row(4, payee="P4", note="corrected", version="3")])
    event = hub.events()[-1]
    assert (event["record_key"], event["revision"], event["change"]) == ("V000004", 2, "corrected")


def test_what_the_newest_snapshot_still_has_is_current_however_old(hub: Hub) -> None:
    one = kept({"core": 100}, completeness="snapshot")
    run(hub, "a.csv", rows(10), one)
    run(hub, "b.csv", rows(9), one)
    assert hub.value("select count(*) from core.sample_vouchers where hub_withdrawn") == 1
    assert after(101, one).emptied == 1


def test_files_that_no_row_names_are_swept_after_a_day(hub: Hub) -> None:
    batch = run(hub, "a.csv", rows(3))
    publish()
    named = store().list("")
    left = [
        f"landing/sample_vouchers/{batch}/rows-00009.arrow",
        f"changes/sample_vouchers/{batch}/part-00009-x.arrow",
        "changes/sample_vouchers/no-such-batch/part-00000-x.arrow",
        "landing/sample_vouchers/no-such-batch/rows-00000.arrow",
        f"originals/ab/{'ab' * 32}",
        f"landing/sample_vouchers/{batch}/.rows-00001.arrow.abc.part",
        f"checked/sample_vouchers/{batch}/good-00000.arrow",
        "checked/sample_vouchers/no-such-batch/good-00000.arrow",
    ]
    for path in left:
        store().put(path, b"personal")
    young = after(0, kept({}))
    assert young.leftovers == 1, "checked pages of a batch that has ended need no one"
    for path in [*left, *named, "checked/sample_vouchers/no-such-batch"]:
        if store().path(path).exists():
            age(store().path(path))
    assert after(0, kept({})).leftovers == 7
    assert store().list("") == named
    assert not store().path("landing/sample_vouchers/no-such-batch").exists()


def test_files_of_a_batch_on_its_way_are_nobodys_leftovers(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(3))
    assert killed_at("collect.pages_landed") == -signal.SIGKILL
    batch = hub.value("select batch_id from hub.batch where state = 'opened'")
    files_now = store().list("")
    for path in files_now:
        age(store().path(path))
    assert after(0, kept({})).leftovers == 1  # the original, which belongs to no batch until it has landed
    assert [path for path in files_now if not path.startswith("originals/")] == store().list("")
    assert batch in files_now[0]


def test_change_sets_of_a_process_killed_while_it_cleaned_up_are_found(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = run(hub, "a.csv", rows(3))
    extra = f"changes/sample_vouchers/{batch}/part-00000-killed.arrow"
    store().put(extra, b"x")
    store().put(f"checked/sample_vouchers/{batch}/good-00000.arrow", b"x")
    real = Store.delete

    def killed(self: Store, path: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "delete", killed)
    with engine.connection() as conn, pytest.raises(KeyboardInterrupt):
        with conn.begin():
            one = batches.get(conn, batch)
        loader.clean(conn, store(), one)
    monkeypatch.setattr(Store, "delete", real)
    way.run_feed(contract())
    assert not store().path(extra).exists()


def test_batches_that_never_landed_are_abandoned(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(3))
    assert killed_at("collect.page_landed") == -signal.SIGKILL
    assert hub.value("select state from hub.batch") == "opened" and store().list("landing")
    assert after(1, contract()).abandoned == 1
    assert hub.value("select state from hub.batch") == "abandoned"
    assert store().list("landing") == []


def test_a_feed_that_somebody_works_on_is_left_to_them(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(3))
    assert killed_at("collect.page_landed") == -signal.SIGKILL
    store().put("checked/sample_vouchers/no-such-batch/good-00000.arrow", b"x")
    age(store().path("checked/sample_vouchers/no-such-batch"))
    with engine.holding("feed", "sample_vouchers"):
        done = after(1, contract())
    assert (done.abandoned, done.leftovers) == (0, 0)
    assert after(1, contract()).leftovers == 1


@pytest.mark.parametrize("what", ["list", "delete_folder"])
def test_the_store_bears_files_that_come_and_go(tmp_path: Path, what: str) -> None:
    place, stop = Store(tmp_path), threading.Event()
    failed: list[BaseException] = []

    def others() -> None:
        try:
            while not stop.is_set():
                with place.writer("checked/feed/batch/good.arrow", lasting=False) as file:
                    file.write(b"x")
                place.delete_folder("checked/feed/batch")
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    actions: dict[str, Callable[[], object]] = {
        "list": lambda: [place.age(path) for path in place.list("")],
        "delete_folder": lambda: place.delete_folder("elsewhere") or place.delete_folder("never/was"),
    }
    thread = threading.Thread(target=others)
    thread.start()
    try:
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            actions[what]()
    finally:
        stop.set()
        thread.join()
    assert failed == []


def test_two_may_remove_one_folder(tmp_path: Path) -> None:
    place = Store(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        for number in range(60):
            for page in range(10):
                (tmp_path / "f" / str(number)).mkdir(parents=True, exist_ok=True)
                (tmp_path / "f" / str(number) / f"{page}.arrow").write_bytes(b"x")
            for done in [pool.submit(place.delete_folder, f"f/{number}") for _ in range(4)]:
                done.result()
    assert place.list("") == []


def test_upkeep_asks_for_what_is_due_alone(hub: Hub) -> None:
    """A thousand batches that ended and were purged long ago cost it nothing."""
    one = kept({"landing": 1, "outbox": 1, "quarantine": 1, "receipts": 1, "core": 1})
    run(hub, "a.csv", rows(3))
    publish()
    asked = [_statements(one)]
    execute(
        "insert into hub.batch (batch_id, feed, contract_version, contract_sha256, kind, source, delivery, state,"
        " rows_in, rows_loaded, rows_unchanged, rows_quarantined, rows_refused, landed_at, loaded_at)"
        " select 'old-' || n, 'sample_vouchers', '1', 's', 'pull', 's', 'd', 'loaded', 0, 0, 0, 0, 0, now(), now()"
        " from generate_series(1, 1000) n"
    )
    asked.append(_statements(one))
    assert asked[1] <= asked[0]


def _statements(one: FeedContract) -> int:
    count = 0

    def counted(*_: object) -> None:
        nonlocal count
        count += 1

    sa.event.listen(engine.engine(), "before_cursor_execute", counted)
    try:
        after(10, one)
    finally:
        sa.event.remove(engine.engine(), "before_cursor_execute", counted)
    return count
