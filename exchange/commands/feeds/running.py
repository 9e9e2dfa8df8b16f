"""The commands `hub feed pause | resume | backfill`, beside those of `exchange.commands.feed`."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.markup import escape

from connectors.base import Window
from contracts import catalogue
from contracts.model import FeedContract
from exchange.desk.told import SIGNED
from hub import clock
from hub.clock import BEIJING
from hub.errors import ParameterWrong
from hub.ids import FeedId
from hub.options import Feed, Operator, OperatorInReceipt, Reason, ReasonInReceipt
from hub.output import AsJson, console, emit_json, emit_rows, say_next
from hub.said import Said
from warehouse import acts, way
from warehouse.batches import BatchOutcome
from warehouse.engine import transaction
from warehouse.feeds import pausing

_DAYS = ("day", "batch_id", "state", "delivery", "rows_in", "loaded", "unchanged", "quarantined", "refused", "repeated")


def pause(feed: Feed, *, operator: Operator, reason: Reason, as_json: AsJson = False) -> None:
    """Pauses a feed: nothing is pulled of it, by Airflow or by hand, until it is let run again. What is on its way goes on.

    A file given by hand (`hub feed run --file`) is taken all the same. Airflow's own switch of the feed's DAG is another thing.
    """
    contract = catalogue.load_one(FeedId(feed))
    found = pausing.pause(contract.id, operator=operator, reason=reason)
    if as_json:
        emit_json({"feed": contract.id, "paused": found})
        return
    said = f"{contract.id} is paused by {found.operator}: {found.reason} | 已由 {found.operator} 暂停：{found.reason}"
    console().print(escape(said), soft_wrap=True)
    say_next(f"hub feed resume {contract.id} --operator NAME --reason TEXT")


def resume(feed: Feed, *, operator: Operator, reason: Reason, as_json: AsJson = False) -> None:
    """Lets a paused feed run again: its next run takes all that came meanwhile."""
    contract = catalogue.load_one(FeedId(feed))
    was = pausing.resume(contract.id, operator=operator, reason=reason)
    if as_json:
        emit_json({"feed": contract.id, "was_paused": was})
        return
    said = "runs again | 已恢复" if was else "was not paused | 未暂停"
    console().print(f"{contract.id} {said}", soft_wrap=True)


def backfill(
    feed: Feed,
    *,
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="First day, e.g. 2026-01-31 (Beijing).")],
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="Last day, included.")],
    operator: OperatorInReceipt,
    reason: ReasonInReceipt,
    source: Annotated[str | None, typer.Option(help="Which source; else all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Reads past days again, one after another, the oldest first; moves no cursor, beside live runs.

    A day is Beijing's. What has not changed since is neither written nor published; a newer version is never overwritten.
    Who asked for it and why is noted, and stands in the receipts of its batches.
    """
    contract = catalogue.load_one(FeedId(feed))
    span = (_day("--from", first), _day("--to", last))
    done = days(contract, span, source, by=acts.named("backfill", operator, reason))
    rows = [{"day": day.isoformat(), **_facts(outcome)} for day, outcome in done]
    if as_json:
        emit_json({"feed": contract.id, "batches": rows})
        return
    if rows:
        emit_rows(rows, [(name, name) for name in _DAYS], as_json=False)
    else:
        console().print("the source has nothing of these days | 来源没有这些日期的数据", soft_wrap=True)


def days(
    contract: FeedContract, span: tuple[date, date], source: str | None = None, *, by: tuple[str, str]
) -> list[tuple[date, BatchOutcome]]:
    """Takes each day from the first to the last of `span` the whole way, as Airflow's backfill runs do, and notes who asked for it.

    Raises ParameterWrong and what the way raises.

    Each day takes the feed's lock for itself: live runs go between.
    """
    today, (first, last) = clock.today(), span
    if first > last or last > today:
        reason = Said("the days are in the wrong order or not past", "日期先后颠倒或尚未到来")
        raise ParameterWrong(
            command="hub feed backfill",
            reason=reason,
            usage=f"`hub feed backfill {contract.id} --from DAY --to DAY {SIGNED}`",
        )
    with transaction() as conn:
        pausing.must_run(conn, contract.id)
        facts = {"from": first.isoformat(), "to": last.isoformat(), "source": source}
        acts.note(conn, "backfill", contract.id, by, facts)
    found = []
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        start = datetime(day.year, day.month, day.day, tzinfo=BEIJING)
        window = Window(interval_start=start, interval_end=start + timedelta(days=1))
        found += [(day, outcome) for outcome in way.run_feed(contract, source, window, operator=by[0], reason=by[1])]
    return found


def register(app: typer.Typer) -> None:
    """Adds these commands to those of `hub feed`."""
    for name, command in (("pause", pause), ("resume", resume), ("backfill", backfill)):
        app.command(name)(command)


def _day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("a day is written as 2026-01-31", param_hint=option) from None


def _facts(outcome: BatchOutcome) -> dict[str, Any]:
    return {name: getattr(outcome, name) for name in _DAYS if name != "day"}
