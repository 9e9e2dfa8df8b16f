"""How far behind each consumer group is, on the hub's topics, as the brokers have it. Changes nothing.

Offsets alone mislead: a transaction's end takes an offset too, so a group that read everything may seem one behind for
ever. So where a group seems behind, the first record it has not read is looked for, and its age is the lag in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from kafka import TopicPartition

from exchange.brokers.cluster import Cluster
from exchange.brokers.consume import Reader, open_reader
from hub import clock

RELAY_GROUPS = "hub.relay."


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition of a topic, as a group has read it."""

    partition: int
    committed: int | None  # None: never committed anything here
    end: int  # where a read_committed reader's view ends
    behind: int  # offsets from where it goes on to the end, 0 where no record is left; transactions' ends count too
    lost: int  # offsets that it never read and that retention took away
    oldest: str | None  # when the first record it has not read was sent, RFC 3339


@dataclass(frozen=True, slots=True)
class GroupLag:
    """One group on one topic."""

    group: str
    topic: str
    state: str  # of the group: Stable (somebody reads), Empty (nobody does), …
    behind: int
    seconds: float  # age of the oldest record it has not read
    lost: int
    partitions: tuple[PartitionLag, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def lags(cluster: Cluster, topics: Iterable[str], group: str | None = None) -> list[GroupLag]:
    """Every group that committed a position on one of the topics, or only `group`, by topic and name.

    Raises BrokerUnreachable, BrokerFailed, KafkaForbidden.
    """
    wanted = set(topics)
    with cluster.asked("list the consumer groups") as admin:
        states = {
            str(one["group_id"]): str(one.get("group_state") or "")
            for one in admin.list_groups()
            if not str(one["group_id"]).startswith(RELAY_GROUPS) and group in (None, one["group_id"])
        }
        found = admin.list_group_offsets(sorted(states)) if states else {}
    made: list[GroupLag] = []
    with open_reader(cluster.settings, "hub.lag") as reader:
        bounds: dict[str, Mapping[int, tuple[int, int]]] = {}
        for name, offsets in found.items():
            for topic in sorted({one.topic for one, held in offsets.items() if held.offset >= 0} & wanted):
                if topic not in bounds:
                    bounds[topic] = {number: reader.ends(topic, number) for number in reader.partitions(topic)}
                parts = [
                    _partition(reader, TopicPartition(topic, number), offsets, ends)
                    for number, ends in sorted(bounds[topic].items())
                ]
                made.append(_summed(name, topic, states[name], parts))
    return sorted(made, key=lambda one: (one.topic, one.group))


def _partition(
    reader: Reader, where: TopicPartition, offsets: Mapping[Any, Any], bounds: tuple[int, int]
) -> PartitionLag:
    low, end = bounds
    held = offsets.get(where)
    committed = int(held.offset) if held is not None and held.offset >= 0 else None
    # Where it never committed it starts by its own setting; counted here is all that is there.
    start = low if committed is None else max(low, committed)
    first = next(reader.read({(where.topic, where.partition): start}), None) if start < end else None
    return PartitionLag(
        where.partition,
        committed,
        end,
        behind=0 if first is None else end - first.offset(),
        lost=0 if committed is None else max(0, low - committed),
        oldest=None if first is None else _instant(first.timestamp()[1]),
    )


def _summed(group: str, topic: str, state: str, partitions: list[PartitionLag]) -> GroupLag:
    oldest = [one.oldest for one in partitions if one.oldest is not None]
    seconds = max(0.0, (clock.now() - datetime.fromisoformat(min(oldest))).total_seconds()) if oldest else 0.0
    return GroupLag(
        group,
        topic,
        state,
        behind=sum(one.behind for one in partitions),
        seconds=round(seconds, 1),
        lost=sum(one.lost for one in partitions),
        partitions=tuple(partitions),
    )


def _instant(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
