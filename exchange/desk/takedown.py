"""A taken-down record's events on Kafka: its withdrawal is sent, and where the operator says so the topic is cut before it.

A broker can't remove one record from a log. It can forget everything of a partition before an offset (DeleteRecords): readers get
none of it from then on, and the log's files are deleted once they hold nothing else, which is why a new file is begun with the
withdrawal. Without the cut the record's earlier events stay until the topic's retention ends.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from contracts.model import FeedContract
from exchange.brokers.cluster import Cluster
from exchange.brokers.consume import Reader, open_reader
from exchange.errors import PublicationLate
from exchange.relay.serve import drain
from hub import crash, log
from hub.errors import HubException
from hub.ids import TopicName
from warehouse.engine import connection, holding
from warehouse.errors import FeedBusy
from warehouse.outbox import lane_of
from warehouse.tables import outbox
from warehouse.takedown import standing, taking
from warehouse.takedown.taking import TakenDown

ROLLING = {"segment.ms": "1"}
"""The topic's setting while it is cut: the next record begins a new file."""

PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """The event by which subscribers are told. Without a place where the topic does not hold it any more."""

    event_id: str
    partition: int | None
    offset: int | None


@dataclass(frozen=True, slots=True)
class OnTopic:
    """What became of the record's events on its topic."""

    topic: str
    events: int  # of the record, before its withdrawal, when it was looked at
    cut: dict[int, int]  # partition -> offset before which it is forgotten; empty without the cut
    retention_ms: str | None  # how long the topic keeps what is not cut; None: the brokers' own
    withdrawal: Withdrawal | None  # None: the record was never loaded, so no subscriber was told of it


def take_down(contract: FeedContract, key: str, *, operator: str, reason: str, cut: bool) -> tuple[TakenDown, OnTopic]:
    """Takes a record out of every store, sends its withdrawal, and with `cut` forgets the partitions before it.

    Raises what `warehouse.takedown.taking.take_down`, the relay and the brokers raise; doing it again goes on.
    """
    with holding("takedown", contract.id):
        return _take_down(contract, key, by=(operator, reason), cut=cut)


def take_up(contracts: Iterable[FeedContract]) -> list[int]:
    """Goes on with takedowns that a killed process left, as they were ordered; the numbers of those that are done now.

    First the topic's settings are put back, whatever becomes of the rest. What can't be finished is told in the log and stays an
    alarm (`exchange.alarms.conditions`). Raises DatabaseUnavailable.
    """
    known = {contract.id: contract for contract in contracts}
    with connection() as conn:
        left = standing.unfinished(conn)
    done = []
    for row in left:
        contract = known.get(row.feed)
        if contract is None:
            continue
        try:
            with holding("takedown", row.feed, wait=False):
                with Cluster() as cluster:
                    if contract.topic.name in cluster.topics([contract.topic.name]):
                        _put_back(cluster, contract)
                _take_down(contract, row.key, by=(row.operator, row.reason), cut=row.cut_asked)
        except FeedBusy:
            continue  # somebody is at it
        except HubException as error:
            log.get("takedown").warning(
                "a takedown can't be finished", takedown=row.number, feed=row.feed, code=error.code
            )
            continue
        done.append(row.number)
    return done


def _take_down(contract: FeedContract, key: str, *, by: tuple[str, str], cut: bool) -> tuple[TakenDown, OnTopic]:
    """Under the lock of the feed's takedowns: by it others see that somebody is at it."""
    done = taking.take_down(contract, key, operator=by[0], reason=by[1], cut=cut)
    with Cluster() as cluster:
        there = contract.topic.name in cluster.topics([contract.topic.name])
        before = cluster.config(contract.topic.name) if there else {}
        cut = done.cut_asked and there
        if cut:
            cluster.configure(contract.topic.name, ROLLING)
            crash.point("takedown.rolling")
        try:
            if done.seq is not None:
                _send(contract, done.seq)
            events = _events(cluster, contract.topic.name, key) if there else {}
            withdrawal = taking.withdrawal_of(contract, key)
            ends = _cut(cluster, contract.topic.name, events, withdrawal) if cut else {}
            crash.point("takedown.cut")
        finally:
            if cut:
                _put_back(cluster, contract)
    earlier = sum(1 for found in events.values() for _, event_id in found if event_id != withdrawal)
    on_topic = OnTopic(contract.topic.name, earlier, ends, before.get("retention.ms"), _sent(events, withdrawal))
    taking.finish(
        done.number, {"topic": contract.topic.name, "events": earlier, "cut": {str(n): at for n, at in ends.items()}}
    )
    return done, on_topic


def _sent(events: dict[int, list[tuple[int, str]]], withdrawal: str | None) -> Withdrawal | None:
    """Where the withdrawal lies, the last of it where a rebase sent it again."""
    if withdrawal is None:
        return None
    places = [(number, at) for number, found in events.items() for at, event_id in found if event_id == withdrawal]
    partition, offset = max(places, key=lambda place: place[1]) if places else (None, None)
    return Withdrawal(withdrawal, partition, offset)


def _put_back(cluster: Cluster, contract: FeedContract) -> None:
    """The contract's word, not the brokers': there a takedown that was killed may have left its own."""
    was = {name: contract.topic.config[name] for name in ROLLING if name in contract.topic.config}
    cluster.configure(contract.topic.name, was, [name for name in ROLLING if name not in was])


def _send(contract: FeedContract, seq: int) -> None:
    """Sends the withdrawal, or waits for the relay that holds the lane."""
    with connection() as conn:
        lane = lane_of(conn, contract.topic.name)
    (drained,) = drain([lane], timeout=PATIENCE_SECONDS)
    if drained.error is not None and drained.state != "held":
        raise drained.error
    until = time.monotonic() + PATIENCE_SECONDS
    query = sa.select(outbox.c.published_at).where(outbox.c.lane == lane, outbox.c.seq == seq)
    while True:
        with connection() as conn:
            if conn.scalar(query) is not None:
                return
        if time.monotonic() > until:
            raise PublicationLate(waiting=1, batches=1, seconds=round(PATIENCE_SECONDS))
        time.sleep(0.1)


def _shown(cluster: Cluster, reader: Reader, topic: str) -> None:
    """Waits until readers are shown all that lies on the topic: brokers end a transaction a little after its commit has returned."""
    ends = cluster.ends(topic, len(reader.partitions(topic)))
    until = time.monotonic() + PATIENCE_SECONDS
    while any(reader.ends(topic, number)[1] < end for number, end in ends.items()):
        if time.monotonic() > until:
            raise PublicationLate(waiting=1, batches=1, seconds=round(PATIENCE_SECONDS))
        time.sleep(0.05)


def _events(cluster: Cluster, topic: str, key: str) -> dict[int, list[tuple[int, str]]]:
    """Partition -> (offset, event id) of the record's events that the topic still holds. Reads it from its beginning."""
    found: dict[int, list[tuple[int, str]]] = {}
    with open_reader(group="hub.takedown") as reader:
        _shown(cluster, reader, topic)
        starts = {(topic, number): reader.ends(topic, number)[0] for number in reader.partitions(topic)}
        wanted = key.encode()
        for message in reader.read(starts):
            headers = dict(message.headers() or ())
            if headers.get("ce_subject") == wanted:
                found.setdefault(message.partition(), []).append(
                    (message.offset(), (headers.get("ce_id") or b"").decode())
                )
    return found


def _cut(
    cluster: Cluster, topic: TopicName | str, events: dict[int, list[tuple[int, str]]], withdrawal: str | None
) -> dict[int, int]:
    """Forgets each partition up to its last event of the record, or up to the withdrawal where that lies in it."""
    ends = {}
    for partition, found in events.items():
        sent = [offset for offset, event_id in found if event_id == withdrawal]
        earlier = [offset for offset, event_id in found if event_id != withdrawal]
        if earlier:
            ends[partition] = sent[-1] if sent else max(earlier) + 1
    cluster.forget(str(topic), ends)
    return ends
