"""Where PostgreSQL and Kafka disagree the lane stops loudly, and the remedy that it names works."""

from __future__ import annotations

import uuid

import pytest
from kafka.structs import OffsetAndMetadata, TopicPartition

from exchange.brokers.consume import any_committed
from exchange.brokers.own_topics import POSITIONS_TOPIC
from exchange.errors import (
    ClusterRebuilt,
    DatabaseRestored,
    LaneUnknown,
    PositionBehind,
    PositionExpired,
    RebaseTargetUnknown,
    TopicDiffers,
    TopicMissing,
    TopicRecreated,
)
from exchange.producers.opening import open_producer
from exchange.relay import publication, rebase, status
from exchange.relay.lane import open_session
from exchange.relay.position import Position, from_kafka, group_of, to_metadata
from hub.errors import HubError
from tests.exchange.conftest import Bench
from warehouse.engine import connection
from warehouse.errors import OperatorMissing

pytestmark = pytest.mark.stack

KEYS = [f"K{n % 5}" for n in range(60)]


def relayed(bench: Bench) -> None:
    """Two entries sent, a third waits."""
    bench.load(KEYS)
    bench.load(KEYS[:7])
    bench.relay()
    bench.load(KEYS[:5])


def stopped_by(bench: Bench, kind: type[HubError]) -> HubError:
    """The lane stops with this error, `status` says the same, and the remedy names the rebase."""
    with pytest.raises(kind) as caught:
        bench.relay()
    (lane,) = status.lanes(bench.cluster)
    assert lane.state == "stopped"
    assert isinstance(lane.error, kind)
    assert f"hub relay rebase {bench.lane}" in caught.value.remedy()
    assert f"hub relay rebase {bench.lane}" in caught.value.remedy("zh")
    return caught.value


def rebased(bench: Bench, to: str | None = None) -> rebase.Rebase:
    plan = rebase.plan(bench.cluster, bench.lane, to)
    done, _ = rebase.apply(bench.cluster, plan, "demo-operator", "test")
    return done


def forget_position(bench: Bench) -> None:
    """What expiry does to a group, done at once."""
    with bench.cluster.asked("forget") as admin:
        admin.delete_group_offsets(group_of(bench.lane), [TopicPartition(POSITIONS_TOPIC, 0)])


def test_a_rebuilt_cluster(bench: Bench) -> None:
    relayed(bench)
    bench.sql("update hub.relay_position set cluster_id = 'another-cluster'")
    error = stopped_by(bench, ClusterRebuilt)
    assert error.facts["noted"] == "another-cluster"
    plan = rebased(bench)
    assert (plan.entries, plan.events, str(plan.to)) == (3, 72, "1:0")
    assert bench.relay() == 72
    # The former 67 are on this test's cluster too: the same ids again.
    assert len(bench.seen()) == 72 + 67
    assert {event_id for _, event_id in bench.seen()} == {event_id for _, event_id in bench.loaded}
    (act,) = bench.sql("select operator, action, object, reason, facts from hub.act")
    assert (act.operator, act.action, act.object, act.reason) == ("demo-operator", "rebase", bench.lane, "test")
    assert act.facts["events"] == 72


def test_an_expired_position_that_the_note_can_not_prove(bench: Bench) -> None:
    relayed(bench)
    forget_position(bench)
    stopped_by(bench, PositionExpired)
    plan = rebased(bench)
    assert (plan.entries, plan.events) == (1, 5)
    assert bench.relay() == 5
    bench.agrees()


def test_an_expired_position_of_a_lane_with_nothing_open_goes_on_by_itself(bench: Bench) -> None:
    bench.load(KEYS)
    bench.relay()
    forget_position(bench)
    assert bench.relay() == 0
    bench.agrees()


def test_an_expired_position_that_the_note_proves(bench: Bench) -> None:
    """Silence longer than the retention, then a new entry: had any of it been sent, Kafka would still know."""
    relayed(bench)
    forget_position(bench)
    bench.sql("update hub.relay_position set noted_at = now() - interval '9 days'")
    assert bench.relay() == 5
    bench.agrees()


def test_a_database_that_was_restored(bench: Bench) -> None:
    relayed(bench)
    # The backup knew entry 1 only; since then numbers 2 and 3 were given again.
    bench.sql("delete from hub.outbox where seq > 1")
    bench.sql("update hub.lane set last_seq = 1")
    bench.sql("update hub.relay_position set seq = 1, record = 60, entry_id = (select entry_id from hub.outbox)")
    bench.loaded = bench.loaded[:60]
    bench.load(KEYS[:7])
    error = stopped_by(bench, DatabaseRestored)
    assert error.facts["seq"] == 2
    plan = rebased(bench)
    assert (str(plan.to), plan.events) == ("2:0", 7)
    assert bench.relay() == 7
    assert len(bench.seen()) == 60 + 7 + 7


def test_a_database_that_was_restored_to_before_the_first_entry(bench: Bench) -> None:
    relayed(bench)
    bench.sql("delete from hub.outbox")
    bench.sql("delete from hub.relay_position")
    bench.sql("update hub.lane set last_seq = 0")
    bench.load(KEYS[:3])
    stopped_by(bench, DatabaseRestored)
    assert rebased(bench).events == 3
    assert bench.relay() == 3


def test_brokers_that_lost_what_they_confirmed(bench: Bench) -> None:
    relayed(bench)
    (row,) = bench.sql("select entry_id from hub.outbox where seq = 1")
    behind = to_metadata(Position(1, 60, str(row.entry_id)), dead=False)
    with bench.cluster.asked("go back") as admin:
        admin.alter_group_offsets(
            group_of(bench.lane), {TopicPartition(POSITIONS_TOPIC, 0): OffsetAndMetadata(1, behind, -1)}
        )
    error = stopped_by(bench, PositionBehind)
    assert str(error.facts["found"]) == "1:60"
    plan = rebased(bench)
    assert str(plan.to) == "1:60"
    assert (plan.entries, plan.events) == (2, 12)
    assert bench.relay() == 12


def test_a_topic_deleted_by_hand(bench: Bench) -> None:
    relayed(bench)
    with bench.cluster.asked("delete") as admin:
        admin.delete_topics([bench.topic])
    stopped_by(bench, TopicMissing)
    plan = rebased(bench)
    assert plan.changed_topics == (bench.topic,)
    assert bench.relay() == 72
    bench.agrees()


def test_a_topic_deleted_while_the_relay_holds_the_lane(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    relayed(bench)
    monkeypatch.setattr("exchange.relay.lane.TOPIC_CHECK_SECONDS", 0.0)
    with open_session(bench.lane, bench.cluster, bench.now) as session:
        with bench.cluster.asked("delete") as admin:
            admin.delete_topics([bench.topic])
        with pytest.raises(TopicMissing):
            session.turn()


def test_a_topic_made_anew_by_hand(bench: Bench) -> None:
    relayed(bench)
    with bench.cluster.asked("delete") as admin:
        admin.delete_topics([bench.topic])
    bench.cluster.create(bench.topic, bench.partitions, {})
    stopped_by(bench, TopicRecreated)
    rebased(bench)
    assert bench.relay() == 72
    bench.agrees()


def test_added_partitions_are_met_too(bench: Bench) -> None:
    relayed(bench)
    with bench.cluster.asked("add") as admin:
        admin.create_partitions({bench.topic: 5})
    with pytest.raises(TopicDiffers):
        bench.relay()


def test_what_a_killed_first_transaction_left_is_no_position(bench: Bench) -> None:
    """An aborted transaction takes offsets; a lane that never committed starts at its beginning all the same."""
    bench.load(KEYS)
    with open_session(bench.lane, bench.cluster, bench.now):
        pass
    leftover = open_producer(group_of(bench.lane), bench.now)
    leftover.begin()
    leftover.send(bench.topic, [b"K0"] * 50, [b"{}"] * 50, [[("ce_id", b"x")]] * 50)
    leftover.close()
    open_producer(group_of(bench.lane), bench.now).close()
    assert not any_committed([bench.topic], bench.now)
    assert bench.relay() == 60
    bench.agrees()


def test_a_rebase_needs_a_person_a_lane_and_a_place(bench: Bench) -> None:
    relayed(bench)
    with pytest.raises(LaneUnknown):
        rebase.plan(bench.cluster, "no.such.lane", "noted")
    with pytest.raises(RebaseTargetUnknown):
        rebase.plan(bench.cluster, bench.lane)  # nothing is wrong, so nothing is chosen
    for nonsense in ("x", "99", "1:61", "-1", "²"):
        with pytest.raises(RebaseTargetUnknown):
            rebase.plan(bench.cluster, bench.lane, nonsense)
    plan = rebase.plan(bench.cluster, bench.lane, "end")
    assert plan.events == 0
    with pytest.raises(OperatorMissing):
        rebase.apply(bench.cluster, plan, " ", "test")
    assert bench.relay() == 5
    bench.agrees()


def test_what_a_rebase_passes_over_waits_no_more(bench: Bench) -> None:
    bench.load(KEYS)
    bench.relay()
    batch = bench.load(KEYS[:5])
    kept = bench.load(KEYS[:4])
    bench.loaded = [pair for number, pair in enumerate(bench.loaded) if not 60 <= number < 65]
    plan = rebased(bench, "2:5")
    assert (plan.skipped, plan.entries) == (1, 1)
    found = publication.wait([batch], 1)
    assert (found.entries, found.events, found.skipped) == (0, 0, 1)
    assert publication.state([kept]).waiting == 1
    assert bench.relay() == 4
    bench.agrees()
    # The next note does not take them for published, nor does a restored database's default go back to them.
    rows = bench.sql("select published_at, skipped_at from hub.outbox order by seq")
    assert [(row.published_at is None, row.skipped_at is None) for row in rows] == [
        (False, True),
        (True, False),
        (False, True),
    ]
    late = bench.load(KEYS[:3])
    assert rebased(bench, "end").skipped == 1
    assert publication.wait([late], 1).skipped == 1
    assert bench.relay() == 0
    bench.sql("update hub.relay_position set entry_id = 'another'")
    bench.load(KEYS[:2])
    stopped_by(bench, DatabaseRestored)
    assert str(rebased(bench).to) == "5:0"
    # Going back on purpose sends them after all.
    assert rebased(bench, "2:0").events == 5 + 4 + 3 + 2
    assert bench.sql("select count(*) as n from hub.outbox where skipped_at is not null")[0].n == 0


def test_a_rebase_is_planned_anew_when_it_holds_the_lane(bench: Bench) -> None:
    """What was shown before may be overtaken by the relay that held the lane."""
    bench.load(KEYS)
    plan = rebase.plan(bench.cluster, bench.lane, "end")
    assert plan.skipped == 1
    bench.relay()
    bench.load(KEYS[:3])
    plan_noted = rebase.plan(bench.cluster, bench.lane, "noted")
    bench.relay()
    done, _ = rebase.apply(bench.cluster, plan_noted, "demo-operator", "test")
    assert (str(done.to), done.events) == ("2:3", 0)
    assert bench.relay() == 0
    bench.agrees()


def test_a_rebase_that_died_half_way_leaves_the_lane_stopped(bench: Bench) -> None:
    from exchange.relay import lane as relay

    relayed(bench)
    plan = rebase.plan(bench.cluster, bench.lane, "1:10")
    with connection() as conn:
        relay.move(conn, bench.cluster, bench.lane, plan.to)  # … and killed before PostgreSQL's note
    stopped_by(bench, PositionBehind)
    rebased(bench, "1:10")
    assert bench.relay() == 62


def test_the_position_survives_its_text() -> None:
    position = Position(7, 123, str(uuid.uuid4()))
    assert from_kafka((7, to_metadata(position, dead=True))) == (position, True)
    assert from_kafka(None) is None
