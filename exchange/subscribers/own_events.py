"""Events in which the hub speaks of itself, with their schemas: dead letters and alarms.

The promise is that of feeds' events (`warehouse.event_schema`): under one topic's name a schema only gains members that need not be
there. What a text may be (a kind of alarm, a code) is told and not demanded, so that there may be more of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.model import TopicSpec
from exchange.alarms import book
from exchange.alarms.conditions import KINDS
from exchange.brokers.own_topics import DEAD_LETTERS_TOPIC, OWN
from warehouse.event_schema import DRAFT


@dataclass(frozen=True, slots=True)
class OwnEvents:
    """A topic of the hub's own and what comes on it."""

    topic: TopicSpec
    title: str
    description: str
    key: str  # what its Kafka key is
    source: str | None  # ce_source where it is always the same
    schemas: Mapping[str, Mapping[str, Any]]  # by CloudEvents type


_LETTER: dict[str, Any] = {
    "$schema": DRAFT,
    "$id": "urn:hub:event:hub.dead_letter.recorded",
    "type": "object",
    "title": "死信 / Dead letter",
    "description": "References to an event that the brokers refused, never its data / 指向被代理拒绝的事件，不含其数据",
    "properties": {
        "event_id": {"type": "string", "description": "ce_id of the event / 事件的 ce_id"},
        "topic": {"type": "string", "description": "Where it was to go / 原定主题"},
        "lane": {"type": "string", "description": "Its lane / 所属通道"},
        "batch": {"type": ["string", "null"], "description": "Its batch / 所属批次"},
        "seq": {"type": "string", "pattern": "^[0-9]+$", "description": "Its outbox entry / 发件箱序号"},
        "record": {"type": "string", "pattern": "^[0-9]+$", "description": "Its number in the entry / 项内序号"},
        "code": {"type": "string", "description": "Why, in the brokers' word / 拒绝原因代码"},
    },
    "required": ["event_id", "topic", "lane", "batch", "seq", "record", "code"],
}

_TOLD = {
    "raised": ("is amiss", "告警发生"),
    "repeated": ("is still amiss", "告警仍在持续"),
    "cleared": ("is over", "告警已解除"),
}
"""What a notice may say of an alarm."""


def _alarm(change: str) -> dict[str, Any]:
    en, zh = _TOLD[change]
    kind = f"{book.EVENT_TYPE}.{change}"
    return {
        "$schema": DRAFT,
        "$id": f"urn:hub:event:{kind}",
        "type": "object",
        "title": f"告警 / Alarm: {change}",
        "description": f"What people should know of {en} / {zh}",
        "properties": {
            "alarm": {"type": "integer", "minimum": 1, "description": "Number of the alarm, the same until it is over / 告警编号，解除前不变"},
            "notice": {"type": "integer", "minimum": 1, "description": "1, 2, 3 … for each alarm / 每个告警递增的通知序号"},
            "object": {"type": "string", "description": "A feed, or store, database / 数据源，或存储区、数据库"},
            "kind": {"type": "string", "description": f"One of {', '.join(KINDS)}; there may be more / 告警种类，可能增加"},
            "change": {"const": change, "description": "What the notice says / 通知内容"},
            "since": {"type": "string", "format": "date-time", "description": "When it was raised / 发生时间"},
            "en": {"type": "string", "description": "In words, English / 英文说明"},
            "zh": {"type": "string", "description": "In words, Chinese / 中文说明"},
            "next": {"type": "string", "description": "The command that tells more; empty when it is over / 可了解详情的命令，解除时为空"},
            "facts": {"type": "object", "description": "Figures of that kind of alarm / 该类告警的数据"},
        },
        "required": ["alarm", "notice", "object", "kind", "change", "since", "en", "zh", "next", "facts"],
    }  # fmt: skip


DEAD_LETTERS = OwnEvents(
    TopicSpec(DEAD_LETTERS_TOPIC, *OWN[DEAD_LETTERS_TOPIC]),
    _LETTER["title"],
    _LETTER["description"],
    "event_id (事件标识)",
    None,
    {"hub.dead_letter.recorded": _LETTER},
)
ALARMS = OwnEvents(
    book.TOPIC,
    "告警 / Alarms",
    "Feeds and space that are not as they should be / 数据源与存储空间的异常",
    "object (告警对象)",
    book.SOURCE,
    {f"{book.EVENT_TYPE}.{change}": _alarm(change) for change in _TOLD},
)
OWN_EVENTS = (ALARMS, DEAD_LETTERS)
