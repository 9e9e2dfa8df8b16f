"""Of several brokers one has not heard of a topic yet: it is asked again before anything is said."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from exchange.brokers import cluster as cluster_module
from exchange.brokers import topics
from exchange.brokers.cluster import Cluster, TopicFound
from exchange.brokers.topics import TopicNoted
from exchange.errors import BrokerFailed, TopicMissing
from hub.ids import LaneId, TopicName
from hub.settings import load_settings

FOUND = TopicFound("hub.sample.voucher.v1", "uuid-1", 1, 1)
NOTED = TopicNoted(TopicName(FOUND.name), LaneId(FOUND.name), None, 1, {}, FOUND.uuid, {})


class Admin:
    """A client whose brokers make a topic at once."""

    def create_topics(self, new: Any) -> None: ...

    def wait_for_topics(self, names: list[str], timeout_ms: int) -> None: ...


class Late(Cluster):
    """Brokers of which those asked first have not heard of the topic."""

    def __init__(self, late: int) -> None:
        super().__init__(load_settings(kafka_replication=1))
        self.late, self.asked_for = late, 0

    @contextmanager
    def asked(self, action: str) -> Any:
        """The client, for one request."""
        yield Admin()

    def topics(self, names: Iterable[str] | None = None) -> dict[str, TopicFound]:
        """What the broker that is asked this time has heard of."""
        self.asked_for += 1
        return {} if self.asked_for <= self.late else {FOUND.name: FOUND}


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that nobody waits for: the seconds that were slept."""
    slept: list[float] = []
    clock = SimpleNamespace(sleep=slept.append, monotonic=lambda: sum(slept))
    for module in (cluster_module, topics):
        monkeypatch.setattr(module, "time", clock)
    return slept


def test_a_topic_that_was_just_made_is_waited_for_until_it_is_shown(hours: list[float]) -> None:
    late = Late(3)
    assert late.create(FOUND.name, 1, {}) == FOUND
    assert late.asked_for == 4 and len(hours) == 3


def test_a_topic_that_is_never_shown_is_no_topic(hours: list[float]) -> None:
    with pytest.raises(BrokerFailed, match="isn't shown"):
        Late(1_000_000).create(FOUND.name, 1, {})
    assert 15 <= sum(hours) < 16, "it is not waited for without an end"


@pytest.mark.parametrize("late", [0, 1])
def test_a_topic_that_seems_gone_is_looked_for_twice(late: int, hours: list[float]) -> None:
    brokers = Late(late)
    topics.settle(None, brokers, [NOTED])  # type: ignore[arg-type]  # nothing is written: the topic is as it was
    assert brokers.asked_for == 1 + late == 1 + len(hours)


def test_what_is_gone_is_gone_the_second_time_too(hours: list[float]) -> None:
    brokers = Late(2)
    with pytest.raises(TopicMissing):
        topics.settle(None, brokers, [NOTED])  # type: ignore[arg-type]
    assert brokers.asked_for == 2
