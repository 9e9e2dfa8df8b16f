"""Every `hub.*` property a contract may carry: the one table that the lint and docs/contract-properties.md come from.

ODCS's own sections are used first; what is particular to the hub stands in `customProperties` under these names.
A property in another place, of another type, or of another name is a lint error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from contracts.normalise.registry import UNITS

Place = Literal["contract", "field", "server", "quality"]
Kind = Literal["text", "boolean", "integer", "texts", "map", "map_of_texts", "mapping", "mappings"]

PLACES: dict[Place, tuple[str, str]] = {
    "contract": ("the contract (top level)", "契约（顶层）"),
    "field": ("a field (schema property)", "字段（schema property）"),
    "server": ("a source (entry of servers)", "来源（servers 条目）"),
    "quality": ("a rule (entry of quality)", "规则（quality 条目）"),
}

KINDS: dict[Kind, tuple[str, str]] = {
    "text": ("text", "文本"),
    "boolean": ("true or false", "true 或 false"),
    "integer": ("whole number", "整数"),
    "texts": ("list of texts", "文本列表"),
    "map": ("mapping of text to text", "文本到文本的映射"),
    "map_of_texts": ("mapping of field to list of texts", "字段到文本列表的映射"),
    "mapping": ("mapping", "映射"),
    "mappings": ("list of mappings", "映射列表"),
}


@dataclass(frozen=True, slots=True)
class HubProperty:
    """One `hub.*` property."""

    name: str
    place: Place
    kind: Kind
    en: str
    zh: str
    example: Any
    required: bool = False
    default: str = ""
    values: tuple[str, ...] = ()  # of a text or of each text of a list: the only ones allowed
    names: Literal["", "field", "normalise step", "code list"] = ""  # what its texts (or keys) must exist as

    @property
    def key(self) -> tuple[str, str]:
        """Place and name: one name may stand in two places."""
        return self.place, self.name


# fmt: off
TABLE: tuple[HubProperty, ...] = (
    # --- contract
    HubProperty("hub.name_zh", "contract", "text", required=True,
        en="Chinese name; `name` is the English one.",
        zh="中文名称；`name` 为英文名称。",
        example="国库集中支付凭证"),
    HubProperty("hub.purpose_zh", "contract", "text", required=True,
        en="Purpose in Chinese; `description.purpose` is the English one.",
        zh="用途（中文）；`description.purpose` 为英文。",
        example="向监督机关共享支付凭证"),
    HubProperty("hub.limitations_zh", "contract", "text",
        en="Limitations in Chinese; `description.limitations` is the English one.",
        zh="使用限制（中文）；`description.limitations` 为英文。",
        example="不得用于其他目的"),
    HubProperty("hub.owner", "contract", "text", required=True,
        en="The sending agency's id, or `public` for published records.",
        zh="报送方标识；公开数据写 `public`。",
        example="finance_bureau"),
    HubProperty("hub.subject", "contract", "text", required=True, names="field",
        en="Field whose value is the Kafka key: who the record is about (the supervisee's USCC in the Chinese feeds).",
        zh="作为 Kafka 键的字段：被监督单位标识（中文数据源为统一社会信用代码）。",
        example="agency_uscc"),
    HubProperty("hub.source_version", "contract", "text", names="field",
        en="Field that orders the versions of one key; an older one never overwrites a newer one.",
        zh="决定同一主键各版本先后的字段；旧版本不会覆盖新版本。",
        example="updated_at"),
    HubProperty("hub.completeness", "contract", "text", default="incremental", values=("incremental", "snapshot"),
        en="`incremental`: a delivery holds changes; `snapshot`: it holds everything, a missing key is withdrawn.",
        zh="`incremental`：只含变化；`snapshot`：含全部记录，缺失的主键视为撤回。",
        example="incremental"),
    HubProperty("hub.cumulative", "contract", "boolean", default="false",
        en="The figures are running totals, not movements: said to readers of the contract, nothing is computed from it.",
        zh="数值为累计数而非发生数：仅向使用者说明，枢纽不据此计算。",
        example=True),
    HubProperty("hub.withdrawn_when", "contract", "map", names="field",
        en="Field values that withdraw the record, after normalisation.",
        zh="取以下值时视为撤回该记录（规范化之后）。",
        example={"is_deleted": "true"}),
    HubProperty("hub.cursor", "contract", "text", names="field",
        en="Field whose greatest value loaded is where the next pull begins.",
        zh="增量游标字段：下次从已入库的最大值开始。",
        example="updated_at"),
    HubProperty("hub.cursor_overlap", "contract", "text",
        en="How far a pull reaches back before the cursor: ISO 8601 duration or a number.",
        zh="每次回看的长度：ISO 8601 时长或数字。",
        example="PT10M"),
    HubProperty("hub.ignored", "contract", "texts",
        en="Delivered columns that are known and not taken; any other stranger is a problem.",
        zh="已知而不采用的列；其他未知列均报告。",
        example=["Hold1", "Hold2"]),
    HubProperty("hub.structure", "contract", "text",
        en="Structure file (SDMX-ML) a statistical source is checked against: a path below the source's place.",
        zh="统计数据结构文件（SDMX-ML）路径，位于来源地之下。",
        example="structure.xml"),
    HubProperty("hub.gate", "contract", "mappings", default="secrecy: refuse_row; personal_data: mask citizen numbers",
        en="What the gate does before anything is stored: `id`, `kind`, `action` (refuse_delivery, refuse_row, drop_field, mask), `fields` (none: all text fields), `zh`, `en` and the kind's own arguments. Of the kinds secrecy and personal_data there is always a rule: where the contract has none, the default.",
        zh="落地前闸口规则：`id`、`kind`、`action`（refuse_delivery、refuse_row、drop_field、mask）、`fields`（缺省为全部文本字段）、`zh`、`en` 及该种类的参数。secrecy 与 personal_data 两类必有规则：契约未写时用缺省规则。",
        example=[ { "id": "secrecy_mark", "kind": "secrecy", "action": "refuse_row", "zh": "含密级标识", "en": "carries a secrecy mark", } ]),
    HubProperty("hub.fix", "contract", "boolean", default="true",
        en="Whether an engineer may correct quarantined rows.",
        zh="是否允许工程师更正隔离行。",
        example=False),
    HubProperty("hub.topic", "contract", "text", required=True,
        en="Kafka topic: hub.<area>.<thing>[.<scope>].v<major>.",
        zh="Kafka 主题：hub.<领域>.<事物>[.<范围>].v<主版本>。",
        example="hub.finance.payment.v1"),
    HubProperty("hub.partitions", "contract", "integer", default="4",
        en="Partitions of the topic, 1 to 1000; fixed within a major version.",
        zh="主题分区数，1 至 1000；同一主版本内不变。",
        example=6),
    HubProperty("hub.topic_config", "contract", "map",
        en="Settings of the topic, as Kafka names them: cleanup.policy (compact only where the subject is the record key), retention.ms, retention.bytes, segment.ms, segment.bytes, delete.retention.ms, min.compaction.lag.ms, max.compaction.lag.ms.",
        zh="主题配置（Kafka 配置名）：cleanup.policy（仅当 subject 即记录主键时可用 compact）、retention.ms、retention.bytes、segment.ms、segment.bytes、delete.retention.ms、min.compaction.lag.ms、max.compaction.lag.ms。",
        example={"retention.ms": "604800000"}),
    HubProperty("hub.lane", "contract", "text", default="the topic's name",
        en="Lane that keeps order over several topics.",
        zh="跨主题保持顺序的通道。",
        example="finance"),
    HubProperty("hub.publish", "contract", "text", default="reference where a field is sealed, else full", values=("full", "reference"),
        en="`full`: events carry the record; `reference`: key, revision, hashes and where to ask.",
        zh="`full`：事件带记录内容；`reference`：只带主键、修订号、摘要与查询处。",
        example="reference"),
    HubProperty("hub.latency", "contract", "text", default="scheduled", values=("scheduled", "frequent", "immediate"),
        en="How the feed is taken in. `scheduled`: a run of Airflow by the schedule of slaProperties. `frequent`: for small feeds that come every few minutes; the worker takes them by the schedule in a warm process, and their DAG has one run an hour that tells what came. `immediate`: for feeds that are pushed; the worker takes each delivery as soon as it has landed.",
        zh="如何处理。`scheduled`：按 slaProperties 的计划由 Airflow 运行。`frequent`：用于每隔几分钟到达的小数据源，由常驻工作进程按计划处理，其 DAG 每小时运行一次并汇总所到数据。`immediate`：用于推送的数据源，每次交付落地后由常驻工作进程立即处理。",
        example="frequent"),
    HubProperty("hub.retries", "contract", "integer", default="2",
        en="How often a run is tried again after a transient error.",
        zh="瞬时错误的重试次数。",
        example=2),
    HubProperty("hub.retry_delay_seconds", "contract", "integer", default="30",
        en="Wait before the first retry.",
        zh="首次重试前等待秒数。",
        example=30),
    # --- field
    HubProperty("hub.aliases", "field", "texts",
        en="Further headers under which the field comes, from any source.",
        zh="该字段的其他列名（任何来源）。",
        example=["PayAmount"]),
    HubProperty("hub.forms", "field", "texts",
        en="Forms of dates, timestamps, numbers or truth values at the source, tried in order; `hub contract rules` lists them.",
        zh="来源的日期、时间、数字或真假值形式，依次尝试；见 `hub contract rules`。",
        example=["YYYYMMDD", "YYYY-MM-DD"]),
    HubProperty("hub.null_values", "field", "texts",
        en="Texts that mean `no value`; the empty text always does.",
        zh="表示“无值”的文本；空文本总是无值。",
        example=["00000000", "N/A"]),
    HubProperty("hub.normalise", "field", "texts", names="normalise step",
        en="Normalising steps, in order; each change is recorded.",
        zh="规范化步骤（依次）；每次改动都留痕。",
        example=["half_width", "trim"]),
    HubProperty("hub.code_map", "field", "map",
        en="Value at the source -> value here.",
        zh="来源取值 -> 本处取值。",
        example={"是": "true"}),
    HubProperty("hub.code_list", "field", "text", names="code list",
        en="List in contracts/codes the value must be in.",
        zh="取值须在 contracts/codes 的代码表内。",
        example="divisions"),
    HubProperty("hub.unit", "field", "text", values=tuple(UNITS),
        en="Unit of the amount as delivered; the record holds 元, or the currency's own unit.",
        zh="来源金额单位；入库一律为元（或该币种的基本单位）。",
        example="wan_yuan"),
    HubProperty("hub.publish_field", "field", "boolean", default="false for personal and sealed fields, else true",
        en="Whether the field stands in published events.",
        zh="该字段是否随事件发布。",
        example=False),
    # --- server
    HubProperty("hub.connector", "server", "text", required=True,
        en="Kind of source: file stem in connectors/.",
        zh="来源种类：connectors/ 下模块名。",
        example="sql_table"),
    HubProperty("hub.place", "server", "text", default="the server's name",
        en="Entry of the operator's list of places (host or root, with its secrets).",
        zh="运维登记的来源地（主机或根目录，密钥与之绑定）。",
        example="audit_office_db"),
    HubProperty("hub.options", "server", "mapping",
        en="What the connector takes; its module says it.",
        zh="连接器选项，见其模块说明。",
        example={"table": "problems"}),
    HubProperty("hub.aliases", "server", "map_of_texts", names="field",
        en="Field -> headers at this source alone.",
        zh="字段 -> 仅此来源的列名。",
        example={"amount": ["Amount", "Amount (£)"]}),
    HubProperty("hub.forms", "server", "map_of_texts", names="field",
        en="Field -> forms at this source alone.",
        zh="字段 -> 仅此来源的形式。",
        example={"paid_on": ["DD-Mon-YY"]}),
    HubProperty("hub.constants", "server", "map", names="field",
        en="Field -> raw value that every row of this source has.",
        zh="字段 -> 此来源每行的固定原值。",
        example={"body_name": "Oxford City Council"}),
    HubProperty("hub.ignored", "server", "texts",
        en="Columns of this source that are known and not taken.",
        zh="此来源已知而不采用的列。",
        example=["source_file"]),
    # --- quality
    HubProperty("hub.holds_batch", "quality", "boolean", default="false",
        en="A broken batch rule holds the whole batch until an operator decides.",
        zh="批次规则不通过时整批挂起，由具名人员决定。",
        example=True),
)
# fmt: on

BY_KEY: dict[tuple[str, str], HubProperty] = {entry.key: entry for entry in TABLE}


def at(place: Place) -> tuple[HubProperty, ...]:
    """The properties that may stand there, in table order."""
    return tuple(entry for entry in TABLE if entry.place == place)
