"""The producer seam over kafka-python: pure Python, for single events and where no librdkafka can be installed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from kafka import KafkaProducer, errors
from kafka.structs import OffsetAndMetadata, TopicPartition

from exchange.brokers import kafka_settings
from exchange.brokers.own_topics import POSITIONS_TOPIC
from exchange.envelope import Headers
from exchange.errors import BrokerFailed, KafkaForbidden, ProducerFenced, RecordsRefused, TopicGone
from exchange.producers.seam import BATCH_BYTES, LINGER_MS, TRANSACTION_TIMEOUT_MS
from hub.errors import HubException
from hub.said import Said
from hub.settings import Settings

_REFUSED = (
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.InvalidRecordError,
    errors.InvalidTimestampError,
    errors.CorruptRecordError,
)
GRACE_SECONDS = 5.0

_FENCED = (errors.ProducerFencedError, errors.InvalidProducerEpochError)
_FORBIDDEN = (errors.AuthorizationError,)
_AWAY = (errors.KafkaTimeoutError, errors.KafkaConnectionError, errors.SaslAuthenticationFailedError)


class KafkaPythonProducer:
    """kafka-python behind the seam. Opening it takes the transactional id over."""

    name = "kafka-python"
    transaction_events = 8_192  # at some 12 k/s

    def __init__(self, transactional_id: str, now: Settings) -> None:
        self._id = transactional_id
        self._now = now
        self._client: Any = None
        self._sent: list[Any] = []  # the futures of this transaction's records
        self._failed: dict[int, BaseException] = {}
        try:
            self._client = KafkaProducer(
                **kafka_settings.kafka_python(
                    now,
                    transactional_id=transactional_id,
                    transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
                    delivery_timeout_ms=TRANSACTION_TIMEOUT_MS,
                    max_block_ms=TRANSACTION_TIMEOUT_MS,
                    compression_type="lz4",
                    linger_ms=LINGER_MS,
                    batch_size=BATCH_BYTES,
                    max_request_size=BATCH_BYTES,
                    allow_auto_create_topics=False,
                    metrics_enabled=False,
                    retry_backoff_ms=10,
                )
            )
            self._client.init_transactions()
        except errors.KafkaError as error:
            raised = self._meaning(error, Said("open a transactional producer", "打开事务性生产者"))
            self.close()
            raise raised from error

    def begin(self) -> None:
        """Opens a transaction."""
        self._sent, self._failed = [], {}
        try:
            self._client.begin_transaction()
        except errors.KafkaError as error:
            raise self._meaning(error, Said("begin a transaction", "开始事务")) from error

    def send(
        self, topic: str, keys: Sequence[bytes | None], values: Sequence[bytes | None], headers: Sequence[Headers]
    ) -> None:
        """Appends records to the batches in order; the sender thread does the rest."""
        send, failed = self._client.send, self._failed
        index = 0
        try:
            for index, (key, value, header) in enumerate(zip(keys, values, headers, strict=True)):  # noqa: B007
                future = send(topic, value, key, header)
                future.add_errback(partial(failed.setdefault, len(self._sent)))
                self._sent.append(future)
        except errors.KafkaError as error:
            raised = self._meaning(error, Said("take records", "写入记录"))
            if isinstance(raised, RecordsRefused):
                raised = RecordsRefused(reason=raised.facts["reason"], index=index)
            raise raised from error

    def send_position(self, group: str, position: int, metadata: str) -> None:
        """Adds the group's offset to the transaction."""
        offsets = {TopicPartition(POSITIONS_TOPIC, 0): OffsetAndMetadata(position, metadata, -1)}
        self._bounded(
            Said("take the position", "提交位置"), lambda: self._client.send_offsets_to_transaction(offsets, group)
        )

    def commit(self) -> None:
        """Flushes and commits."""

        # First the records: one that is refused while a commit waits for it leaves that commit waiting for ever, and
        # `flush` takes a batch that is being split for one that failed.
        until = time.monotonic() + TRANSACTION_TIMEOUT_MS / 1000
        for future in self._sent:
            while not future.is_done and not self._failed:
                if time.monotonic() > until:
                    raise BrokerFailed(
                        action=Said("take records", "写入记录"),
                        reason=Said("no answer within the transaction's time", "事务时限内没有应答"),
                    )
                with contextlib.suppress(errors.KafkaError):
                    future.get(timeout=0.1)
        if self._failed:
            self._raise_failed()
        self._bounded(Said("commit a transaction", "提交事务"), self._client.commit_transaction)

    def _raise_failed(self) -> None:
        """Raises what failed: the refused record where there is one, since the others only failed with it."""
        for index, error in sorted(self._failed.items()):
            if isinstance(error, _REFUSED):
                raise RecordsRefused(reason=type(error).__name__, index=index) from error
        error = min(self._failed.items())[1]
        raise self._meaning(error, Said("take records", "写入记录")) from error

    def close(self) -> None:
        """Stops the sender thread; what waits is dropped."""
        with contextlib.suppress(Exception):
            if self._client is not None:
                self._client.close(timeout=0)

    def _bounded(self, action: str, call: Callable[[], object]) -> None:
        """Calls with a limit that the library lacks: it waits for its own thread without one."""
        outcome: list[BaseException | None] = []

        def work() -> None:
            try:
                call()
                outcome.append(None)
            except BaseException as error:  # noqa: BLE001  # handed to the caller's thread
                outcome.append(error)

        thread = threading.Thread(target=work, name=f"{self._id} {action}", daemon=True)
        thread.start()
        thread.join(TRANSACTION_TIMEOUT_MS / 1000 + GRACE_SECONDS)
        if not outcome:
            raise BrokerFailed(
                action=action, reason=Said("no answer within the transaction's time", "事务时限内没有应答")
            )
        if isinstance(outcome[0], errors.KafkaError):
            raise self._meaning(outcome[0], action) from outcome[0]
        if outcome[0] is not None:
            raise outcome[0]

    def _meaning(self, error: BaseException, action: str) -> HubException:
        """The hub's error for kafka-python's."""
        text = f"{type(error).__name__}: {error}"[:300]
        raised: HubException
        if isinstance(error, _REFUSED):
            raised = RecordsRefused(reason=type(error).__name__, index=None)
        elif isinstance(error, _FENCED):
            raised = ProducerFenced(transactional_id=self._id)
        elif isinstance(error, errors.UnknownTopicOrPartitionError):
            raised = TopicGone(reason=text)
        elif isinstance(error, _FORBIDDEN):
            raised = KafkaForbidden(username=self._now.kafka_username, reason=text)
        elif isinstance(error, _AWAY):
            raised = kafka_settings.why(self._now, text)
        else:
            raised = BrokerFailed(action=action, reason=text)
        return raised
