"""The producer seam: both implementations pass the same tests on the real broker."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from exchange.brokers.cluster import Cluster
from exchange.brokers.consume import open_reader
from exchange.brokers.topics import ensure_own
from exchange.desk.locate import partition_of
from exchange.errors import BrokerUnreachable, KafkaLoginRefused, ProducerFenced, RecordsRefused
from exchange.producers.opening import open_producer
from exchange.producers.seam import Producer
from hub.settings import Settings, load_settings

pytestmark = pytest.mark.stack

HEADERS = [("ce_id", b"1"), ("content-type", b"application/json")]
LIMIT = 20_000


@pytest.fixture(params=["confluent", "kafka-python"])
def now(request: pytest.FixtureRequest, hub_settings: Settings) -> Settings:
    return load_settings(producer=request.param)


@pytest.fixture
def topic(now: Settings, unique: str) -> str:
    with Cluster(now) as cluster:
        ensure_own(cluster)
        cluster.create(f"seam.{unique}", 3, {"max.message.bytes": str(LIMIT)})
        # As a lane does before it sends. On a cluster that holds no group yet librdkafka may miss that their topic was made.
        cluster.positions([f"g.{unique}"])
    return f"seam.{unique}"


@pytest.fixture
def opened(now: Settings, unique: str) -> Iterator[Callable[[], Producer]]:
    made: list[Producer] = []

    def make() -> Producer:
        made.append(open_producer(f"seam.{unique}", now))
        return made[-1]

    yield make
    for producer in made:
        producer.close()


def values(now: Settings, topic: str) -> list[bytes]:
    with open_reader(now) as reader:
        starts = {(topic, number): 0 for number in reader.partitions(topic)}
        return sorted(message.value() for message in reader.read(starts))


def position(now: Settings, group: str) -> tuple[int, str] | None:
    with Cluster(now) as cluster:
        return cluster.positions([group])[group]


def send(producer: Producer, topic: str, *sent: bytes) -> None:
    producer.send(topic, [b"k%d" % n for n in range(len(sent))], list(sent), [HEADERS] * len(sent))


def test_records_and_position_appear_together(
    now: Settings, topic: str, opened: Callable[[], Producer], unique: str
) -> None:
    producer = opened()
    producer.begin()
    send(producer, topic, b"1", b"2")
    producer.send_position(f"g.{unique}", 7, '{"record":3}')
    assert values(now, topic) == []
    assert position(now, f"g.{unique}") is None
    producer.commit()
    producer.close()
    opened()  # settles the transaction's markers
    assert values(now, topic) == [b"1", b"2"]
    assert position(now, f"g.{unique}") == (7, '{"record":3}')


def test_headers_and_keys_arrive_where_every_client_puts_them(
    now: Settings, topic: str, opened: Callable[[], Producer]
) -> None:
    producer = opened()
    keys = ["91110000MA00000000", "乙", "K-3", "x"]
    producer.begin()
    producer.send(topic, [key.encode() for key in keys], [b"{}"] * 4, [HEADERS] * 4)
    producer.commit()
    with open_reader(now) as reader:
        messages = list(reader.read({(topic, number): 0 for number in range(3)}))
    assert {message.key().decode(): message.partition() for message in messages} == {
        key: partition_of(key.encode(), 3) for key in keys
    }
    assert all(message.headers() == HEADERS for message in messages)


def test_what_was_not_committed_is_gone(now: Settings, topic: str, opened: Callable[[], Producer], unique: str) -> None:
    producer = opened()
    producer.begin()
    send(producer, topic, b"never")
    producer.send_position(f"g.{unique}", 1, "{}")
    producer.close()
    after = opened()
    after.begin()
    send(after, topic, b"after")
    after.commit()
    after.close()
    opened()
    assert values(now, topic) == [b"after"]
    assert position(now, f"g.{unique}") is None


def test_the_second_producer_fences_the_first(now: Settings, topic: str, opened: Callable[[], Producer]) -> None:
    first = opened()
    first.begin()
    send(first, topic, b"first")
    second = opened()
    with pytest.raises(ProducerFenced):
        first.commit()
    second.begin()
    send(second, topic, b"second")
    second.commit()
    assert values(now, topic) == [b"second"]


def test_the_client_names_a_record_that_no_broker_takes(topic: str, opened: Callable[[], Producer]) -> None:
    producer = opened()
    producer.begin()
    with pytest.raises(RecordsRefused) as caught:
        send(producer, topic, b"1", b"2", os.urandom(1_200_000), b"4")
    assert caught.value.facts["index"] == 2


def test_a_refused_record_is_named_beyond_what_the_queue_holds(hub_settings: Settings, unique: str) -> None:
    """The queue is full before the record comes: its number is that within the call, not within what was left."""
    now = load_settings(producer="confluent")
    with Cluster(now) as cluster:
        ensure_own(cluster)
        cluster.create(f"seam.{unique}", 1, {})
    producer = open_producer(f"seam.{unique}", now)
    try:
        producer.begin()
        count, place = 240_000, 230_000
        sent = [b"x"] * count
        sent[place] = os.urandom(1_200_000)
        with pytest.raises(RecordsRefused) as caught:
            producer.send(f"seam.{unique}", [b"k"] * count, sent, [HEADERS] * count)
        assert caught.value.facts["index"] == place
    finally:
        producer.close()


def test_a_record_the_broker_refuses_fails_the_transaction(
    now: Settings, topic: str, opened: Callable[[], Producer], unique: str
) -> None:
    producer = opened()
    producer.begin()

    def attempt() -> None:
        send(producer, topic, b"good", os.urandom(LIMIT * 2))
        producer.send_position(f"g.{unique}", 1, "{}")
        producer.commit()

    with pytest.raises(RecordsRefused):
        attempt()
    producer.close()
    after = opened()
    after.begin()
    send(after, topic, b"good")
    after.send_position(f"g.{unique}", 2, "{}")
    after.commit()
    after.close()
    opened()
    assert values(now, topic) == [b"good"]
    assert position(now, f"g.{unique}") == (2, "{}")


def test_order_within_a_key_is_kept_over_many_transactions(
    now: Settings, topic: str, opened: Callable[[], Producer]
) -> None:
    producer = opened()
    for turn in range(5):
        producer.begin()
        numbers = range(turn * 500, turn * 500 + 500)
        producer.send(topic, [b"k%d" % (n % 7) for n in numbers], [b"%d" % n for n in numbers], [HEADERS] * 500)
        producer.commit()
    with open_reader(now) as reader:
        messages = sorted(
            reader.read({(topic, number): 0 for number in range(3)}), key=lambda m: (m.partition(), m.offset())
        )
    assert len(messages) == 2_500
    for key in range(7):
        got = [int(message.value()) for message in messages if message.key() == b"k%d" % key]
        assert got == sorted(got) == [n for n in range(2_500) if n % 7 == key]


def test_a_wrong_password_is_called_so(now: Settings, unique: str) -> None:
    with pytest.raises(KafkaLoginRefused) as caught:
        open_producer(f"seam.{unique}", load_settings(producer=now.producer, kafka_password="no such password"))
    assert "no such password" not in str(caught.value.as_dict())


def test_no_broker_is_called_unreachable(now: Settings, unique: str) -> None:
    gone = load_settings(producer=now.producer, kafka_bootstrap="127.0.0.1:1")
    with pytest.raises(BrokerUnreachable):
        open_producer(f"seam.{unique}", gone)
