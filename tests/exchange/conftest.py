"""A database with the hub's tables, the run's broker, and lanes to load and relay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pytest
import sqlalchemy as sa

from contracts.model import TopicSpec
from exchange.brokers.cluster import Cluster
from exchange.brokers.consume import open_reader
from exchange.relay.lane import open_session
from hub.ids import BatchId, LaneId, TopicName, new_batch_id
from hub.settings import Settings
from tests.exchange.house import house  # noqa: F401 - a fixture
from warehouse import engine
from warehouse.changeset import ChangeSetFacts, ChangeSetWriter, Events, event_type
from warehouse.engine import transaction
from warehouse.outbox import append_changes, append_event, ensure_topic
from warehouse.store import Store


@dataclass
class Bench:
    """One lane with one topic, and hands to load it, relay it and read it back."""

    now: Settings
    cluster: Cluster
    topic: str
    partitions: int = 3
    feed: str = "bench"
    shared: str = ""
    loaded: list[tuple[str, str]] = field(default_factory=list)  # (key, event id) in order

    @property
    def lane(self) -> LaneId:
        return LaneId(self.shared or self.topic)

    def make(self, **config: str) -> None:
        """What a batch does first: the topic as the contract has it now."""
        with transaction() as conn:
            ensure_topic(conn, TopicSpec(self.topic, self.partitions, config, lane=self.shared), None)

    def load(self, keys: Sequence[str], data: Sequence[bytes] | None = None, *, part: int = 0) -> BatchId:
        """A batch of one change set, an event for each key; data defaults to small JSON."""
        batch = new_batch_id()
        ids = [f"{self.feed}:{batch}.{number}:1" for number in range(len(keys))]
        table = pa.table(
            {
                "key": list(keys),
                "event_id": ids,
                "record_key": [f"R{number}" for number in range(len(keys))],
                "revision": pa.array([1] * len(keys), pa.int32()),
                "change": ["recorded"] * len(keys),
                "data": pa.array(data or [b'{"n":%d}' % n for n in range(len(keys))], pa.large_binary()),
            }
        )
        path = f"changes/{batch}/{part}.arrow"
        facts = ChangeSetFacts(
            self.feed, "1.0.0", self.topic, batch, str(part), event_type(self.topic), "2026-03-01T00:00:00Z"
        )
        with ChangeSetWriter(Store(self.now.landing_dir), path, facts) as writer:
            writer.write(Events.of(table))
        with transaction() as conn:
            append_changes(
                conn,
                topic_name=TopicName(self.topic),
                batch_id=batch,
                part_no=part,
                path=path,
                sha256=writer.sha256,
                records=writer.records,
            )
        self.loaded += zip(keys, ids, strict=True)
        return batch

    def event(self, key: str, event_id: str, data: dict[str, str] | None = None) -> None:
        headers = {"ce_id": event_id, "ce_type": "bench.event.recorded", "ce_source": "/tests"}
        with transaction() as conn:
            append_event(conn, topic_name=TopicName(self.topic), key=key, headers=headers, data=data or {})
        self.loaded.append((key, event_id))

    def relay(self) -> int:
        """Sends all that waits; returns how many events."""
        sent = 0
        with open_session(self.lane, self.cluster, self.now) as session:
            while (turn := session.turn()) is not None:
                sent += turn.events
        return sent

    def seen(self, topic: str | None = None) -> list[tuple[str, str]]:
        """(key, event id) as a read_committed reader sees them, partition by partition."""
        name = topic or self.topic
        with open_reader(self.now, "tests") as reader:
            starts = {(name, number): 0 for number in reader.partitions(name)}
            rows = sorted(reader.read(starts), key=lambda message: (message.partition(), message.offset()))
            return [(row.key().decode(), dict(row.headers())["ce_id"].decode()) for row in rows]

    def agrees(self, doubled: int = 0) -> None:
        """Every loaded event is on the topic once, in order per key."""
        seen = self.seen()
        assert len(seen) == len(self.loaded) + doubled
        for key in {key for key, _ in self.loaded}:
            expected = [event_id for other, event_id in self.loaded if other == key]
            assert [event_id for other, event_id in seen if other == key] == expected

    def sql(self, statement: str, **values: object) -> list[sa.Row[tuple[object, ...]]]:
        """Runs SQL in the test's database."""
        with transaction() as conn:
            result = conn.execute(sa.text(statement), values)
            return list(result.all()) if result.returns_rows else []


@pytest.fixture
def migrated(tables: Settings) -> Iterator[Settings]:
    """Settings whose database has the hub's tables."""
    yield tables
    engine.dispose()


@pytest.fixture
def cluster(migrated: Settings) -> Iterator[Cluster]:
    """The run's brokers."""
    with Cluster(migrated) as opened:
        yield opened


@pytest.fixture
def bench(migrated: Settings, cluster: Cluster, unique: str) -> Bench:
    """A lane of its own whose topic is not made yet."""
    made = Bench(migrated, cluster, f"hub.test.t{unique}.v1")
    made.make()
    return made
