"""`hub feed snapshot`: a feed's current state for a reader who starts now."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from contracts import catalogue
from exchange.subscribers import snapshot as snapshots
from hub.ids import FeedId
from hub.options import Feed
from hub.output import AsJson, console, emit_json
from hub.settings import settings
from warehouse import acts
from warehouse.engine import transaction


def snapshot(
    feed: Feed,
    *,
    to: Annotated[Path, typer.Option(help="Folder to make: records.parquet and snapshot.json.")],
    operator: Annotated[str, typer.Option(help="Name of the person who takes it.")],
    reason: Annotated[str, typer.Option(help="For whom and why.")],
    as_json: AsJson = False,
) -> None:
    """Writes a feed's current state as Parquet, with the topic positions from which a reader goes on.

    It may run while the feed loads and the relay sends. It holds what events would hold, and leaves the hub: who takes it,
    and why, is noted.
    """
    by = acts.named("snapshot", operator, reason)
    contract = catalogue.load_one(FeedId(feed))
    made = snapshots.take(contract, to, settings())
    with transaction() as conn:
        facts = {"sha256": made.sha256, "records": made.records, "contract": made.contract}
        acts.note(conn, "snapshot", contract.id, by, facts)
    if as_json:
        emit_json(made.as_dict())
        return
    out = console()
    out.print(f"[bold]{made.records:,}[/] records, {made.withdrawn:,} withdrawn, in {escape(made.folder)}")
    where = ", ".join(f"{number}: {offset}" for number, offset in sorted(made.positions.offsets.items()))
    out.print(f"go on reading {escape(made.positions.topic)} at {escape(where)}")
