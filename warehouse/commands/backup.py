"""Back up the database, the store and the hub's key, beside running feeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from hub.output import AsJson, console, emit_json
from warehouse.backup import taking

app = typer.Typer(help=__doc__)


@app.callback(invoke_without_command=True)
def run(
    to: Annotated[Path, typer.Option(help="A folder that is new or empty, for its owner alone; one for each backup.")],
    as_json: AsJson = False,
) -> None:
    """Back up the database, the store and the hub's key; feeds and relay go on. docs/backup.md says how to keep it."""
    done = taking.take(to.expanduser().absolute())
    if as_json:
        emit_json(done.as_dict())
        return
    key = "with the hub's key" if done.key else "without a key (HUB_HMAC_KEY is yours to keep)"
    console().print(
        f"[bold green]done[/] {escape(str(done.folder))}: database at step {escape(done.step)}, "
        f"{done.files:,} files, {done.bytes / 1024**2:,.1f} MiB, {key}"
    )
