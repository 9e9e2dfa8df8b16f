"""Contracts of feeds: list, show, lint; and what they may say: rules, properties, code lists."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from contracts import catalogue, codes, listing, reader
from contracts.commands.changes import comparing as changes
from contracts.errors import ContractInvalid
from contracts.model import SUFFIX, SourceSpec
from contracts.properties import TABLE
from contracts.reader import Reading
from hub.ids import FeedId
from hub.output import AsJson, console, emit_json, emit_rows
from hub.settings import settings

app = typer.Typer(no_args_is_help=True, help="Contracts of feeds: list, show, lint, diff, gate.")
app.command()(changes.diff)
app.command()(changes.gate)

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
def lint(
    feeds: Annotated[list[str] | None, typer.Argument(help="Feeds or files; none: every contract on disk.")] = None,
    as_json: AsJson = False,
) -> None:
    """Checks contracts in full, names every problem by file and line, and refreshes the catalogue's cache."""
    root = settings().contracts
    readings = [reader.examine(path, root=_root_of(path, root), extra_checks=_extra()) for path in _paths(root, feeds)]
    catalogue.load()
    broken = [reading for reading in readings if reading.problems]
    if as_json:
        emit_json(
            {
                "contracts": len(readings),
                "broken": len(broken),
                "problems": [problem.as_dict() for reading in broken for problem in reading.problems],
                "notices": [problem.as_dict() for reading in readings for problem in reading.notices],
            }
        )
    else:
        _report(readings)
    if broken:
        raise typer.Exit(ContractInvalid.exit_code)


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


def _paths(root: Path, feeds: list[str] | None) -> list[Path]:
    if not feeds:
        return sorted(root.glob(f"feeds/*/*{SUFFIX}"))
    found: list[Path] = []
    for feed in feeds:
        given = next((path for path in (Path(feed), root / feed) if path.is_file()), None)
        if given is not None:
            found.append(given)
        else:
            stem = feed if feed.replace("_", "").isalnum() else ""
            matches = sorted(root.glob(f"feeds/*/{stem}{SUFFIX}")) if stem else []
            if not matches:
                known = (path.name.removesuffix(SUFFIX) for path in root.glob(f"feeds/*/*{SUFFIX}"))
                raise catalogue.unknown(feed, known)
            found += matches
    return found


def _root_of(path: Path, root: Path) -> Path:
    """The contracts folder a file lies in: another checkout's file is read beside its own neighbours."""
    own = path.resolve().parent.parent.parent
    return own if path.resolve().parent.parent.name == "feeds" and (own / "codes").is_dir() else root


def _extra() -> list[reader.ExtraCheck]:
    # Connectors stand above contracts in the house, so they are found by name, as the command line finds commands.
    registry = importlib.import_module("connectors.registry")

    def options(source: SourceSpec) -> Iterable[str]:
        return registry.option_problems(source.connector, source.options)  # type: ignore[no-any-return]

    return [options]


def _report(readings: list[Reading]) -> None:
    out = console()
    for reading in readings:
        if reading.problems:
            out.print(f"[red]bad[/] {escape(reading.file)}: {len(reading.problems)} problem(s)")
        else:
            out.print(f"[green]ok[/]  {escape(reading.file)}")
        for problem in (*reading.problems, *reading.notices):
            line, column = problem.place
            kind = "" if problem.blocks else "[yellow]note 提示[/] "
            lines = (
                f"    [bold]{line}:{column}[/] {kind}{problem.code} {escape(problem.sentence())}",
                f"        {escape(problem.sentence('zh'))}",
                f"        [dim]{escape(problem.remedy())}[/]",
                f"        [dim]{escape(problem.remedy('zh'))}[/]",
            )
            for text in lines:
                out.print(text, soft_wrap=True)


def _print(title: str, rows: list[dict[str, str]]) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for heading in rows[0]:
        table.add_column(heading)
    for row in rows:
        table.add_row(*(escape(text) for text in row.values()))
    console().print(table)
