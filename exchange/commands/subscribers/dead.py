"""`hub topic dead`: events that the brokers refused: list, show, replay, close."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.markup import escape

from exchange.desk import dead_cases
from exchange.errors import DeadLetterGone
from hub.options import Operator, Reason
from hub.output import AsJson, console, emit_json, emit_rows

app = typer.Typer(no_args_is_help=True, help="Dead letters: list, show, replay, close.")

EventId = Annotated[str, typer.Argument(metavar="EVENT", help="The event's id (ce_id).")]
Topic = Annotated[str | None, typer.Option(help="Only those of this topic.")]


@app.command("list")
def list_letters(
    topic: Topic = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that are settled.")] = False,
    as_json: AsJson = False,
) -> None:
    """Lists the events that could not be sent and wait for somebody."""
    rows = [one.as_dict() for one in dead_cases.letters(topic, settled=every)]
    columns = ("event_id", "topic", "code", "overtaken", "state", "noted_at")
    if not rows and not as_json:
        said = ("no dead letter on record", "没有死信记录") if every else ("no dead letter waits", "没有待处理的死信")
        console().print(" | ".join(said), soft_wrap=True)
        return
    emit_rows(rows, [(name, name) for name in columns], as_json=as_json)


@app.command()
def show(
    event: EventId,
    data: Annotated[bool, typer.Option("--data", help="Show the event's data too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Explains one: what it is about, why it was refused, what helps, who did what."""
    letter, done = dead_cases.one(event)
    lost: str | None = None
    held: dead_cases.DeadEvent | None = None
    try:
        held = dead_cases.event(event)
    except DeadLetterGone as gone:
        lost = gone.sentence()
    size = None if held is None else len(held.data)
    if as_json:
        shown = {**letter.as_dict(), "bytes": size, "lost": lost, "acts": done}
        emit_json({**shown, "data": json.loads(held.data)} if held is not None and data else shown)
        return
    out = console()
    out.print(f"[bold]{escape(letter.event_id)}[/] {escape(letter.state)}, for {escape(letter.topic)}")
    out.print(f"[red]{escape(letter.code)}[/] {escape(letter.en)}\n  {escape(letter.zh)}")
    out.print(f"[bold]remedy[/] {escape(letter.remedy_en)}\n  {escape(letter.remedy_zh)}")
    out.print(f"from the batch {escape(letter.batch or '-')}, delivery {escape(letter.delivery or '-')}")
    if letter.overtaken is not None:
        out.print(f"the record is at revision {letter.overtaken} now: readers need this event only to close the gap")
        out.print(f"该记录现为第 {letter.overtaken} 修订：订阅方仅为补齐修订号才需要此事件")
    out.print(f"{size:,} bytes" if size is not None else escape(lost or ""))
    for did in done:
        out.print(f"{escape(did['at'])} {escape(did['action'])} by {escape(did['operator'])}: {escape(did['reason'])}")
    if held is not None and data:
        out.print_json(data=json.loads(held.data))


@app.command()
def replay(
    events: Annotated[list[str] | None, typer.Argument(metavar="[EVENT...]", help="Event ids.")] = None,
    *,
    operator: Operator,
    reason: Reason,
    topic: Annotated[str | None, typer.Option(help="Instead of ids: all that wait for this topic.")] = None,
    as_json: AsJson = False,
) -> None:
    """Sends events again, under their own ids, after the cause was mended. They come after later revisions."""
    if bool(events) == (topic is not None):
        raise typer.BadParameter("give event ids, or --topic for all of a topic", param_hint="EVENT")
    wanted = events or [one.event_id for one in dead_cases.letters(topic)]
    done = dead_cases.replay(wanted, operator=operator, reason=reason)
    if as_json:
        emit_json({"replayed": done})
    else:
        console().print(f"{len(done)} events handed to the outbox; `hub relay status` shows when they are sent")


@app.command()
def close(event: EventId, *, operator: Operator, reason: Reason, as_json: AsJson = False) -> None:
    """Settles one without sending anything: a later revision of the record says it all."""
    dead_cases.close(event, operator=operator, reason=reason)
    if as_json:
        emit_json({"closed": event})
    else:
        console().print(f"{escape(event)} is closed")
