"""Which files go when: landed pages, originals and change sets, whatever is killed and whoever lands the same."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
import sqlalchemy as sa

from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import HELD, contract, row, rows
from tests.warehouse.keeping import NOTHING, after, execute, kept, publish, run
from warehouse import engine, story
from warehouse.landing import intake
from warehouse.landing import pages as landing
from warehouse.quarantine import replay
from warehouse.retention import files
from warehouse.store import Store, store

pytestmark = pytest.mark.stack


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
    assert after(1000, one) == NOTHING
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
