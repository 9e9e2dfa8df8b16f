"""The one seam to a Kafka producer: transactional, in order, few calls. Two implementations pass the same tests.

    producer = open_producer("hub.relay.<lane>")      # fences whoever used this id before
    producer.begin(); producer.send(topic, keys, values, headers); producer.send_position(...); producer.commit()

Errors, the same from both:
  RecordsRefused   a record as such is refused; where the client knows which, `index` says it: within the records of
                   the `send` that raises it, within the whole transaction when `commit` does
  ProducerFenced   another producer has the id
  TopicGone        the topic is not there just now
  KafkaForbidden, KafkaLoginRefused   an operator must act
  BrokerFailed, BrokerUnreachable     another try may succeed
After any error the only way on is to close, open again (which settles the transaction) and read the position. A lane is
opened through exchange/relay/markers.py: brokers may fail to write what they have decided.
There is no `abort`: tried on both libraries, a producer that goes on after one is not to be trusted (librdkafka
2.16 sends wrong sequence numbers; kafka-python 3.0 reports a commit whose records never appear).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from exchange.envelope import Headers

TRANSACTION_TIMEOUT_MS = 30_000
"""How long a killed transaction may block read_committed readers when nobody takes its id again."""

LINGER_MS = 10
BATCH_BYTES = 1_000_000
"""Below the brokers' 1,048,588 bytes with room for what a batch of incompressible records grows by."""


class Producer(Protocol):
    """A transactional producer. Not safe for several threads, except that `commit` may run in another one."""

    name: str
    transaction_events: int
    """How many events a transaction may hold so that it stays well under a second or two."""

    def begin(self) -> None:
        """Opens a transaction."""

    def send(
        self, topic: str, keys: Sequence[bytes | None], values: Sequence[bytes | None], headers: Sequence[Headers]
    ) -> None:
        """Hands records over, in order; returns before they are acknowledged. Raises RecordsRefused."""

    def send_position(self, group: str, position: int, metadata: str) -> None:
        """Makes a group's position (offset in the hub's own topic of positions) part of the transaction."""

    def commit(self) -> None:
        """Waits for every record and commits; on return a read_committed reader sees all of it or will at once."""

    def close(self) -> None:
        """Drops whatever waits, commits nothing, gives everything back. Never raises."""
