"""The contract as the hub uses it: frozen, typed, made only by `contracts.reader` or from the catalogue's cache.

An ODCS v3.1 document is the source; what each attribute is read from stands beside it. `hub.*` names are custom
properties (docs/contract-properties.md). Plain data: no I/O, and quick to import (DAG files do).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hub.ids import FeedId, PlaceId, RuleId

SUFFIX = ".odcs.yaml"  # of a contract's file; before it stands the feed's id

FieldType = Literal["string", "integer", "decimal", "date", "timestamp", "boolean"]
Severity = Literal["error", "warning"]
Publish = Literal["full", "reference"]
Completeness = Literal["incremental", "snapshot"]
GateAction = Literal["refuse_delivery", "refuse_row", "drop_field", "mask"]


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of the record: a schema property."""

    name: str  # snake_case
    label_zh: str  # businessName
    label_en: str  # description
    type: FieldType  # logicalType; number becomes decimal with physicalType decimal(p,s)
    precision: int = 38  # of a decimal
    scale: int = 0
    required: bool = False
    unique: bool = False
    key_position: int | None = None  # primaryKeyPosition, 1-based
    classification: str = "internal"  # public | internal | restricted | personal | sealed
    published: bool = True  # hub.publish_field; a reference feed publishes no field
    source_name: str = ""  # physicalName: the element's or column's name at the source
    aliases: tuple[str, ...] = ()  # hub.aliases: further headers under which the field comes
    forms: tuple[str, ...] = ()  # hub.forms: date, number or boolean forms, tried in order
    null_values: tuple[str, ...] = ()  # hub.null_values: texts that mean "no value"
    normalise: tuple[str, ...] = ()  # hub.normalise: steps in order, names in contracts.normalise
    code_map: Mapping[str, str] = field(default_factory=dict)  # hub.code_map: value at the source -> value here
    code_list: str | None = None  # hub.code_list: file stem in contracts/codes
    unit: str | None = None  # hub.unit: unit of the amount as delivered: yuan | wan_yuan | ...


@dataclass(frozen=True, slots=True)
class RowRule:
    """A rule that one row breaks or keeps. Implicit ones come from the field's own declarations."""

    id: RuleId
    kind: str  # name of a kernel in contracts.rules
    fields: tuple[str, ...]
    args: Mapping[str, Any] = field(default_factory=dict)
    severity: Severity = "error"
    dimension: str = "conformity"  # ODCS: accuracy completeness conformity consistency coverage timeliness uniqueness
    label_zh: str = ""
    label_en: str = ""


@dataclass(frozen=True, slots=True)
class BatchRule:
    """A rule over the batch as a whole, run by the Great Expectations suite."""

    id: RuleId
    kind: str  # name of a batch metric rule in contracts.suite
    args: Mapping[str, Any] = field(default_factory=dict)
    gate: bool = False  # a broken gate holds the whole batch
    severity: Severity = "error"
    dimension: str = "coverage"
    label_zh: str = ""
    label_en: str = ""


@dataclass(frozen=True, slots=True)
class GateRule:
    """What the gate does before anything is stored."""

    id: RuleId
    kind: str  # secrecy | subject_level | forbidden_field | personal_data
    action: GateAction
    fields: tuple[str, ...] = ()  # empty: all text fields
    args: Mapping[str, Any] = field(default_factory=dict)
    label_zh: str = ""
    label_en: str = ""


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """One place the feed comes from: an entry of `servers`. Two publishers of one feed are two sources."""

    id: str  # server
    connector: str  # hub.connector: file stem in connectors/, e.g. sql_table, http_json, file_drop, sdmx_csv
    place: PlaceId  # hub.place: entry of the operator's list of places; default: the server's id
    options: Mapping[str, Any] = field(
        default_factory=dict
    )  # hub.* of the server: table, path, glob, encoding, paging ...
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # hub.aliases: field -> headers here
    forms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # hub.forms: field -> forms here
    constants: Mapping[str, str] = field(default_factory=dict)  # hub.constants: field -> raw value for every row
    ignored: tuple[str, ...] = ()  # hub.ignored: delivered columns that are known and not taken

    @property
    def pushed(self) -> bool:
        """Whether it is the door: what comes from there is brought, so that there is no place to fetch it from."""
        return self.connector == "push"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """Where the feed's events go."""

    name: str  # hub.<area>.<thing>[.<scope>].v<major>
    partitions: int = 4
    config: Mapping[str, str] = field(default_factory=dict)  # retention.ms, cleanup.policy ...
    readers: tuple[str, ...] = ()  # roles with access: read
    lane: str = ""  # defaults to the topic's name


@dataclass(frozen=True, slots=True)
class Sla:
    """slaProperties: when it comes, how fresh it must be, how long it is kept."""

    schedule: str | None = None  # cron; None: only by hand or push
    freshness_hours: float | None = None
    latency_minutes: float | None = None
    retention_days: Mapping[str, int] = field(default_factory=dict)  # layer -> days
    retries: int = 2
    retry_delay_seconds: int = 30

    @property
    def run_minutes(self) -> float | None:
        """Within how long a run must be done so that what is promised can be kept: the shortest promise; None where none is."""
        fresh = None if self.freshness_hours is None else self.freshness_hours * 60
        return min((promise for promise in (self.latency_minutes, fresh) if promise is not None), default=None)


@dataclass(frozen=True, slots=True)
class FeedContract:
    """A feed, complete. `sha256` is of the file's bytes."""

    id: FeedId
    version: str
    status: str
    domain: str  # audit | finance | statistics | inspection | ...
    name_zh: str
    name_en: str
    purpose_zh: str
    purpose_en: str
    sha256: str
    path: str  # relative to the contracts folder
    owner: str  # AgencyId of the sender or "public"
    fields: tuple[FieldSpec, ...]
    row_rules: tuple[RowRule, ...]  # implicit ones first, in field order, then the explicit ones
    batch_rules: tuple[BatchRule, ...]
    gate_rules: tuple[GateRule, ...]
    sources: tuple[SourceSpec, ...]
    topic: TopicSpec
    sla: Sla
    key: tuple[str, ...]  # primary key fields in position order
    subject: str  # hub.subject: field whose value is the Kafka key
    publish: Publish = "full"
    completeness: Completeness = "incremental"
    cumulative: bool = False  # hub.cumulative: figures are running totals
    source_version: str | None = None  # hub.source_version: field that orders versions of one key
    withdrawn_when: Mapping[str, str] = field(default_factory=dict)  # hub.withdrawn_when: field -> value that withdraws
    cursor: str | None = None  # hub.cursor: field whose greatest value is the cursor
    cursor_overlap: str | None = None  # hub.cursor_overlap: e.g. "PT10M", "P1D", "100"
    fix_allowed: bool = True  # hub.fix: whether an engineer may correct quarantined rows
    latency: str = "scheduled"  # hub.latency: scheduled | frequent | immediate
    ignored: tuple[str, ...] = ()  # hub.ignored: unexpected columns that are known
    structure: str | None = None  # hub.structure: structure file a statistical source is checked against
    terms: Mapping[str, str] = field(default_factory=dict)  # words for the DAG page and docs, zh/en
    senders: tuple[str, ...] = ()  # roles with access: push

    def field(self, name: str) -> FieldSpec:
        """The field of that name. Raises KeyError."""
        for spec in self.fields:
            if spec.name == name:
                return spec
        raise KeyError(name)

    def source(self, source_id: str) -> SourceSpec:
        """The source of that id. Raises KeyError."""
        for spec in self.sources:
            if spec.id == source_id:
                return spec
        raise KeyError(source_id)
