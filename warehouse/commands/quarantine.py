"""Quarantined rows: list, show, export, fix, replay."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from contracts import catalogue
from contracts.model import FeedContract
from hub.ids import FeedId
from hub.nearest import must_be_known
from hub.options import OnlyFeed
from hub.options import OperatorInReceipt as Operator
from hub.options import ReasonInReceipt as Reason
from hub.output import AsJson, console, emit_json, emit_rows, say_next
from hub.said import Said
from warehouse.batch_choice import chosen
from warehouse.commands.batch import BatchArg, Last, contract_of, readable, show_outcome
from warehouse.engine import connection
from warehouse.errors import BatchUnnamed, QuarantineRowUnknown
from warehouse.feeds import known, versions
from warehouse.quarantine import fixing, replay, sheet
from warehouse.quarantine import view as quarantine

app = typer.Typer(no_args_is_help=True, help="Quarantined rows: list, show, export, fix, replay.")


_SUMMARY = (
    ("feed", "feed"),
    ("batch_id", "batch"),
    ("rule", "rule"),
    ("refused_rows", "may not pass"),
    ("warned_rows", "only warned of"),
    ("fixed", "corrected"),
)
_NUMBERS = (
    "row: number in the whole delivery, which `quarantine show` and `trace --row` take; source_row: line or row in its unit",
    "row：整份交付中的行号，供 `quarantine show` 与 `trace --row` 使用；source_row：在文件或工作表（unit）中的行号",
)
_ROWS = ("batch", "row", "unit", "source_row", "key", "state", "rules", "warnings", "why")


@app.command("list")
def list_rows(
    *,
    feed: OnlyFeed = None,
    batch: Annotated[str | None, typer.Option(help="The rows of this batch instead of a summary.")] = None,
    last: Annotated[bool, typer.Option("--last", help="The rows of the newest batch that has some waiting.")] = False,
    rule: Annotated[str | None, typer.Option(help="Only rows that break this rule.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many rows.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Counts waiting rows by feed, batch and rule; with --batch, --last or --rule lists the rows themselves.

    `row` counts the rows of the whole delivery, from 1; `quarantine show` and `trace --row` take it. `source_row` is the line, or the
    row of the sheet, in the file named under `unit`.
    """
    batch_id = chosen(batch, last, "waiting") if batch is not None or last else None
    with connection() as conn:
        known.feed_known(conn, feed)
        if batch_id is None and rule is None:
            counted = quarantine.summary(conn, feed)
            warn = {name: quarantine.warning_rules(readable(FeedId(name))) for name in {row["feed"] for row in counted}}
            rows = [row | quarantine.split_by_severity(row["rule"], row["rows"], warn[row["feed"]]) for row in counted]
            emit_rows(rows, _SUMMARY, as_json=as_json)
            return
        if rule is not None:
            must_be_known(
                Said("rule", "规则"), rule, _rules(feed) | quarantine.rules_met(conn, feed), "hub quarantine list"
            )
        found = quarantine.listing(conn, feed=feed, batch_id=batch_id, rule=rule, limit=limit)
        # In the words of the version that judged the row: today's may know the rule no more.
        judged = {one: versions.of_batch(conn, one) for one in {row.batch_id for row in found}}
    contracts = {row.batch_id: judged[row.batch_id] or readable(FeedId(row.feed)) for row in found}
    rows = [
        {
            "batch": row.batch_id,
            "row": row.row,
            "unit": row.unit,
            "source_row": row.source_row,
            "key": row.record_key,
            "state": row.state,
            **_split(row.rules, contracts[row.batch_id]),
            "why": [
                words["zh"] + " / " + words["en"] for words in quarantine.sentences(contracts[row.batch_id], row.rules)
            ],
        }
        for row in found
    ]
    shown = _ROWS if batch_id is None else _ROWS[1:]
    emit_rows(rows, [(name, name) for name in shown], as_json=as_json)
    if rows and not as_json:
        for text in _NUMBERS:
            console().print(f"[dim]{text}[/]", soft_wrap=True)
        say_next(f"hub quarantine show {rows[0]['batch']} {rows[0]['row']}")


@app.command()
def show(
    batch: BatchArg = None,
    row: Annotated[int | None, typer.Argument(help="Row number: `row` of the list, not `source_row`.")] = None,
    last: Last = False,
    as_json: AsJson = False,
) -> None:
    """Shows one row: its values as delivered, every rule it breaks in words, its corrections. `show --last ROW` works too."""
    if last and row is None and batch is not None and batch.isdigit():
        # With --last the only number is the row's.
        row, batch = int(batch), None
    batch_id = chosen(batch, last, "waiting")
    if row is None:
        raise BatchUnnamed(reason=Said("the row's number is missing", "缺少行号"))
    with connection() as conn:
        found = quarantine.one(conn, batch_id, row)
        if found is None:
            raise QuarantineRowUnknown(batch=batch_id, row=row)
        fixes = quarantine.fixes_of(conn, batch_id, row)
        judged = versions.of_batch(conn, batch_id)
    contract = judged or readable(FeedId(found.feed))
    words = quarantine.sentences(contract, found.rules)
    if as_json:
        emit_json({**asdict(found), "why": words, "fixes": fixes})
        return
    out = console()
    out.print(
        f"[bold]{escape(found.feed)}[/] {found.batch_id} row {found.row} · {escape(found.unit)}:{found.source_row}",
        soft_wrap=True,
    )
    warn = quarantine.warning_rules(contract)
    for entry in words:
        colour = "yellow" if entry["rule"] in warn else "red"
        out.print(f"[{colour}]{escape(entry['rule'])}[/] {escape(entry['zh'])}\n  {escape(entry['en'])}")
        out.print(f"  [dim]{escape(entry['remedy_zh'])} {escape(entry['remedy_en'])}[/]")
    values = [
        {"column": name, "delivered": value, "corrected": (found.fixed or {}).get(name, value)}
        for name, value in found.raw.items()
    ]
    emit_rows(values, [("column", "column"), ("delivered", "delivered"), ("corrected", "corrected")], as_json=False)


@app.command()
def export(
    to: Annotated[Path, typer.Option(help="File to write: .csv or .xlsx.")],
    batch: BatchArg = None,
    last: Last = False,
    as_json: AsJson = False,
) -> None:
    """Writes a batch's waiting rows to a sheet that can be edited and given to `fix`."""
    sheet.check_place(to)
    batch_id = chosen(batch, last, "waiting")
    count = fixing.export(batch_id, to)
    if as_json:
        emit_json({"batch": batch_id, "file": str(to), "rows": count})
        return
    console().print(f"{count} rows in {escape(str(to))}", soft_wrap=True)
    if count:
        say_next(f"hub quarantine fix {batch_id} --file {shlex.quote(str(to))} --operator NAME --reason WHY")


@app.command()
def fix(
    *,
    file: Annotated[Path, typer.Option(help="The edited export.")],
    operator: Operator,
    reason: Reason,
    batch: BatchArg = None,
    last: Last = False,
    as_json: AsJson = False,
) -> None:
    """Takes the changed cells of an edited export as corrections; `replay` then sends the rows the way again."""
    batch_id = chosen(batch, last, "waiting")
    done = fixing.fix(contract_of(batch_id), batch_id, file, editor=operator, reason=reason)
    if as_json:
        emit_json(asdict(done))
        return
    console().print(f"{done.values} values in {done.rows} rows corrected")
    if done.rows:
        say_next(f"hub quarantine replay {batch_id} --operator {shlex.quote(operator)} --reason {shlex.quote(reason)}")


@app.command("replay")
def replay_rows(
    *,
    operator: Operator,
    reason: Reason,
    batch: BatchArg = None,
    last: Last = False,
    every: Annotated[
        bool, typer.Option("--all", help="Also rows without corrections: the contract was mended.")
    ] = False,
    as_judged: Annotated[
        bool, typer.Option("--as-judged", help="By the contract version that judged the batch, not by today's.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Sends corrected rows through gate, checks and load again, as a new batch linked to this one.

    A corrected row takes the open rows of its group along, where a rule adds up groups.
    """
    batch_id = chosen(batch, last, "waiting" if every else "corrected")
    done = replay.replay(
        contract_of(batch_id), batch_id, operator=operator, reason=reason, every=every, as_judged=as_judged
    )
    show_outcome(done, as_json=as_json)


def _rules(feed: str | None) -> set[str]:
    """The row rules of a feed's contract, or of all contracts."""
    feeds = catalogue.load().feeds
    chosen_feeds = [FeedId(feed)] if feed is not None else list(feeds)
    return {rule.id for one in chosen_feeds if one in feeds for rule in feeds[one].row_rules}


def _split(rules: tuple[str, ...], contract: FeedContract | None) -> dict[str, Any]:
    """The rules that keep a row out, and beside them those that only warn."""
    warn = quarantine.warning_rules(contract)
    return {
        "rules": [rule for rule in rules if rule not in warn],
        "warnings": [rule for rule in rules if rule in warn],
    }
