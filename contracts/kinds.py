"""How a registry entry describes itself: a rule kind, a normalisation step, a batch metric, a gate kind.

The house lint is generated from these entries, so what a contract may say and what the kernels can run are one
list. Plain data, quick to import: no pyarrow here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from contracts.model import FieldSpec, FieldType
from hub.said import Said, zh

ArgType = Literal[
    "text",  # a string
    "texts",  # a non-empty list of strings
    "integer",  # a whole number
    "number",  # a number, or a number as text (exact)
    "share",  # a number from 0 to 1
    "bound",  # a number, or a date as YYYY-MM-DD text: fits the field's own type
    "boolean",
    "pattern",  # a regular expression in RE2 syntax
    "field",  # the name of a field of this contract
    "fields",  # a non-empty list of such names, each once
    "levels",  # {value: 1-5}, 1 central, 2 province, 3 city, 4 county, 5 township (settings: HUB_LEVEL)
    "condition",  # {field: value | [values]}; "*" is any value, "" is none
    "code_list",  # file stem in contracts/codes
    "feed",  # id of another contract
]

ALL_TYPES: frozenset[FieldType] = frozenset({"string", "integer", "decimal", "date", "timestamp", "boolean"})
NUMBERS: frozenset[FieldType] = frozenset({"integer", "decimal"})
INSTANTS: frozenset[FieldType] = frozenset({"date", "timestamp"})
ORDERED: frozenset[FieldType] = NUMBERS | INSTANTS
TEXT: frozenset[FieldType] = frozenset({"string"})
CODED: frozenset[FieldType] = frozenset({"string", "integer", "boolean"})  # what may stand for one of a few words

_DIGITS = 38  # what a decimal column holds

FurtherCheck = Callable[[Mapping[str, Any], Sequence[FieldSpec], Mapping[str, FieldSpec]], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument of a kind."""

    name: str
    type: ArgType
    en: str
    zh: str
    required: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()
    field_types: frozenset[FieldType] = ALL_TYPES  # of an argument that names a field


@dataclass(frozen=True, slots=True)
class Kind:
    """One entry of a registry. `en`/`zh` say what it demands; `{args}` and `{fields}` are filled in by `explain`."""

    name: str
    en: str
    zh: str
    args: tuple[Arg, ...] = ()
    field_types: frozenset[FieldType] = ALL_TYPES  # that the fields it is set on may have
    min_fields: int = 1
    max_fields: int | None = 1  # None: any number
    remedy_en: str = "correct the value at its source and send the row again"
    remedy_zh: str = "请在源头更正后重新报送该行"
    actions: tuple[str, ...] = ()  # a gate kind's possible actions
    further: FurtherCheck | None = None  # what the table of arguments can't say

    def problems(
        self,
        args: Mapping[str, Any],
        fields: Sequence[FieldSpec],
        known: Mapping[str, FieldSpec] | None = None,
    ) -> list[str]:
        """What is wrong with a use of this kind; empty when nothing is.

        `fields` are the fields that the rule stands on, `known` all fields of the contract by name (without it,
        arguments that name a field are checked for their form only).
        """
        found: list[str] = []
        most = Said("any number of", "任意") if self.max_fields is None else str(self.max_fields)
        if len(fields) < self.min_fields or (self.max_fields is not None and len(fields) > self.max_fields):
            found.append(
                Said(
                    f"{self.name} stands on {self.min_fields} to {most} fields, not {len(fields)}",
                    f"{self.name} 用于 {self.min_fields} 至 {zh(most)} 个字段，而非 {len(fields)} 个",
                )
            )
        found += [
            Said(
                f"{self.name} does not fit {spec.name}, which is {spec.type}",
                f"{self.name} 不适用于 {spec.name}（类型为 {spec.type}）",
            )
            for spec in fields
            if spec.type not in self.field_types
        ]
        wanted = {arg.name: arg for arg in self.args}
        found += [
            Said(f"{self.name} has no argument {name!r}", f"{self.name} 没有参数 {name!r}")
            for name in args
            if name not in wanted
        ]
        for arg in self.args:
            if arg.name in args:
                found += [
                    Said(f"{self.name}.{arg.name}: {text}", f"{self.name}.{arg.name}：{zh(text)}")
                    for text in _arg_problems(arg, args[arg.name], known)
                ]
            elif arg.required:
                found.append(Said(f"{self.name} needs the argument {arg.name!r}", f"{self.name} 需要参数 {arg.name!r}"))
        if self.further is not None and not found:
            found += self.further(args, fields, known or {})
        return found

    def arg(self, args: Mapping[str, Any], name: str) -> Any:
        """The argument as given, else its default."""
        for entry in self.args:
            if entry.name == name:
                return args.get(name, entry.default)
        raise KeyError(name)


def registry(*kinds: Kind) -> dict[str, Kind]:
    """The entries by name. Raises ValueError where two have one name."""
    table = {kind.name: kind for kind in kinds}
    if len(table) != len(kinds):
        raise ValueError("two kinds of one registry have the same name")
    return table


def _arg_problems(arg: Arg, value: Any, known: Mapping[str, FieldSpec] | None) -> list[str]:
    """What is wrong with one argument's value."""
    text = _shape_problem(arg.type, value)
    if text:
        return [text]
    if arg.choices:
        given = value if isinstance(value, list | tuple) else [value]
        return [
            Said(f"{item!r} is not one of {', '.join(arg.choices)}", f"{item!r} 不在 {'、'.join(arg.choices)} 之列")
            for item in given
            if item not in arg.choices
        ]
    if known is None:
        return []
    if arg.type in ("field", "fields"):
        names = [value] if arg.type == "field" else list(dict.fromkeys(value))
        return [text for name in names for text in _field_problems(arg, name, known)]
    if arg.type == "condition":
        return [
            Said(f"no field {name!r} in this contract", f"本契约没有字段 {name!r}")
            for name in value
            if name not in known
        ]
    return []


def _field_problems(arg: Arg, name: str, known: Mapping[str, FieldSpec]) -> list[str]:
    if name not in known:
        return [Said(f"no field {name!r} in this contract", f"本契约没有字段 {name!r}")]
    if known[name].type not in arg.field_types:
        return [
            Said(
                f"the field {name} is {known[name].type}, not {' or '.join(sorted(arg.field_types))}",
                f"字段 {name} 为 {known[name].type}，应为 {'、'.join(sorted(arg.field_types))}",
            )
        ]
    return []


def _shape_problem(kind: ArgType, value: Any) -> str | None:
    """Why a value isn't of an argument type, or None."""
    if kind == "pattern":
        return _pattern_problem(value)
    if kind == "condition":
        return _condition_problem(value)
    if kind == "levels":
        return _levels_problem(value)
    number = _is_decimal(value)
    fits, due = {
        "text": (isinstance(value, str) and value != "", Said("a text is due", "应为文本")),
        "field": (isinstance(value, str) and value != "", Said("the name of a field is due", "应为字段名")),
        "code_list": (isinstance(value, str) and value != "", Said("the name of a code list is due", "应为代码表名")),
        "feed": (isinstance(value, str) and value != "", Said("the id of a contract is due", "应为契约标识")),
        "texts": (_is_texts(value), Said("a list of quoted texts is due", "应为带引号文本的列表")),
        "fields": (
            _is_texts(value) and len(set(value)) == len(value),
            Said("a list of fields is due, each once", "应为不重复的字段列表"),
        ),
        "integer": (isinstance(value, int) and not isinstance(value, bool), Said("a whole number is due", "应为整数")),
        "number": (number, Said(f"a number of at most {_DIGITS} digits is due", f"应为最多 {_DIGITS} 位的数")),
        "share": (number and 0 <= Decimal(str(value)) <= 1, Said("a share from 0 to 1 is due", "应为 0 至 1 的占比")),
        "bound": (number or _is_date(value), Said("a number or YYYY-MM-DD is due", "应为数或 YYYY-MM-DD")),
        "boolean": (isinstance(value, bool), Said("true or false is due", "应为 true 或 false")),
    }[kind]
    return None if fits else due


def _is_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(item, str) for item in value)


def _condition_problem(value: Any) -> str | None:
    if not isinstance(value, Mapping) or not value:
        return Said("a mapping of field to value or values is due", "应为字段到取值的映射")
    for name, wanted in value.items():
        items = wanted if isinstance(wanted, list | tuple) else [wanted]
        if not isinstance(name, str) or not items or not all(isinstance(item, str) for item in items):
            return Said(
                "a mapping of field to quoted value or list of quoted values is due",
                "应为字段到带引号的取值（或其列表）的映射",
            )
    return None


def _levels_problem(value: Any) -> str | None:
    if not isinstance(value, Mapping) or not value:
        return Said("a mapping of quoted value to level 1-5 is due", "应为带引号的取值到层级 1-5 的映射")
    for name, level in value.items():
        if not isinstance(name, str) or isinstance(level, bool) or not (isinstance(level, int) and 1 <= level <= 5):
            return Said("a mapping of quoted value to level 1-5 is due", "应为带引号的取值到层级 1-5 的映射")
    return None


def _pattern_problem(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return Said("a regular expression is due", "应为正则表达式")
    reason = pattern_reason(value)
    return (
        Said(f"not a regular expression in RE2 syntax: {reason}", f"不是 RE2 语法的正则表达式：{zh(reason)}")
        if reason
        else None
    )


def pattern_reason(pattern: str) -> str:
    """Why RE2, which runs every pattern, does not take this one; empty where it does. No other engine is asked."""
    import re2  # noqa: PLC0415 - DAG files read kinds and no patterns

    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else Said("it does not compile", "无法编译")
        return (reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason))[:120]
    except UnicodeEncodeError:
        return Said("it holds half a character", "含有半个字符")
    return ""


def _is_decimal(value: Any) -> bool:
    """A number, or one as text, that a decimal of 38 digits holds."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return False
    return number.is_finite() and int(number.as_tuple().exponent) >= -_DIGITS and number.adjusted() < _DIGITS


def _is_date(value: Any) -> bool:
    if isinstance(value, date):
        return True
    if not isinstance(value, str):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True
