"""How far behind groups are: truthful where transactions' ends, retention and groups that never committed mislead."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from kafka import TopicPartition as Partition
from typer.testing import CliRunner

from exchange.brokers import kafka_settings
from exchange.commands import topic
from exchange.errors import TopicUnknown
from exchange.subscribers.lag import GroupLag, lags
from tests.exchange.conftest import Bench, bench, cluster, migrated  # noqa: F401

pytestmark = pytest.mark.stack


def commits(bench: Bench, group: str, offsets: dict[int, int]) -> None:  # noqa: F811
    client = Consumer(kafka_settings.confluent(bench.now) | {"group.id": group, "enable.auto.commit": False})
    places = [TopicPartition(bench.topic, number, offset) for number, offset in offsets.items()]
    client.assign(places)
    client.commit(offsets=places, asynchronous=False)
    client.close()


def lag(bench: Bench, group: str) -> GroupLag:  # noqa: F811
    (found,) = lags(bench.cluster, [bench.topic], group)
    return found


def ended(bench: Bench) -> dict[int, int]:  # noqa: F811
    """The ends, once the transaction's own records lie there too: the brokers write them after the commit has returned."""
    until = time.monotonic() + 60
    while len(bench.seen()) < len(bench.loaded):
        assert time.monotonic() < until, "what was committed is never shown"
    return bench.cluster.ends(bench.topic, bench.partitions)


def test_a_group_is_behind_by_what_it_has_not_read(bench: Bench) -> None:  # noqa: F811
    keys = [f"K{number}" for number in range(40)]
    bench.load(keys)
    bench.relay()
    ends = ended(bench)
    group = f"{bench.topic}.readers"
    assert lags(bench.cluster, [bench.topic], group) == []
    # As clients in C commit: after the last record, before the transaction's end, which takes an offset too.
    commits(bench, group, {number: end - 1 for number, end in ends.items()})
    read = lag(bench, group)
    assert (read.behind, read.seconds, read.lost, read.state) == (0, 0.0, 0, "Empty")
    commits(bench, group, {**ends, 0: 0})
    behind = lag(bench, group)
    assert behind.behind == ends[0]
    assert 0 <= behind.seconds < 600
    first = next(one for one in behind.partitions if one.partition == 0)
    assert (first.committed, first.end, first.lost) == (0, ends[0], 0)
    assert [one.behind for one in behind.partitions if one.partition] == [0, 0]
    bench.load(keys)
    bench.relay()
    assert (
        lag(bench, group).behind
        == sum(bench.cluster.ends(bench.topic, bench.partitions).values()) - sum(ends.values()) + ends[0]
    )
    # Retention took what it had not read.
    with bench.cluster.asked("delete records") as admin:
        admin.delete_records({Partition(bench.topic, 0): ends[0] - 2})
    assert (lag(bench, group).lost, lag(bench, group).behind > 0) == (ends[0] - 2, True)


def test_partitions_without_a_commit_count_whole_and_the_relay_is_no_reader(bench: Bench) -> None:  # noqa: F811
    bench.load([f"K{number}" for number in range(40)])
    bench.relay()
    ends = ended(bench)
    commits(bench, f"{bench.topic}.new", {0: ends[0]})
    found = lags(bench.cluster, [bench.topic])
    assert [one.group for one in found] == [f"{bench.topic}.new"]
    assert found[0].behind == ends[1] + ends[2]
    assert [one.committed for one in found[0].partitions] == [ends[0], None, None]

    def ran(*words: str) -> Any:
        result = CliRunner().invoke(topic.app, ["lag", *words, "--json"])
        assert result.exit_code == 0, (result.output, result.exception)
        return json.loads(result.stdout)

    assert [(row["group"], row["behind"]) for row in ran(bench.topic)] == [(found[0].group, found[0].behind)]
    assert ran("--group", "no.such.group") == []
    assert found[0].group in {row["group"] for row in ran()}
    assert isinstance(CliRunner().invoke(topic.app, ["lag", "no.topic"]).exception, TopicUnknown)
