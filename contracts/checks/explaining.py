"""What a rule id means, in words: for quarantine listings, receipts and the console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from contracts.checks.errors import RuleUnknown
from contracts.gate.registry import KINDS as GATE_KINDS
from contracts.gate.registry import NAME_RULE
from contracts.kinds import Kind
from contracts.model import BatchRule, FeedContract, GateRule, RowRule
from contracts.rules.registry import KINDS as ROW_KINDS
from contracts.rules.registry import OPERATORS
from contracts.suite.registry import KINDS as BATCH_KINDS
from hub.ids import RuleId

Lang = Literal["en", "zh"]

# Rules that follow from how records are made, not from a line of the contract: id -> (en, zh, remedy en, remedy zh).
_BUILT_IN = {
    "_row.malformed": (
        "the row could not be split into the columns of its file",
        "该行无法按文件的列拆分",
        "mind quotes, separators and line breaks within values, and send the row again",
        "请检查引号、分隔符和值内换行后重新报送",
    ),
    "_key.conflict": (
        "rows of one batch have the same key and different content",
        "同一批次内存在主键相同而内容不同的行",
        "say which of the rows is right, and send that one alone",
        "请确认正确的一行并仅报送该行",
    ),
    "_action.enum": (
        "the action on the record must be known (append, merge, replace, delete)",
        "记录操作须为已知取值（新增、合并、替换、删除）",
        "correct the action and send the row again",
        "请更正操作代码后重新报送",
    ),
    NAME_RULE: (
        "a citizen number stands in the name of a column, a sheet or the file",
        "列名、工作表名或文件名中含有居民身份证号",
        "send the file with its header row, and name files and sheets without personal numbers",
        "请报送带表头的文件，文件名和工作表名中请勿含个人号码",
    ),
    "_row.structure": (
        "the row does not follow the structure of its dataflow",
        "该行不符合数据流的结构定义",
        "correct the row against the structure message and send it again",
        "请对照数据结构定义更正后重新报送",
    ),
}
_TAKEN_DOWN = "_takedown."
_TAKEDOWN = (
    "the record was taken down by a named person (takedown {number}) and is not let in again until that is lifted",
    "该记录已由专人撤下（撤下编号 {number}），解除之前不再接收",
    "do not send it again; `hub takedown list` says who ordered it, `hub takedown lift` lets it in",
    "请勿再次报送；`hub takedown list` 可查看决定人，`hub takedown lift` 可解除",
)
_STRUCTURE = (
    "{field} must be what the structure of the dataflow allows",
    "{field}须符合数据流结构定义",
    "correct the value against the structure message and send the row again",
    "请对照数据结构定义更正后重新报送",
)
_INCOMPLETE = (
    "another row with the same {by} is quarantined, so the sum of the group can't be judged ({rule})",
    "{by}相同的另一行已被隔离，无法核对该组合计（{rule}）",
    "correct that row, and replay all rows of the group together",
    "请更正该行，并将同组各行一并重放",
)
_TYPES = {
    "string": ("text without NUL characters", "不含 NUL 字符的文本"),
    "integer": ("a whole number", "整数"),
    "decimal": (
        "a number with at most {scale} decimal places and {digits} digits before them",
        "数字（整数部分至多 {digits} 位，小数至多 {scale} 位）",
    ),
    "date": ("a date", "日期"),
    "timestamp": ("a time with its offset", "带时区的时间"),
    "boolean": ("true or false", "真假值"),
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """A rule in words. `sentence` is the rule itself or, where `fault`, what is wrong with a row that got it."""

    rule: str
    sentence: str
    remedy: str
    dimension: str
    severity: str
    lang: Lang = "en"
    fault: bool = False

    @property
    def broken(self) -> str:
        """What to say of a row that broke it: a rule alone, beside the row, would read as if it were kept."""
        if self.fault:
            return self.sentence
        return f"违反规则：{self.sentence}" if self.lang == "zh" else f"breaks the rule: {self.sentence}"

    def __str__(self) -> str:
        return self.sentence


def explain(contract: FeedContract, rule_id: str, lang: Lang = "en") -> Explanation:  # noqa: PLR0911
    """The sentence, remedy, dimension and severity of a row, batch or gate rule, in Chinese or English.

    The contract's own words come first, then those of the rule's kind. Raises RuleUnknown.
    """
    if rule_id in _BUILT_IN:
        words = _BUILT_IN[rule_id]
        dimension = "uniqueness" if rule_id == "_key.conflict" else "conformity"
        fault = rule_id != "_action.enum"
        return Explanation(rule_id, words[lang == "zh"], words[2 + (lang == "zh")], dimension, "error", lang, fault)
    if rule_id.startswith(_TAKEN_DOWN):
        sentence = _TAKEDOWN[lang == "zh"].format(number=rule_id.removeprefix(_TAKEN_DOWN))
        return Explanation(rule_id, sentence, _TAKEDOWN[2 + (lang == "zh")], "conformity", "error", lang, fault=True)
    for row in contract.row_rules:
        if row.id == rule_id:
            kind = ROW_KINDS[row.kind]
            return _explained(contract, row, kind, (row.fields, row.dimension, row.severity), lang)
    for batch in contract.batch_rules:
        if batch.id == rule_id:
            named = (str(batch.args["field"]),) if "field" in batch.args else ()
            return _explained(contract, batch, BATCH_KINDS[batch.kind], (named, batch.dimension, batch.severity), lang)
    for gate in contract.gate_rules:
        if gate.id == rule_id:
            return _explained(contract, gate, GATE_KINDS[gate.kind], (gate.fields, "conformity", "error"), lang)
    name, _, word = rule_id.rpartition(".")
    if word in {"type", "required", "code_map"} and any(spec.name == name for spec in contract.fields):
        return _implied(contract, name, word, lang)
    if word == "structure" and any(spec.name == name for spec in contract.fields):
        sentence = _STRUCTURE[lang == "zh"].format(field=_label(contract, name, lang))
        return Explanation(rule_id, sentence, _STRUCTURE[2 + (lang == "zh")], "conformity", "error", lang)
    return _incomplete(contract, rule_id, lang)


def _incomplete(contract: FeedContract, rule_id: str, lang: Lang) -> Explanation:
    """`<rule>.incomplete`: why a sound row waits. Its group can't be added up without a row that is quarantined."""
    name, _, word = rule_id.rpartition(".")
    rule = next((rule for rule in contract.row_rules if rule.id == name and rule.kind == "group_sum"), None)
    if rule is None or word != "incomplete":
        raise RuleUnknown(feed=contract.id, rule=rule_id)
    by = _list([_label(contract, field, lang) for field in rule.args["by"]], lang)
    sentence = _INCOMPLETE[lang == "zh"].format(by=by, rule=name)
    remedy = _INCOMPLETE[2 + (lang == "zh")]
    return Explanation(rule_id, sentence, remedy, rule.dimension, rule.severity, lang, fault=True)


def _implied(contract: FeedContract, name: str, word: str, lang: Lang) -> Explanation:
    """Rules that every field has: it must be readable, a key must be there, a code must be in its map."""
    rule_id = RuleId(f"{name}.{word}")
    if word == "code_map":
        rule = RowRule(rule_id, "enum", (name,), {"values": list(contract.field(name).code_map)})
    else:
        rule = RowRule(rule_id, word, (name,))
    dimension = "completeness" if word == "required" else "conformity"
    return _explained(contract, rule, ROW_KINDS[rule.kind], (rule.fields, dimension, "error"), lang)


def _explained(
    contract: FeedContract,
    rule: RowRule | BatchRule | GateRule,
    kind: Kind,
    about: tuple[Sequence[str], str, str],
    lang: Lang,
) -> Explanation:
    names, dimension, severity = about
    own = rule.label_zh if lang == "zh" else rule.label_en
    facts = _facts(contract, kind, names, rule.args, lang)
    sentence = own or (kind.zh if lang == "zh" else kind.en).format_map(facts)
    remedy = kind.remedy_zh if lang == "zh" else kind.remedy_en
    return Explanation(rule.id, sentence, remedy, dimension, severity, lang)


class _Facts(dict[str, str]):
    """What fills a sentence; an argument that was not given sets no limit."""

    def __init__(self, lang: Lang) -> None:
        super().__init__()
        self._none = "不限" if lang == "zh" else "any"

    def __missing__(self, key: str) -> str:
        return self._none


def _facts(contract: FeedContract, kind: Kind, names: Sequence[str], args: Mapping[str, Any], lang: Lang) -> _Facts:
    facts = _Facts(lang)
    labels = [_label(contract, name, lang) for name in names]
    facts["fields"] = _list(labels, lang)
    facts.update(zip(("first", "second"), labels, strict=False))
    for arg in kind.args:
        value = args.get(arg.name, arg.default)
        if value is None:
            continue
        if arg.type == "field":
            facts[arg.name] = _label(contract, value, lang)
        elif arg.type == "fields":
            facts[arg.name] = _list([_label(contract, name, lang) for name in value], lang)
        elif arg.type == "condition":
            facts[arg.name] = _condition(contract, value, lang)
        elif isinstance(value, list | tuple):
            facts[arg.name] = _list([str(item) for item in value[:20]] + ["…"] * (len(value) > 20), lang)
        else:
            facts[arg.name] = OPERATORS.get(value, str(value)) if arg.name == "op" else str(value)
    if kind.name == "type":
        spec = contract.field(names[0])
        words = _TYPES[spec.type][lang == "zh"]
        facts["type"] = words.format(scale=spec.scale, digits=spec.precision - spec.scale)
    return facts


def _label(contract: FeedContract, name: str, lang: Lang) -> str:
    for spec in contract.fields:
        if spec.name == name:
            return (spec.label_zh if lang == "zh" else "") or spec.name
    return name


def _list(items: Sequence[str], lang: Lang) -> str:
    return ("、" if lang == "zh" else ", ").join(items)


def _condition(contract: FeedContract, condition: Mapping[str, Any], lang: Lang) -> str:
    anything, nothing = ("任意值", "空") if lang == "zh" else ("any value", "no value")
    parts = []
    for name, wanted in condition.items():
        items = [wanted] if isinstance(wanted, str) else list(wanted)
        words = [anything if item == "*" else item or nothing for item in items]
        parts.append(f"{_label(contract, name, lang)} = {_list(words, lang)}")
    return (" 且 " if lang == "zh" else " and ").join(parts)
