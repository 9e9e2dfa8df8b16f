"""What the checks can meet in a delivery as a whole. Errors of single rows are verdicts, not exceptions."""

from __future__ import annotations

from hub.errors import AgencyError, HubError


class UnexpectedColumns(AgencyError):
    """A delivery has columns that the contract neither takes nor lists as ignored."""

    code = "HUB-CON-201"
    en = "{unit} of {feed} has columns that the contract does not know: {columns}"
    zh = "{feed} 的 {unit} 含有契约未约定的列：{columns}"
    remedy_en = "leave the columns out, or agree on them: a field, an alias, or hub.ignored in the contract"
    remedy_zh = "请删除这些列，或在契约中约定（字段、别名或 hub.ignored）"


class MissingColumns(AgencyError):
    """A delivery lacks columns of fields that must have a value."""

    code = "HUB-CON-202"
    en = "{unit} of {feed} lacks the columns of required fields: {columns}"
    zh = "{feed} 的 {unit} 缺少必填字段的列：{columns}"
    remedy_en = "send the columns; the headers that were delivered are: {delivered}"
    remedy_zh = "请补齐这些列；实际报送的列为：{delivered}"


class AmbiguousColumns(AgencyError):
    """Two columns of a delivery claim one field."""

    code = "HUB-CON-203"
    en = "{unit} of {feed} has more than one column for {field}: {columns}"
    zh = "{feed} 的 {unit} 有多列对应字段 {field}：{columns}"
    remedy_en = "send one column for the field"
    remedy_zh = "每个字段请只报送一列"


class HeaderClaimedTwice(HubError):
    """Two fields of a contract claim one header."""

    code = "HUB-CON-204"
    en = "in {feed}, the header {header} is claimed by two fields: {fields}"
    zh = "{feed} 中列名 {header} 同时属于两个字段：{fields}"
    remedy_en = "correct physicalName or hub.aliases in the contract"
    remedy_zh = "请更正契约中的 physicalName 或 hub.aliases"


class RuleNotRunnable(HubError):
    """A contract names a rule, step or form that no kernel can run."""

    code = "HUB-CON-205"
    en = "{feed}: {rule} can't be run: {reason}"
    zh = "{feed}：{rule} 无法执行：{reason}"
    remedy_en = "run `hub contract lint`; it names the line"
    remedy_zh = "请运行 `hub contract lint` 查看所在行"


class RuleUnknown(HubError):
    """A rule id that the contract does not have."""

    code = "HUB-CON-206"
    en = "{feed} has no rule {rule}"
    zh = "{feed} 没有规则 {rule}"
    remedy_en = "`hub contract show {feed}` lists the rules"
    remedy_zh = "`hub contract show {feed}` 列出全部规则"
