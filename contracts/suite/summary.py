"""What a batch's page of Data Docs tells first, in both languages: the verdict, every batch rule, every row rule.

Great Expectations calls a suite failed as soon as one row breaks a rule; here a row that breaks one is quarantined, and
the batch stands by its batch rules. So the row rules are told in a table of their own, as what they are.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from contracts.checks.errors import RuleUnknown
from contracts.checks.explaining import Lang, explain
from contracts.model import FeedContract
from contracts.page import BatchMetrics, BatchVerdict
from hub.ids import RuleId

KEYS_SHOWN = 5
LANGS: tuple[Lang, ...] = ("zh", "en")
WORDS = {
    "passed": ("通过", "passed"),
    "failed": ("未通过", "failed"),
    "held": ("挂起", "held"),
    "first": ("无可比较", "nothing to compare with"),
    "empty": ("无可判定", "nothing to judge"),
}
_COMPARED = ("row_count_change", "total_change", "distribution_change")
"""Kinds of rules that look at the batch before."""


def verdict_of(verdicts: Iterable[BatchVerdict]) -> str:
    """passed, failed (a batch rule is broken, the batch is loaded all the same) or held."""
    broken = [verdict for verdict in verdicts if not verdict.passed]
    return "held" if any(verdict.gate for verdict in broken) else "failed" if broken else "passed"


def anything_broken(metrics: BatchMetrics, verdicts: Iterable[BatchVerdict]) -> bool:
    """Whether there is more to tell of a batch than that all was kept: a broken rule, a warning, a refused or doubled row."""
    rows = metrics.rows_bad + metrics.rows_refused + sum(metrics.broken.values())
    doubled = metrics.duplicates_identical + metrics.duplicates_conflicting
    return bool(rows or doubled) or verdict_of(verdicts) != "passed"


def word(verdict: str) -> str:
    """A verdict in both languages."""
    return " ".join(WORDS.get(verdict, (verdict,)))


def told(contract: FeedContract, metrics: BatchMetrics, verdicts: Sequence[BatchVerdict]) -> str:
    """The page's own part, as HTML; all that is not ours is escaped."""
    return _sentences(metrics, verdicts) + _batch_rules(verdicts) + _row_rules(contract, metrics)


def _sentences(metrics: BatchMetrics, verdicts: Sequence[BatchVerdict]) -> str:
    broken, rules = sum(not verdict.passed for verdict in verdicts), len(verdicts)
    match verdict_of(verdicts):
        case "held":
            zh = f"批次规则 {rules} 条，未通过 {broken} 条，其中有须放行的规则：整批挂起，等待指定人员放行或退回。"
            en = f"Batch rules: {rules}, broken: {broken}, with a gate among them: the whole batch waits for a person to release or reject it."
        case "failed":
            zh = f"批次规则 {rules} 条，未通过 {broken} 条，均不使批次挂起：合格的记录照常入库。"
            en = f"Batch rules: {rules}, broken: {broken}, no gate among them: the good rows are loaded all the same."
        case _ if verdicts:
            kept = sum(verdict.judged for verdict in verdicts)
            left = rules - kept
            zh, en = f"批次规则 {rules} 条，全部通过。", f"Batch rules: {rules}, all kept."
            if left:
                zh = f"批次规则 {rules} 条：通过 {kept} 条，{left} 条无可比较或无可判定。"
                en = f"Batch rules: {rules}; {kept} kept, {left} had nothing to compare with or to judge."
        case _:
            zh, en = "数据契约未定义批次规则。", "The contract has no batch rules."
    said = [(zh, en), (
        f"共 {metrics.rows_in} 行：符合全部行级规则 {metrics.rows_good} 行，违反行级规则 {metrics.rows_bad} 行，闸口拒收 {metrics.rows_refused} 行。",
        f"Rows: {metrics.rows_in}; {metrics.rows_good} keep every row rule, {metrics.rows_bad} break one, {metrics.rows_refused} were refused at the gate.",
    )]  # fmt: skip
    same, other = metrics.duplicates_identical, metrics.duplicates_conflicting
    if same or other:
        said.append((
            f"主键重复：内容相同 {same} 行（只入库一行），内容不同 {other} 行（进入隔离区）。",
            f"Doubled keys: {same} rows say the same (one is loaded), {other} differ (quarantined).",
        ))  # fmt: skip
    return "".join(f'<p>{zh}<br><span lang="en">{en}</span></p>' for zh, en in said)


def _batch_rules(verdicts: Sequence[BatchVerdict]) -> str:
    if not verdicts:
        return ""
    rows = [
        (
            _name(verdict.rule),
            _cell(f"{verdict.label_zh} {verdict.label_en}".strip() or verdict.kind),
            _cell(_both(verdict.observed_zh, verdict.observed) or "无可比较 nothing to compare with"),
            _cell(_both(verdict.expected_zh, verdict.expected)),
            _result(verdict),
        )
        for verdict in verdicts
    ]
    head = ("规则 rule", "说明 what it says", "实际 observed", "要求 expected", "结果 result")
    return _table("批次规则 batch rules", head, rows)


def _both(zh: str, en: str) -> str:
    """A figure once, words in both languages."""
    return en if zh in ("", en) else f"{zh} · {en}"


def _result(verdict: BatchVerdict) -> str:
    if not verdict.passed:
        return f'<td class="failed">{word("held" if verdict.gate else "failed")}</td>'
    if not verdict.judged:
        return f'<td class="nothing">{word("first" if verdict.kind in _COMPARED else "empty")}</td>'
    return f'<td class="passed">{word("passed")}</td>'


def _row_rules(contract: FeedContract, metrics: BatchMetrics) -> str:
    names = [*dict.fromkeys([*(rule.id for rule in contract.row_rules), *metrics.broken])]
    if not names:
        return ""
    rows = []
    for name in sorted(names, key=lambda name: -metrics.broken.get(name, 0)):
        count = metrics.broken.get(name, 0)
        keys = ", ".join(_whole(key) for key in metrics.samples.get(name, [])[:KEYS_SHOWN])
        number = f'<td class="broken">{count}</td>' if count else "<td>0</td>"
        rows.append((_name(name), _cell(_meaning(contract, name)), number, f"<td>{keys}</td>"))
    head = ("规则 rule", "说明 what it says", "违反的行 rows that break it", "其中 keys of some")
    note = (
        '<p>违反行级规则的行进入隔离区，其余照常入库；批次的结论与此无关。<br><span lang="en">'
        "A row that breaks a row rule goes to quarantine, the others are loaded; the batch's verdict does not depend on it.</span></p>"
    )
    return _table("行级规则 row rules", head, rows, note)


def _meaning(contract: FeedContract, rule: str) -> str:
    try:
        return " ".join(explain(contract, RuleId(rule), lang).sentence for lang in LANGS)
    except RuleUnknown:  # figures of a contract that has gone on since
        return ""


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> str:
    top = "".join(f"<th>{name}</th>" for name in head)
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    table = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    return f'<section><h2>{title}</h2>{note}<div class="wide">{table}</div></section>'


def _cell(text: str) -> str:
    return f"<td>{html.escape(_printable(text))}</td>"


def _name(text: str) -> str:
    """A cell whose text is copied: it is not broken."""
    return f'<td class="name">{html.escape(_printable(text))}</td>'


def _whole(text: str) -> str:
    """A key among others: it goes to the next line whole; only one that is wider than the page is broken."""
    return f'<span class="key">{html.escape(_printable(text))}</span>'


def _printable(text: str) -> str:
    """A text without control characters: an HTML page can't hold them."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "·" for letter in text)
