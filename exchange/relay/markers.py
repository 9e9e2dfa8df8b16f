"""Transactions that ended without their markers: what a lane's former one left open is ended as it was decided.

A transaction is decided by one record of its coordinator; then a marker goes to every partition, the group's too. Brokers
4.1 to 4.3 skip the markers of a partition that has no leader at that moment, as though it had been deleted, and call the
transaction complete (`KRaftMetadataCache.getPartitionLeaderEndpoint` says "no such partition" where it should say "nobody
leads it"). A broker that is killed between decision and markers does so when it starts again. Its records then stay open:
readers of committed events stand still before them, the position beside them is not told, and the next transaction of
the same producer ends them in its own way. So events would come twice after a commit, and be lost after an abort.

Whoever takes a lane therefore looks for partitions in which its former producer has a transaction open that its
coordinator calls ended, and writes the markers that are missing. What a relay has open when it is killed is not decided
yet: taking its id aborts it, and that decision's markers are looked for too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from kafka import TopicPartition, errors
from kafka.admin import TransactionState
from kafka.protocol.producer import WriteTxnMarkersRequest

from exchange.brokers.cluster import NO_COORDINATOR, Cluster
from exchange.brokers.own_topics import DEAD_LETTERS_TOPIC
from exchange.errors import BrokerFailed
from exchange.producers.opening import open_producer
from exchange.producers.seam import Producer
from hub.log import get
from hub.said import Said
from hub.settings import Settings

log = get("exchange.relay.markers")

GROUPS_TOPIC = "__consumer_offsets"
_UNDER_WAY = (
    TransactionState.PREPARE_COMMIT,
    TransactionState.PREPARE_ABORT,
    TransactionState.PREPARE_EPOCH_FENCE,
)
_PATIENCE = 30.0  # seconds in which a decided transaction must be complete, and every partition led
_Answer = TypeVar("_Answer")


class _NotYet(Exception):
    """The brokers can tell, and what they tell is still under way."""


@dataclass(frozen=True, slots=True)
class _Last:
    """What the coordinator knows of an id's last transaction."""

    producer_id: int
    committed: bool


@dataclass(frozen=True, slots=True)
class _Open:
    """A partition in which a producer has a transaction open."""

    partition: TopicPartition
    producer_id: int
    producer_epoch: int
    coordinator_epoch: int
    since: int  # offset of its first record


class Markers:
    """Those of one transactional id, in all partitions that its transactions write to. The group has the id's name."""

    def __init__(self, cluster: Cluster, transactional_id: str, topics: Iterable[str]) -> None:
        """`topics`: what the id writes to beside dead letters and its group's position; those that are there count."""
        self._cluster = cluster
        self._id = transactional_id
        found = cluster.topics([*topics, DEAD_LETTERS_TOPIC, GROUPS_TOPIC])
        groups = found.pop(GROUPS_TOPIC, None)
        self._partitions = [
            TopicPartition(topic.name, number) for topic in found.values() for number in range(topic.partitions)
        ]
        if groups is not None:
            self._partitions.append(TopicPartition(GROUPS_TOPIC, group_partition(transactional_id, groups.partitions)))

    def take_over(self, now: Settings) -> Producer:
        """`open_producer`, after which every former transaction of the id is ended everywhere as it was decided.

        Raises what `open_producer` and `Cluster` raise.
        """
        last = self._last()
        if last is not None:
            self._end(last.producer_id, committed=last.committed)
        producer = open_producer(self._id, now)
        try:
            if last is not None:
                # What was still undecided was aborted just now.
                self._end(last.producer_id, committed=False)
        except BaseException:
            producer.close()
            raise
        return producer

    def missing(self) -> bool:
        """Whether a transaction is open although none is under way. Only between two transactions of the id's producer."""
        last = self._last()
        return last is not None and bool(self._open(last.producer_id))

    def _last(self) -> _Last | None:
        """The last transaction, once nothing of it is under way; None where the id was never used."""

        def told(admin: Any) -> _Last | None:
            try:
                found = admin.describe_transactions([self._id])[self._id]
            except errors.TransactionalIdNotFoundError:
                return None
            if found.state in _UNDER_WAY:
                raise _NotYet(found.state.value)
            return _Last(found.producer_id, committed=found.state == TransactionState.COMPLETE_COMMIT)

        return self._patiently(Said(f"end the last transaction of {self._id}", f"结束 {self._id} 的上一个事务"), told)

    def _patiently(self, action: Said, request: Callable[[Any], _Answer]) -> _Answer:
        """What the brokers answer once they can: not while they elect, load a log or first hear of a topic."""
        until = time.monotonic() + _PATIENCE
        while True:
            reason: str
            with self._cluster.asked(action) as admin:
                try:
                    return request(admin)
                except _NotYet as error:
                    reason, again = str(error), True
                except (*NO_COORDINATOR, errors.InvalidMetadataError) as error:
                    reason, again = type(error).__name__, False
            if not again:
                self._cluster.close()  # the client would ask the same broker for ever
            if time.monotonic() > until:
                raise BrokerFailed(action=action, reason=reason)
            time.sleep(0.05)

    def _open(self, producer_id: int) -> list[_Open]:
        found = self._patiently(
            Said("tell which transactions are open", "查询未结束的事务"),
            lambda admin: admin.describe_producers(self._partitions),
        )
        return [
            _Open(
                partition,
                one.producer_id,
                one.producer_epoch,
                one.coordinator_epoch,
                one.current_transaction_start_offset,
            )
            for partition, state in found.items()
            for one in state.active_producers
            if one.producer_id == producer_id and one.current_transaction_start_offset >= 0
        ]

    def _end(self, producer_id: int, *, committed: bool) -> None:
        """Writes the markers that are missing; the group's last, so that no position is told before its records."""
        for one in sorted(self._open(producer_id), key=lambda one: one.partition.topic == GROUPS_TOPIC):
            place = f"{one.partition.topic}/{one.partition.partition}"
            self._patiently(
                Said(f"end a transaction of {place}", f"结束 {place} 的事务"),
                partial(_mark, one=one, committed=committed),
            )
            log.warning(
                "a transaction had ended without its marker",
                id=self._id,
                partition=place,
                since=one.since,
                marker="commit" if committed else "abort",
            )


def group_partition(group: str, count: int) -> int:
    """The partition of __consumer_offsets that holds a group: by Java's String.hashCode, without its sign."""
    code = 0
    for unit in memoryview(group.encode("utf-16-le")).cast("H"):
        code = (31 * code + unit) & 0xFFFFFFFF
    least = 1 << 31
    return (0 if code == least else min(code, (least << 1) - code)) % count


def _mark(admin: Any, *, one: _Open, committed: bool) -> None:
    # kafka-python offers the abort alone; the request is the same but for the word.
    topics = WriteTxnMarkersRequest.WritableTxnMarker.WritableTxnMarkerTopic
    request = WriteTxnMarkersRequest(
        markers=[
            WriteTxnMarkersRequest.WritableTxnMarker(
                producer_id=one.producer_id,
                producer_epoch=one.producer_epoch,
                transaction_result=committed,
                topics=[topics(name=one.partition.topic, partition_indexes=[one.partition.partition])],
                coordinator_epoch=max(one.coordinator_epoch, 0),
            )
        ]
    )

    async def sent() -> Any:
        leaders = await admin._async_get_leader_for_partitions([one.partition])
        return await admin._manager.send(request, node_id=next(iter(leaders)))

    answer = admin._manager.run(sent)
    for marker in answer.markers:
        for topic in marker.topics:
            for partition in topic.partitions:
                refused = errors.for_code(partition.error_code)
                if refused is not errors.NoError:
                    raise refused
