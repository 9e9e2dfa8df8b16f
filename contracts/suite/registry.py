"""The kinds of batch rules. A rule that compares with the batch before passes where there is none."""

from __future__ import annotations

from contracts.kinds import CODED, INSTANTS, NUMBERS, ORDERED, Arg, FurtherCheck, Kind, registry
from contracts.model import FieldType
from contracts.shapes import between, one_given

_ONE_BOUND = one_given("min", "max")
_ONE_CHANGE = one_given("max_drop", "max_rise")


def _field(types: frozenset[FieldType], en: str = "the field", zh: str = "字段") -> Arg:
    return Arg("field", "field", en, zh, required=True, field_types=types)


_DROP = Arg("max_drop", "share", "greatest fall against the batch before, as a share", "较上一批次的最大降幅")
_RISE = Arg(
    "max_rise", "number", "greatest rise against the batch before, as a share (2 is threefold)", "较上一批次的最大增幅"
)
_LEAST, _GREATEST = between("number")
_MOST_ROWS = Arg("max", "share", "greatest share", "最大占比", required=True)
_LOOK_EN = "ask the sender whether the batch is complete and right, then release or reject it"
_LOOK_ZH = "请向报送方核实该批次是否完整、正确，再予放行或退回"


def _batch(name: str, en: str, zh: str, args: tuple[Arg, ...], extra: FurtherCheck | None = None) -> Kind:
    return Kind(name, en, zh, args, frozenset(), 0, 0, _LOOK_EN, _LOOK_ZH, (), extra)


KINDS: dict[str, Kind] = registry(
    _batch(
        "row_count",
        "the batch has {min} to {max} rows",
        "批次行数在 {min} 与 {max} 之间",
        (_LEAST, _GREATEST),
        _ONE_BOUND,
    ),
    _batch(
        "row_count_change",
        "the number of rows falls at most by {max_drop} and rises at most by {max_rise} against the batch before",
        "行数较上一批次降幅不超过 {max_drop}，增幅不超过 {max_rise}",
        (_DROP, _RISE),
        _ONE_CHANGE,
    ),
    _batch(
        "bad_share",
        "at most {max} of the rows break row rules",
        "违反行级规则的行占比不超过 {max}",
        (_MOST_ROWS,),
    ),
    _batch(
        "refused_share",
        "at most {max} of the rows are refused at the gate",
        "闸口拒收的行占比不超过 {max}",
        (_MOST_ROWS,),
    ),
    _batch(
        "rule_share",
        "at most {max} of the rows break {rule}",
        "违反规则 {rule} 的行占比不超过 {max}",
        (
            Arg("rule", "text", "id of a row rule", "行级规则编号", required=True),
            _MOST_ROWS,
        ),
    ),
    _batch(
        "null_share",
        "at most {max} of the good rows have no {field}",
        "{field}为空的行占比不超过 {max}",
        (_field(ORDERED | CODED), _MOST_ROWS),
    ),
    _batch(
        "total",
        "the total of {field} lies between {min} and {max}",
        "{field}合计在 {min} 与 {max} 之间",
        (_field(NUMBERS), _LEAST, _GREATEST),
        _ONE_BOUND,
    ),
    _batch(
        "total_change",
        "the total of {field} falls at most by {max_drop} and rises at most by {max_rise} against the batch before",
        "{field}合计较上一批次降幅不超过 {max_drop}，增幅不超过 {max_rise}",
        (_field(NUMBERS), _DROP, _RISE),
        _ONE_CHANGE,
    ),
    _batch(
        "average",
        "the average of {field} lies between {min} and {max}",
        "{field}平均值在 {min} 与 {max} 之间",
        (_field(NUMBERS), _LEAST, _GREATEST),
        _ONE_BOUND,
    ),
    _batch(
        "value_range",
        "all values of {field} lie between {min} and {max}",
        "{field}的全部取值在 {min} 与 {max} 之间",
        (
            _field(ORDERED),
            *between("bound", ("least value", "最小值"), ("greatest value", "最大值")),
        ),
        _ONE_BOUND,
    ),
    _batch(
        "duplicates",
        "at most {max_identical} of the rows repeat another, and at most {max_conflicting} contradict one",
        "完全重复的行占比不超过 {max_identical}，同键冲突的行占比不超过 {max_conflicting}",
        (
            Arg("max_identical", "share", "greatest share of rows that repeat another exactly", "完全重复行最大占比"),
            Arg("max_conflicting", "share", "greatest share of rows of one key that differ", "同键冲突行最大占比"),
        ),
        one_given("max_identical", "max_conflicting"),
    ),
    _batch(
        "value_share",
        "the share of {field} = {value} lies between {min} and {max}",
        "{field} = {value} 的占比在 {min} 与 {max} 之间",
        (
            _field(CODED),
            Arg("value", "text", "the value", "取值", required=True),
            *between("share", ("least share", "最小占比"), ("greatest share", "最大占比")),
        ),
        _ONE_BOUND,
    ),
    _batch(
        "values_present",
        "{field} has each of {values} at least once",
        "{field}须至少各出现一次：{values}",
        (_field(CODED), Arg("values", "texts", "the values", "取值", required=True)),
    ),
    _batch(
        "distribution_change",
        "the distribution of {field} moves by at most {max} (total variation distance) against the batch before",
        "{field}的分布较上一批次变化（全变差距离）不超过 {max}",
        (_field(CODED), Arg("max", "share", "greatest distance", "最大距离", required=True)),
    ),
    _batch(
        "freshness",
        "the newest {field} is at most {max_hours} hours old",
        "最新的{field}距今不超过 {max_hours} 小时",
        (_field(INSTANTS), Arg("max_hours", "number", "greatest age in hours", "最大时长（小时）", required=True)),
    ),
)
