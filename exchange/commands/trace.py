"""One record's whole story: delivery, page and row, changes made, verdicts, revisions, events with topic and offset."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape

from contracts.model import FeedContract
from exchange.desk import locate, telling
from exchange.desk.locate import Wanted
from hub.errors import HubException, ParameterWrong
from hub.output import AsJson, console, emit_json, say_error
from hub.said import Said
from hub.tabular import hanging
from warehouse import refusals
from warehouse import story as stories
from warehouse.batch_choice import chosen
from warehouse.engine import connection
from warehouse.feeds import known

app = typer.Typer(help="One record's whole story, from the delivery to the topic.")

_DATED = len(telling.dated(datetime.now(UTC))) + 2


@app.command()
def trace(
    *,
    key: Annotated[str | None, typer.Argument(help="The record's key; parts joined by |.")] = None,
    feed: Annotated[str | None, typer.Option(help="Only this feed; else all are looked through.")] = None,
    batch: Annotated[str | None, typer.Option(help="With --row instead of a key: the batch, or its beginning.")] = None,
    row: Annotated[int | None, typer.Option(min=0, help="The row's number in that batch.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tells one record's whole story, by its key or by the place of its row. Ends with 1 when nothing is known of it."""
    if (key is None) == (batch is None) or (batch is None) != (row is None):
        what = Said("give either a KEY, or --batch and --row", "请给出 KEY，或同时给出 --batch 与 --row")
        raise ParameterWrong(command="hub trace", reason=what, usage="`hub trace KEY`")
    if batch is not None and row is not None:
        place = stories.of_row(chosen(batch, last=False), row)
        if place["refused"] or place["key"] is None:
            _row_alone(place, as_json=as_json)
            return
        key, feed = place["key"], place["feed"]
    assert key is not None
    with connection() as conn:
        known.feed_known(conn, feed)
        contracts = known.contracts(conn, known.feeds(conn) if feed is None else [feed])
    found = [told for contract in contracts if (told := _told(contract, key)) is not None]
    if as_json:
        emit_json(found)
    for one in () if as_json else found:
        _show(one)
    if not found:
        if not as_json:
            _unknown(key, feed)
        raise typer.Exit(1)


def _told(contract: FeedContract, key: str) -> dict[str, Any] | None:
    """The story with the events' places on Kafka, or None where the key was never seen."""
    told = stories.story(contract, key)
    if not any(told[part] for part in ("current", "history", "quarantined", "rows", "takedowns", "events")):
        return None
    wanted = [found for event in told["events"] if (found := _wanted(event)) is not None]
    try:
        places = locate.find(wanted) if wanted else {}
    except HubException as error:
        # The story stands without the broker; what is missing is said.
        told["kafka"] = error.as_dict()
        places = {}
    for event in reversed(told["events"]):
        # One event may have been sent twice: of a dead letter it is the later that lies there.
        left = places.get(event["event_id"])
        place = left.pop() if left else None
        event["partition"], event["offset"] = (place.partition, place.offset) if place else (None, None)
        if event["emptied"] and place is not None:
            event["change"] = place.change  # what is left of it here withdraws; what was sent says what it was
    return told


def _wanted(event: dict[str, Any]) -> Wanted | None:
    """What to look for, of an event that was published. Past its retention no Kafka key is known: all partitions are looked at."""
    if event["published_at"] is None:
        return None
    return Wanted(event["event_id"], event["topic"], event["key"], event["created_at"], event["published_at"])


def _show(told: dict[str, Any]) -> None:
    console().print(f"[bold]{escape(told['feed'])}[/] {escape(told['key'])}", soft_wrap=True)
    _print(telling.lines(told))
    if "kafka" in told:
        say_error(console(), told["kafka"], "where its events lie")


def _row_alone(place: dict[str, Any], *, as_json: bool) -> None:
    """A row without a key on record: refused at the gate, or not one that any batch has."""
    if as_json:
        emit_json([place])
    elif place["refused"]:
        console().print(f"[bold]{escape(place['feed'])}[/] a row that the gate refused 闸口拒收的行", soft_wrap=True)
        _print(telling.refused(place))
    else:
        console().print(
            f"the batch {place['batch']} has no row {place['row']} of which a key is on record", soft_wrap=True
        )
    if not place["refused"]:
        raise typer.Exit(1)


def _unknown(key: str, feed: str | None) -> None:
    out = console()
    out.print(f"no feed ever saw the key {escape(key)} 没有数据源见过该主键", soft_wrap=True)
    with connection() as conn:
        found = refusals.latest(conn, feed=feed)
    if not found:
        return
    out.print(
        "of rows that the gate refused no key is kept; they are traced by their place 闸口拒收的行不保留主键，按位置查询："
    )
    for one in found:
        row = 1 if one["row"] is None else one["row"]
        told = f"{one['rows']} refused by {one['rule']}: hub trace --batch {one['batch']} --row {row}"
        out.print(f"  {escape(one['feed'])}: {escape(told)}", soft_wrap=True)


def _print(lines: list[telling.Line]) -> None:
    out = console()
    for line in lines:
        at = telling.dated(line.at)
        lead = f"[{line.style}]{at}[/]" if line.style else at
        hanging(out, lead, len(at), line.what, _DATED)
