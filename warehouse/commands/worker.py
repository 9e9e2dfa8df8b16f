"""The worker: takes frequent feeds in warm processes, without a task of Airflow each time; serve, run, status."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from contracts import catalogue
from hub import clock
from hub.output import AsJson, console, emit_json, emit_rows
from warehouse.engine import connection, transaction
from warehouse.listening import application
from warehouse.turns import book
from warehouse.turns.book import Turn
from warehouse.turns.worker import SIGNALS, Worker

if TYPE_CHECKING:
    from warehouse.turns.taking import Taken

app = typer.Typer(no_args_is_help=True, help="The worker of frequent feeds: serve, run, status.")

ServeAll = Annotated[
    bool,
    typer.Option("--all", help="Also feeds that no DAG has switched on: for a hub without Airflow."),
]

_STATUS = ("feed", "served", "due", "late s", "last", "took s", "turns", "failed", "in a row", "error")
_TAKEN = ("feed", "batches", "rows", "seconds", "error")


@app.command()
def serve(serve_all: ServeAll = False, as_json: AsJson = False) -> None:
    """Takes frequent feeds as they come due until it is told to stop (SIGTERM, Ctrl-C); turns under way may end."""
    worker = Worker(serve_all=serve_all)
    for number in SIGNALS:
        signal.signal(number, lambda *_: worker.stop())
    worker.run()
    if as_json:
        emit_json({"ended": True})


@app.command()
def run(
    *,
    once: Annotated[bool, typer.Option("--once", help="Take what is due now, then end.")] = False,
    serve_all: ServeAll = False,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds after which no further feed is begun.")] = 600.0,
    as_json: AsJson = False,
) -> None:
    """Takes what is due now (`--once`); without it, the same as serve. Ends with the exit code of the first error."""
    if not once:
        serve(serve_all, as_json)
        return
    from warehouse.turns import taking  # noqa: PLC0415 - the whole way: `serve` loads it when there is work

    found = catalogue.load()
    with transaction() as conn:
        book.sync(conn, found.feeds.values(), broken=found.broken, serve_all=serve_all)
    done = taking.take_late(application("turns"), late_seconds=0.0, patience_seconds=timeout)
    emit_rows([_taken(one) for one in done], [(name, name) for name in _TAKEN], as_json=as_json)
    failed = next((one.error for one in done if one.error is not None), None)
    if failed is not None:
        raise typer.Exit(failed.exit_code)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Shows the feeds that the worker takes: when each is due, how late it is, its newest turn, what failed."""
    with connection() as conn:
        found = book.listed(conn)
    if as_json:
        now = clock.now()
        emit_json([{**turn.as_dict(), "late_seconds": round(turn.late(now), 1)} for turn in found])
        return
    if not found:
        said = "no feed is taken by the worker: none says `hub.latency: frequent` | 没有由工作进程处理的数据源"
        console().print(said, soft_wrap=True, markup=False)
        return
    emit_rows([_line(turn) for turn in found], [(name, name) for name in _STATUS], as_json=False)
    for turn in found:
        if turn.failures and turn.error is not None:
            said = f"{turn.feed}: {turn.error.get('error')} | {turn.error.get('error_zh')}"
            console().print(f"[yellow]{escape(said)}[/]", soft_wrap=True)


def _line(turn: Turn) -> dict[str, Any]:
    error = turn.error.get("code") if turn.failures and turn.error is not None else ""
    last = turn.began_at if turn.under_way else turn.ended_at
    return {
        "feed": turn.feed,
        "served": "yes" if turn.served else "no",
        "due": _time(turn.due_at),
        "late s": round(turn.late(clock.now()), 1),
        "last": f"{_time(last)}{' …' if turn.under_way else ''}",
        "took s": turn.seconds,
        "turns": turn.turns,
        "failed": turn.failed,
        "in a row": turn.failures,
        "error": error,
    }


def _time(instant: Any) -> str:
    return "" if instant is None else f"{instant.astimezone(clock.BEIJING):%m-%d %H:%M:%S}"


def _taken(one: Taken) -> dict[str, Any]:
    return {
        "feed": one.feed,
        "batches": one.batches,
        "rows": one.rows,
        "seconds": round(one.seconds, 2),
        "error": None if one.error is None else one.error.code,
    }
