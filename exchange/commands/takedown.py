"""A record that should not have been let in: out of every store and topic, with the trace that it was."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from contracts import catalogue
from exchange.desk import takedown as taking_down
from hub import tabular
from hub.ids import FeedId
from hub.options import Feed, Limit, OnlyFeed, Operator
from hub.output import AsJson, console, emit_json, emit_rows
from hub.said import Said
from warehouse.engine import connection
from warehouse.takedown import standing, taking

app = typer.Typer(no_args_is_help=True, help="Take a record out of every store and topic: order, lift, list.")

_LISTED = ("takedown", "feed", "key", "state", "operator", "reason", "since", "lifted")
_REMOVED: tuple[tuple[str, str, Said], ...] = (
    ("batches", "batches", Said("deliveries in which the record was found", "发现该记录的批次")),
    ("rows", "rows", Said("landed rows of it, taken out", "清除的落地行")),
    ("files", "files", Said("landed pages written anew, and originals that went whole", "改写的落地文件及整份清除的原件")),
    ("change_sets", "change sets", Said("files of events from before, emptied of it", "已清空其内容的事件文件")),
    ("events", "events in outbox", Said("dead letters sent again, which stand in the outbox itself, emptied", "发件箱中重新发送的死信，已清空")),
    ("quarantined", "quarantined", Said("rows of it in quarantine, removed with their corrections", "清除的隔离行及其更正")),
    ("revisions", "old revisions", Said("replaced revisions in history, removed; the current one is emptied", "清除的历史修订；现行修订已清空")),
    ("receipts", "receipts", Said("earlier receipts that quoted a corrected value, removed", "清除的曾引用更正值的旧回执")),
    ("documents", "documents", Said("pages of Data Docs in which a value of it stood, removed", "清除的载有其值的数据文档页")),
)  # fmt: skip
"""What was removed: name of the figure, its heading, and what it counts."""


_Reason = Annotated[str, typer.Option(help="Why; stands on record. Not what stood in the record.")]
_Key = Annotated[str, typer.Argument(help="The record's key; parts joined by |.")]


@app.command()
def order(
    feed: Feed,
    key: _Key,
    *,
    operator: Operator,
    reason: _Reason,
    cut_topic: Annotated[
        bool,
        typer.Option(
            "--cut-topic", help="Forget the topic's partitions before the withdrawal: other records' older events too."
        ),
    ] = False,
    rewrite: Annotated[
        bool, typer.Option("--rewrite", help="Write PostgreSQL's tables anew at once (locks them meanwhile).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Takes a record out of landing, originals, quarantine, core, history, change sets, receipts, Data Docs, and withdraws it.

    What subscribers read already is theirs to delete: the withdrawal tells them. Copies and backups of disks are not touched.
    The order stands until it is lifted: the record is refused when it is sent again. One that was killed goes on.
    """
    contract = catalogue.load_one(FeedId(feed))
    done, on_topic = taking_down.take_down(contract, key, operator=operator, reason=reason, cut=cut_topic)
    taking.rewrite(contract, full=rewrite)
    if as_json:
        emit_json({**asdict(done), "on_topic": asdict(on_topic), "rewritten": rewrite})
        return
    removed = [
        {"removed": heading, "count": getattr(done, name), "what": f"{meant} | {meant.zh}"}
        for name, heading, meant in _REMOVED
    ]
    emit_rows(removed, [("removed", "removed"), ("count", "count"), ("what", "what")], as_json=False)
    out = console()
    for text in _withdrawal(on_topic):
        out.print(text, soft_wrap=True, markup=False)
    if on_topic.cut:
        places = ", ".join(f"{partition} < {offset}" for partition, offset in on_topic.cut.items())
        out.print(f"{on_topic.topic}: cut, partition < offset {places} | 已截断", soft_wrap=True, markup=False)
    elif on_topic.events:
        en = f"{on_topic.events} earlier event(s) stay on {on_topic.topic} until its retention ends; --cut-topic removes them"
        zh = f"{on_topic.events} 条早先的事件在保留期内仍在主题 {on_topic.topic} 上；--cut-topic 可将其清除"
        out.print(en, soft_wrap=True, markup=False)
        out.print(zh, soft_wrap=True, markup=False)


def _lifted(one: standing.TakedownRow) -> str | None:
    if one.lifted is None:
        return None
    at = tabular.cell(datetime.fromisoformat(one.lifted["at"]))
    return f"{at} {one.lifted['operator']}: {one.lifted['reason']}"


def _withdrawal(on_topic: taking_down.OnTopic) -> tuple[str, str]:
    """How subscribers were told, in both languages."""
    sent = on_topic.withdrawal
    if sent is None:
        return (
            "no withdrawal: the record was never loaded, so no event of it was ever sent",
            "无撤回事件：该记录从未入库，未曾发送其事件",
        )
    if sent.offset is None:
        return (
            f"withdrawal sent: event {sent.event_id}, which {on_topic.topic} does not hold any more",
            f"撤回事件已发送：{sent.event_id}，主题 {on_topic.topic} 已不再保留",
        )
    place = f"{on_topic.topic} partition {sent.partition} offset {sent.offset}"
    return f"withdrawal sent: event {sent.event_id} on {place}", f"撤回事件已发送：{sent.event_id}，{place}"


@app.command()
def lift(
    feed: Feed,
    key: _Key,
    *,
    operator: Operator,
    reason: _Reason,
    as_json: AsJson = False,
) -> None:
    """Lets a record that was taken down come in again. It is there once its source has sent it anew: nothing of it was kept."""
    numbers = standing.lift(FeedId(feed), key, operator=operator, reason=reason)
    if as_json:
        emit_json({"feed": feed, "lifted": numbers})
        return
    named = ", ".join(map(str, numbers))
    console().print(f"lifted: takedown {named} of {feed}", soft_wrap=True, markup=False)
    console().print(f"已解除：数据源 {feed} 的撤下 {named}", soft_wrap=True, markup=False)


@app.command("list")
def list_takedowns(
    feed: OnlyFeed = None,
    every: Annotated[bool, typer.Option("--all", help="Those that were lifted too.")] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Lists takedowns that stand, the newest first: who ordered which, and whether it is finished."""
    with connection() as conn:
        found = standing.listed(conn, feed=feed, every=every, limit=limit)
    rows = [
        {
            "takedown": one.number,
            "feed": one.feed,
            "key": one.key,
            "state": one.state,
            "operator": one.operator,
            "reason": one.reason,
            "since": one.begun_at,
            "lifted": _lifted(one),
        }
        for one in found
    ]
    emit_rows(rows, [(name, name) for name in _LISTED], as_json=as_json)
