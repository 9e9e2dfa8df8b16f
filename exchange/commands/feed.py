"""Feeds: take one the whole way without Airflow (run), list, pause, resume, backfill past days; cursor, snapshot.

Exit codes of `hub feed run`: 0 every delivery arrived, or there was nothing new; 1 the sender or a named person must act (a
delivery was refused, can't be read, is held, or none of its rows was loaded; or the contract is wrong); 2 the command was
typed wrongly; 3 the hub's side must act; 4 trying again may help. Rows in quarantine beside loaded ones are 0.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.status import Status

from contracts import catalogue, listing
from contracts.model import FeedContract
from exchange.commands.feeds import running
from exchange.commands.subscribers import snapshot
from exchange.desk import told
from exchange.desk.told import Told
from exchange.relay import publication
from exchange.relay.publication import Published
from exchange.relay.serve import drain
from hub.ids import FeedId
from hub.options import Feed, Operator, Reason
from hub.output import AsJson, console, emit_json, emit_rows, progress_console, say_next
from warehouse import way
from warehouse.batches import BatchOutcome
from warehouse.engine import connection
from warehouse.feeds import pausing
from warehouse.landing.cursor import brief, cursors_of, set_cursor
from warehouse.outbox import lane_of

app = typer.Typer(no_args_is_help=True, help="Feeds: list, run, pause, resume, backfill, cursor, snapshot.")
app.command()(snapshot.snapshot)
running.register(app)

_COLUMNS = ("batch", "state", "delivery", "rows_in", "loaded", "unchanged", "quarantined", "refused", "events")


@app.command("list")
def list_feeds(as_json: AsJson = False) -> None:
    """Lists the feeds: where they come from and where they go."""
    rows = [
        {**listing.summary(contract), "sources": [source.id for source in contract.sources]}
        for contract in catalogue.load().feeds.values()
    ]
    columns = ("feed", "version", "name_zh", "sources", "topic", "publish")
    emit_rows(rows, [(name, name) for name in columns], as_json=as_json)


@app.command()
def run(
    feed: Feed,
    *,
    file: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="A delivery given by hand; taken while the feed is paused, too."
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Which source; needed for --file where the feed has several.")
    ] = None,
    operator: Annotated[str | None, typer.Option(help="Who gives the file; stands in the receipt.")] = None,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait until the events are on their topic.")] = 120.0,
    as_json: AsJson = False,
) -> None:
    """Takes a feed the whole way: source, gate, landing, checks, quarantine, load, outbox, topic.

    Exit code 0: every delivery arrived, or there was nothing new. 1: one was refused, can't be read, is held, or none of its
    rows was loaded. 2: typed wrongly. 3: the hub's side must act. 4: trying again may help.

    Of a feed that is paused nothing is pulled. A file given by hand is taken all the same, and the output says that it is paused.
    """
    contract = catalogue.load_one(FeedId(feed))
    with Status("starting", console=progress_console()) as status:
        outcomes = way.run_feed(
            contract,
            source,
            file=file,
            operator=operator,
            progress=lambda step, rows: status.update(f"{escape(step)} {rows:,} rows"),
        )
        status.update("publishing")
        published = _publish(contract, outcomes, timeout)
    with connection() as conn:
        said = [told.told(conn, contract, one) for one in outcomes] or [[told.NOTHING_NEW]]
        pause = pausing.paused(conn, contract.id)
        amiss = [one for one in outcomes if not told.arrived(one) and not told.settled_since(conn, one)]
    if pause is not None:
        said.append([told.paused(contract.id, pause)])
    if as_json:
        shown = [
            {**asdict(one), "told": [asdict(word) for word in words]}
            for one, words in zip(outcomes, said, strict=False)
        ]
        document = {"feed": contract.id, "batches": shown, "published": asdict(published)}
        emit_json({**document, "paused": None if pause is None else asdict(pause)})
    else:
        _show(outcomes, said, published)
    # What a pull meets again was told before; a file given by hand is asked about now.
    if any(file is not None or not one.repeated for one in amiss):
        raise typer.Exit(1)


@app.command()
def cursor(
    feed: Feed,
    *,
    source: Annotated[str | None, typer.Option(help="Which source; needed to set where there are several.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Forget it: the next pull reads everything.")] = False,
    to: Annotated[str | None, typer.Option(metavar="JSON", help="Set it to this value: '\"2026-01-31\"'.")] = None,
    operator: Operator = "",
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Shows where the next pull starts; with --reset or --to sets it, on record."""
    contract = catalogue.load_one(FeedId(feed))
    if reset and to is not None:
        raise typer.BadParameter("one of --reset and --to", param_hint="--to")
    if reset or to is not None:
        set_cursor(contract, source, None if reset else _value(to or ""), operator=operator, reason=reason)
    with connection() as conn:
        found = cursors_of(conn, contract, source)
    if as_json:
        emit_json({"feed": contract.id, "cursors": found})
        return
    columns = ("source", "value", "batch", "moved_at")
    emit_rows(
        [{**one, "value": brief(one["value"])} for one in found], [(name, name) for name in columns], as_json=False
    )


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise typer.BadParameter("it is no JSON; a text stands in quotation marks", param_hint="--to") from None
    if value is None:
        raise typer.BadParameter("to forget the cursor say --reset", param_hint="--to")
    return value


def _publish(contract: FeedContract, outcomes: list[BatchOutcome], timeout: float) -> Published:
    """Relays the lane here, or waits for the relay that holds it. Raises what stopped the lane, PublicationLate."""
    batches = [one.batch_id for one in outcomes]
    if not publication.state(batches).waiting:
        return publication.state(batches)
    with connection() as conn:
        lane = lane_of(conn, contract.topic.name)
    (done,) = drain([lane], timeout=timeout)
    if done.error is not None and done.state != "held":
        raise done.error
    return publication.wait(batches, timeout)


def _show(outcomes: list[BatchOutcome], said: list[list[Told]], published: Published) -> None:
    rows: list[dict[str, Any]] = [{**asdict(one), "batch": one.batch_id} for one in outcomes]
    if rows:
        emit_rows(rows, [(name, name) for name in _COLUMNS], as_json=False)
    out = console()
    for one in outcomes:
        if one.quarantined_by_rule:
            rules = ", ".join(f"{rule} {count:,}" for rule, count in one.quarantined_by_rule.items())
            out.print(f"[yellow]quarantined 隔离[/] {escape(rules)}", soft_wrap=True)
    for word in (word for words in said for word in words):
        colour = "dim" if word.well else "yellow"
        for text in (word.en, word.zh):
            out.print(f"[{colour}]{escape(text)}[/]", soft_wrap=True)
        for name, text in (("remedy", word.remedy_en), ("处理办法", word.remedy_zh)):
            if text:
                out.print(f"  [bold]{name}[/] {escape(text)}", soft_wrap=True)
        for command in word.next:
            say_next(command)
    if outcomes:
        out.print(f"[bold]{published.events:,}[/] events on their topic 条事件已在主题上")
