"""Topics and lanes follow their contracts: a changed lane, changed settings, partitions that must not change."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from contracts.model import TopicSpec
from exchange.brokers.cluster import Cluster
from exchange.errors import KafkaRequestRefused
from exchange.relay.serve import drain
from hub.settings import Settings
from tests.exchange.conftest import Bench
from warehouse.engine import transaction
from warehouse.errors import LaneNotDrained, TopicPartitionsFixed
from warehouse.outbox import ensure_topic, lane_of

pytestmark = pytest.mark.stack


def test_two_topics_share_a_lane_in_commit_order(migrated: Settings, cluster: Cluster, unique: str) -> None:
    lane = f"shared.{unique}"
    first = Bench(migrated, cluster, f"hub.test.a{unique}.v1", shared=lane)
    second = Bench(migrated, cluster, f"hub.test.b{unique}.v1", shared=lane)
    first.make()
    second.make()
    for number in range(4):
        first.load([f"K{n % 3}" for n in range(20)], part=number)
        second.event(f"K{number % 2}", f"second:{number}")
    assert [(row.lane, row.seq) for row in first.sql("select lane, seq from hub.outbox order by seq")] == [
        (lane, number) for number in range(1, 9)
    ]
    assert [(one.lane, one.events, one.state) for one in drain(timeout=30)] == [(lane, 84, "sent")]
    first.agrees()
    second.agrees()


def test_a_lane_is_not_changed_while_its_topic_waits(bench: Bench) -> None:
    """A second lane would overtake the backlog of the first."""
    before = bench.lane
    bench.load(["K1", "K2"])
    bench.shared = f"other.{bench.topic}"
    with pytest.raises(LaneNotDrained) as caught:
        bench.make()
    assert caught.value.facts["waiting"] == 1
    # A batch that began under the older contract goes on in the lane that holds.
    bench.event("K1", "later")
    assert bench.sql("select distinct lane from hub.outbox")[0].lane == before
    assert [one.events for one in drain(timeout=30)] == [3]
    bench.make()
    bench.event("K1", "moved")
    bench.load(["K2", "K1"])
    assert [(one.lane, one.events, one.state) for one in drain(timeout=30)] == [(bench.lane, 3, "sent")]
    bench.agrees()
    # And back again, to a lane that has a position.
    bench.shared = ""
    bench.make()
    bench.event("K1", "back")
    assert [(one.lane, one.events, one.state) for one in drain(timeout=30)] == [(before, 1, "sent")]
    bench.agrees()


def test_an_entry_that_waits_for_the_lane_follows_it_when_it_moves(bench: Bench) -> None:
    """Both locks: whoever appends while the topic moves ends up in the lane that holds after it."""
    to = f"other.{bench.topic}"
    begun, moved = threading.Event(), threading.Event()

    def append() -> None:
        begun.set()
        bench.event("K", "racing")
        moved.set()

    with transaction() as conn:
        ensure_topic(conn, TopicSpec(bench.topic, bench.partitions, {}, lane=to), None)
        racer = threading.Thread(target=append)
        racer.start()
        begun.wait(10)
        assert not moved.wait(0.5)
    racer.join(30)
    assert [row.lane for row in bench.sql("select lane from hub.outbox")] == [to]
    with transaction() as conn:
        assert lane_of(conn, bench.topic) == to


def test_changed_settings_reach_the_topic_without_an_event(bench: Bench) -> None:
    bench.make(**{"retention.ms": "3600000", "max.message.bytes": "60000"})
    bench.event("K", "first")
    drain(timeout=30)
    assert bench.cluster.config(bench.topic)["retention.ms"] == "3600000"
    assert bench.cluster.config(bench.topic)["max.message.bytes"] == "60000"
    bench.make(**{"retention.ms": "7200000"})
    assert [(one.lane, one.state) for one in drain(timeout=30)] == [(bench.lane, "sent")]
    found = bench.cluster.config(bench.topic)
    assert found["retention.ms"] == "7200000"
    assert "max.message.bytes" not in found
    assert drain(timeout=30) == []


def test_settings_that_the_brokers_refuse_are_said(bench: Bench) -> None:
    bench.event("K", "first")
    drain(timeout=30)
    bench.make(**{"retention.ms": "soon"})
    (done,) = drain(timeout=30)
    assert done.state == "stopped"
    assert isinstance(done.error, KafkaRequestRefused)
    assert "retention.ms" in done.error.sentence()
    bench.make()
    assert drain(timeout=30) == []


def test_partitions_are_refused_once_the_topic_is_made(bench: Bench) -> None:
    bench.partitions = 5
    bench.make()  # not made yet: the contract may still change its mind
    bench.event("K", "first")
    drain(timeout=30)
    assert bench.cluster.topics([bench.topic])[bench.topic].partitions == 5
    bench.partitions = 6
    with pytest.raises(TopicPartitionsFixed) as caught:
        bench.make()
    assert (caught.value.facts["found"], caught.value.facts["expected"]) == (5, 6)
    assert bench.sql("select partitions from hub.topic") == [(5,)]


def test_a_topic_that_moved_is_not_taken_for_one_whose_position_was_lost(bench: Bench) -> None:
    """Its records are of the lane before; the new lane never sent."""
    bench.load(["K"] * 5)
    drain(timeout=30)
    bench.shared = f"other.{bench.topic}"
    bench.make()
    assert bench.sql("select seq from hub.relay_position where lane = :lane", lane=bench.lane) == [(0,)]
    bench.load(["K"] * 2)
    assert bench.relay() == 2
    bench.agrees()


def test_the_rows_of_a_topic_are_made_once(bench: Bench) -> None:
    bench.make()
    with transaction() as conn:
        assert conn.scalar(sa.text("select count(*) from hub.topic")) == 1
