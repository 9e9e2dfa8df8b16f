"""The report's page: one HTML file, in both languages, with its charts and style in it. All that is not ours is escaped."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from contracts.checks.errors import RuleUnknown
from contracts.checks.explaining import explain
from contracts.model import FeedContract
from hub import clock
from warehouse.report import charts
from warehouse.report.charts import Cell, Name, Series
from warehouse.report.figures import STEPS, Bucket, Report, Seen

MOST_RULES = 40
"""Rules that the picture shows: the batch rules, then those that were broken most."""

OUTCOMES = {
    "loaded": ("已入库", "loaded"),
    "unchanged": ("未变化", "unchanged"),
    "quarantined": ("进入隔离区", "quarantined"),
    "refused": ("闸口拒收", "refused"),
}
STEP_WORDS = {
    "take": ("读取、闸口、检查、落地", "read, gate, check, land"),
    "judge": ("批次判定", "judge"),
    "load": ("入库", "load"),
    "publish": ("转发至主题", "relay to the topic"),
}
COLOURS = {
    "loaded": "#0072b2",
    "unchanged": "#999999",
    "quarantined": "#e69f00",
    "refused": "#d55e00",
    "take": "#56b4e9",
    "judge": "#cc79a7",
    "load": "#0072b2",
    "publish": "#009e73",
    "passed": "#009e73",
    "failed": "#a50f15",
    "held": "#7b2d8b",
    "broken": "#e69f00",
    "none": "#8883",
}
"""Told apart also by the colour-blind."""

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; margin: 2rem auto; max-width: 66rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
[lang="en"] { opacity: .7; } h1 [lang="en"], h2 [lang="en"] { font-weight: 400; }
.tiles { display: flex; flex-wrap: wrap; gap: .6rem; padding: 0; list-style: none; }
.tiles li { border: 1px solid #8886; border-radius: .4rem; padding: .4rem .8rem; min-width: 7rem; }
.tiles b { display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.late b { color: #d55e00; }
.chart { width: 100%; height: auto; } .chart text { font-size: 12px; fill: currentColor; }
.grid { stroke: #8884; } .limit { stroke: #d55e00; stroke-width: 1.5; stroke-dasharray: 6 4; }
.age { fill: none; stroke: #0072b2; stroke-width: 1.8; }
.legend span { margin-right: 1.2rem; white-space: nowrap; } .key { width: .8em; height: .8em; margin-right: .4em; }
table { border-collapse: collapse; width: 100%; } td, th { border: 1px solid #8886; padding: .2rem .5rem; text-align: left; }
td.n { text-align: right; font-variant-numeric: tabular-nums; } summary { cursor: pointer; }
.scroll { overflow-x: auto; }
"""


SHORT = 600
"""Seconds: times along an axis that is shorter have their seconds."""


def _said(zh: str, en: str) -> str:
    return f'<p>{_plain(zh)}<br><span lang="en">{_plain(en)}</span></p>'


def _plain(text: str) -> str:
    """Escaped, and without control characters: an HTML page can't hold them."""
    return html.escape("".join(letter if letter.isprintable() else "·" for letter in text))


_RAISED = _said(
    "过小的部分按最低高度画出，以便看见；数字见末尾的数据表。",
    "A part too small to be seen is drawn at a least height; the figures at the end have its number.",
)


def page(report: Report) -> str:
    """The whole page."""
    contract = report.contract
    title = f"{contract.name_zh} · {contract.name_en}"
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    body = _head(report)
    if report.batches:
        body += _volumes(report) + _verdicts(report) + _freshness(report) + _latency(report) + _table(report)
    else:
        body += _said("这一时段没有批次。", "There is no batch in these days.")
    return (
        '<!DOCTYPE html><html lang="zh"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_plain(title)}</title><style>{_STYLE}{charts.css(COLOURS)}</style></head>"
        f'<body><h1>{_plain(contract.name_zh)} <span lang="en">{_plain(contract.name_en)}</span></h1>{body}</body></html>\n'
    )


def _head(report: Report) -> str:
    contract = report.contract
    facts = f"<p>{_plain(contract.id)} · {_plain(contract.version)} · {_plain(contract.topic.name)}<br>"
    facts += f"最近 {report.days} 天，北京时间 {_time(report.made_at)} 生成 "
    facts += f'<span lang="en">the last {report.days} days, made at {_time(report.made_at)} Beijing time</span></p>'
    if report.cut:
        facts += _said(
            "批次过多，仅含最近的批次。", "There are more batches than a report takes: the newest are shown."
        )
    tiles = [
        _tile("批次", "batches", f"{len(report.batches):,}"),
        _tile("行", "rows in", f"{report.rows('rows_in'):,}"),
        *(_tile(zh, en, f"{report.rows(name):,}") for name, (zh, en) in OUTCOMES.items()),
    ]
    if held := sum(one.state == "held" for one in report.batches):
        tiles.append(_tile("挂起的批次", "held batches", f"{held:,}", late=True))
    if waiting := sum(one.waits for one in report.batches):
        tiles.append(_tile("尚未全部转发的批次", "batches not yet on the topic", f"{waiting:,}"))
    age = report.freshness.age_hours
    late = report.freshness.fresh is False
    tiles.append(_tile("距上次有新数据", "since something new came", "—" if age is None else _hours(age), late=late))
    if (due := contract.sla.freshness_hours) is not None:
        tiles.append(_tile("时效要求", "freshness due", f"≤ {_hours(due)}"))
    return f'{facts}<ul class="tiles">{"".join(tiles)}</ul>'


def _volumes(report: Report) -> str:
    series = [Series(name, f"{zh} {en}") for name, (zh, en) in OUTCOMES.items()]
    values = [[bucket.rows(name) for name in OUTCOMES] for bucket in report.buckets]
    chart = charts.stacked([bucket.label for bucket in report.buckets], series, values, "行 rows", _RAISED)
    return _section("数据量", "Volumes", chart)


def _verdicts(report: Report) -> str:
    names: dict[str, Name] = {}
    rows: list[tuple[Name, list[Cell]]] = []
    for rule in dict.fromkeys(rule for one in report.batches for rule in one.verdicts):
        names[rule] = _named(report.contract, rule, "◆ ")
        rows.append((names[rule], [_verdict(bucket, rule) for bucket in report.buckets]))
    counts: dict[str, int] = {}
    for css, of in (("broken", _broken_of), ("refused", _refused_of)):
        totals: dict[str, int] = {}
        for one in report.batches:
            for rule, count in of(one).items():
                totals[rule] = totals.get(rule, 0) + count
        for rule in sorted(totals, key=lambda rule: (-totals[rule], rule)):
            names[rule] = _named(report.contract, rule)
            counts[rule] = totals[rule]
            rows.append((names[rule], [_share(bucket, rule, css, of) for bucket in report.buckets]))
    if not rows:
        return _section("按规则的结论", "Verdicts by rule", _said("没有规则被违反。", "No rule was broken."))
    note = _said(
        "◆ 为批次规则；其余为违反行级规则或被闸口拒收的行，颜色越深占比越高。规则编号见下方列表。",
        "◆ batch rules; the others: rows that break a row rule or were refused at the gate, the stronger the larger their share. The list below has the rules' ids.",
    )
    series = [
        Series("passed", "通过 passed"),
        Series("failed", "未通过 broken"),
        Series("held", "挂起 held"),
        Series("broken", "违反行级规则 break a row rule"),
        Series("refused", "闸口拒收 refused"),
        Series("none", "没有违反，或无可判定 none, or nothing to judge"),
    ]
    more = ""
    if len(rows) > MOST_RULES:
        left = len(rows) - MOST_RULES
        more = _said(f"另有 {left} 条规则未画出。", f"{left} more rules are not drawn.")
    chart = charts.cells([bucket.label for bucket in report.buckets], rows[:MOST_RULES])
    listed = _listed(names, counts)
    return _section("按规则的结论", "Verdicts by rule", note + chart + charts.legend(series) + more + listed)


def _named(contract: FeedContract, rule: str, mark: str = "") -> Name:
    """A rule in the contract's words, its id where they are pointed at."""
    for one in contract.batch_rules:
        if one.id == rule and (one.label_zh or one.label_en):
            zh, en = _one_line(one.label_zh), _one_line(one.label_en)
            break
    else:
        try:
            zh, en = (_one_line(explain(contract, rule, lang).sentence) for lang in ("zh", "en"))
        except RuleUnknown:  # figures of a contract that has gone on since
            zh, en = "", rule
    return Name(f"{mark}{zh}" if zh else "", en if zh else f"{mark}{en}", f"{zh} {en} ({rule})".strip())


def _listed(names: Mapping[str, Name], counts: Mapping[str, int]) -> str:
    rows = [
        (rule, " ".join(filter(None, (name.zh, name.en))), f"{counts[rule]:,}" if rule in counts else "")
        for rule, name in names.items()
    ]
    table = _rows(("规则 rule", "说明 what it says", "行 rows"), rows, words=2)
    return f'<details><summary>规则编号 <span lang="en">the rules by id</span></summary>{table}</details>'


def _broken_of(one: Seen) -> dict[str, int]:
    return dict(one.broken)


def _refused_of(one: Seen) -> dict[str, int]:
    return dict(one.refused)


def _verdict(bucket: Bucket, rule: str) -> Cell:
    found = [one.verdicts[rule] for one in bucket.batches if rule in one.verdicts]
    for verdict, zh, en in (("held", "挂起", "held"), ("failed", "未通过", "broken"), ("passed", "通过", "passed")):
        if count := found.count(verdict):
            return Cell(verdict, count / len(found), f"{zh} {en} {count}/{len(found)}")
    return Cell("none", 1, "无可比较或无可判定 nothing to compare with or to judge" if found else "—")


def _share(bucket: Bucket, rule: str, css: str, of: Callable[[Seen], dict[str, int]]) -> Cell:
    count = sum(of(one).get(rule, 0) for one in bucket.batches)
    if not count:
        return Cell("none", 1, "0")
    share = count / max(1, bucket.rows("rows_in"))
    # Of a thousandth and of all it must be seen at once: by the order of magnitude.
    return Cell(css, 1 + math.log10(max(share, 0.001)) / 3, f"{count:,} 行 rows ({min(share, 1):.1%})")


def _freshness(report: Report) -> str:
    came = list(report.came())
    if not came:
        words = _said("这一时段没有新的交付。", "No delivery came in these days.")
        return _section("时效", "Freshness", words)
    first, last = came[0], report.made_at
    span = max(1.0, (last - first).total_seconds())
    points, before = [(0.0, 0.0)], first
    for instant in [*came[1:], last]:
        x = min(1.0, (instant - first).total_seconds() / span)
        points.append((x, (instant - before).total_seconds() / 3600))
        if instant is not last:
            points.append((x, 0.0))
        before = instant
    labels = _axis(first, last)
    due = report.contract.sla.freshness_hours
    late = sum(y > due for _, y in points) if due is not None else 0
    words = (
        _said("契约未写明时效要求。", "The contract names no freshness.")
        if due is None
        else _said(
            f"虚线为契约要求（{due:g} 小时）；超过 {late} 次。",
            f"Dashed: what the contract asks for ({due:g} hours); exceeded {late} times.",
        )
    )
    note = _said("每次交付到达时距前一次的时间。", "How long it had been since the delivery before, as each came.")
    return _section("时效", "Freshness", note + charts.line(points, labels, due, "小时 hours") + words)


def _axis(first: datetime, last: datetime) -> list[tuple[float, str]]:
    """Times along the axis, each once."""
    seconds = (last - first).total_seconds() < SHORT
    labels: dict[str, float] = {}
    for x in (0.04, 0.25, 0.5, 0.75, 0.96):
        text = clock.shown(first + (last - first) * x, seconds=seconds)
        labels.setdefault(text[11:] if seconds else text[5:], x)
    return [(x, text) for text, x in labels.items()]


def _latency(report: Report) -> str:
    series = [Series(step, f"{zh} {en}") for step, (zh, en) in STEP_WORDS.items()]
    values = [[bucket.seconds(step) or 0.0 for step in STEPS] for bucket in report.buckets]
    chart = charts.stacked([bucket.label for bucket in report.buckets], series, values, "秒 seconds", _RAISED)
    rows = [
        (" ".join(STEP_WORDS[step]), *(charts.number_of(round(value, 3)) for value in found))
        for step, found in report.latency().items()
    ]
    head = ("环节 step", "中位数 median (s)", "95% (s)", "最长 greatest (s)")
    due = report.contract.sla.latency_minutes
    words = "" if due is None else _said(f"契约要求：{due:g} 分钟以内。", f"The contract asks for {due:g} minutes.")
    return _section("各环节耗时", "Latency by step", words + chart + _rows(head, rows))


def _table(report: Report) -> str:
    rows = [
        (bucket.label, *(f"{bucket.rows(name):,}" for name in ("rows_in", *OUTCOMES)), f"{len(bucket.batches):,}")
        for bucket in reversed(report.buckets)
    ]
    head = ("时间 time", "行 rows in", *(f"{zh} {en}" for zh, en in OUTCOMES.values()), "批次 batches")
    return f'<details><summary>数据表 <span lang="en">the figures</span></summary>{_rows(head, rows)}</details>'


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A table whose first `words` columns are text and whose others are figures."""
    top = "".join(f"<th>{_plain(name)}</th>" for name in head)
    body = ""
    for row in rows:
        cells = [f"<td{' class=n' if at >= words else ''}>{_plain(value)}</td>" for at, value in enumerate(row)]
        body += f"<tr>{''.join(cells)}</tr>"
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _section(zh: str, en: str, inner: str) -> str:
    return f'<section><h2>{zh} <span lang="en">{en}</span></h2>{inner}</section>'


def _tile(zh: str, en: str, value: str, *, late: bool = False) -> str:
    return f'<li{" class=late" if late else ""}><b>{_plain(value)}</b>{zh} <span lang="en">{en}</span></li>'


def _hours(hours: float) -> str:
    return f"{hours / 24:.1f} 天 d" if hours >= 48 else f"{hours:.1f} 小时 h"


def _time(instant: datetime) -> str:
    return clock.shown(instant, seconds=False)


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else "·" for letter in " ".join(text.split()))
