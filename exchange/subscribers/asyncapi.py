"""The AsyncAPI 3 document of what the hub publishes, made from the contracts: topics, events, schemas, how to get in.

Sources: AsyncAPI 3.0.0; its Kafka bindings 0.5.0; CloudEvents 1.0.2, Kafka Protocol Binding §3.2 (headers).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import hub
from contracts.model import FeedContract, TopicSpec
from exchange.subscribers.own_events import DEAD_LETTERS, OWN_EVENTS, OwnEvents
from hub.settings import Settings
from warehouse.event_schema import schemas

VERSION = "3.0.0"
_BINDING = "0.5.0"

_NUMBERS = ("retention.ms", "retention.bytes", "delete.retention.ms", "max.message.bytes")
_SCHEMES = {"PLAIN": "plain", "SCRAM-SHA-256": "scramSha256", "SCRAM-SHA-512": "scramSha512"}

_ABOUT = """\
What the hub publishes: one channel for each topic, one message for each event, made from the data contracts.
Events are CloudEvents 1.0 in Kafka binary binding. Read with `isolation.level=read_committed`, in consumer groups that
start with your user's name and a dot; commit offsets after the work; `ce_id` tells an event that you have had before.
Within a topic's name a schema only gains optional members.

本文档由数据契约生成：每个主题一个通道，每种事件一个消息。事件为 CloudEvents 1.0(Kafka 二进制绑定)。请以
`isolation.level=read_committed` 读取；消费组名以本用户名加点开头；处理完成后再提交位移；以 `ce_id` 识别重复事件。
同一主题名下，模式只会增加可选成员。
"""


def document(
    contracts: Iterable[FeedContract],
    now: Settings,
    servers: Iterable[str] | None = None,
    own: Iterable[OwnEvents] = OWN_EVENTS,
) -> dict[str, Any]:
    """The document for these contracts and for what the hub publishes by itself; dead letters are always among it.

    `servers`: host:port that subscribers reach; None: those of the settings.
    """
    where = list(servers) if servers is not None else _bootstrap(now)
    parts = _Parts(now.kafka_replication)
    for contract in contracts:
        parts.feed(contract)
    for one in (*(one for one in own if one is not DEAD_LETTERS), DEAD_LETTERS):
        parts.own(one)
    scheme = _SCHEMES[now.kafka_sasl_mechanism] if now.kafka_security_protocol.startswith("SASL") else None
    made: dict[str, Any] = {
        "asyncapi": VERSION,
        "id": "urn:hub:events",
        "info": {
            "title": "监督数据共享枢纽 / Supervision data-sharing hub",
            "version": hub.__version__,
            "description": _ABOUT,
        },
        "defaultContentType": "application/json",
    }
    if where:
        made["servers"] = _servers(where, now, secured=scheme is not None)
    made |= {"channels": parts.channels, "operations": parts.operations}
    components: dict[str, Any] = {"messages": parts.messages, "schemas": parts.payloads}
    if scheme is not None:
        said = "User and password from `hub topic grant` / 由枢纽授予的用户与口令"
        components["securitySchemes"] = {"password": {"type": scheme, "description": said}}
    return made | {"components": components}


@dataclass
class _Parts:
    """The document's parts as they are gathered, topic by topic."""

    replicas: int
    channels: dict[str, Any] = field(default_factory=dict)
    operations: dict[str, Any] = field(default_factory=dict)
    messages: dict[str, Any] = field(default_factory=dict)
    payloads: dict[str, Any] = field(default_factory=dict)

    def feed(self, contract: FeedContract) -> None:
        """Adds a feed's topic and events."""
        made = schemas(contract)
        words = {
            "title": f"{contract.name_zh} / {contract.name_en}",
            "description": f"{contract.purpose_zh}\n\n{contract.purpose_en}".strip(),
            "tags": [{"name": name} for name in dict.fromkeys((contract.domain, contract.publish))],
            "x-hub-feed": contract.id,
            "x-hub-contract": contract.version,
            "x-hub-readers": list(contract.topic.readers),
        }
        self._publish(contract.topic, words, list(made))
        subject = contract.field(contract.subject)
        for kind, schema in made.items():
            self.payloads[kind] = {name: value for name, value in schema.items() if name not in ("$schema", "$id")}
            key = f"{subject.name} ({subject.label_zh or subject.label_en})"
            self.messages[kind] = _message(kind, schema["title"], f"/feeds/{contract.id}", key)

    def own(self, events: OwnEvents) -> None:
        """Adds a topic on which the hub speaks of itself."""
        words = {"title": events.title, "description": events.description}
        self._publish(events.topic, words, list(events.schemas))
        for kind, schema in events.schemas.items():
            self.payloads[kind] = {name: value for name, value in schema.items() if name not in ("$schema", "$id")}
            self.messages[kind] = _message(kind, schema["title"], events.source, events.key)

    def _publish(self, topic: TopicSpec, words: Mapping[str, Any], kinds: list[str]) -> None:
        """Adds a topic's channel, and the operation that the hub sends its events."""
        binding: dict[str, Any] = {"topic": topic.name, "partitions": topic.partitions, "replicas": self.replicas}
        if topic.config:
            binding["topicConfiguration"] = {name: _configured(name, value) for name, value in topic.config.items()}
        self.channels[topic.name] = {
            "address": topic.name,
            **words,
            "messages": {kind: {"$ref": f"#/components/messages/{kind}"} for kind in kinds},
            "bindings": {"kafka": {**binding, "bindingVersion": _BINDING}},
        }
        where = f"#/channels/{topic.name}"
        self.operations[f"send.{topic.name}"] = {
            "action": "send",
            "channel": {"$ref": where},
            "title": words["title"],
            "messages": [{"$ref": f"{where}/messages/{kind}"} for kind in kinds],
        }


def _bootstrap(now: Settings) -> list[str]:
    return [one.strip() for one in (now.kafka_bootstrap or "").split(",") if one.strip()]


def _servers(where: Iterable[str], now: Settings, *, secured: bool) -> dict[str, Any]:
    protocol = "kafka-secure" if now.kafka_security_protocol.endswith("SSL") else "kafka"
    more: dict[str, Any] = {"security": [{"$ref": "#/components/securitySchemes/password"}]} if secured else {}
    return {
        f"broker{number}": {
            "host": address,
            "protocol": protocol,
            "description": f"security.protocol={now.kafka_security_protocol}",
            **more,
        }
        for number, address in enumerate(where, 1)
    }


def _configured(name: str, value: str) -> Any:
    if name == "cleanup.policy":
        return [one.strip() for one in value.split(",")]
    return int(value) if name in _NUMBERS and value.lstrip("-").isdigit() else value


def _message(kind: str, title: str, source: str | None, key: str) -> dict[str, Any]:
    constant = {"type": "string", "const": kind}
    said: dict[str, Any] = {"type": "string"} if source is None else {"type": "string", "const": source}
    headers = {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_type": constant,
        "ce_id": {"type": "string", "description": "The same event has the same id for ever / 同一事件的标识永不改变"},
        "ce_source": said,
        "ce_subject": {"type": "string", "description": "What it is about: the record's key / 记录主键"},
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_dataschema": {"type": "string", "description": "/contracts/<feed>/<version>"},
        "content-type": {"type": "string", "const": "application/json"},
    }
    needed = ["ce_specversion", "ce_type", "ce_id", "ce_source", "ce_subject", "ce_time", "content-type"]
    return {
        "name": kind,
        "title": title,
        "contentType": "application/json",
        "headers": {"type": "object", "properties": headers, "required": needed},
        "payload": {"$ref": f"#/components/schemas/{kind}"},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": key},
                "bindingVersion": _BINDING,
            }
        },
    }
