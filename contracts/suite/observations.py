"""What each kind of batch rule observes in a batch's metrics, and between which bounds it must lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from contracts.model import BatchRule
from contracts.page import VALUES, BatchMetrics
from hub import clock
from hub.clock import BEIJING
from hub.said import Said

Value = float | datetime | None


@dataclass(frozen=True, slots=True)
class Observation:
    """One figure and its bounds. `value` None: there is nothing to judge, which passes."""

    name: str  # what the figure is, as the column of the metrics table
    value: Value
    least: Value
    greatest: Value
    observed: Said
    expected: Said


Observe = Callable[[BatchRule, BatchMetrics, BatchMetrics | None, datetime], list[Observation]]

_NEVER = 1e9  # hours: the age of what never came


def observe(rule: BatchRule, metrics: BatchMetrics, previous: BatchMetrics | None, now: datetime) -> list[Observation]:
    """The figures of one rule. Raises KeyError for an unknown kind."""
    return OBSERVERS[rule.kind](rule, metrics, previous, now)


def _text(value: Any) -> str:
    if isinstance(value, float | Decimal):
        # Shares and averages have endless digits; six places are what a person compares.
        return f"{Decimal(str(value)):.6f}".rstrip("0").rstrip(".")
    if isinstance(value, datetime):
        return f"{clock.shown(value)} +08:00"
    return value.isoformat() if isinstance(value, date) else str(value)


def _number(value: Any) -> float | None:
    return None if value is None else float(Decimal(str(value)))


def _same(text: str) -> Said:
    """A figure reads the same in both languages."""
    return Said(text, text)


_NOTHING = Said("nothing to judge", "无可判定")
_NO_BATCH = Said("no batch before to compare with", "没有可比较的上一批次")


def _between(
    rule: BatchRule, value: Any, least: Any = None, greatest: Any = None, note: Said | None = None
) -> list[Observation]:
    parts = [f"≥ {least}"] if least is not None else []
    parts += [f"≤ {greatest}"] if greatest is not None else []
    due = Said(" and ".join(parts), " 且 ".join(parts))
    observed = note or (_NOTHING if value is None else _same(_text(value)))
    return [Observation(rule.id, _number(value), _number(least), _number(greatest), observed, due)]


def _share(part: int, whole: int) -> Decimal:
    return Decimal(part) / Decimal(whole) if whole else Decimal(0)


def _limits(rule: BatchRule) -> tuple[Any, Any]:
    return rule.args.get("min"), rule.args.get("max")


def _row_count(rule: BatchRule, metrics: BatchMetrics, _: BatchMetrics | None, __: datetime) -> list[Observation]:
    return _between(rule, metrics.rows_in, *_limits(rule))


def _change(rule: BatchRule, now: Decimal, before: Decimal | None) -> list[Observation]:
    drop, rise = rule.args.get("max_drop"), rule.args.get("max_rise")
    least = None if drop is None else -Decimal(str(drop))
    if before is None:
        return _between(rule, None, least, rise, _NO_BATCH)
    if not before:
        note = Said("nothing to compare with: 0 in the batch before", "无可比较：上一批次为 0")
        return _between(rule, None, least, rise, note)
    change = (now - before) / abs(before)
    return _between(rule, change, least, rise, _same(f"{_text(change)} ({_text(before)} → {_text(now)})"))


def _row_count_change(
    rule: BatchRule, metrics: BatchMetrics, previous: BatchMetrics | None, _: datetime
) -> list[Observation]:
    return _change(rule, Decimal(metrics.rows_in), Decimal(previous.rows_in) if previous else None)


def _bad_share(rule: BatchRule, metrics: BatchMetrics, _: BatchMetrics | None, __: datetime) -> list[Observation]:
    return _between(rule, _share(metrics.rows_bad, metrics.rows_in), None, rule.args["max"])


def _refused_share(rule: BatchRule, metrics: BatchMetrics, _: BatchMetrics | None, __: datetime) -> list[Observation]:
    return _between(rule, _share(metrics.rows_refused, metrics.rows_in), None, rule.args["max"])


def _rule_share(rule: BatchRule, metrics: BatchMetrics, _: BatchMetrics | None, __: datetime) -> list[Observation]:
    broken = metrics.broken.get(rule.args["rule"], 0)
    return _between(rule, _share(broken, metrics.rows_in), None, rule.args["max"])


def _null_share(rule: BatchRule, metrics: BatchMetrics, _: BatchMetrics | None, __: datetime) -> list[Observation]:
    nulls = metrics.nulls.get(rule.args["field"], 0)
    return _between(rule, _share(nulls, metrics.rows_good), None, rule.args["max"])


def _total(rule: BatchRule, metrics: BatchMetrics, _: BatchMetrics | None, __: datetime) -> list[Observation]:
    return _between(rule, metrics.sums.get(rule.args["field"], Decimal(0)), *_limits(rule))


def _total_change(
    rule: BatchRule, metrics: BatchMetrics, previous: BatchMetrics | None, _: datetime
) -> list[Observation]:
    name = rule.args["field"]
    return _change(rule, metrics.sums.get(name, Decimal(0)), previous.sums.get(name, Decimal(0)) if previous else None)


def _average(rule: BatchRule, metrics: BatchMetrics, _: BatchMetrics | None, __: datetime) -> list[Observation]:
    name = rule.args["field"]
    filled = metrics.rows_good - metrics.nulls.get(name, 0)
    value = metrics.sums[name] / filled if filled and name in metrics.sums else None
    return _between(rule, value, *_limits(rule))


def _value_range(rule: BatchRule, metrics: BatchMetrics, _: BatchMetrics | None, __: datetime) -> list[Observation]:
    name, found = rule.args["field"], []
    ends = (
        ("min", "≥", Said("least", "最小"), metrics.minima),
        ("max", "≤", Said("greatest", "最大"), metrics.maxima),
    )
    for end, sign, word, extremes in ends:
        limit, value = rule.args.get(end), extremes.get(name)
        if limit is None:
            continue
        dated = isinstance(limit, date) or (isinstance(limit, str) and limit.count("-") == 2)
        bound: Value = _instant(date.fromisoformat(str(limit))) if dated else _number(limit)
        seen: Value = _instant(value) if isinstance(value, date) else _number(value)
        text = _NOTHING if value is None else Said(f"{word} {_text(value)}", f"{word.zh} {_text(value)}")
        lower, upper = (bound, None) if end == "min" else (None, bound)
        found.append(Observation(f"{rule.id} {end}", seen, lower, upper, text, _same(f"{sign} {limit}")))
    return found


def _instant(value: date) -> datetime:
    """A date as its midnight, a time as itself, both in UTC and without zone, as the metrics table holds them."""
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=BEIJING)
    return value.astimezone(UTC).replace(tzinfo=None)


def _duplicates(rule: BatchRule, metrics: BatchMetrics, _: BatchMetrics | None, __: datetime) -> list[Observation]:
    found = []
    for word, zh, count in (
        ("identical", "内容相同", metrics.duplicates_identical),
        ("conflicting", "内容不同", metrics.duplicates_conflicting),
    ):
        limit = rule.args.get(f"max_{word}")
        if limit is not None:
            share = _share(count, metrics.rows_in)
            text = Said(f"{word} {_text(share)} ({count} rows)", f"{zh} {_text(share)}（{count} 行）")
            due = Said(f"{word} ≤ {limit}", f"{zh} ≤ {limit}")
            found.append(Observation(f"{rule.id} {word}", float(share), None, _number(limit), text, due))
    return found


def _value_share(rule: BatchRule, metrics: BatchMetrics, _: BatchMetrics | None, __: datetime) -> list[Observation]:
    count = metrics.named.get(rule.args["field"], {}).get(rule.args["value"], 0)
    return _between(rule, _share(count, metrics.rows_good), *_limits(rule))


def _values_present(rule: BatchRule, metrics: BatchMetrics, _: BatchMetrics | None, __: datetime) -> list[Observation]:
    there = metrics.named.get(rule.args["field"], {})
    missing = [value for value in rule.args["values"] if not there.get(value)]
    gone = Said(f"missing: {', '.join(missing)}", f"缺少：{'、'.join(missing)}")
    observed = gone if missing else Said("all present", "齐全")
    return [Observation(rule.id, float(len(missing)), None, 0.0, observed, Said("none missing", "不缺"))]


def _distribution_change(
    rule: BatchRule, metrics: BatchMetrics, previous: BatchMetrics | None, _: datetime
) -> list[Observation]:
    name = rule.args["field"]
    if previous is None:
        return _between(rule, None, None, rule.args["max"], _NO_BATCH)
    if metrics.uncounted.get(name) or previous.uncounted.get(name):
        note = Said(f"nothing to compare: more than {VALUES} values", f"无可比较：取值超过 {VALUES} 个")
        return _between(rule, None, None, rule.args["max"], note)
    now, before = metrics.counts.get(name, {}), previous.counts.get(name, {})
    sums = sum(now.values()), sum(before.values())
    if not all(sums):
        note = Said("nothing to compare with: no value in one of the two batches", "无可比较：两批次之一没有取值")
        return _between(rule, None, None, rule.args["max"], note)
    gaps = (abs(_share(now.get(key, 0), sums[0]) - _share(before.get(key, 0), sums[1])) for key in {*now, *before})
    return _between(rule, sum(gaps, Decimal(0)) / 2, None, rule.args["max"])


def _freshness(rule: BatchRule, metrics: BatchMetrics, _: BatchMetrics | None, now: datetime) -> list[Observation]:
    newest = metrics.maxima.get(rule.args["field"])
    limit = rule.args["max_hours"]
    if newest is None:
        return _between(rule, _NEVER, None, limit, Said("no value came", "没有取值"))
    age = (now.astimezone(UTC).replace(tzinfo=None) - _instant(newest)).total_seconds() / 3600
    told = Said(f"{_text(age)} hours (newest {_text(newest)})", f"{_text(age)} 小时（最新 {_text(newest)}）")
    return _between(rule, age, None, limit, told)


OBSERVERS: Mapping[str, Observe] = {
    "row_count": _row_count,
    "row_count_change": _row_count_change,
    "bad_share": _bad_share,
    "refused_share": _refused_share,
    "rule_share": _rule_share,
    "null_share": _null_share,
    "total": _total,
    "total_change": _total_change,
    "average": _average,
    "value_range": _value_range,
    "duplicates": _duplicates,
    "value_share": _value_share,
    "values_present": _values_present,
    "distribution_change": _distribution_change,
    "freshness": _freshness,
}
