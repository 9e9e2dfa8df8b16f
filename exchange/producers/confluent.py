"""The producer seam over confluent-kafka (librdkafka), for bulk: C threads compress and send while Python prepares.

No delivery callback per record: a transaction commits only when every record was acknowledged, so a failed one
fails the commit, and the relay then finds it by halves. (`produce_batch` would be quicker and drops headers.)
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Producer as Client

from exchange.brokers import kafka_settings
from exchange.brokers.own_topics import POSITIONS_TOPIC
from exchange.envelope import Headers
from exchange.errors import BrokerFailed, KafkaForbidden, ProducerFenced, RecordsRefused, TopicGone
from exchange.producers.bounded import Bounded, NoAnswer
from exchange.producers.seam import BATCH_BYTES, LINGER_MS, TRANSACTION_TIMEOUT_MS
from hub.errors import HubException
from hub.said import Said
from hub.settings import Settings

_REFUSED = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_RECORD,
    KafkaError.INVALID_TIMESTAMP,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_MSG_SIZE,
}
_FENCED = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}
_GONE = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
_FORBIDDEN = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}
_AWAY = {KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._AUTHENTICATION}
_GRACE = 5.0  # seconds beyond a call's own time in which it must have an answer
_POSITION_SECONDS = 30.0
_ANY = -1  # partition: let the partitioner choose


class ConfluentProducer:
    """librdkafka behind the seam. Opening it takes the transactional id over."""

    name = "confluent"
    transaction_events = 32_768

    def __init__(self, transactional_id: str, now: Settings) -> None:
        self._id = transactional_id
        self._now = now
        self._client = Client(
            kafka_settings.confluent(now)
            | {
                "transactional.id": transactional_id,
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
                # Java's and kafka-python's way; librdkafka's own default puts keys on other partitions.
                "partitioner": "murmur2_random",
                "compression.type": "lz4",
                "linger.ms": LINGER_MS,
                "batch.size": BATCH_BYTES,
                "batch.num.messages": 100_000,
                "queue.buffering.max.messages": 200_000,
                "queue.buffering.max.kbytes": 512 * 1024,
                "topic.metadata.propagation.max.ms": 3_000,
                # A transaction that begins while the last one's markers are being written is told to wait this long.
                "retry.backoff.ms": 10,
                "retry.backoff.max.ms": 500,
            }
        )
        self._bounded = Bounded(self._free)
        # The group's metadata comes from a consumer; this one has no broker to speak to and joins nothing.
        self._groups: dict[str, object] = {}
        try:
            self._call(
                Said("open a transactional producer", "打开事务性生产者"),
                TRANSACTION_TIMEOUT_MS / 1000,
                self._client.init_transactions,
            )
        except HubException:
            self.close()
            raise

    def begin(self) -> None:
        """Opens a transaction."""
        try:
            self._client.begin_transaction()
        except KafkaException as error:
            raise self._meaning(error, Said("begin a transaction", "开始事务")) from error

    def send(
        self, topic: str, keys: Sequence[bytes | None], values: Sequence[bytes | None], headers: Sequence[Headers]
    ) -> None:
        """Queues records in order; librdkafka's threads do the rest."""
        produce = self._client.produce
        until = time.monotonic() + TRANSACTION_TIMEOUT_MS / 1000
        records = zip(keys, values, headers, strict=True)
        index = -1
        try:
            for index, (key, value, header) in enumerate(records):  # noqa: B007
                while True:
                    try:
                        produce(topic, value, key, _ANY, None, None, 0, header)  # type: ignore[arg-type]  # the stub's list is invariant
                        break
                    except BufferError:
                        # The queue holds several transactions' worth, so this means that the brokers take nothing.
                        if time.monotonic() > until:
                            raise BrokerFailed(
                                action=Said("take records", "写入记录"),
                                reason=Said("the queue stays full", "队列一直已满"),
                            ) from None
                        self._client.poll(0.2)
        except KafkaException as error:
            raised = self._meaning(error, Said("take records", "写入记录"))
            if isinstance(raised, RecordsRefused):
                raised = RecordsRefused(reason=raised.facts["reason"], index=index)
            raise raised from error

    def send_position(self, group: str, position: int, metadata: str) -> None:
        """Adds the group's offset to the transaction."""
        offset = TopicPartition(POSITIONS_TOPIC, 0, position, metadata)
        send = partial(self._client.send_offsets_to_transaction, [offset], self._group(group))
        self._call(Said("take the position", "提交位置"), _POSITION_SECONDS, send)

    def commit(self) -> None:
        """Flushes and commits."""
        seconds = TRANSACTION_TIMEOUT_MS / 1000 + _GRACE
        self._call(Said("commit a transaction", "提交事务"), seconds, self._client.commit_transaction)

    def close(self) -> None:
        """Purges the queue and stops librdkafka's threads; a call that was given up does so when it ends."""
        if not self._bounded.given_up:
            self._free()

    def _free(self) -> None:
        with contextlib.suppress(Exception):
            self._client.purge()
        # It warns that the open transaction could not be aborted; whoever takes the id over settles that.
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            self._client.close()

    def _group(self, group: str) -> object:
        if group not in self._groups:
            consumer = Consumer({"group.id": group, "logger": kafka_settings.log, "log_level": 0})
            try:
                self._groups[group] = consumer.consumer_group_metadata()
            finally:
                consumer.close()
        return self._groups[group]

    def _call(self, action: Said, seconds: float, call: Callable[[float], object]) -> None:
        """A call that asks the brokers and takes its own time limit, which it does not always hold."""
        try:
            self._bounded.call(seconds + _GRACE, lambda: call(seconds))
        except NoAnswer:
            reason = Said("the client library gives no answer", "客户端库没有响应")
            raise BrokerFailed(action=action, reason=reason) from None
        except KafkaException as error:
            raise self._meaning(error, action) from error

    def _meaning(self, error: KafkaException, action: str) -> HubException:
        """The hub's error for librdkafka's."""
        reason: KafkaError = error.args[0]
        if reason.code() == KafkaError._STATE:
            reason = self._failed_by() or reason
        code, text = reason.code(), f"{reason.name()}: {reason.str()}"
        raised: HubException
        if code in _REFUSED:
            raised = RecordsRefused(reason=reason.name(), index=None)
        elif code in _FENCED:
            raised = ProducerFenced(transactional_id=self._id)
        elif code in _GONE:
            raised = TopicGone(reason=text)
        elif code in _FORBIDDEN:
            raised = KafkaForbidden(username=self._now.kafka_username, reason=text)
        elif code in _AWAY:
            raised = kafka_settings.why(self._now, text)
        else:
            raised = BrokerFailed(action=action, reason=text)
        return raised

    def _failed_by(self) -> KafkaError | None:
        """What failed the transaction: calls after the failure only say "erroneous state", a commit says why.

        It can't succeed: librdkafka never goes back from a failed transaction to an open one.
        """
        with contextlib.suppress(NoAnswer):
            try:
                self._bounded.call(2 * _GRACE, partial(self._client.commit_transaction, _GRACE))
            except KafkaException as error:
                return error.args[0]  # type: ignore[no-any-return]
        return None
