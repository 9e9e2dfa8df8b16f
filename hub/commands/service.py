"""Run one part of the hub in the foreground, for a container or systemd, and ask whether it is well."""

from __future__ import annotations

from typing import Annotated

import typer

from hub import service
from hub.output import AsJson, console, emit_json, emit_rows
from hub.stack import catalogue

app = typer.Typer(no_args_is_help=True, help=__doc__)

Name = Annotated[str, typer.Argument(help="The part: `hub service list` shows them.")]


@app.command("list")
def list_services(as_json: AsJson = False) -> None:
    """Lists the parts that can be run alone."""
    known = catalogue.known()
    rows = [
        {"part": name, "what": known[name].title, "kind": "step" if known[name].oneshot else "service"}
        for name in service.names()
    ]
    emit_rows(rows, [("part", "part"), ("what", "what"), ("kind", "kind")], as_json=as_json)


@app.command()
def run(name: Name, as_json: AsJson = False) -> None:
    """Becomes that part: the process that this starts in is the part's own from then on. A step ends with its work."""
    service.run(name)
    if as_json:
        emit_json({"part": name, "state": "done"})


@app.command()
def check(name: Name, as_json: AsJson = False) -> None:
    """Asks a running part whether it does what it should; ends with 3 and the reason where it does not."""
    service.check(name)
    if as_json:
        emit_json({"part": name, "state": "well"})
    else:
        console().print(f"{name} is well")
