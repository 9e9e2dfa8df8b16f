"""The end of the demonstration on the screen: in both languages, for a terminal of 100 columns."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from demo import report

if TYPE_CHECKING:
    from demo.facts import Facts, Result
    from demo.outcome import FeedLine

RULES_SHOWN = 4
DATA_SHOWN = 360
"""Characters of an event's data; report.json has all of it."""
COLUMNS = (
    ("rows_in", "rows in", "收到"),
    ("loaded", "loaded", "入库"),
    ("unchanged", "unchanged", "无变化"),
    ("quarantined", "quarantined", "隔离"),
    ("refused", "refused", "拒收"),
    ("published", "published", "已发布"),
)


def show(console: Console, facts: Facts, *, kept: bool) -> None:
    """Prints what the run found, as far as it came."""
    result = facts.result
    assert result is not None, "there is nothing to show before the feeds were carried"
    if result.lines:
        _feeds(console, result)
    _events(console, result)
    _quarantined(console, result)
    if result.repaired is not None:
        one = result.repaired
        _head(console, "fixed and replayed", "更正后重放", "an engineer corrects one cell; the row goes the way again")
        loaded = f"{one.loaded} row loaded 入库" if one.outcome else "by an earlier demonstration 由先前的演示完成"
        _text(console, f"{one.feed} row {one.row}: {one.field} {one.before} → {one.after}; {loaded}")
        _text(console, f"batch 批次 {one.replayed_as}")
    _claims(console, facts)
    _where(console, facts, kept=kept)


def _feeds(console: Console, result: Result) -> None:
    """One line a feed; what an engineer replayed stands apart."""
    groups: dict[tuple[str, str], list[FeedLine]] = {}
    for line in result.lines:
        groups.setdefault((line.feed, "replay" if line.kind == "replay" else ""), []).append(line)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("feed\n数据源", no_wrap=True, overflow="ellipsis")
    for _, english, chinese in (("", "batches", "批次"), *COLUMNS, ("", "s", "秒")):
        table.add_column(f"{english}\n{chinese}", justify="right", no_wrap=True)
    for (feed, kind), lines in sorted(groups.items()):
        batches = sum(line.batch is not None for line in lines)
        table.add_row(
            escape(f"{feed} ({kind})" if kind else feed),
            f"{batches}" if batches else "-",
            *(f"{sum(getattr(line, name) for line in lines):,}" for name, _, _ in COLUMNS),
            _seconds(sum(line.seconds for line in lines)),
        )
    _head(console, "feeds", "各数据源", "rows in = loaded + unchanged + quarantined + refused")
    console.print(table)
    if any(line.batch is None for line in result.lines):
        _text(console, "-  nothing new since the run before 与上次运行相比没有新数据")
    for one in result.not_run:
        _text(console, f"{one.feed} not run 未运行: {one.why}", style="yellow" if one.broken else "")
    _rules(console, groups)


def _rules(console: Console, groups: Mapping[tuple[str, str], list[FeedLine]]) -> None:
    shown = []
    for (feed, _), lines in sorted(groups.items()):
        rules: Counter[str] = Counter()
        for line in lines:
            rules.update(line.quarantined_by_rule)
        if rules:
            most = [f"{rule} {count:,}" for rule, count in rules.most_common(RULES_SHOWN)]
            more = [f"and {len(rules) - RULES_SHOWN} more"] if len(rules) > RULES_SHOWN else []
            shown.append(f"{feed}: {', '.join([*most, *more])}")
    if shown:
        _head(console, "quarantined by rule", "按规则隔离", "rows that break a rule; one row may break several")
        for text in shown:
            _text(console, text)


def _events(console: Console, result: Result) -> None:
    found = report.samples(result)
    if found:
        _head(console, "events on Kafka", "已发布的事件", "as a subscriber with a user of its own read them")
    for event in found:
        headers = event["headers"]
        console.print(
            f"  [cyan]{escape(event['topic'])}[/] partition {event['partition']} offset {event['offset']}",
            soft_wrap=True,
        )
        _text(console, f"key  {event['key']}    {headers.get('ce_type', '')}", indent=4)
        _text(console, f"id   {headers.get('ce_id', '')}", indent=4)
        # What happened and what it says; batch, row and hash stand in report.json.
        said = {name: event["data"][name] for name in ("revision", "change", "record") if name in event["data"]}
        _text(console, _cut(json.dumps(said, ensure_ascii=False, default=str)), indent=4, style="dim")


def _quarantined(console: Console, result: Result) -> None:
    if result.examples:
        _head(console, "why rows are in quarantine", "隔离原因", "each row with every rule it broke, and what to do")
    for row, words in result.examples:
        for word in words:
            console.print(
                f"  [cyan]{escape(row.feed)}[/] row {row.row:,}  [bold]{escape(word['rule'])}[/]", soft_wrap=True
            )
            for text in (f"{word['en']}; {word['remedy_en']}", f"{word['zh']}；{word['remedy_zh']}"):
                _text(console, text, indent=4)


def _claims(console: Console, facts: Facts) -> None:
    result = facts.result
    if result is None or not result.claims:
        return
    held, style = sum(claim.holds for claim in result.claims), "green"
    if held < len(result.claims):
        style = "red"
    _head(console, "proof", "核对", "the hub's figures against what the agencies planted and what the subscriber read")
    console.print(
        f"  [bold {style}]{held} of {len(result.claims)} claims hold[/]  {len(result.claims)} 项中 {held} 项成立"
    )
    _text(console, " · ".join(f"{name} {seconds:.1f} s" for name, seconds in facts.seconds.items()), style="dim")


def _where(console: Console, facts: Facts, *, kept: bool) -> None:
    if not facts.files:
        return
    _head(console, "where to look next", "下一步", "")
    for name, place in [*(facts.where if kept else ()), *facts.files]:
        # Not wrapped: it is there to be copied.
        console.print(f"  {name:<{22 - _wide(name)}} {escape(place)}", soft_wrap=True)
    if kept:
        console.print("  stop 全部停止          .venv/bin/hub stack down")
    else:
        _text(
            console, "all is stopped 已全部停止; `make demo KEEP=1` leaves it running to look around 保持运行以便查看"
        )


def _head(console: Console, english: str, chinese: str, what: str) -> None:
    console.print()
    console.print(f"[bold]{english} {chinese}[/]" + (f"  [dim]{what}[/]" if what else ""))


def _text(console: Console, text: str, *, indent: int = 2, style: str = "") -> None:
    """Text from outside, wrapped under its indent."""
    console.print(Padding(escape(text), (0, 0, 0, indent)), style=style)


def _wide(text: str) -> int:
    """How many columns a text takes beyond its characters."""
    return sum(ord(sign) > 0x2E7F for sign in text)


def _seconds(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _cut(text: str) -> str:
    return text if len(text) <= DATA_SHOWN else text[:DATA_SHOWN] + " …"
