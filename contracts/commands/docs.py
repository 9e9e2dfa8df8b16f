"""Data Docs: show the pages of judged batches on this machine, without any address outside."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Annotated

import typer
from rich.markup import escape

from contracts.suite import serving
from hub.output import AsJson, console, emit_json
from hub.settings import settings

app = typer.Typer(no_args_is_help=True, help="Data Docs: serve.")


@app.callback()
def _docs() -> None:
    """Data Docs: serve."""


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0: any free one.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Serves the pages of judged batches on 127.0.0.1 until it is interrupted (Ctrl-C)."""
    folder = settings().data_docs_dir
    with serving.server(folder, port) as server:
        address = f"http://{serving.HOST}:{server.server_port}/"
        if as_json:
            emit_json({"address": address, "folder": str(folder)})
        else:
            console().print(f"[bold]{address}[/]  {escape(str(folder))}", soft_wrap=True)
            console().print("Ctrl-C ends it 按 Ctrl-C 结束", soft_wrap=True)
        sys.stdout.flush()  # a program that reads it waits for the address
        with suppress(KeyboardInterrupt):
            server.serve_forever()
