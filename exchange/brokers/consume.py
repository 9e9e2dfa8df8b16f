"""Reading topics as a subscriber does: read_committed, positions of its own, never part of a group's rebalancing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from exchange.brokers import kafka_settings
from exchange.envelope import Event, parse
from exchange.errors import BrokerFailed, KafkaForbidden, TopicUnknown
from hub.errors import HubException
from hub.said import Said
from hub.settings import Settings, settings

_AWAY = {KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._AUTHENTICATION}
_UNKNOWN = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
_FORBIDDEN = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}

SECONDS = 10.0


class Reader:
    """A consumer with partitions assigned by hand. Use `open_reader`."""

    def __init__(self, now: Settings, group: str) -> None:
        self._now = now
        kafka_settings.knock(now)
        self._client = Consumer(
            kafka_settings.confluent(now)
            | {
                "group.id": group,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 100,
                "check.crcs": True,
            }
        )

    def partitions(self, topic: str) -> list[int]:
        """The topic's partitions. Raises TopicUnknown, KafkaForbidden, BrokerUnreachable."""
        try:
            found = self._client.list_topics(topic, SECONDS).topics[topic]
        except KafkaException as error:
            raise self._meaning(error.args[0], topic) from error
        if found.error is not None:
            raise self._meaning(found.error, topic)
        return sorted(found.partitions)

    def ends(self, topic: str, partition: int) -> tuple[int, int]:
        """Offset of the first record kept and the one after the last that a read_committed reader may see."""
        low, high = self._asked(topic, lambda: self._client.get_watermark_offsets(_at(topic, partition), SECONDS))
        return int(low), int(high)

    def at_time(self, topic: str, partition: int, timestamp_ms: int) -> int | None:
        """Offset of the first record whose timestamp is not earlier, or None when all are."""
        (found,) = self._asked(
            topic, lambda: self._client.offsets_for_times([_at(topic, partition, timestamp_ms)], SECONDS)
        )
        return int(found.offset) if found.offset >= 0 else None

    def read(
        self, starts: dict[tuple[str, int], int], *, seconds: float = SECONDS, follow: bool = False
    ) -> Iterator[Any]:
        """Messages from these offsets on until all partitions are at their end, or with `follow` for ever.

        Raises KafkaForbidden, TopicUnknown; BrokerFailed after `seconds` of silence before the ends: "could not look"
        must never be taken for "there is nothing".
        """
        if not starts:
            return
        self._client.assign([_at(topic, partition, offset) for (topic, partition), offset in starts.items()])
        open_ends = set(starts)
        heard = time.monotonic()
        while open_ends or follow:
            messages = self._client.consume(500, 0.2)
            for message in messages:
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    open_ends.discard((message.topic(), message.partition()))
                else:
                    raise self._meaning(error, message.topic() or "")
            if messages:
                # After they were handed on: whoever takes them may take its time.
                heard = time.monotonic()
            elif open_ends and not follow and time.monotonic() - heard > seconds:
                missing = ", ".join(f"{topic}[{partition}]" for topic, partition in sorted(open_ends))
                raise BrokerFailed(
                    action=Said(f"be read to the end of {missing}", f"读到 {missing} 的末尾"),
                    reason=Said(f"{seconds:.0f} s of silence", f"{seconds:.0f} 秒没有数据"),
                )

    def close(self) -> None:
        """Leaves."""
        self._client.close()

    def _asked(self, topic: str, call: Any) -> Any:
        try:
            return call()
        except KafkaException as error:
            raise self._meaning(error.args[0], topic) from error

    def _meaning(self, error: KafkaError, topic: str) -> HubException:
        if error.code() in _UNKNOWN:
            return TopicUnknown(topic=topic)
        if error.code() in _FORBIDDEN:
            return KafkaForbidden(username=self._now.kafka_username, reason=f"{error.name()} {topic}")
        if error.code() in _AWAY:
            return kafka_settings.why(self._now, error.str())
        return BrokerFailed(action=Said(f"read {topic}", f"读取 {topic}"), reason=error.str())


@contextmanager
def open_reader(now: Settings | None = None, group: str = "hub.reader") -> Iterator[Reader]:
    """A reader for the block. `group` matters to ACLs only: nothing is committed."""
    reader = Reader(now or settings(), group)
    try:
        yield reader
    finally:
        reader.close()


def any_committed(topics: Sequence[str], now: Settings) -> bool:
    """Whether a read_committed reader sees any record in these topics. Raises what `Reader.read` raises."""
    with open_reader(now) as reader:
        starts = {(topic, n): OFFSET_BEGINNING for topic in topics for n in reader.partitions(topic)}
        return next(reader.read(starts), None) is not None


def tail(topic: str, last: int, now: Settings | None = None, *, follow: bool = False) -> Iterator[Event]:
    """The last `last` events of a topic by partition, oldest first, and with `follow` whatever comes after.

    Raises TopicUnknown, KafkaForbidden, EventMalformed; BrokerFailed where the end was not reached.
    """
    with open_reader(now) as reader:
        starts: dict[tuple[str, int], int] = {}
        for partition in reader.partitions(topic):
            low, high = reader.ends(topic, partition)
            # Transactions' markers take offsets too: a few more are read, and cut below.
            starts[topic, partition] = max(low, high - 2 * last - 10)
        kept = [to_event(message) for message in reader.read(starts)]
        kept.sort(key=lambda event: (event.timestamp_ms, event.partition, event.offset))
        yield from kept[-last:] if last else ()
        if follow:
            after = {(topic, number): start for (_, number), start in starts.items()}
            for event in kept:
                after[topic, event.partition] = max(after[topic, event.partition], event.offset + 1)
            yield from (to_event(message) for message in reader.read(after, follow=True))


def to_event(message: Any) -> Event:
    """A client's message as an event. Raises EventMalformed."""
    return parse(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=message.headers(),
    )


def _at(topic: str, partition: int, offset: int = 0) -> TopicPartition:
    return TopicPartition(topic, partition, offset)
