"""The steps, forms and units that a contract may name."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from contracts.kinds import TEXT, Kind, registry
from contracts.model import FieldType
from hub.said import Said

STEPS: dict[str, Kind] = registry(
    Kind("trim", "white space at both ends is cut off", "去除首尾空白"),
    Kind(
        "half_width",
        "full-width letters, digits, signs and spaces become half-width",
        "全角字母、数字、符号和空格转为半角",
    ),
    Kind("collapse_space", "runs of white space become one space", "连续空白合并为一个空格", field_types=TEXT),
    Kind("remove_space", "all white space is taken out", "去除全部空白"),
    Kind("remove_hyphen", "hyphens and dashes are taken out", "去除连字符", field_types=TEXT),
    Kind("remove_invisible", "control and zero-width characters are taken out", "去除控制字符和零宽字符"),
    Kind(
        "strip_quote",
        "an apostrophe at the beginning (a spreadsheet's text mark) is cut off",
        "去除行首撇号",
        field_types=TEXT,
    ),
    Kind("upper", "letters become upper case", "字母转为大写", field_types=TEXT),
    Kind("lower", "letters become lower case", "字母转为小写", field_types=TEXT),
)

# Steps that follow from the field's other declarations; they appear in the record of changes under these names.
IMPLICIT_STEPS: Mapping[str, tuple[str, str]] = {
    "null": ("a text that means no value became null", "表示空值的文本置为空"),
    "code_map": ("the sender's code became the contract's", "报送方代码转为契约代码"),
    "date": ("a date form became YYYY-MM-DD", "日期转为 YYYY-MM-DD"),
    "timestamp": ("a time became a UTC instant", "时间转为 UTC 时刻"),
    "number": ("a number form became plain digits", "数字转为标准写法"),
    "boolean": ("a word became true or false", "文字转为真假值"),
    "unit": ("an amount was converted to 元", "金额换算为元"),
}

_DATE_FORMS: dict[str, tuple[str, str]] = {
    "YYYY-MM-DD": ("2024-03-01", "2024-03-01"),
    "YYYYMMDD": ("20240301; 00000000 is no date", "20240301;00000000 视为空"),
    "YYYY/M/D": ("2024/3/1 or 2024/03/01", "2024/3/1 或 2024/03/01"),
    "YYYY.M.D": ("2024.3.1 or 2024.03.01", "2024.3.1 或 2024.03.01"),
    "YYYY年M月D日": ("2024年3月1日", "2024年3月1日"),
    "DD/MM/YYYY": ("01/03/2024, day first", "01/03/2024，日在前"),
    "MM/DD/YYYY": ("03/01/2024, month first", "03/01/2024，月在前"),
    "DD-Mon-YY": (
        "01-Mar-24; years 00-68 are 20xx, 69-99 are 19xx (POSIX)",
        "01-Mar-24；00-68 为 20xx 年，69-99 为 19xx 年",
    ),
    "DD-Mon-YYYY": ("01-Mar-2024", "01-Mar-2024"),
    "YYYY-MM": ("2024-03: the first day of the month", "2024-03：取当月首日"),
    "YYYY": ("2024: the first day of the year", "2024：取当年首日"),
    "timestamp": ("the day of an RFC 3339 time, or of one without offset", "取时间戳中的日期"),
}
_TIMESTAMP_FORMS: dict[str, tuple[str, str]] = {
    "rfc3339": ("2024-03-01T08:00:00+08:00; an offset is due", "2024-03-01T08:00:00+08:00，须带时区"),
    "beijing": ("2024-03-01 08:00:00 without offset: +08:00 is meant", "2024-03-01 08:00:00，不带时区，按北京时间"),
    "utc": ("2024-03-01 08:00:00 without offset: UTC is meant", "2024-03-01 08:00:00，不带时区，按 UTC"),
    "YYYYMMDDHHMMSS": ("20240301080000: +08:00 is meant", "20240301080000，按北京时间"),
    "date": ("a date alone in a date form: midnight +08:00", "仅日期：取北京时间零点"),
}
_NUMBER_FORMS: dict[str, tuple[str, str]] = {
    "plain": ("1234.50, -3", "1234.50、-3"),
    "thousands": ("1,234.50: commas group by three", "1,234.50，逗号为千分位"),
    "parentheses": ("(1,234.50) is negative", "(1,234.50) 表示负数"),
    "currency": ("¥1,234.50, £12, 12元: a currency sign before or 元 behind", "¥1,234.50、£12、12元"),
    "comma": ("1.234,50: comma is the decimal sign", "1.234,50，逗号为小数点"),
    "exponent": ("1.2E+6", "1.2E+6"),
}
_BOOLEAN_FORMS: dict[str, tuple[str, str]] = {
    "true/false": ("true, false in any case", "true、false"),
    "yes/no": ("YES, NO, Y, N in any case", "YES、NO、Y、N"),
    "1/0": ("1, 0", "1、0"),
    "是/否": ("是, 否", "是、否"),
    "有/无": ("有, 无", "有、无"),
}

FORMS: Mapping[FieldType, Mapping[str, tuple[str, str]]] = {
    "date": _DATE_FORMS,
    "timestamp": _TIMESTAMP_FORMS,
    "decimal": _NUMBER_FORMS,
    "integer": _NUMBER_FORMS,
    "boolean": _BOOLEAN_FORMS,
    "string": {},
}

# What a field takes when its contract names no form.
DEFAULT_FORMS: Mapping[FieldType, tuple[str, ...]] = {
    "date": ("YYYY-MM-DD", "YYYYMMDD"),
    "timestamp": ("rfc3339",),
    "decimal": ("plain",),
    "integer": ("plain",),
    "boolean": ("true/false",),
    "string": (),
}

UNITS: Mapping[str, Decimal] = {
    "yuan": Decimal(1),
    "qian_yuan": Decimal(1_000),
    "wan_yuan": Decimal(10_000),
    "million_yuan": Decimal(1_000_000),
    "yi_yuan": Decimal(100_000_000),
    "fen": Decimal("0.01"),
    "one": Decimal(1),
    "thousand": Decimal(1_000),
    "million": Decimal(1_000_000),
}
"""Factor to the unit that the record is kept in: 元, or the currency's own unit."""


def form_problems(field_type: FieldType, forms: tuple[str, ...]) -> list[str]:
    """What is wrong with a field's forms; empty when nothing is."""
    known = FORMS[field_type]
    return [
        Said(
            f"{form!r} is not a form of {field_type}; there are: {', '.join(known) or 'none'}",
            f"{form!r} 不是 {field_type} 的形式；现有：{'、'.join(known) or '无'}",
        )
        for form in forms
        if form not in known
    ]
