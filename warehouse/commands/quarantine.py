"""Quarantined rows: list, show, export, fix, replay."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from contracts import catalogue
from contracts.errors import ContractInvalid, FeedUnknown
from contracts.model import FeedContract
from hub.ids import BatchId, FeedId
from hub.output import AsJson, console, emit_json, emit_rows
from warehouse import batches
from warehouse.commands.batch import show_outcome
from warehouse.engine import connection
from warehouse.errors import QuarantineRowUnknown
from warehouse.quarantine import fixing, replay
from warehouse.quarantine import view as quarantine

app = typer.Typer(no_args_is_help=True, help="Quarantined rows: list, show, export, fix, replay.")

BatchArg = Annotated[str, typer.Argument(help="Batch id.")]
Operator = Annotated[str, typer.Option(help="Name of the person who acts; stands in the receipt.")]
Reason = Annotated[str, typer.Option(help="Why; stands in the receipt.")]


@app.command("list")
def list_rows(
    feed: Annotated[str | None, typer.Option(help="Only this feed.")] = None,
    batch: Annotated[str | None, typer.Option(help="The rows of this batch instead of a summary.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only rows that break this rule.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many rows.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Counts waiting rows by feed, batch and rule; with --batch or --rule lists the rows themselves."""
    with connection() as conn:
        if batch is None and rule is None:
            columns = ("feed", "batch_id", "rule", "rows", "fixed")
            emit_rows(quarantine.summary(conn, feed), [(name, name) for name in columns], as_json=as_json)
            return
        found = quarantine.listing(conn, feed=feed, batch_id=BatchId(batch) if batch else None, rule=rule, limit=limit)
    contracts = {row.feed: _contract(row.feed) for row in found}
    rows = [
        {
            "batch": row.batch_id,
            "row": row.row,
            "unit": row.unit,
            "source_row": row.source_row,
            "key": row.record_key,
            "state": row.state,
            "rules": list(row.rules),
            "why": [
                words["zh"] + " / " + words["en"] for words in quarantine.sentences(contracts[row.feed], row.rules)
            ],
        }
        for row in found
    ]
    shown = ("row", "unit", "source_row", "key", "state", "rules", "why")
    emit_rows(rows, [(name, name) for name in shown], as_json=as_json)


@app.command()
def show(batch: BatchArg, row: Annotated[int, typer.Argument(help="Row number.")], as_json: AsJson = False) -> None:
    """Shows one row: its values as delivered, every rule it breaks in words, its corrections."""
    with connection() as conn:
        found = quarantine.one(conn, BatchId(batch), row)
        if found is None:
            raise QuarantineRowUnknown(batch=batch, row=row)
        fixes = quarantine.fixes_of(conn, BatchId(batch), row)
    words = quarantine.sentences(_contract(found.feed), found.rules)
    if as_json:
        emit_json({**asdict(found), "why": words, "fixes": fixes})
        return
    out = console()
    out.print(
        f"[bold]{escape(found.feed)}[/] {found.batch_id} row {found.row} · {escape(found.unit)}:{found.source_row}"
    )
    for entry in words:
        out.print(f"[red]{escape(entry['rule'])}[/] {escape(entry['zh'])}\n  {escape(entry['en'])}")
        out.print(f"  [dim]{escape(entry['remedy_zh'])} {escape(entry['remedy_en'])}[/]")
    values = [
        {"column": name, "delivered": value, "corrected": (found.fixed or {}).get(name, value)}
        for name, value in found.raw.items()
    ]
    emit_rows(values, [("column", "column"), ("delivered", "delivered"), ("corrected", "corrected")], as_json=False)


@app.command()
def export(
    batch: BatchArg,
    to: Annotated[Path, typer.Option(help="File to write: .csv or .xlsx.")],
    as_json: AsJson = False,
) -> None:
    """Writes a batch's waiting rows to a sheet that can be edited and given to `fix`."""
    count = fixing.export(BatchId(batch), to)
    if as_json:
        emit_json({"batch": batch, "file": str(to), "rows": count})
    else:
        console().print(f"{count} rows in {escape(str(to))}")


@app.command()
def fix(
    batch: BatchArg,
    file: Annotated[Path, typer.Option(help="The edited export.")],
    operator: Operator,
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Takes the changed cells of an edited export as corrections; `replay` then sends the rows the way again."""
    done = fixing.fix(_own_contract(batch), BatchId(batch), file, editor=operator, reason=reason)
    if as_json:
        emit_json(asdict(done))
    else:
        console().print(f"{done.values} values in {done.rows} rows corrected; next: hub quarantine replay {batch}")


@app.command("replay")
def replay_rows(
    batch: BatchArg,
    operator: Operator,
    reason: Reason,
    every: Annotated[
        bool, typer.Option("--all", help="Also rows without corrections: the contract was mended.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Sends corrected rows through gate, checks and load again, as a new batch linked to this one.

    A corrected row takes the open rows of its group along, where a rule adds up groups.
    """
    done = replay.replay(_own_contract(batch), BatchId(batch), operator=operator, reason=reason, every=every)
    show_outcome(done, as_json=as_json)


def _own_contract(batch: str) -> FeedContract:
    with connection() as conn:
        feed = batches.get(conn, BatchId(batch)).feed
    return catalogue.load_one(feed)


def _contract(feed: Any) -> FeedContract | None:
    # Rows of a feed whose contract is gone or broken can still be listed; their rules then name themselves.
    try:
        return catalogue.load_one(FeedId(str(feed)))
    except (ContractInvalid, FeedUnknown):
        return None
