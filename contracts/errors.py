"""What can be wrong with a contract, each with its code, its place in the file and the remedy (HUB-CON-1xx).

    AgencyError
    ├── ContractInvalid       carries every problem of one file
    ├── ContractProblem       one problem at file:line:column; the leaves below
    └── FeedUnknown           no contract of that id
The code lists' own leaves stand in `contracts.rules.errors`.

The gate, the normaliser and the rule kernels keep their own leaves (HUB-CON-2xx) beside their code.
"""

from __future__ import annotations

from typing import Any, ClassVar

from hub.errors import AgencyError
from hub.said import Said


class ContractProblem(AgencyError):
    """One problem of a contract file. Facts: `file`, `line` and `column` (from 1), and those of the sentence."""

    code = "HUB-CON-100"
    en = "there is a problem in the contract: {what}"
    zh = "数据契约存在问题：{what}"
    remedy_en = "correct the contract"
    remedy_zh = "请更正数据契约"

    blocks: ClassVar[bool] = True
    """Whether the contract can't be used for it. What does not block is told by lint, and the feed runs."""

    @property
    def place(self) -> tuple[int, int]:
        """Line and column, from 1."""
        return int(self.facts.get("line", 1)), int(self.facts.get("column", 1))

    def __str__(self) -> str:
        line, column = self.place
        return f"{self.facts.get('file', '?')}:{line}:{column}: {self.code} {self.sentence()}"


class ContractInvalid(AgencyError):
    """A contract that can't be used; `problems` has all of them, by line."""

    code = "HUB-CON-101"
    en = "the contract {file} has {count} problem(s); the first is {first}"
    zh = "数据契约 {file} 有 {count} 处问题，首处：{first}"
    remedy_en = "correct every line that `hub contract lint {target}` names"
    remedy_zh = "请按 `hub contract lint {target}` 列出的各行更正"

    def __init__(self, **facts: Any) -> None:
        problems: list[ContractProblem] = facts.get("problems", [])
        if problems and "first" not in facts:
            line, column = problems[0].place
            first = Said(
                str(problems[0]), f"第 {line} 行第 {column} 列 {problems[0].code} {problems[0].sentence('zh')}"
            )
            facts |= {"count": len(problems), "first": first}
        if "target" not in facts:
            # What `hub contract lint` takes: the feed's id, or the whole path of a file that lies elsewhere.
            file = str(facts["file"])
            facts["target"] = file if file.startswith("/") else file.rsplit("/", 1)[-1].removesuffix(".odcs.yaml")
        self.problems = problems
        super().__init__(**facts)

    def as_dict(self) -> dict[str, Any]:
        """The error with each problem as a dictionary of its own."""
        shape = super().as_dict()
        shape["facts"] = {"file": self.facts["file"], "problems": [problem.as_dict() for problem in self.problems]}
        return shape


class FeedUnknown(AgencyError):
    """No contract of that id is on disk."""

    code = "HUB-CON-102"
    en = "there is no feed {feed}: {near}"
    zh = "没有名为 {feed} 的数据源：{near}"
    remedy_en = (
        "`hub contract list` shows the feeds there are; a feed is one file contracts/feeds/<domain>/<feed>.odcs.yaml"
    )
    remedy_zh = "`hub contract list` 列出现有数据源；每个数据源是一个文件 contracts/feeds/<domain>/<feed>.odcs.yaml"


class VersionReused(AgencyError):
    """Two contents go by one version of a contract: receipts and consumers can't tell them apart by it."""

    code = "HUB-CON-105"
    en = "the contract {feed} {version} was in use with another content: {changed} differ"
    zh = "数据契约 {feed} {version} 曾以另一内容使用：{changed} 不同"
    remedy_en = "give the changed contract the next version (a topic changes with the major one); receipts tell the two apart by their SHA-256"
    remedy_zh = "请为改动后的契约写上新的版本号（主版本变更时主题随之变更）；回执以 SHA-256 区分两者"


# --- the file itself ---------------------------------------------------------------------------------------------


class FileUnreadable(ContractProblem):
    """The file is missing, too large, or no UTF-8 text."""

    code = "HUB-CON-110"
    en = "the file can't be read: {reason}"
    zh = "文件无法读取：{reason}"
    remedy_en = "a contract is UTF-8 text without byte order mark, of at most 1 MiB, in a plain file"
    remedy_zh = "数据契约须为不带 BOM 的 UTF-8 普通文本文件，不超过 1 MiB"


class CharacterForbidden(ContractProblem):
    """A tab or control character."""

    code = "HUB-CON-111"
    en = "the character {character} may not stand in a contract"
    zh = "数据契约中不得出现字符 {character}"
    remedy_en = 'indent with spaces; write a delimiter as "\\t" within double quotes'
    remedy_zh = '请用空格缩进；分隔符请在双引号内写作 "\\t"'


class YamlBroken(ContractProblem):
    """Not YAML."""

    code = "HUB-CON-112"
    en = "this is no valid YAML: {reason}"
    zh = "不是有效的 YAML:{reason}"
    remedy_en = "correct the line; what follows it was not looked at"
    remedy_zh = "请更正此行；其后的内容尚未检查"


class YamlForbidden(ContractProblem):
    """A YAML feature that contracts do without: anchors, aliases, tags, merge keys, several documents."""

    code = "HUB-CON-113"
    en = "{feature} is not allowed in a contract"
    zh = "数据契约中不允许使用 {feature}"
    remedy_en = "write the value out"
    remedy_zh = "请直接写出取值"


class DuplicateKey(ContractProblem):
    """A mapping has one key twice; most readers lose the first silently."""

    code = "HUB-CON-114"
    en = "the key {key!r} stands twice; first in line {first_line}"
    zh = "键 {key!r} 重复出现，首次在第 {first_line} 行"
    remedy_en = "keep one of the two"
    remedy_zh = "请保留其一"


class Unquoted(ContractProblem):
    """A plain scalar that YAML readers take for a number, truth value, date or null where text is due."""

    code = "HUB-CON-115"
    en = "{text} is read as {meaning}, not as text"
    zh = "{text} 会被读作 {meaning}，而不是文本"
    remedy_en = 'put it in quotes: "{text}" (true, false, null and plain decimal numbers may stand without, where a number is due)'
    remedy_zh = '请加引号："{text}"（应为数值处的 true、false、null 与普通十进制数可不加）'


class TooDeep(ContractProblem):
    """Nested or repeated beyond any sensible contract."""

    code = "HUB-CON-116"
    en = "the document is {what}"
    zh = "文档{what}"
    remedy_en = "a contract nests at most 30 levels and holds at most 50,000 values"
    remedy_zh = "数据契约最多嵌套 30 层、最多 50,000 个值"


# --- ODCS ---------------------------------------------------------------------------------------------------------


class SchemaViolation(ContractProblem):
    """The official JSON Schema of ODCS says no."""

    code = "HUB-CON-120"
    en = "{where}: {reason}"
    zh = "{where}：不符合 ODCS 模式（{reason}）"
    remedy_en = (
        "docs/contract-properties.md shows a contract's sections; the standard is Open Data Contract Standard v3.1.0"
    )
    remedy_zh = "各节说明见 docs/contract-properties.md；标准为 Open Data Contract Standard v3.1.0"


class UnknownKey(ContractProblem):
    """A key that ODCS v3.1.0 does not have there."""

    code = "HUB-CON-121"
    en = "{where}: unknown key {key!r}{hint}"
    zh = "{where}：未知的键 {key!r}{hint}"
    remedy_en = "correct the spelling, or express it as a documented hub.* property"
    remedy_zh = "请更正拼写，或改用已说明的 hub.* 属性"


class WrongVersion(ContractProblem):
    """Another version of the standard."""

    code = "HUB-CON-122"
    en = "apiVersion is {found!r}; this hub reads v3.1.0"
    zh = "apiVersion 为 {found!r}；本枢纽读取 v3.1.0"
    remedy_en = "write apiVersion: v3.1.0 and use no later feature"
    remedy_zh = "请写 apiVersion: v3.1.0，且不使用更高版本的特性"


# --- the house's rules ----------------------------------------------------------------------------------------------


class UnknownProperty(ContractProblem):
    """A `hub.*` property that does not exist, or not in that place."""

    code = "HUB-CON-130"
    en = "unknown property {name!r} of {where}{hint}"
    zh = "{where} 不认识属性 {name!r}{hint}"
    remedy_en = "docs/contract-properties.md lists every hub.* property and where it may stand"
    remedy_zh = "全部 hub.* 属性及其位置见 docs/contract-properties.md"


class PropertyWrong(ContractProblem):
    """A `hub.*` property of the wrong type or value."""

    code = "HUB-CON-131"
    en = "{name}: {reason}"
    zh = "{name} 取值有误：{reason}"
    remedy_en = "docs/contract-properties.md says what {name} takes"
    remedy_zh = "{name} 的取值见 docs/contract-properties.md"


class Missing(ContractProblem):
    """Something a feed can't do without."""

    code = "HUB-CON-132"
    en = "{where} lacks {what}"
    zh = "{where}缺少 {what}"
    remedy_en = "add {what}: {why}"
    remedy_zh = "请补充 {what}：{why}"


class NameWrong(ContractProblem):
    """An id, file, field or topic that breaks the naming rules."""

    code = "HUB-CON-133"
    en = "{what} {name!r}: {reason}"
    zh = "{what} {name!r} 不合规：{reason}"
    remedy_en = "write it as stated here; docs/contract-properties.md has the rules of names"
    remedy_zh = "请照此改写；命名规则见 docs/contract-properties.md"


class ReferenceBroken(ContractProblem):
    """A name that should lead to a field, feed or code list, and leads nowhere."""

    code = "HUB-CON-134"
    en = "{where}: there is no {kind} {name!r}{hint}"
    zh = "{where}：没有名为 {name!r} 的 {kind}{hint}"
    remedy_en = "correct the name"
    remedy_zh = "请更正名称"


class RuleWithoutEngine(ContractProblem):
    """A rule that no engine of the hub can run. It is never skipped silently."""

    code = "HUB-CON-135"
    en = "{where}: no engine can run this rule: {reason}"
    zh = "{where}：没有引擎能够执行该规则：{reason}"
    remedy_en = "use type custom with engine hub (one row) or great-expectations (the batch) and a kind that `hub contract rules` lists"
    remedy_zh = "请使用 `type: custom`、`engine: hub`（单行）或 great-expectations（批次），种类见 `hub contract rules`"


class RuleWrong(ContractProblem):
    """A rule, gate rule or normalising step whose arguments do not fit."""

    code = "HUB-CON-136"
    en = "{where}: {reason}"
    zh = "{where}：规则有误：{reason}"
    remedy_en = "`hub contract rules` says what each kind takes"
    remedy_zh = "各种类的参数见 `hub contract rules`"


class FieldForbidden(ContractProblem):
    """A field on what nobody may be asked for: belief, opinion, private life, proposals of treatment."""

    code = "HUB-CON-137"
    en = "the field {field!r} asks for {what}, which the hub keeps of nobody"
    zh = "字段 {field!r} 涉及{what}，本枢纽不收集任何人的此类信息"
    remedy_en = "remove the field: {why}"
    remedy_zh = "请删除该字段：{why}"


class SecretInContract(ContractProblem):
    """A password, token or the like. The value is never repeated."""

    code = "HUB-CON-138"
    en = "{where} looks like a secret; a contract never holds one"
    zh = "{where} 疑似密钥；数据契约不得包含任何密钥"
    remedy_en = "remove it, change the secret, and let the operator bind the new one to the place in the list of places"
    remedy_zh = "请删除并更换该密钥，由运维人员在来源地清单中绑定新密钥"


class SqlInContract(ContractProblem):
    """SQL text. A contract names tables and fields, never a statement."""

    code = "HUB-CON-139"
    en = "{where} holds SQL; a contract names tables and fields only"
    zh = "{where} 含有 SQL；数据契约只能写表名与字段名"
    remedy_en = "name the table, or express the check as a rule of engine hub"
    remedy_zh = "请改为表名，或用 engine: hub 的规则表达"


class PatternWrong(ContractProblem):
    """A regular expression that RE2 (the engine of the kernels) does not compile."""

    code = "HUB-CON-140"
    en = "{where}: the pattern {pattern!r} is not valid: {reason}"
    zh = "{where}：正则表达式 {pattern!r} 无效：{reason}"
    remedy_en = "write it for RE2: no look-around, no back-references"
    remedy_zh = "请按 RE2 语法书写：不支持环视与反向引用"


class CronWrong(ContractProblem):
    """A schedule that is no cron expression."""

    code = "HUB-CON-141"
    en = "{where}: {schedule!r} is no cron expression: {reason}"
    zh = "{where}：{schedule!r} 不是有效的 cron 表达式：{reason}"
    remedy_en = "write five fields: minute, hour, day of month, month, day of week"
    remedy_zh = "请写五段：分 时 日 月 周"


class TypeWrong(ContractProblem):
    """A logical or physical type the hub has no column for."""

    code = "HUB-CON-142"
    en = "the field {field!r}: {reason}"
    zh = "字段 {field!r} 类型有误：{reason}"
    remedy_en = "logicalType is string, integer, number (with physicalType decimal(p,s)), date, timestamp or boolean"
    remedy_zh = "logicalType 可为 string、integer、number（须有 physicalType decimal（p,s））、date、timestamp、boolean"


class ConnectorOption(ContractProblem):
    """The connector does not take these options."""

    code = "HUB-CON-143"
    en = "{where}: {reason}"
    zh = "{where}：连接器选项有误：{reason}"
    remedy_en = "the connector's module in connectors/ says what it takes"
    remedy_zh = "可用选项见 connectors/ 下对应连接器的说明"


class ContractUnexamined(ContractProblem):
    """Reading the contract failed in a way that nobody foresaw. Its values are not repeated."""

    code = "HUB-CON-145"
    en = "the contract can't be read: {error} in {where}"
    zh = "数据契约无法读取：{where} 发生 {error}"
    remedy_en = "take out what is unusual in it until it reads; report the contract as a fault of the hub"
    remedy_zh = "请逐一去掉其中异常的内容直至可读，并将该契约作为枢纽缺陷上报"

    @classmethod
    def of(cls, file: str, error: BaseException) -> ContractUnexamined:
        """The problem of an exception: its kind and where it arose, not what it says."""
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        code = trace.tb_frame.f_code if trace is not None else None
        where = f"{code.co_filename.rsplit('/', 1)[-1]}, {code.co_name}" if code is not None else "?"
        return cls(file=file, line=1, column=1, error=type(error).__name__, where=where)


class AmountWrong(ContractProblem):
    """An amount in 元 without the name, the type or the unit that says so."""

    code = "HUB-CON-146"
    en = "the field {field!r}: an amount in 元 is called amount[_<of what>]_cny, is a decimal number and states its unit at the source"
    zh = "字段 {field!r}：以元计的金额应命名为 amount[_<何种>]_cny，为十进制数，并写明来源单位"
    remedy_en = (
        "write `name: amount_cny`, `logicalType: number`, `physicalType: decimal(18,2)` and "
        "`customProperties: [{{property: hub.unit, value: yuan}}]` (or qian_yuan, wan_yuan, million_yuan, yi_yuan, fen)"
    )
    remedy_zh = (
        "请写 `name: amount_cny`、`logicalType: number`、`physicalType: decimal(18,2)` 与 "
        "`customProperties: [{{property: hub.unit, value: yuan}}]`（或 qian_yuan、wan_yuan、million_yuan、yi_yuan、fen）"
    )


class GroupMaySplit(ContractProblem):
    """A sum over a group of rows that may come in different batches."""

    code = "HUB-CON-147"
    en = "{where}: the feed is pulled by a cursor, so rows of one group may come in different batches, and the sum is judged within a batch"
    zh = "{where}：该数据源按游标拉取，同组各行可能分属不同批次，而合计只在批次内核对"
    remedy_en = "make sure that the source changes the cursor field of all rows of a group together, or name the total's check at the source; this does not stop the feed"
    remedy_zh = "请确认来源会同时更新同组各行的游标字段，或在源头核对合计；此提示不妨碍数据源运行"
    blocks = False


class IdTaken(ContractProblem):
    """Two files of one name in different folders."""

    code = "HUB-CON-144"
    en = "the feed {feed} already is the contract {other}"
    zh = "数据源 {feed} 已由契约 {other} 定义"
    remedy_en = "rename one of the two files and its id"
    remedy_zh = "请为其中一个文件及其 id 改名"
