"""Contracts of feeds: list, show, gate, and what they may say (rules, properties, codes)."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from contracts import catalogue, codes, listing
from contracts.commands.changes import gating
from contracts.properties import TABLE
from hub.ids import FeedId
from hub.output import AsJson, console, emit_json, emit_rows
from hub.settings import settings

app = typer.Typer(no_args_is_help=True, help="Contracts of feeds: list, show, gate, rules, properties, codes.")
app.command()(gating.gate)

Feed = Annotated[str, typer.Argument(help="Feed: the contract's id, which is its file's stem.")]


@app.command("list")
def list_contracts(as_json: AsJson = False) -> None:
    """Lists every contract on disk, the broken ones too."""
    found = catalogue.load()
    rows: list[dict[str, Any]] = [listing.summary(contract) for contract in found.feeds.values()]
    rows += [
        {"feed": entry.id, "path": entry.path, "state": "broken", "problems": len(entry.problems)}
        for entry in found.broken
    ]
    rows.sort(key=lambda row: str(row["feed"]))
    columns = ("feed", "version", "name_zh", "topic", "publish", "state")
    emit_rows(rows, [(key, key) for key in columns], as_json=as_json)


@app.command()
def show(feed: Feed, as_json: AsJson = False) -> None:
    """Shows one contract: fields, rules, sources, topic, service levels."""
    contract = catalogue.load_one(FeedId(feed))
    if as_json:
        emit_json(listing.document(contract))
        return
    out = console()
    out.print(f"[bold]{contract.id}[/] {contract.version} · {escape(contract.name_zh)} · {escape(contract.name_en)}")
    out.print(escape(contract.purpose_zh))
    out.print(escape(contract.purpose_en))
    for heading, text in listing.facts(contract):
        out.print(f"[cyan]{heading:<14}[/]{escape(text)}")
    for title, rows in listing.tables(contract):
        _print(title, rows)


@app.command()
def rules(as_json: AsJson = False) -> None:
    """Lists the kinds of rules, gate rules, normalising steps and forms that a contract may use."""
    emit_rows(
        listing.kinds(),
        [("engine", "used in"), ("kind", "kind"), ("args", "arguments"), ("zh", "含义"), ("en", "meaning")],
        as_json=as_json,
    )


@app.command()
def properties(as_json: AsJson = False) -> None:
    """Lists the hub.* properties and where each may stand."""
    rows = [
        {"place": entry.place, "property": entry.name, "takes": entry.kind, "required": entry.required}
        | {"default": entry.default, "zh": entry.zh, "en": entry.en}
        for entry in TABLE
    ]
    emit_rows(rows, [(key, key) for key in ("place", "property", "takes", "default", "zh", "en")], as_json=as_json)


@app.command("codes")
def code_lists(
    name: Annotated[str | None, typer.Argument(help="Show the codes of this list.")] = None, as_json: AsJson = False
) -> None:
    """Lists the code lists, or the codes of one."""
    root = settings().contracts
    if name is None:
        lists = [codes.load(one, root) for one in codes.names(root)]
        rows = [{"list": one.name, "codes": len(one), **one.head} for one in lists]
        emit_rows(rows, [(key, key) for key in ("list", "codes", "title_zh", "title_en", "vintage")], as_json=as_json)
        return
    found = codes.load(name, root)
    shown = [dict(row) for row in found.rows.values()]
    emit_rows(shown, [(key, key) for key in (shown[0] if shown else ())], as_json=as_json)


def _print(title: str, rows: list[dict[str, str]]) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for heading in rows[0]:
        table.add_column(heading)
    for row in rows:
        table.add_row(*(escape(text) for text in row.values()))
    console().print(table)
