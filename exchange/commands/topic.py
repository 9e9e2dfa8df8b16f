"""Topics as the hub made them: list, describe, tail."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from contracts import catalogue
from exchange import consume, topics
from exchange.cluster import Cluster, TopicFound
from exchange.envelope import Event
from exchange.errors import TopicUnknown
from hub.errors import HubError
from hub.output import AsJson, console, emit_json, emit_rows
from warehouse.engine import connection

app = typer.Typer(no_args_is_help=True, help="Topics: list, describe, tail.")

Topic = Annotated[str, typer.Argument(help="The topic's name.")]


@app.command("list")
def list_topics(as_json: AsJson = False) -> None:
    """Lists the hub's topics: lane, partitions, records kept, and whether they are the ones the hub made."""
    with connection() as conn:
        noted = topics.noted(conn)
    with Cluster() as cluster:
        found = cluster.topics()
        rows = [_row(cluster, row, found.get(row.name)) for row in noted]
        rows += [
            {"topic": name, "lane": None, "feed": None, "partitions": found[name].partitions, "state": "the hub's own"}
            for name in topics.OWN
            if name in found
        ]
    columns = ("topic", "partitions", "offsets", "state")  # feed and lane mostly repeat the name; --json has them
    emit_rows(rows, [(name, name) for name in columns], as_json=as_json)


@app.command()
def describe(topic: Topic, as_json: AsJson = False) -> None:
    """Describes one topic: settings, partitions, ends, who may read it, which contract it comes from."""
    with connection() as conn:
        noted = topics.noted(conn, name=topic)
    with Cluster() as cluster:
        found = cluster.topics([topic]).get(topic)
        if found is None and not noted:
            raise TopicUnknown(topic=topic)
        row: dict[str, Any] = _row(cluster, noted[0], found) if noted else {"topic": topic, "state": "not the hub's"}
        if found is not None:
            row |= {"uuid": found.uuid, "replication": found.replication, "settings": cluster.config(topic)}
            row["ends"] = {str(number): end for number, end in sorted(cluster.ends(topic, found.partitions).items())}
    feed = noted[0].feed if noted else None
    contract = catalogue.load().feeds.get(feed) if feed else None  # type: ignore[call-overload]
    if contract is not None:
        row |= {"readers": list(contract.topic.readers), "publish": contract.publish, "key": contract.subject}
    if as_json:
        emit_json(row)
        return
    out = console()
    for name, value in row.items():
        out.print(f"[cyan]{name:<12}[/] {escape(str(value))}")


@app.command()
def tail(
    topic: Topic,
    last: Annotated[int, typer.Option("-n", "--last", min=0, max=10_000, help="How many of the last events.")] = 10,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until interrupted.")] = False,
    data: Annotated[bool, typer.Option(help="Show the data too.")] = True,
    as_json: AsJson = False,
) -> None:
    """Reads the last events of a topic as a read_committed subscriber sees them."""
    events = consume.tail(topic, last, follow=follow)
    if as_json and not follow:
        emit_json([_shown(event, data=data) for event in events])
        return
    for event in events:
        if as_json:
            emit_json(_shown(event, data=data))
        else:
            _print(event, data=data)


def _row(cluster: Cluster, row: topics.TopicNoted, found: TopicFound | None) -> dict[str, Any]:
    made: dict[str, Any] = {"topic": row.name, "feed": row.feed, "lane": row.lane, "partitions": row.partitions}
    if row.uuid is None:
        return made | {"state": "not made yet"}
    try:
        topics.check(row, found)
    except HubError as error:
        return made | {"state": error.sentence(), "error": error.as_dict()}
    return made | {"state": "as made", "offsets": sum(cluster.ends(row.name, row.partitions).values())}


def _shown(event: Event, *, data: bool) -> dict[str, Any]:
    shown = event.as_dict()
    return shown if data else {name: value for name, value in shown.items() if name != "data"}


def _print(event: Event, *, data: bool) -> None:
    out = console()
    place = f"{event.topic}[{event.partition}]@{event.offset}"
    # What a topic holds came from outside: data, never console markup.
    out.print(f"[bold]{escape(event.type)}[/] {escape(event.id)}  [dim]{escape(place)}  {escape(event.time or '')}[/]")
    if data:
        out.print(f"  key {escape(event.key or '-')}")
        out.print_json(data=event.data)
