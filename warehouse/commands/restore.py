"""Restore a backup into an empty database and run directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hub.output import AsJson, console, emit_json
from warehouse.backup import restoring

app = typer.Typer(help=__doc__)


@app.callback(invoke_without_command=True)
def run(
    source: Annotated[Path, typer.Option("--from", help="The folder of a backup.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Restore a backup; every file is held against its hash first. Then see `hub relay status`: Kafka may be ahead."""
    done = restoring.restore(source.expanduser().absolute())
    if as_json:
        emit_json(done.as_dict())
        return
    out = console()
    out.print(
        f"[bold green]done[/] as of {done.manifest.taken_at}: {len(done.manifest.files):,} files, tables at {done.step}"
    )
    out.print("next: `hub relay status`; a lane that Kafka is ahead of needs `hub relay rebase` (docs/backup.md)")
