"""One lane's relay: every event once, in order per key, from wherever it stood."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from exchange.brokers.cluster import Cluster
from exchange.brokers.consume import tail
from exchange.brokers.own_topics import DEAD_LETTERS_TOPIC
from exchange.errors import ChangeSetWrong, LaneBusy, OutboxGap
from exchange.relay import lane as relay
from exchange.relay.lane import open_session
from exchange.relay.position import Position, read_note
from exchange.relay.serve import drain
from hub.settings import Settings, load_settings
from tests.exchange.conftest import Bench
from warehouse.engine import connection

pytestmark = pytest.mark.stack

KEYS = [f"K{n % 11:02d}" for n in range(700)]


def test_batches_and_events_of_a_lane_come_in_commit_order(bench: Bench) -> None:
    bench.load(KEYS[:50])
    bench.event("K01", "single:1")
    bench.load(KEYS[:30])
    bench.event("K02", "single:2", {"文": "字"})
    assert bench.relay() == 82
    bench.agrees()
    assert bench.relay() == 0
    assert [row.published_at is not None for row in bench.sql("select published_at from hub.outbox order by seq")] == [
        True
    ] * 4


def test_an_event_carries_its_envelope_and_its_exact_data(bench: Bench) -> None:
    data = '{"金额":"12.30","b":null}'.encode()
    batch = bench.load(["91110000MA00000000"], [data])
    bench.relay()
    (event,) = tail(bench.topic, 5)
    assert event.key == "91110000MA00000000"
    assert event.id == f"bench:{batch}.0:1"
    assert event.revision == 1
    assert event.subject == "R0"
    assert event.data == {"金额": "12.30", "b": None}
    assert event.type == bench.topic.removeprefix("hub.").removesuffix(".v1") + ".recorded"


@pytest.mark.parametrize("producer", ["confluent", "kafka-python"])
def test_it_goes_on_at_the_exact_record_after_each_transaction(
    bench: Bench, producer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.now = load_settings(producer=producer)
    bench.load(KEYS)
    bench.load(KEYS[:9])
    sent = 0
    for stop in (1, 250, 300, 100, 1_000):
        with open_session(bench.lane, bench.cluster, bench.now) as session:
            session._most = stop
            turn = session.turn()
            assert turn is not None
            sent += turn.events
    assert sent == 709
    bench.agrees()


def test_the_note_catches_up_with_kafka(bench: Bench) -> None:
    bench.load(KEYS)
    with open_session(bench.lane, bench.cluster, bench.now) as session:
        for _ in range(2):
            session._most = 100
            session.turn()
    bench.sql("update hub.relay_position set record = 100")
    with open_session(bench.lane, bench.cluster, bench.now) as session:
        assert session.position.record == 200
    with connection() as conn:
        note = read_note(conn, bench.lane)
    assert note is not None
    assert note.position.record == 200
    bench.relay()
    bench.agrees()


def test_a_lane_is_held_once(bench: Bench) -> None:
    bench.event("K", "one")
    with open_session(bench.lane, bench.cluster, bench.now):
        with pytest.raises(LaneBusy) as caught, open_session(bench.lane, bench.cluster, bench.now):
            pass
        assert str(os.getpid()) in caught.value.facts["holder"]
        (done,) = drain([bench.lane], timeout=1)
        assert done.state == "held"
    assert bench.relay() == 1


@pytest.mark.parametrize(("producer", "place"), [("confluent", 0), ("confluent", 313), ("kafka-python", 699)])
def test_a_poison_record_becomes_a_dead_letter_and_its_key_goes_on(
    migrated: Settings, unique: str, producer: str, place: int
) -> None:
    with Cluster(migrated) as cluster:
        bench = Bench(load_settings(producer=producer), cluster, f"hub.test.p{unique}.v1")
        bench.make(**{"max.message.bytes": "60000"})
        bench.event("K00", "before")
        data = [b'{"n":%d}' % n for n in range(len(KEYS))]
        data[place] = b'{"x":"' + os.urandom(80_000).hex().encode() + b'"}'
        batch = bench.load(KEYS, data)
        bench.load(KEYS[:20])
        poison = bench.loaded.pop(1 + place)[1]
        assert bench.relay() == 720
        bench.agrees()
        dead = [event for event in tail(DEAD_LETTERS_TOPIC, 50) if event.data["topic"] == bench.topic]
        assert [event.data["event_id"] for event in dead] == [poison]
        assert dead[0].data["batch"] == batch
        assert dead[0].data["record"] == str(place)
        assert "x" not in dead[0].data
        (row,) = bench.sql("select event_id, record, state, code from hub.dead_letter")
        assert (row.event_id, row.record, row.state) == (poison, place, "open")
        assert "TOO" in row.code.upper()


def test_several_poison_records_of_one_transaction(migrated: Settings, unique: str) -> None:
    with Cluster(migrated) as cluster:
        bench = Bench(migrated, cluster, f"hub.test.p{unique}.v1")
        bench.make(**{"max.message.bytes": "60000"})
        poisons = {3, 4, 100, 299}
        data = [b"{}" if n not in poisons else b'"' + os.urandom(70_000).hex().encode() + b'"' for n in range(300)]
        bench.load(KEYS[:300], data)
        bench.loaded = [pair for number, pair in enumerate(bench.loaded) if number not in poisons]
        assert bench.relay() == 296
        bench.agrees()
        assert {row.record for row in bench.sql("select record from hub.dead_letter where state = 'open'")} == poisons


def test_a_refused_batch_leaves_nothing_out(migrated: Settings, unique: str) -> None:
    """What was read ahead for a transaction that failed is sent by the next one: a backlog of many entries, bulk."""
    with Cluster(migrated) as cluster:
        bench = Bench(migrated, cluster, f"hub.test.p{unique}.v1")
        bench.make(**{"max.message.bytes": "60000"})
        for _ in range(6):
            bench.load(KEYS[:300])
        assert relay.BULK_EVENTS < 1_800
        bench.load(["K00"], [b'"' + os.urandom(70_000).hex().encode() + b'"'])
        bench.loaded.pop()
        bench.load(KEYS[:10])
        assert bench.relay() == 1_810
        bench.agrees()


def test_a_damaged_change_set_stops_the_lane_before_anything_of_it_is_sent(bench: Bench) -> None:
    bench.load(KEYS[:10])
    (row,) = bench.sql("select path from hub.outbox")
    place = bench.now.landing_dir / str(row.path)
    good = place.read_bytes()
    place.write_bytes(good[:-40] + b"\0" * 40)
    with pytest.raises(ChangeSetWrong):
        bench.relay()
    assert bench.seen() == []
    place.unlink()
    with pytest.raises(ChangeSetWrong):
        bench.relay()
    place.write_bytes(good)
    assert bench.relay() == 10
    bench.agrees()


def test_a_removed_entry_is_not_passed_over(bench: Bench) -> None:
    for number in range(3):
        bench.event("K", f"e{number}")
    bench.sql("delete from hub.outbox where seq = 2")
    with pytest.raises(OutboxGap):
        bench.relay()
    bench.event("K", "e3")
    (done,) = drain([bench.lane], timeout=1)
    assert done.state == "stopped"
    assert isinstance(done.error, OutboxGap)


def test_large_records_are_split_over_transactions(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchange.relay.sending.TRANSACTION_BYTES", 250_000)
    bench.load(KEYS[:40], [b'"' + os.urandom(25_000).hex().encode() + b'"' for _ in range(40)])
    with open_session(bench.lane, bench.cluster, bench.now) as session:
        first = session.turn()
        assert first is not None
        assert first.events == 5
        assert first.position == Position(1, 5, first.position.entry_id)
    bench.relay()
    bench.agrees()


def test_the_relay_does_not_carry_pandas(bench: Bench) -> None:
    """pyarrow loads pandas for some conversions: two seconds at the first event, and 60 MB for ever."""
    bench.load(KEYS[:20])
    code = (
        "import sys; from exchange.relay.serve import drain; done = drain(timeout=20); "
        "assert done[0].events == 20, done; assert 'pandas' not in sys.modules"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
