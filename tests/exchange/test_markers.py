"""Markers that brokers decided on and never wrote: the next relay writes them, so that nothing is doubled or lost.

Brokers 4.1 to 4.3 do it when they are killed between the two and start again, in a moment that no test can hit. What they
leave is made by hand: the broker is killed, and the markers are cut from the ends of its logs.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient
from kafka.errors import NotLeaderForPartitionError

from exchange.brokers.cluster import Cluster
from exchange.errors import BrokerFailed
from exchange.producers.opening import open_producer
from exchange.relay.lane import Session, markers_of, open_session
from exchange.relay.markers import GROUPS_TOPIC, group_partition
from exchange.relay.position import group_of
from hub import stack
from hub.settings import Settings, load_settings
from tests.exchange.conftest import Bench
from warehouse.engine import connection

pytestmark = pytest.mark.stack

KEYS = [f"K{number}" for number in range(12)]
GROUPS = 4  # partitions of __consumer_offsets in the stack
_CONTROL = 0x20


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A broker to be killed."""
    var = tmp_path_factory.mktemp("markers") / "var"
    stack.up(var, ["kafka"])
    try:
        yield load_settings(var=var)
    finally:
        stack.down(var)


@pytest.fixture
def here(own: Settings, migrated: Settings) -> Iterator[Cluster]:
    kafka = {name: getattr(own, name) for name in type(own).model_fields if name.startswith("kafka_")}
    with Cluster(migrated.model_copy(update=kafka)) as cluster:
        yield cluster


def lanes(cluster: Cluster, count: int) -> list[Bench]:
    """Lanes whose positions lie on different partitions, so that each one's marker is the last there."""
    found: dict[int, Bench] = {}
    while len(found) < count:
        bench = Bench(cluster.settings, cluster, f"hub.test.m{uuid.uuid4().hex[:10]}.v1")
        found.setdefault(group_partition(group_of(bench.lane), GROUPS), bench)
    for bench in found.values():
        bench.make()
        bench.load(KEYS)
    return list(found.values())


def sent_but_not_noted(bench: Bench) -> None:
    """A relay that is killed between Kafka's commit and PostgreSQL's note."""
    with open_session(bench.lane, bench.cluster, bench.now) as session:
        send(session)
        session._held_producer().commit()


def killed_while_sending(bench: Bench) -> None:
    """A relay that is killed with a transaction open; the next one takes its id, which aborts that, and is killed too."""
    with open_session(bench.lane, bench.cluster, bench.now) as session:
        send(session)
        session._held_producer()._client.flush()  # type: ignore[attr-defined]
    open_producer(group_of(bench.lane), bench.now).close()


def send(session: Session) -> None:
    plan = session._plan(fetch=True)
    assert plan is not None
    session._send(plan)


def cut(var: Path, topic: str, partition: int) -> None:
    """Takes the marker from the end of a partition's log."""
    path = var / "kafka" / "node-1" / "data" / f"{topic}-{partition}" / f"{0:020}.log"
    content, at, last = path.read_bytes(), 0, 0
    while at < len(content):
        last, at = at, at + 12 + struct.unpack_from(">i", content, at + 8)[0]
    assert struct.unpack_from(">h", content, last + 21)[0] & _CONTROL, "the last batch is no marker"
    path.write_bytes(content[:last])


def cut_records(var: Path, bench: Bench) -> None:
    for partition in range(bench.partitions):
        cut(var, bench.topic, partition)


def cut_position(var: Path, bench: Bench) -> None:
    cut(var, GROUPS_TOPIC, group_partition(group_of(bench.lane), GROUPS))


def missing(bench: Bench) -> bool:
    with connection() as conn:
        return markers_of(conn, bench.cluster, bench.lane).missing()


def test_markers_that_were_never_written_are_written(own: Settings, here: Cluster) -> None:
    nowhere, no_records, no_position, aborted = cases = lanes(here, GROUPS)
    sent_but_not_noted(nowhere)
    no_records.relay()
    no_position.relay()
    killed_while_sending(aborted)
    assert not any(missing(bench) for bench in cases)
    stack.kill(own.var, "kafka")
    for bench in (nowhere, no_records, aborted):
        cut_records(own.var, bench)
    for bench in (nowhere, no_position, aborted):
        cut_position(own.var, bench)
    stack.start_part(own.var, "kafka")
    here.close()

    assert all(missing(bench) for bench in cases)
    assert [len(bench.seen()) for bench in cases] == [0, 0, len(KEYS), 0]
    # What was committed is seen at last and not sent again; what was aborted is sent as if for the first time.
    assert [bench.relay() for bench in cases] == [0, 0, 0, len(KEYS)]
    assert not any(missing(bench) for bench in cases)
    for bench in cases:
        bench.agrees()
        bench.load(KEYS[:3])
        assert bench.relay() == 3
        bench.agrees()


def test_a_partition_that_nobody_leads_yet_is_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic is told of a moment before its leaders take requests; so it is while brokers elect."""
    bench.relay()
    bench.load(KEYS)
    real, asked = KafkaAdminClient.describe_producers, []

    def not_yet(self: KafkaAdminClient, *args: object) -> object:
        asked.append(args)
        if len(asked) < 3:
            raise NotLeaderForPartitionError
        return real(self, *args)

    monkeypatch.setattr(KafkaAdminClient, "describe_producers", not_yet)
    assert bench.relay() == len(KEYS)
    assert len(asked) > 2
    bench.agrees()


def test_a_partition_that_nobody_leads_at_all_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object) -> None:
        raise NotLeaderForPartitionError

    bench.load(KEYS)
    bench.relay()
    monkeypatch.setattr(KafkaAdminClient, "describe_producers", nobody)
    monkeypatch.setattr("exchange.relay.markers._PATIENCE", 0.2)
    with connection() as conn, pytest.raises(BrokerFailed, match=r"which transactions are open.*NotLeader"):
        markers_of(conn, bench.cluster, bench.lane).missing()


def test_a_rested_session_looks_before_it_sends(here: Cluster, monkeypatch: pytest.MonkeyPatch, unique: str) -> None:
    """Its brokers may have been killed meanwhile: the next transaction would end the last one in its own way."""
    (bench,) = lanes(here, 1)
    answers: list[bool] = []
    monkeypatch.setattr("exchange.relay.markers.Markers.missing", answering(answers, [True, False]))
    monkeypatch.setattr("exchange.relay.lane.RESTARTED_SECONDS", 0.0)
    with open_session(bench.lane, bench.cluster, bench.now) as session:
        first = session._held_producer()
        turn = session.turn()
        assert turn is not None and turn.events == 0
        assert session._held_producer() is not first
        turn = session.turn()
        assert turn is not None and turn.events == len(KEYS)
        monkeypatch.setattr("exchange.relay.lane.RESTARTED_SECONDS", 60.0)
        bench.load(KEYS[:2])
        assert session.turn() is not None, "one that did not rest does not ask"
    assert answers == [True, False]
    bench.agrees()


def answering(given: list[bool], answers: list[bool]) -> Callable[[object], bool]:
    def missing(_: object) -> bool:
        given.append(answers[len(given)])
        return given[-1]

    return missing


@pytest.mark.parametrize(
    ("group", "partition"),
    # Java's hashCode: 97, 103669, 32452, 0, -803108766, and the least there is, which the brokers take for 0.
    [("a", 47), ("hub", 19), ("组", 2), ("", 0), ("hub.relay.x", 16), ("polygenelubricants", 0)],
)
def test_a_group_s_partition_is_java_s(group: str, partition: int) -> None:
    assert group_partition(group, 50) == partition
