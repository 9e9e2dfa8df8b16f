"""What a backup is while everything goes on: one moment, private, whole, held against its hashes."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub.settings import settings
from tests.backup.conftest import House, keys
from tests.warehouse.feeds import BY
from warehouse import engine
from warehouse.backup import freezing, programs
from warehouse.backup.errors import BackupIncomplete, BackupTargetTaken, ProgramFailed, RestoreTargetTaken
from warehouse.backup.freezing import frozen
from warehouse.backup.manifest import read
from warehouse.backup.restoring import restore
from warehouse.backup.taking import take
from warehouse.errors import TopicNotCompared
from warehouse.store import Store, store
from warehouse.takedown import taking
from warehouse.upkeep import upkeep

pytestmark = pytest.mark.stack


def test_a_backup_beside_running_feeds_is_one_moment(
    house: House, tmp_path: Path, make_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches of several parts come and go while it is taken; what is restored goes on as if nothing had been."""
    monkeypatch.setattr(settings(), "page_rows", 20)
    monkeypatch.setattr(settings(), "part_rows", 15)
    stop, failed = threading.Event(), []

    def deliver() -> None:
        number = 0
        try:
            while not stop.is_set():
                number += 1
                house.deliver(f"{number:04}.csv", keys(0, 70, f"{number}.00"))
                house.load()
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    loader = threading.Thread(target=deliver)
    loader.start()
    try:
        backups = [take(tmp_path / f"backup-{number}").folder for number in range(3)]
    finally:
        stop.set()
        loader.join()
    assert not failed
    assert not list(settings().var.glob("store.backup-*")), "the links are gone"
    table, original = house.table(), settings()
    for number, folder in enumerate(backups):
        fresh = tmp_path / f"fresh-{number}"
        fresh.mkdir()
        house.point_at(make_database(), fresh)
        restore(folder)
        # Loads wait for the relay, which finds nothing lost, for nothing was ever sent.
        with pytest.raises(TopicNotCompared):
            house.load()
        house.says("relay", "run", "--once")
        named = [row[0] for row in _asked("select path from hub.outbox where path is not null and purged_at is null")]
        assert all(store().path(path).is_file() for path in named)
        house.load()
        assert house.table() == table, "what was under way is finished, what came later is taken anew"
        engine.dispose()
    house.point_at(original.url(), original.var)


def _asked(query: str) -> list[Any]:
    with engine.connection() as conn:
        return list(conn.exec_driver_sql(query).all())


def test_upkeep_waits_while_a_backup_looks(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house.deliver("1.csv", keys(0, 5, "1.00"))
    house.load()
    real, done, waiting = freezing._link, list[Any](), list[threading.Thread]()

    def slowly(*given: Any) -> None:
        if not waiting:
            waiting.append(threading.Thread(target=lambda: done.append(upkeep([]))))
            waiting[0].start()
        waiting[0].join(0.3)
        assert waiting[0].is_alive() and not done
        real(*given)

    monkeypatch.setattr(freezing, "_link", slowly)
    with frozen(store()) as moment:
        assert moment.store.list("") == store().list("")
        kept = moment.store.list("changes")
        for path in kept:
            store().delete(path)
        assert all(moment.store.path(path).is_file() for path in kept), "a link keeps what is removed"
        waiting[0].join(30)
        assert len(done) == 1, "it goes on as soon as the moment is held"


def waits_for_the_store() -> bool:
    """Whether somebody waits for the lock under which files go or are written anew."""
    high, low = divmod(engine.lock_key("upkeep", "store") % 2**64, 2**32)
    query = f"select 1 from pg_locks where not granted and classid = {high} and objid = {low}"
    return bool(_asked(query))


def named_files(conn: sa.Connection) -> dict[str, str]:
    """Every page and change set that the database names, with the hash that it holds of it."""
    landed = "select path, sha256 from hub.landed_object where purged_at is null and kind = 'rows'"
    changed = "select path, sha256 from hub.outbox where path is not null and purged_at is null"
    return {row[0]: row[1] for row in conn.exec_driver_sql(f"{landed} union all {changed}")}


def test_a_takedown_waits_while_a_backup_looks(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.deliver("1.csv", keys(0, 5, "1.00"))
    house.load()
    house.says("relay", "run", "--once")
    real, orders = freezing._link, list[threading.Thread]()

    def order() -> None:
        taking.take_down(house.contract, "K1", **BY)

    def meanwhile(*given: Any) -> None:
        real(*given)
        if not orders:
            orders.append(threading.Thread(target=order))
            orders[0].start()
            while orders[0].is_alive() and not waits_for_the_store():
                orders[0].join(0.02)
            assert orders[0].is_alive(), "it waits before it writes anything anew"

    monkeypatch.setattr(freezing, "_link", meanwhile)
    with frozen(store()) as moment, engine.connection() as conn:
        orders[0].join(60)
        assert not orders[0].is_alive(), "it goes on as soon as the moment is held"
        conn.execution_options(isolation_level="REPEATABLE READ")
        with conn.begin():
            conn.exec_driver_sql(f"set transaction snapshot '{moment.snapshot}'")
            then = named_files(conn)
        assert len(then) == 2
        for path, sha256 in then.items():
            moment.store.verify(path, sha256)


def test_what_is_written_anew_under_its_path_is_linked_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, links = Store(tmp_path / "store"), Store(tmp_path / "links")
    for without_links in (False, True):
        if without_links:
            monkeypatch.setattr(freezing.os, "link", _no_links)
        for name in ("kept", "cut"):
            place.put(name, b"before")
        freezing._link(place, links)
        was = links.path("kept").stat().st_ino
        place.put("cut", b"after, and longer")
        freezing._link(place, links)
        assert (links.read("cut"), links.read("kept")) == (b"after, and longer", b"before")
        assert links.path("kept").stat().st_ino == was, "what did not change is left alone"


def _no_links(*_: object) -> None:
    raise OSError(errno.EXDEV, "another disk")


def test_a_moment_in_which_a_takedown_moved_is_taken_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its lock went with its connection, a takedown may move while a backup looks."""
    house.deliver("1.csv", keys(0, 2, "1.00"))
    house.load()
    real, links = freezing._link, list[Path]()
    states = iter(["begun", "stored"])

    def meanwhile(place: Store, target: Store) -> None:
        real(place, target)
        links.append(target.root)
        if len(links) % 2 and (state := next(states, None)):
            with engine.transaction() as conn:
                values = "'f', 'K1', 'begun', 'o', 'r', '{}', now()"
                new = f"insert into hub.takedown (feed, record_key, state, operator, reason, facts, begun_at) values ({values})"
                conn.exec_driver_sql(new if state == "begun" else "update hub.takedown set state = 'stored'")

    monkeypatch.setattr(freezing, "_link", meanwhile)
    with frozen(store()) as moment:
        assert len(links) == 6 and len(set(links)) == 3 and moment.store.root == links[-1]


def test_a_backup_is_private_whole_and_held_against_its_hashes(
    house: House, tmp_path: Path, make_database: Callable[[], str]
) -> None:
    house.deliver("1.csv", keys(0, 5, "1.00") | {"K9": "-1"})
    house.load()
    folder = take(tmp_path / "one").folder
    for path in [folder, *folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert hashlib.sha256((folder / "database.dump").read_bytes()).hexdigest() == read(folder).dump_sha256
    with pytest.raises(BackupTargetTaken):
        take(folder)
    # Into a database that holds a hub: refused. So is a store that holds something else under the same name.
    with pytest.raises(RestoreTargetTaken, match="tables of a hub"):
        restore(folder)
    original, fresh = settings(), tmp_path / "fresh"
    fresh.mkdir()
    house.point_at(make_database(), fresh)
    path = next(iter(read(folder).files))
    store().put(path, b"another hub's")
    with pytest.raises(RestoreTargetTaken):
        restore(folder)
    store().delete(path)
    # Cut short after the files: it goes on where it stopped.
    (folder / "database.dump").rename(folder / "aside")
    with pytest.raises(BackupIncomplete, match=r"database\.dump is missing"):
        restore(folder)
    (folder / "aside").rename(folder / "database.dump")
    for broken, what in (("manifest", "no manifest"), ("byte", "was changed"), ("way out", "not a path of the store")):
        other = tmp_path / broken
        shutil.copytree(folder, other)
        manifest = other / "manifest.json"
        if broken == "manifest":
            manifest.unlink()
        elif broken == "byte":
            target = other / "store" / path
            target.write_bytes(target.read_bytes()[:-1] + b"x")
        else:
            raw = json.loads(manifest.read_text())
            raw["files"]["../../fresh/x"] = "0" * 64
            manifest.write_text(json.dumps(raw))
        with pytest.raises(Exception, match=what):
            restore(other)
        assert not _asked("select 1 from pg_tables where schemaname = 'hub'")
    restore(folder)
    assert len(house.table()) == 5
    assert json.loads(house.says("quarantine", "list", "--json"))[0]["feed"] == house.contract.id
    key = Path("secrets", "hub-hmac-key")
    if (original.var / key).exists():
        assert (original.var / key).read_bytes() == (fresh / key).read_bytes()


def test_a_program_that_fails_says_why_and_no_password(house: House, tmp_path: Path) -> None:
    url = sa.make_url(settings().url()).set(password="wr0ng:\\")
    house.point_at(url.render_as_string(hide_password=False), settings().var)
    with pytest.raises(ProgramFailed) as caught:
        programs.run("pg_dump", "--file", str(tmp_path / "x"))
    assert "password authentication failed" in str(caught.value) and "wr0ng" not in str(caught.value)
