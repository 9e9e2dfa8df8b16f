"""What killed processes left: files that nobody names, batches that nobody will finish."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.warehouse.conftest import Hub, killed_at
from tests.warehouse.feeds import contract, drop, rows
from tests.warehouse.keeping import after, age, kept, publish, run
from warehouse import batches, engine, way
from warehouse.loading import loader
from warehouse.store import Store, store

pytestmark = pytest.mark.stack


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
