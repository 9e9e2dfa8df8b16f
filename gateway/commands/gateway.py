"""The door: serve."""

from __future__ import annotations

import typer

from hub.output import AsJson, emit_json
from hub.settings import settings

app = typer.Typer(no_args_is_help=True, help="The door, where agencies push their feeds: serve.")


@app.callback()
def _group() -> None:
    """Keeps it a group: with one command alone it would be that command."""


@app.command()
def serve(as_json: AsJson = False) -> None:
    """Lets agencies in until it is told to stop (SIGTERM, Ctrl-C); deliveries under way may end."""
    from gateway import serve as serving  # noqa: PLC0415 - the application takes a second to import

    serving.serve(settings())
    if as_json:
        emit_json({"ended": True})
