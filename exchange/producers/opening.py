"""Opens the producer that the settings choose."""

from __future__ import annotations

from exchange.brokers import kafka_settings
from exchange.producers.seam import Producer
from hub.settings import Settings, settings


def open_producer(transactional_id: str, now: Settings | None = None) -> Producer:
    """A producer that has taken the transactional id over: leftovers of former ones are settled on return."""
    now = now or settings()
    kafka_settings.knock(now)
    # Each client library is loaded only by whoever chose it.
    if now.producer == "kafka-python":
        from exchange.producers.kafka_python import KafkaPythonProducer  # noqa: PLC0415

        return KafkaPythonProducer(transactional_id, now)
    from exchange.producers.confluent import ConfluentProducer  # noqa: PLC0415

    return ConfluentProducer(transactional_id, now)
