"""Where an event lies on Kafka: topic, partition, offset. A bounded look around the time it was sent, no full scan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from kafka.partitioner.default import murmur2

from exchange.brokers.consume import Reader, open_reader
from exchange.errors import TopicUnknown
from hub.settings import Settings

MARGIN_MS = 10_000
"""How far the database's clock and the relay's may be apart."""

MOST_MESSAGES = 2_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """An event that was sent: its id and key, and when its entry was committed and confirmed."""

    event_id: str
    topic: str
    key: str | None
    created_at: datetime
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """Where it lies, and what it says it is."""

    topic: str
    partition: int
    offset: int
    change: str | None = None  # recorded | corrected | withdrawn: the participle of its type


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key, as every producer here and Java's choose it (murmur2)."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


def find(events: Iterable[Wanted], now: Settings | None = None) -> Mapping[str, list[Place]]:
    """Places by event id, as often as it was sent; one that is not found (retention, a deleted topic) is missing from the answer."""
    found: dict[str, list[Place]] = {}
    by_partition: dict[tuple[str, int], list[Wanted]] = {}
    with open_reader(now, "hub.trace") as reader:
        for event in events:
            for partition in _candidates(reader, event):
                by_partition.setdefault((event.topic, partition), []).append(event)
        for (topic, partition), wanted in by_partition.items():
            for event_id, places in _scan(reader, topic, partition, wanted).items():
                found.setdefault(event_id, []).extend(places)
    return found


def _candidates(reader: Reader, event: Wanted) -> list[int]:
    try:
        partitions = reader.partitions(event.topic)
    except TopicUnknown:
        return []
    return partitions if event.key is None else [partition_of(event.key.encode(), len(partitions))]


def _scan(reader: Reader, topic: str, partition: int, wanted: list[Wanted]) -> dict[str, list[Place]]:
    missing = Counter(event.event_id.encode() for event in wanted)
    earliest = int(min(event.created_at for event in wanted).timestamp() * 1000) - MARGIN_MS
    latest = int(max(event.published_at for event in wanted).timestamp() * 1000) + MARGIN_MS
    start = reader.at_time(topic, partition, earliest)
    found: dict[str, list[Place]] = {}
    if start is None:
        return found
    for read, message in enumerate(reader.read({(topic, partition): start})):
        if not missing.total() or read > MOST_MESSAGES or message.timestamp()[1] > latest:
            break
        headers = dict(message.headers() or ())
        event_id = headers.get("ce_id")
        if event_id is not None and missing[event_id]:
            missing[event_id] -= 1
            change = (headers.get("ce_type") or b"").decode().rpartition(".")[2]
            place = Place(topic, partition, message.offset(), change or None)
            found.setdefault(event_id.decode(), []).append(place)
    return found
