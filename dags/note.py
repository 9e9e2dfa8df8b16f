"""A run's note in Airflow: how it stands, its counts, the rules that were broken, and the command that comes next.

Ids, numbers, names of rules and sources, codes and the hub's own sentences: never a value of a record, never a delivery's name (a
file's name may be a person's). Airflow shows a note as Markdown and takes 1,000 characters, so every text from elsewhere stands in
a code span and is bounded.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dags.errors import DeliveriesUnreadable
from hub import failure
from hub.errors import HubException
from hub.said import Said

if TYPE_CHECKING:
    from warehouse.batches import BatchOutcome

MOST = 1000
"""Characters that Airflow takes."""
RULES = 3
"""Broken rules named for a batch, those of most rows first; the rest are counted."""

FILES = ("file", "manifest", "delivery")
"""Facts of errors that name a file."""

STATES = {
    "loaded": "已入库",
    "held": "已挂起",
    "refused": "已拒收",
    "released": "已放行",
    "rejected": "已退回",
    "abandoned": "已放弃",
}
COUNTS = {
    "rows_in": "rows 行",
    "loaded": "loaded 入库",
    "unchanged": "unchanged 未变",
    "quarantined": "quarantined 隔离",
    "refused": "refused 拒收",
    "events": "events 事件",
}

_SPACE = re.compile(r"[`\s\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]+")
_LOG = logging.getLogger("hub.task")


def put(context: Any, words: Callable[[], str]) -> None:
    """Writes the note of the run that this task belongs to. Never raises: a run is what it is, noted or not."""
    try:
        from dags.account import airflow

        session = airflow()
        if session is None:
            return
        run = context["dag_run"]
        with session:
            session.put_note(str(run.dag_id), str(run.run_id), words())
    except Exception as error:  # noqa: BLE001 - whatever keeps a note from being written must not fail the run
        code = error.code if isinstance(error, HubException) else failure.kind(error)
        _LOG.warning("the run's note could not be written: %s", code)


def of_run(
    outcomes: Iterable[BatchOutcome], error: HubException | None, again: bool = False, paused: bool = False
) -> str:
    """The note of a run whose batches came so far. `again`: Airflow will try again; `paused`: a person paused the feed."""
    listed = list(outcomes)
    fresh = [one for one in listed if not one.repeated]
    counts = {name: sum(getattr(one, name) for one in fresh) for name in COUNTS}
    first = _failed(error, again) if error else [_well(fresh, len(listed) - len(fresh), paused)]
    # What needs a person stands before what is well: the note may not hold them all.
    order = sorted(fresh, key=lambda one: (one.state == "loaded", not one.quarantined))
    return _fitting([*first, *([_counts(counts)] if fresh else [])], [_batch(one) for one in order])


def of_figures(figures: Mapping[str, Any], error: HubException, again: bool) -> str:
    """The note of a run that was loaded and then went wrong, from what `carry` left in XCom."""
    batches = [_coded(f"hub batch show {one}", 80) for one in figures.get("batches", ())]
    counts = [_counts(figures)] if batches else []
    return _fitting([*_failed(error, again), *counts], batches)


def _well(fresh: Sequence[BatchOutcome], repeated: int, paused: bool) -> str:
    if any(one.state == "held" for one in fresh):
        return "**held 已挂起**: a named person decides 等待具名人员决定"
    if fresh:
        return "**loaded 已入库**" if any(one.state == "loaded" for one in fresh) else "**nothing loaded 未入库**"
    if paused:
        return "**paused 已暂停**: nothing is pulled 不拉取数据 · `hub feed status`"
    met = f" ({repeated} met before 此前已接收)" if repeated else ""
    return f"**nothing new 没有新数据**{met}"


def _failed(error: HubException, again: bool) -> list[str]:
    error = _nameless(error)
    ends = "tried again 将重试" if again else "failed 失败"
    return [
        f"**{ends}** {_coded(f'{error.code} [{error.side}]', 40)}",
        _coded(error.sentence(), 170),
        _coded(error.sentence("zh"), 110),
        f"→ {_coded(error.remedy(), 150)}",
        f"→ {_coded(error.remedy('zh'), 100)}",
    ]


def _nameless(error: HubException) -> HubException:
    """The error without names of files: the task's log has them."""
    facts = {name: Said("a file", "某文件") if name in FILES else value for name, value in error.facts.items()}
    if isinstance(error, DeliveriesUnreadable):
        facts["first"] = facts.get("first_code", "")
    return type(error)(**facts)


def _counts(counts: Mapping[str, Any]) -> str:
    return " · ".join(f"{words} {int(counts.get(name) or 0):,}" for name, words in COUNTS.items())


def _batch(one: BatchOutcome) -> str:
    """One batch: where it stands, which rules were broken, and what to type."""
    said = [f"{_coded(one.source, 40)} **{one.state} {STATES.get(one.state, '')}**"]
    if one.error:
        said.append(_coded(str(one.error.get("code", "")), 20))
    rules = [_coded(str(verdict.rule), 40) for verdict in one.verdicts if not verdict.passed]
    rows = sorted(one.quarantined_by_rule.items(), key=lambda item: (-item[1], item[0]))
    rules += [f"{_coded(str(rule), 40)} {count:,}" for rule, count in rows]
    if rules:
        more = f" +{len(rules) - RULES}" if len(rules) > RULES else ""
        said.append(f"rules 规则 {', '.join(rules[:RULES])}{more}")
    if one.state == "held":
        said.append(_coded(f"hub batch show {one.batch_id}", 80))
    elif one.quarantined:
        said.append(_coded(f"hub quarantine list --batch {one.batch_id}", 80))
    said.append(f"receipt 回执 {_coded(f'hub batch receipt {one.batch_id}', 80)}")
    return " · ".join(said)


def _fitting(first: Sequence[str], batches: Sequence[str]) -> str:
    """Lines as paragraphs; as many batches as there is room for, the others counted. What comes first is bounded by its parts."""
    text = "\n\n".join(first)
    for number, line in enumerate(batches):
        rest = f"\n\n+{len(batches) - number} more 另有"
        longer = f"{text}\n\n- {line}" if number == 0 else f"{text}\n- {line}"
        last = number == len(batches) - 1
        if len(longer) + (0 if last else len(rest)) > MOST:
            return text + rest
        text = longer
    return text


def _coded(text: str, most: int) -> str:
    """A text as a code span: one line, nothing in it is markup, bounded."""
    flat = _SPACE.sub(" ", text).strip() or "-"
    return f"`{flat if len(flat) <= most else flat[: most - 1] + '…'}`"
