"""A feed that loads and publishes, and an independent reader of its topic."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from contracts.model import FeedContract, TopicSpec
from exchange.relay.serve import drain
from hub.settings import Settings, settings
from tests.warehouse import feeds
from warehouse.way import BatchOutcome, run_feed


@dataclass
class Office:
    """One feed of the tests' own, with a topic that no other test uses."""

    now: Settings
    drop: Path
    contract: FeedContract
    deliveries: int = field(default=0)

    @property
    def topic(self) -> str:
        return self.contract.topic.name

    def load(self, rows: list[list[str]]) -> BatchOutcome:
        """One delivery, the whole way into the outbox."""
        self.deliveries += 1
        path = feeds.drop(self.drop, f"d{self.deliveries:05d}.csv", rows)
        (outcome,) = run_feed(self.contract, file=path)
        assert outcome.state == "loaded", outcome
        path.unlink()
        return outcome

    def relay(self) -> int:
        """Sends all that waits; returns how many events."""
        (done,) = drain([self.topic], now=self.now)
        assert (done.state, done.error) == ("sent", None)
        return done.events

    def read(self, starts: dict[int, int] | None = None) -> list[dict[str, Any]]:
        """Events from these offsets (default: all), with a client that knows nothing of the hub, in order by partition."""
        password = self.now.kafka_password.get_secret_value() if self.now.kafka_password else ""
        consumer = Consumer({
            "bootstrap.servers": self.now.kafka_bootstrap, "group.id": "any", "isolation.level": "read_committed",
            "security.protocol": self.now.kafka_security_protocol, "sasl.mechanism": self.now.kafka_sasl_mechanism,
            "sasl.username": self.now.kafka_username, "sasl.password": password, "enable.auto.commit": False,
            "enable.partition.eof": True,
        })  # fmt: skip
        starts = starts or dict.fromkeys(range(self.contract.topic.partitions), 0)
        consumer.assign([TopicPartition(self.topic, number, offset) for number, offset in starts.items()])
        found, ended = [], 0
        while ended < len(starts):
            for message in consumer.consume(500, 0.1):
                if message.error():
                    ended += 1
                    continue
                headers = {name: value.decode() for name, value in message.headers()}
                where = {"partition": message.partition(), "offset": message.offset()}
                found.append({**json.loads(message.value()), "id": headers["ce_id"], **where})
        consumer.close()
        return found


@pytest.fixture
def office(agency: Path, unique: str, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setenv("HUB_PAGE_ROWS", "1000")
    settings.cache_clear()
    base = feeds.contract()
    contract = replace(base, topic=TopicSpec(f"hub.t{unique}.sample.voucher.v1", 3))
    return Office(settings(), agency, contract)
