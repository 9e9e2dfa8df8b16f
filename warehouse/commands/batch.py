"""Batches: list, show, release or reject a held one, its receipt."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape

from contracts import catalogue
from contracts.model import FeedContract
from hub.ids import BatchId, FeedId
from hub.output import AsJson, console, emit_json, emit_rows
from warehouse import batches, way
from warehouse import receipt as receipts
from warehouse.batches import Batch, BatchOutcome
from warehouse.engine import connection
from warehouse.errors import ReceiptMissing
from warehouse.quarantine import replay

app = typer.Typer(no_args_is_help=True, help="Batches: list, show, release, reject, receipt.")

BatchArg = Annotated[str, typer.Argument(help="Batch id.")]
Operator = Annotated[str, typer.Option(help="Name of the person who decides; stands in the receipt.")]
Reason = Annotated[str, typer.Option(help="Why; stands in the receipt.")]

_COLUMNS = ("batch_id", "feed", "state", "delivery", "rows_in", "loaded", "unchanged", "quarantined", "refused")


@app.command("list")
def list_batches(
    feed: Annotated[str | None, typer.Option(help="Only this feed.")] = None,
    state: Annotated[list[str] | None, typer.Option(help="Only batches in this state, e.g. held.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Lists batches, newest first."""
    with connection() as conn:
        found = batches.recent(conn, feed=FeedId(feed) if feed else None, states=state or (), limit=limit)
    emit_rows([_line(batch) for batch in found], [(name, name) for name in _COLUMNS], as_json=as_json)


@app.command()
def show(batch: BatchArg, as_json: AsJson = False) -> None:
    """Shows one batch: figures, verdicts of the batch rules, what followed from it."""
    with connection() as conn:
        found = batches.get(conn, BatchId(batch))
        followers = batches.children(conn, BatchId(batch))
        conn.rollback()
        done = way.outcome(conn, found)
    if as_json:
        emit_json({**asdict(found), "outcome": asdict(done), "followed_by": [_line(child) for child in followers]})
        return
    show_outcome(done, as_json=False)
    emit_rows(
        [asdict(verdict) for verdict in done.verdicts],
        [(name, name) for name in ("rule", "passed", "gate", "observed", "expected", "label_zh")],
        as_json=False,
    )
    if followers:
        emit_rows([_line(child) for child in followers], [(name, name) for name in _COLUMNS], as_json=False)


@app.command()
def release(batch: BatchArg, operator: Operator, reason: Reason, as_json: AsJson = False) -> None:
    """Lets a held batch through: its rows are loaded as a new batch, with the broken gates waived."""
    done = replay.release(_contract(batch), BatchId(batch), operator=operator, reason=reason)
    show_outcome(done, as_json=as_json)


@app.command()
def reject(batch: BatchArg, operator: Operator, reason: Reason, as_json: AsJson = False) -> None:
    """Turns a held batch down for good; the receipt says who and why."""
    done = replay.reject(_contract(batch), BatchId(batch), operator=operator, reason=reason)
    show_outcome(done, as_json=as_json)


@app.command()
def receipt(
    batch: BatchArg,
    version: Annotated[int | None, typer.Option(help="An earlier version.")] = None,
    as_json: AsJson = False,
) -> None:
    """Prints a batch's receipt: the canonical bytes whose SHA-256 is on record."""
    with connection() as conn:
        batches.get(conn, BatchId(batch))
        found = receipts.read(conn, BatchId(batch), version)
    if found is None:
        raise ReceiptMissing(batch=batch, version=version or 1)
    number, body, sha256 = found
    if as_json:
        emit_json({"batch": batch, "version": number, "sha256": sha256, "receipt": body.decode()})
    else:
        console().print(escape(body.decode()), soft_wrap=True)
        console().print(f"[dim]version {number} · SHA-256 {sha256}[/]")


def show_outcome(done: BatchOutcome, *, as_json: bool) -> None:
    """Prints what became of a batch."""
    facts: dict[str, Any] = asdict(done)
    if as_json:
        emit_json(facts)
        return
    names = (
        "batch_id",
        "feed",
        "state",
        "delivery",
        "rows_in",
        "loaded",
        "unchanged",
        "quarantined",
        "refused",
        "events",
    )
    emit_rows([facts], [(name, name) for name in names], as_json=False)
    if done.quarantined_by_rule:
        rows = [{"rule": rule, "rows": count} for rule, count in done.quarantined_by_rule.items()]
        emit_rows(rows, [("rule", "rule"), ("rows", "rows")], as_json=False)
    if done.reason:
        console().print(f"[yellow]{escape(done.reason)}[/]")


def _line(batch: Batch) -> dict[str, Any]:
    return {
        "batch_id": batch.batch_id,
        "feed": batch.feed,
        "kind": batch.kind,
        "parent": batch.parent_batch,
        "state": batch.state,
        "reason": batch.state_reason,
        "source": batch.source,
        "delivery": batch.delivery,
        "rows_in": batch.rows_in,
        "loaded": batch.rows_loaded,
        "unchanged": batch.rows_unchanged,
        "quarantined": batch.rows_quarantined,
        "refused": batch.rows_refused,
        "events": batch.events,
        "opened_at": batch.opened_at,
        "loaded_at": batch.loaded_at,
    }


def _contract(batch: str) -> FeedContract:
    with connection() as conn:
        feed = batches.get(conn, BatchId(batch)).feed
    return catalogue.load_one(feed)
