"""Batches: list, show, rerun or cancel one, release or reject a held one, its receipt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, get_args

import typer
from rich.markup import escape

from contracts import catalogue
from contracts.errors import ContractInvalid, FeedUnknown
from contracts.model import FeedContract
from hub.ids import BatchId, FeedId
from hub.nearest import must_be_known
from hub.options import SEVERAL, Limit, OnlyFeed
from hub.options import OperatorInReceipt as Operator
from hub.options import ReasonInReceipt as Reason
from hub.output import AsJson, console, emit_json, emit_rows, say_next
from hub.said import Said
from warehouse import batches, cancelling, refusals, way
from warehouse import receipt as receipts
from warehouse.batch_choice import chosen
from warehouse.batches import Batch, BatchOutcome, BatchState
from warehouse.checking.metrics import why_held
from warehouse.engine import connection
from warehouse.errors import ReceiptMissing
from warehouse.feeds import known
from warehouse.quarantine import corrections, replay, view

app = typer.Typer(no_args_is_help=True, help="Batches: list, show, rerun, cancel, release, reject, receipt.")

BatchArg = Annotated[str | None, typer.Argument(help="Batch: its id, or as much of its beginning as fits one alone.")]
Last = Annotated[bool, typer.Option("--last", help="The newest batch with which this can be done.")]

_STATES: tuple[str, ...] = get_args(BatchState)
_COLUMNS = ("batch_id", "feed", "state", "delivery", "rows_in", "loaded", "unchanged", "quarantined", "refused")

_VERDICT = ("rule", "passed", "gate", "observed", "expected", "label_zh")
_REFUSAL = ("row", "unit", "source_row", "rule")


@app.command("list")
def list_batches(
    feed: OnlyFeed = None,
    state: Annotated[
        list[str] | None, typer.Option(help=f"Only batches in this state: {', '.join(_STATES)}. {SEVERAL}")
    ] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Lists batches, newest first."""
    for one in state or ():
        must_be_known(Said("state of a batch", "批次状态"), one, _STATES, "hub batch list --help")
    with connection() as conn:
        known.feed_known(conn, feed)
        found = batches.recent(conn, feed=FeedId(feed) if feed else None, states=state or (), limit=limit)
    emit_rows([_line(batch) for batch in found], _named(_COLUMNS), as_json=as_json)


@app.command()
def show(batch: BatchArg = None, last: Last = False, as_json: AsJson = False) -> None:
    """Shows one batch: figures, verdicts of the batch rules, rows refused at the gate, what followed from it."""
    batch_id = chosen(batch, last)
    with connection() as conn:
        found = batches.get(conn, batch_id)
        followers = batches.children(conn, batch_id)
        refused = refusals.of_batch(conn, batch_id)
        conn.rollback()
        done = way.outcome(conn, found)
    if as_json:
        facts = {**asdict(found), "outcome": asdict(done), "followed_by": [_line(child) for child in followers]}
        emit_json({**facts, "refusals": refused})
        return
    show_outcome(done, as_json=False)
    if done.verdicts:
        emit_rows([asdict(one) for one in done.verdicts], _named(_VERDICT), as_json=False, title="batch rules")
    if refused:
        emit_rows(refused, _named(_REFUSAL), as_json=False, title="refused at the gate (no value is kept)")
        say_next(f"hub trace --batch {batch_id} --row {refused[0]['row'] if refused[0]['row'] is not None else 1}")
    if followers:
        emit_rows([_line(child) for child in followers], _named(_COLUMNS), as_json=False, title="what followed")


@app.command()
def release(
    operator: Operator, reason: Reason, batch: BatchArg = None, last: Last = False, as_json: AsJson = False
) -> None:
    """Lets a held batch through: its rows are loaded as a new batch, with the broken gates waived."""
    batch_id = chosen(batch, last, "held")
    done = replay.release(contract_of(batch_id), batch_id, operator=operator, reason=reason)
    show_outcome(done, as_json=as_json)


@app.command()
def reject(
    operator: Operator, reason: Reason, batch: BatchArg = None, last: Last = False, as_json: AsJson = False
) -> None:
    """Turns a held batch down for good; the receipt says who and why."""
    batch_id = chosen(batch, last, "held")
    done = replay.reject(contract_of(batch_id), batch_id, operator=operator, reason=reason)
    show_outcome(done, as_json=as_json)


@app.command()
def rerun(
    operator: Operator, reason: Reason, batch: BatchArg = None, last: Last = False, as_json: AsJson = False
) -> None:
    """Takes a batch's landed rows the way again under the contract as it is now, as a new batch in the same place of the order.

    A row that was corrected since is judged as corrected; rows that wait in quarantine go along.
    """
    batch_id = chosen(batch, last)
    done = replay.rerun(contract_of(batch_id), batch_id, operator=operator, reason=reason)
    show_outcome(done, as_json=as_json)


@app.command()
def cancel(
    operator: Operator, reason: Reason, batch: BatchArg = None, last: Last = False, as_json: AsJson = False
) -> None:
    """Ends a batch that is on its way and of which nothing is loaded; the next run takes the delivery anew."""
    cancelled = cancelling.cancel(chosen(batch, last, "unfinished"), operator=operator, reason=reason)
    if as_json:
        emit_json(_line(cancelled))
        return
    emit_rows([_line(cancelled)], _named(_COLUMNS), as_json=False)
    console().print(f"[yellow]{escape(cancelled.state_reason or '')}[/]", soft_wrap=True)
    say_next(f"hub feed pause {cancelled.feed} --operator NAME --reason TEXT")


@app.command()
def receipt(
    batch: BatchArg = None,
    last: Last = False,
    version: Annotated[int | None, typer.Option(help="An earlier version.")] = None,
    as_json: AsJson = False,
) -> None:
    """Prints a batch's receipt: the canonical bytes whose SHA-256 is on record."""
    batch_id = chosen(batch, last)
    with connection() as conn:
        found = receipts.read(conn, batch_id, version)
    if found is None:
        raise ReceiptMissing(batch=batch_id, version=version or 1)
    number, body, sha256 = found
    if as_json:
        emit_json({"batch": batch_id, "version": number, "sha256": sha256, "receipt": body.decode()})
    else:
        console().print(escape(body.decode()), soft_wrap=True)
        console().print(f"[dim]version {number} · SHA-256 {sha256}[/]", soft_wrap=True)


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
    emit_rows([facts], _named(names), as_json=False)
    if done.quarantined_by_rule:
        warn = view.warning_rules(readable(done.feed))
        rows = [
            {"rule": rule, **view.split_by_severity(rule, count, warn)}
            for rule, count in done.quarantined_by_rule.items()
        ]
        columns = (("rule", "rule"), ("refused_rows", "rows that may not pass"), ("warned_rows", "rows only warned of"))
        emit_rows(rows, columns, as_json=False, title="rows in quarantine by rule")
    as_corrected = corrections.told({"corrected": done.corrected})
    if as_corrected is not None:
        for text in (as_corrected, as_corrected.zh):
            console().print(escape(text), soft_wrap=True)
    if done.reason:
        console().print(f"[yellow]{escape(done.reason)}[/]", soft_wrap=True)
    if done.state == "held":
        console().print(f"[yellow]{escape(why_held(done.verdicts).zh)}[/]", soft_wrap=True)


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
        **batch.counts.as_dict(),
        "events": batch.events,
        "opened_at": batch.opened_at,
        "loaded_at": batch.loaded_at,
    }


def readable(feed: FeedId) -> FeedContract | None:
    """A feed's contract, or None where it is gone or broken: what was loaded under it can still be shown."""
    try:
        return catalogue.load_one(feed)
    except (ContractInvalid, FeedUnknown):
        return None


def _named(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, name) for name in names]


def contract_of(batch: BatchId) -> FeedContract:
    """The contract as it is now of the feed that a batch is of. Raises BatchUnknown, ContractInvalid, FeedUnknown."""
    with connection() as conn:
        feed = batches.get(conn, batch).feed
    return catalogue.load_one(feed)
