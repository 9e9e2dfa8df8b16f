"""Contracts of feeds: versions, diff."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from contracts.commands.changes.gating import show_changes, show_renamed
from contracts.diff.comparing import compare
from contracts.diff.errors import ChangeBreaks
from contracts.diff.fields import perhaps_renamed
from contracts.diff.refs import contract_of
from contracts.diff.versions import needed, step
from hub.ids import FeedId
from hub.options import Feed
from hub.output import AsJson, console, emit_json, emit_rows
from hub.settings import settings
from warehouse.engine import connection
from warehouse.feeds import versions

app = typer.Typer(no_args_is_help=True, help="Versions of contracts: versions, diff.")

Ref = "a file, ID (on disk), ID@VERSION (as the hub used it) or REVISION:ID (as git has it)"


@app.command("versions")
def list_versions(feed: Feed, as_json: AsJson = False) -> None:
    """Lists the versions of a contract that the hub used; `hub contract diff ID@VERSION ID` compares."""
    with connection() as conn:
        rows = [{**row, "sha256": str(row["sha256"])[:16]} for row in versions.listing(conn, FeedId(feed))]
    emit_rows(
        rows,
        [(name, name) for name in ("version", "sha256", "first_used_at", "last_used_at", "batches")],
        as_json=as_json,
    )


@app.command()
def diff(
    old: Annotated[str, typer.Argument(help=f"The version before: {Ref}.")],
    new: Annotated[str, typer.Argument(help=f"The version after: {Ref}.")],
    as_json: AsJson = False,
) -> None:
    """Names every change between two versions and whom it breaks; ends with 1 where one does."""
    root = settings().contracts
    (before, was), (after, now) = (
        contract_of(old, root, versions.of_version),
        contract_of(new, root, versions.of_version),
    )
    changes = compare(before, after, (was, now))
    breaking = [change for change in changes if change.breaking]
    if as_json:
        emit_json(
            {
                "feed": after.id,
                "old": before.version,
                "new": after.version,
                "breaking": len(breaking),
                "step": step(before.version, after.version),
                "needed": needed(changes),
                "changes": [change.as_dict() for change in changes],
                "perhaps_renamed": perhaps_renamed(before, after),
            }
        )
    else:
        out = console()
        out.print(f"[bold]{escape(after.id)}[/] {escape(before.version)} → {escape(after.version)}")
        show_changes(changes)
        show_renamed(perhaps_renamed(before, after))
        out.print(
            f"{len(breaking)} breaking of {len(changes)} changes; the version needs a [bold]{needed(changes)}[/] step, "
            f"it took {step(before.version, after.version)}"
        )
    if breaking:
        raise typer.Exit(ChangeBreaks.exit_code)
