"""Check machine, parts, settings and contracts, and say what to do."""

from __future__ import annotations

import typer
from rich.markup import escape

from hub import doctor
from hub.checked import Check
from hub.output import AsJson, console, emit_json
from hub.said import zh
from hub.settings import settings
from hub.tabular import hanging

app = typer.Typer(help=__doc__)
STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@app.callback(invoke_without_command=True)
def run(as_json: AsJson = False) -> None:
    """Check machine, programs, parts, contracts and settings; exit 1 when a check fails."""
    checks = doctor.examine(settings())
    failed = sum(check.verdict == "fail" for check in checks)
    if as_json:
        emit_json({"failed": failed, "checks": [check.as_dict() for check in checks]})
    else:
        out = console()
        widths = [max((len(text) for text in column), default=0) for column in zip(*map(_lead, checks), strict=True)]
        indent = sum(widths) + 2 * len(widths)
        for check in checks:
            verdict, area, name = (text.ljust(width) for text, width in zip(_lead(check), widths, strict=True))
            lead = f"[{STYLES[check.verdict]}]{verdict}[/]  {escape(area)}  {escape(name)}"
            hanging(out, lead, indent - 2, check.found, indent)
            for remedy in filter(None, (check.remedy, zh(check.remedy) if check.remedy else "")):
                # Not broken on a terminal: it is there to be copied.
                hanging(out, "", 0, remedy, 6, wraps=False)
        warned = sum(check.verdict == "warn" for check in checks)
        console().print(f"{len(checks)} checks, {warned} to look at, {failed} failed")
    if failed:
        raise typer.Exit(1)


def _lead(check: Check) -> tuple[str, str, str]:
    return check.verdict, check.area, check.name
