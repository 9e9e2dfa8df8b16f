"""Topics, who may read them, and what readers build on: list, describe, tail, readers, grant, revoke, asyncapi, schema, lag, dead."""

from __future__ import annotations

import json
import secrets
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.markup import escape

from contracts import catalogue
from exchange.brokers import access, consume, topics
from exchange.brokers.cluster import Cluster, TopicFound
from exchange.brokers.own_topics import OWN
from exchange.commands.subscribers import dead, documents, lag
from exchange.commands.subscribers.handing import handed
from exchange.envelope import Event
from exchange.errors import ReaderUnknown, TopicUnknown
from hub import nearest
from hub.errors import HubError
from hub.options import Operator, Reason
from hub.output import AsJson, console, emit_json, emit_rows, progress_console
from hub.said import Said
from hub.settings import settings
from hub.tabular import cell, hanging
from warehouse import acts
from warehouse.engine import connection, transaction

app = typer.Typer(no_args_is_help=True, help="Topics: list, describe, tail, readers, grant, revoke.")
app.command()(documents.asyncapi)
app.command()(documents.schema)
app.command()(lag.lag)
app.add_typer(dead.app, name="dead")

Topic = Annotated[str, typer.Argument(help="The topic's name.")]
User = Annotated[str, typer.Argument(help="The reader's Kafka user, such as audit-office.")]
MARKERS = (
    "offsets have gaps where a transaction of the relay ended: its marker takes one offset and is no event; no event is missing",
    "位移存在间隔：转发的每个事务结束时有一个标记占用一个位移，它不是事件；没有事件丢失",
)
"""Why the offsets of a topic are more than its events, in English and Chinese."""


_HEADINGS = {
    "offsets": "offsets used",
    "readers": "readers now",
    "contract_readers": "readers by contract",
    "note": "about offsets",
    "note_zh": "关于位移",
}


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
            for name in OWN
            if name in found
        ]
    # Feed and lane mostly repeat the name; --json has them. Offsets are no count of events: markers take some.
    columns = (("topic", "topic"), ("partitions", "partitions"), ("offsets", "offsets used"), ("state", "state"))
    emit_rows(rows, columns, as_json=as_json)


@app.command()
def describe(topic: Topic, as_json: AsJson = False) -> None:
    """Describes one topic: settings, partitions, ends, who may read it, which contract it comes from."""
    with connection() as conn:
        noted = topics.noted(conn, name=topic)
    with Cluster() as cluster:
        found = cluster.topics([topic]).get(topic)
        if found is None and not noted:
            raise _unknown(topic, cluster)
        row: dict[str, Any] = _row(cluster, noted[0], found) if noted else {"topic": topic, "state": "not the hub's"}
        if found is not None:
            row |= {"uuid": found.uuid, "replication": found.replication, "settings": cluster.config(topic)}
            row["ends"] = {str(number): end for number, end in sorted(cluster.ends(topic, found.partitions).items())}
            row["readers"] = [f"{one.user} (groups {', '.join(one.groups)})" for one in access.readers(cluster, topic)]
    feed = noted[0].feed if noted else None
    contract = catalogue.load().feeds.get(feed) if feed else None  # type: ignore[call-overload]
    if contract is not None:
        row |= {"contract_readers": list(contract.topic.readers), "publish": contract.publish, "key": contract.subject}
    if found is not None:
        row["note"], row["note_zh"] = MARKERS
    if as_json:
        emit_json(row)
        return
    out = console()
    shown = {_HEADINGS.get(name, name): value for name, value in row.items() if value not in (None, "")}
    indent = max(map(cell_len, shown)) + 2
    for name, value in shown.items():
        text = cell(value, name) or "nobody" if "reader" in name else cell(value, name)
        hanging(out, f"[cyan]{name}[/]", cell_len(name), text, indent)


@app.command()
def tail(
    topic: Topic,
    last: Annotated[int, typer.Option("-n", "--last", min=0, max=10_000, help="How many of the last events.")] = 10,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until interrupted.")] = False,
    data: Annotated[bool, typer.Option(help="Show the data too.")] = True,
    as_json: AsJson = False,
) -> None:
    """Reads the last events of a topic as a read_committed subscriber sees them."""
    with Cluster() as cluster:
        if topic not in cluster.topics([topic]):
            raise _unknown(topic, cluster)
    events = consume.tail(topic, last, follow=follow)
    if as_json and not follow:
        emit_json([_shown(event, data=data) for event in events])
        return
    seen: dict[int, int] = {}
    gaps = False
    for event in events:
        gaps = gaps or event.offset - seen.get(event.partition, event.offset - 1) > 1
        seen[event.partition] = event.offset
        if as_json:
            emit_json(_shown(event, data=data))
        else:
            _print(event, data=data)
    if gaps and not as_json:
        for note in MARKERS:
            progress_console().print(f"[dim]{note}[/]", soft_wrap=True)


@app.command()
def readers(
    topic: Annotated[str | None, typer.Argument(help="Only this topic's readers.")] = None,
    as_json: AsJson = False,
) -> None:
    """Shows who may read which topic, in which consumer groups, as the brokers have it."""
    with connection() as conn, Cluster() as cluster:
        if topic is not None and topic not in {row.name for row in topics.noted(conn)} | set(cluster.topics()):
            raise _unknown(topic, cluster)
        rows = [asdict(one) for one in access.readers(cluster, topic)]
    emit_rows(rows, [(name, name) for name in ("topic", "user", "groups", "password")], as_json=as_json)


@app.command()
def grant(
    user: User,
    topics_: Annotated[list[str], typer.Argument(metavar="TOPIC...", help="Topics it may read.")],
    *,
    operator: Operator,
    reason: Reason,
    password_file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Its password is the first line of this file."),
    ] = None,
    new_password: Annotated[bool, typer.Option("--new-password", help="Make a known reader's password anew.")] = False,
    to: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write it, with the password, to this new file that you alone may read."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Lets a reader read topics, in consumer groups named USER.*; a new reader's password is made and shown, or written, once."""
    by = acts.named("grant", operator, reason)
    access.check_name(user, settings())
    with ExitStack() as opened:
        file = None if to is None else opened.enter_context(handed(to))
        made = _granted(user, topics_, by, password_file=password_file, new_password=new_password)
        told: dict[str, Any] = {"user": user, "topics": topics_, "groups": f"{user}.*", "password": made}
        if file is not None:
            json.dump(told, file, ensure_ascii=False, indent=2)
            file.write("\n")
            told = {name: value for name, value in told.items() if name != "password"} | {"file": str(to)}
    if as_json:
        emit_json(told)
        return
    out = console()
    out.print(f"{escape(user)} reads {escape(', '.join(topics_))} in groups that start with {escape(user)}.")
    if to is not None:
        has = "with the password, shown nowhere else" if made is not None else "without a password: it stays as it is"
        out.print(f"written to {escape(str(to))} (0600), {has}", soft_wrap=True)
    elif made is not None:
        out.print(f"[bold]password[/] {escape(made)}  [dim](shown this once)[/]", soft_wrap=True)


def _granted(
    user: str, topics_: list[str], by: tuple[str, str], *, password_file: Path | None, new_password: bool
) -> str | None:
    """Grants, and gives the password that was made for it, None where none was."""
    with transaction() as conn, Cluster() as cluster:
        known = {row.name for row in topics.noted(conn)} | set(OWN)
        for name in topics_:
            if name not in known:
                raise _unknown(name, cluster)
        made = None
        if password_file is not None:
            password: str | None = (password_file.read_text(encoding="utf-8").splitlines() or [""])[0]
            if not password:
                raise typer.BadParameter("the file is empty", param_hint="--password-file")
        elif new_password or not access.has_password(cluster, user):
            password = made = secrets.token_urlsafe(24)
        else:
            password = None
        facts = {"topics": topics_, "groups": f"{user}.", "password": password is not None}
        acts.note(conn, "grant", user, by, facts)
        access.grant_reader(cluster, user, password, topics_, f"{user}.")
    return made


@app.command()
def revoke(
    user: User,
    topics_: Annotated[
        list[str] | None, typer.Argument(metavar="[TOPIC...]", help="Only these; none: all, and the password.")
    ] = None,
    *,
    operator: Operator,
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Takes a reader's right to topics away, or all its rights and its password."""
    by = acts.named("revoke", operator, reason)
    access.check_name(user, settings())
    with transaction() as conn, Cluster() as cluster:
        if not access.has_password(cluster, user) and not access.rights(cluster, user):
            raise ReaderUnknown(user=user)
        acts.note(conn, "revoke", user, by, {"topics": topics_ or "all"})
        if topics_:
            access.revoke_topics(cluster, user, topics_)
        else:
            access.revoke_reader(cluster, user)
        left = [asdict(one) for one in access.readers(cluster) if one.user == user]
    if as_json:
        emit_json({"user": user, "left": left})
    else:
        console().print(f"{escape(user)} may read {escape(', '.join(one['topic'] for one in left) or 'nothing')} now")


def _row(cluster: Cluster, row: topics.TopicNoted, found: TopicFound | None) -> dict[str, Any]:
    made: dict[str, Any] = {"topic": row.name, "feed": row.feed, "lane": row.lane, "partitions": row.partitions}
    if row.uuid is None:
        return made | {"state": "not made yet"}
    try:
        topics.check(row, found)
    except HubError as error:
        return made | {"state": error.sentence(), "error": error.as_dict()}
    return made | {"state": "as made", "offsets": sum(cluster.ends(row.name, row.partitions).values())}


def _unknown(topic: str, cluster: Cluster) -> TopicUnknown:
    """The error for a topic that is not there, with those that are near."""
    near = nearest.told(topic, [name for name in cluster.topics() if not name.startswith("__")])
    return TopicUnknown(topic=topic, near=Said(f": {near}", f"：{near.zh}"))


def _shown(event: Event, *, data: bool) -> dict[str, Any]:
    shown = event.as_dict()
    return shown if data else {name: value for name, value in shown.items() if name != "data"}


def _print(event: Event, *, data: bool) -> None:
    out = console()
    place = f"{event.topic}[{event.partition}]@{event.offset}"
    # What a topic holds came from outside: data, never console markup.
    out.print(
        f"[bold]{escape(event.type)}[/] {escape(event.id)}  [dim]{escape(place)}  {escape(event.time or '')}[/]",
        soft_wrap=True,
    )
    if data:
        out.print(f"  key {escape(event.key or '-')}", soft_wrap=True)
        out.print_json(data=event.data)
