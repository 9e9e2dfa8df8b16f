"""What subscribers build on: the AsyncAPI document, and the JSON Schema of each event with its promise."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.markup import escape

from contracts import catalogue
from contracts.model import FeedContract
from exchange.errors import TopicUnknown
from exchange.subscribers import asyncapi as documents
from exchange.subscribers.own_events import OWN_EVENTS, OwnEvents
from hub import nearest
from hub.options import SEVERAL
from hub.output import AsJson, console, emit_json
from hub.said import Said
from hub.settings import settings
from warehouse.engine import connection
from warehouse.event_schema import breaks, schemas
from warehouse.feeds import registry

_Topics = Annotated[list[str] | None, typer.Argument(metavar="[TOPIC...]", help="Only these; none: every contract's.")]


class _Dumper(yaml.SafeDumper):
    """YAML as people write it: a text of several lines stands as it is; nothing is said by reference to above."""

    def ignore_aliases(self, data: Any) -> bool:
        """Every value is written out."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def asyncapi(
    topics: _Topics = None,
    *,
    server: Annotated[
        list[str] | None,
        typer.Option(help=f"HOST:PORT that subscribers reach; default: HUB_KAFKA_BOOTSTRAP. {SEVERAL}"),
    ] = None,
    to: Annotated[Path | None, typer.Option(dir_okay=False, help="Write it to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Prints the AsyncAPI 3 document of what the hub publishes, as YAML or with --json as JSON."""
    contracts, own = _chosen(topics)
    made = documents.document(contracts, settings(), server, own)
    if to is None and as_json:
        emit_json(made)
        return
    text = yaml.dump(made, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120)
    if to is None:
        typer.echo(text, nl=False)
        return
    to.write_text(text, encoding="utf-8")
    if as_json:
        emit_json({"file": str(to), "channels": sorted(made["channels"])})
    else:
        console().print(f"{len(made['channels'])} channels in {escape(str(to))}")


def schema(
    topics: _Topics = None,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Hold them against every version that was used; ends with 1 on a break.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Prints the JSON Schema of each event; --check says whether the promise to readers is kept."""
    contracts, own = _chosen(topics)
    if not check:
        every = [*(schemas(contract) for contract in contracts), *(one.schemas for one in own)]
        emit_json({kind: made for one in every for kind, made in one.items()})
        return
    found = [row for contract in contracts for row in _broken(contract)]
    if as_json:
        emit_json({"events": 3 * len(contracts), "breaks": found})
    else:
        for row in found:
            line = f"[red]{escape(row['topic'])}[/] {escape(row['what'])}: {escape(row['en'])}"
            console().print(f"{line} (since {escape(row['since'])})\n  {escape(row['zh'])}")
        if not found:
            console().print(f"{3 * len(contracts)} events keep what was promised to their readers")
            console().print(f"{3 * len(contracts)} 种事件均符合对订阅方的承诺")
    if found:
        raise typer.Exit(1)


def unknown(topic: str, known: Iterable[str]) -> TopicUnknown:
    """The error for a topic that is not there, with those that are near."""
    near = nearest.told(topic, known)
    return TopicUnknown(topic=topic[:200], near=Said(f": {near}", f"：{near.zh}"))


def _chosen(topics: list[str] | None) -> tuple[list[FeedContract], list[OwnEvents]]:
    """The contracts and the hub's own topics of these names; of none: every one. Raises TopicUnknown."""
    every = list(catalogue.load().feeds.values())
    if not topics:
        return every, list(OWN_EVENTS)
    known = {name: contract for contract in every for name in (contract.topic.name, contract.id)}
    own = {str(one.topic.name): one for one in OWN_EVENTS}
    for name in topics:
        if name not in known and name not in own:
            raise unknown(name, (*known, *own))
    contracts = {known[name].id: known[name] for name in topics if name in known}
    return list(contracts.values()), [own[name] for name in dict.fromkeys(topics) if name in own]


def _broken(contract: FeedContract) -> list[dict[str, Any]]:
    with connection() as conn:
        used = registry.versions(conn, contract.id)
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for old in used:
        for one in breaks(old, contract):
            facts = {"topic": contract.topic.name, "feed": contract.id, "since": old.version, "now": contract.version}
            rows.setdefault((one.what, one.en), {**facts, "what": one.what, "en": one.en, "zh": one.zh})
    return list(rows.values())
