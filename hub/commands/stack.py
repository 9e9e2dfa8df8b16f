"""Start, stop and look at the local stack: PostgreSQL, Kafka, Airflow, relay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from hub import stack
from hub.options import SEVERAL
from hub.output import AsJson, emit_json, emit_rows, progress_console
from hub.settings import settings
from hub.stack import catalogue, kafka_cluster
from hub.stack.state import StackState

app = typer.Typer(no_args_is_help=True, help=__doc__)

Only = Annotated[
    list[str] | None, typer.Option(help=f"Start these alone, with what they need: postgres,kafka. {SEVERAL}")
]
Without = Annotated[list[str] | None, typer.Option(help=f"Start all but these: airflow. {SEVERAL}")]
Brokers = Annotated[
    int | None,
    typer.Option(
        help="How many brokers a new cluster gets: 1, or 3, of which any one may fail. One that is there keeps its number."
    ),
]
Timeout = Annotated[float, typer.Option(help="Seconds to wait until every part is ready.", min=1)]
COLUMNS = [
    ("part", "part"),
    ("state", "state"),
    ("address", "address"),
    ("pid", "pid"),
    ("seconds", "seconds"),
    ("detail", "detail"),
    ("log", "log"),
]
COLOURS = {
    "ready": "green",
    "done": "green",
    "skipped": "dim",
    "failed": "bold red",
    "down": "bold red",
    "silent": "bold red",
}


@app.command()
def up(
    *,
    only: Only = None,
    without: Without = None,
    brokers: Brokers = None,
    timeout: Timeout = 300,
    as_json: AsJson = False,
) -> None:
    """Start the stack and wait until every part is ready; find it when it already runs."""
    if brokers is not None and brokers not in kafka_cluster.SIZES:
        raise typer.BadParameter(
            "1 or 3: a quorum of two stands still as soon as one of them does", param_hint="--brokers"
        )
    parts = catalogue.choose(only or None, without or [])
    var = settings().var
    if as_json:
        emit_json(stack.up(var, parts, timeout=timeout, brokers=brokers).as_dict())
        return
    out = progress_console()
    with Live(console=out, refresh_per_second=8, transient=out.is_terminal) as live:
        state = stack.up(
            var,
            parts,
            timeout=timeout,
            brokers=brokers,
            watch=lambda seen: live.update(_table(seen)) if out.is_terminal else None,
        )
    _show(state, as_json=False)


@app.command()
def down(as_json: AsJson = False) -> None:
    """Stop what `hub stack up` started, and nothing else."""
    _show(stack.down(settings().var), as_json=as_json)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show each part's state, address, process and log; exit 1 when a part is not as it should be."""
    state = stack.status(settings().var)
    _show(state, as_json=as_json)
    if not state.ready:
        raise typer.Exit(1)


def _show(state: StackState, *, as_json: bool) -> None:
    if as_json:
        emit_json(state.as_dict())
        return
    emit_rows([{**part.row(), "log": _short(part.log)} for part in state.parts.values()], COLUMNS, as_json=False)
    out = progress_console()
    if not state.running and any(part.state not in ("stopped", "skipped") for part in state.parts.values()):
        out.print("[bold red]the supervisor is not running[/]; `hub stack down` ends what is left", soft_wrap=True)
    for part in state.parts.values():
        if part.state in ("failed", "down", "silent"):
            out.print(f"[bold red]{part.name} is {part.state}[/]: {escape(part.detail)}", soft_wrap=True)
            out.print("\n".join(f"  {escape(line)}" for line in part.tail), soft_wrap=True)


def _table(state: StackState) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2))
    for part in state.parts.values():
        took = f"{part.seconds:.1f} s" if part.seconds else ""
        table.add_row(part.name, f"[{COLOURS.get(part.state, 'yellow')}]{part.state}[/]", took, part.address or "")
    return table


def _short(path: str) -> str:
    shown = Path(path)
    return str(shown.relative_to(Path.cwd())) if shown.is_relative_to(Path.cwd()) else path
