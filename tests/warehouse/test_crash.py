"""SIGKILL at every step boundary and at random moments: afterwards every row is there once, and the books add up."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import crash
from hub.settings import Settings, settings
from tests.warehouse.conftest import Hub, environment
from tests.warehouse.feeds import contract, drop, row, rows
from tests.warehouse.postgres import server
from warehouse import engine, way
from warehouse.errors import DatabaseUnavailable, StoreMissing
from warehouse.migrate import migrate
from warehouse.quarantine import fixing, replay
from warehouse.store import store

pytestmark = [pytest.mark.stack, pytest.mark.crash]

DATABASE_KILLS = int(os.environ.get("HUB_TEST_DATABASE_KILLS", "3"))
KILLS = int(os.environ.get("HUB_TEST_LOADER_KILLS", "12"))


class Zygote:
    """Processes on demand."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.warehouse.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def run(self, *, kill_after: float | None = None, **more: str) -> int:
        """Runs a process to its end; kills it after so many seconds. Returns its exit code, -9 for killed."""
        assert self.process.stdin and self.process.stdout
        values = {name: value for name, value in environment().items() if name.startswith("HUB_")}
        blank = dict.fromkeys((crash.VARIABLE, "TEST_HELD", "TEST_COMPLETENESS", "TEST_REPLAY"), "")
        self.process.stdin.write(json.dumps({**blank, "TEST_COMPLETENESS": "incremental", **values, **more}) + "\n")
        self.process.stdin.flush()
        pid = json.loads(self.process.stdout.readline())["pid"]
        timer = threading.Timer(kill_after, os.kill, (pid, signal.SIGKILL)) if kill_after is not None else None
        if timer:
            timer.start()
        status = int(json.loads(self.process.stdout.readline())["status"])
        if timer:
            timer.cancel()
        return status


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    made = Zygote()
    yield made
    assert made.process.stdin
    made.process.stdin.close()
    made.process.wait(30)


def check_books(hub: Hub, *, loaded: int, unchanged: int = 0, quarantined: int = 0, refused: int = 0) -> None:
    """One whole batch, whatever was killed: every row once, one entry a part, no half batch, no leftover."""
    states = dict(hub.all("select state, count(*) from hub.batch where state <> 'abandoned' group by state"))
    assert states == {"loaded": 1}
    batch = hub.one(
        "select rows_loaded, rows_unchanged, rows_quarantined, rows_refused, rows_in, parts, parts_loaded, batch_id"
        " from hub.batch where state = 'loaded'"
    )
    assert tuple(batch[:4]) == (loaded, unchanged, quarantined, refused)
    assert batch[4] == sum(batch[:4]) and batch[5] == batch[6]
    assert hub.value("select count(*) from core.sample_vouchers where not hub_withdrawn") == loaded
    assert hub.value("select count(*) from history.sample_vouchers") == 0
    assert hub.value("select count(*) from hub.quarantine") == quarantined
    assert hub.value("select count(*) from hub.refusal") == refused
    events = hub.events()
    assert len(events) == len({event["event_id"] for event in events}) == loaded
    assert hub.all("select part_no, count(*) from hub.outbox group by part_no having count(*) > 1") == []
    assert [seq for (seq,) in hub.all("select seq from hub.outbox order by seq")] == list(
        range(1, 1 + hub.value("select count(*) from hub.outbox"))
    )
    assert hub.value("select batch_id from hub.cursor") == batch[7]
    assert hub.all("select version from hub.receipt where batch_id = :b", b=batch[7]) == [(1,)]
    named = {path for (path,) in hub.all("select path from hub.landed_object union select path from hub.outbox")}
    left = {path for path in store().list("") if not path.endswith(".part")}
    assert left == named, "nothing is left over, nothing is missing"


def delivery(hub: Hub) -> None:
    drop(hub.drop, "a.csv", [*rows(2000), row(5, amount="6"), row(3000, amount="-1"), row(3001, note="秘密")])


BOOKS = {"loaded": 1999, "unchanged": 0, "quarantined": 3, "refused": 1}
POINTS = [point for point in crash.WAREHOUSE_POINTS if not point.startswith("replay")]


ANEW = [point for point in POINTS if point.startswith("check")]


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_step_boundary(small_parts: Hub, zygote: Zygote, point: str) -> None:
    hub = small_parts
    delivery(hub)
    assert zygote.run(**{crash.VARIABLE: point}) == -signal.SIGKILL
    if point in ("load.changes_written", "load.before_commit", "check.page_checked"):
        assert zygote.run(**{crash.VARIABLE: f"{point}:2"}) == -signal.SIGKILL
    assert zygote.run() == 0
    check_books(hub, **BOOKS)
    assert zygote.run() == 0
    check_books(hub, **BOOKS)


@pytest.mark.parametrize("point", [*ANEW, "load.planned", "load.before_commit"])
def test_killed_while_another_goes_on(small_parts: Hub, zygote: Zygote, point: str) -> None:
    hub = small_parts
    delivery(hub)
    assert zygote.run(**{crash.VARIABLE: "collect.landed"}) == -signal.SIGKILL
    assert zygote.run(**{crash.VARIABLE: point}) == -signal.SIGKILL
    assert zygote.run() == 0
    check_books(hub, **BOOKS)


@pytest.mark.parametrize("point", ["check.decided", "load.planned", "load.before_commit"])
@pytest.mark.parametrize("harm", ["missing", "cut", "empty"])
def test_a_power_cut_before_anything_is_loaded(small_parts: Hub, zygote: Zygote, point: str, harm: str) -> None:
    """Checked pages that were not yet on the disk are gone or are no Arrow files any more: they are made anew."""
    hub = small_parts
    delivery(hub)
    assert zygote.run(**{crash.VARIABLE: point}) == -signal.SIGKILL
    files = [store().path(path) for path in store().list("checked")]
    assert {file.name for file in files} >= {"good-00000.arrow", "bad-00002.arrow", "duplicates.arrow"}
    for file in files:
        if harm == "missing":
            file.unlink()
        else:
            os.truncate(file, 0 if harm == "empty" else file.stat().st_size // 2)
    assert zygote.run() == 0
    check_books(hub, **BOOKS)


def test_checked_pages_are_on_the_disk_before_a_part_relies_on_them(
    small_parts: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = small_parts
    delivery(hub)
    synced: set[int] = set()
    due: list[set[int]] = []
    fsync = os.fsync

    def noting(handle: int) -> None:
        fsync(handle)
        synced.add(os.fstat(handle).st_ino)

    def at(point: str) -> None:
        if point == "load.before_commit":
            place = store()
            due.append({place.path(path).stat().st_ino for path in place.list("checked")})

    monkeypatch.setattr(os, "fsync", noting)
    monkeypatch.setattr(crash, "point", at)
    way.run_feed(contract())
    assert len(due) == 3 and len(due[0]) > 3
    assert due[0] <= synced


def test_a_lost_page_of_a_batch_half_loaded_is_said(small_parts: Hub, zygote: Zygote) -> None:
    hub = small_parts
    delivery(hub)
    assert zygote.run(**{crash.VARIABLE: "load.part_committed"}) == -signal.SIGKILL
    (lost,) = [path for path in store().list("checked") if "bad-00002" in path]
    kept = store().path(lost).rename(hub.drop.parent / "kept")
    with pytest.raises(StoreMissing):
        way.run_feed(contract())
    kept.rename(store().path(lost))
    assert zygote.run() == 0
    check_books(hub, **BOOKS)


def test_killed_at_random(small_parts: Hub, zygote: Zygote) -> None:
    hub = small_parts
    delivery(hub)
    chance = random.Random(20_261_122)
    started = time.monotonic()
    assert zygote.run() == 0
    usual = time.monotonic() - started
    kills = 0
    for number in range(KILLS):
        drop(hub.drop, f"more-{number}.csv", rows(1500, first=10_000 * (number + 1)))
        kills += zygote.run(kill_after=chance.uniform(0.02, usual)) == -signal.SIGKILL
    assert zygote.run() == 0
    assert kills > 0
    events = hub.events()
    assert len(events) == len({event["event_id"] for event in events}) == 1999 + 1500 * KILLS
    assert hub.value("select count(*) from core.sample_vouchers") == 1999 + 1500 * KILLS
    assert hub.value("select count(*) from hub.batch where state not in ('loaded', 'abandoned')") == 0
    assert hub.value("select count(distinct delivery_sha256) from hub.batch where state = 'loaded'") == KILLS + 1
    assert hub.value("select count(*) from hub.batch where state = 'loaded'") == KILLS + 1
    assert hub.value("select sum(rows_loaded) from hub.batch") == 1999 + 1500 * KILLS


@pytest.mark.parametrize(
    "point", ["load.before_commit:2", "load.part_committed", "load.part_committed:4", "load.loaded"]
)
def test_a_killed_snapshot_withdraws_each_key_once(small_parts: Hub, zygote: Zygote, point: str) -> None:
    hub = small_parts
    drop(hub.drop, "a.csv", rows(2000))
    assert zygote.run(TEST_COMPLETENESS="snapshot") == 0
    drop(hub.drop, "b.csv", rows(300))
    assert zygote.run(TEST_COMPLETENESS="snapshot", **{crash.VARIABLE: point}) == -signal.SIGKILL
    assert zygote.run(TEST_COMPLETENESS="snapshot") == 0
    gone = [event["record_key"] for event in hub.events() if event["change"] == "withdrawn"]
    assert gone == [f"V{number:06d}" for number in range(301, 2001)]
    assert hub.value("select withdrawn_missing from hub.batch where delivery = 'b.csv'") == 1700


@pytest.mark.parametrize(
    "point", ["replay.opened", "collect.page_landed", "collect.pages_landed", "collect.landed", "check.decided",
              "load.before_commit", "load.part_committed"],
)  # fmt: skip
def test_a_killed_replay_loads_its_rows_once(hub: Hub, zygote: Zygote, tmp_path: Path, point: str) -> None:
    drop(hub.drop, "a.csv", [*rows(3), row(11, amount="-1"), row(12, amount="-2")])
    assert zygote.run() == 0
    parent = hub.value("select batch_id from hub.batch")
    fixing.export(parent, tmp_path / "rows.csv")
    text = (tmp_path / "rows.csv").read_text(encoding="utf-8-sig").replace("'-1", "1").replace("'-2", "2")
    (tmp_path / "rows.csv").write_text(text)
    assert fixing.fix(contract(), parent, tmp_path / "rows.csv", editor="Ed", reason="r").values == 2
    assert zygote.run(TEST_REPLAY=parent, **{crash.VARIABLE: point}) == -signal.SIGKILL
    waiting = hub.value("select count(*) from hub.quarantine where state = 'fixed'")
    # Whoever comes next goes on: with the batch where it has landed, else with the replay itself.
    assert zygote.run() == 0
    if waiting:
        done = replay.replay(contract(), parent, operator="Op", reason="r")
        assert done.loaded == 2
    assert hub.all("select distinct state from hub.quarantine") == [("replayed",)]
    assert hub.value("select count(*) from core.sample_vouchers") == 5
    assert len({event["event_id"] for event in hub.events()}) == len(hub.events()) == 5
    assert hub.value("select max(version) from hub.receipt where batch_id = :b", b=parent) == 2


@pytest.mark.parametrize("point", ["check.judged", "check.decided"])
def test_a_killed_hold_is_held_once(hub: Hub, zygote: Zygote, point: str) -> None:
    drop(hub.drop, "a.csv", rows(2))
    assert zygote.run(TEST_HELD="1", **{crash.VARIABLE: point}) == -signal.SIGKILL
    assert zygote.run(TEST_HELD="1") == 0
    assert hub.all("select state, rows_quarantined from hub.batch") == [("held", 2)]
    assert hub.value("select count(*) from core.sample_vouchers") == 0
    assert hub.value("select count(*) from hub.receipt") == 1


def test_killed_postgresql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zygote: Zygote, hub_settings: Settings
) -> None:
    """The database dies under the loader: the loader says it may be tried again, and nothing is lost or doubled."""
    with server() as own:
        folder = tmp_path / "drop"
        folder.mkdir()
        (tmp_path / "places.toml").write_text(f'[places.drop]\nroot = "{folder}"\n')
        values = {"HUB_DATABASE_URL": own.create("hub"), "HUB_PLACES": str(tmp_path / "places.toml")}
        for name, value in {**values, "HUB_PAGE_ROWS": "1000", "HUB_PART_ROWS": "700"}.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        migrate()
        hub = Hub(folder)
        chance = random.Random(1)
        ended: list[int] = []
        for number in range(DATABASE_KILLS):
            drop(folder, f"{number}.csv", rows(2500, first=10_000 * number + 1))
            runner = threading.Thread(target=lambda: ended.append(zygote.run()))
            runner.start()
            time.sleep(chance.uniform(0.05, 1.5))
            own.kill()
            own.start()
            runner.join()
        assert set(ended) <= {0, DatabaseUnavailable.exit_code}
        engine.dispose()
        assert zygote.run() == 0
        assert hub.value("select count(*) from core.sample_vouchers") == 2500 * DATABASE_KILLS
        events = hub.events()
        assert len(events) == len({event["event_id"] for event in events}) == 2500 * DATABASE_KILLS
        assert hub.value("select sum(rows_loaded) from hub.batch where state = 'loaded'") == 2500 * DATABASE_KILLS
        engine.dispose()
