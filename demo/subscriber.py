"""A subscriber of its own: librdkafka, its own Kafka user, `read_committed`. It shares no code with the hub.

It reads every topic to the end and counts what it saw, so that the hub's figures are held against somebody else's.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

ID_HEADER = "ce_id"
SAMPLE_CHARACTERS = 4_000


@dataclass
class Reading:
    """What one topic held."""

    topic: str
    events: int = 0
    ids: set[str] = field(default_factory=set)
    first: dict[str, Any] | None = None

    @property
    def doubled(self) -> int:
        """Events whose id had been seen before."""
        return self.events - len(self.ids)


def read(
    topics: Sequence[str], connection: Mapping[str, str], *, group: str, seconds: float = 60
) -> dict[str, Reading]:
    """Reads the topics from the beginning to their present end.

    `connection` holds librdkafka settings (bootstrap.servers, sasl.* …). Raises KafkaException where the user may
    not read, TimeoutError where an end isn't reached within `seconds`.
    """
    consumer = Consumer(
        {
            **connection,
            "group.id": f"{group}{uuid.uuid4().hex[:8]}",
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )
    try:
        return _read(consumer, topics, time.monotonic() + seconds)
    finally:
        consumer.close()


def _read(consumer: Consumer, topics: Sequence[str], end: float) -> dict[str, Reading]:
    known = consumer.list_topics(timeout=15).topics
    readings = {topic: Reading(topic) for topic in topics}
    open_partitions = set()
    for topic in topics:
        metadata = known.get(topic)
        if metadata is None or metadata.error is not None:
            raise KafkaException(metadata.error if metadata else KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        open_partitions |= {(topic, number) for number in metadata.partitions}
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for topic, number in open_partitions])
    while open_partitions:
        if time.monotonic() > end:
            raise TimeoutError(f"{len(open_partitions)} partitions were not read to their end")
        for message in consumer.consume(num_messages=500, timeout=0.1):
            error = message.error()
            if error is None:
                _note(readings, message)
            elif error.code() == KafkaError._PARTITION_EOF:
                open_partitions.discard((message.topic(), message.partition()))
            else:
                raise KafkaException(error)
    return readings


def _note(readings: Mapping[str, Reading], message: Message) -> None:
    reading = readings[str(message.topic())]
    reading.events += 1
    headers = {name: _text(value) for name, value in list(message.headers() or [])}
    reading.ids.add(headers.get(ID_HEADER) or f"{message.partition()}:{message.offset()}")
    if reading.first is None:
        reading.first = {
            "topic": message.topic(),
            "partition": message.partition(),
            "offset": message.offset(),
            "key": _text(message.key()),
            "headers": headers,
            "data": _data(message.value()),
        }


def _text(raw: str | bytes | None) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw or ""


def _data(raw: str | bytes | None) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return _text(raw)[:SAMPLE_CHARACTERS]
