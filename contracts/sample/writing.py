"""The contract's text: what was guessed stands in it, and each guess is marked `review` with the reason beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.sample.guess import FieldGuess, Guessed

MARK = "review"
"""Begins every comment that a person confirms or corrects, and then takes away."""

_SPARE = 1.5  # of what the sample shows: how much worse a batch may be before a rule speaks


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """Where the feed will come from, as far as the sample tells."""

    connector: str
    place: str
    server: str
    form: str  # csv | tsv | xlsx | json | parquet: what `format` says
    options: Mapping[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """What the operator said of the feed."""

    feed: str
    domain: str
    owner: str
    name_en: str = ""
    name_zh: str = ""

    @property
    def thing(self) -> str:
        """What one record is, in the singular: the topic's last word."""
        words = self.feed.removeprefix(f"{self.domain}_")
        for plural, singular in (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("s", "")):
            if words.endswith(plural) and not words.endswith("ss"):
                return words.removesuffix(plural) + singular
        return words


def document(guessed: Guessed, source: SourceFacts, own: Identity, sha256: str) -> str:
    """The text of a contract that passes the lint and runs. No value of a personal column is in it."""
    lines = [*_head(guessed, own, sha256), *_custom(guessed, own), "", *_servers(source, own), "", "schema:"]
    lines += [
        f"- name: {_text(own.thing)}",
        f"  businessName: {_text(own.name_zh or '记录')}",
        f"  description: {_text(f'One {own.thing}'.replace('_', ' '))}",
        "  logicalType: object",
        "  properties:",
    ]
    for field in guessed.fields:
        lines += _field(guessed, field, own)
    lines += [*_quality(guessed), "", *_levels(), "", *_people(own)]
    return "\n".join(lines) + "\n"


def _head(guessed: Guessed, own: Identity, sha256: str) -> list[str]:
    name = own.name_en or own.feed.replace("_", " ").capitalize()
    return [
        f"# Written by `hub feed new` from a sample of {guessed.rows} rows, SHA-256 {sha256[:16]}.",
        f"# A line marked `{MARK}` is a guess: confirm or correct what follows it, then take the mark away.",
        f"# 带 `{MARK}` 的行是推断结果：请逐一确认或更正，然后删除该标记。",
        "apiVersion: v3.1.0",
        "kind: DataContract",
        f"id: {own.feed}",
        f"name: {_text(name)}",
        'version: "1.0.0"',
        "status: draft",
        f"domain: {own.domain}",
        "",
        "description:",
        *_review("what the feed is for, in both languages; name, owner, roles, team and support below"),
        f"  purpose: {_text(f'{name}: to be shared with those who supervise.')}",
        "",
    ]


def _custom(guessed: Guessed, own: Identity) -> list[str]:
    zh = own.name_zh or f"{own.feed} 数据"
    lines = [
        "customProperties:",
        _property("hub.name_zh", zh),
        _property("hub.purpose_zh", f"{zh}：供监督机关共享使用。"),
        _property("hub.owner", own.owner),
        _property("hub.subject", guessed.subject),
        _property("hub.topic", f"hub.{own.domain}.{own.thing}.v1"),
        *_review("does a delivery hold what changed (incremental) or everything (snapshot)?", 0),
        _property("hub.completeness", "incremental"),
        "- property: hub.gate",
        "  value:",
    ]
    if guessed.han:
        lines += _gate(
            "secrecy_mark",
            "secrecy",
            "refuse_row",
            {},
            ("含密级标识的行拒收", "A row with a secrecy mark is refused"),
        )
    if guessed.dropped:
        names = {"names": [field.header for field in guessed.dropped]}
        for field in guessed.dropped:
            lines += _review(f"{_shown(field.header)}: {'; '.join(field.notes)}", 2)
        words = ("不得采集的列予以剔除", "Columns that may not be kept are dropped")
        lines += _gate("personal_columns", "forbidden_field", "drop_field", names, words)
    words = ("个人号码予以遮蔽", "Personal numbers in texts are masked")
    return lines + _gate("personal_numbers", "personal_data", "mask", {"detect": list(guessed.detect)}, words)


def _gate(name: str, kind: str, action: str, args: Mapping[str, Any], words: tuple[str, str]) -> list[str]:
    zh, en = words
    head = f"  - {{id: {name}, kind: {kind}, action: {action}"
    more = "".join(f", {key}: {_value(value)}" for key, value in args.items())
    return [f"{head}{more}, zh: {_text(zh)}, en: {_text(en)}}}"]


def _servers(source: SourceFacts, own: Identity) -> list[str]:
    lines = ["servers:"]
    for note in source.notes:
        lines += _review(note, 0)
    lines += [
        f"- server: {source.server}",
        "  type: custom",
        f"  description: {_text(f'{own.owner}: as in the sample that the contract was written from')}",
    ]
    if source.form in ("csv", "tsv", "xlsx", "json", "parquet"):
        lines.append(f"  format: {source.form}")
    return [
        *lines,
        "  customProperties:",
        f"  {_property('hub.connector', source.connector)}",
        f"  {_property('hub.place', source.place)}",
        f"  {_property('hub.options', dict(source.options))}",
    ]


def _field(guessed: Guessed, field: FieldGuess, own: Identity) -> Iterator[str]:
    kind = field.type
    for note in field.notes:
        yield from _review(note, 2)
    yield f"  - name: {_text(field.name)}"
    yield f"    physicalName: {_text(field.header)}"
    yield f"    businessName: {_text(field.label_zh)}"
    yield f"    description: {_text(field.label_en)}"
    yield f"    logicalType: {'number' if kind.type == 'decimal' else kind.type}"
    if kind.type == "decimal":
        yield f'    physicalType: "decimal({kind.precision},{kind.scale})"'
    if field.name in guessed.key_names or field.name == guessed.subject:
        yield "    required: true"
    if field.name in guessed.key_names:
        yield "    primaryKey: true"
        yield f"    primaryKeyPosition: {guessed.key_names.index(field.name) + 1}"
    classification = "public" if own.owner == "public" and not field.personal.personal else field.classification
    yield f"    classification: {classification}"
    yield "    customProperties:"
    yield f"    {_property('hub.normalise', ['trim'])}"
    if kind.forms:
        yield f"    {_property('hub.forms', list(kind.forms))}"
    if kind.null_values:
        yield f"    {_property('hub.null_values', list(kind.null_values))}"
    if field.code_list:
        yield f"    {_property('hub.code_list', field.code_list)}"
    if field.unit:
        yield f"    {_property('hub.unit', field.unit)}"


def _quality(guessed: Guessed) -> Iterator[str]:
    yield "  quality:"
    for field in guessed.fields:
        if field.values:
            yield from _review("only a warning as long as nobody confirmed the codes", 2)
            words = (f"{field.label_zh}须为已知取值", f"{field.label_en} is one of the known values")
            body = {"kind": "enum", "fields": [field.name], "values": list(field.values)}
            yield from _rule(f"{field.name}_known"[:60], words, ("hub", "conformity", "warning"), body)
    for rule in _batch_rules(guessed):
        yield from rule


def _batch_rules(guessed: Guessed) -> Iterator[Iterator[str]]:
    """Five looks at the batch; the bounds come from the sample, with room."""
    key = guessed.key
    assert key is not None, "guess() raises where there is none"
    identical, conflicting = key.identical / guessed.rows, key.conflicting / guessed.rows
    gx = "great-expectations"
    words = ("批次不为空", "A delivery has rows")
    yield _rule("batch_not_empty", words, (gx, "coverage", "error"), {"kind": "row_count", "min": 1}, holds=True)
    words = ("重复与冲突的行有限", "Few rows repeat or contradict another")
    body: dict[str, Any] = {"kind": "duplicates", "max_identical": _bound(identical, 0.05)}
    body["max_conflicting"] = _bound(conflicting, 0.01)
    yield _rule("repeats_few", words, (gx, "uniqueness", "error"), body, holds=True)
    words = ("坏行占比有限", "Few rows break rules")
    body = {"kind": "bad_share", "max": _bound(conflicting, 0.05)}
    yield _rule("mostly_good", words, (gx, "accuracy", "error"), body, holds=True)
    must = {*guessed.key_names, guessed.subject}
    others = [field for field in guessed.fields if field.name not in must] or guessed.fields
    filled = min(others, key=lambda field: field.nulls)
    words = (f"{filled.label_zh}缺失率有限", f"{filled.label_en} is mostly there")
    body = {"kind": "null_share", "field": filled.name, "max": _bound(filled.nulls / guessed.rows, 0.05)}
    yield _rule(f"{filled.name}_mostly_there"[:60], words, (gx, "completeness", "warning"), body)
    coded = [field for field in guessed.fields if field.type.type in ("string", "boolean", "integer")]
    if coded:
        mixed = min(coded, key=lambda field: (field.distinct < 2, field.distinct))
        words = (f"{mixed.label_zh}分布不得突变", f"The mix of {mixed.label_en} does not jump")
        body = {"kind": "distribution_change", "field": mixed.name, "max": 0.5}
        yield _rule(f"{mixed.name}_mix_stable"[:60], words, (gx, "coverage", "warning"), body)


def _rule(
    name: str, words: tuple[str, str], place: tuple[str, str, str], body: Mapping[str, Any], *, holds: bool = False
) -> Iterator[str]:
    """One rule; `place` is its engine, dimension and severity."""
    (zh, en), (engine, dimension, severity) = words, place
    yield f"  - id: {_text(re.sub(r'_+$', '', name))}"
    yield f"    name: {_text(zh)}"
    yield f"    description: {_text(en)}"
    yield "    type: custom"
    yield f"    engine: {engine}"
    yield f"    dimension: {dimension}"
    yield f"    severity: {severity}"
    yield f"    implementation: {_value(dict(body))}"
    if holds:
        yield "    customProperties:"
        yield f"    {_property('hub.holds_batch', True)}"


def _levels() -> list[str]:
    kept = {"landing": 365, "core": 1825, "quarantine": 180, "outbox": 30, "receipts": 1825}
    lines = [
        "slaProperties:",
        *_review(
            "no schedule: it is taken by hand. A schedule needs freshness beside it; how long is each layer kept?", 0
        ),
    ]
    lines.append("- {property: latency, value: 60, unit: m}")
    return lines + [
        f"- {{property: retention, value: {days}, unit: d, element: {layer}}}" for layer, days in kept.items()
    ]


def _people(own: Identity) -> list[str]:
    return [
        "roles:",
        f"- {{role: {own.owner}_sender, access: push, description: Who sends the feed}}",
        f"- {{role: {own.domain}_reader, access: read, description: Who reads its topic}}",
        "",
        "team:",
        "  name: Operators of the hub / 枢纽运维",
        "",
        "support:",
        "- {channel: hub-operators, description: Held batches and changed headers}",
    ]


def _bound(seen: float, least: float) -> float:
    return min(1.0, max(least, round(seen * _SPARE, 4)))


def _review(note: str, indent: int = 2) -> list[str]:
    # One line, whatever the note quotes: a header may hold a line break.
    return [f"{' ' * indent}# {MARK}: {_shown(note)}"]


def _shown(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)[:300]


def _property(name: str, value: Any) -> str:
    return f"- {{property: {name}, value: {_value(value)}}}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)}: {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return _text(str(value))


def _key(key: str) -> str:
    return key if re.fullmatch(r"[a-z_]+", key) else _text(key)


def _text(text: str) -> str:
    """A text as YAML takes it for text and nothing else."""
    if re.fullmatch(r"[a-z][a-z0-9_]*", text) and text not in (
        "true",
        "false",
        "null",
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
    ):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(
        sign if sign.isprintable() else f"\\u{ord(sign):04x}" if ord(sign) < 0x10000 else f"\\U{ord(sign):08x}"
        for sign in quoted
    )
