"""A contract told in words, Chinese and English, for its DAG's page. Every text of the contract is escaped and bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable

from contracts.model import FeedContract, FieldSpec
from dags.deadline import time_of

MAX_TEXT = 600
"""Characters of any one text of a contract; the rest is cut, with an ellipsis."""
MAX_ROWS = 400
"""Fields or rules listed; the rest is counted."""

_SPACE = re.compile(r"[\s\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]+")
# Backslash escapes are CommonMark's for all ASCII punctuation; `<`, `>` and `&` become entities, so that a viewer
# that lets HTML through shows them all the same. A dot or colon is split from the letters around it by an entity,
# so that no viewer makes a link of it.
_MARKS = {ord(char): f"\\{char}" for char in "\\`*_{}[]()#+-!|~^$=\"'"}
_MARKS |= {
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord("&"): "&amp;",
    ord(":"): "&#58;",
    ord("@"): "&#64;",
    ord("."): "&#46;",
    ord("/"): "&#47;",
}


def escaped(text: object) -> str:
    """The text as Markdown that shows it and does nothing else: one line, no markup, no link, bounded."""
    flat = _SPACE.sub(" ", str(text)).strip()
    if len(flat) > MAX_TEXT:
        flat = flat[: MAX_TEXT - 1] + "…"
    return flat.translate(_MARKS)


def contract_in_words(contract: FeedContract) -> str:
    """The DAG's page: purpose, when, from where, fields, rules, publishing, whom to call, how to repeat a part."""
    parts = [
        f"# {escaped(contract.name_zh)} · {escaped(contract.name_en)}",
        escaped(contract.purpose_zh),
        escaped(contract.purpose_en),
        *_limits(contract),
        "## 概要 · At a glance",
        _table(("", ""), _glance(contract)),
        "## 字段 · Fields",
        _table(("name", "名称", "description", "type", ""), (_field(contract, spec) for spec in contract.fields)),
        "## 规则 · Rules",
        _table(("rule", "", "规则", "in words"), _rules(contract)),
        "## 重跑、补数与重放 · To run again, backfill, replay",
        *_chores(contract),
    ]
    # Airflow reads a file instead where the text ends in ".md"; this last line can't.
    return "\n\n".join(part for part in parts if part) + "\n"


def _limits(contract: FeedContract) -> list[str]:
    words = contract.terms
    shown = [words.get(name, "") for name in ("usage_en", "limitations_zh", "limitations_en")]
    return [f"> {escaped(text)}" for text in shown if text]


def _glance(contract: FeedContract) -> Iterable[tuple[str, ...]]:
    sla, topic = contract.sla, contract.topic
    yield "数据契约 · contract", f"{escaped(contract.id)} {escaped(contract.version)} \\({escaped(contract.status)}\\)"
    yield "来源机构 · sender", f"{escaped(contract.owner)}, {escaped(contract.domain)}"
    yield (
        "数据源 · sources",
        "; ".join(f"{escaped(item.id)} \\({escaped(item.connector)}\\)" for item in contract.sources),
    )
    yield "时间表 · schedule", escaped(sla.schedule or "手工或推送 · by hand or push") + " \\(Asia/Shanghai\\)"
    if contract.latency == "immediate":
        words = "推送落地后由常驻工作进程立即处理；本 DAG 每小时一次，汇总当小时数据；开启或暂停本 DAG 即开启或停止处理"
        said = "the worker takes each delivery as soon as it was pushed; this DAG has one run an hour, which tells all that came, and switches it on and off"
        yield "即时 · immediate", f"{words} · {said}: `hub worker status`"
    if contract.latency == "frequent":
        words = "常驻工作进程按上述时间表处理；本 DAG 每小时一次，汇总当小时数据；开启或暂停本 DAG 即开启或停止处理"
        said = "the worker takes it by this schedule; this DAG has one run an hour, which tells all that came, and switches it on and off"
        yield "高频 · frequent", f"{words} · {said}: `hub worker status`"
    if sla.freshness_hours is not None:
        yield "新鲜度 · freshness", f"≤ {sla.freshness_hours:g} h"
    if sla.latency_minutes is not None:
        yield "时延 · latency", f"≤ {sla.latency_minutes:g} min"
    yield "时限 · deadline of a run", f"{time_of(sla).total_seconds() / 60:g} min, 逾期告警 an alarm after that"
    if sla.retention_days:
        yield (
            "保留 · retention",
            "; ".join(f"{escaped(layer)} {days} d" for layer, days in sorted(sla.retention_days.items())),
        )
    yield "重试 · retries", f"{sla.retries} × {sla.retry_delay_seconds} s \\(TransientError\\)"
    yield "主键 · key", ", ".join(escaped(name) for name in contract.key)
    yield "Kafka", f"{escaped(topic.name)} · key {escaped(contract.subject)} · {escaped(contract.publish)}"
    if topic.readers:
        yield "可读 · readers", ", ".join(escaped(role) for role in topic.readers)
    yield (
        "完整性 · completeness",
        "快照 · snapshot" if contract.completeness == "snapshot" else "增量 · incremental",
    )
    if contract.terms.get("team") or contract.terms.get("support"):
        team, support = contract.terms.get("team", ""), contract.terms.get("support", "")
        yield "联系 · whom to call", f"{escaped(team)} {escaped(support)}".strip()


def _field(contract: FeedContract, spec: FieldSpec) -> tuple[str, ...]:
    kind = f"decimal({spec.precision},{spec.scale})" if spec.type == "decimal" else spec.type
    marks = [
        word
        for word, holds in (
            ("主键 key", spec.name in contract.key),
            ("必填 required", spec.required and spec.name not in contract.key),
            ("主体 subject", spec.name == contract.subject),
            (f"单位 {spec.unit}", spec.unit is not None),
            (f"代码表 {spec.code_list}", spec.code_list is not None),
            (spec.classification, spec.classification not in ("public", "internal")),
        )
        if holds
    ]
    return (
        escaped(spec.name),
        escaped(spec.label_zh),
        escaped(spec.label_en),
        escaped(kind),
        escaped(", ".join(marks)),
    )


def _rules(contract: FeedContract) -> Iterable[tuple[str, ...]]:
    for gate in contract.gate_rules:
        yield escaped(gate.id), f"闸口 gate, {escaped(gate.action)}", escaped(gate.label_zh), escaped(gate.label_en)
    for row in contract.row_rules:
        what = "行 row" if row.severity == "error" else "行 row, 提示 warning"
        yield escaped(row.id), what, escaped(row.label_zh or row.kind), escaped(row.label_en or row.kind)
    for batch in contract.batch_rules:
        what = "批 batch, 挂起 holds it" if batch.gate else "批 batch"
        yield escaped(batch.id), what, escaped(batch.label_zh or batch.kind), escaped(batch.label_en or batch.kind)


def _chores(contract: FeedContract) -> list[str]:
    feed = contract.id
    return [
        "- 立即运行 run now: Trigger, 参数留空 parameters empty; 重跑不重复 twice changes nothing",
        "- 补数 backfill: Trigger → Backfill, 或填写 or fill in `interval_start` / `interval_end`; 游标不动 no cursor moves",
        f"- 隔离区 quarantine: `hub quarantine list --feed {_code(feed)}` → `export` → `fix` → `replay`",
        "- 一条记录的来龙去脉 one record's story: `hub trace KEY`",
    ]


def _code(text: str) -> str:
    """For inside backticks, where nothing can be escaped: only what an id may hold."""
    return re.sub(r"[^A-Za-z0-9_]", "", text)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    listed = list(rows)
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    lines += [f"| {' | '.join(row)} |" for row in listed[:MAX_ROWS]]
    text = "\n".join(lines)
    more = len(listed) - MAX_ROWS
    return f"{text}\n\n… +{more}" if more > 0 else text
