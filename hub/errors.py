"""The error tree: who must act, a stable code, the facts, one sentence with the remedy.

    HubException
    ├── AgencyError      the sender's side must act (bad data, bad contract, bad credentials)
    ├── HubError         our side must act (settings, operators, a part in a wrong state, a bug)
    └── TransientError   nobody must act yet: trying again may help; the only class that is retried

Each package keeps its leaves in `<package>/errors.py`. A leaf states `code` (HUB-<AREA>-<nnn>, never reused),
`en` and `zh` (sentences with `{facts}`), `remedy_en` and `remedy_zh`. Facts are attributes; they never hold
a secret or a personal value. A fact that is prose is a `hub.said.Said`, so that each sentence is of one language.
"""

from __future__ import annotations

from typing import Any, ClassVar

from hub.said import Said, zh


class HubException(Exception):
    """Root of all errors the hub raises on purpose.

    Leaves are raised with their facts as keywords: `raise PortTaken(port=9092)`. A missing fact is a bug in
    the raising code and surfaces as KeyError at once, so that no half-filled sentence is shown.
    """

    code: ClassVar[str] = "HUB-HUB-000"
    en: ClassVar[str] = "something failed"
    zh: ClassVar[str] = "操作失败"
    remedy_en: ClassVar[str] = "read the log"
    remedy_zh: ClassVar[str] = "请查看日志"
    side: ClassVar[str] = "hub"
    exit_code: ClassVar[int] = 3

    def __init__(self, **facts: Any) -> None:
        self.facts: dict[str, Any] = facts
        for name, value in facts.items():
            setattr(self, name, value)
        super().__init__(self.sentence())

    def sentence(self, lang: str = "en") -> str:
        """What happened, in `en` or `zh`, with the facts filled in."""
        return (self.zh if lang == "zh" else self.en).format(**self._told(lang))

    def remedy(self, lang: str = "en") -> str:
        """What to do about it, in `en` or `zh`."""
        return (self.remedy_zh if lang == "zh" else self.remedy_en).format(**self._told(lang))

    def as_dict(self) -> dict[str, Any]:
        """The error as JSON-able facts, the shape that every `--json` output and log line uses."""
        return {
            "code": self.code,
            "side": self.side,
            "error": self.sentence(),
            "error_zh": self.sentence("zh"),
            "remedy": self.remedy(),
            "remedy_zh": self.remedy("zh"),
            "facts": {name: _plain(value) for name, value in self.facts.items()} | self._in_chinese(),
        }

    def _told(self, lang: str) -> dict[str, Any]:
        return {name: zh(value) for name, value in self.facts.items()} if lang == "zh" else self.facts

    def _in_chinese(self) -> dict[str, Any]:
        """The facts that are said in both languages, once more: `reason` and beside it `reason_zh`."""
        return {f"{name}_zh": value.zh for name, value in self.facts.items() if isinstance(value, Said)}

    def __reduce__(self) -> tuple[Any, ...]:
        # Facts are keywords; the default pickling passes positional args and would lose them between processes.
        return (_rebuild, (type(self), self.facts))


class AgencyError(HubException):
    """The sending agency's side must act; never retried."""

    side = "agency"
    exit_code = 1


class HubError(HubException):
    """The hub's side must act; never retried."""

    side = "hub"
    exit_code = 3


class TransientError(HubException):
    """Trying again may help; the class that callers retry."""

    side = "transient"
    exit_code = 4


class SettingMissing(HubError):
    """A setting without which the command can't work is absent: no stack is up, and none elsewhere is named."""

    code = "HUB-SET-001"
    en = "the setting {setting} is not set"
    zh = "未设置 {setting}"
    remedy_en = "`hub stack up` starts what is needed here and sets it; for one that runs elsewhere set the environment variable {setting} (docs/settings.md)"
    remedy_zh = (
        "请运行 `hub stack up`：启动本机组件并自动设置；使用别处的组件时请设置环境变量 {setting}（见 docs/settings.md）"
    )


class SettingInvalid(HubError):
    """A setting has a value that can't be used."""

    code = "HUB-SET-002"
    en = "the setting {setting} can't be used: {reason}"
    zh = "设置 {setting} 无法使用：{reason}"
    remedy_en = "correct {setting}; docs/settings.md says what it takes"
    remedy_zh = "请更正 {setting}；取值说明见 docs/settings.md"


class DiskFull(TransientError):
    """There is no room left to write to."""

    code = "HUB-DSK-001"
    en = "no room is left on the disk: {reason} at {place}"
    zh = "磁盘空间不足：{place} 处 {reason}"
    remedy_en = (
        "make room, or point HUB_VAR at a larger disk, and run again: nothing is lost; `hub doctor` shows the room"
    )
    remedy_zh = "请清理磁盘或将 HUB_VAR 指向更大的磁盘后重试：数据未丢失；`hub doctor` 显示剩余空间"


class CommandUnknown(HubError):
    """A command module on disk doesn't expose what the command line needs."""

    code = "HUB-CLI-001"
    en = "the command module {module} can't be used: {reason}"
    zh = "命令模块 {module} 无法使用：{reason}"
    remedy_en = "give {module} a module-level `app = typer.Typer(...)`; see CONTRIBUTING.md"
    remedy_zh = "请在 {module} 中定义 `app = typer.Typer(...)`，见 CONTRIBUTING.md"


class UsageError(HubError):
    """The command line was not used as it is meant; nothing was done."""

    exit_code = 2


class CommandNotFound(UsageError):
    """No command has this name."""

    code = "HUB-CLI-002"
    en = "`{parent}` has no command {given}: {near}"
    zh = "`{parent}` 没有命令 {given}：{near}"
    remedy_en = "`{parent} --help` lists the commands"
    remedy_zh = "`{parent} --help` 列出全部命令"


class OptionNotFound(UsageError):
    """The command has no such option."""

    code = "HUB-CLI-003"
    en = "`{command}` has no option {given}: {near}"
    zh = "`{command}` 没有选项 {given}：{near}"
    remedy_en = "`{command} --help` lists the options"
    remedy_zh = "`{command} --help` 列出全部选项"


class ParameterMissing(UsageError):
    """A command was given less than it needs."""

    code = "HUB-CLI-004"
    en = "`{command}` needs {missing}"
    zh = "`{command}` 缺少 {missing}"
    remedy_en = "write {usage}; `{command} --help` says what each part is"
    remedy_zh = "请按 {usage} 输入；`{command} --help` 说明各部分含义"


class ParameterWrong(UsageError):
    """What was given to a command can't be taken."""

    code = "HUB-CLI-005"
    en = "`{command}` can't take what was given: {reason}"
    zh = "`{command}` 无法接受所给内容：{reason}"
    remedy_en = "write {usage}; `{command} --help` says what each part is"
    remedy_zh = "请按 {usage} 输入；`{command} --help` 说明各部分含义"


class NameUnknown(UsageError):
    """A name was given that nothing has."""

    code = "HUB-CLI-006"
    en = "there is no {kind} {given}: {near}"
    zh = "没有{kind} {given}：{near}"
    remedy_en = "give a name that exists; `{command}` shows them"
    remedy_zh = "请使用已有的名称；`{command}` 列出全部"


class OptionTwice(UsageError):
    """An option that takes one value was given several."""

    code = "HUB-CLI-007"
    en = "`{command}` takes {given} once, and it was given {count} times"
    zh = "`{command}` 的 {given} 只能给出一次，现给出 {count} 次"
    remedy_en = "give {given} once; `{command} --help` says which options take several values"
    remedy_zh = "请只给出一次 {given}；`{command} --help` 说明哪些选项可取多个值"


class Unforeseen(HubError):
    """A bug. Its own text is kept out, for it may quote data. Facts: `kind` (classes), `place` (file:line)."""

    code = "HUB-BUG-001"
    en = "an unforeseen {kind} was raised at {place}"
    zh = "{place} 处发生未预料的 {kind}"
    remedy_en = "this is a bug: report the code, the class, the place and the frames in the log; it may be done again without harm"
    remedy_zh = "这是程序缺陷：请报告代码、类名、位置和日志中的调用栈；重新执行不会造成重复"


class KeyUnusable(AgencyError):
    """What was given as a key is none that the hub takes. The key itself is never repeated."""

    code = "HUB-KEY-001"
    en = "what was given is not a usable key: {reason}"
    zh = "所给内容不是可用的密钥：{reason}"
    remedy_en = "make a pair with `hub agency keygen NAME` and give the file that ends in .pub.pem"
    remedy_zh = "请用 `hub agency keygen NAME` 生成密钥对，并提供以 .pub.pem 结尾的文件"


def _plain(value: Any) -> Any:
    """A JSON-able form of a fact."""
    if isinstance(value, Said):
        return str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return str(value)


def _rebuild(cls: type[HubException], facts: dict[str, Any]) -> HubException:
    return cls(**facts)
