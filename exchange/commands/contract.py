"""Contracts of feeds: plan, apply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape

from contracts import catalogue
from contracts.commands.changes.gating import show_changes, show_renamed
from contracts.diff import compare, exceptions
from contracts.diff.fields import perhaps_renamed
from contracts.diff.gate import judge
from contracts.diff.refs import contract_of
from contracts.model import FeedContract
from exchange.desk import applying, planning
from hub import clock
from hub.errors import HubException
from hub.ids import FeedId
from hub.options import Feed, Operator, Reason
from hub.output import AsJson, console, emit_json, emit_rows
from hub.settings import settings
from warehouse.engine import connection, transaction
from warehouse.feeds import versions
from warehouse.planning import effect, tables
from warehouse.planning.errors import ApplyRefused

app = typer.Typer(no_args_is_help=True, help="Changes of contracts: plan, apply.")

_ACTIONS = {
    "make": "is made 新建",
    "configure": "its settings change 调整设置",
    "none": "no change 不变",
    "refuse": "[red]apply refuses[/] 不予启用:",
}
"""What becomes of the topic, in words."""

FeedOrFile = Annotated[str, typer.Argument(help="Feed: the contract's id, or the file of the changed contract.")]


@app.command()
def plan(
    feed: FeedOrFile,
    last: Annotated[int, typer.Option("--batches", min=0, max=1_000, help="How many of the last landed batches.")] = 5,
    samples: Annotated[int, typer.Option(min=0, max=100, help="Sample rows for each rule and batch.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Shows what a changed contract would do: to the rows that came, the tables, the topic, and who reads it. Does nothing.

    Ends with 1 where `apply` would refuse it. Rows are judged as people corrected them since.
    """
    contract, _ = contract_of(feed, settings().contracts, versions.of_version)
    with transaction() as conn:
        old = versions.latest(conn, contract.id)
        due = tables.planned(conn, contract)
        topic = planning.topic_plan(conn, contract, old)
    with connection() as conn:
        effects = effect.effects(conn, contract, last, samples)
    readers = planning.readers(contract, old, catalogue.load())
    changes = compare(old, contract) if old is not None else []
    refused = _refused(contract, old)
    renamed = perhaps_renamed(old, contract) if old is not None else []
    ends = ApplyRefused.exit_code if refused or due.mismatch is not None or topic.action == "refuse" else 0
    shown: dict[str, Any] = {
        "feed": contract.id,
        "old": old.version if old else None,
        "new": contract.version,
        "changes": [change.as_dict() for change in changes],
        "refused": refused,
        "perhaps_renamed": renamed,
        "batches": [asdict(one) for one in effects],
        "tables": {"statements": list(due.statements), "error": due.mismatch.as_dict() if due.mismatch else None},
        "topic": asdict(topic),
        "schema": planning.schema_changes(old, contract),
        "readers": asdict(readers),
    }
    if as_json:
        emit_json(shown)
        raise typer.Exit(ends)
    out = console()
    out.print(f"[bold]{escape(contract.id)}[/] {escape(shown['old'] or 'new')} → {escape(contract.version)}")
    show_changes(changes)
    show_renamed(renamed)
    _print_batches(effects)
    _print_rest(shown, due.mismatch)
    raise typer.Exit(ends)


@app.command()
def apply(
    feed: Feed,
    *,
    operator: Operator,
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Takes a changed contract into use: additive columns, the topic, the version on record; refuses what breaks."""
    contract = catalogue.load_one(FeedId(feed))
    done = applying.apply(contract, _exempt(contract), operator=operator, reason=reason)
    if as_json:
        emit_json({**asdict(done), "changes": [change.as_dict() for change in done.changes]})
        return
    out = console()
    out.print(f"[bold]{escape(contract.id)}[/] {escape(done.old or 'new')} → {escape(done.new)} is in use")
    for statement in done.statements:
        out.print(f"  {escape(statement)}", soft_wrap=True)
    out.print(f"  topic {escape(done.topic)}")


def _exempt(contract: FeedContract) -> list[exceptions.Exempt]:
    path = settings().contracts / contract.path
    return exceptions.read(exceptions.beside(path), clock.today())


def _refused(contract: FeedContract, old: FeedContract | None) -> list[str]:
    """The changes that `apply` would refuse."""
    if old is None:
        return []
    return [change.id for change in judge(old, contract, _exempt(contract), today=clock.today()).refused]


def _print_batches(effects: Sequence[effect.Effect]) -> None:
    out = console()
    if not effects:
        out.print("no landed batch to try it on")
    rows = [
        {
            "batch": one.batch,
            "landed": f"{one.landed_at:%Y-%m-%d}",
            "judged by": one.judged_by,
            "rows": one.rows,
            "as corrected": one.corrected,
            "quarantined": one.before,
            "would be": one.after,
            "masked": one.masked,
            "note": one.not_looked_at or (one.error or {}).get("error", ""),
        }
        for one in effects
    ]
    if rows:
        emit_rows(rows, [(name, name) for name in rows[0]], as_json=False)
    for one in effects:
        for title, counts in (("newly refused", one.newly_refused), ("newly accepted", one.newly_accepted)):
            for rule, count in counts.items():
                out.print(f"  {one.batch} [yellow]{title}[/] {escape(rule)} {count:,}")
        for broken in one.batch_rules:
            word = "would hold the batch" if broken["holds"] else "would not pass"
            told = f"{broken['rule']}: {broken['observed']}, due {broken['expected']}"
            out.print(f"  {one.batch} [yellow]{word}[/] {escape(told)}")
        for row in one.samples:
            out.print(
                f"    {row['now']} row {row['row']} ({escape(str(row['key'] or '-'))}) {escape(_told(row['values']))}"
            )


def _print_rest(shown: Mapping[str, Any], mismatch: HubException | None) -> None:
    out = console()
    out.print("[bold]tables[/]")
    for statement in shown["tables"]["statements"]:
        out.print(f"  {escape(statement)}", soft_wrap=True)
    if mismatch is not None:
        out.print(f"  [red]{mismatch.code}[/] {escape(mismatch.sentence())}\n  [dim]{escape(mismatch.remedy())}[/]")
    elif not shown["tables"]["statements"]:
        out.print("  no change 不变")
    topic = shown["topic"]
    out.print(f"[bold]topic[/] {escape(topic['topic'])}: {_ACTIONS[topic['action']]} {escape(topic['why'])}")
    for name, (was, now) in topic["config"].items():
        out.print(f"  {escape(name)}: {escape(str(was or 'default'))} → {escape(str(now or 'default'))}")
    if topic["left"]:
        out.print(f"  {escape(topic['left'])} gets no more events")
    for row in shown["schema"]:
        out.print(f"  record.{escape(row['field'])}: {row['was'] or 'nothing'} → {row['now'] or 'nothing'}")
    readers = shown["readers"]
    out.print(
        f"[bold]read by[/] roles {escape(', '.join(readers['roles']) or 'none')}; feeds {escape(', '.join(readers['feeds']) or 'none')}"
    )
    for one in readers["users"]:
        out.print(
            f"  {escape(one['user'])} ({escape(one['topic'])}, groups {escape(', '.join(one['groups']) or 'none')})"
        )
    if readers["unknown"]:
        out.print(f"  [yellow]the brokers can't be asked:[/] {escape(readers['unknown']['error'])}")
    if shown["refused"]:
        out.print("[red]apply refuses 不予启用[/]")
        for change in shown["refused"]:
            out.print(f"  {escape(change)}", soft_wrap=True)


def _told(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
