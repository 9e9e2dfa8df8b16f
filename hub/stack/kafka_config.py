"""The broker's configuration: KRaft, combined broker and controller, SASL on every listener, authorizer on.

Three listeners: clients and brokers speak SCRAM; controllers speak PLAIN, because SCRAM credentials live in the very
metadata that a controller must first be reached to read. Passwords stand in this file alone (mode 0600).
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hub.settings import Settings
from hub.stack.ports import HOST

SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required"
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
MAX_MESSAGE = 1_048_588

LOGGING = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
# States of the broker's life, and nothing of its records.
logger.broker.name = kafka.server.BrokerServer
logger.broker.level = info
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
"""


@dataclass(frozen=True)
class Node:
    """One broker and controller of the cluster: its id, its three ports, its data; where others reach it and it listens."""

    id: int
    client: int
    internal: int
    controller: int
    data: Path
    host: str = HOST
    bind: str = HOST


@dataclass(frozen=True)
class Passwords:
    """The cluster's own passwords."""

    hub: str
    broker: str
    controller: str


def cluster_id() -> str:
    """A fresh cluster id in Kafka's own spelling (URL-safe base64 of 16 bytes), which begins with no hyphen.

    Kafka's own ids don't either: its tools would take one for an option, one time in 64.
    """
    while True:
        drawn = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not drawn.startswith("-"):
            return drawn


def server(node: Node, cluster: list[Node], passwords: Passwords, operator: Settings) -> dict[str, str]:
    """The properties of one node of `cluster`.

    The controllers of several are named with their ids: such a quorum finds itself again when all of them were given
    other ports, where one that keeps its members' addresses in its own log would look for them at the old ones.
    """
    replicas = str(min(3, len(cluster)))
    in_sync = str(max(1, min(3, len(cluster)) - 1))
    protocol = operator.kafka_security_protocol if operator.kafka_security_protocol == "SASL_SSL" else "SASL_PLAINTEXT"
    listeners = {"CLIENT": node.client, "INTERNAL": node.internal, "CONTROLLER": node.controller}
    mechanism = operator.kafka_sasl_mechanism if operator.kafka_sasl_mechanism != "PLAIN" else "SCRAM-SHA-512"
    return {
        "process.roles": "broker,controller",
        "node.id": str(node.id),
        **_quorum(cluster),
        "listeners": ",".join(f"{name}://{node.bind}:{port}" for name, port in listeners.items()),
        "advertised.listeners": ",".join(f"{name}://{node.host}:{port}" for name, port in listeners.items()),
        "listener.security.protocol.map": f"CLIENT:{protocol},INTERNAL:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "inter.broker.listener.name": "INTERNAL",
        "controller.listener.names": "CONTROLLER",
        "sasl.enabled.mechanisms": mechanism,
        "sasl.mechanism.inter.broker.protocol": mechanism,
        "sasl.mechanism.controller.protocol": "PLAIN",
        # Not inherited from the general setting: without it the broker dies at its start.
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        f"listener.name.client.{mechanism.lower()}.sasl.jaas.config": f"{SCRAM};",
        f"listener.name.internal.{mechanism.lower()}.sasl.jaas.config": (
            f'{SCRAM} username="broker" password="{passwords.broker}";'
        ),
        "listener.name.controller.plain.sasl.jaas.config": (
            f'{PLAIN} username="controller" password="{passwords.controller}" user_controller="{passwords.controller}";'
        ),
        **(_tls(operator) if protocol == "SASL_SSL" else {}),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:broker;User:controller;User:hub",
        "allow.everyone.if.no.acl.found": "false",
        "log.dirs": str(node.data),
        "auto.create.topics.enable": "false",
        "message.max.bytes": str(MAX_MESSAGE),
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "group.initial.rebalance.delay.ms": "0",
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        "num.network.threads": "2",
        "num.io.threads": "4",
        "num.recovery.threads.per.data.dir": "2",
        "log.segment.bytes": str(256 * 1024 * 1024),
        # What a takedown cut from a log leaves the disk when the broker looks: by default each 5 minutes,
        # and a minute later.
        "log.retention.check.interval.ms": "10000",
        "log.segment.delete.delay.ms": "1000",
        # A killed transaction blocks read_committed readers until the coordinator looks: look often.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        "broker.session.timeout.ms": "6000",
        "broker.heartbeat.interval.ms": "1000",
        "controlled.shutdown.max.retries": "1",
    }


def _quorum(cluster: list[Node]) -> dict[str, str]:
    if len(cluster) == 1:
        return {"controller.quorum.bootstrap.servers": f"{cluster[0].host}:{cluster[0].controller}"}
    return {"controller.quorum.voters": ",".join(f"{one.id}@{one.host}:{one.controller}" for one in cluster)}


def properties(values: Mapping[str, str]) -> str:
    """A Java properties file: Latin-1 by definition, so everything else is escaped."""
    return "".join(f"{name}={_escape(value)}\n" for name, value in values.items())


def argument(text: str) -> str:
    """One argument in a java @argfile."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _tls(operator: Settings) -> dict[str, str]:
    """TLS for the clients' listener, from the operator's PEM files."""
    found = {
        "listener.name.client.ssl.keystore.type": "PEM",
        "listener.name.client.ssl.keystore.location": str(operator.kafka_broker_keystore or ""),
        "listener.name.client.ssl.truststore.type": "PEM",
        "listener.name.client.ssl.truststore.location": str(operator.kafka_ssl_cafile or ""),
        "listener.name.client.ssl.client.auth": "required" if operator.kafka_ssl_certfile else "none",
    }
    return {name: value for name, value in found.items() if value}


def _escape(value: str) -> str:
    text = value.replace("\\", "\\\\")
    return "".join(c if " " <= c <= "~" else f"\\u{ord(c):04x}" if ord(c) < 0x10000 else _pair(c) for c in text)


def _pair(character: str) -> str:
    raw = character.encode("utf-16-be")
    return f"\\u{raw[:2].hex()}\\u{raw[2:].hex()}"
