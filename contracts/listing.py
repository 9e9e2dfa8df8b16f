"""Contracts, kinds of rules and forms as rows and words, for the command line and the generated page."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from contracts.gate.registry import KINDS as GATE_KINDS
from contracts.kinds import Kind
from contracts.model import BatchRule, FeedContract, FieldSpec, RowRule
from contracts.normalise.registry import FORMS, STEPS
from contracts.rules.registry import KINDS as ROW_KINDS
from contracts.suite.registry import KINDS as BATCH_KINDS

ENGINES: tuple[tuple[str, dict[str, Kind]], ...] = (
    ("hub (one row)", ROW_KINDS),
    ("great-expectations (the batch)", BATCH_KINDS),
    ("hub.gate", GATE_KINDS),
    ("hub.normalise", STEPS),
)


def summary(contract: FeedContract) -> dict[str, Any]:
    """One line on a contract."""
    return {
        "feed": contract.id,
        "version": contract.version,
        "state": contract.status,
        "domain": contract.domain,
        "name_zh": contract.name_zh,
        "name_en": contract.name_en,
        "owner": contract.owner,
        "fields": len(contract.fields),
        "rules": len(contract.row_rules) + len(contract.batch_rules) + len(contract.gate_rules),
        "sources": [source.id for source in contract.sources],
        "topic": contract.topic.name,
        "publish": contract.publish,
        "path": contract.path,
        "sha256": contract.sha256,
    }


def document(contract: FeedContract) -> dict[str, Any]:
    """The whole contract as JSON-able data."""
    return asdict(contract)


def facts(contract: FeedContract) -> list[tuple[str, str]]:
    """What stands once in a contract: heading and text."""
    sla, topic = contract.sla, contract.topic
    found = [
        ("owner", contract.owner),
        ("key", ", ".join(contract.key)),
        ("subject", contract.subject),
        ("completeness", contract.completeness + (", running totals" if contract.cumulative else "")),
        ("topic", f"{topic.name} ({topic.partitions} partitions), published {_how(contract)}"),
        ("readers", ", ".join(topic.readers)),
        ("senders", ", ".join(contract.senders)),
        ("schedule", sla.schedule or "by hand or push"),
        ("freshness", f"{sla.freshness_hours:g} hours" if sla.freshness_hours else ""),
        ("kept", ", ".join(f"{layer} {days} days" for layer, days in sla.retention_days.items())),
        ("cursor", f"{contract.cursor} back {contract.cursor_overlap or 'nothing'}" if contract.cursor else ""),
        ("withdrawn", ", ".join(f"{name} = {value}" for name, value in contract.withdrawn_when.items())),
        ("support", contract.terms.get("support", "")),
        ("file", f"{contract.path} sha256 {contract.sha256[:12]}"),
    ]
    return [(heading, text) for heading, text in found if text]


def tables(contract: FeedContract) -> list[tuple[str, list[dict[str, str]]]]:
    """What repeats in a contract: title and rows."""
    return [
        ("sources", [_source(contract, place) for place in range(len(contract.sources))]),
        ("fields", [_field(spec) for spec in contract.fields]),
        ("row rules", [_rule(rule, ", ".join(rule.fields)) for rule in contract.row_rules]),
        ("batch rules", [_rule(rule, "holds the batch" if rule.gate else "") for rule in contract.batch_rules]),
        (
            "gate",
            [
                {
                    "rule": rule.id,
                    "kind": rule.kind,
                    "action": rule.action,
                    "fields": ", ".join(rule.fields) or "all text",
                }
                | {"zh": rule.label_zh, "en": rule.label_en}
                for rule in contract.gate_rules
            ],
        ),
    ]


def kinds() -> list[dict[str, str]]:
    """Every kind a contract may use, with its arguments and meaning; then the forms of values."""
    rows = [
        {
            "engine": engine,
            "kind": kind.name,
            "args": _arguments(kind),
            "fits": _fits(kind),
            "zh": kind.zh,
            "en": kind.en,
        }
        for engine, registry in ENGINES
        for kind in registry.values()
    ]
    seen: set[int] = set()
    for field_type, forms in FORMS.items():
        if id(forms) in seen:
            continue
        seen.add(id(forms))
        rows += [
            {"engine": "hub.forms", "kind": name, "args": "", "fits": field_type, "zh": zh, "en": en}
            for name, (en, zh) in forms.items()
        ]
    return rows


def _arguments(kind: Kind) -> str:
    return ", ".join(arg.name if arg.required else f"[{arg.name}]" for arg in kind.args)


def _fits(kind: Kind) -> str:
    return "" if kind.max_fields == 0 else ", ".join(sorted(kind.field_types))


def _how(contract: FeedContract) -> str:
    return "by reference only" if contract.publish == "reference" else "in full"


def _source(contract: FeedContract, place: int) -> dict[str, str]:
    source = contract.sources[place]
    options = ", ".join(f"{name}={value}" for name, value in source.options.items())
    return {"source": source.id, "connector": source.connector, "place": source.place, "options": options}


def _field(spec: FieldSpec) -> dict[str, str]:
    marks = [f"key {spec.key_position}" if spec.key_position else "", "required" if spec.required else ""]
    kind = f"decimal({spec.precision},{spec.scale})" if spec.type == "decimal" else spec.type
    return {
        "field": spec.name,
        "from": spec.source_name,
        "名称": spec.label_zh,
        "type": kind,
        "marks": ", ".join(mark for mark in marks if mark),
        "class": spec.classification + ("" if spec.published else ", not published"),
    }


def _rule(rule: RowRule | BatchRule, about: str) -> dict[str, str]:
    args = ", ".join(f"{name}={value}" for name, value in rule.args.items())
    return {"rule": rule.id, "kind": rule.kind, "about": about, "arguments": args, "severity": rule.severity}
