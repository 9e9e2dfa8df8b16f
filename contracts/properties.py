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
    "contract": ("the contract (top level)", "契约(顶层)"),
    "field": ("a field (schema property)", "字段(schema property)"),
    "server": ("a source (entry of servers)", "来源(servers 条目)"),
    "quality": ("a rule (entry of quality)", "规则(quality 条目)"),
}

KINDS: dict[Kind, str] = {
    "text": "text",
    "boolean": "true or false",
    "integer": "whole number",
    "texts": "list of texts",
    "map": "mapping of text to text",
    "map_of_texts": "mapping of field to list of texts",
    "mapping": "mapping",
    "mappings": "list of mappings",
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


TABLE: tuple[HubProperty, ...] = (
    # --- contract: who and what
    HubProperty(
        "hub.name_zh",
        "contract",
        "text",
        "Chinese name; `name` is the English one.",
        "中文名称;`name` 为英文名称。",
        "国库集中支付凭证",
        required=True,
    ),
    HubProperty(
        "hub.purpose_zh",
        "contract",
        "text",
        "Purpose in Chinese; `description.purpose` is the English one.",
        "用途(中文);`description.purpose` 为英文。",
        "向监督机关共享支付凭证",
        required=True,
    ),
    HubProperty(
        "hub.limitations_zh",
        "contract",
        "text",
        "Limitations in Chinese; `description.limitations` is the English one.",
        "使用限制(中文);`description.limitations` 为英文。",
        "不得用于其他目的",
    ),
    HubProperty(
        "hub.owner",
        "contract",
        "text",
        "The sending agency's id, or `public` for published records.",
        "报送机构标识;公开数据写 `public`。",
        "finance_bureau",
        required=True,
    ),
    # --- contract: identity of records
    HubProperty(
        "hub.subject",
        "contract",
        "text",
        "Field whose value is the Kafka key: who the record is about (the supervisee's USCC in the Chinese feeds).",
        "作为 Kafka 键的字段:被监督单位标识(中文数据源为统一社会信用代码)。",
        "agency_uscc",
        required=True,
        names="field",
    ),
    HubProperty(
        "hub.source_version",
        "contract",
        "text",
        "Field that orders the versions of one key; an older one never overwrites a newer one.",
        "决定同一主键各版本先后的字段;旧版本不会覆盖新版本。",
        "updated_at",
        names="field",
    ),
    HubProperty(
        "hub.completeness",
        "contract",
        "text",
        "`incremental`: a delivery holds changes; `snapshot`: it holds everything, a missing key is withdrawn.",
        "`incremental`:只含变化;`snapshot`:含全部记录,缺失的主键视为撤回。",
        "incremental",
        default="incremental",
        values=("incremental", "snapshot"),
    ),
    HubProperty(
        "hub.cumulative",
        "contract",
        "boolean",
        "The figures are running totals, not movements.",
        "数值为累计数而非发生数。",
        True,
        default="false",
    ),
    HubProperty(
        "hub.withdrawn_when",
        "contract",
        "map",
        "Field values that withdraw the record, after normalisation.",
        "取以下值时视为撤回该记录(规范化之后)。",
        {"is_deleted": "true"},
        names="field",
    ),
    # --- contract: reading
    HubProperty(
        "hub.cursor",
        "contract",
        "text",
        "Field whose greatest value loaded is where the next pull begins.",
        "增量游标字段:下次从已入库的最大值开始。",
        "updated_at",
        names="field",
    ),
    HubProperty(
        "hub.cursor_overlap",
        "contract",
        "text",
        "How far a pull reaches back before the cursor: ISO 8601 duration or a number.",
        "每次回看的长度:ISO 8601 时长或数字。",
        "PT10M",
    ),
    HubProperty(
        "hub.ignored",
        "contract",
        "texts",
        "Delivered columns that are known and not taken; any other stranger is a problem.",
        "已知而不采用的列;其他未知列均报告。",
        ["Hold1", "Hold2"],
    ),
    HubProperty(
        "hub.structure",
        "contract",
        "text",
        "Structure file (SDMX-ML) a statistical source is checked against: a path below the source's place.",
        "统计数据结构文件(SDMX-ML)路径,位于来源地点之下。",
        "structure.xml",
    ),
    # --- contract: gate, fixing
    HubProperty(
        "hub.gate",
        "contract",
        "mappings",
        "What the gate does before anything is stored: `id`, `kind`, `action` (refuse_delivery, refuse_row, drop_field, mask), "
        "`fields` (none: all text fields), `zh`, `en` and the kind's own arguments.",
        "落地前闸口规则:`id`、`kind`、`action`(refuse_delivery、refuse_row、drop_field、mask)、`fields`(缺省为全部文本字段)、"
        "`zh`、`en` 及该种类的参数。",
        [
            {
                "id": "secrecy_mark",
                "kind": "secrecy",
                "action": "refuse_row",
                "zh": "含密级标识",
                "en": "carries a secrecy mark",
            }
        ],
    ),
    HubProperty(
        "hub.fix",
        "contract",
        "boolean",
        "Whether an engineer may correct quarantined rows.",
        "是否允许工程师更正隔离行。",
        False,
        default="true",
    ),
    # --- contract: publishing
    HubProperty(
        "hub.topic",
        "contract",
        "text",
        "Kafka topic: hub.<area>.<thing>[.<scope>].v<major>.",
        "Kafka 主题:hub.<领域>.<事物>[.<范围>].v<主版本>。",
        "hub.finance.payment.v1",
        required=True,
    ),
    HubProperty(
        "hub.partitions",
        "contract",
        "integer",
        "Partitions of the topic; fixed within a major version.",
        "主题分区数;同一主版本内不变。",
        6,
        default="4",
    ),
    HubProperty(
        "hub.topic_config",
        "contract",
        "map",
        "Settings of the topic, as Kafka names them.",
        "主题配置(Kafka 配置名)。",
        {"retention.ms": "604800000"},
    ),
    HubProperty(
        "hub.lane",
        "contract",
        "text",
        "Lane that keeps order over several topics.",
        "跨主题保持顺序的通道。",
        "finance",
        default="the topic's name",
    ),
    HubProperty(
        "hub.publish",
        "contract",
        "text",
        "`full`: events carry the record; `reference`: key, revision, hashes and where to ask.",
        "`full`:事件带记录内容;`reference`:只带主键、修订号、摘要与查询处。",
        "reference",
        default="reference where a field is sealed, else full",
        values=("full", "reference"),
    ),
    HubProperty(
        "hub.latency",
        "contract",
        "text",
        "`scheduled` by slaProperties, or `immediate` as soon as something arrives.",
        "`scheduled`:按计划;`immediate`:到达即处理。",
        "immediate",
        default="scheduled",
        values=("scheduled", "immediate"),
    ),
    HubProperty(
        "hub.retries",
        "contract",
        "integer",
        "How often a run is tried again after a transient error.",
        "瞬时错误的重试次数。",
        2,
        default="2",
    ),
    HubProperty(
        "hub.retry_delay_seconds",
        "contract",
        "integer",
        "Wait before the first retry.",
        "首次重试前等待秒数。",
        30,
        default="30",
    ),
    # --- field
    HubProperty(
        "hub.aliases",
        "field",
        "texts",
        "Further headers under which the field comes, from any source.",
        "该字段的其他列名(任何来源)。",
        ["PayAmount"],
    ),
    HubProperty(
        "hub.forms",
        "field",
        "texts",
        "Forms of dates, timestamps, numbers or truth values at the source, tried in order; `hub contract rules` lists them.",
        "来源的日期、时间、数字或真假值形式,依次尝试;见 `hub contract rules`。",
        ["YYYYMMDD", "YYYY-MM-DD"],
    ),
    HubProperty(
        "hub.null_values",
        "field",
        "texts",
        "Texts that mean `no value`; the empty text always does.",
        "表示“无值”的文本;空文本总是无值。",
        ["00000000", "N/A"],
    ),
    HubProperty(
        "hub.normalise",
        "field",
        "texts",
        "Normalising steps, in order; each change is recorded.",
        "规范化步骤(依次);每次改动都留痕。",
        ["half_width", "trim"],
        names="normalise step",
    ),
    HubProperty(
        "hub.code_map",
        "field",
        "map",
        "Value at the source -> value here.",
        "来源取值 -> 本处取值。",
        {"是": "true"},
    ),
    HubProperty(
        "hub.code_list",
        "field",
        "text",
        "List in contracts/codes the value must be in.",
        "取值须在 contracts/codes 的代码表内。",
        "divisions",
        names="code list",
    ),
    HubProperty(
        "hub.unit",
        "field",
        "text",
        "Unit of the amount as delivered; the record holds 元, or the currency's own unit.",
        "来源金额单位;入库一律为元(或该币种的基本单位)。",
        "wan_yuan",
        values=tuple(UNITS),
    ),
    HubProperty(
        "hub.publish_field",
        "field",
        "boolean",
        "Whether the field stands in published events.",
        "该字段是否随事件发布。",
        False,
        default="false for personal and sealed fields, else true",
    ),
    # --- server
    HubProperty(
        "hub.connector",
        "server",
        "text",
        "Kind of source: file stem in connectors/.",
        "来源种类:connectors/ 下模块名。",
        "sql_table",
        required=True,
    ),
    HubProperty(
        "hub.place",
        "server",
        "text",
        "Entry of the operator's list of places (host or root, with its secrets).",
        "运维登记的地点(主机或根目录,密钥与之绑定)。",
        "audit_office_db",
        default="the server's name",
    ),
    HubProperty(
        "hub.options",
        "server",
        "mapping",
        "What the connector takes; its module says it.",
        "连接器选项,见其模块说明。",
        {"table": "problems"},
    ),
    HubProperty(
        "hub.aliases",
        "server",
        "map_of_texts",
        "Field -> headers at this source alone.",
        "字段 -> 仅此来源的列名。",
        {"amount": ["Amount", "Amount (£)"]},
        names="field",
    ),
    HubProperty(
        "hub.forms",
        "server",
        "map_of_texts",
        "Field -> forms at this source alone.",
        "字段 -> 仅此来源的形式。",
        {"paid_on": ["DD-Mon-YY"]},
        names="field",
    ),
    HubProperty(
        "hub.constants",
        "server",
        "map",
        "Field -> raw value that every row of this source has.",
        "字段 -> 此来源每行的固定原值。",
        {"body_name": "Oxford City Council"},
        names="field",
    ),
    HubProperty(
        "hub.ignored",
        "server",
        "texts",
        "Columns of this source that are known and not taken.",
        "此来源已知而不采用的列。",
        ["source_file"],
    ),
    # --- quality
    HubProperty(
        "hub.holds_batch",
        "quality",
        "boolean",
        "A broken batch rule holds the whole batch until an operator decides.",
        "批次规则不通过时整批暂挂,由具名人员决定。",
        True,
        default="false",
    ),
)

BY_KEY: dict[tuple[str, str], HubProperty] = {entry.key: entry for entry in TABLE}


def at(place: Place) -> tuple[HubProperty, ...]:
    """The properties that may stand there, in table order."""
    return tuple(entry for entry in TABLE if entry.place == place)
