"""The kinds of row rules. A null value keeps every rule but `required`, `required_if` and `any_present`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from contracts.kinds import ALL_TYPES, CODED, INSTANTS, NUMBERS, ORDERED, TEXT, Arg, Kind, registry
from contracts.model import FieldSpec
from contracts.shapes import between, one_given
from hub.said import Said

OPERATORS = {"eq": "=", "ne": "≠", "lt": "<", "le": "≤", "gt": ">", "ge": "≥"}
MOST_DIGITS = 50  # that amounts of one sum over a group have, before and after the point
USCC_LEVELS = ("checksum", "pair", "division")


_ONE_BOUND = one_given("min", "max")


def _sound_tolerance(args: Mapping[str, Any]) -> Iterable[str]:
    if Decimal(str(args.get("tolerance", 0))) < 0:
        yield Said("a tolerance is not below 0", "误差不得小于 0")


def _bounds_fit(args: Mapping[str, Any], fields: Sequence[FieldSpec], known: Mapping[str, FieldSpec]) -> Iterable[str]:
    yield from _ONE_BOUND(args, fields, known)
    for name in ("min", "max"):
        if name not in args:
            continue
        dated = hasattr(args[name], "isoformat") or (isinstance(args[name], str) and args[name].count("-") == 2)
        for spec in fields:
            if dated != (spec.type in INSTANTS):
                yield Said(
                    f"{name} {args[name]!s} does not fit {spec.name}, which is {spec.type}",
                    f"{name} {args[name]!s} 不适用于 {spec.name}（类型为 {spec.type}）",
                )


def _one_family(_: Mapping[str, Any], fields: Sequence[FieldSpec], __: Mapping[str, FieldSpec]) -> Iterable[str]:
    families = {("number" if spec.type in NUMBERS else spec.type) for spec in fields}
    if len(families) > 1:
        yield Said(
            f"fields of different types can't be compared: {', '.join(sorted(families))}",
            f"不同类型的字段无法比较：{'、'.join(sorted(families))}",
        )


def _comparable(args: Mapping[str, Any], fields: Sequence[FieldSpec], known: Mapping[str, FieldSpec]) -> Iterable[str]:
    yield from _one_family(args, fields, known)
    if "tolerance" not in args:
        return
    if args["op"] == "ne":
        yield Said(
            "a tolerance says nothing of `ne`: values that are nearly the same differ",
            "误差对 `ne` 没有意义：几乎相同的值也是不同的值",
        )
    else:
        yield from _sound_tolerance(args)
    for spec in fields:
        if spec.type not in NUMBERS:
            yield Said(
                f"a tolerance is a number, and {spec.name} is {spec.type}",
                f"误差只用于数字，而 {spec.name} 为 {spec.type}",
            )


def _year_then_date(_: Mapping[str, Any], fields: Sequence[FieldSpec], __: Mapping[str, FieldSpec]) -> Iterable[str]:
    if fields[0].type not in {"integer", "string"}:
        yield Said(
            f"the first field is the year, as integer or string, not {fields[0].type}",
            f"第一个字段是年份，应为 integer 或 string，而非 {fields[0].type}",
        )
    if fields[1].type not in INSTANTS:
        yield Said(
            f"the second field is a date or timestamp, not {fields[1].type}",
            f"第二个字段应为 date 或 timestamp，而非 {fields[1].type}",
        )


def _group_parts(args: Mapping[str, Any], _: Sequence[FieldSpec], known: Mapping[str, FieldSpec]) -> Iterable[str]:
    if args["total"] in args["parts"]:
        yield Said(
            f"the total {args['total']} can't be one of its own parts", f"合计 {args['total']} 不能同时是求和字段"
        )
    for name in args["by"]:
        if name in args["parts"] or name == args["total"]:
            yield Said(f"{name} can't make the group and be an amount of it", f"{name} 不能既是分组字段又是组内金额")
    yield from _sound_tolerance(args)
    amounts = [known[name] for name in (*args["parts"], args["total"]) if name in known]
    whole = [19 if spec.type == "integer" else spec.precision - spec.scale for spec in amounts]
    if amounts and max(whole) + max(spec.scale for spec in amounts) > MOST_DIGITS:
        yield Said(
            f"its amounts have more than {MOST_DIGITS} digits between them, too many to add up exactly",
            f"各金额合起来超过 {MOST_DIGITS} 位，无法精确求和",
        )


_WHEN = Arg(
    "when",
    "condition",
    'fields and the values that make the rule apply; "*" is any value, "" is none',
    '触发条件：字段与取值；"*" 表示任意值，"" 表示空',
    required=True,
)
_UNLESS = Arg("unless", "condition", "fields and values that exempt a row", "豁免条件：字段与取值")
_VALUES = Arg("values", "texts", "the allowed values", "允许的取值", required=True)
_TOLERANCE = Arg("tolerance", "number", "allowed difference", "允许误差", default="0")

KINDS: dict[str, Kind] = registry(
    Kind("required", "{fields} must have a value", "{fields}不得为空"),
    Kind("type", "{fields} must be readable as {type}", "{fields}须为{type}"),
    Kind(
        "unique",
        "{fields} must not repeat within a batch",
        "{fields}在同一批次内不得重复",
        max_fields=None,
        remedy_en="keep one of the rows that share the value, or correct it",
        remedy_zh="请保留其中一行，或更正重复的值",
    ),
    Kind(
        "enum",
        "{fields} must be one of: {values}",
        "{fields}须为下列之一：{values}",
        (_VALUES,),
        CODED,
    ),
    Kind(
        "enum_if",
        "{fields} must be one of {values} when {when}",
        "当{when}时，{fields}须为下列之一：{values}",
        (_VALUES, _WHEN),
        CODED,
    ),
    Kind(
        "code_list",
        "{fields} must be a code of {list}",
        "{fields}须为代码表 {list} 中的代码",
        (Arg("list", "code_list", "file stem in contracts/codes", "代码表文件名", required=True),),
        frozenset({"string", "integer"}),
    ),
    Kind(
        "pattern",
        "{fields} must match {pattern}",
        "{fields}须符合格式 {pattern}",
        (Arg("pattern", "pattern", "RE2; the whole value must match", "正则表达式（RE2），须整体匹配", required=True),),
        TEXT,
    ),
    Kind(
        "length",
        "{fields} must have {min} to {max} characters",
        "{fields}须为 {min} 至 {max} 个字符",
        between("integer", ("least characters", "最少字符数"), ("most characters", "最多字符数")),
        TEXT,
        further=_ONE_BOUND,
    ),
    Kind(
        "range",
        "{fields} must lie between {min} and {max}",
        "{fields}须在 {min} 与 {max} 之间",
        (
            *between("bound", ("least value", "最小值"), ("greatest value", "最大值")),
            Arg("exclusive_min", "boolean", "min itself is not allowed", "不含最小值", default=False),
            Arg("exclusive_max", "boolean", "max itself is not allowed", "不含最大值", default=False),
        ),
        ORDERED,
        max_fields=None,
        further=_bounds_fit,
    ),
    Kind(
        "compare",
        "{first} must be {op} {second}",
        "{first}须 {op} {second}",
        (
            Arg(
                "op",
                "text",
                "first field op second field",
                "第一字段与第二字段的关系",
                required=True,
                choices=tuple(OPERATORS),
            ),
            _TOLERANCE,
            _UNLESS,
        ),
        ALL_TYPES,
        2,
        2,
        further=_comparable,
    ),
    Kind(
        "required_if",
        "{fields} must have a value when {when}",
        "当{when}时，{fields}不得为空",
        (_WHEN,),
        max_fields=None,
    ),
    Kind(
        "forbidden_if",
        "{fields} must be empty when {when}",
        "当{when}时，{fields}须为空",
        (_WHEN,),
        max_fields=None,
    ),
    Kind(
        "any_present",
        "at least one of {fields} must have a value",
        "{fields}至少填写一项",
        min_fields=2,
        max_fields=None,
    ),
    Kind(
        "prefix_of",
        "each of {fields} must begin with the one before it",
        "{fields}须逐级以前一级为前缀",
        field_types=TEXT,
        min_fields=2,
        max_fields=None,
    ),
    Kind(
        "year_of",
        "{first} must be the year of {second}",
        "{first}须为{second}的年份",
        (_UNLESS,),
        frozenset({"integer", "string", "date", "timestamp"}),
        2,
        2,
        further=_year_then_date,
    ),
    Kind(
        "reference_feed",
        "{fields} must be known in the feed {feed}",
        "{fields}须已存在于数据源 {feed}",
        (
            Arg("feed", "feed", "the other contract's id", "被引用的数据契约", required=True),
            Arg("field", "text", "its field", "被引用的字段", required=True),
        ),
        frozenset({"string", "integer"}),
        remedy_en="send the referenced record first, or correct the reference",
        remedy_zh="请先报送被引用的记录，或更正引用值",
    ),
    Kind(
        "uscc",
        "{fields} must be a unified social credit code (GB 32100-2015), valid up to: {level}",
        "{fields}须为有效的统一社会信用代码（GB 32100-2015），校验至：{level}",
        (
            Arg(
                "level",
                "text",
                "checksum: form and check character; pair: also positions 1-2; division: also positions 3-8",
                "checksum 校验码；pair 另查第1-2位；division 另查第3-8位区划",
                default="division",
                choices=USCC_LEVELS,
            ),
        ),
        TEXT,
    ),
    Kind(
        "uscc_organisation",
        "positions 9-17 of {fields} should satisfy GB 11714 (not every registrant carries an old organisation code)",
        "{fields}第9-17位宜符合 GB 11714（并非所有登记主体都有原组织机构代码）",
        field_types=TEXT,
    ),
    Kind(
        "uscc_category",
        "position 2 of {fields} should be one that GB 32100 lists for its department",
        "{fields}第2位宜为 GB 32100 所列机构类别",
        field_types=TEXT,
    ),
    Kind(
        "organisation_code",
        "{fields} must be an organisation code (GB 11714-1997)",
        "{fields}须为有效的组织机构代码（GB 11714-1997）",
        field_types=TEXT,
    ),
    Kind(
        "division",
        "{fields} must be an administrative division (GB/T 2260), {vintage}",
        "{fields}须为行政区划代码（GB/T 2260），{vintage}",
        (
            Arg(
                "vintage",
                "text",
                "ever: was valid at any time; current: is valid now",
                "ever 曾有效；current 现行有效",
                default="ever",
                choices=("ever", "current"),
            ),
        ),
        TEXT,
    ),
    Kind(
        "date_not_future",
        "{fields} must not be later than the day of receipt",
        "{fields}不得晚于接收日",
        (Arg("days", "integer", "days of grace", "宽限天数", default=0),),
        INSTANTS,
        max_fields=None,
    ),
    Kind(
        "sum_equals",
        "{fields} must add up to {total}",
        "{fields}之和须等于{total}",
        (Arg("total", "field", "the field with the total", "合计字段", required=True, field_types=NUMBERS), _TOLERANCE),
        NUMBERS,
        max_fields=None,
    ),
    Kind(
        "group_sum",
        "{parts} of the rows that share {by} must add up to {total}, which each of them repeats",
        "{by}相同的各行，其{parts}之和须等于各行所载的{total}",
        (
            Arg("by", "fields", "the fields whose values make rows one group", "分组字段", required=True),
            Arg("parts", "fields", "the fields added up", "求和字段", required=True, field_types=NUMBERS),
            Arg(
                "total",
                "field",
                "the total, the same in every row of the group",
                "合计字段，组内各行一致",
                required=True,
                field_types=NUMBERS,
            ),
            _TOLERANCE,
        ),
        min_fields=0,
        max_fields=0,
        remedy_en="correct the wrong amount or total, and send or replay all rows of the group together",
        remedy_zh="请更正有误的金额或合计，并将同组各行一并重新报送或重放",
        further=_group_parts,
    ),
    Kind(
        "ratio",
        "{first} divided by {second} must lie between {min} and {max}",
        "{first}与{second}之比须在 {min} 与 {max} 之间",
        between("number", ("least quotient", "最小比值"), ("greatest quotient", "最大比值")),
        NUMBERS,
        2,
        2,
        further=_ONE_BOUND,
    ),
    Kind(
        "same_unit",
        "{first} and {second} must be in one unit: neither is exactly a thousand, ten thousand or 10^8 times the other",
        "{first}与{second}单位须一致：不得恰为千、万或亿倍",
        field_types=NUMBERS,
        min_fields=2,
        max_fields=2,
        remedy_en="send both amounts in the unit that the contract states",
        remedy_zh="请按契约规定的单位报送两项金额",
    ),
)
