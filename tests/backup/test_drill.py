"""The drill: a database restored beside a Kafka that is ahead."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition

from contracts.model import TopicSpec
from exchange.brokers.cluster import Cluster
from exchange.brokers.consume import to_event
from exchange.brokers.own_topics import POSITIONS_TOPIC
from exchange.desk import takedown
from exchange.envelope import Event
from exchange.relay import comparing, position
from hub.ids import FeedId
from tests.backup.conftest import House, keys
from warehouse import engine
from warehouse.backup.restoring import restore
from warehouse.errors import TopicNotCompared

pytestmark = pytest.mark.stack


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
    house: House, tmp_path: Path, make_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
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

    def looked() -> tuple[int, int]:
        """What a rebase would find; to say it changes nothing."""
        before = house.everything()
        found = json.loads(house.says("relay", "rebase", house.topic, "--dry-run", "--json"))
        assert house.everything() == before
        return found["lost"], found["conflicting"]

    assert looked() == (6, 0)
    # A database that came back in another way says nothing of it, so a feed loads before anybody looked.
    with engine.connection() as conn, conn.begin():
        conn.exec_driver_sql("delete from hub.restored")
    house.deliver("3.csv", {"K0": "3.00"})
    house.load()
    assert looked() == (5, 1)
    read: list[tuple[int, int]] = []

    def counted(message: Any) -> Event:
        read.append((message.partition(), message.offset()))
        return to_event(message)

    with monkeypatch.context() as patch:
        patch.setattr(comparing, "to_event", counted)
        done = json.loads(
            house.says("relay", "rebase", house.topic, "--operator", "Operator", "--reason", "restored", "--json")
        )
    assert (done["lost"], done["conflicting"]) == (5, 1)
    assert len(read) == len(set(read)) == 4 + 6, "to say what it finds, to plan and to do it, topics are read once"
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
    house: House, tmp_path: Path, make_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
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
