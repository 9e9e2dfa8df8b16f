"""A record that should not have been let in: out of every store and topic, with the trace that it was."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from contracts import catalogue
from exchange.desk import takedown as taking_down
from hub.ids import FeedId
from hub.options import Feed, Limit, OnlyFeed, Operator
from hub.output import AsJson, console, emit_json, emit_rows
from warehouse.engine import connection
from warehouse.takedown import standing, taking

app = typer.Typer(no_args_is_help=True, help="Take a record out of every store and topic: order, lift, list.")

_LISTED = ("takedown", "feed", "key", "state", "operator", "reason", "since", "lifted")
_COLUMNS = ("batches", "rows", "files", "change_sets", "events", "quarantined", "revisions", "receipts", "documents")


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
    emit_rows([asdict(done)], [(name, name) for name in _COLUMNS], as_json=False)
    out = console()
    if on_topic.cut:
        places = ", ".join(f"{partition} < {offset}" for partition, offset in on_topic.cut.items())
        out.print(f"{on_topic.topic}: cut, partition < offset {places} | 已截断", soft_wrap=True, markup=False)
    elif on_topic.events:
        en = f"{on_topic.events} earlier event(s) stay on {on_topic.topic} until its retention ends; --cut-topic removes them"
        zh = f"{on_topic.events} 条早先的事件在保留期内仍在主题 {on_topic.topic} 上；--cut-topic 可将其清除"
        out.print(en, soft_wrap=True, markup=False)
        out.print(zh, soft_wrap=True, markup=False)


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
            "lifted": None
            if one.lifted is None
            else f"{one.lifted['at']} {one.lifted['operator']}: {one.lifted['reason']}",
        }
        for one in found
    ]
    emit_rows(rows, [(name, name) for name in _LISTED], as_json=as_json)
