"""A snapshot and the events after its positions are the final state, whatever loads and is sent meanwhile."""

from __future__ import annotations

import hashlib
import json
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from contracts.model import FeedContract, TopicSpec
from exchange.brokers.cluster import Cluster
from exchange.commands import feed as feed_command
from exchange.errors import BrokerUnreachable, DatabaseRestored, SnapshotTargetTaken
from exchange.relay import status
from exchange.relay.lane import open_session
from exchange.subscribers import snapshot
from exchange.subscribers.snapshot import Positions, Snapshot, take
from hub import clock
from hub.errors import HubError
from hub.settings import load_settings
from tests.subscribers.conftest import Office
from tests.warehouse.feeds import FIELDS, row, rows, spec
from warehouse.engine import connection, transaction
from warehouse.errors import NothingLoaded, OperatorMissing, TableMismatch
from warehouse.feeds import current
from warehouse.outbox import ensure_topic

pytestmark = pytest.mark.stack

State = dict[str, tuple[int, dict[str, Any] | None]]
"""Key -> revision, and the record (None: withdrawn)."""


def applied(state: State, events: list[dict[str, Any]]) -> int:
    """What a reader does with each event; returns how many it had already. No revision may be left out."""
    known = 0
    # By revision within a key: a record that moved lies in two partitions, and those come in any order.
    for event in sorted(events, key=lambda one: (one["key"], one["revision"], one["offset"])):
        had = state.get(event["key"], (0, None))[0]
        if event["revision"] <= had:
            known += 1
            continue
        assert event["revision"] == had + 1, f"{event['id']} after revision {had}: an event is missing"
        state[event["key"]] = (event["revision"], event.get("record"))
    return known


def held(folder: Path, contract: FeedContract) -> State:
    """The state in a snapshot, its values as events write them."""
    names = [one.name for one in contract.fields if one.published]
    found: State = {}
    for line in pq.read_table(folder / "records.parquet").to_pylist():
        assert line["hub_event_id"] == f"{contract.id}:{line['hub_key']}:{line['hub_revision']}"
        record = {name: _written(line[name]) for name in names}
        assert line["hub_key"] not in found
        found[line["hub_key"]] = (line["hub_revision"], None if line["hub_withdrawn"] else record)
    return found


def _written(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value


def from_start(office: Office) -> State:
    """The final state by reading every event there ever was."""
    state: State = {}
    assert applied(state, office.read()) == 0
    return state


def goes_on(office: Office, taken: Snapshot, folder: Path) -> tuple[State, int]:
    """What a newcomer holds that starts at the snapshot; and how many events it had already."""
    state = held(folder, office.contract)
    known = applied(state, office.read(dict(taken.positions.offsets)))
    return state, known


def changes(turn: int) -> list[list[str]]:
    """A delivery of new, corrected, moved, withdrawn and returning records."""
    version = str(turn + 2)
    made = rows(200, first=turn * 100, version=version, note=f"turn {turn}")
    made += [row(turn * 100 - 50 + at, version=version, status="void") for at in range(20) if turn]
    made += [row(turn * 100 - 90 + at, version=version, payee=f"MOVED{turn}") for at in range(20) if turn]
    return made


def test_a_newcomer_misses_nothing_while_loads_and_the_relay_run(office: Office, tmp_path: Path) -> None:
    office.load(changes(0))
    office.relay()
    stop, trouble = threading.Event(), []

    def working(step: Iterator[Any]) -> None:
        try:
            for _ in step:
                if stop.is_set():
                    return
        except Exception as error:  # noqa: BLE001 - told by the test's own thread
            trouble.append(error)

    loader = threading.Thread(target=working, args=((office.load(changes(turn)) for turn in range(1, 1_000)),))
    relay = threading.Thread(target=working, args=((office.relay() for _ in range(10_000)),))
    loader.start(), relay.start()
    taken = [
        (take(office.contract, tmp_path / f"s{number}", office.now), tmp_path / f"s{number}") for number in range(6)
    ]
    stop.set()
    loader.join(), relay.join()
    assert trouble == []
    office.load(changes(0)[:50])
    office.relay()
    final = from_start(office)
    assert len({one.records + one.withdrawn for one, _ in taken}) > 1, "nothing was loaded between the snapshots"
    for one, folder in taken:
        assert goes_on(office, one, folder)[0] == final
    # And what the hub itself holds in the end is the same.
    last = take(office.contract, tmp_path / "last", office.now)
    state, known = goes_on(office, last, tmp_path / "last")
    assert (state, known) == (final, 0)


@pytest.mark.parametrize("sent", [True, False], ids=["sent", "waiting"])
def test_what_is_committed_between_positions_and_state_is_told_by_its_revision(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bool
) -> None:
    office.load(changes(0))
    office.relay()

    begun: list[datetime] = []

    def busy(contract: FeedContract, cluster: Cluster) -> Positions:
        begun.append(clock.now())
        office.load(changes(1))
        office.relay()
        found = positions(contract, cluster)
        office.load(changes(2))
        if sent:
            office.relay()
        return found

    positions = snapshot.positions
    monkeypatch.setattr(snapshot, "positions", busy)
    taken = take(office.contract, tmp_path / "s", office.now)
    monkeypatch.setattr(snapshot, "positions", positions)
    assert datetime.fromisoformat(taken.taken_at) <= begun[0], "it holds at least what was there when it says"
    office.relay()
    state, known = goes_on(office, taken, tmp_path / "s")
    assert state == from_start(office)
    assert known == len(office.read(dict(taken.positions.offsets))) > 200  # all of the third delivery were known
    office.load(changes(3))
    office.relay()
    state, again = goes_on(office, taken, tmp_path / "s")
    assert (state, again) == (from_start(office), known)


def test_its_pages_are_of_one_moment(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivery that is loaded between two pages is in all of them or in none."""
    office.load(rows(20))
    copy_out, loaded = current.copy_out, list[object]()

    def between(*given: Any) -> Any:
        page = copy_out(*given)
        if not loaded:
            loaded.append(office.load(rows(25, version="2")))
        return page

    monkeypatch.setattr(current, "PAGE_ROWS", 7)
    monkeypatch.setattr(current, "copy_out", between)
    taken = take(office.contract, tmp_path / "s", office.now)
    assert loaded and taken.records == 20
    assert {revision for revision, _ in held(tmp_path / "s", office.contract).values()} == {1}


def test_positions_taken_after_the_state_would_miss_events(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof above can fail: with the order turned round it does."""
    office.load(changes(0))
    office.relay()
    taken = take(office.contract, tmp_path / "s", office.now)
    office.load(changes(1))
    office.relay()
    with Cluster(office.now) as cluster:
        late = snapshot.positions(office.contract, cluster)
    state, _ = goes_on(office, replace(taken, positions=late), tmp_path / "s")
    assert state != from_start(office)


def test_an_open_transaction_of_the_relay_is_not_missed(office: Office, tmp_path: Path) -> None:
    office.load(changes(0))
    office.relay()
    office.load(changes(1))
    with Cluster(office.now) as cluster, open_session(office.topic, cluster, office.now) as session:
        plan = session._plan(fetch=True)
        assert plan is not None
        session._send(plan)
        session._held_producer()._client.flush(10)  # on the broker, not committed
        taken = take(office.contract, tmp_path / "s", office.now)
        session._finish(plan)
    office.relay()
    state, known = goes_on(office, taken, tmp_path / "s")
    assert state == from_start(office)
    assert known == plan.events


def test_the_files_say_what_they_are_and_appear_whole(office: Office, tmp_path: Path) -> None:
    with pytest.raises(NothingLoaded):
        take(office.contract, tmp_path / "none", office.now)
    assert list(tmp_path.glob("*none*")) == []
    office.load([*rows(30), row(31, note='line\nbreak, "quoted" 甲'), row(32, paid_on=""), row(33, version="2")])
    office.load([row(3, version="3", status="void")])
    office.relay()
    folder = tmp_path / "s"
    taken = take(office.contract, folder, office.now)
    about = json.loads((folder / "snapshot.json").read_text(encoding="utf-8"))
    assert about == {name: value for name, value in taken.as_dict().items() if name != "folder"}
    assert about["sha256"] == hashlib.sha256((folder / "records.parquet").read_bytes()).hexdigest()
    assert (about["records"], about["withdrawn"], about["emptied"]) == (32, 1, 0)
    assert about["positions"]["topic"] == office.topic
    with Cluster(office.now) as cluster:
        assert about["positions"]["topic_uuid"] == cluster.topics([office.topic])[office.topic].uuid is not None
    assert set(about["positions"]["offsets"]) == {"0", "1", "2"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    table = pq.read_table(folder / "records.parquet")
    assert table.schema.equals(current.schema(office.contract))
    lines = {line["hub_key"]: line for line in table.to_pylist()}
    assert lines["V000031"]["note"] == 'line\nbreak, "quoted" 甲'
    assert lines["V000031"]["amount"] == Decimal("31.50")
    assert lines["V000032"]["paid_on"] is None
    assert lines["V000003"] | {"hub_loaded_at": None} == {
        "hub_key": "V000003", "hub_revision": 2, "hub_event_id": "sample_vouchers:V000003:2", "hub_subject": "P3",
        "hub_record_hash": lines["V000003"]["hub_record_hash"], "hub_withdrawn": True, "hub_emptied": False,
        "hub_loaded_at": None, **dict.fromkeys((one.name for one in FIELDS), None),
    }  # fmt: skip
    assert (datetime.now(UTC) - lines["V000001"]["hub_loaded_at"]).total_seconds() < 600
    hashes = {event["key"]: event["record_hash"] for event in office.read() if event["revision"] == 1}
    assert lines["V000001"]["hub_record_hash"] == hashes["V000001"]
    for taken_place in (folder, tmp_path / "no" / "parent"):
        with pytest.raises(SnapshotTargetTaken):
            take(office.contract, taken_place, office.now)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_it_holds_what_events_would_hold(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current, "PAGE_ROWS", 7)  # several pages, the last one full
    office.load(rows(28))
    hidden = replace(
        office.contract,
        fields=(*(replace(one, published=one.name != "note") for one in FIELDS), spec("added_later", "integer")),
    )
    taken = take(hidden, tmp_path / "hidden", office.now)
    table = pq.read_table(tmp_path / "hidden" / "records.parquet")
    assert taken.records == table.num_rows == 28
    assert table.column("hub_key").to_pylist() == sorted(table.column("hub_key").to_pylist())
    assert "note" not in table.column_names
    assert table.column("added_later").null_count == 28
    take(replace(office.contract, publish="reference"), tmp_path / "reference", office.now)
    names = pq.read_table(tmp_path / "reference" / "records.parquet").column_names
    assert names == [one.name for one in current.OWN]
    # A row past its retention: known, without content.
    with transaction() as conn:
        conn.exec_driver_sql(
            "update core.sample_vouchers set number=null, payee=null, amount=null, paid_on=null, version=null,"
            " status=null, note=null where hub_key = 'V000005'"
        )
    taken = take(office.contract, tmp_path / "emptied", office.now)
    assert (taken.records, taken.emptied) == (28, 1)
    with pytest.raises(TableMismatch):
        take(replace(office.contract, fields=(*FIELDS[:3], spec("paid_on", "string"))), tmp_path / "x", office.now)


def test_a_database_behind_its_topic_gives_no_snapshot(office: Office, tmp_path: Path) -> None:
    office.load(rows(5))
    office.relay()
    with transaction() as conn:
        # As if restored from a backup, and loaded since: the entry's number was given twice.
        conn.exec_driver_sql("update hub.outbox set entry_id = 'another'")
        conn.exec_driver_sql("delete from hub.relay_position")
    with pytest.raises(DatabaseRestored):
        take(office.contract, tmp_path / "s", office.now)
    away = load_settings(kafka_bootstrap="127.0.0.1:9")
    with pytest.raises(BrokerUnreachable):
        take(office.contract, tmp_path / "s", away)
    assert not (tmp_path / "s").exists()


def test_another_lane_that_stands_still_is_no_reason_against_it(office: Office, tmp_path: Path) -> None:
    office.load(rows(5))
    office.relay()
    with transaction() as conn:
        ensure_topic(conn, TopicSpec(f"{office.topic}.other", 1), None)
        conn.exec_driver_sql(
            "insert into hub.relay_position (lane, seq, record, entry_id, cluster_id)"
            f" values ('{office.topic}.other', 7, 1, 'gone', 'another cluster')"
        )
    with Cluster(office.now) as cluster:
        stopped = [one.lane for one in status.lanes(cluster) if isinstance(one.error, HubError)]
    assert stopped == [f"{office.topic}.other"]
    assert take(office.contract, tmp_path / "s", office.now).records == 5


def test_before_anything_was_sent_a_reader_starts_at_the_beginning(office: Office, tmp_path: Path) -> None:
    office.load(rows(5))
    taken = take(office.contract, tmp_path / "s", office.now)
    assert taken.positions.topic_uuid is None
    assert dict(taken.positions.offsets) == {0: 0, 1: 0, 2: 0}
    office.relay()
    assert goes_on(office, taken, tmp_path / "s") == (from_start(office), 5)


def test_the_command_takes_one_for_a_named_person(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.load(rows(5))
    office.relay()
    monkeypatch.setattr("contracts.catalogue.load_one", lambda _: office.contract)
    words = ["snapshot", "sample_vouchers", "--to", str(tmp_path / "s"), "--json"]
    nobody = ["--operator", " ", "--reason", "x"]
    assert isinstance(CliRunner().invoke(feed_command.app, [*words, *nobody]).exception, OperatorMissing)
    assert not (tmp_path / "s").exists()
    done = CliRunner().invoke(feed_command.app, [*words, "--operator", "demo-operator", "--reason", "审计局接入"])
    assert done.exit_code == 0, (done.output, done.exception)
    assert json.loads(done.stdout)["records"] == 5
    with connection() as conn:
        (noted,) = conn.exec_driver_sql("select operator, object, facts from hub.act where action = 'snapshot'").all()
    assert (noted.operator, noted.object) == ("demo-operator", "sample_vouchers")
    assert noted.facts["sha256"] == json.loads(done.stdout)["sha256"]
