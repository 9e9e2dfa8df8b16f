"""What the hub asks the brokers beside sending: their identity, topics, groups' positions, ends of partitions.

One kafka-python admin client, opened when first needed and thrown away after an error; safe for several threads.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, TopicPartition, errors
from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType, OffsetSpec

from exchange.brokers import kafka_settings
from exchange.brokers.own_topics import POSITIONS_TOPIC
from exchange.errors import BrokerFailed, KafkaForbidden, KafkaRequestRefused
from hub.errors import HubException
from hub.said import Said
from hub.settings import Settings, settings

_AWAY = (errors.KafkaTimeoutError, errors.KafkaConnectionError, errors.SaslAuthenticationFailedError)

ASKED_SECONDS = 20.0
"""How long one question may take."""

NO_COORDINATOR = (
    errors.CoordinatorNotAvailableError,
    errors.NotCoordinatorError,
    errors.CoordinatorLoadInProgressError,
)
"""What a coordinator answers that has only just become one; it passes."""

_COORDINATOR_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class TopicFound:
    """A topic as the brokers have it."""

    name: str
    uuid: str
    partitions: int
    replication: int


class Cluster:
    """The brokers of the settings. Every call raises BrokerUnreachable, BrokerFailed, KafkaForbidden or KafkaLoginRefused."""

    def __init__(self, now: Settings | None = None) -> None:
        self.settings = now or settings()
        self._lock = threading.RLock()
        self._admin: Any = None

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections; a later call opens them again."""
        with self._lock:
            admin, self._admin = self._admin, None
            if admin is not None:
                with suppress(Exception):
                    admin.close()

    @contextmanager
    def asked(self, action: str) -> Iterator[Any]:
        """The admin client, for one request; its errors become the hub's."""
        with self._lock:
            try:
                if self._admin is None:
                    kafka_settings.knock(self.settings)
                    self._admin = KafkaAdminClient(**kafka_settings.kafka_python(self.settings))
                with _limited(self._admin):
                    yield self._admin
            except (errors.KafkaError, OSError) as error:
                self.close()
                raise self._meaning(error, action) from error

    def cluster_id(self) -> str:
        """The cluster's id, made once when its store was formatted."""
        with self.asked(Said("say which cluster they are", "说明所属集群")) as admin:
            return str(admin.describe_cluster()["cluster_id"])

    def topics(self, names: Iterable[str] | None = None) -> dict[str, TopicFound]:
        """The topics that exist, of `names` or all."""
        wanted = None if names is None else list(names)
        if wanted is not None and not wanted:
            return {}
        with self.asked(Said("describe topics", "查询主题")) as admin:
            rows = admin.describe_topics(wanted)
        return {
            row["name"]: TopicFound(
                row["name"],
                str(row["topic_id"]),
                len(row["partitions"]),
                len(row["partitions"][0]["replica_nodes"]) if row["partitions"] else 0,
            )
            for row in rows
            if row["error_code"] == 0 and uuid.UUID(str(row["topic_id"])).int
        }

    def create(
        self, name: str, partitions: int, config: Mapping[str, str], replication: int | None = None
    ) -> TopicFound:
        """Makes a topic and waits until it has leaders and is told of; one that is there already is left as it is.

        Of several brokers the one that is asked next may not have heard of it yet. Raises BrokerFailed.
        """
        new = {
            "num_partitions": partitions,
            "replication_factor": replication or self.settings.kafka_replication,
            "configs": dict(config),
        }
        with self.asked(Said(f"make the topic {name}", f"创建主题 {name}")) as admin:
            with suppress(errors.TopicAlreadyExistsError):
                admin.create_topics({name: new})
            admin.wait_for_topics([name], timeout_ms=15_000)
        until = time.monotonic() + 15
        while (found := self.topics([name]).get(name)) is None:
            if time.monotonic() > until:
                action = Said(f"tell of the topic {name}", f"返回主题 {name}")
                raise BrokerFailed(action=action, reason=Said("it was made and isn't shown", "已创建但未能查到"))
            time.sleep(0.1)
        return found

    def configure(self, name: str, config: Mapping[str, str], back: Iterable[str] = ()) -> None:
        """Sets these of a topic's settings and gives `back` to the brokers' own. Raises KafkaRequestRefused too."""
        action = Said(f"configure the topic {name}", f"配置主题 {name}")
        entries = {**dict.fromkeys(back, (AlterConfigOp.DELETE, None)), **config}
        resource = ConfigResource(ConfigResourceType.TOPIC, name, entries)
        with self.asked(action) as admin:
            answers = admin.alter_configs([resource], raise_on_unknown=False)
        # The client returns what the brokers refused; it does not raise it.
        refused = [text for names in answers.values() for text in names.values() if text != "OK"]
        if refused:
            raise KafkaRequestRefused(action=action, reason=refused[0])

    def config(self, name: str) -> dict[str, str]:
        """Settings of a topic that differ from the brokers' own."""
        with self.asked(Said(f"describe the topic {name}", f"查询主题 {name}")) as admin:
            found = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
        return {key: _value(value) for key, value in _entries(found).items()}

    def positions(self, groups: Iterable[str]) -> dict[str, tuple[int, str] | None]:
        """(offset, metadata) that each group committed for POSITIONS_TOPIC, or None.

        Settled for a transactional id that `Markers.take_over` has just taken.
        """
        partition = TopicPartition(POSITIONS_TOPIC, 0)
        wanted = {group: [partition] for group in groups}
        if not wanted:
            return {}
        found = self._offsets(wanted)
        made: dict[str, tuple[int, str] | None] = {}
        for group in wanted:
            offset = found.get(group, {}).get(partition)
            # librdkafka counts the C string's end into the metadata.
            known = offset is not None and offset.offset >= 0
            made[group] = (offset.offset, (offset.metadata or "").rstrip("\0")) if known and offset else None
        return made

    def _offsets(self, wanted: Mapping[str, list[Any]]) -> Any:
        # On a fresh cluster the first question makes the topic behind the groups, which takes a moment.
        until = time.monotonic() + _COORDINATOR_SECONDS
        while True:
            with self.asked(Said("tell the relay's position", "查询转发位置")) as admin:
                try:
                    return admin.list_group_offsets(dict(wanted))
                except NO_COORDINATOR:
                    if time.monotonic() > until:
                        raise
            time.sleep(0.1)

    def ends(self, topic: str, partitions: int) -> dict[int, int]:
        """The offset after the last record of each partition."""
        with self.asked(Said(f"tell the ends of {topic}", f"查询 {topic} 的末尾位置")) as admin:
            found = admin.list_partition_offsets(
                {TopicPartition(topic, n): OffsetSpec.LATEST for n in range(partitions)}
            )
        return {partition.partition: int(end.offset) for partition, end in found.items()}

    def forget(self, topic: str, before: Mapping[int, int]) -> None:
        """Has the brokers forget everything of these partitions before an offset; for ever."""
        if not before:
            return
        wanted = {TopicPartition(topic, number): offset for number, offset in before.items()}
        with self.asked(Said(f"forget records of {topic}", f"清除主题 {topic} 的记录")) as admin:
            admin.delete_records(wanted)

    def offsets_retention_hours(self) -> float:
        """After how many hours of silence a group's position is forgotten."""
        with self.asked(Said("tell how long positions are kept", "查询位置保留时长")) as admin:
            node = admin.describe_cluster()["brokers"][0]["broker_id"]
            resource = ConfigResource(ConfigResourceType.BROKER, str(node))
            found = _entries(admin.describe_configs([resource], config_filter="all"))
        return float(_value(found["offsets.retention.minutes"])) / 60

    def _meaning(self, error: BaseException, action: str) -> HubException:
        text = f"{type(error).__name__}: {error}"[:300]
        if isinstance(error, (*_AWAY, OSError)):
            return kafka_settings.why(self.settings, text)
        if isinstance(error, errors.AuthorizationError):
            return KafkaForbidden(username=self.settings.kafka_username, reason=text)
        if getattr(error, "retriable", False):
            return BrokerFailed(action=action, reason=text)
        return KafkaRequestRefused(action=action, reason=text)


@contextmanager
def _limited(admin: Any) -> Iterator[None]:
    """Closes the client when the block takes too long: it waits for its own thread without a limit, and can miss it.

    Closing makes the waiting call raise KafkaConnectionError.
    """
    watch = threading.Timer(ASKED_SECONDS, admin.close)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _entries(found: Any) -> dict[str, Any]:
    """The entries of the one resource that was asked for: the answer is type -> name -> entries."""
    return {name: entry for names in found.values() for entries in names.values() for name, entry in entries.items()}


def _value(entry: Any) -> str:
    return str(entry["value"])
