"""From a document that lint has passed to the model. No judging here: what is wrong was said before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from contracts.model import (
    BatchRule,
    Completeness,
    FeedContract,
    FieldSpec,
    GateAction,
    GateRule,
    Publish,
    RowRule,
    Severity,
    Sla,
    SourceSpec,
    TopicSpec,
)
from contracts.rules.registry import KINDS as ROW_KINDS
from contracts.suite.registry import KINDS as BATCH_KINDS
from contracts.view import View, implementation, map_of_texts, text_map, texts
from hub.ids import FeedId, PlaceId, RuleId

_SERVER_OWN = ("id", "server", "type", "description", "environment", "roles", "customProperties")
_GATE_OWN = ("id", "kind", "action", "fields", "zh", "en")
HOURS = {"m": 1 / 60, "min": 1 / 60, "minutes": 1 / 60, "h": 1.0, "hours": 1.0, "d": 24.0, "days": 24.0, "w": 168.0}
DAYS = {"d": 1, "days": 1, "w": 7, "m": 30, "months": 30, "y": 365, "years": 365}

STRICT = (
    GateRule(
        id=RuleId("_gate.secrecy"),
        kind="secrecy",
        action="refuse_row",
        label_zh="含密级标志的行拒收，文件带密级标志的整份拒收",
        label_en="a row with a secrecy mark is refused, a marked file as a whole",
    ),
    GateRule(
        id=RuleId("_gate.personal_data"),
        kind="personal_data",
        action="mask",
        label_zh="遮蔽居民身份证号",
        label_en="citizen identity numbers are masked",
    ),
)
"""What the gate does of its own accord: a contract that is silent is held to the strict form, never let through."""


def build(view: View, *, sha256: str, path: str) -> FeedContract:
    """The contract of a document without problems."""
    data = view.data
    own = view.hub(())
    fields = tuple(spec for _, spec in view.fields)
    classes = {spec.classification for spec in fields}
    publish = own.get("publish") or ("reference" if "sealed" in classes else "full")
    keys = sorted((spec for spec in fields if spec.key_position), key=lambda spec: spec.key_position or 0)
    roles = [entry for _, entry in view.mappings(("roles",))]
    return FeedContract(
        id=FeedId(view.id),
        version=str(data["version"]),
        status=str(data.get("status", "active")),
        domain=str(data["domain"]),
        name_zh=own["name_zh"],
        name_en=str(data["name"]),
        purpose_zh=own["purpose_zh"],
        purpose_en=view.text(("description", "purpose")),
        sha256=sha256,
        path=path,
        owner=own["owner"],
        fields=fields,
        row_rules=(*implicit_rules(view), *_row_rules(view)),
        batch_rules=tuple(_batch_rules(view)),
        gate_rules=gate_rules(own.get("gate")),
        sources=tuple(source(view, path_, entry) for path_, entry in view.mappings(("servers",))),
        topic=TopicSpec(
            name=own["topic"],
            partitions=int(own.get("partitions", 4)),
            config=text_map(own.get("topic_config")),
            readers=tuple(entry["role"] for entry in roles if entry.get("access") == "read"),
            lane=own.get("lane") or own["topic"],
        ),
        sla=_sla(view, own),
        key=tuple(spec.name for spec in keys),
        subject=own["subject"],
        publish=cast(Publish, publish),
        completeness=cast(Completeness, own.get("completeness", "incremental")),
        cumulative=bool(own.get("cumulative", False)),
        source_version=own.get("source_version"),
        withdrawn_when=text_map(own.get("withdrawn_when")),
        cursor=own.get("cursor"),
        cursor_overlap=own.get("cursor_overlap"),
        fix_allowed=bool(own.get("fix", True)),
        latency=own.get("latency", "scheduled"),
        ignored=texts(own.get("ignored")),
        structure=own.get("structure"),
        terms=_terms(view, own),
        senders=tuple(entry["role"] for entry in roles if entry.get("access") == "push"),
    )


def implicit_rules(view: View) -> list[RowRule]:
    """The rules that follow from the fields' own declarations, in field order."""
    found: list[RowRule] = []

    def add(spec: FieldSpec, kind: str, dimension: str, **args: Any) -> None:
        found.append(RowRule(RuleId(f"{spec.name}.{kind}"), kind, (spec.name,), args, "error", dimension))

    for path, spec in view.fields:
        if spec.type != "string":
            add(spec, "type", "conformity")
        if spec.required:
            add(spec, "required", "completeness")
        if spec.unique:
            add(spec, "unique", "uniqueness")
        options = view.document.get((*path, "logicalTypeOptions"))
        for kind, args in _option_rules(options if isinstance(options, dict) else {}):
            add(spec, kind, "conformity", **args)
        if spec.code_list:
            add(spec, "code_list", "conformity", list=spec.code_list)
        for _, relation in view.mappings((*path, "relationships")):
            target = relation.get("to")
            feed, field = reference(target if isinstance(target, str) else "")
            if feed:
                add(spec, "reference_feed", "consistency", feed=feed, field=field)
    return found


def _option_rules(options: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    if "pattern" in options:
        found.append(("pattern", {"pattern": options["pattern"]}))
    length = {arg: options[name] for name, arg in (("minLength", "min"), ("maxLength", "max")) if name in options}
    if length:
        found.append(("length", length))
    bounds: dict[str, Any] = {}
    for name, arg, exclusive in (
        ("minimum", "min", None),
        ("exclusiveMinimum", "min", "exclusive_min"),
        ("maximum", "max", None),
        ("exclusiveMaximum", "max", "exclusive_max"),
    ):
        if name in options:
            bounds[arg] = options[name]
            if exclusive:
                bounds[exclusive] = True
    if bounds:
        found.append(("range", bounds))
    return found


def reference(target: str) -> tuple[str, str]:
    """Feed and field of a relationship's `to`: `feed.field` or `feed.odcs.yaml#/schema/x/properties/field`."""
    if "#" in target:
        file, _, inner = target.partition("#")
        parts = inner.strip("/").split("/")
        if len(parts) == 4 and parts[0] == "schema" and parts[2] == "properties":
            return file.rsplit("/", 1)[-1].split(".", 1)[0], parts[3]
        return "", ""
    feed, _, field = target.partition(".")
    return (feed, field) if field and "." not in field else ("", "")


def _row_rules(view: View) -> list[RowRule]:
    found = []
    for _, entry, standing in view.rules():
        if entry.get("engine") != "hub":
            continue
        kind, named, args = implementation(entry)
        fields = named if named is not None else ((standing,) if standing else _named_by(kind, args))
        found.append(
            RowRule(
                id=RuleId(entry["id"]),
                kind=kind,
                fields=fields,
                args=args,
                severity=cast(Severity, entry.get("severity", "error")),
                dimension=entry.get("dimension", "conformity"),
                label_zh=entry.get("name", ""),
                label_en=entry.get("description", ""),
            )
        )
    return found


def _named_by(kind: str, args: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields that a rule which stands on none names in its arguments."""
    wanted = [arg for arg in ROW_KINDS[kind].args if arg.type in ("field", "fields") and arg.name in args]
    named = (texts(args[arg.name]) if arg.type == "fields" else (str(args[arg.name]),) for arg in wanted)
    return tuple(dict.fromkeys(name for names in named for name in names))


def _batch_rules(view: View) -> list[BatchRule]:
    found = []
    for path, entry, standing in view.rules():
        if entry.get("engine") != "great-expectations":
            continue
        kind, _, args = implementation(entry)
        found.append(
            BatchRule(
                id=RuleId(entry["id"]),
                kind=kind,
                args=with_field(kind, args, standing),
                gate=view.hub(path).get("holds_batch") is True,
                severity=cast(Severity, entry.get("severity", "error")),
                dimension=entry.get("dimension", "coverage"),
                label_zh=entry.get("name", ""),
                label_en=entry.get("description", ""),
            )
        )
    return found


def with_field(kind: str, args: dict[str, Any], standing: str | None) -> dict[str, Any]:
    """The arguments of a batch rule; one that stands at a field is about that field."""
    wants = kind in BATCH_KINDS and any(arg.name == "field" for arg in BATCH_KINDS[kind].args)
    return {"field": standing, **args} if standing and wants else args


def gate_args(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The kind's own arguments of an entry of `hub.gate`."""
    return {name: value for name, value in entry.items() if name not in _GATE_OWN}


def gate_rules(entries: Any) -> tuple[GateRule, ...]:
    """The rules of `hub.gate`, and the strict ones of the kinds that no contract goes without where it has none."""
    stated = tuple(
        GateRule(
            id=RuleId(entry["id"]),
            kind=entry["kind"],
            action=cast(GateAction, entry["action"]),
            fields=texts(entry.get("fields")),
            args=gate_args(entry),
            label_zh=entry.get("zh", ""),
            label_en=entry.get("en", ""),
        )
        for entry in entries or ()
    )
    kinds = {rule.kind for rule in stated}
    return (*stated, *(rule for rule in STRICT if rule.kind not in kinds))


def source(view: View, path: tuple[str | int, ...], entry: Mapping[str, Any]) -> SourceSpec:
    """The source that an entry of `servers` with a name and a connector describes."""
    own = view.hub(path)
    options = {name: value for name, value in entry.items() if name not in _SERVER_OWN}
    given = own.get("options")
    options.update(given if isinstance(given, dict) else {})
    return SourceSpec(
        id=entry["server"],
        connector=own["connector"],
        place=PlaceId(own.get("place") or entry["server"]),
        options=options,
        aliases=map_of_texts(own.get("aliases")),
        forms=map_of_texts(own.get("forms")),
        constants=text_map(own.get("constants")),
        ignored=texts(own.get("ignored")),
    )


def _sla(view: View, own: Mapping[str, Any]) -> Sla:
    schedule: str | None = None
    freshness: float | None = None
    latency: float | None = None
    retention: dict[str, int] = {}
    for _, entry in view.mappings(("slaProperties",)):
        word, value, unit = entry.get("property"), entry.get("value"), str(entry.get("unit", "d"))
        if word == "frequency":
            schedule = entry.get("schedule")
        elif word == "freshness":
            freshness = float(cast(float, value)) * HOURS[unit]
        elif word == "latency":
            latency = float(cast(float, value)) * HOURS[unit] * 60
        elif word == "retention":
            retention[str(entry["element"])] = int(cast(int, value)) * DAYS[unit]
    return Sla(
        schedule=schedule,
        freshness_hours=freshness,
        latency_minutes=latency,
        retention_days=retention,
        retries=int(own.get("retries", 2)),
        retry_delay_seconds=int(own.get("retry_delay_seconds", 30)),
    )


def _terms(view: View, own: Mapping[str, Any]) -> dict[str, str]:
    """Words for the DAG page and the docs."""
    channel = next(iter(view.mappings(("support",))), ((), {}))[1]
    words = {
        "usage_en": view.text(("description", "usage")),
        "limitations_en": view.text(("description", "limitations")),
        "limitations_zh": str(own.get("limitations_zh", "")),
        "granularity_en": view.text(("schema", 0, "dataGranularityDescription")),
        "team": view.text(("team", "name")),
        "support": str(channel.get("url") or channel.get("channel") or ""),
    }
    return {name: text for name, text in words.items() if text}
