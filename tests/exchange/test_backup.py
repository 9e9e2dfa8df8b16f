"""The drill: a database restored beside a Kafka that is ahead; and what a backup is while everything goes on.

The feed is taken the whole way from files, so that what is delivered again gets its keys, revisions and event ids anew.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from kafka import TopicPartition
from typer.testing import CliRunner

from contracts.model import FeedContract, FieldSpec, RowRule, SourceSpec, TopicSpec
from exchange.brokers.cluster import Cluster
from exchange.brokers.consume import open_reader
from exchange.brokers.own_topics import POSITIONS_TOPIC
from exchange.brokers.topics import ensure_own
from exchange.desk import takedown
from exchange.relay import position
from hub import log
from hub.cli import shell
from hub.ids import FeedId, PlaceId, RuleId
from hub.settings import Settings, settings
from tests.making import made
from tests.warehouse.feeds import BY
from warehouse import engine, way
from warehouse.backup import freezing, programs
from warehouse.backup.errors import BackupIncomplete, BackupTargetTaken, ProgramFailed, RestoreTargetTaken
from warehouse.backup.freezing import frozen
from warehouse.backup.manifest import read
from warehouse.backup.restoring import restore
from warehouse.backup.taking import take
from warehouse.errors import TopicNotCompared
from warehouse.migrate import migrate
from warehouse.store import Store, store
from warehouse.takedown import taking
from warehouse.upkeep import upkeep

pytestmark = pytest.mark.stack

SAID = ("key", "revision", "change", "record")


@dataclass
class House:
    """A hub with one feed, and the folder that its agency drops files in."""

    contract: FeedContract
    drop: Path
    point_at: Callable[[str, Path], None]
    delivered: list[str] = field(default_factory=list)

    @property
    def topic(self) -> str:
        return str(self.contract.topic.name)

    def deliver(self, name: str, rows: dict[str, str]) -> None:
        lines = ["number,payee,amount", *(f"{key},P{int(key[1:]) % 7},{amount}" for key, amount in rows.items())]
        (self.drop / name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def load(self) -> None:
        way.run_feed(self.contract)

    def says(self, *words: str, code: int = 0) -> str:
        log.configure("error")
        result = CliRunner().invoke(shell, list(words), catch_exceptions=True)
        told = result.exit_code if isinstance(result.exception, SystemExit | None) else repr(result.exception)
        assert told == code, (words, result.output, result.exception)
        return result.stdout

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """(event id, what it says) as a read_committed consumer gets them, in order per partition."""
        with open_reader(settings(), "tests") as reader:
            starts = {(self.topic, number): 0 for number in reader.partitions(self.topic)}
            found = sorted(reader.read(starts), key=lambda one: (one.partition(), one.offset()))
        said = [(dict(one.headers())["ce_id"].decode(), json.loads(one.value())) for one in found]
        return [(event_id, {name: data.get(name) for name in SAID}) for event_id, data in said]

    def restored(self, backup: Path, url: str) -> None:
        """The machine with the database is lost; the backup comes back into a new one."""
        engine.dispose()
        fresh = backup.parent / f"fresh-{len(list(backup.parent.glob('fresh-*')))}"
        fresh.mkdir()
        self.point_at(url, fresh)
        restore(backup)

    def lost(self) -> dict[str, Any]:
        """What is open of the events that the database lost."""
        found = json.loads(self.says("relay", "lost", "--feed", self.contract.id, "--json"))
        return dict(found["feeds"][0]) if found["feeds"] else {}

    def table(self) -> dict[str, str]:
        with engine.connection() as conn:
            rows = conn.exec_driver_sql(f"select number, amount::text from core.{self.contract.id}").all()
        return {row[0]: row[1] for row in rows}


@pytest.fixture
def house(hub_settings: Settings, tmp_path: Path, unique: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    drop, feed = tmp_path / "drop", f"backup_{unique}"
    drop.mkdir()
    (tmp_path / "places.toml").write_text(f'[places.here]\nroot = "{drop}"\n', encoding="utf-8")

    def point_at(url: str, var: Path) -> None:
        engine.dispose()
        monkeypatch.setenv("HUB_PLACES", str(tmp_path / "places.toml"))
        monkeypatch.setenv("HUB_DATABASE_URL", url)
        monkeypatch.setenv("HUB_VAR", str(var))
        settings.cache_clear()

    point_at(hub_settings.url(), hub_settings.var)
    fields = (
        FieldSpec("number", "编号", "number", "string", required=True, key_position=1),
        FieldSpec("payee", "收款人", "payee", "string"),
        FieldSpec("amount", "金额", "amount", "decimal", precision=18, scale=2),
    )
    contract = made(
        feed,
        fields,
        subject="payee",
        row_rules=(RowRule(RuleId("amount.range"), "range", ("amount",), {"min": "0"}),),
        sources=(SourceSpec("drop", "file_drop", PlaceId("here"), {"glob": "*.csv", "stable_seconds": 0}),),
        topic=TopicSpec(f"hub.test.{feed}.v1", 2),
    )
    migrate()
    with Cluster() as cluster:
        ensure_own(cluster)
    yield House(contract, drop, point_at)
    engine.dispose()


def keys(first: int, last: int, amount: str) -> dict[str, str]:
    return {f"K{n}": amount for n in range(first, last)}


def test_restored_beside_a_kafka_that_is_ahead(house: House, tmp_path: Path, make_database: Callable[[], str]) -> None:
    house.deliver("1.csv", keys(0, 40, "1.00"))
    house.load()
    house.deliver("2.csv", keys(20, 60, "2.00"))
    house.load()
    house.says("relay", "run", "--once")
    told = json.loads(house.says("backup", "--to", str(tmp_path / "backup"), "--json"))
    assert told["files"] > 0 and told["step"]
    # What comes after the backup is loaded and published; then the machine with the database is lost.
    for name, rows in (("3.csv", keys(50, 80, "3.00")), ("4.csv", keys(0, 10, "4.00") | keys(75, 90, "4.00"))):
        house.deliver(name, rows)
        house.load()
    house.says("relay", "run", "--once")
    before, table_before = house.events(), house.table()
    assert len(before) == 40 + 40 + 30 + 25
    engine.dispose()

    fresh = tmp_path / "fresh"
    fresh.mkdir()
    house.point_at(make_database(), fresh)
    assert json.loads(house.says("restore", "--from", str(tmp_path / "backup"), "--json"))["files"] == told["files"]
    assert house.table() == {**keys(0, 40, "1.00"), **keys(20, 60, "2.00")}

    # Feeds load nothing before somebody knows which revisions subscribers have. The relay finds out, and stops loudly.
    with pytest.raises(TopicNotCompared, match="was not read since"):
        house.load()
    stopped = json.loads(house.says("relay", "run", "--once", "--lane", house.topic, "--json", code=3))
    assert stopped[0]["state"] == "stopped" and stopped[0]["error"]["code"] == "HUB-EXC-023"
    assert house.lost()["events"] == 30 + 25
    house.load()  # the files that the restored database does not know are taken anew
    house.deliver("5.csv", keys(85, 95, "5.00"))
    house.load()
    stopped = json.loads(house.says("relay", "run", "--once", "--json", code=3))
    assert "hub relay rebase" in stopped[0]["error"]["remedy"] and "恢复" in stopped[0]["error"]["error_zh"]
    (lane,) = json.loads(house.says("relay", "status", "--json"))
    assert lane["state"] == "stopped" and lane["error"]["code"] == "HUB-EXC-023"
    assert house.events() == before

    house.says("relay", "rebase", house.topic, "--operator", "Operator", "--reason", "restored from a backup")
    house.says("relay", "run", "--once")
    assert house.lost() == {}, "all came again, and nothing is open"
    after = house.events()
    # Nothing lost: all that was there is there, and a new event for all that came since.
    count, first = Counter(event_id for event_id, _ in after), {}
    fresh_ids = {event_id for event_id, said in after if said["record"]["amount"] == "5.00"}
    assert len(fresh_ids) == 10 and set(count) == {event_id for event_id, _ in before} | fresh_ids
    for event_id, said in after:
        # Each doubled event is known by its id: it says the same again.
        assert first.setdefault(event_id, said) == said
        assert event_id == f"{house.contract.id}:{said['key']}:{said['revision']}"
    doubled = {event_id for event_id, times in count.items() if times == 2}
    assert len(doubled) == 30 + 25 and max(count.values()) == 2
    # A consumer that drops what it knows by id sees each key's revisions without a gap, and the table in the end.
    seen: dict[str, list[int]] = {}
    last: dict[str, str] = {}
    for event_id in dict.fromkeys(event_id for event_id, _ in after):
        said = first[event_id]
        seen.setdefault(said["key"], []).append(said["revision"])
        last[said["key"]] = said["record"]["amount"]
    assert all(revisions == list(range(1, len(revisions) + 1)) for revisions in seen.values())
    assert last == house.table() == {**table_before, **keys(85, 95, "5.00")}
    assert json.loads(house.says("relay", "status", "--json"))[0]["state"] == "idle"


def test_what_comes_otherwise_than_it_was_never_gets_an_id_that_subscribers_have(
    house: House, tmp_path: Path, make_database: Callable[[], str]
) -> None:
    house.deliver("1.csv", keys(0, 4, "1.00"))
    house.load()
    house.says("relay", "run", "--once")
    house.says("backup", "--to", str(tmp_path / "backup"))
    house.deliver("2.csv", keys(0, 6, "2.00"))
    house.load()
    house.says("relay", "run", "--once")
    engine.dispose()
    (house.drop / "2.csv").unlink()
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    house.point_at(make_database(), fresh)
    restore(tmp_path / "backup")
    # A database that came back in another way says nothing of it, so a feed loads before anybody looked.
    with engine.connection() as conn, conn.begin():
        conn.exec_driver_sql("delete from hub.restored")
    house.deliver("3.csv", {"K0": "3.00"})
    house.load()
    done = json.loads(
        house.says("relay", "rebase", house.topic, "--operator", "Operator", "--reason", "restored", "--json")
    )
    assert (done["lost"], done["conflicting"]) == (5, 1)
    house.deliver("4.csv", {"K1": "4.00", "K2": "1.00", "K3": "2.00", "K4": "4.00"})
    house.load()
    house.says("relay", "run", "--once")
    wrong = f"{house.contract.id}:K0:2"  # given to other content before anybody looked: it can't be taken back
    first: dict[str, Any] = {}
    for event_id, said in house.events():
        assert first.setdefault(event_id, said) == said or event_id == wrong
    amounts = {event_id.split(":", 1)[1]: said["record"]["amount"] for event_id, said in first.items()}
    assert amounts == {
        **{f"K{n}:1": "1.00" for n in range(4)},
        **{f"K{n}:2": "2.00" for n in range(4)},
        **{f"K{n}:1": "2.00" for n in (4, 5)},
        "K1:3": "4.00",
        "K4:2": "4.00",
    }
    # What is left: K0 was told otherwise, K2 holds what the source said again, K5 never came again.
    found = house.lost()
    assert (found["records"], found["settled"]) == (3, 1)
    records = json.loads(house.says("relay", "lost", "--feed", house.contract.id, "--json"))["records"]
    assert [(one["record_key"], one["revision"]) for one in records] == [("K0", 2), ("K2", 2), ("K5", 1)]
    told = house.says("relay", "settle", house.topic, "--operator", "Operator", "--reason", "all came", "--json")
    assert json.loads(told)["records"] == 3
    there = house.events()
    house.deliver("5.csv", {"K0": "3.00", "K1": "4.00", "K2": "1.00", "K3": "2.00"})
    house.load()
    house.says("relay", "run", "--once")
    last = [one for one in house.events() if one not in there]
    assert sorted((said["key"], said["revision"], said["change"], said["record"]["amount"]) for _, said in last) == [
        ("K0", 3, "corrected", "3.00"),
        ("K2", 3, "corrected", "1.00"),
    ]
    assert house.lost()["records"] == 1, "K5: subscribers have it, no source spoke of it again"


def test_a_topic_that_the_backup_does_not_know_is_read_too(
    house: House, tmp_path: Path, make_database: Callable[[], str]
) -> None:
    """Two feeds on one lane; one of them first loads after the backup."""
    spec = house.contract.topic
    one = replace(house.contract, topic=replace(spec, lane=spec.name))
    other = replace(one, id=FeedId(f"{one.id}_b"), topic=TopicSpec(f"{spec.name}.b", 1, lane=spec.name))
    house.deliver("1.csv", keys(0, 2, "1.00"))
    house.contract = one
    house.load()
    house.says("relay", "run", "--once")
    house.says("backup", "--to", str(tmp_path / "backup"))
    house.contract = other
    house.load()
    house.says("relay", "run", "--once")
    house.restored(tmp_path / "backup", make_database())
    house.contract = one
    with pytest.raises(TopicNotCompared):
        house.load()
    house.says("relay", "run", "--once", code=3)
    house.says("relay", "rebase", str(spec.name), "--operator", "Operator", "--reason", "restored")
    house.load()
    (house.drop / "1.csv").unlink()
    house.deliver("2.csv", keys(0, 2, "9.00"))
    house.contract = other
    with pytest.raises(TopicNotCompared):  # its topic is new to this database
        house.load()
    house.says("relay", "run", "--once")
    house.load()
    house.says("relay", "run", "--once")
    said = [(said["key"], said["revision"], said["record"]["amount"]) for _, said in house.events()]
    assert said == [("K0", 1, "1.00"), ("K1", 1, "1.00"), ("K0", 2, "9.00"), ("K1", 2, "9.00")]


def test_a_position_that_kafka_forgot_does_not_hide_what_was_lost(
    house: House, tmp_path: Path, make_database: Callable[[], str]
) -> None:
    house.deliver("1.csv", {"K0": "1.00"})
    house.load()
    house.says("relay", "run", "--once")
    house.says("backup", "--to", str(tmp_path / "backup"))
    house.deliver("2.csv", {"K0": "2.00"})
    house.load()
    house.says("relay", "run", "--once")
    house.restored(tmp_path / "backup", make_database())
    with Cluster() as cluster, cluster.asked("forget") as admin:  # what expiry does to a group
        admin.delete_group_offsets(position.group_of(house.topic), [TopicPartition(POSITIONS_TOPIC, 0)])
    house.says("relay", "run", "--once")
    assert house.lost()["events"] == 1
    (house.drop / "2.csv").unlink()
    house.deliver("3.csv", {"K0": "3.00"})
    house.load()
    house.says("relay", "run", "--once", "--timeout", "0", code=3)
    house.says("relay", "rebase", house.topic, "--operator", "Operator", "--reason", "forgotten")
    house.says("relay", "run", "--once")
    said = {(said["revision"], said["record"]["amount"]) for _, said in house.events()}
    assert said == {(1, "1.00"), (2, "2.00"), (3, "3.00")}


def test_a_takedown_that_the_backup_does_not_know_stands_again(
    house: House, tmp_path: Path, make_database: Callable[[], str]
) -> None:
    by = {"operator": "Operator", "reason": "let in by mistake"}
    house.deliver("1.csv", keys(0, 3, "1.00"))
    house.load()
    house.says("relay", "run", "--once")
    house.says("backup", "--to", str(tmp_path / "backup"))
    house.deliver("2.csv", {"K2": "2.00", "K7": "7.00"})
    house.load()
    house.says("relay", "run", "--once")
    takedown.take_down(house.contract, "K1", cut=False, **by)
    before = house.events()
    house.restored(tmp_path / "backup", make_database())
    (house.drop / "2.csv").unlink()
    # Before the topic was read nothing is taken down either: its withdrawal might bear an id that is taken.
    with pytest.raises(TopicNotCompared):
        takedown.take_down(house.contract, "K2", cut=False, **by)
    house.says("relay", "run", "--once", code=3)
    (row,) = json.loads(house.says("takedown", "list", "--json"))
    assert (row["key"], row["state"], row["operator"]) == ("K1", "begun", "hub")
    told = json.loads(house.says("relay", "rebase", house.topic, "--operator", "Op", "--reason", "restored", "--json"))
    assert told["lost"] == 3 and told["taken_down"] == 0, "it stands already"
    # The source says all of it again, and more of the record that is to stay out.
    house.deliver("3.csv", keys(0, 3, "1.00") | {"K1": "5.00"})
    house.load()
    assert takedown.take_up([house.contract]) == [row["takedown"]]
    house.says("relay", "run", "--once")
    assert "K1" not in house.table() or house.table()["K1"] is None
    new = [said for event_id, said in house.events() if (event_id, said) not in before]
    assert [(said["key"], said["revision"], said["change"]) for said in new] == [("K1", 3, "withdrawn")]
    # A record that only the topic holds can be taken down, too.
    takedown.take_down(house.contract, "K7", cut=False, **by)
    _, last = max(house.events(), key=lambda one: (one[1]["key"], one[1]["revision"]))
    assert (last["key"], last["revision"], last["change"]) == ("K7", 2, "withdrawn")


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
