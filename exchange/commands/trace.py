"""One record's whole story: delivery, page and row, changes made, verdicts, revisions, events with topic and offset."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import sqlalchemy as sa
import typer
from rich.markup import escape

from contracts import catalogue
from contracts.model import FeedContract
from exchange import locate
from exchange.locate import Wanted
from hub.errors import HubException
from hub.ids import FeedId
from hub.output import AsJson, console, emit_json
from warehouse.changeset import ChangeSet
from warehouse.engine import connection
from warehouse.errors import StoreMissing
from warehouse.store import store
from warehouse.story import story
from warehouse.tables import outbox

app = typer.Typer(help="One record's whole story, from the delivery to the topic.")


@app.command()
def trace(
    key: Annotated[str, typer.Argument(help="The record's key; parts joined by |.")],
    feed: Annotated[str | None, typer.Option(help="Only this feed; else all are looked through.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tells one record's whole story. Ends with 1 when nobody ever saw the key."""
    contracts = [catalogue.load_one(FeedId(feed))] if feed else list(catalogue.load().feeds.values())
    stories = [told for contract in contracts if (told := _told(contract, key)) is not None]
    if as_json:
        emit_json(stories)
    else:
        for one in stories:
            _show(one)
        if not stories:
            console().print(f"no feed ever saw the key {escape(key)}")
    if not stories:
        raise typer.Exit(1)


def _told(contract: FeedContract, key: str) -> dict[str, Any] | None:
    """The story with the events' places on Kafka, or None where the key was never seen."""
    told = story(contract, key)
    if not (told["current"] or told["history"] or told["quarantined"] or told["rows"] or told["events"]):
        return None
    wanted = [found for event in told["events"] if (found := _wanted(event)) is not None]
    try:
        places = locate.find(wanted) if wanted else {}
    except HubException as error:
        # The story stands without the broker; what is missing is said.
        told["kafka"] = error.as_dict()
        places = {}
    for event in told["events"]:
        place = places.get(event["event_id"])
        event["partition"], event["offset"] = (place.partition, place.offset) if place else (None, None)
    return told


def _wanted(event: dict[str, Any]) -> Wanted | None:
    """What to look for, of an event that was published and whose change set is still there."""
    with connection() as conn:
        row = conn.execute(
            sa.select(outbox.c.path, outbox.c.created_at, outbox.c.published_at).where(
                outbox.c.lane == event["lane"], outbox.c.seq == event["seq"]
            )
        ).one_or_none()
    if row is None or row.path is None or event["published_at"] is None:
        return None
    try:
        with ChangeSet(store(), row.path) as changes:
            key = next(iter(changes.batches(event["record"]))).column("key")[0].as_py()
    except StoreMissing:
        key = None
    now = datetime.now(UTC)
    return Wanted(event["event_id"], event["topic"], key, row.created_at or now, row.published_at or now)


def _show(told: dict[str, Any]) -> None:
    out = console()
    out.print(f"[bold]{escape(told['feed'])}[/] {escape(told['key'])}")
    for batch_id, batch in told["batches"].items():
        out.print(f"[cyan]batch[/] {escape(batch_id)} {escape(_facts(batch))}")
    for row in told["rows"]:
        out.print(f"[cyan]row[/] {row['row']} of batch {escape(row['batch'])}: {escape(_facts(row, 'raw'))}")
    for record in [told["current"], *told["history"]]:
        if record:
            out.print(f"[cyan]revision[/] {record['revision']}: {escape(_facts(record, 'record'))}")
            out.print(f"  {escape(_facts(record['record'] or {}))}")
    for row in told["quarantined"]:
        out.print(f"[yellow]quarantined[/] {escape(_facts(row))}")
    for event in told["events"]:
        place = "not published yet"
        if event["published_at"]:
            place = f"{event['topic']}[{event['partition']}]@{event['offset']}"
        elif event["skipped_at"]:
            place = "passed over by a rebase of the relay, never published"
        out.print(f"[green]event[/] {escape(event['event_id'])} {event['change']}, {escape(place)}")
    if "kafka" in told:
        out.print(f"[red]{escape(str(told['kafka']['error']))}[/]")


def _facts(of: dict[str, Any], *but: str) -> str:
    """What a mapping says, in a line; what it does not say is left out."""
    said = {name: value for name, value in of.items() if name not in but and value not in (None, [], {}, "")}
    return ", ".join(f"{name} {value}" for name, value in said.items())
