"""Check machine, parts, settings and contracts, and say what to do."""

from __future__ import annotations

import typer
from rich.markup import escape
from rich.table import Table

from hub import doctor
from hub.output import AsJson, console, emit_json
from hub.settings import settings

app = typer.Typer(help=__doc__)
SHOWN = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "fail": "[bold red]fail[/]"}


@app.callback(invoke_without_command=True)
def run(as_json: AsJson = False) -> None:
    """Check machine, programs, parts, contracts and settings; exit 1 when a check fails."""
    checks = doctor.examine(settings())
    failed = sum(check.verdict == "fail" for check in checks)
    if as_json:
        emit_json({"failed": failed, "checks": [check.as_dict() for check in checks]})
    else:
        table = Table(header_style="bold", box=None, padding=(0, 2))
        for heading in ("", "area", "check", "found, and what to do"):
            table.add_column(heading, overflow="fold")
        for check in checks:
            told = escape(check.found) + (f"\n[bold]{escape(check.remedy)}[/]" if check.remedy else "")
            table.add_row(SHOWN[check.verdict], check.area, escape(check.name), told)
        console().print(table)
        warned = sum(check.verdict == "warn" for check in checks)
        console().print(f"{len(checks)} checks, {warned} to look at, {failed} failed")
    if failed:
        raise typer.Exit(1)
