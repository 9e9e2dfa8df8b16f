"""The JSON Schema of a feed's events, made from its contract, and the promise of what a later version may change.

One schema for each event type (`<area>.<thing>.<recorded|corrected|withdrawn>`), draft 7, which AsyncAPI takes as it is.
It describes the event's data, `warehouse.loading.event_data` writes it. The promise, for as long as the topic's name stays:

* every event that was ever sent on the topic is valid under the newest schema;
* every new event is valid under every schema since the topic was made, so a reader that ignores what it doesn't know
  goes on working.

So a later version may add a field that is not required, and nothing else that shows in the schema. What a rule demands of
a value (a pattern, a code list, a bound) is not in the schema: rules are tightened and relaxed, values keep their type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.model import FeedContract, FieldSpec
from warehouse.changeset import CHANGES, event_type

DRAFT = "http://json-schema.org/draft-07/schema#"

Schema = dict[str, Any]

_LINKS = {
    "moved_to": "The subject changed: the record goes on under this Kafka key / 主体变更：记录转到此 Kafka 键下",
    "moved_from": "The subject changed: the record came from this Kafka key / 主体变更：记录来自此 Kafka 键",
    "taken_down": "By a named person's order: remove what you have of the record / 由具名人员撤下：请清除已持有的该记录",
}
_SAID = {
    "recorded": ("is held for the first time, or again after it was withdrawn", "首次入库，或撤回后重新入库"),
    "corrected": ("replaces the revision before", "更正，取代前一修订"),
    "withdrawn": ("does not hold any more; the event has no record", "已撤回；事件不含记录内容"),
}


@dataclass(frozen=True, slots=True)
class Break:
    """One way in which a later version breaks the promise."""

    what: str  # member of the event's data, e.g. record.amount
    en: str
    zh: str


def schemas(contract: FeedContract) -> dict[str, Schema]:
    """The schema of each event of a feed, by CloudEvents type."""
    kind = event_type(contract.topic.name)
    return {f"{kind}.{change}": schema(contract, change) for change in CHANGES}


def schema(contract: FeedContract, change: str) -> Schema:
    """The schema of the events of one change."""
    kind = f"{event_type(contract.topic.name)}.{change}"
    en, zh = _SAID[change]
    made: Schema = {
        "$schema": DRAFT,
        "$id": f"urn:hub:event:{kind}:{contract.id}:{contract.version}",
        "title": f"{contract.name_zh} / {contract.name_en}: {change}",
        "description": f"A record {en} / {zh}",
        "type": "object",
        "properties": _head(contract, change),
        "required": ["feed", "contract", "key", "revision", "change", "batch", "row", "record_hash"],
        "x-hub-key": list(contract.key),
        "x-hub-kafka-key": contract.subject,
    }
    if change == "withdrawn":
        made["properties"]["moved_to"] = {"type": "string", "description": _LINKS["moved_to"]}
        made["properties"]["taken_down"] = {"const": True, "description": _LINKS["taken_down"]}
    else:
        made["properties"]["moved_from"] = {"type": "string", "description": _LINKS["moved_from"]}
    if contract.publish == "reference":
        made["properties"]["ask"] = {
            "type": "string",
            "pattern": "^/v1/feeds/",
            "description": "Where a reader with the right asks for the record / 有权读者按此路径申请查阅记录",
        }
        made["required"].append("ask")
    elif change != "withdrawn":
        made["properties"]["record"] = _record(contract)
        made["required"].append("record")
    return made


def breaks(old: FeedContract, new: FeedContract) -> list[Break]:
    """How a later version of a feed's contract breaks the promise; empty where it keeps it.

    A version that publishes on another topic breaks nothing: the old topic's events stay as they are.
    """
    if old.topic.name != new.topic.name:
        return []
    found: dict[str, Break] = {}
    before, after = schemas(old), schemas(new)
    for kind, was in before.items():
        for one in _broken(was, after[kind]):
            found.setdefault(one.what, one)
    return list(found.values())


def _head(contract: FeedContract, change: str) -> dict[str, Schema]:
    key = " | ".join(contract.key)
    return {
        "feed": {"const": contract.id, "description": "The feed / 数据源"},
        "contract": {"type": "string", "description": "Version of the contract it was loaded under / 入库时的契约版本"},
        "key": {"type": "string", "description": f"The record's key: {key} / 记录主键"},
        "revision": {
            "type": "integer",
            "minimum": 1,
            "description": "1, 2, 3 … for each key; a gap means an event that was not sent / 每个主键递增；缺号表示有事件未能发出",
        },
        "change": {"const": change, "description": "What happened / 变更类型"},
        "batch": {"type": "string", "description": "The batch that brought it / 所属批次"},
        "row": {"type": ["integer", "null"], "description": "Row of the delivery / 报送文件中的行号"},
        "record_hash": {
            "type": "string",
            "pattern": "^[0-9a-f]{64}$",
            "description": "SHA-256 of the canonical record, all its fields / 规范化记录（全部字段）的 SHA-256",
        },
    }


def _record(contract: FeedContract) -> Schema:
    published = [spec for spec in contract.fields if spec.published]
    return {
        "type": "object",
        "description": "The record's published fields / 记录的公开字段",
        "properties": {spec.name: _member(spec) for spec in published},
        # Every published field stands in a record, null where it has no value; but an event that was sent before an
        # optional field was added has no such member, and it must stay valid.
        "required": [spec.name for spec in published if spec.required],
    }


def _member(spec: FieldSpec) -> Schema:
    kind = "integer" if spec.type == "integer" else "boolean" if spec.type == "boolean" else "string"
    made: Schema = {"type": kind if spec.required else [kind, "null"]}
    match spec.type:
        case "decimal":
            whole = max(1, spec.precision - spec.scale)
            places = rf"\.[0-9]{{{spec.scale}}}" if spec.scale else ""
            made["pattern"] = rf"^-?[0-9]{{1,{whole}}}{places}$"
        case "date":
            made["format"] = "date"
        case "timestamp":
            made["format"] = "date-time"
        case _:
            pass
    title = spec.label_zh or spec.name
    made |= {"title": title, "description": spec.label_en or title}
    if spec.code_list:
        made["x-hub-code-list"] = spec.code_list
    return made


_SHOWS = ("type", "const", "format", "pattern", "minimum")


def _broken(was: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> Iterator[Break]:
    for name, en, zh in (
        ("x-hub-key", "the record's key changed", "记录主键改变"),
        ("x-hub-kafka-key", "the Kafka key changed, and with it the order", "Kafka 键改变，顺序随之改变"),
    ):
        if was.get(name) != now.get(name):
            yield Break(name, en, zh)
    known, later = was.get("properties", {}), now.get("properties", {})
    for name, before in known.items():
        what, after = f"{path}{name}", later.get(name)
        if after is None:
            yield Break(what, "it is gone", "该成员被删除")
            continue
        if any(before.get(word) != after.get(word) for word in _SHOWS):
            yield Break(what, f"it was {_words(before)} and is now {_words(after)}", "类型、形式或可空性改变")
        if "properties" in before or "properties" in after:
            yield from _broken(before, after, f"{what}.")
    for name in sorted(set(now.get("required", ())) - set(was.get("required", ()))):
        if name not in known:
            yield Break(
                f"{path}{name}",
                "it is new and required: events sent before don't have it",
                "新增且必填：此前的事件没有它",
            )


def _words(member: Mapping[str, Any]) -> str:
    said = [re.sub(r"[\[\]']", "", str(member[word])) for word in _SHOWS if word in member]
    return " ".join(said) or "anything"
