"""Feeds: make one from a sample."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from connectors.places import by_hand_only, listed_places
from connectors.sample.making import Made, make
from connectors.sample.reading import Asked
from contracts.sample.guess import FieldGuess
from contracts.sample.writing import MARK, Identity
from hub.output import AsJson, console, emit_json, emit_rows

app = typer.Typer(no_args_is_help=True, help="Feeds: make one from a sample.")


@app.callback()
def _feeds() -> None:
    """Feeds: make one from a sample."""


@app.command()
def new(
    feed: Annotated[str, typer.Argument(metavar="ID", help="The feed's id: <domain>_<plural noun>.")],
    *,
    domain: Annotated[str, typer.Option(help="Its domain: audit, finance, statistics, inspection …")],
    sample: Annotated[
        Path, typer.Option("--from", exists=True, dir_okay=False, help="A sample: CSV, TSV, XLSX, JSON or Parquet.")
    ],
    owner: Annotated[str, typer.Option(help="Id of the agency that sends it; `public` for published records.")] = "",
    place: Annotated[str | None, typer.Option(help="Where it will come from: an entry of the list of places.")] = None,
    name: Annotated[str, typer.Option(help="Its name in English.")] = "",
    name_zh: Annotated[str, typer.Option(help="Its name in Chinese.")] = "",
    encoding: Annotated[str | None, typer.Option(help="Encoding of a text file; default: guessed.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Delimiter of a CSV file; default: guessed.")] = None,
    sheet: Annotated[str | None, typer.Option(help="The workbook's sheet; default: all of one header.")] = None,
    header_row: Annotated[int | None, typer.Option(min=1, max=30, help="Row of the header; default: guessed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Writes one contract from a sample, with every guess marked for review, and tries the sample on it."""
    own = Identity(feed, domain, owner or f"{domain}_agency", name, name_zh)
    asked = Asked(encoding, delimiter, sheet, header_row)
    made = make(sample, own, place=place, asked=asked)
    if as_json:
        emit_json(_document(made))
    else:
        _print(made, sample)


def _document(made: Made) -> dict[str, Any]:
    tried, key = made.tried, made.guessed.key
    return {
        "feed": made.contract.id,
        "path": str(made.path),
        "rows": made.guessed.rows,
        "key": made.guessed.key_names,
        "key_is_unique": key.unique if key else False,
        "subject": made.guessed.subject,
        "source": {"connector": made.sample.connector, "format": made.sample.form, "options": made.sample.options},
        "notes": made.sample.notes,
        "fields": [_row(made, field) | {"notes": field.notes} for field in made.guessed.fields],
        "dropped": [{"from": field.header, "notes": field.notes} for field in made.guessed.dropped],
        "tried": {
            "rows": tried.rows, "good": tried.good, "refused": tried.refused, "masked": tried.masked,
            "broken": dict(tried.broken),
        },
    }  # fmt: skip


def _row(made: Made, field: FieldGuess) -> dict[str, Any]:
    kind = field.type
    shape = f"decimal({kind.precision},{kind.scale})" if kind.type == "decimal" else kind.type
    return {
        "field": field.name,
        "from": field.header,
        "type": shape,
        "forms": list(kind.forms),
        "empty": field.nulls,
        "different": field.distinct,
        "class": made.contract.field(field.name).classification,
    }


def _print(made: Made, sample: Path) -> None:
    rows = [_row(made, field) | {"guess": "; ".join(field.notes)} for field in made.guessed.fields]
    rows += [
        {"field": "(dropped)", "from": field.header, "guess": "; ".join(field.notes)} for field in made.guessed.dropped
    ]
    columns = [(name, name) for name in ("field", "from", "type", "empty", "different", "class", "guess")]
    emit_rows(rows, columns, as_json=False)
    tried = made.tried
    out = console()
    out.print(
        f"[bold]{tried.good:,}[/] of {tried.rows:,} rows of the sample are good, {tried.refused:,} refused, {tried.masked:,} values masked"
    )
    for rule, count in tried.broken.most_common():
        out.print(f"  [yellow]{escape(rule)}[/] {count:,}")
    for note in made.sample.notes:
        out.print(f"  [yellow]{MARK}[/] {escape(note)}")
    out.print(f"written: [bold]{escape(str(made.path))}[/]", soft_wrap=True)
    if by_hand_only(made.contract, listed_places()):
        named = ", ".join(dict.fromkeys(source.place for source in made.contract.sources))
        out.print(f"  by hand only until its place is listed: {escape(named)} (docs/places.md)", soft_wrap=True)
        out.print(f"  来源地登记之前仅可手工接收：{escape(named)}（docs/places.md）", soft_wrap=True)
    out.print(f"next: look at every line marked `{MARK}`; then")
    out.print(
        f"  hub contract lint {made.contract.id}\n  hub feed run {made.contract.id} --file {escape(str(sample))}",
        soft_wrap=True,
    )
