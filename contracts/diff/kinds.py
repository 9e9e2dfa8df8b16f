"""Every kind of change between two versions of a contract: whom it concerns and why it breaks them, or doesn't.

`breaks`: somebody who keeps to the old version is left without what it promised, so a new major version is due (or a
dated exception). `tightens`: rows that were taken may be quarantined; `loosens`: rows that were quarantined may be
taken; `adds`: there is more than before. Those three raise the minor version. `notes`: worth telling, nothing else.

Shape breaks, rules tighten: a rule that is sharpened quarantines rows that can be fixed and replayed, and subscribers
only ever see rows that keep the rules; a column that is refused stops every delivery.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Effect = Literal["breaks", "tightens", "loosens", "adds", "notes"]
Party = Literal["subscribers", "senders", "table", "operators", "readers"]

EFFECTS: dict[Effect, tuple[str, str]] = {
    "breaks": ("breaks", "破坏性"),
    "tightens": ("tightens", "收紧"),
    "loosens": ("loosens", "放宽"),
    "adds": ("adds", "新增"),
    "notes": ("notes", "提示"),
}

PARTIES: dict[Party, tuple[str, str]] = {
    "subscribers": ("subscribers", "订阅方"),
    "senders": ("senders", "报送方"),
    "table": ("the table", "数据表"),
    "operators": ("operators", "运维"),
    "readers": ("whoever reads the contract", "契约阅读者"),
}


@dataclass(frozen=True, slots=True)
class ChangeKind:
    """One kind of change. `en`/`zh` give the reason, whatever changed."""

    name: str
    effect: Effect
    party: Party
    en: str
    zh: str


def _kinds(*kinds: ChangeKind) -> dict[str, ChangeKind]:
    table = {kind.name: kind for kind in kinds}
    if len(table) != len(kinds):
        raise ValueError("two kinds of change have one name")
    return table


_K = ChangeKind

# fmt: off
KINDS: dict[str, ChangeKind] = _kinds(
    # --- the contract as a whole
    _K("feed_removed", "breaks", "subscribers", "the feed is gone: its topic gets no more events, its senders no answer", "数据源被移除：主题不再有事件，报送方不再得到处理"),
    _K("id_changed", "breaks", "subscribers", "another id is another feed: other table, other event ids, other place to push", "标识变更即另一数据源：表、事件标识和报送路径均不同"),
    _K("domain_changed", "breaks", "subscribers", "the domain stands in topic and event type", "领域出现在主题与事件类型中"),
    _K("version_fell", "breaks", "subscribers", "an older number on newer content: nobody can tell which version holds", "版本号倒退：无法判断以哪一版为准"),
    _K("status_changed", "notes", "readers", "the state of the contract changed", "契约状态变更"),
    _K("words_changed", "notes", "readers", "words for people changed, nothing else", "仅文字说明变更"),
    _K("owner_changed", "notes", "operators", "another agency answers for the feed", "报送责任机构变更"),
    _K("key_changed", "breaks", "table", "the key tells records apart: table, revisions and event ids rest on it", "主键变更：数据表、修订号与事件标识均以其为准"),
    _K("subject_changed", "breaks", "subscribers", "the Kafka key changes: events of one subject land on other partitions and lose their order", "Kafka 键变更：同一对象的事件落到其他分区，失去顺序"),
    _K("topic_changed", "breaks", "subscribers", "the old topic gets no more events", "原主题不再有新事件"),
    _K("partitions_changed", "breaks", "subscribers", "keys land on other partitions and lose their order", "分区数变更：键落到其他分区，失去顺序"),
    _K("topic_keeps_less", "breaks", "subscribers", "events go from the topic sooner than a reader that was away counts on", "主题保留变短：离线订阅方可能来不及读取"),
    _K("topic_config_changed", "notes", "operators", "settings of the topic change", "主题配置变更"),
    _K("lane_changed", "notes", "operators", "the topic goes by another lane; it moves when nothing waits", "主题改走另一通道，待发清空后生效"),
    _K("reader_removed", "breaks", "subscribers", "a role that could read the topic may no more", "原可读取主题的角色不再可读"),
    _K("reader_added", "adds", "subscribers", "one more role may read the topic", "新增可读取主题的角色"),
    _K("sender_removed", "breaks", "senders", "a role that could send may no more", "原可报送的角色不再可报送"),
    _K("sender_added", "adds", "senders", "one more role may send", "新增可报送的角色"),
    _K("publish_to_reference", "breaks", "subscribers", "events no longer carry the record", "事件不再携带记录内容"),
    _K("publish_to_full", "breaks", "subscribers", "events carry the record where they said where to ask for it: what was sent before has no record, and what comes has nothing to ask by", "事件改为携带记录内容，不再给出申请路径：此前的事件没有记录内容"),
    _K("completeness_changed", "breaks", "subscribers", "whether a missing record means withdrawal changes", "“缺失是否视为撤回”的含义变更"),
    _K("cumulative_changed", "breaks", "subscribers", "running totals and movements are different figures under one name", "累计数与发生数含义不同"),
    _K("source_version_changed", "breaks", "table", "versions on record can't be compared with those of another field", "已入库版本无法与另一字段的版本比较"),
    _K("withdrawn_when_changed", "breaks", "subscribers", "other values withdraw a record", "撤回条件变更"),
    _K("cursor_changed", "notes", "operators", "the saved cursor is of another field: reset it (`hub feed cursor`) before the next pull", "已存游标属于另一字段，下次拉取前请重置（`hub feed cursor`）"),
    _K("cursor_overlap_changed", "notes", "operators", "a pull reaches back further or less far", "回看长度变更"),
    _K("fix_changed", "notes", "operators", "whether engineers may correct rows changes", "是否允许修正隔离行变更"),
    _K("latency_changed", "notes", "operators", "when the feed is taken in changes", "处理时机变更"),
    _K("structure_changed", "tightens", "senders", "the source is checked against another structure", "来源按另一结构文件核对"),
    _K("schedule_changed", "notes", "operators", "the feed is pulled at other times", "拉取计划变更"),
    _K("service_level_changed", "notes", "operators", "freshness, latency or retries change", "时效、延迟或重试变更"),
    _K("retention_shortened", "notes", "operators", "a layer is kept for less time: what is past it goes at the next purge", "某层保留期缩短：超期数据将在下次清理时删除"),
    _K("retention_changed", "notes", "operators", "a layer is kept longer", "某层保留期延长"),
    # --- columns and sources
    _K("ignored_removed", "breaks", "senders", "a column that was known and passed over stops every delivery that has it", "原忽略的列不再忽略：含该列的报送整份无法读取"),
    _K("ignored_added", "loosens", "senders", "one more column is known and passed over", "新增忽略的列"),
    _K("source_removed", "breaks", "senders", "what this source sends is no longer taken", "该来源的报送不再接收"),
    _K("source_added", "adds", "senders", "the feed comes from one more source", "新增来源"),
    _K("source_moved", "notes", "operators", "another connector or place", "连接器或来源地变更"),
    _K("source_read_otherwise", "tightens", "senders", "deliveries are found or read otherwise (encoding, header, path …): plan shows what becomes of those that came", "读取方式变更（编码、表头、路径等），plan 显示对已到数据的影响"),
    _K("constant_changed", "breaks", "subscribers", "every record of the source gets another value", "该来源每条记录的固定值变更"),
    _K("header_removed", "breaks", "senders", "a header under which the field came is not understood any more", "字段原有列名不再识别"),
    _K("header_added", "loosens", "senders", "the field is understood under one more header", "字段新增可识别的列名"),
    # --- fields
    _K("field_removed", "breaks", "subscribers", "readers miss the field, deliveries that have its column are refused, and the table still has it", "订阅方缺少该字段，含该列的报送被拒，数据表仍有该列"),
    _K("field_added", "adds", "subscribers", "records have one more member", "记录新增字段"),
    _K("field_added_required", "breaks", "subscribers", "deliveries without the column are refused, and events and rows from before have no value for it", "缺少该列的报送被拒，此前的事件与已入库记录没有该值"),
    _K("field_added_required_inside", "breaks", "senders", "deliveries without the column are refused, and rows on record have no value for it; no event shows it", "缺少该列的报送被拒，已入库记录没有该值；事件不含该字段"),
    _K("field_moved", "notes", "readers", "the fields stand in another order", "字段顺序变更"),
    _K("field_type_changed", "breaks", "subscribers", "readers and the table hold another type", "类型变更：订阅方与数据表均不相容"),
    _K("field_precision_changed", "breaks", "table", "the table's column has another precision; amounts may not fit", "精度变更：与数据表列不符"),
    _K("field_made_required", "breaks", "subscribers", "rows without a value are quarantined now, a delivery without the column is refused, and events sent before say null where the schema allows none any more", "原可为空的值现被隔离，缺少该列的报送被拒；此前的事件含空值，与新模式不符"),
    _K("field_required_inside", "breaks", "senders", "rows without a value were taken and are quarantined now; a delivery without the column is refused; no event shows the field", "原可为空的值现被隔离，缺少该列的报送被拒；事件不含该字段"),
    _K("field_made_optional", "breaks", "subscribers", "readers that counted on a value meet null", "订阅方将遇到空值"),
    _K("field_optional_inside", "loosens", "senders", "an unpublished field may be empty", "未发布字段可为空"),
    _K("field_made_unique", "tightens", "senders", "rows that share a value are quarantined", "重复取值的行将被隔离"),
    _K("field_not_unique", "loosens", "subscribers", "values may repeat", "取值可以重复"),
    _K("field_unpublished", "breaks", "subscribers", "readers miss the field", "该字段不再随事件发布"),
    _K("field_published", "adds", "subscribers", "events carry the field now: was it sent for that?", "该字段开始随事件发布，请确认报送方知情"),
    _K("field_published_required", "breaks", "subscribers", "events carry the field now and the schema demands it, which those sent before don't have: publish it under another name, or let it be null", "该字段开始随事件发布且为必填，此前的事件没有它：请另立字段名，或允许为空"),
    _K("classification_lowered", "breaks", "senders", "what was sent under a stricter class may be shown more widely", "密级分类降低：以更严分类报送的数据可能被更广泛展示"),
    _K("classification_raised", "tightens", "readers", "the field is guarded more strictly", "分类提高"),
    _K("unit_changed", "breaks", "subscribers", "the same figure at the source becomes another amount", "单位变更：同一原值成为不同金额"),
    _K("code_map_changed", "breaks", "senders", "a value at the source becomes another one here, or none", "来源取值的对应关系变更或被删除"),
    _K("code_map_added", "loosens", "senders", "one more value at the source is understood", "新增可识别的来源取值"),
    _K("code_list_set", "tightens", "senders", "values must be in a (different) code list", "取值须在（另一）代码表内"),
    _K("code_list_dropped", "loosens", "subscribers", "values outside the list are taken", "不再限定代码表"),
    _K("codes_removed", "breaks", "subscribers", "events on the topic bear codes that nobody can look up any more, and rows that come with them are quarantined: leave the row in the list and mark it as not current", "主题上已有事件的代码将无从查考，带有这些代码的行将被隔离：请保留该代码并标为非现行"),
    _K("codes_removed_inside", "tightens", "senders", "rows that come with these codes are quarantined; no event bears them", "带有这些代码的行将被隔离；事件中不含这些代码"),
    _K("codes_added", "adds", "subscribers", "readers meet codes that they don't know; the promise says so: one takes them as unknown, and a list of one's own is due anew", "订阅方将遇到不认识的代码；承诺中已言明按“未知”处理，自存的代码表需更新"),
    _K("codes_ended", "tightens", "senders", "the codes are not current any more: rules on current codes quarantine rows with them, readers still look them up", "代码不再现行：要求现行代码的规则将隔离含其的行，订阅方仍可查考"),
    _K("codes_revived", "loosens", "senders", "the codes are current again", "代码恢复现行"),
    _K("code_words_changed", "notes", "readers", "codes are called otherwise; one that is to mean something else needs a code of its own", "代码名称变更；若含义不同，应另立代码"),
    _K("forms_removed", "breaks", "senders", "a form in which values came is not read any more", "原有写法不再识别"),
    _K("forms_added", "loosens", "senders", "one more form is read", "新增可识别的写法"),
    _K("forms_reordered", "breaks", "senders", "a text that fits two forms is read otherwise", "写法优先次序变更：两可的文本读法不同"),
    _K("null_values_removed", "breaks", "senders", "a text that meant no value is content now, or unreadable", "原表示空值的文本成为内容或无法读取"),
    _K("null_values_added", "loosens", "senders", "one more text means no value", "新增表示空值的文本"),
    _K("normalise_changed", "notes", "subscribers", "values are cleaned otherwise: records may come again as corrected", "规范化步骤变更：记录可能以更正形式重发"),
    # --- rules
    _K("rule_added", "tightens", "senders", "rows that break it are quarantined", "违反新规则的行将被隔离"),
    _K("rule_changed", "tightens", "senders", "it judges otherwise: plan shows which rows", "判定变更，plan 显示受影响的行"),
    _K("rule_removed", "loosens", "subscribers", "rows that broke it are taken", "原违反该规则的行将被接收"),
    _K("rule_to_error", "tightens", "senders", "what was counted is quarantined now", "由提示改为隔离"),
    _K("rule_to_warning", "loosens", "subscribers", "what was quarantined is only counted now", "由隔离改为提示"),
    _K("warning_changed", "notes", "readers", "a warning came, went or changed: no row is quarantined for it", "提示性规则变更，不影响入库"),
    _K("rule_words_changed", "notes", "readers", "the rule's words or dimension changed", "规则说明或维度变更"),
    _K("batch_rule_changed", "notes", "operators", "a rule over the batch came, went or changed", "批次规则新增、移除或变更"),
    _K("batch_rule_holds", "tightens", "senders", "a batch that breaks it is held until a person decides", "不通过的批次将被挂起"),
    _K("batch_rule_holds_no_more", "loosens", "subscribers", "a batch that breaks it is loaded all the same", "不通过的批次照常入库"),
    _K("gate_rule_added", "tightens", "senders", "more is refused, masked or dropped before anything is stored", "闸口新增拒收、遮蔽或剔除"),
    _K("gate_rule_widened", "tightens", "senders", "the rule looks for more", "闸口规则范围扩大"),
    _K("gate_rule_changed", "breaks", "senders", "what was kept out may come in and be published", "闸口规则变更：原被拦下的内容可能进入并发布"),
    _K("gate_rule_removed", "breaks", "senders", "what was kept out comes in and may be published", "闸口规则移除：原被拦下的内容将进入"),
)
# fmt: on
