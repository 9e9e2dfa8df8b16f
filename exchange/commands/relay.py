"""The relay: carries what is committed to its topics, each event once: serve, run, status, rebase, lost, settle."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Iterable
from typing import Annotated, Any

import sqlalchemy as sa
import typer
from rich.markup import escape

from exchange.brokers.cluster import Cluster
from exchange.relay import rebase as rebasing
from exchange.relay import status as statuses
from exchange.relay.serve import Drained, Server, drain
from exchange.relay.status import LaneStatus
from hub.nearest import must_be_known
from hub.options import SEVERAL, Operator, Reason
from hub.output import AsJson, console, emit_json, emit_rows, say_error, say_next
from hub.said import Said
from warehouse import lost
from warehouse.engine import connection
from warehouse.tables import lane as lane_table

app = typer.Typer(no_args_is_help=True, help="The relay: serve, run, status, rebase.")

_Lane = Annotated[str, typer.Argument(help="The lane.")]

_COLUMNS = ("lane", "state", "position", "lag", "dead_letters")


@app.command()
def serve(as_json: AsJson = False) -> None:
    """Relays all lanes until it is told to stop (SIGTERM, Ctrl-C), which ends it after the running transactions."""
    server = Server()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    server.run()
    if as_json:
        emit_json({"ended": True})


@app.command()
def run(
    once: Annotated[bool, typer.Option("--once", help="Send what waits now, then end.")] = False,
    lane: Annotated[list[str] | None, typer.Option(help=f"Only this lane. {SEVERAL}")] = None,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to go on trying while something is away.")] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Sends what waits (`--once`); without it, the same as serve. Ends with 3 when a lane stopped, 4 when one is late."""
    if not once:
        serve(as_json)
        return
    _must_be_lanes(lane or ())
    done = drain(lane or None, timeout=timeout)
    if as_json:
        emit_json([one.as_dict() for one in done])
    else:
        emit_rows([_line(one) for one in done], [(n, n) for n in ("lane", "state", "events", "dead")], as_json=False)
        for one in done:
            if one.error is not None and one.state != "held":
                say_error(console(), one.error, one.lane)
    for state, code in (("stopped", 3), ("late", 4)):
        if any(one.state == state for one in done):
            raise typer.Exit(code)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Shows every lane: position, lag in entries, events and seconds, who holds it, and why it stands still."""
    with Cluster() as cluster:
        found = statuses.lanes(cluster)
    if as_json:
        emit_json([one.as_dict() for one in found])
        return
    emit_rows([_short(one) for one in found], [(name, name) for name in _COLUMNS], as_json=False)
    for one in found:
        if one.holder is not None:
            console().print(f"[dim]{escape(one.lane)} is held by {escape(one.holder)}[/]", soft_wrap=True)
        if one.error is not None:
            say_error(console(), one.error, one.lane)


@app.command()
def rebase(
    lane: _Lane,
    *,
    operator: Operator = "",
    reason: Reason = "",
    to: Annotated[
        str | None,
        typer.Option(
            help="Where to send from: noted (PostgreSQL's note), oldest (first entry not known as published), first (all "
            "that the outbox still holds), end (nothing again), or SEQ[:RECORD]. Default: where nothing is lost."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")] = False,
    as_json: AsJson = False,
) -> None:
    """Accepts brokers or database as they are now and sends from a chosen position; events sent twice keep their id."""
    with Cluster() as cluster:
        plan = rebasing.plan(cluster, lane, to)
        if not as_json:
            _explain(plan)
        changed: list[dict[str, Any]] = []
        if not dry_run:
            plan, changed = rebasing.apply(cluster, plan, operator, reason)
    if as_json:
        emit_json({**plan.as_dict(), "done": not dry_run, "topics": changed})
    elif dry_run:
        console().print("nothing was changed")
        say_next(f"hub relay rebase {shlex.quote(lane)} --to {to or plan.to} --operator NAME --reason WHY")
    else:
        console().print("[bold green]done[/]")


@app.command("lost")
def lost_events(
    feed: Annotated[str | None, typer.Option(help="Only this feed, with its records.")] = None,
    most: Annotated[int, typer.Option("--limit", min=1, help="Records shown of a feed.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Shows what subscribers have and a restored database has not: records whose later revisions did not come again."""
    with connection() as conn:
        found = lost.listed(conn, feed)
        keys = [] if feed is None else lost.keys_of(conn, feed, most)
    records = [{"record_key": key, "revision": number, "change": change} for key, number, change in keys]
    if as_json:
        emit_json({"feeds": [one.as_dict() for one in found], "records": records})
        return
    names = ("feed", "lane", "records", "events", "settled")
    emit_rows([one.as_dict() for one in found], [(name, name) for name in names], as_json=False)
    if records:
        emit_rows(records, [(name, name) for name in ("record_key", "revision", "change")], as_json=False)
    if found and feed is None:
        say_next(f"hub relay lost --feed {shlex.quote(found[0].feed)}")


@app.command()
def settle(
    lane: _Lane,
    *,
    operator: Operator,
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """After a restore, when all that can come again came: what still differs is published at its source's next word."""
    _must_be_lanes([lane])
    with connection() as conn:
        left = lost.settle(conn, lane, operator, reason)
    if as_json:
        emit_json({"lane": lane, "records": left})
        return
    console().print(
        f"{left:,} records of {escape(lane)} differ from what subscribers have; each is published with a revision of"
        " its own as soon as a delivery speaks of it, also where it says just what the database holds"
        if left
        else f"subscribers of {escape(lane)} have nothing that the database lost"
    )


def _explain(plan: rebasing.Rebase) -> None:
    out = console()
    if plan.why is not None:
        say_error(out, plan.why, plan.lane)
    out.print(f"[bold]rebase[/] of {escape(plan.lane)} on the cluster {escape(plan.cluster_id)}")
    for name in plan.changed_topics:
        out.print(f"  · topic {escape(name)}: made anew, or taken as it is on the brokers")
    out.print(f"  · position: noted {plan.noted}, then {plan.to}, in Kafka first and then in PostgreSQL")
    out.print(
        f"  · {plan.entries:,} entries with {plan.events:,} events are sent (again); the same event has the same ce_id"
    )
    if plan.lost or plan.conflicting:
        out.print(
            f"  · {plan.lost:,} events on the topics are beyond this database, which was restored; they are noted, so"
            " that a delivery which comes again gets its ids again, and no other does"
        )
    if plan.taken_down:
        out.print(
            f"  · [bold]{plan.taken_down:,} records were taken down after the backup[/]: the takedowns stand again, and"
            " nightly upkeep finishes them (`hub takedown list`)"
        )
    if plan.conflicting:
        out.print(
            f"  · [bold]{plan.conflicting:,} revisions were given to other content since the restore[/]: subscribers that"
            " drop known ids miss it until the source's next word, which is published with a revision of its own"
        )
    if plan.skipped:
        out.print(f"  · [bold]{plan.skipped:,} entries that wait now are passed over[/]: nobody sends them any more")


def _must_be_lanes(given: Iterable[str]) -> None:
    """Whether there are such lanes: of one that nobody knows nothing waits, which must not pass for "all is sent"."""
    with connection() as conn:
        known = set(conn.scalars(sa.select(lane_table.c.lane)))
    for one in given:
        must_be_known(Said("lane", "通道"), one, known, "hub relay status")


def _short(lane: LaneStatus) -> dict[str, Any]:
    """A row that fits a narrow terminal; `--json` has everything."""
    lag = f"{lane.lag_events:,} events, {lane.lag_seconds:,.0f} s" if lane.lag_entries else "none"
    return {**lane.as_dict(), "position": _sent(lane), "lag": lag}


def _sent(lane: LaneStatus) -> str:
    """How far the lane's entries are on their topics, in words."""
    entries = f"{lane.last_seq:,} {'entry' if lane.last_seq == 1 else 'entries'}"
    if lane.last_seq == 0:
        return "nothing to send yet"
    if lane.lag_entries == 0:
        return f"all of {entries} sent"
    seq, _, record = lane.position.partition(":")
    if (seq, record) == ("0", "0"):
        return f"none of {entries} sent"
    return f"sent as far as record {record} of entry {seq}, of {entries}"


def _line(done: Drained) -> dict[str, Any]:
    return {"lane": done.lane, "state": done.state, "events": done.events, "dead": done.dead}
